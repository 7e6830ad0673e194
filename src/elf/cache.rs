//! `/etc/ld.so.cache`: where the loader of glibc finds libraries by their names, as ldconfig(8) would write it.
//!
//! The form is that of glibc since 2.32 (`sysdeps/generic/dl-cache.h`, `struct cache_file_new`), in the byte order of the
//! libraries, without the name of what wrote it. Libraries in `glibc-hwcaps` folders are not in it.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::io;

use super::{ByteOrder, Elf, Kind, read_content};
use crate::platform::Architecture;
use crate::tree::{ResolveError, Tree, TreePath};

/// Why the libraries of a tree cannot be listed.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum CacheError {
    /// Links that lead in circles.
    #[error("cannot follow a folder of libraries")]
    Resolve(#[from] ResolveError),
    /// A configuration file that cannot be read.
    #[error("cannot read `{path}`")]
    Configuration {
        /// The file.
        path: TreePath,
        /// Why not.
        source: io::Error,
    },
}

/// The folders that ldconfig adds by itself; in Debian with the architecture's own below them.
const SYSTEM: [&str; 2] = ["/lib", "/usr/lib"];
/// What ldconfig reads, and the folder that Debian's says to include.
const CONFIGURATION: &str = "etc/ld.so.conf";
const INCLUDED: &str = "etc/ld.so.conf.d";

/// What is put into the file for one library.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    name: String,
    path: String,
    flags: u32,
}

/// The bytes of the file for the libraries of `tree`; nothing where it has no C library of glibc.
pub fn library_cache(tree: &Tree) -> Result<Option<Vec<u8>>, CacheError> {
    let mut entries = Vec::new();
    let mut seen: Vec<TreePath> = Vec::new();
    let mut order = None;
    for folder in folders(tree)? {
        let Ok(path) = TreePath::new(&folder) else { continue };
        let place = tree.resolve(&path)?;
        if tree.is_directory(&place) && !seen.contains(&place) {
            for (name, library) in libraries(tree, &place)? {
                let Some(flags) = flags(&library) else { continue };
                order = order.or((name == "libc.so.6").then_some(library.byte_order));
                entries.push(Entry { path: format!("{folder}/{name}"), name, flags });
            }
            seen.push(place);
        }
    }
    // Stable: of equals, the one whose folder comes first is found first.
    entries.sort_by(|a, b| compare(&b.name, &a.name).then(b.flags.cmp(&a.flags)));
    Ok(order.map(|order| written(&entries, order)))
}

/// The folders in the order in which they are looked through.
fn folders(tree: &Tree) -> Result<Vec<String>, CacheError> {
    let mut folders = Vec::new();
    let configuration = TreePath::literal(CONFIGURATION);
    let mut files = Vec::new();
    if tree.contains(&configuration) {
        files.push(configuration.clone());
    }
    files.extend(tree.children(&TreePath::literal(INCLUDED)).map(|entry| entry.path.clone()).filter(|path| {
        path.name().ends_with(b".conf")
    }));
    for path in files {
        let place = tree.resolve(&path)?;
        let Some(content) = tree.get(&place).and_then(|inode| inode.content()) else { continue };
        let bytes = content.read().map_err(|source| CacheError::Configuration { path, source })?;
        for line in String::from_utf8_lossy(&bytes).lines() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.starts_with('/') {
                folders.push(line.trim_end_matches('/').to_owned());
            }
        }
    }
    for folder in SYSTEM {
        let place = tree.resolve(&TreePath::literal(folder))?;
        let own = tree.children(&place).filter(|entry| entry.path.name().ends_with(b"-linux-gnu")
            || entry.path.name().ends_with(b"-linux-gnueabihf"));
        folders.extend(own.map(|entry| format!("{folder}/{}", String::from_utf8_lossy(entry.path.name()))));
    }
    folders.extend(SYSTEM.map(str::to_owned));
    Ok(folders)
}

/// The libraries in a folder by the names that others know them by. A name counts where something goes by it.
fn libraries(tree: &Tree, folder: &TreePath) -> Result<BTreeMap<String, Elf>, CacheError> {
    let mut libraries = BTreeMap::new();
    for entry in tree.children(folder) {
        let name = String::from_utf8_lossy(entry.path.name()).into_owned();
        if !looks_like_library(&name) {
            continue;
        }
        let place = tree.resolve(entry.path)?;
        let content = tree.get(&place).and_then(|inode| inode.content());
        let elf = content.and_then(|content| read_content(content).ok().flatten());
        let Some(elf) = elf.filter(|elf| elf.kind == Kind::Library) else { continue };
        let soname = elf.soname.clone().unwrap_or(name);
        if folder.join(&soname).is_ok_and(|path| tree.contains(&path)) {
            libraries.insert(soname, elf);
        }
    }
    Ok(libraries)
}

