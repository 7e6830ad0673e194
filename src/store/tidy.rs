//! Looking after a store: what is in it, what is damaged, and what may go.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::digest::Digest;
use crate::store::error::failed;
use crate::store::{PARTIAL, Store, StoreError, TEMPORARY, folder_for_locking, memo, remove};

/// How long something must not have been used for being removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    /// This long.
    AtLeast(Duration),
    /// No matter how long: everything goes.
    Any,
}

/// How many files there are of each kind, and how many bytes they have.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Usage {
    /// Complete blobs.
    pub blobs: u64,
    /// Their bytes.
    pub blob_bytes: u64,
    /// Remembered results.
    pub memos: u64,
    /// Their bytes.
    pub memo_bytes: u64,
    /// Downloads that are not complete.
    pub unfinished: u64,
    /// Their bytes.
    pub unfinished_bytes: u64,
}

/// What tidying removed.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Tidied {
    /// What was removed.
    pub removed: Usage,
    /// What is left.
    pub left: Usage,
}

/// A damaged file, which was removed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Damage {
    /// Where it was.
    pub path: PathBuf,
    /// What was wrong with it.
    pub reason: String,
}

/// A store that nobody else uses as long as this lives.
#[derive(Debug)]
pub struct Tidy(Store);

#[derive(Clone, Copy)]
enum Kind {
    Blob,
    Memo,
    Unfinished,
}

impl Tidy {
    /// Takes the store in `root` for itself. Where others use it, this waits for them or is an error, as `wait` says.
    pub fn open(root: &Path, wait: bool) -> Result<Self, StoreError> {
        let lock = folder_for_locking(root)?;
        if wait {
            lock.lock().map_err(|source| failed("wait for others", root, source))?;
        } else {
            lock.try_lock().map_err(|error| match error {
                fs::TryLockError::WouldBlock => StoreError::InUse { root: root.to_owned() },
                fs::TryLockError::Error(source) => failed("lock the folder", root, source),
            })?;
        }
        clear_temporary(root);
        Store::with_lock(root, Some(lock)).map(Self)
    }

    /// Removes what has not been used for `age`, and what killed runs left behind.
    pub fn remove_unused(&self, age: Age) -> Result<Tidied, StoreError> {
        self.0.sort_out(age, |path| remove(path).map_err(|source| failed("remove a file", path, source)))
    }
}

impl Store {
    /// What [`Tidy::remove_unused`] would remove; nothing is removed, and others may go on.
    pub fn unused(&self, age: Age) -> Tidied {
        self.sort_out(age, |_| Ok::<_, std::convert::Infallible>(())).unwrap_or_else(|never| match never {})
    }

    /// Gives each file that has not been used for `age` to `gone`, and counts.
    fn sort_out<E>(&self, age: Age, mut gone: impl FnMut(&Path) -> Result<(), E>) -> Result<Tidied, E> {
        let mut tidied = Tidied::default();
        for (kind, path, metadata) in self.files() {
            let unused = metadata.modified().ok().and_then(|last| self.0.opened.duration_since(last).ok());
            let goes = match age {
                Age::Any => true,
                // A date in the future is that of a wrong clock, and says nothing.
                Age::AtLeast(age) => unused.is_some_and(|unused| unused >= age),
            };
            if goes {
                gone(&path)?;
            }
            let sum = if goes { &mut tidied.removed } else { &mut tidied.left };
            sum.add(kind, metadata.len());
        }
        Ok(tidied)
    }

    /// What the store holds.
    pub fn usage(&self) -> Usage {
        let mut usage = Usage::default();
        for (kind, _, metadata) in self.files() {
            usage.add(kind, metadata.len());
        }
        usage
    }

    /// The digest and the size in bytes of every blob, in order of digest. Nothing is read.
    pub fn blobs(&self) -> Vec<(Digest, u64)> {
        let blobs = self.files().into_iter().filter(|(kind, ..)| matches!(kind, Kind::Blob));
        let mut blobs: Vec<_> =
            blobs.filter_map(|(_, path, metadata)| Some((digest_in_name(&path)?, metadata.len()))).collect();
        blobs.sort();
        blobs
    }

    /// Reads every blob and memo, removes the damaged and names them. `on_bytes` is told what has been read.
    pub fn verify(&self, on_bytes: &dyn Fn(u64)) -> Result<Vec<Damage>, StoreError> {
        let mut damaged = Vec::new();
        for (kind, path, metadata) in self.files() {
            let reason = match kind {
                Kind::Blob => self.blob_damage(&path),
                Kind::Memo => memo_damage(&path),
                Kind::Unfinished => continue,
            };
            let reason = match reason {
                Ok(reason) => reason,
                Err(error) if error.kind() == ErrorKind::NotFound => None,
                Err(source) => return Err(failed("read a file", &path, source)),
            };
            if let Some(reason) = reason {
                remove(&path).map_err(|source| failed("remove a damaged file", &path, source))?;
                damaged.push(Damage { path, reason });
            }
            on_bytes(metadata.len());
        }
        Ok(damaged)
    }

    fn blob_damage(&self, path: &Path) -> io::Result<Option<String>> {
        let found = Digest::of_file(path)?;
        Ok(match digest_in_name(path) {
            Some(named) if self.path(&named) != *path => Some("it is in the wrong folder".to_owned()),
            Some(named) if named == found => None,
            Some(_) => Some(format!("its bytes have the digest {found}")),
            None => Some("its name is no digest".to_owned()),
        })
    }

    /// Every file of the store, in the order of their paths.
    fn files(&self) -> Vec<(Kind, PathBuf, fs::Metadata)> {
        let mut files = Vec::new();
        for (folder, kind) in [("blobs", Kind::Blob), ("memo", Kind::Memo), (PARTIAL, Kind::Unfinished)] {
            for entry in walkdir::WalkDir::new(self.root().join(folder)).sort_by_file_name() {
                // Others may remove files while we look.
                let Ok(entry) = entry else { continue };
                let Ok(metadata) = entry.metadata() else { continue };
                if !metadata.is_dir() {
                    files.push((kind, entry.into_path(), metadata));
                }
            }
        }
        files
    }
}

impl Usage {
    fn add(&mut self, kind: Kind, bytes: u64) {
        let (count, sum) = match kind {
            Kind::Blob => (&mut self.blobs, &mut self.blob_bytes),
            Kind::Memo => (&mut self.memos, &mut self.memo_bytes),
            Kind::Unfinished => (&mut self.unfinished, &mut self.unfinished_bytes),
        };
        *count += 1;
        *sum += bytes;
    }
}

/// Removes what killed runs were working on. Only for who has the store alone. What cannot be removed stays; it is in
/// nobody's way.
pub(super) fn clear_temporary(root: &Path) {
    let Ok(entries) = fs::read_dir(root.join(TEMPORARY)) else { return };
    for entry in entries.flatten() {
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let removed = if is_folder { fs::remove_dir_all(entry.path()) } else { fs::remove_file(entry.path()) };
        if let Err(error) = removed {
            tracing::warn!("cannot remove what is left of an earlier run, `{}`: {error}", entry.path().display());
        }
    }
}

fn digest_in_name(path: &Path) -> Option<Digest> {
    Digest::from_hex(path.file_name()?.to_str()?).ok()
}

fn memo_damage(path: &Path) -> io::Result<Option<String>> {
    let file = fs::read(path)?;
    let whole = digest_in_name(path).is_some_and(|key| memo::is_sealed(&key, &file));
    Ok((!whole).then(|| "its bytes are not what was written".to_owned()))
}
