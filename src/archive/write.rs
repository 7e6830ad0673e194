//! The canonical tar of a tree: equal trees give equal bytes.
//!
//! Entries come in the tree's order, the root as `./`, without leading `./` or `/`, directories with a trailing slash.
//! Headers are ustar, with PAX records only where a value needs them; no access times, no owner names. The first path of
//! an inode carries its data, further ones are hard links to it. Two blocks of zeros end the archive.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};

use tar::{EntryType, Header};

use super::header::{BLOCK, OCTAL_OWNER, OCTAL_SIZE};
use super::{ArchiveError, pax};
use crate::tree::{Content, Entry, InodeId, LastFile, Meta, Node, Tree, TreePath, Xattrs};

/// What a tar holds beside directories, files and symbolic links.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SpecialFiles {
    /// Neither devices nor named pipes: the runtime makes those of `/dev`, and engines without privileges skip or refuse
    /// them.
    #[default]
    Omit,
    /// Devices and named pipes as they are.
    Keep,
}

/// Writes `tree` as a tar. Each file's content is read exactly once.
///
/// Of extended attributes, `security.capability` and `user.*` of files and directories are written, those with a value.
/// Capabilities that are bound to a user namespace (version 3) lose that binding, as the namespace is not known where
/// the image runs.
///
/// Fails where a name starts with `.wh.`, which image layers would take for a removal; where a content cannot be read;
/// and where `output` fails.
pub fn write_tar<W: Write>(tree: &Tree, special: SpecialFiles, output: W) -> Result<W, ArchiveError> {
    write_tar_by_entry(tree, special, output, |_, _, _| Ok(()))
}

/// The same for an output that wants to know where entries begin: `begins` is told of each before it is written, with its
/// path and the size of its content.
pub fn write_tar_by_entry<W: Write>(
    tree: &Tree,
    special: SpecialFiles,
    output: W,
    begins: impl FnMut(&mut W, &[u8], u64) -> io::Result<()>,
) -> Result<W, ArchiveError> {
    write_layer(tree, &BTreeSet::new(), special, output, begins)
}

/// As [`write_tar_by_entry`] for a layer on top of others: each path of `removed`, whose directory is in `tree`, becomes
/// a whiteout, right behind its directory and so before its siblings (OCI image spec, layer.md, "Whiteouts").
pub fn write_layer<W: Write>(
    tree: &Tree,
    removed: &BTreeSet<TreePath>,
    special: SpecialFiles,
    output: W,
    mut begins: impl FnMut(&mut W, &[u8], u64) -> io::Result<()>,
) -> Result<W, ArchiveError> {
    let mut whiteouts: BTreeMap<TreePath, Vec<&TreePath>> = BTreeMap::new();
    for path in removed {
        whiteouts.entry(path.parent().unwrap_or_else(TreePath::root)).or_default().push(path);
    }
    let mut writer = TarWriter::new(output);
    let mut first_paths: BTreeMap<InodeId, &TreePath> = BTreeMap::new();
    for entry in tree.entries() {
        let node = &entry.inode.node;
        let is_special = matches!(node, Node::CharacterDevice { .. } | Node::BlockDevice { .. } | Node::Fifo);
        if is_special && special == SpecialFiles::Omit {
            continue;
        }
        if entry.path.name().starts_with(b".wh.") {
            return Err(ArchiveError::WhiteoutName { path: entry.path.clone() });
        }
        let first = first_paths.get(&entry.id);
        let content = entry.inode.content().filter(|_| first.is_none());
        let size = content.map_or(0, Content::size);
        begins(&mut writer.output, entry.path.as_bytes(), size).map_err(|source| ArchiveError::Write { source })?;
        match first {
            Some(first) => writer.hard_link(entry, first)?,
            None => writer.inode(entry)?,
        }
        for path in whiteouts.remove(entry.path).unwrap_or_default() {
            writer.whiteout(path)?;
        }
        if entry.links > 1 {
            first_paths.entry(entry.id).or_insert(entry.path);
        }
    }
    writer.finish().map_err(|source| ArchiveError::Write { source })
}

/// Whether an extended attribute belongs to a root filesystem: file capabilities and what users set. Others are of the
/// machine where the tree was made (security labels, overlays, access control lists).
pub fn is_kept_attribute(name: &[u8]) -> bool {
    name == CAPABILITY || name.starts_with(b"user.")
}

/// The attribute that holds file capabilities.
const CAPABILITY: &[u8] = b"security.capability";

/// Writes tar entries one by one, with names as they are given.
pub struct TarWriter<W> {
    output: W,
    buffer: Box<[u8]>,
    last: LastFile,
}

impl<W: Write> TarWriter<W> {
    /// Starts an archive.
    pub fn new(output: W) -> Self {
        Self { output, buffer: vec![0; 1 << 17].into_boxed_slice(), last: LastFile::default() }
    }

