//! `/etc/ld.so.cache`: where the loader of glibc finds libraries by their names, as ldconfig(8) would write it.
//!
//! The form is that of glibc since 2.32 (`sysdeps/generic/dl-cache.h`, `struct cache_file_new`), in the byte order of the
//! libraries, without the name of what wrote it. Libraries in `glibc-hwcaps` folders are not in it.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::io;

use globset::GlobBuilder;

use super::{ByteOrder, Elf, Kind, read_content};
use crate::platform::Architecture;
use crate::tree::{Content, Tree, TreePath};

/// A configuration file that cannot be read.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("cannot read `{path}`")]
pub struct CacheError {
    /// The file.
    pub path: TreePath,
    /// Why not.
    pub source: io::Error,
}

/// What ldconfig reads.
const CONFIGURATION: &str = "/etc/ld.so.conf";
/// What Debian's says to include, where only the rest is there: it is part of another package.
const INCLUDED: &str = "/etc/ld.so.conf.d/*.conf";
/// The folders that ldconfig adds by itself. In Debian those of the architecture below them come first, and there is
/// nothing but the loader in the others.
const SYSTEM: [&str; 2] = ["/lib", "/usr/lib"];
const OTHERS: [&str; 2] = ["/lib64", "/usr/lib64"];
/// A larger file is no configuration.
const LARGEST: u64 = 1 << 20;

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
        let Some(place) = place(tree, &folder).filter(|place| tree.is_directory(place)) else { continue };
        if seen.contains(&place) {
            continue;
        }
        for (name, (file, library)) in libraries(tree, &place) {
            let Some(flags) = flags(&library) else { continue };
            order = order.or((name == "libc.so.6").then_some(library.byte_order));
            entries.push(Entry { path: format!("{folder}/{file}"), name, flags });
        }
        seen.push(place);
    }
    // Stable: of equals, the one whose folder comes first is found first.
    entries.sort_by(|a, b| compare(&b.name, &a.name).then(b.flags.cmp(&a.flags)));
    Ok(order.map(|order| written(&entries, order)))
}

/// Where a path of the image leads, where it leads anywhere.
fn place(tree: &Tree, path: &str) -> Option<TreePath> {
    tree.resolve(&TreePath::new(path).ok()?).ok()
}

/// The folders in the order in which they are looked through.
fn folders(tree: &Tree) -> Result<Vec<String>, CacheError> {
    let mut folders = Vec::new();
    let has_configuration = place(tree, CONFIGURATION).is_some_and(|path| tree.contains(&path));
    let mut read = BTreeSet::new();
    for file in matching(tree, if has_configuration { CONFIGURATION } else { INCLUDED }) {
        read_configuration(tree, &file, &mut read, &mut folders)?;
    }
    let configured = folders.len();
    for folder in SYSTEM {
        let Some(place) = place(tree, folder) else { continue };
        let names = tree.children(&place).map(|entry| String::from_utf8_lossy(entry.path.name()).into_owned());
        let own = names.filter(|name| name.ends_with("-linux-gnu") || name.ends_with("-linux-gnueabihf"));
        folders.extend(own.map(|name| format!("{folder}/{name}")));
    }
    let is_debians = folders.len() > configured;
    folders.extend(SYSTEM.map(str::to_owned));
    folders.extend(OTHERS.iter().filter(|_| !is_debians).map(|folder| (*folder).to_owned()));
    Ok(folders)
}

/// Adds the folders that a configuration file names, and those of the files that it includes (ldconfig(8)), each once.
fn read_configuration(
    tree: &Tree,
    file: &str,
    read: &mut BTreeSet<TreePath>,
    folders: &mut Vec<String>,
) -> Result<(), CacheError> {
    let content = place(tree, file).and_then(|path| Some((tree.get(&path)?.content()?.clone(), path)));
    let Some((content, path)) = content.filter(|(content, _)| content.size() <= LARGEST) else { return Ok(()) };
    if !read.insert(path.clone()) {
        return Ok(());
    }
    let bytes = content.read().map_err(|source| CacheError { path, source })?;
    for line in String::from_utf8_lossy(&bytes).lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if let Some(patterns) = line.strip_prefix("include").filter(|rest| rest.starts_with([' ', '\t'])) {
            for pattern in patterns.split_ascii_whitespace() {
                for included in matching(tree, pattern) {
                    read_configuration(tree, &included, read, folders)?;
                }
            }
        } else if line.starts_with('/') {
            // `/lib=libc6` of old says what kind of libraries are there.
            folders.push(line.split('=').next().unwrap_or(line).trim_end_matches(['/', ' ', '\t']).to_owned());
        }
    }
    Ok(())
}

/// The files that a pattern means, sorted; one that is relative begins in /etc.
fn matching(tree: &Tree, pattern: &str) -> Vec<String> {
    let pattern = if pattern.starts_with('/') { pattern.to_owned() } else { format!("/etc/{pattern}") };
    if !pattern.contains(['*', '?', '[']) {
        return vec![pattern];
    }
    let Ok(glob) = GlobBuilder::new(&pattern).literal_separator(true).build() else { return Vec::new() };
    let (glob, folder) = (glob.compile_matcher(), TreePath::literal("etc"));
    let paths = tree.below(&folder).map(|entry| format!("/{}", String::from_utf8_lossy(entry.path.as_bytes())));
    paths.filter(|path| glob.is_match(path)).collect()
}

