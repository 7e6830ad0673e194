//! Putting the entries of an archive into a tree.

use std::collections::BTreeSet;

use super::{ArchiveError, Item, What};
use crate::tree::{Origin, Tree, TreePath};

/// How entries meet what is in the tree already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Apply {
    /// Follow symbolic links to directories inside the tree, as `tar --keep-directory-symlink` and dpkg do: an entry
    /// `bin/sh` goes to `usr/bin/sh` where `bin` is a link to `usr/bin`, and a directory entry leaves such a link as it
    /// is. Otherwise an entry below a link is an error, and an entry at its place replaces it.
    pub follow_directory_links: bool,
    /// What a second entry for one path means.
    pub duplicates: Duplicates,
}

/// What a second entry for a path means, within one archive. Directories may always be named again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duplicates {
    /// It replaces the first, as in tar.
    LastWins,
    /// It is an error, as OCI wants it.
    Refuse,
}

/// Puts the entries of one archive into a tree.
///
/// Missing parents are made as 0755 0:0. An entry replaces what was at its place; of two directories, the metadata of the
/// second is taken over. A directory with something in it is replaced by nothing else, as in tar: what is in it would
/// vanish. A hard link leads to what is at its target at that moment.
pub struct Applier<'a> {
    tree: &'a mut Tree,
    apply: Apply,
    archive: Origin,
    /// The paths of this archive, where they must not come twice.
    seen: BTreeSet<TreePath>,
}

impl<'a> Applier<'a> {
    /// Starts on one archive, which errors call `archive`.
    pub fn new(tree: &'a mut Tree, apply: Apply, archive: Origin) -> Self {
        Self { tree, apply, archive, seen: BTreeSet::new() }
    }

    /// The tree as it is so far.
    pub fn tree(&mut self) -> &mut Tree {
        self.tree
    }

    /// Puts one entry; gives the path at which it is now.
    pub fn put(&mut self, item: Item) -> Result<TreePath, ArchiveError> {
        let path = self.place(&item.path)?;
        let again = matches!(&item.what, What::Inode(inode) if inode.is_directory()) && self.tree.is_directory(&path);
        if self.apply.duplicates == Duplicates::Refuse && !self.seen.insert(path.clone()) && !again {
            return Err(ArchiveError::Duplicate { archive: self.archive.clone(), path });
        }
        if !matches!(&item.what, What::Inode(inode) if inode.is_directory()) {
            self.check_covered(&path)?;
        }
        match item.what {
            What::Inode(inode) if inode.is_directory() && self.leads_to_directory(&path)? => return Ok(path),
            What::Inode(inode) => self.tree.insert_with_parents(path.clone(), inode).map(drop),
            What::HardLink(target) => {
                let target = self.place(&target)?;
                self.tree.link_with_parents(path.clone(), &target)
            }
        }
        .map_err(|source| ArchiveError::Tree { archive: self.archive.clone(), source })?;
        Ok(path)
    }

    /// Refuses to put a file or link in place of a directory that has something in it. The root is the tree's to refuse.
    fn check_covered(&self, path: &TreePath) -> Result<(), ArchiveError> {
        if path.is_root() || !self.tree.is_directory(path) || self.tree.below(path).next().is_none() {
            return Ok(());
        }
        let count = self.tree.below(path).count();
        Err(ArchiveError::Covers { archive: self.archive.clone(), path: path.clone(), count })
    }

    /// Where an entry of this name goes.
    fn place(&self, path: &TreePath) -> Result<TreePath, ArchiveError> {
        let plain = path.parent().is_none_or(|parent| self.tree.is_directory(&parent));
        if plain || !self.apply.follow_directory_links {
            return Ok(path.clone());
        }
        self.tree
            .resolve_parents(path)
            .map_err(|source| ArchiveError::Resolve { archive: self.archive.clone(), source })
    }

    /// Whether `path` is a symbolic link to a directory, and such links are followed.
    fn leads_to_directory(&self, path: &TreePath) -> Result<bool, ArchiveError> {
        let link = self.tree.get(path).is_some_and(|inode| inode.symlink_target().is_some());
        if !link || !self.apply.follow_directory_links {
            return Ok(false);
        }
        let target = self.tree.resolve(path);
        let target = target.map_err(|source| ArchiveError::Resolve { archive: self.archive.clone(), source })?;
        Ok(self.tree.is_directory(&target))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Content, Inode};

    const FOLLOW: Apply = Apply { follow_directory_links: true, duplicates: Duplicates::LastWins };
    const STRICT: Apply = Apply { follow_directory_links: false, duplicates: Duplicates::Refuse };

    fn origin() -> Origin {
        Origin::Import("test".into())
    }

