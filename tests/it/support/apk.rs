//! Packages and signed repositories of apk, written from what tests say, and Alpine's own, put together again from its
//! minirootfs.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::OnceLock;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rootsmith::digest::{Digest, to_hex};
use sha1::Digest as _;

use super::raw_tar;

/// A package to be written.
#[derive(Clone)]
pub struct Apk {
    pub name: String,
    pub version: String,
    /// `.PKGINFO` besides name and version, in order.
    fields: Vec<(String, String)>,
    /// Kind, text, and time.
    scripts: Vec<(String, Vec<u8>, u64)>,
    entries: Vec<Entry>,
}

/// A file of a package.
#[derive(Clone)]
pub struct Entry {
    pub path: String,
    pub mode: u32,
    /// Numbers, and names where there are some.
    pub owner: (u64, u64),
    pub names: (String, String),
    pub mtime: u64,
    pub node: Node,
}

#[derive(Clone)]
pub enum Node {
    Directory,
    File(Vec<u8>),
    Symlink(String),
    HardLink(String),
    Device,
}

/// A written package.
pub struct Built {
    pub file_name: String,
    pub bytes: Vec<u8>,
    /// Its record in an index.
    pub record: String,
}

/// 2025-06-15, when test packages were built.
const TIME: u64 = 1_750_000_000;

/// The name of the key that signs test repositories.
pub const KEY: &str = "test@example.com-1.rsa.pub";

impl Apk {
    pub fn new(name: &str, version: &str) -> Self {
        let field = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            fields: vec![
                field("pkgdesc", &format!("{name}, for tests")),
                field("url", "https://example.com"),
                field("builddate", &TIME.to_string()),
                field("size", "4096"),
                field("arch", "x86_64"),
                field("origin", name),
                field("license", "MIT"),
            ],
            scripts: Vec::new(),
            entries: Vec::new(),
        }
    }

    /// Sets a field of `.PKGINFO`; `depend` and the like may be there several times.
    pub fn field(mut self, key: &str, value: &str) -> Self {
        if !matches!(key, "depend" | "provides" | "replaces" | "install_if" | "triggers") {
            self.fields.retain(|(known, _)| known != key);
        }
        self.fields.push((key.to_owned(), value.to_owned()));
        self
    }

    pub fn script(mut self, kind: &str, text: impl Into<Vec<u8>>) -> Self {
        self.scripts.push((kind.to_owned(), text.into(), TIME));
        self
    }

    pub fn directory(self, path: &str, mode: u32) -> Self {
        self.entry(path, mode, Node::Directory)
    }

    pub fn file(self, path: &str, mode: u32, bytes: impl Into<Vec<u8>>) -> Self {
        self.entry(path, mode, Node::File(bytes.into()))
    }

    pub fn symlink(self, path: &str, target: &str) -> Self {
        self.entry(path, 0o777, Node::Symlink(target.to_owned()))
    }

    pub fn entry(self, path: &str, mode: u32, node: Node) -> Self {
        let names = ("root".to_owned(), "root".to_owned());
        self.with(Entry { path: path.to_owned(), mode, owner: (0, 0), names, mtime: TIME, node })
    }

    pub fn with(mut self, entry: Entry) -> Self {
        self.entries.push(entry);
        self
    }

    pub fn build(&self) -> Built {
        let data = gzip(&tar(&self.with_parents(), true));
        let mut info = format!("# for tests\npkgname = {}\npkgver = {}\n", self.name, self.version);
        for (key, value) in &self.fields {
            info.push_str(&format!("{key} = {value}\n"));
        }
        info.push_str(&format!("datahash = {}\n", Digest::of(&data).hex()));
        let mut control = vec![plain(".PKGINFO", 0o644, info.into_bytes(), TIME)];
        control.extend(
            self.scripts.iter().map(|(kind, text, time)| plain(&format!(".{kind}"), 0o755, text.clone(), *time)),
        );
        let control = gzip(&tar(&control, false));
        let signature = signed(&control);
        let checksum = format!("Q1{}", STANDARD.encode(sha1::Sha1::digest(&control)));
        let bytes = [signature, control, data].concat();
        Built { file_name: self.file_name(), record: self.record(&checksum, bytes.len()), bytes }
    }

    pub fn file_name(&self) -> String {
        format!("{}-{}.apk", self.name, self.version)
    }

    fn record(&self, checksum: &str, size: usize) -> String {
        let list = |key: &str| {
            let values = self.fields.iter().filter(|(known, _)| known == key).map(|(_, value)| value.as_str());
            values.collect::<Vec<_>>().join(" ")
        };
        let mut record = format!("C:{checksum}\nP:{}\nV:{}\nS:{size}\n", self.name, self.version);
        let lines = [
            ('A', "arch"),
            ('I', "size"),
            ('T', "pkgdesc"),
            ('U', "url"),
            ('L', "license"),
            ('o', "origin"),
            ('m', "maintainer"),
            ('t', "builddate"),
            ('c', "commit"),
            ('D', "depend"),
            ('p', "provides"),
            ('i', "install_if"),
            ('k', "provider_priority"),
        ];
        for (letter, key) in lines {
            let value = list(key);
            if !value.is_empty() {
                record.push_str(&format!("{letter}:{value}\n"));
            }
        }
        record.push('\n');
        record
    }

    /// The entries with every directory above them that is not among them, sorted.
    fn with_parents(&self) -> Vec<Entry> {
        let mut all: BTreeMap<String, Entry> = BTreeMap::new();
        for entry in &self.entries {
            for (end, _) in entry.path.match_indices('/') {
                let names = ("root".to_owned(), "root".to_owned());
                let parent = entry.path[..end].to_owned();
                let directory = Entry {
                    path: parent.clone(),
                    mode: 0o755,
                    owner: (0, 0),
                    names,
                    mtime: TIME,
                    node: Node::Directory,
                };
                all.entry(parent).or_insert(directory);
            }
            all.insert(entry.path.clone(), entry.clone());
        }
        let (links, others): (Vec<_>, Vec<_>) =
            all.into_values().partition(|entry| matches!(entry.node, Node::HardLink(_)));
        others.into_iter().chain(links).collect()
    }
}