/// The libraries in a folder by the names that others know them by, each with the name of its file: the same, where
/// something goes by that.
fn libraries(tree: &Tree, folder: &TreePath) -> BTreeMap<String, (String, Elf)> {
    let mut libraries = BTreeMap::new();
    for entry in tree.children(folder) {
        let name = String::from_utf8_lossy(entry.path.name()).into_owned();
        if !looks_like_library(&name) {
            continue;
        }
        let place = tree.resolve(entry.path).ok();
        let content: Option<&Content> = place.as_ref().and_then(|place| tree.get(place)?.content());
        let elf = content.and_then(|content| read_content(content).ok().flatten());
        let Some(elf) = elf.filter(|elf| elf.kind == Kind::Library) else { continue };
        let soname = elf.soname.clone().unwrap_or_else(|| name.clone());
        let is_there = folder.join(&soname).is_ok_and(|path| tree.contains(&path));
        let file = if is_there { soname.clone() } else { name };
        libraries.entry(soname).or_insert((file, elf));
    }
    libraries
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
        // With floating point in hardware; those without, of version 5, are not made here.
        Architecture::Arm | Architecture::ArmV6 => 0x0900,
        Architecture::ArmV5 => 0x0b00,
        Architecture::Arm64 => 0x0a00,
        Architecture::Riscv64 => 0x1000,
        Architecture::Mips64le => 0x0700,
        Architecture::Loong64 => 0x1200,
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
        strings.extend_from_slice(entry.path.as_bytes());
        strings.push(0);
        // The name is the end of the path, where the file goes by it.
        let key = match entry.path.strip_suffix(&entry.name).filter(|folder| folder.ends_with('/')) {
            Some(folder) => value + folder.len(),
            None => {
                let key = start + strings.len();
                strings.extend_from_slice(entry.name.as_bytes());
                strings.push(0);
                key
            }
        };
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
    use crate::tree::{Inode, Origin};

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

    /// The loader's search by halves (glibc's `search_cache`).
    fn search<'a>(cache: &'a [u8], name: &str) -> Option<&'a str> {
        let number = |at: usize| u32::from_le_bytes(cache[at..at + 4].try_into().unwrap()) as usize;
        let string = |at: usize| std::str::from_utf8(cache[at..].split(|byte| *byte == 0).next().unwrap()).unwrap();
        let (mut low, mut high) = (0_usize, number(20));
        while low < high {
            let middle = usize::midpoint(low, high);
            match compare(name, string(number(48 + middle * 24 + 4))) {
                Ordering::Equal => return Some(string(number(48 + middle * 24 + 8))),
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
            }
        }
        None
    }

    #[test]
    fn the_loader_finds_what_is_in_the_cache() {
        let names = ["ld-linux-x86-64.so.2", "lib0.so", "libabc.so.10", "libabc.so.9", "libabc.so", "libc.so.6"];
        let entry = |name: &str, path: &str| Entry { name: name.into(), path: path.into(), flags: 0x303 };
        let mut entries: Vec<Entry> = names.iter().map(|name| entry(name, &format!("/usr/lib/{name}"))).collect();
        entries.push(entry("libother.so.1", "/opt/libother-1.2.so"));
        entries.sort_by(|a, b| compare(&b.name, &a.name));
        let bytes = written(&entries, ByteOrder::Little);
        for name in names {
            assert_eq!(search(&bytes, name), Some(format!("/usr/lib/{name}").as_str()), "{name}");
        }
        assert_eq!(search(&bytes, "libother.so.1"), Some("/opt/libother-1.2.so"));
        assert_eq!(search(&bytes, "libc.so.5"), None);
    }

    #[test]
    fn folders_of_the_configuration_come_first() {
        let mut tree = Tree::new();
        let mut file = |path: &str, text: &str| {
            let inode = Inode::file(0o644, Content::bytes(text.as_bytes()), Origin::Sandbox);
            tree.insert_with_parents(TreePath::new(path).unwrap(), inode).unwrap();
        };
        file("etc/ld.so.conf", "/opt/lib=libc6 # mine\ninclude ld.so.conf.d/*.conf\n/last/\n");
        file("etc/ld.so.conf.d/b.conf", "/b\n");
        file("etc/ld.so.conf.d/a.conf", "/a\ninclude /etc/ld.so.conf\n");
        file("etc/ld.so.conf.d/c.txt", "/c\n");
        file("usr/lib/x86_64-linux-gnu/x", "");
        let found = folders(&tree).unwrap();
        let configured = ["/opt/lib", "/a", "/b", "/last"];
        let system = ["/usr/lib/x86_64-linux-gnu", "/lib", "/usr/lib"];
        assert_eq!(found, [configured.as_slice(), &system].concat());
        assert_eq!(folders(&Tree::new()).unwrap(), ["/lib", "/usr/lib", "/lib64", "/usr/lib64"]);
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
