//! Writes .debs: the same bytes on every machine and day.

use std::io::Write;

use rootsmith::digest::Digest;

/// The seconds that every file and archive member of a written .deb has. Some time of the year 2025.
pub const TIME: u64 = 1_750_000_000;

/// How the two tar files of a .deb are compressed.
#[derive(Clone, Copy, Debug)]
pub enum Packing {
    /// `.tar.gz`
    Gzip,
    /// `.tar.xz`
    Xz,
    /// `.tar.zst`, as Ubuntu has it.
    Zstd,
}

/// A package in the making.
#[derive(Clone)]
pub struct Package {
    pub name: String,
    pub version: String,
    /// All fields of the control file but `Package` and `Version`.
    pub fields: Vec<(String, String)>,
    /// Files of the control archive but for `control`.
    pub control: Vec<(String, u32, Vec<u8>)>,
    pub entries: Vec<Entry>,
    pub packing: Packing,
}

/// A file, directory or link that a package ships.
#[derive(Clone)]
pub struct Entry {
    pub path: String,
    pub mode: u32,
    pub owner: (u64, u64),
    pub node: Node,
}

/// What an entry is.
#[derive(Clone)]
pub enum Node {
    Directory,
    File(Vec<u8>),
    Symlink(String),
    HardLink(String),
    Fifo,
}

/// A finished .deb.
pub struct Deb {
    /// The name of its file: `base-files_1_amd64.deb`.
    pub file_name: String,
    /// Its control file.
    pub control: String,
    pub bytes: Vec<u8>,
}

impl Package {
    /// A package for amd64 with nothing in it.
    pub fn new(name: &str, version: &str) -> Self {
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            fields: vec![
                field("Architecture", "amd64"),
                field("Maintainer", "Nobody <nobody@archive.example>"),
                field("Installed-Size", "64"),
                field("Priority", "optional"),
                field("Section", "misc"),
                field("Description", &format!("{name}, for tests\n A package of the test archive.")),
            ],
            control: Vec::new(),
            entries: Vec::new(),
            packing: Packing::Xz,
        }
    }

    /// Sets a field of the control file.
    pub fn field(mut self, name: &str, value: &str) -> Self {
        match self.fields.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value.to_owned(),
            None => self.fields.push((name.to_owned(), value.to_owned())),
        }
        self
    }

    /// Adds a maintainer script.
    pub fn script(self, name: &str, text: &str) -> Self {
        self.control_file(name, 0o755, text)
    }

    /// Adds a file to the control archive.
    pub fn control_file(mut self, name: &str, mode: u32, text: &str) -> Self {
        self.control.push((name.to_owned(), mode, text.as_bytes().to_vec()));
        self
    }

    pub fn packed(mut self, packing: Packing) -> Self {
        self.packing = packing;
        self
    }

    pub fn directory(self, path: &str, mode: u32) -> Self {
        self.entry(path, mode, (0, 0), Node::Directory)
    }

    pub fn file(self, path: &str, mode: u32, bytes: impl Into<Vec<u8>>) -> Self {
        self.entry(path, mode, (0, 0), Node::File(bytes.into()))
    }

    pub fn symlink(self, path: &str, target: &str) -> Self {
        self.entry(path, 0o777, (0, 0), Node::Symlink(target.to_owned()))
    }

    pub fn entry(mut self, path: &str, mode: u32, owner: (u64, u64), node: Node) -> Self {
        self.entries.push(Entry { path: path.to_owned(), mode, owner, node });
        self
    }

    /// Writes the .deb (deb(5)).
    pub fn build(&self) -> Deb {
        let architecture = self.fields.iter().find(|(name, _)| name == "Architecture").map(|(_, value)| value.as_str());
        let mut control = format!("Package: {}\nVersion: {}\n", self.name, self.version);
        for (name, value) in &self.fields {
            control.push_str(&format!("{name}: {value}\n"));
        }
        let mut members = vec![Entry::file("control", 0o644, control.clone().into_bytes())];
        members.extend(self.control.iter().map(|(name, mode, bytes)| Entry::file(name, *mode, bytes.clone())));
        let (suffix, control_tar) = self.packing.compress(&tar(&members));
        let (_, data_tar) = self.packing.compress(&tar(&self.with_parents()));
        let mut bytes = b"!<arch>\n".to_vec();
        append_member(&mut bytes, "debian-binary", b"2.0\n");
        append_member(&mut bytes, &format!("control.tar.{suffix}"), &control_tar);
        append_member(&mut bytes, &format!("data.tar.{suffix}"), &data_tar);
        let file_name = format!("{}_{}_{}.deb", self.name, self.version, architecture.unwrap_or("all"));
        Deb { file_name, control, bytes }
    }

    /// The entries with every directory above them that is not among them, as dpkg-deb has it.
    fn with_parents(&self) -> Vec<Entry> {
        let mut all: Vec<Entry> = Vec::new();
        for entry in &self.entries {
            for (end, _) in entry.path.match_indices('/') {
                let parent = &entry.path[..end];
                let known = self.entries.iter().chain(&all).any(|entry| entry.path == parent);
                if !known {
                    all.push(Entry { path: parent.into(), mode: 0o755, owner: (0, 0), node: Node::Directory });
                }
            }
            all.push(entry.clone());
        }
        all.sort_by(|a, b| a.path.cmp(&b.path));
        let links = all.extract_if(.., |entry| matches!(entry.node, Node::HardLink(_))).collect::<Vec<_>>();
        all.extend(links);
        all
    }
}

