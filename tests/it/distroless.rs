//! Images of files alone: the distroless recipes, slices, and programs with what they need.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::archive::{self, Suite};
use crate::support::deb::{Node, Package};
use crate::support::engine::Engine;
use crate::support::layout::{Image, Layout};
use crate::support::listing::Kind;
use crate::support::require::{Need, find, require};
use crate::support::workspace::{Finished, Workspace, binary, finish, mirrors, run};

/// What distroless publishes for Debian 13 (its `static/config.bzl`, `base/config.bzl`, `cc/config.bzl` and
/// `python3/config.bzl`), each on top of the one before. Of ca-certificates it takes the bundle.
const STATIC: &str = "base-files ca-certificates media-types netbase tzdata tzdata-legacy";
const BASE: &str = "libc6 libssl3t64 libzstd1 zlib1g";
const CC: &str = "gcc-14-base libgcc-s1 libgomp1 libstdc++6";
const PYTHON3: &str = "libbz2-1.0 libc-bin libcom-err2 libcrypt1 libdb5.3t64 libexpat1 libffi8 libgssapi-krb5-2 \
                       libk5crypto3 libkeyutils1 libkrb5-3 libkrb5support0 liblzma5 libncursesw6 libnsl2 \
                       libpython3.13-minimal libpython3.13-stdlib libreadline8t64 libsqlite3-0 libtinfo6 libtirpc3t64 \
                       libuuid1 python3.13-minimal python3.13-venv";

/// A folder with the shipped recipes.
fn workspace() -> Workspace {
    let workspace = Workspace::new();
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            fs::copy(&path, workspace.path(path.file_name().unwrap().to_str().unwrap())).unwrap();
        }
    }
    workspace
}

fn build(workspace: &Workspace, arguments: &[&str]) -> Finished {
    let mut command = workspace.command([binary()]);
    finish(command.args(["build", "--progress", "none"]).args(arguments).args(mirrors()))
}

/// The packages that `inspect` shows of an output.
fn packages(workspace: &Workspace, image: &str) -> Vec<String> {
    let finished = workspace.rootsmith(["inspect", image, "--json"]);
    let inspection: Value = serde_json::from_str(&finished.succeeded().stdout).unwrap();
    let names = inspection["packages"].as_array().unwrap().iter();
    names.map(|package| package["name"].as_str().unwrap().to_owned()).collect()
}

fn sorted(lists: &[&str]) -> Vec<String> {
    let mut names: Vec<String> = lists.iter().flat_map(|list| list.split_whitespace()).map(str::to_owned).collect();
    names.sort();
    names
}

fn unpacked(workspace: &Workspace, tar: &str) -> std::path::PathBuf {
    let root = workspace.path(&format!("{tar}.root"));
    fs::create_dir(&root).unwrap();
    run(Command::new("tar").arg("-C").arg(&root).arg("-xf").arg(workspace.path(tar)));
    root
}

