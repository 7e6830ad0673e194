//! What each pass does to one path: what `explain` tells of an image that it makes itself.

use serde::Serialize;

use crate::tree::{Comparison, Inode, Node, Tree, TreePath, escape};

/// What a pass did to the path that is watched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// The pass.
    pub pass: String,
    /// What it did: `mode 4755 to 0755`.
    pub what: String,
}

/// One path, as it was before the pass that comes next.
pub(super) struct Watch<'a> {
    path: &'a TreePath,
    before: Option<Inode>,
    /// What was seen so far.
    pub(super) changes: Vec<Changed>,
}

impl<'a> Watch<'a> {
    /// Starts on `path` in the tree as it is before the first pass.
    pub(super) fn new(path: &'a TreePath, tree: &Tree) -> Self {
        Self { path, before: there(path, tree), changes: Vec::new() }
    }

    /// Looks again, after the pass of this name.
    pub(super) fn look(&mut self, pass: &str, tree: &Tree) {
        let now = there(self.path, tree);
        let what = match (&self.before, &now) {
            (None, None) => String::new(),
            (None, Some(_)) => "made it".to_owned(),
            (Some(_), None) => "left it out".to_owned(),
            (Some(before), Some(now)) => difference(before, now).join(", "),
        };
        if !what.is_empty() {
            self.changes.push(Changed { pass: pass.to_owned(), what });
        }
        self.before = now;
    }
}

fn there(path: &TreePath, tree: &Tree) -> Option<Inode> {
    tree.get(&tree.resolve_parents(path).ok()?).cloned()
}

/// What is different, each in some words.
fn difference(before: &Inode, now: &Inode) -> Vec<String> {
    let mut different = Vec::new();
    match (&before.node, &now.node) {
        // What cannot be read is for whoever packs it to say.
        (Node::File(old), Node::File(new)) if !Comparison::default().same(old, new).unwrap_or(true) => {
            different.push(format!("content of {} to {} bytes", old.size(), new.size()));
        }
        (Node::Symlink(old), Node::Symlink(new)) if old != new => {
            different.push(format!("target {} to {}", escape(old), escape(new)));
        }
        (old, new) if std::mem::discriminant(old) != std::mem::discriminant(new) => {
            different.push("put another kind of file there".to_owned());
        }
        _ => {}
    }
    let (old, new) = (&before.meta, &now.meta);
    if old.mode != new.mode {
        different.push(format!("mode {:04o} to {:04o}", old.mode, new.mode));
    }
    if (old.uid, old.gid) != (new.uid, new.gid) {
        different.push(format!("owner {}:{} to {}:{}", old.uid, old.gid, new.uid, new.gid));
    }
    if old.xattrs != new.xattrs {
        let gone = old.xattrs.iter().filter(|(name, _)| new.xattrs.value(name).is_none());
        let gone: Vec<String> = gone.map(|(name, _)| escape(name)).collect();
        let gone = if gone.is_empty() { String::new() } else { format!(" without {}", gone.join(", ")) };
        different.push(format!("extended attributes{gone}"));
    }
    if old.mtime != new.mtime {
        different.push("time".to_owned());
    }
    different
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Content, Origin};

    #[test]
    fn each_pass_is_told_with_what_it_did() {
        let (folder, link) = (TreePath::literal("usr/bin"), TreePath::literal("bin"));
        let (path, asked) = (TreePath::literal("usr/bin/su"), TreePath::literal("bin/su"));
        let origin = || Origin::Package("test".into());
        let mut tree = Tree::new();
        tree.insert_with_parents(folder, Inode::directory(0o755, origin())).unwrap();
        tree.insert(link, Inode::symlink("usr/bin", origin())).unwrap();
        let mut watch = Watch::new(&asked, &tree);
        watch.look("prune", &tree);
        tree.insert(path.clone(), Inode::file(0o4755, Content::bytes(*b"su"), origin())).unwrap();
        watch.look("files", &tree);
        let inode = tree.get_mut(&path).unwrap();
        (inode.meta.mode, inode.meta.mtime) = (0o755, 5);
        watch.look("harden", &tree);
        let inode = tree.get_mut(&path).unwrap();
        inode.node = Node::File(Content::empty());
        inode.meta.uid = 7;
        inode.meta.xattrs.set("user.x", "1");
        watch.look("normalize", &tree);
        tree.get_mut(&path).unwrap().meta.xattrs.retain(|_| false);
        watch.look("again", &tree);
        tree.insert(path.clone(), Inode::symlink("x", origin())).unwrap();
        watch.look("other", &tree);
        tree.remove(&path).unwrap();
        watch.look("last", &tree);
        let changes: Vec<String> =
            watch.changes.iter().map(|change| format!("{}: {}", change.pass, change.what)).collect();
        let expected = [
            "files: made it",
            "harden: mode 4755 to 0755, time",
            "normalize: content of 2 to 0 bytes, owner 0:0 to 7:0, extended attributes",
            "again: extended attributes without user.x",
            "other: put another kind of file there, mode 0755 to 0777, owner 7:0 to 0:0, time",
            "last: left it out",
        ];
        assert_eq!(changes, expected);
    }
}
