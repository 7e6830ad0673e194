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
    assert!(archives.iter().all(|archive| archive.trust == Trust::Unsigned && !archive.is_trusted_unsigned()));
    let told = of(&request(&format!("{lines}in-image = true\n")), platform("linux/amd64"));
    assert!(told[0].is_trusted_unsigned());
    assert!(!told[1].is_trusted_unsigned(), "debian-security is told at its own address");
}
