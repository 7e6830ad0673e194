//! Mirrors that are broken, slow, behind, or somebody else's.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::{Ends, IMPATIENT, at, build, ended, note, workspace, workspace_with};
use crate::support::archive;
use crate::support::faulty::{Fault, Mirror};
use crate::support::require::{Need, require};
use crate::support::workspace::{Finished, Workspace};

const RELEASE: &str = "dists/golden/InRelease";
const INDEX: &str = "Packages.xz";
const PACKAGE: &str = "greeting_2.0-1_amd64.deb";

/// What a mirror can do wrong with any file, and how a build ends that has no other mirror.
fn faults() -> Vec<(&'static str, Fault, Ends)> {
    let ends = |says| Ends { code: 4, says };
    vec![
        ("500 for ever", Fault::Status(500), ends("the server answered 500")),
        ("403", Fault::Status(403), ends("may not be read: the server answered 403")),
        ("the connection breaks half-way", Fault::Breaks, ends("broke after")),
        ("an endless body", Fault::Endless, ends("is longer than the")),
        ("one byte a second", Fault::Trickle, ends("sends too slowly")),
        ("no answer", Fault::Silent, ends("sends too slowly: 0 bytes in 2 seconds")),
        ("redirects in a circle", Fault::RedirectLoop, ends("which is not followed: it is a loop")),
    ]
}

/// Locks the golden recipe.
fn lock(workspace: &Workspace, flags: &[&str]) -> Finished {
    workspace.rootsmith(["lock", "golden.toml"].iter().chain(flags))
}

/// What is locked; the rest of a lock tells of addresses, which are other ones in each test.
fn packages(workspace: &Workspace) -> Vec<String> {
    let lock = fs::read_to_string(workspace.path("golden.lock")).unwrap();
    let packages: Vec<String> =
        lock.lines().filter(|line| line.starts_with("  { name = ")).map(str::to_owned).collect();
    assert_eq!(packages.len(), 6, "{lock}");
    packages
}

/// A mirror of `folder` that does `fault` to files whose path ends in `end`.
fn wrong(folder: &Path, end: &'static str, fault: Fault) -> Mirror {
    Mirror::start(folder, move |path, _| path.ends_with(end).then(|| fault.clone()))
}

#[test]
fn a_mirror_without_a_good_release_is_named_and_the_next_one_takes_over() {
    require!(Need::Program("busybox"), Need::Amd64);
    let mut faults = faults();
    let changed = |bytes: String| Fault::Instead(bytes.into_bytes());
    let workspace = workspace();
    let folder = workspace.path("archive");
    let signed = fs::read_to_string(folder.join(RELEASE)).unwrap();
    let text = cleartext(&signed);
    let expired = text.replace("Codename: golden\n", "Codename: golden\nValid-Until: Sun, 22 Jun 2025 15:06:40 UTC\n");
    let ends = |says| Ends { code: 4, says };
    faults.extend([
        ("a Release that was changed", changed(signed.replace("for tests", "for pests")), ends("signature")),
        (
            "a Release half of which is missing",
            Fault::Short,
            ends("is not one text with an OpenPGP signature around it"),
        ),
        (
            "a page of a captive portal",
            changed("<html>log in</html>".to_owned()),
            ends("is not one text with an OpenPGP signature around it"),
        ),
        ("a Release signed by a stranger", changed(archive::sign_by_stranger(&text)), ends("signature")),
        ("a Release that has expired", changed(archive::sign(&expired)), ends("was valid until 2025-06-22T15:06:40Z")),
        (
            "the Release of another suite",
            changed(archive::sign(&text.replace("golden", "silver"))),
            ends("gives the suite `silver` where `golden` was asked for"),
        ),
    ]);
    let good = Mirror::good(&folder);
    at(&workspace, &[&good.address]);
    lock(&workspace, &[]).succeeded();
    let expected = packages(&workspace);
    std::thread::scope(|scope| {
        for (what, fault, ends) in &faults {
            let (folder, good, expected) = (&folder, &good, &expected);
            scope.spawn(move || {
                let bad = wrong(folder, RELEASE, fault.clone());
                let workspace = workspace_with(&[&bad.address]);
                ended("Release", what, &lock(&workspace, &IMPATIENT), ends);
                assert!(!workspace.path("golden.lock").exists());
                at(&workspace, &[&bad.address, &good.address]);
                lock(&workspace, &IMPATIENT).succeeded();
                assert_eq!(&packages(&workspace), expected, "{what}");
                note("Release, and a second mirror", what, 0, "the second mirror takes over");
            });
        }
    });
}

