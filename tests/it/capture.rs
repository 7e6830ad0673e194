//! `rootsmith capture` and `[from.host]`: folders and this machine.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::door::Door;
use crate::support::engine::Engine;
use crate::support::layout::{Image, Layout};
use crate::support::listing::{Kind, Listing};
use crate::support::require::{Need, find, require};
use crate::support::workspace::{Finished, Workspace, binary, finish, run};

/// The content of a private key as it looks in a file; put together here, so that no scanner takes it for one.
fn private_key() -> String {
    let body = "MC4CAQAwBQYDK2VwBCIEIJ3qV0vT8oZrYb1nQx5mWcL2dKfH7uPsEaGiRtOyUjXk";
    format!("-----BEGIN {0} KEY-----\n{body}\n-----END {0} KEY-----\n", "PRIVATE")
}

/// A machine in a folder: accounts, a package, a program, and what is worth removing.
fn machine(workspace: &Workspace) -> PathBuf {
    let key = private_key();
    let root = workspace.path("machine");
    for (path, text) in [
        ("etc/os-release", "ID=test\nPRETTY_NAME=\"A test\"\n"),
        ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n"),
        ("etc/group", "root:x:0:\nalice:x:1000:\nsudo:x:27:alice\n"),
        (
            "etc/shadow",
            "root:$1$abcd$abcdefghijklmnopqrstuv:19000:0:99999:7:::\nalice:$1$abcd$abcdefghijklmnopqrstuv:1::::::\n",
        ),
        ("etc/machine-id", "0123456789abcdef0123456789abcdef\n"),
        ("etc/hostname", "secret-host\n"),
        ("etc/hosts", "10.1.2.3 secret-host\n"),
        ("etc/ssh/ssh_host_ed25519_key", &key),
        ("etc/fstab", "UUID=secret-disk / ext4 defaults 0 1\n"),
        ("etc/sudoers.d/alice", "alice ALL=(ALL) NOPASSWD: ALL\n"),
        ("root/.ssh/id_ed25519", &key),
        ("root/.bash_history", "mysql -psecret-password\n"),
        ("root/.aws/credentials", "[default]\naws_secret_access_key = secret-aws\n"),
        ("home/alice/diary", "secret-diary\n"),
        ("var/log/syslog", "secret-log\n"),
        ("var/lib/docker/overlay2/x/file", "secret-layer\n"),
        ("var/lib/dpkg/status", "Package: app\nStatus: install ok installed\nVersion: 1.0-1\nArchitecture: amd64\n"),
        ("var/lib/dpkg/info/app.list", "/.\n/usr\n/usr/bin\n/usr/bin/app\n"),
        ("usr/bin/app", "#!/bin/sh\necho app\n"),
        ("opt/app/data", "data\n"),
        ("tmp/secret", "secret-tmp\n"),
        ("run/secret", "secret-run\n"),
        ("srv/many\nlines", "odd name\n"),
    ] {
        workspace.write(&format!("machine/{path}"), text);
    }
    fs::set_permissions(root.join("usr/bin/app"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir_all(root.join("usr/sbin")).unwrap();
    symlink("usr/bin", root.join("bin")).unwrap();
    fs::hard_link(root.join("opt/app/data"), root.join("opt/app/link")).unwrap();
    let sparse = File::create(root.join("opt/app/sparse")).unwrap();
    sparse.set_len(64 << 20).unwrap();
    sparse.write_all_at(b"in the middle", 32 << 20).unwrap();
    root
}

/// Makes the times of everything in a folder the same, so that only what is asked counts.
fn settle(root: &Path) {
    run(Command::new("find").arg(root).args(["-exec", "touch", "--no-dereference", "--date=@1700000000", "{}", "+"]));
}

fn capture(workspace: &Workspace, arguments: &[&str]) -> Finished {
    workspace.rootsmith(["capture", "--progress", "lines"].iter().chain(arguments))
}

fn image(workspace: &Workspace, name: &str) -> Image {
    Layout::open(&workspace.path(name)).image()
}

/// Everything that a layer says, to look for what must not be in it.
fn all_bytes(image: &Image) -> String {
    String::from_utf8_lossy(&image.layer).into_owned()
}

fn kind<'a>(listing: &'a Listing, path: &str) -> &'a Kind {
    &listing.get(path).unwrap_or_else(|| panic!("`{path}` is in the layer")).kind
}

