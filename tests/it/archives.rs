//! Archives of Debian's kind other than Debian's own: pins, backports, vendors with their own keys, flat ones, logins,
//! proxies; and what a person sees where they are not as they should be.

use std::fs;
use std::path::Path;

use crate::golden;
use crate::support::archive::{self, Suite};
use crate::support::deb::{Deb, Package};
use crate::support::layout::{Image, Layout};
use crate::support::require::{Need, require};
use crate::support::serve::serve;
use crate::support::toy;
use crate::support::workspace::{Finished, Workspace};

const DATE: &str = "Sun, 15 Jun 2025 15:06:40 UTC";

/// A recipe of the toy archive with `packages` and, below, more.
fn recipe(workspace: &Workspace, packages: &str, more: &str) {
    let archive = workspace.path("archive").display().to_string();
    let text = format!(
        "name = \"toy\"\nplatforms = [\"linux/amd64\"]\n\n[from.debian]\nsuite = \"golden\"\ndistribution = \"golden\"\n\
         variant = \"essential\"\npackages = [{packages}]\nupdates = false\nkeyring = \"archive-key.asc\"\n\n\
         [[from.debian.repository]]\nurl = \"file://{archive}\"\n{more}"
    );
    workspace.write("toy.toml", &text);
}

fn workspace() -> Workspace {
    golden::workspace(&std::env::temp_dir())
}

fn build(workspace: &Workspace, more: &[&str]) -> Finished {
    let words = ["build", "toy.toml", "-o", "oci:out", "--progress", "none"].into_iter().chain(more.iter().copied());
    workspace.rootsmith(words)
}

fn image(workspace: &Workspace) -> Image {
    Layout::open(&workspace.path("out")).image()
}

fn text(image: &Image, path: &str) -> String {
    String::from_utf8(image.file(path)).unwrap()
}

/// A package with a file of its name and version.
fn package(name: &str, version: &str) -> Package {
    Package::new(name, version).file(&format!("usr/share/{name}/{version}"), 0o644, version)
}

/// Packages with one name and several versions, as a suite of `archive`.
fn publish(archive: &Path, codename: &'static str, more: &'static str, packages: &[Package]) {
    let packages: Vec<Deb> = packages.iter().map(Package::build).collect();
    archive::write(archive, &Suite { origin: "Vendor", suite: codename, codename, date: DATE, more }, &packages);
}

fn locked(workspace: &Workspace) -> String {
    fs::read_to_string(workspace.path("toy.lock")).unwrap()
}

/// The line of the lock of a package.
fn line(lock: &str, package: &str) -> String {
    let start = format!("  {{ name = \"{package}\",");
    lock.lines().find(|line| line.starts_with(&start)).unwrap_or_else(|| panic!("{package}:\n{lock}")).to_owned()
}

#[test]
fn versions_and_suites_are_pinned_and_backports_read_where_they_are_asked_for() {
    require!(Need::Program("busybox"), Need::Amd64);
    let workspace = workspace();
    let archive = workspace.path("archive");
    publish(
        &archive,
        "golden-backports",
        "NotAutomatic: yes\nButAutomaticUpgrades: yes\n",
        &[package("greeting", "3.0").field("Depends", "newer"), package("newer", "1"), package("facts", "9")],
    );
    let lock = || workspace.rootsmith(["lock", "toy.toml", "--progress", "none"]);
    recipe(&workspace, "\"greeting\"", "");
    lock().succeeded();
    assert!(line(&locked(&workspace), "greeting").contains("version = \"2.0-1\""));
    assert!(!locked(&workspace).contains("golden-backports"), "it is not even read");
    recipe(&workspace, "\"greeting/golden-backports\"", "");
    lock().succeeded();
    assert!(line(&locked(&workspace), "greeting").contains("version = \"3.0\""));
    assert!(line(&locked(&workspace), "newer").contains("automatic = true"), "what it needs comes from there too");
    recipe(&workspace, "\"greeting/golden-backports\", \"greeting=2.0-1\"", "");
    lock().failed_with(2).says("two versions of greeting are asked for at once");
    recipe(&workspace, "\"greeting/golden\"", "");
    lock().succeeded();
    assert!(line(&locked(&workspace), "greeting").contains("version = \"2.0-1\""));
    recipe(&workspace, "\"greeting=3.0\", \"newer/golden-backports\"", "");
    lock().succeeded();
    assert!(line(&locked(&workspace), "greeting").contains("version = \"3.0\""));
}

