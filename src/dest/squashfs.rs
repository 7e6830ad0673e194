//! `squashfs:FILE`: the root filesystem as a SquashFS image, by tar2sqfs of squashfs-tools-ng.
//!
//! tar2sqfs, because it reads a tar, so that owners, devices, attributes and hard links need no privileges, and because
//! its output does not depend on threads or the machine: on its version and on its compressor's alone.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::num::NonZeroUsize;
use std::path::Path;

use tempfile::NamedTempFile;

use super::DestError;
use super::beside::Beside;
use super::error::failed;
use crate::archive::{ArchiveError, Compression, SpecialFiles, write_tar};
use crate::epoch::Epoch;
use crate::tree::Tree;

/// Runs a program with arguments, a variable of its environment, and a file as its input, to its end. The error says
/// what went wrong, with what the program said.
pub type RunOnFile<'a> = &'a dyn Fn(&str, &[OsString], (&str, &str), &Path) -> Result<(), String>;

/// How a SquashFS image is made.
pub struct Squashfs<'a> {
    /// How its blocks are compressed; without compression gzip is used, as tar2sqfs always compresses.
    pub compression: Compression,
    /// When it says that it was made.
    pub epoch: Epoch,
    /// Threads that compress.
    pub threads: NonZeroUsize,
    /// Where the tar is for the time being, and the image on its way to what is no file.
    pub temporary: &'a Path,
    /// What runs tar2sqfs.
    pub run: RunOnFile<'a>,
}

impl Squashfs<'_> {
    /// Writes `tree` to the image `path`, with devices and named pipes.
    pub fn write(&self, tree: &Tree, path: &Path) -> Result<(), DestError> {
        let output = BufWriter::with_capacity(1 << 17, self.temporary_file()?);
        let output = write_tar(tree, SpecialFiles::Keep, output).map_err(|error| match error {
            ArchiveError::Write { source } => failed("write to", self.temporary)(source),
            source => DestError::Tar { path: path.to_owned(), source },
        })?;
        let mut tar = output.into_inner().map_err(|error| failed("write to", self.temporary)(error.into_error()))?;
        tar.flush().map_err(failed("write to", self.temporary))?;

        let mut beside = Beside::new(path)?;
        // A SquashFS is not written from its start to its end, which a pipe would need.
        let passed_on = if beside.is_passage() { Some(self.temporary_file()?) } else { None };
        let image = passed_on.as_ref().map_or(beside.path(), NamedTempFile::path);
        let compressor = match self.compression {
            Compression::Zstd => "zstd",
            Compression::Gzip | Compression::None => "gzip",
        };
        let threads = self.threads.to_string();
        let words = ["--quiet", "--force", "--no-skip", "--compressor", compressor, "--num-jobs", &threads];
        let arguments: Vec<OsString> =
            words.into_iter().map(OsString::from).chain([image.as_os_str().to_owned()]).collect();
        // A SquashFS has 32 bits for the time.
        let seconds = self.epoch.seconds().min(i64::from(u32::MAX)).to_string();
        let run = (self.run)("tar2sqfs", &arguments, ("SOURCE_DATE_EPOCH", &seconds), tar.path());
        run.map_err(|message| DestError::Squashfs { path: path.to_owned(), message })?;
        if let Some(image) = passed_on {
            let mut image = File::open(image.path()).map_err(failed("read", image.path()))?;
            beside.copy(&mut image).map_err(failed("write", path))?;
        }
        beside.keep()
    }

    fn temporary_file(&self) -> Result<NamedTempFile, DestError> {
        NamedTempFile::new_in(self.temporary).map_err(failed("write to", self.temporary))
    }
}
