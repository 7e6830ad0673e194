//! What a wheel says of itself, compared with its name and with the environment.
//!
//! The form is that of <https://packaging.python.org/en/latest/specifications/core-metadata/>; versions and requirements
//! are read by the crates that rattler's lock files bring.

use std::collections::BTreeMap;
use std::str::FromStr;

use pep440_rs::{Version, VersionSpecifiers};
use pep508_rs::{MarkerEnvironment, MarkerEnvironmentBuilder, Requirement, VerbatimUrl, VersionOrUrl};

use super::Installed;
use super::python::Python;
use crate::tree::TreePath;

/// What `METADATA` says of a distribution.
#[derive(Debug, Default)]
pub(super) struct Metadata {
    name: String,
    version: String,
    requires_python: Option<String>,
    requires: Vec<String>,
}

impl Metadata {
    /// Reads the fields before the description.
    pub(super) fn parse(text: &str) -> Self {
        let mut metadata = Self::default();
        for line in text.lines().take_while(|line| !line.trim().is_empty()) {
            let Some((field, value)) = line.split_once(':') else { continue };
            let value = value.trim().to_owned();
            match field.to_ascii_lowercase().as_str() {
                "name" => metadata.name = value,
                "version" => metadata.version = value,
                "requires-python" => metadata.requires_python = Some(value),
                "requires-dist" => metadata.requires.push(value),
                _ => {}
            }
        }
        metadata
    }

    /// Why it is not what its file's name says, or not for `python`.
    pub(super) fn mismatch(&self, name: &str, version: &str, python: &Python) -> Option<String> {
        if normalized(&self.name) != name || !is_same(&self.version, version) {
            let own = format!("{} {}", self.name, self.version);
            return Some(format!("its name says {name} {version}, and its `METADATA` says {own}"));
        }
        let wanted = self.requires_python.as_deref()?;
        // Of what is no version, nothing is known; pip takes it too.
        let (specifiers, own) = (VersionSpecifiers::from_str(wanted).ok()?, Version::from_str(&python.full).ok()?);
        let fits = specifiers.contains(&own);
        (!fits).then(|| format!("it needs Python {wanted}, and the environment has {}", python.full))
    }

    /// What it needs that is not among `there`, each in words such as `numpy>=2 (1.26 is there)`. What it needs for other
    /// systems, or for extras, does not count.
    pub(super) fn lacks(&self, there: &Distributions, python: &Python, machine: &str) -> Vec<String> {
        let Some(environment) = markers(python, machine) else { return Vec::new() };
        let mut lacks = Vec::new();
        for text in &self.requires {
            let Ok(requirement) = Requirement::<VerbatimUrl>::from_str(text) else { continue };
            if !requirement.evaluate_markers(&environment, &[]) {
                continue;
            }
            let name = requirement.name.to_string();
            let specifiers = match &requirement.version_or_url {
                Some(VersionOrUrl::VersionSpecifier(specifiers)) => Some(specifiers),
                _ => None,
            };
            let wanted = format!("{name}{}", specifiers.map(ToString::to_string).unwrap_or_default());
            let Some(version) = there.0.get(&name) else {
                lacks.push(wanted);
                continue;
            };
            let fits = |version: Version| specifiers.is_none_or(|specifiers| specifiers.contains(&version));
            if !Version::from_str(version).map_or(true, fits) {
                lacks.push(format!("{wanted} ({version} is there)"));
            }
        }
        lacks
    }
}

/// A distribution's name as indexes compare it (<https://packaging.python.org/en/latest/specifications/name-normalization/>).
pub(super) fn normalized(name: &str) -> String {
    let words: Vec<&str> = name.split(['-', '_', '.']).filter(|word| !word.is_empty()).collect();
    words.join("-").to_ascii_lowercase()
}

/// The distributions of an environment by their names, with their versions.
#[derive(Debug, Default)]
pub(super) struct Distributions(BTreeMap<String, String>);

impl Distributions {
    /// Those of packages and wheels: by what is in `site-packages`, and by their own names, as a package may have neither
    /// the name of its distribution nor a list of it.
    pub(super) fn of(packages: &[Installed]) -> Self {
        let own = packages.iter().map(|package| (normalized(&package.name), package.version.clone()));
        let mut there: BTreeMap<String, String> = own.collect();
        there.extend(packages.iter().flat_map(|package| &package.files).filter_map(|(path, _)| distribution(path)));
        Self(there)
    }
}

