//! The lock: every input of an image by digest, in a file beside the recipe.
//!
//! A lock is what resolving a recipe gives. Together with the recipe's folder it rebuilds the image: from any mirror,
//! because it holds paths within a repository and digests, and from a full store without a network.

mod apk;
mod archive;
mod changes;
mod conda;
mod debian;
mod dnf;
mod error;
mod field;
mod oci;
mod text;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::Deserialize;

pub use apk::{ApkPin, LockedApk, LockedApkRepository, LockedKey, LockedScripts};
pub use archive::ArchivePin;
pub use changes::{Change, changes, set_back};
pub use conda::{CondaPin, LockedConda, LockedWheel};
pub use debian::{AptKeyring, AptSource, DebianPin, Installer, LockedPackage, LockedRepository, LockedSlice};
pub use dnf::{DnfPin, LockedRpm, LockedRpmRepository};
pub use error::LockError;
pub use oci::{LockedLayer, OciPin};

use crate::digest::Digest;
use crate::interrupt;
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
    /// Conda environments.
    #[serde(default)]
    conda: Vec<CondaPin>,
    /// Images that were made before.
    #[serde(default)]
    oci: Vec<OciPin>,
    /// Archives.
    #[serde(default)]
    archive: Vec<ArchivePin>,
    /// Root filesystems of rpm packages.
    #[serde(default)]
    dnf: Vec<DnfPin>,
    /// Root filesystems of apk's packages.
    #[serde(default)]
    apk: Vec<ApkPin>,
    /// Whether it was read from a text that is not the one written.
    #[serde(skip)]
    is_altered: bool,
}

/// One resolved input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pin {
    /// A root filesystem of Debian packages.
    Debian(DebianPin),
    /// A conda environment.
    Conda(CondaPin),
    /// An image that was made before.
    Oci(OciPin),
    /// A root filesystem or image in an archive.
    Archive(ArchivePin),
    /// A root filesystem of rpm packages.
    Dnf(DnfPin),
    /// A root filesystem of apk's packages.
    Apk(ApkPin),
}

impl Lock {
    /// A lock of `pins` for the request with this digest.
    pub fn new(request: Digest, pins: Vec<Pin>) -> Self {
        let mut lock = Self {
            _format: FORMAT,
            request,
            debian: Vec::new(),
            dnf: Vec::new(),
            apk: Vec::new(),
            oci: Vec::new(),
            archive: Vec::new(),
            conda: Vec::new(),
            is_altered: false,
        };
        lock.add(pins);
        lock
    }

    /// Adds `pins`.
    pub fn add(&mut self, pins: Vec<Pin>) {
        for pin in pins {
            match pin {
                Pin::Debian(pin) => self.debian.push(pin),
                Pin::Dnf(pin) => self.dnf.push(pin),
                Pin::Apk(pin) => self.apk.push(pin),
                Pin::Oci(pin) => self.oci.push(pin),
                Pin::Archive(pin) => self.archive.push(pin),
                Pin::Conda(pin) => self.conda.push(pin),
            }
        }
        self.sort();
    }

    /// The pin of Debian packages for `platform`.
    pub fn debian(&self, platform: Platform) -> Option<&DebianPin> {
        self.debian.iter().find(|pin| pin.platform == platform)
    }

    /// The pin of an image for `platform`.
    pub fn oci(&self, platform: Platform) -> Option<&OciPin> {
        self.oci.iter().find(|pin| pin.platform == platform)
    }

    /// The pin of an archive for `platform`.
    pub fn archive(&self, platform: Platform) -> Option<&ArchivePin> {
        self.archive.iter().find(|pin| pin.platform == platform)
    }

    /// Whether it was read from a file that somebody, or a bad disk, has changed since it was written. Nothing wrong can
    /// come out of it unseen but what is taken from the lock alone, such as the image's own apt sources.
    pub fn is_altered(&self) -> bool {
        self.is_altered
    }

    /// The pin of rpm packages for `platform`.
    pub fn dnf(&self, platform: Platform) -> Option<&DnfPin> {
        self.dnf.iter().find(|pin| pin.platform == platform)
    }

    /// The pin of apk's packages for `platform`.
    pub fn apk(&self, platform: Platform) -> Option<&ApkPin> {
        self.apk.iter().find(|pin| pin.platform == platform)
    }

    /// The pin of the conda environment at `prefix` for `platform`.
    pub fn conda(&self, platform: Platform, prefix: &str) -> Option<&CondaPin> {
        self.conda.iter().find(|pin| pin.platform == platform && pin.prefix == prefix)
    }

    /// Whether it holds conda environments and nothing else, as that of an environment's file does.
    pub fn is_only_of_conda(&self) -> bool {
        let others = [self.debian.len(), self.dnf.len(), self.apk.len(), self.oci.len(), self.archive.len()];
        others.iter().all(|count| *count == 0)
    }

