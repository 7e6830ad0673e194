//! Registries that behave and registries that do not: one of the tests' own, which can be told what to do wrong.

use std::fs;
use std::path::Path;
use std::process::Command;

use rootsmith::digest::Digest;
use serde_json::{Value, json};

use crate::support::registry::{Registry, Seen, What, basic};
use crate::support::workspace::{Finished, Workspace, binary, finish, run};

/// A workspace with an image of a few files in the layout `image`; gives its digest too.
fn image() -> (Workspace, String) {
    let workspace = Workspace::new();
    workspace.write("root/etc/os-release", "ID=test\n");
    // Bytes that no compressor makes smaller, and that are the same each time.
    let mut bytes = Vec::new();
    while bytes.len() < 300_000 {
        bytes.extend(Digest::of(&bytes.len().to_le_bytes()).raw());
    }
    fs::write(workspace.path("root/etc/noise"), bytes).unwrap();
    run(Command::new("tar").args(["-C", "root", "--mtime=@0", "-cf", "root.tar", "."]).current_dir(workspace.path("")));
    let arguments = ["import", "root.tar", "base:1", "--platform", "linux/amd64", "-o", "oci:image"];
    let digest = workspace.rootsmith(arguments).digest();
    (workspace, digest)
}

fn push(workspace: &Workspace, to: &str) -> Finished {
    workspace.rootsmith(["push", "oci:image", to, "--progress", "lines"])
}

fn pull(workspace: &Workspace, from: &str, folder: &str) -> Finished {
    workspace.rootsmith(["pull", from, "-o", &format!("oci:{folder}"), "--progress", "lines"])
}

/// Everything that was received, so that nothing is counted twice.
fn received(log: &[Seen]) -> usize {
    log.iter().filter(|seen| seen.path.contains("/blobs/")).map(|seen| seen.received).sum()
}

fn layer(workspace: &Workspace) -> (String, usize) {
    let blobs = fs::read_dir(workspace.path("image/blobs/sha256")).unwrap().flatten();
    let largest = blobs.max_by_key(|blob| blob.metadata().unwrap().len()).unwrap();
    (format!("sha256:{}", largest.file_name().to_str().unwrap()), largest.metadata().unwrap().len() as usize)
}

/// Takes what was downloaded out of the store.
fn empty_store(workspace: &Workspace) {
    fs::remove_dir_all(workspace.path("store")).unwrap();
}

#[test]
fn what_was_built_is_what_is_pushed_and_pulled() {
    let registry = Registry::start();
    let (workspace, digest) = image();
    let base = format!("{}/team/base", registry.address());
    let pushed = workspace.rootsmith(["push", "oci:image", &format!("{base}:1"), &format!("docker://{base}:latest")]);
    assert_eq!(pushed.digest(), digest);
    let tags = registry.tags("team/base");
    assert_eq!((tags["1"].as_str(), tags["latest"].as_str()), (digest.as_str(), digest.as_str()));
    let log = registry.log();
    let position =
        |method: &str, part: &str| log.iter().position(|seen| seen.method == method && seen.path.contains(part));
    let last_blob = log.iter().rposition(|seen| seen.method == "PUT" && seen.path.contains("/blobs/")).unwrap();
    assert!(position("HEAD", "/blobs/").unwrap() < position("POST", "/blobs/").unwrap(), "asked for before it is sent");
    assert!(last_blob < position("PUT", "/manifests/1").unwrap(), "the name comes last");

    assert_eq!(push(&workspace, &format!("{base}:1")).digest(), digest);
    assert!(registry.log().iter().all(|seen| matches!(seen.method.as_str(), "HEAD" | "GET")), "nothing is sent again");

    empty_store(&workspace);
    assert_eq!(pull(&workspace, &format!("{base}:1"), "pulled").digest(), digest);
    assert_eq!(pull(&workspace, &format!("{base}@{digest}"), "by-digest").digest(), digest);
    for folder in ["pulled", "by-digest"] {
        let inspected = workspace.rootsmith(["inspect", &format!("oci:{folder}"), "--json"]);
        let inspected: Value = serde_json::from_str(&inspected.succeeded().stdout).unwrap();
        assert_eq!(inspected["digest"], digest.as_str());
    }
    let wrong = format!("{base}@sha256:{}", "0".repeat(64));
    pull(&workspace, &wrong, "none").failed_with(4).says("is not in the registry");
    assert_eq!(push(&workspace, &format!("{base}:2@{digest}")).digest(), digest);
    push(&workspace, &format!("{base}:3@sha256:{}", "0".repeat(64))).failed_with(2).says("its digest is");
    assert!(!registry.tags("team/base").contains_key("3"));
}

