//! Remembered results: small values under a key that is the digest of all that they depend on.
//!
//! A memo file is the raw SHA-256 of the key and the value, then the value, so that a damaged file, or one under a name
//! that is not its own, is seen.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::digest::Digest;
use crate::store::error::failed;
use crate::store::{Store, StoreError, remove};

const SEAL: usize = 32;

impl Store {
    /// Remembers `value` under `key`, in place of what was there.
    pub fn remember(&self, key: &Digest, value: &[u8]) -> Result<(), StoreError> {
        let path = self.memo_path(key);
        let seal = seal(key, value);
        let write = || -> std::io::Result<()> {
            let mut file = tempfile::NamedTempFile::new_in(self.temporary())?;
            file.write_all(&seal)?;
            file.write_all(value)?;
            file.persist(&path).map(drop).map_err(|error| error.error)
        };
        // To read a file costs less than to replace it by itself.
        match fs::read(&path) {
            Ok(found) if found.strip_prefix(&seal) == Some(value) => self.note_use_of(&path),
            _ => write().map_err(|source| failed("remember a result", &path, source))?,
        }
        if let Some(anew) = &mut *self.anew() {
            anew.insert(*key);
        }
        Ok(())
    }

    /// What was remembered under `key`. A damaged memo is removed and counts as forgotten.
    pub fn recall(&self, key: &Digest) -> Result<Option<Vec<u8>>, StoreError> {
        if self.anew().as_ref().is_some_and(|anew| !anew.contains(key)) {
            return Ok(None);
        }
        let path = self.memo_path(key);
        let mut bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(failed("recall a result", &path, source)),
        };
        if !is_sealed(key, &bytes) {
            tracing::warn!("the memo {} in the store is damaged and was removed", path.display());
            remove(&path).map_err(|source| failed("remove a damaged memo", &path, source))?;
            return Ok(None);
        }
        self.note_use_of(&path);
        Ok(Some(bytes.split_off(SEAL)))
    }

    fn note_use_of(&self, path: &Path) {
        if let Ok(metadata) = fs::metadata(path) {
            self.note_use(path, &metadata);
        }
    }

    fn memo_path(&self, key: &Digest) -> PathBuf {
        self.root().join("memo").join(key.hex())
    }
}

/// Whether a memo file is what was once written under `key`.
pub(super) fn is_sealed(key: &Digest, file: &[u8]) -> bool {
    file.split_at_checked(SEAL).is_some_and(|(found, value)| found == seal(key, value))
}

fn seal(key: &Digest, value: &[u8]) -> [u8; SEAL] {
    use sha2::{Digest as _, Sha256};
    Sha256::new().chain_update(key.to_string()).chain_update(value).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_recalled() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let key = Digest::of(b"key");
        assert_eq!(store.recall(&key).unwrap(), None);
        store.remember(&key, b"value").unwrap();
        store.remember(&key, b"").unwrap();
        assert_eq!(store.recall(&key).unwrap(), Some(Vec::new()));
        store.remember(&key, b"other").unwrap();
        assert_eq!(store.recall(&key).unwrap(), Some(b"other".to_vec()));
        store.forget();
        assert_eq!(store.recall(&key).unwrap(), None);
        store.remember(&key, b"anew").unwrap();
        assert_eq!(store.recall(&key).unwrap(), Some(b"anew".to_vec()));
        drop(store);
        assert_eq!(Store::open(folder.path()).unwrap().recall(&key).unwrap(), Some(b"anew".to_vec()));
    }

    #[test]
    fn what_is_remembered_again_is_written_where_it_is_another() {
        use std::os::unix::fs::MetadataExt;
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let key = Digest::of(b"key");
        let file = |value: &[u8]| {
            store.remember(&key, value).unwrap();
            assert_eq!(store.recall(&key).unwrap().unwrap(), value);
            fs::metadata(store.memo_path(&key)).unwrap().ino()
        };
        let first = file(b"value");
        assert_eq!(file(b"value"), first);
        assert_ne!(file(b"values"), first);
        fs::write(store.memo_path(&key), b"damaged").unwrap();
        file(b"values");
    }

    #[test]
    fn every_flipped_byte_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let key = Digest::of(b"key");
        store.remember(&key, b"value").unwrap();
        let good = fs::read(store.memo_path(&key)).unwrap();
        for place in 0..=good.len() {
            let mut bad = good.clone();
            match bad.get_mut(place) {
                Some(byte) => *byte ^= 1,
                None => bad.truncate(good.len() - 1),
            }
            fs::write(store.memo_path(&key), bad).unwrap();
            assert_eq!(store.recall(&key).unwrap(), None, "byte {place}");
            assert!(!store.memo_path(&key).exists());
        }
        fs::write(store.memo_path(&Digest::of(b"another")), &good).unwrap();
        assert_eq!(store.recall(&Digest::of(b"another")).unwrap(), None, "a memo under another's name");
    }
}