#[test]
fn the_recipes_have_the_packages_that_distroless_publishes_and_run_in_docker() {
    require!(Need::Root, Need::Mirror, Need::Program("docker"), Need::Program("dockerd"), Need::Amd64);
    let workspace = workspace();
    let engine = Engine::start();
    let lists = [STATIC, BASE, CC, PYTHON3];
    for (number, name) in ["static", "base", "cc", "python3"].into_iter().enumerate() {
        let recipe = format!("distroless-{name}.toml");
        let output = format!("oci:{name}");
        let outputs = ["--platform", "linux/amd64", "-o", &output, "-o", "docker-archive:image.tar"];
        let finished = build(&workspace, &[[recipe.as_str()].as_slice(), &outputs].concat());
        assert!(!finished.succeeded().stderr.contains("cannot start"), "{}", finished.stderr);
        assert_eq!(packages(&workspace, &output), sorted(&lists[..=number]), "{name}");
        engine.succeed(["load", "--input", workspace.path("image.tar").to_str().unwrap()]);
        fs::remove_file(workspace.path("image.tar")).unwrap();
    }
    check_layout(&Layout::open(&workspace.path("static")).image());
    let script = "import ctypes, os, pwd, socket, sqlite3, ssl, zoneinfo; zoneinfo.ZoneInfo('Europe/Berlin'); \
                  assert len(ssl.create_default_context().get_ca_certs()) > 100; \
                  print(pwd.getpwuid(os.getuid()).pw_dir, socket.getservbyname('https'), sqlite3.sqlite_version)";
    let finished = engine.in_container("distroless-python3:latest", &[], &["-c", script]);
    assert!(finished.succeeded().stdout.starts_with("/home/nonroot 443 3."), "{}", finished.stdout);
    let shell = engine.in_container("distroless-python3:latest", &["--entrypoint", "sh"], &["-c", "true"]);
    assert_ne!(shell.code, 0, "there is no shell");

    build(
        &workspace,
        &[
            "distroless-static.toml",
            "--variant",
            "debug",
            "--platform",
            "linux/amd64",
            "-o",
            "docker-archive:image.tar",
        ],
    )
    .succeeded();
    engine.succeed(["load", "--input", workspace.path("image.tar").to_str().unwrap()]);
    let command = "id -un; cat /etc/debian_version | cut -c1-3; ls -ld /tmp | cut -c1-10; test -x /busybox/busybox";
    let finished = engine.in_container("distroless-static:debug", &[], &["-c", command]);
    assert_eq!(finished.succeeded().stdout, "nonroot\n13.\ndrwxrwxrwt\n");
}

/// What distroless' own tests ask of its images (`base/testdata`), and its `PACKAGE_METADATA.md`.
fn check_layout(image: &Image) {
    let listing = image.listing();
    let modes = [("tmp", 0o1777), ("root", 0o700), ("home", 0o755), ("home/nonroot", 0o700), ("var/tmp", 0o1777)];
    for (path, mode) in modes {
        assert_eq!((&listing[path].kind, listing[path].mode), (&Kind::Directory, mode), "{path}");
    }
    assert_eq!(listing["home/nonroot"].owner, (65532, 65532));
    for link in ["bin", "lib", "sbin"] {
        assert_eq!(listing[link].kind, Kind::Symlink(format!("usr/{link}")));
    }
    let text = |path: &str| String::from_utf8(image.file(path)).unwrap();
    let passwd = text("etc/passwd");
    assert!(passwd.starts_with("root:x:0:0:root:/root:/sbin/nologin\nnobody:x:65534:65534:"), "{passwd}");
    assert!(passwd.ends_with("nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n"), "{passwd}");
    assert_eq!(text("etc/group"), "root:x:0:\nnobody:x:65534:\ntty:x:5:\nstaff:x:50:\nnonroot:x:65532:\n");
    assert!(text("etc/nsswitch.conf").contains("hosts: files dns\n"));
    assert!(text("usr/lib/os-release").contains("ID=debian\n"));
    let bundle = text("etc/ssl/certs/ca-certificates.crt");
    assert!(bundle.matches("-----BEGIN CERTIFICATE-----\n").count() > 100);
    assert!(bundle.ends_with("-----END CERTIFICATE-----\n") && !bundle.contains("----------"));
    let control = text("var/lib/dpkg/status.d/tzdata");
    assert!(control.starts_with("Package: tzdata\n") && !control.contains("\nStatus:"), "{control}");
    assert!(text("var/lib/dpkg/status.d/netbase.md5sums").contains("  usr/share/doc/netbase/copyright\n"));
    let partial = text("var/lib/dpkg/status.d/ca-certificates");
    assert!(partial.contains("\nPartial: 1 of "), "{partial}");
    assert!(!listing.contains_key("var/lib/dpkg/status") && !listing.contains_key("usr/share/ca-certificates"));
    assert!(
        listing.contains_key("usr/share/doc/ca-certificates/copyright")
            && listing.contains_key("usr/share/zoneinfo/Europe/Berlin")
    );
    assert!(!listing.keys().any(|path| path.ends_with("/sh")), "no shell");
    assert_eq!(image.config["config"]["User"], "65532:65532");
}

