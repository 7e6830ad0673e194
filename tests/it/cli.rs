//! What a person sees of the program when something is not as it should be.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::golden;
use crate::support::door::Door;
use crate::support::require::{Need, require};
use crate::support::workspace::{Workspace, binary, finish};

/// A recipe of the toy archive that needs no more than `packages`.
fn toy(workspace: &Workspace, packages: &str) {
    let archive = workspace.path("archive").display().to_string();
    let text = format!(
        "name = \"toy\"\nplatforms = [\"linux/amd64\"]\n[from.debian]\nsuite = \"golden\"\ndistribution = \"golden\"\n\
         variant = \"essential\"\npackages = [{packages}]\nupdates = false\nkeyring = \"archive-key.asc\"\n\
         [[from.debian.repository]]\nurl = \"file://{archive}\"\n"
    );
    workspace.write("toy.toml", &text);
}

fn toy_workspace() -> Workspace {
    golden::workspace(&std::env::temp_dir())
}

#[test]
fn every_mistake_of_a_recipe_is_told_at_once() {
    let workspace = Workspace::new();
    workspace.write(
        "bad.toml",
        "name = \"bad\"\ndescripton = \"a typo\"\n[from.debian]\nsuite = \"trixi\"\nvariant = \"minbse\"\n\
         packages = \"curl\"\n[[file]]\npath = \"/x\"\nsource = \"missing\"\nmode = \"0999\"\n",
    );
    let finished = workspace.rootsmith(["build", "bad.toml"]);
    finished.failed_with(2);
    for phrase in ["descripton", "description", "trixi", "minbse", "minbase", "packages", "missing", "0999", "bad.toml"]
    {
        finished.says(phrase);
    }
    assert_eq!(finished.stdout, "", "standard output is for the answer");
    assert!(!workspace.path("bad.lock").exists());
}

#[test]
fn two_sources_are_one_too_many() {
    let workspace = Workspace::new();
    workspace.write("two.toml", "name = \"two\"\n[from.debian]\nsuite = \"trixie\"\n[from.scratch]\n");
    workspace.rootsmith(["build", "two.toml"]).failed_with(2).says("scratch");
    workspace.write("none.toml", "name = \"none\"\n");
    workspace.rootsmith(["build", "none.toml"]).failed_with(2).says("from");
}

#[test]
fn a_recipe_that_is_not_there() {
    let workspace = Workspace::new();
    workspace.rootsmith(["build", "nowhere.toml"]).failed_with(2).says("nowhere.toml");
    workspace.rootsmith(["build"]).failed_with(2);
    workspace.rootsmith(["forge", "x.toml"]).failed_with(2);
    workspace.write("good.toml", "name = \"good\"\n[from.debian]\nsuite = \"trixie\"\n");
    workspace.rootsmith(["build", "good.toml", "-o", "ocl:out"]).failed_with(2).says("ocl");
    workspace.rootsmith(["build", "good.toml", "--variant", "debug"]).failed_with(2).says("debug");
}

#[test]
fn no_network_and_nothing_in_the_store() {
    let workspace = Workspace::new();
    workspace.write("good.toml", "name = \"good\"\n[from.debian]\nsuite = \"trixie\"\n");
    workspace.rootsmith(["build", "good.toml", "--offline"]).failed_with(3).says("offline");
    assert!(!workspace.path("good.lock").exists(), "what was not resolved is not locked");
}

#[test]
fn a_mirror_that_does_not_answer() {
    let workspace = Workspace::new();
    let recipe = "name = \"x\"\n[from.debian]\nsuite = \"trixie\"\nupdates = false\n\
                  [[from.debian.repository]]\nurl = \"http://127.0.0.1:9/debian\"\n";
    workspace.write("x.toml", recipe);
    workspace.rootsmith(["build", "x.toml", "--progress", "none"]).failed_with(4).says("127.0.0.1:9");
}

