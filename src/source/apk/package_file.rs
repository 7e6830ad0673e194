//! Files in apk's format, version 2: gzip members in a row, each a piece of a tar (apk-package(5)).
//!
//! A package is a signature, a control section and its data; an index is a signature and the rest. Tar ends where the last
//! member does.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::bufread::GzDecoder;
use sha1::Digest as _;

use super::error::ApkError;
use super::keys::{Keyring, Signature};
use crate::archive::{self, Limits};
use crate::digest::Digest;

/// Signatures and control sections are at most this large, uncompressed (linux-firmware's control section has 2 MB).
const SECTION_LIMIT: u64 = 64 << 20;

/// Indexes are at most this large, uncompressed (that of Alpine edge's community has 8 MB).
const INDEX_LIMIT: u64 = 1 << 30;

/// The beginning of apk 3's own format.
const ADB: &[u8] = b"ADB";

/// What a package says about itself, and where its data is.
#[derive(Clone, Debug)]
pub struct PackageFile {
    /// Its `.PKGINFO`.
    pub info: PackageInfo,
    /// Its scripts, in the order of the file.
    pub scripts: Vec<Script>,
    /// Where its data begins.
    pub data_start: u64,
    control: Vec<u8>,
}

/// `.PKGINFO`: keys and values, keys more than once.
#[derive(Clone, Debug, Default)]
pub struct PackageInfo(Vec<(String, String)>);

/// A script of a package.
#[derive(Clone, Debug)]
pub struct Script {
    /// When it runs: `pre-install`, `post-install`, `trigger`, ...
    pub kind: String,
    /// When it was made, in seconds since 1970.
    pub mtime: i64,
    /// Its text.
    pub bytes: Vec<u8>,
}

/// The kinds of scripts that apk knows.
const SCRIPTS: [&str; 7] =
    ["pre-install", "post-install", "pre-deinstall", "post-deinstall", "pre-upgrade", "post-upgrade", "trigger"];

impl PackageFile {
    /// Reads the package at `path`; `what` is for messages.
    pub fn read(path: &Path, what: &str) -> Result<Self, ApkError> {
        let unread = |source| ApkError::Read { what: what.to_owned(), source };
        let mut file = BufReader::with_capacity(1 << 16, File::open(path).map_err(unread)?);
        refuse_adb(file.fill_buf().map_err(unread)?, what)?;
        let mut start = 0;
        let mut section = member(&mut file).map_err(unread)?;
        if !signatures(&section, what)?.is_empty() {
            start = file.stream_position().map_err(unread)?;
            section = member(&mut file).map_err(unread)?;
        }
        let data_start = file.stream_position().map_err(unread)?;
        file.seek(SeekFrom::Start(start)).map_err(unread)?;
        let mut control = Vec::new();
        file.take(data_start - start).read_to_end(&mut control).map_err(unread)?;
        let mut package = Self { info: PackageInfo::default(), scripts: Vec::new(), data_start, control };
        let mut has_info = false;
        for (name, mtime, bytes) in entries(&section, what)? {
            if name == ".PKGINFO" {
                package.info = PackageInfo::parse(&String::from_utf8_lossy(&bytes));
                has_info = true;
            } else if let Some(kind) = name.strip_prefix('.').filter(|kind| SCRIPTS.contains(kind)) {
                package.scripts.push(Script { kind: kind.to_owned(), mtime, bytes });
            }
        }
        if !has_info {
            return Err(ApkError::Format { what: what.to_owned(), problem: "it has no .PKGINFO".to_owned() });
        }
        Ok(package)
    }

    /// The checksum of its control section in the form of another: `Q1` is SHA-1, `Q2` SHA-256, both in base64.
    pub fn checksum_like(&self, other: &str) -> String {
        if other.starts_with("Q2") {
            return format!("Q2{}", STANDARD.encode(raw(Digest::of(&self.control))));
        }
        format!("Q1{}", STANDARD.encode(sha1::Sha1::digest(&self.control)))
    }

    /// Says no where the package is not the one that an index speaks of.
    pub fn check(&self, what: &str, checksum: &str) -> Result<(), ApkError> {
        let found = self.checksum_like(checksum);
        if found == checksum {
            return Ok(());
        }
        let (what, expected) = (what.to_owned(), checksum.to_owned());
        Err(ApkError::Mismatch { package: what, what: "the control checksum", expected, found })
    }

    /// Says no where the package calls itself otherwise than the index or lock does.
    pub fn check_name(&self, path: &str, name: &str, version: &str) -> Result<(), ApkError> {
        let found = (self.info.value("pkgname"), self.info.value("pkgver"));
        if found == (name, version) {
            return Ok(());
        }
        Err(ApkError::OtherPackage {
            expected: format!("{name} {version}"),
            found: format!("{} {}", found.0, found.1),
            path: path.to_owned(),
        })
    }

    /// A script of some kind.
    pub fn script(&self, kind: &str) -> Option<&Script> {
        self.scripts.iter().find(|script| script.kind == kind)
    }
}

impl PackageInfo {
    /// Reads its text; lines that are no `key = value` are comments.
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let pairs = lines.filter_map(|line| line.split_once('=')).map(|(key, value)| (key.trim(), value.trim()));
        Self(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
    }

