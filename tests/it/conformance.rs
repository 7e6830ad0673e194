//! Sets of packages on top of minbase are what mmdebstrap makes of them, and have one digest through every door.
//!
//! A few sets are compared in every run of the tests. `scripts/conformance` compares all of them, more thoroughly, by two
//! variables of the environment:
//!
//! - `ROOTSMITH_TEST_SETS`: which, as `trixie/nginx bookworm/cron`, or `all`; any packages may be named, with commas
//!   between them;
//! - `ROOTSMITH_TEST_TABLE`: a file to which a line of the table is added for each set. With it, mmdebstrap runs twice, and
//!   paths in which the two differ are not compared; and the digest is that of a second build, too.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::support::door::Door;
use crate::support::layout::Layout;
use crate::support::peer::{BASE, Comparison, Difference, PACKAGES, Request, compare};
use crate::support::require::{Need, require};
use crate::support::workspace::{Workspace, binary, finish, mirrors};

const SUITES: [&str; 2] = ["trixie", "bookworm"];

/// Packages with commas between them.
const SETS: [&str; 38] = [
    "libc6:i386,zlib1g:i386",
    "tzdata",
    "sudo",
    "cron",
    "dbus",
    "gnupg",
    "locales",
    "man-db",
    "vim",
    "git",
    "fontconfig",
    "systemd",
    "openssh-server",
    "nginx",
    "redis",
    "exim4",
    "polkitd",
    "apache2",
    "php-fpm",
    "postgresql",
    "mariadb-server",
    "python3-numpy",
    "build-essential",
    "docker.io",
    "network-manager",
    "ca-certificates-java",
    "default-jre-headless",
    "tomcat10",
    "r-base-core",
    "texlive-base",
    "libreoffice-core",
    "zsh,fish,tmux,mksh",
    "emacs-nox,docbook-xml,wamerican,hunspell-en-us,aspell-en",
    "rsyslog,chrony,snmpd,nfs-kernel-server,avahi-daemon,bluez,udisks2,lvm2,mdadm",
    "samba,cups,bind9,dovecot-imapd,postfix",
    "xfce4-terminal,mousepad",
    "zutils,molly-guard,systemd-sysv",
    "linux-image-amd64",
];

/// What every run of the tests compares: accounts, triggers of files and by name, alternatives, databases of debconf, units,
/// and keys.
const SAMPLE: [(&str, &str); 6] = [
    ("trixie", "zsh,fish,tmux,mksh"),
    ("trixie", "openssh-server"),
    ("trixie", "dbus"),
    ("bookworm", "nginx"),
    ("bookworm", "locales"),
    ("bookworm", "sudo"),
];

#[test]
fn sets_of_trixie_are_what_mmdebstrap_makes() {
    of("trixie");
}

#[test]
fn sets_of_bookworm_are_what_mmdebstrap_makes() {
    of("bookworm");
}

/// The reasons, as the page about conformance lists them.
#[test]
fn every_difference_has_a_reason() {
    let all: Vec<&Difference> = BASE.iter().chain(PACKAGES).collect();
    assert!(all.iter().all(|difference| !difference.reason.is_empty()));
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/conformance.md");
    let page = std::fs::read_to_string(page).unwrap();
    for Difference { suites, what, paths, reason } in all {
        let suites = if *suites == "*" { "both" } else { suites };
        let row = format!("| `/{paths}` | {} | {suites} | {reason} |\n", format!("{what:?}").to_lowercase());
        assert!(page.contains(&row), "docs/conformance.md lacks:\n{row}");
    }
}

fn of(suite: &'static str) {
    require!(Need::Doors, Need::Program("mmdebstrap"), Need::Mirror, Need::Amd64);
    let chosen = chosen();
    let mut wrong = Vec::new();
    let mut used = BTreeSet::new();
    for (_, set) in chosen.iter().filter(|(of, _)| of == suite) {
        let workspace = Workspace::new();
        let packages: Vec<&str> = set.split(',').collect();
        let comparison = compare(&workspace, &Request { suite, variant: "minbase", packages: &packages }, runs());
        let digest = Layout::open(&workspace.path("image")).image().digest;
        let doors = other_digests(&workspace, &digest);
        note(suite, set, &comparison, &digest, &doors);
        used.extend(comparison.meant);
        wrong.extend(comparison.unexplained.iter().map(|text| format!("{suite} {set}: {text}")));
        wrong.extend(doors);
    }
    assert!(wrong.is_empty(), "{} differences without a reason:\n{}", wrong.len(), wrong.join("\n"));
}

/// Builds it again, as other users; says where another digest came out.
fn other_digests(workspace: &Workspace, digest: &str) -> Vec<String> {
    let doors: &[Door] =
        if table().is_some() { &[Door::Root, Door::Chroot, Door::User] } else { &[Door::User, Door::Chroot] };
    let mut others = Vec::new();
    for door in doors {
        door.prepare(workspace);
        let words = door.prefix().iter().map(Into::into).chain([binary().into_os_string()]);
        let arguments = ["build", "conformance.toml", "--locked", "--fresh", "--progress", "none"];
        let built = finish(workspace.command(words).args(arguments).args(mirrors())).digest();
        if built != digest {
            others.push(format!("{door:?}: the digest is {built}, not {digest}"));
        }
    }
    others
}

/// Suites and packages.
fn chosen() -> Vec<(String, String)> {
    let owned = |(suite, set): (&str, &str)| (suite.to_owned(), set.to_owned());
    match std::env::var("ROOTSMITH_TEST_SETS").as_deref() {
        Err(_) => SAMPLE.map(owned).to_vec(),
        Ok("all") => SUITES.iter().flat_map(|suite| SETS.map(|set| owned((suite, set)))).collect(),
        Ok(names) => {
            let split = |name: &str| {
                let set = name.split_once('/').filter(|(suite, _)| SUITES.contains(suite));
                owned(set.unwrap_or_else(|| panic!("`{name}` is no set: it begins with one of {SUITES:?} and `/`")))
            };
            names.split_whitespace().map(split).collect()
        }
    }
}

fn runs() -> usize {
    if table().is_some() { 2 } else { 1 }
}

fn table() -> Option<PathBuf> {
    std::env::var_os("ROOTSMITH_TEST_TABLE").map(PathBuf::from)
}

/// Adds a line to the table.
fn note(suite: &str, set: &str, comparison: &Comparison, digest: &str, doors: &[String]) {
    let Some(table) = table() else { return };
    let Comparison { packages, paths, meant, by_chance, unexplained } = comparison;
    let doors = if doors.is_empty() { "the same" } else { "differs" };
    let short = &digest["sha256:".len()..][..12];
    let mut file = OpenOptions::new().create(true).append(true).open(table).unwrap();
    let counts = format!("{packages} | {paths} | {} | {} | {}", unexplained.len(), meant.len(), by_chance.len());
    writeln!(file, "| {suite} | {set} | {counts} | `{short}` {doors} |").unwrap();
}
