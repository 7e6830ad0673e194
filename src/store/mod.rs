//! The store: every blob by digest, and remembered results by key.
//!
//! ```text
//! <store>/blobs/sha256/<2 hex>/<64 hex>   content-addressed blobs
//! <store>/memo/<64 hex>                   remembered results, each with its own digest
//! <store>/partial/<64 hex>                downloads that are not complete, by the digest they are to have
//! <store>/temporary/<one or two a run>/   what a run is working on; a killed one leaves only this
//! ```
//!
//! A blob appears under its name by a rename, once its bytes are complete and hashed. Blobs are not flushed to the disk
//! (fsync): the store is a cache, and waiting for the disk at each of some hundred packages takes longer than
//! downloading them. A power cut can therefore leave a blob with the right name and wrong bytes, as a bad disk can, so
//! whoever reads a blob that was not written by the same process gets it by [`Store::verified`], which hashes it,
//! removes it where it is damaged, and so leads to its being fetched again.
//!
//! Processes share a store. Each holds a shared lock (flock) on the folder while it runs, which ends with the process
//! however that ends; tidying wants the lock alone. A process that finds itself alone when it opens the store, or when it is done,
//! clears away what killed ones left behind.

mod aside;
mod error;
mod ground;
mod memo;
mod partial;
mod sum;
mod tidy;
mod writer;

use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

pub use error::StoreError;
pub use partial::Partial;
pub use sum::Sum;
pub use tidy::{Age, Damage, Tidied, Tidy, Usage};
pub use writer::{BlobWriter, CopyError};

use crate::digest::Digest;
use crate::shared_path::SharedPath;
use crate::store::aside::Aside;
use crate::store::error::failed;
use crate::store::tidy::clear_temporary;

/// A folder of content-addressed blobs; cheap to clone.
#[derive(Clone, Debug)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    /// Where this run works; `None` where nothing may be written. It goes before the lock does.
    run: Option<TempDir>,
    /// Where this run lays out stages, once it has some.
    ground: OnceLock<Option<TempDir>>,
    /// Held for its lock; `None` where the file system has none.
    lock: Option<File>,
    /// When the store was opened: what last use is counted from.
    opened: SystemTime,
    /// What was remembered since [`Store::forget`], and nothing else, is given out; before that, everything is.
    anew: Mutex<Option<BTreeSet<Digest>>>,
    /// Blobs that this process has written or read whole: they need not be hashed again.
    checked: Mutex<BTreeSet<Digest>>,
    /// Where bytes are put aside, once there are some.
    aside: Mutex<Option<Aside>>,
}

/// A complete blob in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// The digest of its bytes.
    pub digest: Digest,
    /// How many bytes it has.
    pub size: u64,
    /// The file that holds exactly these bytes.
    pub path: SharedPath,
}

const PARTIAL: &str = "partial";
const TEMPORARY: &str = "temporary";

/// How long a use is not noted again: writing a date at each use would make reading as slow as writing.
const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Drop for Inner {
    fn drop(&mut self) {
        // A program that a killed run had just begun to start holds that run's lock for a moment longer: then the next run was not
        // alone at first.
        if self.lock.as_ref().is_some_and(|lock| lock.try_lock().is_ok()) {
            clear_temporary(&self.root);
        }
    }
}

