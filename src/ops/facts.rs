//! What there is to know of one path of a tree, as `diff` and `explain` show it.

use std::collections::BTreeMap;
use std::fmt;
use std::io;

use serde::Serialize;

use crate::digest::{Digest, Digesting};
use crate::tree::{Content, Inode, Node, escape};

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileFacts {
    /// `file`, `directory`, `symlink`, `character-device`, `block-device` or `fifo`.
    pub kind: &'static str,
    /// Permission, setuid, setgid and sticky bits in four octal digits.
    pub mode: String,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// Bytes of a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// The digest of a file's bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// Where a symbolic link leads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// A device's numbers: `1:3`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Modification time in seconds since 1970.
    pub mtime: i64,
    /// Extended attributes, their values in hexadecimal.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
}

impl FileFacts {
    /// Those of `inode`. Reads a file's content.
    pub fn of(inode: &Inode) -> io::Result<Self> {
        let meta = &inode.meta;
        let content = inode.content();
        let attribute = |(name, value): (&[u8], &[u8])| (escape(name), crate::digest::to_hex(value));
        Ok(Self {
            kind: kind(&inode.node),
            mode: format!("{:04o}", meta.mode),
            uid: meta.uid,
            gid: meta.gid,
            size: content.map(Content::size),
            digest: content.map(digest).transpose()?,
            target: inode.symlink_target().map(escape),
            device: match inode.node {
                Node::CharacterDevice { major, minor } | Node::BlockDevice { major, minor } => {
                    Some(format!("{major}:{minor}"))
                }
                _ => None,
            },
            mtime: meta.mtime,
            attributes: meta.xattrs.iter().map(attribute).collect(),
        })
    }
}

impl fmt::Display for FileFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}:{}", self.kind, self.mode, self.uid, self.gid)?;
        if let Some(size) = self.size {
            write!(f, ", {}", bytes(size))?;
        }
        if let Some(target) = &self.target {
            write!(f, ", to {target}")?;
        }
        if let Some(device) = &self.device {
            write!(f, ", {device}")?;
        }
        Ok(())
    }
}

/// The kind of a node in a word.
pub(super) fn kind(node: &Node) -> &'static str {
    match node {
        Node::Directory => "directory",
        Node::File(_) => "file",
        Node::Symlink(_) => "symlink",
        Node::CharacterDevice { .. } => "character-device",
        Node::BlockDevice { .. } => "block-device",
        Node::Fifo => "fifo",
    }
}

/// Bytes in decimal units.
pub(super) fn bytes(count: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    match UNITS.into_iter().find(|(unit, _)| count >= *unit) {
        Some((unit, name)) => {
            let tenths = count / (unit / 10);
            format!("{}.{} {name}", tenths / 10, tenths % 10)
        }
        None => format!("{count} B"),
    }
}

fn digest(content: &Content) -> io::Result<Digest> {
    let mut reader = Digesting::new(content.reader()?);
    io::copy(&mut reader, &mut io::sink())?;
    Ok(reader.finish().1)
}
