//! `rootsmith import` and `[from.archive]`: what a person sees, and that images are the same everywhere.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rootsmith::digest::Digest;
use serde_json::{Value, json};

use crate::support::door::{DOORS, Door};
use crate::support::engine::Engine;
use crate::support::layout::{Image, Layout};
use crate::support::listing::Kind;
use crate::support::raw_tar::{Entry, Field, device, directory, docker_archive, entry, file, pax, symlink, tar};
use crate::support::require::{Need, require};
use crate::support::workspace::{Finished, Workspace, binary, finish, run};

/// Alpine's own root filesystem for an architecture.
fn alpine(architecture: &str) -> Option<PathBuf> {
    let data = std::env::var_os("ROOTSMITH_TEST_DATA").map(PathBuf::from);
    let data = data.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"));
    let path = data.join(format!("alpine/alpine-minirootfs-3.20.3-{architecture}.tar.gz"));
    path.is_file().then_some(path)
}

macro_rules! alpine {
    ($architecture:expr) => {
        match alpine($architecture) {
            Some(path) => path,
            None => {
                let reason = "this test needs Alpine's root filesystems below ROOTSMITH_TEST_DATA";
                assert!(std::env::var("ROOTSMITH_TEST_REQUIRE").as_deref() != Ok("all"), "{reason}");
                eprintln!("skipped: {reason}");
                return;
            }
        }
    };
}

/// The first bytes of a program for amd64.
const AMD64: [u8; 20] = [0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 62, 0];

fn small() -> Vec<Entry> {
    vec![
        directory("./").octal(Field::Mtime, 1_600_000_000),
        directory("./etc"),
        file("./etc/passwd", "root:x:0:0::/:/bin/sh\napp:x:1000:1001::/:/bin/sh\n").octal(Field::Mtime, 1_700_000_000),
        file("./bin/sh", AMD64).mode(0o4755),
        pax(&[("SCHILY.xattr.user.note", b"kept"), ("SCHILY.xattr.security.selinux", b"gone")]),
        file("./etc/note", "note"),
        symlink("./absolute", "/etc/passwd"),
        device(b'3', "./dev/null", 1, 3),
        file("./tmp/left", "x"),
    ]
}

fn import(workspace: &Workspace, archive: &str, arguments: &[&str]) -> Finished {
    workspace.rootsmith(["import", archive, "--progress", "none"].iter().chain(arguments))
}

fn imported(workspace: &Workspace, archive: &str, arguments: &[&str]) -> Image {
    let _ = fs::remove_dir_all(workspace.path("out"));
    import(workspace, archive, &[arguments, &["-o", "oci:out"]].concat()).digest();
    Layout::open(&workspace.path("out")).image()
}

fn write(workspace: &Workspace, name: &str, bytes: &[u8]) {
    fs::write(workspace.path(name), bytes).unwrap();
}

#[test]
fn alpine_of_both_architectures() {
    for (architecture, platform) in [("x86_64", "amd64"), ("aarch64", "arm64")] {
        let archive = alpine!(architecture);
        let workspace = Workspace::new();
        let image = imported(&workspace, archive.to_str().unwrap(), &["-c", "CMD [\"/bin/sh\"]"]);
        assert_eq!((&image.config["architecture"], &image.config["os"]), (&json!(platform), &json!("linux")));
        assert_eq!(image.config["config"]["Cmd"], json!(["/bin/sh"]));
        let listing = image.listing();
        assert_eq!(listing["bin/sh"].kind, Kind::Symlink("/bin/busybox".to_owned()));
        assert!(matches!(listing["bin/busybox"].kind, Kind::File { size: 500_000.., .. }));
        assert_eq!(listing["tmp"].mode, 0o1777);
        assert!(String::from_utf8(image.file("etc/os-release")).unwrap().contains("3.20.3"));
        let newest = listing.values().map(|entry| entry.mtime).max().unwrap();
        let created: Value = image.config["created"].clone();
        assert!(created.as_str().unwrap().starts_with("2024-09-06T11:3"), "{created} {newest}");
        let inspected = workspace.rootsmith(["inspect", "oci:out", "--json"]);
        let inspected: Value = serde_json::from_str(&inspected.succeeded().stdout).unwrap();
        let packages = inspected["packages"].as_array().unwrap();
        let is_there =
            |name: &str| packages.iter().any(|one| (&one["manager"], &one["name"]) == (&json!("apk"), &json!(name)));
        assert!(is_there("musl") && is_there("busybox"), "{packages:?}");
    }
}

