//! Paths of the host that many things have in common.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A path of the host. Clones share it, and take one word each: every file of a tree has one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SharedPath(Arc<PathBuf>);

impl SharedPath {
    /// Whether they are clones of each other. Others may be equal nevertheless.
    pub fn is_shared_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Deref for SharedPath {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl AsRef<Path> for SharedPath {
    fn as_ref(&self) -> &Path {
        self
    }
}

impl From<PathBuf> for SharedPath {
    fn from(path: PathBuf) -> Self {
        Self(Arc::new(path))
    }
}

impl From<&Path> for SharedPath {
    fn from(path: &Path) -> Self {
        path.to_owned().into()
    }
}
