//! The links of busybox, which its post-install script makes by `busybox --install -s`.
//!
//! Which links there are is said by the distribution in `/etc/busybox-paths.d` (Wolfi), else by the program itself: it
//! holds the sorted names of its applets, each ended by a NUL, and beside them where each is installed, four bits each
//! (busybox's `include/applets.h` and `applets/applet_tables.c`).

use super::database::{ORIGIN, put};
use super::error::ApkError;
use crate::epoch::Epoch;
use crate::tree::{Inode, Tree, TreePath};

/// Where the program is.
const PROGRAM: &str = "bin/busybox";
/// Where links may be listed, one absolute path a line.
const LISTS: &str = "etc/busybox-paths.d";
/// Folders by their number in the table of places.
const PLACES: [&str; 5] = ["", "bin", "sbin", "usr/bin", "usr/sbin"];
/// Applets whose place is the same wherever they are: by them the table of places is known.
const ANCHORS: [(&str, u8); 12] = [
    ("[", 3),
    ("awk", 3),
    ("cat", 1),
    ("chroot", 4),
    ("cp", 1),
    ("env", 3),
    ("ifconfig", 2),
    ("ls", 1),
    ("mount", 1),
    ("sh", 1),
    ("sort", 3),
    ("tar", 1),
];
/// Programs of other sizes are none.
const LARGEST: u64 = 64 << 20;

/// Makes the links that are missing. What is there already stays.
pub(super) fn link(tree: &mut Tree, epoch: Epoch) -> Result<(), ApkError> {
    let Ok(program) = tree.resolve(&TreePath::literal(PROGRAM)) else { return Ok(()) };
    let Some(content) = tree.get(&program).and_then(|inode| inode.content()) else { return Ok(()) };
    if content.size() > LARGEST {
        return Ok(());
    }
    let unread = |path: &TreePath| {
        let path = path.clone();
        move |source| ApkError::Content { path, source }
    };
    let mut links: Vec<String> = Vec::new();
    let lists: Vec<_> =
        tree.children(&TreePath::literal(LISTS)).map(|entry| (entry.path.clone(), entry.inode.clone())).collect();
    for (path, inode) in lists {
        let Some(list) = inode.content().filter(|list| list.size() < LARGEST) else { continue };
        let text = list.read().map_err(unread(&path))?;
        let lines = String::from_utf8_lossy(&text).into_owned();
        links.extend(lines.lines().map(|line| line.trim_start_matches('/').to_owned()).filter(|line| !line.is_empty()));
    }
    if links.is_empty() {
        links = applets(&content.read().map_err(unread(&program))?);
    }
    for link in links {
        let Ok(path) = TreePath::new(&link) else { continue };
        let Ok(place) = tree.resolve_parents(&path) else { continue };
        let has_folder = place.parent().is_some_and(|parent| tree.is_directory(&parent) || !tree.contains(&parent));
        if has_folder && !tree.contains(&place) {
            put(tree, &link, Inode::symlink(format!("/{PROGRAM}"), ORIGIN).at(epoch))?;
        }
    }
    Ok(())
}

/// The paths of the links that a busybox would make; none where it does not say.
pub(super) fn applets(program: &[u8]) -> Vec<String> {
    let Some(names) = names(program) else { return Vec::new() };
    let Some(places) = places(program, &names) else { return Vec::new() };
    let path = |(name, place): (&&str, u8)| match PLACES[usize::from(place)] {
        "" => (*name).to_owned(),
        folder => format!("{folder}/{name}"),
    };
    names.iter().zip(places).map(path).collect()
}

/// The longest run of names that rise and have those of a shell's applets among them.
fn names(program: &[u8]) -> Option<Vec<&str>> {
    let starts = memchr::memmem::find_iter(program, b"\0cat\0").map(|at| at + 1);
    let runs = starts.map(|start| run(program, start));
    let runs = runs.filter(|names| ["cat", "ls", "sh"].iter().all(|name| names.contains(name)));
    runs.max_by_key(Vec::len)
}