impl Store {
    /// Opens the store in `root`, making the folder where it is missing. Waits while somebody tidies it.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        let lock = folder_for_locking(root)?;
        let lock = match lock.try_lock() {
            Ok(()) => {
                clear_temporary(root);
                Some(lock)
            }
            Err(TryLockError::WouldBlock) => Some(lock),
            // Some network file systems have no locks: work goes on, only tidying has to be done with care.
            Err(TryLockError::Error(_)) => None,
        };
        if let Some(lock) = &lock {
            lock.lock_shared().map_err(|source| failed("wait for others", root, source))?;
        }
        Self::with_lock(root, lock)
    }

    fn with_lock(root: &Path, lock: Option<File>) -> Result<Self, StoreError> {
        for folder in ["blobs/sha256", "memo", PARTIAL, TEMPORARY] {
            make_folder(&root.join(folder))?;
        }
        // A store that may only be read still serves; what needs to write will say that it cannot.
        let run = TempDir::new_in(root.join(TEMPORARY)).ok();
        let inner = Inner {
            root: root.to_owned(),
            run,
            ground: OnceLock::new(),
            lock,
            opened: now(),
            anew: Mutex::default(),
            checked: Mutex::default(),
            aside: Mutex::default(),
        };
        Ok(Self(Arc::new(inner)))
    }

    /// Lets nothing of before be recalled: what is asked for is made anew, and remembered in place of what was there.
    pub fn forget(&self) {
        *self.anew() = Some(BTreeSet::new());
    }

    fn anew(&self) -> MutexGuard<'_, Option<BTreeSet<Digest>>> {
        self.0.anew.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.0.root
    }

    /// Where this run keeps unfinished work, on the same file system as the blobs. It goes with the last clone of this
    /// store; what a killed run leaves is removed by the next one that has the store alone.
    pub fn temporary(&self) -> PathBuf {
        match &self.0.run {
            Some(run) => run.path().to_owned(),
            None => self.0.root.join(TEMPORARY),
        }
    }

    /// Where this run lays out stages: as [`Store::temporary`], where thousands of files are made as quickly as the disk can.
    pub fn ground(&self) -> PathBuf {
        match self.0.ground.get_or_init(|| ground::folder_in(&self.0.root.join(TEMPORARY))) {
            Some(ground) => ground.path().to_owned(),
            None => self.temporary(),
        }
    }

    /// Whether the file at `path` is unfinished work, and goes with the run whose it is.
    pub fn is_unfinished(&self, path: &Path) -> bool {
        path.starts_with(self.0.root.join(TEMPORARY))
    }

    /// Removes the unfinished work of this run, for a program that is about to end without dropping anything.
    pub fn abandon(&self) {
        // A thread that looks for ground is waited for, and none begins to.
        let folders = [self.0.run.as_ref(), self.0.ground.get_or_init(|| None).as_ref()];
        // Other threads may still be writing there, and a stage's worker clearing away what only it may remove.
        for folder in folders.into_iter().flatten() {
            for _ in 0..50 {
                match fs::remove_dir_all(folder.path()) {
                    Err(error) if error.kind() != ErrorKind::NotFound => std::thread::sleep(Duration::from_millis(10)),
                    _ => break,
                }
            }
        }
    }

    /// The error of a write into a blob of this store.
    pub fn cannot(&self, what: &'static str, source: io::Error) -> StoreError {
        failed(what, &self.temporary(), source)
    }

    /// Stores `bytes`.
    pub fn put(&self, bytes: &[u8]) -> Result<Blob, StoreError> {
        let mut writer = self.begin()?;
        writer.write_all(bytes).map_err(|source| failed("write a blob", &self.temporary(), source))?;
        writer.commit()
    }

    /// The blob `digest`, where there is one. Its bytes are not looked at.
    pub fn blob(&self, digest: &Digest) -> Option<Blob> {
        let path = self.path(digest);
        let metadata = fs::metadata(&path).ok().filter(fs::Metadata::is_file)?;
        self.note_use(&path, &metadata);
        Some(Blob { digest: *digest, size: metadata.len(), path: SharedPath::from(path) })
    }

    /// The blob `digest` after reading it whole and comparing, once in a process; a blob with other bytes is removed
    /// and counts as absent.
    pub fn verified(&self, digest: &Digest) -> Result<Option<Blob>, StoreError> {
        self.believed(digest, |path| Ok(Digest::of_file(path)? == *digest))
    }

    /// As [`Store::verified`], by a checksum that [`Sum::of_file`] gave of the blob when it was written or verified: that takes
    /// an eighth of the time.
    pub fn unchanged(&self, digest: &Digest, sum: Sum) -> Result<Option<Blob>, StoreError> {
        self.believed(digest, |path| Ok(Sum::of_file(path)? == sum))
    }

    fn believed(
        &self,
        digest: &Digest,
        is_right: impl FnOnce(&Path) -> io::Result<bool>,
    ) -> Result<Option<Blob>, StoreError> {
        let Some(blob) = self.blob(digest) else { return Ok(None) };
        if self.checked().contains(digest) {
            return Ok(Some(blob));
        }
        if is_right(&blob.path).map_err(|source| failed("read a blob", &blob.path, source))? {
            self.checked().insert(*digest);
            return Ok(Some(blob));
        }
        tracing::warn!("the blob {digest} in the store is damaged and was removed");
        remove(&blob.path).map_err(|source| failed("remove a damaged blob", &blob.path, source))?;
        Ok(None)
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        self.0.root.join("blobs/sha256").join(&hex[..2]).join(&hex)
    }

    /// Puts the complete file at `from` under the name of its digest. One that is there and has the same bytes stays: to
    /// replace it takes file systems that wait for the disk longer than to read it.
    fn keep(&self, from: &Path, file: &File, digest: Digest, size: u64) -> Result<Blob, StoreError> {
        let path = self.path(&digest);
        make_folder(path.parent().expect("blobs are in a folder"))?;
        let keep = || -> io::Result<()> {
            if let Some(metadata) = unless_other(file, &path, size) {
                self.note_use(&path, &metadata);
                return fs::remove_file(from);
            }
            file.set_permissions(fs::Permissions::from_mode(0o644))?;
            fs::rename(from, &path)
        };
        keep().map_err(|source| failed("keep a blob", &path, source))?;
        self.checked().insert(digest);
        Ok(Blob { digest, size, path: SharedPath::from(path) })
    }

    /// Sets a file's date to that of this use, unless its last one was within a day. A store that may only be read
    /// keeps its dates.
    fn note_use(&self, path: &Path, metadata: &fs::Metadata) {
        let opened = self.0.opened;
        let is_recent = metadata.modified().is_ok_and(|last| opened.duration_since(last).is_ok_and(|age| age < A_DAY));
        if !is_recent {
            let _ = File::open(path).and_then(|file| file.set_modified(opened));
        }
    }

    fn checked(&self) -> std::sync::MutexGuard<'_, BTreeSet<Digest>> {
        self.0.checked.lock().expect("no thread panics while it holds the set")
    }
}

