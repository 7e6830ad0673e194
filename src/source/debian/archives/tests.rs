use super::*;
use crate::recipe::{self, SourceRequest};

fn request(lines: &str) -> DebianRequest {
    let text = format!("name = \"x\"\nplatforms = [\"linux/amd64\"]\n[from.debian]\n{lines}");
    match recipe::load_text(std::path::Path::new("x.toml"), text, None).unwrap().source {
        SourceRequest::Debian(request) => request,
        other => panic!("{other:?}"),
    }
}

fn platform(text: &str) -> Platform {
    text.parse().unwrap()
}

fn shown(request: &DebianRequest, on: &str) -> Vec<String> {
    let archive = |archive: Archive| {
        format!("{} {} at {}", archive.id, archive.suites.join(","), archive.public_url.as_deref().unwrap_or("nowhere"))
    };
    of(request, platform(on)).into_iter().map(archive).collect()
}

#[test]
fn the_suites_of_debian_and_ubuntu() {
    let amd64 = "linux/amd64";
    let debian = "debian trixie,trixie-updates at http://ftp.debian.org/debian";
    let security = "debian-security trixie-security at http://ftp.debian.org/debian-security";
    assert_eq!(shown(&request("suite = \"trixie\"\n"), amd64), [debian, security]);
    assert_eq!(shown(&request("suite = \"sid\"\n"), amd64), ["debian sid at http://ftp.debian.org/debian"]);
    for suite in ["jammy", "noble", "resolute"] {
        let request = request(&format!("suite = \"{suite}\"\n"));
        let suites = format!("{suite},{suite}-updates,{suite}-security");
        let main = format!("ubuntu {suites} at http://archive.ubuntu.com/ubuntu");
        let ports = format!("ubuntu-ports {suites} at http://ports.ubuntu.com/ubuntu-ports");
        assert_eq!(shown(&request, amd64), std::slice::from_ref(&main));
        assert_eq!(shown(&request, "linux/386"), [main]);
        for other in ["linux/arm64", "linux/arm/v7", "linux/ppc64le", "linux/riscv64", "linux/s390x"] {
            assert_eq!(shown(&request, other), std::slice::from_ref(&ports), "{other}");
        }
    }
}

#[test]
fn ports_are_reached_where_ports_are() {
    let request = request("suite = \"noble\"\n");
    let host = [
        ("http://mirror.example/ubuntu", vec!["noble".to_owned()]),
        ("http://mirror.example/ubuntu-ports", vec!["noble".to_owned()]),
    ];
    let host = on_host(host.iter().map(|(url, suites)| (*url, suites.as_slice())));
    let settings = MirrorSettings { host, ..MirrorSettings::default() };
    let reached = |on: &str| mirrors(&request, platform(on), &settings).into_iter().collect::<Vec<_>>();
    let both = |id: &str, urls: [&str; 2]| vec![(id.to_owned(), urls.map(str::to_owned).to_vec())];
    assert_eq!(
        reached("linux/amd64"),
        both("ubuntu", ["http://mirror.example/ubuntu", "http://archive.ubuntu.com/ubuntu"])
    );
    assert_eq!(
        reached("linux/arm64"),
        both("ubuntu-ports", ["http://mirror.example/ubuntu-ports", "http://ports.ubuntu.com/ubuntu-ports"])
    );
}

#[test]
fn suites_are_read_where_packages_are_asked_of_them() {
    let backports = request("suite = \"trixie\"\npackages = [\"golang/trixie-backports\", \"git/trixie-backports\"]\n");
    let archives = of(&backports, platform("linux/amd64"));
    assert_eq!(archives[0].suites, ["trixie", "trixie-updates", "trixie-backports"]);
    assert_eq!(archives[0].pinned, ["trixie-backports"]);
    let known = request("suite = \"trixie\"\npackages = [\"a1/trixie\", \"b2/trixie-security\", \"c3/nobodys\"]\n");
    assert!(of(&known, platform("linux/amd64")).iter().all(|archive| archive.pinned.is_empty()));
    let other = request("suite = \"trixie\"\npackages = [\"golang/sid\"]\n");
    assert_eq!(of(&other, platform("linux/amd64"))[0].pinned, ["sid"]);
}

#[test]
fn dated_archives_are_of_the_distribution_alone() {
    let lines = "suite = \"trixie\"\nsnapshot = \"20261101T000000Z\"\n\
                 [[from.debian.repository]]\nurl = \"https://vendor.example/apt\"\nsuites = [\"stable\"]\n";
    let request = request(lines);
    let mirrors = mirrors(&request, platform("linux/amd64"), &MirrorSettings::default());
    assert_eq!(mirrors["debian"], ["http://snapshot.debian.org/archive/debian/20261101T000000Z"]);
    let vendor = of(&request, platform("linux/amd64")).pop().unwrap();
    assert_eq!(mirrors[&vendor.id], ["https://vendor.example/apt"]);
    let now = Epoch::from_seconds(7);
    let suites = vendor.suites(&mirrors, request.snapshot.as_ref(), now);
    assert_eq!((suites[0].is_dated, suites[0].now), (false, now));
    assert_eq!(suites[0].components, ["main"], "those of the source, where it has none of its own");
}