    /// The value of a key; empty where it is not there.
    pub fn value(&self, key: &str) -> &str {
        self.0.iter().find(|(known, _)| known == key).map_or("", |(_, value)| value)
    }

    /// All values of a key.
    pub fn values<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == key).map(|(_, value)| value.as_str())
    }

    /// All values of a key, separated by spaces, as indexes have them.
    pub fn list(&self, key: &str) -> String {
        self.values(key).filter(|value| !value.is_empty()).collect::<Vec<_>>().join(" ")
    }
}

/// The text of an index, and the key that signed it. Without a keyring, signatures are not looked at.
pub fn open_index(bytes: &[u8], keyring: Option<&Keyring>, what: &str) -> Result<(String, Option<String>), ApkError> {
    let unread = |source| ApkError::Read { what: what.to_owned(), source };
    refuse_adb(bytes, what)?;
    let mut rest = bytes;
    let first = member(&mut rest).map_err(unread)?;
    let found = signatures(&first, what)?;
    if found.is_empty() {
        rest = bytes;
    }
    let signed_by = match keyring {
        None => None,
        Some(keyring) => Some(signer(&found, rest, keyring, what)?),
    };
    let limits = Limits { bytes: INDEX_LIMIT, ..Limits::default() };
    let mut tar = Vec::new();
    archive::decompress(rest, &limits).and_then(|mut tape| tape.read_to_end(&mut tar)).map_err(unread)?;
    for (name, _, bytes) in entries(&tar, what)? {
        if name == "APKINDEX" {
            let not_text = |_| ApkError::Format { what: what.to_owned(), problem: "it is not UTF-8 text".to_owned() };
            return Ok((String::from_utf8(bytes).map_err(not_text)?, signed_by));
        }
    }
    Err(ApkError::Format { what: what.to_owned(), problem: "there is no APKINDEX in it".to_owned() })
}

/// The key whose signature is right. One is enough.
fn signer(signatures: &[Signature], signed: &[u8], keyring: &Keyring, what: &str) -> Result<String, ApkError> {
    let what = what.to_owned();
    if signatures.is_empty() {
        return Err(ApkError::Unsigned { what });
    }
    let known = |signature: &&Signature| signature.is_known() && keyring.key(&signature.key).is_some();
    let usable: Vec<&Signature> = signatures.iter().filter(known).collect();
    let names = |signatures: &mut dyn Iterator<Item = &Signature>| {
        signatures.map(|signature| signature.key.clone()).collect::<Vec<_>>()
    };
    if usable.is_empty() {
        return Err(ApkError::UnknownKey { what, signers: names(&mut signatures.iter()) });
    }
    let right =
        |signature: &&&Signature| keyring.key(&signature.key).is_some_and(|key| key.verifies(signature, signed));
    match usable.iter().find(right) {
        Some(signature) => Ok(signature.key.clone()),
        None => Err(ApkError::WrongSignature { what, signers: names(&mut usable.into_iter()) }),
    }
}

/// The next gzip member, uncompressed. The reader is then at the first byte behind it.
fn member(reader: &mut impl BufRead) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    GzDecoder::new(reader).take(SECTION_LIMIT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > SECTION_LIMIT {
        return Err(std::io::Error::other(format!("its control section has more than {SECTION_LIMIT} bytes")));
    }
    Ok(bytes)
}

/// The signatures in the first member of a file; none where it is something else.
fn signatures(section: &[u8], what: &str) -> Result<Vec<Signature>, ApkError> {
    let unread = |source| ApkError::Read { what: what.to_owned(), source };
    let mut archive = tar::Archive::new(section);
    let first = archive.entries().map_err(unread)?.next().transpose().map_err(unread)?;
    if !first.is_some_and(|entry| entry.path_bytes().starts_with(b".SIGN.")) {
        return Ok(Vec::new());
    }
    let entries = entries(section, what)?.into_iter();
    Ok(entries.filter_map(|(name, _, bytes)| Signature::of_entry(&name, bytes)).collect())
}

/// Names, times and contents of the files in a small tar.
fn entries(tar: &[u8], what: &str) -> Result<Vec<(String, i64, Vec<u8>)>, ApkError> {
    let unread = |source| ApkError::Read { what: what.to_owned(), source };
    let mut entries = Vec::new();
    for entry in tar::Archive::new(tar).entries().map_err(unread)? {
        let mut entry = entry.map_err(unread)?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let mtime = entry.header().mtime().map_err(unread)?;
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(unread)?;
        entries.push((name, i64::try_from(mtime).unwrap_or_default(), bytes));
    }
    Ok(entries)
}

fn refuse_adb(start: &[u8], what: &str) -> Result<(), ApkError> {
    if !start.starts_with(ADB) {
        return Ok(());
    }
    let problem =
        "it is in the format of apk 3 (ADB), and this version reads that of apk 2, which repositories still have";
    Err(ApkError::Format { what: what.to_owned(), problem: problem.to_owned() })
}

fn raw(digest: Digest) -> Vec<u8> {
    let hex = digest.hex();
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("a digest is hex");
    (0..hex.len()).step_by(2).map(byte).collect()
}
