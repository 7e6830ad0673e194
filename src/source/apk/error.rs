//! What can go wrong with packages of apk.

use std::io;
use std::path::PathBuf;

use super::relation::RelationError;
use crate::archive::ArchiveError;
use crate::http::HttpError;
use crate::sandbox::SandboxError;
use crate::store::StoreError;
use crate::tree::{ResolveError, TreeError, TreePath};

/// Why packages cannot be chosen, fetched or installed.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ApkError {
    /// A download.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Http(#[from] HttpError),
    /// The store cannot keep or give something.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Store(#[from] StoreError),
    /// The entries of a package are not acceptable.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Archive(#[from] ArchiveError),
    /// The sandbox, or a script in it.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Sandbox(#[from] SandboxError),
    /// No packages fit.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Solve(#[from] super::solve::SolveError),
    /// No address has the repository's index.
    #[error("no address has the repository `{repository}` for {architecture}; asked: {}", addresses.join(", "))]
    #[diagnostic(help("check `branch` and `repositories` in [from.apk], and whether it has that architecture"))]
    NoRepository {
        /// The repository.
        repository: String,
        /// apk's name of the architecture.
        architecture: &'static str,
        /// Where it was looked for.
        addresses: Vec<String>,
    },
    /// An index is not signed.
    #[error("the index {what} is not signed")]
    #[diagnostic(help("`trust = \"unsigned\"` in [from.apk] takes it all the same, and the lock will say so"))]
    Unsigned {
        /// The index.
        what: String,
    },
    /// An index is signed by keys that nobody vouched for.
    #[error("the index {what} is signed by {}, which is no key known here", signers.join(", "))]
    #[diagnostic(help("get the key from where the distribution publishes it, and name its file: `keys = [\"{}\"]` in [from.apk]", signers.first().map_or("", String::as_str)))]
    UnknownKey {
        /// The index.
        what: String,
        /// The keys that its signatures name.
        signers: Vec<String>,
    },
    /// A signature by a known key is wrong.
    #[error("the signature of the index {what} by {} is wrong", signers.join(", "))]
    #[diagnostic(help("the index was changed on its way, or was not made by that key: try another mirror"))]
    WrongSignature {
        /// The index.
        what: String,
        /// The known keys that its signatures name.
        signers: Vec<String>,
    },
    /// A key file cannot be read.
    #[error("cannot read the key `{}`", path.display())]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A key file holds something else.
    #[error("`{}` holds no RSA public key", path.display())]
    #[diagnostic(help("keys of apk are PEM files that begin with `-----BEGIN PUBLIC KEY-----`"))]
    NoKeyInFile {
        /// The file.
        path: PathBuf,
    },
    /// An index or package is not in the format of apk.
    #[error("cannot read {what}: {problem}")]
    #[diagnostic(help("the file is damaged or cut off where it comes from: try another mirror, or tell its keepers"))]
    Format {
        /// The index or package.
        what: String,
        /// What is wrong.
        problem: String,
    },
    /// Bytes of an index or package cannot be had or decompressed.
    #[error("cannot read {what}")]
    #[diagnostic(help("the file is damaged or cut off where it comes from: try another mirror, or tell its keepers"))]
    Read {
        /// The index or package.
        what: String,
        /// Why not.
        source: io::Error,
    },
    /// A record of an index means nothing.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Index(#[from] super::index::IndexError),
    /// An entry of `packages` means nothing.
    #[error("cannot read what `packages` asks for")]
    #[diagnostic(help(
        "an entry is a name, and where wanted `=`, `<`, `>`, `<=`, `>=` or `~` and a version, or `@` and a tag"
    ))]
    World(#[source] RelationError),
    /// A package is not the one that the index or lock speaks of.
    #[error("{package} has {what} {found}, where {expected} is expected")]
    #[diagnostic(help("the file was changed, or the repository is being updated: try again later, or another mirror"))]
    Mismatch {
        /// The package.
        package: String,
        /// What was compared: `the control checksum`.
        what: &'static str,
        /// What it must be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// A file holds another package than the index says.
    #[error("`{path}` holds {found}, but the index says {expected}")]
    #[diagnostic(help("the repository is broken there: tell those who run it"))]
    OtherPackage {
        /// What the index says.
        expected: String,
        /// What is in it.
        found: String,
        /// Where it is in the repository.
        path: String,
    },
    /// A file of a package is of a kind that packages have not.
    #[error("the package {package} has a {what} at `{path}`")]
    #[diagnostic(help("packages of apk have files, directories and links only"))]
    Special {
        /// The package.
        package: String,
        /// `device`.
        what: &'static str,
        /// Where.
        path: TreePath,
    },
    /// Two packages have the same file.
    #[error("`{path}` is in the packages {first} and {second}, and neither replaces files of the other")]
    #[diagnostic(help("leave one of them out"))]
    FileConflict {
        /// The file.
        path: TreePath,
        /// The package laid before.
        first: String,
        /// The package that came then.
        second: String,
    },
    /// Something is a directory in one package and not in another.
    #[error("`{path}` is a folder in one of the packages {first} and {second}, and none in the other")]
    #[diagnostic(help("leave one of them out"))]
    KindConflict {
        /// The path.
        path: TreePath,
        /// The package laid before.
        first: String,
        /// The package that came then.
        second: String,
    },
    /// A file has no place in the tree.
    #[error("cannot lay the files of the package {package}")]
    Misplaced {
        /// The package.
        package: String,
        /// Why not.
        source: TreeError,
    },
    /// Links in the tree lead in circles.
    #[error("cannot find the place of a file of the package {package}")]
    Unresolved {
        /// The package.
        package: String,
        /// Why not.
        source: ResolveError,
    },
    /// A file of the tree cannot be read.
    #[error("cannot read `{path}`")]
    Content {
        /// Which.
        path: TreePath,
        /// Why not.
        source: io::Error,
    },
    /// A package that is to be updated is not needed.
    #[error("cannot update `{name}`: the recipe needs no package of that name")]
    #[diagnostic(help("`rootsmith lock --update RECIPE` without names updates all"))]
    NotChosen {
        /// The name.
        name: String,
    },
}
