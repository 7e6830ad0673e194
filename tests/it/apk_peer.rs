//! Beside the real apk: the same packages chosen, the same tree and database installed.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::apk_solve;
use crate::support::apk::{self, Apk, Entry, Node};
use crate::support::apk_tools::ApkTools;
use crate::support::layout::{Image, Layout};
use crate::support::listing::{Kind, Listing, of_tar};
use crate::support::require::{Need, data, require};
use crate::support::workspace::{Workspace, run};

const MINIROOTFS: &str = "alpine/alpine-minirootfs-3.20.3-x86_64.tar.gz";

/// Packages that try apk's rules: files of two packages, owners, modes, links, what comes by itself, scripts, triggers.
fn packages() -> Vec<Apk> {
    let of_web = |path: &str, node: Node| Entry {
        path: path.to_owned(),
        mode: 0o640,
        owner: (1234, 1234),
        names: ("web".to_owned(), "web".to_owned()),
        mtime: 1_600_000_000,
        node,
    };
    let script = |text: &str| format!("#!/bin/sh\nset -e\n{text}\n");
    let mut packages = vec![
        Apk::new("first", "1.0-r0")
            .field("depend", "/bin/sh")
            .field("origin", "pair")
            .file("usr/share/both", 0o644, "first's\n")
            .file("usr/share/same", 0o644, "the same\n")
            .file("usr/share/ranked", 0o644, "first's\n")
            .directory("usr/share/first", 0o750)
            .directory("srv/shared", 0o2775),
        Apk::new("second", "2.0-r1")
            .field("depend", "first>=1")
            .field("origin", "pair")
            .field("provides", "cmd:tool=2.0-r1")
            .file("usr/share/both", 0o644, "second's\n")
            .file("usr/share/same", 0o644, "the same\n")
            .directory("srv/shared", 0o755)
            .file("usr/bin/tool", 0o4755, "tool\n")
            .entry("usr/bin/link", 0o4755, Node::HardLink("usr/bin/tool".to_owned()))
            .symlink("usr/bin/soft", "tool"),
        Apk::new("heir", "1.0-r0")
            .field("depend", "second")
            .field("replaces", "second<3")
            .field("replaces", "first")
            .field("replaces_priority", "5")
            .file("usr/share/both", 0o600, "the heir's\n")
            .file("usr/share/ranked", 0o644, "the heir's\n"),
        Apk::new("web", "1-r0")
            .field("depend", "cmd:tool")
            .script(
                "pre-install",
                script("addgroup -S -g 81 web\nadduser -S -u 80 -G web -H -h /srv/web -s /sbin/nologin web"),
            )
            .script("post-install", script("echo \"$1 $2\" > /etc/web.made"))
            .with(of_web("srv/web/data", Node::File(b"owned by name\n".to_vec())))
            .with(of_web("srv/web/log", Node::Directory)),
        Apk::new("watcher", "1-r0")
            .field("triggers", "/usr/share/first /usr/share/fonts/* /srv")
            .script("trigger", script("for path in \"$@\"; do echo \"$path\"; done > /etc/watched"))
            .file("usr/bin/watch-fonts", 0o755, "watch\n"),
        Apk::new("fonts", "1-r0").file("usr/share/fonts/one/a.ttf", 0o644, "a").file(
            "usr/share/fonts/two/b.ttf",
            0o644,
            "b",
        ),
        Apk::new("web-doc", "1-r0").field("install_if", "web=1-r0").field("install_if", "docs").file(
            "usr/share/doc/web",
            0o644,
            "doc\n",
        ),
        Apk::new("docs", "1-r0"),
        Apk::new(
            "a-package-whose-name-is-so-long-that-its-scripts-have-names-beyond-a-hundred-letters",
            "1.2.3_git20250101-r10",
        )
        .field("depend", "/bin/sh")
        .script("post-install", script("true"))
        .file("etc/Zebra", 0o644, "Z")
        .file("etc/apple", 0o644, "a"),
    ];
    packages.extend(apk::of_minirootfs(&data().join(MINIROOTFS)));
    packages
}

