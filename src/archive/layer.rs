//! Applying a layer with its whiteouts (OCI image spec, layer.md, "Representing Changes").

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

use super::header::BLOCK;
use super::{ArchiveError, Duplicates, Item, Limits, What, read_tar, read_tar_file};
use crate::shared_path::SharedPath;
use crate::tree::{Inode, Origin, Tree, TreePath};

/// As [`read_tar_file`] for the uncompressed tar of a layer, whose digest was checked before: it may end without an end
/// marker, and without the padding of its last file. Some builders write layers so (umoci's `insert`), and engines take
/// them, as Go's tar reader does.
pub fn read_layer_file<E: From<ArchiveError>>(
    blob: &SharedPath,
    origin: &Origin,
    limits: &Limits,
    each: impl FnMut(Item) -> Result<(), E>,
) -> Result<(), E> {
    let unreadable = |source| ArchiveError::Read { archive: origin.clone(), source };
    let mut file = File::open(blob).map_err(unreadable)?;
    let size = file.metadata().map_err(unreadable)?.len();
    if size % BLOCK == 0 && ends_with_zeros(&mut file, size).map_err(unreadable)? {
        return read_tar_file(blob, origin, limits, each);
    }
    file.rewind().map_err(unreadable)?;
    let missing = size.next_multiple_of(BLOCK) - size + 2 * BLOCK;
    read_tar(file.chain(io::repeat(0).take(missing)), blob, origin, limits, each)
}

/// Whether a path is, or is in, what AUFS keeps for itself.
fn is_note(path: &TreePath) -> bool {
    path.components().any(|name| name.starts_with(b".wh..wh."))
}

/// Whether the last block of a file is one of zeros.
fn ends_with_zeros(file: &mut File, size: u64) -> io::Result<bool> {
    let Some(start) = size.checked_sub(BLOCK) else { return Ok(false) };
    file.seek(SeekFrom::Start(start))?;
    let mut last = Vec::new();
    file.take(BLOCK).read_to_end(&mut last)?;
    Ok(last.iter().all(|byte| *byte == 0))
}

/// Puts the entries of one layer onto the tree of those below it.
///
/// A file `.wh.NAME` removes `NAME`, and `.wh..wh..opq` all that its directory holds, as far as it came from the layers
/// below: what this layer brings stays, in whichever order it comes. Other names that start with `.wh..wh.` are notes
/// of AUFS, and are passed over with all in them; its files `.wh..wh.plnk/...` are there for hard links to lead to them.
///
/// Parents are followed through symbolic links inside the tree, as engines do; an entry at the place of a link replaces
/// it.
pub struct LayerApplier<'a> {
    tree: &'a mut Tree,
    duplicates: Duplicates,
    archive: Origin,
    /// What this layer brings.
    named: BTreeSet<TreePath>,
    /// That, and the directories it is in.
    upper: BTreeSet<TreePath>,
    /// What is in directories of AUFS, and its first name outside of them.
    notes: BTreeMap<TreePath, (Arc<Inode>, Option<TreePath>)>,
}

impl<'a> LayerApplier<'a> {
    /// Starts on one layer, which errors call `archive`.
    pub fn new(tree: &'a mut Tree, duplicates: Duplicates, archive: Origin) -> Self {
        Self { tree, duplicates, archive, named: BTreeSet::new(), upper: BTreeSet::new(), notes: BTreeMap::new() }
    }

    /// The tree as it is so far.
    pub fn tree(&self) -> &Tree {
        self.tree
    }

    /// Applies one entry.
    pub fn put(&mut self, item: Item) -> Result<(), ArchiveError> {
        if item.path.parent().is_some_and(|parent| is_note(&parent)) {
            if let What::Inode(inode) = item.what {
                self.notes.insert(item.path, (inode, None));
            }
            return Ok(());
        }
        let path = self.place(&item.path)?;
        if let Some(hidden) = path.name().strip_prefix(b".wh.") {
            return self.whiteout(&path, hidden);
        }
        let directory = matches!(&item.what, What::Inode(inode) if inode.is_directory());
        let again = directory && self.tree.is_directory(&path);
        if self.duplicates == Duplicates::Refuse && !again && self.named.contains(&path) {
            return Err(ArchiveError::Duplicate { archive: self.archive.clone(), path });
        }
        self.named.insert(path.clone());
        let mut above = Some(path.clone());
        while let Some(path) = above.filter(|path| !self.upper.contains(path)) {
            above = path.parent();
            self.upper.insert(path);
        }
        match item.what {
            What::Inode(inode) => self.tree.insert_with_parents(path, inode).map(drop),
            What::HardLink(target) => match self.notes.get_mut(&target) {
                Some((inode, first @ None)) => {
                    *first = Some(path.clone());
                    self.tree.insert_with_parents(path, Arc::clone(inode)).map(drop)
                }
                Some((_, Some(first))) => self.tree.link_with_parents(path, first),
                None => {
                    let target = self.place(&target)?;
                    self.tree.link_with_parents(path, &target)
                }
            },
        }
        .map_err(|source| ArchiveError::Tree { archive: self.archive.clone(), source })
    }

