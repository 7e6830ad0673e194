//! A second real registry, of other people than Docker's: go-containerregistry's, which has the referrers API.
//!
//! Debian ships it as a library. Its compiler and its source come as files of three packages, in an image that the program
//! under test builds; what is compiled is kept beside the mirror's files for the next run.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use rootsmith::digest::Digest;

use crate::support::docker_registry;
use crate::support::require::{Need, require};
use crate::support::workspace::{Workspace, binary, finish, mirrors, run};

const RECIPE: &str = r#"
name = "compiler"
platforms = ["linux/amd64"]
[from.debian]
suite = "trixie"
variant = "custom"
scripts = false
dependencies = false
packages = ["golang-1.24-go", "golang-1.24-src", "golang-github-google-go-containerregistry-dev"]
"#;

const SERVER: &str = r#"
package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"

	"github.com/google/go-containerregistry/pkg/registry"
)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(listener.Addr())
	silent := registry.Logger(log.New(io.Discard, "", 0))
	log.Fatal(http.Serve(listener, registry.New(registry.WithReferrersSupport(true), silent)))
}
"#;

/// A running registry, ended when this is dropped.
struct Registry {
    daemon: Child,
    /// `127.0.0.1:PORT`
    address: String,
}

impl Registry {
    fn start(program: &Path) -> Self {
        let mut daemon = Command::new(program).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut address = String::new();
        BufReader::new(daemon.stdout.take().unwrap()).read_line(&mut address).unwrap();
        Self { daemon, address: address.trim().to_owned() }
    }