#[test]
fn the_cuda_recipe_takes_a_flat_vendor_repository_with_its_own_key() {
    require!(Need::Root, Need::Program("busybox"), Need::Amd64);
    let workspace = Workspace::new();
    toy::write_as("bookworm", &workspace.path("archive"));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes/cuda");
    let text = fs::read_to_string(folder.join("cuda.toml")).unwrap();
    let repository = workspace.path("nvidia/repos/debian12/x86_64");
    let packages: Vec<Deb> = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix('"')?.split('"').next())
        .filter(|name| name.starts_with("cuda-"))
        .map(|name| package(name, "12.8.90-1").field("Section", "multiverse/devel").build())
        .collect();
    assert!(!packages.is_empty(), "{text}");
    archive::write_flat(&repository, &packages, true);
    let server = serve(&workspace.path("nvidia"), None);
    let url = format!("{}/repos/debian12/x86_64", server.url);
    workspace.write(
        "cuda.toml",
        &text.replace("https://developer.download.nvidia.com/compute/cuda/repos/debian12/x86_64", &url),
    );
    fs::copy(archive::public_key(), workspace.path("cuda-archive-keyring.asc")).unwrap();
    fs::copy(archive::public_key(), workspace.path("key.asc")).unwrap();
    let more = format!(
        "extends = \"cuda.toml\"\n[from.debian]\nvariant = \"essential\"\nupdates = false\nkeyring = \"key.asc\"\n\
         packages = [\"-ca-certificates\"]\n[[from.debian.repository]]\nurl = \"file://{}\"\n",
        workspace.path("archive").display()
    );
    workspace.write("toy.toml", &more);
    build(&workspace, &[]).succeeded();
    let image = image(&workspace);
    let sources = text_of(&image, "etc/apt/sources.list.d/debian.sources");
    let vendor = sources.split("\n\n").find(|paragraph| paragraph.contains(&url)).unwrap();
    let keyring = vendor.lines().find_map(|line| line.strip_prefix("Signed-By: /")).unwrap();
    assert_eq!(vendor.trim(), format!("Types: deb\nURIs: {url}\nSuites: /\nSigned-By: /{keyring}"));
    assert!(keyring.starts_with("etc/apt/keyrings/127.0.0.1") && keyring.ends_with(".asc"), "{keyring}");
    assert_eq!(image.file(keyring), fs::read(archive::public_key()).unwrap());
    assert!(!sources.contains(&workspace.path("").display().to_string()), "nothing of this machine:\n{sources}");
    let environment = image.config["config"]["Env"].to_string();
    assert!(environment.contains("NVIDIA_VISIBLE_DEVICES=all"), "{environment}");
    assert!(environment.contains("NVIDIA_DRIVER_CAPABILITIES="), "{environment}");
    let digest = image.digest.clone();
    let lock = fs::read(workspace.path("toy.lock")).unwrap();
    // The lock and a full store rebuild it, and with the network only the lock's key will do.
    assert_eq!(build(&workspace, &["--frozen", "--fresh"]).digest(), digest);
    let key = workspace.path("cuda-archive-keyring.asc");
    fs::write(&key, [fs::read(&key).unwrap(), b"\n".to_vec()].concat()).unwrap();
    build(&workspace, &["--locked"]).failed_with(2).says("does not fit it any more");
    assert_eq!(fs::read(workspace.path("toy.lock")).unwrap(), lock);
    assert_ne!(build(&workspace, &[]).digest(), digest, "another key in the image");
}

fn text_of(image: &Image, path: &str) -> String {
    text(image, path)
}

#[test]
fn flat_repositories_without_a_signature_are_taken_where_the_recipe_says_so() {
    require!(Need::Program("busybox"), Need::Amd64);
    let workspace = workspace();
    archive::write_flat(&workspace.path("flat/sub"), &[package("app", "1.0").build()], false);
    // The paths of such an index start at the repository's address.
    fs::rename(workspace.path("flat/sub/app_1.0_amd64.deb"), workspace.path("flat/app_1.0_amd64.deb")).unwrap();
    let server = serve(&workspace.path("flat"), None);
    let repository =
        |more: &str| format!("[[from.debian.repository]]\nurl = \"{}\"\nsuites = [\"sub/\"]\n{more}", server.url);
    recipe(&workspace, "\"app\"", &repository(""));
    let refused = build(&workspace, &[]);
    refused.failed_with(2).says("no mirror has the suite `sub/`").says("toy.toml:15:7").says("asked for here");
    recipe(&workspace, "\"app\"", &repository("trust = \"unsigned\"\n"));
    build(&workspace, &[]).succeeded();
    let sources = text(&image(&workspace), "etc/apt/sources.list.d/golden.sources");
    assert_eq!(sources, format!("Types: deb\nURIs: {}\nSuites: sub/\nTrusted: yes\n", server.url));
    recipe(&workspace, "\"app\"", &repository("trust = \"unsigned\"\nin-image = false\n"));
    build(&workspace, &[]).succeeded();
    assert!(!image(&workspace).listing().contains_key("etc/apt/sources.list.d/golden.sources"));
    let lock = locked(&workspace);
    assert!(lock.contains("signed-by = \"unsigned\"") && lock.contains("path = \"app_1.0_amd64.deb\""), "{lock}");
    recipe(&workspace, "\"app\"", &repository("components = [\"main\"]\n"));
    build(&workspace, &[]).failed_with(2).says("a flat repository has no components");
    workspace.write("toy.toml", "name = \"x\"\n[from.debian]\nsuite = \"trixie\"\n[[from.debian.repository]]\nurl = \"http://a\"\nsuites = [\"/\", \"x\"]\n");
    build(&workspace, &[]).failed_with(2).says("flat suites and others");
}

