//! From the place of an archive to its digest.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::ArchiveSourceError;
use crate::archive::Limits;
use crate::context::Context;
use crate::digest::{Digest, Digesting};
use crate::lock::ArchivePin;
use crate::platform::Platform;
use crate::recipe::{ArchivePlace, ArchiveRequest};
use crate::report::{Phase, Unit};
use crate::store::Blob;

/// What to resolve.
pub struct Resolve<'a> {
    /// What the recipe asks for.
    pub request: &'a ArchiveRequest,
    /// For which platform; the request has an archive for it.
    pub platform: Platform,
    /// The recipe's folder: paths in the lock are relative to it.
    pub folder: &'a Path,
}

/// Finds out which bytes the archive has now. One that the recipe names by digest, and that the store has, is not fetched;
/// any other at an address is, because its digest is not known before.
pub fn resolve(what: &Resolve<'_>, context: &Context) -> Result<ArchivePin, ArchiveSourceError> {
    let input = what.request.input(what.platform).expect("a recipe has an archive for each of its platforms");
    let name = input.place.name(what.folder);
    let (path, url, found, size) = match &input.place {
        ArchivePlace::Path(path) => {
            let (digest, size) = digest_of(path).map_err(|source| ArchiveSourceError::read(&name, source))?;
            (Some(name.clone()), None, digest, size)
        }
        ArchivePlace::Url(url) => {
            let blob = download(url.as_str(), input.sha256, context)?;
            (None, Some(name.clone()), blob.digest, blob.size)
        }
    };
    if let Some(expected) = input.sha256.filter(|expected| *expected != found) {
        let remote = url.is_some();
        return Err(ArchiveSourceError::Mismatch { name, expected, found, locked: false, remote });
    }
    Ok(ArchivePin {
        platform: what.platform,
        path,
        url,
        sha256: found,
        size,
        strip_components: what.request.strip_components,
        tag: what.request.tag.clone(),
    })
}

/// What is at `url`, put into the store. Where its digest is known and the store has it, nothing is downloaded; that what
/// comes has this digest is for the caller to look at.
pub fn download(url: &str, known: Option<Digest>, context: &Context) -> Result<Blob, ArchiveSourceError> {
    if let Some(digest) = known
        && let Some(blob) = context.store.verified(&digest)?
    {
        return Ok(blob);
    }
    context.reporter.begin(Phase::Download, None, Unit::Bytes);
    let on_bytes = |bytes| context.reporter.advance(Phase::Download, bytes);
    let blob = context.http.download_unknown(url, Limits::default().bytes, &context.store, &on_bytes)?;
    context.reporter.end(Phase::Download, &format!("{:.1} MB", blob.size as f64 / 1e6));
    Ok(blob)
}

/// Digest and size of a file.
pub fn digest_of(path: &Path) -> io::Result<(Digest, u64)> {
    let mut file = Digesting::new(File::open(path)?);
    let mut buffer = vec![0; 256 * 1024];
    while file.read(&mut buffer)? > 0 {}
    let (_, digest, size) = file.finish();
    Ok((digest, size))
}