    fn place(&self, path: &TreePath) -> Result<TreePath, ArchiveError> {
        if path.parent().is_none_or(|parent| self.tree.is_directory(&parent)) {
            return Ok(path.clone());
        }
        let place = self.tree.resolve_parents(path);
        place.map_err(|source| ArchiveError::Resolve { archive: self.archive.clone(), source })
    }

    fn whiteout(&mut self, path: &TreePath, hidden: &[u8]) -> Result<(), ArchiveError> {
        let wrong = || ArchiveError::Whiteout { archive: self.archive.clone(), path: path.clone() };
        let parent = path.parent().expect("the root has no name");
        match hidden {
            b"" | b"." | b".." => Err(wrong()),
            b".wh..opq" => {
                self.clear_lower(&parent);
                Ok(())
            }
            note if note.starts_with(b".wh.") => Ok(()),
            name => {
                let removed = parent.join(name).map_err(|_| wrong())?;
                if self.upper.contains(&removed) {
                    self.clear_lower(&removed);
                    return Ok(());
                }
                let removed = self.tree.remove(&removed);
                removed.map(drop).map_err(|source| ArchiveError::Tree { archive: self.archive.clone(), source })
            }
        }
    }

    /// Removes what is below `path` and came from other layers, deepest first.
    fn clear_lower(&mut self, path: &TreePath) {
        let below = self.tree.below(path).map(|entry| entry.path);
        let lower: Vec<TreePath> = below.filter(|path| !self.upper.contains(*path)).cloned().collect();
        for path in lower.iter().rev() {
            self.tree.remove(path).expect("what is below another path is not the root");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Content;

    enum Made {
        Directory(&'static str),
        File(&'static str),
        Symlink(&'static str, &'static str),
        HardLink(&'static str, &'static str),
    }
    use Made::{Directory, File, HardLink, Symlink};

    fn item(made: Made) -> Item {
        let origin = Origin::Import("test".into());
        let (path, what) = match made {
            Directory(path) => (path, What::Inode(Inode::directory(0o755, origin).into())),
            File(path) => (path, What::Inode(Inode::file(0o644, Content::empty(), origin).into())),
            Symlink(path, target) => (path, What::Inode(Inode::symlink(target, origin).into())),
            HardLink(path, target) => (path, What::HardLink(TreePath::literal(target))),
        };
        Item { path: TreePath::literal(path), what }
    }

    fn layers<const N: usize>(layers: [Vec<Made>; N]) -> Result<String, ArchiveError> {
        let mut tree = Tree::new();
        for layer in layers {
            let mut applier = LayerApplier::new(&mut tree, Duplicates::Refuse, Origin::Import("test".into()));
            layer.into_iter().try_for_each(|made| applier.put(item(made)))?;
        }
        Ok(tree.entries().skip(1).map(|entry| entry.path.to_string()).collect::<Vec<_>>().join(" "))
    }

    fn lower() -> Vec<Made> {
        vec![Directory("a"), File("a/x"), File("a/y"), Directory("a/d"), File("a/d/z"), Symlink("s", "a")]
    }

    #[test]
    fn whiteouts_remove_what_is_below() {
        assert_eq!(layers([lower(), vec![File("a/.wh.x"), File(".wh.s")]]).unwrap(), "/a /a/d /a/d/z /a/y");
        assert_eq!(layers([lower(), vec![File(".wh.a")]]).unwrap(), "/s");
        assert_eq!(layers([lower(), vec![File(".wh.none"), File(".wh..wh.plnk")]]).unwrap().split(' ').count(), 6);
        assert_eq!(layers([lower(), vec![File(".wh..wh..opq")]]).unwrap(), "");
    }

    #[test]
    fn what_aufs_keeps_for_itself_is_passed_over() {
        let notes = || {
            vec![Directory(".wh..wh.plnk"), File(".wh..wh.plnk/7.1"), Directory(".wh..wh.orph"), File(".wh..wh.aufs")]
        };
        assert_eq!(layers([notes()]).unwrap(), "");
        assert_eq!(layers([lower(), notes()]).unwrap().split(' ').count(), 6);
        let linked = [HardLink("a/one", ".wh..wh.plnk/7.1"), HardLink("two", ".wh..wh.plnk/7.1")];
        let mut tree = Tree::new();
        let mut applier = LayerApplier::new(&mut tree, Duplicates::Refuse, Origin::Import("test".into()));
        notes().into_iter().chain(linked).try_for_each(|made| applier.put(item(made))).unwrap();
        let text = tree.to_text().unwrap();
        assert!(text.contains("link /two -> /a/one") && !text.contains(".wh."), "{text}");
        assert!(layers([vec![HardLink("one", ".wh..wh.plnk/7.1")]]).is_err(), "what is not there");
    }

    #[test]
    fn what_the_layer_brings_stays_in_any_order() {
        for order in [true, false] {
            let mut upper = vec![File("a/new"), File("a/.wh..wh..opq")];
            let mut over = vec![File("a/d/new"), File(".wh.a")];
            if order {
                upper.reverse();
                over.reverse();
            }
            assert_eq!(layers([lower(), upper]).unwrap(), "/a /a/new /s");
            assert_eq!(layers([lower(), over]).unwrap(), "/a /a/d /a/d/new /s");
        }
    }

    #[test]
    fn links_are_followed_inside_for_parents_only() {
        assert_eq!(layers([lower(), vec![File("s/w"), File("s/.wh.x")]]).unwrap(), "/a /a/d /a/d/z /a/w /a/y /s");
        let replaced = layers([lower(), vec![Directory("s"), File("s/w")]]).unwrap();
        assert_eq!(replaced, "/a /a/d /a/d/z /a/x /a/y /s /s/w");
        assert_eq!(layers([lower(), vec![HardLink("h", "s/x")]]).unwrap().split(' ').count(), 7);
        let outside = layers([vec![Symlink("out", "/../..")], vec![File("out/etc"), File("out/.wh.x")]]).unwrap();
        assert_eq!(outside, "/etc /out");
    }

    #[test]
    fn a_layer_may_end_without_a_marker() {
        let mut tree = Tree::new();
        for (name, text) in [("a", "short"), ("b", "long".repeat(500).as_str())] {
            let inode = Inode::file(0o644, Content::bytes(text.as_bytes()), Origin::Root);
            tree.insert(TreePath::literal(name), inode).unwrap();
        }
        let whole = super::super::write_tar(&tree, Default::default(), Vec::new()).unwrap();
        let end = whole.len() - 1024;
        let folder = tempfile::tempdir().unwrap();
        let read = |bytes: &[u8]| {
            let path: SharedPath = folder.path().join("layer").into();
            std::fs::write(&path, bytes).unwrap();
            let mut found = Tree::new();
            let origin = Origin::Import("test".into());
            let mut applier = LayerApplier::new(&mut found, Duplicates::Refuse, origin.clone());
            read_layer_file(&path, &origin, &Limits::default(), |item| applier.put(item))?;
            found.to_text().map_err(|source| ArchiveError::Write { source })
        };
        let padding = 2000_usize.next_multiple_of(512) - 2000;
        for length in [whole.len(), end + 512, end, end - padding] {
            assert_eq!(read(&whole[..length]).unwrap(), tree.to_text().unwrap(), "{length} bytes");
        }
        assert_eq!(read(b"").unwrap().lines().count(), 1, "a layer of no bytes holds nothing");
        assert!(read(&whole[..end - 600]).is_err(), "content is missing");
        assert!(read(&whole[..200]).is_err(), "half a header");
    }

    #[test]
    fn whiteouts_of_nothing_are_refused() {
        for name in [".wh.", ".wh..", ".wh...", "a/.wh.."] {
            assert!(matches!(layers([lower(), vec![File(name)]]), Err(ArchiveError::Whiteout { .. })), "{name}");
        }
        assert!(matches!(layers([vec![File("x"), File("x")]]), Err(ArchiveError::Duplicate { .. })));
        assert!(layers([vec![File("x")], vec![File("x")]]).is_ok());
    }
}
