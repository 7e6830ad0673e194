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

use crate::epoch::Epoch;
use crate::tree::Tree;

/// A root filesystem as its source left it, before any pass.
#[derive(Debug)]
pub struct Rootfs {
    /// Its files.
    pub tree: Tree,
    /// The time that follows from its inputs.
    pub epoch: Epoch,
    /// What it was made of, for a person: `81 packages`.
    pub summary: String,
}
