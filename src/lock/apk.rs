//! What a lock holds of apk's packages.

use std::fmt::Write;

use serde::Deserialize;

use super::field;
use super::text::{Row, quoted, rows};
use crate::digest::Digest;
use crate::platform::Platform;

/// A root filesystem of apk's packages for one platform.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ApkPin {
    /// What the packages are for.
    #[serde(deserialize_with = "field::platform")]
    pub platform: Platform,
    /// `alpine`, `wolfi`, `chainguard`, or another name that a recipe gives.
    pub distribution: String,
    /// The branch, where the distribution has some: `v3.20`.
    pub branch: Option<String>,
    /// Whether scripts of packages run: `none` or `sandbox`.
    pub scripts: LockedScripts,
    /// What was asked for, as `/etc/apk/world` has it.
    pub world: Vec<String>,
    /// Where the packages were found, in order of preference.
    pub repositories: Vec<LockedApkRepository>,
    /// The keys of the image's own apk, beside those that its packages bring.
    #[serde(default)]
    pub keys: Vec<LockedKey>,
    /// What is installed.
    pub packages: Vec<LockedApk>,
}

/// Whether scripts of packages run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LockedScripts {
    /// They do not.
    None,
    /// In the sandbox.
    Sandbox,
}

/// One repository as it was when it was resolved.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LockedApkRepository {
    /// The repository's short name: `alpine-main`; what packages and mirrors refer to.
    pub id: String,
    /// Its line in the image's `/etc/apk/repositories`; none where nobody outside can reach it.
    pub line: Option<String>,
    /// The tag that its packages are asked for with.
    pub tag: Option<String>,
    /// The digest of its index as it was sent.
    pub index: Digest,
    /// The name of the key that signed it; `unsigned` where the recipe allowed that.
    pub signed_by: String,
}

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LockedKey {
    /// Its file name in `/etc/apk/keys`.
    #[serde(deserialize_with = "field::archive_path")]
    pub name: String,
    /// The base64 of its DER.
    pub public: String,
}

/// One .apk.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LockedApk {
    /// The package's name.
    pub name: String,
    /// The full version.
    pub version: String,
    /// `noarch`, or apk's name of an architecture.
    pub architecture: String,
    /// The `id` of the repository that has it.
    pub repository: String,
    /// Where it is in the repository: `x86_64/busybox-1.36.1-r29.apk`.
    #[serde(deserialize_with = "field::archive_path")]
    pub path: String,
    /// The size of the file in bytes.
    pub size: u64,
    /// The checksum of its control section in the signed index, `Q1...`.
    pub checksum: String,
    /// The digest of the file.
    #[serde(deserialize_with = "field::hex")]
    pub sha256: Digest,
}

impl ApkPin {
    /// Puts everything whose order means nothing into the one order that is written.
    pub(super) fn sort(&mut self) {
        self.packages.sort();
        self.keys.sort();
        self.world.sort();
    }

    /// What a person's editing, or a merge of two locks, can break.
    pub(super) fn check(&self) -> Result<(), String> {
        let packages =
            self.packages.iter().map(|package| (package.name.as_str(), package.repository.as_str(), &package.name));
        field::check_packages(packages, |id| self.repositories.iter().any(|known| known.id == id))?;
        if let Some(key) = self.keys.iter().find(|key| key.name.contains('/')) {
            return Err(format!("the key `{}` has a name that is a path", key.name));
        }
        Ok(())
    }

    /// Appends its text, below its heading.
    pub(super) fn write(&self, text: &mut String) {
        let platform = self.platform.to_string();
        for (key, value) in [("platform", &platform), ("distribution", &self.distribution)] {
            let _ = writeln!(text, "{key} = {}", quoted(value));
        }
        if let Some(branch) = &self.branch {
            let _ = writeln!(text, "branch = {}", quoted(branch));
        }
        let scripts = match self.scripts {
            LockedScripts::None => "none",
            LockedScripts::Sandbox => "sandbox",
        };
        let world: Vec<_> = self.world.iter().map(|entry| quoted(entry)).collect();
        let _ = writeln!(text, "scripts = \"{scripts}\"\nworld = [{}]", world.join(", "));
        rows(text, "repositories", self.repositories.iter().map(repository));
        rows(
            text,
            "keys",
            self.keys.iter().map(|key| Row::default().text("name", &key.name).text("public", &key.public)),
        );
        rows(text, "packages", self.packages.iter().map(package));
    }
}

fn repository(repository: &LockedApkRepository) -> Row {
    Row::default()
        .text("id", &repository.id)
        .optional("line", repository.line.as_deref())
        .optional("tag", repository.tag.as_deref())
        .text("index", &repository.index.to_string())
        .text("signed-by", &repository.signed_by)
}

fn package(package: &LockedApk) -> Row {
    Row::default()
        .text("name", &package.name)
        .text("version", &package.version)
        .text("architecture", &package.architecture)
        .text("repository", &package.repository)
        .text("path", &package.path)
        .raw("size", &package.size.to_string())
        .text("checksum", &package.checksum)
        .text("sha256", &package.sha256.hex())
}
