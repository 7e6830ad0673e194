//! Reading tar archives whose contents nobody vouches for.
//!
//! The `tar` crate lays out the headers; which of them belong together, and what is refused, is decided here, because
//! that is where tar readers have been fooled (`PAX` and header disagreeing, unbounded names, global headers).

mod ahead;
mod input;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;

pub use ahead::read_tar_file_ahead;
use input::{Input, Seekable, Stream};
use tar::Header;

use super::ArchiveError;
use super::extended::{Extended, Pax};
use super::header::{self, BLOCK};
use super::sparse::{PaxSparse, SparseMap};
use crate::shared_path::SharedPath;
use crate::tree::{Content, Inode, Meta, Node, Origin, PathError, Sparse, TreePath};

/// One entry of an archive.
#[derive(Clone, Debug)]
pub struct Item {
    /// Where it goes: names that start with `/` or `./` are taken relative to the root.
    pub path: TreePath,
    /// What goes there.
    pub what: What,
}

/// What an entry is.
#[derive(Clone, Debug)]
pub enum What {
    /// A file, directory, symbolic link, device or named pipe.
    Inode(Arc<Inode>),
    /// A further name of an earlier entry.
    HardLink(TreePath),
}

/// How much an archive may ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Entries.
    pub entries: u64,
    /// Bytes of the uncompressed tar.
    pub bytes: u64,
    /// Bytes of one PAX header or GNU long name.
    pub header: u64,
    /// Bytes of one extended attribute.
    pub xattr: u64,
    /// Bytes of all files with holes together, holes included, that are allowed however small the archive is. Beyond them
    /// `ratio` counts for these too, with the uncompressed archive, and always `bytes`.
    pub sparse: u64,
    /// How many times larger than its compressed form an archive may be, once it exceeds `ratio_from`.
    pub ratio: u64,
    /// From how many uncompressed bytes on the ratio counts.
    pub ratio_from: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            entries: 2_000_000,
            bytes: 64 << 30,
            header: 1 << 20,
            xattr: 64 << 10,
            sparse: 64 << 20,
            ratio: 200,
            ratio_from: 100_000_000,
        }
    }
}

impl Limits {
    /// Those of layers of images: a file of zeros, such as a disk image or a database, makes a layer a thousand times
    /// smaller than itself, so the ratio counts from 4 GiB on.
    pub fn images() -> Self {
        Self { ratio_from: 4 << 30, ..Self::default() }
    }
}

const LONG_MAP: &str = "a map of its holes that is too long";
const CONTINUED: &str = "the rest of a file that began in an earlier volume: unpack the volumes together, \
                         by `tar --multi-volume`, and pack them into one archive";

/// Files up to this size are held in memory: smaller than what it takes to say where they are and open them again.
const INLINE: u64 = 512;

/// Reads the uncompressed tar from `input` to its end and gives each entry to `each`, in order.
///
/// Contents are not kept: they become slices of `blob`, the file that holds (or will hold) exactly the bytes of
/// `input`. Very small files become bytes in memory.
///
/// `origin` becomes the origin of every inode, and names the archive in errors. Modes keep their lower twelve bits;
/// symbolic links are always 0777. All extended attributes of `SCHILY.xattr.*` are kept, and those that are in
/// `LIBARCHIVE.xattr.*` alone; access control lists are attributes too, as text.
pub fn read_tar<E: From<ArchiveError>>(
    input: impl Read,
    blob: &SharedPath,
    origin: &Origin,
    limits: &Limits,
    each: impl FnMut(Item) -> Result<(), E>,
) -> Result<(), E> {
    let input = Stream(BufReader::with_capacity(1 << 17, input));
    Reader { input, length: 0, offset: 0, entries: 0, sparse: 0, blob, origin, limits }.read(each)
}

/// As [`read_tar`] for a tar that is a file already: contents are skipped, not read.
pub fn read_tar_file<E: From<ArchiveError>>(
    blob: &SharedPath,
    origin: &Origin,
    limits: &Limits,
    each: impl FnMut(Item) -> Result<(), E>,
) -> Result<(), E> {
    let unreadable = |source| ArchiveError::Read { archive: origin.clone(), source };
    let file = File::open(blob).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    let input = Seekable(BufReader::with_capacity(1 << 13, file));
    Reader { input, length, offset: 0, entries: 0, sparse: 0, blob, origin, limits }.read(each)
}

