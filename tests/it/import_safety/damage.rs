//! Archives that are cut or changed, compression, and quotas.

use super::*;

#[test]
fn group_16_damage() {
    let entries =
        [gnu_long(b'L', b"name"), file("x", [7; 1500]), directory("d"), pax(&[("path", b"y")]), file("z", "1")];
    let whole = tar(&entries);
    let last = whole.len() - 1024;
    assert!(read(b"").is_err_and(|error| error.contains("it is empty")));
    for length in (512..=last).step_by(512) {
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
