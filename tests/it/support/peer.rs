//! Comparing an image with what mmdebstrap makes of the same packages: every path with its type, mode, owner, content,
//! attributes and target, but for a list of differences that says why each of them is meant.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;

use globset::{GlobBuilder, GlobMatcher};

use super::layout::Layout;
use super::listing::{self, Entry, Kind, Listing};
use super::require::mirror;
use super::workspace::{Workspace, binary, finish, mirrors, run};

/// What may be different at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Only the peer has it.
    Theirs,
    /// Only we have it.
    Ours,
    /// Both have it, but not the same.
    Both,
}

/// A difference that is meant.
pub struct Difference {
    /// The suites in which there is one: `*` is any.
    pub suites: &'static str,
    pub what: What,
    /// The paths, relative to the root.
    pub paths: &'static str,
    pub reason: &'static str,
}

const fn any(what: What, paths: &'static str, reason: &'static str) -> Difference {
    Difference { suites: "*", what, paths, reason }
}

const DEVICES: &str = "an engine makes the devices when a container starts; a layer has none";
const HOST: &str = "copied from the machine that builds; engines mount their own";
const BACKUP: &str = "a copy from before the last change";
const APT_USER: &str = "apt gives it to its own user when it first runs";
const APT_LOCK: &str = "left by a run of apt, and there was none";
const LOCK: &str = "a lock that nobody holds";
const RANDOM: &str = "made by chance; the summary of the build says how to make it at the first start";
const CACHE: &str = "a cache that its program makes anew";
const RUNNING: &str = "what is in /run and /tmp is made when a system starts";

/// The differences of any image: each of them is there in the essential, apt or minbase variant.
pub const BASE: &[Difference] = &[
    any(What::Theirs, "dev/*", DEVICES),
    any(What::Theirs, "etc/{hostname,resolv.conf}", HOST),
    any(What::Theirs, "etc/apt/sources.list", "it names the mirror of the build"),
    any(What::Ours, "etc/apt/sources.list.d/debian.sources", "the official archive, not the build's mirror"),
    any(What::Both, "var/lib/apt/extended_states", "the same packages, in the order of their names"),
    Difference {
        suites: "bookworm",
        what: What::Theirs,
        paths: "var/lib/apt/extended_states",
        reason: "empty, in the variant without apt",
    },
    any(What::Both, "var/{cache/apt/archives,lib/apt/lists}/partial", APT_USER),
    any(What::Theirs, "var/{cache/apt/archives,lib/apt/lists}/lock", APT_LOCK),
    any(What::Theirs, "var/cache/debconf/*-old", BACKUP),
    any(What::Theirs, "var/lib/dpkg/*-old", BACKUP),
    any(What::Theirs, "etc/{group,gshadow,passwd,shadow}-", BACKUP),
    any(What::Theirs, "etc/.pwd.lock", LOCK),
];

/// The differences that single packages bring.
pub const PACKAGES: &[Difference] = &[
    any(What::Theirs, "etc/{subuid,subgid}-", BACKUP),
    any(What::Theirs, "var/lib/ucf/{hashfile,registry}.[0-9]*", BACKUP),
    any(What::Theirs, "{run,tmp}/**", RUNNING),
    any(What::Theirs, "var/cache/{man,fontconfig}/**", CACHE),
    any(What::Theirs, "var/lib/systemd/catalog/database", CACHE),
    any(What::Both, "var/log/fontconfig.log", "logs of the build are emptied"),
    any(What::Both, "var/log/journal", "access lists are those of the build's file system; systemd-tmpfiles sets them"),
    any(What::Both, "etc/machine-id", "empty in both; systemd makes it read-only, and mmdebstrap makes it anew"),
    any(What::Theirs, "etc/ssh/ssh_host_*", RANDOM),
];

/// How an image differs from the peer's.
#[derive(Default)]
pub struct Comparison {
    /// Packages in the image.
    pub packages: usize,
    /// Paths in the image.
    pub paths: usize,
    /// The differences that are meant, by the place of their reason in [`BASE`], followed by [`PACKAGES`].
    pub meant: Vec<usize>,
    /// Paths in which two runs of the peer differ: they are not compared.
    pub by_chance: Vec<String>,
    /// The differences without a reason.
    pub unexplained: Vec<String>,
}

/// What is installed.
pub struct Request<'a> {
    pub suite: &'a str,
    pub variant: &'a str,
    pub packages: &'a [&'a str],
}