#[test]
fn several_platforms_are_one_index_and_the_foreign_one_runs() {
    require!(Need::Root, Need::Mirror, Need::Amd64, Need::Program("qemu-aarch64-static"));
    let workspace = workspace();
    let digest = build(&workspace, &["distroless-python3.toml", "-o", "oci:out"]).digest();
    assert_eq!(build(&workspace, &["distroless-python3.toml", "--fresh", "--locked"]).digest(), digest);
    let index: Value =
        serde_json::from_str(&blob(&workspace, &Layout::open(&workspace.path("out")).tags()[0].1)).unwrap();
    let platforms =
        index["manifests"].as_array().unwrap().iter().map(|image| image["platform"]["architecture"].as_str());
    assert_eq!(platforms.collect::<Vec<_>>(), [Some("amd64"), Some("arm64")]);

    build(&workspace, &["distroless-python3.toml", "--platform", "linux/arm64", "-o", "rootfs-tar:arm.tar"])
        .succeeded();
    let root = unpacked(&workspace, "arm.tar");
    fs::copy(find("qemu-aarch64-static").unwrap(), root.join("qemu")).unwrap();
    let script = "import platform, ssl, sqlite3; print(platform.machine(), ssl.OPENSSL_VERSION.split()[0])";
    let said = run(Command::new("chroot").arg(&root).args(["/qemu", "/usr/bin/python3", "-c", script]));
    assert_eq!(said, "aarch64 OpenSSL\n");
    // The image's own ldconfig finds the libraries where our cache has them.
    let listed = |option: &str| {
        let said = run(Command::new("chroot").arg(&root).args(["/qemu", "/usr/sbin/ldconfig", option]));
        said.lines().filter(|line| line.starts_with('\t')).map(str::to_owned).collect::<Vec<_>>()
    };
    let ours = listed("-p");
    listed("-X");
    assert!(ours.len() > 40 && ours.iter().any(|line| line.contains("libc.so.6 (libc6,AArch64)")), "{ours:?}");
    assert_eq!(ours, listed("-p"));
}

fn blob(workspace: &Workspace, digest: &str) -> String {
    let hex = digest.strip_prefix("sha256:").unwrap();
    fs::read_to_string(workspace.path("out/blobs/sha256").join(hex)).unwrap()
}

#[test]
fn the_cache_of_libraries_is_what_ldconfig_makes() {
    require!(Need::Root, Need::Mirror, Need::Amd64);
    let workspace = workspace();
    build(&workspace, &["distroless-python3.toml", "--platform", "linux/amd64", "-o", "rootfs-tar:image.tar"])
        .succeeded();
    let root = unpacked(&workspace, "image.tar");
    let listed = || {
        let said = run(Command::new("chroot").arg(&root).args(["/usr/sbin/ldconfig", "-p"]));
        said.lines().filter(|line| line.starts_with('\t')).map(str::to_owned).collect::<Vec<_>>()
    };
    let ours = listed();
    assert!(ours.iter().any(|line| line.contains("libssl.so.3 (libc6,x86-64) => /lib/x86_64-linux-gnu/")), "{ours:?}");
    fs::remove_file(root.join("etc/ld.so.cache")).unwrap();
    run(Command::new("chroot").arg(&root).arg("/usr/sbin/ldconfig"));
    assert_eq!(ours, listed());
}