#[test]
fn vendors_that_are_not_signed_or_by_a_wrong_or_expired_key_are_refused_with_their_place() {
    require!(Need::Program("busybox"), Need::Amd64);
    let workspace = workspace();
    let vendor = workspace.path("vendor");
    publish(&vendor, "stable", "", &[package("app", "1.0")]);
    let repository =
        format!("[[from.debian.repository]]\nurl = \"file://{}\"\nsuites = [\"stable\"]\n", vendor.display());
    let lock = || workspace.rootsmith(["lock", "toy.toml", "--progress", "none"]);
    let place = "toy.toml:15:7";
    archive::write_expired_key(&workspace.path("expired.asc"));
    recipe(&workspace, "\"app\"", &format!("{repository}keyring = \"expired.asc\"\n"));
    lock().failed_with(4).says("expired on").says(place).says("the archive has new keys");
    fs::write(workspace.path("noise.asc"), "not a key").unwrap();
    recipe(&workspace, "\"app\"", &format!("{repository}keyring = \"noise.asc\"\n"));
    lock().failed_with(2).says("cannot use the keyring").says("toy.toml:17:11").says("gpg --export");
    recipe(&workspace, "\"app\"", &format!("{repository}keyring = \"none.asc\"\n"));
    lock().failed_with(2).says("there is no file").says("toy.toml:17:11");
    recipe(&workspace, "\"app\"", &format!("{repository}keyring = \"archive-key.asc\"\n"));
    lock().succeeded();
    let signed = fs::read_to_string(vendor.join("dists/stable/InRelease")).unwrap();
    let release: String = signed.split("\n\n").nth(1).unwrap().split("-----BEGIN").next().unwrap().to_owned();
    fs::remove_file(vendor.join("dists/stable/InRelease")).unwrap();
    fs::write(vendor.join("dists/stable/Release"), release).unwrap();
    let refused = workspace.rootsmith(["lock", "--update", "toy.toml", "--progress", "none"]);
    refused.failed_with(4).says("the suite `stable` is not signed").says(place).says("trust = \"unsigned\"");
}

#[test]
fn wrong_requests_are_told_with_their_places() {
    require!(Need::Program("busybox"), Need::Amd64);
    let workspace = workspace();
    publish(
        &workspace.path("archive"),
        "golden-extra",
        "",
        &[package("one", "1").field("Conflicts", "two"), package("two", "1")],
    );
    let suites = format!(
        "[[from.debian.repository]]\nurl = \"file://{}\"\nsuites = [\"golden-extra\"]\n",
        workspace.path("archive").display()
    );
    let lock = |packages: &str| {
        recipe(&workspace, packages, &suites);
        let finished = workspace.rootsmith(["lock", "toy.toml", "--progress", "none"]);
        finished.failed_with(2);
        assert!(!workspace.path("toy.lock").exists());
        finished
    };
    lock("\"greting\"").says("have no package `greting`").says("did you mean greeting?").says("toy.toml:8:13");
    lock("\"facts\", \"greeting=9.9\"")
        .says("there is no `greeting=9.9`")
        .says("there is 2.0-1 (golden)")
        .says("toy.toml:8:22");
    lock("\"greeting/golden-extra\"").says("there is no `greeting/golden-extra`").says("toy.toml:8:13");
    lock("\"greeting/golden-backports\"").says("no mirror has the suite `golden-backports`");
    lock("\"one\", \"facts\", \"two\"").says("one and two cannot be installed together").says("toy.toml:8:13");
    lock("\"greeting:armhf\"").says("but not for armhf").says("toy.toml:8:13");
}

