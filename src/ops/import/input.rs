//! Where an archive is, and that it stays as it is while it is read.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::context::Context;
use crate::digest::Digest;
use crate::error::Error;
use crate::source::archive::{ArchiveSourceError, digest_of, download};
use crate::store::Blob;

/// Where an archive is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImportInput {
    /// A file, or the folder of an OCI layout.
    Path(PathBuf),
    /// The standard input.
    Stream,
    /// An address of http, https or file.
    Url(String),
}

impl ImportInput {
    /// What it is called in messages; an address without what may be secret in it.
    pub fn name(&self) -> String {
        match self {
            Self::Path(path) => path.display().to_string(),
            Self::Stream => "-".to_owned(),
            Self::Url(url) => crate::http::without_secrets(url),
        }
    }
}

/// The archive as a file that can be read in any order.
pub(super) enum Found {
    /// The user's own: it is read in place.
    Own { path: PathBuf, then: Option<Metadata> },
    /// A copy in the store.
    Stored(Blob),
}

impl Found {
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Own { path, .. } => path,
            Self::Stored(blob) => &blob.path,
        }
    }

    /// Says no where somebody has written to the user's own file since it was found: contents of an uncompressed archive
    /// are read from it until the image is done.
    pub(super) fn check_unchanged(&self) -> Result<(), Error> {
        let Self::Own { path, then: Some(then) } = self else { return Ok(()) };
        let facts =
            |of: &Metadata| (of.dev(), of.ino(), of.size(), of.mtime(), of.mtime_nsec(), of.ctime(), of.ctime_nsec());
        match fs::metadata(path) {
            Ok(now) if facts(&now) == facts(then) => Ok(()),
            _ => Err(ArchiveSourceError::Changed(path.clone()).into()),
        }
    }
}

/// Finds the archive, and compares its digest where one is asked for. What is no plain file, a stream or something
/// elsewhere, is copied into the store first.
pub(super) fn find(
    input: &ImportInput,
    sha256: Option<Digest>,
    stream: &mut dyn Read,
    context: &Context,
) -> Result<Found, Error> {
    let name = input.name();
    let unreadable = |source| ArchiveSourceError::read(&name, source);
    let found = match input {
        ImportInput::Path(path) => {
            let then = fs::metadata(path).map_err(unreadable)?;
            if then.is_dir() {
                return match sha256 {
                    None => Ok(Found::Own { path: path.clone(), then: None }),
                    Some(_) => Err(unreadable(io::ErrorKind::IsADirectory.into()).into()),
                };
            }
            if then.is_file() {
                let found = Found::Own { path: path.clone(), then: Some(then) };
                if let Some(expected) = sha256 {
                    let (digest, _) = digest_of(path).map_err(unreadable)?;
                    compare(&name, expected, digest, false)?;
                }
                return Ok(found);
            }
            // A pipe, such as a shell makes of `<(...)`.
            spool(&mut File::open(path).map_err(unreadable)?, &name, context)?
        }
        ImportInput::Stream => spool(stream, &name, context)?,
        ImportInput::Url(url) => download(url, sha256, context)?,
    };
    if let Some(expected) = sha256 {
        compare(&name, expected, found.digest, matches!(input, ImportInput::Url(_)))?;
    }
    Ok(Found::Stored(found))
}

fn compare(name: &str, expected: Digest, found: Digest, remote: bool) -> Result<(), ArchiveSourceError> {
    if expected == found {
        return Ok(());
    }
    Err(ArchiveSourceError::Mismatch { name: name.to_owned(), expected, found, locked: false, remote })
}

/// Copies a stream into the store.
fn spool(stream: &mut (impl Read + ?Sized), name: &str, context: &Context) -> Result<Blob, Error> {
    let mut writer = context.store.begin()?;
    writer.copy(stream).map_err(|error| ArchiveSourceError::copy(name, error))?;
    Ok(writer.commit()?)
}