#[test]
fn an_image_without_a_tag_is_there_by_its_digest() {
    let registry = Registry::start();
    let (workspace, digest) = image();
    let base = format!("{}/base", registry.address());
    let pushed = workspace.rootsmith(["push", "--push-by-digest", "oci:image", &base, "--json"]);
    let told: Value = serde_json::from_str(&pushed.succeeded().stdout).unwrap();
    assert_eq!((&told["digest"], &told["schema"]), (&json!(digest), &json!("rootsmith/transfer/1")));
    assert_eq!(told["sent"]["blobs"], 2);
    assert!(registry.tags("base").is_empty() && registry.manifest("base", &digest).is_some());
}

#[test]
fn a_build_goes_to_a_registry() {
    let registry = Registry::start();
    let (workspace, _) = image();
    let to = format!("docker://{}/built:1", registry.address());
    let arguments = ["import", "root.tar", "base:1", "--platform", "linux/amd64", "-o", &to];
    let digest = workspace.rootsmith(arguments).digest();
    assert_eq!(registry.tags("built")["1"], digest);
}

#[test]
fn repositories_of_one_registry_mount() {
    let registry = Registry::start();
    let (workspace, digest) = image();
    let (one, other) = (format!("{}/one:1", registry.address()), format!("{}/other:1", registry.address()));
    push(&workspace, &one).succeeded();
    registry.log();
    let copy = || workspace.rootsmith(["copy", &format!("docker://{one}"), &format!("docker://{other}")]);
    assert_eq!(copy().digest(), digest);
    let log = registry.log();
    assert_eq!(received(&log), 0);
    assert!(!log.iter().any(|seen| seen.method == "GET" && seen.path.contains("/blobs/")), "nothing is pulled either");
    // A registry that does not mount begins an upload in its place.
    let third = format!("{}/third:1", registry.address());
    let not = What::Answer {
        status: 202,
        headers: vec![("Location".into(), "/v2/third/blobs/uploads/x".into())],
        body: vec![],
    };
    registry.fault("POST", "mount=", 9, not);
    let copied = workspace.rootsmith(["copy", &format!("docker://{one}"), &format!("docker://{third}")]);
    assert_eq!(copied.digest(), digest);
    assert_eq!(registry.tags("third")["1"], digest);
}

#[test]
fn an_upload_that_is_cut_goes_on() {
    let (workspace, digest) = image();
    let (_, size) = layer(&workspace);
    for place in 0..20 {
        let registry = Registry::start();
        let after = size * place / 20;
        registry.fault("PUT", "/blobs/uploads/", 1, What::CutRequest(after));
        let pushed = push(&workspace, &format!("{}/base:1", registry.address()));
        assert_eq!(pushed.digest(), digest, "cut after {after}");
        assert_eq!(registry.tags("base")["1"], digest);
        let sent = received(&registry.log());
        // The configuration may be what was cut.
        assert!(sent < size + size / 10, "{sent} bytes were received, cut after {after} of {size}");
    }
    let forgetful = Registry::start().without_resuming();
    forgetful.fault("PUT", "/blobs/uploads/", 2, What::CutRequest(size / 2));
    assert_eq!(push(&workspace, &format!("{}/base:1", forgetful.address())).digest(), digest);
}

#[test]
fn a_push_that_was_ended_goes_on_in_the_next() {
    let (workspace, digest) = image();
    let (_, size) = layer(&workspace);
    let registry = Registry::start();
    let to = format!("{}/base:1", registry.address());
    registry.fault("PUT", "/blobs/uploads/", 2, What::CutRequest(size / 2));
    // The first run cannot go on: the registry refuses for a while.
    let later = What::Answer { status: 503, headers: vec![("Retry-After".into(), "600".into())], body: vec![] };
    registry.fault("GET", "/blobs/uploads/", 9, later.clone());
    registry.fault("POST", "/blobs/uploads/", 9, later.clone());
    registry.fault("HEAD", "/manifests/", 9, later);
    let first = push(&workspace, &to);
    assert!(first.code == 4 || first.code == 0, "{}", first.stderr);
    assert_ne!(first.code, 0);
    let first = received(&registry.log());
    registry.heal();
    assert_eq!(push(&workspace, &to).digest(), digest);
    let second = received(&registry.log());
    assert!(first + second < size + size / 10, "{first} and {second} bytes were received of {size}");
}

