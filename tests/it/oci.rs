//! `[from.oci]`: images that others made, as bases.

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

#[test]
fn layers_are_kept_and_changes_come_on_top() {
    require!(Need::Root, Need::Program("umoci"), Need::Program("busybox"), Need::Program("skopeo"), Need::Amd64);
    let workspace = layered();
    recipe(
        &workspace,
        "keep-layers = true\nname = \"registry.example.com/toy:1\"\n\
         [prune]\nremove = [\"/gone\", \"/d/third\"]\n[os-release]\nID = \"acme\"\n\
         [[file]]\npath = \"/d/sixth\"\ncontent = \"6\"\n[[file]]\npath = \"/turned\"\ncontent = \"a file again\"\n\
         [[file]]\npath = \"/turns\"\ndirectory = true\n[[file]]\npath = \"/turns/x\"\ncontent = \"x\"\n\
         [[run]]\ncommand = [\"/bin/sh\", \"-ec\", \"rm /anew/new; echo y > /anew/y; ln /links /seventh; \
         chmod 700 /etc/passwd; rm /d/fifth; echo log >> /var/log/new.log; mkdir -p /var/cache/apt; \
         echo x > /var/cache/apt/pkgcache.bin; echo t > /tmp/t\"]\n[harden]\nsetuid = \"strip\"\n",
    );
    let built = build(&workspace, &["oci:out:new", "rootfs-tar:out.tar", "docker-archive:docker.tar:top:new"]);
    built.succeeded();
    let (manifest, config) = documents(&workspace.path("out"));
    let (below, _) = documents(&workspace.path("base"));
    let layers = manifest["layers"].as_array().unwrap();
    assert_eq!(&layers[..3], below["layers"].as_array().unwrap().as_slice(), "the base's are byte for byte the same");
    assert_eq!(layers.len(), 4);
    let history = config["history"].as_array().unwrap();
    assert_eq!(history.iter().filter(|entry| entry["empty_layer"] != true).count(), 4);
    assert_eq!(history.last().unwrap()["created_by"], "rootsmith: changes");
    assert!(history.len() > 4, "what the base says of its configuration stays: {history:?}");
    let annotations = &manifest["annotations"];
    assert_eq!(annotations["org.opencontainers.image.base.name"], "registry.example.com/toy:1");

    let layer = workspace.path("out/blobs/sha256").join(&layers[3]["digest"].as_str().unwrap()[7..]);
    let mut plain = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(fs::File::open(layer).unwrap()), &mut plain).unwrap();
    let top = listing::of_tar(plain.as_slice());
    let names: Vec<&str> = top.keys().map(String::as_str).collect();
    let expected = [
        "",
        ".wh.gone",
        "anew",
        "anew/.wh.new",
        "anew/y",
        "d",
        "d/.wh.fifth",
        "d/.wh.third",
        "d/sixth",
        "etc",
        "etc/fourth",
        "etc/os-release",
        "etc/passwd",
        "links",
        "seventh",
        "turned",
        "turns",
        "turns/x",
        "usr",
        "usr/lib",
        "usr/lib/os-release",
        "var",
        "var/cache",
        "var/cache/apt",
        "var/log",
        "var/log/new.log",
    ];
    assert_eq!(names, expected);
    let tree = of_file(&workspace.path("out.tar"));
    assert_eq!(comparable(&unpacked(&workspace, "out:new", "unpacked")), comparable(&tree));
    assert_eq!(tree["var/log/base.log"].kind, of_folder(&workspace.path("third/rootfs"))["var/log/base.log"].kind);
    run(&mut workspace.command(["skopeo", "copy", "oci:out:new", "docker-archive:copied.tar:top:copied"]));
}

#[test]
fn nothing_to_change_is_no_layer() {
    require!(Need::Root, Need::Program("umoci"), Need::Program("busybox"), Need::Amd64);
    let workspace = layered();
    recipe(&workspace, "keep-layers = true\n[[run]]\ncommand = [\"/bin/ls\", \"-R\", \"/\"]\n");
    build(&workspace, &["oci:out"]).succeeded();
    let (manifest, config) = documents(&workspace.path("out"));
    let (below, of_base) = documents(&workspace.path("base"));
    assert_eq!(manifest["layers"], below["layers"]);
    assert_eq!((&config["rootfs"], &config["history"]), (&of_base["rootfs"], &of_base["history"]));
}

