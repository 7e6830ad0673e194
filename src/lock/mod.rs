//! The lock: every input of an image by digest, in a file beside the recipe.
//!
//! A lock is what resolving a recipe gives. Together with the recipe's folder it rebuilds the image: from any mirror,
//! because it holds paths within a repository and digests, and from a full store without a network.

mod changes;
mod error;
mod text;

use std::collections::BTreeSet;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer};

pub use changes::{Change, changes};
pub use error::LockError;

use crate::digest::Digest;
use crate::epoch::Epoch;
use crate::platform::Platform;

/// The version of the lock's form, and of every behaviour that changes the bytes of an image.
pub const FORMAT: u32 = 1;

/// What a recipe's request was resolved to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// Read before everything else; always [`FORMAT`].
    #[serde(rename = "format")]
    _format: u32,
    /// The digest of what was asked for: a lock of another request is stale.
    pub request: Digest,
    /// Root filesystems of Debian packages.
    #[serde(default)]
    debian: Vec<DebianPin>,
}

/// One resolved input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pin {
    /// A root filesystem of Debian packages.
    Debian(DebianPin),
}

/// A root filesystem of Debian packages for one platform.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DebianPin {
    /// What the packages are for.
    #[serde(deserialize_with = "platform")]
    pub platform: Platform,
    /// `debian`, `ubuntu`, or another name that a recipe gives.
    pub distribution: String,
    /// The main suite, by its codename: `trixie`.
    pub suite: String,
    /// Where the packages were found.
    pub repositories: Vec<LockedRepository>,
    /// What is installed.
    pub packages: Vec<LockedPackage>,
    /// What the image's own apt is told of, in the order of its file.
    #[serde(default)]
    pub sources: Vec<AptSource>,
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
    #[serde(deserialize_with = "date")]
    pub date: Epoch,
    /// The digest of its Release file's text.
    pub release: Digest,
    /// The fingerprint of the key that signed it; `None` where it is unsigned, as the recipe allowed.
    #[serde(deserialize_with = "signer")]
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
    #[serde(deserialize_with = "archive_path")]
    pub path: String,
    /// The size of the .deb in bytes.
    pub size: u64,
    /// The digest of the .deb.
    #[serde(deserialize_with = "hex")]
    pub sha256: Digest,
    /// Whether it belongs to the first stage: the essential packages and what they need.
    #[serde(default)]
    pub essential: bool,
    /// Whether nobody asked for it by name (`Auto-Installed` in apt's extended_states).
    #[serde(default)]
    pub automatic: bool,
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
}

impl Lock {
    /// A lock of `pins` for the request with this digest.
    pub fn new(request: Digest, pins: Vec<Pin>) -> Self {
        let debian = pins.into_iter().map(|Pin::Debian(pin)| pin).collect();
        let mut lock = Self { _format: FORMAT, request, debian };
        lock.sort();
        lock
    }

