//! Names, links, whiteouts and devices: where an entry leads.

use super::*;

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
            Refused("a file or link `/d`, where it had a folder"),
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
        case("a folder, then a file", &[directory("a"), file("a", "")], Kept(&["file /a"])),
        case(
            "a folder with a file, then a file",
            &[directory("a"), file("a/x", ""), file("a", "")],
            Refused("a file or link `/a`, where it had a folder"),
        ),
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
        case("a volume", &[entry(b'V', "v", "", b""), file("x", "")], Kept(&["file /x"])),
        case("a multi-volume part", &[entry(b'M', "v", "", b"")], Refused("a file that began in an earlier volume")),
        case("a dumped folder", &[entry(b'D', "d", "", b"Yx\0\0"), file("d/x", "")], Kept(&["dir /d", "file /d/x"])),
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
