//! Folders captured as they are on a disk.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::sync::Arc;

use super::*;
use crate::http::{Http, HttpOptions};
use crate::recipe::{ImagePath, Kept, Mounts, PathPattern};
use crate::report::Silent;
use crate::sandbox::Sandbox;
use crate::store::Store;

/// A folder to capture, and a store beside it.
struct Scene {
    folder: tempfile::TempDir,
    context: Context,
}

impl Scene {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let context = Context {
            store: Store::open(&folder.path().join("store")).unwrap(),
            http: Http::new(HttpOptions::default()),
            sandbox: Sandbox::default(),
            epoch: None,
            reporter: Arc::new(Silent),
        };
        let scene = Self { folder, context };
        files.iter().for_each(|(path, text)| scene.write(path, text.as_bytes()));
        scene
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join("root").join(path)
    }

    fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        File::open(&path).unwrap().set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1000)).unwrap();
    }

    fn request(&self) -> HostRequest {
        HostRequest { path: self.path(""), ..HostRequest::default() }
    }

    fn capture(&self, request: &HostRequest) -> Result<Captured, CaptureError> {
        capture(request, &[self.path("out")], Epoch::from_seconds(2_000_000_000), &self.context)
    }

    fn plain(&self) -> Captured {
        self.capture(&self.request()).unwrap()
    }
}

fn paths(tree: &Tree) -> Vec<String> {
    tree.entries().skip(1).map(|entry| entry.path.to_string()).collect()
}

fn text(tree: &Tree, path: &'static str) -> String {
    String::from_utf8(tree.get(&TreePath::literal(path)).unwrap().content().unwrap().read().unwrap()).unwrap()
}

fn keep(text: &str) -> Kept {
    text.parse().unwrap()
}

