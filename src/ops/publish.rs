//! Writing a finished image to where it goes.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use crate::archive::Compression;
use crate::context::Context;
use crate::dest::{self, ArchiveFile, ContainersStorage, DestError, Destination, DockerDaemon, Layout, Target};
use crate::epoch::Epoch;
use crate::error::Error;
use crate::image::Artifact;
use crate::oci::{Reference, Repository};
use crate::ops::root_files::RootFiles;
use crate::ops::{one_platform, transfer};
use crate::report::{Phase, Unit, counted};
use crate::sandbox;
use crate::tree::{Entry, Node, Origin, Tree, TreePath};

/// A finished image and what belongs to it.
pub(super) struct Finished<'a> {
    /// The image.
    pub(super) artifact: &'a Artifact,
    /// Its root filesystems, one a platform, for targets that take only that.
    pub(super) trees: &'a [&'a Tree],
    /// What it is called, unless a target says otherwise.
    pub(super) names: &'a [Reference],
    /// The socket of the Docker engine.
    pub(super) docker_socket: PathBuf,
    /// The one timestamp of the image.
    pub(super) epoch: Epoch,
    /// How layers are compressed.
    pub(super) compression: Compression,
    /// Threads that compress.
    pub(super) threads: NonZeroUsize,
}

impl Finished<'_> {
    /// The root filesystem for a target that takes only one.
    fn tree(&self) -> Result<&Tree, Error> {
        match self.trees {
            [tree] => Ok(tree),
            several => Err(one_platform::files_of_several(several.len())),
        }
    }
}

/// Writes the image to all `targets`, one after the other.
pub(super) fn publish(finished: &Finished<'_>, targets: &[Target], context: &Context) -> Result<(), Error> {
    if targets.is_empty() {
        context.reporter.note("nothing was written: `-o oci:DIR` and the like say where the image goes");
        return Ok(());
    }
    context.reporter.begin(Phase::Publish, None, Unit::Bytes);
    if targets.iter().any(Target::takes_images) {
        note_special(finished.trees, context);
    }
    let mut pushed = Vec::new();
    for (index, target) in targets.iter().enumerate() {
        one(finished, target, index + 1 == targets.len(), &mut pushed, context)?;
    }
    context.reporter.end(Phase::Publish, &counted(targets.len(), "output"));
    Ok(())
}

/// Names the devices and named pipes that images are without. Those of /dev, which the runtime makes, only where the recipe
/// asks for them.
fn note_special(trees: &[&Tree], context: &Context) {
    let is_special = |node: &Node| matches!(node, Node::CharacterDevice { .. } | Node::BlockDevice { .. } | Node::Fifo);
    let dev = TreePath::literal("dev");
    let is_wanted = |entry: &Entry<'_>| {
        let of_recipe = matches!(entry.inode.origin, Origin::Recipe(_));
        is_special(&entry.inode.node) && (of_recipe || !entry.path.starts_with(&dev))
    };
    let left_out = trees.iter().flat_map(|tree| tree.entries()).filter(is_wanted);
    let paths: BTreeSet<String> = left_out.map(|entry| entry.path.to_string()).collect();
    if !paths.is_empty() {
        let paths: Vec<String> = paths.into_iter().collect();
        let what = "devices and named pipes are not in images, only in `rootfs-tar:` and the like";
        context.reporter.note(&format!("{what}: {}", paths.join(", ")));
    }
}

/// Writes to one target. `pushed` are the repositories that have the image already.
fn one(
    finished: &Finished<'_>,
    target: &Target,
    is_last: bool,
    pushed: &mut Vec<Repository>,
    context: &Context,
) -> Result<(), Error> {
    let advance = |bytes| context.reporter.advance(Phase::Publish, bytes);
    let names = target.names(finished.names)?;
    let destination: Box<dyn Destination> = match target {
        Target::Oci { folder, .. } => {
            let layout = Layout::open(folder, &names)?;
            Box::new(if is_last { layout.taking_from(context.store.temporary()) } else { layout })
        }
        Target::Archive { file, .. } => Box::new(ArchiveFile::create(file, &names)?),
        Target::DockerDaemon { .. } => Box::new(DockerDaemon::new(&finished.docker_socket, &names)?),
        Target::ContainersStorage { .. } => {
            Box::new(ContainersStorage::new(&context.store.temporary(), &names, &sandbox::run_host_program)?)
        }
        Target::Registry { .. } => return transfer::push_built(finished.artifact, &names, pushed, context),
        Target::RootfsTar { .. } | Target::RootfsDirectory { .. } | Target::Squashfs { .. } | Target::Cpio { .. } => {
            let (compression, threads) = (finished.compression, finished.threads);
            let files = RootFiles { tree: finished.tree()?, compression, epoch: finished.epoch, threads };
            return files.write(target, context);
        }
    };
    let artifact = one_platform::artifact(finished.artifact, target, context)?;
    Ok::<(), DestError>(dest::publish(&artifact, destination, &advance)?)?;
    Ok(())
}
