use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::{Read, Write};
use std::num::NonZeroUsize;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::Path;

use serde_json::Value;

use super::*;
use crate::archive::{Applier, Apply, Duplicates, Limits, SpecialFiles, read_tar_file};
use crate::epoch::Epoch;
use crate::image::{Image, ImageConfig, Index, Packing, pack};
use crate::oci::Reference;
use crate::store::Store;
use crate::tree::{Content, Inode, Origin, Tree, TreePath};

struct Fixture {
    folder: tempfile::TempDir,
    store: Store,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store")).unwrap();
        Self { folder, store }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn image(&self, text: &str, platform: &str) -> Image {
        let layer = pack(&tree(text), Packing::default(), &self.store, "test", |_| {}).unwrap();
        let platform = platform.parse().unwrap();
        Image::assemble(platform, Epoch::from_seconds(0), &ImageConfig::default(), vec![layer]).unwrap()
    }

    fn artifact(&self, text: &str) -> Artifact {
        Artifact::Image(Box::new(self.image(text, "linux/amd64")))
    }
}

fn tree(text: &str) -> Tree {
    let mut tree = Tree::new();
    let mut put = |path: &'static str, inode| _ = tree.insert_with_parents(TreePath::literal(path), inode).unwrap();
    put("etc/text", Inode::file(0o640, Content::bytes(text.as_bytes()), Origin::Sandbox));
    put("link", Inode::symlink("/etc/passwd", Origin::Sandbox));
    put("tmp", Inode::directory(0o1777, Origin::Sandbox));
    let mut closed = Inode::directory(0o500, Origin::Sandbox);
    closed.meta.mtime = 86_400;
    put("closed", closed);
    put("closed/file", Inode::file(0o400, Content::bytes(*b"x"), Origin::Sandbox));
    let mut device = Inode::file(0o666, Content::empty(), Origin::Sandbox);
    device.node = crate::tree::Node::CharacterDevice { major: 1, minor: 3 };
    put("dev/null", device);
    tree.link(TreePath::literal("etc/same"), &TreePath::literal("etc/text")).unwrap();
    tree
}

