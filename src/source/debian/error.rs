//! Why packages cannot be installed.

use std::io;

use super::deb822::Deb822Error;
use super::package_file::PackageFileError;
use super::relation::RelationError;
use crate::archive::ArchiveError;
use crate::sandbox::SandboxError;
use crate::store::StoreError;
use crate::tree::{ResolveError, TreeError, TreePath};

/// Why packages cannot be installed into a tree.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum InstallError {
    /// A .deb cannot be read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    File(#[from] PackageFileError),
    /// The entries of a data archive are not acceptable.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Archive(#[from] ArchiveError),
    /// The store cannot keep or give something.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Store(#[from] StoreError),
    /// The sandbox, or a script in it.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Sandbox(#[from] SandboxError),
    /// The data archive of a package cannot be decompressed.
    #[error("cannot unpack package {package}")]
    #[diagnostic(help(
        "the .deb is damaged at its origin, because its digest is the one of the index; try another version"
    ))]
    Data {
        /// The package.
        package: String,
        /// Why not.
        source: io::Error,
    },
    /// A control file is not one.
    #[error("the control file of package {package} cannot be understood")]
    Control {
        /// The package.
        package: String,
        /// Why not.
        source: Deb822Error,
    },
    /// A field of relations is not one.
    #[error("the relations of package {package} cannot be understood")]
    Relation {
        /// The package.
        package: String,
        /// Why not.
        source: RelationError,
    },
    /// A configuration file cannot be read.
    #[error("cannot read a configuration file of package {package}")]
    Content {
        /// The package.
        package: String,
        /// Why not.
        source: io::Error,
    },
    /// Two packages have the same file.
    #[error("`{path}` is in the packages {first} and {second}, and neither replaces files of the other")]
    #[diagnostic(help("leave one of them out, or drop the path with `[prune] remove`"))]
    FileConflict {
        /// The file.
        path: TreePath,
        /// The package laid before.
        first: String,
        /// The package that came then.
        second: String,
    },
    /// A file of a package has no place in the tree.
    #[error("cannot lay the files of package {package}")]
    Misplaced {
        /// The package.
        package: String,
        /// Why not.
        source: TreeError,
    },
    /// Links in the tree lead in circles.
    #[error("cannot find the place of a file of package {package}")]
    Unresolved {
        /// The package.
        package: String,
        /// Why not.
        source: ResolveError,
    },
}
