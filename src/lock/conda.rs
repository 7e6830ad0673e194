//! What a lock holds of a conda environment.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde::Deserialize;

use super::text::{Row, quoted, rows};
use super::{Change, field};
use crate::digest::Digest;
use crate::platform::Platform;

/// A conda environment for one platform.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CondaPin {
    /// What the packages are for.
    #[serde(deserialize_with = "field::platform")]
    pub platform: Platform,
    /// Where the environment is in the image.
    pub prefix: String,
    /// What people call it: `CONDA_DEFAULT_ENV`.
    pub name: String,
    /// What was asked for, in the words of the file: `curl >=7`; nothing where the file itself was a lock.
    #[serde(default)]
    pub specs: Vec<String>,
    /// The virtual packages that it was solved with: `__glibc=2.41=0`.
    #[serde(default)]
    pub virtual_packages: Vec<String>,
    /// Environment variables of the file, as `NAME=VALUE`.
    #[serde(default)]
    pub variables: Vec<String>,
    /// What is installed.
    pub packages: Vec<LockedConda>,
    /// Wheels that are installed into the environment's Python.
    #[serde(default)]
    pub wheels: Vec<LockedWheel>,
}

/// One conda package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LockedConda {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its build: `h832b4f1_0`.
    pub build: String,
    /// The channel: a name, an address, or a path as the file has it.
    pub channel: String,
    /// Where it is in the channel: `linux-64/curl-7.49.0-1.tar.bz2`.
    #[serde(deserialize_with = "field::archive_path")]
    pub path: String,
    /// The size of the package in bytes.
    pub size: u64,
    /// The digest of the package.
    #[serde(deserialize_with = "field::hex")]
    pub sha256: Digest,
}

/// One wheel.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LockedWheel {
    /// The distribution's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its address, or its path as the file has it.
    pub url: String,
    /// The size of the wheel in bytes.
    pub size: u64,
    /// The digest of the wheel.
    #[serde(deserialize_with = "field::hex")]
    pub sha256: Digest,
}

impl CondaPin {
    /// Puts everything whose order means nothing into the one order that is written.
    pub(super) fn sort(&mut self) {
        self.packages.sort();
        self.wheels.sort();
        self.virtual_packages.sort();
    }

    /// What a person's editing, or a merge of two locks, can break.
    pub(super) fn check(&self) -> Result<(), String> {
        let mut names = BTreeSet::new();
        match self.packages.iter().find(|package| !names.insert(&package.name)) {
            Some(twice) => Err(format!("the conda package `{}` is there twice", twice.name)),
            None => Ok(()),
        }
    }

    /// Appends its text, below its heading.
    pub(super) fn write(&self, text: &mut String) {
        let platform = self.platform.to_string();
        for (key, value) in [("platform", &platform), ("prefix", &self.prefix), ("name", &self.name)] {
            let _ = writeln!(text, "{key} = {}", quoted(value));
        }
        for (key, values) in
            [("specs", &self.specs), ("virtual-packages", &self.virtual_packages), ("variables", &self.variables)]
        {
            if !values.is_empty() {
                let values: Vec<String> = values.iter().map(|value| quoted(value)).collect();
                let _ = writeln!(text, "{key} = [{}]", values.join(", "));
            }
        }
        rows(text, "packages", self.packages.iter().map(package));
        if !self.wheels.is_empty() {
            rows(text, "wheels", self.wheels.iter().map(wheel));
        }
    }
}

fn package(package: &LockedConda) -> Row {
    Row::default()
        .text("name", &package.name)
        .text("version", &package.version)
        .text("build", &package.build)
        .text("channel", &package.channel)
        .text("path", &package.path)
        .raw("size", &package.size.to_string())
        .text("sha256", &package.sha256.hex())
}

fn wheel(wheel: &LockedWheel) -> Row {
    Row::default()
        .text("name", &wheel.name)
        .text("version", &wheel.version)
        .text("url", &wheel.url)
        .raw("size", &wheel.size.to_string())
        .text("sha256", &wheel.sha256.hex())
}

/// The packages and wheels that two locks have differently; their architecture is the platform's name in channels.
pub(super) fn changes(old: &[CondaPin], new: &[CondaPin]) -> Vec<Change> {
    let (old, new) = (contents(old), contents(new));
    let keys: BTreeSet<_> = old.keys().chain(new.keys()).copied().collect();
    let differing = keys.into_iter().filter(|key| old.get(key).map(|one| one.1) != new.get(key).map(|one| one.1));
    let change = |key: (Platform, &str, &str, &str)| Change {
        name: key.2.to_owned(),
        architecture: key.3.to_owned(),
        before: old.get(&key).map(|one| one.0.clone()),
        after: new.get(&key).map(|one| one.0.clone()),
        security: false,
    };
    differing.map(change).collect()
}

type Contents<'a> = BTreeMap<(Platform, &'a str, &'a str, &'a str), (String, Digest)>;

/// Version and digest of each package and wheel, by platform, prefix, name and kind.
fn contents(pins: &[CondaPin]) -> Contents<'_> {
    let mut contents = Contents::new();
    for pin in pins {
        let prefix = pin.prefix.as_str();
        for package in &pin.packages {
            let subdir = package.path.split('/').next().unwrap_or_default();
            let version = format!("{}-{}", package.version, package.build);
            contents.insert((pin.platform, prefix, &package.name, subdir), (version, package.sha256));
        }
        for wheel in &pin.wheels {
            contents.insert((pin.platform, prefix, &wheel.name, "wheel"), (wheel.version.clone(), wheel.sha256));
        }
    }
    contents
}