#[test]
fn a_lock_that_does_not_fit() {
    require!(Need::Program("busybox"), Need::Amd64);
    let workspace = toy_workspace();
    toy(&workspace, "");
    workspace.rootsmith(["build", "toy.toml", "--locked"]).failed_with(2).says("lock");
    workspace.rootsmith(["lock", "toy.toml"]).succeeded();
    let lock = fs::read(workspace.path("toy.lock")).unwrap();
    workspace.rootsmith(["lock", "toy.toml", "--locked"]).succeeded();
    toy(&workspace, "\"greeting\"");
    workspace.rootsmith(["build", "toy.toml", "--locked"]).failed_with(2).says("lock");
    assert_eq!(fs::read(workspace.path("toy.lock")).unwrap(), lock, "--locked changes nothing");
    workspace.write("toy.lock", "format = 99\n");
    workspace.rootsmith(["build", "toy.toml"]).failed_with(2).says("99");
    workspace.write("toy.lock", "format = 1\nthis is no lock\n");
    workspace.rootsmith(["build", "toy.toml"]).failed_with(2).says("toy.lock");
}

#[test]
fn updating_a_lock_to_the_same_packages_changes_nothing() {
    require!(Need::Program("busybox"), Need::Amd64);
    let workspace = toy_workspace();
    toy(&workspace, "\"greeting\"");
    workspace.rootsmith(["lock", "toy.toml"]).succeeded();
    let lock = fs::read(workspace.path("toy.lock")).unwrap();
    workspace.rootsmith(["lock", "toy.toml", "--update"]).succeeded();
    workspace.rootsmith(["lock", "toy.toml", "--check"]).succeeded();
    assert_eq!(fs::read(workspace.path("toy.lock")).unwrap(), lock);
}

#[test]
fn a_package_that_does_not_exist() {
    require!(Need::Program("busybox"), Need::Amd64);
    let workspace = toy_workspace();
    toy(&workspace, "\"greting\"");
    workspace.rootsmith(["build", "toy.toml"]).failed_with(2).says("greting");
}

#[test]
fn a_damaged_archive_is_refused() {
    require!(Need::Program("busybox"), Need::Amd64);
    let damage = |path: &str, with: &dyn Fn(&mut Vec<u8>)| {
        let workspace = toy_workspace();
        toy(&workspace, "\"greeting\"");
        let file = workspace.path("archive").join(path);
        let mut bytes = fs::read(&file).unwrap();
        with(&mut bytes);
        fs::write(&file, bytes).unwrap();
        let finished = workspace.rootsmith(["build", "toy.toml", "--progress", "none", "-o", "oci:out"]);
        finished.failed_with(4);
        assert!(!workspace.path("out/index.json").exists());
        finished
    };
    let flip = |bytes: &mut Vec<u8>| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    };
    damage("pool/main/greeting_2.0-1_amd64.deb", &flip).says("greeting");
    damage("pool/main/greeting_2.0-1_amd64.deb", &|bytes| bytes.truncate(100)).says("greeting");
    damage("dists/golden/main/binary-amd64/Packages.xz", &flip).says("Packages");
    let change = |bytes: &mut Vec<u8>| {
        let text = String::from_utf8(bytes.clone()).unwrap().replace("an archive for tests", "an archive for pests");
        *bytes = text.into_bytes();
    };
    damage("dists/golden/InRelease", &change).says("signature");
}

#[test]
fn an_unknown_signer_is_named() {
    require!(Need::Program("busybox"), Need::Amd64);
    let workspace = Workspace::new();
    crate::support::toy::write_as("sid", &workspace.path("archive"));
    let archive = workspace.path("archive").display().to_string();
    let recipe = format!(
        "name = \"toy\"\nplatforms = [\"linux/amd64\"]\n[from.debian]\nsuite = \"sid\"\nvariant = \"essential\"\n\
         updates = false\n[[from.debian.repository]]\nurl = \"file://{archive}\"\n"
    );
    workspace.write("toy.toml", &recipe);
    let finished = workspace.rootsmith(["build", "toy.toml", "--progress", "none"]);
    finished.failed_with(4).says("7E90F4B1F3096EC83FA6368ED4104CAE7E761D1A");
}

