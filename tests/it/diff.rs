//! `diff`, `verify`, `explain PATH` and `lock --update --summary`: what is different, and who put it there.

use std::fs;

use rootsmith::digest::Digest;
use serde_json::Value;

use crate::golden;
use crate::support::archive::{self, Suite};
use crate::support::deb::Package;
use crate::support::registry::Registry;
use crate::support::require::{Need, require};
use crate::support::workspace::Workspace;

/// A recipe of the toy archive, with more below it.
fn toy(workspace: &Workspace, name: &str, packages: &str, more: &str) {
    let archive = workspace.path("archive").display().to_string();
    let text = format!(
        "name = \"toy\"\nplatforms = [\"linux/amd64\"]\n[from.debian]\nsuite = \"golden\"\ndistribution = \"golden\"\n\
         variant = \"essential\"\npackages = [{packages}]\nupdates = false\nkeyring = \"archive-key.asc\"\n\
         [[from.debian.repository]]\nurl = \"file://{archive}\"\n{more}"
    );
    workspace.write(name, &text);
}

const MORE: &str = "[[file]]\npath = \"/etc/app.conf\"\ncontent = \"port = 80\\n\"\n[prune]\npresets = [\"man\"]\n\
                    [image]\nenv = { LANG = \"C.UTF-8\" }\n";

/// A workspace with `toy.toml`, built into every kind of output that can be compared.
fn built() -> Workspace {
    let workspace = golden::workspace(&std::env::temp_dir());
    toy(&workspace, "toy.toml", "\"greeting\"", MORE);
    let outputs = ["oci:out", "oci-archive:toy.tar", "rootfs-tar:rootfs.tar.gz", "rootfs-dir:rootfs"];
    let outputs = outputs.iter().flat_map(|output| ["-o", output]);
    workspace.rootsmith(["build", "toy.toml", "--progress", "none"].into_iter().chain(outputs)).succeeded();
    workspace
}

#[test]
fn an_image_is_the_same_wherever_it_lies() {
    require!(Need::Root, Need::Program("busybox"), Need::Amd64);
    let workspace = built();
    let places =
        ["oci:out", "oci-archive:toy.tar", "toy.tar", "rootfs-tar:rootfs.tar.gz", "rootfs-dir:rootfs", "toy.toml"];
    for (before, after) in places.iter().zip(places.iter().skip(1)) {
        let same = workspace.rootsmith(["diff", before, after, "--times", "--progress", "none"]);
        same.succeeded();
        assert!(same.stdout.ends_with("no difference\n"), "{}", same.stdout);
    }
    assert!(!workspace.path("toy.lock").with_extension("toml.lock").exists());
}

#[test]
fn differences_are_told_in_three_forms() {
    require!(Need::Root, Need::Program("busybox"), Need::Amd64);
    let workspace = built();
    let more = MORE.replace("port = 80", "port = 8080").replace("C.UTF-8", "C");
    toy(&workspace, "next.toml", "\"facts\"", &more);
    let diff = |form: &[&str]| {
        let words = ["diff", "oci:out", "next.toml", "--progress", "none"].into_iter().chain(form.iter().copied());
        let finished = workspace.rootsmith(words);
        finished.failed_with(1);
        finished.stdout
    };
    let text = diff(&[]);
    for line in [
        "Packages: 1 added",
        "+ facts 1.0 (all)",
        "~ env LANG: C.UTF-8 -> C",
        "~ /etc/app.conf: content, size 10 B -> 12 B",
        "+ /etc/build-facts (file 0644 0:0,",
    ] {
        assert!(text.lines().any(|known| known.starts_with(line)), "{line}:\n{text}");
    }
    let json: Value = serde_json::from_str(&diff(&["--json"])).unwrap();
    assert_eq!(json["packages"][0]["name"], "facts");
    let changed = json["files"].as_array().unwrap().iter().find(|file| file["path"] == "/etc/app.conf").unwrap();
    assert_eq!(changed["aspects"], serde_json::json!(["content", "size"]));
    assert_eq!(changed["after"]["size"], 12);
    let markdown = diff(&["--markdown"]);
    assert!(markdown.contains("| + | `facts:all` |  | `1.0` |"), "{markdown}");
    assert!(markdown.contains("\n! /etc/app.conf: content"), "{markdown}");
}

