//! `[from.apk]` without scripts: real packages, repositories of the tests' own, and what is wrong with some.

use std::fs;

use crate::support::apk::{self, Apk, Entry, Node};
use crate::support::layout::Layout;
use crate::support::listing::Kind;
use crate::support::require::{Need, data, require};
use crate::support::workspace::{Finished, Workspace};

const SMALL: &str = "apk/small/x86_64/APKINDEX.tar.gz";

/// A recipe of packages of the repository in the folder `repository`.
fn recipe(workspace: &Workspace, packages: &str, more: &str) {
    let text = format!(
        "name = \"test\"\nplatforms = [\"linux/amd64\"]\n[from.apk]\ndistribution = \"test\"\npackages = [{packages}]\n\
         repositories = [\"file://{}\"]\n{more}\n",
        workspace.path("repository").display()
    );
    workspace.write("recipe.toml", &text);
}

fn with_key(workspace: &Workspace, packages: &str, more: &str) {
    recipe(workspace, packages, &format!("keys = [\"repository/{}\"]\n{more}", apk::KEY));
}

fn build(workspace: &Workspace) -> Finished {
    workspace.rootsmith(["build", "recipe.toml", "-o", "oci:out", "--progress", "none"])
}

fn database(workspace: &Workspace) -> String {
    String::from_utf8(Layout::open(&workspace.path("out")).image().file("lib/apk/db/installed")).unwrap()
}

#[test]
fn the_small_repository_of_apko_installs_on_both_architectures() {
    require!(Need::Data(SMALL));
    let mut digests = Vec::new();
    for (platform, architecture) in [("amd64", "x86_64"), ("arm64", "aarch64")] {
        let workspace = Workspace::new();
        let folder = data().join("apk/small");
        workspace.write(
            "small.toml",
            &format!(
                "name = \"small\"\nplatforms = [\"linux/{platform}\"]\n[from.apk]\ndistribution = \"test\"\n\
                 repositories = [\"file://{}\"]\nkeys = [\"{}\"]\n\
                 packages = [\"replayout\", \"custom-ca-certs-1\", \"custom-ca-certs-2\"]\n",
                folder.display(),
                folder.join("melange.rsa.pub").display()
            ),
        );
        let built = workspace.rootsmith(["build", "small.toml", "-o", "oci:out", "--progress", "none"]);
        digests.push(built.digest());
        let image = Layout::open(&workspace.path("out")).image();
        let listing = image.listing();
        let certificate = &listing["usr/local/share/ca-certificates/cert-a.crt"];
        assert_eq!((certificate.mode, certificate.owner), (0o644, (501, 20)));
        assert!(matches!(certificate.kind, Kind::File { size: 2000, .. }));
        let os_release = String::from_utf8(image.file("etc/os-release")).unwrap();
        assert!(os_release.contains("replayout") || os_release.len() == 102, "{os_release}");
        let database = String::from_utf8(image.file("lib/apk/db/installed")).unwrap();
        let names: Vec<_> = database.lines().filter_map(|line| line.strip_prefix("P:")).collect();
        assert_eq!(names, ["custom-ca-certs-1", "custom-ca-certs-2", "pretend-baselayout", "replayout"]);
        assert!(database.contains("R:cert-a.crt\na:501:20:644\nZ:Q1"), "{database}");
        // The loser of a replaced file has it no more.
        assert_eq!(database.matches("R:os-release").count(), 1);
        assert_eq!(image.file("etc/apk/arch"), format!("{architecture}\n").as_bytes());
        assert_eq!(image.file("etc/apk/world"), b"custom-ca-certs-1\ncustom-ca-certs-2\nreplayout\n");
        assert_eq!(image.file("etc/apk/keys/melange.rsa.pub"), fs::read(folder.join("melange.rsa.pub")).unwrap());
        let lock = fs::read_to_string(workspace.path("small.lock")).unwrap();
        assert!(lock.contains("signed-by = \"melange.rsa.pub\"") && lock.contains("checksum = \"Q1"), "{lock}");
        let inspected = workspace.rootsmith(["inspect", "out"]);
        inspected.succeeded();
        assert!(inspected.stdout.contains("custom-ca-certs-2"), "{}", inspected.stdout);
        // With a full store and its lock it needs no repository.
        let again = workspace.rootsmith(["build", "small.toml", "--frozen", "-o", "oci:again", "--progress", "none"]);
        assert_eq!(again.digest(), built.digest());
    }
    assert_ne!(digests[0], digests[1]);
}

