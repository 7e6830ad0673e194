//! Root filesystems that were made before: the tree as its source left it, in the store under the digest of all that it
//! was made of.
//!
//! Small contents are in the memo itself; others are pieces of blobs, which are read and compared before they are
//! believed. A memo that is damaged, of another form, or whose blobs are gone, counts as none.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::epoch::Epoch;
use crate::source::Rootfs;
use crate::store::Store;
use crate::tree::{Content, Inode, InodeId, Meta, Node, Origin, Piece, Sparse, Tree, TreePath, Xattrs};

/// The root filesystem that was remembered under `key`, where all of it is still there.
pub fn recall(key: &Digest, store: &Store) -> Option<Rootfs> {
    let value = store.recall(key).ok().flatten()?;
    let kept: Kept = postcard::from_bytes(&value).ok()?;
    let blobs: Vec<Arc<Path>> = kept
        .blobs
        .par_iter()
        .map(|digest| store.verified(&Digest::from_raw(*digest)).ok().flatten().map(|blob| blob.path))
        .collect::<Option<_>>()?;
    let origins: Vec<Origin> = kept.origins.into_iter().map(KeptOrigin::origin).collect();
    let mut tree = Tree::new();
    for entry in kept.entries {
        let path = TreePath::new(entry.path).ok()?;
        match entry.node.node(&blobs)? {
            Link::To(target) => tree.link(path, &TreePath::new(target).ok()?).ok()?,
            Link::None(node) => {
                let origin = origins.get(entry.origin as usize)?.clone();
                tree.insert(path, Inode { meta: entry.meta.meta(), node, origin }).ok()?;
            }
        }
    }
    let rootfs = Rootfs::new(tree, Epoch::from_seconds(kept.epoch), kept.summary);
    Some(Rootfs { notes: kept.notes, pruned: kept.pruned, ..rootfs })
}

/// Remembers `rootfs` under `key`. One with contents outside the store is not remembered, nor is anything where the store
/// cannot be written: that costs time, and nothing else.
pub fn remember(key: &Digest, rootfs: &Rootfs, store: &Store) {
    let Some(kept) = Kept::of(rootfs, store) else { return };
    let Ok(value) = postcard::to_stdvec(&kept) else { return };
    if let Err(error) = store.remember(key, &value) {
        tracing::debug!("the root filesystem is not remembered: {error}");
    }
}

#[derive(Serialize, Deserialize)]
struct Kept {
    epoch: i64,
    summary: String,
    notes: Vec<String>,
    pruned: BTreeSet<String>,
    /// What contents are pieces of, in the order in which they are first named.
    blobs: Vec<[u8; 32]>,
    origins: Vec<KeptOrigin>,
    entries: Vec<KeptEntry>,
}

#[derive(Serialize, Deserialize)]
struct KeptEntry {
    path: Vec<u8>,
    meta: KeptMeta,
    /// Place in the list of origins.
    origin: u32,
    node: KeptNode,
}

#[derive(Serialize, Deserialize)]
struct KeptMeta {
    mode: u32,
    uid: u32,
    gid: u32,
    mtime: i64,
    xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

#[derive(Serialize, Deserialize)]
enum KeptNode {
    Directory,
    Bytes(Vec<u8>),
    /// Place in the list of blobs, offset, size.
    Slice(u32, u64, u64),
    Symlink(Vec<u8>),
    CharacterDevice(u32, u32),
    BlockDevice(u32, u32),
    Fifo,
    /// The path of an earlier entry.
    Link(Vec<u8>),
    /// Place in the list of blobs; start, offset and size of each piece; size with all holes.
    Sparse(u32, Vec<(u64, u64, u64)>, u64),
}

#[derive(Serialize, Deserialize)]
enum KeptOrigin {
    Root,
    Package(String),
    Source(String),
    Sandbox,
    Recipe(String),
    Import(String),
}

enum Link {
    To(Vec<u8>),
    None(Node),
}

impl Kept {
    fn of(rootfs: &Rootfs, store: &Store) -> Option<Self> {
        let mut kept = Self {
            epoch: rootfs.epoch.seconds(),
            summary: rootfs.summary.clone(),
            notes: rootfs.notes.clone(),
            pruned: rootfs.pruned.clone(),
            blobs: Vec::new(),
            origins: Vec::new(),
            entries: Vec::new(),
        };
        let mut first: BTreeMap<InodeId, &TreePath> = BTreeMap::new();
        let mut blobs: BTreeMap<Arc<Path>, u32> = BTreeMap::new();
        for entry in rootfs.tree.entries() {
            let node = match first.get(&entry.id) {
                Some(target) => KeptNode::Link(target.as_bytes().to_vec()),
                None => kept.node(&entry.inode.node, &mut blobs, store)?,
            };
            first.entry(entry.id).or_insert(entry.path);
            let origin = kept.origin(&entry.inode.origin)?;
            let meta = KeptMeta::of(&entry.inode.meta);
            kept.entries.push(KeptEntry { path: entry.path.as_bytes().to_vec(), meta, origin, node });
        }
        Some(kept)
    }

