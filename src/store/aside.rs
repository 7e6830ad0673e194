//! Bytes put aside: out of memory for as long as this run takes, in one file among its unfinished work.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::PoisonError;

use crate::shared_path::SharedPath;
use crate::store::error::failed;
use crate::store::{Store, StoreError};

/// The file of a run, which only grows.
#[derive(Debug)]
pub(super) struct Aside {
    file: File,
    path: SharedPath,
    end: u64,
}

impl Store {
    /// Puts `bytes` aside: gives the file that has them, and where in it they start. The file goes with this run.
    pub fn put_aside(&self, bytes: &[u8]) -> Result<(SharedPath, u64), StoreError> {
        let mut aside = self.0.aside.lock().unwrap_or_else(PoisonError::into_inner);
        let aside = match &mut *aside {
            Some(aside) => aside,
            none => none.insert(Aside::new(self)?),
        };
        aside
            .file
            .write_all_at(bytes, aside.end)
            .map_err(|source| failed("put something aside", &aside.path, source))?;
        let start = aside.end;
        aside.end += bytes.len() as u64;
        Ok((aside.path.clone(), start))
    }
}

impl Aside {
    fn new(store: &Store) -> Result<Self, StoreError> {
        let folder = store.temporary();
        let make = || -> std::io::Result<Self> {
            let (file, path) = tempfile::NamedTempFile::new_in(&folder)?.keep()?;
            Ok(Self { file, path: path.into(), end: 0 })
        };
        make().map_err(|source| failed("put something aside", &folder, source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_aside_is_there_until_the_end_of_the_run() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let (one, first) = store.put_aside(b"one").unwrap();
        let (other, second) = store.put_aside(b"other").unwrap();
        assert_eq!((&one, first, second), (&other, 0, 3));
        let mut found = [0; 5];
        File::open(&other).unwrap().read_exact_at(&mut found, second).unwrap();
        assert_eq!(&found, b"other");
        drop(store);
        assert!(!one.exists());
    }
}