#[test]
fn several_platforms_make_one_index() {
    require!(Need::Data(SMALL));
    let workspace = Workspace::new();
    let folder = data().join("apk/small");
    workspace.write(
        "small.toml",
        &format!(
            "name = \"small\"\nplatforms = [\"linux/amd64\", \"linux/arm64\"]\n[from.apk]\ndistribution = \"test\"\n\
             repositories = [\"file://{}\"]\nkeys = [\"{}\"]\npackages = [\"pretend-baselayout\"]\n",
            folder.display(),
            folder.join("melange.rsa.pub").display()
        ),
    );
    workspace.rootsmith(["build", "small.toml", "-o", "oci:out", "--progress", "none"]).digest();
    let lock = fs::read_to_string(workspace.path("small.lock")).unwrap();
    assert!(
        lock.contains("path = \"aarch64/pretend-baselayout") && lock.contains("path = \"x86_64/pretend-baselayout")
    );
}

#[test]
fn a_real_package_of_alpine_keeps_its_modes() {
    const PACKAGE: &str = "apk/alpine-3.16/alpine-baselayout-3.2.0-r23.aarch64.apk";
    require!(Need::Data(PACKAGE));
    let workspace = Workspace::new();
    let bytes = fs::read(data().join(PACKAGE)).unwrap();
    let package = rootsmith::source::apk::package_file::PackageFile::read(&data().join(PACKAGE), "it").unwrap();
    assert_eq!(package.info.value("pkgname"), "alpine-baselayout");
    assert_eq!(package.scripts.len(), 4);
    let place = workspace.path("repository/aarch64");
    fs::create_dir_all(&place).unwrap();
    fs::write(place.join("alpine-baselayout-3.2.0-r23.apk"), &bytes).unwrap();
    let record =
        format!("C:{}\nP:alpine-baselayout\nV:3.2.0-r23\nA:aarch64\nS:{}\n", package.checksum_like("Q1"), bytes.len());
    fs::write(place.join("APKINDEX.tar.gz"), apk::unsigned_index(&record)).unwrap();
    recipe(&workspace, "\"alpine-baselayout\"", "trust = \"unsigned\"");
    let text = fs::read_to_string(workspace.path("recipe.toml")).unwrap().replace("amd64", "arm64");
    workspace.write("recipe.toml", &text);
    let built = workspace.rootsmith(["build", "recipe.toml", "-o", "oci:out", "--progress", "lines"]);
    built.succeeded().says("indexes are taken without a signature");
    let image = Layout::open(&workspace.path("out")).image();
    let listing = image.listing();
    let mode = |path: &str| listing[path].mode;
    assert_eq!((mode("tmp"), mode("var/tmp"), mode("root"), mode("var/empty")), (0o1777, 0o1777, 0o700, 0o555));
    assert_eq!(mode("etc/crontabs/root"), 0o600);
    assert_eq!(listing["var/run"].kind, Kind::Symlink("/run".to_owned()));
    let database = String::from_utf8(image.file("lib/apk/db/installed")).unwrap();
    assert!(database.contains("F:var/empty\nM:0:0:555\n") && database.contains("R:run\na:0:0:777\nZ:Q1"), "{database}");
    assert!(fs::read_to_string(workspace.path("recipe.lock")).unwrap().contains("signed-by = \"unsigned\""));
    let scripts = image.file("lib/apk/db/scripts.tar");
    assert_eq!(tar::Archive::new(scripts.as_slice()).entries().unwrap().count(), 4);
}

