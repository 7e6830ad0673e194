use super::*;
use crate::package::{Manager, Package};
use crate::tree::{Content, Inode, Meta, Node, Origin, Tree, TreePath};

fn path(text: &str) -> TreePath {
    TreePath::new(text).unwrap()
}

/// A small root filesystem whose dpkg knows of the packages (name and version).
fn held(packages: &[(&str, &str)], change: impl Fn(&mut Tree)) -> Held {
    let mut tree = Tree::new();
    let mut put = |name: &str, inode: Inode| {
        tree.insert_with_parents(path(name), inode).unwrap();
    };
    put("etc/motd", Inode::file(0o644, Content::bytes(*b"hello\n"), Origin::Root));
    put("usr/bin/tool", Inode::file(0o755, Content::bytes(*b"tool"), Origin::Root));
    put("usr/bin/link", Inode::symlink("tool", Origin::Root));
    put(
        "dev/null",
        Inode { meta: Meta::new(0o666), node: Node::CharacterDevice { major: 1, minor: 3 }, origin: Origin::Root },
    );
    let paragraph = |(name, version): &(&str, &str)| {
        format!("Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\n\n")
    };
    let status: String = packages.iter().map(paragraph).collect();
    put("var/lib/dpkg/status", Inode::file(0o644, Content::bytes(status.into_bytes()), Origin::Root));
    change(&mut tree);
    Held::new("it".to_owned(), tree, None)
}

fn lines(before: &mut Held, after: &mut Held, times: bool) -> Vec<String> {
    let diff = compare(before, after, times).unwrap();
    let text = diff.to_text();
    assert_eq!(diff.is_empty(), text.ends_with("no difference\n"), "{text}");
    text.lines().skip(2).filter(|line| !line.is_empty() && !line.contains("dpkg/status")).map(str::to_owned).collect()
}

#[test]
fn the_same_is_no_difference() {
    let packages = [("bash", "5.2")];
    assert_eq!(lines(&mut held(&packages, |_| ()), &mut held(&packages, |_| ()), true), ["no difference"]);
}

#[test]
fn every_aspect_of_a_file() {
    let old = || held(&[], |_| ());
    let changed = |name: &'static str, change: fn(&mut Inode)| {
        let lines = lines(&mut old(), &mut held(&[], |tree| change(tree.get_mut(&path(name)).unwrap())), true);
        assert_eq!(lines[0], "Files: 1 changed");
        lines[1].clone()
    };
    assert_eq!(changed("etc/motd", |inode| inode.meta.mode = 0o4755), "~ /etc/motd: mode 0644 -> 4755");
    assert_eq!(changed("etc/motd", |inode| inode.meta.gid = 42), "~ /etc/motd: owner 0:0 -> 0:42");
    assert_eq!(changed("etc/motd", |inode| inode.meta.mtime = 7), "~ /etc/motd: time 0 -> 7");
    assert_eq!(
        changed("etc/motd", |inode| inode.node = Node::File(Content::bytes(*b"HELLO\n"))),
        "~ /etc/motd: content"
    );
    assert_eq!(
        changed("etc/motd", |inode| inode.node = Node::File(Content::bytes(*b"longer\n"))),
        "~ /etc/motd: content, size 6 B -> 7 B"
    );
    assert_eq!(
        changed("usr/bin/tool", |inode| inode.meta.xattrs.set("security.capability", [1, 2])),
        "~ /usr/bin/tool: attributes none -> security.capability=0102"
    );
    assert_eq!(
        changed("usr/bin/link", |inode| inode.node = Node::Symlink((*b"other").into())),
        "~ /usr/bin/link: target tool -> other"
    );
    assert_eq!(
        changed("dev/null", |inode| inode.node = Node::CharacterDevice { major: 1, minor: 5 }),
        "~ /dev/null: device 1:3 -> 1:5"
    );
    assert_eq!(
        changed("usr/bin/link", |inode| inode.node = Node::Fifo),
        "~ /usr/bin/link: kind symlink 0777 0:0, to tool -> fifo 0777 0:0"
    );
}

