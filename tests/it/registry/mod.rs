//! Registries that behave and registries that do not: one of the tests' own, which can be told what to do wrong.

mod bases;
mod logins;
mod referrers;
mod transfers;

use std::fs;
use std::path::Path;
use std::process::Command;

use rootsmith::digest::Digest;
use serde_json::{Value, json};

use crate::support::registry::{Registry, Seen, What, basic};
use crate::support::workspace::{Finished, Workspace, binary, finish, run};

/// A workspace with an image of a few files in the layout `image`; gives its digest too.
fn image() -> (Workspace, String) {
    let workspace = Workspace::new();
    workspace.write("root/etc/os-release", "ID=test\n");
    // Bytes that no compressor makes smaller, and that are the same each time.
    let mut bytes = Vec::new();
    while bytes.len() < 300_000 {
        bytes.extend(Digest::of(&bytes.len().to_le_bytes()).raw());
    }
    fs::write(workspace.path("root/etc/noise"), bytes).unwrap();
    run(Command::new("tar").args(["-C", "root", "--mtime=@0", "-cf", "root.tar", "."]).current_dir(workspace.path("")));
    let arguments = ["import", "root.tar", "base:1", "--platform", "linux/amd64", "-o", "oci:image"];
    let digest = workspace.rootsmith(arguments).digest();
    (workspace, digest)
}

fn push(workspace: &Workspace, to: &str) -> Finished {
    workspace.rootsmith(["push", "oci:image", to, "--progress", "lines"])
}

fn pull(workspace: &Workspace, from: &str, folder: &str) -> Finished {
    workspace.rootsmith(["pull", from, "-o", &format!("oci:{folder}"), "--progress", "lines"])
}

/// Everything that was received, so that nothing is counted twice.
fn received(log: &[Seen]) -> usize {
    log.iter().filter(|seen| seen.path.contains("/blobs/")).map(|seen| seen.received).sum()
}

fn layer(workspace: &Workspace) -> (String, usize) {
    let blobs = fs::read_dir(workspace.path("image/blobs/sha256")).unwrap().flatten();
    let largest = blobs.max_by_key(|blob| blob.metadata().unwrap().len()).unwrap();
    (format!("sha256:{}", largest.file_name().to_str().unwrap()), largest.metadata().unwrap().len() as usize)
}

/// Takes what was downloaded out of the store.
fn empty_store(workspace: &Workspace) {
    fs::remove_dir_all(workspace.path("store")).unwrap();
}

#[test]
fn what_was_built_is_what_is_pushed_and_pulled() {
    let registry = Registry::start();
    let (workspace, digest) = image();
    let base = format!("{}/team/base", registry.address());
    let pushed = workspace.rootsmith(["push", "oci:image", &format!("{base}:1"), &format!("docker://{base}:latest")]);
    assert_eq!(pushed.digest(), digest);
    let tags = registry.tags("team/base");
    assert_eq!((tags["1"].as_str(), tags["latest"].as_str()), (digest.as_str(), digest.as_str()));
    let log = registry.log();
    let position =
        |method: &str, part: &str| log.iter().position(|seen| seen.method == method && seen.path.contains(part));
    let last_blob = log.iter().rposition(|seen| seen.method == "PUT" && seen.path.contains("/blobs/")).unwrap();
    assert!(position("HEAD", "/blobs/").unwrap() < position("POST", "/blobs/").unwrap(), "asked for before it is sent");
    assert!(last_blob < position("PUT", "/manifests/1").unwrap(), "the name comes last");

    assert_eq!(push(&workspace, &format!("{base}:1")).digest(), digest);
    assert!(registry.log().iter().all(|seen| matches!(seen.method.as_str(), "HEAD" | "GET")), "nothing is sent again");

    empty_store(&workspace);
    assert_eq!(pull(&workspace, &format!("{base}:1"), "pulled").digest(), digest);
    assert_eq!(pull(&workspace, &format!("{base}@{digest}"), "by-digest").digest(), digest);
    for folder in ["pulled", "by-digest"] {
        let inspected = workspace.rootsmith(["inspect", &format!("oci:{folder}"), "--json"]);
        let inspected: Value = serde_json::from_str(&inspected.succeeded().stdout).unwrap();
        assert_eq!(inspected["digest"], digest.as_str());
    }
    let wrong = format!("{base}@sha256:{}", "0".repeat(64));
    pull(&workspace, &wrong, "none").failed_with(4).says("is not in the registry");
    assert_eq!(push(&workspace, &format!("{base}:2@{digest}")).digest(), digest);
    push(&workspace, &format!("{base}:3@sha256:{}", "0".repeat(64))).failed_with(2).says("its digest is");
    assert!(!registry.tags("team/base").contains_key("3"));
}

