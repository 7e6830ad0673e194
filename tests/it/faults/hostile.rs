//! Packages and indexes that were made to hurt. All of them are signed: whoever made them may do so, and still nothing of
//! the machine changes, and a build ends soon.

use std::fs;
use std::io::{Read, Write};
use std::time::{Duration, Instant};

use rootsmith::archive::{ArchiveError, Limits, read_tar};
use rootsmith::digest::Digest;
use rootsmith::tree::Origin;

use super::{Ends, ended, how_many, is_clean, note};
use crate::support::archive::{self, stanza};
use crate::support::deb::{Deb, append_member, append_member_of_size};
use crate::support::layout::Layout;
use crate::support::raw_tar::{
    Entry, Field, base256, device, directory, entry, file, gnu_long, hard_link, pax, symlink, tar, unfinished,
};
use crate::support::require::{Need, require};
use crate::support::toy;
use crate::support::workspace::{Finished, Workspace};

const CONTROL: &str = "Package: evil\nVersion: 1\nArchitecture: amd64\nMaintainer: N <n@archive.example>\n\
                       Description: made to hurt\n";

/// A `.deb` of any bytes that calls itself evil.
fn evil(bytes: Vec<u8>) -> Deb {
    Deb { file_name: "evil_1_amd64.deb".to_owned(), control: CONTROL.to_owned(), bytes }
}

/// A `.deb` with this data part.
fn with_data(name: &str, data: &[u8]) -> Deb {
    with_parts(&control(CONTROL.as_bytes()), name, data)
}

fn with_parts(control: &[u8], name: &str, data: &[u8]) -> Deb {
    let mut bytes = b"!<arch>\n".to_vec();
    append_member(&mut bytes, "debian-binary", b"2.0\n");
    append_member(&mut bytes, "control.tar.gz", control);
    append_member(&mut bytes, name, data);
    evil(bytes)
}

fn of(entries: &[Entry]) -> Deb {
    with_data("data.tar", &tar(entries))
}