#[test]
fn programs_keep_what_they_need_and_nothing_else() {
    require!(Need::Root, Need::Mirror, Need::Amd64);
    let workspace = Workspace::new();
    let recipe = "name = \"curl\"\nplatforms = [\"linux/amd64\"]\n[from.debian]\nsuite = \"trixie\"\nscripts = false\n\
                  packages = [\"base-files\", \"ca-certificates\", \"curl\", \"git\"]\nbinaries = [\"/bin/curl\", \"/usr/bin/git\"]\n";
    workspace.write("curl.toml", recipe);
    let finished = build(&workspace, &["curl.toml", "-o", "oci:out", "-o", "rootfs-tar:image.tar"]);
    assert!(!finished.succeeded().stderr.contains("which no package has"), "{}", finished.stderr);
    let root = unpacked(&workspace, "image.tar");
    fs::write(root.join("tmp/a"), "hello").unwrap();
    run(Command::new("mknod").arg(root.join("dev/null")).args(["c", "1", "3"]));
    let in_root = |words: &[&str]| run(Command::new("chroot").arg(&root).args(words));
    assert!(in_root(&["/usr/bin/curl", "--version"]).contains("OpenSSL"));
    assert_eq!(in_root(&["/usr/bin/curl", "--silent", "file:///tmp/a"]), "hello");
    assert!(in_root(&["/usr/bin/git", "init", "/tmp/repository"]).contains("Initialized empty Git repository"));
    let image = Layout::open(&workspace.path("out")).image();
    let listing = image.listing();
    for path in ["usr/bin/openssl", "usr/bin/dpkg", "usr/bin/find", "usr/share/man/man1/curl.1.gz"] {
        assert!(!listing.contains_key(path), "{path}");
    }
    for path in ["etc/ssl/certs/ca-certificates.crt", "etc/ssl/openssl.cnf", "etc/ld.so.cache", "etc/nsswitch.conf"] {
        assert!(listing.contains_key(path), "{path}");
    }
    let names = packages(&workspace, "oci:out");
    assert!(
        ["curl", "libc6", "libcurl4t64", "base-files"].iter().all(|name| names.iter().any(|known| known == name)),
        "{names:?}"
    );
    assert!(!names.contains(&"dpkg".to_owned()), "nothing is left of it: {names:?}");
    let control = String::from_utf8(image.file("var/lib/dpkg/status.d/curl")).unwrap();
    assert!(control.contains("\nPartial: 1 of "), "{control}");
    let sums = String::from_utf8(image.file("var/lib/dpkg/status.d/curl.md5sums")).unwrap();
    assert_eq!(sums.lines().filter(|line| !line.ends_with("copyright")).count(), 1, "{sums}");
}

/// An archive of packages whose scripts would fail, and a recipe for them.
fn broken_scripts(workspace: &Workspace, more: &str) {
    let fails = "#!/bin/sh\nexit 1\n";
    let packages = [
        Package::new("base-files", "1")
            .script("postinst", fails)
            .file("etc/debian_version", 0o644, "13\n")
            .directory("tmp", 0o1777)
            .directory("var/mail", 0o2775),
        Package::new("app", "2.0-1")
            .field("Depends", "library (>= 1)")
            .script("preinst", fails)
            .script("postinst", fails)
            .control_file(
                "md5sums",
                0o644,
                "0123456789abcdef0123456789abcdef  usr/bin/app\nfedcba9876543210fedcba9876543210  usr/share/app/data\n",
            )
            .control_file("conffiles", 0o644, "/etc/app.conf\n")
            .file("etc/app.conf", 0o640, "a = 1\n")
            .file("bin/app-old", 0o755, "#!/usr/bin/app\n")
            .entry("usr/bin/app", 0o4755, (0, 8), Node::File(b"app".to_vec()))
            .file("usr/share/app/data", 0o644, "data")
            .file("usr/share/doc/app/copyright", 0o644, "Nobody's.\n"),
        Package::new("library", "1").field("Multi-Arch", "same").file("usr/lib/library", 0o644, "library"),
    ];
    let suite = Suite {
        origin: "Golden",
        suite: "golden",
        codename: "golden",
        date: "Sun, 15 Jun 2025 15:06:40 UTC",
        more: "",
    };
    archive::write(&workspace.path("archive"), &suite, &packages.map(|package| package.build()));
    fs::copy(archive::public_key(), workspace.path("key.asc")).unwrap();
    let url = workspace.path("archive").display().to_string();
    let text = format!(
        "name = \"toy\"\nplatforms = [\"linux/amd64\"]\n[from.debian]\nsuite = \"golden\"\ndistribution = \"golden\"\n\
         updates = false\nkeyring = \"key.asc\"\n{more}\n[[from.debian.repository]]\nurl = \"file://{url}\"\n"
    );
    workspace.write("toy.toml", &text);
}