#[test]
fn docker_takes_it_and_gives_it() {
    require!(Need::Root, Need::Program("umoci"), Need::Program("busybox"), Need::Program("dockerd"), Need::Amd64);
    let workspace = layered();
    let engine = Engine::start();
    let more = "keep-layers = true\n[[file]]\npath = \"/d/sixth\"\ncontent = \"6\"\n\
                [prune]\nremove = [\"/d/third\"]\n[image]\ncmd = [\"-c\", \"ls /d; cat /etc/fourth /links /gone/again\"]\n";
    recipe(&workspace, more);
    let docker_host = format!("unix://{}", engine.socket().display());
    let with_docker = |arguments: &[&str]| {
        finish(
            workspace.command([binary()]).args(arguments).args(["--progress", "none"]).env("DOCKER_HOST", &docker_host),
        )
    };
    with_docker(&["build", "top.toml", "-o", "docker-daemon:top:1"]).succeeded();
    let said = engine.in_container("top:1", &[], &[]);
    assert_eq!(said.succeeded().stdout, "fifth\nsecond\nsixth\nsub\nlinkedlinkedback\n");

    // What Docker itself put on top comes back by both ways, as its own export sees it.
    let script = "rm /d/sixth; mkdir /d/new; echo 1 > /d/new/x; rm -r /anew; chmod 640 /links; ln /links /eighth";
    engine.succeed(["run", "--name=changed", "--network=none", "--entrypoint=/bin/sh", "top:1", "-ec", script]);
    engine.succeed(["commit", "--change=HEALTHCHECK CMD /bin/true", "changed", "team/changed:2"]);
    engine.succeed(["save", "-o", workspace.path("saved.tar").to_str().unwrap(), "team/changed:2"]);
    engine.succeed(["export", "-o", workspace.path("exported.tar").to_str().unwrap(), "changed"]);
    let from = |image: &str, keep: bool| {
        let start = "name = \"again\"\nplatforms = [\"linux/amd64\"]\n[from.oci]\n";
        workspace.write("again.toml", &format!("{start}image = \"{image}\"\nkeep-layers = {keep}\n"));
        let _ = fs::remove_dir_all(workspace.path("again"));
        with_docker(&["build", "again.toml", "-o", "oci:again", "-o", "rootfs-tar:again.tar"]).succeeded();
        (documents(&workspace.path("again")), of_file(&workspace.path("again.tar")))
    };
    let ((manifest, config), archive) = from("docker-archive:saved.tar:team/changed:2", false);
    assert_eq!(manifest["annotations"]["org.opencontainers.image.base.name"], "docker.io/team/changed:2");
    assert_eq!(config["config"]["Healthcheck"]["Test"], json!(["CMD-SHELL", "/bin/true"]));
    let (_, daemon) = from("docker-daemon:team/changed:2", false);
    let ((manifest, _), kept) = from("docker-daemon:team/changed:2", true);
    assert!(manifest["layers"].as_array().unwrap().len() >= 4);
    assert_eq!(comparable(&archive), comparable(&daemon));
    // Engines put files of their own into /dev, /proc, /sys, /etc and /run of a container.
    let own = |listing: &Listing| -> String {
        let ours = |path: &str| {
            let top = path.split('/').next().unwrap_or_default();
            let of_engine = ["dev", "proc", "sys", "run", "vol", "var"].contains(&top) || path == ".dockerenv";
            !path.is_empty()
                && !of_engine
                && !["etc/hostname", "etc/hosts", "etc/resolv.conf", "etc/mtab"].contains(&path)
        };
        comparable(&listing.iter().filter(|(path, _)| ours(path)).map(|(k, v)| (k.clone(), v.clone())).collect())
    };
    let exported = of_file(&workspace.path("exported.tar"));
    assert_eq!(own(&kept), own(&exported));
    assert_eq!(own(&archive), own(&exported));

    let gone = with_docker(&["build", "again.toml", "--locked", "--offline"]);
    gone.succeeded();
    drop(engine);
    with_docker(&["build", "again.toml", "--frozen"]).succeeded();
    let start = "name = \"n\"\nplatforms = [\"linux/amd64\"]\n[from.oci]\nimage = \"docker-daemon:none:1\"\n";
    workspace.write("none.toml", start);
    with_docker(&["build", "none.toml"]).failed_with(3).says("cannot talk to the Docker daemon");
}

