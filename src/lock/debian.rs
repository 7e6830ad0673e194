//! What a lock holds of Debian packages.

use std::fmt::Write;

use serde::Deserialize;

use super::field;
use super::text::{Row, quoted, rows};
use crate::digest::Digest;
use crate::epoch::Epoch;
use crate::platform::Platform;
use crate::recipe::PathPattern;

/// A root filesystem of Debian packages for one platform.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DebianPin {
    /// What the packages are for.
    #[serde(deserialize_with = "field::platform")]
    pub platform: Platform,
    /// `debian`, `ubuntu`, or another name that a recipe gives.
    pub distribution: String,
    /// The main suite, by its codename: `trixie`.
    pub suite: String,
    /// Where the packages were found.
    pub repositories: Vec<LockedRepository>,
    /// How the packages become a root filesystem.
    #[serde(default)]
    pub installer: Installer,
    /// Programs which, with all they need, are the only files that are kept. None for all files.
    #[serde(default)]
    pub binaries: Vec<String>,
    /// Packages of which only some files are kept.
    #[serde(default)]
    pub slices: Vec<LockedSlice>,
    /// What is installed.
    pub packages: Vec<LockedPackage>,
    /// What the image's own apt is told of, in the order of its file.
    #[serde(default)]
    pub sources: Vec<AptSource>,
    /// Files of keys that the recipe brings, and the image's own apt needs.
    #[serde(default)]
    pub keyrings: Vec<AptKeyring>,
}

/// What makes a root filesystem of packages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Installer {
    /// This program: it lays their files, and their scripts run in the sandbox.
    #[default]
    Native,
    /// This program: it lays their files, and no scripts run.
    Files,
    /// The host's mmdebstrap.
    Mmdebstrap,
    /// The host's debootstrap.
    Debootstrap,
}

/// A package of which only some files are kept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LockedSlice {
    /// The package's name.
    pub package: String,
    /// The paths that are kept, with wildcards.
    pub keep: Vec<String>,
}

/// One suite of one repository as it was when it was resolved.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LockedRepository {
    /// The repository's short name: `debian`, `debian-security`; what packages and mirrors refer to.
    pub id: String,
    /// Its address, for repositories without known mirrors.
    pub url: Option<String>,
    /// The suite in it: `trixie-updates`.
    pub suite: String,
    /// The components that were read.
    pub components: Vec<String>,
    /// The `Date` of its Release file: which dated archive still has what mirrors have dropped.
    #[serde(deserialize_with = "field::date")]
    pub date: Epoch,
    /// The digest of its Release file's text.
    pub release: Digest,
    /// The fingerprint of the key that signed it; `None` where it is unsigned, as the recipe allowed.
    #[serde(deserialize_with = "field::signer")]
    pub signed_by: Option<String>,
    /// The dated archive that the recipe asks for: `20261101T000000Z`.
    pub snapshot: Option<String>,
}

/// One .deb.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LockedPackage {
    /// The package's name.
    pub name: String,
    /// The full version, as its control file has it.
    pub version: String,
    /// `all`, or dpkg's name of an architecture.
    pub architecture: String,
    /// The `id` of the repository that has it.
    pub repository: String,
    /// Where it is in the repository: `pool/main/b/bash/bash_5.2.37-2+b5_amd64.deb`.
    #[serde(deserialize_with = "field::archive_path")]
    pub path: String,
    /// The size of the .deb in bytes.
    pub size: u64,
    /// The digest of the .deb.
    #[serde(deserialize_with = "field::hex")]
    pub sha256: Digest,
    /// Whether it belongs to the first stage: the essential packages and what they need.
    #[serde(default)]
    pub essential: bool,
    /// The archive's priority of a package of the second stage, which may be another than its control file's; nothing is
    /// `optional`. Packages of higher priority are unpacked earlier.
    pub priority: Option<String>,
    /// Whether nobody asked for it by name (`Auto-Installed` in apt's extended_states).
    #[serde(default)]
    pub automatic: bool,
    /// Whether a suite of security updates has this version.
    #[serde(default)]
    pub security: bool,
}