fn control(text: &[u8]) -> Vec<u8> {
    gzip(&tar(&[file("./control", text)]))
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

/// A workspace whose recipe asks for the package evil, too.
fn workspace() -> Workspace {
    let workspace = super::workspace();
    let recipe = fs::read_to_string(workspace.path("golden.toml")).unwrap();
    workspace.write("golden.toml", &recipe.replace("[\"facts\"]", "[\"facts\", \"evil\"]"));
    workspace
}

fn build_with(workspace: &Workspace, package: Deb) -> Finished {
    let packages: Vec<Deb> = toy::packages().into_iter().chain([package]).collect();
    archive::write(&workspace.path("archive"), &toy::suite_called("golden"), &packages);
    let _ = fs::remove_file(workspace.path("golden.lock"));
    workspace.rootsmith(["build", "golden.toml", "-o", "oci:out"])
}

#[test]
fn packages_that_are_refused() {
    require!(Need::Root, Need::Program("busybox"), Need::Amd64);
    let long = "n".repeat(300);
    let deep = "d/".repeat(2100);
    let cases: Vec<(&str, Deb, &str)> = vec![
        ("a path with `..`", of(&[file("./../../etc/evil", "x")]), ".."),
        ("a hard link out of the package", of(&[hard_link("./evil", "../../etc/shadow")]), ".."),
        ("a hard link to nothing", of(&[hard_link("./evil", "./etc/shadow")]), "shadow"),
        (
            "symbolic links in a circle, and a file behind them",
            of(&[symlink("./a", "b"), symlink("./b", "a"), file("./a/evil", "x")]),
            "cannot find the place of a file of package evil",
        ),
        ("a file below a file", of(&[file("./a", "x"), file("./a/b", "y")]), "evil"),
        ("a file of another package", of(&[file("./usr/bin/greet", "x")]), "neither replaces files of the other"),
        ("a file that says it is larger than the archive", of(&[file("./a", "x").octal(Field::Size, 1 << 30)]), "ends"),
        ("a file of a negative size", of(&[file("./a", "x").field(Field::Size, &base256(-1, 12))]), "evil"),
        ("a header with a wrong checksum", of(&[file("./a", "x").damaged()]), "checksum"),
        ("two sizes for one file", of(&[pax(&[("size", b"5")]), file("./a", "xxxxxxxxx")]), "size"),
        ("a name of 2 MB", of(&[gnu_long(b'L', &vec![b'n'; 2 << 20]), file("./a", "x")]), "1048576 are allowed"),
        ("a name of 300 bytes", of(&[gnu_long(b'L', long.as_bytes()), file("./a", "x")]), "255"),
        ("a path of 4200 bytes", of(&[gnu_long(b'L', deep.as_bytes()), file("./a", "x")]), "4096"),
        ("a path with a NUL", of(&[pax(&[("path", b"a\0b")]), file("./a", "x")]), "NUL"),
        ("a data part that ends early", with_data("data.tar", &unfinished(&[file("./a", "x")])[..600]), "ends"),
        ("a bomb in gzip", with_data("data.tar.gz", &gzip(&vec![0; 150 << 20])), "grows beyond what is allowed"),
        ("10 million entries", with_data("data.tar.zst", &entries_in_zstd(10_000_000)), "grows beyond what is allowed"),
        (
            "a zstd window of 2 GB",
            with_data("data.tar.zst", &[0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x01, 0x00, 0x00]),
            "package evil",
        ),
        ("a data part that is no tar", with_data("data.tar.xz", b"\xfd7zXZ\0 and no more"), "package evil"),
        (
            "a control field of 100 MB",
            with_parts(&control(&[CONTROL.as_bytes(), &vec![b'x'; 100 << 20]].concat()), "data.tar", &tar(&[])),
            "control part is larger than",
        ),
        (
            "a control part with `..`",
            with_parts(&gzip(&tar(&[file("./control", CONTROL), file("../evil", "x")])), "data.tar", &tar(&[])),
            "its control part has `../evil`",
        ),
        (
            "a control part with a link",
            with_parts(&gzip(&tar(&[symlink("./control", "/etc/shadow")])), "data.tar", &tar(&[])),
            "its control part has `./control`",
        ),
        (
            "a control file of another package",
            with_parts(&control(CONTROL.replace("evil", "good").as_bytes()), "data.tar", &tar(&[])),
            "holds good 1 (amd64), but the index says evil 1 (amd64)",
        ),
        (
            "a control file that is none",
            with_parts(&control(b"\xff\xfe"), "data.tar", &tar(&[])),
            "cannot read the control file",
        ),
        (
            "no data part",
            {
                let mut bytes = b"!<arch>\n".to_vec();
                append_member(&mut bytes, "debian-binary", b"2.0\n");
                append_member(&mut bytes, "control.tar.gz", &control(CONTROL.as_bytes()));
                evil(bytes)
            },
            "it has no `data.tar`",
        ),
        ("an ar member larger than the file", ar_of_size("99999999"), "it ends inside `data.tar`"),
        ("an ar member of a negative size", ar_of_size("-1"), "a member's header is damaged"),
        ("an ar member whose size is no number", ar_of_size("1e3"), "a member's header is damaged"),
        ("an ar member of 2^64 bytes", ar_of_size("9999999999"), "it ends inside `data.tar`"),
        ("no ar archive", evil(b"#!/bin/sh\n".to_vec()), "it is not an ar archive"),
        ("nothing", evil(Vec::new()), "it is not an ar archive"),
    ];
    let workspace = workspace();
    for (what, package, says) in cases {
        let begun = Instant::now();
        let finished = build_with(&workspace, package);
        let code = if what == "a file of another package" { 2 } else { 4 };
        ended("hostile .deb", what, &finished, &Ends { code, says });
        finished.says("evil");
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}: {:?}", begun.elapsed());
        assert_eq!(is_clean(&workspace), Ok(()), "{what}");
        assert!(!workspace.path("out/index.json").exists(), "{what}");
    }
}

/// A `.deb` whose data part has a header that says this size.
fn ar_of_size(size: &str) -> Deb {
    let mut bytes = b"!<arch>\n".to_vec();
    append_member(&mut bytes, "debian-binary", b"2.0\n");
    append_member(&mut bytes, "control.tar.gz", &control(CONTROL.as_bytes()));
    append_member_of_size(&mut bytes, "data.tar", size, &tar(&[]));
    evil(bytes)
}

