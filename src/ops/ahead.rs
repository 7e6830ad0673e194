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
use crate::context::Context;
use crate::epoch::Epoch;
use crate::image::{self, Packing};
use crate::pass;
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
    pub(super) fn new(recipe: &'a Recipe, packing: Packing, context: &'a Context) -> Self {
        Self { recipe, packing, store: &context.store, stopped: AtomicBool::new(false) }
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
        for pass in pass::list(self.recipe, epoch).unwrap_or_default() {
            let mut changed = tree.clone();
            // Some need files that scripts make.
            if pass.apply(&mut changed).is_ok() {
                tree = changed;
            }
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