const WORLD: [&str; 9] = [
    "a-package-whose-name-is-so-long-that-its-scripts-have-names-beyond-a-hundred-letters",
    "alpine-baselayout",
    "busybox",
    "docs",
    "fonts",
    "heir",
    "musl-utils",
    "watcher",
    "web",
];

/// What apk installs, and what rootsmith does.
fn both(workspace: &Workspace, scripts: bool) -> (Listing, Image) {
    let repository = workspace.path("repository");
    apk::write(&repository, "x86_64", &packages());
    let tools = ApkTools::of(MINIROOTFS);
    let root = tools.root(workspace.path("root"), Some(&repository.join(apk::KEY)));
    let mut arguments = vec!["add", "--no-cache", "-X", repository.to_str().unwrap()];
    arguments.extend(Some("--no-scripts").filter(|_| !scripts));
    arguments.extend(WORLD);
    tools.run(&root, &arguments).succeeded();
    let packages: Vec<String> = WORLD.iter().map(|name| format!("\"{name}\"")).collect();
    let text = format!(
        "name = \"peer\"\nplatforms = [\"linux/amd64\"]\n[from.apk]\ndistribution = \"test\"\nscripts = \"{}\"\n\
         repositories = [\"file://{}\"]\nkeys = [\"repository/{}\"]\npackages = [{}]\n",
        if scripts { "sandbox" } else { "none" },
        repository.display(),
        apk::KEY,
        packages.join(", ")
    );
    workspace.write("peer.toml", &text);
    workspace.rootsmith(["build", "peer.toml", "-o", "oci:out", "--progress", "none"]).digest();
    let tar = workspace.path("root.tar");
    run(std::process::Command::new("tar").arg("-C").arg(&root).args(["--sort=name", "-cf"]).arg(&tar).arg("."));
    (of_tar(fs::File::open(tar).unwrap()), Layout::open(&workspace.path("out")).image())
}

/// Paths that one of the two has in its own way: what images never have, what apk keeps for itself, and the two files that
/// have a chance's mark: the day of an account's password, and the order of a trigger's arguments.
fn is_own(path: &str) -> bool {
    const OWN: [&str; 10] = [
        "etc/apk/repositories",
        "etc/group-",
        "etc/group.lock",
        "etc/hostname",
        "etc/passwd-",
        "etc/shadow",
        "etc/shadow-",
        "etc/watched",
        "lib/apk/db/scripts.tar",
        "lib/apk/exec",
    ];
    let folders = ["dev/", "run/", "tmp/", "var/cache/apk"];
    OWN.contains(&path) || folders.iter().any(|folder| path.starts_with(folder))
}

/// Every difference between two trees, but for what `is_own`.
fn differences(theirs: &Listing, ours: &Listing) -> Vec<String> {
    let mut differences = Vec::new();
    for (path, entry) in theirs.iter().filter(|(path, _)| !is_own(path)) {
        let Some(found) = ours.get(path) else {
            differences.push(format!("{path} is missing"));
            continue;
        };
        let same_kind = match (&entry.kind, &found.kind) {
            (Kind::HardLink(_) | Kind::File { .. }, Kind::HardLink(_)) | (Kind::HardLink(_), Kind::File { .. }) => true,
            (one, other) => one == other,
        };
        let same_mode = entry.mode == found.mode || matches!(entry.kind, Kind::Symlink(_));
        if !same_kind || !same_mode || entry.owner != found.owner {
            differences.push(format!("{path}: {entry} is {found}"));
        }
    }
    let more = ours.keys().filter(|path| !is_own(path) && !theirs.contains_key(*path));
    differences.extend(more.map(|path| format!("{path} is more")));
    differences
}

/// Names, modes and times of the scripts. apk cuts names off after 99 letters, and then no longer knows the script's
/// kind; it reads whole ones.
fn scripts(bytes: &[u8]) -> Vec<(String, u32, u64)> {
    let mut archive = tar::Archive::new(bytes);
    let entries = archive.entries().unwrap().map(|entry| {
        let entry = entry.unwrap();
        let name = String::from_utf8_lossy(&entry.path_bytes()).chars().take(99).collect();
        (name, entry.header().mode().unwrap() & 0o777, entry.header().mtime().unwrap())
    });
    entries.collect()
}