    /// Writes a regular file of exactly `size` bytes from `content`.
    pub fn file(&mut self, name: &str, meta: &Meta, size: u64, content: impl Read) -> io::Result<()> {
        self.header(&Described { size, ..Described::new(name.as_bytes(), meta, EntryType::Regular) })?;
        self.content(size, content)
    }

    /// Writes a directory; `name` ends with a slash.
    pub fn directory(&mut self, name: &str, meta: &Meta) -> io::Result<()> {
        self.header(&Described::new(name.as_bytes(), meta, EntryType::Directory))
    }

    /// Ends the archive and gives back the output, not flushed.
    pub fn finish(mut self) -> io::Result<W> {
        self.output.write_all(&[0; 2 * BLOCK as usize])?;
        Ok(self.output)
    }

    fn inode(&mut self, entry: Entry<'_>) -> Result<(), ArchiveError> {
        let name = name(entry);
        let meta = &entry.inode.meta;
        let described = |kind| Described::new(&name, meta, kind);
        let failed = |source| ArchiveError::Write { source };
        match &entry.inode.node {
            Node::File(content) => {
                let unreadable = |source| ArchiveError::Content { path: entry.path.clone(), source };
                let xattrs = xattrs(entry)?;
                let size = content.size();
                self.header(&Described { size, xattrs, ..described(EntryType::Regular) }).map_err(failed)?;
                let reader = content.reader_after(&mut self.last).map_err(unreadable)?;
                let mut reader = Noticing { inner: reader, error: None };
                self.content(size, &mut reader).map_err(|source| match reader.error.take() {
                    Some(source) => unreadable(source),
                    None => failed(source),
                })
            }
            Node::Directory => {
                let xattrs = xattrs(entry)?;
                self.header(&Described { xattrs, ..described(EntryType::Directory) }).map_err(failed)
            }
            Node::Symlink(target) => {
                self.header(&Described { link: target, ..described(EntryType::Symlink) }).map_err(failed)
            }
            Node::CharacterDevice { major, minor } => {
                let device = (*major, *minor);
                self.header(&Described { device, ..described(EntryType::Char) }).map_err(failed)
            }
            Node::BlockDevice { major, minor } => {
                let device = (*major, *minor);
                self.header(&Described { device, ..described(EntryType::Block) }).map_err(failed)
            }
            Node::Fifo => self.header(&described(EntryType::Fifo)).map_err(failed),
        }
    }

    fn whiteout(&mut self, path: &TreePath) -> Result<(), ArchiveError> {
        let folder = path.parent().filter(|folder| !folder.is_root());
        let folder = folder.map_or_else(Vec::new, |folder| [folder.as_bytes(), b"/"].concat());
        let name = [&folder, b".wh.".as_slice(), path.name()].concat();
        let meta = Meta::new(0o644);
        let header = self.header(&Described::new(&name, &meta, EntryType::Regular));
        header.map_err(|source| ArchiveError::Write { source })
    }

    fn hard_link(&mut self, entry: Entry<'_>, target: &TreePath) -> Result<(), ArchiveError> {
        let name = name(entry);
        let link = target.as_bytes();
        self.header(&Described { link, ..Described::new(&name, &entry.inode.meta, EntryType::Link) })
            .map_err(|source| ArchiveError::Write { source })
    }

    fn header(&mut self, described: &Described<'_>) -> io::Result<()> {
        let (header, records) = described.header();
        if !records.is_empty() {
            let size = records.len() as u64;
            let name = [b"PaxHeaders.0/", ascii_tail(described.name).as_slice()].concat();
            let meta = Meta::new(0o644);
            let extension = Described { size, ..Described::new(&name, &meta, EntryType::XHeader) };
            self.output.write_all(extension.header().0.as_bytes())?;
            self.content(size, &records[..])?;
        }
        self.output.write_all(header.as_bytes())
    }

    fn content(&mut self, size: u64, mut content: impl Read) -> io::Result<()> {
        let mut left = size;
        while left > 0 {
            let want = usize::try_from(left).unwrap_or(usize::MAX).min(self.buffer.len());
            content.read_exact(&mut self.buffer[..want])?;
            self.output.write_all(&self.buffer[..want])?;
            left -= want as u64;
        }
        let padding = usize::try_from(size.next_multiple_of(BLOCK) - size).expect("less than a block");
        self.output.write_all(&[0; BLOCK as usize][..padding])
    }
}

/// What the header of one entry says.
struct Described<'a> {
    name: &'a [u8],
    meta: &'a Meta,
    kind: EntryType,
    size: u64,
    link: &'a [u8],
    device: (u32, u32),
    xattrs: Xattrs,
}

impl<'a> Described<'a> {
    fn new(name: &'a [u8], meta: &'a Meta, kind: EntryType) -> Self {
        Self { name, meta, kind, size: 0, link: b"", device: (0, 0), xattrs: Xattrs::default() }
    }

