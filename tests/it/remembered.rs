//! What an earlier build left in the store is used where nothing has changed, and only there.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::golden;
use crate::support::door::DOORS;
use crate::support::require::{Need, require};
use crate::support::workspace::{Finished, Workspace, binary, finish};

const UNCHANGED: &str = "nothing has changed since an earlier build";
const SAME_ROOTFS: &str = "as made before";

fn build(workspace: &Workspace, arguments: &[&str]) -> Finished {
    workspace.rootsmith(["build", "golden.toml", "-o", "oci:out"].iter().chain(arguments))
}

/// The digest that the recipe of `workspace` has with nothing to recall.
fn anew(workspace: &Workspace) -> String {
    build(workspace, &["--store", "another", "--fresh"]).digest()
}

#[test]
fn an_unchanged_recipe_is_not_built_again() {
    require!(Need::Root, Need::Program("busybox"), Need::Amd64);
    let workspace = golden::workspace(&std::env::temp_dir());
    let first = build(&workspace, &[]);
    assert!(!first.stderr.contains(UNCHANGED), "{}", first.stderr);
    assert_eq!(first.digest(), golden::digest());
    let again = build(&workspace, &[]);
    again.says(UNCHANGED);
    assert_eq!(again.digest(), golden::digest());
    let notes = |finished: &Finished| -> Vec<String> {
        finished.stderr.lines().filter(|line| line.contains("removed")).map(str::to_owned).collect()
    };
    assert_eq!(notes(&first), notes(&again), "what was left out is said again");
    // Into another place, and as a root filesystem, for which the image is not enough.
    fs::remove_dir_all(workspace.path("out")).unwrap();
    assert_eq!(build(&workspace, &[]).says(UNCHANGED).digest(), golden::digest());
    let tar = build(&workspace, &["-o", "rootfs-tar:rootfs.tar"]);
    tar.says(SAME_ROOTFS);
    assert!(!tar.stderr.contains(UNCHANGED) && workspace.path("rootfs.tar").exists());
    assert!(!build(&workspace, &["--fresh"]).stderr.contains(UNCHANGED));
}

#[test]
fn every_change_counts() {
    require!(Need::Root, Need::Program("busybox"), Need::Amd64);
    let workspace = golden::workspace(&std::env::temp_dir());
    let mut seen = vec![build(&workspace, &[]).digest()];
    let recipe = fs::read_to_string(workspace.path("golden.toml")).unwrap();
    let mut changed = |what: &str, same_rootfs: bool, arguments: &[&str]| {
        let built = build(&workspace, arguments);
        assert!(!built.stderr.contains(UNCHANGED), "{what}: {}", built.stderr);
        assert_eq!(built.stderr.contains(SAME_ROOTFS), same_rootfs, "{what}: {}", built.stderr);
        let digest = built.digest();
        assert!(!seen.contains(&digest), "{what}");
        seen.push(digest.clone());
        digest
    };
    fs::write(workspace.path("copied.txt"), "other bytes\n").unwrap();
    let digest = changed("a local file's bytes", true, &[]);
    assert_eq!(digest, anew(&workspace));
    workspace.write("golden.toml", &format!("{recipe}\n[[file]]\npath = \"/etc/one-more\"\ncontent = \"1\"\n"));
    let digest = changed("a file of the recipe", true, &[]);
    assert_eq!(digest, anew(&workspace));
    workspace.write("golden.toml", &recipe.replace("Made of the test archive", "Something else"));
    changed("a label", true, &[]);
    let workspace_time = workspace
        .command([crate::support::workspace::binary()])
        .env("SOURCE_DATE_EPOCH", "1700000000")
        .args(["build", "golden.toml"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&workspace_time.stderr).into_owned();
    assert!(workspace_time.status.success() && !text.contains(SAME_ROOTFS), "the time: {text}");
}

#[test]
fn what_is_damaged_is_made_anew() {
    require!(Need::Root, Need::Program("busybox"), Need::Amd64);
    let workspace = golden::workspace(&std::env::temp_dir());
    build(&workspace, &[]).digest();
    let files = |folder: &str| -> Vec<PathBuf> {
        let entries = walkdir::WalkDir::new(workspace.path("store").join(folder)).into_iter().map(Result::unwrap);
        entries.filter(|entry| entry.file_type().is_file()).map(|entry| entry.into_path()).collect()
    };
    for folder in ["blobs", "memo"] {
        assert!(!files(folder).is_empty());
        for path in files(folder) {
            let mut bytes = fs::read(&path).unwrap();
            let middle = bytes.len() / 2;
            if let Some(byte) = bytes.get_mut(middle) {
                *byte ^= 0x20;
                fs::write(&path, bytes).unwrap();
            }
        }
        fs::remove_dir_all(workspace.path("out")).unwrap();
        let mended = build(&workspace, &[]);
        assert!(!mended.stderr.contains(UNCHANGED), "{folder}: {}", mended.stderr);
        assert_eq!(mended.digest(), golden::digest(), "{folder}");
        mended.says("is damaged and was removed");
        assert_eq!(build(&workspace, &[]).says(UNCHANGED).digest(), golden::digest());
    }
}

#[test]
fn other_packages_go_on_from_the_same_essential_ones() {
    require!(Need::Doors, Need::Program("busybox"), Need::Amd64);
    const SAME_ESSENTIAL: &str = "the essential packages are configured as they were before";
    for door in DOORS {
        let workspace = golden::workspace(&std::env::temp_dir());
        let recipe = fs::read_to_string(workspace.path("golden.toml")).unwrap();
        let other = recipe.replace("packages = [\"facts\"]", "packages = [\"greeting\"]");
        assert_ne!(other, recipe);
        workspace.write("other.toml", &other);
        door.prepare(&workspace);
        let build = |recipe: &str, with: &dyn Fn(&mut Command)| {
            let words = door.prefix().iter().map(OsString::from).chain([binary().into()]);
            let mut command = workspace.command(words);
            command.args(["build", recipe, "-vv"]);
            with(&mut command);
            finish(&mut command)
        };
        let first = build("other.toml", &|_| {});
        assert!(!first.stderr.contains(SAME_ESSENTIAL), "{door:?}: {}", first.stderr);
        assert_eq!(build("golden.toml", &|_| {}).says(SAME_ESSENTIAL).digest(), golden::digest(), "{door:?}");
        let fresh = build("other.toml", &|command| {
            command.arg("--fresh");
        });
        assert!(!fresh.stderr.contains(SAME_ESSENTIAL), "{door:?}: {}", fresh.stderr);
        assert_eq!(fresh.digest(), first.digest(), "{door:?}");
        // Scripts see the time.
        let late = build("other.toml", &|command| {
            command.env("SOURCE_DATE_EPOCH", "1800000000");
        });
        assert!(!late.stderr.contains(SAME_ESSENTIAL), "{door:?}: {}", late.stderr);
    }
}
