use super::*;
use crate::epoch::Epoch;

fn package(name: &str, version: &str) -> LockedPackage {
    LockedPackage {
        name: name.to_owned(),
        version: version.to_owned(),
        architecture: "amd64".to_owned(),
        repository: "debian".to_owned(),
        path: format!("pool/main/{name}_{version}_amd64.deb"),
        size: 1234,
        sha256: Digest::of(version.as_bytes()),
        essential: name == "bash",
        priority: (name == "tar").then(|| "required".to_owned()),
        automatic: name != "bash",
        security: name == "openssl",
    }
}

fn lock(packages: Vec<LockedPackage>) -> Lock {
    let repository = LockedRepository {
        id: "debian".to_owned(),
        url: None,
        suite: "trixie".to_owned(),
        components: vec!["main".to_owned()],
        date: Epoch::from_seconds(1_762_600_000),
        release: Digest::of(b"Release"),
        signed_by: Some("4D64FEC119C2029067D6E791F8D2585B8783D481".to_owned()),
        snapshot: None,
    };
    let vendor = LockedRepository {
        id: "a-vendor".to_owned(),
        url: Some("https://vendor.example/\"apt\"".to_owned()),
        signed_by: None,
        snapshot: Some("20261101T000000Z".to_owned()),
        ..repository.clone()
    };
    let source = AptSource {
        types: vec!["deb".to_owned()],
        uri: "http://ftp.debian.org/debian".to_owned(),
        suites: vec!["trixie".to_owned(), "trixie-updates".to_owned()],
        components: vec!["main".to_owned()],
        signed_by: Some("/usr/share/keyrings/debian-archive-keyring.pgp".to_owned()),
        trusted: false,
    };
    let unsigned = AptSource {
        suites: vec!["/".to_owned()],
        components: Vec::new(),
        signed_by: None,
        trusted: true,
        ..source.clone()
    };
    let keyring = AptKeyring { path: "/etc/apt/keyrings/a-vendor.asc".to_owned(), sha256: Digest::of(b"key") };
    let pin = DebianPin {
        platform: "linux/amd64".parse().unwrap(),
        distribution: "debian".to_owned(),
        suite: "trixie".to_owned(),
        installer: Installer::Native,
        binaries: Vec::new(),
        slices: Vec::new(),
        repositories: vec![repository, vendor],
        packages,
        sources: vec![source, unsigned],
        keyrings: vec![keyring],
    };
    let other = DebianPin {
        platform: "linux/arm64".parse().unwrap(),
        packages: Vec::new(),
        sources: Vec::new(),
        keyrings: Vec::new(),
        ..pin.clone()
    };
    Lock::new(Digest::of(b"request"), vec![Pin::Debian(other), Pin::Debian(pin)])
}

#[test]
fn what_is_kept_of_packages_round_trips() {
    let plain = lock(vec![package("bash", "5.2")]);
    let mut pin = plain.debian("linux/amd64".parse().unwrap()).unwrap().clone();
    pin.installer = Installer::Files;
    pin.binaries = vec!["/usr/bin/bash".to_owned()];
    pin.slices = vec![LockedSlice { package: "bash".to_owned(), keep: vec!["/usr/bin/**".to_owned()] }];
    let lock = Lock::new(Digest::of(b"request"), vec![Pin::Debian(pin)]);
    let text = lock.to_text();
    assert!(text.contains("installer = \"files\"\nbinaries = [\"/usr/bin/bash\"]\nslices = [\n"), "{text}");
    assert_eq!(Lock::parse(&text, Path::new("x.lock")).unwrap(), lock);
    assert!(complaint(&text.replace("/usr/bin/**", "usr/bin")).contains("`usr/bin` is no path of the image"));
    assert!(complaint(&text.replace("\"files\"", "\"magic\"")).contains("magic"));
}

fn complaint(text: &str) -> String {
    let error = Lock::parse(text, Path::new("x.lock")).unwrap_err();
    // The report wraps lines, the message does not.
    let message = error.to_string();
    format!("{message}\n{:?}", miette::Report::new(error))
}

