//! `normalize` for a tree whose layers are kept: what is in them stays as it is.

use std::collections::BTreeSet;

use crate::epoch::Epoch;
use crate::tree::{Difference, Origin, Tree, TreePath};

use super::prune::{is_in_runtime_folder, runtime_folders};
use super::{Normalize, Outcome, Pass, PassError};

/// Normalizes what a tree has otherwise than the layers below it, and nothing else. The contents of `/proc`, `/sys`,
/// `/dev`, `/run` and `/tmp` are those of the layers, and what the recipe itself puts there.
pub struct NormalizeAbove {
    base: Tree,
    normalize: Normalize,
}

impl NormalizeAbove {
    /// The pass for a tree made of `base`, for an image of this epoch.
    pub fn new(base: Tree, epoch: Epoch) -> Self {
        Self { base, normalize: Normalize::new(epoch) }
    }
}

impl Pass for NormalizeAbove {
    fn name(&self) -> &'static str {
        self.normalize.name()
    }

    fn apply(&self, tree: &mut Tree) -> Result<Outcome, PassError> {
        let difference = Difference::between(&self.base, tree);
        let mut difference = difference.map_err(|source| PassError::Compare { source })?;
        difference.removed.retain(|path| !is_in_runtime_folder(path));
        for folder in runtime_folders() {
            clear_but_files(&mut difference.tree, &folder)?;
            let below = self.base.get(&folder).filter(|below| below.is_directory());
            match (below, difference.tree.get_mut(&folder)) {
                (Some(below), Some(inode)) => inode.meta = below.meta.clone(),
                // The sandbox mounts something there, and makes the folder for it.
                (None, Some(inode)) if inode.is_directory() && inode.origin == Origin::Sandbox => {
                    difference.tree.remove(&folder)?;
                }
                _ => {}
            }
        }
        let outcome = self.normalize.apply(&mut difference.tree)?;
        difference.tidy(&self.base);
        *tree = self.base.clone();
        difference.apply(tree)?;
        Ok(outcome)
    }
}

/// Removes what is in `folder`, but for what `[[file]]` put there and the folders above that.
fn clear_but_files(tree: &mut Tree, folder: &TreePath) -> Result<(), PassError> {
    let mut kept = BTreeSet::new();
    for entry in tree.below(folder).filter(|entry| matches!(entry.inode.origin, Origin::Recipe(_))) {
        let mut above = Some(entry.path.clone());
        while let Some(path) = above.filter(|path| path != folder) {
            above = path.parent();
            kept.insert(path);
        }
    }
    let gone: Vec<TreePath> = tree.below(folder).map(|entry| entry.path.clone()).collect();
    for path in gone.iter().filter(|path| !kept.contains(*path)) {
        tree.remove(path)?;
    }
    Ok(())
}
