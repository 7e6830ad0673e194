//! `/etc/ld.so.cache` of glibc's systems, which `ldconfig` would write: where the loader finds libraries.
//!
//! The form is that of glibc's `sysdeps/generic/dl-cache.h` (`glibc-ld.so.cache1.1`). Libraries below `glibc-hwcaps` are not
//! in it; the loader then takes those for any processor.

use std::cmp::Ordering;

use globset::{GlobBuilder, GlobMatcher};
use object::read::elf::{Dyn, ElfFile, FileHeader};
use object::{Endianness, elf};

use super::database::{ORIGIN, put};
use super::error::ApkError;
use crate::epoch::Epoch;
use crate::platform::Architecture;
use crate::tree::{Content, Inode, Tree, TreePath};

const CONFIGURATION: &str = "etc/ld.so.conf";
const CACHE: &str = "etc/ld.so.cache";
/// Folders that the loader looks into without being told, after those of the configuration.
const FOLDERS: [&str; 4] = ["lib", "usr/lib", "lib64", "usr/lib64"];
const MAGIC: &[u8] = b"glibc-ld.so.cache1.1";
/// Says that numbers are little-endian (`cache_file_new_flags_endian_little`).
const LITTLE: u8 = 2;
const BIG: u8 = 3;
/// Libraries of other sizes are none.
const LARGEST: u64 = 1 << 30;

/// A library: what it is asked for as, and where it is.
type Library = (Vec<u8>, Vec<u8>);

/// Writes the cache, where the system is glibc's.
pub(super) fn write(tree: &mut Tree, architecture: Architecture, epoch: Epoch) -> Result<(), ApkError> {
    let is_loader = |name: &[u8]| name.starts_with(b"ld-linux") || name.starts_with(b"ld64.so");
    let folders = FOLDERS.iter().filter_map(|folder| tree.resolve(&TreePath::literal(folder)).ok());
    let has_loader = folders.into_iter().any(|folder| tree.children(&folder).any(|entry| is_loader(entry.path.name())));
    if !has_loader && !tree.contains(&TreePath::literal(CONFIGURATION)) {
        return Ok(());
    }
    let mut libraries = Vec::new();
    let mut seen: Vec<TreePath> = Vec::new();
    for folder in folders_of(tree)? {
        let Ok(place) = TreePath::new(&folder).and_then(|path| Ok(tree.resolve(&path).unwrap_or(path))) else {
            continue;
        };
        if tree.is_directory(&place) && !seen.contains(&place) {
            libraries.extend(libraries_in(tree, &folder, &place, architecture)?);
            seen.push(place);
        }
    }
    let bytes = cache(libraries, architecture);
    put(tree, CACHE, Inode::file(0o644, Content::bytes(bytes), ORIGIN).at(epoch))
}

/// The folders that the configuration names, and the usual ones, as absolute paths.
fn folders_of(tree: &Tree) -> Result<Vec<String>, ApkError> {
    let mut folders = Vec::new();
    let mut open = vec![CONFIGURATION.to_owned()];
    let mut read = 0;
    while let Some(path) = open.pop() {
        read += 1;
        let Ok(path) = TreePath::new(&path) else { continue };
        let Some(content) = tree.resolve(&path).ok().and_then(|place| tree.get(&place)?.content().cloned()) else {
            continue;
        };
        if read > 1000 || content.size() > 1 << 20 {
            continue;
        }
        let bytes = content.read().map_err(|source| ApkError::Content { path: path.clone(), source })?;
        let mut included = Vec::new();
        for line in String::from_utf8_lossy(&bytes).lines() {
            let line = line.split('#').next().unwrap_or_default().trim();
            match line.strip_prefix("include").filter(|rest| rest.starts_with([' ', '\t'])) {
                Some(patterns) => {
                    included.extend(patterns.split_ascii_whitespace().flat_map(|glob| matching(tree, glob)))
                }
                None => folders.extend(Some(line.to_owned()).filter(|line| line.starts_with('/'))),
            }
        }
        open.extend(included.into_iter().rev());
    }
    folders.extend(FOLDERS.iter().map(|folder| format!("/{folder}")));
    Ok(folders)
}

