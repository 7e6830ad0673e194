use super::*;

fn path(text: &str) -> TreePath {
    TreePath::new(text).unwrap()
}

fn file(text: &str) -> Inode {
    Inode::file(0o644, Content::bytes(text.as_bytes()), Origin::Sandbox)
}

#[test]
fn paths_are_normal() {
    for (given, normal) in [("/a//b/./c/", "/a/b/c"), (".", "/"), ("", "/"), ("./x", "/x")] {
        assert_eq!(path(given).to_string(), normal);
    }
    assert!(matches!(TreePath::new("a/../b"), Err(PathError::ParentComponent(_))));
    assert!(matches!(TreePath::new("a\0b"), Err(PathError::Nul(_))));
    assert!(matches!(TreePath::new("a".repeat(256)), Err(PathError::TooLong(_))));
    assert_eq!(path("a\x1b\\").to_string(), "/a\\x1b\\\\");
    assert_eq!(TreePath::new(b"\xff").unwrap().to_string(), "/\\xff");
    assert!(path("a/b").starts_with(&path("a")) && !path("ab").starts_with(&path("a")));
}

#[test]
fn order_links_and_removal() {
    let mut tree = Tree::new();
    tree.insert_with_parents(path("a/b"), file("one")).unwrap();
    tree.insert(path("a-b"), file("two")).unwrap();
    tree.link(path("c"), &path("a/b")).unwrap();
    let listed: Vec<String> = tree.entries().map(|entry| entry.path.to_string()).collect();
    assert_eq!(listed, ["/", "/a", "/a-b", "/a/b", "/c"]);
    assert_eq!(tree.children(&path("")).count(), 3);
    assert_eq!(tree.link_count(tree.id(&path("c")).unwrap()), 2);
    assert!(matches!(tree.insert(path("c/d"), file("")), Err(TreeError::ParentNotDirectory { .. })));
    assert!(matches!(tree.link(path("e"), &path("a")), Err(TreeError::LinkTarget { .. })));
    assert!(tree.remove(&path("a")).unwrap());
    assert_eq!(tree.len(), 3);
    assert_eq!(tree.get(&path("c")).unwrap().content().unwrap().read().unwrap(), b"one");
    assert_eq!(tree.remove(&path("")), Err(TreeError::RootIsDirectory));
}

#[test]
fn a_directory_on_a_directory_keeps_what_is_in_it() {
    let mut tree = Tree::new();
    tree.insert_with_parents(path("d/x"), file("x")).unwrap();
    tree.insert(path("d"), Inode::directory(0o700, Origin::Sandbox)).unwrap();
    assert_eq!(tree.len(), 3);
    tree.insert(path("d"), file("now a file")).unwrap();
    assert_eq!(tree.len(), 2);
}

#[test]
fn symbolic_links_stay_inside() {
    let mut tree = Tree::new();
    tree.insert_with_parents(path("usr/bin/sh"), file("")).unwrap();
    tree.insert(path("bin"), Inode::symlink("usr/bin", Origin::Sandbox)).unwrap();
    tree.insert(path("up"), Inode::symlink("../../../usr", Origin::Sandbox)).unwrap();
    tree.insert(path("self"), Inode::symlink("/self", Origin::Sandbox)).unwrap();
    assert_eq!(tree.resolve(&path("bin/sh")), Ok(path("usr/bin/sh")));
    assert_eq!(tree.resolve(&path("up/bin/none/x")), Ok(path("usr/bin/none/x")));
    assert_eq!(tree.resolve_parents(&path("bin")), Ok(path("bin")));
    assert_eq!(tree.resolve(&path("self")), Err(ResolveError::Loop(path("self"))));
}

#[test]
fn text_form() {
    let mut tree = Tree::new();
    tree.insert(path("f"), file("hi")).unwrap();
    tree.link(path("g"), &path("f")).unwrap();
    tree.insert(path("s"), Inode::symlink("f\n", Origin::Sandbox)).unwrap();
    let mut device = Inode::file(0o666, Content::empty(), Origin::Sandbox);
    device.node = Node::CharacterDevice { major: 1, minor: 3 };
    device.meta.xattrs.set("user.x", [1, 255]);
    device.meta.mtime = 7;
    tree.insert(path("null"), device).unwrap();
    let digest = crate::digest::Digest::of(b"hi");
    let expected = format!(
        "0755 0:0 dir /\n0644 0:0 file /f {digest} 2\n0644 0:0 link /g -> /f\n\
         0666 0:0 char /null 1:3 mtime=7 user.x=01ff\n0777 0:0 symlink /s -> f\\x0a\n"
    );
    assert_eq!(tree.to_text().unwrap(), expected);
    let before = tree.id(&path("g"));
    tree.compact();
    assert_eq!((tree.to_text().unwrap(), tree.id(&path("g"))), (expected, before));
}

/// What a file costs where there are hundreds of thousands: docs/performance.md has the sum.
#[test]
fn paths_and_inodes_are_small() {
    assert_eq!((size_of::<TreePath>(), size_of::<Origin>(), size_of::<Content>()), (8, 16, 32));
    assert_eq!(size_of::<Inode>(), 80);
}

#[test]
fn a_link_makes_its_missing_folders() {
    let mut tree = Tree::new();
    tree.insert_with_parents(path("bin/a"), file("a")).unwrap();
    assert!(matches!(tree.link(path("sbin/b"), &path("bin/a")), Err(TreeError::ParentNotDirectory { .. })));
    tree.link_with_parents(path("sbin/b"), &path("bin/a")).unwrap();
    assert_eq!(tree.id(&path("sbin/b")), tree.id(&path("bin/a")));
    assert_eq!(tree.get(&path("sbin")).unwrap().origin, Origin::Sandbox);
    assert!(tree.link_with_parents(path("x/y"), &path("none")).is_err());
    assert!(!tree.contains(&path("x")), "nothing is made for a link that leads nowhere");
}
