//! The in-memory filesystem: what every source makes, every pass changes and every layer is packed from.
//!
//! A [`Tree`] maps paths to inodes. Owners, modes, devices and extended attributes are data, so building one needs no
//! privileges; contents stay where they are ([`Content`]), so it touches no disk. Hard links share an inode. Trees that are made of
//! each other hold their paths and inodes in common, until one of them changes some.

mod comparison;
mod content;
mod difference;
mod inode;
mod path;
mod resolve;
mod text;

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

pub use comparison::Comparison;
pub use content::{Content, ContentReader, LastFile, Piece, Sparse};
pub use difference::Difference;
pub use inode::{Inode, Meta, Node, Origin, Xattrs};
pub use path::{PathError, TreePath, escape};
pub use resolve::ResolveError;

/// The number of an inode in its tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InodeId(u32);

/// A filesystem as data. Every path but the root has a directory as its parent; the root is always a directory.
///
/// Walking it gives entries in the bytewise order of their paths, so that parents come before what they hold, on every
/// machine the same.
#[derive(Clone, Debug)]
pub struct Tree {
    paths: BTreeMap<TreePath, InodeId>,
    inodes: Vec<Arc<Inode>>,
    /// How many paths lead to each inode; parallel to `inodes`.
    links: Vec<u32>,
}

/// One path of a tree and what is there.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Where it is.
    pub path: &'a TreePath,
    /// Which inode is there: equal for hard links to each other.
    pub id: InodeId,
    /// How many paths of the tree lead there: more than one for hard links.
    pub links: u32,
    /// What is there.
    pub inode: &'a Arc<Inode>,
}

/// Why a change of a tree is impossible.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum TreeError {
    /// The parent of a path is missing or no directory.
    #[error("cannot put `{path}` into the tree: `{parent}` is not a directory")]
    ParentNotDirectory {
        /// What was to be put.
        path: TreePath,
        /// Its parent.
        parent: TreePath,
    },
    /// The root cannot be anything but a directory, and cannot be removed.
    #[error("the root of a tree is always a directory")]
    RootIsDirectory,
    /// A hard link to something that is missing or a directory.
    #[error("cannot link `{path}` to `{target}`: there is no file of that name")]
    LinkTarget {
        /// The link.
        path: TreePath,
        /// What it should lead to.
        target: TreePath,
    },
}

impl Default for Tree {
    fn default() -> Self {
        Self::new()
    }
}

impl Tree {
    /// A tree of only a root directory, 0755, owned by 0:0, of time 0.
    pub fn new() -> Self {
        let root = Arc::new(Inode::directory(0o755, Origin::Root));
        Self { paths: BTreeMap::from([(TreePath::root(), InodeId(0))]), inodes: vec![root], links: vec![1] }
    }

    /// How many paths there are, the root included.
    pub fn len(&self) -> usize {
        self.paths.len()
    }

    /// Whether there is nothing but the root.
    pub fn is_empty(&self) -> bool {
        self.paths.len() == 1
    }

    /// What is at exactly `path` (symbolic links are not followed).
    pub fn get(&self, path: &TreePath) -> Option<&Inode> {
        self.paths.get(path).map(|id| self.inode(*id))
    }