#[test]
fn an_image_without_a_tag_is_there_by_its_digest() {
    let registry = Registry::start();
    let (workspace, digest) = image();
    let base = format!("{}/base", registry.address());
    let pushed = workspace.rootsmith(["push", "--push-by-digest", "oci:image", &base, "--json"]);
    let told: Value = serde_json::from_str(&pushed.succeeded().stdout).unwrap();
    assert_eq!((&told["digest"], &told["schema"]), (&json!(digest), &json!("rootsmith/transfer/1")));
    assert_eq!(told["sent"]["blobs"], 2);
    assert!(registry.tags("base").is_empty() && registry.manifest("base", &digest).is_some());
}

#[test]
fn a_build_goes_to_a_registry() {
    let registry = Registry::start();
    let (workspace, _) = image();
    let to = format!("docker://{}/built:1", registry.address());
    let arguments = ["import", "root.tar", "base:1", "--platform", "linux/amd64", "-o", &to];
    let digest = workspace.rootsmith(arguments).digest();
    assert_eq!(registry.tags("built")["1"], digest);
    // A repository alone takes the image's tags.
    let to = format!("docker://{}/tagged", registry.address());
    let arguments = ["import", "root.tar", "base:1", "-t", ":2", "--platform", "linux/amd64", "-o", &to];
    assert_eq!(workspace.rootsmith(arguments).digest(), digest);
    assert_eq!(registry.tags("tagged").into_keys().collect::<Vec<_>>(), ["1", "2"]);
}

#[test]
fn what_one_run_has_pushed_is_mounted_in_the_next_repository() {
    let (workspace, digest) = image();
    let (_, size) = layer(&workspace);
    for is_built in [true, false] {
        let registry = Registry::start();
        let [one, two] = ["one", "two"].map(|name| format!("docker://{}/{name}:1", registry.address()));
        let arguments = match is_built {
            true => vec!["import", "root.tar", "base:1", "--platform", "linux/amd64", "-o", &one, "-o", &two],
            false => vec!["push", "oci:image", &one, &two],
        };
        assert_eq!(workspace.rootsmith(arguments).digest(), digest);
        assert_eq!((&registry.tags("one")["1"], &registry.tags("two")["1"]), (&digest, &digest));
        let log = registry.log();
        assert!(received(&log) < size + size / 10, "built: {is_built}");
        assert_eq!(log.iter().filter(|seen| seen.path.contains("mount=")).count(), 2, "built: {is_built}");
    }
}

#[test]
fn repositories_of_one_registry_mount() {
    let registry = Registry::start();
    let (workspace, digest) = image();
    let (one, other) = (format!("{}/one:1", registry.address()), format!("{}/other:1", registry.address()));
    push(&workspace, &one).succeeded();
    registry.log();
    let copy = || workspace.rootsmith(["copy", &format!("docker://{one}"), &format!("docker://{other}")]);
    assert_eq!(copy().digest(), digest);
    let log = registry.log();
    assert_eq!(received(&log), 0);
    assert!(!log.iter().any(|seen| seen.method == "GET" && seen.path.contains("/blobs/")), "nothing is pulled either");
    // A registry that does not mount begins an upload in its place.
    let third = format!("{}/third:1", registry.address());
    let not = What::Answer {
        status: 202,
        headers: vec![("Location".into(), "/v2/third/blobs/uploads/x".into())],
        body: vec![],
    };
    registry.fault("POST", "mount=", 9, not);
    let copied = workspace.rootsmith(["copy", &format!("docker://{one}"), &format!("docker://{third}")]);
    assert_eq!(copied.digest(), digest);
    assert_eq!(registry.tags("third")["1"], digest);
}