fn names(texts: &[&str]) -> Vec<Reference> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn into_layout(artifact: &Artifact, folder: &Path, tags: &[&str]) -> Result<(), DestError> {
    publish(artifact, Box::new(Layout::open(folder, &names(tags))?), &|_| {})
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn tagged(layout: &Path) -> BTreeMap<String, String> {
    let index = json(&layout.join("index.json"));
    let entry = |entry: &Value| {
        let tag = entry["annotations"]["org.opencontainers.image.ref.name"].as_str().unwrap_or_default().to_owned();
        (tag, entry["digest"].as_str().unwrap().to_owned())
    };
    index["manifests"].as_array().unwrap().iter().map(entry).collect()
}

#[test]
fn a_layout_has_every_blob_under_its_digest() {
    let fixture = Fixture::new();
    let artifact = fixture.artifact("one");
    let layout = fixture.path("layout");
    let advanced = Cell::new(0);
    let destination = Box::new(Layout::open(&layout, &names(&["base:13"])).unwrap());
    publish(&artifact, destination, &|bytes| advanced.set(advanced.get() + bytes)).unwrap();
    assert!(advanced.get() >= artifact.size());
    assert_eq!(fs::read(layout.join("oci-layout")).unwrap(), br#"{"imageLayoutVersion":"1.0.0"}"#);
    let blobs: Vec<_> = fs::read_dir(layout.join("blobs/sha256")).unwrap().map(|entry| entry.unwrap()).collect();
    assert_eq!(blobs.len(), 3);
    for blob in blobs {
        let digest = Digest::of(&fs::read(blob.path()).unwrap());
        assert_eq!(blob.file_name().to_str().unwrap(), digest.hex());
    }
    let index = json(&layout.join("index.json"));
    assert_eq!(index["mediaType"], "application/vnd.oci.image.index.v1+json");
    let entry = &index["manifests"][0];
    assert_eq!(entry["annotations"]["io.containerd.image.name"], "docker.io/library/base:13");
    assert_eq!(entry["platform"]["architecture"], "amd64");
    let mut left: Vec<_> = fs::read_dir(&layout).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["blobs", "index.json", "oci-layout"]);
}

#[test]
fn an_image_replaces_its_tag_and_leaves_the_others() {
    let fixture = Fixture::new();
    let layout = fixture.path("layout");
    let [one, two] = ["one", "two"].map(|text| fixture.artifact(text));
    into_layout(&one, &layout, &["base:13", "base:latest"]).unwrap();
    let before = fs::read(layout.join("index.json")).unwrap();
    into_layout(&one, &layout, &["base:13", "base:latest"]).unwrap();
    assert!(fs::read(layout.join("index.json")).unwrap() == before, "the same image changes nothing");
    let mut index = json(&layout.join("index.json"));
    index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"] = "theirs".into();
    index["manifests"][0]["x-unknown"] = 7.into();
    fs::write(layout.join("index.json"), index.to_string()).unwrap();
    into_layout(&two, &layout, &["base:latest"]).unwrap();
    let expected = [("latest", two.digest()), ("theirs", one.digest())];
    assert_eq!(tagged(&layout), expected.map(|(tag, digest)| (tag.to_owned(), digest.to_string())).into());
    assert_eq!(json(&layout.join("index.json"))["manifests"][0]["x-unknown"], 7, "unknown fields stay");
    into_layout(&two, &layout, &[]).unwrap();
    into_layout(&two, &layout, &[]).unwrap();
    assert_eq!(json(&layout.join("index.json"))["manifests"].as_array().unwrap().len(), 3);
}

#[test]
fn names_with_one_tag_are_all_there() {
    let fixture = Fixture::new();
    let layout = fixture.path("layout");
    let [one, two] = ["one", "two"].map(|text| fixture.artifact(text));
    into_layout(&one, &layout, &["a:1", "b:1", "c:2"]).unwrap();
    let expected = |entries: &[(&str, &Artifact)]| -> BTreeMap<String, String> {
        entries.iter().map(|(name, image)| ((*name).to_owned(), image.digest().to_string())).collect()
    };
    assert_eq!(tagged(&layout), expected(&[("1", &one), ("2", &one), ("docker.io/library/b:1", &one)]));
    into_layout(&two, &layout, &["b:1"]).unwrap();
    assert_eq!(
        tagged(&layout),
        expected(&[("1", &two), ("2", &one)]),
        "the newer `b:1` has the tag, and is the only one"
    );
    assert_eq!(json(&layout.join("index.json"))["manifests"].as_array().unwrap().len(), 2);
}

#[test]
fn builds_into_one_layout_at_once_all_arrive() {
    let fixture = Fixture::new();
    let layout = fixture.path("layout");
    into_layout(&fixture.artifact("first"), &layout, &["base:first"]).unwrap();
    std::thread::scope(|scope| {
        for number in 0..8 {
            let artifact = fixture.artifact(&format!("text {number}"));
            let layout = &layout;
            scope.spawn(move || into_layout(&artifact, layout, &[&format!("base:{number}")]).unwrap());
        }
    });
    assert_eq!(tagged(&layout).len(), 9);
}

#[test]
fn a_new_layout_into_which_nothing_came_goes_again() {
    let fixture = Fixture::new();
    let (new, empty) = (fixture.path("new"), fixture.path("empty"));
    fs::create_dir(&empty).unwrap();
    for folder in [&new, &empty] {
        drop(Layout::open(folder, &[]).unwrap());
    }
    assert!(!new.exists());
    assert_eq!(fs::read_dir(&empty).unwrap().count(), 0);
    // Another run has begun in the meantime.
    let layout = Layout::open(&new, &[]).unwrap();
    fs::write(new.join("blobs/sha256/another"), "x").unwrap();
    drop(layout);
    assert!(new.join("blobs/sha256/another").exists() && new.join("oci-layout").exists());
}

#[test]
fn what_is_no_layout_is_left_alone() {
    let fixture = Fixture::new();
    let artifact = fixture.artifact("one");
    let home = fixture.path("home");
    fs::create_dir(&home).unwrap();
    fs::write(home.join("letter"), "dear").unwrap();
    assert!(matches!(into_layout(&artifact, &home, &["x"]), Err(DestError::Occupied { .. })));
    fs::write(home.join("oci-layout"), r#"{"imageLayoutVersion":"2.0.0"}"#).unwrap();
    assert!(matches!(into_layout(&artifact, &home, &["x"]), Err(DestError::Layout { .. })));
    fs::write(home.join("oci-layout"), oci_layout()).unwrap();
    for broken in ["", "[]", "{}", r#"{"manifests":null}"#] {
        fs::write(home.join("index.json"), broken).unwrap();
        assert!(matches!(into_layout(&artifact, &home, &["x"]), Err(DestError::Layout { .. })), "{broken}");
    }
    let letter = into_layout(&artifact, &home.join("letter"), &["x"]).unwrap_err();
    assert!(letter.to_string().ends_with("it is there already, and is no folder"), "{letter}");
    assert_eq!(fs::read(home.join("letter")).unwrap(), b"dear");
}

fn oci_layout() -> &'static [u8] {
    crate::oci::OCI_LAYOUT
}

fn members(file: &Path) -> Vec<(String, Vec<u8>)> {
    let mut archive = tar::Archive::new(fs::File::open(file).unwrap());
    let read = |entry: std::io::Result<tar::Entry<'_, fs::File>>| {
        let mut entry = entry.unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        (String::from_utf8(entry.path_bytes().into_owned()).unwrap(), bytes)
    };
    archive.entries().unwrap().map(read).collect()
}

