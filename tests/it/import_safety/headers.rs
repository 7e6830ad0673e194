//! Extended attributes, and the headers of PAX and GNU.

use super::*;

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