#[test]
fn text_form() {
    insta::assert_snapshot!(lock(vec![package("tar", "1:1.35"), package("bash", "5.2"), package("openssl", "3")]).to_text(), @r#"
    # Written by rootsmith: every input of the image by digest. Keep it with the recipe.
    # `rootsmith lock --update` looks for newer inputs.
    format = 1
    request = "sha256:1f58b9145b24d108d7ac38887338b3ea3229833b9c1e418250343f907bfd1047"

    [[debian]]
    platform = "linux/amd64"
    distribution = "debian"
    suite = "trixie"
    repositories = [
      { id = "a-vendor", url = "https://vendor.example/\"apt\"", suite = "trixie", components = ["main"], date = 2025-11-08T11:06:40Z, release = "sha256:e020e3c67bd0c31227720bd8eb2c3a777d162e0987e8fd8438b007c170266476", signed-by = "unsigned", snapshot = "20261101T000000Z" },
      { id = "debian", suite = "trixie", components = ["main"], date = 2025-11-08T11:06:40Z, release = "sha256:e020e3c67bd0c31227720bd8eb2c3a777d162e0987e8fd8438b007c170266476", signed-by = "4D64FEC119C2029067D6E791F8D2585B8783D481" },
    ]
    packages = [
      { name = "bash", version = "5.2", architecture = "amd64", repository = "debian", path = "pool/main/bash_5.2_amd64.deb", size = 1234, sha256 = "6c6a464eca230198d20ca69ad8873f92fa7444e226784b4f554301e16d57feb2", essential = true },
      { name = "openssl", version = "3", architecture = "amd64", repository = "debian", path = "pool/main/openssl_3_amd64.deb", size = 1234, sha256 = "4e07408562bedb8b60ce05c1decfe3ad16b72230967de01f640b7e4729b49fce", automatic = true, security = true },
      { name = "tar", version = "1:1.35", architecture = "amd64", repository = "debian", path = "pool/main/tar_1:1.35_amd64.deb", size = 1234, sha256 = "b0667f89277448a13d7018e67a202bf75f08ffb859bc29053715a172e35e0012", priority = "required", automatic = true },
    ]
    sources = [
      { types = ["deb"], uri = "http://ftp.debian.org/debian", suites = ["trixie", "trixie-updates"], components = ["main"], signed-by = "/usr/share/keyrings/debian-archive-keyring.pgp" },
      { types = ["deb"], uri = "http://ftp.debian.org/debian", suites = ["/"], components = [], trusted = true },
    ]
    keyrings = [
      { path = "/etc/apt/keyrings/a-vendor.asc", sha256 = "2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683" },
    ]

    [[debian]]
    platform = "linux/arm64"
    distribution = "debian"
    suite = "trixie"
    repositories = [
      { id = "a-vendor", url = "https://vendor.example/\"apt\"", suite = "trixie", components = ["main"], date = 2025-11-08T11:06:40Z, release = "sha256:e020e3c67bd0c31227720bd8eb2c3a777d162e0987e8fd8438b007c170266476", signed-by = "unsigned", snapshot = "20261101T000000Z" },
      { id = "debian", suite = "trixie", components = ["main"], date = 2025-11-08T11:06:40Z, release = "sha256:e020e3c67bd0c31227720bd8eb2c3a777d162e0987e8fd8438b007c170266476", signed-by = "4D64FEC119C2029067D6E791F8D2585B8783D481" },
    ]
    packages = []
    sources = []
    # sha256:4c00a177662a4b27628df1a6c4795833d2aab0163db0ffcfe10aab716ae62c7d
    "#);
}

#[test]
fn what_is_written_is_read() {
    let lock = lock(vec![package("tar", "1:1.35+\\\u{1}"), package("bash", "5.2")]);
    let text = lock.to_text().replace("\\u0001.deb", ".deb").replace("_1:1.35+\\\\\\u0001", "");
    let read = Lock::parse(&text, Path::new("x.lock")).unwrap();
    let without_seal =
        |text: &str| text.lines().filter(|line| !line.starts_with("# sha256:")).collect::<Vec<_>>().join("\n");
    assert_eq!(without_seal(&read.to_text()), without_seal(&text));
    assert!(read.is_altered());
    let again = Lock::parse(&read.to_text(), Path::new("x.lock")).unwrap();
    assert!(!again.is_altered());
    assert!(
        !Lock::parse(&without_seal(&text), Path::new("x.lock")).unwrap().is_altered(),
        "the line was removed on purpose"
    );
    assert_eq!(read.debian(lock.debian[0].platform).unwrap().packages[1].version, "1:1.35+\\\u{1}");
    assert_eq!(read.debian.len(), 2);
}

#[test]
fn order_of_the_parts_means_nothing() {
    let (bash, tar) = (package("bash", "5.2"), package("tar", "1.35"));
    assert_eq!(lock(vec![bash.clone(), tar.clone()]).to_text(), lock(vec![tar, bash]).to_text());
}

#[test]
fn writing_what_is_there_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = Lock::path_for(&folder.path().join("trixie.toml"));
    assert!(path.ends_with("trixie.lock"));
    assert_eq!(Lock::read(&path).unwrap(), None);
    let lock = lock(vec![package("bash", "5.2")]);
    assert!(lock.write(&path).unwrap());
    assert!(!lock.write(&path).unwrap());
    assert_eq!(Lock::read(&path).unwrap(), Some(lock));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
    std::fs::write(&path, [0xff]).unwrap();
    assert!(matches!(Lock::read(&path), Err(LockError::NotText { .. })));
}