#[test]
fn a_download_that_is_cut_goes_on() {
    let (workspace, digest) = image();
    let (_, size) = layer(&workspace);
    let registry = Registry::start();
    let name = format!("{}/base:1", registry.address());
    push(&workspace, &name).succeeded();
    for place in 0..20 {
        empty_store(&workspace);
        registry.log();
        let after = size * place / 20;
        registry.fault("GET", "/blobs/", 1, What::CutAnswer(after));
        assert_eq!(pull(&workspace, &name, &format!("pulled-{place}")).digest(), digest, "cut after {after}");
    }
}

#[test]
fn wrong_bytes_are_refused() {
    let (workspace, _) = image();
    let registry = Registry::start();
    let name = format!("{}/base:1", registry.address());
    push(&workspace, &name).succeeded();
    empty_store(&workspace);
    registry.fault("GET", "/manifests/", 1, What::Flip(100));
    pull(&workspace, &name, "a").failed_with(4).says("gave other bytes than asked for");
    registry.fault("GET", "/blobs/", 9, What::Flip(0));
    pull(&workspace, &name, "b").failed_with(4).says("gave other bytes than asked for");
    registry.heal();
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let both = json!({ "schemaVersion": 2, "mediaType": kind, "layers": [], "manifests": [] });
    registry.add_manifest("base", &both, Some("both"));
    let both = format!("{}/base:both", registry.address());
    pull(&workspace, &both, "c").failed_with(4).says("an index and a manifest at once");
    let page = What::Answer { status: 200, headers: vec![], body: b"<html>a proxy's page</html>".to_vec() };
    registry.fault("GET", "/manifests/", 1, page);
    pull(&workspace, &name, "d").failed_with(4).says("is it a registry?");
    // A layer that is not what its name says is not pushed by us either.
    let (layer, _) = layer(&workspace);
    let path = workspace.path("image/blobs/sha256").join(layer.strip_prefix("sha256:").unwrap());
    let mut bytes = fs::read(&path).unwrap();
    bytes[1000] ^= 1;
    fs::write(&path, bytes).unwrap();
    let other = format!("{}/other:1", registry.address());
    push(&workspace, &other).failed_with(2).says("the image is damaged");
    assert!(registry.tags("other").is_empty());
}

#[test]
fn a_giant_manifest_is_not_read() {
    let (workspace, _) = image();
    let registry = Registry::start();
    let name = format!("{}/base:1", registry.address());
    for announced in [true, false] {
        registry.fault("GET", "/manifests/", 9, What::Flood { size: 100 << 20, announced });
        pull(&workspace, &name, "none").failed_with(4).says("is larger than the 4194304 bytes");
    }
}

#[test]
fn too_many_requests_are_made_later() {
    let (workspace, digest) = image();
    let registry = Registry::start();
    let name = format!("{}/base:1", registry.address());
    let busy = |seconds: &str| What::Answer {
        status: 429,
        headers: vec![("Retry-After".into(), seconds.into())],
        body: br#"{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}"#.to_vec(),
    };
    registry.fault("POST", "/blobs/", 1, busy("1"));
    registry.fault("PUT", "/blobs/", 1, busy("0"));
    registry.fault("PUT", "/manifests/", 2, busy("0"));
    let begun = std::time::Instant::now();
    assert_eq!(push(&workspace, &name).digest(), digest);
    assert!(begun.elapsed().as_secs_f64() >= 1.0, "the registry asked to wait a second");
    registry.fault("GET", "/manifests/", 1, busy("3600"));
    pull(&workspace, &name, "none")
        .failed_with(4)
        .says("answered 429: slow down (TOOMANYREQUESTS)")
        .says("wait, or log in");
}

#[test]
fn a_blob_too_large_for_one_request_goes_in_parts() {
    let (workspace, digest) = image();
    let registry = Registry::start();
    registry.fault("PUT", "/blobs/uploads/", 1, What::Answer { status: 413, headers: vec![], body: vec![] });
    assert_eq!(push(&workspace, &format!("{}/base:1", registry.address())).digest(), digest);
    assert!(registry.log().iter().any(|seen| seen.method == "PATCH"));
}