    /// What it answers to a reading request.
    fn get(&self, workspace: &Workspace, path: &str) -> Value {
        let url = format!("http://{}/v2/{path}", self.address);
        serde_json::from_str(&run(&mut workspace.command(["curl", "-fsS", &url]))).unwrap()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

/// The compiled registry.
fn program(workspace: &Workspace) -> PathBuf {
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("registry-{}", Digest::of(SERVER.as_bytes()).hex()));
    if kept.exists() {
        return kept;
    }
    let recipe = workspace.write("compiler.toml", RECIPE);
    let mut command = workspace.command([binary()]);
    command.arg("build").arg(recipe).args(["-o", "rootfs-dir:compiler", "--progress", "none"]).args(mirrors());
    finish(&mut command).succeeded();
    let source = workspace.write("registry.go", SERVER);
    let (root, built) = (workspace.path("compiler"), workspace.path("registry"));
    let go = root.join("usr/lib/go-1.24");
    let mut command = workspace.command([go.join("bin/go")]);
    command
        .env("GOROOT", &go)
        .env("GOPATH", root.join("usr/share/gocode"))
        .env("GOCACHE", workspace.path("go-cache"))
        .envs([("GO111MODULE", "off"), ("CGO_ENABLED", "0"), ("GOTOOLCHAIN", "local"), ("GOFLAGS", "-buildvcs=false")])
        .args(["build", "-o"])
        .arg(&built)
        .arg(source);
    run(&mut command);
    // Beside, and renamed: tests of another run may look for it at the same time.
    let beside = kept.with_extension(std::process::id().to_string());
    fs::copy(built, &beside).unwrap();
    fs::rename(&beside, &kept).unwrap();
    kept
}

/// A layout `image`, and something in it that refers to it; the digests of both.
fn image(workspace: &Workspace) -> (String, String) {
    workspace.write("base/file", &"base".repeat(100_000));
    run(&mut workspace.command(["tar", "--mtime=@0", "-cf", "base.tar", "base"]));
    let digest = workspace.rootsmith(["import", "base.tar", "base:1", "-o", "oci:image"]).digest();
    let layout = workspace.path("image");
    let put = |bytes: Vec<u8>| {
        let digest = Digest::of(&bytes);
        fs::write(layout.join("blobs/sha256").join(digest.hex()), &bytes).unwrap();
        (digest.to_string(), bytes.len())
    };
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let size = fs::metadata(layout.join("blobs/sha256").join(&digest["sha256:".len()..])).unwrap().len();
    let (empty, empty_size) = put(b"{}".to_vec());
    let (statement, statement_size) = put(b"it is good".to_vec());
    let manifest = json!({
        "schemaVersion": 2, "mediaType": kind, "artifactType": "application/x.test",
        "config": { "mediaType": "application/vnd.oci.empty.v1+json", "digest": empty, "size": empty_size },
        "layers": [{ "mediaType": "text/plain", "digest": statement, "size": statement_size }],
        "subject": { "mediaType": kind, "digest": digest, "size": size },
    });
    let (referrer, referrer_size) = put(serde_json::to_vec(&manifest).unwrap());
    let file = layout.join("index.json");
    let mut index: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let entry = json!({
        "mediaType": kind, "digest": referrer, "size": referrer_size, "artifactType": "application/x.test",
    });
    index["manifests"].as_array_mut().unwrap().push(entry);
    fs::write(file, index.to_string()).unwrap();
    (digest, referrer)
}

#[test]
fn a_registry_with_referrers() {
    require!(
        Need::Mirror,
        Need::Amd64,
        Need::Program("curl"),
        Need::Program("skopeo"),
        Need::Program("docker-registry"),
    );
    let workspace = Workspace::new();
    let program = program(&workspace);
    let (registry, other) = (Registry::start(&program), Registry::start(&program));
    let (digest, referrer) = image(&workspace);
    let name = format!("{}/team/base:1", registry.address);

    // Pushed, with what refers to it; a second time nothing is sent.
    assert_eq!(workspace.rootsmith(["push", "oci:image", &name]).digest(), digest);
    let again = workspace.rootsmith(["push", "oci:image", &name, "--json"]);
    let again: Value = serde_json::from_str(&again.succeeded().stdout).unwrap();
    assert_eq!(again["sent"]["blobs"], 0, "{again}");
    let listed = registry.get(&workspace, &format!("team/base/referrers/{digest}"));
    assert_eq!(listed["manifests"][0]["digest"], referrer.as_str());
    let tags = registry.get(&workspace, "team/base/tags/list");
    assert_eq!(tags["tags"], json!(["1"]), "no tag stands for the list where the registry has the API");

    // Read by others, and copied to a second one of its kind and to Docker's, which lacks the API.
    let place = format!("docker://{name}");
    let inspected = run(&mut workspace.command(["skopeo", "inspect", "--tls-verify=false", &place]));
    assert_eq!(serde_json::from_str::<Value>(&inspected).unwrap()["Digest"], digest.as_str());
    let inspected = workspace.rootsmith(["inspect", &place, "--json"]);
    let inspected: Value = serde_json::from_str(&inspected.succeeded().stdout).unwrap();
    assert_eq!(inspected["referrers"][0]["digest"], referrer.as_str());
    let docker = docker_registry::Registry::start(&workspace, "", "");
    let there = format!("docker://{}/copy:1", other.address);
    let further = format!("docker://{}", docker.name("copy:1"));
    for (from, to) in [(&place, &there), (&there, &further)] {
        assert_eq!(workspace.rootsmith(["copy", from, to]).digest(), digest);
        let inspected = workspace.rootsmith(["inspect", to, "--json"]);
        let inspected: Value = serde_json::from_str(&inspected.succeeded().stdout).unwrap();
        assert_eq!(inspected["referrers"][0]["digest"], referrer.as_str(), "{to}");
    }

    // Within a registry, blobs are mounted; and what was pushed comes back as it was.
    let copied = workspace.rootsmith(["copy", &place, &format!("docker://{}/mounted:1", registry.address), "--json"]);
    let copied: Value = serde_json::from_str(&copied.succeeded().stdout).unwrap();
    assert_eq!((&copied["digest"], &copied["sent"]["blobs"]), (&json!(digest), &json!(0)));
    assert_eq!(workspace.rootsmith(["pull", &name, "-o", "oci:pulled:1"]).digest(), digest);
    let by_digest = format!("{}/team/base@{digest}", registry.address);
    assert_eq!(workspace.rootsmith(["pull", &by_digest, "-o", "rootfs-tar:pulled.tar"]).digest(), digest);

    // A tag that goes between two pulls; the digest stays.
    let url = format!("http://{}/v2/team/base/manifests/1", registry.address);
    run(&mut workspace.command(["curl", "-fsS", "-X", "DELETE", &url]));
    workspace.rootsmith(["pull", &name, "-o", "oci:none"]).failed_with(4).says("is not in the registry");
    assert_eq!(workspace.rootsmith(["pull", &by_digest, "-o", "oci:again"]).digest(), digest);
}
