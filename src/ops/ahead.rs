//! Compressing ahead: while scripts of packages run, one after another, other processors compress what will be in the layer
//! whatever they do.
//!
//! Blocks are remembered by what is in them. Those that the scripts leave alone are there already when the layer is packed;
//! others are compressed then. A guess that is wrong costs time, and nothing else.

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Scope;

use crate::archive::Compression;
use crate::epoch::Epoch;
use crate::image::{self, Packing};
use crate::pass::{self, Before};
use crate::recipe::Recipe;
use crate::store::Store;
use crate::tree::Tree;

/// What is known of a layer before its files are.
pub(super) struct Ahead<'a> {
    recipe: &'a Recipe,
    packing: Packing,
    store: &'a Store,
    stopped: AtomicBool,
}

impl<'a> Ahead<'a> {
    /// Nothing is done before [`Ahead::start`].
    pub(super) fn new(recipe: &'a Recipe, packing: Packing, store: &'a Store) -> Self {
        Self { recipe, packing, store, stopped: AtomicBool::new(false) }
    }

    /// Begins to compress `tree`, as the recipe's passes leave it, on threads of `scope`.
    pub(super) fn start<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>, tree: Tree, epoch: Epoch) {
        // zstd's blocks depend on each other.
        if self.packing.compression == Compression::Gzip && self.packing.threads.get() > 1 {
            scope.spawn(move || self.compress(tree, epoch));
        }
    }

    /// Ends it soon. What is compressed by now serves.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    fn compress(&self, mut tree: Tree, epoch: Epoch) {
        // This thread, and those that it starts, take what the scripts leave of the processors.
        let _ = rustix::process::nice(5);
        for pass in pass::list(self.recipe, Before::default(), epoch).unwrap_or_default() {
            if self.stopped.load(Ordering::Relaxed) {
                return;
            }
            // Some need files that scripts make; what they have done by then is a guess as good as any.
            let _ = pass.apply(&mut tree);
        }
        // One processor runs the scripts.
        let threads = NonZeroUsize::new(self.packing.threads.get() - 1).unwrap_or(NonZeroUsize::MIN);
        let packing = Packing { threads, ..self.packing };
        let ended = image::rehearse(&tree, packing, self.store, Nowhere { stopped: &self.stopped });
        tracing::debug!(
            "compressing ahead: {}",
            ended.err().map_or_else(|| "all".to_owned(), |error| error.to_string())
        );
    }
}

/// Takes everything until it is stopped.
struct Nowhere<'a> {
    stopped: &'a AtomicBool,
}

impl Write for Nowhere<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.stopped.load(Ordering::Relaxed) {
            return Err(io::Error::other("stopped"));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe;
    use crate::tree::{Content, Inode, Origin, TreePath};

    /// A recipe that removes what is in `/usr/share/doc`.
    fn recipe() -> Recipe {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("test.toml");
        let text = "name = \"t\"\n[from.debian]\nsuite = \"trixie\"\n[prune]\nremove = [\"/usr/share/doc/**\"]\n";
        std::fs::write(&file, text).unwrap();
        recipe::load(&file, None).unwrap()
    }

    fn tree() -> Tree {
        let mut tree = Tree::new();
        for number in 0..40_u32 {
            for folder in ["usr/lib", "usr/share/doc"] {
                let path = TreePath::new(format!("{folder}/{number}")).unwrap();
                let bytes: Vec<u8> = (0..30_000_u32).flat_map(|at| (at * (number + 3)).to_le_bytes()).collect();
                tree.insert_with_parents(path, Inode::file(0o644, Content::bytes(bytes), Origin::Sandbox)).unwrap();
            }
        }
        tree
    }

    /// Compresses the tree ahead; gives how many blocks are then in the store, and how many when the layer has been packed.
    fn blocks(compression: Compression, threads: usize, stopped: bool) -> (usize, usize) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let blocks = || std::fs::read_dir(folder.path().join("memo")).unwrap().count();
        let threads = NonZeroUsize::new(threads).unwrap();
        let (recipe, packing) = (recipe(), Packing { compression, threads, ..Packing::default() });
        let ahead = Ahead::new(&recipe, packing, &store);
        if stopped {
            ahead.stop();
        }
        std::thread::scope(|scope| ahead.start(scope, tree(), Epoch::from_seconds(0)));
        let before = blocks();
        let mut tree = tree();
        for pass in pass::list(&recipe, Before::default(), Epoch::from_seconds(0)).unwrap() {
            pass.apply(&mut tree).unwrap();
        }
        assert!(!tree.contains(&TreePath::literal("usr/share/doc/7")));
        image::pack(&tree, packing, &store, "test", |_| {}).unwrap();
        (before, blocks())
    }

    #[test]
    fn what_was_compressed_ahead_is_not_compressed_again() {
        let (before, after) = blocks(Compression::Gzip, 2, false);
        assert!(before > 4 && before == after, "{before} blocks ahead, {after} in all");
    }

    #[test]
    fn what_is_stopped_or_cannot_serve_is_not_compressed() {
        let (before, after) = blocks(Compression::Gzip, 3, true);
        assert!(before == 0 && after > 4, "{before} blocks ahead, {after} in all");
        assert_eq!(blocks(Compression::Gzip, 1, false).0, 0, "no processor is free");
        assert_eq!(blocks(Compression::Zstd, 2, false), (0, 0));
    }
}