#[test]
fn alpine_runs_under_docker_and_is_read_by_others() {
    require!(Need::Root, Need::Program("dockerd"), Need::Program("skopeo"), Need::Program("umoci"), Need::Amd64);
    let archive = alpine!("x86_64");
    let workspace = Workspace::new();
    let engine = Engine::start();
    let (host, archive) = (format!("unix://{}", engine.socket().display()), archive.to_str().unwrap().to_owned());
    let mut command = workspace.command([binary()]);
    command.env("DOCKER_HOST", &host).args([
        "import",
        &archive,
        "alpine:imported",
        "-c",
        "CMD [\"/bin/cat\",\"/etc/alpine-release\"]",
    ]);
    finish(command.args(["-c", "ENV GREETING=hello", "-o", "docker-daemon:", "-o", "oci:out:imported"])).succeeded();
    assert_eq!(engine.in_container("alpine:imported", &[], &[]).succeeded().stdout, "3.20.3\n");
    let greeted = engine.in_container("alpine:imported", &[], &["/bin/sh", "-c", "echo $GREETING from $(id -u)"]);
    assert_eq!(greeted.succeeded().stdout, "hello from 0\n");

    let out = workspace.path("out");
    let inspected = run(Command::new("skopeo").args(["inspect", &format!("oci:{}:imported", out.display())]));
    assert!(inspected.contains("amd64"));
    let unpacked = workspace.path("unpacked");
    run(Command::new("umoci").arg("unpack").arg("--image").arg(format!("{}:imported", out.display())).arg(&unpacked));
    assert!(unpacked.join("rootfs/bin/busybox").is_file());

    // What docker exports and saves comes in again.
    engine.succeed(["create", "--name", "box", "--network=host", "alpine:imported"]);
    let (exported, saved) = (workspace.path("exported.tar"), workspace.path("saved.tar"));
    engine.succeed(["export", "-o", exported.to_str().unwrap(), "box"]);
    engine.succeed(["save", "-o", saved.to_str().unwrap(), "alpine:imported"]);
    let image = imported(&workspace, "exported.tar", &[]);
    assert_eq!(image.file("etc/alpine-release"), b"3.20.3\n");
    let image = imported(&workspace, "saved.tar", &[]);
    assert_eq!(image.config["config"]["Cmd"], json!(["/bin/cat", "/etc/alpine-release"]));
    assert!(image.config["config"]["Env"].as_array().unwrap().contains(&json!("GREETING=hello")));
    assert_eq!(image.file("etc/alpine-release"), b"3.20.3\n");
}

#[test]
fn one_digest_in_every_surrounding() {
    let workspace = Workspace::new();
    write(&workspace, "small.tar", &tar(&small()));
    let first = import(&workspace, "small.tar", &[]).digest();
    let again = |command: &mut Command| finish(command.args(["import", "small.tar", "--progress", "none"])).digest();
    assert_eq!(again(workspace.command([binary()]).env("TZ", "Asia/Tokyo").env("TMPDIR", "/var/tmp")), first);
    assert_eq!(again(workspace.command([binary()]).env("ROOTSMITH_STORE", workspace.path("other"))), first);
    let umask = format!("umask 077; exec {} import small.tar --threads 5 --progress none", binary().display());
    assert_eq!(finish(&mut workspace.command(["sh", "-c", &umask])).digest(), first);
    for (name, bytes) in [("small.tar.zst", zstd::bulk::compress(&tar(&small()), 3).unwrap()), ("b.tar", tar(&small()))]
    {
        write(&workspace, name, &bytes);
        assert_eq!(import(&workspace, name, &[]).digest(), first, "{name}");
    }
    // Entries in another order are the same files.
    let mut entries = small();
    entries[3..].rotate_left(3);
    write(&workspace, "other.tar", &tar(&entries));
    assert_eq!(import(&workspace, "other.tar", &[]).digest(), first);
}