#[test]
fn what_cannot_be_compared_is_named() {
    let workspace = Workspace::new();
    workspace.rootsmith(["diff", "oci:nowhere", "rootfs-dir:here"]).failed_with(2).says("nowhere");
    workspace.rootsmith(["diff", "one"]).failed_with(2);
    fs::create_dir(workspace.path("empty")).unwrap();
    fs::write(workspace.path("noise.tar"), "this is no archive").unwrap();
    workspace.rootsmith(["diff", "empty", "noise.tar"]).failed_with(2).says("noise.tar");
    workspace.write("bad.toml", "name = \"bad\"\n[from.debian]\nsuite = \"trixi\"\n");
    workspace.rootsmith(["diff", "bad.toml", "empty"]).failed_with(2).says("trixi");
    workspace.rootsmith(["diff", "empty", "empty"]).succeeded();
}

#[test]
fn an_image_is_verified_from_its_recipe() {
    require!(Need::Root, Need::Program("busybox"), Need::Amd64);
    let workspace = built();
    let verify =
        |image: &str| workspace.rootsmith(["verify", image, "--recipe", "toy.toml", "--offline", "--progress", "none"]);
    let digest = workspace.rootsmith(["build", "toy.toml", "--frozen", "--progress", "none"]).digest();
    for image in ["oci:out", "oci-archive:toy.tar", "rootfs-tar:rootfs.tar.gz", "rootfs-dir:rootfs"] {
        assert_eq!(verify(image).digest(), digest, "{image}");
    }
    // Another file in the image, of the same lock.
    toy(&workspace, "toy.toml", "\"greeting\"", &MORE.replace("port = 80", "port = 443"));
    for image in ["oci:out", "rootfs-tar:rootfs.tar.gz"] {
        let other = verify(image);
        other.failed_with(1);
        assert!(other.stdout.contains("~ /etc/app.conf: content, size 10 B -> 11 B"), "{}", other.stdout);
    }
    // The same files, packed otherwise.
    toy(&workspace, "toy.toml", "\"greeting\"", &format!("{MORE}[layer]\ncompression = \"zstd\"\n"));
    let packed = verify("oci:out");
    packed.failed_with(1);
    assert!(packed.stdout.contains("compressed otherwise"), "{}", packed.stdout);
    let json = workspace.rootsmith(["verify", "oci:out", "--recipe", "toy.toml", "--json", "--progress", "none"]);
    let json: Value = serde_json::from_str(&json.failed_with(1).stdout).unwrap();
    assert_eq!((&json["same"], &json["found"]), (&Value::Bool(false), &Value::String(digest)));
    fs::remove_file(workspace.path("toy.lock")).unwrap();
    verify("oci:out").failed_with(2).says("the lock of `toy.toml` is missing");
    assert!(!workspace.path("toy.lock").exists(), "verifying writes no lock");
    workspace.rootsmith(["verify", "toy.toml", "--recipe", "toy.toml"]).failed_with(2).says("is a recipe");
}

#[test]
fn paths_are_explained() {
    require!(Need::Root, Need::Program("busybox"), Need::Amd64);
    let workspace = built();
    let explain =
        |path: &str, image: &str| workspace.rootsmith(["explain", path, "--image", image, "--progress", "none"]);
    let says = |path: &str, image: &str, lines: &[&str]| {
        let explained = explain(path, image);
        explained.succeeded();
        for line in lines {
            assert!(explained.stdout.contains(line), "{line}:\n{}", explained.stdout);
        }
    };
    says(
        "/usr/bin/greet",
        "oci:out",
        &[
            "file 4755 0:0",
            "is also /usr/bin/wave",
            "of the package greeting 2.0-1 (dpkg)",
            "in layer 1 of 1",
            ": rootsmith",
        ],
    );
    says("/bin/greet", "rootfs-tar:rootfs.tar.gz", &["/bin/greet is /usr/bin/greet", "of the package greeting"]);
    says("/bin/ls", "oci:out", &["symlink", "leads to /usr/bin/busybox\n", "of the package busybox"]);
    says("/etc/greeting.conf", "rootfs-dir:rootfs", &["of the package greeting 2.0-1 (dpkg), as a configuration file"]);
    says("/etc/app.conf", "oci:out", &["of no package"]);
    says("/etc/app.conf", "toy.toml", &["put there by the recipe: [[file]] /etc/app.conf", "pass files: made it"]);
    says("/etc/motd", "toy.toml", &["put there by a program in the sandbox"]);
    says("/usr/bin/greet", "toy.toml", &["put there by package greeting"]);
    let pruned = explain("/usr/share/man/man1/greet.1", "oci:out");
    pruned.failed_with(1);
    assert!(pruned.stdout.contains("is not in out\n  of the package greeting"), "{}", pruned.stdout);
    assert!(pruned.stdout.contains("left out of the image"), "{}", pruned.stdout);
    let by_recipe = explain("/usr/share/man/man1/greet.1", "toy.toml");
    by_recipe.failed_with(1);
    assert!(by_recipe.stdout.contains("  pass prune: leaves it out\n"), "{}", by_recipe.stdout);
    let nothing = explain("/nowhere", "oci:out");
    nothing.failed_with(1);
    let json = workspace.rootsmith(["explain", "/usr/bin/greet", "--image", "oci:out", "--json"]);
    let json: Value = serde_json::from_str(&json.succeeded().stdout).unwrap();
    assert_eq!(json["owners"][0]["package"], "greeting");
    assert_eq!(json["layer"]["of"], 1);
    explain("/a/../b", "oci:out").failed_with(2).says("..");
    workspace.rootsmith(["explain", "/usr/bin/greet"]).failed_with(2).says("--image");
    workspace.rootsmith(["explain", "http::mismatch"]).succeeded();
    workspace.rootsmith(["explain", "http::mismtch"]).failed_with(2).says("http::mismatch");
}