#[test]
fn a_folder_becomes_a_tree() {
    let scene = Scene::new(&[
        ("usr/bin/one", "one"),
        ("etc/x.conf", "x"),
        ("tmp/gone", ""),
        ("run/gone", ""),
        ("out/blob", ""),
    ]);
    fs::hard_link(scene.path("usr/bin/one"), scene.path("usr/bin/two")).unwrap();
    fs::set_permissions(scene.path("usr/bin/one"), fs::Permissions::from_mode(0o4755)).unwrap();
    symlink("usr/bin", scene.path("bin")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(scene.path("etc/socket")).unwrap();
    let Captured { rootfs: Rootfs { tree, epoch, .. }, report } = scene.plain();
    assert_eq!(
        paths(&tree),
        ["/bin", "/etc", "/etc/x.conf", "/run", "/tmp", "/usr", "/usr/bin", "/usr/bin/one", "/usr/bin/two"]
    );
    let id = |path| tree.id(&TreePath::literal(path)).unwrap();
    assert_eq!(id("usr/bin/one"), id("usr/bin/two"));
    assert_eq!(tree.inode(id("usr/bin/one")).meta.mode, 0o4755);
    assert_eq!(text(&tree, "usr/bin/two"), "one");
    let left_out: Vec<_> = report.left_out.iter().map(|entry| (entry.path.as_str(), entry.why)).collect();
    assert_eq!(left_out, [("/etc/socket", "socket"), ("/out", "own"), ("/run", "runtime"), ("/tmp", "runtime")]);
    assert!(report.suspicious.iter().any(|suspicion| suspicion.kind == "setuid"));
    assert!(epoch.seconds() > 1000, "the new link counts, as its time is that of a file");
    fs::remove_file(scene.path("bin")).unwrap();
    assert_eq!(scene.plain().rootfs.epoch.seconds(), 1000, "folders do not");
}

#[test]
fn what_belongs_to_one_machine_goes() {
    let scene = Scene::new(&[
        ("etc/machine-id", "0123456789abcdef0123456789abcdef\n"),
        ("etc/hosts", "10.0.0.1 secret-host\n"),
        ("etc/passwd", "root:x:0:0::/root:/bin/sh\nme:x:1000:1000::/home/me:/bin/sh\n"),
        ("etc/group", "root:x:0:\nme:x:1000:\n"),
        ("etc/shadow", "root:$1$abcd$abcdefghijklmnopqrstuv:1::::::\nme:!:1::::::\n"),
        ("root/.ssh/id_ed25519", "key"),
        ("home/me/file", "mine"),
        ("var/log/syslog", "log"),
        ("var/lib/docker/overlay2/x", "x"),
    ]);
    let Captured { rootfs: Rootfs { tree, epoch, .. }, report } = scene.plain();
    assert_eq!(text(&tree, "etc/machine-id"), "");
    assert!(!text(&tree, "etc/hosts").contains("secret"));
    assert_eq!(text(&tree, "etc/passwd"), "root:x:0:0::/root:/bin/sh\n");
    assert_eq!(text(&tree, "etc/shadow"), "root:*:1::::::\n");
    for gone in ["root/.ssh", "home/me", "var/log/syslog", "var/lib/docker/overlay2"] {
        assert!(!tree.contains(&TreePath::literal(gone)), "{gone}");
    }
    assert!(tree.contains(&TreePath::literal("var/log")) && tree.contains(&TreePath::literal("home")));
    assert_eq!(tree.get(&TreePath::literal("etc/shadow")).unwrap().meta.mtime, epoch.seconds());
    let presets: BTreeSet<_> = report.removed.iter().map(|removed| removed.preset).collect();
    assert_eq!(
        presets.into_iter().collect::<Vec<_>>(),
        ["containers", "hostname", "logs", "machine-id", "passwords", "ssh", "users"]
    );

    let request = HostRequest {
        keep: ["users", "logs", "/etc/hosts", "/root/.ssh"].map(keep).to_vec(),
        exclude: vec!["/home/me/f*".parse().unwrap()],
        ..scene.request()
    };
    let tree = scene.capture(&request).unwrap().rootfs.tree;
    assert!(text(&tree, "etc/hosts").contains("secret"));
    assert!(text(&tree, "etc/passwd").contains("me:"));
    assert_eq!(text(&tree, "root/.ssh/id_ed25519"), "key");
    assert!(tree.is_directory(&TreePath::literal("home/me")) && !tree.contains(&TreePath::literal("home/me/file")));
    let log = tree.get(&TreePath::literal("var/log/syslog")).unwrap();
    assert!(matches!(log.origin, Origin::Recipe(_)), "later passes leave it alone");
}

#[test]
fn what_is_kept_stays_in_what_goes() {
    let scene = Scene::new(&[("home/me/keep/a", "a"), ("home/me/b", "b"), ("home/you/c", "c")]);
    let request = HostRequest { keep: vec![keep("/home/me/keep")], ..scene.request() };
    let tree = scene.capture(&request).unwrap().rootfs.tree;
    assert_eq!(paths(&tree), ["/home", "/home/me", "/home/me/keep", "/home/me/keep/a"]);
}

#[test]
fn a_secret_that_is_left_refuses_the_capture() {
    let key = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ3qV0vT8oZrYb1nQx5mWcL2dKfH7uPsEaGiRtOyUjXk\n-----END";
    let scene = Scene::new(&[("srv/app/key.pem", key), ("etc/shadow", "root:*:1::::::\n")]);
    let refused = |request: &HostRequest| match scene.capture(request) {
        Err(CaptureError::Secrets { report, .. }) => report.refused().map(|secret| secret.path.clone()).collect(),
        Ok(_) => Vec::new(),
        Err(other) => panic!("{other}"),
    };
    assert_eq!(refused(&scene.request()), ["/srv/app/key.pem"]);
    let allow = |text: &str| HostRequest { allow: vec![text.parse().unwrap()], ..scene.request() };
    assert_eq!(refused(&allow("token:/srv/**")), ["/srv/app/key.pem"], "another rule");
    assert_eq!(refused(&allow("private-key:/srv/app/other.pem")), ["/srv/app/key.pem"], "another path");
    for allowed in ["/srv/app/key.pem", "private-key:/srv/**", "/srv"] {
        assert!(refused(&allow(allowed)).is_empty(), "{allowed}");
    }
    let exclude: PathPattern = "/srv/app".parse().unwrap();
    assert!(refused(&HostRequest { exclude: vec![exclude], ..scene.request() }).is_empty());
    // What a package brought is known to everybody, unless it was changed.
    let sum = {
        use md5::{Digest as _, Md5};
        crate::digest::to_hex(&Md5::digest(key))
    };
    scene.write("var/lib/dpkg/info/app.md5sums", format!("{sum}  srv/app/key.pem\n").as_bytes());
    assert!(refused(&scene.request()).is_empty());
    scene.write("srv/app/key.pem", format!("{key}x").as_bytes());
    assert_eq!(refused(&scene.request()), ["/srv/app/key.pem"]);
    // A hash that no field of shadow holds, and presets switched off.
    let hash = "$1$abcd$abcdefghijklmnopqrstuv";
    let scene = Scene::new(&[("etc/shadow", &format!("root:{hash}:1::::::\n"))]);
    assert!(scene.capture(&scene.request()).is_ok());
    let off = HostRequest { keep: vec![keep("passwords")], ..scene.request() };
    assert!(matches!(scene.capture(&off), Err(CaptureError::Secrets { .. })));
}

#[test]
fn large_holes_cost_nothing() {
    let scene = Scene::new(&[]);
    fs::create_dir_all(scene.path("")).unwrap();
    let file = File::create(scene.path("disk")).unwrap();
    file.set_len(8 << 30).unwrap();
    file.write_all_at(b"end", (8 << 30) - 3).unwrap();
    let swap = File::create(scene.path("swapfile")).unwrap();
    swap.set_len(1 << 20).unwrap();
    swap.write_all_at(b"SWAPSPACE2", 4086).unwrap();
    let Captured { rootfs, report } = scene.plain();
    assert_eq!(rootfs.tree.get(&TreePath::literal("disk")).unwrap().content().unwrap().size(), 8 << 30);
    assert_eq!(report.suspicious[0].kind, "sparse");
    assert!(report.left_out.iter().any(|entry| (entry.path.as_str(), entry.why) == ("/swapfile", "swap")));
}

#[test]
fn files_that_change_are_whole_at_some_time() {
    let scene = Scene::new(&[("calm", "calm")]);
    scene.write("busy", &[b'a'; 4 << 20]);
    let path = scene.path("busy");
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let writer = {
        let stop = Arc::clone(&stop);
        std::thread::spawn(move || {
            let mut length = 1 << 20;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                length = if length == 1 << 20 { 4 << 20 } else { 1 << 20 };
                let file = File::options().write(true).open(&path).unwrap();
                file.set_len(length).unwrap();
                file.write_all_at(b"b", 0).unwrap();
            }
        })
    };
    let captures: Vec<_> = (0..5).map(|_| scene.plain()).collect();
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    writer.join().unwrap();
    for Captured { rootfs, report } in captures {
        let content = rootfs.tree.get(&TreePath::literal("busy")).unwrap().content().unwrap().clone();
        assert_eq!(content.read().unwrap().len() as u64, content.size());
        assert_eq!(text(&rootfs.tree, "calm"), "calm");
        assert!(report.changed.iter().all(|path| path == "/busy"));
    }
}