#[test]
fn an_archive_serves_docker_and_oci() {
    let fixture = Fixture::new();
    let index = Index::assemble(
        vec![fixture.image("one", "linux/amd64"), fixture.image("one", "linux/arm64")],
        BTreeMap::new(),
    );
    let index = index.unwrap();
    let artifact = Artifact::Index(Box::new(index.clone()));
    let mut seen = Vec::new();
    for file in ["first.tar", "second.tar"] {
        let path = fixture.path(file);
        let destination = ArchiveFile::create(&path, &names(&["base:13", "localhost/base"])).unwrap();
        let advanced = Cell::new(0);
        publish(&artifact, Box::new(destination), &|bytes| advanced.set(advanced.get() + bytes)).unwrap();
        assert_eq!(advanced.get(), artifact.size());
        seen.push(fs::read(&path).unwrap());
    }
    assert!(seen[0] == seen[1]);
    let members = members(&fixture.path("first.tar"));
    let order: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(order[..5], ["oci-layout", "index.json", "manifest.json", "blobs/", "blobs/sha256/"]);
    let layer = index.images[0].layers[0].digest.hex();
    assert_eq!(order[order.len() - 1], format!("blobs/sha256/{layer}"), "the largest comes last");
    assert_eq!(order.len(), 5 + 2 + 2 + 1 + 1, "a layer of both platforms is there once");
    for (name, bytes) in &members[5..] {
        assert_eq!(*name, format!("blobs/sha256/{}", Digest::of(bytes).hex()));
    }
    let entries: Value = serde_json::from_slice(&members[1].1).unwrap();
    assert_eq!(entries["manifests"].as_array().unwrap().len(), 1, "podman refuses more than one");
    assert_eq!(entries["manifests"][0]["digest"], index.index.digest().to_string());
    let docker: Value = serde_json::from_slice(&members[2].1).unwrap();
    assert_eq!(docker[0]["RepoTags"], serde_json::json!(["base:13", "localhost/base:latest"]));
    assert_eq!(docker[1]["RepoTags"], serde_json::json!([]));
    assert_eq!(docker[0]["Layers"], serde_json::json!([format!("blobs/sha256/{layer}")]));
    let nameless = ArchiveFile::create(&fixture.path("x.tar"), &[]);
    assert!(matches!(nameless, Err(DestError::NoName { .. })));
}

