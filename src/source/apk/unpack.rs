//! Unpacking a package: its data into the store, its entries into memory, every sum compared.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom, Write};

use sha1::Digest as _;

use super::error::ApkError;
use super::package_file::PackageFile;
use crate::archive::{self, Item, Limits, What};
use crate::digest::{Digest, Digesting, to_hex};
use crate::store::{Blob, Store};
use crate::tree::{Node, Origin, TreePath};

/// A SHA-1, as apk's database has one for each file.
pub(super) type Sum = [u8; 20];

/// A package, unpacked.
pub(super) struct Unpacked {
    /// What its control section says.
    pub(super) package: PackageFile,
    /// The checksum of its control section, `Q1...`.
    pub(super) checksum: String,
    /// The size of its file.
    pub(super) size: u64,
    /// The tag of the repository that it is from.
    pub(super) tag: Option<String>,
    /// Its files, in the order of the archive.
    pub(super) entries: Vec<Entry>,
}

/// A file of a package.
pub(super) struct Entry {
    /// Where it goes, and what it is.
    pub(super) item: Item,
    /// The sum of its content, or of the target of a symbolic link.
    pub(super) sum: Option<Sum>,
    /// The names of its owner and group; empty where there is none.
    pub(super) owner: (String, String),
}

/// What the headers of an archive say besides: the sum, and the names of owner and group.
type Remark = (Option<Sum>, (String, String));

impl Unpacked {
    pub(super) fn name(&self) -> &str {
        self.package.info.value("pkgname")
    }

    pub(super) fn version(&self) -> &str {
        self.package.info.value("pkgver")
    }
}

/// Unpacks the package in `blob`; `what` is for messages. Its data is compared with its control section's sum, and each
/// file with the sum in its header. The uncompressed data is kept in the store, and the next time it is taken from there.
pub(super) fn unpack(blob: &Blob, what: &str, store: &Store) -> Result<Unpacked, ApkError> {
    let package = PackageFile::read(&blob.path, what)?;
    let key = Digest::of(format!("checked data of {}", blob.digest).as_bytes());
    let remembered = store.recall(&key)?.and_then(|value| String::from_utf8(value).ok()?.parse().ok());
    let known = match remembered {
        Some(digest) => store.verified(&digest)?,
        None => None,
    };
    let is_checked = known.is_some();
    let data = match known {
        Some(data) => data,
        None => data_archive(blob, &package, what, store)?,
    };
    let origin = Origin::Package(package.info.value("pkgname").into());
    let mut items = Vec::new();
    archive::read_tar_file(&data.path, &origin, &Limits::default(), |item| {
        items.push(item);
        Ok::<_, ApkError>(())
    })?;
    let unread = |source| ApkError::Read { what: what.to_owned(), source };
    let remarks = remarks(&data.path).map_err(unread)?;
    if remarks.len() != items.len() {
        let problem = "its data can be read in two ways".to_owned();
        return Err(ApkError::Format { what: what.to_owned(), problem });
    }
    let mut entries = Vec::new();
    for (item, (sum, owner)) in items.into_iter().zip(remarks) {
        let sum = checked_sum(&item, sum, is_checked, what)?;
        entries.push(Entry { item, sum, owner });
    }
    if !is_checked {
        store.remember(&key, data.digest.to_string().as_bytes())?;
    }
    let checksum = package.checksum_like("Q1");
    Ok(Unpacked { package, checksum, size: blob.size, tag: None, entries })
}