fn compare_databases(root: &Path, image: &Image) {
    for file in ["installed", "triggers"] {
        let path = format!("lib/apk/db/{file}");
        let (theirs, ours) = (fs::read_to_string(root.join(&path)).unwrap(), image.file(&path));
        let ours = String::from_utf8(ours).unwrap();
        for (theirs, ours) in theirs.lines().zip(ours.lines()) {
            assert_eq!(ours, theirs, "{path}");
        }
        assert_eq!(ours.lines().count(), theirs.lines().count(), "{path}");
    }
    let theirs = fs::read(root.join("lib/apk/db/scripts.tar")).unwrap();
    assert_eq!(scripts(&image.file("lib/apk/db/scripts.tar")), scripts(&theirs));
}

#[test]
fn the_same_tree_as_apk_installs_without_scripts() {
    require!(Need::Root, Need::Data(MINIROOTFS), Need::Amd64);
    let workspace = Workspace::new();
    let (theirs, image) = both(&workspace, false);
    compare_databases(&workspace.path("root"), &image);
    let mut differences = differences(&theirs, &image.listing());
    // The links that busybox's script would make are made all the same.
    differences.retain(|line| !(line.ends_with(" is more") && is_link_to_busybox(&image.listing(), line)));
    assert!(differences.is_empty(), "{differences:#?}");
}

fn is_link_to_busybox(listing: &Listing, line: &str) -> bool {
    let path = line.trim_end_matches(" is more");
    listing.get(path).is_some_and(|entry| entry.kind == Kind::Symlink("/bin/busybox".to_owned()))
}

#[test]
fn the_same_tree_as_apk_installs_with_scripts_and_triggers() {
    require!(Need::Root, Need::Data(MINIROOTFS), Need::Amd64);
    let workspace = Workspace::new();
    let (theirs, image) = both(&workspace, true);
    compare_databases(&workspace.path("root"), &image);
    let differences = differences(&theirs, &image.listing());
    assert!(differences.is_empty(), "{differences:#?}");
    assert_eq!(image.listing()["srv/web/data"].owner, (80, 81));
    assert_eq!(image.file("etc/web.made"), b"1-r0 \n");
    let lines = |bytes: Vec<u8>| {
        let text = String::from_utf8(bytes).unwrap();
        text.lines().map(str::to_owned).collect::<BTreeSet<_>>()
    };
    let theirs = fs::read(workspace.path("root/etc/watched")).unwrap();
    assert_eq!(lines(image.file("etc/watched")), lines(theirs));
}

/// Further worlds out of Alpine's index, the last three of which nothing meets.
const WORLDS: [&[&str]; 7] = [
    &["nginx", "openrc", "docs"],
    &["cmd:git", "pc:openssl", "so:libpq.so.5"],
    &["samba", "bind-tools", "docs", "bash"],
    &["lxc", "tmux", "lua5.4", "!lua5.1"],
    &["nginx>99"],
    &["no-such-package"],
    &["openssh", "!openssh-keygen"],
];

#[test]
fn the_same_packages_as_apk_chooses() {
    const INDEX: &str = "apk/alpine-3.16/x86_64/APKINDEX.tar.gz";
    require!(Need::Data(INDEX), Need::Data(MINIROOTFS), Need::Amd64);
    let tools = ApkTools::of(MINIROOTFS);
    let workspace = Workspace::new();
    let root = tools.root(workspace.path("root"), None);
    let index = apk_solve::index();
    let mut unmet = 0;
    for request in apk_solve::REQUESTS.iter().chain(&WORLDS) {
        // Only busybox provides /bin/sh there, without a priority: apk takes it where it is asked for, we do anyway.
        let world = [*request, &["busybox"]].concat();
        let theirs = tools.chosen(&root, &data().join("apk/alpine-3.16"), &world);
        match (apk_solve::names(&index, &world), theirs) {
            (Ok(ours), Ok(theirs)) => assert_eq!(ours, theirs, "{world:?}"),
            (Err(_), Err(_)) => unmet += 1,
            (ours, theirs) => panic!("{world:?}: {ours:?} and {theirs:?}"),
        }
    }
    assert_eq!(unmet, 3);
}