    /// Every pin, those of one kind in the order of their platforms.
    pub fn pins(&self) -> impl Iterator<Item = Pin> + '_ {
        self.debian.iter().cloned().map(Pin::Debian)
    }

    /// The pin of Debian packages for `platform`.
    pub fn debian(&self, platform: Platform) -> Option<&DebianPin> {
        self.debian.iter().find(|pin| pin.platform == platform)
    }

    /// Where the lock of a recipe is: `trixie.toml` has `trixie.lock` beside it.
    pub fn path_for(recipe: &Path) -> PathBuf {
        recipe.with_extension("lock")
    }

    /// The lock at `path`, or `None` where there is none.
    pub fn read(path: &Path) -> Result<Option<Self>, LockError> {
        match std::fs::read(path) {
            Ok(bytes) => {
                let text = String::from_utf8(bytes).map_err(|_| LockError::NotText { path: path.to_owned() })?;
                Self::parse(&text, path).map(Some)
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(LockError::Io { what: "read", path: path.to_owned(), source }),
        }
    }

    /// Reads the text of a lock; `path` is for messages.
    pub fn parse(text: &str, path: &Path) -> Result<Self, LockError> {
        if let Some(place) = text.find('\r') {
            return Err(LockError::syntax(text, path, place..place + 1, "lines end in a line feed alone".to_owned()));
        }
        let wrong = |error: toml::de::Error| {
            LockError::syntax(text, path, error.span().unwrap_or(0..0), error.message().trim_end().to_owned())
        };
        let Head { format } = toml::from_str(text).map_err(wrong)?;
        if format != FORMAT {
            return Err(LockError::Format { path: path.to_owned(), found: format, known: FORMAT });
        }
        let mut lock: Self = toml::from_str(text).map_err(wrong)?;
        lock.check().map_err(|reason| LockError::Inconsistent { path: path.to_owned(), reason })?;
        lock.sort();
        Ok(lock)
    }

    /// Writes the lock to `path`, unless exactly it is there already; says whether it wrote. A reader sees the old lock
    /// or the new one, whatever happens in between.
    pub fn write(&self, path: &Path) -> Result<bool, LockError> {
        let text = self.to_text();
        if std::fs::read(path).is_ok_and(|there| there == text.as_bytes()) {
            return Ok(false);
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let write = || -> std::io::Result<()> {
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            file.write_all(text.as_bytes())?;
            file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
            file.as_file().sync_all()?;
            file.persist(path).map(drop).map_err(|error| error.error)
        };
        write().map_err(|source| LockError::Io { what: "write", path: path.to_owned(), source })?;
        Ok(true)
    }

    /// Puts everything whose order means nothing into the one order that is written.
    fn sort(&mut self) {
        self.debian.sort_by_key(|pin| pin.platform.to_string());
        for pin in &mut self.debian {
            pin.packages.sort();
            pin.repositories.sort_by(|a, b| (&a.id, &a.suite).cmp(&(&b.id, &b.suite)));
        }
    }

    /// What a person's editing, or a merge of two locks, can break.
    fn check(&self) -> Result<(), String> {
        let mut platforms = BTreeSet::new();
        for pin in &self.debian {
            if !platforms.insert(pin.platform.to_string()) {
                return Err(format!("the platform {} is there twice", pin.platform));
            }
            let mut packages = BTreeSet::new();
            for package in &pin.packages {
                let (name, repository) = (&package.name, &package.repository);
                if !pin.repositories.iter().any(|known| known.id == *repository) {
                    return Err(format!("the package `{name}` is from `{repository}`, which is no repository here"));
                }
                if !packages.insert((name, &package.architecture)) {
                    return Err(format!("the package `{name}` is there twice"));
                }
            }
        }
        Ok(())
    }
}

/// What is read first: what the rest means depends on it.
#[derive(Deserialize)]
struct Head {
    format: u32,
}

fn platform<'de, D: Deserializer<'de>>(value: D) -> Result<Platform, D::Error> {
    String::deserialize(value)?.parse().map_err(serde::de::Error::custom)
}

fn hex<'de, D: Deserializer<'de>>(value: D) -> Result<Digest, D::Error> {
    let text = String::deserialize(value)?;
    Digest::from_hex(&text).map_err(|_| serde::de::Error::custom(format!("`{text}` is not 64 lower-case hex digits")))
}

fn date<'de, D: Deserializer<'de>>(value: D) -> Result<Epoch, D::Error> {
    let date = toml::value::Datetime::deserialize(value)?.to_string();
    let time: jiff::Timestamp =
        date.parse().map_err(|_| serde::de::Error::custom(format!("`{date}` is no date with time and zone")))?;
    Ok(Epoch::from_seconds(time.as_second()))
}

fn signer<'de, D: Deserializer<'de>>(value: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(value)?;
    let is_fingerprint = text.len() >= 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match text.as_str() {
        "unsigned" => Ok(None),
        _ if is_fingerprint => Ok(Some(text)),
        _ => Err(serde::de::Error::custom(format!("`{text}` is neither a key's fingerprint nor `unsigned`"))),
    }
}

/// A path that leads nowhere but into its repository.
fn archive_path<'de, D: Deserializer<'de>>(value: D) -> Result<String, D::Error> {
    let text = String::deserialize(value)?;
    let is_plain = |part: &str| !matches!(part, "" | "." | "..") && !part.contains(|c: char| c.is_control());
    if text.split('/').all(is_plain) {
        return Ok(text);
    }
    Err(serde::de::Error::custom(format!("`{text}` is no path within a repository")))
}

#[cfg(test)]
mod tests;
