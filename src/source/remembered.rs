//! Root filesystems that were made before: the tree as its source left it, in the store under the digest of all that it
//! was made of.
//!
//! A memo is the digest of a blob of records: what there is to say of the whole, then the tree's entries. Tiny contents are in
//! their records; others are pieces of blobs, which are read and compared before they are believed. A memo that is damaged, of
//! another form, or whose blobs are gone, counts as none.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::digest::{Digest, Digesting};
use crate::epoch::Epoch;
use crate::lock::FORMAT;
use crate::shared_path::SharedPath;
use crate::source::Rootfs;
use crate::store::{Store, StoreError};
use crate::tree::{Content, Inode, InodeId, Meta, Node, Origin, Piece, Sparse, Tree, TreePath, Xattrs};

/// The root filesystem that was remembered under `key`, where all of it is still there.
pub fn recall(key: &Digest, store: &Store) -> Option<Rootfs> {
    let value = store.recall(key).ok().flatten()?;
    let blob = store.verified(&Digest::from_raw(value.try_into().ok()?)).ok().flatten()?;
    let mut file = BufReader::with_capacity(1 << 18, File::open(&blob.path).ok()?);
    let mut record = Vec::new();
    read_record(&mut file, &mut record).ok()?;
    let whole: Whole = postcard::from_bytes(&record).ok()?;
    let blobs: Vec<SharedPath> = whole
        .blobs
        .par_iter()
        .map(|digest| store.verified(&Digest::from_raw(*digest)).ok().flatten().map(|blob| blob.path))
        .collect::<Option<_>>()?;
    let origins: Vec<Origin> = whole.origins.into_iter().map(KeptOrigin::origin).collect();
    let mut tree = Tree::new();
    while !file.fill_buf().ok()?.is_empty() {
        read_record(&mut file, &mut record).ok()?;
        let entry: KeptEntry = postcard::from_bytes(&record).ok()?;
        let path = TreePath::new(entry.path).ok()?;
        match entry.node.node(&blobs)? {
            Link::To(target) => tree.link(path, &TreePath::new(target).ok()?).ok()?,
            Link::None(node) => {
                let origin = origins.get(entry.origin as usize)?.clone();
                tree.insert(path, Inode { meta: entry.meta.meta(), node, origin }).ok()?;
            }
        }
    }
    let rootfs = Rootfs::new(tree, Epoch::from_seconds(whole.epoch), whole.summary);
    Some(Rootfs { notes: whole.notes, pruned: whole.pruned, ..rootfs })
}

/// Remembers `rootfs` under `key`. One with contents outside the store is not remembered, nor is anything where the store
/// cannot be written: that costs time, and nothing else.
pub fn remember(key: &Digest, rootfs: &Rootfs, store: &Store) {
    let remember = || -> Result<(), StoreError> {
        let Some(places) = Places::of(&rootfs.tree, store) else { return Ok(()) };
        let mut blob = BufWriter::with_capacity(1 << 18, store.begin()?);
        let write = |source: io::Error| store.cannot("remember a root filesystem", source);
        places.write(rootfs, &mut blob).map_err(write)?;
        let blob = blob.into_inner().map_err(|error| write(error.into_error()))?.commit()?;
        store.remember(key, &blob.digest.raw())
    };
    if let Err(error) = remember() {
        tracing::debug!("the root filesystem is not remembered: {error}");
    }
}

/// The program that makes things: what another one made is not recalled. Its version says which, and the file's size and
/// date tell builds of one version apart.
pub fn engine() -> String {
    let file = std::env::current_exe().and_then(std::fs::metadata);
    let build = file.map(|file| format!("{} {}.{}", file.len(), file.mtime(), file.mtime_nsec())).unwrap_or_default();
    format!("{} format {FORMAT} {build}", env!("CARGO_PKG_VERSION"))
}

/// The digest of a tree with all its contents. Pieces of blobs of `store` go by their names; other contents are read.
pub fn fingerprint(tree: &Tree, store: &Store) -> io::Result<Digest> {
    let mut all = Digesting::new(io::sink());
    let (mut buffer, mut blobs) = (Vec::new(), BTreeMap::new());
    for entry in tree.entries() {
        let node = match &entry.inode.node {
            Node::File(content) => {
                let piece = match content {
                    Content::Slice { path, offset, size } => {
                        let blob = *blobs.entry(path.clone()).or_insert_with(|| blob_of(path, store));
                        blob.map(|blob| format!("{offset} {size} of {blob:?}"))
                    }
                    _ => None,
                };
                piece.map_or_else(|| Ok(Digest::of(&content.read()?).to_string()), Ok::<_, io::Error>)?
            }
            other => format!("{other:?}"),
        };
        let (Inode { meta, origin, .. }, id) = (&**entry.inode, format!("{:?}", entry.id));
        write_record(
            &(entry.path.as_bytes(), KeptMeta::of(meta), format!("{origin:?}"), id, node),
            &mut buffer,
            &mut all,
        )?;
    }
    Ok(all.digest())
}