#[test]
fn one_digest_through_every_door() {
    require!(Need::Doors);
    let mut digests = Vec::new();
    for door in DOORS {
        let workspace = Workspace::new();
        write(&workspace, "small.tar", &tar(&small()));
        workspace.write(
            "small.toml",
            "name = \"small\"\nplatforms = [\"linux/amd64\"]\n[from.archive]\npath = \"small.tar\"\n",
        );
        Door::prepare(door, &workspace);
        let run = |words: &[&str]| {
            let program = binary();
            let before = door.prefix().iter().copied().chain([program.to_str().unwrap()]);
            finish(workspace.command(before).args(words).args(["--progress", "none"])).digest()
        };
        digests.push((run(&["import", "small.tar"]), run(&["build", "small.toml"])));
    }
    assert!(digests.windows(2).all(|pair| pair[0] == pair[1]), "{digests:?}");
}

#[test]
fn every_way_to_give_an_archive() {
    let workspace = Workspace::new();
    let bytes = tar(&small());
    write(&workspace, "small.tar", &bytes);
    let digest = import(&workspace, "small.tar", &["small:1"]).digest();
    let fed = |stdin: Stdio| {
        finish(workspace.command([binary()]).args(["import", "-", "--progress", "none"]).stdin(stdin)).digest()
    };
    assert_eq!(fed(fs::File::open(workspace.path("small.tar")).unwrap().into()), digest);
    let mut child = workspace.command([binary()]);
    child.args(["import", "-", "--progress", "none"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = child.spawn().unwrap();
    child.stdin.take().unwrap().write_all(&bytes).unwrap();
    assert!(String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap().contains(&digest));
    let pipe = format!("{} import <(cat small.tar) --progress none", binary().display());
    assert_eq!(finish(&mut workspace.command(["bash", "-c", &pipe])).digest(), digest);
    let url = format!("file://{}", workspace.path("small.tar").display());
    assert_eq!(import(&workspace, &url, &[]).digest(), digest);
    let sha256 = Digest::of(&bytes).to_string();
    assert_eq!(import(&workspace, "small.tar", &["--sha256", &sha256]).digest(), digest);

    let server = Server::start(bytes);
    let url = server.url("/base/small.tar");
    assert_eq!(import(&workspace, &url, &["--sha256", &sha256]).digest(), digest);
    let requests = server.requests();
    assert_eq!(import(&workspace, &url, &["--sha256", &sha256, "--offline"]).digest(), digest, "it is in the store");
    assert_eq!(server.requests(), requests);
}

#[test]
fn what_the_image_says() {
    let workspace = Workspace::new();
    write(&workspace, "small.tar", &tar(&small()));
    let changes =
        ["CMD [\"a\"]", "ENV A=1 PATH=/x:$PATH", "USER app", "WORKDIR /srv", "EXPOSE 80", "LABEL l=m", "VOLUME /v"];
    let changes: Vec<&str> = changes.iter().flat_map(|change| ["--change", change]).collect();
    let image = imported(&workspace, "small.tar", &[&changes[..], &["-t", "x:2", "-m", "from a tape"]].concat());
    let config = &image.config["config"];
    assert_eq!(config["User"], "1000:1001", "names become numbers");
    assert_eq!(config["Cmd"], json!(["a"]));
    assert_eq!(
        (&config["WorkingDir"], &config["ExposedPorts"], &config["Volumes"]),
        (&json!("/srv"), &json!({ "80/tcp": {} }), &json!({ "/v": {} }),)
    );
    assert_eq!(config["Labels"], json!({ "l": "m" }));
    assert_eq!(image.config["history"][0]["created_by"], "from a tape");
    assert_eq!(image.config["created"], "2023-11-14T22:13:20Z", "the newest entry's time");
    assert_eq!(image.config["architecture"], "amd64");
    assert_eq!(Layout::open(&workspace.path("out")).tags()[0].0, "2");
    let listing = image.listing();
    assert!(!listing.contains_key("dev/null") && !listing.contains_key("tmp/left"), "as of every image");
    assert_eq!(listing["etc/note"].xattrs.keys().collect::<Vec<_>>(), ["user.note"]);
    assert_eq!(listing["bin/sh"].mode, 0o4755);
}

#[test]
fn the_epoch_is_that_of_the_newest_entry_that_has_a_date() {
    let workspace = Workspace::new();
    let entries = [file("a", "").octal(Field::Mtime, 1_000_000_000), file("b", "").octal(Field::Mtime, 0o77777777777)];
    write(&workspace, "future.tar", &tar(&entries));
    let image = imported(&workspace, "future.tar", &[]);
    assert_eq!(image.config["created"], "2001-09-09T01:46:40Z");
    assert!(image.listing().values().all(|entry| entry.mtime <= 1_000_000_000));
    write(&workspace, "tomorrow.tar", &tar(&[file("a", "").octal(Field::Mtime, 4_000_000_000)]));
    let finished = workspace.rootsmith(["import", "tomorrow.tar", "--progress", "lines"]);
    finished.succeeded().says("the newest file is of 2096-10-02T07:06:40Z");
    let mut command = workspace.command([binary()]);
    let set = command.env("SOURCE_DATE_EPOCH", "5").args(["import", "future.tar", "-o", "oci:set"]);
    finish(set).succeeded();
    assert_eq!(Layout::open(&workspace.path("set")).image().config["created"], "1970-01-01T00:00:05Z");
}

#[test]
fn images_keep_their_configuration() {
    let workspace = Workspace::new();
    let lower = tar(&small());
    let upper = tar(&[
        file("etc/.wh.note", ""),
        directory("tmp"),
        file("etc/.wh..wh..opq", ""),
        file("etc/group", "app:x:1001:\n"),
        file("etc/passwd", "app:x:5:6::/:/bin/sh\n"),
    ]);
    let config = json!({
        "User": "app", "Entrypoint": ["/init"], "Cmd": ["-v"], "Env": ["PATH=/bin", "X=1"], "WorkingDir": "/etc",
        "Labels": { "a": "b" }, "Healthcheck": { "Test": ["CMD", "true"] },
    });
    write(&workspace, "saved.tar", &docker_archive(&[lower, upper], config.clone()));
    let finished = workspace.rootsmith(["import", "saved.tar", "--progress", "lines", "-o", "oci:out"]);
    finished.succeeded().says("Healthcheck: it is left out");
    let image = Layout::open(&workspace.path("out")).image();
    let found = &image.config["config"];
    for key in ["Entrypoint", "Cmd", "Env", "WorkingDir", "Labels"] {
        assert_eq!(found[key], config[key], "{key}");
    }
    assert_eq!(found["User"], "5:6");
    let paths: Vec<String> = image.listing().into_keys().filter(|path| path.starts_with("etc/")).collect();
    assert_eq!(paths, ["etc/group", "etc/passwd"], "layers are applied, with their whiteouts");
    let changed =
        imported(&workspace, "saved.tar", &["-c", "ENTRYPOINT [\"/other\"]", "-c", "ENV X=2", "-c", "USER 7:8"]);
    let found = &changed.config["config"];
    assert_eq!((&found["Entrypoint"], &found["User"]), (&json!(["/other"]), &json!("7:8")));
    assert_eq!(found["Env"], json!(["PATH=/bin", "X=2"]));
    assert!(found.get("Cmd").is_none(), "the command belonged to the old entrypoint");
    // Our own archives come in as they went out.
    import(&workspace, "saved.tar", &["-o", "oci-archive:own.tar", "-o", "oci:layout"]).succeeded();
    let own = import(&workspace, "own.tar", &[]).digest();
    assert_eq!(import(&workspace, "layout", &[]).digest(), own);
}

#[test]
fn archives_of_gnu_tar_in_all_its_forms() {
    require!(Need::Program("tar"));
    let workspace = Workspace::new();
    let root = workspace.path("root");
    let long = "n".repeat(120);
    fs::create_dir_all(root.join("deep").join(&long)).unwrap();
    fs::write(root.join("deep").join(&long).join("file"), "1").unwrap();
    fs::write(root.join("a"), "a").unwrap();
    fs::hard_link(root.join("a"), root.join("b")).unwrap();
    std::os::unix::fs::symlink(format!("deep/{long}"), root.join("link")).unwrap();
    let mut holes = vec![0; 300_000];
    holes[200_000..200_004].copy_from_slice(b"data");
    let sparse = fs::File::create(root.join("sparse")).unwrap();
    sparse.set_len(300_000).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&sparse, b"data", 200_000).unwrap();
    drop(sparse);
    fs::set_permissions(root.join("a"), fs::Permissions::from_mode(0o2755)).unwrap();
    let pack = |arguments: &[&str]| {
        let common = ["--owner=7:7", "--group=8:8", "--mtime=@1600000000", "-C", "root", "-cf", "x.tar"];
        run(workspace.command(["tar"]).args(arguments).args(common).args(if arguments.contains(&"bare") {
            ["deep", "a", "b", "link", "sparse"].as_slice()
        } else {
            &["."]
        }));
        imported(&workspace, "x.tar", &["--platform", "linux/amd64"]).listing()
    };
    let expected = pack(&["--format=pax"]);
    assert_eq!(expected["b"].kind, Kind::HardLink("a".to_owned()));
    assert_eq!((expected["a"].owner, expected["a"].mode), ((7, 8), 0o2755));
    assert_eq!(expected["sparse"].kind, Kind::File { digest: Digest::of(&holes).hex(), size: 300_000 });
    for arguments in [
        &["--format=gnu"][..],
        &["--format=oldgnu"],
        &["--format=pax", "--sparse"],
        &["--format=gnu", "--sparse"],
        &["--format=pax", "--sparse", "--sparse-version=0.0"],
        &["--format=pax", "--sparse", "--sparse-version=0.1"],
        &["--blocking-factor=1", "--format=gnu"],
    ] {
        assert_eq!(pack(arguments), expected, "{arguments:?}");
    }
    // Names of more than 100 bytes are beyond the old forms, but ustar has two fields for one.
    fs::remove_dir_all(root.join("deep")).unwrap();
    fs::remove_file(root.join("link")).unwrap();
    let folder = root.join("deep").join(&long[..90]);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("file"), "1").unwrap();
    std::os::unix::fs::symlink("deep", root.join("link")).unwrap();
    assert_eq!(pack(&["--format=ustar"]), pack(&["--format=pax"]));
    fs::remove_dir_all(folder).unwrap();
    assert_eq!(pack(&["--format=v7"]), pack(&["--format=pax"]));
}

