//! The golden image: made of an archive that the test itself writes, it has one digest on every machine, day and door.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::archive;
use crate::support::door::{DOORS, Door};
use crate::support::layout::Layout;
use crate::support::listing;
use crate::support::require::{Need, require};
use crate::support::toy;
use crate::support::workspace::{Workspace, binary, finish};

/// The digest of the image, the entries of its layer, and its lock, beside the recipe. `ROOTSMITH_TEST_BLESS=1` writes
/// them anew: only a new `format` may change them.
const DIGEST: &str = "digest.txt";
const ENTRIES: &str = "entries.txt";
const LOCK: &str = "golden.lock";

/// A workspace with the toy archive, its key and the golden recipe.
pub fn workspace(within: &Path) -> Workspace {
    let workspace = Workspace::within(within);
    toy::write(&workspace.path("archive"));
    let recipe = fs::read_to_string(golden("golden.toml")).unwrap();
    let archive = format!("file://{}", workspace.path("archive").display());
    workspace.write("golden.toml", &recipe.replace("ARCHIVE", &archive));
    for name in ["archive-key.asc", "copied.txt"] {
        fs::copy(golden(name), workspace.path(name)).unwrap();
    }
    workspace
}

/// The digest that the golden image must have.
pub fn digest() -> String {
    fs::read_to_string(golden(DIGEST)).unwrap_or_default().trim().to_owned()
}

#[test]
fn the_golden_digest_comes_out_through_every_door() {
    require!(Need::Doors, Need::Program("busybox"), Need::Amd64);
    for door in DOORS {
        through(door);
    }
}

#[test]
fn the_golden_digest_comes_out_for_this_user() {
    require!(Need::Program("busybox"), Need::Program("newuidmap"), Need::Amd64);
    through(Door::Root);
}

fn through(door: Door) {
    let workspace = workspace(&std::env::temp_dir());
    door.prepare(&workspace);
    let words = door.prefix().iter().map(Into::into).chain([binary().into_os_string()]);
    let built = finish(workspace.command(words).args(["build", "golden.toml", "-o", "oci:out", "--progress", "none"]));
    let built_digest = built.digest();
    let image = Layout::open(&workspace.path("out")).image();
    assert_eq!(image.digest, built_digest, "the digest printed is the one written");
    let lock = lock_of_any_machine(&fs::read_to_string(workspace.path("golden.lock")).unwrap());
    for (name, text) in
        [(ENTRIES, listing::text(&image.listing())), (LOCK, lock), (DIGEST, format!("{built_digest}\n"))]
    {
        if std::env::var_os("ROOTSMITH_TEST_BLESS").is_some() {
            fs::write(golden(name), &text).unwrap();
        }
        let expected = fs::read_to_string(golden(name)).unwrap_or_default();
        assert!(text == expected, "{door:?}: {name} is different:\n{}", difference(&expected, &text));
    }
    let facts = String::from_utf8(image.file("etc/build-facts")).unwrap();
    assert!(facts.contains("processors: 1\n"), "{facts}");
    let shadow = String::from_utf8(image.file("etc/shadow")).unwrap();
    assert!(shadow.starts_with("root:*:20254:"), "the day is the epoch's: {shadow}");
}

/// The lock without the digests and sizes of .debs: busybox comes from the machine that runs the test, and how the test
/// compresses its packages says nothing about the program.
fn lock_of_any_machine(lock: &str) -> String {
    let without = |line: &str| {
        let parts = line.split(", ").map(|part| match part.split_once(" = ") {
            Some((key @ ("release" | "size" | "sha256"), _)) => format!("{key} = (of the archive)"),
            _ => part.to_owned(),
        });
        parts.collect::<Vec<_>>().join(", ")
    };
    // The last line is the digest of the others.
    lock.lines().filter(|line| !line.starts_with("# sha256:")).map(|line| without(line) + "\n").collect()
}

/// The lines that only one of two texts has.
fn difference(before: &str, after: &str) -> String {
    let only = |mark: &str, here: &str, there: &str| {
        let there: std::collections::BTreeSet<&str> = there.lines().collect();
        let lines = here.lines().filter(|line| !there.contains(line)).map(|line| format!("{mark} {line}\n"));
        lines.collect::<String>()
    };
    only("-", before, after) + &only("+", after, before)
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

#[test]
fn the_key_of_the_archive_is_the_one_that_signs_it() {
    use pgp::composed::{CleartextSignedMessage, Deserializable, SignedPublicKey};
    let (key, _) = SignedPublicKey::from_string(&fs::read_to_string(archive::public_key()).unwrap()).unwrap();
    let (message, _) = CleartextSignedMessage::from_string(&archive::sign("Suite: golden\n")).unwrap();
    assert!(message.verify(&key).is_ok());
}
