//! What can be wrong with an archive.

use std::io;

use crate::tree::{Origin, PathError, ResolveError, TreeError, TreePath};

/// Why an archive cannot be read, or a tree cannot be written as one. `archive` says which archive it is about.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ArchiveError {
    /// The bytes of the archive cannot be had, or cannot be decompressed.
    #[error("cannot read the tar archive ({archive})")]
    Read {
        /// Where the archive comes from.
        archive: Origin,
        /// Why not.
        source: io::Error,
    },
    /// The archive ends before its end marker.
    #[error("the tar archive ({archive}) ends too early, at byte {offset}")]
    #[diagnostic(help("the file is incomplete: fetch it again"))]
    Truncated {
        /// Where the archive comes from.
        archive: Origin,
        /// How many bytes there are.
        offset: u64,
    },
    /// Something follows the end marker.
    #[error("the tar archive ({archive}) goes on after its end marker, at byte {offset}")]
    #[diagnostic(help("an archive that is several archives in a row has to be taken apart first"))]
    TrailingData {
        /// Where the archive comes from.
        archive: Origin,
        /// Where the first byte that is not zero was found, to 512 bytes.
        offset: u64,
    },
    /// A header whose checksum is wrong: no tar at all, or a damaged one.
    #[error("the tar archive ({archive}) has no readable entry at byte {offset}: the header's checksum is wrong")]
    #[diagnostic(help("the file is damaged, or is not a tar archive"))]
    Checksum {
        /// Where the archive comes from.
        archive: Origin,
        /// Where the header starts.
        offset: u64,
    },
    /// A field that says something impossible.
    #[error("the tar archive ({archive}) has an entry at byte {offset} with {problem}")]
    Entry {
        /// Where the archive comes from.
        archive: Origin,
        /// Where the entry's header starts.
        offset: u64,
        /// What is impossible: `a negative size`.
        problem: String,
    },
    /// A name that is no path inside a root filesystem.
    #[error("the tar archive ({archive}) has an entry whose name leads nowhere")]
    Path {
        /// Where the archive comes from.
        archive: Origin,
        /// What is wrong with the name.
        source: PathError,
    },
    /// The archive is larger than it may be.
    #[error("the tar archive ({archive}) has more than {limit} {what}")]
    #[diagnostic(help(
        "where the archive is meant to be that large, `rootsmith import` takes it with a higher `--max-entries`, `--max-bytes` \
         or `--max-ratio`{}",
        if what.contains("holes") { ", of which the last two hold for holes" } else { "" }
    ))]
    Limit {
        /// Where the archive comes from.
        archive: Origin,
        /// What there is too much of.
        what: &'static str,
        /// How much is allowed.
        limit: u64,
    },
    /// The same path twice.
    #[error("the tar archive ({archive}) has two entries for `{path}`")]
    #[diagnostic(help("image layers must not hold a path twice (OCI image spec, layer.md)"))]
    Duplicate {
        /// Where the archive comes from.
        archive: Origin,
        /// The path.
        path: TreePath,
    },
    /// A file or link at the place of a folder that has something in it.
    #[error(
        "the tar archive ({archive}) has a file or link `{path}`, where it had a folder that is not empty: {count} below it"
    )]
    #[diagnostic(help(
        "what is in it would be gone without a word, and tar refuses it too: pack the archive again without one of the two; \
         a layer that is to replace a folder belongs into an OCI or Docker archive"
    ))]
    Covers {
        /// Where the archive comes from.
        archive: Origin,
        /// The path.
        path: TreePath,
        /// How much is below it.
        count: usize,
    },
    /// A whiteout that hides nothing.
    #[error("the tar archive ({archive}) has a whiteout without a name, `{path}`")]
    Whiteout {
        /// Where the archive comes from.
        archive: Origin,
        /// The whiteout.
        path: TreePath,
    },
    /// An entry that does not fit into the tree.
    #[error("cannot unpack the tar archive ({archive})")]
    Tree {
        /// Where the archive comes from.
        archive: Origin,
        /// What does not fit.
        source: TreeError,
    },
    /// An entry below symbolic links that lead nowhere.
    #[error("cannot unpack the tar archive ({archive})")]
    Resolve {
        /// Where the archive comes from.
        archive: Origin,
        /// Which links.
        source: ResolveError,
    },
    /// The bytes of a tar cannot be written.
    #[error("cannot write the tar archive")]
    Write {
        /// Why not.
        source: io::Error,
    },
    /// The content of a file of the tree cannot be read.
    #[error("cannot read the content of `{path}`")]
    #[diagnostic(help("contents stay where they were found until they are packed: do not change them during a build"))]
    Content {
        /// The file in the tree.
        path: TreePath,
        /// Why not.
        source: io::Error,
    },
    /// A name that image layers take for a removal.
    #[error("cannot pack `{path}`: names that start with `.wh.` mean removal in image layers")]
    #[diagnostic(help("rename it, or leave it out, by a recipe: `[prune] remove = [...]`"))]
    WhiteoutName {
        /// The path.
        path: TreePath,
    },
    /// An extended attribute whose name tar cannot hold.
    #[error("cannot pack `{path}`: a tar cannot hold its extended attribute `{name}`, whose name has a `=`")]
    XattrName {
        /// The path.
        path: TreePath,
        /// The attribute.
        name: String,
    },
}