/// Writes a record behind its length.
fn write_record(record: &impl Serialize, buffer: &mut Vec<u8>, out: &mut impl Write) -> io::Result<()> {
    buffer.clear();
    let bytes = postcard::to_extend(record, std::mem::take(buffer)).map_err(io::Error::other)?;
    let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    out.write_all(&length.to_le_bytes())?;
    out.write_all(&bytes)?;
    *buffer = bytes;
    Ok(())
}

fn read_record(input: &mut impl Read, record: &mut Vec<u8>) -> io::Result<()> {
    let mut length = [0; 4];
    input.read_exact(&mut length)?;
    record.clear();
    record.resize(u32::from_le_bytes(length) as usize, 0);
    input.read_exact(record)
}

/// What the first record says.
#[derive(Serialize, Deserialize)]
struct Whole {
    epoch: i64,
    summary: String,
    notes: Vec<String>,
    pruned: BTreeSet<String>,
    /// What contents are pieces of, in the order in which they are first named.
    blobs: Vec<[u8; 32]>,
    origins: Vec<KeptOrigin>,
}

#[derive(Serialize, Deserialize)]
struct KeptEntry<'a> {
    path: &'a [u8],
    #[serde(borrow)]
    meta: KeptMeta<'a>,
    /// Place in the list of origins.
    origin: u32,
    node: KeptNode<'a>,
}

#[derive(Serialize, Deserialize)]
struct KeptMeta<'a> {
    mode: u32,
    uid: u32,
    gid: u32,
    mtime: i64,
    #[serde(borrow)]
    xattrs: Vec<(&'a [u8], &'a [u8])>,
}

