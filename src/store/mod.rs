//! The store: every blob by digest, and remembered results by key.
//!
//! ```text
//! <store>/blobs/sha256/<2 hex>/<64 hex>   content-addressed blobs
//! <store>/temporary/                      blobs being written; a killed process leaves only these
//! ```
//!
//! A blob appears under its name by a rename, once its bytes are complete and hashed. The store is a cache: whoever
//! reads a blob that was not written by the same process checks its digest ([`Store::verified`]).

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::digest::{Digest, Digesting};

/// A folder of content-addressed blobs; cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    root: Arc<Path>,
}

/// A complete blob in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// The digest of its bytes.
    pub digest: Digest,
    /// How many bytes it has.
    pub size: u64,
    /// The file that holds exactly these bytes.
    pub path: Arc<Path>,
}

/// A blob being written. Dropped without [`BlobWriter::commit`], it leaves nothing behind.
pub struct BlobWriter {
    store: Store,
    file: Digesting<tempfile::NamedTempFile>,
}

/// What can go wrong with the store.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum StoreError {
    /// The file system said no.
    #[error("cannot {what} in the store, `{}`", path.display())]
    #[diagnostic(help("the store can be put elsewhere: `--store DIR`, or ROOTSMITH_STORE"))]
    Io {
        /// What was to be done: `write a blob`.
        what: &'static str,
        /// To which file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Bytes are not those that were asked for.
    #[error("the blob has the digest {found}, but {expected} was expected")]
    Mismatch {
        /// The digest asked for.
        expected: Digest,
        /// The digest of the bytes.
        found: Digest,
    },
}

impl Store {
    /// Opens the store in `root`, making the folder where it is missing.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        let store = Self { root: Arc::from(root) };
        for folder in [root.join("blobs/sha256"), store.temporary()] {
            fs::create_dir_all(&folder).map_err(|source| failed("make a folder", &folder, source))?;
        }
        Ok(store)
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where unfinished work of this and other processes is kept, on the same file system as the blobs.
    pub fn temporary(&self) -> PathBuf {
        self.root.join("temporary")
    }

    /// Starts a blob whose digest is not known yet.
    pub fn begin(&self) -> Result<BlobWriter, StoreError> {
        let folder = self.temporary();
        let file =
            tempfile::NamedTempFile::new_in(&folder).map_err(|source| failed("begin a blob", &folder, source))?;
        Ok(BlobWriter { store: self.clone(), file: Digesting::new(file) })
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
        Some(Blob { digest: *digest, size: metadata.len(), path: Arc::from(path) })
    }

    /// The blob `digest` after reading it whole and comparing; a blob with other bytes is removed and counts as absent.
    pub fn verified(&self, digest: &Digest) -> Result<Option<Blob>, StoreError> {
        let Some(blob) = self.blob(digest) else { return Ok(None) };
        let read = || -> io::Result<Digest> {
            let mut reader = Digesting::new(File::open(&blob.path)?);
            io::copy(&mut reader, &mut io::sink())?;
            Ok(reader.finish().1)
        };
        let found = read().map_err(|source| failed("read a blob", &blob.path, source))?;
        if found == *digest {
            return Ok(Some(blob));
        }
        tracing::warn!("the blob {digest} in the store is damaged and was removed");
        fs::remove_file(&blob.path).map_err(|source| failed("remove a damaged blob", &blob.path, source))?;
        Ok(None)
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        self.root.join("blobs/sha256").join(&hex[..2]).join(&hex)
    }
}

impl BlobWriter {
    /// The file being written, for those who read back what they wrote before it is complete.
    pub fn path(&self) -> &Path {
        self.file.inner().path()
    }

    /// Completes the blob and puts it under its name.
    pub fn commit(mut self) -> Result<Blob, StoreError> {
        let path = self.path().to_owned();
        self.file.flush().map_err(|source| failed("write a blob", &path, source))?;
        let (file, digest, size) = self.file.finish();
        let path = self.store.path(&digest);
        let keep = || -> io::Result<()> {
            fs::create_dir_all(path.parent().expect("blobs are in a folder"))?;
            file.persist(&path).map(drop).map_err(|error| error.error)
        };
        keep().map_err(|source| failed("keep a blob", &path, source))?;
        Ok(Blob { digest, size, path: Arc::from(path) })
    }

    /// As [`BlobWriter::commit`], where the digest is known; other bytes are thrown away.
    pub fn commit_expected(self, expected: &Digest) -> Result<Blob, StoreError> {
        let found = self.file.digest();
        if found != *expected {
            return Err(StoreError::Mismatch { expected: *expected, found });
        }
        self.commit()
    }
}

impl Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn failed(what: &'static str, path: &Path, source: io::Error) -> StoreError {
    StoreError::Io { what, path: path.to_owned(), source }
}
