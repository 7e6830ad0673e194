//! What is asked of a build, and what comes of it.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use crate::dest::Target;
use crate::digest::Digest;
use crate::epoch::Epoch;
use crate::image::Artifact;
use crate::oci::Reference;
use crate::ops::forge::Applied;
use crate::ops::lock::LockOptions;
use crate::platform::Platform;
use crate::tree::TreePath;

/// What to build, and where it goes.
#[derive(Clone, Debug)]
pub struct BuildOptions {
    /// The recipe.
    pub recipe: PathBuf,
    /// Its variant, where one is wanted.
    pub variant: Option<String>,
    /// Those of its platforms that are built; all of them where none is named.
    pub platforms: Vec<Platform>,
    /// How the lock is treated.
    pub lock: LockOptions,
    /// Names and tags that replace those of the recipe.
    pub tags: Vec<String>,
    /// Where the image goes; nowhere is allowed, and then only its digest is found out.
    pub targets: Vec<Target>,
    /// Threads that compress.
    pub threads: NonZeroUsize,
    /// The socket of the Docker engine, for `docker-daemon:`.
    pub docker_socket: PathBuf,
    /// A path of which is noted what each pass does to it.
    pub watched: Option<TreePath>,
}

/// What was built.
#[derive(Clone, Debug)]
pub struct Built {
    /// The image.
    pub artifact: Artifact,
    /// Its names.
    pub names: Vec<Reference>,
    /// The one timestamp in it.
    pub epoch: Epoch,
    /// What the source made: `81 packages of debian trixie`.
    pub source: String,
    /// What each pass did, in order.
    pub passes: Vec<Applied>,
}

impl BuildOptions {
    /// The files and folders of this machine that the build writes.
    pub(in crate::ops) fn places(&self) -> impl Iterator<Item = PathBuf> {
        self.targets.iter().filter_map(Target::place).map(PathBuf::from)
    }
}

impl Built {
    /// The image's digest.
    pub fn digest(&self) -> Digest {
        self.artifact.digest()
    }
}
