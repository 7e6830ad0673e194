//! Several at once on one store.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use super::{Ends, ended, is_clean, note, workspace};
use crate::golden;
use crate::support::faulty::{Fault, Mirror};
use crate::support::require::{Need, require};
use crate::support::workspace::{Workspace, binary};

/// Starts a build of the recipe `number` into an output of its own.
fn start(workspace: &Workspace, number: usize, flags: &[&str]) -> Child {
    let mut command: Command = workspace.command([binary()]);
    command.args(["build", &format!("{number}/golden.toml"), "-o", &format!("oci:out{number}")]).args(flags);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// The digest that a build printed at its end.
fn digest(child: Child) -> String {
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn copies(workspace: &Workspace, count: usize) {
    for number in 0..count {
        let folder = workspace.path(&number.to_string());
        fs::create_dir_all(&folder).unwrap();
        for name in ["golden.toml", "archive-key.asc", "copied.txt"] {
            fs::copy(workspace.path(name), folder.join(name)).unwrap();
        }
    }
}

#[test]
fn builds_at_once_share_a_store() {
    require!(Need::Root, Need::Program("busybox"), Need::Amd64);
    for count in [2, 8] {
        let workspace = workspace();
        let mirror = Mirror::good(&workspace.path("archive"));
        super::at(&workspace, &[&mirror.address]);
        copies(&workspace, count);
        let builds: Vec<Child> = (0..count).map(|number| start(&workspace, number, &[])).collect();
        let digests: Vec<String> = builds.into_iter().map(digest).collect();
        assert_eq!(mirror.asked(".deb"), 6, "each package is downloaded once");
        assert_eq!(is_clean(&workspace), Ok(()));
        workspace.rootsmith(["store", "verify"]).succeeded();
        let alone = super::build(&workspace, &["--store", "another"]).digest();
        assert!(digests.iter().all(|digest| *digest == alone), "{alone}: {digests:?}");
        note(
            "at once",
            &format!("{count} builds on an empty store"),
            0,
            "the right digest each, each package downloaded once",
        );
    }
}

#[test]
fn builds_at_once_into_one_layout_and_lock() {
    require!(Need::Root, Need::Program("busybox"), Need::Amd64);
    let workspace = workspace();
    let start = |tag: &str| {
        let mut command: Command = workspace.command([binary()]);
        command.args(["build", "golden.toml", "-o", &format!("oci:out:{tag}")]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let builds: Vec<Child> = ["a", "b", "c"].map(start).into_iter().collect();
    for build in builds {
        assert_eq!(digest(build), golden::digest());
    }
    let mut tags = crate::support::layout::Layout::open(&workspace.path("out")).tags();
    tags.sort();
    assert_eq!(tags, ["a", "b", "c"].map(|tag| (tag.to_owned(), golden::digest())));
    assert_eq!(is_clean(&workspace), Ok(()));
    note("at once", "3 builds of one recipe into one layout", 0, "all tags, one lock");
}

#[test]
fn tidying_waits_for_builds() {
    require!(Need::Root, Need::Program("busybox"), Need::Amd64);
    let workspace = workspace();
    // The last package comes late, so that the build is under way for as long as the test looks.
    let mirror = Mirror::start(&workspace.path("archive"), |path, before| {
        (path.contains("greeting") && before == 0).then_some(Fault::Silent)
    });
    super::at(&workspace, &[&mirror.address]);
    copies(&workspace, 1);
    let build = start(&workspace, 0, &["--timeout", "3"]);
    while mirror.asked(".deb") == 0 {
        thread::sleep(Duration::from_millis(10));
    }
    let ends = Ends { code: 3, says: "cannot tidy the store" };
    ended("at once", "`store gc` during a build", &workspace.rootsmith(["store", "gc", "--all"]), &ends);
    let waited = workspace.rootsmith(["store", "gc", "--all", "--wait"]);
    let built = digest(build);
    ended("at once", "`store gc --wait` during a build", &waited, &Ends { code: 0, says: "" });
    assert!(waited.stdout.contains("removed") && super::files_below(&workspace.path("store")).is_empty());
    assert_eq!(super::build(&workspace, &[]).digest(), built);
}