#[test]
fn interrupted_it_ends_at_once_and_leaves_nothing() {
    require!(Need::Doors, Need::Program("busybox"), Need::Amd64);
    for door in [Door::Root, Door::User, Door::Chroot] {
        for signal in ["INT", "TERM"] {
            interrupted(door, signal);
        }
    }
}

fn interrupted(door: Door, signal: &str) {
    let workspace = toy_workspace();
    toy(&workspace, "\"slow\"");
    door.prepare(&workspace);
    let temporary = workspace.path("temporary");
    fs::create_dir(&temporary).unwrap();
    door.prepare(&workspace);
    let mounted = mounts(&workspace);
    let words = door.prefix().iter().map(Into::into).chain([binary().into_os_string()]);
    let mut child = workspace
        .command(words)
        .args(["build", "toy.toml", "-vv", "-o", "oci:out"])
        .env("TMPDIR", &temporary)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = child.stderr.take().unwrap();
    let mut said = Vec::new();
    while !String::from_utf8_lossy(&said).contains("sleeping") {
        let mut piece = [0; 4096];
        let count = stderr.read(&mut piece).unwrap();
        assert!(count > 0, "it ended by itself:\n{}", String::from_utf8_lossy(&said));
        said.extend(&piece[..count]);
    }
    let begun = Instant::now();
    super::support::workspace::run(Command::new("kill").args(["-s", signal, &child.id().to_string()]));
    let status = child.wait().unwrap();
    let took = begun.elapsed();
    drop(stderr);
    assert!(took < Duration::from_secs(1), "{door:?}, SIG{signal}: it took {took:?}");
    let expected = if signal == "INT" { 130 } else { 143 };
    assert_eq!(status.code(), Some(expected), "{door:?}, SIG{signal}: {status}");
    thread::sleep(Duration::from_millis(100));
    assert_eq!(processes_in(workspace.path("").as_path()), Vec::<String>::new(), "{door:?}, SIG{signal}");
    assert_eq!(mounts(&workspace), mounted, "{door:?}, SIG{signal}");
    let left: Vec<_> = fs::read_dir(&temporary).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(left.is_empty(), "{door:?}, SIG{signal}: {left:?}");
    let stages: Vec<_> = walkdir::WalkDir::new(workspace.path("store"))
        .into_iter()
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("stage-"))
        .collect();
    assert!(stages.is_empty(), "{door:?}, SIG{signal}: {stages:?}");
    assert!(!workspace.path("out/index.json").exists());
}

/// What is mounted on this machine, but for what other tests mount in their folders meanwhile.
fn mounts(workspace: &Workspace) -> Vec<String> {
    let own = workspace.path("").display().to_string();
    let of_others = |line: &str| line.contains("/rootsmith-") && !line.contains(own.trim_end_matches('/'));
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    mounts.lines().filter(|line| !of_others(line)).map(str::to_owned).collect()
}

/// Processes whose folder, root or arguments are in `folder`.
fn processes_in(folder: &Path) -> Vec<String> {
    let folder = folder.to_str().unwrap().trim_end_matches('/');
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let path = entry.path();
        let link = |name: &str| fs::read_link(path.join(name)).unwrap_or_default().to_string_lossy().into_owned();
        let arguments = String::from_utf8_lossy(&fs::read(path.join("cmdline")).unwrap_or_default()).replace('\0', " ");
        if link("cwd").starts_with(folder) || link("root").starts_with(folder) || arguments.contains(folder) {
            found.push(format!("{} {arguments}", entry.file_name().to_string_lossy()));
        }
    }
    found
}

#[test]
fn a_user_without_subordinate_ids_is_told_the_way() {
    require!(Need::Root, Need::Program("setpriv"), Need::Program("busybox"), Need::Amd64);
    let workspace = toy_workspace();
    super::support::workspace::run(Command::new("chown").args(["-R", "65533:65533"]).arg(workspace.path("")));
    let words = ["setpriv", "--reuid", "65533", "--regid", "65533", "--clear-groups", "--inh-caps=-all", "--"];
    let words = words.iter().map(Into::into).chain([binary().into_os_string()]);
    let finished = finish(workspace.command(words).args(["build", "golden.toml", "--progress", "none"]));
    finished.failed_with(3).says("subordinate ids").says("usermod --add-subuids");
}