/// Writes a repository for an architecture into `folder`, signed by the test key, and the key beside it.
pub fn write(folder: &Path, architecture: &str, packages: &[Apk]) {
    let built: Vec<Built> = packages.iter().map(Apk::build).collect();
    let records: String = built.iter().map(|package| package.record.as_str()).collect();
    let place = folder.join(architecture);
    fs::create_dir_all(&place).unwrap();
    for package in &built {
        fs::write(place.join(&package.file_name), &package.bytes).unwrap();
    }
    write_index(folder, architecture, &records);
    fs::write(folder.join(KEY), public_key()).unwrap();
}

/// Writes the signed index of a repository.
pub fn write_index(folder: &Path, architecture: &str, records: &str) {
    let index = unsigned_index(records);
    fs::write(folder.join(architecture).join("APKINDEX.tar.gz"), [signed(&index), index].concat()).unwrap();
}

/// The bytes of an index without a signature.
pub fn unsigned_index(records: &str) -> Vec<u8> {
    let description = plain("DESCRIPTION", 0o644, b"for tests".to_vec(), TIME);
    gzip(&tar(&[description, plain("APKINDEX", 0o644, records.as_bytes().to_vec(), TIME)], true))
}

/// The test key's public half.
pub fn public_key() -> String {
    let der: PublicKeyX509Der<'_> = key().public_key().as_der().unwrap();
    let body = STANDARD.encode(der.as_ref());
    let lines = body.as_bytes().chunks(64).map(|line| format!("{}\n", String::from_utf8_lossy(line)));
    format!("-----BEGIN PUBLIC KEY-----\n{}-----END PUBLIC KEY-----\n", lines.collect::<String>())
}

