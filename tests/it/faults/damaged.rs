//! Bytes that change while they lie in the store, or in the lock.

use std::fs;
use std::path::Path;

use super::{Ends, at, build, ended, files_below, how_many, note, workspace};
use crate::golden;
use crate::support::faulty::Mirror;
use crate::support::require::{Need, require};

/// Flips one bit somewhere in a file; says in which byte.
fn flip(path: &Path) -> usize {
    let mut bytes = fs::read(path).unwrap();
    let place = rand::random::<usize>() % bytes.len();
    bytes[place] ^= 1 << (rand::random::<u8>() % 8);
    fs::write(path, bytes).unwrap();
    place
}

#[test]
fn a_flipped_bit_in_any_file_of_the_store_is_found_named_and_mended() {
    require!(Need::Root, Need::Program("busybox"), Need::Amd64);
    let workspace = workspace();
    let mirror = Mirror::good(&workspace.path("archive"));
    at(&workspace, &[&mirror.address]);
    let expected = build(&workspace, &[]).digest();
    let store = workspace.path("store");
    let files: Vec<_> = ["blobs", "memo"].iter().flat_map(|part| files_below(&store.join(part))).collect();
    assert!(files.len() > 15, "{files:?}");
    let files = files.into_iter().filter(|path| fs::metadata(path).unwrap().len() > 0);
    let files: Vec<_> = files.collect();
    // Each is found by name where somebody looks, and whatever a build needs of it is made or fetched anew.
    for path in files.iter().step_by(files.len().div_ceil(how_many(6, usize::MAX)).max(1)) {
        let place = flip(path);
        let said = format!("byte {place} of {}", path.display());
        let found = workspace.rootsmith(["store", "verify"]);
        assert_eq!(found.code, 1, "{said}: {}", found.stdout);
        assert!(found.stdout.contains(path.to_str().unwrap()), "{said}: {}", found.stdout);
        let _ = fs::remove_dir_all(workspace.path("out"));
        assert_eq!(build(&workspace, &[]).digest(), expected, "{said}");
    }
    note(
        "flipped bit",
        "each blob and memo, one at a time",
        1,
        "`store verify` names and removes it; a build makes or fetches it anew",
    );
    // A build finds what it reads by itself: the packages, once nothing is remembered of them.
    for path in files_below(&workspace.path("archive/pool")) {
        let digest = rootsmith::digest::Digest::of(&fs::read(&path).unwrap());
        let hex = digest.hex();
        let blob = store.join("blobs/sha256").join(&hex[..2]).join(&hex);
        if !blob.exists() {
            continue;
        }
        flip(&blob);
        let name = path.file_name().unwrap().to_str().unwrap();
        let before = mirror.asked(name);
        let mended = build(&workspace, &["--fresh"]);
        assert_eq!(mended.digest(), expected, "{name}");
        mended.says(&format!("the blob {digest} in the store is damaged and was removed"));
        assert_eq!(mirror.asked(name), before + 1, "{name} is fetched again");
        if how_many(0, 1) == 0 {
            break;
        }
    }
    let ends = Ends { code: 0, says: "is damaged and was removed" };
    for path in files_below(&store.join("memo")) {
        flip(&path);
    }
    ended("flipped bit", "all memos, in a build", &build(&workspace, &[]), &ends);
}

#[test]
fn a_flipped_bit_in_the_lock_is_found_and_named() {
    require!(Need::Root, Need::Program("busybox"), Need::Amd64);
    let workspace = workspace();
    workspace.rootsmith(["lock", "golden.toml"]).succeeded();
    let path = workspace.path("golden.lock");
    let good = fs::read_to_string(&path).unwrap();
    let damage = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        fs::write(&path, good.replacen(from, to, 1)).unwrap();
        // What is in the store already needs no path.
        let _ = fs::remove_dir_all(workspace.path("store"));
        let finished = build(&workspace, &[]);
        fs::write(&path, &good).unwrap();
        finished
    };
    // What decides what is fetched is an error; everything else is told.
    let digest = good.split("sha256 = \"").nth(1).unwrap()[..4].to_owned();
    let other = if digest.starts_with('0') { format!("1{}", &digest[1..]) } else { format!("0{}", &digest[1..]) };
    let cases = [
        ("a digest", format!("sha256 = \"{digest}"), format!("sha256 = \"{other}"), 4, "has the wrong bytes"),
        ("a size", "size = ".to_owned(), "size = 1".to_owned(), 4, "has the wrong bytes"),
        ("a version", "\"2.0-1\"".to_owned(), "\"2.0-0\"".to_owned(), 4, "the index says greeting 2.0-0"),
        ("a path", "pool/main/greeting".to_owned(), "pool/main/greetinf".to_owned(), 4, "does not exist"),
        ("a key", "essential = true".to_owned(), "essentiam = true".to_owned(), 2, "essentiam"),
        ("a quote", "suite = \"golden\"".to_owned(), "suite = \"golden".to_owned(), 2, "cannot read the lock"),
        ("a name", "name = \"dpkg\"".to_owned(), "name = \"dpkf\"".to_owned(), 4, "dpkf 1.22"),
    ];
    for (what, from, to, code, says) in &cases {
        let finished = damage(from, to);
        ended("flipped bit in the lock", what, &finished, &Ends { code: *code, says });
        if *code == 4 {
            finished.says("the lock").says("golden.lock").says("was changed since it was written");
        }
    }
    let told = damage("2025-06-15", "2025-06-14");
    ended("flipped bit in the lock", "a date", &told, &Ends { code: 0, says: "was changed since it was written" });
    assert_eq!(told.digest(), golden::digest());
    assert!(!build(&workspace, &[]).stderr.contains("was changed"), "the right lock is not suspected");
    workspace.write("golden.lock", &good.replace("essential = true", "essentiam = true"));
    workspace.rootsmith(["lock", "--update", "golden.toml"]).succeeded();
    assert_eq!(fs::read_to_string(&path).unwrap(), good, "it can be written anew");
}
