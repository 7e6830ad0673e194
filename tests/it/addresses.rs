//! The addresses of an archive: at which of them it has to be signed, by which keys, and of which time it is there.

use std::fs;
use std::path::Path;

use crate::golden;
use crate::support::archive::{self, Suite};
use crate::support::require::{Need, require};
use crate::support::serve::serve;
use crate::support::toy;
use crate::support::workspace::{Finished, Workspace};

fn workspace() -> Workspace {
    golden::workspace(&std::env::temp_dir())
}

/// A recipe of the toy archive with `more` in `[from.debian]`, and `mirror` in the entry of its mirror at `url`.
fn recipe(workspace: &Workspace, more: &str, url: &str, mirror: &str) {
    let text = format!(
        "name = \"toy\"\nplatforms = [\"linux/amd64\"]\n\n[from.debian]\nsuite = \"golden\"\n\
         distribution = \"golden\"\nvariant = \"essential\"\n{more}\n\
         [[from.debian.repository]]\nurl = \"{url}\"\n{mirror}"
    );
    workspace.write("toy.toml", &text);
}

fn file(workspace: &Workspace, folder: &str) -> String {
    format!("file://{}", workspace.path(folder).display())
}

fn lock(workspace: &Workspace, more: &[&str]) -> Finished {
    workspace.rootsmith(["lock", "toy.toml", "--progress", "none"].iter().chain(more))
}

fn locked(workspace: &Workspace) -> String {
    fs::read_to_string(workspace.path("toy.lock")).unwrap()
}

#[test]
fn an_unsigned_mirror_leaves_other_archives_signed() {
    require!(Need::Program("busybox"), Need::Amd64);
    let workspace = Workspace::new();
    toy::write_as("trixie", &workspace.path("archive"));
    let part = |name| Suite { suite: name, codename: name, ..toy::suite_called(name) };
    archive::write_index(&workspace.path("archive"), &part("trixie-updates"), "");
    archive::write_index(&workspace.path("security"), &part("trixie-security"), "");
    let recipe = |updates: &str| {
        let text = format!(
            "name = \"toy\"\nplatforms = [\"linux/amd64\"]\n[from.debian]\nsuite = \"trixie\"\n\
             variant = \"essential\"\n{updates}[[from.debian.repository]]\nurl = \"{}\"\ntrust = \"unsigned\"\n",
            file(&workspace, "archive")
        );
        workspace.write("toy.toml", &text);
    };
    // Both are signed by a key that Debian does not know.
    let security = format!("debian-security={}", workspace.path("security").display());
    recipe("");
    let refused = lock(&workspace, &["--mirror", &security]);
    refused.failed_with(4).says("is not in the keyring").says("security/dists/trixie-security/InRelease");
    assert!(!workspace.path("toy.lock").exists());
    recipe("updates = false\n");
    lock(&workspace, &[]).succeeded();
    assert_eq!(locked(&workspace).matches("signed-by = \"unsigned\"").count(), 1);
}

#[test]
fn what_is_locked_without_a_signature_fits_while_the_recipe_takes_it_so() {
    require!(Need::Program("busybox"), Need::Amd64);
    let workspace = workspace();
    let url = file(&workspace, "archive");
    let more = "updates = false\nkeyring = \"archive-key.asc\"\n";
    recipe(&workspace, more, &url, "trust = \"unsigned\"\n");
    lock(&workspace, &[]).succeeded();
    assert!(locked(&workspace).contains("signed-by = \"unsigned\""), "{}", locked(&workspace));
    lock(&workspace, &["--locked"]).succeeded();
    recipe(&workspace, more, &url, "");
    lock(&workspace, &["--locked"]).failed_with(2).says("does not fit it any more");
    lock(&workspace, &[]).succeeded();
    let signed = locked(&workspace);
    assert!(!signed.contains("signed-by = \"unsigned\""), "{signed}");
    // What is signed will do where nothing has to be.
    recipe(&workspace, more, &url, "trust = \"unsigned\"\n");
    lock(&workspace, &["--locked"]).succeeded();
    assert_eq!(locked(&workspace), signed);
}