#[test]
fn a_summary_tells_security_updates_apart() {
    require!(Need::Program("busybox"), Need::Amd64);
    let workspace = golden::workspace(&std::env::temp_dir());
    let publish = |codename, packages: &[Package]| publish(&workspace, codename, packages);
    let of = |name: &str, version: &str| Package::new(name, version).file(&format!("usr/share/{name}"), 0o644, version);
    publish("golden-security", &[of("lib", "1"), of("gone", "1")]);
    publish("golden-extra", &[of("tool", "1").field("Depends", "lib, gone")]);
    let url = workspace.path("more").display().to_string();
    let more = format!(
        "[[from.debian.repository]]\nurl = \"file://{url}\"\nsuites = [\"golden-security\", \"golden-extra\"]\n"
    );
    toy(&workspace, "toy.toml", "\"tool\"", &more);
    let lock = |words: &[&str]| {
        let words = ["lock", "toy.toml", "--progress", "none"].into_iter().chain(words.iter().copied());
        workspace.rootsmith(words)
    };
    let first = lock(&["--summary"]);
    assert!(first.succeeded().stdout.starts_with("Update toy.toml: locked for the first time"), "{}", first.stdout);
    assert_eq!(lock(&["--update", "--summary"]).succeeded().stdout, "Update toy.toml: nothing newer\n");
    publish("golden-security", &[of("lib", "1.1")]);
    publish("golden-extra", &[of("tool", "2").field("Depends", "lib, fresh"), of("fresh", "7")]);
    let checked = lock(&["--check", "--summary"]);
    checked.failed_with(1);
    let updated = lock(&["--update", "--summary"]);
    let expected = "Update toy.toml: 1 security update, 1 other update, 1 added, 1 removed\n\n\
        ## Security updates\n\n| package | before | after |\n| --- | --- | --- |\n| `lib:amd64` | `1` | `1.1` |\n\n\
        ## Other updates\n\n| package | before | after |\n| --- | --- | --- |\n| `tool:amd64` | `1` | `2` |\n\n\
        ## Added\n\n| package | before | after |\n| --- | --- | --- |\n| `fresh:amd64` |  | `7` |\n\n\
        ## Removed\n\n| package | before | after |\n| --- | --- | --- |\n| `gone:amd64` | `1` |  |\n";
    assert_eq!(updated.succeeded().stdout, expected);
    assert_eq!(checked.stdout, expected, "--check says the same and changes nothing");
    publish("golden-security", &[of("lib", "1.2")]);
    let json: Value = serde_json::from_str(&lock(&["--update", "--json"]).succeeded().stdout).unwrap();
    assert_eq!(json["security"], serde_json::json!(["~ lib:amd64 1.1 -> 1.2"]));
}

