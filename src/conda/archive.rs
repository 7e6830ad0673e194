//! Unpacking conda packages of both forms: `.tar.bz2`, and `.conda`, a zip of two tars
//! (<https://docs.conda.io/projects/conda/en/stable/user-guide/concepts/packages.html>).

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader};
use std::sync::Arc;

use zip::{CompressionMethod, ZipArchive};

use super::CondaError;
use crate::archive::{Item, Limits, What, decompress, read_tar_file};
use crate::digest::Digest;
use crate::store::{Blob, Store};
use crate::tree::{Content, Inode, Origin, TreePath};

/// The files of a package by their paths in it, those of `info/` included.
pub(super) type Files = BTreeMap<TreePath, Arc<Inode>>;

/// Unpacks `package`, which `title` names in messages. The uncompressed tars are kept in the store, and the next time
/// they are taken from there.
pub(super) fn unpack(package: &Blob, title: &str, store: &Store) -> Result<Files, CondaError> {
    let origin = Origin::Package(title.into());
    let mut files = Files::new();
    for tar in tars(package, title, store)? {
        read_tar_file(&tar.path, &origin, &Limits::default(), |item: Item| {
            match item.what {
                What::Inode(inode) => {
                    files.insert(item.path, inode);
                }
                What::HardLink(target) => {
                    let inode = files.get(&target).cloned();
                    let missing = || damaged(title, format!("`{}` is a link to nothing", item.path));
                    files.insert(item.path.clone(), inode.ok_or_else(missing)?);
                }
            }
            Ok::<_, CondaError>(())
        })?;
    }
    Ok(files)
}

fn tars(package: &Blob, title: &str, store: &Store) -> Result<Vec<Blob>, CondaError> {
    let key = Digest::of(format!("tars of a conda package {}", package.digest).as_bytes());
    if let Some(known) = store.recall(&key)? {
        let digests = String::from_utf8_lossy(&known).lines().filter_map(|line| line.parse().ok()).collect::<Vec<_>>();
        let blobs = digests.iter().map(|digest| store.verified(digest)).collect::<Result<Option<Vec<_>>, _>>()?;
        if let Some(blobs) = blobs.filter(|blobs| !blobs.is_empty()) {
            return Ok(blobs);
        }
    }
    let mut blobs = Vec::new();
    for content in compressed(package, title)? {
        let unreadable = |error: io::Error| damaged(title, error.to_string());
        let reader = content.reader().map_err(unreadable)?;
        let mut decoder = decompress(reader, &Limits::default()).map_err(unreadable)?;
        let mut writer = store.begin()?;
        io::copy(&mut decoder, &mut writer).map_err(unreadable)?;
        blobs.push(writer.commit()?);
    }
    let known: Vec<String> = blobs.iter().map(|blob| blob.digest.to_string()).collect();
    store.remember(&key, known.join("\n").as_bytes())?;
    Ok(blobs)
}

/// The compressed tars of a package, as pieces of its file.
fn compressed(package: &Blob, title: &str) -> Result<Vec<Content>, CondaError> {
    let whole = Content::Slice { path: package.path.clone(), offset: 0, size: package.size };
    let unreadable = |error: io::Error| damaged(title, error.to_string());
    let mut start = [0; 4];
    io::Read::read_exact(&mut whole.reader().map_err(unreadable)?, &mut start).map_err(unreadable)?;
    if start != *b"PK\x03\x04" {
        return Ok(vec![whole]);
    }
    let file = BufReader::new(File::open(&package.path).map_err(unreadable)?);
    let wrong = |error: zip::result::ZipError| damaged(title, error.to_string());
    let mut zip = ZipArchive::new(file).map_err(wrong)?;
    let mut pieces = Vec::new();
    for index in 0..zip.len() {
        let entry = zip.by_index_raw(index).map_err(wrong)?;
        let name = entry.name().map_err(wrong)?.into_owned();
        let is_tar = |kind: &str| name.starts_with(kind) && name.ends_with(".tar.zst");
        if !is_tar("pkg-") && !is_tar("info-") {
            continue;
        }
        let stored = entry.compression() == CompressionMethod::Stored && !entry.encrypted();
        let Some(offset) = entry.data_start().filter(|_| stored) else {
            return Err(damaged(title, format!("`{name}` in it is not stored plainly")));
        };
        pieces.push(Content::Slice { path: package.path.clone(), offset, size: entry.compressed_size() });
    }
    if pieces.len() != 2 {
        return Err(damaged(title, "it does not hold one `info-*.tar.zst` and one `pkg-*.tar.zst`".to_owned()));
    }
    Ok(pieces)
}

/// A package whose bytes cannot be used.
pub(super) fn damaged(title: &str, reason: String) -> CondaError {
    CondaError::Package { package: title.to_owned(), reason }
}