    /// The header, and the PAX records for what it cannot hold: sorted by key, extended attributes behind the others.
    fn header(&self) -> (Header, Vec<u8>) {
        let mut header = Header::new_ustar();
        let mut records: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
        let mut record = |key: &[u8], value: &[u8]| drop(records.insert(key.to_vec(), value.to_vec()));
        header.set_entry_type(self.kind);
        header.set_mode(self.meta.mode & 0o7777);

        let ustar = header.as_ustar_mut().expect("a ustar header was made");
        let (prefix, name) = split(self.name).unwrap_or_else(|| {
            record(b"path", self.name);
            (b"", truncated(self.name))
        });
        ustar.prefix[..prefix.len()].copy_from_slice(prefix);
        ustar.name[..name.len()].copy_from_slice(name);
        let link = if self.link.len() <= 100 && self.link.is_ascii() {
            self.link
        } else {
            record(b"linkpath", self.link);
            truncated(self.link)
        };
        ustar.linkname[..link.len()].copy_from_slice(link);
        ustar.set_device_major(self.device.0);
        ustar.set_device_minor(self.device.1);

        let mut number = |key: &str, value: i64, most: u64| {
            let fits = u64::try_from(value).ok().filter(|value| *value <= most);
            fits.unwrap_or_else(|| {
                record(key.as_bytes(), value.to_string().as_bytes());
                0
            })
        };
        let uid = number("uid", self.meta.uid.into(), OCTAL_OWNER.into());
        let gid = number("gid", self.meta.gid.into(), OCTAL_OWNER.into());
        let mtime = number("mtime", self.meta.mtime, OCTAL_SIZE);
        let size = number("size", i64::try_from(self.size).expect("a file has less than 2^63 bytes"), OCTAL_SIZE);
        header.set_uid(uid);
        header.set_gid(gid);
        header.set_mtime(mtime);
        header.set_size(size);
        header.set_cksum();

        let mut body = Vec::new();
        records.iter().for_each(|(key, value)| pax::append(&mut body, key, value));
        // Attributes come last: readers that take a newline in a value for the end of its record know the rest by then.
        for (name, value) in self.xattrs.iter() {
            pax::append(&mut body, &[b"SCHILY.xattr.", name].concat(), value);
        }
        (header, body)
    }
}

/// Prefix and name of a ustar header; nothing where the name is too long for them or not ASCII.
fn split(name: &[u8]) -> Option<(&[u8], &[u8])> {
    if !name.is_ascii() {
        return None;
    }
    if name.len() <= 100 {
        return Some((b"", name));
    }
    let slashes = name.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
    let mut fitting = slashes.filter(|at| (1..=155).contains(at) && (1..=100).contains(&(name.len() - at - 1)));
    fitting.next_back().map(|at| (&name[..at], &name[at + 1..]))
}

/// What a reader without PAX sees of a name: as much of it as fits.
fn truncated(name: &[u8]) -> &[u8] {
    &name[..name.len().min(100)]
}

/// The last component of a name for a PAX header's own name, which nobody extracts.
fn ascii_tail(name: &[u8]) -> Vec<u8> {
    let name = name.strip_suffix(b"/").unwrap_or(name);
    let start = name.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    name[start..].iter().take(80).map(|byte| if byte.is_ascii() { *byte } else { b'_' }).collect()
}

fn name(entry: Entry<'_>) -> Vec<u8> {
    let path = entry.path.as_bytes();
    match (entry.path.is_root(), entry.inode.is_directory()) {
        (true, _) => b"./".to_vec(),
        (false, true) => [path, b"/"].concat(),
        (false, false) => path.to_vec(),
    }
}

/// The extended attributes that are written. PAX cannot hold an empty value.
fn xattrs(entry: Entry<'_>) -> Result<Xattrs, ArchiveError> {
    let mut written = Xattrs::default();
    let kept = |(name, value): &(&[u8], &[u8])| is_kept_attribute(name) && !value.is_empty();
    for (name, value) in entry.inode.meta.xattrs.iter().filter(kept) {
        if name.contains(&b'=') {
            return Err(ArchiveError::XattrName { path: entry.path.clone(), name: crate::tree::escape(name) });
        }
        written.set(name, if name == CAPABILITY { unbound_capability(value) } else { value.to_vec() });
    }
    Ok(written)
}

/// File capabilities of version 3 (`struct vfs_ns_cap_data`, 24 bytes) as version 2, without the namespace's root at
/// their end; others as they are.
fn unbound_capability(value: &[u8]) -> Vec<u8> {
    match value {
        [flags, 0, 0, 3, permitted_and_inheritable @ .., _, _, _, _] if value.len() == 24 => {
            [&[*flags, 0, 0, 2][..], permitted_and_inheritable].concat()
        }
        _ => value.to_vec(),
    }
}

/// Keeps an error of the inner reader apart from those of the output.
struct Noticing<R> {
    inner: R,
    error: Option<io::Error>,
}

impl<R: Read> Read for Noticing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer).map_err(|error| {
            let kind = error.kind();
            self.error = Some(error);
            kind.into()
        })
    }
}

#[cfg(test)]
mod tests;