/// What packages may be and say to each other.
fn packages() -> Vec<Apk> {
    let owned = Entry {
        path: "srv/data".to_owned(),
        mode: 0o640,
        owner: (1234, 1234),
        names: ("web".to_owned(), "nobody-knows".to_owned()),
        mtime: 1_600_000_000,
        node: Node::File(b"owned by name\n".to_vec()),
    };
    vec![
        Apk::new("base", "1.0-r0")
            .file("etc/passwd", 0o644, "root:x:0:0::/root:/bin/sh\nweb:x:80:81::/srv:/sbin/nologin\n")
            .file("etc/group", 0o644, "root:x:0:\nweb:x:81:\n")
            .directory("tmp", 0o1777)
            .directory("root", 0o700),
        Apk::new("first", "1.0-r0")
            .field("depend", "base")
            .field("origin", "pair")
            .file("usr/share/both", 0o644, "first's\n")
            .file("usr/share/same", 0o644, "the same\n")
            .file("usr/share/equal", 0o644, "equal\n")
            .with(owned),
        Apk::new("second", "2.0-r1")
            .field("depend", "first>=1")
            .field("origin", "pair")
            .file("usr/share/both", 0o644, "second's\n")
            .file("usr/share/same", 0o644, "the same\n")
            .file("usr/bin/tool", 0o4755, "tool\n")
            .entry("usr/bin/link", 0o4755, Node::HardLink("usr/bin/tool".to_owned()))
            .symlink("usr/bin/soft", "tool"),
        Apk::new("stranger", "1.0-r0").field("depend", "base").file("usr/share/both", 0o644, "a stranger's\n"),
        Apk::new("heir", "1.0-r0")
            .field("depend", "second")
            .field("replaces", "second<3")
            .file("usr/share/equal", 0o644, "equal\n")
            .file("usr/share/both", 0o600, "the heir's\n"),
        Apk::new("second-doc", "2.0-r1").field("install_if", "second=2.0-r1").field("install_if", "docs").file(
            "usr/share/doc/second",
            0o644,
            "doc\n",
        ),
        Apk::new("file-on-folder", "1-r0").field("depend", "first").symlink("usr/share", "share2"),
        Apk::new("folder-on-file", "1-r0").field("depend", "base").file("etc/passwd/x", 0o644, ""),
        Apk::new("listed-on-file", "1-r0").field("depend", "base").directory("etc/passwd", 0o755),
        Apk::new("docs", "1-r0"),
        Apk::new("enemy", "1-r0").field("depend", "!docs"),
    ]
}

