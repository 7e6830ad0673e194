//! What is asked for: environment.yml, pixi.lock, conda-lock.yml, and explicit lists.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use miette::{NamedSource, SourceSpan};
use rattler_conda_types::package::CondaArchiveIdentifier;
use rattler_conda_types::{
    EnvironmentYaml, ExplicitEnvironmentEntry, MatchSpec, MatchSpecOrSubSection, PackageArchiveHash, ParseStrictness,
    RepoDataRecord, Subdir,
};
use rattler_lock::conda_lock::ImportOptions;
use rattler_lock::{LockFile, UrlOrPath};
use url::Url;

use super::CondaError;
use super::channel::{self, Source};
use super::wheel::WantedWheel;
use crate::digest::Digest;
use crate::package::did_you_mean;
use crate::recipe::CondaRequest;

/// What a file asks for.
pub(super) struct Wanted {
    /// What people call the environment.
    pub(super) name: String,
    /// Variables, as `NAME=VALUE`.
    pub(super) variables: Vec<String>,
    /// Packages.
    pub(super) packages: Packages,
    /// Wheels.
    pub(super) wheels: Vec<WantedWheel>,
}

/// The packages that a file asks for.
pub(super) enum Packages {
    /// By name and version: a solver chooses.
    Specs {
        /// Channels in the words of the file.
        channels: Vec<String>,
        /// What each package must be.
        specs: Vec<MatchSpec>,
    },
    /// Exactly these files.
    Exact(Vec<ExactPackage>),
}

/// One file of a list.
pub(super) struct ExactPackage {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) build: String,
    pub(super) url: Url,
    pub(super) sha256: Option<Digest>,
    pub(super) md5: Option<[u8; 16]>,
    pub(super) size: Option<u64>,
}

/// Reads the file of a request, for one platform.
pub(super) fn read(request: &CondaRequest, subdir: Subdir) -> Result<Wanted, CondaError> {
    let text = &request.text;
    let lines = || text.lines().map(str::trim_end);
    let starts = |key: &str| lines().any(|line| line.starts_with(key));
    if lines().any(|line| line == "@EXPLICIT") {
        return explicit(request);
    }
    if starts("environments:") && starts("version:") {
        let lock = LockFile::from_str_with_base_directory(text, Some(request.folder()));
        let lock = lock.map_err(|error| unreadable(request, &error.to_string(), None, "pixi writes such a file"))?;
        return locked(request, &lock, &request.environment_name, subdir);
    }
    if starts("metadata:") && starts("package:") {
        let help = "conda-lock writes such a file";
        let document = rattler_conda_lock::Document::parse(text).map_err(|error| {
            let place = error.span().map(|span| SourceSpan::from((span.start, span.len())));
            unreadable(request, &error.to_string(), place, help)
        })?;
        let lock = LockFile::from_conda_lock_document(&document, &ImportOptions::default())
            .map_err(|error| unreadable(request, &error.to_string(), None, help))?;
        return locked(request, &lock, "default", subdir);
    }
    environment_yaml(request)
}