#[test]
fn a_folder_loses_what_belongs_to_one_machine() {
    let workspace = Workspace::new();
    let root = machine(&workspace);
    settle(&root);
    let _socket = UnixListener::bind(root.join("srv/socket")).unwrap();
    let finished = capture(&workspace, &["machine", "-o", "oci:out", "--report", "report.json"]);
    finished.succeeded().says("removed by ssh: ssh keys").says("left out (socket): /srv/socket");
    finished.says("look at sudo-without-password: /etc/sudoers.d/alice");
    let image = image(&workspace, "out");
    let listing = image.listing();
    let bytes = all_bytes(&image);
    for secret in ["secret-", "PRIVATE", "$1$abcd", "0123456789abcdef", "alice:"] {
        assert!(!bytes.contains(secret), "`{secret}` is in the layer");
    }
    for gone in ["root/.ssh", "root/.bash_history", "home/alice", "var/log/syslog", "srv/socket", "tmp/secret"] {
        assert!(!listing.contains_key(gone), "{gone}");
    }
    for stays in ["tmp", "run", "var/log", "home", "etc/ssh", "srv/many\nlines", "var/lib/docker"] {
        assert!(listing.contains_key(stays), "{stays}");
    }
    assert_eq!(*kind(&listing, "opt/app/link"), Kind::HardLink("opt/app/data".into()));
    assert_eq!(*kind(&listing, "bin"), Kind::Symlink("usr/bin".into()));
    assert!(matches!(kind(&listing, "opt/app/sparse"), Kind::File { size, .. } if *size == 64 << 20));
    assert!(image.layer_size < 1 << 20, "holes compress");
    assert_eq!(image.config["created"], "2023-11-14T22:13:20Z");

    let report: Value = serde_json::from_slice(&fs::read(workspace.path("report.json")).unwrap()).unwrap();
    assert_eq!(report["schema"], "rootsmith/capture-report/1");
    let presets: BTreeSet<_> =
        report["removed"].as_array().unwrap().iter().map(|removed| removed["preset"].as_str().unwrap()).collect();
    for preset in [
        "containers",
        "credentials",
        "hardware",
        "histories",
        "hostname",
        "logs",
        "machine-id",
        "passwords",
        "ssh",
        "users",
    ] {
        assert!(presets.contains(preset), "{preset}");
    }
    assert!(!report.to_string().contains("secret-"), "secrets are not in the report");

    let inspected = workspace.rootsmith(["inspect", "oci:out", "--json"]);
    let inspected: Value = serde_json::from_str(&inspected.succeeded().stdout).unwrap();
    assert_eq!(inspected["packages"][0]["name"], "app");
}

#[test]
fn presets_are_switched_off_one_by_one() {
    let workspace = Workspace::new();
    machine(&workspace);
    let arguments = [
        "machine",
        "-o",
        "oci:out",
        "--keep",
        "users",
        "--keep",
        "logs",
        "--keep",
        "machine-id",
        "--keep",
        "/etc/hosts",
    ];
    capture(&workspace, &arguments).succeeded();
    let image = image(&workspace, "out");
    assert_eq!(image.file("var/log/syslog"), b"secret-log\n");
    assert_eq!(image.file("home/alice/diary"), b"secret-diary\n");
    assert_eq!(image.file("etc/machine-id"), b"0123456789abcdef0123456789abcdef\n");
    assert_eq!(image.file("etc/hosts"), b"10.1.2.3 secret-host\n");
    assert!(String::from_utf8(image.file("etc/passwd")).unwrap().contains("alice"));
    assert!(String::from_utf8(image.file("etc/shadow")).unwrap().contains("alice:*:"));
    assert!(!image.listing().contains_key("root/.ssh"), "the others work on");
    capture(&workspace, &["machine", "--keep", "log"]).failed_with(2).says("`log` is not a preset");
    let help = capture(&workspace, &["--help"]).stdout;
    for preset in ["machine-id", "special-files", "private-key"] {
        assert!(help.contains(preset), "{preset}");
    }
}