#[test]
fn logins_reach_the_archive_and_nothing_else() {
    require!(Need::Program("busybox"), Need::Amd64);
    let workspace = workspace();
    publish(&workspace.path("vendor"), "stable", "", &[package("app", "1.0")]);
    let server = serve(&workspace.path("vendor"), Some("me:hunter2"));
    let repository = format!(
        "[[from.debian.repository]]\nurl = \"{}\"\nsuites = [\"stable\"]\nkeyring = \"archive-key.asc\"\n",
        server.url
    );
    recipe(&workspace, "\"app\"", &repository);
    let refused = build(&workspace, &[]);
    refused.failed_with(4).says("may not be read").says("401").says(".netrc").says("toy.toml:15:7");
    // By netrc, whose logins are sent unencrypted only where it says so.
    let host = server.url.trim_start_matches("http://").to_owned();
    workspace.write("home/.netrc", &format!("machine {host} login me password hunter2\n"));
    build(&workspace, &[]).failed_with(4).says("401");
    workspace.write("home/.netrc", &format!("machine {} login me password hunter2\n", server.url));
    build(&workspace, &["-vvv"]).succeeded();
    let by_netrc = image(&workspace).digest;
    fs::remove_file(workspace.path("home/.netrc")).unwrap();
    // By a secret that the recipe names.
    fs::remove_dir_all(workspace.path("store")).unwrap();
    fs::remove_file(workspace.path("toy.lock")).unwrap();
    recipe(&workspace, "\"app\"", &format!("{repository}login = \"vendor\"\n"));
    build(&workspace, &[]).failed_with(2).says("needs the secret `vendor`").says("--secret id=vendor,src=FILE");
    workspace.write("secret", "me\n");
    build(&workspace, &["--secret", "id=vendor,src=secret"]).failed_with(2).says("has no login for");
    workspace.write("secret", "me:wrong\n");
    let wrong = build(&workspace, &["--secret", "id=vendor,src=secret"]);
    wrong.failed_with(4).says("401");
    assert!(!wrong.stderr.contains("me:wrong"));
    workspace.write("secret", "me:hunter2\n");
    let built = build(&workspace, &["--secret", "id=vendor,src=secret", "-vvv"]);
    built.succeeded();
    let image = image(&workspace);
    assert_eq!(image.digest, by_netrc);
    let holds = |bytes: &[u8]| bytes.windows(7).any(|window| window == b"hunter2");
    assert!(!holds(built.stderr.as_bytes()), "{}", built.stderr);
    assert!(!holds(&image.layer) && !holds(image.config.to_string().as_bytes()));
    assert!(text(&image, "etc/apt/sources.list.d/golden.sources").contains(&format!("URIs: {}\n", server.url)));
    assert!(!holds(locked(&workspace).as_bytes()));
    for entry in walkdir::WalkDir::new(workspace.path("store")).into_iter().flatten() {
        if entry.file_type().is_file() {
            assert!(!holds(&fs::read(entry.path()).unwrap()), "{}", entry.path().display());
        }
    }
    // With everything in the store nobody has to log in, with or without the network.
    assert_eq!(build(&workspace, &["--fresh"]).digest(), image.digest);
    assert_eq!(build(&workspace, &["--frozen", "--fresh"]).digest(), image.digest);
    let updated = workspace.rootsmith(["lock", "--update", "toy.toml", "--secret", "id=vendor,src=secret"]);
    updated.succeeded();
}

#[test]
fn a_proxy_is_asked_for_archives() {
    require!(Need::Program("busybox"), Need::Amd64);
    let workspace = workspace();
    let proxy = serve(&workspace.path("archive"), None);
    let text = "name = \"toy\"\nplatforms = [\"linux/amd64\"]\n[from.debian]\nsuite = \"golden\"\ndistribution = \"golden\"\n\
                variant = \"essential\"\nkeyring = \"archive-key.asc\"\n\
                [[from.debian.repository]]\nurl = \"http://archive.example\"\n";
    workspace.write("toy.toml", text);
    let lock = |variable: &str, value: &str| {
        let mut command = workspace.command([crate::support::workspace::binary()]);
        command.args(["lock", "--update", "toy.toml", "--progress", "none"]).env(variable, value);
        crate::support::workspace::finish(&mut command)
    };
    lock("http_proxy", &proxy.url).succeeded();
    assert!(
        proxy.asked().iter().all(|asked| asked.starts_with("http://archive.example/dists/golden/")),
        "{:?}",
        proxy.asked()
    );
    lock("http_proxy", "http://127.0.0.1:9").failed_with(4).says("archive.example");
    let lock = locked(&workspace);
    assert!(lock.contains("uri = \"http://archive.example\""), "the image's own apt is told of it:\n{lock}");
    assert!(lock.contains("path = \"/etc/apt/keyrings/golden.asc\""), "{lock}");
    assert!(!lock.contains("127.0.0.1"), "{lock}");
}
