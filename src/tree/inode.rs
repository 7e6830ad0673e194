//! What a path of a tree leads to.

use std::collections::BTreeMap;
use std::fmt;

use arcstr::ArcStr;

use super::Content;
use crate::epoch::Epoch;

/// A file, directory, link or device, with its metadata and where it came from.
#[derive(Clone, Debug)]
pub struct Inode {
    /// Mode, owner, time, attributes.
    pub meta: Meta,
    /// What it is.
    pub node: Node,
    /// Who put it there.
    pub origin: Origin,
}

/// Metadata of an inode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// Permission, setuid, setgid and sticky bits: 0 to 0o7777.
    pub mode: u32,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// Modification time in whole seconds since 1970.
    pub mtime: i64,
    /// Extended attributes.
    pub xattrs: Xattrs,
}

/// Extended attributes by full name (`security.capability`), ordered. Most inodes have none and take one word for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Xattrs(Option<Box<Attributes>>);

type Attributes = BTreeMap<Box<[u8]>, Box<[u8]>>;

/// What an inode is. Sockets are never held: no archive format of images has them.
#[derive(Clone, Debug)]
pub enum Node {
    /// A directory.
    Directory,
    /// A regular file.
    File(Content),
    /// A symbolic link, with its target as written.
    Symlink(Box<[u8]>),
    /// A character device.
    CharacterDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A block device.
    BlockDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A named pipe.
    Fifo,
}

/// Who put an inode into a tree. It takes two words: every inode has one.
#[derive(Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody: the root of a new tree.
    Root,
    /// A package, by name.
    Package(ArcStr),
    /// A source itself, by its name: the database of its packages.
    Source(ArcStr),
    /// A program in the sandbox: maintainer scripts, or a `[[run]]` step.
    Sandbox,
    /// A pass, by its name.
    Pass(ArcStr),
    /// The recipe: `[[file]]` and the like, in a few words.
    Recipe(ArcStr),
    /// An imported archive, image or directory, by its name.
    Import(ArcStr),
}

impl Inode {
    /// A directory of `mode`, owned by 0:0, of time 0.
    pub fn directory(mode: u32, origin: Origin) -> Self {
        Self { meta: Meta::new(mode), node: Node::Directory, origin }
    }

    /// A file of `mode`, owned by 0:0, of time 0.
    pub fn file(mode: u32, content: Content, origin: Origin) -> Self {
        Self { meta: Meta::new(mode), node: Node::File(content), origin }
    }

    /// A symbolic link to `target`, 0777, owned by 0:0, of time 0.
    pub fn symlink(target: impl AsRef<[u8]>, origin: Origin) -> Self {
        Self { meta: Meta::new(0o777), node: Node::Symlink(target.as_ref().into()), origin }
    }

    /// The same with the modification time `epoch`: for what this program makes itself.
    pub fn at(mut self, epoch: Epoch) -> Self {
        self.meta.mtime = epoch.seconds();
        self
    }

    /// Whether it is a directory.
    pub fn is_directory(&self) -> bool {
        matches!(self.node, Node::Directory)
    }

    /// Whether it is a regular file.
    pub fn is_file(&self) -> bool {
        matches!(self.node, Node::File(_))
    }

    /// The content of a regular file.
    pub fn content(&self) -> Option<&Content> {
        match &self.node {
            Node::File(content) => Some(content),
            _ => None,
        }
    }

    /// The target of a symbolic link.
    pub fn symlink_target(&self) -> Option<&[u8]> {
        match &self.node {
            Node::Symlink(target) => Some(target),
            _ => None,
        }
    }
}

impl Meta {
    /// `mode`, owner 0:0, time 0, no attributes.
    pub fn new(mode: u32) -> Self {
        Self { mode, uid: 0, gid: 0, mtime: 0, xattrs: Xattrs::default() }
    }
}

impl Xattrs {
    /// Sets the attribute `name`, replacing its value.
    pub fn set(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        self.0.get_or_insert_default().insert(name.as_ref().into(), value.as_ref().into());
    }

    /// The value of the attribute `name`.
    pub fn value(&self, name: impl AsRef<[u8]>) -> Option<&[u8]> {
        self.0.as_ref()?.get(name.as_ref()).map(|value| &**value)
    }

    /// Drops those attributes for which `keep` says no.
    pub fn retain(&mut self, mut keep: impl FnMut(&[u8]) -> bool) {
        if let Some(map) = &mut self.0 {
            map.retain(|name, _| keep(name));
            if map.is_empty() {
                self.0 = None;
            }
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Names and values, in the order of names.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0.iter().flat_map(|map| map.iter()).map(|(name, value)| (&**name, &**value))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("the root of the tree"),
            Self::Package(name) => write!(f, "package {name}"),
            Self::Source(name) => write!(f, "the source {name}"),
            Self::Sandbox => f.write_str("a program in the sandbox"),
            Self::Pass(name) => write!(f, "pass {name}"),
            Self::Recipe(what) => write!(f, "the recipe: {what}"),
            Self::Import(name) => write!(f, "imported from {name}"),
        }
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