#[test]
fn secrets_that_are_left_refuse_the_image() {
    let workspace = Workspace::new();
    machine(&workspace);
    workspace.write("machine/opt/app/tls.pem", &private_key());
    workspace.write("machine/opt/app/users", &format!("admin:$1$abcd${}\n", "abcdefghijklmnopqrstuv"));
    workspace.write("machine/opt/app/.npmrc", "//registry.example.com/:_authToken=abcdef\n");
    workspace.write("machine/opt/app/env", &format!("TOKEN=ghp_{}\n", "aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zA1bC2"));
    let refused =
        capture(&workspace, &["machine", "-o", "oci:out", "-o", "rootfs-tar:out.tar", "--report", "report.json"]);
    refused.failed_with(1).says("hold 4 secrets").says("/opt/app/tls.pem, line 1: a private key (rule `private-key`)");
    refused.says("--allow RULE:PATH");
    assert!(!refused.stderr.contains("ghp_aB"), "secrets are not in messages");
    assert!(refused.stdout.is_empty());
    assert!(!workspace.path("out").exists() && !workspace.path("out.tar").exists(), "nothing is written");
    let report: Value = serde_json::from_slice(&fs::read(workspace.path("report.json")).unwrap()).unwrap();
    let rules: BTreeSet<_> =
        report["secrets"].as_array().unwrap().iter().map(|secret| secret["rule"].as_str().unwrap()).collect();
    assert_eq!(rules, BTreeSet::from(["credential", "password-hash", "private-key", "token"]));

    let answer = capture(&workspace, &["machine", "-o", "oci:out", "--json"]);
    let answer: Value = serde_json::from_str(&answer.failed_with(1).stdout).unwrap();
    assert_eq!((&answer["schema"], &answer["digest"]), (&"rootsmith/capture/1".into(), &Value::Null));

    let allowed =
        ["--allow", "private-key:/opt/app/tls.pem", "--allow", "password-hash:/opt/**", "--allow", "/opt/app/.npmrc"];
    let most = capture(&workspace, &[&["machine", "-o", "oci:out"][..], &allowed].concat());
    most.failed_with(1).says("hold a secret").says("a token of GitHub");
    let all = capture(&workspace, &[&["machine", "-o", "oci:out", "--exclude", "/opt/app/env"][..], &allowed].concat());
    all.succeeded();
    assert_eq!(image(&workspace, "out").file("opt/app/tls.pem"), private_key().as_bytes());
    capture(&workspace, &["machine", "--allow", "tokens:/x"]).failed_with(2).says("`tokens` is not a rule");
}

#[test]
fn the_same_folder_gives_the_same_image_everywhere() {
    let workspace = Workspace::new();
    settle(&machine(&workspace));
    let digest = capture(&workspace, &["machine", "-o", "oci:one"]).digest();
    fs::create_dir(workspace.path("other-tmp")).unwrap();
    let script = "umask 077; exec \"$0\" capture machine --threads 1 --progress none --store other-store -o oci:two";
    let mut command = workspace.command(["sh", "-c", script]);
    command.arg(binary()).env("TMPDIR", workspace.path("other-tmp")).env("TZ", "Asia/Tokyo").env("LC_ALL", "C");
    assert_eq!(finish(&mut command).digest(), digest);
    // By a recipe, too: but for the name, it is the same.
    workspace.write(
        "host.toml",
        &format!("name = \"captured\"\n[from.host]\npath = \"{}\"\n", workspace.path("machine").display()),
    );
    let built = workspace.rootsmith(["build", "host.toml", "-o", "oci:three", "--progress", "none"]);
    assert_eq!(built.digest(), digest);
    assert!(!workspace.path("host.lock").exists(), "there is nothing to lock");
    for arguments in
        [&["build", "host.toml", "--locked"][..], &["build", "host.toml", "--frozen"], &["lock", "host.toml"]]
    {
        workspace.rootsmith(arguments).failed_with(2).says("cannot be locked").says("from.archive");
    }
    workspace.write("machine/opt/key", &private_key());
    workspace.rootsmith(["build", "host.toml", "-o", "oci:four"]).failed_with(1).says("/opt/key");
    assert!(!workspace.path("four").exists());
}

