//! From a root filesystem to a layer: what every verb that makes an image does, with its progress.

use std::num::NonZeroUsize;

use crate::archive::{Compression, Effort};
use crate::context::Context;
use crate::error::Error;
use crate::image::{self, Layer};
use crate::pass::{Outcome, Pass};
use crate::report::{Phase, Unit};
use crate::source::Rootfs;
use crate::tree::Tree;

/// How a layer is written.
#[derive(Clone, Copy, Debug)]
pub struct Packing {
    /// How its tar is compressed.
    pub compression: Compression,
    /// How much time goes into making it small.
    pub effort: Effort,
    /// Threads that compress; the layer does not depend on them.
    pub threads: NonZeroUsize,
}

/// Applies `passes`, in their order; gives what each did, by its name.
pub(super) fn apply_passes(
    passes: Vec<Box<dyn Pass>>,
    rootfs: &mut Rootfs,
    context: &Context,
) -> Result<Vec<(&'static str, Outcome)>, Error> {
    context.reporter.begin(Phase::Passes, Some(passes.len() as u64), Unit::Items);
    let mut outcomes = Vec::new();
    for pass in passes {
        let outcome = pass.apply(&mut rootfs.tree)?;
        for note in &outcome.notes {
            context.reporter.note(note);
        }
        outcomes.push((pass.name(), outcome));
        context.reporter.advance(Phase::Passes, 1);
    }
    context.reporter.end(Phase::Passes, &format!("{} entries left", rootfs.tree.len()));
    Ok(outcomes)
}

/// Packs the tree into a layer, of which the image's history says `created_by`.
pub(super) fn pack(tree: &Tree, packing: Packing, created_by: &str, context: &Context) -> Result<Layer, Error> {
    let reporter = &*context.reporter;
    let sizes = tree.entries().filter_map(|entry| entry.inode.content()).map(|content| content.size());
    reporter.begin(Phase::Pack, Some(sizes.sum()), Unit::Bytes);
    let Packing { compression, effort, threads } = packing;
    let advance = |bytes| reporter.advance(Phase::Pack, bytes);
    let layer = image::pack(tree, compression, effort, threads, &context.store, created_by, advance)?;
    let (before, after) = (layer.uncompressed_size as f64 / 1e6, layer.size as f64 / 1e6);
    reporter.end(Phase::Pack, &format!("{before:.1} MB to {after:.1} MB"));
    Ok(layer)
}
