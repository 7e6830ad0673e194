//! The canonical cpio of a tree: what the kernel unpacks as an initial root filesystem.
//!
//! The format is `newc` (Linux, Documentation/driver-api/early-userspace/buffer-format.rst). Entries come in the tree's
//! order, the root as `.`; inode numbers count from 1, device numbers of the archive are 0. Of a file with several names,
//! the last one carries the data.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use crate::tree::{Entry, InodeId, Node, Tree, TreePath};

/// Why a tree cannot be written as a cpio.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum CpioError {
    /// A file is larger than the format can say.
    #[error("cannot write `{path}` into a cpio: it has {size} bytes, and the format has room for less than 4 GiB")]
    #[diagnostic(help("leave it out with `[prune] remove`, or write `-o squashfs:FILE`"))]
    TooLarge {
        /// The file.
        path: TreePath,
        /// Its size in bytes.
        size: u64,
    },
    /// The name that ends an archive.
    #[error("cannot write `{path}` into a cpio: the name means the end of the archive")]
    #[diagnostic(help("rename it"))]
    Trailer {
        /// The path.
        path: TreePath,
    },
    /// A time that the format cannot say.
    #[error("cannot write `{path}` into a cpio: its time, {mtime} seconds from 1970, does not fit into 32 bits")]
    #[diagnostic(help("set SOURCE_DATE_EPOCH to a time between 1970 and 2106"))]
    Time {
        /// The path.
        path: TreePath,
        /// Its modification time.
        mtime: i64,
    },
    /// The content of a file cannot be read.
    #[error("cannot read the content of `{path}`")]
    Content {
        /// The file.
        path: TreePath,
        /// Why not.
        source: io::Error,
    },
    /// The output cannot be written.
    #[error("cannot write the cpio")]
    Write {
        /// Why not.
        source: io::Error,
    },
}

/// What a cpio does not hold of its tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpioOmissions {
    /// Files and directories whose extended attributes, such as capabilities, were left out.
    pub attributes: usize,
}

/// The name of the entry that ends an archive.
const TRAILER: &[u8] = b"TRAILER!!!";

/// Archives end at a multiple of this, as GNU cpio writes them.
const RECORD: u64 = 512;

/// Writes `tree` as a cpio, devices and named pipes with it; says what the format has no place for. `output` is given
/// back, not flushed.
pub fn write_cpio<W: Write>(tree: &Tree, output: W) -> Result<(W, CpioOmissions), CpioError> {
    let mut writer = Writer { output, written: 0 };
    let mut omissions = CpioOmissions::default();
    let mut numbers: BTreeMap<InodeId, Linked> = BTreeMap::new();
    let mut next = 0;
    for entry in tree.entries() {
        let has_attributes = entry.inode.meta.xattrs.iter().any(|(name, _)| super::is_kept_attribute(name));
        // The kernel and cpio link files and devices by their number; symbolic links they make anew.
        let links = match entry.inode.node {
            Node::Symlink(_) | Node::Directory => 1,
            _ => entry.links,
        };
        if links == 1 || !numbers.contains_key(&entry.id) {
            next += 1;
            numbers.insert(entry.id, Linked { number: next, left: links });
            omissions.attributes += usize::from(has_attributes);
        }
        let linked = numbers.get_mut(&entry.id).expect("it was put there");
        linked.left -= 1;
        let (number, is_last) = (linked.number, linked.left == 0);
        writer.entry(entry, number, links, is_last)?;
    }
    writer.header(&Header { links: 1, ..Header::default() }, TRAILER).map_err(failed)?;
    writer.pad(RECORD).map_err(failed)?;
    Ok((writer.output, omissions))
}

/// An inode that may come again.
struct Linked {
    number: u32,
    /// How many of its names are still to come.
    left: u32,
}

/// The fields that are not always 0.
#[derive(Default)]
struct Header {
    number: u32,
    mode: u32,
    uid: u32,
    gid: u32,
    links: u32,
    mtime: u32,
    size: u32,
    device: (u32, u32),
}

struct Writer<W> {
    output: W,
    written: u64,
}

impl<W: Write> Writer<W> {
    fn entry(&mut self, entry: Entry<'_>, number: u32, links: u32, is_last: bool) -> Result<(), CpioError> {
        let Entry { path, inode, .. } = entry;
        let meta = &inode.meta;
        // File types as stat(2) has them.
        let (kind, size, device) = match &inode.node {
            Node::Directory => (0o040_000, 0, (0, 0)),
            Node::File(content) => (0o100_000, if is_last { content.size() } else { 0 }, (0, 0)),
            Node::Symlink(target) => (0o120_000, target.len() as u64, (0, 0)),
            Node::CharacterDevice { major, minor } => (0o020_000, 0, (*major, *minor)),
            Node::BlockDevice { major, minor } => (0o060_000, 0, (*major, *minor)),
            Node::Fifo => (0o010_000, 0, (0, 0)),
        };
        let mtime = u32::try_from(meta.mtime).map_err(|_| CpioError::Time { path: path.clone(), mtime: meta.mtime })?;
        let size = u32::try_from(size).map_err(|_| CpioError::TooLarge { path: path.clone(), size })?;
        let links = if inode.is_directory() { 2 } else { links };
        let (uid, gid) = (meta.uid, meta.gid);
        let header = Header { number, mode: kind | meta.mode & 0o7777, uid, gid, links, mtime, size, device };
        let name = if path.is_root() { b"." } else { path.as_bytes() };
        if name == TRAILER {
            return Err(CpioError::Trailer { path: path.clone() });
        }
        self.header(&header, name).map_err(failed)?;
        match &inode.node {
            Node::File(content) if size > 0 => {
                let unreadable = |source| CpioError::Content { path: path.clone(), source };
                let mut reader = content.reader().map_err(unreadable)?;
                let mut buffer = [0; 1 << 16];
                loop {
                    let count = reader.read(&mut buffer).map_err(unreadable)?;
                    if count == 0 {
                        break;
                    }
                    self.write(&buffer[..count]).map_err(failed)?;
                }
            }
            Node::Symlink(target) => self.write(target).map_err(failed)?,
            _ => {}
        }
        self.pad(4).map_err(failed)
    }