/// By the name alone, as ldconfig does; debuggers' scripts lie beside libraries.
fn looks_like_library(name: &str) -> bool {
    let begins = ["lib", "ld-", "ld.so", "ld64.so"].iter().any(|start| name.starts_with(start));
    begins && name.contains(".so") && !name.ends_with("-gdb.py")
}

/// The kind of a library: 3 for the C library of glibc 2, and its architecture (`sysdeps/generic/ldconfig.h`).
fn flags(elf: &Elf) -> Option<u32> {
    let architecture = match elf.architecture? {
        Architecture::I386 => 0,
        Architecture::Amd64 => 0x0300,
        Architecture::S390x => 0x0400,
        Architecture::Ppc64le => 0x0500,
        Architecture::Arm => 0x0900,
        Architecture::Arm64 => 0x0a00,
        Architecture::Riscv64 => 0x1000,
    };
    Some(3 | architecture)
}

/// The order of names that the loader's search relies on: digits by their number, and after all else.
fn compare(one: &str, other: &str) -> Ordering {
    let (mut one, mut other) = (one.as_bytes(), other.as_bytes());
    loop {
        match (one.first(), other.first()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(a), Some(b)) if a.is_ascii_digit() && b.is_ascii_digit() => {
                let (left, right) = (number(&mut one), number(&mut other));
                if left != right {
                    return left.cmp(&right);
                }
            }
            (Some(a), Some(b)) if a.is_ascii_digit() != b.is_ascii_digit() => {
                return if a.is_ascii_digit() { Ordering::Greater } else { Ordering::Less };
            }
            (Some(a), Some(b)) if a != b => return a.cmp(b),
            _ => (one, other) = (&one[1..], &other[1..]),
        }
    }
}

/// The number at the beginning of `text`, which is taken away. It overflows as the loader's own does.
fn number(text: &mut &[u8]) -> i32 {
    let mut value: i32 = 0;
    while let Some(digit) = text.first().filter(|byte| byte.is_ascii_digit()) {
        value = value.wrapping_mul(10).wrapping_add(i32::from(digit - b'0'));
        *text = &text[1..];
    }
    value
}

const HEADER: usize = 48;
const ENTRY: usize = 24;

fn written(entries: &[Entry], order: ByteOrder) -> Vec<u8> {
    let word = |value: usize| {
        let value = u32::try_from(value).unwrap_or(u32::MAX);
        if order == ByteOrder::Little { value.to_le_bytes() } else { value.to_be_bytes() }
    };
    let mut strings = Vec::new();
    let mut table = Vec::with_capacity(entries.len() * ENTRY);
    let start = HEADER + entries.len() * ENTRY;
    for entry in entries {
        let value = start + strings.len();
        // The name is the end of the path.
        let key = value + entry.path.len() - entry.name.len();
        strings.extend_from_slice(entry.path.as_bytes());
        strings.push(0);
        for field in [entry.flags as usize, key, value, 0] {
            table.extend(word(field));
        }
        table.extend([0; 8]);
    }
    let mut bytes = b"glibc-ld.so.cache1.1".to_vec();
    bytes.extend(word(entries.len()));
    bytes.extend(word(strings.len()));
    bytes.push(if order == ByteOrder::Little { 2 } else { 3 });
    bytes.resize(HEADER, 0);
    bytes.extend(table);
    bytes.extend(strings);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_as_the_loader_does() {
        let mut names = ["libz.so.1", "liba.so.10", "liba.so.9", "lib1.so", "liba.so", "libA.so.1", "liba.so.9"];
        names.sort_by(|a, b| compare(a, b));
        assert_eq!(names, ["libA.so.1", "liba.so", "liba.so.9", "liba.so.9", "liba.so.10", "libz.so.1", "lib1.so"]);
    }

    #[test]
    fn a_tree_without_libraries_has_no_cache() {
        assert_eq!(library_cache(&Tree::new()).unwrap(), None);
    }

    #[test]
    fn form_of_the_file() {
        let entry = Entry { name: "libc.so.6".into(), path: "/lib/libc.so.6".into(), flags: 0x303 };
        let bytes = written(&[entry], ByteOrder::Little);
        assert_eq!(&bytes[..20], b"glibc-ld.so.cache1.1");
        assert_eq!((bytes[20], bytes[24], bytes[28]), (1, 15, 2));
        assert_eq!(&bytes[48..60], &[3, 3, 0, 0, 77, 0, 0, 0, 72, 0, 0, 0]);
        assert_eq!(&bytes[72..], b"/lib/libc.so.6\0");
        let big = written(&[], ByteOrder::Big);
        assert_eq!((big.len(), big[28], &big[20..24]), (48, 3, [0; 4].as_slice()));
    }
}