#[test]
fn a_tag_that_may_not_move_is_told() {
    let (workspace, _) = image();
    let registry = Registry::start();
    let body = br#"{"errors":[{"code":"TAG_INVALID","message":"the repository is immutable"}]}"#.to_vec();
    registry.fault("PUT", "/manifests/1", 9, What::Answer { status: 400, headers: vec![], body });
    let name = format!("{}/base:1", registry.address());
    push(&workspace, &name).failed_with(4).says("the tag").says("immutable").says("--push-by-digest");
}

#[test]
fn logins_do_not_follow_to_another_host() {
    let (workspace, digest) = image();
    let registry = Registry::start().with_login("me", "hunter2");
    let elsewhere = Registry::start();
    let name = format!("{}/base:1", registry.address());
    let file = json!({ "auths": { registry.address(): { "username": "me", "password": "hunter2" } } });
    workspace.write("home/.docker/config.json", &file.to_string());
    push(&workspace, &name).succeeded();
    // The same blobs, where the redirect leads.
    push(&workspace, &format!("{}/base:1", elsewhere.address())).succeeded();
    elsewhere.log();
    empty_store(&workspace);
    let (layer, _) = layer(&workspace);
    let to = format!("http://{}/v2/base/blobs/{layer}", elsewhere.address());
    let redirect = What::Answer { status: 307, headers: vec![("Location".into(), to)], body: vec![] };
    let path: &'static str = Box::leak(layer.into_boxed_str());
    registry.fault("GET", path, 1, redirect);
    let pulled = workspace.rootsmith(["pull", &name, "-o", "oci:pulled", "-vvv"]);
    assert_eq!(pulled.digest(), digest);
    let log = elsewhere.log();
    assert!(!log.is_empty() && log.iter().all(|seen| seen.authorization.is_none()), "{log:?}");
    assert!(!pulled.stderr.contains("hunter2") && !pulled.stderr.contains(&basic("me", "hunter2")), "never printed");

    let inner = |location: &str| What::Answer {
        status: 302,
        headers: vec![("Location".into(), location.into())],
        body: vec![],
    };
    registry.fault("GET", "/manifests/", 1, inner("file:///etc/passwd"));
    pull(&workspace, &name, "none").failed_with(4).says("which is not followed: it is neither http nor https");
    registry.fault("GET", "/manifests/", 99, inner(&format!("http://{}/v2/base/manifests/1", registry.address())));
    pull(&workspace, &name, "none").failed_with(4).says("too many redirects");
}

#[test]
fn a_login_goes_to_no_foreign_token_server() {
    let (workspace, digest) = image();
    // Another name of this machine: for a registry at a number, every name is a foreign one.
    let foreign = Registry::start().with_tokens(None, 99).with_login("me", "hunter2");
    let realm = format!("http://localhost:{}/token", foreign.address().split_once(':').unwrap().1);
    let registry = Registry::start().with_tokens(Some(realm), 99);
    let name = format!("{}/base:1", registry.address());
    let file = json!({ "auths": { registry.address(): { "username": "me", "password": "hunter2" } } });
    workspace.write("home/.docker/config.json", &file.to_string());
    push(&workspace, &name)
        .failed_with(4)
        .says("wants your login sent to")
        .says("another domain")
        .says("--trust-realm");
    assert!(foreign.log().is_empty(), "nothing was sent there");
    for (realm, words) in [("file:///etc/passwd", "neither http nor https"), ("http://x:y@127.0.0.1/", "has a login")] {
        let registry = Registry::start().with_tokens(Some(realm.to_owned()), 99);
        push(&workspace, &format!("{}/base:1", registry.address())).failed_with(4).says(words);
    }
    let trusting = workspace.rootsmith(["push", "oci:image", &name, "--trust-realm", "localhost"]);
    // Its tokens are not this registry's, which is another story.
    assert_ne!(trusting.code, 0);
    let asked = foreign.log();
    assert!(asked.iter().any(|seen| seen.authorization == Some(basic("me", "hunter2"))), "{asked:?} {digest}");
}

