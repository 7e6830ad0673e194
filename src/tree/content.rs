//! The bytes of a regular file, wherever they are.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use crate::shared_path::SharedPath;

/// The bytes of a regular file: in memory, a file of the host, or a piece of a blob in the store.
#[derive(Clone, Debug)]
pub enum Content {
    /// In memory.
    Bytes(Arc<[u8]>),
    /// `size` bytes of the host's file at `path`, from `offset` on: a piece of a blob in the store, or a whole file.
    Slice {
        /// The host's file.
        path: SharedPath,
        /// Where in it the content starts.
        offset: u64,
        /// Bytes of content.
        size: u64,
    },
    /// Pieces of the host's file, with holes between them that read as zeros.
    Sparse(Arc<Sparse>),
}

/// A content with holes.
#[derive(Debug, PartialEq, Eq)]
pub struct Sparse {
    /// The host's file that has the pieces.
    pub path: SharedPath,
    /// The pieces, in their order in the content: they do not overlap, and none is empty or goes beyond the end.
    pub pieces: Vec<Piece>,
    /// Bytes of content, holes included.
    pub size: u64,
}

/// A piece of a content with holes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Where in the content it is.
    pub start: u64,
    /// Where in the host's file it is.
    pub offset: u64,
    /// How many bytes it has.
    pub size: u64,
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
            Self::Sparse(sparse) => sparse.size,
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
            Self::Sparse(sparse) => {
                let file = last.open(&sparse.path).map_err(|error| name_file(&sparse.path, &error))?;
                ContentReader(Source::Sparse { file, sparse, at: 0 })
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
pub struct LastFile(Option<(SharedPath, Arc<File>)>);

impl LastFile {
    fn open(&mut self, path: &SharedPath) -> io::Result<Arc<File>> {
        match &self.0 {
            Some((last, file)) if last.is_shared_with(path) => Ok(Arc::clone(file)),
            _ => {
                let file = Arc::new(File::open(path)?);
                self.0 = Some((path.clone(), Arc::clone(&file)));
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
    Sparse { file: Arc<File>, sparse: &'a Sparse, at: u64 },
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
            Source::Sparse { file, sparse, at } => {
                let count = sparse.read_at(file, buffer, *at).map_err(|error| name_file(&sparse.path, &error))?;
                *at += count as u64;
                Ok(count)
            }
        }
    }
}

impl Sparse {
    /// Reads what is at `at` in the content from its open `file`, up to the end of a piece or hole.
    pub fn read_at(&self, file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        let next = self.pieces.partition_point(|piece| piece.start + piece.size <= at);
        let piece = self.pieces.get(next).filter(|piece| piece.start <= at);
        let end = match (piece, self.pieces.get(next)) {
            (Some(piece), _) => piece.start + piece.size,
            (None, Some(later)) => later.start,
            (None, None) => self.size,
        };
        let want = buffer.len().min(usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX));
        let Some(piece) = piece else {
            buffer[..want].fill(0);
            return Ok(want);
        };
        match file.read_at(&mut buffer[..want], piece.offset + (at - piece.start))? {
            0 if want > 0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file has become shorter")),
            count => Ok(count),
        }
    }
}

fn name_file(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_read_as_zeros() {
        let folder = tempfile::tempdir().unwrap();
        let path = SharedPath::from(folder.path().join("blob"));
        std::fs::write(&path, b"..headtail").unwrap();
        let piece = |start, offset, size| Piece { start, offset, size };
        let pieces = vec![piece(1, 2, 4), piece(5, 6, 1), piece(9, 7, 3)];
        let content = |size, pieces: &[Piece]| {
            Content::Sparse(Arc::new(Sparse { path: path.clone(), pieces: pieces.to_vec(), size }))
        };
        assert_eq!(content(14, &pieces).read().unwrap(), b"\0headt\0\0\0ail\0\0");
        assert_eq!(content(12, &pieces).read().unwrap(), b"\0headt\0\0\0ail");
        assert_eq!(content(3, &[]).read().unwrap(), b"\0\0\0");
        assert_eq!(content(0, &[]).read().unwrap(), b"");
        let short = content(9, &[piece(0, 8, 9)]).read().unwrap_err();
        assert_eq!(short.kind(), io::ErrorKind::UnexpectedEof, "{short}");
    }
}
