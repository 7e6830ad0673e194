//! The identity of Berkeley DB files, such as the `aliases.db` of postfix.
//!
//! Each has twenty bytes that tell it from all other files of a machine: of its inode, its device, the process and the time
//! (`src/os/os_fid.c`). They are in every page of metadata (`struct _dbmeta33` in `src/dbinc/db_page.h`), and may be left over
//! in the free space of other pages (`struct _db_page`).

use std::ops::Range;

use crate::digest::Digest;
use crate::tree::TreePath;

/// Numbers at the place of [`MAGIC`]: hash, btree, queue and heap.
const KINDS: [u32; 4] = [0x0006_1561, 0x0005_3162, 0x0004_2253, 0x0007_4582];

/// Types of pages of metadata: of the same four.
const METADATA: [u8; 4] = [8, 9, 10, 15];

/// Types of pages with entries, whose free space is between the list of their places and the first of them: of duplicates,
/// of hashes and of trees.
const ENTRIES: [u8; 8] = [1, 2, 3, 4, 5, 6, 12, 13];

const MAGIC: usize = 12;
const PAGE_SIZE: usize = 20;
/// In a page with entries: how many there are, where the first of them is, and the list of their places.
const COUNT: usize = 20;
const FIRST: usize = 22;
const PLACES: usize = 26;
const ENCRYPTION: usize = 24;
const TYPE: usize = 25;
const FLAGS: usize = 26;
const IDENTITY: Range<usize> = 52..72;

/// The file at `path` with an identity that follows from the path alone, and nothing in free space; nothing where `bytes` are no Berkeley DB, or one
/// whose pages are signed.
pub(super) fn identified(path: &TreePath, bytes: &[u8]) -> Option<Vec<u8>> {
    let number = |at: usize, read: fn([u8; 4]) -> u32| Some(read(bytes.get(at..at + 4)?.try_into().ok()?));
    let read = [u32::from_le_bytes, u32::from_be_bytes]
        .into_iter()
        .find(|read| number(MAGIC, *read).is_some_and(|found| KINDS.contains(&found)))?;
    let page_size = number(PAGE_SIZE, read)? as usize;
    if !(512..=65536).contains(&page_size) || *bytes.get(ENCRYPTION)? != 0 || *bytes.get(FLAGS)? & 1 != 0 {
        return None;
    }
    let before = bytes.get(IDENTITY)?;
    let digest = Digest::of(path.as_bytes()).raw();
    let identity = &digest[..IDENTITY.len()];
    let mut identified = bytes.to_vec();
    let is_little = read(1_u32.to_le_bytes()) == 1;
    for page in identified.chunks_exact_mut(page_size) {
        let short = |at: usize| {
            let bytes = [page[at], page[at + 1]];
            usize::from(if is_little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
        };
        let free = PLACES + 2 * short(COUNT)..short(FIRST);
        if METADATA.contains(&page[TYPE]) && page[IDENTITY] == *before {
            page[IDENTITY].copy_from_slice(identity);
        } else if ENTRIES.contains(&page[TYPE]) && free.start < free.end && free.end <= page_size {
            page[free].fill(0);
        }
    }
    Some(identified)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three pages: metadata, data that looks like it, and metadata of a database within.
    fn file(identity: u8, flags: u8) -> Vec<u8> {
        let mut bytes = vec![0; 3 * 512];
        bytes[MAGIC..MAGIC + 4].copy_from_slice(&KINDS[0].to_le_bytes());
        bytes[PAGE_SIZE..PAGE_SIZE + 4].copy_from_slice(&512_u32.to_le_bytes());
        bytes[FLAGS] = flags;
        for (page, kind) in [(0, 8), (1, 13), (2, 8)] {
            bytes[page * 512 + TYPE] = kind;
            bytes[page * 512..][IDENTITY].fill(identity);
        }
        // An entry in the middle of it: what is before that is free.
        bytes[512 + COUNT] = 1;
        bytes[512 + FIRST] = 60;
        bytes
    }

    #[test]
    fn files_differ_by_their_paths_alone() {
        let (one, other) = (TreePath::literal("etc/aliases.db"), TreePath::literal("etc/other.db"));
        let found = identified(&one, &file(1, 0)).unwrap();
        let again = identified(&one, &file(2, 0)).unwrap();
        assert_eq!((&found[..512], &found[1024..]), (&again[..512], &again[1024..]));
        assert_eq!(found[512..572], again[512..572], "what is left over is not data");
        assert_eq!((&found[572..584], &again[572..584]), (&[1; 12][..], &[2; 12][..]));
        assert_ne!(found[..512], identified(&other, &file(1, 0)).unwrap()[..512]);
    }

    #[test]
    fn other_files_stay() {
        let path = TreePath::literal("etc/x.db");
        assert_eq!(identified(&path, &file(1, 1)), None, "pages with checksums");
        assert_eq!(identified(&path, b"text"), None);
        assert_eq!(identified(&path, &file(1, 0)[..60]), None);
    }
}