#[test]
fn one_digest_everywhere() {
    require!(Need::Doors, Need::Program("umoci"), Need::Program("busybox"), Need::Program("newuidmap"), Need::Amd64);
    let base = layered();
    // Unpacked bundles are root's, and large.
    for bundle in ["first", "second", "third"] {
        fs::remove_dir_all(base.path(bundle)).unwrap();
    }
    for keep in [false, true] {
        let more = format!(
            "keep-layers = {keep}\n[[run]]\ncommand = [\"/bin/sh\", \"-ec\", \"echo x > /d/x; rm /links; ln /d/x /y\"]\n"
        );
        let mut digests = Vec::new();
        for (number, door) in DOORS.into_iter().enumerate() {
            let workspace = Workspace::new();
            run(Command::new("cp").arg("-r").arg(base.path("base")).arg(workspace.path("base")));
            recipe(&workspace, &more);
            door.prepare(&workspace);
            let temporary = workspace.path("t");
            let words = ["sh", "-c", ["umask 077; exec \"$@\"", "umask 0; exec \"$@\"", "exec \"$@\""][number], "sh"];
            let before = door.prefix().iter().map(OsString::from).chain(words.map(OsString::from));
            let mut command = workspace.command(before.chain([binary().into()]));
            command.args(["build", "top.toml", "--progress", "none", "--threads", ["1", "2", "5"][number]]);
            command.env("TZ", ["UTC", "Pacific/Chatham", "America/Lima"][number]);
            if number == 0 {
                fs::create_dir(&temporary).unwrap();
                command.env("TMPDIR", &temporary);
            }
            digests.push(finish(&mut command).digest());
        }
        assert!(digests.iter().all(|digest| *digest == digests[0]), "{digests:?}");
    }
}

#[test]
fn the_store_serves_what_is_locked() {
    require!(Need::Root, Need::Program("umoci"), Need::Program("busybox"), Need::Amd64);
    let workspace = layered();
    recipe(&workspace, "");
    let first = build(&workspace, &[]).digest();
    let lock = fs::read_to_string(workspace.path("top.lock")).unwrap();
    assert!(lock.contains("\n[[oci]]\nplatform = \"linux/amd64\"\nimage = \"oci:base:v1\"\n"), "{lock}");
    fs::rename(workspace.path("base"), workspace.path("elsewhere")).unwrap();
    let again = workspace.rootsmith(["build", "top.toml", "--frozen", "--progress", "none"]);
    assert_eq!(again.digest(), first, "the image is not looked for again");

    // Another image under the same name, and a store without the locked one.
    fs::rename(workspace.path("elsewhere"), workspace.path("base")).unwrap();
    run(&mut workspace.command(["umoci", "config", "--image", "base:v1", "--config.env", "NEW=1"]));
    assert_eq!(build(&workspace, &[]).digest(), first);
    let newer = workspace.rootsmith(["lock", "--check", "top.toml", "--progress", "none"]);
    newer.failed_with(1);
    assert!(newer.stdout.contains("oci:base:v1"), "{}", newer.stdout);
    fs::remove_dir_all(workspace.path("store")).unwrap();
    let changed = build(&workspace, &[]);
    changed.failed_with(4).says("has changed").says("`rootsmith lock --update RECIPE`");
    workspace.rootsmith(["lock", "--update", "top.toml"]).succeeded();
    assert_ne!(build(&workspace, &[]).digest(), first);
}