fn environment_yaml(request: &CondaRequest) -> Result<Wanted, CondaError> {
    const HELP: &str =
        "an environment.yml has `name`, `channels` and a list of `dependencies`, each such as `curl >=8`";
    let file = EnvironmentYaml::from_yaml_str(&request.text).map_err(|error| {
        let place = error.location().map(|at| SourceSpan::from((at.index().min(request.text.len()), 0)));
        match other_form(&request.text) {
            Some((reason, help)) => unreadable(request, reason, None, help),
            None => unreadable(request, &error.to_string(), place, HELP),
        }
    })?;
    if let Some((key, place, meant)) = misspelt_section(&request.text) {
        return Err(unreadable(request, &format!("`{key}` is no section of it"), Some(place), &meant));
    }
    let refuse = |reason: &str, help: &str| unreadable(request, reason, None, help);
    let mut wheels = Vec::new();
    for dependency in &file.dependencies {
        match dependency {
            MatchSpecOrSubSection::SubSection(key, list) if key == "pip" => {
                let folder = request.folder();
                wheels.extend(list.iter().map(|line| WantedWheel::parse(line, folder)).collect::<Result<Vec<_>, _>>()?);
            }
            MatchSpecOrSubSection::SubSection(key, _) => {
                return Err(refuse(&format!("`{key}` is no section of dependencies"), "`pip` is the only one"));
            }
            MatchSpecOrSubSection::MatchSpec(spec) if spec.name.as_exact().is_none() => {
                return Err(refuse(&format!("`{spec}` names no one package"), HELP));
            }
            MatchSpecOrSubSection::MatchSpec(_) => {}
        }
    }
    if let Some(name) = file.variables.iter().find_map(|(name, value)| is_nothing(value, &request.text).then_some(name))
    {
        let help = format!("write `{name}: \"null\"` for the word, `{name}: \"\"` for an empty value, or leave it out");
        return Err(refuse(&format!("the variable `{name}` has no value"), &help));
    }
    let specs = file.match_specs().map(|spec| from_folder(spec, request.folder())).collect::<Result<Vec<_>, _>>()?;
    if specs.is_empty() {
        return Err(refuse("it asks for no packages", HELP));
    }
    let named = file.channels.iter().map(|channel| channel.as_str().to_owned());
    let channels = request.channels.clone().unwrap_or_else(|| named.filter(|name| name != "nodefaults").collect());
    if channels.is_empty() {
        return Err(refuse("it names no channels", "add `channels: [conda-forge]`, or `channels` to the recipe"));
    }
    let variables = file.variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let name = file.name.unwrap_or_else(|| folder_name(request));
    Ok(Wanted { name, variables, packages: Packages::Specs { channels, specs }, wheels })
}

/// What a file is that is no table, where that can be told, and what to do.
fn other_form(text: &str) -> Option<(&'static str, &'static str)> {
    let mut lines =
        text.lines().map(str::trim_end).filter(|line| !line.is_empty() && !line.starts_with('#') && *line != "---");
    let first = lines.next()?;
    if first == "-" || first.starts_with("- ") || first.starts_with('[') {
        let help = "an environment.yml has `name`, `channels` and a list of `dependencies`: put `dependencies:` above the list";
        return Some(("it is a list, not a table of `channels` and `dependencies`", help));
    }
    if CondaArchiveIdentifier::try_from_url(&Url::from_str(first).ok()?).is_some() {
        return Some(("it is a list of addresses without `@EXPLICIT`", "put a line `@EXPLICIT` above the addresses"));
    }
    None
}

/// Whether a value of YAML is nothing, as its reader gives it: a word such as `null`, not in quotes.
fn is_nothing(value: &str, text: &str) -> bool {
    let is_quoted = || ['"', '\''].iter().any(|quote| text.contains(&format!("{quote}{value}{quote}")));
    ["null", "Null", "NULL", "~"].contains(&value) && !is_quoted()
}

/// A spec whose channel is a path starts in the folder of its file, as the file's channels do.
fn from_folder(spec: &MatchSpec, folder: &Path) -> Result<MatchSpec, CondaError> {
    let mut spec = spec.clone();
    let path = spec.channel.as_ref().filter(|channel| channel.base_url.url().scheme() == "file");
    if let Some(name) = path.and_then(|channel| channel.name.clone()).filter(|name| name.starts_with('.')) {
        spec.channel = Some(Arc::new(Source::parse(&name, folder)?.channel));
    }
    Ok(spec)
}

/// The sections of an environment.yml that conda reads; it passes over others.
const SECTIONS: [&str; 7] = ["name", "channels", "dependencies", "variables", "prefix", "platforms", "category"];