/// Suites beside the toy distribution: writes one of these packages.
fn publish(workspace: &Workspace, codename: &'static str, packages: &[Package]) {
    let date = "Sun, 15 Jun 2025 15:06:40 UTC";
    let packages: Vec<_> = packages.iter().map(Package::build).collect();
    let suite = Suite { origin: "Golden", suite: codename, codename, date, more: "" };
    archive::write(&workspace.path("more"), &suite, &packages);
}

/// A lock's packages besides those of the toy distribution, each with its version.
fn locked(workspace: &Workspace, names: &[&str]) -> Vec<String> {
    let lock: toml::Value = toml::from_str(&fs::read_to_string(workspace.path("toy.lock")).unwrap()).unwrap();
    let packages = lock["debian"][0]["packages"].as_array().unwrap();
    let named =
        packages.iter().map(|package| (package["name"].as_str().unwrap(), package["version"].as_str().unwrap()));
    let mut named: Vec<_> = named.filter(|(name, _)| names.iter().any(|known| name.starts_with(known))).collect();
    named.sort_unstable();
    named.into_iter().map(|(name, version)| format!("{name} {version}")).collect()
}

#[test]
fn packages_that_stay_keep_what_they_need() {
    require!(Need::Program("busybox"), Need::Amd64);
    let workspace = golden::workspace(&std::env::temp_dir());
    let of = |name: &str, version: &str| Package::new(name, version).file(&format!("usr/share/{name}"), 0o644, version);
    let meta = |version: &str, image: &str| of("meta", version).field("Depends", image);
    let image = |abi: &str| of(&format!("image-{abi}"), "1").field("Priority", "important");
    publish(&workspace, "golden-extra", &[of("tool", "1"), meta("1", "image-43"), image("43")]);
    let url = workspace.path("more").display().to_string();
    let more = format!("[[from.debian.repository]]\nurl = \"file://{url}\"\nsuites = [\"golden-extra\"]\n");
    toy(&workspace, "toy.toml", "\"tool\", \"meta\"", &more);
    let lock = |words: &[&str]| {
        let words = ["lock", "toy.toml", "--progress", "none"].into_iter().chain(words.iter().copied());
        workspace.rootsmith(words)
    };
    lock(&[]).succeeded();
    let first = fs::read_to_string(workspace.path("toy.lock")).unwrap();
    let versions = || locked(&workspace, &["tool", "meta", "image-"]);
    assert_eq!(versions(), ["image-43 1", "meta 1", "tool 1"]);
    publish(&workspace, "golden-extra", &[of("tool", "2"), meta("2", "image-48"), image("48")]);
    // The archive still has the files, and the index has not.
    lock(&["--update=tool"]).succeeded();
    assert_eq!(versions(), ["image-43 1", "meta 1", "tool 2"]);
    let entry = |text: &str| text.lines().find(|line| line.contains("\"image-43\"")).map(str::to_owned);
    assert_eq!(entry(&fs::read_to_string(workspace.path("toy.lock")).unwrap()), entry(&first));
    // As a recipe names it where several architectures have it.
    lock(&["--update=meta:arm64"]).failed_with(2).says("cannot update `meta:arm64`");
    lock(&["--update=meta:amd64"]).succeeded();
    assert_eq!(versions(), ["image-48 1", "meta 2", "tool 2"]);
    // Neither the archive nor the store has one that is needed.
    fs::write(workspace.path("toy.lock"), first).unwrap();
    let gone = fs::read_dir(workspace.path("more/pool/main")).unwrap().map(|entry| entry.unwrap().path());
    gone.filter(|path| path.display().to_string().contains("image-43")).for_each(|path| fs::remove_file(path).unwrap());
    let store = workspace.path("empty-store").display().to_string();
    let moved = workspace.rootsmith(["lock", "toy.toml", "--update=tool", "--store", &store, "--progress", "lines"]);
    moved.succeeded();
    assert!(moved.stderr.contains("image-43 1 (amd64) does not stay as it is locked"), "{}", moved.stderr);
    assert_eq!(versions(), ["image-48 1", "meta 2", "tool 2"]);
}