impl Request<'_> {
    /// The recipe. The layer is not compressed, because that only takes time here.
    pub fn recipe(&self) -> String {
        let Self { suite, variant, packages } = self;
        format!(
            "name = \"conformance\"\nplatforms = [\"linux/amd64\"]\n[from.debian]\nsuite = \"{suite}\"\n\
             variant = \"{variant}\"\npackages = {packages:?}\n[layer]\ncompression = \"none\"\n"
        )
    }
}

/// Builds the image in `workspace`, as `image`, and compares it with what the peer makes in `runs` runs.
pub fn compare(workspace: &Workspace, request: &Request<'_>, runs: usize) -> Comparison {
    workspace.write("conformance.toml", &request.recipe());
    let mut command = workspace.command([binary()]);
    let arguments = ["build", "conformance.toml", "-o", "oci:image", "--progress", "none"];
    finish(command.args(arguments).args(mirrors())).succeeded();
    let image = Layout::open(&workspace.path("image")).image();
    let (ours, our_status) = (image.listing(), String::from_utf8(image.file("var/lib/dpkg/status")).unwrap());
    drop(image);
    let epoch = ours.values().map(|entry| entry.mtime).max().unwrap_or_default();
    let (theirs, their_status) = mmdebstrap(workspace, request, epoch);
    let again: Vec<Listing> = (1..runs).map(|_| mmdebstrap(workspace, request, epoch).0).collect();
    let mut comparison = Comparison { packages: packages(&our_status).len(), paths: ours.len(), ..Default::default() };
    assert_eq!(packages(&our_status), packages(&their_status), "packages of {} {:?}", request.suite, request.packages);
    for (what, path, text) in differences(&ours, &theirs) {
        if again.iter().any(|other| !same(other.get(&path), theirs.get(&path))) {
            comparison.by_chance.push(path);
            continue;
        }
        let applies = |known: &Difference| {
            [request.suite, "*"].contains(&known.suites) && known.what == what && glob(known.paths).is_match(&path)
        };
        match BASE.iter().chain(PACKAGES).position(applies) {
            Some(index) => comparison.meant.push(index),
            None => comparison.unexplained.push(format!("{what:?} /{path} {text}")),
        }
    }
    comparison
}

/// What mmdebstrap makes of the same state of the archive: the entries, and dpkg's status.
fn mmdebstrap(workspace: &Workspace, request: &Request<'_>, epoch: u64) -> (Listing, String) {
    let mirror = mirror().expect("the test has required a mirror");
    let suite = request.suite;
    let tar = workspace.path("theirs.tar");
    let mut command = workspace.command(["mmdebstrap", "--mode=root", "--quiet", "--format=tar"]);
    // It syncs much, which costs nothing in memory.
    let memory = Some(Path::new("/dev/shm")).filter(|folder| folder.is_dir());
    command.envs(memory.map(|folder| ("TMPDIR", folder)));
    command.env("SOURCE_DATE_EPOCH", epoch.to_string()).arg(format!("--variant={}", request.variant));
    if !request.packages.is_empty() {
        command.arg(format!("--include={}", request.packages.join(",")));
    }
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
        let (our, their) = (ours.get(path), theirs.get(path));
        let (what, text) = match (our, their) {
            _ if same(our, their) => return None,
            (Some(our), Some(their)) => (What::Both, format!("\n    ours   {our}\n    theirs {their}")),
            (Some(our), None) => (What::Ours, our.to_string()),
            (None, their) => (What::Theirs, their?.to_string()),
        };
        Some((what, path.clone(), text))
    };
    paths.into_iter().filter_map(different).collect()
}

/// Times are not compared: ours are never later than the epoch, theirs are those of the packages.
fn same(ours: Option<&Entry>, theirs: Option<&Entry>) -> bool {
    let mode = |entry: &Entry| if matches!(entry.kind, Kind::Symlink(_)) { 0o777 } else { entry.mode };
    match (ours, theirs) {
        (Some(ours), Some(theirs)) => {
            (mode(ours), ours.owner, &ours.kind, &ours.xattrs)
                == (mode(theirs), theirs.owner, &theirs.kind, &theirs.xattrs)
        }
        (ours, theirs) => ours.is_none() && theirs.is_none(),
    }
}

fn glob(pattern: &str) -> GlobMatcher {
    GlobBuilder::new(pattern).literal_separator(true).build().unwrap().compile_matcher()
}
