//! Debian's docker-registry, plain, with logins and with TLS; and what the clients that people have make of what is in it.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::docker_registry::Registry;
use crate::support::engine::Engine;
use crate::support::require::{Need, require};
use crate::support::workspace::{Finished, Workspace, binary, finish, run};

/// A workspace with an image that says hello, in the layout `image`; gives its digest too.
fn image() -> (Workspace, String) {
    let workspace = Workspace::new();
    for folder in ["bin", "etc", "tmp"] {
        fs::create_dir_all(workspace.path("root").join(folder)).unwrap();
    }
    fs::copy("/bin/busybox", workspace.path("root/bin/busybox")).unwrap();
    workspace.write("root/etc/passwd", "root:x:0:0::/:/bin/sh\n");
    run(Command::new("tar").args(["-C", "root", "--mtime=@0", "-cf", "root.tar", "."]).current_dir(workspace.path("")));
    let arguments =
        ["import", "root.tar", "base:1", "-c", "CMD [\"/bin/busybox\", \"echo\", \"hello\"]", "-o", "oci:image"];
    let digest = workspace.rootsmith(arguments).digest();
    (workspace, digest)
}

/// Runs a client with a home and certificates of the workspace's own.
fn client(workspace: &Workspace, words: &[&str]) -> String {
    run(&mut workspace.command(words.iter().copied()))
}

#[test]
fn clients_read_what_was_pushed() {
    require!(
        Need::Root,
        Need::Program("docker-registry"),
        Need::Program("skopeo"),
        Need::Program("umoci"),
        Need::Program("podman"),
        Need::Program("busybox"),
    );
    let (workspace, digest) = image();
    let registry = Registry::start(&workspace, "", "");
    let name = registry.name("team/base:1");
    let place = format!("docker://{name}");
    assert_eq!(workspace.rootsmith(["push", "oci:image", &name]).digest(), digest);
    let inspected = client(&workspace, &["skopeo", "inspect", "--tls-verify=false", &place]);
    let inspected: Value = serde_json::from_str(&inspected).unwrap();
    assert_eq!(inspected["Digest"], digest.as_str());

    // skopeo's copies have the same digest, in both directions.
    let copy = ["skopeo", "copy", "--preserve-digests", "--src-tls-verify=false", "--dest-tls-verify=false"];
    let skopeo = |from: &str, to: &str| {
        let mut words = copy.to_vec();
        words.extend([from, to]);
        client(&workspace, &words);
    };
    skopeo(&place, "oci:by-skopeo:1");
    let other = registry.name("by/skopeo:1");
    skopeo("oci:by-skopeo:1", &format!("docker://{other}"));
    assert_eq!(workspace.rootsmith(["pull", &other, "-o", "oci:back:1"]).digest(), digest);
    client(&workspace, &["umoci", "unpack", "--image", "back:1", "bundle"]);
    assert!(workspace.path("bundle/rootfs/bin/busybox").exists());

    let storage = workspace.path("podman");
    let (root, state) = (storage.join("root").display().to_string(), storage.join("run").display().to_string());
    let podman = |words: &[&str]| {
        let before = ["podman", "--storage-driver=vfs", "--root", &root, "--runroot", &state];
        client(&workspace, &[&before[..], words].concat())
    };
    podman(&["pull", "--quiet", "--tls-verify=false", &name]);
    let inspected: Value = serde_json::from_str(&podman(&["image", "inspect", &name])).unwrap();
    assert_eq!(inspected[0]["Digest"], digest.as_str());
    podman(&["rmi", "--all", "--force"]);

    // A tag that goes between two pulls.
    let address = format!("http://127.0.0.1:{}/v2/team/base/manifests/{digest}", registry.port);
    client(&workspace, &["curl", "-fsS", "-X", "DELETE", &address]);
    workspace.rootsmith(["pull", &name, "-o", "oci:none"]).failed_with(4).says("is not in the registry");
    assert_eq!(workspace.rootsmith(["push", "oci:image", &name]).digest(), digest, "its blobs are still there");
    assert_eq!(workspace.rootsmith(["pull", &name, "-o", "oci:again"]).digest(), digest);

    // Another repository mounts them; nothing is sent.
    let copied = workspace.rootsmith(["copy", &place, &format!("docker://{}", registry.name("mounted:1")), "--json"]);
    let copied: Value = serde_json::from_str(&copied.succeeded().stdout).unwrap();
    assert_eq!((copied["sent"]["blobs"].as_u64(), copied["reused"].as_u64()), (Some(0), Some(2)));
}

#[test]
fn docker_pulls_and_runs_what_was_pushed() {
    require!(
        Need::Root,
        Need::Program("docker-registry"),
        Need::Program("docker"),
        Need::Program("dockerd"),
        Need::Program("busybox"),
    );
    let (workspace, digest) = image();
    let registry = Registry::start(&workspace, "", "");
    let name = registry.name("team/base:1");
    assert_eq!(workspace.rootsmith(["push", "oci:image", &name]).digest(), digest);
    let engine = Engine::start();
    let said = engine.succeed(["pull", &name]);
    assert!(said.contains(&digest), "{said}");
    let ran = engine.in_container(&name, &[], &[]);
    assert_eq!(ran.succeeded().stdout.trim(), "hello");
    // And back, by way of an archive that has no manifest where the engine is an old one.
    engine.succeed(["tag", &name, "from-docker:1"]);
    let host = format!("unix://{}", engine.socket().display());
    let mut command = workspace.command([binary()]);
    let back = registry.name("from/docker:1");
    let pushed = finish(command.env("DOCKER_HOST", host).args(["push", "docker-daemon:from-docker:1", &back]));
    let pushed = pushed.digest();
    assert_eq!(workspace.rootsmith(["pull", &back, "-o", "rootfs-tar:back.tar"]).digest(), pushed);
    assert!(client(&workspace, &["tar", "-tf", "back.tar"]).contains("bin/busybox"));
}

