//! The bytes of a regular file, wherever they are.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// The bytes of a regular file: in memory, a file of the host, or a piece of a blob in the store.
#[derive(Clone, Debug)]
pub enum Content {
    /// In memory.
    Bytes(Arc<[u8]>),
    /// `size` bytes of the host's file at `path`, from `offset` on: a piece of a blob in the store, or a whole file.
    Slice {
        /// The host's file.
        path: Arc<Path>,
        /// Where in it the content starts.
        offset: u64,
        /// Bytes of content.
        size: u64,
    },
}

impl Content {
    /// No bytes.
    pub fn empty() -> Self {
        Self::Bytes(Arc::from([]))
    }

    /// Bytes in memory.
    pub fn bytes(bytes: impl Into<Arc<[u8]>>) -> Self {
        Self::Bytes(bytes.into())
    }

    /// How many bytes there are.
    pub fn size(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Slice { size, .. } => *size,
        }
    }

    /// A reader of exactly [`Content::size`] bytes; a host's file that has become shorter is an
    /// [`io::ErrorKind::UnexpectedEof`]. Errors name the file.
    pub fn reader(&self) -> io::Result<ContentReader<'_>> {
        self.reader_after(&mut LastFile::default())
    }

    /// As [`Content::reader`], for many in a row: the file that the last one was in is open already.
    pub fn reader_after(&self, last: &mut LastFile) -> io::Result<ContentReader<'_>> {
        Ok(match self {
            Self::Bytes(bytes) => ContentReader(Source::Bytes(bytes)),
            Self::Slice { path, offset, size } => {
                let file = last.open(path).map_err(|error| name_file(path, &error))?;
                ContentReader(Source::Slice { file, path, offset: *offset, left: *size })
            }
        })
    }

    /// All bytes at once. For files that are small by nature; the caller has looked at [`Content::size`].
    pub fn read(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(usize::try_from(self.size()).unwrap_or(0).min(1 << 24));
        self.reader()?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// The file that was read last: the contents of one archive are in one file.
#[derive(Default)]
pub struct LastFile(Option<(Arc<Path>, Arc<File>)>);

impl LastFile {
    fn open(&mut self, path: &Arc<Path>) -> io::Result<Arc<File>> {
        match &self.0 {
            Some((last, file)) if Arc::ptr_eq(last, path) => Ok(Arc::clone(file)),
            _ => {
                let file = Arc::new(File::open(path)?);
                self.0 = Some((Arc::clone(path), Arc::clone(&file)));
                Ok(file)
            }
        }
    }
}

/// Reads a [`Content`] from its start.
pub struct ContentReader<'a>(Source<'a>);

enum Source<'a> {
    Bytes(&'a [u8]),
    Slice { file: Arc<File>, path: &'a Path, offset: u64, left: u64 },
}

impl Read for ContentReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Source::Bytes(bytes) => bytes.read(buffer),
            Source::Slice { file, path, offset, left } => {
                let want = buffer.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                let count = file.read_at(&mut buffer[..want], *offset).map_err(|error| name_file(path, &error))?;
                if count == 0 && want > 0 {
                    let short = io::Error::new(io::ErrorKind::UnexpectedEof, "the file has become shorter");
                    return Err(name_file(path, &short));
                }
                *offset += count as u64;
                *left -= count as u64;
                Ok(count)
            }
        }
    }
}

fn name_file(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