/// The names around the one that begins at `start`.
fn run(program: &[u8], start: usize) -> Vec<&str> {
    let at = |start: usize| {
        let bytes = &program[start..];
        let end = bytes.iter().take(64).position(|byte| *byte == 0)?;
        let name = std::str::from_utf8(&bytes[..end]).ok()?;
        let of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-[+".contains(&byte);
        (!name.is_empty() && name.bytes().all(of_name)).then_some(name)
    };
    let mut names: Vec<&str> = at(start).into_iter().collect();
    let mut first = start;
    // Backwards: the name before ends with the NUL before this one.
    while let Some(end) = first.checked_sub(1) {
        let begin = program[..end].iter().rposition(|byte| *byte == 0).map_or(0, |nul| nul + 1);
        match at(begin).filter(|name| *name < names[0]) {
            Some(name) => names.insert(0, name),
            None => break,
        }
        first = begin;
    }
    let mut next = start + names.last().map_or(0, |name| name.len()) + 1;
    while next < program.len()
        && let Some(name) = at(next)
        && names.last().is_some_and(|last| *last < name)
    {
        names.push(name);
        next += name.len() + 1;
    }
    // `[` is the first applet where it is there; a word that happens to stand before it is none.
    let begin = names.iter().position(|name| *name == "[").unwrap_or(0);
    names.split_off(begin)
}

/// The number of each applet's place: the one table in the program that has the right ones for those that are known.
fn places(program: &[u8], names: &[&str]) -> Option<Vec<u8>> {
    let length = names.len().div_ceil(2);
    let anchors: Vec<(usize, u8)> =
        ANCHORS.iter().filter_map(|(name, place)| Some((names.binary_search(name).ok()?, *place))).collect();
    let place = |table: &[u8], applet: usize| (table[applet / 2] >> (applet % 2 * 4)) & 15;
    let is_table = |table: &&[u8]| {
        anchors.iter().all(|(applet, expected)| place(table, *applet) == *expected)
            && (0..names.len()).all(|applet| usize::from(place(table, applet)) < PLACES.len())
    };
    let table = program.windows(length).find(is_table).filter(|_| anchors.len() >= ANCHORS.len() / 2)?;
    Some((0..names.len()).map(|applet| place(table, applet)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program with the tables, as its linker lays them.
    fn program() -> Vec<u8> {
        let applets = [
            ("[", 3),
            ("awk", 3),
            ("cat", 1),
            ("chroot", 4),
            ("cp", 1),
            ("ifconfig", 2),
            ("linuxrc", 0),
            ("ls", 1),
            ("sh", 1),
            ("sort", 3),
            ("tar", 1),
        ];
        let mut bytes = b"\x7fELF\0%s\0A\0".to_vec();
        applets.iter().for_each(|(name, _)| bytes.extend([name.as_bytes(), b"\0"].concat()));
        bytes.extend(b"\0\0applet not found\0\xff\xff\xff\xff\xff\xff\xff");
        let places: Vec<u8> = applets.iter().map(|(_, place)| *place).collect();
        bytes.extend(places.chunks(2).map(|pair| pair[0] | pair.get(1).unwrap_or(&0) << 4));
        bytes.extend(b"\xff\xff\xff\xff");
        bytes
    }

    #[test]
    fn applets_are_found_with_their_places() {
        let paths = [
            "usr/bin/[",
            "usr/bin/awk",
            "bin/cat",
            "usr/sbin/chroot",
            "bin/cp",
            "sbin/ifconfig",
            "linuxrc",
            "bin/ls",
            "bin/sh",
            "usr/bin/sort",
            "bin/tar",
        ];
        assert_eq!(applets(&program()), paths);
        assert_eq!(applets(b""), Vec::<String>::new());
        assert_eq!(applets(b"\0cat\0ls\0sh\0"), Vec::<String>::new(), "no table of places");
    }
}