/// The packages of a minirootfs, put together from its database and files, with the names of owners as its accounts have
/// them. Keys that nothing needs are left out.
pub fn of_minirootfs(archive: &Path) -> Vec<Apk> {
    let files = files(archive);
    let text = |path: &str| match &files[path].node {
        Node::File(bytes) => bytes.clone(),
        _ => panic!("{path} is no file"),
    };
    let mut scripts: Vec<(String, String, Vec<u8>, u64)> = Vec::new();
    let bytes = text("lib/apk/db/scripts.tar");
    for entry in tar::Archive::new(bytes.as_slice()).entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
        let (package, kind) = name.rsplit_once('.').unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        scripts.push((
            package.rsplit_once('.').unwrap().0.to_owned(),
            kind.to_owned(),
            bytes,
            entry.header().mtime().unwrap(),
        ));
    }
    let triggers = String::from_utf8(text("lib/apk/db/triggers")).unwrap();
    let installed = String::from_utf8(text("lib/apk/db/installed")).unwrap();
    installed.split_terminator("\n\n").map(|record| of_record(record, &files, &scripts, &triggers)).collect()
}

fn of_record(
    record: &str,
    files: &BTreeMap<String, Entry>,
    scripts: &[(String, String, Vec<u8>, u64)],
    triggers: &str,
) -> Apk {
    const KEYS: [(char, &str); 17] = [
        ('A', "arch"),
        ('I', "size"),
        ('T', "pkgdesc"),
        ('U', "url"),
        ('L', "license"),
        ('o', "origin"),
        ('m', "maintainer"),
        ('t', "builddate"),
        ('c', "commit"),
        ('k', "provider_priority"),
        ('q', "replaces_priority"),
        ('D', "depend"),
        ('p', "provides"),
        ('i', "install_if"),
        ('r', "replaces"),
        ('P', ""),
        ('V', ""),
    ];
    let value =
        |letter| record.lines().find_map(|line| line.strip_prefix(letter)?.strip_prefix(':')).unwrap_or_default();
    let mut package = Apk::new(value('P'), value('V'));
    package.fields.clear();
    for (letter, key) in KEYS.iter().filter(|(_, key)| !key.is_empty()) {
        let is_list = matches!(letter, 'D' | 'p' | 'i' | 'r');
        for value in value(*letter).split(|sign| is_list && sign == ' ').filter(|value| !value.is_empty()) {
            package.fields.push(((*key).to_owned(), value.to_owned()));
        }
    }
    let line = triggers.lines().find(|line| line.split(' ').next() == Some(value('C')));
    package.fields.extend(line.map(|line| ("triggers".to_owned(), line.split_once(' ').unwrap().1.to_owned())));
    let whose = format!("{}-{}", value('P'), value('V'));
    let of_package = scripts.iter().filter(|(name, ..)| *name == whose);
    package.scripts = of_package.map(|(_, kind, text, time)| (kind.clone(), text.clone(), *time)).collect();
    let mut folder = String::new();
    for line in record.lines() {
        if let Some(path) = line.strip_prefix("F:") {
            folder = path.to_owned();
            // The image's own folders were emptied or given other modes; the database has those of the package.
            let mut entry = files.get(path).cloned().unwrap_or_else(|| plain(path, 0o755, Vec::new(), TIME));
            (entry.path, entry.mode, entry.node) = (path.to_owned(), 0o755, Node::Directory);
            package.entries.extend(Some(entry).filter(|_| !path.is_empty()));
        } else if let Some(meta) = line.strip_prefix("M:") {
            let mode = meta.rsplit(':').next().unwrap();
            package.entries.last_mut().unwrap().mode = u32::from_str_radix(mode, 8).unwrap();
        } else if let Some(name) = line.strip_prefix("R:") {
            let path = format!("{folder}/{name}").trim_start_matches('/').to_owned();
            package.entries.push(files.get(&path).cloned().unwrap_or_else(|| panic!("{path} is in the minirootfs")));
        }
    }
    package
}