/// The files that a pattern of an `include` means, sorted; one that is relative begins in /etc.
fn matching(tree: &Tree, pattern: &str) -> Vec<String> {
    let pattern = match pattern.strip_prefix('/') {
        Some(absolute) => absolute.to_owned(),
        None => format!("etc/{pattern}"),
    };
    let Some(glob) = glob(&pattern) else { return Vec::new() };
    let paths = tree.entries().map(|entry| String::from_utf8_lossy(entry.path.as_bytes()).into_owned());
    paths.filter(|path| glob.is_match(path)).collect()
}

/// A pattern whose `*` stays within a folder.
pub(super) fn glob(pattern: &str) -> Option<GlobMatcher> {
    GlobBuilder::new(pattern).literal_separator(true).build().ok().map(|glob| glob.compile_matcher())
}

/// The libraries of an architecture in a folder, that its files and links lead to.
fn libraries_in(
    tree: &Tree,
    folder: &str,
    place: &TreePath,
    architecture: Architecture,
) -> Result<Vec<Library>, ApkError> {
    let mut found: Vec<Library> = Vec::new();
    for entry in tree.children(place) {
        let name = entry.path.name();
        let is_named_so = (name.starts_with(b"lib") || name.starts_with(b"ld-") || name.starts_with(b"ld64"))
            && memchr::memmem::find(name, b".so").is_some();
        let target = tree.resolve(entry.path).ok().and_then(|path| Some((tree.get(&path)?.content()?.clone(), path)));
        let (true, Some((content, path))) = (is_named_so, target) else { continue };
        if content.size() > LARGEST || content.size() < 64 {
            continue;
        }
        let bytes = content.read().map_err(|source| ApkError::Content { path: path.clone(), source })?;
        let Some(soname) = soname(&bytes, architecture) else { continue };
        let soname = soname.unwrap_or_else(|| name.to_vec());
        // A link for developers, libz.so, is found under its own name by nobody.
        let file = match tree.contains(&place.join(&soname).unwrap_or_else(|_| place.clone())) {
            true => soname.clone(),
            false => name.to_vec(),
        };
        let value = [folder.trim_end_matches('/').as_bytes(), b"/", &file].concat();
        if !found.iter().any(|(known, _)| *known == soname) {
            found.push((soname, value));
        }
    }
    Ok(found)
}

/// What a shared library of the architecture calls itself, if it does; nothing where it is something else.
fn soname(bytes: &[u8], architecture: Architecture) -> Option<Option<Vec<u8>>> {
    if bytes.get(4) == Some(&elf::ELFCLASS64) {
        soname_of::<elf::FileHeader64<Endianness>>(bytes, architecture)
    } else {
        soname_of::<elf::FileHeader32<Endianness>>(bytes, architecture)
    }
}

fn soname_of<Elf: FileHeader<Endian = Endianness>>(
    bytes: &[u8],
    architecture: Architecture,
) -> Option<Option<Vec<u8>>> {
    let file = ElfFile::<Elf>::parse(bytes).ok()?;
    let endian = file.endian();
    let header = file.elf_header();
    if header.e_type(endian) != elf::ET_DYN || header.e_machine(endian) != machine(architecture) {
        return None;
    }
    let sections = file.elf_section_table();
    let (entries, strings) = sections.dynamic(endian, bytes).ok()??;
    let strings = sections.strings(endian, bytes, strings).ok()?;
    let name = entries.iter().find(|entry| entry.d_tag(endian).into() == u64::from(elf::DT_SONAME));
    Some(name.and_then(|entry| strings.get(u32::try_from(entry.d_val(endian).into()).ok()?).ok()).map(<[u8]>::to_vec))
}

fn machine(architecture: Architecture) -> u16 {
    match architecture {
        Architecture::Amd64 => elf::EM_X86_64,
        Architecture::Arm64 => elf::EM_AARCH64,
        Architecture::Arm => elf::EM_ARM,
        Architecture::I386 => elf::EM_386,
        Architecture::Ppc64le => elf::EM_PPC64,
        Architecture::Riscv64 => elf::EM_RISCV,
        Architecture::S390x => elf::EM_S390,
    }
}

/// What the loader of an architecture looks for in an entry: `FLAG_ELF_LIBC6` and the flag of its ABI.
fn flags(architecture: Architecture) -> u32 {
    match architecture {
        Architecture::Amd64 => 0x0303,
        Architecture::Arm64 => 0x0a03,
        Architecture::Arm => 0x0903,
        Architecture::I386 => 0x0003,
        Architecture::Ppc64le => 0x0503,
        Architecture::Riscv64 => 0x1003,
        Architecture::S390x => 0x0403,
    }
}