    fn header(&mut self, header: &Header, name: &[u8]) -> io::Result<()> {
        let Header { number, mode, uid, gid, links, mtime, size, device: (major, minor) } = *header;
        let length = u32::try_from(name.len() + 1).expect("a path has at most 4096 bytes");
        let fields = [number, mode, uid, gid, links, mtime, size, 0, 0, major, minor, length, 0];
        let mut text = String::from("070701");
        for field in fields {
            text.push_str(&format!("{field:08X}"));
        }
        self.write(text.as_bytes())?;
        self.write(name)?;
        self.write(b"\0")?;
        self.pad(4)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.output.write_all(bytes)?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    fn pad(&mut self, to: u64) -> io::Result<()> {
        let missing = usize::try_from(self.written.next_multiple_of(to) - self.written).expect("less than a record");
        self.write(&[0; RECORD as usize][..missing])
    }
}

fn failed(source: io::Error) -> CpioError {
    CpioError::Write { source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Content, Inode, Origin};

    fn fields(bytes: &[u8]) -> Vec<(String, Vec<u32>, Vec<u8>)> {
        let (mut at, mut entries) = (0, Vec::new());
        loop {
            assert_eq!(&bytes[at..at + 6], b"070701");
            let text = std::str::from_utf8(&bytes[at + 6..at + 110]).unwrap();
            let numbers: Vec<u32> =
                (0..13).map(|n| u32::from_str_radix(&text[n * 8..n * 8 + 8], 16).unwrap()).collect();
            let name_end = at + 110 + numbers[11] as usize;
            let name = String::from_utf8(bytes[at + 110..name_end - 1].to_vec()).unwrap();
            let start = name_end.next_multiple_of(4);
            let end = start + numbers[6] as usize;
            if name == "TRAILER!!!" {
                assert_eq!(bytes.len() % 512, 0);
                return entries;
            }
            entries.push((name, numbers, bytes[start..end].to_vec()));
            at = end.next_multiple_of(4);
        }
    }

    fn sample() -> Tree {
        let mut tree = Tree::new();
        let path = TreePath::literal;
        let mut put = |name, inode| tree.insert_with_parents(path(name), inode).map(drop).unwrap();
        put("a/one", Inode::file(0o4755, Content::bytes(*b"12345"), Origin::Root));
        put(
            "dev/null",
            Inode { node: Node::CharacterDevice { major: 1, minor: 3 }, ..Inode::directory(0o666, Origin::Root) },
        );
        put("link", Inode::symlink("a/one", Origin::Root));
        put("p", Inode { node: Node::Fifo, ..Inode::directory(0o600, Origin::Root) });
        tree.link(path("a/two"), &path("a/one")).unwrap();
        tree.link(path("z"), &path("a/one")).unwrap();
        tree
    }

    #[test]
    fn the_last_name_of_a_file_carries_its_data() {
        let mut tree = sample();
        tree.get_mut(&TreePath::literal("a/one")).unwrap().meta.xattrs.set("user.x", "y");
        let (bytes, omissions) = write_cpio(&tree, Vec::new()).unwrap();
        assert_eq!(omissions.attributes, 1);
        let entries = fields(&bytes);
        let names: Vec<&str> = entries.iter().map(|(name, ..)| name.as_str()).collect();
        assert_eq!(names, [".", "a", "a/one", "a/two", "dev", "dev/null", "link", "p", "z"]);
        let of = |name: &str| entries.iter().find(|(found, ..)| found == name).unwrap();
        let linked: Vec<_> = ["a/one", "a/two", "z"].iter().map(|name| of(name)).collect();
        assert!(linked.iter().all(|(_, fields, _)| fields[0] == linked[0].1[0] && fields[4] == 3));
        assert_eq!(linked.iter().map(|(.., data)| data.as_slice()).collect::<Vec<_>>(), [&b""[..], b"", b"12345"]);
        assert_eq!(of("a/one").1[1], 0o104_755);
        assert_eq!((of("dev/null").1[1], of("dev/null").1[9], of("dev/null").1[10]), (0o020_666, 1, 3));
        assert_eq!(of("link").2, b"a/one");
        let mut numbers: Vec<u32> = entries.iter().map(|(_, fields, _)| fields[0]).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(bytes, write_cpio(&tree, Vec::new()).unwrap().0);
    }

    #[test]
    fn what_the_format_cannot_say_is_refused() {
        let mut tree = sample();
        tree.get_mut(&TreePath::literal("z")).unwrap().meta.mtime = 1 << 32;
        assert!(matches!(write_cpio(&tree, io::sink()), Err(CpioError::Time { .. })));
        let mut tree = sample();
        let large = Content::Slice { path: std::path::Path::new("/dev/zero").into(), offset: 0, size: 1 << 32 };
        tree.get_mut(&TreePath::literal("z")).unwrap().node = Node::File(large);
        assert!(matches!(write_cpio(&tree, io::sink()), Err(CpioError::TooLarge { size: 4_294_967_296, .. })));
        let mut tree = Tree::new();
        let file = Inode::file(0o644, Content::empty(), Origin::Root);
        tree.insert(TreePath::literal("TRAILER!!!"), file).unwrap();
        assert!(matches!(write_cpio(&tree, io::sink()), Err(CpioError::Trailer { .. })));
    }
}
