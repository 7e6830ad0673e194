//! The locale of scripts, as glibc reads it soonest.
//!
//! A program that starts in `C.UTF-8` reads that locale from twelve files, which takes as long as half of all else that a
//! small program does, and scripts start thousands of them. An archive of locales (glibc's `locale/locarchive.h`) is
//! looked at before the files, and has all in one. Systems have one where the package `locales` made it.

use crate::tree::{Inode, Tree, TreePath};

/// Where glibc looks for an archive first, and for a locale's own files then.
pub(super) const PATH: &str = "usr/lib/locale/locale-archive";
const FILES: &str = "usr/lib/locale/C.utf8";

/// The locale's name with its character set as glibc normalizes it.
const NAME: &[u8] = b"C.utf8\0";

/// The categories by their numbers in glibc's `locale/bits/locale.h`; the seventh means all.
const CATEGORIES: [Option<&str>; 13] = [
    Some("LC_CTYPE"),
    Some("LC_NUMERIC"),
    Some("LC_TIME"),
    Some("LC_COLLATE"),
    Some("LC_MONETARY"),
    Some("LC_MESSAGES/SYS_LC_MESSAGES"),
    None,
    Some("LC_PAPER"),
    Some("LC_NAME"),
    Some("LC_ADDRESS"),
    Some("LC_TELEPHONE"),
    Some("LC_MEASUREMENT"),
    Some("LC_IDENTIFICATION"),
];

const MAGIC: u32 = 0xde02_0109;

/// How many places the two tables of hashes have: a prime.
const PLACES: u32 = 7;

/// Where the parts of an archive are: its header of 14 numbers, the names' hashes, the names, the locales, and the
/// contents' hashes, which only matter to who adds a locale.
const NAME_HASHES: u32 = 14 * 4;
const NAMES: u32 = NAME_HASHES + PLACES * 12;
const NAMES_SIZE: u32 = 16;
const LOCALES: u32 = NAMES + NAMES_SIZE;
const LOCALE_SIZE: u32 = 4 + 13 * 8;
const SUMS: u32 = LOCALES + LOCALE_SIZE;
const CONTENTS: u32 = (SUMS + PLACES * 20).next_multiple_of(16);

/// An archive of the locale `C.UTF-8` that is in the tree. Nothing where it is not, where there is an archive, or where the
/// tree is for a big-endian machine.
pub(super) fn of(tree: &Tree) -> Option<Vec<u8>> {
    if tree.contains(&TreePath::literal(PATH)) {
        return None;
    }
    let mut contents = Vec::new();
    let mut places = Vec::new();
    for category in CATEGORIES {
        let Some(category) = category else {
            places.push((0, 0));
            continue;
        };
        let path = TreePath::new(format!("{FILES}/{category}")).ok()?;
        let file = tree.get(&path).and_then(Inode::content)?.read().ok()?;
        // A magic number that begins with 0x20.
        file.get(3).filter(|byte| **byte == 0x20)?;
        places.push((CONTENTS + u32::try_from(contents.len()).ok()?, u32::try_from(file.len()).ok()?));
        contents.extend(file);
        contents.resize(contents.len().next_multiple_of(16), 0);
    }
    let header = [
        MAGIC,
        0,
        NAME_HASHES,
        1,
        PLACES,
        NAMES,
        NAME.len() as u32,
        NAMES_SIZE,
        LOCALES,
        LOCALE_SIZE,
        LOCALE_SIZE,
        SUMS,
        0,
        PLACES,
    ];
    let hash = hash(NAME.strip_suffix(b"\0")?);
    let mut names = [[0; 3]; PLACES as usize];
    names[(hash % PLACES) as usize] = [hash, NAMES, LOCALES];
    let mut archive = Vec::with_capacity(CONTENTS as usize + contents.len());
    let mut add = |number: u32| archive.extend(number.to_le_bytes());
    header.into_iter().chain(names.into_iter().flatten()).for_each(&mut add);
    archive.extend(NAME);
    archive.resize(LOCALES as usize, 0);
    let mut add = |number: u32| archive.extend(number.to_le_bytes());
    // How many names the locale has.
    add(1);
    places.into_iter().flat_map(|(offset, size)| [offset, size]).for_each(&mut add);
    archive.resize(CONTENTS as usize, 0);
    archive.extend(contents);
    Some(archive)
}

/// The hash of a name (glibc's `locale/hashval.h`).
fn hash(name: &[u8]) -> u32 {
    let hash = name.iter().fold(name.len() as u32, |hash, byte| hash.rotate_left(9).wrapping_add(u32::from(*byte)));
    if hash == 0 { u32::MAX } else { hash }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;

    use super::*;
    use crate::tree::{Content, Origin};

    fn tree(file: impl Fn(&str) -> Vec<u8>) -> Tree {
        let mut tree = Tree::new();
        for category in CATEGORIES.into_iter().flatten() {
            let path = TreePath::new(format!("{FILES}/{category}")).unwrap();
            let inode = Inode::file(0o644, Content::bytes(file(category)), Origin::Sandbox);
            tree.insert_with_parents(path, inode).unwrap();
        }
        tree
    }

    /// A file of a category, as glibc's begin.
    fn category(name: &str) -> Vec<u8> {
        [&[0, 0, 0, 0x20], name.as_bytes()].concat()
    }

    #[test]
    fn every_category_is_where_the_archive_says() {
        let archive = of(&tree(category)).unwrap();
        let number = |at: u32| u32::from_le_bytes(*archive[at as usize..].first_chunk().unwrap());
        assert_eq!(number(0), MAGIC);
        let name = NAME_HASHES + hash(b"C.utf8") % PLACES * 12;
        assert_eq!((number(name), number(name + 4), number(name + 8)), (hash(b"C.utf8"), NAMES, LOCALES));
        assert!(archive[NAMES as usize..].starts_with(NAME));
        for (place, name) in (0..).zip(CATEGORIES) {
            let (offset, size) = (number(LOCALES + 4 + place * 8), number(LOCALES + 8 + place * 8));
            let content = &archive[offset as usize..][..size as usize];
            assert_eq!(content, name.map(category).unwrap_or_default());
            assert_eq!(offset % 16, 0);
        }
    }

    #[test]
    fn trees_that_it_does_not_fit_have_none() {
        let big_endian = |name: &str| [&[0x20, 0, 0, 0], name.as_bytes()].concat();
        assert_eq!(of(&tree(big_endian)), None);
        assert_eq!(of(&tree(|_| Vec::new())), None);
        assert_eq!(of(&Tree::new()), None);
        let mut own = tree(category);
        own.insert(TreePath::literal(PATH), Inode::file(0o644, Content::bytes(*b"its own"), Origin::Sandbox)).unwrap();
        assert_eq!(of(&own), None);
    }

    /// glibc's own program lists what is in it, where this machine has that and the locale.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "no sandbox is needed for this program")]
    fn glibc_reads_it() {
        let files = Path::new("/").join(FILES);
        if !files.is_dir() || !Path::new("/usr/bin/localedef").exists() {
            eprintln!("skipped: no localedef and C.utf8 here");
            return;
        }
        let archive = of(&tree(|category| std::fs::read(files.join(category)).unwrap())).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("locale-archive");
        std::fs::write(&file, archive).unwrap();
        let list = Command::new("localedef").arg("--list-archive").arg(&file).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&list.stdout), "C.utf8\n", "{}", String::from_utf8_lossy(&list.stderr));
    }
}
