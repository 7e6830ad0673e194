//! Where the bytes of a tree are.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::FileCounts;
use crate::tree::{InodeId, Node, Tree, TreePath};

/// A path and the bytes of all files in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// The path, with a leading slash and with control characters escaped.
    pub path: String,
    /// Bytes of all regular files in it; of hard links only the first counts.
    pub bytes: u64,
    /// The largest below it, largest first; what is smaller is left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<Usage>,
}

/// What has less than this part of all bytes is left out.
const SMALLEST_PART: u64 = 50;

/// The root and all below it that is large.
pub fn usage(tree: &Tree) -> Usage {
    let mut sums: BTreeMap<TreePath, u64> = BTreeMap::new();
    let mut seen: BTreeSet<InodeId> = BTreeSet::new();
    for entry in tree.entries() {
        let Some(content) = entry.inode.content() else { continue };
        if entry.links > 1 && !seen.insert(entry.id) {
            continue;
        }
        let mut above = Some(entry.path.clone());
        while let Some(path) = above {
            above = path.parent();
            *sums.entry(path).or_default() += content.size();
        }
    }
    let total = sums.get(&TreePath::root()).copied().unwrap_or(0);
    let smallest = (total / SMALLEST_PART).max(1);
    sums.retain(|path, bytes| *bytes >= smallest || path.is_root());
    let mut below: BTreeMap<TreePath, Vec<TreePath>> = BTreeMap::new();
    for path in sums.keys() {
        if let Some(parent) = path.parent() {
            below.entry(parent).or_default().push(path.clone());
        }
    }
    node(&TreePath::root(), &sums, &below)
}

/// How many files of each kind there are.
pub fn counts(tree: &Tree) -> FileCounts {
    let mut counts = FileCounts::default();
    let mut seen: BTreeSet<InodeId> = BTreeSet::new();
    for entry in tree.entries() {
        if entry.links > 1 && !seen.insert(entry.id) {
            continue;
        }
        match entry.inode.node {
            Node::File(_) => {
                counts.regular += 1;
                counts.setuid_or_setgid += u64::from(entry.inode.meta.mode & 0o6000 != 0);
            }
            Node::Directory => counts.directories += 1,
            Node::Symlink(_) => counts.symlinks += 1,
            Node::CharacterDevice { .. } | Node::BlockDevice { .. } | Node::Fifo => counts.special += 1,
        }
    }
    counts
}

fn node(path: &TreePath, sums: &BTreeMap<TreePath, u64>, below: &BTreeMap<TreePath, Vec<TreePath>>) -> Usage {
    let children = below.get(path).map(Vec::as_slice).unwrap_or_default();
    let mut children: Vec<Usage> = children.iter().map(|child| node(child, sums, below)).collect();
    children.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.path.cmp(&b.path)));
    Usage { path: path.to_string(), bytes: sums.get(path).copied().unwrap_or(0), children }
}