#[test]
fn a_suite_that_no_mirror_has_is_asked_for_in_vain() {
    require!(Need::Program("busybox"), Need::Amd64);
    let workspace = workspace();
    let missing =
        Mirror::start(&workspace.path("archive"), |path, _| path.starts_with("dists/").then_some(Fault::Status(404)));
    at(&workspace, &[&missing.address]);
    let ends = Ends { code: 2, says: "no mirror has the suite `golden`" };
    ended("Release", "404", &lock(&workspace, &IMPATIENT), &ends);
    assert_eq!(missing.asked(RELEASE), 1, "what is not there is not asked for again");
}

#[test]
fn an_index_that_is_not_the_one_of_the_release_is_named_and_the_next_one_takes_over() {
    require!(Need::Program("busybox"), Need::Amd64);
    let mut faults = faults();
    let ends = |says| Ends { code: 4, says };
    faults.push(("an index that does not match the Release", Fault::WrongByte, ends("has the wrong bytes: expected")));
    faults.push(("half an index", Fault::Short, ends("has the wrong bytes: expected")));
    let source = workspace();
    let folder = source.path("archive");
    let good = Mirror::good(&folder);
    std::thread::scope(|scope| {
        for (what, fault, ends) in &faults {
            let (folder, good) = (&folder, &good);
            scope.spawn(move || {
                let bad = wrong(folder, INDEX, fault.clone());
                let workspace = workspace_with(&[&bad.address]);
                let finished = lock(&workspace, &IMPATIENT);
                ended("index", what, &finished, ends);
                finished.says("Packages.xz");
                at(&workspace, &[&bad.address, &good.address]);
                lock(&workspace, &IMPATIENT).succeeded();
                note("index, and a second mirror", what, 0, "the second mirror takes over");
            });
        }
    });
}

#[test]
fn an_index_that_is_not_there_is_taken_in_another_form_or_from_the_next_one() {
    require!(Need::Program("busybox"), Need::Amd64);
    let source = workspace();
    let folder = source.path("archive");
    let without =
        |missing: fn(&str) -> bool| Mirror::start(&folder, move |path, _| missing(path).then_some(Fault::Status(404)));
    let form = without(|path| path.ends_with(INDEX));
    lock(&workspace_with(&[&form.address]), &IMPATIENT).succeeded();
    note("index", "404 for one of its forms", 0, "another form is taken");
    let all = without(|path| path.starts_with("dists/golden/main/"));
    let workspace = workspace_with(&[&all.address]);
    let finished = lock(&workspace, &IMPATIENT);
    ended("index", "404", &finished, &Ends { code: 4, says: "does not exist" });
    finished.says("Packages.xz");
    at(&workspace, &[&all.address, &Mirror::good(&folder).address]);
    lock(&workspace, &IMPATIENT).succeeded();
    note("index, and a second mirror", "404", 0, "the second mirror takes over");
}

#[test]
fn a_package_that_is_not_the_one_of_the_index_is_named() {
    require!(Need::Program("busybox"), Need::Amd64);
    let mut faults = faults();
    let ends = |says| Ends { code: 4, says };
    faults.push(("404", Fault::Status(404), ends("does not exist")));
    faults.push(("a .deb that does not match the index", Fault::WrongByte, ends("has the wrong bytes: expected")));
    faults.push(("half a .deb", Fault::Short, ends("has the wrong bytes: expected")));
    let source = workspace();
    let folder = source.path("archive");
    std::thread::scope(|scope| {
        for (what, fault, ends) in &faults {
            let folder = &folder;
            scope.spawn(move || {
                let bad = wrong(folder, PACKAGE, fault.clone());
                let workspace = workspace_with(&[&bad.address]);
                let finished = build(&workspace, &IMPATIENT);
                ended(".deb", what, &finished, ends);
                finished.says(PACKAGE);
                assert!(!workspace.path("out/index.json").exists());
            });
        }
    });
}

