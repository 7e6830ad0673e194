//! What can go wrong with the store.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::digest::Digest;

/// Why the store could not do something.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum StoreError {
    /// The file system said no.
    #[error("cannot {what} in the store, `{}`", path.display())]
    #[diagnostic(code(store::io), help("the store can be put elsewhere: `--store DIR`, or ROOTSMITH_STORE"))]
    Io {
        /// What was to be done: `write a blob`.
        what: &'static str,
        /// To which file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// There is no space left, no inode, or no quota.
    #[error("cannot {what} in the store, `{}`: its file system is full", path.display())]
    #[diagnostic(
        code(store::full),
        help(
            "make room (`rootsmith store gc` removes what has not been used for a while; `df -h` and `df -i` show what \
             is short), or put the store elsewhere: `--store DIR`, or ROOTSMITH_STORE"
        )
    )]
    Full {
        /// What was to be done: `write a blob`.
        what: &'static str,
        /// To which file or folder.
        path: PathBuf,
        /// The file system's words.
        source: io::Error,
    },
    /// The store is on a read-only file system or belongs to somebody else.
    #[error("cannot {what} in the store, `{}`: it may not be written to", path.display())]
    #[diagnostic(code(store::read_only), help("put the store where you may write: `--store DIR`, or ROOTSMITH_STORE"))]
    ReadOnly {
        /// What was to be done: `write a blob`.
        what: &'static str,
        /// To which file or folder.
        path: PathBuf,
        /// The file system's words.
        source: io::Error,
    },
    /// Bytes are not those that were asked for.
    #[error("the blob has the digest {found}, but {expected} was expected")]
    #[diagnostic(code(store::mismatch))]
    Mismatch {
        /// The digest asked for.
        expected: Digest,
        /// The digest of the bytes.
        found: Digest,
    },
    /// Another process receives the same blob and comes no further.
    #[error("another process holds the download of {digest} in `{}` and comes no further", root.display())]
    #[diagnostic(code(store::held), help("end the other rootsmith, or use another store: `--store DIR`"))]
    Held {
        /// What is held.
        digest: Digest,
        /// The store.
        root: PathBuf,
    },
    /// The store is to be tidied, but somebody is using it.
    #[error("cannot tidy the store, `{}`: another rootsmith is using it", root.display())]
    #[diagnostic(
        code(store::in_use),
        help("try again when it is done, or let this wait for it: `rootsmith store gc --wait`")
    )]
    InUse {
        /// The store.
        root: PathBuf,
    },
}

/// The error for a file system's answer, by its kind.
pub(super) fn failed(what: &'static str, path: &Path, source: io::Error) -> StoreError {
    let path = path.to_owned();
    match source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StoreError::Full { what, path, source },
        ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => StoreError::ReadOnly { what, path, source },
        _ => StoreError::Io { what, path, source },
    }
}