/// So many empty files, in frames that are all the same.
fn entries_in_zstd(count: usize) -> Vec<u8> {
    let some = vec![file("./usr/share/evil/entry", ""); 2000];
    let frame = zstd::encode_all(unfinished(&some).as_slice(), 3).unwrap();
    frame.repeat(count / 2000)
}

#[test]
fn packages_that_are_taken_for_what_they_are() {
    require!(Need::Root, Need::Program("busybox"), Need::Amd64);
    let workspace = workspace();
    // Not below /tmp, whose contents are in no image.
    let host = tempfile::tempdir_in("/var/tmp").unwrap();
    let outside = host.path();
    let escape = format!("{}{}", "../".repeat(20), outside.display().to_string().trim_start_matches('/'));
    let package = of(&[
        directory("./"),
        file("/absolute", "a"),
        directory("./opt"),
        symlink("./opt/away", outside.to_str().unwrap()),
        file("./opt/away/through-absolute", "b"),
        symlink("./opt/up", &escape),
        file("./opt/up/through-relative", "c"),
        symlink("./opt/link", "/etc/passwd"),
        file("./opt/link", "d"),
        device(b'3', "./opt/null", 1, 3),
        device(b'4', "./opt/disk", 8, 0),
        entry(b'6', "./opt/pipe", "", b""),
        file("./opt/setuid", "e").mode(0o6755),
        hard_link("./opt/setuid-too", "./opt/setuid"),
        directory("./opt/all").mode(0o7777),
        file("./opt/twice", "first"),
        file("./opt/twice", "second"),
        file("./opt/mode", "f").mode(0o177_777),
        file("./opt/new\nline", "g"),
        file(b"./opt/\xff", "h"),
    ]);
    let finished = build_with(&workspace, package);
    ended(
        "hostile .deb",
        "links to the host, devices, setuid files, files twice",
        &finished,
        &Ends { code: 0, says: "" },
    );
    assert_eq!(fs::read_dir(outside).unwrap().count(), 0, "nothing went through the links");
    assert!(!std::path::Path::new("/absolute").exists());
    let image = Layout::open(&workspace.path("out")).image();
    let listing = image.listing();
    assert_eq!(image.file("absolute"), b"a");
    assert_eq!(image.file("opt/twice"), b"second");
    assert_eq!(image.file("opt/link"), b"d", "the link is replaced, not followed");
    let within = outside.display().to_string();
    for name in ["through-absolute", "through-relative"] {
        assert!(listing.contains_key(&format!("{}/{name}", within.trim_start_matches('/'))), "{name} is in the image");
    }
    assert!(!listing.contains_key("opt/null") && !listing.contains_key("opt/disk"), "images have no devices");
    for name in ["opt/setuid", "opt/setuid-too"] {
        assert_eq!(listing[name].mode & 0o6000, 0, "`setuid = \"strip\"` holds for {name}");
    }
    assert_eq!(listing["opt/mode"].mode & !0o7777, 0);
}

/// Headers of files, without end.
struct Headers {
    left: u64,
    block: Vec<u8>,
    at: usize,
}