#[test]
fn an_unchanged_folder_gives_the_same_tree() {
    let scene =
        Scene::new(&[("b", "b"), ("a/x", "x"), ("etc/shadow", "root:$1$abcd$abcdefghijklmnopqrstuv:1::::::\n")]);
    assert_eq!(scene.plain().rootfs.tree.to_text().unwrap(), scene.plain().rootfs.tree.to_text().unwrap());
}

#[test]
fn folders_have_an_end() {
    let scene = Scene::new(&[]);
    let mut folder = scene.path("");
    fs::create_dir_all(&folder).unwrap();
    (0..500).for_each(|_| folder.push("d"));
    fs::create_dir_all(&folder).unwrap();
    assert_eq!(scene.plain().rootfs.tree.len(), 501);
    fs::create_dir(folder.join("d")).unwrap();
    assert!(matches!(scene.capture(&scene.request()), Err(CaptureError::TooDeep(_))));
}

#[test]
fn mistakes_and_odd_names() {
    let scene = Scene::new(&[("a\nb\u{1b}[0m", "x")]);
    assert_eq!(paths(&scene.plain().rootfs.tree).len(), 1);
    let missing = HostRequest { path: scene.path("missing"), ..scene.request() };
    assert!(matches!(scene.capture(&missing), Err(CaptureError::Root { .. })));
    let file = HostRequest { path: scene.path("a\nb\u{1b}[0m"), ..scene.request() };
    assert!(matches!(scene.capture(&file), Err(CaptureError::Root { .. })));
    let at: ImagePath = "/nothing".parse().unwrap();
    let mounts = HostRequest { mounts: Mounts { all: false, at: vec![at] }, ..scene.request() };
    assert!(matches!(scene.capture(&mounts), Err(CaptureError::NotMounted(_))));
}

#[test]
fn architectures() {
    let header = |class: u8, data: u8, machine: [u8; 2]| {
        let mut header = vec![0x7f, b'E', b'L', b'F', class, data];
        header.resize(18, 0);
        header.extend(machine);
        header
    };
    let of = |header: Vec<u8>| {
        let mut tree = Tree::new();
        let inode = Inode::file(0o755, Content::bytes(header), Origin::Root);
        tree.insert_with_parents(TreePath::literal("usr/bin/sh"), inode).unwrap();
        tree.insert(TreePath::literal("bin"), Inode::symlink("usr/bin", Origin::Root)).unwrap();
        architecture(&tree).map(|architecture| architecture.oci_name())
    };
    assert_eq!(of(header(2, 1, [62, 0])), Some("amd64"));
    assert_eq!(of(header(2, 1, [183, 0])), Some("arm64"));
    assert_eq!(of(header(2, 2, [0, 22])), Some("s390x"));
    assert_eq!(of(header(1, 1, [3, 0])), Some("386"));
    assert_eq!(of(b"#!/bin/sh".to_vec()), None);
}
