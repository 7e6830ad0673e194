//! Package indexes: which `Packages` file to fetch, and what it says about each package.

mod choose;
mod packages;

use miette::Diagnostic;
use thiserror::Error;

pub use choose::{Compression, Form, IndexFile, choose};
pub use packages::{Packages, Record};

use crate::source::debian::deb822::Deb822Error;

/// Why an index cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error, Diagnostic)]
pub enum IndexError {
    /// The suite lacks the component.
    #[error("{suite} has no component `{component}`")]
    #[diagnostic(help("its components are {known}"))]
    NoComponent {
        /// The suite.
        suite: String,
        /// What was asked.
        component: String,
        /// What there is.
        known: String,
    },
    /// The suite lacks the architecture.
    #[error("{suite} is not built for {architecture}")]
    #[diagnostic(help("its architectures are {known}"))]
    NoArchitecture {
        /// The suite.
        suite: String,
        /// What was asked, in dpkg's name.
        architecture: String,
        /// What there is.
        known: String,
    },
    /// The index is not in the Release.
    #[error("the Release file of {suite} does not list {path}")]
    #[diagnostic(help("the mirror may be incomplete: try another one with --mirror"))]
    NotListed {
        /// The suite.
        suite: String,
        /// Its path without the ending that says how it is compressed.
        path: String,
    },
    /// It is no control file.
    #[error("cannot read the package index")]
    #[diagnostic(help("its digest was right, so this is how the archive made it: tell its keepers"))]
    NotControlFile(#[source] Deb822Error),
    /// A package lacks a field.
    #[error("line {line} of the package index: {package} has no `{field}`")]
    #[diagnostic(help("the archive's index must say it of every package: tell its keepers"))]
    NoField {
        /// The last line of the package's paragraph.
        line: usize,
        /// The package, or words that stand for it.
        package: String,
        /// The field.
        field: &'static str,
    },
    /// A field of a package has an impossible value.
    #[error("line {line} of the package index: {package} has the impossible `{field}: {value}`")]
    #[diagnostic(help("the archive's index is wrong: tell its keepers"))]
    BadField {
        /// The last line of the package's paragraph.
        line: usize,
        /// The package.
        package: String,
        /// The field.
        field: &'static str,
        /// Its value.
        value: String,
    },
    /// The text is larger than any real index.
    #[error("the package index has {size} bytes, more than the 4 GiB that are read")]
    #[diagnostic(help("no real archive has such an index; choose fewer components"))]
    TooLarge {
        /// Its size.
        size: usize,
    },
}