impl Entry {
    fn file(path: &str, mode: u32, bytes: Vec<u8>) -> Self {
        Self { path: path.to_owned(), mode, owner: (0, 0), node: Node::File(bytes) }
    }
}

impl Packing {
    fn compress(self, bytes: &[u8]) -> (&'static str, Vec<u8>) {
        match self {
            Self::Gzip => {
                let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
                writer.write_all(bytes).unwrap();
                ("gz", writer.finish().unwrap())
            }
            Self::Xz => ("xz", xz(bytes)),
            Self::Zstd => ("zst", zstd::encode_all(bytes, 3).unwrap()),
        }
    }
}

/// Compresses as `xz` does.
pub fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut writer = liblzma::write::XzEncoder::new(Vec::new(), 6);
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

impl Deb {
    /// The digest of the .deb.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.bytes)
    }
}

/// A tar file as dpkg-deb makes it: names that begin with `./`, GNU's long names.
fn tar(entries: &[Entry]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let root = Entry { path: String::new(), mode: 0o755, owner: (0, 0), node: Node::Directory };
    for entry in std::iter::once(&root).chain(entries) {
        let mut header = tar::Header::new_gnu();
        header.set_mode(entry.mode);
        header.set_mtime(TIME);
        header.set_uid(entry.owner.0);
        header.set_gid(entry.owner.1);
        header.set_size(0);
        let mut path = format!("./{}", entry.path);
        let mut target = String::new();
        let mut bytes: &[u8] = &[];
        header.set_entry_type(match &entry.node {
            Node::Directory => {
                path = format!("{}/", path.trim_end_matches('/'));
                tar::EntryType::Directory
            }
            Node::File(content) => {
                bytes = content;
                tar::EntryType::Regular
            }
            Node::Symlink(to) => {
                target.clone_from(to);
                tar::EntryType::Symlink
            }
            Node::HardLink(to) => {
                target = format!("./{to}");
                tar::EntryType::Link
            }
            Node::Fifo => tar::EntryType::Fifo,
        });
        header.set_size(bytes.len() as u64);
        for (letter, text, field) in [('L', &path, 0..100), ('K', &target, 157..257)] {
            if text.len() > field.len() {
                append_long(&mut builder, letter, text);
            }
            let text = &text.as_bytes()[..text.len().min(field.len())];
            header.as_mut_bytes()[field][..text.len()].copy_from_slice(text);
        }
        header.set_cksum();
        builder.append(&header, bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

/// A name that is too long for the header it goes before. `tar`'s own way of writing them drops the `./`.
fn append_long(builder: &mut tar::Builder<Vec<u8>>, letter: char, text: &str) {
    let mut header = tar::Header::new_gnu();
    header.as_mut_bytes()[..13].copy_from_slice(b"././@LongLink");
    header.set_entry_type(tar::EntryType::new(letter as u8));
    header.set_mode(0o644);
    header.set_size(text.len() as u64 + 1);
    header.set_cksum();
    builder.append(&header, [text.as_bytes(), b"\0"].concat().as_slice()).unwrap();
}

/// A member of an ar archive (ar(5)).
pub fn append_member(archive: &mut Vec<u8>, name: &str, bytes: &[u8]) {
    append_member_of_size(archive, name, &bytes.len().to_string(), bytes);
}

/// A member whose header says that it has this size.
pub fn append_member_of_size(archive: &mut Vec<u8>, name: &str, size: &str, bytes: &[u8]) {
    archive.extend(format!("{name:<16}{TIME:<12}{:<6}{:<6}{:<8}{size:<10}`\n", 0, 0, "100644").into_bytes());
    archive.extend(bytes);
    if bytes.len() % 2 == 1 {
        archive.push(b'\n');
    }
}
