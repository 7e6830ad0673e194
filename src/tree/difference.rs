//! What one tree has otherwise than another: what a layer holds that makes the one of the other.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::comparison::Comparison;
use super::{Entry, Inode, InodeId, Node, Tree, TreeError, TreePath};

/// The paths by which a tree differs from the one that it was made of.
///
/// Directories are merged: only a directory's mode, owner and attributes make it different, never its time alone, which
/// changes with what is made in it. A file with several names is one thing: where anything about it differs, be it that
/// a name has joined it, it is here with all of its names, so that no link leads into the base.
#[derive(Clone, Debug)]
pub struct Difference {
    /// What is new or changed, and the directories that lead there; those that are the same carry the base's metadata.
    pub tree: Tree,
    /// What the base has at paths where nothing is any more. What was below such a path goes without being named.
    pub removed: BTreeSet<TreePath>,
}

impl Difference {
    /// What `top` has otherwise than `base`. Fails only where contents have to be compared and cannot be read.
    pub fn between(base: &Tree, top: &Tree) -> io::Result<Self> {
        let changed = changed(base, top)?;
        let removed: BTreeSet<TreePath> = removed(base, top);
        let mut wanted = BTreeSet::from([TreePath::root()]);
        for path in changed.iter().chain(&removed) {
            let mut above = path.parent();
            while let Some(path) = above.filter(|path| !wanted.contains(path)) {
                above = path.parent();
                wanted.insert(path);
            }
        }
        let mut tree = Tree::new();
        let mut first_paths: BTreeMap<InodeId, TreePath> = BTreeMap::new();
        for Entry { path, id, inode, .. } in top.entries() {
            if changed.contains(path) {
                put(&mut tree, path, id, inode, &mut first_paths).expect("parents are put before what they hold");
            } else if wanted.contains(path) {
                let inode = base.get(path).expect("a directory that is not changed is in the base");
                put(&mut tree, path, id, inode, &mut first_paths).expect("parents are put before what they hold");
            }
        }
        Ok(Self { tree, removed })
    }

    /// Whether the trees are the same.
    pub fn is_empty(&self) -> bool {
        self.tree.is_empty() && self.removed.is_empty()
    }

    /// Makes `tree`, which is the base, the tree that this is the difference to.
    pub fn apply(&self, tree: &mut Tree) -> Result<(), TreeError> {
        for path in &self.removed {
            tree.remove(path)?;
        }
        let mut first_paths = BTreeMap::new();
        for Entry { path, id, inode, .. } in self.tree.entries() {
            put(tree, path, id, inode, &mut first_paths)?;
        }
        Ok(())
    }

    /// Takes out directories that hold nothing here and are the same in `base`, and removals below directories that
    /// are not here any more: for when the tree was changed since the comparison.
    pub fn tidy(&mut self, base: &Tree) {
        let tree = &self.tree;
        self.removed.retain(|path| path.parent().is_some_and(|parent| tree.is_directory(&parent)));
        let folders: Vec<TreePath> =
            self.tree.entries().filter(|entry| entry.inode.is_directory()).map(|entry| entry.path.clone()).collect();
        let needed: BTreeSet<TreePath> = self.removed.iter().filter_map(TreePath::parent).collect();
        for path in folders.iter().rev().filter(|path| !path.is_root() && !needed.contains(*path)) {
            let inode = self.tree.get(path).expect("nothing else was removed");
            let same = base.get(path).is_some_and(|below| below.is_directory() && same_owner_and_mode(below, inode));
            if same && self.tree.below(path).next().is_none() {
                self.tree.remove(path).expect("the root is left out");
            }
        }
    }
}

/// The paths of `top` whose inode is not that of `base`.
fn changed(base: &Tree, top: &Tree) -> io::Result<BTreeSet<TreePath>> {
    let mut names: BTreeMap<InodeId, Vec<&TreePath>> = BTreeMap::new();
    for entry in top.entries().filter(|entry| entry.links > 1) {
        names.entry(entry.id).or_default().push(entry.path);
    }
    // Which inode of the base is which inode here: never two, or they would change together there and not here.
    let mut taken: BTreeMap<InodeId, InodeId> = BTreeMap::new();
    let mut same: BTreeMap<InodeId, bool> = BTreeMap::new();
    let mut changed = BTreeSet::new();
    let mut contents = Comparison::default();
    for Entry { path, id, inode, .. } in top.entries() {
        let is_same = match base.get(path) {
            None => false,
            Some(below) if inode.is_directory() => below.is_directory() && same_owner_and_mode(below, inode),
            Some(below) => match same.get(&id) {
                Some(same) => *same,
                None => {
                    let of_base = base.id(path).expect("it is there");
                    let all =
                        names.get(&id).is_none_or(|names| names.iter().all(|name| base.id(name) == Some(of_base)));
                    let free = taken.get(&of_base).is_none_or(|taker| *taker == id);
                    let is_same = all && free && same_inode(below, inode, &mut contents)?;
                    if is_same {
                        taken.insert(of_base, id);
                    }
                    same.insert(id, is_same);
                    is_same
                }
            },
        };
        if !is_same {
            same.insert(id, false);
            changed.insert(path.clone());
        }
    }
    Ok(changed)
}

