//! From a root filesystem to a layer: what every verb that makes an image does, with its progress.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::error::Error;
use crate::image::{self, Layer, Packing};
use crate::ops::watch::{Changed, Watch};
use crate::pass::{Outcome, Pass};
use crate::report::{Phase, Unit};
use crate::source::Rootfs;
use crate::tree::{Tree, TreePath};

/// A pass that was applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// The pass.
    pub name: String,
    /// What it did, in a few words; empty where that was nothing.
    pub summary: String,
    /// The same as numbers by name.
    pub counts: BTreeMap<String, u64>,
    /// What a person should know.
    pub notes: Vec<String>,
}

/// Applies `passes`, in their order; gives what each did, and what to the path `watched`.
pub(super) fn apply_passes(
    passes: Vec<Box<dyn Pass>>,
    rootfs: &mut Rootfs,
    watched: Option<&TreePath>,
    context: &Context,
) -> Result<(Vec<Applied>, Vec<Changed>), Error> {
    let mut watch = watched.map(|path| Watch::new(path, &rootfs.tree));
    context.reporter.begin(Phase::Passes, Some(passes.len() as u64), Unit::Items);
    let mut applied = Vec::new();
    for pass in passes {
        let Outcome { summary, counts, notes } = pass.apply(&mut rootfs.tree)?;
        for note in &notes {
            context.reporter.note(note);
        }
        let counts = counts.into_iter().map(|(name, count)| (name.to_owned(), count)).collect();
        applied.push(Applied { name: pass.name().to_owned(), summary, counts, notes });
        if let Some(watch) = &mut watch {
            watch.look(pass.name(), &rootfs.tree);
        }
        context.reporter.advance(Phase::Passes, 1);
    }
    context.reporter.end(Phase::Passes, &format!("{} entries left", rootfs.tree.len()));
    Ok((applied, watch.map(|watch| watch.changes).unwrap_or_default()))
}

/// Packs the tree into a layer, of which the image's history says `created_by`.
pub(super) fn pack(tree: &Tree, packing: Packing, created_by: &str, context: &Context) -> Result<Layer, Error> {
    let reporter = &*context.reporter;
    let sizes = tree.entries().filter_map(|entry| entry.inode.content()).map(|content| content.size());
    reporter.begin(Phase::Pack, Some(sizes.sum()), Unit::Bytes);
    let advance = |bytes| reporter.advance(Phase::Pack, bytes);
    let layer = image::pack(tree, packing, &context.store, created_by, advance)?;
    let (before, after) = (layer.uncompressed_size as f64 / 1e6, layer.size as f64 / 1e6);
    reporter.end(Phase::Pack, &format!("{before:.1} MB to {after:.1} MB"));
    Ok(layer)
}
