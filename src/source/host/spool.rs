//! One file that takes the contents of all captured files, as they are read.
//!
//! A machine goes on working while it is captured. What is packed is therefore not read from it again: each file is read
//! once, looked at and kept here in one go, so that what was looked at is what is packed, and its length is the one that
//! was written down. Holes stay holes.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;

use super::scan::Scan;
use crate::shared_path::SharedPath;
use crate::tree::Content;

/// The contents of captured files, one behind the other.
pub(super) struct Spool {
    file: File,
    path: SharedPath,
    end: u64,
    buffer: Box<[u8]>,
}

/// Why a file could not be copied.
#[derive(Debug)]
pub(super) enum SpoolError {
    /// It could not be read.
    Read(io::Error),
    /// The spool could not be written.
    Write(io::Error),
}

/// What holes are made of.
const BLOCK: u64 = 4096;

impl Spool {
    /// A new one in `folder`, which is removed at the end of the run; readable for its owner alone.
    pub(super) fn new(folder: &Path) -> io::Result<Self> {
        let file = tempfile::Builder::new().prefix("captured-").tempfile_in(folder)?;
        let (file, path) = file.keep().map_err(|error| error.error)?;
        Ok(Self { file, path: SharedPath::from(path), end: 0, buffer: vec![0; 256 << 10].into_boxed_slice() })
    }

    /// The file that holds the contents.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Copies up to `size` bytes of `file`, showing them to `scan`; a file that has become shorter gives fewer.
    pub(super) fn copy(
        &mut self,
        file: &File,
        size: u64,
        has_holes: bool,
        scan: &mut Scan<'_>,
    ) -> Result<Content, SpoolError> {
        let offset = if has_holes { self.end.next_multiple_of(BLOCK) } else { self.end };
        let mut copied = 0;
        if has_holes {
            while copied < size {
                let Some((data, hole)) = stretch(file, copied).map_err(SpoolError::Read)? else {
                    copied = size;
                    break;
                };
                if data > copied {
                    scan.pause();
                }
                let end = hole.min(size);
                copied = self.copy_stretch(file, offset, data.min(size), end, scan)?;
                if copied < end {
                    break;
                }
            }
        } else {
            copied = self.copy_stretch(file, offset, 0, size, scan)?;
        }
        self.end = offset + copied;
        if has_holes {
            self.file.set_len(self.end).map_err(SpoolError::Write)?;
        }
        Ok(Content::Slice { path: self.path.clone(), offset, size: copied })
    }

    /// Takes back what was copied last, so that it can be copied again.
    pub(super) fn take_back(&mut self, content: &Content) -> Result<(), SpoolError> {
        if let Content::Slice { offset, .. } = content {
            self.end = *offset;
            self.file.set_len(*offset).map_err(SpoolError::Write)?;
        }
        Ok(())
    }

    /// Copies the bytes from `start` to `end`; gives how far it came.
    fn copy_stretch(
        &mut self,
        file: &File,
        offset: u64,
        start: u64,
        end: u64,
        scan: &mut Scan<'_>,
    ) -> Result<u64, SpoolError> {
        let mut at = start;
        while at < end {
            let want = usize::try_from(end - at).unwrap_or(usize::MAX).min(self.buffer.len());
            let count = match file.read_at(&mut self.buffer[..want], at) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(SpoolError::Read(error)),
            };
            let bytes = &self.buffer[..count];
            scan.feed(bytes);
            self.file.write_all_at(bytes, offset + at).map_err(SpoolError::Write)?;
            at += count as u64;
        }
        Ok(at)
    }
}

/// The next stretch of data from `from` on, and where it ends; nothing where only a hole is left.
fn stretch(file: &File, from: u64) -> io::Result<Option<(u64, u64)>> {
    match seek(file, SeekFrom::Data(from)) {
        Ok(data) => Ok(Some((data, seek(file, SeekFrom::Hole(data))?))),
        Err(Errno::NXIO) => Ok(None),
        // A file system that does not know its holes: all is data.
        Err(Errno::INVAL | Errno::OPNOTSUPP) => Ok(Some((from, u64::MAX))),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::MetadataExt;

    use super::super::scan::Scanner;
    use super::*;
    use crate::tree::TreePath;

    #[test]
    fn holes_stay_holes_and_lengths_fit() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::new(folder.path()).unwrap();
        let (scanner, path) = (Scanner::new(), TreePath::literal("x"));
        let mut plain = tempfile::tempfile().unwrap();
        plain.write_all(b"hello").unwrap();
        let one = spool.copy(&plain, 5, false, &mut scanner.start(&path)).unwrap();
        let sparse = tempfile::tempfile().unwrap();
        sparse.set_len(1 << 30).unwrap();
        sparse.write_all_at(b"middle", 1 << 20).unwrap();
        let two = spool.copy(&sparse, 1 << 30, true, &mut scanner.start(&path)).unwrap();
        let three = spool.copy(&plain, 9, false, &mut scanner.start(&path)).unwrap();
        assert_eq!((one.size(), two.size(), three.size()), (5, 1 << 30, 5), "a shorter file gives fewer bytes");
        assert_eq!(one.read().unwrap(), b"hello");
        assert_eq!(three.read().unwrap(), b"hello");
        let Content::Slice { offset, path, .. } = &two else { unreachable!("the spool gives slices") };
        let mut bytes = [0; 8];
        File::open(path).unwrap().read_exact_at(&mut bytes, offset + (1 << 20) - 1).unwrap();
        assert_eq!(&bytes, b"\0middle\0");
        assert!(std::fs::metadata(spool.path()).unwrap().blocks() * 512 < 1 << 20);
        spool.take_back(&three).unwrap();
        let again = spool.copy(&plain, 5, false, &mut scanner.start(&TreePath::root())).unwrap();
        assert_eq!(again.read().unwrap(), b"hello");
    }
}
