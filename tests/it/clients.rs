//! The clients that people have take what comes out: docker, podman, skopeo and umoci.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::faults::{Ends, ended, note};
use crate::sandbox;
use crate::support::engine::Engine;
use crate::support::require::{Need, mirror, require};
use crate::support::workspace::{Workspace, binary, finish, mirrors, run};

/// The image of the README in every form.
struct Built {
    workspace: Workspace,
    digest: String,
}

fn build() -> Built {
    let workspace = Workspace::new();
    let recipe = Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes/trixie.toml");
    fs::copy(recipe, workspace.path("trixie.toml")).unwrap();
    let outputs = [
        "oci:layout:latest",
        "oci-archive:image.tar",
        "docker-archive:docker.tar",
        "rootfs-tar:rootfs.tar",
        "rootfs-dir:rootfs",
    ];
    let mut command = workspace.command([binary()]);
    command.args(["build", "trixie.toml", "--progress", "none"]).args(mirrors());
    for output in outputs {
        command.args(["-o", output]);
    }
    let digest = finish(&mut command).digest();
    Built { workspace, digest }
}

#[test]
fn skopeo_umoci_and_podman_take_the_image() {
    require!(
        Need::Root,
        Need::Mirror,
        Need::Program("skopeo"),
        Need::Program("umoci"),
        Need::Program("podman"),
        Need::Amd64,
    );
    let built = build();
    skopeo(&built);
    umoci(&built);
    podman(&built);
    rootfs(&built);
}

fn skopeo(built: &Built) {
    let Built { workspace, digest } = built;
    let inspect = |place: &str| -> Value {
        serde_json::from_str(&run(workspace.command(["skopeo", "inspect", place]).args(["--no-tags"]))).unwrap()
    };
    let layout = inspect("oci:layout:latest");
    assert_eq!(layout["Digest"], digest.as_str());
    assert_eq!((layout["Architecture"].as_str(), layout["Os"].as_str()), (Some("amd64"), Some("linux")));
    assert_eq!(layout["Layers"].as_array().unwrap().len(), 1);
    assert_eq!(inspect("oci-archive:image.tar")["Digest"], digest.as_str());
    assert_eq!(inspect("docker-archive:docker.tar")["Layers"].as_array().unwrap().len(), 1);
    run(&mut workspace.command(["skopeo", "copy", "--preserve-digests", "oci:layout:latest", "dir:copied"]));
    let copied = run(&mut workspace.command(["skopeo", "manifest-digest", "copied/manifest.json"]));
    assert_eq!(copied.trim(), digest);
    run(&mut workspace.command(["skopeo", "copy", "oci:layout:latest", "docker-archive:other.tar:other:latest"]));
}

fn umoci(built: &Built) {
    let workspace = &built.workspace;
    run(&mut workspace.command(["umoci", "unpack", "--image", "layout:latest", "bundle"]));
    let root = workspace.path("bundle/rootfs");
    assert!(fs::read_to_string(root.join("etc/os-release")).unwrap().contains("VERSION_CODENAME=trixie"));
    same_folder(&root, &workspace.path("rootfs"));
}

/// The folder that `rootfs-dir:` wrote and the tar of `rootfs-tar:` hold what the image holds.
fn rootfs(built: &Built) {
    let workspace = &built.workspace;
    fs::create_dir(workspace.path("untarred")).unwrap();
    run(&mut workspace.command(["tar", "--numeric-owner", "--xattrs", "-xpf", "rootfs.tar", "-C", "untarred"]));
    same_folder(&workspace.path("untarred"), &workspace.path("rootfs"));
}

/// Compares all but the times of folders, which not every client sets.
fn same_folder(one: &Path, other: &Path) {
    let list = |folder: &Path| {
        let script = "find . ! -path . -type d -printf '%y %m %U:%G %p\\n' -o ! -path . -printf '%y %m %U:%G %p -> %l %T@\\n' \
                      | LC_ALL=C sort; find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum";
        run(Command::new("sh").args(["-c", script]).current_dir(folder))
    };
    let (one, other) = (list(one), list(other));
    let only: Vec<_> = one.lines().filter(|line| !other.contains(line)).take(20).collect();
    assert!(one == other, "the folders differ: {only:#?}");
}

fn podman(built: &Built) {
    let Built { workspace, digest } = built;
    for archive in ["image.tar", "docker.tar"] {
        let storage = workspace.path("podman");
        let podman = |arguments: &[&str]| {
            let mut command = workspace.command(["podman", "--storage-driver=vfs"]);
            command.arg("--root").arg(storage.join("root")).arg("--runroot").arg(storage.join("run"));
            command.args(arguments);
            run(&mut command)
        };
        let said = podman(&["load", "-i", archive]);
        assert!(said.contains("trixie:latest"), "{archive}: {said}");
        let name = said.trim().rsplit(' ').next().unwrap().to_owned();
        let inspected: Value = serde_json::from_str(&podman(&["image", "inspect", &name])).unwrap();
        assert_eq!(inspected[0]["Digest"], digest.as_str(), "{archive}");
        assert_eq!(inspected[0]["User"], "10001:10001");
        podman(&["rmi", "--all", "--force"]);
    }
}

