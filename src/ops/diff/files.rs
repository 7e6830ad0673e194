//! Paths at which two trees have different things.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use serde::Serialize;

use crate::ops::facts::FileFacts;
use crate::tree::{Comparison, Entry, Inode, InodeId, Node, Tree, TreePath};

/// A path that is different.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileChange {
    /// Where, with a leading slash and with control characters escaped.
    pub path: String,
    /// What is different about it; empty where it was added or removed.
    pub aspects: Vec<Aspect>,
    /// What was there; nothing where it was added.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<FileFacts>,
    /// What is there; nothing where it was removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<FileFacts>,
}

/// What can be different about a path that both sides have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Aspect {
    /// A file in place of a link, and the like; nothing else is compared then.
    Kind,
    /// The bytes of a file.
    Content,
    /// How many they are.
    Size,
    /// Permission, setuid, setgid and sticky bits.
    Mode,
    /// User or group.
    Owner,
    /// Where a symbolic link leads.
    Target,
    /// The numbers of a device.
    Device,
    /// Extended attributes: capabilities.
    Attributes,
    /// Which other names the same file has.
    Links,
    /// The modification time.
    Time,
}

impl Aspect {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Kind => "kind",
            Self::Content => "content",
            Self::Size => "size",
            Self::Mode => "mode",
            Self::Owner => "owner",
            Self::Target => "target",
            Self::Device => "device",
            Self::Attributes => "attributes",
            Self::Links => "links",
            Self::Time => "time",
        }
    }
}

/// The changes from one tree to another, by path. Contents are read where sizes are the same.
pub fn changes(before: &Tree, after: &Tree, times: bool) -> io::Result<Vec<FileChange>> {
    let (old_names, new_names) = (names(before), names(after));
    let paths: BTreeSet<&TreePath> = before.entries().chain(after.entries()).map(|entry| entry.path).collect();
    let (mut changes, mut contents) = (Vec::new(), Comparison::default());
    for path in paths {
        let (old, new) = (before.get(path), after.get(path));
        let aspects = match (old, new) {
            (Some(old), Some(new)) => {
                let mut aspects = aspects(old, new, times, &mut contents)?;
                let names = |names: &Names, tree: &Tree| tree.id(path).and_then(|id| names.get(&id).cloned());
                if !aspects.contains(&Aspect::Kind) && names(&old_names, before) != names(&new_names, after) {
                    aspects.push(Aspect::Links);
                }
                if aspects.is_empty() {
                    continue;
                }
                aspects.sort();
                aspects
            }
            _ => Vec::new(),
        };
        let facts = |inode: Option<&Inode>| inode.map(FileFacts::of).transpose();
        changes.push(FileChange { path: path.to_string(), aspects, before: facts(old)?, after: facts(new)? });
    }
    Ok(changes)
}

/// The names of files that have more than one.
type Names = BTreeMap<InodeId, Vec<TreePath>>;

fn names(tree: &Tree) -> Names {
    let mut names = Names::new();
    for Entry { path, id, .. } in tree.entries().filter(|entry| entry.links > 1) {
        names.entry(id).or_default().push(path.clone());
    }
    names
}

fn aspects(before: &Inode, after: &Inode, times: bool, contents: &mut Comparison) -> io::Result<Vec<Aspect>> {
    let mut aspects = Vec::new();
    match (&before.node, &after.node) {
        (Node::File(a), Node::File(b)) => {
            if a.size() != b.size() {
                aspects.extend([Aspect::Content, Aspect::Size]);
            } else if !contents.same(a, b)? {
                aspects.push(Aspect::Content);
            }
        }
        (Node::Symlink(a), Node::Symlink(b)) => aspects.extend((a != b).then_some(Aspect::Target)),
        (Node::CharacterDevice { major, minor }, Node::CharacterDevice { major: a, minor: b })
        | (Node::BlockDevice { major, minor }, Node::BlockDevice { major: a, minor: b }) => {
            aspects.extend(((major, minor) != (a, b)).then_some(Aspect::Device));
        }
        (Node::Directory, Node::Directory) | (Node::Fifo, Node::Fifo) => {}
        _ => return Ok(vec![Aspect::Kind]),
    }
    let is_link = before.symlink_target().is_some();
    let (a, b) = (&before.meta, &after.meta);
    // The modes of links mean nothing.
    aspects.extend((a.mode != b.mode && !is_link).then_some(Aspect::Mode));
    aspects.extend(((a.uid, a.gid) != (b.uid, b.gid)).then_some(Aspect::Owner));
    aspects.extend((a.xattrs != b.xattrs).then_some(Aspect::Attributes));
    aspects.extend((times && a.mtime != b.mtime).then_some(Aspect::Time));
    Ok(aspects)
}
