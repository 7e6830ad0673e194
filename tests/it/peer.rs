//! The same as mmdebstrap: packages, and every path with its type, mode, owner, content, attributes and target, but for a
//! list of differences that says why each of them is meant. An entry of the list that is not needed any more fails, too.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::BufReader;

use globset::{GlobBuilder, GlobMatcher};

use crate::support::layout::Layout;
use crate::support::listing::{self, Entry, Kind, Listing};
use crate::support::require::{Need, mirror, require};
use crate::support::workspace::{Workspace, mirrors, run};

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
    Difference("*", What::Theirs, "run/lock", "the contents of /run are never in an image"),
];

#[test]
fn trixie_essential() {
    compare("trixie", "essential");
}

#[test]
fn trixie_apt() {
    compare("trixie", "apt");
}

#[test]
fn trixie_minbase() {
    compare("trixie", "minbase");
}

#[test]
fn bookworm_essential() {
    compare("bookworm", "essential");
}

#[test]
fn bookworm_apt() {
    compare("bookworm", "apt");
}

#[test]
fn bookworm_minbase() {
    compare("bookworm", "minbase");
}

fn compare(suite: &'static str, variant: &str) {
    require!(Need::Root, Need::Program("mmdebstrap"), Need::Mirror, Need::Amd64);
    let workspace = Workspace::new();
    let recipe = format!(
        "name = \"peer\"\nplatforms = [\"linux/amd64\"]\n[from.debian]\nsuite = \"{suite}\"\nvariant = \"{variant}\"\n\
         [layer]\ncompression = \"none\"\n"
    );
    workspace.write("peer.toml", &recipe);
    let built = workspace.rootsmith(
        ["build", "peer.toml", "-o", "oci:out", "--progress", "none"].map(str::to_owned).into_iter().chain(mirrors()),
    );
    built.succeeded();
    let image = Layout::open(&workspace.path("out")).image();
    let ours = image.listing();
    let our_status = String::from_utf8(image.file("var/lib/dpkg/status")).unwrap();
    let epoch = ours.values().map(|entry| entry.mtime).max().unwrap_or_default();
    let (theirs, their_status) = mmdebstrap(&workspace, suite, variant, epoch);

    assert_eq!(packages(&our_status), packages(&their_status), "packages of {suite} {variant}");
    let mut used = BTreeSet::new();
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
    // The largest variant has every difference that the smaller ones have.
    if variant == "minbase" {
        let applies = |index: &usize| covers(DIFFERENCES[*index].0, suite) && !used.contains(index);
        let unused: Vec<_> = (0..DIFFERENCES.len()).filter(applies).map(|index| DIFFERENCES[index].2).collect();
        assert!(unused.is_empty(), "{suite}: reasons for what is no difference any more: {unused:?}");
    }
    assert!(DIFFERENCES.iter().all(|Difference(.., reason)| !reason.is_empty()));
}

/// What mmdebstrap makes of the same state of the archive: the entries, and dpkg's status.
fn mmdebstrap(workspace: &Workspace, suite: &str, variant: &str, epoch: u64) -> (Listing, String) {
    let mirror = mirror().expect("the test has required a mirror");
    let tar = workspace.path("theirs.tar");
    let mut command = workspace.command(["mmdebstrap", "--mode=root", "--quiet", "--format=tar"]);
    command.env("SOURCE_DATE_EPOCH", epoch.to_string()).arg(format!("--variant={variant}"));
    // `usrmerge` moves files of a running system. A new one has them in place, as `usr-is-merged` says.
    if suite == "bookworm" {
        let forbid = "printf 'Package: usrmerge\\nPin: version *\\nPin-Priority: -1\\n' > \"$1/etc/apt/preferences.d/no-usrmerge\"";
        command.arg(format!("--setup-hook={forbid}"));
        command.arg("--customize-hook=rm \"$1/etc/apt/preferences.d/no-usrmerge\"");
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