#[test]
fn leading_components_can_be_left_out() {
    let workspace = Workspace::new();
    let entries = [
        directory("root.x86_64/"),
        directory("root.x86_64/usr/bin"),
        symlink("root.x86_64/bin", "/usr/bin"),
        file("root.x86_64/bin/sh", AMD64),
        entry(b'1', "root.x86_64/usr/bin/ash", "root.x86_64/usr/bin/sh", b""),
        file("README", "outside"),
    ];
    write(&workspace, "bootstrap.tar", &tar(&entries));
    let image = imported(&workspace, "bootstrap.tar", &["--strip-components", "1"]);
    let paths: Vec<String> = image.listing().into_keys().filter(|path| !path.is_empty()).collect();
    assert_eq!(paths, ["bin", "usr", "usr/bin", "usr/bin/ash", "usr/bin/sh"]);
    workspace.write(
        "r.toml",
        "name = \"r\"\nplatforms = [\"linux/amd64\"]\n[from.archive]\npath = \"bootstrap.tar\"\nstrip-components = 1\n",
    );
    finish(workspace.command([binary()]).args(["build", "r.toml", "-o", "oci:built"])).succeeded();
    assert_eq!(Layout::open(&workspace.path("built")).image().layer, image.layer);
}

#[test]
fn recipes_lock_what_they_are_made_of() {
    let workspace = Workspace::new();
    let (bytes, other) = (tar(&small()), tar(&small()[..4]));
    write(&workspace, "small.tar", &bytes);
    let recipe = |from: &str| {
        let text = format!(
            "name = \"small\"\nplatforms = [\"linux/amd64\"]\n[from.archive]\n{from}\n[image]\ncmd = [\"sh\"]\n"
        );
        workspace.write("small.toml", &text);
        let _ = fs::remove_file(workspace.path("small.lock"));
    };
    let build =
        |arguments: &[&str]| workspace.rootsmith([&["build", "small.toml", "--progress", "none"], arguments].concat());
    recipe("path = \"small.tar\"");
    let digest = build(&["-o", "oci:out"]).digest();
    assert_eq!(Layout::open(&workspace.path("out")).image().config["config"]["Cmd"], json!(["sh"]));
    let lock = fs::read_to_string(workspace.path("small.lock")).unwrap();
    assert!(lock.contains("path = \"small.tar\"") && lock.contains(&Digest::of(&bytes).hex()), "{lock}");
    assert_eq!(build(&["--frozen"]).digest(), digest);

    write(&workspace, "small.tar", &other);
    assert_eq!(build(&["--frozen"]).digest(), digest, "the lock and the store rebuild it");
    fs::remove_dir_all(workspace.path("store")).unwrap();
    build(&[])
        .failed_with(2)
        .says("the archive `small.tar` has the digest")
        .says("`rootsmith lock --update RECIPE` takes it");
    workspace.rootsmith(["lock", "--check", "small.toml"]).failed_with(1);
    let changed = workspace.rootsmith(["lock", "--update", "small.toml"]);
    assert!(changed.succeeded().stdout.starts_with("~ small.tar:amd64 sha256:"), "{}", changed.stdout);
    assert_ne!(build(&["--locked"]).digest(), digest);

    recipe(&format!("path = \"small.tar\"\nsha256 = \"{}\"", Digest::of(&bytes).hex()));
    build(&[]).failed_with(2).says("fetch it again, or change `sha256`");
    assert!(!workspace.path("small.lock").exists());

    let server = Server::start(bytes.clone());
    recipe(&format!("url = \"{}\"", server.url("/small.tar")));
    assert_eq!(build(&[]).digest(), digest);
    assert!(fs::read_to_string(workspace.path("small.lock")).unwrap().contains("url = \"http://127.0.0.1"));
    fs::remove_dir_all(workspace.path("store")).unwrap();
    assert_eq!(build(&["--locked"]).digest(), digest, "the locked bytes are fetched anew");
    fs::remove_dir_all(workspace.path("store")).unwrap();
    build(&["--frozen"]).failed_with(3).says("the network is off");
    recipe(&format!("url = \"{}\"\nsha256 = \"{}\"", server.url("/small.tar"), Digest::of(&other).hex()));
    build(&[]).failed_with(4).says("has the digest");
    recipe(&format!("url = \"{}\"", server.url("/404")));
    build(&[]).failed_with(4).says("does not exist");
}

