//! The layer on top of layers that are kept.

use crate::context::Context;
use crate::error::Error;
use crate::image::{self, Layer, Packing};
use crate::report::{Phase, Unit};
use crate::tree::{Difference, Inode, Node, Tree, TreePath};

/// What the history of an image says of a layer on top of kept ones.
const CREATED_BY: &str = "rootsmith: changes";

/// Packs what `tree` has otherwise than the kept layers' tree `base`; nothing where they are the same.
pub(super) fn pack(base: &Tree, tree: &Tree, packing: Packing, context: &Context) -> Result<Option<Layer>, Error> {
    let reporter = &*context.reporter;
    let mut difference = Difference::between(base, tree).map_err(|source| Error::Compare { source })?;
    omit_special(&mut difference, base);
    difference.tidy(base);
    let sizes = difference.tree.entries().filter_map(|entry| entry.inode.content()).map(|content| content.size());
    reporter.begin(Phase::Pack, Some(sizes.sum()), Unit::Bytes);
    if difference.is_empty() {
        reporter.end(Phase::Pack, "nothing differs from the layers that are kept");
        return Ok(None);
    }
    let advance = |bytes| reporter.advance(Phase::Pack, bytes);
    let layer = image::pack_difference(&difference, packing, &context.store, CREATED_BY, advance)?;
    let (changed, gone) = (difference.tree.len() - 1, difference.removed.len());
    reporter.end(Phase::Pack, &format!("{changed} entries on top, {gone} removed, {:.1} MB", layer.size as f64 / 1e6));
    Ok(Some(layer))
}

/// Puts back the devices of the kept layers, which no sandbox holds, unless something else is in their place.
pub(super) fn restore_devices(base: &Tree, tree: &mut Tree) {
    for entry in base.entries().filter(|entry| is_device(entry.inode)) {
        let has_place = entry.path.parent().is_some_and(|parent| tree.is_directory(&parent));
        if has_place && !tree.contains(entry.path) {
            tree.insert(entry.path.clone(), entry.inode.clone()).expect("its parent is a directory");
        }
    }
}

/// Devices and named pipes are not in layers; one that took another file's place leaves that gone.
fn omit_special(difference: &mut Difference, base: &Tree) {
    let is_special = |inode: &Inode| is_device(inode) || matches!(inode.node, Node::Fifo);
    let special: Vec<TreePath> =
        difference.tree.entries().filter(|entry| is_special(entry.inode)).map(|entry| entry.path.clone()).collect();
    for path in special {
        difference.tree.remove(&path).expect("the root is no device");
        if base.get(&path).is_some_and(|below| !is_special(below)) {
            difference.removed.insert(path);
        }
    }
}

fn is_device(inode: &Inode) -> bool {
    matches!(inode.node, Node::CharacterDevice { .. } | Node::BlockDevice { .. })
}