#[test]
fn a_second_build_replaces_its_tag_and_keeps_the_others() {
    require!(Need::Program("busybox"), Need::Amd64);
    let workspace = toy_workspace();
    let build = |tag: &str, recipe: &str| {
        workspace.rootsmith(["build", recipe, "--progress", "none", "-o", &format!("oci:out:{tag}")]).digest()
    };
    toy(&workspace, "");
    let (one, two) = (build("one", "toy.toml"), build("two", "golden.toml"));
    let three = build("one", "golden.toml");
    assert_eq!((two.as_str(), one != two), (three.as_str(), true));
    let mut tags = crate::support::layout::Layout::open(&workspace.path("out")).tags();
    tags.sort();
    assert_eq!(tags, [("one".to_owned(), two.clone()), ("two".to_owned(), two)]);
}

#[test]
fn secrets_are_nowhere() {
    require!(Need::Program("busybox"), Need::Amd64);
    let workspace = toy_workspace();
    toy(&workspace, "");
    let recipe = fs::read_to_string(workspace.path("toy.toml")).unwrap();
    let run = "[[run]]\ncommand = [\"sh\", \"-c\", \"sed s/hunter2/found/ /run/secrets/token > /etc/proof\"]\nsecrets = [\"token\"]\n";
    workspace.write("toy.toml", &format!("{recipe}{run}"));
    workspace.write("secret", "hunter2\n");
    workspace.rootsmith(["build", "toy.toml", "--progress", "none"]).failed_with(2).says("token");
    let arguments =
        ["build", "toy.toml", "--progress", "none", "-vv", "--secret", "id=token,src=secret", "-o", "oci:out"];
    let built = workspace.rootsmith(arguments);
    built.succeeded();
    let image = crate::support::layout::Layout::open(&workspace.path("out")).image();
    assert_eq!(image.file("etc/proof"), b"found\n");
    assert!(!image.listing().contains_key("run/secrets"));
    let holds = |bytes: &[u8]| bytes.windows(7).any(|window| window == b"hunter2");
    assert!(!holds(&image.layer) && !holds(built.stderr.as_bytes()) && !holds(image.config.to_string().as_bytes()));
    for entry in walkdir::WalkDir::new(workspace.path("store")).into_iter().flatten() {
        assert!(!entry.file_type().is_file() || !holds(&fs::read(entry.path()).unwrap()), "{}", entry.path().display());
    }
    assert!(!holds(&fs::read(workspace.path("toy.lock")).unwrap()));
}

#[test]
fn many_recipes_are_built_in_one_run_and_one_failure_does_not_stop_the_others() {
    require!(Need::Root, Need::Program("busybox"), Need::Amd64);
    let workspace = toy_workspace();
    toy(&workspace, "");
    fs::rename(workspace.path("toy.toml"), workspace.path("plain.toml")).unwrap();
    toy(&workspace, "\"greting\"");
    fs::rename(workspace.path("toy.toml"), workspace.path("wrong.toml")).unwrap();
    toy(&workspace, "\"greeting\"");
    workspace.write("typo.toml", "nme = \"x\"\n");
    let alone = workspace.rootsmith(["build", "toy.toml", "--progress", "none"]).digest();
    let recipes = ["build", "wrong.toml", "toy.toml", "plain.toml", "golden.toml", "typo.toml"];
    let with = |more: &[&str]| workspace.rootsmith(recipes.iter().chain(more).copied());
    for jobs in ["1", "3"] {
        let out = format!("oci:out-{jobs}/{{recipe}}");
        let finished = with(&["--fresh", "--jobs", jobs, "-o", &out]);
        finished.failed_with(2);
        let lines: Vec<&str> = finished.stdout.lines().collect();
        assert_eq!(lines.len(), 3, "{}", finished.stdout);
        assert_eq!(lines[0], format!("{alone}  toy.toml"));
        assert_eq!(lines[2], format!("{}  golden.toml", golden::digest()));
        finished.says("has no package `greting`").says("`nme` is not a key").says("3 of 5 recipes built");
        finished.says("wrong.toml was not built").says("plain.toml: begun");
        for name in ["toy", "plain", "golden"] {
            assert!(workspace.path(&format!("out-{jobs}/{name}/index.json")).exists(), "{name}");
        }
        assert!(!workspace.path(&format!("out-{jobs}/wrong")).exists());
    }
    let json: serde_json::Value = serde_json::from_str(&with(&["--json", "--progress", "none"]).stdout).unwrap();
    assert_eq!(json["recipes"][1]["digest"], alone);
    assert_eq!(json["recipes"][4]["exit-code"], 2);
    with(&["-o", "oci:out"]).failed_with(2).says("one place for 5 recipes").says("{recipe}");
    with(&["-t", "x:1"]).failed_with(2).says("would name several images the same");
    workspace.rootsmith(["build", "toy.toml", "toy.toml"]).failed_with(2).says("given twice");
    let one = workspace.rootsmith(["build", "toy.toml", "-o", "oci-archive:{recipe}.tar", "--progress", "none"]);
    one.succeeded();
    assert!(workspace.path("toy.tar").exists(), "one recipe may use the hole as well");
}

