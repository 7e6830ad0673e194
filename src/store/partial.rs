//! Downloads that are not complete yet, kept under the digest that they are to have.
//!
//! `<store>/partial/<64 hex>` is held by a lock of the kernel (flock) while somebody writes it, which ends
//! with the process however that ends. What a killed process has received is there for the next one.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use crate::digest::{Digest, Digesting};
use crate::store::{Blob, PARTIAL, Store, StoreError, copy, failed};

/// A blob of known digest that is being received, perhaps in several goes. Dropping it keeps what has arrived.
pub struct Partial {
    store: Store,
    expected: Digest,
    path: PathBuf,
    file: Digesting<File>,
    is_kept: bool,
}

impl Store {
    /// What has arrived of the blob `expected` so far, for going on with it; `None` while another process or thread
    /// receives it.
    pub fn partial(&self, expected: &Digest) -> Result<Option<Partial>, StoreError> {
        let path = self.partial_path(expected);
        let file = loop {
            let open = || OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
            let file = open().map_err(|source| failed("begin a download", &path, source))?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(source)) => return Err(failed("lock a download", &path, source)),
            }
            // Whoever held it may have renamed or removed it between our opening and locking.
            if is_at(&file, &path) {
                break file;
            }
        };
        let mut file = Digesting::new(file);
        copy(&mut file, &mut io::sink()).map_err(|source| failed("read what has been downloaded", &path, source))?;
        Ok(Some(Partial { store: self.clone(), expected: *expected, path, file, is_kept: false }))
    }

    /// How many bytes of the blob `expected` have arrived, whoever receives it.
    pub fn partial_size(&self, expected: &Digest) -> u64 {
        std::fs::metadata(self.partial_path(expected)).map_or(0, |metadata| metadata.len())
    }

    fn partial_path(&self, expected: &Digest) -> PathBuf {
        self.root().join(PARTIAL).join(expected.hex())
    }
}

impl Partial {
    /// How many bytes have arrived.
    pub fn size(&self) -> u64 {
        self.file.size()
    }

    /// The digest of what has arrived.
    pub fn digest(&self) -> Digest {
        self.file.digest()
    }

    /// Adds the next bytes.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.file.write_all(bytes).map_err(|source| failed("write a download", &self.path, source))
    }

    /// Throws away what has arrived.
    pub fn restart(&mut self) -> Result<(), StoreError> {
        let restart = || -> io::Result<File> {
            let mut file = self.file.inner().try_clone()?;
            file.set_len(0)?;
            file.rewind()?;
            Ok(file)
        };
        let file = restart().map_err(|source| failed("begin a download anew", &self.path, source))?;
        self.file = Digesting::new(file);
        Ok(())
    }

    /// Puts the blob under its name. Other bytes than expected are thrown away.
    pub fn commit(mut self) -> Result<Blob, StoreError> {
        let found = self.digest();
        if found != self.expected {
            self.restart()?;
            return Err(StoreError::Mismatch { expected: self.expected, found });
        }
        let size = self.size();
        let blob = self.store.keep(&self.path, self.file.inner(), found, size)?;
        self.is_kept = true;
        Ok(blob)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // Nothing has arrived: there is nothing to go on with.
        if self.size() == 0 && !self.is_kept {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn is_at(file: &File, path: &std::path::Path) -> bool {
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(ours), Ok(there)) => (ours.dev(), ours.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_arrived_is_there_for_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let digest = Digest::of(b"onetwo");
        let mut partial = store.partial(&digest).unwrap().unwrap();
        partial.append(b"one").unwrap();
        assert!(store.partial(&digest).unwrap().is_none(), "held by the first");
        assert_eq!(store.partial_size(&digest), 3);
        drop(partial);
        let mut partial = store.partial(&digest).unwrap().unwrap();
        assert_eq!(partial.size(), 3);
        partial.append(b"two").unwrap();
        let blob = partial.commit().unwrap();
        assert_eq!((blob.digest, blob.size), (digest, 6));
        assert_eq!(std::fs::read(&blob.path).unwrap(), b"onetwo");
        assert_eq!(store.partial(&digest).unwrap().unwrap().size(), 0, "nothing is left of it");
    }

    #[test]
    fn wrong_bytes_are_thrown_away() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let digest = Digest::of(b"right");
        let mut partial = store.partial(&digest).unwrap().unwrap();
        partial.append(b"wrong").unwrap();
        assert!(matches!(partial.commit(), Err(StoreError::Mismatch { .. })));
        assert!(store.blob(&digest).is_none());
        let mut partial = store.partial(&digest).unwrap().unwrap();
        assert_eq!(partial.size(), 0);
        partial.append(b"rightful").unwrap();
        partial.restart().unwrap();
        partial.append(b"right").unwrap();
        assert_eq!(partial.commit().unwrap().size, 5);
    }
}