/// Everything in a compressed tar, by path.
pub fn files(archive: &Path) -> BTreeMap<String, Entry> {
    let mut files = BTreeMap::new();
    let reader = flate2::read::MultiGzDecoder::new(fs::File::open(archive).unwrap());
    for entry in tar::Archive::new(reader).entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
        let path = path.trim_start_matches("./").trim_end_matches('/').to_owned();
        let header = entry.header().clone();
        let target = || String::from_utf8(header.link_name_bytes().unwrap().into_owned()).unwrap();
        let node = match header.entry_type() {
            tar::EntryType::Directory => Node::Directory,
            tar::EntryType::Symlink => Node::Symlink(target()),
            tar::EntryType::Link => Node::HardLink(target().trim_start_matches("./").to_owned()),
            _ => {
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes).unwrap();
                Node::File(bytes)
            }
        };
        let name = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
        let entry = Entry {
            path: path.clone(),
            mode: header.mode().unwrap() & 0o7777,
            owner: (header.uid().unwrap(), header.gid().unwrap()),
            names: (name(header.username_bytes()), name(header.groupname_bytes())),
            mtime: header.mtime().unwrap(),
            node,
        };
        files.insert(path, entry);
    }
    files
}

fn plain(path: &str, mode: u32, bytes: Vec<u8>, mtime: u64) -> Entry {
    let names = ("root".to_owned(), "root".to_owned());
    Entry { path: path.to_owned(), mode, owner: (0, 0), names, mtime, node: Node::File(bytes) }
}

/// A tar as abuild makes it: of data, with sums in PAX headers and an end; of other sections, without both.
fn tar(entries: &[Entry], is_data: bool) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for entry in entries {
        let mut header = tar::Header::new_ustar();
        header.set_mode(entry.mode);
        header.set_mtime(entry.mtime);
        header.set_uid(entry.owner.0);
        header.set_gid(entry.owner.1);
        header.set_username(&entry.names.0).unwrap();
        header.set_groupname(&entry.names.1).unwrap();
        let (mut bytes, mut sum): (&[u8], Option<&[u8]>) = (&[], None);
        let kind = match &entry.node {
            Node::Directory => tar::EntryType::Directory,
            Node::File(content) => {
                (bytes, sum) = (content, Some(content.as_slice()));
                tar::EntryType::Regular
            }
            Node::Symlink(to) => {
                header.set_link_name_literal(to).unwrap();
                sum = Some(to.as_bytes());
                tar::EntryType::Symlink
            }
            Node::HardLink(to) => {
                header.set_link_name_literal(to).unwrap();
                tar::EntryType::Link
            }
            Node::Device => {
                header.set_device_major(1).unwrap();
                header.set_device_minor(3).unwrap();
                tar::EntryType::Char
            }
        };
        header.set_entry_type(kind);
        if let Some(sum) = sum.filter(|_| is_data) {
            let sum = to_hex(&sha1::Sha1::digest(sum));
            let body = raw_tar::body(&[("APK-TOOLS.checksum.SHA1", sum.as_bytes())]);
            let mut extended = header.clone();
            extended.set_entry_type(tar::EntryType::XHeader);
            extended.set_path("PaxHeaders").unwrap();
            extended.set_size(body.len() as u64);
            extended.set_cksum();
            builder.append(&extended, body.as_slice()).unwrap();
        }
        header.set_path(&entry.path).unwrap();
        header.set_size(bytes.len() as u64);
        header.set_cksum();
        builder.append(&header, bytes).unwrap();
    }
    let mut bytes = builder.into_inner().unwrap();
    if !is_data {
        bytes.truncate(bytes.len() - 1024);
    }
    bytes
}

/// The gzip member with the test key's signature over `bytes`.
fn signed(bytes: &[u8]) -> Vec<u8> {
    let mut signature = vec![0; key().public_modulus_len()];
    key().sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), bytes, &mut signature).unwrap();
    gzip(&tar(&[plain(&format!(".SIGN.RSA256.{KEY}"), 0o644, signature, TIME)], false))
}

fn key() -> &'static KeyPair {
    static KEY_PAIR: OnceLock<KeyPair> = OnceLock::new();
    KEY_PAIR.get_or_init(|| KeyPair::generate(KeySize::Rsa2048).unwrap())
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}