#[test]
fn what_the_image_is_told_is_the_recipes() {
    let told = |more: &str| {
        let request = request(&format!("suite = \"trixie\"\nupdates = false\n[[from.debian.repository]]\n{more}"));
        let archives = of(&request, platform("linux/amd64"));
        archives.iter().map(|archive| archive.public_url.clone().unwrap_or_default()).collect::<Vec<_>>()
    };
    let official = "http://ftp.debian.org/debian";
    assert_eq!(told("url = \"https://mirror.example/debian\"\n"), [official]);
    assert_eq!(told("url = \"https://mirror.example/debian\"\nin-image = true\n"), ["https://mirror.example/debian"]);
    assert_eq!(told("url = \"file:///srv/debian\"\nin-image = true\n"), [official], "nobody else can reach it");
    let vendor = "url = \"https://v.example\"\nsuites = [\"/\"]\n";
    assert_eq!(told(vendor), [official, "https://v.example"]);
    assert_eq!(told(&format!("{vendor}in-image = false\n")), [official, ""]);
    assert_eq!(told("url = \"file:///srv/v\"\nsuites = [\"/\"]\n"), [official, ""]);
}

#[test]
fn the_official_address_is_never_used_without_a_signature() {
    let lines =
        "suite = \"trixie\"\n[[from.debian.repository]]\nurl = \"https://mirror.example\"\ntrust = \"unsigned\"\n";
    let archives = of(&request(lines), platform("linux/amd64"));
    assert!(archives[0].may_be_unsigned() && !archives[1].may_be_unsigned());
    assert!(archives.iter().all(|archive| !archive.is_trusted_unsigned()));
    let told = of(&request(&format!("{lines}in-image = true\n")), platform("linux/amd64"));
    assert!(told[0].is_trusted_unsigned());
    assert!(!told[1].is_trusted_unsigned(), "debian-security is told at its own address");
}

/// The addresses that are read without a signature, and those whose signature is asked for.
fn by_trust(lines: &str, settings: &MirrorSettings) -> (Vec<String>, Vec<String>) {
    let request = request(lines);
    let platform = platform("linux/amd64");
    let mirrors = mirrors(&request, platform, settings);
    let archives = of(&request, platform);
    let first = |archive: &Archive| archive.suites(&mirrors, request.snapshot.as_ref(), Epoch::default()).remove(0);
    let addresses = archives.iter().flat_map(|archive| first(archive).addresses);
    let (unsigned, signed): (Vec<_>, Vec<_>) = addresses.partition(|address| address.signing.trust == Trust::Unsigned);
    let urls = |addresses: Vec<suite::Address>| addresses.into_iter().map(|address| address.url).collect();
    (urls(unsigned), urls(signed))
}

#[test]
fn an_address_is_unsigned_where_its_own_entry_says_so() {
    let none = MirrorSettings::default();
    let chosen = |id: &str, url: &str| MirrorSettings { chosen: vec![(id.to_owned(), url.to_owned())], ..none.clone() };
    let mirror = |url: &str, trust: &str| format!("[[from.debian.repository]]\nurl = \"{url}\"\ntrust = \"{trust}\"\n");
    let own = mirror("file:///srv/debian", "unsigned");
    let security = "http://ftp.debian.org/debian-security";
    let trixie = format!("suite = \"trixie\"\n{own}");
    assert_eq!(
        by_trust(&trixie, &none),
        (vec!["file:///srv/debian".to_owned()], vec![security.to_owned()]),
        "the archive of security updates is another one"
    );
    let (unsigned, signed) = by_trust(&trixie, &chosen("", "http://cache/debian"));
    assert_eq!((unsigned, signed[0].as_str()), (vec!["file:///srv/debian".to_owned()], "http://cache/debian"));
    let both = format!("suite = \"sid\"\n{own}{}", mirror("http://other/debian", "signed"));
    let expected = (vec!["file:///srv/debian".to_owned()], vec!["http://other/debian".to_owned()]);
    assert_eq!(by_trust(&both, &none), expected);
    let turned = format!("suite = \"sid\"\n{}{own}", mirror("http://other/debian", "signed"));
    assert_eq!(by_trust(&turned, &none), expected);
    let dated = format!("suite = \"sid\"\nsnapshot = \"20261101T000000Z\"\n{own}");
    let dated = by_trust(&dated, &none);
    assert_eq!(dated.1, ["http://snapshot.debian.org/archive/debian/20261101T000000Z"]);
    assert_eq!(dated.0, ["file:///srv/debian"]);
    // What only the recipe knows has no other keys, wherever it is.
    let acme = format!("suite = \"quail\"\ndistribution = \"acme\"\n{own}");
    assert!(by_trust(&acme, &chosen("", "http://cache/acme")).1.is_empty());
    let half = format!("{acme}{}", mirror("http://other/acme", "signed"));
    assert_eq!(by_trust(&half, &chosen("", "http://cache/acme")).1, ["http://other/acme", "http://cache/acme"]);
    let posing = format!("suite = \"trixie-security\"\ndistribution = \"debian-security\"\n{own}");
    assert_eq!(by_trust(&posing, &chosen("", "http://cache/x")).1, ["http://cache/x"]);
}

#[test]
fn a_login_or_a_second_entry_makes_no_other_address() {
    let lines = "suite = \"sid\"\n[[from.debian.repository]]\nurl = \"https://a.example\"\ntrust = \"unsigned\"\n";
    let archive = of(&request(lines), platform("linux/amd64")).remove(0);
    assert_eq!(archive.signing_at("https://me:word@a.example/").trust, Trust::Unsigned);
    for other in ["http://a.example", "https://a.example/x", "https://a.example@b.example", "https://a.example:8443"] {
        assert_eq!(archive.signing_at(other).trust, Trust::Signed, "{other}");
    }
    let twice = format!("{lines}[[from.debian.repository]]\nurl = \"https://a.example/\"\n");
    let archive = of(&request(&twice), platform("linux/amd64")).remove(0);
    assert_eq!(archive.signing_at("https://a.example").trust, Trust::Signed);
}
