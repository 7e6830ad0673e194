use std::path::Path;

use super::super::{Applier, Apply, Duplicates, Limits, read_tar};
use super::*;
use crate::digest::Digest;
use crate::shared_path::SharedPath;
use crate::tree::{Content, Inode, Origin};

fn path(text: impl AsRef<[u8]>) -> TreePath {
    TreePath::new(text).unwrap()
}

fn file(text: &str) -> Inode {
    Inode::file(0o644, Content::bytes(text.as_bytes()), Origin::Sandbox)
}

/// One of everything that a layer may hold.
fn tree() -> Tree {
    let mut tree = Tree::new();
    let mut put = |name: &[u8], inode: Inode| _ = tree.insert_with_parents(path(name), inode).unwrap();
    put(b"etc/passwd", file("root:x:0:0:root:/root:/bin/sh\n"));
    put(b"bin", Inode::symlink("usr/bin", Origin::Sandbox));
    put(b"tmp", Inode::directory(0o1777, Origin::Sandbox));
    put("srv/caf\u{e9}".as_bytes(), file("non-ASCII"));
    put(b"srv/\xff", file("no UTF-8"));
    let directory = "d".repeat(90);
    put(format!("{directory}/{}", "n".repeat(95)).as_bytes(), file("prefix"));
    put(format!("{directory}/{}/{}", "e".repeat(90), "f".repeat(120)).as_bytes(), file("too long for ustar"));
    put(b"link-far", Inode::symlink("t".repeat(300), Origin::Sandbox));
    let mut owned = file("owned");
    owned.meta = Meta { mode: 0o4755, uid: 4_000_000_000, gid: 2_097_152, mtime: 1_700_000_000, ..Meta::new(0) };
    owned.meta.xattrs.set("security.capability", [1, 0, 0, 2, 0, b'\n', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    owned.meta.xattrs.set("security.selinux", "label");
    owned.meta.xattrs.set("user.empty", "");
    owned.meta.xattrs.set("user.note", "a=b");
    put(b"usr/bin/owned", owned);
    let mut old = file("before 1970");
    old.meta.mtime = -5;
    put(b"srv/old", old);
    let mut device = file("");
    device.node = Node::CharacterDevice { major: 1, minor: 3 };
    put(b"dev/null", device);
    tree.link(path("a-link"), &path("etc/passwd")).unwrap();
    tree
}

fn packed(tree: &Tree) -> Vec<u8> {
    write_tar(tree, SpecialFiles::Keep, Vec::new()).unwrap()
}

fn unpacked(tar: &[u8]) -> Tree {
    let mut tree = Tree::new();
    let apply = Apply { follow_directory_links: false, duplicates: Duplicates::Refuse };
    let origin = Origin::Sandbox;
    let mut applier = Applier::new(&mut tree, apply, origin.clone());
    let blob = SharedPath::from(Path::new("/nonexistent"));
    read_tar(tar, &blob, &origin, &Limits::default(), |item| applier.put(item).map(drop)).unwrap();
    tree
}

#[test]
fn our_reader_gets_back_the_tree() {
    let mut tree = tree();
    let back = unpacked(&packed(&tree));
    let owned = tree.get_mut(&path("usr/bin/owned")).unwrap();
    owned.meta.xattrs.retain(|name| name != b"security.selinux" && name != b"user.empty");
    assert_eq!(back.to_text().unwrap(), tree.to_text().unwrap());
    assert!(packed(&back) == packed(&tree), "packing is a function of the tree");
}

#[test]
fn the_tar_crate_gets_back_names_contents_and_owners() {
    let tar = packed(&tree());
    let mut archive = tar::Archive::new(&tar[..]);
    let mut seen = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path_bytes().into_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        if name == b"usr/bin/owned" {
            assert_eq!(entry.header().uid().unwrap(), 4_000_000_000);
            assert_eq!(entry.header().gid().unwrap(), 2_097_152);
            assert_eq!(entry.header().mode().unwrap(), 0o4755);
        }
        if name == b"etc/passwd" {
            assert_eq!(entry.header().entry_type(), EntryType::Link);
            assert_eq!(&*entry.link_name_bytes().unwrap(), b"a-link");
        }
        seen.push((name, content));
    }
    let content = |name: &[u8]| &seen.iter().find(|(seen, _)| seen == name).unwrap().1;
    assert_eq!(seen[0].0, b"./");
    assert_eq!(content("srv/caf\u{e9}".as_bytes()), b"non-ASCII");
    assert_eq!(content(b"srv/\xff"), b"no UTF-8");
    assert_eq!(content(b"a-link"), b"root:x:0:0:root:/root:/bin/sh\n");
    assert!(seen.iter().any(|(name, _)| name == b"tmp/"));
    assert!(seen.iter().any(|(name, content)| name.len() > 255 && content == b"too long for ustar"));
    assert_eq!(seen.len(), tree().len());
}

/// As GNU tar does; readers that resolve only names of files need it.
#[test]
fn every_further_name_leads_to_the_first() {
    let mut tree = Tree::new();
    tree.insert(path("a"), file("text")).unwrap();
    for name in ["b", "c", "d"] {
        tree.link(path(name), &path("a")).unwrap();
    }
    let tar = packed(&tree);
    let mut archive = tar::Archive::new(&tar[..]);
    let targets =
        archive.entries().unwrap().map(|entry| entry.unwrap().link_name_bytes().map(|name| name.into_owned()));
    let targets: Vec<_> = targets.skip(2).collect();
    assert_eq!(targets, vec![Some(b"a".to_vec()); 3]);
}

#[test]
fn golden_digest() {
    assert_eq!(
        Digest::of(&packed(&tree())).to_string(),
        "sha256:220be9bbe6959f03f0919b7cf08e329706701355314c79545b69f17a7dda59d7"
    );
    let empty = packed(&Tree::new());
    assert_eq!(empty.len(), 1536);
    assert_eq!(&empty[..8], b"./\0\0\0\0\0\0");
    assert_eq!(&empty[257..265], b"ustar\x0000");
}

#[test]
fn headers_use_pax_only_where_they_must() {
    let meta = Meta::new(0o644);
    let header = |name: &[u8], size| Described { size, ..Described::new(name, &meta, EntryType::Regular) }.header();
    assert!(header(b"a", OCTAL_SIZE).1.is_empty());
    let (large, records) = header(b"a", OCTAL_SIZE + 1);
    assert_eq!(records, b"19 size=8589934592\n");
    assert_eq!(large.entry_size().unwrap(), 0);
    let split = [[b'p'; 155].as_slice(), b"/", &[b'n'; 100]].concat();
    let (both, records) = header(&split, 0);
    assert!(records.is_empty());
    assert_eq!(*both.path_bytes(), split[..]);
    assert!(!header(&[b'n'; 101], 0).1.is_empty());
    let directory = [[b'p'; 100].as_slice(), b"/"].concat();
    assert!(!header(&directory, 0).1.is_empty(), "the name of a ustar header must not be empty");
}

#[test]
fn special_files_are_left_out_unless_asked_for() {
    let tar = write_tar(&tree(), SpecialFiles::Omit, Vec::new()).unwrap();
    let back = unpacked(&tar);
    assert!(back.contains(&path("dev")) && !back.contains(&path("dev/null")));
}

#[test]
fn capabilities_lose_their_namespace() {
    let mut bound = vec![1, 0, 0, 3];
    bound.extend_from_slice(&[7; 16]);
    bound.extend_from_slice(&1000_u32.to_le_bytes());
    let unbound = unbound_capability(&bound);
    assert_eq!((unbound.len(), &unbound[..4], &unbound[4..]), (20, &[1, 0, 0, 2][..], &[7; 16][..]));
    assert_eq!(unbound_capability(&unbound), unbound);
}

#[test]
fn what_a_layer_cannot_hold_is_refused() {
    let mut whiteout = Tree::new();
    whiteout.insert_with_parents(path("a/.wh.b/c"), file("")).unwrap();
    let refused = write_tar(&whiteout, SpecialFiles::Omit, Vec::new());
    assert!(matches!(refused, Err(ArchiveError::WhiteoutName { path }) if path.as_bytes() == b"a/.wh.b"));
    let mut attribute = Tree::new();
    let mut inode = file("");
    inode.meta.xattrs.set("user.a=b", "v");
    attribute.insert(path("x"), inode).unwrap();
    let refused = write_tar(&attribute, SpecialFiles::Omit, Vec::new());
    assert!(matches!(refused, Err(ArchiveError::XattrName { .. })));
    let gone = Content::Slice { path: SharedPath::from(Path::new("/nonexistent")), offset: 0, size: 1 };
    let mut missing = Tree::new();
    missing.insert(path("x"), Inode::file(0o644, gone, Origin::Sandbox)).unwrap();
    let refused = write_tar(&missing, SpecialFiles::Omit, Vec::new());
    assert!(matches!(refused, Err(ArchiveError::Content { .. })));
}
