mod above;
mod accounts;
mod certificates;
mod files;
mod harden;
mod normalize;
mod prune;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use super::*;
use crate::recipe;
use crate::tree::{Content, Inode, Meta, Node, Origin};

const EPOCH: i64 = 1_700_000_000;

fn epoch() -> Epoch {
    Epoch::from_seconds(EPOCH)
}

fn path(text: &str) -> TreePath {
    TreePath::new(text).unwrap()
}

/// A tree of entries such as `etc/passwd=root:x:0:0`, `bin@usr/bin` (a symbolic link) and `srv/` (a folder).
fn tree(entries: &[&str]) -> Tree {
    let mut tree = Tree::new();
    for entry in entries {
        let origin = Origin::Package("test".into());
        let (at, inode) = if let Some((at, text)) = entry.split_once('=') {
            (at, Inode::file(0o644, Content::bytes(text.as_bytes()), origin))
        } else if let Some((at, target)) = entry.split_once('@') {
            (at, Inode::symlink(target, origin))
        } else {
            (entry.trim_end_matches('/'), Inode::directory(0o755, origin))
        };
        tree.insert_with_parents(path(at), inode).unwrap();
    }
    tree
}

fn paths(tree: &Tree) -> Vec<String> {
    tree.entries().map(|entry| entry.path.to_string()).collect()
}

fn text(tree: &Tree, at: &str) -> String {
    text_file::read(tree, &path(at)).unwrap().unwrap()
}

/// A line for each path but the root: mode, owner, kind, path, time.
fn line(tree: &Tree, at: &str) -> String {
    let text = tree.to_text().unwrap();
    let found = text.lines().find(|line| line.split(' ').nth(3) == Some(at));
    found.unwrap_or_else(|| panic!("{at} is not in\n{text}")).to_owned()
}

fn recipe(text: &str) -> recipe::Recipe {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("test.toml");
    fs::write(&file, format!("name = \"test\"\nfrom.debian.suite = \"trixie\"\n{text}")).unwrap();
    recipe::load(&file, None).unwrap()
}

fn prune(tree: &mut Tree, rules: &str) -> Outcome {
    PrunePass::new(&recipe(rules).prune, Epoch::default()).apply(tree).unwrap()
}

#[test]
fn the_list_is_in_order() {
    let passes = list(&recipe(""), Before::default(), epoch()).unwrap();
    let names: Vec<_> = passes.iter().map(|pass| pass.name()).collect();
    assert_eq!(names, ["prune", "files", "accounts", "certificates", "os-release", "harden", "normalize"]);
}

const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\ngames:x:5:60:games:/usr/games:/usr/sbin/nologin\n";
const GROUP: &str = "root:x:0:\nshadow:x:42:\ngames:x:60:\n";
const SHADOW: &str = "root::19000:0:99999:7:::\ngames:*:20500:0:99999:7:::\n";

fn account_tree() -> Tree {
    tree(&[
        &format!("etc/passwd={PASSWD}"),
        &format!("etc/group={GROUP}"),
        &format!("etc/shadow={SHADOW}"),
        "etc/gshadow=root:*::\ngames:::\n",
    ])
}