#[test]
fn passes_and_run_steps_of_a_recipe_work_on_it() {
    let workspace = Workspace::new();
    machine(&workspace);
    workspace.write(
        "host.toml",
        &format!(
            "name = \"host\"\n[from.host]\npath = \"{}\"\nexclude = [\"/srv\"]\nkeep = [\"logs\"]\n[[file]]\n\
             path = \"/etc/motd\"\ncontent = \"hello\"\n[prune]\nremove = [\"/opt\"]\n[harden]\n\
             user = {{ name = \"app\", uid = 10001 }}\n",
            workspace.path("machine").display()
        ),
    );
    workspace.rootsmith(["build", "host.toml", "-o", "oci:out", "--progress", "none"]).succeeded();
    let image = image(&workspace, "out");
    let listing = image.listing();
    assert!(listing.contains_key("etc/motd") && listing.contains_key("var/log/syslog"));
    assert!(!listing.contains_key("srv") && !listing.contains_key("opt"));
    assert!(String::from_utf8(image.file("etc/passwd")).unwrap().contains("app:x:10001"));
    assert_eq!(image.config["config"]["User"], "10001:10001");
}

#[test]
fn mounts_are_left_out_unless_asked_for() {
    require!(Need::Root);
    let workspace = Workspace::new();
    let root = machine(&workspace);
    let mounts = Mounts::new(&[
        (&["-t", "tmpfs", "tmpfs"], root.join("opt/app/memory")),
        (&["--bind", workspace.path("machine/usr").to_str().unwrap()], root.join("opt/app/bind")),
    ]);
    fs::write(root.join("opt/app/memory/file"), "memory").unwrap();
    let listing = |arguments: &[&str], out: &str| {
        let output = format!("oci:{out}");
        capture(&workspace, &[&["machine", "-o", &output][..], arguments].concat()).succeeded();
        image(&workspace, out).listing()
    };
    let plain = listing(&[], "plain");
    for folder in ["memory", "bind"] {
        assert_eq!(*kind(&plain, &format!("opt/app/{folder}")), Kind::Directory, "mount points stay");
        assert!(!plain.keys().any(|path| path.starts_with(&format!("opt/app/{folder}/"))));
    }
    let all = listing(&["--across-file-systems"], "all");
    assert!(all.contains_key("opt/app/bind/bin/app") && !all.contains_key("opt/app/memory/file"));
    let one = listing(&["--include-mount", "/opt/app/memory"], "one");
    assert!(one.contains_key("opt/app/memory/file") && !one.contains_key("opt/app/bind/bin/app"));
    capture(&workspace, &["machine", "--include-mount", "/opt"]).failed_with(2).says("nothing is mounted at `/opt`");
    drop(mounts);
}

/// File systems mounted for a test.
struct Mounts(Vec<PathBuf>);

impl Mounts {
    fn new(mounts: &[(&[&str], PathBuf)]) -> Self {
        let mut mounted = Self(Vec::new());
        for (arguments, place) in mounts {
            fs::create_dir_all(place).unwrap();
            run(Command::new("mount").args(*arguments).arg(place));
            mounted.0.push(place.clone());
        }
        mounted
    }
}

impl Drop for Mounts {
    fn drop(&mut self) {
        for place in self.0.iter().rev() {
            let _ = Command::new("umount").arg(place).status();
        }
    }
}

#[test]
fn owners_attributes_and_special_files() {
    require!(Need::Root);
    let workspace = Workspace::new();
    let root = machine(&workspace);
    std::os::unix::fs::chown(root.join("opt/app/data"), Some(70_000), Some(33)).unwrap();
    // CAP_NET_BIND_SERVICE, permitted and effective (capability(7), `vfs_cap_data` version 2).
    let capability: &[u8] = b"\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00";
    xattr::set(root.join("usr/bin/app"), "security.capability", capability).unwrap();
    xattr::set(root.join("usr/bin/app"), "user.note", b"hello").unwrap();
    xattr::set(root.join("opt"), "user.folder", b"yes").unwrap();
    xattr::set(root.join("usr/bin/app"), "trusted.mine", b"no").unwrap();
    run(Command::new("mknod").arg(root.join("srv/null")).args(["c", "1", "3"]));
    run(Command::new("mkfifo").arg(root.join("srv/pipe")));
    fs::set_permissions(root.join("usr/bin/app"), fs::Permissions::from_mode(0o2755)).unwrap();
    xattr::set(root.join("usr/bin/app"), "security.capability", capability).unwrap();
    let outputs = ["-o", "oci:out", "-o", "rootfs-tar:out.tar"];
    let finished = capture(&workspace, &[&["machine"][..], &outputs].concat());
    finished
        .succeeded()
        .says("left out (device): /srv/null")
        .says("left out (fifo): /srv/pipe")
        .says("look at large-id");
    let listing = image(&workspace, "out").listing();
    assert_eq!(listing["opt/app/data"].owner, (70_000, 33));
    let app = &listing["usr/bin/app"];
    assert_eq!(app.mode, 0o2755);
    assert_eq!(app.xattrs.keys().collect::<Vec<_>>(), ["security.capability", "user.note"]);
    assert_eq!(listing["opt"].xattrs.len(), 1);
    let arguments = ["machine", "--keep", "special-files", "-o", "rootfs-tar:all.tar"];
    capture(&workspace, &arguments).succeeded();
    let all = crate::support::listing::of_tar(File::open(workspace.path("all.tar")).unwrap());
    assert_eq!(*kind(&all, "srv/null"), Kind::Device('c', 1, 3));
    assert_eq!(*kind(&all, "srv/pipe"), Kind::Fifo);
}

