//! Alpine itself: its minirootfs's packages, put together again, installed, compared with the minirootfs, and run.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use crate::support::apk::{self, Apk, Node};
use crate::support::door::DOORS;
use crate::support::engine::Engine;
use crate::support::layout::{Image, Layout};
use crate::support::listing::Kind;
use crate::support::require::{Need, data, require};
use crate::support::workspace::{Workspace, binary, finish, run};

const AMD64: &str = "alpine/alpine-minirootfs-3.20.3-x86_64.tar.gz";
const ARM64: &str = "alpine/alpine-minirootfs-3.20.3-aarch64.tar.gz";

/// The repository of a minirootfs's packages below `mirror`, and the shipped recipe `alpine` extended for it.
fn prepare(workspace: &Workspace, archive: &str, architecture: &str, platform: &str, scripts: &str) {
    let packages = apk::of_minirootfs(&data().join(archive));
    assert_eq!(packages.len(), 14);
    for component in ["main", "community"] {
        let folder = workspace.path("mirror/v3.20").join(component);
        apk::write(&folder, architecture, if component == "main" { &packages } else { &[] });
    }
    let text = format!(
        "name = \"alpine\"\nplatforms = [\"{platform}\"]\n[from.apk]\nbranch = \"v3.20\"\nscripts = \"{scripts}\"\n\
         keys = [\"mirror/v3.20/main/{}\"]\n\
         packages = [\"alpine-baselayout\", \"alpine-keys\", \"apk-tools\", \"busybox\", \"libc-utils\"]\n[image]\ncmd = [\"/bin/sh\"]\n",
        apk::KEY
    );
    workspace.write("alpine.toml", &text);
}

fn build(workspace: &Workspace, words: &[&str]) -> Image {
    let mut all: Vec<std::ffi::OsString> = words.iter().map(Into::into).collect();
    all.push(binary().into());
    let arguments = ["build", "alpine.toml", "--mirror", "mirror", "-o", "oci:out", "--progress", "none"];
    finish(workspace.command(all).args(arguments)).digest();
    Layout::open(&workspace.path("out")).image()
}