#[test]
fn what_is_no_base_is_refused() {
    require!(Need::Root, Need::Program("umoci"), Need::Program("busybox"), Need::Amd64);
    let workspace = layered();
    let with = |image: &str, more: &str| {
        let start = "name = \"top\"\nplatforms = [\"linux/amd64\"]\n[from.oci]\n";
        workspace.write("top.toml", &format!("{start}image = \"{image}\"\n{more}"));
        let _ = fs::remove_file(workspace.path("top.lock"));
        let _ = fs::remove_dir_all(workspace.path("store"));
        build(&workspace, &[])
    };
    with("oci:nowhere:v1", "").failed_with(2).says("cannot start from the image").says("nowhere");
    with("oci:base:v2", "").failed_with(2).says("there is no image `v2`").says("there are: v1");
    shell(&workspace.path(""), "tar -cf rootfs.tar -C first/rootfs etc; head -c 700 /dev/zero | tr '\\0' x > text.tar");
    with("oci-archive:rootfs.tar", "").failed_with(2).says("is not an image").says("`[from.archive]`");
    with("oci-archive:text.tar", "").failed_with(4).says("is not a tar archive");
    with("docker://127.0.0.1:1/debian:13", "").failed_with(4).says("cannot reach the registry `127.0.0.1:1`");
    with("oci-archiv:x.tar", "").failed_with(2).says("expected `HOST/NAME:TAG`");
    let other = format!("digest = \"sha256:{}\"\n", "0".repeat(64));
    with("oci:base:v1", &other).failed_with(2).says("but the recipe wants sha256:000").says("change `digest`");
    let text = "name = \"top\"\nplatforms = [\"linux/arm64\"]\n[from.oci]\nimage = \"oci:base:v1\"\n";
    workspace.write("arm.toml", text);
    let arm = workspace.rootsmith(["build", "arm.toml"]);
    arm.failed_with(2).says("is not for linux/arm64, but for linux/amd64").says("platforms = [\"linux/amd64\"]");

    // Damage: a layer cut short, and one with another byte.
    let (manifest, _) = documents(&workspace.path("base"));
    let hex = manifest["layers"][0]["digest"].as_str().unwrap()[7..].to_owned();
    let layer = workspace.path("base/blobs/sha256").join(hex);
    let whole = fs::read(&layer).unwrap();
    fs::write(&layer, &whole[..whole.len() - 100]).unwrap();
    with("oci:base:v1", "").failed_with(4).says("bytes, but");
    let mut flipped = whole.clone();
    flipped[5000] ^= 1;
    fs::write(&layer, &flipped).unwrap();
    with("oci:base:v1", "").failed_with(4).says("was named");
    fs::write(&layer, &whole).unwrap();

    // Layers of other kinds.
    for (number, (media_type, says)) in [
        ("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "is foreign"),
        ("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", "is foreign"),
        ("application/vnd.oci.image.layer.v1.tar+gzip+encrypted", "is encrypted"),
        ("application/vnd.oci.image.layer.v1.tar+lz4", "is not a tar"),
    ]
    .into_iter()
    .enumerate()
    {
        let (mut manifest, _) = documents(&workspace.path("base"));
        manifest["layers"][0]["mediaType"] = media_type.into();
        let tag = format!("odd{number}");
        write_index(&workspace.path("base"), &tag, &[("linux", "amd64", manifest)]);
        with(&format!("oci:base:{tag}"), "").failed_with(2).says(says);
    }
    let (mut manifest, _) = documents(&workspace.path("base"));
    manifest["config"]["mediaType"] = "application/vnd.cncf.helm.config.v1+json".into();
    write_index(&workspace.path("base"), "chart", &[("linux", "amd64", manifest)]);
    with("oci:base:chart", "").failed_with(2).says("not a container image");
}

#[test]
fn an_index_gives_an_image_for_each_platform() {
    require!(Need::Root, Need::Program("umoci"), Need::Program("busybox"), Need::Amd64);
    let workspace = layered();
    let base = workspace.path("base");
    let (manifest, mut config) = documents(&base);
    config["architecture"] = "arm64".into();
    let mut arm = manifest.clone();
    let bytes = serde_json::to_vec(&config).unwrap();
    fs::write(base.join("blobs/sha256").join(Digest::of(&bytes).hex()), &bytes).unwrap();
    arm["config"]["digest"] = Digest::of(&bytes).to_string().into();
    arm["config"]["size"] = bytes.len().into();
    let index = write_index(&base, "both", &[("linux", "amd64", manifest), ("linux", "arm64", arm)]);
    let text = |platforms: &str, more: &str| {
        format!(
            "name = \"top\"\nplatforms = [{platforms}]\n[from.oci]\nimage = \"oci:base:both\"\ndigest = \"{index}\"\n{more}"
        )
    };
    workspace.write("top.toml", &text("\"linux/amd64\", \"linux/arm64\"", "keep-layers = true\n"));
    build(&workspace, &["oci:out"]).succeeded();
    let read = |path: PathBuf| -> Value { serde_json::from_slice(&fs::read(path).unwrap()).unwrap() };
    let blob = |digest: &Value| read(workspace.path("out/blobs/sha256").join(&digest.as_str().unwrap()[7..]));
    let made = blob(&read(workspace.path("out/index.json"))["manifests"][0]["digest"]);
    let architectures: Vec<Value> = made["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            let manifest = blob(&entry["digest"]);
            assert_eq!(manifest["annotations"]["org.opencontainers.image.base.digest"], index.as_str());
            blob(&manifest["config"]["digest"])["architecture"].clone()
        })
        .collect();
    assert_eq!(architectures, ["amd64", "arm64"]);
    workspace.write("top.toml", &text("\"linux/s390x\"", ""));
    let none = build(&workspace, &[]);
    none.failed_with(2).says("there is no image for linux/s390x").says("there are: linux/amd64, linux/arm64");
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

/// cpio leaves symbolic links the time at which it made them.
fn without_link_times(mut listing: Listing) -> Listing {
    let links = listing.values_mut().filter(|entry| matches!(entry.kind, Kind::Symlink(_)));
    links.for_each(|entry| entry.mtime = 0);
    listing
}

#[test]
fn squashfs_and_cpio_hold_the_same_tree() {
    require!(
        Need::Root,
        Need::Program("umoci"),
        Need::Program("busybox"),
        Need::Program("tar2sqfs"),
        Need::Program("unsquashfs"),
        Need::Program("cpio"),
        Need::Amd64,
    );
    let workspace = layered();
    recipe(
        &workspace,
        "[[file]]\npath = \"/srv/null\"\ndevice = \"c 1:3\"\n[[file]]\npath = \"/srv/pipe\"\nfifo = true\n\
         [[file]]\npath = \"/srv/far\"\ncontent = \"x\"\nowner = \"3000000:70000\"\n",
    );
    let mut sums = Vec::new();
    for (round, threads) in ["1", "3"].into_iter().enumerate() {
        let mut command = workspace.command([binary()]);
        command.args(["build", "top.toml", "--progress", "none", "--threads", threads]);
        let outputs =
            ["squashfs:{}.squashfs", "cpio:{}.cpio", "cpio:{}.cpio.gz", "cpio:{}.cpio.zst", "rootfs-tar:{}.tar"];
        for output in outputs {
            command.args(["-o", &output.replace("{}", &round.to_string())]);
        }
        command.env("TZ", ["UTC", "Asia/Tokyo"][round]);
        finish(&mut command).succeeded();
        let of = |name: &str| Digest::of(&fs::read(workspace.path(&format!("{round}.{name}"))).unwrap());
        sums.push(["squashfs", "cpio", "cpio.gz", "cpio.zst"].map(of));
    }
    assert_eq!(sums[0], sums[1]);
    let expected = of_file(&workspace.path("0.tar"));
    assert!(expected.values().any(|entry| !entry.xattrs.is_empty()), "an attribute is there to be kept");

    run(&mut workspace.command(["unsquashfs", "-q", "-n", "-d", "fromsquashfs", "0.squashfs"]));
    assert_eq!(comparable(&of_folder(&workspace.path("fromsquashfs"))), comparable(&expected));

    let mut bare = expected.clone();
    bare.values_mut().for_each(|entry| entry.xattrs.clear());
    let bare = without_link_times(bare);
    for (unpack, from) in [("cat", "0.cpio"), ("zcat", "0.cpio.gz"), ("zstd -dc", "0.cpio.zst")] {
        if unpack.starts_with("zstd") && find("zstd").is_none() {
            continue;
        }
        let folder = workspace.path(&format!("from-{from}"));
        fs::create_dir(&folder).unwrap();
        shell(&folder, &format!("{unpack} ../{from} | cpio --quiet -idm --numeric-uid-gid"));
        assert_eq!(comparable(&without_link_times(of_folder(&folder))), comparable(&bare), "{from}");
    }

    let mut without = workspace.command([binary()]);
    without.args(["build", "top.toml", "-o", "squashfs:none.squashfs"]).env("PATH", "/nonexistent");
    finish(&mut without).failed_with(3).says("`tar2sqfs` is not installed").says("apt-get install squashfs-tools-ng");
    assert!(!workspace.path("none.squashfs").exists());
}
