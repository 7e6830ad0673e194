//! What can be in the way of an output.

use std::io;
use std::path::{Path, PathBuf};

use crate::archive::{ArchiveError, CpioError};
use crate::tree::TreePath;

/// Why an output cannot be written.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum DestError {
    /// The file system said no.
    #[error("cannot {what} `{}`", path.display())]
    Io {
        /// What was to be done: `write`.
        what: &'static str,
        /// To which file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// There is no space left, no inode, or no quota.
    #[error("cannot {what} `{}`: its file system is full", path.display())]
    #[diagnostic(help(
        "make room there (`df -h` and `df -i` show what is short), or write elsewhere; what a recipe builds is in the \
         store, so that the next build has only this to do"
    ))]
    Full {
        /// What was to be done: `write`.
        what: &'static str,
        /// To which file or folder.
        path: PathBuf,
        /// The file system's words.
        source: io::Error,
    },
    /// A folder with other things in it.
    #[error("cannot write to `{}`: it is there already, and is {instead}", path.display())]
    #[diagnostic(help("name a folder that is not there yet, or empty it first"))]
    Occupied {
        /// The folder.
        path: PathBuf,
        /// What it is instead: `not an OCI layout`.
        instead: &'static str,
    },
    /// A layout that cannot be added to.
    #[error("cannot add to the OCI layout `{}`: {problem}", path.display())]
    #[diagnostic(help("write to another folder, or remove this one"))]
    Layout {
        /// The layout.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// An archive cannot be named without a name.
    #[error("the image has no name, and {destination} needs one")]
    #[diagnostic(help("give the recipe a `name`, or add one to the output: `-o docker-daemon:example:latest`"))]
    NoName {
        /// What was to be written.
        destination: &'static str,
    },
    /// The tree cannot be written as a tar.
    #[error("cannot write the root filesystem to `{}`", path.display())]
    Tar {
        /// The file.
        path: PathBuf,
        /// What is in the way.
        #[source]
        #[diagnostic_source]
        source: ArchiveError,
    },
    /// The tree cannot be written as a cpio.
    #[error("cannot write the root filesystem to `{}`", path.display())]
    Cpio {
        /// The file.
        path: PathBuf,
        /// What is in the way.
        #[source]
        #[diagnostic_source]
        source: CpioError,
    },
    /// The SquashFS image cannot be made.
    #[error("cannot write the root filesystem to `{}`: {message}", path.display())]
    #[diagnostic(help("SquashFS images are made by `tar2sqfs`: `sudo apt-get install squashfs-tools-ng`"))]
    Squashfs {
        /// The file.
        path: PathBuf,
        /// What the program said.
        message: String,
    },
    /// A file of the tree cannot be made on the host.
    #[error("cannot make `{path}` in the folder `{}`", folder.display())]
    File {
        /// The file in the tree.
        path: TreePath,
        /// The folder.
        folder: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The Docker daemon cannot be talked to.
    #[error("cannot talk to the Docker daemon at `{}`", socket.display())]
    #[diagnostic(help("is it running, and may you use it? `docker info` tells; DOCKER_HOST=unix://... names another"))]
    Daemon {
        /// Its socket.
        socket: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The Docker daemon does not take the image.
    #[error("the Docker daemon did not load the image: {message}")]
    #[diagnostic(help(
        "if it says `invalid tar header`, it is older than version 23 and needs `compression = \"gzip\"`"
    ))]
    DaemonRefused {
        /// Its words.
        message: String,
    },
    /// podman does not take the image.
    #[error("podman did not load the image: {message}")]
    #[diagnostic(help("podman has to be installed; `podman info` tells whether it works"))]
    Podman {
        /// What the program said.
        message: String,
    },
    /// A further destination, which has its own errors.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Other(Box<dyn miette::Diagnostic + Send + Sync>),
}

/// Says what was to be done to which path.
pub(super) fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DestError {
    let path = path.to_owned();
    move |source| match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => DestError::Full { what, path, source },
        _ => DestError::Io { what, path, source },
    }
}
