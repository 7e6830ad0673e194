//! rpm's database as it is left in the image: one file that anybody can read, without locks and logs.
//!
//! rpm opens a sqlite database with a write-ahead log, and leaves the log and its index beside it. The log is empty then:
//! at its end rpm has written everything into the database (rpm's `lib/backend/sqlite.c`). Without the two files, and
//! marked as one without a log, the database can be read by users who may not write beside it.

use super::DnfError;
use crate::tree::{Content, Tree, TreePath};

/// The file of a sqlite database, and those beside it.
const SQLITE: &str = "rpmdb.sqlite";
const LOG: &str = "rpmdb.sqlite-wal";
const LOG_INDEX: &str = "rpmdb.sqlite-shm";

/// The file of an ndb database.
const NDB: &str = "Packages.db";

/// rpm's lock.
const LOCK: &str = ".rpm.lock";

/// What a sqlite database starts with, and where it says how it is written and read (<https://www.sqlite.org/fileformat2.html#file_format_version_numbers>):
/// 2 with a write-ahead log, 1 without.
const MAGIC: &[u8] = b"SQLite format 3\0";
const VERSIONS: std::ops::Range<usize> = 18..20;

/// Makes the database in the folder `place` of `tree` one file.
pub(super) fn settle(tree: &mut Tree, place: &str) -> Result<(), DnfError> {
    let unsettled = || DnfError::Database { path: place.to_owned() };
    let folder = TreePath::new(place.trim_matches('/')).map_err(|_| unsettled())?;
    // The distribution may have made it a link.
    let folder = tree.resolve(&folder).map_err(|_| unsettled())?;
    let path = |name: &str| folder.join(name).expect("a name of one component");
    let has_log = tree.get(&path(LOG)).and_then(|inode| inode.content()).is_some_and(|log| log.size() > 0);
    if has_log {
        return Err(unsettled());
    }
    for name in [LOG, LOG_INDEX, LOCK] {
        tree.remove(&path(name))?;
    }
    if tree.contains(&path(NDB)) {
        return Ok(());
    }
    let inode = tree.get_mut(&path(SQLITE)).ok_or_else(unsettled)?;
    let mut bytes = inode.content().and_then(|content| content.read().ok()).ok_or_else(unsettled)?;
    if !bytes.starts_with(MAGIC) {
        return Err(unsettled());
    }
    bytes.get_mut(VERSIONS).ok_or_else(unsettled)?.fill(1);
    inode.node = crate::tree::Node::File(Content::bytes(bytes));
    Ok(())
}