#[test]
fn a_failed_archive_leaves_the_old_one() {
    let fixture = Fixture::new();
    let artifact = fixture.artifact("one");
    fs::write(fixture.path("x.tar"), "old").unwrap();
    fs::remove_file(&artifact.images()[0].layers[0].path).unwrap();
    let destination = ArchiveFile::create(&fixture.path("x.tar"), &names(&["x"])).unwrap();
    assert!(publish(&artifact, Box::new(destination), &|_| {}).is_err());
    assert_eq!(fs::read(fixture.path("x.tar")).unwrap(), b"old");
    assert_eq!(fs::read_dir(fixture.folder.path()).unwrap().count(), 2, "the store and the old archive");
}

/// A daemon that takes one request and gives one answer.
fn daemon(socket: &Path, answer: &'static [u8]) -> std::thread::JoinHandle<Vec<u8>> {
    let listener = UnixListener::bind(socket).unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut buffer = [0; 4096];
        while !request.ends_with(b"\r\n0\r\n\r\n") {
            let count = stream.read(&mut buffer).unwrap();
            request.extend_from_slice(&buffer[..count]);
        }
        stream.write_all(answer).unwrap();
        request
    })
}

#[test]
fn a_docker_daemon_gets_the_archive_and_has_the_last_word() {
    let fixture = Fixture::new();
    let artifact = fixture.artifact("one");
    let loaded = b"HTTP/1.1 200 OK\r\nContent-Length: 27\r\n\r\n{\"stream\":\"Loaded image\"}\n ";
    let no_space = b"HTTP/1.1 200 OK\r\n\r\n{\"stream\":\"x\"}{\"errorDetail\":{},\"error\":\"no space\"}";
    let refused = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 20\r\n\r\n{\"message\":\"denied\"}";
    let cases: [(&str, &'static [u8], Option<&str>); 3] =
        [("loaded", loaded, None), ("full", no_space, Some("no space")), ("refused", refused, Some("denied"))];
    for (name, answer, expected) in cases {
        let socket = fixture.path(name);
        let server = daemon(&socket, answer);
        let destination = DockerDaemon::new(&socket, &names(&["base"])).unwrap();
        let result = publish(&artifact, Box::new(destination), &|_| {});
        let request = server.join().unwrap();
        assert!(request.starts_with(b"POST /images/load?quiet=1 HTTP/1.1\r\nHost: docker\r\n"));
        match (result, expected) {
            (Ok(()), None) => {}
            (Err(DestError::DaemonRefused { message }), Some(expected)) => assert_eq!(message, expected),
            other => panic!("{other:?}"),
        }
    }
    let absent = DockerDaemon::new(&fixture.path("absent"), &names(&["base"])).unwrap();
    assert!(matches!(publish(&artifact, Box::new(absent), &|_| {}), Err(DestError::Daemon { .. })));
}

#[test]
fn podman_loads_and_tags() {
    let fixture = Fixture::new();
    let artifact = fixture.artifact("one");
    let calls = RefCell::new(Vec::new());
    let run = |program: &str, arguments: &[OsString]| {
        let arguments: Vec<String> = arguments.iter().map(|a| a.to_string_lossy().into_owned()).collect();
        if arguments[0] == "load" {
            assert_eq!(members(Path::new(&arguments[3])).len(), 8);
        }
        calls.borrow_mut().push(format!("{program} {}", arguments.join(" ")));
        Ok(())
    };
    let temporary = fixture.store.temporary();
    let destination = ContainersStorage::new(&temporary, &names(&["base:13", "base"]), &run).unwrap();
    publish(&artifact, Box::new(destination), &|_| {}).unwrap();
    assert!(calls.borrow()[0].starts_with("podman load --quiet --input /"));
    assert_eq!(calls.borrow()[1], "podman tag docker.io/library/base:13 docker.io/library/base:latest");
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0, "the archive is gone");
    let broken = |_: &str, _: &[OsString]| Err("no podman here".to_owned());
    let destination = ContainersStorage::new(&temporary, &names(&["base"]), &broken).unwrap();
    let failed = publish(&artifact, Box::new(destination), &|_| {});
    assert!(matches!(failed, Err(DestError::Podman { message }) if message == "no podman here"));
}

#[test]
fn a_rootfs_tar_is_the_layer_itself() {
    let fixture = Fixture::new();
    let image = fixture.image("one", "linux/amd64");
    for name in ["rootfs.tar", "rootfs.tar.gz", "rootfs.tar.zst"] {
        let path = fixture.path(name);
        let digest = write_rootfs_tar(&tree("one"), &path, SpecialFiles::Omit, NonZeroUsize::MIN).unwrap();
        assert_eq!(digest, image.layers[0].diff_id.digest());
    }
    assert_eq!(Digest::of(&fs::read(fixture.path("rootfs.tar.gz")).unwrap()), image.layers[0].digest);
    let mut back = Tree::new();
    let apply = Apply { follow_directory_links: false, duplicates: Duplicates::Refuse };
    let mut applier = Applier::new(&mut back, apply, Origin::Sandbox);
    let blob = SharedPath::from(fixture.path("rootfs.tar"));
    read_tar_file(&blob, &Origin::Sandbox, &Limits::default(), |item| applier.put(item).map(drop)).unwrap();
    let mut expected = tree("one");
    expected.remove(&TreePath::literal("dev/null")).unwrap();
    assert_eq!(back.to_text().unwrap(), expected.to_text().unwrap());
}

#[test]
fn a_rootfs_directory_is_new_and_complete() {
    let fixture = Fixture::new();
    let folder = fixture.path("rootfs");
    let done = write_rootfs_directory(&tree("one"), &folder, SpecialFiles::Omit).unwrap();
    assert_eq!((done.special_left_out, done.attributes_left_out), (1, 0));
    assert_eq!(fs::read(folder.join("etc/text")).unwrap(), b"one");
    assert_eq!(fs::read_link(folder.join("link")).unwrap(), Path::new("/etc/passwd"));
    let of = |path: &str| fs::symlink_metadata(folder.join(path)).unwrap();
    assert_eq!(of("etc/text").ino(), of("etc/same").ino());
    assert_eq!(of("etc/text").permissions().mode() & 0o7777, 0o640);
    assert_eq!(of("tmp").permissions().mode() & 0o7777, 0o1777);
    assert_eq!((of("closed").permissions().mode() & 0o7777, of("closed").mtime()), (0o500, 86_400));
    assert_eq!(of("link").mtime(), 0);
    assert_eq!(of("").permissions().mode() & 0o7777, 0o755);
    assert!(matches!(
        write_rootfs_directory(&tree("two"), &folder, SpecialFiles::Omit),
        Err(DestError::Occupied { .. })
    ));
    assert_eq!(fs::read(folder.join("etc/text")).unwrap(), b"one");
    assert_eq!(fs::read_dir(fixture.folder.path()).unwrap().count(), 2, "the store and the folder");
}

#[test]
fn a_folder_that_stays_is_filled() {
    let fixture = Fixture::new();
    let folder = fixture.path("mounted");
    fs::create_dir_all(folder.join("lost+found")).unwrap();
    fs::create_dir(folder.join(".rootsmith-unfinished-abc")).unwrap();
    std::os::unix::fs::symlink("mounted", fixture.path("link")).unwrap();
    let inode = fs::metadata(&folder).unwrap().ino();
    write_rootfs_directory(&tree("one"), &fixture.path("link"), SpecialFiles::Omit).unwrap();
    assert_eq!(fs::metadata(&folder).unwrap().ino(), inode);
    assert!(fs::symlink_metadata(fixture.path("link")).unwrap().is_symlink());
    let new = fixture.path("new");
    write_rootfs_directory(&tree("one"), &new, SpecialFiles::Omit).unwrap();
    assert_eq!(fs::metadata(&folder).unwrap().mtime(), fs::metadata(&new).unwrap().mtime());
    fs::remove_dir(folder.join("lost+found")).unwrap();
    // The root, whose time that has changed, comes first.
    let text = |folder: &Path| crate::image::open_folder(folder).unwrap().to_text().unwrap();
    let below_root = |text: &str| text.split_once('\n').unwrap().1.to_owned();
    assert_eq!(below_root(&text(&folder)), below_root(&text(&new)));
    let again = write_rootfs_directory(&tree("two"), &folder, SpecialFiles::Omit);
    assert!(matches!(again, Err(DestError::Occupied { .. })));
}