impl Read for Headers {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.at == self.block.len() {
            if self.left == 0 {
                return Ok(0);
            }
            self.left -= 1;
            self.at = 0;
        }
        let count = buffer.len().min(self.block.len() - self.at);
        buffer[..count].copy_from_slice(&self.block[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

#[test]
fn ten_million_entries_are_too_many() {
    let block: Vec<Entry> = (0..1000).map(|number| file(format!("./{number}"), "")).collect();
    // In an ordinary test run the limit is lower, so that it is reached sooner.
    let entries = how_many(100_000, Limits::default().entries as usize) as u64;
    let headers = Headers { left: 10_000, block: unfinished(&block), at: 0 };
    let path = std::path::Path::new("/nowhere").into();
    let limits = Limits { entries, ..Limits::default() };
    let mut seen = 0;
    let origin = Origin::Package("evil".into());
    let error = read_tar(headers, &path, &origin, &limits, |_| {
        seen += 1;
        Ok::<_, ArchiveError>(())
    });
    let error = error.unwrap_err().to_string();
    assert_eq!(seen, entries, "{error}");
    note("hostile .deb", "10 million entries that do not compress", 4, &format!("refused after {entries}"));
}

#[test]
fn indexes_that_are_refused() {
    require!(Need::Program("busybox"), Need::Amd64);
    let workspace = workspace();
    let packages = toy::packages();
    let good: String = packages.iter().map(stanza).collect();
    let own = stanza(&evil(b"evil".to_vec()));
    let with = |from: &str, to: &str| {
        assert!(own.contains(from), "{from}");
        good.clone() + &own.replacen(from, to, 1)
    };
    let digest = Digest::of(b"evil").hex();
    let cases = [
        ("a file outside the archive", with("pool/main/", "../../../etc/"), "has the impossible `Filename:"),
        ("a file with an absolute path", with("pool/main/", "/etc/"), "has the impossible `Filename:"),
        ("a package called ../evil", with("Package: evil", "Package: ../evil"), "has the impossible `Package:"),
        ("a version with a slash", with("Version: 1", "Version: 1/../2"), "has the impossible `Version:"),
        ("a size that is no number", with("Size: 4", "Size: -4"), "has the impossible `Size:"),
        ("a size of 2^64", with("Size: 4", "Size: 18446744073709551616"), "has the impossible `Size:"),
        ("no digest", with(&format!("SHA256: {digest}\n"), ""), "evil has no `SHA256`"),
        ("a digest of MD5's length", with(&digest, &digest[..32]), "has the impossible `SHA256:"),
        ("a line without a colon", with("Version: 1", "Version 1"), "cannot read the package index"),
        (
            "a name of a megabyte",
            with("Version: 1", &format!("{}: 1", "V".repeat(1 << 20))),
            "cannot read the package index",
        ),
    ];
    let lock = |files: &[(&str, Vec<u8>)]| {
        archive::write_indexes(&workspace.path("archive"), &toy::suite_called("golden"), files);
        let _ = fs::remove_file(workspace.path("golden.lock"));
        workspace.rootsmith(["lock", "golden.toml"])
    };
    for (what, index, says) in cases {
        let finished = lock(&[("Packages", index.into_bytes())]);
        ended("hostile index", what, &finished, &Ends { code: 4, says });
    }
    let binary = [good.as_bytes(), b"\xff\xfe"].concat();
    let says = "cannot read the package index";
    ended("hostile index", "bytes that are no text", &lock(&[("Packages", binary)]), &Ends { code: 4, says });
    let bomb = zstd::encode_all(vec![b'\n'; 150 << 20].as_slice(), 3).unwrap();
    let ends = Ends { code: 4, says: "grows beyond what is allowed" };
    ended("hostile index", "a bomb", &lock(&[("Packages.zst", bomb)]), &ends);
    // A Release says how large the index is once it is unpacked: more is a bomb too, however small.
    let more = zstd::encode_all(format!("{good}\n\n\n\n\n\n").as_bytes(), 3).unwrap();
    let files = [("Packages", good.clone().into_bytes()), ("Packages.zst", more)];
    ended("hostile index", "larger than the Release says", &lock(&files), &ends);
    // Large is not wrong.
    let large = with("Description: made to hurt", &format!("Description: {}", "x".repeat(how_many(10, 100) << 20)));
    let finished = lock(&[("Packages", large.into_bytes())]);
    ended("hostile index", "a field of 100 MB", &finished, &Ends { code: 0, says: "" });
    // The solver comes to an end, whatever is to be solved.
    let tangle: String = (0..300)
        .map(|number| {
            let next = (number + 1) % 300;
            let name = if number == 0 { "evil".to_owned() } else { format!("p{number}") };
            let depends = if next == 0 {
                "evil".to_owned()
            } else {
                format!("p{next} | p{}, p{next} (>= 1)", (number + 7) % 300)
            };
            format!(
                "Package: {name}\nVersion: 1\nArchitecture: amd64\nDepends: {depends}\nConflicts: {name}\n\
                 Provides: p{number} (= 1)\nFilename: pool/{number}.deb\nSize: 1\nSHA256: {digest}\n\n"
            )
        })
        .collect();
    let finished = lock(&[("Packages", format!("{good}{tangle}").into_bytes())]);
    ended(
        "hostile index",
        "300 packages that depend on each other in a circle",
        &finished,
        &Ends { code: 0, says: "" },
    );
}