#[test]
fn packages_meet_by_apks_rules() {
    let workspace = Workspace::new();
    apk::write(&workspace.path("repository"), "x86_64", &packages());
    with_key(&workspace, "\"heir\", \"docs\"", "");
    build(&workspace).digest();
    let image = Layout::open(&workspace.path("out")).image();
    let listing = image.listing();
    assert_eq!(image.file("usr/share/both"), b"the heir's\n");
    assert_eq!(image.file("usr/share/doc/second"), b"doc\n");
    assert_eq!(listing["srv/data"].owner, (80, 1234), "known by name, and not");
    assert_eq!(listing["srv/data"].mtime, 1_600_000_000);
    assert_eq!(listing["usr/bin/tool"].kind, Kind::HardLink("usr/bin/link".to_owned()));
    assert_eq!((listing["usr/bin/link"].mode, listing["tmp"].mode), (0o4755, 0o1777));
    let database = database(&workspace);
    let of = |name: &str| {
        database.split("\n\n").find(|record| record.contains(&format!("\nP:{name}\n"))).unwrap().to_owned()
    };
    assert!(
        !of("first").contains("R:both") && !of("second").contains("R:both") && of("heir").contains("R:both\na:0:0:600")
    );
    assert!(!of("first").contains("R:same") && of("second").contains("R:same"), "as packages of one source replace");
    assert!(of("first").contains("R:equal") && !of("heir").contains("R:equal"), "the first keeps what is equal");
    assert!(of("second-doc").contains("\ni:second=2.0-r1 docs\n"));
    let summing = |name: &str| {
        of("second").split(&format!("R:{name}\n")).nth(1).unwrap().lines().take(2).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(summing("link"), summing("tool"));
}

#[test]
fn what_cannot_be_chosen_or_laid_is_the_recipes_affair() {
    let workspace = Workspace::new();
    apk::write(&workspace.path("repository"), "x86_64", &packages());
    let cases = [
        ("\"secnd\"", "did you mean second?"),
        ("\"second=9\"", "there is second-2.0-r1"),
        ("\"enemy\", \"docs\"", "cannot be installed together"),
        ("\"first\", \"!base\"", "excludes what provides it"),
        ("\"second\", \"stranger\"", "is in the packages"),
        ("\"file-on-folder\"", "`/usr/share` is a folder in one of the packages first and file-on-folder"),
        ("\"folder-on-file\"", "`/etc/passwd` is a folder in one of the packages base and folder-on-file"),
        ("\"listed-on-file\"", "`/etc/passwd` is a folder in one of the packages base and listed-on-file"),
        ("\"second@edge\"", "asks for the tag `edge`"),
    ];
    for (wanted, said) in cases {
        with_key(&workspace, wanted, "");
        build(&workspace).failed_with(2).says(said);
    }
    let misspelt = [
        ("packages = [\"a b\"]", "a package"),
        ("scripts = \"maybe\"", "none"),
        ("branch = \"a/b\"", "a branch"),
        ("arch = \"x\"", "arch"),
    ];
    for (line, said) in misspelt {
        workspace.write(
            "recipe.toml",
            &format!("name = \"x\"\n[from.apk]\nrepositories = [\"https://example.com/x\"]\n{line}\n"),
        );
        build(&workspace).failed_with(2).says(said);
    }
    workspace.write("recipe.toml", "name = \"x\"\n[from.apk]\npackages = [\"busybox\"]\n");
    build(&workspace).failed_with(2).says("branch");
    workspace.write("recipe.toml", "name = \"x\"\n[from.apk]\ndistribution = \"mine\"\n");
    build(&workspace).failed_with(2).says("nothing says where the packages of `mine` are");
}

#[test]
fn keys_and_signatures_are_needed() {
    let workspace = Workspace::new();
    let folder = workspace.path("repository");
    apk::write(&folder, "x86_64", &packages());
    recipe(&workspace, "\"base\"", "");
    build(&workspace).failed_with(2).says("signed by test@example.com-1.rsa.pub, which is no key known here");
    with_key(&workspace, "\"base\"", "");
    let path = folder.join("x86_64/APKINDEX.tar.gz");
    let good = fs::read(&path).unwrap();
    let records = "C:Q1x\nP:base\nV:6.6.6\nA:x86_64\nS:1\n";
    let unsigned = apk::unsigned_index(records);
    fs::write(&path, &unsigned).unwrap();
    build(&workspace).failed_with(2).says("is not signed");
    // The signature of another index before this one.
    let end = good.windows(4).skip(1).position(|bytes| bytes == [0x1f, 0x8b, 8, 0]).unwrap() + 1;
    fs::write(&path, [&good[..end], &unsigned].concat()).unwrap();
    build(&workspace).failed_with(4).says("the signature of the index");
    fs::write(&path, &good[..good.len() - 20]).unwrap();
    build(&workspace).failed_with(4);
    fs::write(&path, b"<html>not found</html>").unwrap();
    build(&workspace).failed_with(4).says("cannot read");
    fs::remove_file(&path).unwrap();
    build(&workspace).failed_with(2).says("no address has the repository");
    fs::write(&path, &good).unwrap();
    workspace.write("empty.rsa.pub", "no key");
    recipe(&workspace, "\"base\"", "keys = [\"empty.rsa.pub\"]");
    build(&workspace).failed_with(2).says("holds no RSA public key");
    recipe(&workspace, "\"base\"", "keys = [\"missing.rsa.pub\"]");
    build(&workspace).failed_with(2).says("missing.rsa.pub");
    with_key(&workspace, "\"base\"", "");
    build(&workspace).digest();
}

#[test]
fn packages_that_are_not_what_the_index_says_are_refused() {
    let folder_of = |workspace: &Workspace| workspace.path("repository");
    let good = packages()[0].build();
    let cut = |bytes: &[u8], length: usize| bytes[..length].to_vec();
    let record = |record: &str, checksum: &str, size: usize| {
        let lines = record.lines().filter(|line| !line.is_empty()).map(|line| match line.split_once(':').unwrap().0 {
            "C" => format!("C:{checksum}\n"),
            "S" => format!("S:{size}\n"),
            _ => format!("{line}\n"),
        });
        lines.collect::<String>() + "\n"
    };
    let checksum = good.record.lines().next().unwrap().strip_prefix("C:").unwrap().to_owned();
    let mut changed = good.bytes.clone();
    let last = changed.len() - 30;
    changed[last] ^= 1;
    let other = Apk::new("base", "1.0-r0").file("etc/evil", 0o644, "evil").build();
    let mut renamed = packages()[0].clone();
    renamed.name = "other".to_owned();
    let renamed = renamed.build();
    let renamed_checksum = renamed.record.lines().next().unwrap().strip_prefix("C:").unwrap().to_owned();
    let device = Apk::new("base", "1.0-r0").entry("dev/null", 0o666, Node::Device).build();
    let device_checksum = device.record.lines().next().unwrap().strip_prefix("C:").unwrap().to_owned();
    let cases = [
        ("cut", cut(&good.bytes, good.bytes.len() - 100), &checksum, good.bytes.len(), "bytes, where"),
        (
            "cut, and the index says so",
            cut(&good.bytes, good.bytes.len() - 100),
            &checksum,
            good.bytes.len() - 100,
            "x86_64/base-1.0-r0.apk",
        ),
        ("changed data", changed, &checksum, good.bytes.len(), "x86_64/base-1.0-r0.apk"),
        ("another package", other.bytes.clone(), &checksum, other.bytes.len(), "the control checksum"),
        (
            "renamed",
            renamed.bytes.clone(),
            &renamed_checksum,
            renamed.bytes.len(),
            "holds other 1.0-r0, but the index says base 1.0-r0",
        ),
        ("a device", device.bytes.clone(), &device_checksum, device.bytes.len(), "has a device at `/dev/null`"),
        ("no package", b"something".to_vec(), &checksum, 9, "cannot read"),
        ("apk 3", b"ADB.something".to_vec(), &checksum, 13, "format of apk 3"),
    ];
    for (what, bytes, checksum, size, said) in cases {
        let workspace = Workspace::new();
        let folder = folder_of(&workspace);
        fs::create_dir_all(folder.join("x86_64")).unwrap();
        fs::write(folder.join("x86_64").join(&good.file_name), bytes).unwrap();
        fs::write(folder.join(apk::KEY), apk::public_key()).unwrap();
        apk::write_index(&folder, "x86_64", &record(&good.record, checksum, size));
        with_key(&workspace, "\"base\"", "");
        let finished = build(&workspace);
        assert_eq!(finished.code, 4, "{what}: {}", finished.stderr);
        finished.says(said);
    }
}

#[test]
fn a_lock_holds_and_moves_on_by_name() {
    let workspace = Workspace::new();
    let folder = workspace.path("repository");
    let old = [Apk::new("a", "1-r0").file("a", 0o644, "1"), Apk::new("b", "1-r0").file("b", 0o644, "1")];
    apk::write(&folder, "x86_64", &old);
    with_key(&workspace, "\"a\", \"b\"", "");
    let first = build(&workspace).digest();
    let new = [Apk::new("a", "2-r0").file("a", 0o644, "2"), Apk::new("b", "2-r0").file("b", 0o644, "2")];
    apk::write(&folder, "x86_64", &[old, new].concat());
    assert_eq!(build(&workspace).digest(), first, "the lock holds");
    workspace.rootsmith(["lock", "--check", "recipe.toml"]).failed_with(1);
    workspace.rootsmith(["lock", "recipe.toml", "--update=a"]).succeeded();
    let lock = fs::read_to_string(workspace.path("recipe.lock")).unwrap();
    assert!(
        lock.contains("name = \"a\", version = \"2-r0\"") && lock.contains("name = \"b\", version = \"1-r0\""),
        "{lock}"
    );
    workspace.rootsmith(["lock", "recipe.toml", "--update=c"]).failed_with(2).says("cannot update `c`");
    workspace.write("recipe.lock", &lock.replace("x86_64/a-2", "../a-2"));
    build(&workspace).failed_with(2).says("is no path within a repository");
}

#[test]
fn signers_of_a_lock_are_among_the_recipes_keys() {
    const OTHER_KEY: &str =
        include_str!("../../src/source/apk/keys/alpine-devel@lists.alpinelinux.org-6165ee59.rsa.pub");
    let workspace = Workspace::new();
    apk::write(&workspace.path("repository"), "x86_64", &packages());
    with_key(&workspace, "\"base\"", "");
    let first = build(&workspace).digest();
    let frozen = || workspace.rootsmith(["build", "recipe.toml", "-o", "oci:out", "--progress", "none", "--frozen"]);
    let key = workspace.path("repository").join(apk::KEY);
    let right = fs::read(&key).unwrap();
    // Another key of the same name.
    fs::write(&key, OTHER_KEY).unwrap();
    frozen().failed_with(2).says("does not fit it any more");
    build(&workspace).failed_with(4).says("the signature of the index");
    fs::write(&key, "no key").unwrap();
    frozen().failed_with(2).says("holds no RSA public key");
    fs::write(&key, right).unwrap();
    assert_eq!(frozen().digest(), first);
    // No key.
    recipe(&workspace, "\"base\"", "");
    frozen().failed_with(2).says("does not fit it any more");
}