#[derive(Serialize, Deserialize)]
enum KeptNode<'a> {
    Directory,
    Bytes(&'a [u8]),
    /// Place in the list of blobs, offset, size.
    Slice(u32, u64, u64),
    Symlink(&'a [u8]),
    CharacterDevice(u32, u32),
    BlockDevice(u32, u32),
    Fifo,
    /// The path of an earlier entry.
    Link(&'a [u8]),
    /// Place in the list of blobs; start, offset and size of each piece; size with all holes.
    Sparse(u32, Vec<(u64, u64, u64)>, u64),
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum KeptOrigin {
    Root,
    Package(String),
    Source(String),
    Sandbox,
    Recipe(String),
    Import(String),
}

enum Link<'a> {
    To(&'a [u8]),
    None(Node),
}

/// The blobs and origins that the entries of a tree name, each with its place in a list.
#[derive(Default)]
struct Places {
    blobs: BTreeMap<SharedPath, u32>,
    digests: Vec<[u8; 32]>,
    origins: BTreeMap<KeptOrigin, u32>,
    names: Vec<KeptOrigin>,
}

impl Places {
    /// Nothing where a content is outside the store, or an origin is none of a source.
    fn of(tree: &Tree, store: &Store) -> Option<Self> {
        let mut places = Self::default();
        for entry in tree.entries() {
            let path = match &entry.inode.node {
                Node::File(Content::Slice { path, .. }) => Some(path),
                Node::File(Content::Sparse(sparse)) => Some(&sparse.path),
                _ => None,
            };
            if let Some(path) = path.filter(|path| !places.blobs.contains_key(*path)) {
                places.blobs.insert(path.clone(), u32::try_from(places.digests.len()).ok()?);
                places.digests.push(blob_of(path, store)?);
            }
            let origin = KeptOrigin::of(&entry.inode.origin)?;
            if !places.origins.contains_key(&origin) {
                places.origins.insert(origin.clone(), u32::try_from(places.names.len()).ok()?);
                places.names.push(origin);
            }
        }
        Some(places)
    }

    fn write(&self, rootfs: &Rootfs, out: &mut impl Write) -> io::Result<()> {
        let mut buffer = Vec::new();
        let whole = Whole {
            epoch: rootfs.epoch.seconds(),
            summary: rootfs.summary.clone(),
            notes: rootfs.notes.clone(),
            pruned: rootfs.pruned.clone(),
            blobs: self.digests.clone(),
            origins: self.names.clone(),
        };
        write_record(&whole, &mut buffer, out)?;
        let mut first: BTreeMap<InodeId, &TreePath> = BTreeMap::new();
        for entry in rootfs.tree.entries() {
            let node = match first.get(&entry.id) {
                Some(target) => KeptNode::Link(target.as_bytes()),
                None => self.node(&entry.inode.node),
            };
            if entry.links > 1 {
                first.entry(entry.id).or_insert(entry.path);
            }
            let origin = KeptOrigin::of(&entry.inode.origin).map_or(0, |origin| self.origins[&origin]);
            let kept = KeptEntry { path: entry.path.as_bytes(), meta: KeptMeta::of(&entry.inode.meta), origin, node };
            write_record(&kept, &mut buffer, out)?;
        }
        Ok(())
    }

    fn node<'a>(&self, node: &'a Node) -> KeptNode<'a> {
        match node {
            Node::Directory => KeptNode::Directory,
            Node::File(Content::Bytes(bytes)) => KeptNode::Bytes(bytes),
            Node::File(Content::Slice { path, offset, size }) => KeptNode::Slice(self.blobs[path], *offset, *size),
            Node::File(Content::Sparse(sparse)) => {
                let pieces = sparse.pieces.iter().map(|piece| (piece.start, piece.offset, piece.size)).collect();
                KeptNode::Sparse(self.blobs[&sparse.path], pieces, sparse.size)
            }
            Node::Symlink(target) => KeptNode::Symlink(target),
            Node::CharacterDevice { major, minor } => KeptNode::CharacterDevice(*major, *minor),
            Node::BlockDevice { major, minor } => KeptNode::BlockDevice(*major, *minor),
            Node::Fifo => KeptNode::Fifo,
        }
    }
}

/// The digest of the store's blob at `path`.
fn blob_of(path: &Path, store: &Store) -> Option<[u8; 32]> {
    let digest = Digest::from_hex(path.file_name().and_then(OsStr::to_str)?).ok()?;
    (*store.blob(&digest)?.path == *path).then(|| digest.raw())
}

impl<'a> KeptMeta<'a> {
    fn of(meta: &'a Meta) -> Self {
        let Meta { mode, uid, gid, mtime, .. } = *meta;
        Self { mode, uid, gid, mtime, xattrs: meta.xattrs.iter().collect() }
    }

    fn meta(self) -> Meta {
        let mut xattrs = Xattrs::default();
        self.xattrs.iter().for_each(|(name, value)| xattrs.set(name, value));
        Meta { mode: self.mode, uid: self.uid, gid: self.gid, mtime: self.mtime, xattrs }
    }
}

impl<'a> KeptNode<'a> {
    fn node(self, blobs: &[SharedPath]) -> Option<Link<'a>> {
        Some(Link::None(match self {
            Self::Directory => Node::Directory,
            Self::Bytes(bytes) => Node::File(Content::bytes(bytes)),
            Self::Slice(place, offset, size) => {
                Node::File(Content::Slice { path: blobs.get(place as usize)?.clone(), offset, size })
            }
            Self::Sparse(place, pieces, size) => {
                let piece = |(start, offset, size)| Piece { start, offset, size };
                let pieces = pieces.into_iter().map(piece).collect();
                let path = blobs.get(place as usize)?.clone();
                Node::File(Content::Sparse(Arc::new(Sparse { path, pieces, size })))
            }
            Self::Symlink(target) => Node::Symlink(target.into()),
            Self::CharacterDevice(major, minor) => Node::CharacterDevice { major, minor },
            Self::BlockDevice(major, minor) => Node::BlockDevice { major, minor },
            Self::Fifo => Node::Fifo,
            Self::Link(target) => return Some(Link::To(target)),
        }))
    }
}

impl KeptOrigin {
    /// A source's tree has nothing of a pass.
    fn of(origin: &Origin) -> Option<Self> {
        Some(match origin {
            Origin::Root => Self::Root,
            Origin::Package(name) => Self::Package(name.to_string()),
            Origin::Source(name) => Self::Source(name.to_string()),
            Origin::Sandbox => Self::Sandbox,
            Origin::Recipe(what) => Self::Recipe(what.to_string()),
            Origin::Import(name) => Self::Import(name.to_string()),
            Origin::Pass(_) => return None,
        })
    }

