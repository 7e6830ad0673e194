//! rpm's database as it is left in an image: one file that anybody can read, without locks and logs.
//!
//! rpm opens a sqlite database with a write-ahead log, and leaves the log and its index, which has random numbers in it,
//! beside it. The log is empty then: at its end rpm has written everything into the database (rpm's
//! `lib/backend/sqlite.c`). Without the two files, and marked as one without a log, the database is the same for the same
//! transactions, and can be read by users who may not write beside it.

use super::DnfError;
use crate::tree::{Content, Node, Tree, TreePath};

/// Where databases are.
const PLACES: [&str; 2] = ["usr/lib/sysimage/rpm", "var/lib/rpm"];

/// The file of a sqlite database, and those beside it.
const SQLITE: &str = "rpmdb.sqlite";
const LOG: &str = "rpmdb.sqlite-wal";
const LOG_INDEX: &str = "rpmdb.sqlite-shm";

/// The file of an ndb database.
const NDB: &str = "Packages.db";

/// rpm's lock.
const LOCK: &str = ".rpm.lock";

/// What a sqlite database starts with, and where it says how it is written and read: 2 with a write-ahead log, 1 without
/// (<https://www.sqlite.org/fileformat2.html#file_format_version_numbers>).
const MAGIC: &[u8] = b"SQLite format 3\0";
const VERSIONS: std::ops::Range<usize> = 18..20;

/// Makes the databases in `tree` one file each, wherever rpm has worked on them. One that is not whole without its log
/// stays as it is.
pub fn settle(tree: &mut Tree) {
    for place in PLACES {
        settle_at(tree, &TreePath::literal(place));
    }
}

/// Makes the database that rpm has just written in the folder `place` one file. Fails where there is none.
pub(super) fn settle_new(tree: &mut Tree, place: &str) -> Result<(), DnfError> {
    let folder = TreePath::new(place.trim_matches('/')).ok();
    let is_whole = folder.is_some_and(|folder| settle_at(tree, &folder).is_some());
    if is_whole { Ok(()) } else { Err(DnfError::Database { path: place.to_owned() }) }
}

fn settle_at(tree: &mut Tree, folder: &TreePath) -> Option<()> {
    // The distribution may have made it a link.
    let folder = tree.resolve(folder).ok()?;
    let path = |name: &str| folder.join(name).expect("a name of one component");
    if tree.contains(&path(NDB)) {
        return tree.remove(&path(LOCK)).ok().map(drop);
    }
    let log = tree.get(&path(LOG)).and_then(|inode| inode.content()).map_or(0, Content::size);
    let inode = tree.get_mut(&path(SQLITE)).filter(|_| log == 0)?;
    let mut bytes = inode.content()?.read().ok().filter(|bytes| bytes.starts_with(MAGIC))?;
    bytes.get_mut(VERSIONS)?.fill(1);
    inode.node = Node::File(Content::bytes(bytes));
    for name in [LOG, LOG_INDEX, LOCK] {
        tree.remove(&path(name)).ok()?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Inode, Origin};

    fn tree(files: &[(&str, &[u8])]) -> Tree {
        let mut tree = Tree::new();
        for (name, bytes) in files {
            let inode = Inode::file(0o644, Content::bytes(*bytes), Origin::Sandbox);
            tree.insert_with_parents(TreePath::new(format!("var/lib/rpm/{name}")).unwrap(), inode).unwrap();
        }
        tree
    }

    #[test]
    fn a_database_is_one_file_without_a_log() {
        let with_log = [MAGIC, &[0x10, 0, 2, 2, 0]].concat();
        let mut whole = tree(&[(SQLITE, &with_log), (LOG, b""), (LOG_INDEX, b"chance"), (LOCK, b"")]);
        settle(&mut whole);
        assert_eq!(whole.children(&TreePath::literal("var/lib/rpm")).count(), 1);
        let bytes =
            whole.get(&TreePath::literal("var/lib/rpm/rpmdb.sqlite")).unwrap().content().unwrap().read().unwrap();
        assert_eq!(bytes[16..], [0x10, 0, 1, 1, 0]);
        // What is only in a log is not thrown away.
        let mut unfinished = tree(&[(SQLITE, &with_log), (LOG, b"pages"), (LOG_INDEX, b"chance")]);
        settle(&mut unfinished);
        assert_eq!(unfinished.children(&TreePath::literal("var/lib/rpm")).count(), 3);
        assert!(settle_new(&mut unfinished, "/var/lib/rpm").is_err());
        assert!(settle_new(&mut tree(&[(SQLITE, b"")]), "/var/lib/rpm").is_err());
        assert!(settle_new(&mut Tree::new(), "/var/lib/rpm").is_err());
        assert!(settle_new(&mut tree(&[(NDB, b"RpmP"), (LOCK, b"")]), "/var/lib/rpm").is_ok());
    }
}