struct Reader<'a, I> {
    input: I,
    /// Bytes of the archive, as far as they are known before they are read.
    length: u64,
    /// Bytes passed.
    offset: u64,
    entries: u64,
    /// Bytes of files with holes so far.
    sparse: u64,
    blob: &'a SharedPath,
    origin: &'a Origin,
    limits: &'a Limits,
}

impl<I: Input> Reader<'_, I> {
    fn read<E: From<ArchiveError>>(mut self, mut each: impl FnMut(Item) -> Result<(), E>) -> Result<(), E> {
        let mut extended = Extended::default();
        let mut start = 0;
        while let Some(header) = self.header()? {
            let problem = match header.as_old().linkflag[0] {
                b'L' => self.long_name(&header).and_then(|name| once(&mut extended.name, name)),
                b'K' => self.long_name(&header).and_then(|name| once(&mut extended.link, name)),
                b'x' => self.pax(&header).and_then(|pax| once(&mut extended.pax, pax)),
                b'g' => self.extension(&header).and_then(|body| Ok(Pax::check_global(&body)?)),
                _ => {
                    let extended = std::mem::take(&mut extended);
                    // The name that GNU tar's `--label` gives an archive is of no file.
                    let item = if header.as_old().linkflag[0] == b'V' {
                        self.pass_over(&header, &extended).map(|()| None)
                    } else {
                        self.entry(&header, &extended).map(Some)
                    };
                    if let Some(item) = item.map_err(|problem| problem.at(self.origin, start))? {
                        each(item)?;
                    }
                    start = self.offset;
                    continue;
                }
            };
            problem.map_err(|problem| problem.at(self.origin, start))?;
        }
        if !extended.is_empty() {
            return Err(Problem::from("a header about an entry that does not follow").at(self.origin, start).into());
        }
        Ok(())
    }

    /// The next header; nothing at the end marker, once all that follows it was found to be zeros.
    fn header(&mut self) -> Result<Option<Header>, ArchiveError> {
        let at = self.offset;
        let mut header = Header::new_old();
        self.fill(header.as_mut_bytes())?;
        if header.as_bytes().iter().all(|byte| *byte == 0) {
            self.rest_is_zeros()?;
            return Ok(None);
        }
        if !header::checksum_is_right(&header) {
            return Err(ArchiveError::Checksum { archive: self.origin.clone(), offset: at });
        }
        self.entries += 1;
        self.limit(self.entries, self.limits.entries, "entries")?;
        Ok(Some(header))
    }

    fn entry(&mut self, header: &Header, extended: &Extended) -> Result<Item, Problem> {
        let old = header.as_old();
        let sparse = extended.pax.as_ref().filter(|pax| !pax.sparse.is_empty());
        let sparse = sparse.map(|pax| PaxSparse::parse(&pax.sparse)).transpose()?;
        let name = match sparse.as_ref().and_then(|sparse| sparse.name) {
            Some(name) => name.to_vec(),
            None => extended.path(header)?,
        };
        let path = TreePath::new(unpadded(&name)).map_err(Problem::Path)?;
        let size = extended.size(header)?;
        let node = match old.linkflag[0] {
            // Before POSIX, a directory was a file whose name ends with a slash. GNU tar takes the newer type so too.
            0 | b'0' if name.ends_with(b"/") => Node::Directory,
            0 | b'0' | b'7' => Node::File(match sparse {
                None => self.content(size)?,
                Some(sparse) => self.pax_sparse_content(sparse, size)?,
            }),
            b'S' => Node::File(self.old_sparse_content(header, size)?),
            b'1' => {
                no_content(size)?;
                let target = extended.target(header)?;
                let target = TreePath::new(unpadded(&target)).map_err(Problem::Path)?;
                return Ok(Item { path, what: What::HardLink(target) });
            }
            b'2' => Node::Symlink(symlink_target(&extended.target(header)?)?.into()),
            b'3' => {
                let (major, minor) = device(header)?;
                Node::CharacterDevice { major, minor }
            }
            b'4' => {
                let (major, minor) = device(header)?;
                Node::BlockDevice { major, minor }
            }
            b'5' => Node::Directory,
            b'6' => Node::Fifo,
            // A directory of an incremental archive: its content is a list of the names in it.
            b'D' => {
                self.pass_over(header, extended)?;
                let meta = self.meta(header, extended, false)?;
                let inode = Inode { meta, node: Node::Directory, origin: self.origin.clone() };
                return Ok(Item { path, what: What::Inode(inode.into()) });
            }
            b'M' => return Err(CONTINUED.into()),
            other => return Err(format!("the unknown type `{}`", other.escape_ascii()).into()),
        };
        if !matches!(node, Node::File(_)) {
            no_content(size)?;
        }
        let meta = self.meta(header, extended, matches!(node, Node::Symlink(_)))?;
        Ok(Item { path, what: What::Inode(Inode { meta, node, origin: self.origin.clone() }.into()) })
    }

    fn meta(&self, header: &Header, extended: &Extended, symlink: bool) -> Result<Meta, Problem> {
        let mode = header::number(&header.as_old().mode).ok_or("a mode that cannot be read")?;
        let (uid, gid) = extended.owner(header)?;
        let mode = if symlink { 0o777 } else { u32::try_from(mode & 0o7777).expect("twelve bits") };
        let xattrs = extended.pax.as_ref().map(|pax| pax.xattrs.clone()).unwrap_or_default();
        Ok(Meta { mode, uid, gid, mtime: extended.mtime(header)?, xattrs })
    }

    fn content(&mut self, size: u64) -> Result<Content, Problem> {
        if size <= INLINE {
            return Ok(Content::bytes(self.bytes(size)?));
        }
        let content = Content::Slice { path: self.blob.clone(), offset: self.offset, size };
        self.skip(padded(size)?)?;
        Ok(content)
    }

    fn pass_over(&mut self, header: &Header, extended: &Extended) -> Result<(), Problem> {
        let size = extended.size(header)?;
        Ok(self.skip(padded(size)?)?)
    }

    fn old_sparse_content(&mut self, header: &Header, size: u64) -> Result<Content, Problem> {
        let (mut map, mut goes_on) = SparseMap::of_header(header)?;
        let last = self.offset.saturating_add(self.limits.header);
        while goes_on {
            if self.offset > last {
                return Err(LONG_MAP.into());
            }
            goes_on = map.extend(&self.bytes(BLOCK)?)?;
        }
        let content = self.sparse_content(&map, self.offset, size)?;
        self.skip(padded(size)?)?;
        Ok(content)
    }

    fn pax_sparse_content(&mut self, sparse: PaxSparse<'_>, size: u64) -> Result<Content, Problem> {
        let PaxSparse { mut map, map_in_content, .. } = sparse;
        let at = self.offset;
        let mut start = Vec::new();
        while map_in_content && (start.is_empty() || !SparseMap::is_whole_in(&start)?) {
            let taken = start.len() as u64;
            if taken >= size {
                return Err("a map of its holes that cannot be read".into());
            }
            if taken >= self.limits.header {
                return Err(LONG_MAP.into());
            }
            // Twice as much each time, so that a long map is not looked through for each of its blocks.
            start.extend(self.bytes(taken.clamp(BLOCK, padded(size)? - taken))?);
        }
        let taken = if map_in_content { map.extend_from_content(&start)? as u64 } else { 0 };
        let stored = size.checked_sub(taken).ok_or("a map of its holes that cannot be read")?;
        let content = self.sparse_content(&map, at + taken, stored)?;
        self.skip(padded(size)? - start.len() as u64)?;
        Ok(content)
    }

    /// The content of a file with holes, whose pieces are the `stored` bytes from `at` on.
    fn sparse_content(&mut self, map: &SparseMap, at: u64, stored: u64) -> Result<Content, Problem> {
        self.sparse = self.sparse.saturating_add(map.size);
        let by_ratio = self.length.max(self.offset).saturating_mul(self.limits.ratio);
        let limit = self.limits.sparse.max(by_ratio).min(self.limits.bytes);
        self.limit(self.sparse, limit, "bytes in files with holes")?;
        let pieces = map.placed(at, stored)?;
        Ok(Content::Sparse(Arc::new(Sparse { path: self.blob.clone(), pieces, size: map.size })))
    }

    fn long_name(&mut self, header: &Header) -> Result<Vec<u8>, Problem> {
        let name = self.extension(header)?;
        Ok(unpadded(&name).to_vec())
    }

    fn pax(&mut self, header: &Header) -> Result<Pax, Problem> {
        let body = self.extension(header)?;
        Ok(Pax::parse(&body, self.limits.xattr)?)
    }

    /// The content of a header that speaks about others.
    fn extension(&mut self, header: &Header) -> Result<Vec<u8>, Problem> {
        let size = Extended::default().size(header)?;
        if size > self.limits.header {
            return Err(
                format!("a name or PAX header of {size} bytes, where {} are allowed", self.limits.header).into()
            );
        }
        Ok(self.bytes(size)?)
    }

    /// `size` bytes of content, and past its padding. The caller has compared `size` with a limit.
    fn bytes(&mut self, size: u64) -> Result<Vec<u8>, ArchiveError> {
        let length = usize::try_from(size).expect("what is held in memory is limited");
        let mut bytes = vec![0; length.next_multiple_of(BLOCK as usize)];
        self.fill(&mut bytes)?;
        bytes.truncate(length);
        Ok(bytes)
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), ArchiveError> {
        self.input.buffered().read_exact(buffer).map_err(|error| self.failed(error))?;
        self.passed(buffer.len() as u64)
    }

    fn skip(&mut self, size: u64) -> Result<(), ArchiveError> {
        // Before passing it over: a claimed size is a bomb only if somebody believes it.
        self.passed(size)?;
        self.input.skip(size).map_err(|error| self.failed(error))
    }

    fn passed(&mut self, size: u64) -> Result<(), ArchiveError> {
        self.offset = self.offset.saturating_add(size);
        self.limit(self.offset, self.limits.bytes, "bytes")
    }

    fn limit(&self, found: u64, limit: u64, what: &'static str) -> Result<(), ArchiveError> {
        if found > limit {
            return Err(ArchiveError::Limit { archive: self.origin.clone(), what, limit });
        }
        Ok(())
    }

    fn rest_is_zeros(&mut self) -> Result<(), ArchiveError> {
        loop {
            let found = self.input.buffered().fill_buf().map(|bytes| (bytes.len(), bytes.iter().position(|b| *b != 0)));
            let (length, other) = found.map_err(|error| self.failed(error))?;
            if let Some(at) = other {
                let offset = (self.offset + at as u64) / BLOCK * BLOCK;
                return Err(ArchiveError::TrailingData { archive: self.origin.clone(), offset });
            }
            if length == 0 {
                return Ok(());
            }
            self.input.buffered().consume(length);
            self.passed(length as u64)?;
        }
    }

    fn failed(&self, source: io::Error) -> ArchiveError {
        let archive = self.origin.clone();
        match source.kind() {
            // A decompressor's own words say more than that the tar ends.
            io::ErrorKind::UnexpectedEof if source.get_ref().is_none() => {
                ArchiveError::Truncated { archive, offset: self.offset }
            }
            _ => ArchiveError::Read { archive, source },
        }
    }
}