#[test]
fn outputs_are_looked_at_before_anything_is_built() {
    let workspace = Workspace::new();
    workspace.write(
        "x.toml",
        "name = \"x\"\nplatforms = [\"linux/amd64\"]\n[from.scratch]\n[[file]]\npath = \"/srv/pipe\"\nfifo = true\n\
         [image]\nentrypoint = [\"/app\"]\n",
    );
    let build = |outputs: &[&str]| {
        let outputs = outputs.iter().flat_map(|output| ["-o", output]);
        workspace.rootsmith(["build", "x.toml", "--progress", "lines"].into_iter().chain(outputs))
    };
    build(&["oci-archive:x.tar", "rootfs-tar:x.tar"]).failed_with(2).says("they are one place");
    build(&["oci-archive:x.tar", "rootfs-tar:./x.tar"]).failed_with(2).says("they are one place");
    build(&["oci:root/out", "rootfs-dir:root"])
        .failed_with(2)
        .says("cannot write `oci:root/out` into `rootfs-dir:root`");
    build(&["rootfs-tar:x.tar.xz"]).failed_with(2).says("`.gz` and `.zst` are written");
    fs::create_dir(workspace.path("full")).unwrap();
    workspace.write("full/file", "x");
    build(&["oci:out", "rootfs-dir:full"]).says("is not empty");
    assert!(!workspace.path("out").exists() && !workspace.path("x.tar").exists());
    let built = build(&["oci:out:a", "oci:out:b", "rootfs-tar:new/folder/x.tar", "rootfs-dir:new/other/x"]);
    built.succeeded();
    built.says("only in `rootfs-tar:` and the like: /srv/pipe");
    built.says("the image cannot start `/app`: it is not there");
    assert!(workspace.path("new/folder/x.tar").exists() && workspace.path("new/other/x").is_dir());
    build(&["oci:out"]).says("the image cannot start `/app`");
}

#[test]
fn what_is_typed_wrongly_is_told_as_it_is() {
    let workspace = Workspace::new();
    workspace.write("good.toml", "name = \"good\"\n[from.scratch]\n");
    workspace.rootsmith(["build", "good.toml", "-o", "oci:z:BAD/TAG"]).failed_with(2).says("`BAD/TAG` is no tag");
    for flag in ["--jobs", "--threads"] {
        workspace.rootsmith(["build", "good.toml", flag, "0"]).failed_with(2).says("at least 1");
    }
}