#[test]
fn tokens_are_asked_for_by_scope_and_renewed() {
    let (workspace, digest) = image();
    let registry = Registry::start().with_tokens(None, 3).with_login("me", "pass");
    let name = format!("{}/team/base:1", registry.address());
    push(&workspace, &name).failed_with(4).says("does not let you push to").says("rootsmith login");
    let file = json!({ "auths": { registry.address(): { "username": "me", "password": "pass" } } });
    workspace.write("home/.docker/config.json", &file.to_string());
    registry.log();
    assert_eq!(push(&workspace, &name).digest(), digest);
    let log = registry.log();
    let tokens: Vec<&Seen> = log.iter().filter(|seen| seen.path.starts_with("/token")).collect();
    assert!(tokens.len() > 1, "they run out after three requests");
    assert!(tokens.iter().all(|seen| seen.path.contains("scope=repository%3Ateam%2Fbase%3Apull%2Cpush")), "{tokens:?}");
    assert!(tokens.iter().all(|seen| seen.path.contains("service=test")));
    let others = log.iter().filter(|seen| !seen.path.starts_with("/token"));
    assert!(others.into_iter().all(|seen| seen.authorization.as_ref().is_none_or(|said| said.starts_with("Bearer "))));
    // A mount asks for both repositories.
    let other = format!("docker://{}/other/base:1", registry.address());
    let copied = workspace.rootsmith(["copy", &format!("docker://{name}"), &other]);
    assert_eq!(copied.digest(), digest);
    let log = registry.log();
    assert!(log.iter().any(|seen| {
        seen.path.contains("scope=repository%3Aother%2Fbase%3Apull%2Cpush&scope=repository%3Ateam%2Fbase%3Apull")
    }));
    assert_eq!(received(&log), 0, "it was mounted");
}

#[test]
fn an_identity_token_becomes_others() {
    let (workspace, digest) = image();
    let registry = Registry::start().with_tokens(None, 5).with_identity("secret-identity");
    let name = format!("{}/base:1", registry.address());
    let file = json!({ "auths": { registry.address(): { "identitytoken": "secret-identity" } } });
    workspace.write("auth.json", &file.to_string());
    let pushed = workspace.rootsmith(["push", "oci:image", &name, "--auth-file", "auth.json"]);
    assert_eq!(pushed.digest(), digest);
    let log = registry.log();
    assert!(log.iter().any(|seen| seen.method == "POST" && seen.path == "/token"));
    let mut command = workspace.command([binary()]);
    command.env("DOCKER_AUTH_CONFIG", file.to_string()).args(["pull", &name, "-o", "oci:pulled"]);
    assert_eq!(finish(&mut command).digest(), digest);
}

#[test]
fn logins_come_from_programs_and_the_environment() {
    let (workspace, digest) = image();
    let registry = Registry::start().with_login("me", "hunter2");
    let name = format!("{}/base:1", registry.address());
    let helper = workspace.write(
        "bin/docker-credential-test",
        "#!/bin/sh\nread server\necho \"$1 $server\" >> asked\ncase $1 in\nget) echo '{\"Username\":\"me\",\"Secret\":\"hunter2\"}';;\nesac\n",
    );
    run(Command::new("chmod").arg("755").arg(&helper));
    let with = |variables: &[(&str, &str)], arguments: &[&str]| {
        let mut command = workspace.command([binary()]);
        let path = format!("{}:/usr/bin:/bin", workspace.path("bin").display());
        command.env("PATH", path).envs(variables.iter().copied()).args(arguments);
        finish(&mut command)
    };
    let push = ["push", "oci:image", name.as_str()];
    let file = |text: &Value| workspace.write("home/.docker/config.json", &text.to_string());
    file(&json!({ "credHelpers": { registry.address(): "test" } }));
    assert_eq!(with(&[], &push).digest(), digest);
    file(&json!({ "credsStore": "test" }));
    assert_eq!(with(&[], &push).digest(), digest);
    let asked = fs::read_to_string(workspace.path("asked")).unwrap();
    assert!(asked.lines().all(|line| line == format!("get {}", registry.address())), "{asked}");
    file(&json!({ "credsStore": "absent" }));
    with(&[], &push).failed_with(3).says("docker-credential-absent").says("is not installed");
    file(&json!({}));
    let address = registry.address();
    let login = [
        ("ROOTSMITH_REGISTRY", address.as_str()),
        ("ROOTSMITH_REGISTRY_USER", "me"),
        ("ROOTSMITH_REGISTRY_PASSWORD", "hunter2"),
    ];
    assert_eq!(with(&login, &push).digest(), digest);
    with(&login[1..], &push).failed_with(2).says("some are missing");
    with(&[("ROOTSMITH_REGISTRY", "x.example"), login[1], login[2]], &push).failed_with(4);
    let wrong = with(&[login[0], login[1], ("ROOTSMITH_REGISTRY_PASSWORD", "wrong-secret")], &push);
    assert!(!wrong.failed_with(4).stderr.contains("wrong-secret"));
}