    /// Whether the package `name` is in a conda environment and nowhere else.
    pub fn is_only_conda(&self, name: &str) -> bool {
        let environments = self.conda.iter().flat_map(|pin| {
            let wheels = pin.wheels.iter().map(|wheel| &wheel.name);
            pin.packages.iter().map(|package| &package.name).chain(wheels)
        });
        let debian = self.debian.iter().flat_map(|pin| &pin.packages).map(|package| &package.name);
        let dnf = self.dnf.iter().flat_map(|pin| &pin.packages).map(|package| &package.name);
        let apk = self.apk.iter().flat_map(|pin| &pin.packages).map(|package| &package.name);
        let is_it = |known: &String| known == name;
        environments.into_iter().any(is_it) && !debian.chain(dnf).chain(apk).any(is_it)
    }

    /// What the lock holds of the root filesystem alone, as a lock of the request with this digest.
    pub fn without_conda(&self, request: Digest) -> Self {
        Self { request, conda: Vec::new(), ..self.clone() }
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
        if let Some(mark) = text::merge_mark(text) {
            return Err(LockError::syntax(text, path, mark, "a merge was not finished here".to_owned()));
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
        lock.is_altered = text::is_altered(text);
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
        // One name for all runs: what a killed one leaves is what the next one uses.
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let beside = folder.join(format!(".{name}.unfinished"));
        let unfinished = beside.clone();
        let _undo = interrupt::on_interrupt(move || drop(std::fs::remove_file(unfinished)));
        let write = || -> std::io::Result<()> {
            let mut file = alone(&beside)?;
            file.set_len(0)?;
            file.write_all(text.as_bytes())?;
            file.set_permissions(std::fs::Permissions::from_mode(0o644))?;
            file.sync_all()?;
            std::fs::rename(&beside, path)
        };
        write().map_err(|source| {
            // There is nothing to remove where it could not even be made.
            let _ = std::fs::remove_file(&beside);
            LockError::Io { what: "write", path: path.to_owned(), source }
        })?;
        Ok(true)
    }

    /// Puts everything whose order means nothing into the one order that is written.
    fn sort(&mut self) {
        self.debian.sort_by_key(|pin| pin.platform.to_string());
        self.debian.iter_mut().for_each(DebianPin::sort);
        self.conda.sort_by_key(|pin| (pin.platform.to_string(), pin.prefix.clone()));
        self.conda.iter_mut().for_each(CondaPin::sort);
        self.oci.sort_by_key(|pin| pin.platform.to_string());
        self.archive.sort_by_key(|pin| pin.platform.to_string());
        self.dnf.sort_by_key(|pin| pin.platform.to_string());
        self.dnf.iter_mut().for_each(DnfPin::sort);
        self.apk.sort_by_key(|pin| pin.platform.to_string());
        self.apk.iter_mut().for_each(ApkPin::sort);
    }

    /// What a person's editing, or a merge of two locks, can break.
    fn check(&self) -> Result<(), String> {
        once_each(self.debian.iter().map(|pin| pin.platform))?;
        self.conda.iter().try_for_each(CondaPin::check)?;
        once_each(self.oci.iter().map(|pin| pin.platform))?;
        once_each(self.archive.iter().map(|pin| pin.platform))?;
        once_each(self.dnf.iter().map(|pin| pin.platform))?;
        self.archive.iter().try_for_each(ArchivePin::check)?;
        self.dnf.iter().try_for_each(DnfPin::check)?;
        once_each(self.apk.iter().map(|pin| pin.platform))?;
        self.apk.iter().try_for_each(ApkPin::check)?;
        self.debian.iter().try_for_each(DebianPin::check)
    }
}

/// The file at `path`, once no other process writes it. Where the file system has no locks, nobody waits.
fn alone(path: &Path) -> std::io::Result<File> {
    loop {
        let open = || File::options().create(true).write(true).truncate(false).open(path);
        let file = match open() {
            // Left by a killed run of another user, or nothing may be written there.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                std::fs::remove_file(path).map_err(|_| error).and_then(|()| open())
            }
            opened => opened,
        }?;
        // Whoever held it may have renamed it in between.
        let identity = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
        if file.lock().is_err() || std::fs::metadata(path).map(identity).ok() == Some(identity(file.metadata()?)) {
            return Ok(file);
        }
    }
}

/// Says which platform has two pins of one kind.
fn once_each(platforms: impl Iterator<Item = Platform>) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    let mut platforms = platforms.map(|platform| platform.to_string());
    match platforms.find(|platform| !seen.insert(platform.clone())) {
        Some(twice) => Err(format!("the platform {twice} is there twice")),
        None => Ok(()),
    }
}

/// What is read first: what the rest means depends on it.
#[derive(Deserialize)]
struct Head {
    format: u32,
}

#[cfg(test)]
mod tests;