#[test]
fn a_version_is_asked_of_a_suite() {
    require!(Need::Program("busybox"), Need::Amd64);
    let workspace = golden::workspace(&std::env::temp_dir());
    let of = |name: &str, version: &str| Package::new(name, version).file(&format!("usr/share/{name}"), 0o644, version);
    publish(&workspace, "golden-security", &[of("tool", "1.2"), of("same", "1")]);
    publish(&workspace, "golden-extra", &[of("tool", "1.1"), of("same", "1")]);
    let url = workspace.path("more").display().to_string();
    let more = format!(
        "[[from.debian.repository]]\nurl = \"file://{url}\"\nsuites = [\"golden-security\", \"golden-extra\"]\n"
    );
    for (asked, version) in [("tool", "tool 1.2"), ("tool=1*", "tool 1.2"), ("tool/golden-extra=1*", "tool 1.1")] {
        for same in ["same/golden-security", "same/golden-extra"] {
            toy(&workspace, "toy.toml", &format!("\"{asked}\", \"{same}\""), &more);
            workspace.rootsmith(["lock", "toy.toml", "--update", "--progress", "none"]).succeeded();
            assert_eq!(locked(&workspace, &["tool", "same"]), ["same 1", version], "{asked}");
        }
    }
    toy(&workspace, "toy.toml", "\"tool/golden-extra=1.2\"", &more);
    let refused = workspace.rootsmith(["lock", "toy.toml", "--progress", "none"]);
    refused.failed_with(2).says("there is no `tool/golden-extra=1.2`");
}

#[test]
fn an_index_is_verified_with_all_its_platforms() {
    let workspace = Workspace::new();
    let recipe = |platforms: &str, content: &str| {
        let text = format!(
            "name = \"multi\"\nplatforms = [{platforms}]\n[from.scratch]\n[[file]]\npath = \"/a\"\ncontent = \"{content}\"\n"
        );
        workspace.write("multi.toml", &text);
    };
    let verify = || workspace.rootsmith(["verify", "oci:multi", "--recipe", "multi.toml", "--progress", "none"]);
    let both = "\"linux/amd64\", \"linux/arm64\"";
    recipe(both, "x");
    let built = workspace.rootsmith(["build", "multi.toml", "-o", "oci:multi", "--progress", "none"]).digest();
    assert_eq!(verify().digest(), built);
    recipe(both, "y");
    let other = verify();
    other.failed_with(1);
    for platform in ["linux/amd64", "linux/arm64"] {
        assert!(other.stdout.contains(&format!("\n{platform}\n")), "{}", other.stdout);
    }
    recipe("\"linux/arm64\"", "x");
    let less = verify();
    less.failed_with(1);
    assert!(less.stdout.contains("the images are the same; the index that names them is not"), "{}", less.stdout);
}

#[test]
fn every_platform_is_compared() {
    let workspace = Workspace::new();
    let recipe = |name: &str, platforms: &str, arm64: &str| {
        workspace.write(&format!("{name}-amd64"), "x");
        workspace.write(&format!("{name}-arm64"), arm64);
        let text = format!(
            "name = \"multi\"\nplatforms = [{platforms}]\n[from.scratch]\n[[file]]\npath = \"/a\"\n\
             source = {{ \"linux/amd64\" = \"{name}-amd64\", \"linux/arm64\" = \"{name}-arm64\" }}\n"
        );
        workspace.write(&format!("{name}.toml"), &text);
    };
    let diff = |words: &[&str]| {
        workspace.rootsmith(["diff", "oci:one"].iter().chain(words).copied().chain(["--progress", "none"]))
    };
    let both = "\"linux/amd64\", \"linux/arm64\"";
    recipe("one", both, "x");
    recipe("two", both, "y");
    workspace.rootsmith(["build", "one.toml", "-o", "oci:one", "--progress", "none"]).succeeded();
    workspace.rootsmith(["build", "two.toml", "-o", "oci-archive:two.tar", "--progress", "none"]).succeeded();
    diff(&["one.toml"]).succeeded();
    diff(&["two.toml", "--platform", "linux/amd64"]).succeeded();
    for other in ["two.toml", "two.tar"] {
        let text = diff(&[other]);
        text.failed_with(1);
        assert!(text.stdout.starts_with("linux/amd64\n") && text.stdout.contains("\nlinux/arm64\n"), "{}", text.stdout);
        assert!(text.stdout.contains("~ /a: content"), "{}", text.stdout);
    }
    let json = diff(&["two.tar", "--json"]);
    json.failed_with(1);
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["schema"], "rootsmith.diff-platforms/1");
    assert_eq!(json["platforms"][0]["diff"]["files"], serde_json::json!([]));
    assert_eq!(json["platforms"][1]["diff"]["files"][0]["path"], "/a");
    recipe("two", "\"linux/arm64\"", "x");
    let less = diff(&["two.toml"]);
    less.failed_with(1);
    assert!(
        less.stdout.contains("only oci:one has this platform") || less.stdout.contains("only one has this platform")
    );
}

