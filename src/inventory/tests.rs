use super::*;
use crate::package::Manager;
use crate::tree::{Content, Inode, Origin};

fn tree(files: &[(&str, &str)]) -> Tree {
    let mut tree = Tree::new();
    for (path, text) in files {
        let inode = match text.strip_prefix("-> ") {
            Some(target) => Inode::symlink(target, Origin::Sandbox),
            None => Inode::file(0o644, Content::bytes(text.as_bytes()), Origin::Sandbox),
        };
        tree.insert_with_parents(TreePath::new(path).unwrap(), inode).unwrap();
    }
    tree
}

const STATUS: &str = "Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nSource: glibc (2.41-1)\n\
    Version: 2.41-12\nInstalled-Size: 13000\nDescription: GNU C Library\n with a continuation: line\n .\n more\n\n\n\
    package: removed\nStatus: deinstall ok config-files\nVersion: 1\n\n\
    Package: bash\nStatus: hold ok installed\nArchitecture: amd64\nSource: bash\nVersion: 5.2.37-2+b5\n";

#[test]
fn dpkg_databases() {
    let tree = tree(&[
        ("var/lib/dpkg/status", STATUS),
        ("var/lib/dpkg/status.d/tzdata", "Package: tzdata\nVersion: 2026a-1\nArchitecture: all\n"),
        ("var/lib/dpkg/status.d/tzdata.md5sums", "d41d8cd98f00b204e9800998ecf8427e  usr/share/x\n"),
    ]);
    let found = packages(&tree).unwrap();
    let names: Vec<&str> = found.iter().map(|package| package.name.as_str()).collect();
    assert_eq!(names, ["bash", "libc6", "tzdata"]);
    let libc = Package {
        manager: Manager::Dpkg,
        name: "libc6".to_owned(),
        version: "2.41-12".to_owned(),
        architecture: "amd64".to_owned(),
        source: Some("glibc".to_owned()),
        installed_size: 13_000 * 1024,
    };
    assert_eq!(found[1], libc);
    assert_eq!(found[0].source, None);
    assert_eq!(packages(&Tree::new()).unwrap(), []);
}

#[test]
fn databases_are_looked_for_inside_the_tree_only() {
    let linked = tree(&[("var/lib/dpkg/status", "-> /elsewhere"), ("elsewhere", STATUS)]);
    assert_eq!(packages(&linked).unwrap().len(), 2);
    let outside = tree(&[("var/lib/dpkg/status", "-> ../../../../../../../etc/passwd")]);
    assert_eq!(packages(&outside).unwrap(), []);
    let circle = tree(&[("var/lib/dpkg/status", "-> status")]);
    assert!(matches!(packages(&circle), Err(InventoryError::Resolve { .. })));
    let directory = tree(&[("var/lib/dpkg/status/x", "")]);
    assert!(matches!(packages(&directory), Err(InventoryError::NotReadable { .. })));
    let garbage = tree(&[("var/lib/dpkg/status", "Package: a\n\nno field\n")]);
    assert!(matches!(packages(&garbage), Err(InventoryError::Line { line: 3, .. })));
    let mut large = Tree::new();
    let content = Content::Slice { path: std::path::Path::new("/dev/zero").into(), offset: 0, size: 1 << 40 };
    let path = TreePath::literal("var/lib/dpkg/status");
    large.insert_with_parents(path, Inode::file(0o644, content, Origin::Sandbox)).unwrap();
    assert!(matches!(packages(&large), Err(InventoryError::NotReadable { .. })));
}

#[test]
fn distributions() {
    let text =
        "# comment\nPRETTY_NAME=\"Debian \\\"13\\\"\"\nID=debian\nVERSION_ID='13'\nnonsense\nVERSION_CODENAME=\n";
    let found = os_release(&tree(&[("etc/os-release", "-> ../usr/lib/os-release"), ("usr/lib/os-release", text)]));
    let expected = OsRelease {
        id: "debian".to_owned(),
        version_id: Some("13".to_owned()),
        version_codename: None,
        pretty_name: Some("Debian \"13\"".to_owned()),
    };
    assert_eq!(found.unwrap(), Some(expected));
    assert_eq!(os_release(&Tree::new()).unwrap(), None);
    let only_usr = os_release(&tree(&[("usr/lib/os-release", "")])).unwrap().unwrap();
    assert_eq!(only_usr.id, "linux");
}