#[test]
fn a_registry_with_logins() {
    require!(
        Need::Program("docker-registry"),
        Need::Program("htpasswd"),
        Need::Program("busybox"),
        Need::Program("skopeo")
    );
    let (workspace, digest) = image();
    let file = workspace.write("htpasswd", &client(&workspace, &["htpasswd", "-nbB", "me", "hunter2"]));
    let auth = format!("auth:\n  htpasswd: {{realm: test, path: {}}}\n", file.display());
    let registry = Registry::start(&workspace, &auth, "");
    let name = registry.name("team/base:1");
    let push = || workspace.rootsmith(["push", "oci:image", &name, "-vvv"]);
    push()
        .failed_with(4)
        .says("does not let you push to")
        .says(&format!("rootsmith login 127.0.0.1:{}", registry.port));
    let host = registry.name("");
    let login = |password: &str| -> Finished {
        use std::io::Write;
        let mut command = workspace.command([binary()]);
        let mut child = command
            .args(["login", host.trim_end_matches('/'), "-u", "me", "--password-stdin", "-vvv"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(format!("{password}\n").as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        Finished {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    };
    let wrong = login("wrong-secret");
    wrong.failed_with(2).says("does not take this login");
    assert!(!wrong.stderr.contains("wrong-secret") && !workspace.path("home/.docker/config.json").exists());
    let right = login("hunter2");
    assert!(right.succeeded().stdout.is_empty() && !right.stderr.contains("hunter2"));
    let pushed = push();
    assert_eq!(pushed.digest(), digest);
    assert!(!pushed.stderr.contains("hunter2") && !pushed.stderr.contains("aHVudGVyMg"), "{}", pushed.stderr);
    // skopeo finds the login where it was put.
    let inspected = client(&workspace, &["skopeo", "inspect", "--tls-verify=false", &format!("docker://{name}")]);
    assert!(inspected.contains(&digest));
    workspace.rootsmith(["logout", host.trim_end_matches('/')]).succeeded();
    push().failed_with(4);
    workspace.rootsmith(["logout", host.trim_end_matches('/')]).succeeded().says("was not there");
    // What skopeo writes down, we find.
    let mut command = workspace.command(["skopeo", "login", "--tls-verify=false", "-u", "me", "-p", "hunter2"]);
    run(command.args(["--authfile", "auth.json", host.trim_end_matches('/')]));
    assert_eq!(workspace.rootsmith(["pull", &name, "-o", "oci:pulled", "--auth-file", "auth.json"]).digest(), digest);
}

#[test]
fn a_registry_with_a_certificate_of_its_own() {
    require!(Need::Program("docker-registry"), Need::Program("openssl"), Need::Program("busybox"));
    let (workspace, digest) = image();
    let openssl = |line: &str| {
        let words: Vec<&str> = ["openssl"].into_iter().chain(line.split(' ')).collect();
        run(workspace.command(words).stderr(Stdio::null()));
    };
    workspace.write("san", "subjectAltName=IP:127.0.0.1,DNS:localhost\n");
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30";
    openssl(&format!("req -x509 {key} -subj /CN=authority -keyout ca.key -out ca.crt"));
    for name in ["server", "client"] {
        openssl(&format!("req {key} -subj /CN={name} -keyout {name}.key -out {name}.csr"));
        openssl(&format!(
            "x509 -req -in {name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -extfile san -out {name}.pem"
        ));
    }
    let path = |name: &str| workspace.path(name).display().to_string();
    let tls = format!("  tls:\n    certificate: {}\n    key: {}\n", path("server.pem"), path("server.key"));
    let registry = Registry::start(&workspace, "", &tls);
    let name = registry.name("team/base:1");
    let push = |further: &[&str]| workspace.rootsmith(["push", "oci:image", &name].iter().chain(further).copied());
    push(&[]).failed_with(4).says("its certificate is not trusted").says("--ca-file FILE");
    assert_eq!(push(&["--ca-file", "ca.crt"]).digest(), digest);
    push(&["--ca-file", "root.tar"]).failed_with(3).says("cannot use the certificates");
    let certificates = format!("home/.config/containers/certs.d/127.0.0.1:{}", registry.port);
    fs::create_dir_all(workspace.path(&certificates)).unwrap();
    fs::copy(workspace.path("ca.crt"), workspace.path(&certificates).join("ca.crt")).unwrap();
    assert_eq!(workspace.rootsmith(["pull", &name, "-o", "oci:pulled"]).digest(), digest);

    // One that wants to see our certificate.
    let tls = format!("{tls}    clientcas: [{}]\n", path("ca.crt"));
    let strict = Registry::start(&workspace, "", &tls);
    let name = strict.name("team/base:1");
    let folder = workspace.path(&format!("home/.config/containers/certs.d/127.0.0.1:{}", strict.port));
    fs::create_dir_all(&folder).unwrap();
    fs::copy(workspace.path("ca.crt"), folder.join("ca.crt")).unwrap();
    assert_ne!(workspace.rootsmith(["push", "oci:image", &name]).code, 0);
    fs::copy(workspace.path("client.pem"), folder.join("me.cert")).unwrap();
    workspace.rootsmith(["push", "oci:image", &name]).failed_with(3).says("cannot use the certificates");
    fs::copy(workspace.path("client.key"), folder.join("me.key")).unwrap();
    assert_eq!(workspace.rootsmith(["push", "oci:image", &name]).digest(), digest);
    assert!(Path::new(&folder).exists());
}