#[test]
fn recipes_for_several_platforms() {
    let archives = [alpine!("x86_64"), alpine!("aarch64")];
    let workspace = Workspace::new();
    for archive in archives {
        fs::copy(&archive, workspace.path(archive.file_name().unwrap().to_str().unwrap())).unwrap();
    }
    let digest = |name: &str| Digest::of(&fs::read(workspace.path(name)).unwrap()).hex();
    let (amd64, arm64) = ("alpine-minirootfs-3.20.3-x86_64.tar.gz", "alpine-minirootfs-3.20.3-aarch64.tar.gz");
    let text = format!(
        "name = \"alpine\"\nplatforms = [\"linux/amd64\", \"linux/arm64\"]\n[from.archive]\n\
         path = {{ \"linux/amd64\" = \"{amd64}\", \"linux/arm64\" = \"{arm64}\" }}\n\
         [from.archive.sha256]\n\"linux/amd64\" = \"{}\"\n\"linux/arm64\" = \"sha256:{}\"\n",
        digest(amd64),
        digest(arm64)
    );
    workspace.write("alpine.toml", &text);
    let finished = workspace.rootsmith(["build", "alpine.toml", "-o", "oci:out", "--progress", "none"]);
    finished.digest();
    let index: Value = {
        let (_, digest) = Layout::open(&workspace.path("out")).tags().remove(0);
        let path = workspace.path("out/blobs/sha256").join(digest.strip_prefix("sha256:").unwrap());
        serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
    };
    let architectures: Vec<&Value> =
        index["manifests"].as_array().unwrap().iter().map(|image| &image["platform"]["architecture"]).collect();
    assert_eq!(architectures, ["amd64", "arm64"]);

    let swapped = text.replace("-aarch64.tar.gz", "-x86_64.tar.gz");
    workspace.write("alpine.toml", &swapped);
    workspace.rootsmith(["build", "alpine.toml"]).failed_with(2).says("or change `sha256` where the new one is meant");
    let (unpinned, _) = swapped.split_once("[from.archive.sha256]").unwrap();
    workspace.write("alpine.toml", unpinned);
    let wrong = workspace.rootsmith(["build", "alpine.toml"]);
    wrong
        .failed_with(2)
        .says("cannot make an image for linux/arm64")
        .says("`/bin/busybox` is a program for linux/amd64");
}

