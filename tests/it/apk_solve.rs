//! The choice of packages out of Alpine's real index, judged by a reader that shares nothing with the solver but the
//! comparison of versions.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use rootsmith::source::apk::index::Index;
use rootsmith::source::apk::keys::Keyring;
use rootsmith::source::apk::package_file::open_index;
use rootsmith::source::apk::relation::Relation;
use rootsmith::source::apk::solve::{self, Chosen, Repository, SolveError};
use rootsmith::source::apk::version::Version;

use crate::support::require::{Need, data, require};

const INDEX: &str = "apk/alpine-3.16/x86_64/APKINDEX.tar.gz";

/// What people ask for, of what Alpine 3.16 has in `main`.
pub const REQUESTS: [&[&str]; 20] = [
    &["alpine-base"],
    &["nginx", "nginx-mod-http-geoip2"],
    &["python3", "py3-setuptools", "py3-lxml"],
    &["postgresql14", "postgresql14-contrib"],
    &["nodejs"],
    &["clang", "llvm13"],
    &["acf-openvpn", "lua-expat", "ssh-getkey-ldap"],
    &["dovecot", "postfix", "openrc"],
    &["haproxy", "varnish", "squid"],
    &["git", "cmd:ssh", "pc:zlib", "so:libssl.so.1.1"],
    &["curl", "ca-certificates", "jq"],
    &["redis", "memcached", "mosquitto", "openrc"],
    &["mariadb", "mariadb-client"],
    &["apache2", "apache2-ssl", "apache2-utils"],
    &["openssh", "rsync", "bash", "bash-completion"],
    &["ruby", "ruby-bundler"],
    &["build-base", "cmake", "linux-headers"],
    &["linux-lts", "grub", "syslinux", "xen"],
    &["docs", "man-pages", "git", "nginx", "openssh"],
    &["alpine-sdk", "zsh", "vim", "perl~5.34", "!git-perl", "python3>=3.10"],
];

/// Alpine's index, its signature verified.
pub fn index() -> Index {
    let bytes = fs::read(data().join(INDEX)).unwrap();
    let (text, signed_by) = open_index(&bytes, Some(&Keyring::of_distribution("alpine")), "3.16").unwrap();
    assert_eq!(signed_by.as_deref(), Some("alpine-devel@lists.alpinelinux.org-6165ee59.rsa.pub"));
    Index::parse(text, "3.16").unwrap()
}