/// Name and version of the distribution whose `METADATA` or list a file is: `NAME-1.0.dist-info/METADATA`.
fn distribution(path: &TreePath) -> Option<(String, String)> {
    let folder = match path.name() {
        b"METADATA" | b"PKG-INFO" => path.parent()?,
        name if name.ends_with(b".egg-info") => path.clone(),
        _ => return None,
    };
    let name = String::from_utf8_lossy(folder.name()).into_owned();
    let stem = name.strip_suffix(".dist-info").or_else(|| name.strip_suffix(".egg-info"))?;
    let mut parts = stem.split('-');
    Some((normalized(parts.next()?), parts.next()?.to_owned()))
}

/// Whether two versions are one: `1.0` and `1.0.0`, and in names of files of old `1.0+cpu` and `1.0_cpu`.
fn is_same(one: &str, other: &str) -> bool {
    match (Version::from_str(one), Version::from_str(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => one.replace(['+', '-'], "_") == other.replace(['+', '-'], "_"),
    }
}

/// What markers of requirements are compared with. Of the kernel nothing is known when an image is made.
fn markers(python: &Python, machine: &str) -> Option<MarkerEnvironment> {
    let builder = MarkerEnvironmentBuilder {
        implementation_name: "cpython",
        implementation_version: &python.full,
        os_name: "posix",
        platform_machine: machine,
        platform_python_implementation: "CPython",
        platform_release: "",
        platform_system: "Linux",
        platform_version: "",
        python_full_version: &python.full,
        python_version: &python.version,
        sys_platform: "linux",
    };
    MarkerEnvironment::try_from(builder).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn python() -> Python {
        let site_packages = "lib/python3.12/site-packages".to_owned();
        Python { version: "3.12".to_owned(), full: "3.12.1".to_owned(), site_packages }
    }

    #[test]
    fn a_wheel_is_what_its_name_says_and_for_this_python() {
        let mismatch = |fields: &str| Metadata::parse(fields).mismatch("my-tool", "1.0", &python());
        assert_eq!(mismatch("Name: My.Tool\nVersion: 1.0.0\nRequires-Python: >=3.9,<4\n\nVersion: 2"), None);
        let told = mismatch("Name: other\nVersion: 1.0\n").unwrap();
        assert_eq!(told, "its name says my-tool 1.0, and its `METADATA` says other 1.0");
        assert!(mismatch("Name: my-tool\nVersion: 2.0\n").unwrap().ends_with("says my-tool 2.0"));
        let told = mismatch("Name: my-tool\nVersion: 1.0\nRequires-Python: >=3.13\n").unwrap();
        assert_eq!(told, "it needs Python >=3.13, and the environment has 3.12.1");
        assert_eq!(mismatch("Name: my-tool\nVersion: 1.0\nRequires-Python: new\n"), None);
        assert!(is_same("2.4.0+cu121", "2.4.0_cu121") && !is_same("2.4.0+cu121", "2.4.0"));
    }

    #[test]
    fn what_it_needs_here_is_there_or_named() {
        let lines = [
            "numpy>=2",
            "old-style (<3)",
            "Not_There ; python_version >= '3.8'",
            "colorama ; sys_platform == 'win32'",
            "pytest>=7 ; extra == 'test'",
            "tomli ; python_version < '3.11'",
            "present",
        ];
        let text: String = lines.iter().map(|line| format!("Requires-Dist: {line}\n")).collect();
        let there = |name: &str, version: &str| (name.to_owned(), version.to_owned());
        let there = Distributions([there("numpy", "1.26"), there("old-style", "2"), there("present", "1")].into());
        let lacks = Metadata::parse(&text).lacks(&there, &python(), "x86_64");
        assert_eq!(lacks, ["numpy>=2 (1.26 is there)", "not-there"]);
    }

    #[test]
    fn distributions_are_known_by_their_lists() {
        let of = |path: &'static str| distribution(&TreePath::literal(path));
        let found = Some(("my-tool".to_owned(), "1.0".to_owned()));
        assert_eq!(of("e/lib/python3.12/site-packages/My.Tool-1.0.dist-info/METADATA"), found);
        assert_eq!(of("e/lib/python3.12/site-packages/my_tool-1.0-py3.12.egg-info/PKG-INFO"), found);
        assert_eq!(of("e/lib/python3.12/site-packages/my_tool-1.0-py3.12.egg-info"), found);
        assert_eq!(of("e/lib/METADATA"), None);
    }
}