#[test]
fn mirrors_are_asked_first() {
    let (workspace, digest) = image();
    let (mirror, own) = (Registry::start(), Registry::start());
    push(&workspace, &format!("{}/hub/team/base:1", mirror.address())).succeeded();
    push(&workspace, &format!("{}/team/base:2", own.address())).succeeded();
    empty_store(&workspace);
    mirror.log();
    own.log();
    let text = format!(
        "[[registry]]\nprefix = \"{own}\"\nlocation = \"{own}\"\n[[registry.mirror]]\nlocation = \"127.0.0.1:1\"\n\
         [[registry.mirror]]\nlocation = \"{mirror}/hub\"\n[[registry]]\nprefix = \"bad.example\"\nblocked = true\n",
        own = own.address(),
        mirror = mirror.address()
    );
    workspace.write("home/.config/containers/registries.conf", &text);
    assert_eq!(pull(&workspace, &format!("{}/team/base:1", own.address()), "a").digest(), digest);
    assert!(own.log().is_empty() && !mirror.log().is_empty());
    assert_eq!(pull(&workspace, &format!("{}/team/base:2", own.address()), "b").digest(), digest);
    pull(&workspace, "bad.example/x", "c").failed_with(2).says("blocked = true");
}

#[test]
fn a_registry_behind_a_proxy() {
    let (workspace, digest) = image();
    let proxy = Registry::start();
    let with = |arguments: &[&str], proxied: bool| {
        let mut command = workspace.command([binary()]);
        if proxied {
            command.env("http_proxy", format!("http://{}", proxy.address()));
        }
        finish(command.args(arguments))
    };
    let name = "registry.invalid/team/base:1";
    assert_eq!(with(&["push", "--plain-http", "oci:image", name], true).digest(), digest);
    assert!(proxy.log().iter().all(|seen| seen.host == "registry.invalid"));
    let direct = with(&["push", "--plain-http", "oci:image", name], false);
    // No such server, or, without a name server, no network.
    assert!(matches!(direct.code, 3 | 4), "{}", direct.stderr);
}

/// Lets two manifests refer to an image: a signature, and one that refers to that.
fn add_referrers(registry: &Registry, repository: &str, digest: &str) -> Vec<String> {
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let empty = registry.add_blob(repository, "application/vnd.oci.empty.v1+json", b"{}");
    let size = serde_json::to_vec(&registry.manifest(repository, digest).unwrap()).unwrap().len();
    let refer = |subject: Value, text: &str| {
        let layer = registry.add_blob(repository, "text/plain", text.as_bytes());
        let manifest = json!({
            "schemaVersion": 2, "mediaType": kind, "artifactType": "application/x.test", "config": empty,
            "layers": [layer], "subject": subject, "annotations": { "about": text },
        });
        registry.add_manifest(repository, &manifest, None)
    };
    let one = refer(json!({ "mediaType": kind, "digest": digest, "size": size }), "a signature");
    let two = refer(one.clone(), "about the signature");
    vec![one["digest"].as_str().unwrap().to_owned(), two["digest"].as_str().unwrap().to_owned()]
}

