//! Archives of strangers: every kind of wrong one, and what becomes of it.
//!
//! Nothing is ever written to the host: an archive becomes a tree, or an error that says why not.

use std::fs;
use std::io::Write;

use rootsmith::archive::Limits;
use rootsmith::image::{self, Choice};
use rootsmith::tree::{Content, Node, Tree, escape};
use serde_json::{Value, json};

use crate::support::raw_tar::{
    Entry, Field, base256, body, device, directory, docker_archive, entry, file, global, gnu_long, hard_link,
    image_config, oci_archive, oci_archive_of, pax, symlink, tar, unfinished,
};

/// What becomes of an archive.
enum Expected {
    /// A tree of exactly these paths.
    Kept(&'static [&'static str]),
    /// A tree whose full text has this in it.
    Shows(&'static str),
    /// An error in which this phrase is.
    Refused(&'static str),
}
use Expected::{Kept, Refused, Shows};

/// Small quotas, so that bombs can be small too.
fn limits() -> Limits {
    Limits { entries: 1000, bytes: 8 << 20, sparse: 1 << 20, ..Limits::default() }
}

/// Reads an archive; nothing of the machine may have changed afterwards.
fn read(archive: &[u8]) -> Result<Tree, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("archive");
    let temporary = folder.path().join("temporary");
    fs::create_dir(&temporary).unwrap();
    fs::write(&path, archive).unwrap();
    let opened = image::open(&path, &Choice::default(), &limits(), &temporary);
    let result = opened.map_err(|error| chain(&error)).map(|opened| in_memory(&opened.tree));
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "nothing is beside the archive: {left:?}");
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0, "nothing is left behind");
    assert_eq!(fs::read(&path).unwrap().len(), archive.len());
    result
}