#[test]
fn times_count_only_when_asked_for() {
    let late = || held(&[], |tree| tree.inodes_where(|_| true).for_each(|inode| inode.meta.mtime = 9));
    assert_eq!(lines(&mut held(&[], |_| ()), &mut late(), false), ["no difference"]);
    assert!(lines(&mut held(&[], |_| ()), &mut late(), true).len() > 5);
}

#[test]
fn names_of_one_file_are_compared() {
    let apart = || {
        held(&[], |tree| {
            let inode = tree.get(&path("usr/bin/tool")).unwrap().clone();
            tree.insert(path("usr/bin/twin"), inode).unwrap();
        })
    };
    let together = || held(&[], |tree| tree.link(path("usr/bin/twin"), &path("usr/bin/tool")).unwrap());
    assert_eq!(
        lines(&mut apart(), &mut together(), false),
        ["Files: 2 changed", "~ /usr/bin/tool: links", "~ /usr/bin/twin: links"]
    );
    assert_eq!(
        lines(&mut held(&[], |_| ()), &mut together(), false),
        ["Files: 1 added, 1 changed", "~ /usr/bin/tool: links", "+ /usr/bin/twin (file 0755 0:0, 4 B)"]
    );
}

#[test]
fn packages_and_files_come_and_go() {
    let mut before = held(&[("bash", "5.2"), ("gone", "1"), ("same", "2")], |_| ());
    let mut after = held(&[("bash", "5.3"), ("new", "1:3~rc1"), ("same", "2")], |tree| {
        tree.remove(&path("etc/motd")).unwrap();
        let odd = Inode::directory(0o700, Origin::Root);
        tree.insert(path("etc/a\nb"), odd).unwrap();
    });
    let expected = [
        "Packages: 1 added, 1 removed, 1 changed",
        "~ bash 5.2 -> 5.3 (amd64)",
        "- gone 1 (amd64)",
        "+ new 1:3~rc1 (amd64)",
        "Files: 1 added, 1 removed, 1 changed",
        "+ /etc/a\\x0ab (directory 0700 0:0)",
        "- /etc/motd (file 0644 0:0, 6 B)",
    ];
    assert_eq!(lines(&mut before, &mut after, false), expected);
    let diff = compare(&mut before, &mut after, false).unwrap();
    let markdown = diff.to_markdown();
    for expected in [
        "| ~ | `bash:amd64` | `5.2` | `5.3` |",
        "| + | `new:amd64` |  | `1:3~rc1` |",
        "\n- /etc/motd (",
        "\n! /var/lib/dpkg",
    ] {
        assert!(markdown.contains(expected), "{expected}:\n{markdown}");
    }
    let json = serde_json::to_value(&diff).unwrap();
    assert_eq!(json["schema"], "rootsmith.diff/1");
    assert_eq!(json["packages"][0]["after"], "5.3");
    assert_eq!(json["files"][1]["before"]["mode"], "0644");
    assert_eq!(json["files"][1].get("after"), None);
}

#[test]
fn several_versions_of_one_package() {
    let package = |version: &str| Package {
        manager: Manager::Rpm,
        name: "kernel".into(),
        version: version.into(),
        architecture: "x86_64".into(),
        source: None,
        installed_size: 0,
    };
    let of = |versions: &[&str]| versions.iter().map(|version| package(version)).collect::<Vec<_>>();
    let shown = |before: &[&str], after: &[&str]| {
        let changes = packages::changes(of(before), of(after));
        let change = |change: &PackageChange| (change.before.clone(), change.after.clone());
        changes.iter().map(change).collect::<Vec<_>>()
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(shown(&["1", "2"], &["2", "3"]), [(some("1"), some("3"))]);
    assert_eq!(shown(&["1"], &["1", "2"]), [(None, some("2"))]);
    assert_eq!(shown(&["1", "2"], &[]), [(some("1"), None), (some("2"), None)]);
    assert_eq!(shown(&["1", "2"], &["1", "2"]), []);
}

#[test]
fn what_markdown_would_read_is_shown_as_it_is() {
    let mut before = held(&[("a|b`c", "1")], |_| ());
    let markdown = compare(&mut before, &mut held(&[], |_| ()), false).unwrap().to_markdown();
    assert!(markdown.contains("| - | ``a\\|b`c:amd64`` | `1` |  |"), "{markdown}");
}
