//! Layers, images and indexes: what a build makes, finished.

mod assemble;
mod base;
mod change;
mod config;
mod index;
mod layer;
mod open;
mod run_settings;

use std::io;

pub use assemble::Image;
pub use base::Base;
pub use change::{Change, ChangeError};
pub use config::{ExposedPort, ImageConfig, ParsePortError};
pub use index::{Artifact, Index};
pub use layer::{Layer, Packing, pack, pack_difference, rehearse};
pub use open::{
    Choice, Collection, Document, Input, NoImage, OpenError, Opened, OpenedImage, OpenedLayer, ReadDocument, Stored,
    StoredLayer, by_platform, check_types, in_indexes, locate, open, open_folder, open_input, platform_text,
    with_platforms,
};
pub use run_settings::RunSettings;

use crate::archive::ArchiveError;
use crate::store::StoreError;

/// Why a layer or image cannot be made.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ImageError {
    /// The tree cannot be written as a tar.
    #[error("cannot pack the layer")]
    Archive {
        /// What is in the way.
        #[source]
        #[diagnostic_source]
        source: ArchiveError,
    },
    /// The layer cannot be stored.
    #[error("cannot store the layer")]
    Store {
        /// What is in the way.
        #[source]
        #[diagnostic_source]
        source: StoreError,
    },
    /// There is nobody to compress the layer.
    #[error("cannot start the threads that compress the layer")]
    #[diagnostic(help(
        "no more processes may be started: raise the limit (`ulimit -u`, or `--pids-limit` of the container), or use fewer \
         threads, `--threads 1`"
    ))]
    Threads {
        /// Why not.
        source: io::Error,
    },
    /// The layer cannot be compressed or written.
    #[error("cannot write the layer")]
    Write {
        /// Why not.
        source: io::Error,
    },
    /// The working directory of the image is not absolute.
    #[error("the working directory `{0}` of the image is not an absolute path")]
    WorkingDirectory(String),
    /// A user whom runtimes do not run.
    #[error("the user {uid}:{gid} of the image is beyond what runtimes accept, 2147483647")]
    User {
        /// Numeric user.
        uid: u32,
        /// Numeric group.
        gid: u32,
    },
    /// A volume that leads nowhere.
    #[error("the volume `{0}` of the image is not an absolute path without `..`")]
    Volume(String),
    /// What another image says of its ports.
    #[error("the image names a port that is none")]
    Port(#[source] ParsePortError),
    /// An environment variable that cannot be set.
    #[error("the image cannot set the environment variable `{0}`")]
    #[diagnostic(help("a variable's name is not empty and has no `=`"))]
    Variable(String),
    /// One platform twice in an index.
    #[error("there are two images for {0}")]
    Platform(crate::platform::Platform),
}

#[cfg(test)]
mod tests;