const FILES: &str = "scripts = false\npackages = [\"app\", \"base-files\"]";

#[test]
fn no_script_runs_and_nothing_is_needed_of_the_machine() {
    require!(Need::Root, Need::Program("setpriv"));
    let workspace = Workspace::new();
    broken_scripts(&workspace, FILES);
    let arguments = ["build", "toy.toml", "-o", "oci:out", "--progress", "none"];
    let digest = workspace.rootsmith(arguments).digest();
    let image = Layout::open(&workspace.path("out")).image();
    let listing = image.listing();
    assert_eq!((listing["usr/bin/app"].mode, listing["usr/bin/app"].owner), (0o4755, (0, 8)));
    assert!(listing.contains_key("usr/bin/app-old"), "/bin leads to /usr/bin");
    assert_eq!(listing["bin"].kind, Kind::Symlink("usr/bin".to_owned()));
    assert_eq!((listing["etc/app.conf"].mode, listing["var/mail"].mode), (0o640, 0o2775));
    assert_eq!(packages(&workspace, "oci:out"), ["app", "base-files", "library"]);
    let control = String::from_utf8(image.file("var/lib/dpkg/status.d/app")).unwrap();
    assert!(control.contains("Depends: library (>= 1)\n") && !control.contains("Status"), "{control}");
    assert!(!listing.contains_key("var/lib/dpkg/status") && !listing.contains_key("etc/ld.so.cache"));

    // A user without subordinate ids, who can have no sandbox.
    run(Command::new("chown").arg("-R").arg("65534:65534").arg(workspace.path(".")));
    let alone = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps=-all", "--"];
    let mut command = workspace.command(alone.iter().map(std::ffi::OsString::from).chain([binary().into()]));
    assert_eq!(finish(command.args(arguments).arg("--fresh")).digest(), digest);
}

#[test]
fn without_dependencies_only_what_is_named_is_there() {
    let workspace = Workspace::new();
    broken_scripts(&workspace, &format!("{FILES}\ndependencies = false"));
    let finished = workspace.rootsmith(["build", "toy.toml", "-o", "oci:out"]);
    finished.succeeded().says("left out, although packages depend on it: library");
    assert_eq!(packages(&workspace, "oci:out"), ["app", "base-files"]);
}

#[test]
fn slices_keep_parts_and_the_database_says_so() {
    let workspace = Workspace::new();
    let slices =
        "slices = [{ package = \"app\", keep = [\"/usr/share/app\"] }, { package = \"app\", keep = [\"/bin/*\"] }]";
    broken_scripts(&workspace, &format!("{FILES}\n{slices}"));
    workspace.rootsmith(["build", "toy.toml", "-o", "oci:out"]).succeeded();
    let image = Layout::open(&workspace.path("out")).image();
    let listing = image.listing();
    assert!(listing.contains_key("usr/share/app/data") && listing.contains_key("usr/bin/app-old"));
    assert!(listing.contains_key("usr/share/doc/app/copyright"), "the licence goes with the rest");
    assert!(!listing.contains_key("etc/app.conf"));
    let text = |path: &str| String::from_utf8(image.file(path)).unwrap();
    // `/bin/*` names what is at `/usr/bin` by the name that the package has for it, and by no other.
    assert!(!listing.contains_key("usr/bin/app"));
    assert!(text("var/lib/dpkg/status.d/app").ends_with("\nPartial: 2 of 4 files\n"));
    assert_eq!(text("var/lib/dpkg/status.d/app.md5sums"), "fedcba9876543210fedcba9876543210  usr/share/app/data\n");
    assert!(!text("var/lib/dpkg/status.d/library").contains("Partial"));
}

