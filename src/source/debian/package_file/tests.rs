use std::io::Write;

use super::*;

const CONTROL: &str = "Package: a\nVersion: 1\nArchitecture: all\nDescription: x\n y\n";

fn ar(members: &[(&str, &str, &[u8])]) -> Vec<u8> {
    let mut bytes = b"!<arch>\n".to_vec();
    for (name, date, content) in members {
        bytes.extend(format!("{name:<16}{date:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 100_644, content.len()).bytes());
        bytes.extend(*content);
        bytes.resize(bytes.len() + bytes.len() % 2, b'\n');
    }
    bytes
}

fn tar(files: &[(&str, u32, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, mode, content) in files {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_mode(*mode);
        header.set_size(content.len() as u64);
        header.set_entry_type(if name.ends_with('/') { tar::EntryType::Directory } else { tar::EntryType::Regular });
        header.set_cksum();
        builder.append(&header, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

fn control_tar() -> Vec<u8> {
    tar(&[("./", 0o755, b""), ("./control", 0o644, CONTROL.as_bytes()), ("./postinst", 0o755, b"#!/bin/sh\n")])
}

fn read(bytes: &[u8]) -> Result<DebFile, PackageFileError> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    let read = DebFile::read(file.path());
    if let Ok(deb) = &read {
        let mut data = Vec::new();
        deb.data().unwrap().read_to_end(&mut data).unwrap();
        assert_eq!(data, b"data");
    }
    read
}

fn error(bytes: &[u8]) -> String {
    let error = read(bytes).unwrap_err();
    let PackageFileError::NotPackage { reason, .. } = error else { panic!("{error}") };
    reason
}

#[test]
fn every_compression() {
    let plain = control_tar();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&plain).unwrap();
    let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
    xz.write_all(&plain).unwrap();
    let parts = [
        ("control.tar", plain.clone()),
        ("control.tar.gz", gzip.finish().unwrap()),
        ("control.tar.xz", xz.finish().unwrap()),
        ("control.tar.zst", zstd::encode_all(&plain[..], 1).unwrap()),
    ];
    for (name, bytes) in parts {
        let deb = read(&ar(&[
            ("debian-binary", "1700000000", b"2.0\n"),
            (name, "1700000001", &bytes),
            ("_gpgorigin/", "", b"x"),
            ("data.tar.xz", "1700000000", b"data"),
            ("later", "0", b"anything"),
        ]))
        .unwrap();
        assert_eq!(deb.control().field("Package").map(deb822::Value::raw), Some("a"));
        assert_eq!(deb.control_text(), CONTROL);
        assert_eq!(deb.member("postinst").map(|member| member.mode), Some(0o755));
        assert_eq!(deb.members.iter().map(|member| &member.name).collect::<Vec<_>>(), ["control", "postinst"]);
        assert_eq!(deb.date, Epoch::from_seconds(1_700_000_001));
        assert_eq!(deb.data_size(), 4);
    }
}

#[test]
fn wrong_containers_are_refused() {
    let control = control_tar();
    let version: (&str, &str, &[u8]) = ("debian-binary", "0", b"2.0\n");
    assert_eq!(error(b""), "it is not an ar archive");
    assert_eq!(error(b"PK\x03\x04........"), "it is not an ar archive");
    assert_eq!(error(&ar(&[])), "its first member is not `debian-binary`");
    assert_eq!(error(&ar(&[("debian-binary", "0", b"3.0\n")])), "its format is `3.0`, not 2.0");
    assert_eq!(error(&ar(&[version])), "it has no `control.tar`");
    assert_eq!(error(&ar(&[version, ("control.tar", "0", &control)])), "it has no `data.tar`");
    assert_eq!(
        error(&ar(&[version, ("data.tar.xz", "0", b""), ("control.tar", "0", &control)])),
        "`data.tar.xz` stands where `control.tar` should be"
    );
    assert_eq!(
        error(&ar(&[version, ("control.tar.lz4", "0", b"")])),
        "`control.tar` is compressed as `.lz4`, which is not known"
    );
    let whole = ar(&[version, ("control.tar", "0", &control)]);
    assert_eq!(error(&whole[..whole.len() - 1]), "it ends inside `control.tar`");
    assert_eq!(error(&whole[..100]), "it ends inside a member's header");
    let mut damaged = whole.clone();
    damaged[8 + 58] = b'x';
    assert_eq!(error(&damaged), "a member's header is damaged");
    assert!(error(&ar(&[version; 40])).contains("more than 32"));
}

#[test]
fn wrong_control_parts_are_refused() {
    let with = |control: &[u8]| {
        ar(&[("debian-binary", "0", b"2.0\n"), ("control.tar", "0", control), ("data.tar", "0", b"data")])
    };
    assert_eq!(error(&with(&tar(&[]))), "its control.tar has no `control`");
    assert_eq!(error(&with(&tar(&[("../control", 0o644, b"")]))), "its control part has `../control`");
    assert_eq!(error(&with(&tar(&[("a/b", 0o644, b"")]))), "its control part has `a/b`");
    assert!(error(&with(&tar(&[("control", 0o644, b""), ("./control", 0o644, b"")]))).contains("twice"));
    let large = vec![b'x'; CONTROL_LIMIT as usize];
    assert!(error(&with(&tar(&[("templates", 0o644, &large), ("control", 0o644, b"x")]))).contains("larger than"));
    let wrong = read(&with(&tar(&[("control", 0o644, b"nonsense")])));
    assert!(matches!(wrong, Err(PackageFileError::Control { .. })));
    let damaged = read(&with(&zstd::encode_all(&control_tar()[..], 1).unwrap()[..60]));
    assert!(matches!(damaged, Err(PackageFileError::Damaged { .. })));
    assert!(matches!(DebFile::read(Path::new("/nowhere.deb")), Err(PackageFileError::Read { .. })));
}