#[test]
fn keyrings_are_read_and_signers_are_among_their_keys() {
    const OTHER_KEYS: &[u8] = include_bytes!("../../src/source/debian/keys/debian-archive-keyring.pgp");
    let workspace = toy_workspace();
    toy(&workspace, "");
    workspace.rootsmith(["lock", "toy.toml"]).succeeded();
    let lock = || workspace.rootsmith(["lock", "toy.toml", "--locked"]);
    lock().succeeded();
    let key = workspace.path("archive-key.asc");
    let right = fs::read(&key).unwrap();
    // What is no key is told, and keys that did not sign make the lock one of another request.
    fs::write(&key, "no key\n").unwrap();
    lock().failed_with(2).says("cannot use the keyring").says("archive-key.asc");
    workspace.rootsmith(["build", "toy.toml", "--frozen"]).failed_with(2).says("cannot use the keyring");
    fs::write(&key, OTHER_KEYS).unwrap();
    lock().failed_with(2).says("does not fit it any more");
    workspace.rootsmith(["build", "toy.toml", "--frozen"]).failed_with(2).says("does not fit it any more");
    workspace.rootsmith(["lock", "toy.toml"]).failed_with(4).says("is not in the keyring");
    fs::write(&key, right).unwrap();
    lock().succeeded();
}

#[test]
fn a_mirror_is_named_as_a_repository_is() {
    let workspace = Workspace::new();
    workspace.write("good.toml", "name = \"good\"\n[from.debian]\nsuite = \"trixie\"\n");
    workspace.write("scratch.toml", "name = \"bare\"\n[from.scratch]\n");
    workspace.write("alpine.toml", "name = \"alpine\"\n[from.apk]\ndistribution = \"alpine\"\nbranch = \"v3.22\"\n");
    let wrong = "--mirror=debian-secruity=http://127.0.0.1:9/x";
    for arguments in [vec!["lock", "good.toml"], vec!["build", "good.toml", "--frozen"]] {
        let finished = workspace.rootsmith(arguments.into_iter().chain([wrong]));
        finished.failed_with(2).says("--mirror debian-secruity=");
        finished.says("did you mean debian-security?").says("debian, debian-security");
    }
    workspace.rootsmith(["build", "scratch.toml", wrong]).failed_with(2).says("reads no repository");
    workspace.rootsmith(["lock", "alpine.toml", wrong]).failed_with(2).says("alpine-main");
    // Of several recipes, one may have it; what nobody has is nobody's.
    let right = "--mirror=alpine-main=http://127.0.0.1:9/x";
    let two = ["build", "scratch.toml", "alpine.toml", "--retries=0"];
    workspace.rootsmith(two.into_iter().chain([right])).says("1 of 2 recipes built").says("127.0.0.1:9");
    workspace.rootsmith(two.into_iter().chain([wrong])).failed_with(2).says("0 of 2 recipes built");
}

#[test]
fn a_folder_of_a_mirror_that_is_not_there() {
    let workspace = Workspace::new();
    workspace.write("good.toml", "name = \"good\"\n[from.debian]\nsuite = \"trixie\"\n");
    let finished = workspace.rootsmith(["lock", "good.toml", "--mirror", "nowhere/debian"]);
    finished.failed_with(2).says("--mirror nowhere/debian").says("not there");
}

#[test]
fn what_images_are_not_read_from_says_what_to_do() {
    let workspace = Workspace::new();
    for (from, expected) in [
        ("rootfs-tar:a.tar", "`rootsmith import FILE -o oci:DIR`"),
        ("squashfs:a.squashfs", "written, and not read"),
        ("containers-storage:a", "podman save"),
        ("dir:a", "skopeo copy"),
    ] {
        workspace.rootsmith(["copy", from, "oci:out"]).failed_with(2).says(expected);
    }
}

#[test]
fn a_recipe_that_cannot_be_begun_says_what_to_do() {
    let workspace = Workspace::new();
    let init = |arguments: &[&str]| workspace.rootsmith(["init", "--yes"].iter().chain(arguments));
    init(&["new/base.toml"]).failed_with(2).says("make its folder first");
    init(&["base.toml"]).succeeded();
    init(&["base.toml"]).failed_with(2).says("`--force` to write over this one");
    init(&["--suite", "trixy", "other.toml"]).failed_with(2).says("did you mean `trixie`?");
    workspace.rootsmith(["build", "base"]).failed_with(2).says("did you mean `base.toml`?");
    workspace.rootsmith(["inspect", "base.toml"]).failed_with(2).says("a recipe, not an image");
}
