//! How large a tree becomes while strangers' entries are put into it.

use crate::archive::{ArchiveError, Limits};
use crate::tree::{Origin, Tree};

/// Bytes of all names together: each path of a tree is held in full.
const NAMES: u64 = 256 << 20;

/// Watches a tree. An entry can make thousands of folders above it, which no limit on entries counts.
pub struct Growth<'a> {
    limits: &'a Limits,
    archive: &'a Origin,
    paths: u64,
    names: u64,
}

impl<'a> Growth<'a> {
    /// Starts on the tree as it is; errors call what is put into it `archive`.
    pub fn new(tree: &Tree, limits: &'a Limits, archive: &'a Origin) -> Self {
        Self { limits, archive, paths: tree.len() as u64, names: 0 }
    }

    /// Says no where the tree has more paths than entries are allowed, or longer ones than can be held, after an entry with
    /// a name of `length` bytes.
    pub fn check(&mut self, tree: &Tree, length: usize) -> Result<(), ArchiveError> {
        let paths = tree.len() as u64;
        self.names += paths.saturating_sub(self.paths) * length as u64;
        self.paths = paths;
        let limit = |what, limit| Err(ArchiveError::Limit { archive: self.archive.clone(), what, limit });
        match () {
            // The root is no entry.
            () if paths > self.limits.entries.saturating_add(1) => {
                limit("entries and folders above them", self.limits.entries)
            }
            () if self.names > NAMES => limit("bytes of names", NAMES),
            () => Ok(()),
        }
    }
}