#[test]
fn without_privileges_what_may_be_read_is_captured() {
    require!(Need::Doors);
    let workspace = Workspace::new();
    let root = machine(&workspace);
    Door::User.prepare(&workspace);
    fs::write(root.join("opt/app/closed"), "closed").unwrap();
    fs::set_permissions(root.join("opt/app/closed"), fs::Permissions::from_mode(0o600)).unwrap();
    let capture = |arguments: &[&str]| {
        let words = Door::User.prefix().iter().map(PathBuf::from).chain([binary()]);
        finish(workspace.command(words).args(["capture", "machine", "--progress", "none"]).args(arguments))
    };
    let refused = capture(&["-o", "oci:out"]);
    refused
        .failed_with(3)
        .says("cannot read 1 of the captured files, such as `/opt/app/closed`")
        .says("--skip-unreadable");
    assert!(!workspace.path("out").exists());
    capture(&["-o", "oci:out", "--skip-unreadable"]).succeeded();
    let listing = image(&workspace, "out").listing();
    let owner = fs::metadata(root.join("usr")).unwrap();
    assert_eq!(listing["usr"].owner, (owner.uid().into(), owner.gid().into()), "as on the disk");
    assert!(!listing.contains_key("opt/app/closed"));
    capture(&["-o", "oci:other", "--exclude", "/opt/app/closed"]).succeeded();
}

#[test]
fn mistakes_have_their_exit_codes() {
    let workspace = Workspace::new();
    workspace.write("file", "");
    capture(&workspace, &["missing", "-o", "oci:out"]).failed_with(2).says("cannot capture").says("No such file");
    capture(&workspace, &["file", "-o", "oci:out"]).failed_with(2).says("Not a directory");
    capture(&workspace, &[".", "-o", "nowhere:out"]).failed_with(2);
    capture(&workspace, &[".", "--exclude", "relative"]).failed_with(2);
    workspace.write("typo.toml", "name = \"x\"\n[from.host]\npath = \"/\"\nkeeps = [\"logs\"]\n");
    workspace.rootsmith(["build", "typo.toml"]).failed_with(2).says("did you mean `keep`?");
}

#[test]
fn a_captured_folder_runs_in_docker() {
    require!(Need::Root, Need::Program("docker"), Need::Program("dockerd"), Need::Program("busybox"));
    let workspace = Workspace::new();
    let root = machine(&workspace);
    fs::copy(find("busybox").unwrap(), root.join("usr/bin/busybox")).unwrap();
    symlink("busybox", root.join("usr/bin/sh")).unwrap();
    capture(&workspace, &["machine", "-o", "docker-archive:out.tar", "-t", "machine:test"]).succeeded();
    let engine = Engine::start();
    engine.succeed(["load", "-i", workspace.path("out.tar").to_str().unwrap()]);
    let script = "cat /opt/app/link; busybox wc -c < /opt/app/sparse; busybox grep -c . /etc/shadow; app";
    let script = script.replace("cat ", "busybox cat ");
    let finished = engine.in_container("machine:test", &[], &["sh", "-c", &script]);
    assert_eq!(finished.succeeded().stdout, "data\n67108864\n1\napp\n");
}