#[test]
fn images_of_a_registry_are_compared_verified_and_explained() {
    let workspace = Workspace::new();
    let recipe = |content: &str| {
        let text = format!(
            "name = \"remote\"\nplatforms = [\"linux/amd64\", \"linux/arm64\"]\n[from.scratch]\n[[file]]\npath = \"/a\"\n\
             content = \"{content}\"\n"
        );
        workspace.write("remote.toml", &text);
    };
    let registry = Registry::start();
    let image = format!("docker://{}/team/remote:1", registry.address());
    recipe("x");
    let digest = workspace.rootsmith(["build", "remote.toml", "-o", "oci:out", "--progress", "none"]).digest();
    workspace.rootsmith(["push", "oci:out", &image, "--progress", "none"]).succeeded();
    let verify = || workspace.rootsmith(["verify", &image, "--recipe", "remote.toml", "--progress", "none"]);
    assert_eq!(verify().digest(), digest);
    let platform = ["--platform", "linux/arm64", "--progress", "none"];
    let same = workspace.rootsmith(["diff", "oci:out", &image].iter().copied().chain(platform));
    same.succeeded();
    assert!(same.stdout.contains(&format!("+++ {image} (")), "{}", same.stdout);
    let explained = workspace.rootsmith(["explain", "/a", "--image", &image].iter().copied().chain(platform));
    assert!(explained.succeeded().stdout.contains("in layer 1 of 1"), "{}", explained.stdout);
    recipe("y");
    verify().failed_with(1);
    let missing = image.replace("team/remote", "team/nothing");
    workspace.rootsmith(["diff", "oci:out", &missing, "--progress", "none"]).failed_with(4).says("team/nothing");
    let left: Vec<_> = fs::read_dir(workspace.path("store")).unwrap().flatten().map(|entry| entry.path()).collect();
    let images = left.iter().flat_map(|path| walkdir::WalkDir::new(path).into_iter().flatten());
    assert!(!images.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with("image-")), "{left:?}");
}

#[test]
fn platforms_of_indexes_within_an_index_are_compared() {
    let workspace = Workspace::new();
    let build = |name: &str, platforms: &str, arm64: &str| {
        workspace.write("amd64", "x");
        workspace.write("arm64", arm64);
        let text = format!(
            "name = \"nested\"\nplatforms = [{platforms}]\n[from.scratch]\n[[file]]\npath = \"/a\"\n\
             source = {{ \"linux/amd64\" = \"amd64\", \"linux/arm64\" = \"arm64\" }}\n"
        );
        workspace.write("nested.toml", &text);
        let output = format!("oci:{name}");
        workspace.rootsmith(["build", "nested.toml", "-o", &output, "--progress", "none"]).succeeded();
        // The index is put into another one, as tools do that join indexes.
        let path = workspace.path(name).join("index.json");
        let mut index: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        index["manifests"][0].as_object_mut().unwrap().remove("annotations");
        let bytes = index.to_string();
        let digest = Digest::of(bytes.as_bytes());
        fs::write(workspace.path(name).join("blobs/sha256").join(digest.hex()), &bytes).unwrap();
        let entry = serde_json::json!({
            "mediaType": "application/vnd.oci.image.index.v1+json", "digest": digest.to_string(), "size": bytes.len(),
        });
        index["manifests"] = serde_json::json!([entry]);
        fs::write(&path, index.to_string()).unwrap();
    };
    let both = "\"linux/amd64\", \"linux/arm64\"";
    build("one", both, "x");
    build("same", both, "x");
    build("changed", both, "y");
    build("less", "\"linux/amd64\"", "x");
    let diff = |other: &str| workspace.rootsmith(["diff", "oci:one", other, "--progress", "none"]);
    diff("oci:same").succeeded();
    let changed = diff("oci:changed");
    changed.failed_with(1);
    let (_, arm64) = changed.stdout.split_once("\nlinux/arm64\n").unwrap();
    assert!(arm64.contains("~ /a: content"), "{}", changed.stdout);
    let less = diff("oci:less");
    less.failed_with(1);
    assert!(less.stdout.contains("linux/arm64\nonly one has this platform"), "{}", less.stdout);
}