#[test]
fn docker_loads_and_runs_the_image() {
    require!(Need::Root, Need::Mirror, Need::Program("docker"), Need::Program("dockerd"), Need::Amd64);
    let built = build();
    let engine = Engine::start();
    let archive = |name: &str| built.workspace.path(name).display().to_string();
    for name in ["image.tar", "docker.tar"] {
        let said = engine.succeed(["load", "-i", &archive(name)]);
        assert!(said.contains("trixie:latest"), "{name}: {said}");
    }
    let said = |options: &[&str], script: &str| {
        let finished = engine.in_container("trixie:latest", options, &["sh", "-c", script]);
        finished.succeeded();
        finished.stdout
    };
    assert!(said(&[], "cat /etc/os-release").contains("VERSION_CODENAME=trixie"));
    assert_eq!(
        said(&[], "id -u; id -g; id -un; pwd; echo $HOME $LANG; test -w /app && echo writable").trim(),
        "10001\n10001\napp\n/app\n/app C.UTF-8\nwritable"
    );
    assert_eq!(said(&[], "cat /proc/1/comm").trim(), "tini");
    assert_eq!(said(&[], "find / -xdev -perm /6000 -type f 2>/dev/null || true").trim(), "");
    install(&engine);
    rebuild(&built, &engine);
    to_the_daemon(&built, &engine);
}

/// As root, apt works in the image, and dpkg's database is whole.
fn install(engine: &Engine) {
    let mirror = mirror().expect("the test has required a mirror");
    let script = format!(
        "set -e\n\
         cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null >&2 || true\n\
         rm -f /etc/apt/sources.list /etc/apt/sources.list.d/*\n\
         echo 'deb {mirror}/debian trixie main' > /etc/apt/sources.list.d/test.list\n\
         apt-get update --error-on=any >&2\n\
         apt-get install -y --no-install-recommends less cron >&2\n\
         less --version | head -n 1 >&2\n\
         apt-mark showmanual | tr '\\n' ' ' >&2\n\
         apt-get check >&2\n\
         dpkg --verify >&2\n\
         dpkg --audit"
    );
    let finished = engine.in_container("trixie:latest", &["--user", "0:0"], &["sh", "-c", &script]);
    assert_eq!(finished.succeeded().stdout, "", "dpkg --audit finds nothing to say");
}

/// The program, run in a container of the image that it built, with default options, builds the same image.
fn rebuild(built: &Built, engine: &Engine) {
    let (program, folder) = (binary().display().to_string(), built.workspace.path("").display().to_string());
    let (program, folder) = (format!("{program}:/usr/local/bin/rootsmith:ro"), format!("{folder}:/recipes:ro"));
    let mut command = vec![
        "sh",
        "-c",
        "mkdir /tmp/work && cp /recipes/trixie.toml /recipes/trixie.lock /tmp/work && cd /tmp/work && exec \"$@\"",
        "sh",
    ];
    command.extend(["rootsmith", "build", "trixie.toml", "--progress", "none"]);
    let mirrors = mirrors();
    command.extend(mirrors.iter().map(String::as_str));
    let options = ["--user", "0:0", "-e", "HOME=/root", "-v", &program, "-v", &folder];
    let finished = engine.in_container("trixie:latest", &options, &command);
    assert_eq!(finished.digest(), built.digest, "the same image, built in a container of itself");
    // There is a /proc, although none can be mounted, and other ways into a process's memory are closed.
    built.workspace.write("looking.toml", &sandbox::recipe());
    let script = format!(
        "mkdir /tmp/work && cp /recipes/looking.toml /tmp/work && cd /tmp/work && \
         rootsmith build looking.toml --progress none -o rootfs-tar:looking.tar {} >&2 && tar -xOf looking.tar srv/said",
        mirrors.join(" ")
    );
    let looking = engine.in_container("trixie:latest", &options, &["sh", "-c", &script]);
    assert_eq!(looking.succeeded().stdout, sandbox::SAID);
    // What needs no privileges works for anybody there; what cannot be says why.
    let as_user = |command: &str| {
        let options = ["-e", "HOME=/tmp", "-v", &program, "-v", &folder];
        let script = format!("cp /recipes/trixie.toml /recipes/trixie.lock /tmp && cd /tmp && {command}");
        engine.in_container("trixie:latest", &options, &["sh", "-c", &script])
    };
    as_user("rootsmith inspect /recipes/image.tar").succeeded();
    as_user("rootsmith import /recipes/rootfs.tar -o oci:/tmp/imported").succeeded();
    let refused = as_user(&format!("rootsmith build trixie.toml --progress none {}", mirrors.join(" ")));
    let ends = Ends { code: 3, says: "cannot make a user namespace" };
    ended("machine", "a user in an unprivileged Docker container", &refused, &ends);
    refused.says("be root in it, `--user 0:0`");
    note("machine", "root in an unprivileged Docker container", 0, "the right digest");
}

fn to_the_daemon(built: &Built, engine: &Engine) {
    engine.succeed(["rmi", "--force", "trixie:latest"]);
    let host = format!("unix://{}", engine.socket().display());
    let mut command = built.workspace.command([binary()]);
    command.env("DOCKER_HOST", host).args(["build", "trixie.toml", "--frozen", "--progress", "none"]);
    let finished = finish(command.args(["-o", "docker-daemon:other:tag"]));
    assert_eq!(finished.digest(), built.digest);
    assert!(engine.succeed(["run", "--rm", "--network=host", "other:tag", "id", "-u"]).contains("10001"));
}