/// One entry of the image's own apt sources (sources.list(5), deb822 form).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AptSource {
    /// `deb`, `deb-src`.
    pub types: Vec<String>,
    /// The repository's address.
    pub uri: String,
    /// Its suites.
    pub suites: Vec<String>,
    /// Its components.
    pub components: Vec<String>,
    /// The keyring's path in the image.
    pub signed_by: Option<String>,
    /// Whether it is used without a signature, as the recipe allows.
    #[serde(default)]
    pub trusted: bool,
}

/// A file of keys in the image. Its bytes are those of a file that the recipe names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AptKeyring {
    /// Its path in the image.
    pub path: String,
    /// The digest of the file.
    #[serde(deserialize_with = "field::hex")]
    pub sha256: Digest,
}

impl DebianPin {
    /// Puts everything whose order means nothing into the one order that is written.
    pub(super) fn sort(&mut self) {
        self.packages.sort();
        self.repositories.sort_by(|a, b| (&a.id, &a.suite).cmp(&(&b.id, &b.suite)));
    }

    /// What a person's editing, or a merge of two locks, can break.
    pub(super) fn check(&self) -> Result<(), String> {
        let packages = self.packages.iter().map(|package| {
            (package.name.as_str(), package.repository.as_str(), (&package.name, &package.architecture))
        });
        field::check_packages(packages, |id| self.repositories.iter().any(|known| known.id == id))?;
        for pattern in self.slices.iter().flat_map(|slice| &slice.keep).chain(&self.binaries) {
            if pattern.parse::<PathPattern>().is_err() {
                return Err(format!("`{pattern}` is no path of the image"));
            }
        }
        Ok(())
    }

    /// Appends its text, below its heading.
    pub(super) fn write(&self, text: &mut String) {
        let platform = self.platform.to_string();
        for (key, value) in [("platform", &platform), ("distribution", &self.distribution), ("suite", &self.suite)] {
            let _ = writeln!(text, "{key} = {}", quoted(value));
        }
        if self.installer != Installer::Native {
            let _ = writeln!(text, "installer = {}", quoted(self.installer.name()));
        }
        if !self.binaries.is_empty() {
            let binaries: Vec<String> = self.binaries.iter().map(|path| quoted(path)).collect();
            let _ = writeln!(text, "binaries = [{}]", binaries.join(", "));
        }
        if !self.slices.is_empty() {
            rows(text, "slices", self.slices.iter().map(slice));
        }
        rows(text, "repositories", self.repositories.iter().map(repository));
        rows(text, "packages", self.packages.iter().map(package));
        rows(text, "sources", self.sources.iter().map(source));
        if !self.keyrings.is_empty() {
            let row =
                |keyring: &AptKeyring| Row::default().text("path", &keyring.path).text("sha256", &keyring.sha256.hex());
            rows(text, "keyrings", self.keyrings.iter().map(row));
        }
    }
}

impl Installer {
    /// Its name in a lock: `files`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Files => "files",
            Self::Mmdebstrap => "mmdebstrap",
            Self::Debootstrap => "debootstrap",
        }
    }
}

fn slice(slice: &LockedSlice) -> Row {
    Row::default().text("package", &slice.package).list("keep", &slice.keep)
}

fn repository(repository: &LockedRepository) -> Row {
    Row::default()
        .text("id", &repository.id)
        .optional("url", repository.url.as_deref())
        .text("suite", &repository.suite)
        .list("components", &repository.components)
        .raw("date", &repository.date.rfc3339())
        .text("release", &repository.release.to_string())
        .text("signed-by", repository.signed_by.as_deref().unwrap_or("unsigned"))
        .optional("snapshot", repository.snapshot.as_deref())
}

fn package(package: &LockedPackage) -> Row {
    Row::default()
        .text("name", &package.name)
        .text("version", &package.version)
        .text("architecture", &package.architecture)
        .text("repository", &package.repository)
        .text("path", &package.path)
        .raw("size", &package.size.to_string())
        .text("sha256", &package.sha256.hex())
        .flag("essential", package.essential)
        .optional("priority", package.priority.as_deref())
        .flag("automatic", package.automatic)
        .flag("security", package.security)
}

fn source(source: &AptSource) -> Row {
    Row::default()
        .list("types", &source.types)
        .text("uri", &source.uri)
        .list("suites", &source.suites)
        .list("components", &source.components)
        .optional("signed-by", source.signed_by.as_deref())
        .flag("trusted", source.trusted)
}