    /// The path and what is there, for holding both in another tree, too.
    pub fn entry_at(&self, path: &TreePath) -> Option<Entry<'_>> {
        self.paths.get_key_value(path).map(|entry| self.entry(entry))
    }

    /// The same for changing it. The change shows at every hard link of the inode.
    pub fn get_mut(&mut self, path: &TreePath) -> Option<&mut Inode> {
        let id = *self.paths.get(path)?;
        Some(self.inode_mut(id))
    }

    /// The inode number at exactly `path`.
    pub fn id(&self, path: &TreePath) -> Option<InodeId> {
        self.paths.get(path).copied()
    }

    /// An inode by number.
    pub fn inode(&self, id: InodeId) -> &Inode {
        &self.inodes[id.0 as usize]
    }

    /// An inode by number, for changing it.
    pub fn inode_mut(&mut self, id: InodeId) -> &mut Inode {
        Arc::make_mut(&mut self.inodes[id.0 as usize])
    }

    /// How many paths lead to an inode.
    pub fn link_count(&self, id: InodeId) -> u32 {
        self.links[id.0 as usize]
    }

    /// Whether something is at exactly `path`.
    pub fn contains(&self, path: &TreePath) -> bool {
        self.paths.contains_key(path)
    }

    /// Whether `path` itself is a directory (not a symbolic link to one).
    pub fn is_directory(&self, path: &TreePath) -> bool {
        self.get(path).is_some_and(Inode::is_directory)
    }

    /// Everything, root first, in the tree's one order.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = Entry<'_>> {
        self.paths.iter().map(|entry| self.entry(entry))
    }

    /// What is below `path`, without itself, parents first.
    pub fn below<'a>(&'a self, path: &TreePath) -> impl DoubleEndedIterator<Item = Entry<'a>> {
        self.paths.range::<[u8], _>(subtree(path).bounds()).map(|entry| self.entry(entry))
    }

    /// What is directly in the directory `path`.
    pub fn children<'a>(&'a self, path: &TreePath) -> impl Iterator<Item = Entry<'a>> {
        let skip = if path.is_root() { 0 } else { path.as_bytes().len() + 1 };
        self.below(path).filter(move |entry| !entry.path.as_bytes()[skip..].contains(&b'/'))
    }

    /// Every inode that is `chosen`, once, for changing; the order is that of creation and means nothing.
    pub fn inodes_where(&mut self, chosen: impl Fn(&Inode) -> bool) -> impl Iterator<Item = &mut Inode> {
        let linked = self.inodes.iter_mut().zip(&self.links).filter(|(_, links)| **links > 0);
        linked.map(|(inode, _)| inode).filter(move |inode| chosen(inode)).map(Arc::make_mut)
    }

    /// Puts `inode` at `path`, in place of what is there. A directory put on a directory takes over its metadata and
    /// keeps what is in it; anything else put on a directory removes what was below.
    ///
    /// Fails where the parent is not a directory, or where the root would become something else.
    pub fn insert(&mut self, path: TreePath, inode: impl Into<Arc<Inode>>) -> Result<InodeId, TreeError> {
        let inode = inode.into();
        if path.is_root() {
            if !inode.is_directory() {
                return Err(TreeError::RootIsDirectory);
            }
            self.inodes[0] = inode;
            return Ok(InodeId(0));
        }
        self.check_parent(&path)?;
        if inode.is_directory()
            && let Some(id) = self.id(&path)
            && self.inode(id).is_directory()
        {
            self.inodes[id.0 as usize] = inode;
            return Ok(id);
        }
        self.remove(&path)?;
        let id = InodeId(u32::try_from(self.inodes.len()).expect("quotas end a tree before four billion inodes"));
        self.inodes.push(inode);
        self.links.push(1);
        self.paths.insert(path, id);
        Ok(id)
    }

    /// As [`Tree::insert`], making missing parents as directories 0755 0:0 of time 0 with the origin of `inode`.
    pub fn insert_with_parents(&mut self, path: TreePath, inode: impl Into<Arc<Inode>>) -> Result<InodeId, TreeError> {
        let inode = inode.into();
        self.make_parents(&path, &inode.origin)?;
        self.insert(path, inode)
    }

    fn make_parents(&mut self, path: &TreePath, origin: &Origin) -> Result<(), TreeError> {
        let mut missing = Vec::new();
        let mut parent = path.parent();
        while let Some(above) = parent.filter(|above| !self.contains(above)) {
            parent = above.parent();
            missing.push(above);
        }
        for above in missing.into_iter().rev() {
            self.insert(above, Inode::directory(0o755, origin.clone()))?;
        }
        Ok(())
    }

    /// Makes `path` a further name of what is at `target`, which must not be a directory. What was at `path` is
    /// replaced; a link to itself changes nothing.
    pub fn link(&mut self, path: TreePath, target: &TreePath) -> Result<(), TreeError> {
        self.check_parent(&path)?;
        let id = self.id(target).filter(|id| !self.inode(*id).is_directory());
        let Some(id) = id else {
            return Err(TreeError::LinkTarget { path, target: target.clone() });
        };
        if path == *target {
            return Ok(());
        }
        self.links[id.0 as usize] += 1;
        self.remove(&path)?;
        self.paths.insert(path, id);
        Ok(())
    }

    /// As [`Tree::link`], making missing parents as [`Tree::insert_with_parents`] does for what is at `target`.
    pub fn link_with_parents(&mut self, path: TreePath, target: &TreePath) -> Result<(), TreeError> {
        if let Some(origin) = self.get(target).filter(|there| !there.is_directory()).map(|there| there.origin.clone()) {
            self.make_parents(&path, &origin)?;
        }
        self.link(path, target)
    }

    /// Removes `path` and all below it; says whether there was anything. The root cannot be removed.
    pub fn remove(&mut self, path: &TreePath) -> Result<bool, TreeError> {
        if path.is_root() {
            return Err(TreeError::RootIsDirectory);
        }
        let Some(id) = self.paths.remove(path) else { return Ok(false) };
        self.unlink(id);
        if self.inode(id).is_directory() {
            self.clear(path);
        }
        Ok(true)
    }

    /// Makes it take as little memory as it can. The nodes of one that was built path by path are half empty, and lie between
    /// what was there for a moment.
    pub fn compact(&mut self) {
        self.paths = std::mem::take(&mut self.paths).into_iter().collect();
        self.inodes.shrink_to_fit();
        self.links.shrink_to_fit();
    }

    /// Removes all below `path`, which itself stays; gives how many paths went.
    pub fn clear(&mut self, path: &TreePath) -> usize {
        let below: Vec<TreePath> = self.below(path).map(|entry| entry.path.clone()).collect();
        for path in &below {
            if let Some(id) = self.paths.remove(path) {
                self.unlink(id);
            }
        }
        below.len()
    }

    fn unlink(&mut self, id: InodeId) {
        self.links[id.0 as usize] -= 1;
    }

    fn check_parent(&self, path: &TreePath) -> Result<(), TreeError> {
        let Some(parent) = path.parent() else { return Err(TreeError::RootIsDirectory) };
        if self.is_directory(&parent) {
            return Ok(());
        }
        Err(TreeError::ParentNotDirectory { path: path.clone(), parent })
    }

    fn entry<'a>(&'a self, (path, id): (&'a TreePath, &InodeId)) -> Entry<'a> {
        Entry { path, id: *id, links: self.link_count(*id), inode: &self.inodes[id.0 as usize] }
    }
}

/// The range of paths below one.
struct Subtree {
    first: Vec<u8>,
    end: Option<Vec<u8>>,
}

fn subtree(path: &TreePath) -> Subtree {
    if path.is_root() {
        return Subtree { first: Vec::new(), end: None };
    }
    // `0` is the byte after `/`.
    let with = |last: u8| [path.as_bytes(), &[last]].concat();
    Subtree { first: with(b'/'), end: Some(with(b'0')) }
}

impl Subtree {
    fn bounds(&self) -> (Bound<&[u8]>, Bound<&[u8]>) {
        let end = self.end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        (Bound::Excluded(&self.first), end)
    }
}

#[cfg(test)]
mod tests;