/// The bytes of a cache of `libraries`, those of the first folders first.
fn cache(mut libraries: Vec<Library>, architecture: Architecture) -> Vec<u8> {
    // The loader searches by halves, from the last name to the first; the sort keeps the order of folders.
    libraries.sort_by(|(left, _), (right, _)| compare(right, left));
    let is_big = architecture == Architecture::S390x;
    let number = |value: usize| {
        let value = u32::try_from(value).expect("libraries are fewer, and their names shorter, than 4 GB");
        if is_big { value.to_be_bytes() } else { value.to_le_bytes() }
    };
    const HEADER: usize = 48;
    const ENTRY: usize = 24;
    let mut strings: Vec<u8> = Vec::new();
    let mut entries: Vec<u8> = Vec::new();
    let start = HEADER + libraries.len() * ENTRY;
    for (name, path) in &libraries {
        // The name is the end of the path where the file is called so.
        let at = start + strings.len();
        strings.extend_from_slice(path);
        strings.push(0);
        let key = match path.strip_suffix(name.as_slice()) {
            Some(folder) if folder.ends_with(b"/") => at + folder.len(),
            _ => {
                let at = start + strings.len();
                strings.extend_from_slice(name);
                strings.push(0);
                at
            }
        };
        entries.extend(number(flags(architecture) as usize));
        entries.extend(number(key));
        entries.extend(number(at));
        entries.extend([0; 12]);
    }
    let mut bytes = MAGIC.to_vec();
    bytes.extend(number(libraries.len()));
    bytes.extend(number(strings.len()));
    bytes.extend([if is_big { BIG } else { LITTLE }, 0, 0, 0]);
    bytes.extend([0; 16]);
    bytes.extend(entries);
    bytes.extend(strings);
    bytes
}

/// The loader's order of names (`_dl_cache_libcmp`): numbers by value, and after all that is no number.
fn compare(left: &[u8], right: &[u8]) -> Ordering {
    let (mut left, mut right) = (left, right);
    loop {
        let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
        match (digits(left), digits(right)) {
            (0, 0) => match (left.first(), right.first()) {
                (Some(one), Some(other)) if one == other => (left, right) = (&left[1..], &right[1..]),
                (one, other) => return one.cmp(&other),
            },
            (0, _) => return Ordering::Less,
            (_, 0) => return Ordering::Greater,
            (one, other) => {
                let plain = |text: &[u8]| String::from_utf8_lossy(text).trim_start_matches('0').to_owned();
                let (first, second) = (plain(&left[..one]), plain(&right[..other]));
                let order = (first.len(), &first).cmp(&(second.len(), &second));
                if order != Ordering::Equal {
                    return order;
                }
                (left, right) = (&left[one..], &right[other..]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The loader's search by halves (glibc's `search_cache`).
    fn search<'a>(cache: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
        let number = |at: usize| u32::from_le_bytes(cache[at..at + 4].try_into().unwrap()) as usize;
        let string = |at: usize| &cache[at..at + cache[at..].iter().position(|byte| *byte == 0).unwrap()];
        let (mut low, mut high) = (0_usize, number(20));
        while low < high {
            let middle = (low + high) / 2;
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
        let names =
            ["libc.so.6", "libz.so.1", "libabc.so.10", "libabc.so.9", "libabc.so", "ld-linux-x86-64.so.2", "lib0.so"];
        let libraries = names.iter().map(|name| (name.as_bytes().to_vec(), format!("/usr/lib/{name}").into_bytes()));
        let mut libraries: Vec<Library> = libraries.collect();
        libraries.push((b"libother.so.1".to_vec(), b"/opt/libother-1.2.so".to_vec()));
        let bytes = cache(libraries, Architecture::Amd64);
        for name in names {
            assert_eq!(search(&bytes, name.as_bytes()), Some(format!("/usr/lib/{name}").as_bytes()), "{name}");
        }
        assert_eq!(search(&bytes, b"libother.so.1"), Some(&b"/opt/libother-1.2.so"[..]));
        assert_eq!(search(&bytes, b"libc.so.5"), None);
    }
}