/// A key at the beginning of a line that is nearly one of a section: passed over, what stands below it would be missing.
fn misspelt_section(text: &str) -> Option<(&str, SourceSpan, String)> {
    let mut offset = 0;
    text.split_inclusive('\n').find_map(|line| {
        let start = offset;
        offset += line.len();
        let (key, _) = line.split_once(':')?;
        let is_word = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        if !is_word || SECTIONS.contains(&key) {
            return None;
        }
        let meant = did_you_mean(key, SECTIONS.into_iter())?;
        Some((key, SourceSpan::from((start, key.len())), meant))
    })
}

fn explicit(request: &CondaRequest) -> Result<Wanted, CondaError> {
    const HELP: &str = "each line after `@EXPLICIT` is an address with `#` and the md5 or sha256 of the file";
    let (mut packages, mut wheels) = (Vec::new(), Vec::new());
    let mut lines: BTreeMap<String, &str> = BTreeMap::new();
    let mut offset = 0;
    for line in request.text.split_inclusive('\n') {
        let (start, text) = (offset, line.trim());
        offset += line.len();
        // conda-lock's form of what pip installs; a comment for conda.
        if let Some(wheel) = text.strip_prefix("# pip ") {
            wheels.push(WantedWheel::parse(wheel, request.folder())?);
            continue;
        }
        if text.is_empty() || text.starts_with('#') || text == "@EXPLICIT" {
            continue;
        }
        let refuse = |reason: String, help: &str| {
            let place = SourceSpan::from((start, text.len()));
            unreadable(request, &reason, Some(place), help)
        };
        let wrong = |reason: String| refuse(reason, HELP);
        let url = Url::from_str(text).map_err(|error| wrong(format!("`{text}` is no address: {error}")))?;
        let identifier = CondaArchiveIdentifier::try_from_url(&url)
            .ok_or_else(|| wrong(format!("`{text}` does not end with the name of a conda package")))?
            .identifier;
        match lines.insert(identifier.name.clone(), text) {
            Some(before) if before == text => continue,
            Some(before) => {
                let reason = format!("it has the package `{}` twice: `{before}` and `{text}`", identifier.name);
                return Err(refuse(reason, "keep one of the two lines"));
            }
            None => {}
        }
        let hash = ExplicitEnvironmentEntry { url: url.clone() }
            .package_archive_hash()
            .map_err(|_| wrong(format!("`{text}` does not end with a digest")))?
            .ok_or_else(|| wrong(format!("`{text}` has no digest")))?;
        let (sha256, md5) = match hash {
            PackageArchiveHash::Sha256(hash) => (Some(Digest::from_raw(hash.into())), None),
            PackageArchiveHash::Md5(hash) => (None, Some(hash.into())),
        };
        let mut plain = url;
        plain.set_fragment(None);
        packages.push(ExactPackage {
            name: identifier.name,
            version: identifier.version,
            build: identifier.build_string.to_string(),
            url: plain,
            sha256,
            md5,
            size: None,
        });
    }
    let packages = Packages::Exact(packages);
    Ok(Wanted { name: folder_name(request), variables: Vec::new(), packages, wheels })
}