#[test]
fn slices_of_installed_packages_are_noted_in_dpkgs_database() {
    require!(Need::Program("newuidmap"), Need::Program("busybox"));
    let workspace = crate::golden::workspace(&std::env::temp_dir());
    let archive = workspace.path("archive").display().to_string();
    let text = format!(
        "name = \"toy\"\nplatforms = [\"linux/amd64\"]\n[from.debian]\nsuite = \"golden\"\ndistribution = \"golden\"\n\
         variant = \"essential\"\npackages = [\"greeting\"]\nupdates = false\nkeyring = \"archive-key.asc\"\n\
         slices = [{{ package = \"greeting\", keep = [\"/usr/bin/greet\", \"/etc/**\"] }}]\n\
         [[from.debian.repository]]\nurl = \"file://{archive}\"\n"
    );
    workspace.write("toy.toml", &text);
    workspace.rootsmith(["build", "toy.toml", "-o", "oci:out"]).succeeded();
    let image = Layout::open(&workspace.path("out")).image();
    let listing = image.listing();
    assert!(listing.contains_key("usr/bin/greet") && listing.contains_key("etc/greeting.conf"));
    assert!(!listing.contains_key("usr/bin/wave") && !listing.contains_key("usr/share/greeting"));
    let status = String::from_utf8(image.file("var/lib/dpkg/status")).unwrap();
    let greeting = status.split("\n\n").find(|text| text.starts_with("Package: greeting\n")).unwrap();
    assert!(greeting.contains("\nPartial: 2 of "), "{greeting}");
    assert_eq!(status.matches("\nPartial: ").count(), 1);
    assert!(packages(&workspace, "oci:out").contains(&"greeting".to_owned()));
}

#[test]
fn what_cannot_be_is_told() {
    let workspace = Workspace::new();
    let refused = |more: &str, phrases: &[&str]| {
        broken_scripts(&workspace, more);
        let finished = workspace.rootsmith(["build", "toy.toml"]);
        finished.failed_with(2);
        for phrase in phrases {
            finished.says(phrase);
        }
    };
    refused(
        "packages = [\"app\"]\ndependencies = false",
        &["`dependencies` goes with `scripts = false` alone", "toy.toml:9"],
    );
    refused("binaries = [\"/usr/bin/app\"]", &["`binaries` goes with `scripts = false` alone"]);
    refused(&format!("{FILES}\nengine = \"mmdebstrap\""), &["`scripts = false` says that none run"]);
    refused("engine = \"debootstrap\"\nvariant = \"essential\"", &["debootstrap makes nothing smaller than `minbase`"]);
    refused("engine = \"multistrap\"", &["`multistrap`", "`mmdebstrap`"]);
    refused(
        &format!("{FILES}\nslices = [{{ package = \"curl\", keep = [\"/usr/bin/*\"] }}]"),
        &["slice of `curl`", "`packages`"],
    );
    refused(
        &format!("{FILES}\nslices = [{{ package = \"app\", keep = [\"/opt/**\"] }}]"),
        &["cannot keep `/opt/**` of the package app", "dpkg -L app"],
    );
    refused(&format!("{FILES}\nslices = [{{ package = \"app\" }}]"), &["`keep`"]);
    refused(
        &format!("{FILES}\nslices = [{{ package = \"app=1\", keep = [] }}]"),
        &["the slice `app=1` names more than a package"],
    );
    refused(&format!("{FILES}\nslices = [{{ package = \"app\", keep = [\"usr/bin\"] }}]"), &["absolute path"]);
    refused(
        &format!("{FILES}\nbinaries = [\"/usr/bin/nothing\"]"),
        &["cannot keep the program `/usr/bin/nothing`: no package has it"],
    );
    refused(&format!("{FILES}\nbinaries = [\"bin/app\"]"), &["absolute path"]);
}