    fn node(&mut self, node: &Node, blobs: &mut BTreeMap<Arc<Path>, u32>, store: &Store) -> Option<KeptNode> {
        Some(match node {
            Node::Directory => KeptNode::Directory,
            Node::File(Content::Bytes(bytes)) => KeptNode::Bytes(bytes.to_vec()),
            Node::File(Content::Slice { path, offset, size }) => {
                KeptNode::Slice(self.place(path, blobs, store)?, *offset, *size)
            }
            Node::File(Content::Sparse(sparse)) => {
                let place = self.place(&sparse.path, blobs, store)?;
                let pieces = sparse.pieces.iter().map(|piece| (piece.start, piece.offset, piece.size)).collect();
                KeptNode::Sparse(place, pieces, sparse.size)
            }
            Node::Symlink(target) => KeptNode::Symlink(target.to_vec()),
            Node::CharacterDevice { major, minor } => KeptNode::CharacterDevice(*major, *minor),
            Node::BlockDevice { major, minor } => KeptNode::BlockDevice(*major, *minor),
            Node::Fifo => KeptNode::Fifo,
        })
    }

    /// The place of a blob in the list.
    fn place(&mut self, path: &Arc<Path>, blobs: &mut BTreeMap<Arc<Path>, u32>, store: &Store) -> Option<u32> {
        if let Some(place) = blobs.get(path) {
            return Some(*place);
        }
        self.blobs.push(blob_of(path, store)?);
        let place = u32::try_from(self.blobs.len() - 1).ok()?;
        blobs.insert(Arc::clone(path), place);
        Some(place)
    }

    /// The place of an origin in the list. Neighbours come from the same package most of the time.
    fn origin(&mut self, origin: &Origin) -> Option<u32> {
        let place = match self.origins.iter().rposition(|known| known.is(origin)) {
            Some(place) => place,
            None => {
                self.origins.push(KeptOrigin::of(origin)?);
                self.origins.len() - 1
            }
        };
        u32::try_from(place).ok()
    }
}

/// The digest of the store's blob at `path`.
fn blob_of(path: &Path, store: &Store) -> Option<[u8; 32]> {
    let digest = Digest::from_hex(path.file_name().and_then(OsStr::to_str)?).ok()?;
    (*store.blob(&digest)?.path == *path).then(|| digest.raw())
}

impl KeptMeta {
    fn of(meta: &Meta) -> Self {
        let xattrs = meta.xattrs.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
        Self { mode: meta.mode, uid: meta.uid, gid: meta.gid, mtime: meta.mtime, xattrs }
    }

    fn meta(self) -> Meta {
        let mut xattrs = Xattrs::default();
        self.xattrs.iter().for_each(|(name, value)| xattrs.set(name, value));
        Meta { mode: self.mode, uid: self.uid, gid: self.gid, mtime: self.mtime, xattrs }
    }
}

impl KeptNode {
    fn node(self, blobs: &[Arc<Path>]) -> Option<Link> {
        Some(Link::None(match self {
            Self::Directory => Node::Directory,
            Self::Bytes(bytes) => Node::File(Content::bytes(bytes)),
            Self::Slice(place, offset, size) => {
                Node::File(Content::Slice { path: Arc::clone(blobs.get(place as usize)?), offset, size })
            }
            Self::Sparse(place, pieces, size) => {
                let piece = |(start, offset, size)| Piece { start, offset, size };
                let pieces = pieces.into_iter().map(piece).collect();
                let path = Arc::clone(blobs.get(place as usize)?);
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

    fn is(&self, origin: &Origin) -> bool {
        match (self, origin) {
            (Self::Root, Origin::Root) | (Self::Sandbox, Origin::Sandbox) => true,
            (Self::Package(kept), Origin::Package(name))
            | (Self::Source(kept), Origin::Source(name))
            | (Self::Recipe(kept), Origin::Recipe(name))
            | (Self::Import(kept), Origin::Import(name)) => **kept == **name,
            _ => false,
        }
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
        let path = Arc::from(Path::new("/etc/hostname"));
        let inode = Inode::file(0o644, Content::Slice { path, offset: 0, size: 1 }, Origin::Sandbox);
        rootfs.tree.insert_with_parents(TreePath::new("etc/hostname").unwrap(), inode).unwrap();
        remember(&Digest::of(b"key"), &rootfs, &store);
        assert!(recall(&Digest::of(b"key"), &store).is_none());
    }
}