/// The tree with its contents, which outlives the archive.
fn in_memory(tree: &Tree) -> Tree {
    let mut tree = tree.clone();
    for inode in tree.inodes_mut() {
        if let Node::File(content) = &mut inode.node {
            *content = Content::bytes(content.read().unwrap());
        }
    }
    tree
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// One word for the kind, then the path, and where a link leads.
fn listing(tree: &Tree) -> Vec<String> {
    let text = tree.to_text().unwrap();
    let short = |line: &str| {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        let path = words[3].split(" sha256:").next().unwrap().split(" mtime=").next().unwrap();
        format!("{} {path}", words[2])
    };
    text.lines().skip(1).map(short).collect()
}

fn check(cases: Vec<(&str, Vec<u8>, Expected)>) {
    let mut wrong = Vec::new();
    for (name, archive, expected) in cases {
        let found = read(&archive);
        let fits = match (&expected, &found) {
            (Kept(paths), Ok(tree)) => listing(tree) == **paths,
            (Shows(phrase), Ok(tree)) => tree.to_text().unwrap().contains(phrase),
            (Refused(phrase), Err(error)) => {
                error.contains(phrase) && error.chars().all(|c| c == '\n' || !c.is_control())
            }
            _ => false,
        };
        if !fits {
            let mut found = format!("{:?}", found.map(|tree| tree.to_text().unwrap()));
            found.truncate(2000);
            wrong.push(format!("{name}:\n    {found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn case(name: &'static str, entries: &[Entry], expected: Expected) -> (&'static str, Vec<u8>, Expected) {
    (name, tar(entries), expected)
}

/// One image of these layers, each a list of entries.
fn layers(name: &'static str, layers: &[&[Entry]], expected: Expected) -> (&'static str, Vec<u8>, Expected) {
    let layers: Vec<Vec<u8>> = layers.iter().map(|entries| tar(entries)).collect();
    (name, docker_archive(&layers, json!({})), expected)
}

const NOWHERE: &str = "has an entry whose name leads nowhere";
const NO_DIRECTORY: &str = "is not a directory";
const ROOT: &str = "the root of a tree is always a directory";

#[test]
fn group_01_names() {
    check(vec![
        case("parent", &[file("../x", "")], Refused(NOWHERE)),
        case("parent in the middle", &[file("a/../../x", "")], Refused(NOWHERE)),
        case("parent that stays inside", &[file("a/../x", "")], Refused(NOWHERE)),
        case("parent behind a dot", &[file("./../x", "")], Refused(NOWHERE)),
        case("only parents", &[directory("..")], Refused(NOWHERE)),
        case("absolute", &[file("/abs", "")], Kept(&["file /abs"])),
        case("doubled slashes", &[directory("a"), file("a//b", "")], Kept(&["dir /a", "file /a/b"])),
        case("dots between", &[file("./a/./b", "")], Kept(&["dir /a", "file /a/b"])),
        case("a dot for the root", &[directory(".").mode(0o700)], Shows("0700 0:0 dir /\n")),
        case("no name for the root", &[directory("").mode(0o711)], Shows("0711 0:0 dir /\n")),
        case("a file without a name", &[file("", "x")], Refused(ROOT)),
        case("backslashes mean nothing", &[file("..\\x", "")], Kept(&["file /..\\\\x"])),
        case("three dots are a name", &[file("...", "")], Kept(&["file /..."])),
    ]);
}

#[test]
fn groups_02_to_05_writing_through_links() {
    let many: Vec<Entry> = (0..255).map(|n| symlink(format!("l{n}"), format!("l{}", n + 1))).collect();
    let long = [many, vec![file("l0/x", "")]].concat();
    let chain: Vec<Entry> = (0..30).map(|n| symlink(format!("l{n}"), format!("l{}", n + 1))).collect();
    let short = [vec![directory("l30")], chain, vec![file("l0/x", "")]].concat();
    check(vec![
        case("to the root", &[symlink("out", "/"), file("out/x", "")], Kept(&["symlink /out -> /", "file /x"])),
        case(
            "to a path of the host",
            &[symlink("out", "/etc"), file("out/x", "")],
            Kept(&["dir /etc", "file /etc/x", "symlink /out -> /etc"]),
        ),
        case(
            "up and away",
            &[symlink("out", "../../.."), file("out/x", "")],
            Kept(&["symlink /out -> ../../..", "file /x"]),
        ),
        case("a circle", &[symlink("a", "b"), symlink("b", "a"), file("a/x", "")], Refused("too many symbolic links")),
        case("to itself", &[symlink("a", "a"), file("a/x", "")], Refused("too many symbolic links")),
        case("255 in a row", &long, Refused("too many symbolic links")),
        ("30 in a row", tar(&short), Shows("file /l30/x ")),
        // CVE-2026-33056: the directory's mode must not reach what is behind the link.
        case(
            "a directory in place of a link",
            &[directory("d").mode(0o700), symlink("l", "d"), directory("l").mode(0o777), file("l/x", "")],
            Shows("0700 0:0 dir /d\n"),
        ),
        case(
            "a directory in place of a link that leads out",
            &[symlink("foo", "/ext"), directory("foo").mode(0o777)],
            Kept(&["dir /foo"]),
        ),
        case(
            "a link to a file is no folder",
            &[file("f", ""), symlink("l", "f"), file("l/x", "")],
            Refused(NO_DIRECTORY),
        ),
        case(
            "targets stay as they are",
            &[symlink("l", "/../../etc/passwd")],
            Kept(&["symlink /l -> /../../etc/passwd"]),
        ),
    ]);
}

#[test]
fn groups_06_and_07_whiteouts() {
    let lower: &[Entry] =
        &[directory("d"), file("d/a", ""), file("d/b", ""), symlink("sl", "d"), symlink("out", "/../..")];
    check(vec![
        layers(
            "a file",
            &[lower, &[file("d/.wh.a", "")]],
            Kept(&["dir /d", "file /d/b", "symlink /out -> /../..", "symlink /sl -> d"]),
        ),
        layers(
            "through a link",
            &[lower, &[file("sl/.wh.a", "")]],
            Kept(&["dir /d", "file /d/b", "symlink /out -> /../..", "symlink /sl -> d"]),
        ),
        layers(
            "through a link that leads out",
            &[lower, &[file("out/.wh.sl", "")]],
            Kept(&["dir /d", "file /d/a", "file /d/b", "symlink /out -> /../.."]),
        ),
        layers(
            "opaque",
            &[lower, &[file("d/.wh..wh..opq", ""), file("d/c", "")]],
            Kept(&["dir /d", "file /d/c", "symlink /out -> /../..", "symlink /sl -> d"]),
        ),
        layers(
            "opaque, after what it brings",
            &[lower, &[file("d/c", ""), file("d/.wh..wh..opq", "")]],
            Kept(&["dir /d", "file /d/c", "symlink /out -> /../..", "symlink /sl -> d"]),
        ),
        layers("opaque root", &[lower, &[file(".wh..wh..opq", ""), file("x", "")]], Kept(&["file /x"])),
        layers(
            "of what is not there",
            &[lower, &[file(".wh.nothing", "")]],
            Kept(&["dir /d", "file /d/a", "file /d/b", "symlink /out -> /../..", "symlink /sl -> d"]),
        ),
        layers("of the same layer", &[&[file("x", ""), file(".wh.x", "")]], Kept(&["file /x"])),
        layers("of the parent", &[lower, &[file("d/.wh...", "")]], Refused("a whiteout without a name")),
        layers("of the folder itself", &[lower, &[file("d/.wh..", "")]], Refused("a whiteout without a name")),
        layers("of nothing", &[lower, &[file("d/.wh.", "")]], Refused("a whiteout without a name")),
        layers(
            "a note of old tools",
            &[lower, &[directory(".wh..wh.plnk"), file(".wh..wh.aufs", "")]],
            Shows("dir /d\n"),
        ),
        layers("a whiteout of whiteouts", &[lower, &[file(".wh..wh.d", "")]], Shows("dir /d\n")),
        layers(
            "a folder is replaced by a file",
            &[lower, &[file("d", "")]],
            Kept(&["file /d", "symlink /out -> /../..", "symlink /sl -> d"]),
        ),
        layers("a hard link across layers", &[lower, &[hard_link("h", "d/a")]], Shows("link /h -> /d/a\n")),
        // In a plain tar these are names like any other; packing refuses them, see `commands`.
        case("no layer, no whiteout", &[file("x", ""), file(".wh.x", "")], Kept(&["file /.wh.x", "file /x"])),
    ]);
}

#[test]
fn group_08_the_root() {
    // CVE-2021-29136.
    for name in ["", ".", "/", "./", "/."] {
        check(vec![
            case("a link", &[symlink(name, "/etc"), file("x", "")], Refused(ROOT)),
            case("a file", &[file(name.trim_end_matches('/'), "x")], Refused(ROOT)),
            case("a hard link", &[file("f", ""), hard_link(name, "f")], Refused(ROOT)),
            case("a device", &[device(b'3', name, 1, 3)], Refused(ROOT)),
            case("a pipe", &[entry(b'6', name, "", b"")], Refused(ROOT)),
        ]);
    }
}

#[test]
fn group_09_hard_links() {
    const NO_FILE: &str = "there is no file of that name";
    let a = || file("a", "1");
    check(vec![
        case("to a file of the host", &[hard_link("l", "/etc/shadow")], Refused(NO_FILE)),
        case("up", &[hard_link("l", "../../etc/shadow")], Refused(NOWHERE)),
        case(
            "to a link",
            &[symlink("s", "/etc/shadow"), hard_link("l", "s")],
            Kept(&["symlink /l -> /etc/shadow", "link /s -> /l"]),
        ),
        case("through a link that leads out", &[symlink("s", "/etc"), hard_link("l", "s/shadow")], Refused(NO_FILE)),
        case("to itself", &[hard_link("l", "l")], Refused(NO_FILE)),
        case("to itself, where it is", &[a(), hard_link("a", "a")], Kept(&["file /a"])),
        case("to what comes later", &[hard_link("l", "a"), a()], Refused(NO_FILE)),
        case("to a folder", &[directory("d"), hard_link("l", "d")], Refused(NO_FILE)),
        case("to the root", &[hard_link("l", "/")], Refused(NO_FILE)),
        case("to what was replaced", &[a(), hard_link("l", "a"), directory("a")], Kept(&["dir /a", "file /l"])),
        case("to what is gone", &[a(), directory("a"), hard_link("l", "a")], Refused(NO_FILE)),
        case("absolute, and inside", &[a(), hard_link("l", "/a")], Kept(&["file /a", "link /l -> /a"])),
        case("with a size", &[a(), entry(b'1', "l", "a", b"content")], Refused("a size, though it is no file")),
        case(
            "in place of a folder",
            &[a(), directory("d"), file("d/x", ""), hard_link("d", "a")],
            Kept(&["file /a", "link /d -> /a"]),
        ),
    ]);
}

#[test]
fn groups_10_and_11_the_same_path_twice() {
    let hash = |text: &str| rootsmith::digest::Digest::of(text.as_bytes()).to_string();
    assert!(read(&tar(&[file("a", "1"), file("a", "2")])).unwrap().to_text().unwrap().contains(&hash("2")));
    check(vec![
        case("a file twice", &[file("a", "1"), file("a", "2")], Kept(&["file /a"])),
        case("in other words", &[file("a", "1"), file("./a", "2"), file("/a", "3")], Kept(&["file /a"])),
        case("a folder, then a file", &[directory("a"), file("a/x", ""), file("a", "")], Kept(&["file /a"])),
        case("a file, then a folder", &[file("a", ""), directory("a/")], Kept(&["dir /a"])),
        case(
            "folders keep what is in them",
            &[directory("a"), file("a/x", ""), directory("a").mode(0o700)],
            Kept(&["dir /a", "file /a/x"]),
        ),
        case("other case", &[file("a", ""), file("A", "")], Kept(&["file /A", "file /a"])),
        case(
            "other normal form",
            &[file("\u{e9}", ""), file("e\u{301}", "")],
            Kept(&["file /e\u{301}", "file /\u{e9}"]),
        ),
        case("below a file", &[file("f", ""), file("f/x", "")], Refused(NO_DIRECTORY)),
        case("far below a file", &[file("f", ""), directory("f/x/y")], Refused(NO_DIRECTORY)),
        case("below a device", &[device(b'3', "n", 1, 3), file("n/x", "")], Refused(NO_DIRECTORY)),
        case("a link to a file below it", &[file("f", ""), hard_link("f/x", "f")], Refused(NO_DIRECTORY)),
    ]);
}

#[test]
fn group_12_devices() {
    check(vec![
        case("character", &[device(b'3', "null", 1, 3)], Kept(&["char /null 1:3"])),
        case("block", &[device(b'4', "sda", 8, 0)], Kept(&["block /sda 8:0"])),
        case("pipe", &[entry(b'6', "p", "", b"")], Kept(&["fifo /p"])),
        // What overlay file systems take for a whiteout is data here; images have no devices at all.
        case("0:0", &[file("x", ""), device(b'3', "x", 0, 0)], Kept(&["char /x 0:0"])),
        case(
            "no number",
            &[device(b'3', "x", 0, 0).field(Field::Major, b"99999999")],
            Refused("device numbers that cannot be read"),
        ),
        case("no fields", &[device(b'3', "x", 1, 3).v7()], Refused("a device without numbers")),
        case("a socket", &[entry(b's', "s", "", b"")], Refused("the unknown type `s`")),
        case("a volume", &[entry(b'V', "v", "", b"")], Refused("the unknown type `V`")),
        case("a multi-volume part", &[entry(b'M', "v", "", b"")], Refused("the unknown type `M`")),
    ]);
}

#[test]
fn group_13_attributes() {
    let x = || file("x", "");
    let with =
        |name: &'static str, key: &str, value: &[u8], expected| case(name, &[pax(&[(key, value)]), x()], expected);
    check(vec![
        with("capability", "SCHILY.xattr.security.capability", b"\x01\0\0\x02", Shows("security.capability=01000002")),
        // Dropped by `normalize` later, as all that belongs to the host.
        with("overlay", "SCHILY.xattr.trusted.overlay.opaque", b"y", Shows("trusted.overlay.opaque=79")),
        with("label", "SCHILY.xattr.security.selinux", b"a:b:c", Shows("security.selinux=")),
        with("empty", "SCHILY.xattr.user.x", b"", Shows("user.x=\n")),
        with("64 KiB", "SCHILY.xattr.user.x", &[0; 65536], Shows("user.x=0000")),
        with("more", "SCHILY.xattr.user.x", &[0; 65537], Refused("an extended attribute of more than 65536 bytes")),
        with("no name", "SCHILY.xattr.", b"v", Refused("an extended attribute without a usable name")),
        with("NUL in the name", "SCHILY.xattr.user.\0", b"v", Refused("an extended attribute without a usable name")),
        with("= in the value", "SCHILY.xattr.user.a", b"b=c", Shows("user.a=623d63")),
    ]);
}

#[test]
fn group_14_pax() {
    let x = || file("x", "");
    let large = file("x", [1; 600]);
    let raw = |body: &[u8]| entry(b'x', "pax", "", body);
    let pairs = |records: &[(&str, &[u8])]| pax(records);
    check(vec![
        // CVE-2025-62518, CVE-2026-33055.
        case("a larger size", &[pairs(&[("size", b"1024")]), x()], Refused("two sizes: 0 in its header and 1024")),
        case(
            "a smaller size",
            &[pairs(&[("size", b"0")]), large.clone()],
            Refused("two sizes: 600 in its header and 0"),
        ),
        case("the same size", &[pairs(&[("size", b"600")]), large], Kept(&["file /x"])),
        case("a negative size", &[pairs(&[("size", b"-1")]), x()], Refused("a PAX size that is no number")),
        case("a size beyond all measure", &[pairs(&[("size", b"18446744073709551615")]), x()], Refused("")),
        case(
            "a size of a link",
            &[pairs(&[("size", b"8589934592")]), symlink("l", "t")],
            Refused("a size, though it is no file"),
        ),
        case("a wrong length", &[raw(b"99 path=a\n"), x()], Refused("a PAX header that cannot be read")),
        case("a length of nothing", &[raw(b"0 path=a\n"), x()], Refused("a PAX header that cannot be read")),
        case("no newline", &[raw(b"9 path=a "), x()], Refused("a PAX header that cannot be read")),
        case("no key", &[raw(b"5 =b\n"), x()], Refused("a PAX header that cannot be read")),
        case("bytes that are no UTF-8", &[pairs(&[("path", b"a\xff")]), x()], Kept(&["file /a\\xff"])),
        case("NUL in a path", &[pairs(&[("path", b"a\0b")]), x()], Refused(NOWHERE)),
        case("a path that leads out", &[pairs(&[("path", b"../../x")]), x()], Refused(NOWHERE)),
        case(
            "a global path",
            &[global(&[("path", b"etc/passwd")]), x()],
            Refused("a global PAX header that sets `path`"),
        ),
        case("a global size", &[global(&[("size", b"0")]), x()], Refused("a global PAX header that sets `size`")),
        case("a global owner", &[global(&[("uid", b"0")]), x()], Refused("a global PAX header that sets `uid`")),
        case("a global attribute", &[global(&[("SCHILY.xattr.user.x", b"0")]), x()], Refused("a global PAX header")),
        case("a global comment", &[global(&[("comment", b"0123456789abcdef")]), x()], Kept(&["file /x"])),
        case("10 MB", &[pairs(&[("comment", &vec![b'x'; 7 << 20])]), x()], Refused("where 1048576 are allowed")),
        case("a key twice", &[pairs(&[("path", b"a"), ("path", b"b")]), x()], Kept(&["file /b"])),
        case("a time that is none", &[pairs(&[("mtime", b"NaN")]), x()], Refused("a PAX time that is no number")),
        case(
            "a time beyond all measure",
            &[pairs(&[("mtime", b"1e30")]), x()],
            Refused("a PAX time that is no number"),
        ),
        case("a time before 1970", &[pairs(&[("mtime", b"-1.5")]), x()], Shows("mtime=-2")),
        case(
            "an owner of 2^32",
            &[pairs(&[("uid", b"4294967296")]), x()],
            Refused("an owner that is no number below 2^32"),
        ),
        case("a negative owner", &[pairs(&[("uid", b"-1")]), x()], Refused("a PAX owner that is no number")),
        case("a negative owner in base-256", &[x().gnu().field(Field::Uid, &base256(-1, 8))], Refused("an owner")),
        case("names in both ways", &[pairs(&[("path", b"a")]), gnu_long(b'L', b"b"), x()], Refused("two names")),
        case("two headers", &[pairs(&[("path", b"a")]), pairs(&[("path", b"b")]), x()], Refused("two headers")),
        case(
            "a header about nothing",
            &[x(), pairs(&[("path", b"a")])],
            Refused("a header about an entry that does not follow"),
        ),
        ("a header and no more", unfinished(&[pairs(&[("path", b"a")])]), Refused("ends too early")),
        case("a long path", &[pairs(&[("path", &b"d/".repeat(300))]), directory("d")], Shows("/d/d/d/d")),
    ]);
}

#[test]
fn group_15_gnu() {
    let sparse = |pieces: &[(u64, u64)], real: u64| {
        let map: Vec<u8> =
            pieces.iter().flat_map(|(at, size)| format!("{at:011o}\0{size:011o}\0").into_bytes()).collect();
        entry(b'S', "s", "", b"headtail").gnu().field(Field::GnuSparse, &map).octal(Field::GnuRealSize, real)
    };
    let claims = |kind| entry(kind, "l", "", b"").gnu().octal(Field::Size, 1 << 30);
    let version_1 = |map: &[u8], real: &[u8]| {
        let mut content = map.to_vec();
        content.resize(content.len().next_multiple_of(512), 0);
        content.extend_from_slice(b"headtail");
        let records: [(&str, &[u8]); 4] = [
            ("GNU.sparse.major", b"1"),
            ("GNU.sparse.minor", b"0"),
            ("GNU.sparse.name", b"s"),
            ("GNU.sparse.realsize", real),
        ];
        [pax(&records), file("GNUSparseFile.0/s", content)]
    };
    const HOLES: &str = "a map of its holes that cannot be read";
    check(vec![
        case("a name of 1 GB, claimed", &[claims(b'L')], Refused("a name or PAX header of 1073741824 bytes")),
        case("a target of 1 GB, claimed", &[claims(b'K')], Refused("a name or PAX header of 1073741824 bytes")),
        case("a long name", &[gnu_long(b'L', &[b'n'; 200]), file("n", "")], Shows("/nnnnnnnnnn")),
        case("a long target", &[gnu_long(b'K', &[b't'; 300]), symlink("l", "t")], Shows("-> tttttttttt")),
        case("a target of 4096", &[gnu_long(b'K', &[b't'; 4096]), symlink("l", "t")], Refused("longer than 4095")),
        case("an empty target", &[symlink("l", "")], Refused("a symbolic link whose target is empty")),
        case(
            "a negative size",
            &[file("x", "").gnu().field(Field::Size, &base256(-1, 12))],
            Refused("a negative size"),
        ),
        case("a size of 2^63", &[file("x", "").gnu().field(Field::Size, &base256(1 << 63, 12))], Refused("a size")),
        case(
            "a size of 2^62",
            &[file("x", "").gnu().field(Field::Size, &base256(1 << 62, 12))],
            Refused("more than 8388608 bytes"),
        ),
        case("holes", &sparse_of(&sparse(&[(0, 4), (4000, 4)], 5000)), Shows(" 5000\n")),
        case("holes that overlap", &sparse_of(&sparse(&[(0, 4), (2, 4)], 5000)), Refused(HOLES)),
        case("a hole at the end of the world", &sparse_of(&sparse(&[(u64::MAX >> 31, 8)], 5000)), Refused(HOLES)),
        case(
            "a real size of 8 GiB",
            &sparse_of(&sparse(&[(0, 8)], (1 << 33) - 1)),
            Refused("bytes in files with holes"),
        ),
        // CVE-2025-58183, CVE-2026-32288.
        case("2^63 pieces", &version_1(b"9223372036854775807\n", b"100"), Refused(HOLES)),
        case("more pieces than there are", &version_1(b"3\n0\n4\n", b"100"), Refused(HOLES)),
        case("version 1.0", &version_1(b"2\n0\n4\n90\n4\n", b"100"), Shows("file /s sha256:")),
        case(
            "a real size of 8 EiB",
            &version_1(b"1\n0\n8\n", b"9223372036854775807"),
            Refused("bytes in files with holes"),
        ),
    ]);
    let mut endless = sparse(&[(0, 8)], 8).set(482, &[1]).bytes();
    endless.truncate(512);
    let mut block = vec![0; 512];
    block[504] = 1;
    check(vec![(
        "a map without an end",
        [endless, block.repeat(5000)].concat(),
        Refused("a map of its holes that is too long"),
    )]);
}

fn sparse_of(entry: &Entry) -> Vec<Entry> {
    vec![entry.clone(), file("after", "")]
}

#[test]
fn group_16_damage() {
    let entries =
        [gnu_long(b'L', b"name"), file("x", [7; 1500]), directory("d"), pax(&[("path", b"y")]), file("z", "1")];
    let whole = tar(&entries);
    let last = whole.len() - 1024;
    for length in (0..=last).step_by(512) {
        let found = read(&whole[..length]);
        assert!(found.as_ref().is_err_and(|error| error.contains("ends too early")), "{length}: {found:?}");
    }
    for length in [1, 100, 511, 513, 1000] {
        assert!(read(&whole[..length]).is_err(), "{length}");
    }
    check(vec![
        ("one block of zeros", whole[..last + 512].to_vec(), Kept(&["dir /d", "file /name", "file /y"])),
        ("many blocks of zeros", [whole.clone(), vec![0; 10240]].concat(), Kept(&["dir /d", "file /name", "file /y"])),
        (
            "something after the end",
            [whole.clone(), b"garbage".to_vec()].concat(),
            Refused("goes on after its end marker"),
        ),
        ("two in a row", [whole.clone(), whole.clone()].concat(), Refused("goes on after its end marker")),
        case("a wrong checksum", &[file("a", ""), file("b", "").damaged()], Refused("the header's checksum is wrong")),
        ("text", b"this is no archive, but a text of more than one block\n".repeat(20), Refused("checksum is wrong")),
        case("a checksum with signs", &[file("\u{e9}", "").signed()], Kept(&["file /\u{e9}"])),
        case(
            "an old header",
            &[file("old", "1").v7(), entry(0, "dir/", "", b"").v7()],
            Kept(&["dir /dir", "file /old"]),
        ),
    ]);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut writer = liblzma::write::XzEncoder::new(Vec::new(), 1);
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut writer = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut compressor = zstd::bulk::Compressor::new(1).unwrap();
    compressor.include_checksum(true).unwrap();
    compressor.compress(bytes).unwrap()
}

#[test]
fn group_17_compression() {
    let whole = tar(&[file("x", [7; 5000]), directory("d")]);
    let (first, second) = whole.split_at(1000);
    let kept = || Kept(&["dir /d", "file /x"]);
    let changed = |mut bytes: Vec<u8>, from_end: usize| {
        let at = bytes.len() - from_end;
        bytes[at] ^= 1;
        bytes
    };
    let cut = |bytes: Vec<u8>| bytes[..bytes.len() - 5].to_vec();
    let bomb = tar(&[file("bomb", vec![0; 9 << 20])]);
    // A gzip header with a name and an extra field (RFC 1952).
    let named = |length: usize| {
        let plain = gzip(&whole);
        let extra = [&[0xff, 0xff][..], &vec![b'e'; 65535]].concat();
        [&plain[..3], &[0x0c], &plain[4..10], &extra, &vec![b'n'; length], &[0], &plain[10..]].concat()
    };
    // A skippable frame (RFC 8878, section 3.1.2).
    let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0][..], b"skip"].concat();
    let window = {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(28).unwrap();
        encoder.write_all(&whole).unwrap();
        encoder.finish().unwrap()
    };
    // A frame that names the dictionary 1: descriptor with a one-byte dictionary id, window, id.
    let dictionary = [&[0x28, 0xb5, 0x2f, 0xfd, 0x01, 0x58, 0x01][..], &[0x01, 0, 0]].concat();
    check(vec![
        ("gzip", gzip(&whole), kept()),
        ("xz", xz(&whole), kept()),
        ("bzip2", bzip2(&whole), kept()),
        ("zstd", zstd(&whole), kept()),
        ("gzip in members", [gzip(first), gzip(second)].concat(), kept()),
        ("xz in streams", [xz(first), xz(second)].concat(), kept()),
        ("bzip2 in streams", [bzip2(first), bzip2(second)].concat(), kept()),
        ("zstd in frames", [zstd(first), zstd(second)].concat(), kept()),
        ("zstd with a skippable frame", [skippable.clone(), zstd(&whole), skippable].concat(), kept()),
        ("gzip with a long name", named(60_000), kept()),
        ("gzip with a longer name", named(100_000), Refused("gzip header field too long")),
        (
            "gzip and garbage",
            [gzip(&whole), b"garbage that is no gzip".to_vec()].concat(),
            Refused("gzip data is damaged or followed"),
        ),
        ("xz and garbage", [xz(&whole), b"garbage".to_vec()].concat(), Refused("xz data")),
        ("bzip2 and garbage", [bzip2(&whole), b"garbage".to_vec()].concat(), Refused("bzip2 data")),
        ("zstd and garbage", [zstd(&whole), b"garbage".to_vec()].concat(), Refused("zstd data")),
        ("gzip with a wrong size", changed(gzip(&whole), 1), Refused("gzip data is damaged")),
        ("gzip with a wrong checksum", changed(gzip(&whole), 5), Refused("gzip data is damaged")),
        ("zstd with a wrong checksum", changed(zstd(&whole), 1), Refused("zstd data is damaged")),
        ("gzip, cut", cut(gzip(&whole)), Refused("gzip data ends too early")),
        ("xz, cut", cut(xz(&whole)), Refused("xz data ends too early")),
        ("bzip2, cut", cut(bzip2(&whole)), Refused("bzip2 data ends too early")),
        ("zstd, cut", cut(zstd(&whole)), Refused("zstd data ends too early")),
        ("gzip bomb", gzip(&bomb), Refused("grows beyond what is allowed")),
        ("xz bomb", xz(&bomb), Refused("grows beyond what is allowed")),
        ("bzip2 bomb", bzip2(&bomb), Refused("grows beyond what is allowed")),
        ("zstd bomb", zstd(&bomb), Refused("grows beyond what is allowed")),
        ("compressed twice", gzip(&gzip(&whole)), Refused("")),
        ("a window of 256 MiB", window, Refused("zstd data")),
        ("a dictionary", dictionary, Refused("zstd data")),
        ("bytes that look like gzip", [&[0x1f, 0x8b][..], b"no"].concat(), Refused("gzip data")),
    ]);
}

#[test]
fn groups_18_to_20_paths_and_quotas() {
    let component = |length| [pax(&[("path", &vec![b'c'; length])]), file("x", "")];
    let deep = |levels: usize| [pax(&[("path", &[&b"d/".repeat(levels)[..], b"f"].concat())]), file("x", "")];
    let many = |count: usize| (0..count).map(|number| file(format!("f{number}"), "")).collect::<Vec<_>>();
    let half = tar(&many(600));
    let other: Vec<Entry> = (0..600).map(|number| file(format!("g{number}"), "")).collect();
    check(vec![
        case("a component of 255", &component(255), Shows("/cccccccccc")),
        case("a component of 256", &component(256), Refused(NOWHERE)),
        case("folders that are only implied", &deep(2000), Refused("more than 1000 entries and folders above them")),
        case("400 levels", &deep(400), Shows("d/d/f sha256:")),
        case("10000 levels", &deep(10_000), Refused(NOWHERE)),
        case("as many entries as there may be", &many(1000), Shows("/f999 ")),
        case("one more", &many(1001), Refused("more than 1000 entries")),
        ("as many in two layers", docker_archive(std::slice::from_ref(&half), json!({})), Shows("/f599 ")),
        (
            "more in two layers",
            docker_archive(&[half, tar(&other)], json!({})),
            Refused("more than 1000 entries and folders above them"),
        ),
        case("too many bytes", &[file("large", vec![1; 9 << 20])], Refused("more than 8388608 bytes")),
        case("a newline", &[file("a\nb", "")], Kept(&["file /a\\x0ab"])),
        case("an escape", &[file("a\x1b[31mb", "")], Kept(&["file /a\\x1b[31mb"])),
        case("a tab", &[file("a\tb", "")], Kept(&["file /a\\x09b"])),
        case("no UTF-8", &[file(b"a\xffb", "")], Kept(&["file /a\\xffb"])),
        case("an escape in an error", &[file("\x1b[31m/../x", "")], Refused("\\x1b[31m/../x")),
        case("an escape in the path of an error", &[file("\x1b]0;", ""), file("\x1b]0;/x", "")], Refused(NO_DIRECTORY)),
    ]);
    assert_eq!(escape(b"\x1b"), "\\x1b");
}

#[test]
fn group_21_images() {
    let layer = tar(&[file("x", "1")]);
    let none = |_: &mut Value| {};
    let image = |change: &dyn Fn(&mut Value)| tar(&oci_archive(&layer, none, change));
    let with_config = |change: &dyn Fn(&mut Value)| tar(&oci_archive(&layer, change, none));
    let config = image_config(std::slice::from_ref(&layer), json!({})).to_string().into_bytes();
    let of_manifest = |bytes: &[u8]| tar(&oci_archive_of(bytes, &[&config, &layer]));
    let as_text = |change: &dyn Fn(String) -> String| {
        let entries = oci_archive(&layer, none, none);
        let manifest = entries[2].bytes()[512..].split(|byte| *byte == 0).next().unwrap().to_vec();
        of_manifest(change(String::from_utf8(manifest).unwrap()).as_bytes())
    };
    let no_blob = |number: usize, replaced: Option<Entry>| {
        let mut entries = oci_archive(&layer, none, none);
        entries.remove(number);
        tar(&[entries, replaced.into_iter().collect()].concat())
    };
    let layer_name = format!("blobs/sha256/{}", rootsmith::digest::Digest::of(&layer).hex());
    let foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
    check(vec![
        ("a good one", image(&none), Kept(&["file /x"])),
        (
            "another digest",
            image(&|m| m["layers"][0]["digest"] = format!("sha256:{:064}", 0).into()),
            Refused("has no `blobs/"),
        ),
        ("another size", image(&|m| m["layers"][0]["size"] = 1.into()), Refused("but 1 were named")),
        ("a negative size", image(&|m| m["layers"][0]["size"] = (-1).into()), Refused("cannot be used")),
        (
            "a digest that leads away",
            image(&|m| m["layers"][0]["digest"] = "sha256:../../x".into()),
            Refused("cannot be used"),
        ),
        ("an unknown digest", image(&|m| m["layers"][0]["digest"] = "md5:0".into()), Refused("cannot be used")),
        (
            "both manifest and index",
            image(&|m| m["manifests"] = json!([])),
            Refused("could be read as another document"),
        ),
        ("data that is another", image(&|m| m["config"]["data"] = "e30=".into()), Kept(&["file /x"])),
        (
            "a layer of elsewhere",
            image(&|m| {
                m["layers"] = json!([{ "mediaType": foreign, "size": 3,
            "digest": format!("sha256:{:064}", 0), "urls": ["http://127.0.0.1:9/"] }])
            }),
            Refused("is foreign"),
        ),
        ("fewer layers", image(&|m| m["layers"] = json!([])), Refused("has 0 layers, but its configuration names 1")),
        (
            "another diff ID",
            with_config(&|c| c["rootfs"]["diff_ids"][0] = format!("sha256:{:064}", 0).into()),
            Refused("has the digest"),
        ),
        (
            "no diff ID",
            with_config(&|c| c["rootfs"]["diff_ids"][0] = "md5:0".into()),
            Refused("something else than a SHA-256"),
        ),
        ("a key twice", as_text(&|text| text.replacen('{', "{\"layers\":[],", 1)), Refused("cannot be used")),
        (
            "deep JSON",
            as_text(&|text| text.replacen('{', &format!("{{\"x\":{}{},", "[".repeat(5000), "]".repeat(5000)), 1)),
            Refused("cannot be used"),
        ),
        (
            "5 MiB of manifest",
            as_text(&|text| text.replacen('{', &format!("{{\"x\":\"{}\",", "x".repeat(5 << 20)), 1)),
            Refused("cannot be used"),
        ),
        ("no JSON", of_manifest(b"manifest"), Refused("cannot be used")),
        ("a missing blob", no_blob(4, None), Refused("has no `blobs/")),
        ("a blob of the host", no_blob(4, Some(symlink(&layer_name, "/etc/passwd"))), Refused("has no `blobs/")),
        (
            "a blob above",
            no_blob(4, Some(symlink(&layer_name, "../../../../../etc/passwd"))),
            Refused("has no `blobs/"),
        ),
        (
            "a blob that leads to itself",
            no_blob(4, Some(symlink(&layer_name, layer_name.rsplit('/').next().unwrap()))),
            Refused("leads nowhere"),
        ),
        ("a blob of other bytes", no_blob(4, Some(file(&layer_name, vec![b'x'; layer.len()]))), Refused("")),
    ]);
    let docker = |layers: &str, extra: Entry| {
        let manifest = format!(r#"[{{"Config":"config.json","RepoTags":null,"Layers":[{layers}]}}]"#);
        let config = image_config(std::slice::from_ref(&layer), json!({})).to_string();
        tar(&[file("config.json", config), extra, file("manifest.json", manifest)])
    };
    check(vec![
        ("docker, good", docker(r#""l.tar""#, file("l.tar", &layer)), Kept(&["file /x"])),
        ("docker, a circle", docker(r#""l.tar""#, symlink("l.tar", "l.tar")), Refused("leads nowhere")),
        ("docker, up", docker(r#""../l.tar""#, file("l.tar", &layer)), Refused("leads nowhere")),
        ("docker, the host", docker(r#""/etc/passwd""#, file("l.tar", &layer)), Refused("has no `/etc/passwd`")),
        (
            "docker, a link to the host",
            docker(r#""l.tar""#, symlink("l.tar", "/etc/passwd")),
            Refused("has no `l.tar`"),
        ),
        ("docker, null", tar(&[file("manifest.json", "null")]), Refused("cannot be used")),
        ("docker, none", tar(&[file("manifest.json", "[]")]), Refused("several images, or none")),
        (
            "a root filesystem with such a file",
            tar(&[file("manifest.json", "{}"), directory("etc"), directory("usr")]),
            Kept(&["dir /etc", "file /manifest.json", "dir /usr"]),
        ),
    ]);
}

#[test]
fn group_22_modes() {
    check(vec![
        case("setuid of a link", &[symlink("l", "x").mode(0o4755)], Shows("0777 0:0 symlink /l")),
        case("all bits of a folder", &[directory("d").mode(0o7777)], Shows("7777 0:0 dir /d")),
        case("more than all bits", &[file("f", "").mode(0o107755)], Shows("7755 0:0 file /f")),
        case("no mode", &[file("f", "").field(Field::Mode, &[0; 8])], Shows("0000 0:0 file /f")),
        case("no number", &[file("f", "").field(Field::Mode, b"rwxr-x--")], Refused("a mode that cannot be read")),
    ]);
}

#[test]
fn records_are_counted_right() {
    assert_eq!(body(&[("path", b"a")]), b"9 path=a\n");
    assert_eq!(body(&[("path", &[b'x'; 91])])[..4], *b"101 ");
}