#[test]
fn recipes_that_cannot_be() {
    let workspace = Workspace::new();
    write(&workspace, "a.tar", &tar(&small()));
    let cases = [
        ("", "does not say where the archive is"),
        ("path = \"a.tar\"\nurl = \"http://example.com/a.tar\"", "is both a file and an address"),
        ("path = \"b.tar\"", "b.tar"),
        ("url = \"ftp://example.com/a.tar\"", "is not the URL of an archive"),
        ("url = \"http://me:secret@example.com/a.tar\"", "a URL without a user and a password"),
        ("path = \"a.tar\"\nsha256 = \"abc\"", "is not a SHA-256"),
        ("path = \"a.tar\"\nstrip-components = 65", "is not within bounds"),
        ("path = { \"linux/arm64\" = \"a.tar\" }", "there is no archive for linux/amd64"),
        ("path = { \"windows/amd64\" = \"a.tar\" }", "is not a platform"),
        (
            "path = { \"linux/amd64\" = \"a.tar\" }\nsha256 = \"SHA\"",
            "`sha256` is not about the archives that are named",
        ),
        (
            "path = \"a.tar\"\nsha256 = { \"linux/amd64\" = \"SHA\" }",
            "`sha256` is not about the archives that are named",
        ),
        ("path = \"a.tar\"\nfile = \"a.tar\"", "`file`"),
    ];
    for (from, phrase) in cases {
        let from = from.replace("SHA", &"0".repeat(64));
        workspace.write("r.toml", &format!("name = \"r\"\nplatforms = [\"linux/amd64\"]\n[from.archive]\n{from}\n"));
        let finished = workspace.rootsmith(["build", "r.toml"]);
        finished.failed_with(2).says(phrase);
    }
}