/// The topmost paths of `base` that `top` does not have, where their directory is still one.
fn removed(base: &Tree, top: &Tree) -> BTreeSet<TreePath> {
    let gone = base.entries().map(|entry| entry.path).filter(|path| !top.contains(path));
    gone.filter(|path| path.parent().is_some_and(|parent| top.is_directory(&parent))).cloned().collect()
}

/// Puts a further name of an inode that was put before as a link to it.
fn put(
    tree: &mut Tree,
    path: &TreePath,
    id: InodeId,
    inode: &Inode,
    first_paths: &mut BTreeMap<InodeId, TreePath>,
) -> Result<(), TreeError> {
    if inode.is_directory() {
        return tree.insert(path.clone(), inode.clone()).map(drop);
    }
    if let Some(first) = first_paths.get(&id) {
        return tree.link(path.clone(), first);
    }
    tree.insert(path.clone(), inode.clone())?;
    first_paths.insert(id, path.clone());
    Ok(())
}

fn same_owner_and_mode(a: &Inode, b: &Inode) -> bool {
    let (a, b) = (&a.meta, &b.meta);
    (a.mode, a.uid, a.gid, &a.xattrs) == (b.mode, b.uid, b.gid, &b.xattrs)
}

fn same_inode(a: &Inode, b: &Inode, contents: &mut Comparison) -> io::Result<bool> {
    if a.symlink_target().is_some() {
        // The mode of a symbolic link means nothing, and file systems differ in what they say of it.
        let same = a.symlink_target() == b.symlink_target();
        let (a, b) = (&a.meta, &b.meta);
        return Ok(same && (a.uid, a.gid, a.mtime) == (b.uid, b.gid, b.mtime));
    }
    if a.meta != b.meta {
        return Ok(false);
    }
    match (&a.node, &b.node) {
        (Node::File(a), Node::File(b)) => contents.same(a, b),
        (Node::CharacterDevice { major, minor }, Node::CharacterDevice { major: other_major, minor: other_minor })
        | (Node::BlockDevice { major, minor }, Node::BlockDevice { major: other_major, minor: other_minor }) => {
            Ok((major, minor) == (other_major, other_minor))
        }
        (Node::Fifo, Node::Fifo) => Ok(true),
        _ => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Content, Origin};

    fn path(text: &str) -> TreePath {
        TreePath::new(text).unwrap()
    }

    /// One line an entry: `d etc 755`, `f etc/x text`, `l etc/y etc/x` (a hard link), `s bin usr/bin`, `p pipe`.
    fn tree(lines: &str) -> Tree {
        let mut tree = Tree::new();
        for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let words: Vec<&str> = line.split(' ').collect();
            let word = |at: usize| words.get(at).copied().unwrap_or_default();
            let origin = Origin::Import("test".into());
            let inode = match words[0] {
                "d" => Inode::directory(u32::from_str_radix(words.get(2).unwrap_or(&"755"), 8).unwrap(), origin),
                "f" => Inode::file(0o644, Content::bytes(word(2).as_bytes()), origin),
                "x" => Inode::file(0o755, Content::bytes(word(2).as_bytes()), origin),
                "s" => Inode::symlink(word(2), origin),
                "p" => Inode { node: Node::Fifo, ..Inode::file(0o644, Content::empty(), origin) },
                _ => {
                    tree.link(path(words[1]), &path(words[2])).unwrap();
                    continue;
                }
            };
            tree.insert_with_parents(path(words[1]), inode).unwrap();
        }
        tree
    }

    /// The difference as paths: `=` before directories that are there for what they hold, `-` before what is gone, and
    /// links with what they lead to. Checks that it makes the one tree of the other.
    fn difference(base: &str, top: &str) -> String {
        let (base, top) = (tree(base), tree(top));
        let difference = Difference::between(&base, &top).unwrap();
        let mut again = base.clone();
        difference.apply(&mut again).unwrap();
        assert_eq!(again.to_text().unwrap(), top.to_text().unwrap());
        assert!(Difference::between(&again, &top).unwrap().is_empty());
        let mut first: BTreeMap<InodeId, String> = BTreeMap::new();
        let mut words: Vec<String> = Vec::new();
        for entry in difference.tree.entries().filter(|entry| !entry.path.is_root()) {
            let same = base.get(entry.path).is_some_and(|below| below.is_directory() && entry.inode.is_directory());
            let name = String::from_utf8(entry.path.as_bytes().to_vec()).unwrap();
            let unchanged = same && base.get(entry.path).unwrap().meta == entry.inode.meta;
            match first.get(&entry.id) {
                Some(first) => words.push(format!("{name}->{first}")),
                None => words.push(if unchanged { format!("={name}") } else { name.clone() }),
            }
            first.entry(entry.id).or_insert(name);
        }
        words.extend(difference.removed.iter().map(|path| format!("-{}", path.as_relative().display())));
        words.join(" ")
    }

    #[test]
    fn only_what_differs_is_there() {
        let base = "d etc\nf etc/a 1\nf etc/b 2\ns bin usr/bin\nd usr/bin\nf usr/bin/sh s";
        assert_eq!(difference(base, base), "");
        assert_eq!(difference(base, &base.replace("f etc/a 1", "f etc/a 2")), "=etc etc/a");
        assert_eq!(difference(base, &base.replace("f etc/a 1", "x etc/a 1")), "=etc etc/a", "a mode");
        assert_eq!(difference(base, &format!("{base}\nf etc/new/x y")), "=etc etc/new etc/new/x");
        assert_eq!(difference(base, &base.replace("d etc", "d etc 700")), "etc");
        assert_eq!(difference(base, &base.replace("s bin usr/bin", "s bin usr/sbin")), "bin");
    }

    #[test]
    fn what_is_gone_is_named_once() {
        let base = "d a\nf a/x 1\nd a/d\nf a/d/y 2\nf z 3";
        assert_eq!(difference(base, "d a\nf a/x 1\nf z 3"), "=a -a/d");
        assert_eq!(difference(base, "f z 3"), "-a");
        assert_eq!(difference(base, ""), "-a -z");
        assert_eq!(difference(base, "d a\nd a/d\nf a/d/y 2\nf z 3"), "=a -a/x");
        assert_eq!(difference(base, "d a\nf z 3"), "=a -a/d -a/x");
    }

    #[test]
    fn kinds_replace_each_other() {
        let base = "d a\nf a/x 1\nf b 2\ns c a\np e";
        assert_eq!(difference(base, "f a 1\nf b 2\ns c a\np e"), "a");
        assert_eq!(difference(base, "s a b\nf b 2\ns c a\np e"), "a");
        assert_eq!(difference(base, "d a\nf a/x 1\nd b\nf b/y 1\ns c a\np e"), "b b/y");
        assert_eq!(difference(base, "d a\nf a/x 1\nf b 2\nd c\nf c/x 1\np e"), "c c/x");
        assert_eq!(difference(base, "d a\nf a/x 1\nf b 2\ns c a\nf e"), "e");
    }

    #[test]
    fn hard_links_never_lead_into_the_base() {
        let base = "f a 1\nl b a\nl c a\nf z 9";
        assert_eq!(difference(base, "f a 2\nl b a\nl c a\nf z 9"), "a b->a c->a", "all names change together");
        assert_eq!(difference(base, "f a 2\nf b 1\nl c b\nf z 9"), "a", "the others stay as they are");
        assert_eq!(difference(base, "f a 1\nl b a\nf z 9"), "-c");
        assert_eq!(difference(base, "f a 1\nl b a\nl c a\nl d a\nf z 9"), "a b->a c->a d->a", "a name has joined");
        assert_eq!(difference(base, "f a 1\nf b 1\nl c b\nf z 9"), "b c->b", "apart from now on");
        assert_eq!(difference(base, "f a 1\nf b 1\nf c 1\nf z 9"), "b c");
        assert_eq!(difference("f a 1\nf b 1", "f a 1\nl b a"), "a b->a", "together from now on");
        assert_eq!(
            difference(base, "f 0 1\nl a 0\nl b 0\nl c 0\nf z 9"),
            "0 a->0 b->0 c->0",
            "a first name has joined"
        );
    }

    #[test]
    fn a_directorys_time_alone_is_no_difference() {
        let (base, mut top) = (tree("d a\nf a/x 1"), tree("d a\nf a/x 1\nf a/y 2"));
        top.get_mut(&path("a")).unwrap().meta.mtime = 100;
        top.get_mut(&path("a/y")).unwrap().meta.mtime = 100;
        let mut difference = Difference::between(&base, &top).unwrap();
        assert_eq!(difference.tree.get(&path("a")).unwrap().meta.mtime, 0);
        difference.tree.remove(&path("a/y")).unwrap();
        difference.tidy(&base);
        assert!(difference.is_empty());
        top.get_mut(&path("a/x")).unwrap().meta.mtime = 100;
        assert!(Difference::between(&base, &top).unwrap().tree.contains(&path("a/x")), "a file's time is");
    }

    #[test]
    fn contents_are_compared_by_their_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            let mut tree = Tree::new();
            let content = Content::Slice { path: path.into(), offset: 1, size: bytes.len() as u64 - 1 };
            tree.insert(TreePath::literal("f"), Inode::file(0o644, content, Origin::Root)).unwrap();
            tree
        };
        let bytes = vec![7; 200_000];
        let mut other = bytes.clone();
        other[199_999] = 8;
        let (one, two, three) = (file("1", &bytes), file("2", &bytes), file("3", &other));
        assert!(Difference::between(&one, &two).unwrap().is_empty());
        assert!(!Difference::between(&one, &three).unwrap().is_empty());
        std::fs::remove_file(folder.path().join("2")).unwrap();
        assert!(Difference::between(&one, &two).is_err());
    }
}
