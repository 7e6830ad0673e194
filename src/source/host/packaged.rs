//! Which files came with packages, and with which bytes: what everybody has is no secret, and a program that no package
//! brought is worth a look.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use md5::{Digest as _, Md5};

use crate::digest::to_hex;
use crate::tree::{Content, Tree, TreePath};

/// What the package databases of a tree say of its files.
#[derive(Debug, Default)]
pub(super) struct Packaged {
    /// Paths of packages; nothing where there is no database that lists them.
    paths: BTreeSet<Vec<u8>>,
    /// MD5 of files as their package brought them: dpkg's `.md5sums`, and conffiles of its status.
    sums: BTreeMap<Vec<u8>, String>,
    /// The paths of conffiles.
    conffiles: Vec<TreePath>,
    /// Folders of the root that are links into `/usr`.
    merged: Vec<Vec<u8>>,
}

/// More than any list has.
const LARGEST: u64 = 64 << 20;

impl Packaged {
    /// Reads dpkg's database (deb-md5sums(5), and `info/*.list`) and the paths of apk's.
    pub(super) fn read(tree: &Tree) -> Self {
        let mut packaged = Self { merged: merged(tree), ..Self::default() };
        for entry in tree.children(&TreePath::literal("var/lib/dpkg/info")) {
            let name = entry.path.name();
            let Some(text) = text(entry.inode.content()) else { continue };
            if name.ends_with(b".list") {
                let lines = text.lines().map(|line| packaged.plain(line.as_bytes()));
                let lines: Vec<_> = lines.collect();
                packaged.paths.extend(lines);
            } else if name.ends_with(b".md5sums") {
                for (sum, path) in text.lines().filter_map(|line| line.split_once("  ")) {
                    packaged.sums.insert(packaged.plain(path.as_bytes()), sum.to_owned());
                }
            }
        }
        packaged.read_conffiles(tree);
        packaged.read_apk(tree);
        packaged
    }

    /// Whether anything is known of packages.
    pub(super) fn is_known(&self) -> bool {
        !self.paths.is_empty()
    }

    /// Whether a package brought something at `path`.
    pub(super) fn has(&self, path: &TreePath) -> bool {
        self.paths.contains(&self.plain(path.as_bytes()))
    }

    /// Whether the file at `path` is as its package brought it.
    pub(super) fn is_published(&self, path: &TreePath, content: &Content) -> bool {
        let sum = self.sums.get(&self.plain(path.as_bytes()));
        sum.is_some_and(|sum| sum_of(content).is_ok_and(|found| found == *sum))
    }

    /// Conffiles with other bytes than their package brought.
    pub(super) fn changed_conffiles<'a>(&'a self, tree: &'a Tree) -> impl Iterator<Item = &'a TreePath> {
        self.conffiles.iter().filter(|path| {
            let content = tree.get(path).and_then(|inode| inode.content());
            content.is_some_and(|content| !self.is_published(path, content))
        })
    }

    /// `Conffiles:` of dpkg's status: lines ` /path sum`.
    fn read_conffiles(&mut self, tree: &Tree) {
        let status = tree.get(&TreePath::literal("var/lib/dpkg/status")).and_then(|inode| text(inode.content()));
        for line in status.unwrap_or_default().lines().filter(|line| line.starts_with(" /")) {
            let mut words = line.split_whitespace();
            let (Some(path), Some(sum), None) = (words.next(), words.next(), words.next()) else { continue };
            let is_sum = sum.len() == 32 && sum.bytes().all(|byte| byte.is_ascii_hexdigit());
            if let Some(path) = TreePath::new(path).ok().filter(|_| is_sum) {
                self.sums.insert(path.as_bytes().to_vec(), sum.to_owned());
                self.conffiles.push(path);
            }
        }
    }

    /// `F:` folders and `R:` files of apk's `installed`.
    fn read_apk(&mut self, tree: &Tree) {
        let installed = ["lib/apk/db/installed", "usr/lib/apk/db/installed"].map(TreePath::literal);
        let installed = installed.iter().find_map(|path| tree.get(path)).and_then(|inode| text(inode.content()));
        let mut folder = "";
        for line in installed.unwrap_or_default().lines() {
            if let Some(name) = line.strip_prefix("F:") {
                folder = name;
            } else if let Some(name) = line.strip_prefix("R:") {
                let path = self.plain(format!("{folder}/{name}").as_bytes());
                self.paths.insert(path);
            }
        }
    }

    /// A path without slashes around it, through links of the root into `/usr`.
    fn plain(&self, path: &[u8]) -> Vec<u8> {
        let path = path.strip_prefix(b"/").unwrap_or(path);
        let first = path.split(|byte| *byte == b'/').next().unwrap_or_default();
        if self.merged.iter().any(|folder| folder == first) { [b"usr/", path].concat() } else { path.to_vec() }
    }
}

fn merged(tree: &Tree) -> Vec<Vec<u8>> {
    let root = TreePath::root();
    let links = tree.children(&root).filter(|entry| {
        let target = entry.inode.symlink_target().unwrap_or_default();
        target.strip_prefix(b"/").unwrap_or(target) == [b"usr/", entry.path.as_bytes()].concat()
    });
    links.map(|entry| entry.path.as_bytes().to_vec()).collect()
}

fn text(content: Option<&Content>) -> Option<String> {
    let content = content.filter(|content| content.size() <= LARGEST)?;
    content.read().ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

fn sum_of(content: &Content) -> io::Result<String> {
    let (mut reader, mut sum) = (content.reader()?, Md5::new());
    let mut buffer = vec![0; 64 << 10];
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(to_hex(&sum.finalize())),
            count => sum.update(&buffer[..count]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Inode, Origin};

    fn tree(files: &[(&'static str, &str)]) -> Tree {
        let mut tree = Tree::new();
        tree.insert(TreePath::literal("lib"), Inode::symlink("usr/lib", Origin::Root)).unwrap();
        for (path, text) in files {
            let inode = Inode::file(0o644, Content::bytes(text.as_bytes()), Origin::Root);
            tree.insert_with_parents(TreePath::literal(path), inode).unwrap();
        }
        tree
    }

    #[test]
    fn files_of_packages() {
        let tree = tree(&[
            ("var/lib/dpkg/info/x.list", "/.\n/lib\n/lib/x\n/usr/bin/y\n"),
            ("var/lib/dpkg/info/x.md5sums", "5d41402abc4b2a76b9719d911017c592  lib/x\n"),
            (
                "var/lib/dpkg/status",
                "Package: x\nConffiles:\n /etc/x 5d41402abc4b2a76b9719d911017c592\n /etc/y 5d41402abc4b2a76b9719d911017c592\n",
            ),
            ("usr/lib/x", "hello"),
            ("usr/lib/apk/db/installed", "P:z\nF:usr/bin\nR:z\n"),
            ("etc/x", "hello"),
            ("etc/y", "changed"),
        ]);
        let packaged = Packaged::read(&tree);
        let path = TreePath::literal("usr/lib/x");
        assert!(packaged.is_known() && packaged.has(&path), "through the link of the root");
        assert!(packaged.is_published(&path, &Content::bytes(*b"hello")));
        assert!(!packaged.is_published(&path, &Content::bytes(*b"other")));
        assert!(packaged.has(&TreePath::literal("usr/bin/z")) && !packaged.has(&TreePath::literal("usr/bin/q")));
        assert_eq!(packaged.changed_conffiles(&tree).map(ToString::to_string).collect::<Vec<_>>(), ["/etc/y"]);
        assert!(!Packaged::read(&Tree::new()).is_known());
    }
}
