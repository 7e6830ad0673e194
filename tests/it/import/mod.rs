//! `rootsmith import` and `[from.archive]`: what a person sees, and that images are the same everywhere.

mod inputs;
mod recipes;
mod reproducible;
mod wrong;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rootsmith::digest::Digest;
use serde_json::{Value, json};

use crate::support::door::{DOORS, Door};
use crate::support::engine::Engine;
use crate::support::layout::{Image, Layout};
use crate::support::listing::Kind;
use crate::support::raw_tar::{Entry, Field, device, directory, docker_archive, entry, file, pax, symlink, tar};
use crate::support::require::{Need, data, met, require};
use crate::support::workspace::{Finished, Workspace, binary, finish, run};

/// Alpine's own root filesystem for an architecture, where it is among the test data.
fn alpine(architecture: &str) -> Option<PathBuf> {
    let path = match architecture {
        "x86_64" => "alpine/alpine-minirootfs-3.20.3-x86_64.tar.gz",
        _ => "alpine/alpine-minirootfs-3.20.3-aarch64.tar.gz",
    };
    met(&[Need::Data(path)]).then(|| data().join(path))
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
        let Some(archive) = alpine(architecture) else { return };
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
    let Some(archive) = alpine("x86_64") else { return };
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
