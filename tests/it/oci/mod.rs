//! `[from.oci]`: images that others made, as bases.

mod files;
mod layers;
mod locks;
mod platforms;
mod wrong;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rootsmith::digest::Digest;
use serde_json::{Value, json};

use crate::support::door::DOORS;
use crate::support::engine::Engine;
use crate::support::listing::{self, Kind, Listing};
use crate::support::require::{Need, find, require};
use crate::support::workspace::{Finished, Workspace, binary, finish, run};

/// A recipe whose base is `base:v1` of the workspace, and what else it says.
fn recipe(workspace: &Workspace, more: &str) -> PathBuf {
    let start = "name = \"top\"\nplatforms = [\"linux/amd64\"]\n[from.oci]\nimage = \"oci:base:v1\"\n";
    workspace.write("top.toml", &format!("{start}{more}"))
}

fn build(workspace: &Workspace, outputs: &[&str]) -> Finished {
    let outputs = outputs.iter().flat_map(|output| ["-o", output]);
    workspace.rootsmith(["build", "top.toml", "--progress", "none"].into_iter().chain(outputs))
}

/// A workspace with the OCI layout `base`, whose image `v1` umoci made of three layers: hard links, removed files, a
/// folder made anew, a file in place of a folder and the other way round.
fn layered() -> Workspace {
    let workspace = Workspace::new();
    let umoci = |arguments: &[&str]| run(workspace.command(["umoci"]).args(arguments));
    umoci(&["init", "--layout", "base"]);
    umoci(&["new", "--image", "base:v1"]);
    umoci(&["unpack", "--image", "base:v1", "first"]);
    let root = workspace.path("first/rootfs");
    for folder in ["etc", "usr/bin", "d/sub", "gone/deep", "anew", "turns", "tmp", "var/log"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    fs::copy(find("busybox").expect("the test has required busybox"), root.join("usr/bin/busybox")).unwrap();
    for applet in ["sh", "cat", "ls", "rm", "ln", "chmod", "mkdir", "find"] {
        std::os::unix::fs::symlink("busybox", root.join("usr/bin").join(applet)).unwrap();
    }
    std::os::unix::fs::symlink("usr/bin", root.join("bin")).unwrap();
    for (name, text) in [
        ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"),
        ("etc/os-release", "ID=toy\nNAME=\"Toy\"\n"),
        ("d/one", "one"),
        ("d/sub/two", "two"),
        ("gone/deep/x", "x"),
        ("anew/old", "old"),
        ("turns/inside", "x"),
        ("turned", "a file"),
        ("links", "linked"),
        ("var/log/base.log", "a log of the base"),
    ] {
        fs::write(root.join(name), text).unwrap();
    }
    for (name, target) in [("d/second", "links"), ("d/third", "links"), ("etc/fourth", "links")] {
        fs::hard_link(root.join(target), root.join(name)).unwrap();
    }
    // What is as new as the build could have been written by it.
    let old = "find . -exec touch -h -d @1700000000 {} +";
    let attribute = "setfattr -n user.note -v kept links";
    shell(&root, &format!("chown 5:6 d/one; chmod 4755 d/sub/two; chmod 1777 tmp; {attribute}; {old}"));
    umoci(&["repack", "--image", "base:v1", "first"]);

    umoci(&["unpack", "--image", "base:v1", "second"]);
    let root = workspace.path("second/rootfs");
    shell(
        &root,
        "rm -r gone d/one; rm -r anew; mkdir anew; echo new > anew/new; rm turned; mkdir turned; \
         echo 2 > turned/x; rm d/second; echo other > d/second; chmod 600 d/sub/two; touch -d @1700000100 anew/new",
    );
    umoci(&["repack", "--image", "base:v1", "second"]);
    umoci(&["unpack", "--image", "base:v1", "third"]);
    shell(&workspace.path("third/rootfs"), "mkdir gone; echo back > gone/again; ln links d/fifth");
    umoci(&["repack", "--image", "base:v1", "third"]);
    let settings = [
        ["--config.env", "A=1"],
        ["--config.env", "B=2"],
        ["--config.entrypoint", "/bin/sh"],
        ["--config.cmd", "-c"],
        ["--config.cmd", "echo from the base"],
        ["--config.exposedports", "80/tcp"],
        ["--config.label", "layer=base"],
        ["--config.label", "org.opencontainers.image.base.name=example.com/older:1"],
        ["--config.volume", "/vol"],
        ["--config.workingdir", "/d"],
        ["--author", "The base's"],
    ];
    umoci(&[&["config", "--image", "base:v1"][..], settings.as_flattened()].concat());
    workspace
}

fn shell(folder: &Path, script: &str) {
    run(Command::new("sh").args(["-ec", script]).current_dir(folder));
}

/// What a folder of the host holds.
fn of_folder(folder: &Path) -> Listing {
    let tar = Command::new("tar")
        .args(["--sort=name", "--format=pax", "--xattrs", "--xattrs-include=user.*", "-cf", "-", "-C"])
        .arg(folder)
        .arg(".")
        .output()
        .unwrap();
    listing::of_tar(tar.stdout.as_slice())
}

fn of_file(file: &Path) -> Listing {
    listing::of_tar(fs::read(file).unwrap().as_slice())
}

/// What `umoci` makes of an image.
fn unpacked(workspace: &Workspace, image: &str, name: &str) -> Listing {
    run(&mut workspace.command(["umoci", "unpack", "--image", image, name]));
    of_folder(&workspace.path(name).join("rootfs"))
}

/// A listing as text, without the times of directories, which unpackers set each in their own way, and with the names of
/// a file joined: any of them may be the one with the data.
fn comparable(listing: &Listing) -> String {
    fn root<'a>(listing: &'a Listing, mut path: &'a str) -> &'a str {
        while let Kind::HardLink(target) = &listing[path].kind {
            path = target;
        }
        path
    }
    let mut groups = std::collections::BTreeMap::<&str, Vec<&str>>::new();
    for path in listing.keys() {
        groups.entry(root(listing, path)).or_default().push(path);
    }
    let mut lines = Vec::new();
    for (first, names) in groups {
        let mut entry = listing[first].clone();
        if entry.kind == Kind::Directory {
            entry.mtime = 0;
        }
        // Docker writes the type of a file there too.
        entry.mode &= 0o7777;
        let mut names = names.clone();
        names.sort_unstable();
        lines.push(format!("{} {entry}", names.join(" ")));
    }
    lines.sort_unstable();
    lines.join("\n")
}

/// The manifest and configuration of the only image of a layout.
fn documents(layout: &Path) -> (Value, Value) {
    let read = |path: PathBuf| -> Value { serde_json::from_slice(&fs::read(path).unwrap()).unwrap() };
    let blob = |digest: &Value| read(layout.join("blobs/sha256").join(&digest.as_str().unwrap()[7..]));
    let manifest = blob(&read(layout.join("index.json"))["manifests"][0]["digest"]);
    let config = blob(&manifest["config"]["digest"]);
    (manifest, config)
}

#[test]
fn an_image_is_squashed_as_umoci_unpacks_it() {
    require!(Need::Root, Need::Program("umoci"), Need::Program("busybox"), Need::Program("skopeo"), Need::Amd64);
    let workspace = layered();
    recipe(
        &workspace,
        "[image]\nenv = { B = \"3\", C = \"4\" }\nports = [\"53/udp\"]\nlabels = { layer = \"top\" }\n\
         entrypoint = [\"/bin/cat\"]\nworkdir = \"/\"\n",
    );
    // A log of the base is emptied, as that of any source is.
    let mut expected = unpacked(&workspace, "base:v1", "expected");
    let log = expected.get_mut("var/log/base.log").unwrap();
    log.kind = Kind::File { digest: Digest::of(b"").hex(), size: 0 };
    let built = build(&workspace, &["oci:out:new", "rootfs-tar:out.tar"]);
    built.succeeded();
    assert_eq!(comparable(&of_file(&workspace.path("out.tar"))), comparable(&expected));
    assert_eq!(comparable(&unpacked(&workspace, "out:new", "unpacked")), comparable(&expected));

    let (manifest, config) = documents(&workspace.path("out"));
    assert_eq!(manifest["layers"].as_array().unwrap().len(), 1);
    let base = run(&mut workspace.command(["skopeo", "inspect", "--format={{.Digest}}", "oci:base:v1"]));
    assert_eq!(manifest["annotations"]["org.opencontainers.image.base.digest"], base.trim());
    assert_eq!(manifest["annotations"].get("org.opencontainers.image.base.name"), None, "its name is not known");
    let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    assert_eq!(config["config"]["Env"], json!([path, "A=1", "B=3", "C=4"]));
    assert_eq!(config["config"]["Entrypoint"], json!(["/bin/cat"]));
    assert_eq!(config["config"].get("Cmd"), None, "an entrypoint takes the base's arguments away");
    assert_eq!(config["config"]["ExposedPorts"], json!({ "53/udp": {}, "80/tcp": {} }));
    assert_eq!(config["config"]["Volumes"], json!({ "/vol": {} }));
    assert_eq!(config["config"]["WorkingDir"], "/");
    let labels = json!({ "layer": "top", "org.opencontainers.image.title": "top" });
    assert_eq!(config["config"]["Labels"], labels);
    assert_eq!((&config["author"], config["history"].as_array().unwrap().len()), (&json!("The base's"), 1));
}

/// Adds an index of these manifests to a layout under a tag; gives its digest.
fn write_index(layout: &Path, tag: &str, manifests: &[(&str, &str, Value)]) -> String {
    let put = |value: &Value| {
        let bytes = serde_json::to_vec(value).unwrap();
        let digest = Digest::of(&bytes);
        fs::write(layout.join("blobs/sha256").join(digest.hex()), &bytes).unwrap();
        (digest.to_string(), bytes.len())
    };
    let entries: Vec<Value> = manifests
        .iter()
        .map(|(os, architecture, manifest)| {
            let (digest, size) = put(manifest);
            json!({
                "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest, "size": size,
                "platform": { "os": os, "architecture": architecture },
            })
        })
        .collect();
    let media_type = "application/vnd.oci.image.index.v1+json";
    let (digest, size) = put(&json!({ "schemaVersion": 2, "mediaType": media_type, "manifests": entries }));
    let path = layout.join("index.json");
    let mut top: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    top["manifests"].as_array_mut().unwrap().push(json!({
        "mediaType": media_type, "digest": digest, "size": size,
        "annotations": { "org.opencontainers.image.ref.name": tag },
    }));
    fs::write(path, serde_json::to_vec(&top).unwrap()).unwrap();
    digest
}
