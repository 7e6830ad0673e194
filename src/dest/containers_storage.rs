//! `containers-storage:REF`: the storage of podman, buildah and CRI-O, through podman.

use std::ffi::OsString;
use std::path::Path;

use super::{ArchiveFile, Blob, Contents, DestError, Destination};
use crate::digest::Digest;
use crate::oci::Reference;

/// Runs a program with arguments to its end. The error says what went wrong, with what the program said.
///
/// Programs run behind the sandbox module alone, so whoever publishes hands in the way to do it.
pub type RunProgram<'a> = &'a dyn Fn(&str, &[OsString]) -> Result<(), String>;

/// podman's storage, filled by `podman load` from an archive that is removed again.
pub struct ContainersStorage<'a> {
    archive: ArchiveFile,
    folder: tempfile::TempDir,
    names: Vec<Reference>,
    run: RunProgram<'a>,
}

const ARCHIVE: &str = "image.tar";

impl<'a> ContainersStorage<'a> {
    /// Will load the image and call it `names`. The archive is written to a folder in `temporary`.
    pub fn new(temporary: &Path, names: &[Reference], run: RunProgram<'a>) -> Result<Self, DestError> {
        if names.is_empty() {
            return Err(DestError::NoName { destination: "podman's storage" });
        }
        let folder = tempfile::tempdir_in(temporary).map_err(super::error::failed("write to", temporary))?;
        let archive = ArchiveFile::create(&folder.path().join(ARCHIVE), names)?;
        Ok(Self { archive, folder, names: names.to_vec(), run })
    }
}

impl Destination for ContainersStorage<'_> {
    fn has(&mut self, digest: &Digest, size: u64) -> Result<bool, DestError> {
        self.archive.has(digest, size)
    }

    fn put_blob(&mut self, blob: &Blob, advance: &dyn Fn(u64)) -> Result<(), DestError> {
        self.archive.put_blob(blob, advance)
    }

    fn put_manifest(&mut self, manifest: &Blob) -> Result<(), DestError> {
        self.archive.put_manifest(manifest)
    }

    fn finish(self: Box<Self>, contents: &Contents, advance: &dyn Fn(u64)) -> Result<(), DestError> {
        let Self { archive, folder, names, run } = *self;
        Box::new(archive).finish(contents, advance)?;
        let podman = |arguments: &[OsString]| run("podman", arguments).map_err(|message| DestError::Podman { message });
        podman(&["load".into(), "--quiet".into(), "--input".into(), folder.path().join(ARCHIVE).into()])?;
        // The archive can carry one name for podman.
        if let [first, others @ ..] = names.as_slice()
            && !others.is_empty()
        {
            let all = std::iter::once(first).chain(others).map(|name| name.to_string().into());
            podman(&std::iter::once("tag".into()).chain(all).collect::<Vec<OsString>>())?;
        }
        Ok(())
    }
}