/// The records of a database without what repacking changes: checksum and size of the package, and the sum of the one
/// file that was changed when the minirootfs was made.
fn comparable(database: &[u8]) -> Vec<String> {
    let text = String::from_utf8(database.to_vec()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let changes = |at: usize| {
        let is_shadow = lines[..at].iter().rev().take(2).any(|line| *line == "R:shadow");
        lines[at].starts_with("C:") || lines[at].starts_with("S:") || (lines[at].starts_with("Z:") && is_shadow)
    };
    (0..lines.len()).filter(|at| !changes(*at)).map(|at| lines[at].to_owned()).collect()
}

/// What Alpine's makers put into a minirootfs beside its packages, or images never have.
const NO_PACKAGES: [&str; 7] = [
    "etc/alpine-release",
    "etc/hostname",
    "etc/issue",
    "etc/os-release",
    "etc/secfixes.d",
    "etc/secfixes.d/alpine",
    "proc",
];

/// The accounts, to which scripts add some.
const ACCOUNTS: [&str; 3] = ["etc/group", "etc/passwd", "etc/shadow"];

/// Everything that is in the minirootfs is in the image, the same, but for the paths of `changed`.
fn compare_with_minirootfs(image: &Image, archive: &str, changed: &[&str]) {
    let files = apk::files(&data().join(archive));
    let text = |path: &str| match &files[path].node {
        Node::File(bytes) => bytes.clone(),
        _ => panic!("{path} is no file"),
    };
    let (ours, theirs) = (image.file("lib/apk/db/installed"), text("lib/apk/db/installed"));
    for (ours, theirs) in comparable(&ours).iter().zip(&comparable(&theirs)) {
        assert_eq!(ours, theirs);
    }
    assert_eq!(comparable(&ours).len(), comparable(&theirs).len());
    let paths = |triggers: &[u8]| String::from_utf8_lossy(triggers).split_once(' ').map(|(_, paths)| paths.to_owned());
    assert_eq!(paths(&image.file("lib/apk/db/triggers")), paths(&text("lib/apk/db/triggers")));
    for path in ["etc/apk/world", "etc/apk/arch", "etc/apk/repositories"] {
        assert_eq!(image.file(path), text(path), "{path}");
    }
    let scripts = |bytes: &[u8]| {
        let mut archive = tar::Archive::new(bytes);
        let entries = archive.entries().unwrap().map(|entry| {
            let entry = entry.unwrap();
            let name = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
            let parts: Vec<_> = name.rsplitn(3, '.').collect();
            (parts[2].to_owned(), parts[0].to_owned(), entry.header().mtime().unwrap(), entry.header().mode().unwrap())
        });
        entries.collect::<Vec<_>>()
    };
    assert_eq!(scripts(&image.file("lib/apk/db/scripts.tar")), scripts(&text("lib/apk/db/scripts.tar")));
    let listing = image.listing();
    let mut differ = Vec::new();
    for (path, entry) in &files {
        let is_own = path.is_empty() || path.starts_with("dev/") || path.starts_with("lib/apk/db/");
        if is_own || NO_PACKAGES.contains(&path.as_str()) || changed.contains(&path.as_str()) {
            continue;
        }
        let Some(found) = listing.get(path) else {
            differ.push(format!("{path} is missing"));
            continue;
        };
        let same = match (&entry.node, &found.kind) {
            (Node::Directory, Kind::Directory) => true,
            (Node::Symlink(target), Kind::Symlink(found)) => target == found,
            (Node::File(bytes), Kind::File { digest, .. }) => rootsmith::digest::Digest::of(bytes).hex() == *digest,
            (Node::HardLink(_), Kind::File { .. } | Kind::HardLink(_)) | (Node::File(_), Kind::HardLink(_)) => true,
            _ => false,
        };
        let owner = entry.owner == found.owner;
        if !same || !owner || (entry.mode != found.mode && !matches!(entry.node, Node::Symlink(_))) {
            differ.push(format!("{path} {:o} {:?} is {found}", entry.mode, entry.owner));
        }
    }
    assert!(differ.is_empty(), "{differ:#?}");
}

#[test]
fn alpine_without_scripts_is_alpine() {
    require!(Need::Data(AMD64), Need::Data(ARM64));
    for (archive, architecture, platform) in [(AMD64, "x86_64", "linux/amd64"), (ARM64, "aarch64", "linux/arm64")] {
        let workspace = Workspace::new();
        prepare(&workspace, archive, architecture, platform, "none");
        let image = build(&workspace, &[]);
        compare_with_minirootfs(&image, archive, &[]);
    }
}

#[test]
fn alpine_with_scripts_is_alpine_through_every_door() {
    require!(Need::Data(AMD64), Need::Doors, Need::Amd64);
    let mut digests = BTreeSet::new();
    let source = Workspace::new();
    prepare(&source, AMD64, "x86_64", "linux/amd64", "sandbox");
    for door in DOORS {
        let workspace = Workspace::new();
        run(Command::new("cp")
            .arg("-r")
            .arg(source.path("mirror"))
            .arg(source.path("alpine.toml"))
            .arg(workspace.path(".")));
        door.prepare(&workspace);
        let image = build(&workspace, door.prefix());
        compare_with_minirootfs(&image, AMD64, &ACCOUNTS);
        digests.insert(image.digest);
    }
    assert_eq!(digests.len(), 1, "{digests:?}");
}

#[test]
fn folders_that_no_package_lists_are_made() {
    require!(Need::Root, Need::Data(AMD64), Need::Amd64);
    let workspace = Workspace::new();
    prepare(&workspace, AMD64, "x86_64", "linux/amd64", "sandbox");
    let app = Apk::new("app", "1-r0").file("opt/deep/app/file", 0o644, "x");
    let app = app.script("post-install", "#!/bin/sh\ntest -f /opt/deep/app/file\n");
    apk::write(&workspace.path("mirror/v3.20/community"), "x86_64", &[app]);
    let recipe = fs::read_to_string(workspace.path("alpine.toml")).unwrap();
    let recipe = recipe.replace("\"libc-utils\"", "\"libc-utils\", \"app\"");
    workspace.write("alpine.toml", &recipe);
    let listing = build(&workspace, &[]).listing();
    assert!(matches!(listing["opt/deep/app/file"].kind, Kind::File { size: 1, .. }));
    assert_eq!(listing["opt/deep"].mode, 0o755);
    assert_eq!((listing["proc"].mode, listing["dev"].mode), (0o555, 0o755), "as without scripts");
}

#[test]
fn scripts_that_are_left_out_are_named() {
    require!(Need::Data(AMD64));
    let workspace = Workspace::new();
    prepare(&workspace, AMD64, "x86_64", "linux/amd64", "none");
    let app = Apk::new("app", "1-r0").file("opt/app", 0o644, "x").script("post-install", "#!/bin/sh\ntrue\n");
    apk::write(&workspace.path("mirror/v3.20/community"), "x86_64", &[app]);
    let recipe = fs::read_to_string(workspace.path("alpine.toml")).unwrap();
    workspace.write("alpine.toml", &recipe.replace("\"libc-utils\"", "\"libc-utils\", \"app\""));
    let build = || workspace.rootsmith(["build", "alpine.toml", "--mirror", "mirror", "--progress", "lines"]);
    for _ in 0..2 {
        let built = build();
        built.succeeded().says("scripts were left out of alpine-baselayout, app; `scripts = \"sandbox\"`");
    }
}

#[test]
fn folders_of_the_sandbox_keep_their_modes_where_commands_run() {
    require!(Need::Root, Need::Data(AMD64), Need::Amd64);
    let workspace = Workspace::new();
    prepare(&workspace, AMD64, "x86_64", "linux/amd64", "none");
    let recipe = fs::read_to_string(workspace.path("alpine.toml")).unwrap();
    workspace.write("alpine.toml", &format!("{recipe}[[run]]\ncommand = [\"/bin/sh\", \"-c\", \"true\"]\n"));
    let listing = build(&workspace, &[]).listing();
    assert_eq!((listing["proc"].mode, listing["dev"].mode), (0o555, 0o755));
}

#[test]
fn the_same_image_comes_out_in_every_surrounding() {
    require!(Need::Data(AMD64), Need::Tester, Need::Program("setpriv"));
    let source = Workspace::new();
    prepare(&source, AMD64, "x86_64", "linux/amd64", "none");
    let surroundings: [&[&str]; 6] = [
        &[],
        &["env", "TMPDIR=/var/tmp", "TZ=Asia/Tokyo", "LC_ALL=tr_TR.UTF-8"],
        &["sh", "-c", "umask 077; exec \"$@\"", "sh"],
        &["sh", "-c", "umask 000; exec \"$@\"", "sh"],
        &["env", "RAYON_NUM_THREADS=1", "taskset", "1"],
        &["setpriv", "--reuid", "tester", "--regid", "tester", "--init-groups", "--inh-caps=-all", "--"],
    ];
    let mut digests = BTreeSet::new();
    for words in surroundings {
        let workspace = Workspace::new();
        run(Command::new("cp")
            .arg("-r")
            .arg(source.path("mirror"))
            .arg(source.path("alpine.toml"))
            .arg(workspace.path(".")));
        workspace.give_to_tester();
        digests.insert(build(&workspace, words).digest);
    }
    assert_eq!(digests.len(), 1, "{digests:?}");
}

#[test]
fn the_images_own_apk_works_with_the_database() {
    require!(Need::Root, Need::Data(AMD64), Need::Amd64, Need::Program("docker"));
    let workspace = Workspace::new();
    prepare(&workspace, AMD64, "x86_64", "linux/amd64", "none");
    let more = apk::Apk::new("hello", "1.0-r0").field("depend", "busybox").file(
        "usr/bin/hello",
        0o755,
        "#!/bin/sh\necho hello\n",
    );
    apk::write(&workspace.path("more"), "x86_64", &[more]);
    let archive = workspace.path("alpine.tar");
    let output = format!("docker-archive:{}", archive.display());
    let arguments =
        ["build", "alpine.toml", "--mirror", "mirror", "-o", &output, "-t", "alpine:test", "--progress", "none"];
    workspace.rootsmith(arguments).digest();
    let engine = Engine::start();
    engine.succeed(["load", "-i", archive.to_str().unwrap()]);
    let mount = format!("{}:/more:ro", workspace.path("more").display());
    let shell = |script: &str| {
        let finished = engine.in_container("alpine:test", &["-v", &mount], &["/bin/sh", "-ec", script]);
        assert_eq!(finished.code, 0, "{script}: {} {}", finished.stdout, finished.stderr);
        finished.stdout
    };
    assert_eq!(shell("apk info").lines().count(), 14);
    assert_eq!(shell("apk info --who-owns /bin/busybox").trim(), "/bin/busybox is owned by busybox-1.36.1-r29");
    // What the engine mounts differs; nothing else may.
    let audit = shell("apk audit --system | grep -v -e etc/hosts -e etc/hostname -e etc/resolv.conf -e ' dev' || true");
    let changed: Vec<_> = audit.lines().filter(|line| line.starts_with(['U', 'X', 'D', 'M', '!'])).collect();
    assert!(changed.is_empty(), "{audit}");
    assert!(shell("apk fix --simulate --no-network 2>&1 | tail -n 1; apk version -t 1.0 2.0").contains('<'));
    let added = shell(&format!(
        "cp /more/{} /etc/apk/keys/; apk add --no-network --repositories-file /dev/null -X /more hello; hello; apk del hello",
        apk::KEY
    ));
    assert!(added.contains("Installing hello (1.0-r0)") && added.contains("hello\n"), "{added}");
    assert_eq!(
        shell("ls -l /bin/ls | grep -c /bin/busybox; id -u; tar --help 2>&1 | head -n 1").lines().next(),
        Some("1")
    );
}

#[test]
fn shipped_recipes_of_alpine_build_from_a_local_mirror() {
    require!(Need::Data(AMD64));
    let workspace = Workspace::new();
    prepare(&workspace, AMD64, "x86_64", "linux/amd64", "none");
    let mut packages = apk::of_minirootfs(&data().join(AMD64));
    packages.push(apk::Apk::new("tini", "0.19.0-r3").file("sbin/tini", 0o755, "tini"));
    packages.push(apk::Apk::new("ca-certificates", "1-r0").file("etc/ssl/certs/ca-certificates.crt", 0o644, ""));
    packages.push(apk::Apk::new("python3", "3.12.8-r1").field("depend", "busybox").file(
        "usr/bin/python3",
        0o755,
        "python",
    ));
    for name in ["alpine-base", "wolfi-base"] {
        packages.push(apk::Apk::new(name, "1-r0").field("depend", "busybox").field("depend", "apk-tools"));
    }
    apk::write(&workspace.path("mirror/v3.22/main"), "x86_64", &packages);
    apk::write(&workspace.path("mirror/v3.22/community"), "x86_64", &[]);
    apk::write(&workspace.path("mirror/os"), "x86_64", &packages);
    let recipes = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes");
    for name in ["alpine", "alpine-python", "wolfi-base"] {
        let text = format!(
            "extends = \"{}\"\nplatforms = [\"linux/amd64\"]\n[from.apk]\nkeys = [\"mirror/os/{}\"]\n",
            recipes.join(format!("{name}.toml")).display(),
            apk::KEY
        );
        workspace.write(&format!("{name}.toml"), &text);
        let recipe = format!("{name}.toml");
        let output = format!("oci:{name}");
        workspace.rootsmith(["build", &recipe, "--mirror", "mirror", "-o", &output, "--progress", "none"]).digest();
        let image = Layout::open(&workspace.path(name)).image();
        let folder = if name == "wolfi-base" { "usr/lib/apk" } else { "lib/apk" };
        assert!(image.listing().contains_key(&format!("{folder}/db/installed")), "{name}");
        let repositories = String::from_utf8(image.file("etc/apk/repositories")).unwrap();
        assert!(repositories.starts_with("https://"), "{repositories}");
        assert_eq!(image.config["config"]["User"].as_str().unwrap_or_default(), "10001:10001", "{name}");
    }
    let _ = fs::remove_dir_all(workspace.path("mirror"));
}