#[test]
fn what_goes_wrong() {
    let workspace = Workspace::new();
    let whole = tar(&small());
    write(&workspace, "small.tar", &whole);
    write(&workspace, "cut.tar", &whole[..2000]);
    write(&workspace, "text", b"hello\n");
    write(&workspace, "empty", b"");
    write(&workspace, "nothing.tar", &[0; 1024]);
    write(&workspace, "archive.zip", &[&b"PK\x03\x04"[..], &[1; 600]].concat());
    write(&workspace, "away.tar", &tar(&[file("../x", "")]));
    write(&workspace, "whiteout.tar", &tar(&[file(".wh.x", "")]));
    write(
        &workspace,
        "arm.tar",
        &tar(&[file("bin/sh", {
            let mut arm = AMD64;
            arm[18] = 183;
            arm
        })]),
    );
    write(&workspace, "bomb.tar.gz", &{
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        writer.write_all(&tar(&[file("bomb", vec![0; 120 << 20])])).unwrap();
        writer.finish().unwrap()
    });
    let user = |config: Value| docker_archive(&[tar(&small())], config);
    write(&workspace, "user.tar", &user(json!({ "User": "4294967296" })));
    write(&workspace, "volume.tar", &user(json!({ "Volumes": { "../..": {} } })));
    write(&workspace, "folder.tar", &user(json!({ "WorkingDir": "relative" })));
    fs::create_dir(workspace.path("folder")).unwrap();
    let wrong_digest = "0".repeat(64);
    let cases: &[(&[&str], i32, &str)] = &[
        (&["nowhere.tar"], 2, "cannot read the archive `nowhere.tar`"),
        (&["folder"], 2, "is not an OCI layout"),
        (&["text"], 2, "cannot import `text`: it is no tar archive, or a damaged one"),
        (&["empty"], 2, "cannot import `empty`: it is empty"),
        (&["nothing.tar"], 2, "there is nothing in it"),
        (&["archive.zip"], 2, "it is a zip archive"),
        (&["cut.tar"], 2, "ends too early"),
        (&["away.tar"], 2, "the path `../x` has a `..` in it"),
        (&["whiteout.tar"], 2, "names that start with `.wh.` mean removal"),
        (&["bomb.tar.gz"], 2, "grows beyond what is allowed"),
        (&["small.tar", "--max-entries", "3"], 2, "more than 3 entries"),
        (&["small.tar", "--max-bytes", "1000"], 2, "more than 1000 bytes"),
        (&["small.tar", "--sha256", &wrong_digest], 2, "has the digest"),
        (&["small.tar", "--sha256", "abc"], 2, "is no SHA-256"),
        (&["small.tar", "--platform", "linux/arm64"], 2, "`/bin/sh` is a program for linux/amd64"),
        (&["small.tar", "--change", "RUN true"], 2, "is no instruction that is known here"),
        (&["small.tar", "--change", "USER nobody-here"], 2, "has no user or group of that name"),
        (&["small.tar", "-t", "Bad Name"], 2, "is not an image name"),
        (&["small.tar", "-o", "nowhere"], 2, "does not say where to write"),
        (&["small.tar", "-o", "oci:/proc/nowhere/x"], 3, "/proc/nowhere"),
        (&["user.tar"], 2, "4294967296"),
        (&["volume.tar"], 2, "the volume `../..` of the image is not an absolute path"),
        (&["folder.tar"], 2, "the working directory `relative`"),
        (&["user.tar", "--image", "other:1"], 2, "there is no image `other:1`"),
        (&["user.tar", "--platform", "linux/arm64"], 2, "it is an image for linux/amd64"),
        (&["http://127.0.0.1:9/x.tar", "--offline"], 3, "the network is off"),
        (&["file:///nowhere/x.tar"], 4, "does not exist"),
    ];
    for (arguments, code, phrase) in cases {
        let output = if arguments.contains(&"-o") { &[][..] } else { &["-o", "oci:out"] };
        let finished = workspace.rootsmith([&["import"], *arguments, &["--progress", "none"], output].concat());
        finished.failed_with(*code).says(phrase);
        assert!(finished.stdout.is_empty() && !workspace.path("out").exists(), "{arguments:?} left something");
    }
    assert!(import(&workspace, "arm.tar", &[]).code == 0);
    let mut piped = workspace.command([binary()]);
    finish(piped.args(["import", "-"]).stdin(Stdio::null())).failed_with(2).says("it is empty");
    let left: Vec<_> = fs::read_dir(workspace.path("store/temporary")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn conda_packages_are_listed() {
    let workspace = Workspace::new();
    let record = r#"{"name":"zlib","version":"1.3.1","build":"h1","subdir":"linux-64"}"#;
    write(&workspace, "c.tar", &tar(&[file("opt/env/conda-meta/zlib-1.3.1-h1.json", record)]));
    import(&workspace, "c.tar", &["--platform", "linux/amd64", "-o", "oci:out"]).succeeded();
    let found = workspace.rootsmith(["inspect", "oci:out", "--json"]);
    let found: Value = serde_json::from_str(&found.succeeded().stdout).unwrap();
    assert_eq!((&found["packages"][0]["manager"], &found["packages"][0]["name"]), (&json!("conda"), &json!("zlib")));
}

/// A server of one file, at any path but `/404`.
struct Server {
    port: u16,
    requests: std::sync::Arc<std::sync::atomic::AtomicUsize>,
}

impl Server {
    fn start(bytes: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = std::sync::Arc::<std::sync::atomic::AtomicUsize>::default();
        let counted = std::sync::Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = [0; 4096];
                let count = stream.read(&mut request).unwrap();
                counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                let absent = request[..count].starts_with(b"GET /404");
                let (status, body) = if absent { ("404 Not Found", &b""[..]) } else { ("200 OK", &bytes[..]) };
                let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
            }
        });
        Self { port, requests }
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    fn requests(&self) -> usize {
        self.requests.load(std::sync::atomic::Ordering::SeqCst)
    }
}
