//! Where root filesystems come from.
//!
//! A source resolves a request into a pin, every input by digest, and fetches a pin into a [`Rootfs`]. The two are
//! apart: fetching never sees the recipe, so that the lock alone says what an image is made of.

pub mod apk;
pub mod archive;
pub mod debian;
pub mod dnf;
pub mod host;
pub mod oci;
pub mod remembered;
pub mod scratch;

use std::collections::BTreeSet;

use crate::epoch::Epoch;
use crate::tree::Tree;

/// Later times are no dates of files: they are what is left of damaged clocks and of numbers of another meaning. 2^32 seconds
/// end in the year 2106, and file systems and archives with 32 bits cannot say more.
const LATEST: i64 = u32::MAX as i64;

/// The epoch of files that somebody else made: the newest of their times, and of those that are said beside them.
pub(crate) fn newest(tree: &Tree, said: Option<i64>) -> Epoch {
    let times = tree.entries().map(|entry| entry.inode.meta.mtime).chain(said);
    Epoch::from_seconds(times.filter(|time| *time <= LATEST).max().unwrap_or(0))
}

/// Told, while scripts of packages run, which tree they will leave, but for what they do themselves, and the time of its
/// files. It is a guess: it may only make things faster.
pub type Foresee<'a> = &'a (dyn Fn(Tree, Epoch) + Sync);

/// A root filesystem as its source left it, before any pass.
#[derive(Debug)]
pub struct Rootfs {
    /// Its files.
    pub tree: Tree,
    /// The time that follows from its inputs.
    pub epoch: Epoch,
    /// What it was made of, for a person: `81 packages`.
    pub summary: String,
    /// What a person should know of how it was made.
    pub notes: Vec<String>,
    /// Patterns of `[prune]` that have named something which was not put into the tree at all.
    pub pruned: BTreeSet<String>,
}

impl Rootfs {
    /// One of which nothing else is to be said.
    pub fn new(tree: Tree, epoch: Epoch, summary: String) -> Self {
        Self { tree, epoch, summary, notes: Vec::new(), pruned: BTreeSet::new() }
    }
}
