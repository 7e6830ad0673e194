use super::*;

fn special_tree() -> Tree {
    let mut tree = account_tree();
    for (at, mode) in [("usr/bin/su", 0o4755), ("usr/bin/chage", 0o2755), ("usr/bin/ls", 0o755), ("srv/open", 0o666)] {
        let inode = Inode::file(mode, Content::empty(), Origin::Sandbox);
        tree.insert_with_parents(path(at), inode).unwrap();
    }
    for (at, mode) in [("var/mail", 0o2775), ("tmp", 0o777), ("srv/pub", 0o777), ("root", 0o755)] {
        tree.insert_with_parents(path(at), Inode::directory(mode, Origin::Sandbox)).unwrap();
    }
    tree.insert(path("bin"), Inode::symlink("usr/bin", Origin::Sandbox)).unwrap();
    tree.link(path("usr/bin/su2"), &path("usr/bin/su")).unwrap();
    tree.get_mut(&path("usr/bin/ls")).unwrap().meta.xattrs.set("security.capability", [1]);
    tree
}

fn harden(text: &str, tree: &mut Tree) -> Outcome {
    HardenPass::new(recipe(text).harden).apply(tree).unwrap()
}

#[test]
fn the_baseline_counts_what_it_mends() {
    let mut tree = special_tree();
    let outcome = harden("harden.profile = \"baseline\"", &mut tree);
    let expected = [
        ("setuid and setgid bits stripped", 2),
        ("capabilities stripped", 1),
        ("world-writable paths closed", 3),
        ("modes mended", 3),
    ];
    assert_eq!(outcome.counts, expected);
    for (at, mode) in [
        ("usr/bin/su", 0o755),
        ("usr/bin/chage", 0o755),
        ("srv/open", 0o664),
        ("srv/pub", 0o1777),
        ("tmp", 0o1777),
        ("var/mail", 0o2775),
        ("root", 0o700),
        ("etc/shadow", 0o640),
        ("etc/gshadow", 0o640),
    ] {
        assert_eq!(tree.get(&path(at)).unwrap().meta.mode, mode, "{at}");
    }
    assert_eq!(tree.get(&path("etc/shadow")).unwrap().meta.gid, 42);
    assert_eq!(harden("harden.profile = \"baseline\"", &mut tree), Outcome::default());
}

#[test]
fn without_a_profile_nothing_is_changed() {
    let mut tree = special_tree();
    let before = tree.to_text().unwrap();
    assert_eq!(harden("", &mut tree), Outcome::default());
    assert_eq!(tree.to_text().unwrap(), before);
}

#[test]
fn listed_files_keep_their_setuid_bit() {
    let mut tree = special_tree();
    let outcome = harden("harden.setuid = [\"/bin/su\", \"/usr/bin/sudo\"]", &mut tree);
    assert_eq!(outcome.counts, [("setuid and setgid bits stripped", 1)]);
    let notes = [
        "/usr/bin/sudo should keep its setuid bit, but is not in the image",
        "/usr/bin/su keeps mode 4755",
        "/usr/bin/su2 keeps mode 4755",
    ];
    assert_eq!(outcome.notes, notes);
}

#[test]
fn an_init_that_is_not_there_is_an_error() {
    let error = HardenPass::new(recipe("harden.init = \"tini\"").harden).apply(&mut tree(&[])).unwrap_err();
    assert_eq!(error.to_string(), "cannot make tini process 1: the image has no `/usr/bin/tini`");
}

#[test]
fn folders_of_the_system_are_closed_and_others_become_sticky() {
    let mut tree = special_tree();
    let of_recipe = Origin::Recipe("[[file]] /etc/app".into());
    let folders = [
        ("etc", 0o777, 0o775),
        ("usr/lib/app", 0o2777, 0o2775),
        ("etc/spool", 0o1777, 0o1777),
        ("opt/app", 0o777, 0o1777),
        ("var/lib/app", 0o777, 0o1777),
        ("run/lock", 0o777, 0o1777),
    ];
    for (at, mode, _) in folders {
        tree.insert_with_parents(path(at), Inode::directory(mode, Origin::Sandbox)).unwrap();
    }
    tree.insert_with_parents(path("etc/app"), Inode::directory(0o777, of_recipe)).unwrap();
    harden("harden.permissions = \"fix\"", &mut tree);
    for (at, _, mode) in folders.into_iter().chain([("etc/app", 0, 0o1777)]) {
        assert_eq!(tree.get(&path(at)).unwrap().meta.mode, mode, "{at}");
    }
}