/// Why one entry is refused; [`Problem::at`] says where it is.
enum Problem {
    Archive(ArchiveError),
    Path(PathError),
    Text(String),
}

impl Problem {
    fn at(self, archive: &Origin, offset: u64) -> ArchiveError {
        let archive = archive.clone();
        match self {
            Self::Archive(error) => error,
            Self::Path(source) => ArchiveError::Path { archive, source },
            Self::Text(problem) => ArchiveError::Entry { archive, offset, problem },
        }
    }
}

impl From<ArchiveError> for Problem {
    fn from(error: ArchiveError) -> Self {
        Self::Archive(error)
    }
}

impl From<String> for Problem {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Problem {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

fn once<T>(place: &mut Option<T>, value: T) -> Result<(), Problem> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err("two headers that say the same about it".into()),
    }
}

/// Only files have content: programs that disagree whether to skip it see different entries.
fn no_content(size: u64) -> Result<(), Problem> {
    if size > 0 { Err("a size, though it is no file".into()) } else { Ok(()) }
}

fn unpadded(name: &[u8]) -> &[u8] {
    let end = name.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    &name[..end]
}

fn symlink_target(target: &[u8]) -> Result<&[u8], Problem> {
    let target = unpadded(target);
    if target.is_empty() || target.len() > 4095 || target.contains(&0) {
        return Err("a symbolic link whose target is empty, longer than 4095 bytes or has a NUL byte".into());
    }
    Ok(target)
}

/// Major and minor number.
fn device(header: &Header) -> Result<(u32, u32), Problem> {
    let fields = match (header.as_ustar(), header.as_gnu()) {
        (Some(ustar), _) => (&ustar.dev_major, &ustar.dev_minor),
        (None, Some(gnu)) => (&gnu.dev_major, &gnu.dev_minor),
        (None, None) => return Err("a device without numbers".into()),
    };
    let read = |field: &[u8]| header::number(field).and_then(|number| u32::try_from(number).ok());
    Ok(read(fields.0).zip(read(fields.1)).ok_or("device numbers that cannot be read")?)
}

fn padded(size: u64) -> Result<u64, Problem> {
    size.checked_next_multiple_of(BLOCK).ok_or_else(|| "a size beyond all measure".into())
}

#[cfg(test)]
mod tests;