#[test]
fn referrers_cross_an_air_gap() {
    let (workspace, digest) = image();
    let outside = Registry::start();
    push(&workspace, &format!("{}/base:1", outside.address())).succeeded();
    let referrers = add_referrers(&outside, "base", &digest);
    let from = format!("docker://{}/base:1", outside.address());
    let inspected = workspace.rootsmith(["inspect", &from, "--json"]);
    let inspected: Value = serde_json::from_str(&inspected.succeeded().stdout).unwrap();
    assert_eq!(inspected["referrers"][0]["digest"], referrers[0].as_str());
    assert_eq!(inspected["referrers"][0]["artifact_type"], "application/x.test");

    for place in ["oci-archive:gap.tar", "oci:gap:1"] {
        assert_eq!(workspace.rootsmith(["copy", &from, place]).digest(), digest);
        let inside = Registry::start();
        let to = format!("docker://{}/inside/base:1", inside.address());
        assert_eq!(workspace.rootsmith(["copy", place, &to]).digest(), digest);
        for referrer in &referrers {
            assert!(inside.manifest("inside/base", referrer).is_some(), "{place} {referrer}");
        }
        // Without the API, the list is at a tag, with what the manifest says of itself.
        let old = Registry::start().without_referrers();
        let to = format!("docker://{}/base:1", old.address());
        for _ in 0..2 {
            assert_eq!(workspace.rootsmith(["copy", place, &to]).digest(), digest);
        }
        let list = old.manifest("base", &digest.replace(':', "-")).unwrap();
        assert_eq!(list["manifests"].as_array().unwrap().len(), 1);
        assert_eq!(list["manifests"][0]["digest"], referrers[0].as_str());
        assert_eq!(list["manifests"][0]["artifactType"], "application/x.test");
        assert_eq!(list["manifests"][0]["annotations"]["about"], "a signature");
        // And is read from there.
        let again = Registry::start();
        let back = format!("docker://{}/base:1", again.address());
        assert_eq!(workspace.rootsmith(["copy", &to, &back]).digest(), digest);
        assert!(again.manifest("base", &referrers[1]).is_some());
    }
    let bare = Registry::start();
    let to = format!("docker://{}/base:1", bare.address());
    workspace.rootsmith(["copy", "--no-referrers", &from, &to]).succeeded();
    assert!(bare.manifest("base", &referrers[0]).is_none());
}

#[test]
fn all_platforms_are_taken_unless_one_is_named() {
    let (workspace, amd64) = image();
    let registry = Registry::start();
    let name = format!("{}/base", registry.address());
    push(&workspace, &format!("{name}:amd64")).succeeded();
    let arguments = ["import", "root.tar", "base:1", "--platform", "linux/arm64", "-o", "oci:arm"];
    let arm64 = workspace.rootsmith(arguments).digest();
    workspace.rootsmith(["push", "oci:arm", &format!("{name}:arm64")]).succeeded();
    let entry = |digest: &str, architecture: &str| {
        let kind = "application/vnd.oci.image.manifest.v1+json";
        let size = fs::metadata(
            workspace.path(if digest == amd64 { "image" } else { "arm" }).join("blobs").join(digest.replace(':', "/")),
        );
        json!({ "mediaType": kind, "digest": digest, "size": size.unwrap().len(),
                "platform": { "os": "linux", "architecture": architecture } })
    };
    let index = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [entry(&amd64, "amd64"), entry(&arm64, "arm64")],
    });
    let index = registry.add_manifest("base", &index, Some("all"));
    let index = index["digest"].as_str().unwrap();
    let all = format!("{name}:all");
    assert_eq!(pull(&workspace, &all, "pulled").digest(), index);
    let other = Registry::start();
    let to = format!("docker://{}/base:all", other.address());
    assert_eq!(workspace.rootsmith(["copy", "oci:pulled:all", &to]).digest(), index);
    assert_eq!(other.tags("base")["all"], index);
    let one =
        workspace.rootsmith(["pull", &all, "--platform", "linux/arm64", "-o", "oci:one", "-o", "rootfs-tar:arm.tar"]);
    assert_eq!(one.digest(), arm64);
    assert!(run(Command::new("tar").arg("-tf").arg(workspace.path("arm.tar"))).contains("etc/noise"));
    let missing = workspace.rootsmith(["pull", &all, "--platform", "linux/s390x", "-o", "oci:none"]);
    missing.failed_with(2).says("there is no image for linux/s390x");
    let inspected = workspace.rootsmith(["inspect", &format!("docker://{all}"), "--platform", "linux/arm64"]);
    assert!(inspected.succeeded().stdout.contains("linux/arm64") && inspected.stdout.contains("Platforms"));
    registry.log();
    workspace.rootsmith(["inspect", &format!("docker://{all}")]).succeeded();
    assert!(registry.log().iter().filter(|seen| seen.path.contains("/blobs/")).count() <= 1, "no layer is pulled");
}