fn locked(request: &CondaRequest, lock: &LockFile, name: &str, subdir: Subdir) -> Result<Wanted, CondaError> {
    let environment = lock.environment(name).ok_or_else(|| {
        let there: Vec<_> = lock.environments().map(|(name, _)| format!("`{name}`")).collect();
        let help = format!("`environment-name` is one of {}", there.join(", "));
        unreadable(request, &format!("it has no environment `{name}`"), None, &help)
    })?;
    let platforms: Vec<_> = environment.platforms().collect();
    let Some(platform) = platforms.iter().copied().find(|platform| platform.subdir() == subdir) else {
        let there: BTreeSet<String> = platforms.iter().map(|platform| platform.subdir().to_string()).collect();
        return Err(CondaError::Platform {
            path: request.environment.clone(),
            platform: subdir.to_string(),
            there: there.into_iter().collect::<Vec<_>>().join(", "),
        });
    };
    let source = environment.conda_packages(platform).into_iter().flatten().find_map(|package| package.as_source());
    if let Some(source) = source {
        let reason = format!("the package `{}` is built from source", source.name().as_normalized());
        return Err(unreadable(request, &reason, None, "build it into a channel, and lock that"));
    }
    let records = environment.conda_repodata_records(platform);
    let records = records.map_err(|error| unreadable(request, &error.to_string(), None, "lock it anew"))?;
    let packages = records.unwrap_or_default().into_iter().map(exact).collect();
    let mut wheels = Vec::new();
    for package in environment.pypi_packages(platform).into_iter().flatten() {
        let refuse =
            |reason: &str| CondaError::Pip { requirement: package.name().to_string(), reason: reason.to_owned() };
        let rattler_lock::PypiPackageData::Distribution(package) = package else {
            return Err(refuse("it is built from source"));
        };
        let hash = package.hash.as_ref().and_then(|hash| hash.sha256());
        let sha256 = Digest::from_raw((*hash.ok_or_else(|| refuse("the lock has no sha256 of it"))?).into());
        let location = match &*package.location {
            UrlOrPath::Url(url) => url.to_string(),
            UrlOrPath::Path(path) => path.to_string(),
        };
        wheels.push(WantedWheel::new(&location, sha256, request.folder())?);
    }
    let packages = Packages::Exact(packages);
    Ok(Wanted { name: folder_name(request), variables: Vec::new(), packages, wheels })
}

fn exact(record: RepoDataRecord) -> ExactPackage {
    let package = record.package_record;
    ExactPackage {
        name: package.name.as_normalized().to_owned(),
        version: package.version.to_string(),
        build: package.build.to_string(),
        url: record.url,
        sha256: package.sha256.map(|hash| Digest::from_raw(hash.into())),
        md5: package.md5.map(Into::into),
        size: package.size,
    }
}

impl ExactPackage {
    /// Of a record that a solver chose.
    pub(super) fn of(record: RepoDataRecord) -> Self {
        exact(record)
    }

    /// For messages: `curl 7.49.0 (1)`.
    pub(super) fn title(&self) -> String {
        format!("{} {} ({})", self.name, self.version, self.build)
    }

    /// Its channel's address, and its path there.
    pub(super) fn place(&self) -> Option<(String, String)> {
        channel::split(&self.url)
    }
}

/// A spec of the recipe's own words.
pub(super) fn spec(text: &str) -> Option<MatchSpec> {
    MatchSpec::from_str(text, ParseStrictness::Lenient).ok()
}