fn solved<'a>(index: &'a Index, world: &[&'a str]) -> Result<Vec<Chosen<'a>>, SolveError> {
    let repository = Repository { name: "alpine-main", tag: None, index };
    let world: Vec<_> = world.iter().map(|entry| Relation::parse(entry).unwrap()).collect();
    solve::solve(&world, &[repository])
}

/// The packages chosen for a world, as `name-version`.
pub fn names(index: &Index, world: &[&str]) -> Result<BTreeSet<String>, SolveError> {
    let name = |one: &Chosen<'_>| format!("{}-{}", one.record.name(), one.record.version());
    Ok(solved(index, world)?.iter().map(name).collect())
}

#[test]
fn what_people_ask_for_is_chosen_whole_and_free_of_conflicts() {
    require!(Need::Data(INDEX));
    let index = index();
    assert_eq!(index.records().len(), 4929);
    for request in REQUESTS {
        let chosen = solved(&index, request).unwrap_or_else(|error| panic!("{request:?}: {error}"));
        judge(&index, request, &chosen);
        let again = solved(&index, request).unwrap();
        let names = |chosen: &[Chosen<'_>]| chosen.iter().map(|one| one.record.file_name()).collect::<Vec<_>>();
        assert_eq!(names(&chosen), names(&again));
    }
}

#[test]
fn what_installs_itself_beside_others_comes() {
    require!(Need::Data(INDEX));
    let index = index();
    let names = |world: &[&'static str]| {
        let chosen = solved(&index, world).unwrap();
        chosen.iter().map(|one| one.record.name().to_owned()).collect::<BTreeSet<_>>()
    };
    assert!(!names(&["git"]).contains("git-doc") && names(&["git", "docs"]).contains("git-doc"));
    assert!(!names(&["git", "docs", "!git-doc"]).contains("git-doc"));
    // The scripts of nginx for openrc, and then their documentation's.
    assert!(names(&["nginx", "openrc"]).contains("nginx-openrc"));
    assert!(names(&["nginx", "docs"]).contains("nginx-doc"));
}

#[test]
fn wishes_that_cannot_be_met_are_explained() {
    require!(Need::Data(INDEX));
    let index = index();
    let said = |world: &[&'static str]| {
        let error = solved(&index, world).map(drop).unwrap_err();
        let help = miette::Diagnostic::help(&error).map(|help| help.to_string()).unwrap_or_default();
        format!("{error} ({help})")
    };
    assert_eq!(said(&["ngin"]), "alpine-main has no package `ngin` (did you mean nginx?)");
    assert!(said(&["pyhton3"]).contains("did you mean python3"), "{}", said(&["pyhton3"]));
    assert!(said(&["nginx=1.0"]).contains("there is no `nginx=1.0` (there is nginx-1.22"), "{}", said(&["nginx=1.0"]));
    assert!(said(&["nginx@edge"]).contains("tag `edge`"));
    assert!(said(&["nginx", "!nginx"]).contains("an entry with `!` excludes it"));
    let both = said(&["nginx", "!pcre2", "!pcre"]);
    assert!(both.contains("nginx cannot be installed: nginx-1.22"), "{both}");
    assert!(both.contains("excludes what provides it"), "{both}");
}

/// Every relation of every chosen package is met, nothing conflicts, no name has two owners, and nothing is missing that
/// would install itself.
fn judge(index: &Index, world: &[&str], chosen: &[Chosen<'_>]) {
    let mut owners: BTreeMap<&str, Vec<(&str, Option<&str>)>> = BTreeMap::new();
    let mut once = BTreeSet::new();
    for one in chosen {
        let record = one.record;
        assert!(once.insert(record.name()), "{} is there twice", record.name());
        owners.entry(record.name()).or_default().push((record.name(), Some(record.version())));
        for provided in record.provides().split(' ').filter(|provided| !provided.is_empty()) {
            let (name, version) = provided.split_once('=').map_or((provided, None), |(name, v)| (name, Some(v)));
            owners.entry(name).or_default().push((record.name(), version));
        }
    }
    let meets = |text: &str| {
        let (name, range) = text.find(['=', '<', '>', '~']).map_or((text, ""), |at| text.split_at(at));
        let having = owners.get(name).map(Vec::as_slice).unwrap_or_default();
        having.iter().any(|(_, version)| fits(range, *version))
    };
    let wishes = world.iter().map(|entry| ("world", *entry));
    let relations = chosen.iter().flat_map(|one| {
        let record = one.record;
        record.depends().split(' ').filter(|text| !text.is_empty()).map(move |text| (record.name(), text))
    });
    for (who, text) in wishes.chain(relations) {
        match text.strip_prefix('!') {
            None => assert!(meets(text), "{world:?}: {who} needs {text}"),
            // A package may conflict with a name that it has itself.
            Some(text) => {
                let (name, range) = text.find(['=', '<', '>', '~']).map_or((text, ""), |at| text.split_at(at));
                let having = owners.get(name).map(Vec::as_slice).unwrap_or_default();
                let enemy = having.iter().find(|(owner, version)| *owner != who && fits(range, *version));
                assert!(enemy.is_none(), "{world:?}: {who} conflicts with {enemy:?}");
            }
        }
    }
    for (name, having) in &owners {
        let packages: BTreeSet<_> = having.iter().map(|(owner, _)| owner).collect();
        let versioned = having.iter().any(|(_, version)| version.is_some());
        assert!(packages.len() < 2 || !versioned, "{world:?}: {name} is provided by {having:?}");
    }
    for record in index.records().filter(|record| !record.install_if().is_empty() && !once.contains(record.name())) {
        let met = record.install_if().split(' ').all(|text| match text.strip_prefix('!') {
            Some(text) => !meets(text),
            None => meets(text),
        });
        let unwanted = || world.contains(&format!("!{}", record.name()).as_str());
        let possible = || {
            let mut more = world.to_vec();
            more.push(record.name());
            solved(index, &more).is_ok_and(|with| {
                with.len() > chosen.len() && once.iter().all(|name| with.iter().any(|one| one.record.name() == *name))
            })
        };
        assert!(!met || unwanted() || !possible(), "{world:?}: {} is missing", record.name());
    }
}

/// Whether a version is in a range such as `>=1.2`; where there is none, everything is.
fn fits(range: &str, version: Option<&str>) -> bool {
    let sign = range.trim_end_matches(|letter| !"=<>~".contains(letter));
    let sign = &range[..range.find(|letter| !"=<>~".contains(letter)).unwrap_or(sign.len())];
    let Some(version) = version else { return range.is_empty() };
    let (found, wanted) = (Version::new(version), Version::new(&range[sign.len()..]));
    match sign {
        "" => true,
        "=" => found.partial_cmp(&wanted) == Some(std::cmp::Ordering::Equal),
        "<" => found < wanted,
        "<=" => found <= wanted,
        ">" => found > wanted,
        ">=" => found >= wanted,
        "~" | "=~" | "~=" => found.begins_with(wanted),
        other => panic!("{other}"),
    }
}
