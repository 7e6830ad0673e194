//! Packages found in a tree, whoever made it, and the distribution it says it is.
//!
//! Trees may come from strangers: databases are found by following links inside the tree, have to be regular files, and
//! are read up to a size.

mod apk;
mod binaries;
mod conda;
mod dpkg;
mod os_release;
mod owners;
pub mod rpm;

use std::io;

pub use os_release::{OsRelease, os_release};
pub use owners::{Diverted, Owner, owners};

use crate::package::Package;
use crate::tree::{ResolveError, Tree, TreePath};

/// Why a package database cannot be read.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum InventoryError {
    /// Links that lead nowhere.
    #[error("cannot find `{path}`")]
    Resolve {
        /// The database.
        path: TreePath,
        /// Which links.
        source: ResolveError,
    },
    /// Not a file, or too large a one.
    #[error("cannot read `{path}`: it is not a regular file of at most {limit} bytes")]
    NotReadable {
        /// The database.
        path: TreePath,
        /// How large it may be.
        limit: u64,
    },
    /// Its bytes cannot be had.
    #[error("cannot read `{path}`")]
    Read {
        /// The database.
        path: TreePath,
        /// Why not.
        source: io::Error,
    },
    /// A record of conda that cannot be understood.
    #[error("cannot read `{path}` as a record of a conda package")]
    Record {
        /// The record.
        path: TreePath,
        /// Why not.
        source: serde_json::Error,
    },
    /// Bytes that are no database.
    #[error("cannot read `{path}`: it is damaged, or of a form that is not known")]
    Damaged {
        /// The database.
        path: TreePath,
    },
    /// A line that means nothing.
    #[error("cannot read `{path}`: line {line} is neither a field nor the continuation of one")]
    Line {
        /// The database.
        path: TreePath,
        /// Which line, from 1.
        line: usize,
    },
}

/// Every installed package that the databases in `tree` name, and every module that a program in it notes, sorted.
pub fn packages(tree: &Tree) -> Result<Vec<Package>, InventoryError> {
    let mut packages = dpkg::packages(tree)?;
    packages.extend(conda::packages(tree)?);
    packages.extend(binaries::packages(tree));
    packages.extend(rpm::packages(tree)?);
    packages.extend(apk::packages(tree)?);
    packages.sort();
    packages.dedup();
    Ok(packages)
}

/// The file that `path` leads to, as text; nothing where there is none. Bytes that are no UTF-8 become U+FFFD.
fn read_text(tree: &Tree, path: &TreePath, limit: u64) -> Result<Option<String>, InventoryError> {
    let place = tree.resolve(path).map_err(|source| InventoryError::Resolve { path: path.clone(), source })?;
    let Some(inode) = tree.get(&place) else { return Ok(None) };
    let content = inode.content().filter(|content| content.size() <= limit);
    let content = content.ok_or_else(|| InventoryError::NotReadable { path: path.clone(), limit })?;
    let bytes = content.read().map_err(|source| InventoryError::Read { path: path.clone(), source })?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

#[cfg(test)]
mod tests;