/// Puts the uncompressed data of a package into the store.
fn data_archive(blob: &Blob, package: &PackageFile, what: &str, store: &Store) -> Result<Blob, ApkError> {
    let unread = |source| ApkError::Read { what: what.to_owned(), source };
    let mut file = File::open(&blob.path).map_err(unread)?;
    file.seek(SeekFrom::Start(package.data_start)).map_err(unread)?;
    let mut raw = Digesting::new(file);
    let mut writer = store.begin()?;
    let mut write = |bytes: &[u8]| writer.write_all(bytes).map_err(|source| store.cannot("write a blob", source));
    let mut data = archive::decompress(&mut raw, &Limits::default()).map_err(unread)?;
    let mut buffer = vec![0; 1 << 17];
    loop {
        match data.read(&mut buffer).map_err(unread)? {
            0 => break,
            count => write(&buffer[..count])?,
        }
    }
    drop(data);
    // Not every writer of packages ends the tar.
    write(&[0; 1024])?;
    let (expected, found) = (package.info.value("datahash").to_owned(), raw.finish().1.hex());
    if expected != found {
        let expected = if expected.is_empty() { "one in .PKGINFO".to_owned() } else { expected };
        return Err(ApkError::Mismatch { package: what.to_owned(), what: "the data hash", expected, found });
    }
    Ok(writer.commit()?)
}

/// Sums and owners' names, of each entry in its order.
fn remarks(path: &std::path::Path) -> std::io::Result<Vec<Remark>> {
    let mut remarks = Vec::new();
    let mut archive = tar::Archive::new(BufReader::with_capacity(1 << 13, File::open(path)?));
    for entry in archive.entries_with_seek()? {
        let mut entry = entry?;
        if entry.header().entry_type().is_pax_global_extensions() {
            continue;
        }
        let name = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
        let mut owner = (name(entry.header().username_bytes()), name(entry.header().groupname_bytes()));
        let mut sum = None;
        for record in entry.pax_extensions()?.into_iter().flatten() {
            let record = record?;
            let value = record.value_bytes();
            match record.key_bytes() {
                b"APK-TOOLS.checksum.SHA1" => sum = parse_sum(value),
                b"uname" => owner.0 = name(Some(value)),
                b"gname" => owner.1 = name(Some(value)),
                _ => {}
            }
        }
        remarks.push((sum, owner));
    }
    Ok(remarks)
}

/// A sum in hex, or as melange once wrote it in base64 behind `Q1`.
fn parse_sum(value: &[u8]) -> Option<Sum> {
    use base64::Engine;
    if let Some(base64) = value.strip_prefix(b"Q1") {
        return base64::engine::general_purpose::STANDARD.decode(base64).ok()?.try_into().ok();
    }
    let text = std::str::from_utf8(value).ok().filter(|text| text.len() == 40 && text.is_ascii())?;
    let bytes = (0..40).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok());
    bytes.collect::<Option<Vec<u8>>>()?.try_into().ok()
}

/// The sum of a file or link, compared with the one in its header; of what was compared before, the header's is taken.
fn checked_sum(item: &Item, said: Option<Sum>, is_checked: bool, what: &str) -> Result<Option<Sum>, ApkError> {
    let What::Inode(inode) = &item.what else { return Ok(None) };
    let found: Sum = match &inode.node {
        Node::Symlink(target) => sha1::Sha1::digest(target).into(),
        Node::File(_) if is_checked && said.is_some() => return Ok(said),
        Node::File(content) => {
            let unread = |source| ApkError::Read { what: format!("{what}: {}", item.path), source };
            let (mut reader, mut sum) = (content.reader().map_err(unread)?, sha1::Sha1::new());
            let mut buffer = vec![0; 1 << 16];
            loop {
                match reader.read(&mut buffer).map_err(unread)? {
                    0 => break sum.finalize().into(),
                    count => sum.update(&buffer[..count]),
                }
            }
        }
        Node::Directory => return Ok(None),
        Node::CharacterDevice { .. } | Node::BlockDevice { .. } => return Err(special(what, "device", &item.path)),
        Node::Fifo => return Err(special(what, "named pipe", &item.path)),
    };
    match said {
        Some(said) if said != found => Err(ApkError::Mismatch {
            package: format!("{what}: {}", item.path),
            what: "the content checksum",
            expected: to_hex(&said),
            found: to_hex(&found),
        }),
        _ => Ok(Some(found)),
    }
}

fn special(package: &str, what: &'static str, path: &TreePath) -> ApkError {
    ApkError::Special { package: package.to_owned(), what, path: path.clone() }
}
