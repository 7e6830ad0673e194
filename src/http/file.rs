//! Mirrors that are folders of this machine.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use crate::http::partial::Progress;
use crate::http::{HttpError, Job};
use crate::store::Partial;

/// The bytes of a file of at most `limit` bytes.
pub(super) fn bytes(path: &Path, limit: u64) -> Result<Vec<u8>, HttpError> {
    let mut bytes = Vec::new();
    let file = open(path)?;
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(|source| unreadable(path, source))?;
    if bytes.len() as u64 > limit {
        return Err(HttpError::TooLong { url: path.display().to_string(), limit });
    }
    Ok(bytes)
}

/// Copies a file into the store. It is copied and not linked: what is in the store must not change with the original.
pub(super) fn receive(
    path: &Path,
    partial: &mut Partial,
    job: &Job,
    progress: &mut Progress<'_>,
) -> Result<(), HttpError> {
    let file = open(path)?;
    partial.restart()?;
    chunks(file, path, |chunk| {
        if partial.size() + chunk.len() as u64 > job.size {
            partial.restart()?;
            return Err(HttpError::TooLong { url: path.display().to_string(), limit: job.size });
        }
        partial.append(chunk)?;
        progress.at(partial.size());
        Ok(())
    })
}

/// Gives the bytes of a file to `each`, piece by piece.
pub(super) fn each_chunk(path: &Path, each: impl FnMut(&[u8]) -> Result<(), HttpError>) -> Result<(), HttpError> {
    chunks(open(path)?, path, each)
}

fn chunks(mut file: File, path: &Path, mut each: impl FnMut(&[u8]) -> Result<(), HttpError>) -> Result<(), HttpError> {
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let count = match file.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(source) => return Err(unreadable(path, source)),
        };
        each(&buffer[..count])?;
    }
}

fn open(path: &Path) -> Result<File, HttpError> {
    let file = File::open(path).map_err(|source| match source.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => HttpError::Absent { url: path.display().to_string() },
        _ => unreadable(path, source),
    })?;
    let is_file = file.metadata().is_ok_and(|metadata| metadata.is_file());
    if is_file { Ok(file) } else { Err(unreadable(path, ErrorKind::IsADirectory.into())) }
}

fn unreadable(path: &Path, source: std::io::Error) -> HttpError {
    HttpError::File { path: path.to_owned(), source }
}
