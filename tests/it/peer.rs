//! The same as mmdebstrap: packages, and every path with its type, mode, owner, content, attributes and target, but for a
//! list of differences that says why each of them is meant. An entry of the list that is not needed any more fails, too.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::BufReader;

use globset::{GlobBuilder, GlobMatcher};

use crate::support::layout::Layout;
use crate::support::listing::{self, Entry, Kind, Listing};
use crate::support::require::{Need, mirror, require};
use crate::support::workspace::{Workspace, binary, finish, mirrors, run};

/// What may be different at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// Only the peer has it.
    Theirs,
    /// Only we have it.
    Ours,
    /// Both have it, but not the same.
    Both,
}

/// A difference that is meant: in which suites, what, where, why.
struct Difference(&'static str, What, &'static str, &'static str);

const DIFFERENCES: &[Difference] = &[
    Difference("*", What::Theirs, "dev/*", "an engine makes the devices when a container starts; a layer has none"),
    Difference("*", What::Theirs, "etc/hostname", "copied from the machine that builds; engines mount their own"),
    Difference("*", What::Theirs, "etc/resolv.conf", "copied from the machine that builds; engines mount their own"),
    Difference("*", What::Theirs, "etc/apt/sources.list", "it names the mirror of the build"),
    Difference(
        "*",
        What::Ours,
        "etc/apt/sources.list.d/debian.sources",
        "the official archive, not the build's mirror",
    ),
    Difference("*", What::Both, "var/lib/apt/extended_states", "the same packages, in the order of their names"),
    Difference("bookworm", What::Theirs, "var/lib/apt/extended_states", "empty, in the variant without apt"),
    Difference("*", What::Both, "var/cache/apt/archives/partial", "apt gives it to its own user when it first runs"),
    Difference("*", What::Both, "var/lib/apt/lists/partial", "apt gives it to its own user when it first runs"),
    Difference("*", What::Theirs, "var/cache/apt/archives/lock", "left by a run of apt, and there was none"),
    Difference("*", What::Theirs, "var/lib/apt/lists/lock", "left by a run of apt, and there was none"),
    Difference("*", What::Theirs, "var/cache/debconf/*-old", "a copy from before the last change"),
    Difference("*", What::Theirs, "var/lib/dpkg/*-old", "a copy from before the last change"),
    Difference("*", What::Theirs, "etc/{group,gshadow,passwd,shadow}-", "a copy from before the last change"),
    Difference("*", What::Theirs, "etc/.pwd.lock", "a lock that nobody holds"),
];

#[test]
fn trixie_is_what_mmdebstrap_makes() {
    compare("trixie");
}

#[test]
fn bookworm_is_what_mmdebstrap_makes() {
    compare("bookworm");
}

fn compare(suite: &'static str) {
    require!(Need::Root, Need::Program("mmdebstrap"), Need::Mirror, Need::Amd64);
    let workspace = Workspace::new();
    let mut used = BTreeSet::new();
    for variant in ["essential", "apt", "minbase"] {
        compare_variant(&workspace, suite, variant, &mut used);
    }
    let applies = |index: &usize| covers(DIFFERENCES[*index].0, suite) && !used.contains(index);
    let unused: Vec<_> = (0..DIFFERENCES.len()).filter(applies).map(|index| DIFFERENCES[index].2).collect();
    assert!(unused.is_empty(), "{suite}: reasons for what is no difference any more: {unused:?}");
    assert!(DIFFERENCES.iter().all(|Difference(.., reason)| !reason.is_empty()));
}

fn compare_variant(workspace: &Workspace, suite: &'static str, variant: &str, used: &mut BTreeSet<usize>) {
    let recipe = format!(
        "name = \"{variant}\"\nplatforms = [\"linux/amd64\"]\n[from.debian]\nsuite = \"{suite}\"\n\
         variant = \"{variant}\"\n[layer]\ncompression = \"none\"\n"
    );
    let (file, output) = (format!("{variant}.toml"), format!("oci:{variant}"));
    workspace.write(&file, &recipe);
    let mut command = workspace.command([binary()]);
    finish(command.args(["build", &file, "-o", &output, "--progress", "none"]).args(mirrors())).succeeded();
    let image = Layout::open(&workspace.path(variant)).image();
    let ours = image.listing();
    let our_status = String::from_utf8(image.file("var/lib/dpkg/status")).unwrap();
    let epoch = ours.values().map(|entry| entry.mtime).max().unwrap_or_default();
    let (theirs, their_status) = mmdebstrap(workspace, suite, variant, epoch);

    assert_eq!(packages(&our_status), packages(&their_status), "packages of {suite} {variant}");
    let mut unexplained = Vec::new();
    for (what, path, text) in differences(&ours, &theirs) {
        let known = DIFFERENCES.iter().position(|Difference(suites, kind, pattern, _)| {
            covers(suites, suite) && *kind == what && glob(pattern).is_match(&path)
        });
        match known {
            Some(index) => {
                used.insert(index);
            }
            None => unexplained.push(format!("{what:?} /{path} {text}")),
        }
    }
    let total = unexplained.len();
    assert!(total == 0, "{suite} {variant}: {total} differences without a reason:\n{}", unexplained.join("\n"));
}

/// What mmdebstrap makes of the same state of the archive: the entries, and dpkg's status.
fn mmdebstrap(workspace: &Workspace, suite: &str, variant: &str, epoch: u64) -> (Listing, String) {
    let mirror = mirror().expect("the test has required a mirror");
    let tar = workspace.path("theirs.tar");
    let mut command = workspace.command(["mmdebstrap", "--mode=root", "--quiet", "--format=tar"]);
    command.env("SOURCE_DATE_EPOCH", epoch.to_string()).arg(format!("--variant={variant}"));
    // Bookworm's packages still have paths outside /usr; both make the links before anything is unpacked.
    if suite == "bookworm" {
        command.arg("--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr");
    }
    command.arg(suite).arg(&tar);
    command.arg(format!("deb {mirror}/debian {suite} main"));
    command.arg(format!("deb {mirror}/debian {suite}-updates main"));
    command.arg(format!("deb {mirror}/debian-security {suite}-security main"));
    run(&mut command);
    let listing = listing::of_tar(BufReader::new(File::open(&tar).unwrap()));
    let status = run(workspace.command(["tar", "-xOf"]).arg(&tar).arg("./var/lib/dpkg/status"));
    fs::remove_file(&tar).unwrap();
    (listing, status)
}

/// Name and architecture of each package, with its version and state.
fn packages(status: &str) -> BTreeMap<(String, String), (String, String)> {
    let field = |stanza: &str, name: &str| {
        let line = stanza.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.unwrap_or_default().to_owned()
    };
    let stanzas = status.split("\n\n").filter(|stanza| !stanza.trim().is_empty());
    let of = |stanza| {
        let [name, architecture, version, state] =
            ["Package", "Architecture", "Version", "Status"].map(|name| field(stanza, name));
        ((name, architecture), (version, state))
    };
    stanzas.map(of).collect()
}

/// Every path that is not the same, with what is there.
fn differences(ours: &Listing, theirs: &Listing) -> Vec<(What, String, String)> {
    let paths: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    let different = |path: &String| {
        let (what, text) = match (ours.get(path), theirs.get(path)) {
            (Some(our), Some(their)) if same(our, their) => return None,
            (Some(our), Some(their)) => (What::Both, format!("\n    ours   {our}\n    theirs {their}")),
            (Some(our), None) => (What::Ours, our.to_string()),
            (None, Some(their)) => (What::Theirs, their.to_string()),
            (None, None) => return None,
        };
        Some((what, path.clone(), text))
    };
    paths.into_iter().filter_map(different).collect()
}

/// Times are not compared: ours are never later than the epoch, theirs are those of the packages.
fn same(ours: &Entry, theirs: &Entry) -> bool {
    let mode = |entry: &Entry| if matches!(entry.kind, Kind::Symlink(_)) { 0o777 } else { entry.mode };
    let (our, their) = (
        (mode(ours), ours.owner, &ours.kind, &ours.xattrs),
        (mode(theirs), theirs.owner, &theirs.kind, &theirs.xattrs),
    );
    our == their
}

fn covers(suites: &str, suite: &str) -> bool {
    suites == "*" || suites == suite
}

fn glob(pattern: &str) -> GlobMatcher {
    GlobBuilder::new(pattern).literal_separator(true).build().unwrap().compile_matcher()
}
