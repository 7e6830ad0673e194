//! What a lock holds of rpm packages.

use std::fmt::Write;

use serde::Deserialize;

use super::field;
use super::text::{Row, quoted, rows};
use crate::digest::Digest;
use crate::platform::Platform;

/// A root filesystem of rpm packages for one platform: what one transaction installs, and how.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DnfPin {
    /// What the packages are for.
    #[serde(deserialize_with = "field::platform")]
    pub platform: Platform,
    /// `fedora`, `alma`, ...
    pub distribution: String,
    /// The release: `43`.
    pub release: String,
    /// Where the image has rpm's database: `/usr/lib/sysimage/rpm`.
    pub database: String,
    /// rpm's name of the database's form: `sqlite`, `ndb`.
    pub database_format: String,
    /// Whether documentation is installed.
    #[serde(default)]
    pub docs: bool,
    /// The languages whose files are installed; empty for all.
    #[serde(default)]
    pub langs: Vec<String>,
    /// Streams of modules that the image's dnf finds enabled: `nodejs:20`.
    #[serde(default)]
    pub modules: Vec<String>,
    /// Where the packages were found.
    pub repositories: Vec<LockedRpmRepository>,
    /// What is installed.
    pub packages: Vec<LockedRpm>,
}

/// A repository as it was when it was resolved.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LockedRpmRepository {
    /// Its short name, which packages and mirrors refer to.
    pub id: String,
    /// The digest of its `repomd.xml`.
    pub repomd: Digest,
}

/// One .rpm.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LockedRpm {
    /// The package's name.
    pub name: String,
    /// Epoch (unless it is 0), version and release: `1:2.3-4.fc43`.
    pub version: String,
    /// `noarch`, or rpm's name of an architecture.
    pub architecture: String,
    /// The `id` of the repository that has it.
    pub repository: String,
    /// Where it is in the repository, or above it: `Packages/b/bash-5.2-1.rpm`, `../../blobstore/bash-5.2-1.rpm`.
    #[serde(deserialize_with = "field::path_from_repository")]
    pub path: String,
    /// The size of the .rpm in bytes.
    pub size: u64,
    /// The digest of the .rpm.
    #[serde(deserialize_with = "field::hex")]
    pub sha256: Digest,
    /// The fingerprint of the key that signed it; `None` where it is unsigned, as the recipe allowed.
    #[serde(deserialize_with = "field::signer")]
    pub signed_by: Option<String>,
}

impl DnfPin {
    /// Puts everything whose order means nothing into the one order that is written.
    pub(super) fn sort(&mut self) {
        self.packages.sort();
        self.repositories.sort_by(|one, other| one.id.cmp(&other.id));
        self.modules.sort();
    }

    /// What a person's editing, or a merge of two locks, can break.
    pub(super) fn check(&self) -> Result<(), String> {
        let clean = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'%' | b'\\'));
        let fixed = self.database.starts_with('/') && !self.database.split('/').any(|part| part == "..");
        if !fixed || !clean(&self.database) || self.database == "/" {
            return Err(format!("`{}` is no place for a database", self.database));
        }
        if !matches!(self.database_format.as_str(), "sqlite" | "ndb") {
            return Err(format!("`{}` is no form of a database that is known here", self.database_format));
        }
        if let Some(wrong) = self.langs.iter().chain(&self.modules).find(|text| !clean(text) || text.contains('/')) {
            return Err(format!("`{wrong}` is neither a language nor a stream of a module"));
        }
        let packages = self.packages.iter().map(|package| {
            (
                package.name.as_str(),
                package.repository.as_str(),
                (&package.name, &package.version, &package.architecture),
            )
        });
        field::check_packages(packages, |id| self.repositories.iter().any(|known| known.id == id))
    }

    /// Appends its text, below its heading.
    pub(super) fn write(&self, text: &mut String) {
        let platform = self.platform.to_string();
        let words = [
            ("platform", &platform),
            ("distribution", &self.distribution),
            ("release", &self.release),
            ("database", &self.database),
            ("database-format", &self.database_format),
        ];
        for (key, value) in words {
            let _ = writeln!(text, "{key} = {}", quoted(value));
        }
        if self.docs {
            text.push_str("docs = true\n");
        }
        for (key, values) in [("langs", &self.langs), ("modules", &self.modules)] {
            if !values.is_empty() {
                let values: Vec<String> = values.iter().map(|value| quoted(value)).collect();
                let _ = writeln!(text, "{key} = [{}]", values.join(", "));
            }
        }
        let repository = |repository: &LockedRpmRepository| {
            Row::default().text("id", &repository.id).text("repomd", &repository.repomd.to_string())
        };
        rows(text, "repositories", self.repositories.iter().map(repository));
        rows(text, "packages", self.packages.iter().map(package));
    }
}

fn package(package: &LockedRpm) -> Row {
    Row::default()
        .text("name", &package.name)
        .text("version", &package.version)
        .text("architecture", &package.architecture)
        .text("repository", &package.repository)
        .text("path", &package.path)
        .raw("size", &package.size.to_string())
        .text("sha256", &package.sha256.hex())
        .text("signed-by", package.signed_by.as_deref().unwrap_or("unsigned"))
}
