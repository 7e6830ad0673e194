//! Writing the files of an image without the image: as a tar, a folder, a SquashFS or a cpio.

use std::num::NonZeroUsize;

use crate::archive::{Compression, SpecialFiles};
use crate::context::Context;
use crate::dest::{Squashfs, Target, write_rootfs_cpio, write_rootfs_directory, write_rootfs_tar};
use crate::epoch::Epoch;
use crate::error::Error;
use crate::sandbox;
use crate::tree::Tree;

/// A root filesystem, and how it is written.
pub(super) struct RootFiles<'a> {
    /// Its files.
    pub(super) tree: &'a Tree,
    /// How the blocks of a SquashFS are compressed.
    pub(super) compression: Compression,
    /// When a SquashFS says that it was made.
    pub(super) epoch: Epoch,
    /// Threads that compress.
    pub(super) threads: NonZeroUsize,
}

impl RootFiles<'_> {
    /// Writes the files to a target that takes no images ([`Target::takes_images`]).
    pub(super) fn write(&self, target: &Target, context: &Context) -> Result<(), Error> {
        match target {
            Target::RootfsTar { file } => {
                write_rootfs_tar(self.tree, file, SpecialFiles::Keep, self.threads)?;
            }
            Target::Squashfs { file } => {
                let squashfs = Squashfs {
                    compression: self.compression,
                    epoch: self.epoch,
                    threads: self.threads,
                    temporary: &context.store.temporary(),
                    run: &sandbox::run_host_program_on,
                };
                squashfs.write(self.tree, file)?;
            }
            Target::Cpio { file } => {
                let omitted = write_rootfs_cpio(self.tree, file, self.threads)?.attributes;
                if omitted > 0 {
                    let what = "have capabilities or other extended attributes, which a cpio cannot hold";
                    context.reporter.warn(&format!("{}: {omitted} files {what}", file.display()));
                }
            }
            Target::RootfsDirectory { folder } => {
                if write_rootfs_directory(self.tree, folder, SpecialFiles::Keep)?.owners_left_out {
                    let what = "all files of the folder belong to you: only root can give them their owners";
                    context.reporter.warn(what);
                }
            }
            Target::Oci { .. }
            | Target::Archive { .. }
            | Target::DockerDaemon { .. }
            | Target::ContainersStorage { .. }
            | Target::Registry { .. } => unreachable!("`{target}` takes an image"),
        }
        Ok(())
    }
}
