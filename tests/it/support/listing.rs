//! What a tar file holds, entry by entry, in a form that compares well.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;

use rootsmith::digest::Digest;

/// The entries of a root filesystem by their paths, which begin with no slash; the root itself is ``.
pub type Listing = BTreeMap<String, Entry>;

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub mode: u32,
    pub owner: (u64, u64),
    pub kind: Kind,
    /// Extended attributes, in the order of their names, values in hex.
    pub xattrs: BTreeMap<String, String>,
    pub mtime: u64,
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    Directory,
    File {
        digest: String,
        size: u64,
    },
    Symlink(String),
    /// The path that comes first of all that share the file.
    HardLink(String),
    Device(char, u32, u32),
    Fifo,
}

/// Reads a tar file to its end.
pub fn of_tar(reader: impl Read) -> Listing {
    let mut listing = Listing::new();
    let mut archive = tar::Archive::new(reader);
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut xattrs = BTreeMap::new();
        for extension in entry.pax_extensions().unwrap().into_iter().flatten() {
            let extension = extension.unwrap();
            if let Some(name) = extension.key().unwrap().strip_prefix("SCHILY.xattr.") {
                xattrs.insert(name.to_owned(), rootsmith::digest::to_hex(extension.value_bytes()));
            }
        }
        let path = plain(&String::from_utf8_lossy(&entry.path_bytes()));
        let target = entry.link_name_bytes().map(|target| String::from_utf8_lossy(&target).into_owned());
        let header = entry.header().clone();
        let device = |letter| {
            Kind::Device(letter, header.device_major().unwrap().unwrap(), header.device_minor().unwrap().unwrap())
        };
        let kind = match header.entry_type() {
            tar::EntryType::Directory => Kind::Directory,
            tar::EntryType::Symlink => Kind::Symlink(target.unwrap()),
            tar::EntryType::Link => Kind::HardLink(plain(&target.unwrap())),
            tar::EntryType::Char => device('c'),
            tar::EntryType::Block => device('b'),
            tar::EntryType::Fifo => Kind::Fifo,
            tar::EntryType::XGlobalHeader => continue,
            _ => {
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes).unwrap();
                Kind::File { digest: Digest::of(&bytes).hex(), size: bytes.len() as u64 }
            }
        };
        let owner = (header.uid().unwrap(), header.gid().unwrap());
        let (mode, mtime) = (header.mode().unwrap(), header.mtime().unwrap());
        let before = listing.insert(path.clone(), Entry { mode, owner, kind, xattrs, mtime });
        assert!(before.is_none(), "`{path}` is there twice");
    }
    lead_to_first(&mut listing);
    listing
}

/// Makes the name that comes first the one to which the others of a file lead, whatever the order of the tar.
fn lead_to_first(listing: &mut Listing) {
    let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (path, entry) in &*listing {
        if let Kind::HardLink(target) = &entry.kind {
            names.entry(target.clone()).or_default().push(path.clone());
        }
    }
    for (target, links) in names {
        let Some(first) = links.first().filter(|first| **first < target).cloned() else { continue };
        let Some(kind) = listing.get(&target).map(|entry| entry.kind.clone()) else { continue };
        for link in links.iter().chain([&target]) {
            listing.get_mut(link).expect("it is listed").kind = Kind::HardLink(first.clone());
        }
        listing.get_mut(&first).expect("it is listed").kind = kind;
    }
}

/// The listing as text, a line for each entry.
pub fn text(listing: &Listing) -> String {
    listing.iter().map(|(path, entry)| format!("/{path} {entry}\n")).collect()
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mode, owner: (uid, gid), kind, xattrs, mtime } = self;
        write!(f, "{mode:04o} {uid}:{gid} @{mtime} {kind}")?;
        xattrs.iter().try_for_each(|(name, value)| write!(f, " {name}={value}"))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory => f.write_str("directory"),
            Self::File { digest, size } => write!(f, "file {digest} {size}"),
            Self::Symlink(target) => write!(f, "symlink {target}"),
            Self::HardLink(target) => write!(f, "link /{target}"),
            Self::Device(letter, major, minor) => write!(f, "device {letter} {major}:{minor}"),
            Self::Fifo => f.write_str("fifo"),
        }
    }
}

/// A path without `./` before it and slashes around it.
fn plain(path: &str) -> String {
    let path = path.strip_prefix("./").unwrap_or(path).trim_matches('/');
    if path == "." { String::new() } else { path.to_owned() }
}