    fn file(path: &str, text: &str) -> Item {
        let inode = Inode::file(0o644, Content::bytes(text.as_bytes()), origin());
        Item { path: TreePath::new(path).unwrap(), what: What::Inode(inode.into()) }
    }

    fn directory(path: &str) -> Item {
        Item { path: TreePath::new(path).unwrap(), what: What::Inode(Inode::directory(0o700, origin()).into()) }
    }

    fn symlink(path: &str, target: &str) -> Item {
        Item { path: TreePath::new(path).unwrap(), what: What::Inode(Inode::symlink(target, origin()).into()) }
    }

    fn hard_link(path: &str, target: &str) -> Item {
        Item { path: TreePath::new(path).unwrap(), what: What::HardLink(TreePath::new(target).unwrap()) }
    }

    fn applied(apply: Apply, items: impl IntoIterator<Item = Item>) -> Result<Tree, ArchiveError> {
        let mut tree = Tree::new();
        let mut applier = Applier::new(&mut tree, apply, origin());
        items.into_iter().try_for_each(|item| applier.put(item).map(drop))?;
        Ok(tree)
    }

    fn paths(tree: &Tree) -> Vec<String> {
        tree.entries().map(|entry| entry.path.to_string()).collect()
    }

    #[test]
    fn directory_links_are_followed_inside_the_tree() {
        let items = [
            directory("usr/bin"),
            symlink("bin", "usr/bin"),
            symlink("up", "../../.."),
            directory("bin"),
            file("bin/sh", "sh"),
            file("up/top", "top"),
            hard_link("up/usr/bin/ash", "bin/sh"),
        ];
        let tree = applied(FOLLOW, items).unwrap();
        assert_eq!(paths(&tree), ["/", "/bin", "/top", "/up", "/usr", "/usr/bin", "/usr/bin/ash", "/usr/bin/sh"]);
        let sh = TreePath::literal("usr/bin/sh");
        assert_eq!(tree.link_count(tree.id(&sh).unwrap()), 2);
    }

    #[test]
    fn links_are_not_written_through_unless_asked() {
        let through = applied(STRICT, [symlink("out", "/"), file("out/x", "")]);
        assert!(matches!(through, Err(ArchiveError::Tree { .. })));
        let below_a_file = applied(FOLLOW, [file("f", ""), file("f/x", "")]);
        assert!(matches!(below_a_file, Err(ArchiveError::Tree { .. })));
        let circle = applied(FOLLOW, [symlink("a", "b"), symlink("b", "a"), file("a/x", "")]);
        assert!(matches!(circle, Err(ArchiveError::Resolve { .. })));
        // CVE-2026-33056: the directory takes the link's place, and nothing behind the link changes.
        let tree = applied(STRICT, [directory("d"), symlink("l", "d"), directory("m"), directory("n")]).unwrap();
        assert_eq!(tree.len(), 5);
    }

    #[test]
    fn duplicates() {
        for (first, second) in [("a", "a"), ("a", "./a"), ("a", "/a")] {
            let twice = applied(STRICT, [file(first, "1"), file(second, "2")]);
            assert!(matches!(twice, Err(ArchiveError::Duplicate { .. })));
            let tree = applied(FOLLOW, [file(first, "1"), file(second, "2")]).unwrap();
            assert_eq!(tree.get(&TreePath::literal("a")).unwrap().content().unwrap().read().unwrap(), b"2");
        }
        assert!(applied(STRICT, [directory("d"), file("d/x", ""), directory("d/")]).is_ok());
        assert!(applied(STRICT, [directory("d"), file("d", "")]).is_err());
        assert!(applied(STRICT, [file("d", ""), directory("d")]).is_err());
    }

    #[test]
    fn folders_with_something_in_them_are_not_replaced() {
        for wrong in [file("d", ""), symlink("d", "e"), hard_link("d", "f")] {
            let covered = applied(FOLLOW, [file("f", ""), file("d/e/x", ""), wrong]);
            assert!(matches!(&covered, Err(ArchiveError::Covers { path, count: 2, .. }) if path.as_bytes() == b"d"));
        }
        let empty = applied(FOLLOW, [directory("d"), symlink("d", "e")]).unwrap();
        assert_eq!(paths(&empty), ["/", "/d"]);
    }

    #[test]
    fn hard_links_need_an_earlier_file() {
        for target in ["missing", "d", "link", ""] {
            let linked = applied(STRICT, [directory("d"), hard_link("link", target)]);
            assert!(matches!(linked, Err(ArchiveError::Tree { .. })), "{target}");
        }
        let to_symlink = applied(STRICT, [symlink("s", "nowhere"), hard_link("h", "/s")]).unwrap();
        assert_eq!(to_symlink.len(), 3);
        let root = applied(STRICT, [symlink("", "/")]);
        assert!(matches!(root, Err(ArchiveError::Tree { .. })));
    }
}