#[test]
fn a_mirror_has_keys_of_its_own() {
    require!(Need::Program("busybox"), Need::Amd64);
    let workspace = workspace();
    let server = serve(&workspace.path("archive"), None);
    recipe(&workspace, "updates = false\n", &server.url, "");
    lock(&workspace, &[]).failed_with(2).says("no keys are known for the suite `golden` of golden");
    recipe(&workspace, "updates = false\n", &server.url, "keyring = \"archive-key.asc\"\n");
    lock(&workspace, &[]).succeeded();
    let text = locked(&workspace);
    assert!(text.contains("path = \"/etc/apt/keyrings/golden.asc\""), "the image's own apt has them:\n{text}");
    // They are those of the archive, wherever it is.
    let cache = workspace.path("archive").display().to_string();
    recipe(&workspace, "updates = false\n", "http://127.0.0.1:9", "keyring = \"archive-key.asc\"\n");
    lock(&workspace, &["--mirror", &cache]).succeeded();
    // With other keys the lock does not fit any more.
    fs::copy(workspace.path("archive-key.asc"), workspace.path("good.asc")).unwrap();
    recipe(&workspace, "updates = false\n", &file(&workspace, "archive"), "keyring = \"good.asc\"\n");
    lock(&workspace, &[]).succeeded();
    lock(&workspace, &["--locked"]).succeeded();
    let others = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/source/debian/keys/debian-archive-keyring.pgp");
    fs::copy(others, workspace.path("good.asc")).unwrap();
    lock(&workspace, &["--locked"]).failed_with(2).says("does not fit it any more");
}

#[test]
fn a_mirror_that_is_later_than_the_snapshot_is_passed_over() {
    require!(Need::Program("busybox"), Need::Amd64);
    let workspace = workspace();
    // Both have the suite of 2025-06-15T15:06:40Z; the first is published again later.
    toy::write(&workspace.path("dated"));
    let later = Suite { date: "Mon, 16 Jun 2025 10:00:00 UTC", ..toy::suite_called("golden") };
    archive::write(&workspace.path("archive"), &later, &toy::packages());
    let (current, dated) = (file(&workspace, "archive"), file(&workspace, "dated"));
    let asks = |snapshot: &str, second: &str| {
        let more = format!("updates = false\nkeyring = \"archive-key.asc\"\nsnapshot = \"{snapshot}\"\n");
        recipe(&workspace, &more, &current, second);
    };
    let second = format!("[[from.debian.repository]]\nurl = \"{dated}\"\n");
    let said = "later than the snapshot, of 2025-06-16T00:00:00Z";
    asks("20250616T000000Z", "");
    let refused = lock(&workspace, &[]);
    refused.failed_with(2).says("is of 2025-06-16T10:00:00Z,").says(said).says("leave out `snapshot`");
    assert!(!refused.stderr.contains("the next address"), "there is none: {}", refused.stderr);
    assert!(!workspace.path("toy.lock").exists());
    asks("20250616T000000Z", &second);
    workspace.rootsmith(["lock", "toy.toml"]).succeeded().says(&format!("{said}; the next address is asked"));
    let text = locked(&workspace);
    assert!(text.contains("date = 2025-06-15T15:06:40Z") && text.contains("snapshot = \"20250616T000000Z\""), "{text}");
    // A mirror by hand is asked after the recipe's, and passed over in the same way.
    asks("20250615T000000Z", &second);
    let none = lock(&workspace, &["--mirror", &workspace.path("dated").display().to_string()]);
    none.failed_with(2).says("later than the snapshot").says("2025-06-15T00:00:00Z");
    assert_eq!(locked(&workspace), text);
    asks("20250616T100000Z", &second);
    let exact = lock(&workspace, &[]);
    assert!(!exact.stderr.contains("later than"), "{}", exact.stderr);
    assert!(locked(&workspace).contains("date = 2025-06-16T10:00:00Z"), "{}", locked(&workspace));
}