/// What an environment without a name is called: the last folder of its prefix.
fn folder_name(request: &CondaRequest) -> String {
    let path = Path::new(request.prefix.as_str());
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn unreadable(request: &CondaRequest, reason: &str, place: Option<SourceSpan>, help: &str) -> CondaError {
    let path = &request.environment;
    CondaError::Environment {
        path: path.clone(),
        reason: reason.to_owned(),
        help: help.to_owned(),
        text: Arc::new(NamedSource::new(path.display().to_string(), request.text.clone())),
        place,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Wanted, CondaError> {
        read(&CondaRequest::new("/srv/environment.yml".into(), text.to_owned()), Subdir::Linux64)
    }

    fn reason(text: &str) -> String {
        read_text(text).err().expect("it is wrong").to_string()
    }

    #[test]
    fn an_environment_file_is_read() {
        let text = "name: demo\nchannels:\n  - nodefaults\n  - ./real\ndependencies:\n  - curl >=7\n  - xz\n\
                    variables:\n  A: one\n";
        let wanted = read_text(text).unwrap();
        assert_eq!((wanted.name.as_str(), wanted.variables), ("demo", vec!["A=one".to_owned()]));
        let Packages::Specs { channels, specs } = wanted.packages else { panic!("specs") };
        assert_eq!(channels, ["./real"]);
        assert_eq!(specs.len(), 2);
    }

    #[test]
    fn what_is_wrong_with_one_is_told_with_its_place() {
        let error = read_text("name: demo\nchannels: [a]\ndependencies:\n  - curl: [1\n").err().unwrap();
        assert!(matches!(error, CondaError::Environment { place: Some(_), .. }), "{error}");
        assert!(reason("channels: [a]\ndependencies: []\n").contains("no packages"));
        assert!(reason("dependencies: [curl]\n").contains("no channels"));
        assert!(reason("channels: [a]\ndependencies: [x, {npm: [y]}]\n").contains("npm"));
        assert!(reason("channels: [a]\ndependencies: ['=>1 >']\n").contains("environment.yml"));
    }

    #[test]
    fn what_is_no_table_is_told_what_it_should_be() {
        let url = "https://channels.example/c/linux-64/xz-5.2.2-0.tar.bz2#0123456789abcdef0123456789abcdef";
        assert!(reason(&format!("# a list\n{url}\n")).ends_with("a list of addresses without `@EXPLICIT`"));
        assert!(reason("- curl\n- xz\n").contains("it is a list, not a table"));
        assert!(reason("---\n[curl]\n").contains("it is a list, not a table"));
    }

    #[test]
    fn a_variable_has_a_value() {
        let with = |value: &str| format!("channels: [a]\ndependencies: [b]\nvariables: {{E: {value}}}\n");
        assert!(reason(&with("null")).contains("the variable `E` has no value"));
        assert!(reason(&with("~")).contains("the variable `E` has no value"));
        assert_eq!(read_text(&with("'null'")).unwrap().variables, ["E=null"]);
        assert_eq!(read_text(&with("nullable")).unwrap().variables, ["E=nullable"]);
    }

    #[test]
    fn paths_of_specs_start_where_those_of_channels_do() {
        let wanted = read_text("channels: [../ch]\ndependencies: ['../ch::npy >=1', 'conda-forge::xz']\n").unwrap();
        let Packages::Specs { specs, .. } = wanted.packages else { panic!("specs") };
        let address = |spec: &MatchSpec| spec.channel.as_ref().unwrap().base_url.url().to_string();
        assert_eq!(address(&specs[0]), "file:///ch/");
        assert!(address(&specs[1]).ends_with("/conda-forge/"));
    }

    #[test]
    fn explicit_lists_need_digests() {
        let url = "https://channels.example/c/linux-64/xz-5.2.2-0.tar.bz2";
        let md5 = "0123456789abcdef0123456789abcdef";
        let wanted = read_text(&format!("# platform: linux-64\n@EXPLICIT\n{url}#{md5}\n")).unwrap();
        let Packages::Exact(packages) = wanted.packages else { panic!("exact") };
        assert_eq!((packages[0].name.as_str(), packages[0].build.as_str()), ("xz", "0"));
        assert!(packages[0].md5.is_some() && packages[0].url.as_str() == url);
        assert!(reason(&format!("@EXPLICIT\n{url}\n")).contains("no digest"));
        let twice = read_text(&format!("@EXPLICIT\n{url}#{md5}\n\n{url}#{md5}\n")).unwrap();
        assert!(
            matches!(twice.packages, Packages::Exact(packages) if packages.len() == 1),
            "an equal line says nothing new"
        );
        let other = url.replace("5.2.2-0", "5.2.3-1");
        let told = reason(&format!("@EXPLICIT\n{url}#{md5}\n{other}#{md5}\n"));
        assert!(told.contains(&format!("`xz` twice: `{url}#{md5}` and `{other}#{md5}`")), "{told}");
        assert!(reason("@EXPLICIT\nxz\n").contains("no address"));
        assert!(reason("@EXPLICIT\nhttps://a.example/x.zip#00\n").contains("name of a conda package"));
    }
}
