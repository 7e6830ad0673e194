//! Why an archive cannot become a root filesystem.

use std::io;
use std::path::PathBuf;

use crate::digest::Digest;
use crate::http::HttpError;
use crate::image::{ImageError, OpenError};
use crate::platform::Platform;
use crate::store::{CopyError, StoreError};
use crate::tree::TreePath;

/// Why an archive cannot become a root filesystem.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ArchiveSourceError {
    /// It cannot be downloaded.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Http(#[from] HttpError),
    /// It cannot be stored.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Store(#[from] StoreError),
    /// The file cannot be read.
    #[error("cannot read the archive `{name}`")]
    #[diagnostic(help("{help}"))]
    Read {
        /// The file.
        name: String,
        /// Why not.
        source: io::Error,
        /// What to do.
        help: &'static str,
    },
    /// It is no archive of a root filesystem, or a damaged one.
    #[error("cannot import `{name}`")]
    Open {
        /// The file or address.
        name: String,
        /// What is wrong with it.
        #[source]
        #[diagnostic_source]
        source: OpenError,
    },
    /// It is something else.
    #[error("cannot import `{name}`: it is {what}")]
    #[diagnostic(help(
        "a tar archive is wanted, plain or compressed by gzip, xz, zstd or bzip2; `tar -C ROOTFS -cf rootfs.tar .` makes one"
    ))]
    NoTar {
        /// The file or address.
        name: String,
        /// What it is: `a zip archive`.
        what: &'static str,
    },
    /// It has nothing in it.
    #[error("cannot import `{name}`: there is nothing in it")]
    #[diagnostic(help("a root filesystem is wanted: `tar -C ROOTFS -cf rootfs.tar .` makes an archive of one"))]
    Empty {
        /// The file or address.
        name: String,
    },
    /// It has nothing in it but what `strip-components` leaves out.
    #[error("cannot import `{name}`: nothing in it has a name of more than {strip} components")]
    #[diagnostic(help(
        "that many are left out by `strip-components` in the recipe, or `--strip-components`; `tar -tf` shows the names"
    ))]
    Stripped {
        /// The file or address.
        name: String,
        /// How many leading components names lose.
        strip: u32,
    },
    /// It is another file than the recipe, a flag or the lock says.
    #[error("the archive `{name}` has the digest {found}, but {expected} was expected")]
    #[diagnostic(help("{}", if *locked {
        "where the new file is meant, `rootsmith lock --update RECIPE` takes it; else get the old one back"
    } else {
        "the file is another or a damaged one: fetch it again, or change `sha256` where the new one is meant"
    }))]
    Mismatch {
        /// The file or address.
        name: String,
        /// The digest that was asked for.
        expected: Digest,
        /// The digest of the bytes.
        found: Digest,
        /// Whether it is the lock that names the digest.
        locked: bool,
        /// Whether it comes from a server.
        remote: bool,
    },
    /// Somebody wrote to the file while it was read.
    #[error("the file `{}` was changed while it was imported", .0.display())]
    #[diagnostic(help("wait until it is complete, then import it again"))]
    Changed(PathBuf),
    /// The files are for another processor.
    #[error("cannot make an image for {asked} of `{name}`: its `{path}` is a program for {found}")]
    #[diagnostic(help("{help}"))]
    OtherPlatform {
        /// The file or address.
        name: String,
        /// What was asked for.
        asked: Platform,
        /// What was found.
        found: Platform,
        /// Where.
        path: TreePath,
        /// What to write.
        help: String,
    },
    /// An image for another platform.
    #[error("cannot make an image for {asked} of `{name}`: it is an image for {found}")]
    #[diagnostic(help("name that platform, or an archive of the other"))]
    OtherImage {
        /// The file or address.
        name: String,
        /// What was asked for.
        asked: Platform,
        /// What its configuration says.
        found: String,
    },
    /// Nothing says what it runs on.
    #[error("cannot tell what platform `{name}` is for: it has no program, and this machine's platform is not known")]
    #[diagnostic(help("say it: `--platform linux/amd64`"))]
    NoPlatform {
        /// The file or address.
        name: String,
    },
    /// The configuration of an image cannot be taken over.
    #[error("cannot take over the configuration of the image in `{name}`")]
    Config {
        /// The file or address.
        name: String,
        /// What is wrong with it.
        #[source]
        source: ImageError,
    },
}

impl ArchiveSourceError {
    /// The error of a file that cannot be read.
    pub fn read(name: &str, source: io::Error) -> Self {
        let help = match source.kind() {
            io::ErrorKind::NotFound => "check its name; `-` reads the standard input",
            io::ErrorKind::PermissionDenied => "it must be a file that you may read",
            io::ErrorKind::IsADirectory => "it must be a file; a folder is packed by `tar -C FOLDER -cf rootfs.tar .`",
            _ => "the file must stay readable and as it is until the image is done",
        };
        Self::Read { name: name.to_owned(), source, help }
    }

    /// The error of a file that cannot be copied into the store.
    pub fn copy(name: &str, error: CopyError) -> Self {
        match error {
            CopyError::Read(source) => Self::read(name, source),
            CopyError::Write(source) => source.into(),
        }
    }

    /// Whether it is a file that is not there.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    /// Whether the cause is on this machine: a disk that is full or does not answer.
    pub fn is_local(&self) -> bool {
        use io::ErrorKind::{IsADirectory, NotADirectory, NotFound, PermissionDenied};
        match self {
            Self::Read { source, .. } => {
                !matches!(source.kind(), NotFound | PermissionDenied | IsADirectory | NotADirectory)
            }
            Self::Open { source, .. } => matches!(source, OpenError::Temporary { .. }),
            _ => false,
        }
    }
}