    fn origin(self) -> Origin {
        match self {
            Self::Root => Origin::Root,
            Self::Package(name) => Origin::Package(name.into()),
            Self::Source(name) => Origin::Source(name.into()),
            Self::Sandbox => Origin::Sandbox,
            Self::Recipe(what) => Origin::Recipe(what.into()),
            Self::Import(name) => Origin::Import(name.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rootfs(store: &Store) -> Rootfs {
        let blob = store.put(b"0123456789").unwrap();
        let slice = Content::Slice { path: blob.path, offset: 2, size: 5 };
        let package = || Origin::Package("bash".into());
        let mut tree = Tree::new();
        let mut put = |path: &str, inode| tree.insert_with_parents(TreePath::new(path).unwrap(), inode).unwrap();
        let mut capable = Inode::file(0o4755, slice, package());
        capable.meta.xattrs.set("security.capability", [1, 2, 3]);
        (capable.meta.uid, capable.meta.mtime) = (1000, -5);
        put("usr/bin/bash", capable);
        put("usr/bin/note", Inode::file(0o644, Content::bytes(b"hello".as_slice()), Origin::Sandbox));
        let path = store.put(b"0123456789").unwrap().path;
        let sparse = Sparse { path, pieces: vec![Piece { start: 3, offset: 1, size: 2 }], size: 7 };
        put("usr/bin/holes", Inode::file(0o644, Content::Sparse(Arc::new(sparse)), Origin::Sandbox));
        put("usr/bin/sh", Inode::symlink("bash", Origin::Import("a.tar".into())));
        let device = Node::CharacterDevice { major: 1, minor: 3 };
        put("dev/null", Inode { meta: Meta::new(0o666), node: device, origin: Origin::Recipe("[[file]]".into()) });
        let status = Inode::file(0o644, Content::empty(), Origin::Source("debian".into()));
        put("var/lib/dpkg/status", status);
        put("run/pipe", Inode { meta: Meta::new(0o600), node: Node::Fifo, origin: package() });
        tree.link(TreePath::new("usr/bin/rbash").unwrap(), &TreePath::new("usr/bin/bash").unwrap()).unwrap();
        let rootfs = Rootfs::new(tree, Epoch::from_seconds(7), "2 packages".to_owned());
        Rootfs { notes: vec!["a note".to_owned()], pruned: BTreeSet::from(["`/x` of `remove`".to_owned()]), ..rootfs }
    }

    #[test]
    fn what_is_remembered_is_recalled_whole() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let (key, rootfs) = (Digest::of(b"key"), rootfs(&store));
        assert!(recall(&key, &store).is_none());
        remember(&key, &rootfs, &store);
        let recalled = recall(&key, &store).unwrap();
        assert_eq!((recalled.epoch, &recalled.summary), (rootfs.epoch, &rootfs.summary));
        assert_eq!((&recalled.notes, &recalled.pruned), (&rootfs.notes, &rootfs.pruned));
        assert_eq!(recalled.tree.to_text().unwrap(), rootfs.tree.to_text().unwrap());
        let origins =
            |rootfs: &Rootfs| -> Vec<_> { rootfs.tree.entries().map(|entry| entry.inode.origin.clone()).collect() };
        assert_eq!(origins(&recalled), origins(&rootfs));
        let bash = TreePath::new("usr/bin/bash").unwrap();
        assert_eq!(recalled.tree.link_count(recalled.tree.id(&bash).unwrap()), 2);
    }

    #[test]
    fn a_damaged_or_missing_blob_forgets_it() {
        let folder = tempfile::tempdir().unwrap();
        let key = Digest::of(b"key");
        let path = {
            let store = Store::open(folder.path()).unwrap();
            remember(&key, &rootfs(&store), &store);
            store.put(b"0123456789").unwrap().path
        };
        std::fs::write(&path, b"0123x56789").unwrap();
        assert!(recall(&key, &Store::open(folder.path()).unwrap()).is_none(), "other bytes");
        assert!(!path.exists());
        assert!(recall(&key, &Store::open(folder.path()).unwrap()).is_none(), "no blob");
    }

    #[test]
    fn contents_of_the_host_are_not_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let mut rootfs = rootfs(&store);
        let path = SharedPath::from(Path::new("/etc/hostname"));
        let inode = Inode::file(0o644, Content::Slice { path, offset: 0, size: 1 }, Origin::Sandbox);
        rootfs.tree.insert_with_parents(TreePath::new("etc/hostname").unwrap(), inode).unwrap();
        remember(&Digest::of(b"key"), &rootfs, &store);
        assert!(recall(&Digest::of(b"key"), &store).is_none());
    }
}