#[test]
fn a_base_of_a_registry_is_pinned_by_digest() {
    let (workspace, first) = image();
    let registry = Registry::start();
    let name = format!("{}/team/base", registry.address());
    push(&workspace, &format!("{name}:1")).succeeded();
    let recipe = |image: &str| {
        let text = format!("name = \"top\"\nplatforms = [\"linux/amd64\"]\n[from.oci]\nimage = \"{image}\"\n");
        workspace.write("top.toml", &text);
    };
    let build = |arguments: &[&str]| {
        let before = ["build", "top.toml", "-o", "oci:top", "--progress", "lines"];
        workspace.rootsmith(before.iter().chain(arguments).copied())
    };
    recipe(&format!("{name}:1"));
    let built = build(&[]).digest();
    let lock = fs::read_to_string(workspace.path("top.lock")).unwrap();
    assert!(lock.contains(&first) && lock.contains(&format!("image = \"docker://{name}:1\"")), "{lock}");

    // The tag moves; the lock does not.
    workspace.write("root/etc/new", "new\n");
    run(Command::new("tar").args(["-C", "root", "--mtime=@0", "-cf", "root.tar", "."]).current_dir(workspace.path("")));
    let to = format!("docker://{name}:1");
    let second = workspace.rootsmith(["import", "root.tar", "base:1", "--platform", "linux/amd64", "-o", &to]).digest();
    empty_store(&workspace);
    assert_eq!(build(&["--locked"]).digest(), built);
    workspace.rootsmith(["lock", "--check", "top.toml"]).failed_with(1);
    let updated = workspace.rootsmith(["lock", "--update", "top.toml"]);
    assert!(updated.succeeded().stdout.contains(&first) && updated.stdout.contains(&second), "{}", updated.stdout);
    let rebuilt = build(&["--locked"]).digest();
    assert_ne!(rebuilt, built);

    // The tag goes; what is locked is still there by its digest.
    registry.untag("team/base", "1");
    empty_store(&workspace);
    assert_eq!(build(&["--locked"]).digest(), rebuilt);
    assert_eq!(build(&["--frozen"]).digest(), rebuilt, "all of it is in the store now");
    workspace.rootsmith(["lock", "--update", "top.toml"]).failed_with(4).says("is not in the registry");
    empty_store(&workspace);
    build(&["--frozen"]).failed_with(3).says("the network is off");

    recipe(&format!("{name}:1@{first}"));
    assert_eq!(build(&[]).digest(), built, "a digest counts more than a tag, which is gone");
    recipe("oci-archiv:base.tar");
    build(&[]).failed_with(2);
    recipe(&format!("{name}@sha256:00"));
    build(&[]).failed_with(2);
}

#[test]
fn layers_of_a_base_are_mounted() {
    let (workspace, _) = image();
    let registry = Registry::start();
    let name = format!("{}/team/base:1", registry.address());
    push(&workspace, &name).succeeded();
    let text = format!(
        "name = \"top\"\nplatforms = [\"linux/amd64\"]\n[from.oci]\nimage = \"{name}\"\nkeep-layers = true\n\
         [[file]]\npath = \"/etc/more\"\ncontent = \"more\"\n"
    );
    workspace.write("top.toml", &text);
    registry.log();
    let to = format!("docker://{}/team/top:1", registry.address());
    workspace.rootsmith(["build", "top.toml", "-o", &to]).succeeded();
    let (layer, size) = layer(&workspace);
    let log = registry.log();
    assert!(log.iter().any(|seen| seen.path.contains("from=team%2Fbase")), "{log:?}");
    assert!(received(&log) < size / 10, "the base's layer was not sent");
    assert!(registry.blobs("team/top").contains(&layer));
}

#[test]
fn what_is_no_name_is_a_mistake_of_the_user() {
    let (workspace, _) = image();
    for reference in ["", "A/b", "x.example/a@sha256:0", "docker://"] {
        workspace.rootsmith(["push", "oci:image", reference]).failed_with(2);
        workspace.rootsmith(["pull", reference, "-o", "oci:none"]).failed_with(2);
    }
    workspace.rootsmith(["push", "oci:nowhere", "127.0.0.1:1/a"]).failed_with(2).says("cannot");
    workspace.rootsmith(["pull", "127.0.0.1:1/a"]).failed_with(2);
    workspace.rootsmith(["copy", "oci:image", "nowhere:x"]).failed_with(2);
    workspace.write("broken.json", "{\"auths\": \"hunter2\"}");
    let broken = workspace.rootsmith(["push", "oci:image", "127.0.0.1:1/a", "--auth-file", "broken.json"]);
    assert!(!broken.stderr.contains("hunter2"));
    assert!(Path::new(&workspace.path("image")).exists());
}
