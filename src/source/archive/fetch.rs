//! From a pin to a root filesystem.

use std::fs::File;
use std::io;
use std::path::Path;

use super::resolve::digest_of;
use super::{ArchiveSourceError, open};
use crate::archive::Limits;
use crate::context::Context;
use crate::digest::Digest;
use crate::http::Job;
use crate::image::{Choice, Input};
use crate::lock::ArchivePin;
use crate::report::{Phase, Unit};
use crate::source::Rootfs;
use crate::store::{Blob, StoreError};

/// The root filesystem of the locked archive: of the store, else of the file `path`, else of the locked address. A file that
/// is there and is another than the locked one is refused, whatever the store has.
///
/// Of an image archive these are the files of all its layers. What the image says about running it is not looked at.
pub fn fetch(pin: &ArchivePin, path: Option<&Path>, context: &Context) -> Result<Rootfs, ArchiveSourceError> {
    if let Some(path) = path
        && let Some(found) = changed(pin, path).map_err(|source| ArchiveSourceError::read(pin.name(), source))?
    {
        return Err(mismatch(pin, found));
    }
    let blob = match (context.store.verified(&pin.sha256)?, path) {
        (Some(blob), _) => blob,
        (None, Some(path)) => copy(pin, path, context)?,
        (None, None) => download(pin, context)?,
    };
    let input = Input { path: &blob.path, name: pin.name(), strip: pin.strip_components };
    let choice = Choice { tag: pin.tag.clone(), platform: Some(pin.platform.into()) };
    let foreign = open(&input, &choice, &Limits::images(), context)?;
    if foreign.config.is_some() {
        context.reporter.note("the files of the image are taken, and not its configuration: [image] says how it runs");
    }
    foreign.check_platform(pin.name(), pin.platform)?;
    Ok(foreign.rootfs)
}

/// The digest of the file `path`, where it is there and is not the locked one.
pub fn changed(pin: &ArchivePin, path: &Path) -> io::Result<Option<Digest>> {
    if !path.is_file() {
        return Ok(None);
    }
    let (found, _) = digest_of(path)?;
    Ok(Some(found).filter(|found| *found != pin.sha256))
}

fn mismatch(pin: &ArchivePin, found: Digest) -> ArchiveSourceError {
    let (name, expected) = (pin.name().to_owned(), pin.sha256);
    ArchiveSourceError::Mismatch { name, expected, found, locked: true, remote: false }
}

/// Copies the file into the store, so that what is checked is what is read.
fn copy(pin: &ArchivePin, path: &Path, context: &Context) -> Result<Blob, ArchiveSourceError> {
    let mut file = File::open(path).map_err(|source| ArchiveSourceError::read(pin.name(), source))?;
    let mut writer = context.store.begin()?;
    writer.copy(&mut file).map_err(|error| ArchiveSourceError::copy(pin.name(), error))?;
    writer.commit_expected(&pin.sha256).map_err(|error| match error {
        StoreError::Mismatch { found, .. } => mismatch(pin, found),
        other => other.into(),
    })
}

fn download(pin: &ArchivePin, context: &Context) -> Result<Blob, ArchiveSourceError> {
    let job = Job {
        what: pin.name().to_owned(),
        candidates: pin.url.iter().cloned().collect(),
        digest: pin.sha256,
        size: pin.size,
    };
    context.reporter.begin(Phase::Download, Some(pin.size), Unit::Bytes);
    let on_bytes = |bytes| context.reporter.advance(Phase::Download, bytes);
    let blob = context.http.download(&job, &context.store, &on_bytes)?;
    context.reporter.end(Phase::Download, &format!("{:.1} MB", blob.size as f64 / 1e6));
    Ok(blob)
}