#[test]
fn the_second_mirror_has_what_the_first_gets_wrong() {
    require!(Need::Root, Need::Program("busybox"), Need::Amd64);
    let workspace = workspace();
    let folder = workspace.path("archive");
    // Each package suffers something else.
    let is_bad = Arc::new(AtomicBool::new(false));
    let turned = Arc::clone(&is_bad);
    let bad = Mirror::start(&folder, move |path, _| {
        turned.load(Ordering::Relaxed).then_some(())?;
        Some(match path.rsplit('/').next()?.split('_').next()? {
            "base-files" => Fault::Status(404),
            "base-passwd" => Fault::Status(503),
            "busybox" => Fault::Breaks,
            "dpkg" => Fault::WrongByte,
            "greeting" => Fault::Endless,
            "facts" => Fault::Trickle,
            _ => return None,
        })
    });
    let good = Mirror::good(&folder);
    at(&workspace, &[&bad.address, &good.address]);
    let expected = build(&workspace, &["--store", "another"]).digest();
    assert_eq!(good.asked(".deb"), 0, "the first mirror has everything");
    is_bad.store(true, Ordering::Relaxed);
    assert_eq!(build(&workspace, &IMPATIENT).digest(), expected);
    let served = good.asked(".deb");
    assert!(served >= 6, "each package is asked of the second mirror, busybox for its second half: {served}");
    note(
        ".deb, and a second mirror",
        "404, 503, a break, a wrong byte, an endless body, a trickle",
        0,
        "the right digest",
    );
}

#[test]
fn trouble_that_passes_is_waited_for_longer_each_time() {
    require!(Need::Program("busybox"), Need::Amd64);
    let workspace = workspace();
    let mirror = Mirror::start(&workspace.path("archive"), |path, before| {
        (path.ends_with(RELEASE) && before < 2).then_some(Fault::Status(503))
    });
    at(&workspace, &[&mirror.address]);
    let begun = Instant::now();
    lock(&workspace, &["--retries", "2"]).succeeded();
    assert_eq!(mirror.asked(RELEASE), 3);
    assert!(begun.elapsed() >= Duration::from_millis(1500), "pauses of half a second and of a second");
    note("Release", "503, twice", 0, "asked again after 0.5 s and 1 s");
}

#[test]
fn an_index_older_than_the_last_one_seen_is_not_used() {
    require!(Need::Program("busybox"), Need::Amd64);
    let workspace = workspace();
    let folder = workspace.path("archive");
    let signed = fs::read_to_string(folder.join(RELEASE)).unwrap();
    let newer = archive::sign(&cleartext(&signed).replace("Sun, 15 Jun 2025", "Mon, 16 Jun 2025"));
    let is_newer = Arc::new(AtomicBool::new(true));
    let shown = Arc::clone(&is_newer);
    let gone = Arc::new(AtomicBool::new(false));
    let is_gone = Arc::clone(&gone);
    let mirror = Mirror::start(&folder, move |path, _| {
        if path.ends_with(RELEASE) && shown.load(Ordering::Relaxed) {
            return Some(Fault::Instead(newer.clone().into_bytes()));
        }
        (is_gone.load(Ordering::Relaxed) && path.contains("/binary-")).then_some(Fault::Status(404))
    });
    at(&workspace, &[&mirror.address]);
    lock(&workspace, &[]).succeeded();
    let text = fs::read_to_string(workspace.path("golden.lock")).unwrap();
    is_newer.store(false, Ordering::Relaxed);
    let says = "is of 2025-06-15T15:06:40Z, older than what was there before, of 2025-06-16T15:06:40Z";
    // Behind a mirror's name there may be several machines: what was seen before goes on to count.
    ended("Release", "older than the last one seen", &lock(&workspace, &["--update"]), &Ends { code: 0, says });
    assert_eq!(fs::read_to_string(workspace.path("golden.lock")).unwrap(), text);
    // It is the mirror's own, with what it lists: where that is gone, nothing is left but the older one.
    gone.store(true, Ordering::Relaxed);
    for blob in super::files_below(&workspace.path("store/blobs")) {
        fs::remove_file(blob).unwrap();
    }
    let refused = lock(&workspace, &["--update"]);
    ended("Release", "older than the last one seen, whose index is gone", &refused, &Ends { code: 4, says });
    is_newer.store(true, Ordering::Relaxed);
    gone.store(false, Ordering::Relaxed);
    lock(&workspace, &["--update"]).succeeded();
    assert_eq!(fs::read_to_string(workspace.path("golden.lock")).unwrap(), text);
    // Another address that lags behind is no attack: what becomes older is said.
    let other = Mirror::good(&folder);
    at(&workspace, &[&other.address]);
    lock(&workspace, &["--update"]).succeeded().says("is of 2025-06-15T15:06:40Z, older than the lock");
}

/// The text that is signed in an `InRelease`.
fn cleartext(signed: &str) -> String {
    let (_, rest) = signed.split_once("\n\n").unwrap();
    let (text, _) = rest.split_once("\n-----BEGIN PGP SIGNATURE-----").unwrap();
    text.trim_end_matches('\r').to_owned() + "\n"
}
