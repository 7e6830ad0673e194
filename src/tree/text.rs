//! The text form of a tree: what tests compare and `diff` shows.

use std::collections::BTreeMap;
use std::io;

use super::path::escape;
use super::{Entry, InodeId, Node, Tree, TreePath};
use crate::digest::Digesting;

impl Tree {
    /// One line a path, in the tree's order:
    ///
    /// ```text
    /// 0755 0:0 dir /usr/bin
    /// 0755 0:0 file /usr/bin/busybox sha256:<hex> 841392
    /// 0755 0:0 link /usr/bin/ls -> /usr/bin/busybox
    /// 0777 0:0 symlink /bin -> usr/bin
    /// 0666 0:0 char /dev/null 1:3
    /// ```
    ///
    /// with ` mtime=<seconds>` where it is not 0 and ` <xattr>=<hex>` for each attribute at the end. Fails only where
    /// the content of a file cannot be read.
    pub fn to_text(&self) -> io::Result<String> {
        let mut text = String::new();
        let mut seen = BTreeMap::new();
        for entry in self.entries() {
            text.push_str(&line(entry, &mut seen)?);
            text.push('\n');
        }
        Ok(text)
    }
}

fn line<'a>(entry: Entry<'a>, seen: &mut BTreeMap<InodeId, &'a TreePath>) -> io::Result<String> {
    let meta = &entry.inode.meta;
    let path = entry.path;
    let what = match &entry.inode.node {
        Node::Directory => format!("dir {path}"),
        _ if seen.contains_key(&entry.id) => format!("link {path} -> {}", seen[&entry.id]),
        Node::File(content) => {
            let mut reader = Digesting::new(content.reader()?);
            io::copy(&mut reader, &mut io::sink())?;
            let (_, digest, size) = reader.finish();
            format!("file {path} {digest} {size}")
        }
        Node::Symlink(target) => format!("symlink {path} -> {}", escape(target)),
        Node::CharacterDevice { major, minor } => format!("char {path} {major}:{minor}"),
        Node::BlockDevice { major, minor } => format!("block {path} {major}:{minor}"),
        Node::Fifo => format!("fifo {path}"),
    };
    seen.entry(entry.id).or_insert(path);
    let mut line = format!("{:04o} {}:{} {what}", meta.mode, meta.uid, meta.gid);
    if meta.mtime != 0 {
        line.push_str(&format!(" mtime={}", meta.mtime));
    }
    for (name, value) in meta.xattrs.iter() {
        line.push_str(&format!(" {}={}", escape(name), crate::digest::to_hex(value)));
    }
    Ok(line)
}