#[test]
fn edits_are_refused_with_their_place() {
    let good = lock(vec![package("bash", "5.2")]).to_text();
    let digest = Digest::of(b"5.2").hex();
    let cases = [
        (good.replace("\n", "\r\n"), "line feed"),
        (good.replace("essential", "\n<<<<<<< HEAD\nessential"), "merge"),
        (format!("<<<<<<< HEAD\n{good}"), "merge"),
        (good.replace("format = 1", "format = 7\nfuture = {}"), "format 7"),
        (good.replace("format = 1", ""), "format"),
        (good.replace("size = 1234", "size = \"1234\""), "u64"),
        (good.replace("size = 1234", "size = 1234, colour = 1"), "colour"),
        (good.replace(&digest, &digest[1..]), "64 lower-case hex digits"),
        (good.replace("pool/main", "pool/../../etc"), "no path within a repository"),
        (good.replace("path = \"pool", "path = \"/pool"), "no path within a repository"),
        (good.replace("linux/amd64", "linux/vax"), "linux/vax"),
        (good.replace("linux/amd64", "linux/arm64"), "twice"),
        (good.replace("repository = \"debian\"", "repository = \"other\""), "no repository here"),
        (good.replace("\"unsigned\"", "\"somebody\""), "fingerprint"),
        (good.replace("2025-11-08T11:06:40Z", "2025-11-08"), "no date with time"),
        (good.replace("essential = true", "essential = tru"), "tru"),
        (String::new(), "format"),
    ];
    for (text, expected) in cases {
        assert_ne!(text, good);
        let complaint = complaint(&text);
        assert!(complaint.contains(expected) && complaint.contains("x.lock"), "{expected}:\n{complaint}");
    }
}

#[test]
fn every_flipped_bit_is_seen() {
    let good = lock(vec![package("bash", "5.2")]).to_text();
    for place in 0..good.len() {
        for bit in 0..8 {
            let mut bytes = good.clone().into_bytes();
            bytes[place] ^= 1 << bit;
            let read = String::from_utf8(bytes).ok().and_then(|text| Lock::parse(&text, Path::new("x.lock")).ok());
            assert!(read.is_none_or(|read| read.is_altered()), "bit {bit} of byte {place}");
        }
    }
}

#[test]
fn suites_that_are_older_than_before_are_told() {
    let new = lock(vec![package("bash", "5.2")]);
    let mut old = new.clone();
    assert_eq!(set_back(&old, &new), []);
    for pin in &mut old.debian {
        for repository in &mut pin.repositories {
            repository.date = Epoch::from_seconds(repository.date.seconds() + 1);
        }
    }
    // The other one is of a dated archive.
    let before = Epoch::from_seconds(1_762_600_001);
    assert_eq!(set_back(&old, &new), [("trixie".to_owned(), before, Epoch::from_seconds(1_762_600_000))]);
    assert_eq!(set_back(&new, &old), []);
}

#[test]
fn a_package_twice_is_refused() {
    let good = lock(vec![package("bash", "5.2")]).to_text();
    let row = good.lines().find(|line| line.contains("bash")).unwrap();
    assert!(complaint(&good.replace(row, &format!("{row}\n{row}"))).contains("`bash` is there twice"));
}

#[test]
fn changes_are_told() {
    let old = lock(vec![package("bash", "5.2"), package("tar", "1.35"), package("sed", "4.9")]);
    let mut sed = package("sed", "4.9");
    sed.sha256 = Digest::of(b"rebuilt");
    let new = lock(vec![package("bash", "5.3"), package("vim", "9"), sed]);
    let lines: Vec<String> = changes(&old, &new).iter().map(Change::to_string).collect();
    insta::assert_snapshot!(lines.join("\n"), @r"
    ~ bash:amd64 5.2 -> 5.3
    ~ sed:amd64 4.9 (other bytes of the same version)
    - tar:amd64 1.35
    + vim:amd64 9
    ");
    assert_eq!(changes(&new, &new), []);
}