#[expect(clippy::disallowed_methods, reason = "last use is a date; it never leaves the store")]
fn now() -> SystemTime {
    SystemTime::now()
}

fn folder_for_locking(root: &Path) -> Result<File, StoreError> {
    make_folder(root)?;
    File::open(root).map_err(|source| failed("open the folder", root, source))
}

/// Makes a folder that may be there already, also where nothing may be written.
fn make_folder(path: &Path) -> Result<(), StoreError> {
    match fs::create_dir_all(path) {
        Err(_) if path.is_dir() => Ok(()),
        made => made.map_err(|source| failed("make a folder", path, source)),
    }
}

/// What the file at `path` is, where it has the `size` bytes of `file` and no others.
fn unless_other(file: &File, path: &Path, size: u64) -> Option<fs::Metadata> {
    let there = File::open(path).ok()?;
    let metadata = there.metadata().ok().filter(|metadata| metadata.is_file() && metadata.len() == size)?;
    let mut buffers = [vec![0; 1 << 18], vec![0; 1 << 18]];
    let mut offset = 0;
    while offset < size {
        let count = (size - offset).min(1 << 18) as usize;
        let [ours, theirs] = &mut buffers;
        file.read_exact_at(&mut ours[..count], offset).ok()?;
        there.read_exact_at(&mut theirs[..count], offset).ok()?;
        if ours[..count] != theirs[..count] {
            return None;
        }
        offset += count as u64;
    }
    Some(metadata)
}

/// Removes a file that somebody else may have removed already.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Copies everything with a large buffer: what is hashed on its way is read at the speed of the hash.
fn copy(from: &mut impl io::Read, to: &mut impl Write) -> io::Result<()> {
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => to.write_all(&buffer[..count])?,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests;
