use std::io::Write as _;
use std::path::Path;

use super::super::pax;
use super::*;
use crate::shared_path::SharedPath;
use crate::tree::Tree;

/// A header of `kind` for `path`, with a right checksum.
fn header(kind: u8, path: &[u8], size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.as_old_mut().name[..path.len()].copy_from_slice(path);
    header.as_old_mut().linkflag = [kind];
    header.set_size(size);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(5);
    header.set_cksum();
    header
}

/// A whole entry with content.
fn entry(kind: u8, path: &[u8], content: &[u8]) -> Vec<u8> {
    block(&header(kind, path, content.len() as u64), content)
}

fn block(header: &Header, content: &[u8]) -> Vec<u8> {
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn records(records: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    records.iter().for_each(|(key, value)| pax::append(&mut body, key.as_bytes(), value));
    entry(b'x', b"pax", &body)
}

fn link(kind: u8, path: &[u8], target: &[u8], size: u64) -> Vec<u8> {
    let mut header = header(kind, path, size);
    header.as_old_mut().linkname[..target.len()].copy_from_slice(target);
    header.set_cksum();
    block(&header, &vec![0; size as usize])
}

fn archive(entries: &[Vec<u8>]) -> Vec<u8> {
    [entries.concat(), vec![0; 1024]].concat()
}

fn limits() -> Limits {
    Limits { entries: 50, bytes: 1 << 20, ..Limits::default() }
}

fn items(tar: &[u8]) -> Result<Vec<Item>, ArchiveError> {
    let origin = Origin::Import("test".into());
    let mut items = Vec::new();
    read_tar(tar, &SharedPath::from(Path::new("blob")), &origin, &limits(), |item| {
        items.push(item);
        Ok::<_, ArchiveError>(())
    })?;
    Ok(items)
}

fn inode(item: &Item) -> &Inode {
    match &item.what {
        What::Inode(inode) => inode,
        What::HardLink(target) => panic!("a link to {target}"),
    }
}

#[test]
fn every_kind_of_entry() {
    let mut device = header(b'3', b"dev/null", 0);
    device.set_device_major(1).unwrap();
    device.set_device_minor(3).unwrap();
    device.set_cksum();
    let tar = archive(&[
        entry(b'5', b"./", b""),
        entry(b'0', b"./a", b"text"),
        entry(0, b"old/", b""),
        entry(0, b"older", b"x"),
        link(b'1', b"/b", b"./a", 0),
        link(b'2', b"c", b"/nowhere", 0),
        block(&device, b""),
        entry(b'6', b"fifo", b""),
    ]);
    let all = items(&tar).unwrap();
    let paths: Vec<String> = all.iter().map(|item| item.path.to_string()).collect();
    assert_eq!(paths, ["/", "/a", "/old", "/older", "/b", "/c", "/dev/null", "/fifo"]);
    assert!(inode(&all[0]).is_directory() && inode(&all[2]).is_directory());
    assert_eq!(inode(&all[1]).content().unwrap().read().unwrap(), b"text");
    assert_eq!((inode(&all[1]).meta.mode, inode(&all[1]).meta.mtime), (0o644, 5));
    assert!(matches!(&all[4].what, What::HardLink(target) if target.as_bytes() == b"a"));
    assert_eq!(inode(&all[5]).symlink_target(), Some(&b"/nowhere"[..]));
    assert!(matches!(inode(&all[6]).node, Node::CharacterDevice { major: 1, minor: 3 }));
    assert!(matches!(inode(&all[7]).node, Node::Fifo));
}

#[test]
fn labels_are_passed_over_and_dumped_directories_are_directories() {
    let label = [records(&[("comment", b"x")]), entry(b'V', b"backup of /", &[b'x'; 10])].concat();
    let tar = archive(&[label, entry(b'D', b"./var/", b"Ylog\0Nmail\0\0"), entry(b'0', b"./var/log", b"text")]);
    let all = items(&tar).unwrap();
    let paths: Vec<String> = all.iter().map(|item| item.path.to_string()).collect();
    assert_eq!(paths, ["/var", "/var/log"]);
    assert!(inode(&all[0]).is_directory());
    let continued = items(&archive(&[entry(b'M', b"big", &[1; 600])])).unwrap_err();
    assert!(continued.to_string().contains("in an earlier volume"), "{continued}");
}

#[test]
fn contents_are_slices_of_the_blob() {
    let folder = tempfile::tempdir().unwrap();
    let path = SharedPath::from(folder.path().join("blob"));
    let large: Vec<u8> = (0..5000_u32).map(|number| number as u8).collect();
    let tar = archive(&[entry(b'0', b"large", &large), entry(b'0', b"after", b"small")]);
    File::create(&path).unwrap().write_all(&tar).unwrap();
    let origin = Origin::Import("test".into());
    let mut tree = Tree::new();
    for from_file in [true, false] {
        let mut each = |item: Item| {
            let inode = inode(&item).clone();
            tree.insert(item.path, inode).map_err(|source| ArchiveError::Tree { archive: origin.clone(), source })?;
            Ok::<_, ArchiveError>(())
        };
        match from_file {
            true => read_tar_file(&path, &origin, &limits(), &mut each).unwrap(),
            false => read_tar(&tar[..], &path, &origin, &limits(), &mut each).unwrap(),
        }
        let content = |path| tree.get(&TreePath::literal(path)).unwrap().content().unwrap();
        assert!(matches!(content("large"), Content::Slice { offset: 512, size: 5000, .. }));
        assert_eq!(content("large").read().unwrap(), large);
        assert_eq!(content("after").read().unwrap(), b"small");
    }
}

#[test]
fn long_names_and_pax() {
    let long = [b'n'; 200];
    let tar = archive(&[
        entry(b'L', b"././@LongLink", &[&long[..], b"\0"].concat()),
        entry(b'K', b"././@LongLink", b"target\0"),
        link(b'2', b"nnnn", b"tar", 0),
        records(&[
            ("atime", b"1.5"),
            ("path", "caf\u{e9}".as_bytes()),
            ("mtime", b"-1.5"),
            ("uid", b"4000000000"),
            ("SCHILY.xattr.security.capability", b"\x01\n\0\x02="),
        ]),
        entry(b'0', b"x", b"1"),
        entry(b'0', b"y", b"2"),
    ]);
    let all = items(&tar).unwrap();
    assert_eq!((all[0].path.as_bytes(), inode(&all[0]).symlink_target()), (&long[..], Some(&b"target"[..])));
    assert_eq!(all[1].path.as_bytes(), "caf\u{e9}".as_bytes());
    let meta = &inode(&all[1]).meta;
    assert_eq!((meta.mtime, meta.uid), (-2, 4_000_000_000));
    assert_eq!(meta.xattrs.value("security.capability"), Some(&b"\x01\n\0\x02="[..]));
    let after = &inode(&all[2]).meta;
    assert_eq!((after.mtime, after.uid, after.xattrs.is_empty()), (5, 0, true), "records are of one entry");
}

#[test]
fn names_that_lead_nowhere_are_refused() {
    for wrong in [&b".."[..], b"../x", b"a/../../x", b"./../x", b"a/.."] {
        assert!(matches!(items(&archive(&[entry(b'0', wrong, b"")])), Err(ArchiveError::Path { .. })));
        assert!(matches!(items(&archive(&[link(b'1', b"l", wrong, 0)])), Err(ArchiveError::Path { .. })));
    }
    let nul = archive(&[records(&[("path", b"a\0b")]), entry(b'0', b"x", b"")]);
    assert!(matches!(items(&nul), Err(ArchiveError::Path { .. })));
    let component = archive(&[records(&[("path", &[b'a'; 256])]), entry(b'0', b"x", b"")]);
    assert!(matches!(items(&component), Err(ArchiveError::Path { .. })));
    let deep = archive(&[records(&[("path", &b"a/".repeat(2049))]), entry(b'0', b"x", b"")]);
    assert!(matches!(items(&deep), Err(ArchiveError::Path { .. })));
}

#[test]
fn entries_that_lie_are_refused() {
    let negative = {
        let mut header = header(b'0', b"x", 0);
        header.as_old_mut().size = [0xff; 12];
        header.set_cksum();
        block(&header, b"")
    };
    let big_owner = {
        let mut header = header(b'0', b"x", 0);
        header.set_uid(1 << 32);
        header.set_cksum();
        block(&header, b"")
    };
    let global = |key: &str, value: &[u8]| {
        let mut body = Vec::new();
        pax::append(&mut body, key.as_bytes(), value);
        entry(b'g', b"global", &body)
    };
    let x = || entry(b'0', b"x", b"");
    let cases: Vec<(&str, Vec<Vec<u8>>)> = vec![
        ("negative size", vec![negative]),
        ("owner of 2^32", vec![big_owner]),
        ("PAX size larger than the header's", vec![records(&[("size", b"1024")]), x()]),
        ("PAX size smaller than the header's", vec![records(&[("size", b"0")]), entry(b'0', b"x", &[1; 600])]),
        ("negative PAX size", vec![records(&[("size", b"-1")]), x()]),
        ("PAX owner of 2^32", vec![records(&[("uid", b"4294967296")]), x()]),
        ("negative PAX group", vec![records(&[("gid", b"-1")]), x()]),
        ("PAX time", vec![records(&[("mtime", b"1e30")]), x()]),
        ("PAX record length", vec![entry(b'x', b"pax", b"99 path=a\n"), x()]),
        ("PAX path and long name", vec![records(&[("path", b"a")]), entry(b'L', b"l", b"b\0"), x()]),
        ("two long names", vec![entry(b'L', b"l", b"a\0"), entry(b'L', b"l", b"b\0"), x()]),
        ("two PAX headers", vec![records(&[("path", b"a")]), records(&[("path", b"b")]), x()]),
        ("PAX header of nothing", vec![records(&[("path", b"a")])]),
        ("global path", vec![global("path", b"/etc/passwd"), x()]),
        ("global size", vec![global("size", b"0"), x()]),
        ("size of a hard link", vec![x(), link(b'1', b"l", b"x", 512)]),
        ("size of a directory", vec![entry(b'5', b"d", &[0; 512])]),
        ("empty symbolic link", vec![link(b'2', b"l", b"", 0)]),
        ("unknown type", vec![entry(b'Q', b"volume", b"")]),
        ("rest of another volume", vec![x(), entry(b'M', b"big", &[1; 600])]),
        ("attribute without a name", vec![records(&[("SCHILY.xattr.", b"v")]), x()]),
        ("huge attribute", vec![records(&[("SCHILY.xattr.user.x", &[0; 70_000])]), x()]),
    ];
    for (what, entries) in cases {
        let result = items(&archive(&entries));
        assert!(matches!(result, Err(ArchiveError::Entry { .. })), "{what}: {result:?}");
    }
    assert!(items(&archive(&[global("comment", b"commit"), x()])).is_ok());
}

/// A file of 5000 bytes with `head` at its start and `tail` at 4000.
fn with_holes() -> Vec<u8> {
    let mut whole = vec![0; 5000];
    whole[..4].copy_from_slice(b"head");
    whole[4000..4004].copy_from_slice(b"tail");
    whole
}

fn old_sparse(pieces: &[(u64, u64)], extended: &[(u64, u64)], size: u64) -> Vec<u8> {
    let mut header = header(b'S', b"holes", 8);
    let gnu = header.as_gnu_mut().unwrap();
    for (field, (offset, length)) in gnu.sparse.iter_mut().zip(pieces) {
        field.set_offset(*offset);
        field.set_length(*length);
    }
    gnu.set_real_size(size);
    gnu.set_is_extended(!extended.is_empty());
    header.set_cksum();
    let mut extension = tar::GnuExtSparseHeader::new();
    for (field, (offset, length)) in extension.sparse_mut().iter_mut().zip(extended) {
        field.set_offset(*offset);
        field.set_length(*length);
    }
    let extension = if extended.is_empty() { Vec::new() } else { extension.as_bytes().to_vec() };
    [header.as_bytes().to_vec(), extension, b"headtail".to_vec(), vec![0; 504]].concat()
}

#[test]
fn files_with_holes_are_filled_with_zeros() {
    let map_in_content = [b"2\n0\n4\n4000\n4\n".to_vec(), vec![0; 499], b"headtail".to_vec()].concat();
    let forms = [
        old_sparse(&[(0, 4), (4000, 4), (5000, 0)], &[], 5000),
        old_sparse(&[(0, 1), (1, 1), (2, 1), (3, 1)], &[(4000, 4), (5000, 0)], 5000),
        [
            records(&[
                ("GNU.sparse.size", b"5000"),
                ("GNU.sparse.numblocks", b"2"),
                ("GNU.sparse.offset", b"0"),
                ("GNU.sparse.numbytes", b"4"),
                ("GNU.sparse.offset", b"4000"),
                ("GNU.sparse.numbytes", b"4"),
            ]),
            entry(b'0', b"holes", b"headtail"),
        ]
        .concat(),
        [
            records(&[("GNU.sparse.size", b"5000"), ("GNU.sparse.map", b"0,4,4000,4"), ("GNU.sparse.name", b"holes")]),
            entry(b'0', b"GNUSparseFile.1/holes", b"headtail"),
        ]
        .concat(),
        [
            records(&[
                ("GNU.sparse.major", b"1"),
                ("GNU.sparse.minor", b"0"),
                ("GNU.sparse.name", b"holes"),
                ("GNU.sparse.realsize", b"5000"),
            ]),
            entry(b'0', b"GNUSparseFile.1/holes", &map_in_content),
        ]
        .concat(),
    ];
    let folder = tempfile::tempdir().unwrap();
    let path = SharedPath::from(folder.path().join("blob"));
    for (number, form) in forms.into_iter().enumerate() {
        File::create(&path).unwrap().write_all(&archive(&[form, entry(b'0', b"after", b"x")])).unwrap();
        let mut all = Vec::new();
        let each = |item| {
            all.push(item);
            Ok::<_, ArchiveError>(())
        };
        read_tar_file(&path, &Origin::Import("test".into()), &limits(), each).unwrap();
        assert_eq!(all[0].path.as_bytes(), b"holes", "form {number}");
        assert!(inode(&all[0]).content().unwrap().read().unwrap() == with_holes(), "form {number}");
        assert_eq!(all[1].path.as_bytes(), b"after", "form {number}");
    }
    let mut pieces = b"40000\n".to_vec();
    (0..40_000).for_each(|piece| pieces.extend(format!("{}\n1\n", 2 * piece).into_bytes()));
    pieces.resize(pieces.len().next_multiple_of(512), 0);
    pieces.extend([b'x'; 40_000]);
    let version_1 = [("GNU.sparse.major", &b"1"[..]), ("GNU.sparse.minor", b"0"), ("GNU.sparse.realsize", b"80000")];
    let long = archive(&[records(&version_1), entry(b'0', b"long", &pieces), entry(b'0', b"after", b"x")]);
    let all = items(&long).unwrap();
    assert!(matches!(inode(&all[0]).content(), Some(Content::Sparse(sparse)) if sparse.pieces.len() == 40_000));
    assert_eq!(all[1].path.as_bytes(), b"after");
    let lying = items(&archive(&[old_sparse(&[(0, 9)], &[], 5000)]));
    assert!(matches!(lying, Err(ArchiveError::Entry { .. })));
    let mut endless = header(b'S', b"holes", 0);
    endless.as_gnu_mut().unwrap().set_is_extended(true);
    endless.set_cksum();
    let mut block = vec![0; 512];
    block[504] = 1;
    let tar = [endless.as_bytes().to_vec(), block.repeat(2000)].concat();
    assert!(items(&tar).is_err());
}

#[test]
fn quotas_of_holes_follow_the_others() {
    let read = |size: u64, limits: &Limits| {
        let tar = archive(&[old_sparse(&[(0, 8)], &[], size)]);
        let origin = Origin::Import("test".into());
        read_tar(&tar[..], &SharedPath::from(Path::new("blob")), &origin, limits, |_| Ok::<_, ArchiveError>(()))
    };
    let refused = |result| matches!(result, Err(ArchiveError::Limit { what: "bytes in files with holes", .. }));
    assert!(refused(read(1 << 62, &Limits::default())));
    assert!(read(64 << 20, &Limits::default()).is_ok());
    assert!(refused(read(65 << 20, &Limits::default())), "a small archive");
    assert!(read(1 << 30, &Limits { ratio: 1 << 30, ..Limits::default() }).is_ok(), "the ratio can be raised");
    assert!(refused(read(1 << 30, &Limits { ratio: 1 << 30, bytes: 1 << 29, ..Limits::default() })));
}

#[test]
fn quotas() {
    let many: Vec<Vec<u8>> = (0..51).map(|_| entry(b'0', b"x", b"")).collect();
    assert!(matches!(items(&archive(&many)), Err(ArchiveError::Limit { what: "entries", .. })));
    let huge = header(b'0', b"x", 1 << 60);
    assert!(matches!(items(huge.as_bytes()), Err(ArchiveError::Limit { what: "bytes", .. })));
    let zeros = [entry(b'0', b"x", b""), vec![0; 2 << 20]].concat();
    assert!(matches!(items(&zeros), Err(ArchiveError::Limit { what: "bytes", .. })));
    for kind in [b'L', b'K', b'x', b'g'] {
        assert!(matches!(items(header(kind, b"x", 1 << 30).as_bytes()), Err(ArchiveError::Entry { .. })));
    }
}

#[test]
fn truncation_at_any_place_is_noticed() {
    let tar = archive(&[entry(b'L', b"l", b"name\0"), entry(b'0', b"x", &[7; 1500]), entry(b'5', b"d", b"")]);
    let last = tar.len() - 1024;
    for length in (0..=last).step_by(256) {
        assert!(matches!(items(&tar[..length]), Err(ArchiveError::Truncated { .. })), "{length}");
    }
    assert_eq!(items(&tar[..last + 512]).unwrap().len(), 2, "one block of zeros is an end");
}

#[test]
fn what_is_no_tar_is_refused() {
    assert!(matches!(items(&[b'x'; 1024]), Err(ArchiveError::Checksum { offset: 0, .. })));
    let mut tar = archive(&[entry(b'0', b"x", b"")]);
    tar[0] = b'y';
    assert!(matches!(items(&tar), Err(ArchiveError::Checksum { .. })));
    let twice = [archive(&[entry(b'0', b"x", b"")]), archive(&[entry(b'0', b"y", b"")])].concat();
    assert!(matches!(items(&twice), Err(ArchiveError::TrailingData { offset: 1536, .. })));
}

#[test]
fn no_single_byte_makes_the_reader_panic() {
    let tar = archive(&[
        old_sparse(&[(0, 1), (1, 1), (2, 1), (3, 1)], &[(4000, 4), (5000, 0)], 5000),
        records(&[("path", b"long"), ("SCHILY.xattr.user.x", b"1"), ("GNU.sparse.map", b"0,1")]),
        entry(b'0', b"x", b"1"),
        entry(b'L', b"l", b"name\0"),
        link(b'2', b"s", b"target", 0),
        entry(b'0', b"large", &[7; 600]),
    ]);
    let mut refused = 0;
    for at in 0..tar.len() {
        for value in [0, b' ', b'0', b'9', 0x80, 0xff] {
            let mut changed = tar.clone();
            changed[at] = value;
            // With a right checksum, so that the field itself is looked at.
            let start = at / 512 * 512;
            if changed[start + 257..start + 262] == *b"ustar" {
                let mut header = Header::new_old();
                header.as_mut_bytes().copy_from_slice(&changed[start..start + 512]);
                header.set_cksum();
                changed[start..start + 512].copy_from_slice(header.as_bytes());
            }
            refused += usize::from(items(&changed).is_err());
        }
    }
    assert!(refused > 1000, "{refused}");
}

#[test]
fn attributes_as_bsdtar_writes_them() {
    let tar = archive(&[
        records(&[
            ("LIBARCHIVE.xattr.user.a%3Db%25", b"aGVsbG8"),
            ("LIBARCHIVE.xattr.user.both", b"b2xk"),
            ("SCHILY.xattr.user.both", b"new"),
            ("LIBARCHIVE.xattr.user.padded", b"eA=="),
            ("SCHILY.acl.access", b"user::rw-,user:1000:r--"),
        ]),
        entry(b'0', b"x", b""),
    ]);
    let items = items(&tar).unwrap();
    let xattrs: Vec<(&[u8], &[u8])> = inode(&items[0]).meta.xattrs.iter().collect();
    let expected: [(&[u8], &[u8]); 4] = [
        (b"system.posix_acl_access", b"user::rw-,user:1000:r--"),
        (b"user.a=b%", b"hello"),
        (b"user.both", b"new"),
        (b"user.padded", b"x"),
    ];
    assert_eq!(xattrs, expected);
    let wrong = archive(&[records(&[("LIBARCHIVE.xattr.user.x", b"?")]), entry(b'0', b"x", b"")]);
    assert!(super::tests::items(&wrong).unwrap_err().to_string().contains("is not base64"));
}

#[test]
fn a_name_with_a_slash_at_its_end_is_a_directory() {
    for kind in [0, b'0'] {
        let items = items(&archive(&[entry(kind, b"a/", b""), entry(kind, b"a/b", b"")])).unwrap();
        assert!(inode(&items[0]).is_directory() && inode(&items[1]).is_file());
        assert!(super::tests::items(&archive(&[entry(kind, b"a/", b"content")])).is_err());
    }
}

#[test]
fn reading_ahead_gives_the_same_entries_and_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("many.tar");
    let entries: Vec<Vec<u8>> = (0..1000).map(|number| entry(b'0', format!("f{number}").as_bytes(), b"text")).collect();
    let read = |bytes: &[u8], until: usize| {
        std::fs::write(&path, bytes).unwrap();
        let blob = SharedPath::from(path.as_path());
        let mut names = Vec::new();
        let each = |item: Item| {
            if names.len() == until {
                return Err(ArchiveError::WhiteoutName { path: item.path });
            }
            names.push(item.path.to_string());
            Ok(())
        };
        let read = read_tar_file_ahead(&blob, &Origin::Sandbox, &Limits::default(), each);
        (names, read)
    };
    let (names, whole) = read(&archive(&entries), 1000);
    assert_eq!((names.len(), whole.is_ok()), (1000, true));
    assert!(names.iter().enumerate().all(|(number, name)| *name == format!("/f{number}")));

    let (names, cut) = read(&entries.concat(), 1000);
    assert_eq!(names.len(), 1000, "all that can be read is given first");
    assert!(matches!(cut, Err(ArchiveError::Truncated { .. })));

    // Who works on the entries has the word, also where a later one cannot be read.
    for until in [0, 1, 255, 256, 700] {
        let (names, refused) = read(&entries.concat(), until);
        assert_eq!(names.len(), until);
        assert!(
            matches!(refused, Err(ArchiveError::WhiteoutName { path }) if path.to_string() == format!("/f{until}"))
        );
    }
}