/// Of this machine, what makes it a system: everything else would take long, and is nobody's business.
fn exclusions() -> Vec<String> {
    let entries = |folder: &str| -> Vec<PathBuf> {
        fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
    };
    let system = ["bin", "boot", "dev", "etc", "lib", "lib64", "proc", "run", "sbin", "sys", "tmp", "usr", "var"];
    let is_of = |path: &Path, names: &[&str]| names.iter().any(|name| path.file_name().unwrap() == *name);
    let mut excluded: Vec<PathBuf> = entries("/").into_iter().filter(|path| !is_of(path, &system)).collect();
    excluded.extend(entries("/usr").into_iter().filter(|path| !is_of(path, &["bin", "lib", "lib64", "sbin"])));
    excluded.extend(entries("/var").into_iter().filter(|path| !is_of(path, &["lib"])));
    excluded.extend(entries("/var/lib").into_iter().filter(|path| !is_of(path, &["dpkg"])));
    excluded.extend(
        entries("/usr/lib")
            .into_iter()
            .filter(|path| path.is_dir() && !is_of(path, &["x86_64-linux-gnu", "dpkg", "apt"])),
    );
    let is_large =
        |path: &PathBuf| fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir() || metadata.len() > 4 << 20);
    for folder in ["/usr/bin", "/usr/sbin", "/usr/lib/x86_64-linux-gnu"] {
        excluded.extend(entries(folder).into_iter().filter(is_large));
    }
    let plain =
        |path: PathBuf| path.to_str().filter(|path| !path.contains(['*', '?', '[', '{', '\\'])).map(str::to_owned);
    excluded.into_iter().filter_map(plain).flat_map(|path| ["--exclude".to_owned(), path]).collect()
}

#[test]
fn this_machine_is_captured_and_runs_in_docker() {
    require!(Need::Root, Need::Program("docker"), Need::Program("dockerd"), Need::Program("dpkg-deb"), Need::Amd64);
    let workspace = Workspace::new();
    let mut command = workspace.command([binary()]);
    command.args(["capture", "/", "-o", "docker-archive:machine.tar", "-o", "oci:out", "-t", "machine:now"]);
    command.args(["--report", "report.json"]).args(exclusions());
    finish(&mut command).succeeded();
    let image = image(&workspace, "out");
    let listing = image.listing();
    assert!(listing.contains_key("usr/bin/dpkg") && listing.contains_key("var/lib/dpkg/status"));
    for empty in ["proc/", "sys/", "dev/", "tmp/", "run/"] {
        assert!(!listing.keys().any(|path| path.starts_with(empty) && *path != "run/lock"), "{empty}");
    }
    assert!(!listing.contains_key("etc/ssh/ssh_host_ed25519_key"));
    let inspected = workspace.rootsmith(["inspect", "oci:out", "--json"]);
    let inspected: Value = serde_json::from_str(&inspected.succeeded().stdout).unwrap();
    let names: BTreeSet<_> =
        inspected["packages"].as_array().unwrap().iter().map(|package| package["name"].as_str().unwrap()).collect();
    assert!(names.contains("dpkg") && names.contains("libc6"));

    let engine = Engine::start();
    engine.succeed(["load", "-i", workspace.path("machine.tar").to_str().unwrap()]);
    let said =
        engine.in_container("machine:now", &[], &["sh", "-c", "dpkg-query -W dpkg && . /etc/os-release && echo $ID"]);
    let here = fs::read_to_string("/etc/os-release").unwrap();
    let id = here.lines().find_map(|line| line.strip_prefix("ID=")).unwrap().trim_matches('"').to_owned();
    let said = said.succeeded().stdout.clone();
    assert!(said.starts_with("dpkg\t") && said.trim().ends_with(&id), "{said}");
}

#[test]
fn the_shipped_recipe_builds() {
    let workspace = Workspace::new();
    machine(&workspace);
    let recipe = Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes/machine.toml");
    fs::copy(recipe, workspace.path("machine.toml")).unwrap();
    let folder = workspace.path("machine").display().to_string();
    workspace.write("folder.toml", &format!("extends = \"machine.toml\"\n[from.host]\npath = \"{folder}\"\n"));
    let built = workspace.rootsmith(["build", "folder.toml", "-o", "oci:out", "--progress", "none"]);
    built.succeeded();
    let image = image(&workspace, "out");
    assert_eq!(image.digest, built.digest());
    assert!(!all_bytes(&image).contains("secret-"));
}
