//! Writing a blob whose digest is not known yet.

use std::io::{self, Read, Write};
use std::path::Path;

use crate::digest::{Digest, Digesting};
use crate::shared_path::SharedPath;
use crate::store::error::failed;
use crate::store::{Blob, Store, StoreError};
use crate::to_disk::ToDisk;

/// A blob being written. Dropped without [`BlobWriter::commit`], it leaves nothing behind.
pub struct BlobWriter {
    store: Store,
    file: Digesting<tempfile::NamedTempFile>,
    to_disk: Option<ToDisk>,
}

/// Why bytes could not be copied into a blob.
#[derive(Debug)]
pub enum CopyError {
    /// They could not be read.
    Read(io::Error),
    /// The blob could not be written.
    Write(StoreError),
}

impl Store {
    /// Starts a blob whose digest is not known yet.
    pub fn begin(&self) -> Result<BlobWriter, StoreError> {
        let folder = self.temporary();
        let file =
            tempfile::NamedTempFile::new_in(&folder).map_err(|source| failed("begin a blob", &folder, source))?;
        Ok(BlobWriter { store: self.clone(), file: Digesting::new(file), to_disk: None })
    }
}

impl BlobWriter {
    /// Lets its bytes go to the disk while more are written: for a blob that will be waited for there.
    pub fn going_to_disk(self) -> Self {
        Self { to_disk: Some(ToDisk::default()), ..self }
    }

    /// The file being written, for those who read back what they wrote before it is complete.
    pub fn path(&self) -> &Path {
        self.file.inner().path()
    }

    /// Writes all that `reader` gives. Reading and writing have errors of their own, as they are not the same one's turn.
    pub fn copy(&mut self, reader: &mut (impl Read + ?Sized)) -> Result<(), CopyError> {
        let mut buffer = vec![0; 256 << 10];
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(count) => {
                    let written = self.file.write_all(&buffer[..count]);
                    written.map_err(|source| CopyError::Write(failed("write a blob", self.path(), source)))?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(CopyError::Read(error)),
            }
        }
    }

    /// Completes the blob and puts it under its name.
    pub fn commit(mut self) -> Result<Blob, StoreError> {
        let path = self.path().to_owned();
        self.file.flush().map_err(|source| failed("write a blob", &path, source))?;
        let (file, digest, size) = self.file.finish();
        let (file, path) = file.into_parts();
        let blob = self.store.keep(&path, &file, digest, size)?;
        // Nothing is at its path any more, so that there is nothing to remove.
        std::mem::forget(path);
        Ok(blob)
    }

    /// Completes the blob without putting it under its name: it is a file among the unfinished work of this run, and goes
    /// with that.
    pub fn commit_for_this_run(mut self) -> Result<Blob, StoreError> {
        let path = self.path().to_owned();
        self.file.flush().map_err(|source| failed("write a blob", &path, source))?;
        let (file, digest, size) = self.file.finish();
        let kept = file.into_temp_path().keep().map_err(|error| failed("keep a blob", &path, error.error))?;
        Ok(Blob { digest, size, path: SharedPath::from(kept) })
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
        let count = self.file.write(bytes)?;
        if let Some(to_disk) = &mut self.to_disk {
            to_disk.written(self.file.inner().as_file(), count as u64);
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
