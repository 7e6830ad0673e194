//! Conda environments on top of images: real packages of 2017, and small ones made to be difficult.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::support::base;
use crate::support::door::DOORS;
use crate::support::require::{Need, data, require};
use crate::support::workspace::{Finished, Workspace, binary, finish};

/// A text that has what is looked for in a glibc.
pub const GLIBC: &str = "\x7fELF GNU C Library (test) stable release version 2.36.\n";
const OLD_GLIBC: &str = "\x7fELF GNU C Library (test) stable release version 2.17.\n";
pub const LIBC: &str = "lib/x86_64-linux-gnu/libc.so.6";

pub const REAL: [&str; 5] = ["curl", "openssl", "sqlite", "xz", "zlib"];

/// A workspace with an image to put environments on.
pub fn workspace(files: &[(&str, &str)]) -> Workspace {
    let workspace = Workspace::new();
    base::write(&workspace.path("base"), files);
    workspace
}

pub fn channel(name: &str) -> String {
    format!("file://{}", fs::canonicalize(data().join("conda").join(name)).unwrap().display())
}

pub fn environment(channels: &[&str], dependencies: &[&str]) -> String {
    let list = |items: Vec<String>| items.iter().map(|item| format!("  - {item}\n")).collect::<String>();
    let channels = list(channels.iter().map(|name| channel(name)).collect());
    let dependencies = list(dependencies.iter().map(|name| format!("\"{name}\"")).collect());
    format!("name: demo\nchannels:\n{channels}dependencies:\n{dependencies}")
}

/// Puts the environment of the file `environment.yml` on the image.
pub fn layer(workspace: &Workspace, more: &[&str]) -> Finished {
    let before = ["layer", "base", "--conda", "environment.yml", "-o", "oci:out", "--progress", "lines"];
    workspace.rootsmith(before.iter().chain(more))
}

pub fn with(files: &[(&str, &str)], channels: &[&str], dependencies: &[&str]) -> (Workspace, Finished) {
    let workspace = workspace(files);
    workspace.write("environment.yml", &environment(channels, dependencies));
    let finished = layer(&workspace, &[]);
    (workspace, finished)
}

/// By paths: mode, link target and content.
pub type Files = BTreeMap<String, (u32, String, Vec<u8>)>;

/// By paths: user and group.
type Owners = BTreeMap<String, (u64, u64)>;

/// An image of a layout.
pub struct Image {
    pub config: Value,
    /// Digest and title of each layer, base first.
    pub layers: Vec<(String, String)>,
    folder: PathBuf,
}

impl Image {
    pub fn open(folder: PathBuf) -> Self {
        let read = |path: PathBuf| -> Value { serde_json::from_slice(&fs::read(path).unwrap()).unwrap() };
        let blob = |digest: &Value| folder.join("blobs/sha256").join(&digest.as_str().unwrap()[7..]);
        let index = read(folder.join("index.json"));
        let manifest = read(blob(&index["manifests"][0]["digest"]));
        let config = read(blob(&manifest["config"]["digest"]));
        let titles = config["history"].as_array().unwrap().iter().map(|entry| entry["created_by"].as_str().unwrap());
        let digests = manifest["layers"].as_array().unwrap().iter().map(|layer| layer["digest"].as_str().unwrap());
        let layers = digests.zip(titles).map(|(digest, title)| (digest.to_owned(), title.to_owned())).collect();
        Self { config, layers, folder }
    }

    /// The files of all layers but the base's, which are root's.
    pub fn files(&self) -> Files {
        let (files, owners) = self.files_and_owners();
        let others: Vec<_> = owners.into_iter().filter(|(_, ids)| *ids != (0, 0)).collect();
        assert!(others.is_empty(), "{others:?}");
        files
    }

    /// The same, and whose each of them is.
    fn files_and_owners(&self) -> (Files, Owners) {
        let (mut files, mut owners) = (BTreeMap::new(), BTreeMap::new());
        for (digest, _) in &self.layers[1..] {
            let bytes = fs::read(self.folder.join("blobs/sha256").join(&digest[7..])).unwrap();
            let plain: Box<dyn Read> = match bytes.starts_with(&[0x1f, 0x8b]) {
                true => Box::new(flate2::read::GzDecoder::new(bytes.as_slice())),
                false => Box::new(bytes.as_slice()),
            };
            let mut archive = tar::Archive::new(plain);
            for entry in archive.entries().unwrap() {
                let mut entry = entry.unwrap();
                let path = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
                let header = entry.header().clone();
                owners.insert(path.clone(), (header.uid().unwrap(), header.gid().unwrap()));
                let target = entry.link_name().unwrap().map(|path| path.display().to_string()).unwrap_or_default();
                let mut content = Vec::new();
                entry.read_to_end(&mut content).unwrap();
                files.insert(path, (header.mode().unwrap(), target, content));
            }
        }
        (files, owners)
    }

    pub fn layer(&self, title: &str) -> &str {
        let found = self.layers.iter().find(|(_, text)| text.contains(title));
        &found.unwrap_or_else(|| panic!("no layer `{title}` in {:?}", self.layers)).0
    }
}

pub fn text(files: &Files, path: &str) -> String {
    let file = files.get(path).unwrap_or_else(|| panic!("`{path}` is not in {:?}", files.keys().collect::<Vec<_>>()));
    String::from_utf8_lossy(&file.2).into_owned()
}

#[test]
fn real_packages_become_layers_of_a_finished_image() {
    require!(Need::Data("conda"));
    let (workspace, finished) = with(&[(LIBC, GLIBC)], &["real"], &REAL);
    let digest = finished.digest();
    let image = Image::open(workspace.path("out"));
    let base = Image::open(workspace.path("base"));
    assert_eq!(image.layers[0].0, base.layers[0].0, "the base's layer stays byte for byte");
    let config = &image.config["config"];
    let env: Vec<&str> = config["Env"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(env[0], "PATH=/opt/conda/envs/default/bin:/bin");
    assert!(
        env.contains(&"CONDA_PREFIX=/opt/conda/envs/default") && env.contains(&"CONDA_DEFAULT_ENV=demo"),
        "{env:?}"
    );
    assert!(env.contains(&"KEPT=yes"));
    assert_eq!((config["User"].as_str(), &config["Healthcheck"]["Test"][0]), (Some("10001:10001"), &"NONE".into()));
    assert_eq!(config["Entrypoint"], serde_json::json!(["/usr/bin/tini", "--"]), "no scripts, no entrypoint");

    let files = image.files();
    let program = &files["opt/conda/envs/default/bin/curl"];
    assert_eq!(program.0, 0o755);
    let script = text(&files, "opt/conda/envs/default/bin/curl-config");
    assert!(script.contains("/opt/conda/envs/default") && !script.contains("anaconda1"), "{script}");
    let library = &files["opt/conda/envs/default/lib/libcurl.so.4.4.0"].2;
    let has = |needle: &[u8]| library.windows(needle.len()).any(|window| window == needle);
    assert!(has(b"/opt/conda/envs/default") && !has(b"placehold_placehold"));
    let record: Value =
        serde_json::from_str(&text(&files, "opt/conda/envs/default/conda-meta/curl-7.49.0-1.json")).unwrap();
    assert_eq!(record["url"], "file:///real/linux-64/curl-7.49.0-1.tar.bz2");
    assert_eq!(record["requested_specs"], serde_json::json!(["curl"]));
    assert_eq!(files["opt/conda/envs/default/conda-meta/curl-7.49.0-1.json"].0, 0o644);
    assert!(!files.keys().any(|path| path.contains("CACHEDIR") || path.contains("pkgs/")));
    for (path, (mode, ..)) in &files {
        assert!(matches!(mode, 0o755 | 0o644 | 0o777), "{path} has {mode:o}");
    }
    // The lock beside the environment holds for a build that may change nothing and has no network.
    let lock = fs::read_to_string(workspace.path("environment.rootsmith.lock")).unwrap();
    assert!(lock.contains("path = \"linux-64/curl-7.49.0-1.tar.bz2\"") && lock.contains("__glibc=2.36=0"), "{lock}");
    assert_eq!(layer(&workspace, &["--frozen"]).digest(), digest);
    workspace.write("environment.yml", &environment(&["real"], &["curl"]));
    layer(&workspace, &["--locked"]).failed_with(2).says("does not fit it any more");
}

#[test]
fn the_surroundings_do_not_matter() {
    require!(Need::Data("conda"), Need::Doors);
    let (first, finished) = with(&[(LIBC, GLIBC)], &["real"], &["curl", "sqlite"]);
    let expected = finished.digest();
    let again = |what: &str, before: &[&str], change: &dyn Fn(&mut Command)| {
        let workspace = workspace(&[(LIBC, GLIBC)]);
        workspace.write("environment.yml", &environment(&["real"], &["curl", "sqlite"]));
        fs::create_dir(workspace.path("tmp")).unwrap();
        workspace.give_to_tester();
        let words = before.iter().map(Into::into).chain([binary().into_os_string()]);
        let mut command = workspace.command(words);
        command.args(["layer", "base", "--conda", "environment.yml", "--progress", "lines"]);
        command.env("TMPDIR", workspace.path("tmp"));
        change(&mut command);
        assert_eq!(finish(&mut command).digest(), expected, "{what}");
    };
    assert_eq!(layer(&first, &[]).digest(), expected, "a warm store");
    again("a time zone", &[], &|command| {
        command.env("TZ", "Pacific/Chatham");
    });
    again("a umask and a thread", &["sh", "-c", "umask 077; exec \"$@\"", "sh"], &|command| {
        command.args(["--threads", "1"]);
    });
    for door in DOORS {
        again(&format!("{door:?}"), door.prefix(), &|command| {
            command.args(["--threads", "5"]);
        });
    }
}

#[test]
fn a_package_has_the_same_layer_in_different_environments() {
    require!(Need::Data("conda"));
    let recipe = |name: &str, dependencies: &[&str]| {
        let workspace = workspace(&[(LIBC, GLIBC)]);
        workspace.write("environment.yml", &environment(&["real"], dependencies).replace("demo", name));
        layer(&workspace, &[]).succeeded();
        workspace
    };
    let one = recipe("one", &["openssl", "ncurses", "sqlite", "xz"]);
    let other = recipe("other", &["openssl", "ncurses", "sqlite", "curl", "libpng"]);
    let (one, other) = (Image::open(one.path("out")), Image::open(other.path("out")));
    for shared in ["openssl", "ncurses", "sqlite"] {
        assert_eq!(one.layer(&format!("conda package {shared} ")), other.layer(&format!("conda package {shared} ")));
    }
    assert_ne!(one.layer("conda environment one"), other.layer("conda environment other"));
}

#[test]
fn the_glibc_of_the_base_decides() {
    require!(Need::Data("conda"));
    let small = ["small"];
    let (workspace, finished) = with(&[(LIBC, GLIBC)], &small, &["virtualdep-package"]);
    finished.succeeded();
    assert!(
        fs::read_to_string(workspace.path("environment.rootsmith.lock")).unwrap().contains("virtualdep-package-2.0-0")
    );
    let (workspace, finished) = with(&[(LIBC, OLD_GLIBC)], &small, &["virtualdep-package"]);
    finished.succeeded();
    assert!(
        fs::read_to_string(workspace.path("environment.rootsmith.lock")).unwrap().contains("virtualdep-package-1.0-0")
    );
    let (workspace, finished) = with(&[(LIBC, OLD_GLIBC)], &small, &["virtualdep-package >=2"]);
    finished.failed_with(2).says("__glibc >=2.28").says("__glibc=2.17");
    assert!(!workspace.path("environment.rootsmith.lock").exists() && !workspace.path("out").exists());
    // A base without a glibc has no __glibc.
    let musl = [("lib/ld-musl-x86_64.so.1", "musl")];
    let (_, finished) = with(&musl, &small, &["virtualdep-package"]);
    finished.failed_with(2).says("__glibc").says("musl");
    let (_, finished) = with(&musl, &["real"], &["xz"]);
    finished.failed_with(2).says("needs glibc, and the base has glibc none");
}

#[test]
fn noarch_packages_scripts_and_clobbers() {
    require!(Need::Data("conda"));
    let base = [(LIBC, GLIBC), ("bin/sh", "#!")];
    let (workspace, finished) =
        with(&base, &["small"], &["python", "sample_noarch_python", "activate_deactivate_package"]);
    finished.succeeded();
    let image = Image::open(workspace.path("out"));
    let files = image.files();
    // The fake Python says of itself where modules go.
    let site = "opt/conda/envs/default/lib/python3.99t";
    assert!(files.contains_key(&format!("{site}/site-packages/sample.py")), "{:?}", files.keys().collect::<Vec<_>>());
    let entrypoint = &image.config["config"]["Entrypoint"];
    let expected = ["/usr/bin/tini", "--", "/opt/conda/envs/default/bin/rootsmith-entrypoint"];
    assert_eq!(*entrypoint, serde_json::json!(expected));
    let script = text(&files, "opt/conda/envs/default/bin/rootsmith-entrypoint");
    assert!(script.starts_with("#!/bin/sh\n") && script.contains("etc/conda/activate.d/*.sh"), "{script}");

    let (_, finished) = with(&base, &["small"], &["clobber-a", "clobber-b"]);
    finished.succeeded().says("both have");
    let (_, finished) = with(&base, &["small"], &["failing_post_link"]);
    finished.succeeded().says("post-link scripts do not run").says("failing_post_link");
}

#[test]
fn an_environment_can_be_somebody_elses_than_roots() {
    require!(Need::Data("conda"));
    let accounts = [(LIBC, GLIBC), ("etc/passwd", "app:x:10001:10002::/app:/bin/sh\n"), ("etc/group", "adm:x:4:\n")];
    let workspace = workspace(&accounts);
    workspace.write("environment.yml", &environment(&["real"], &["xz", "zlib"]));
    for (owner, ids) in [("app", (10001, 10002)), ("app:adm", (10001, 4)), ("7", (7, 7))] {
        layer(&workspace, &["--owner", owner]).succeeded();
        let (_, owners) = Image::open(workspace.path("out")).files_and_owners();
        assert!(owners.contains_key("opt/conda/envs/default/conda-meta/history"), "{owners:?}");
        for (path, found) in owners {
            let own = path.starts_with("opt/conda/envs/default");
            assert_eq!(found, if own { ids } else { (0, 0) }, "{path}, of {owner}");
        }
    }
    let unknown = layer(&workspace, &["--owner", "nobody-here"]);
    unknown.failed_with(2).says("the image has no user of that name");
}

#[test]
fn a_file_that_the_index_names_and_the_channel_lacks() {
    require!(Need::Data("conda"));
    let (workspace, finished) = with(&[(LIBC, GLIBC)], &["real"], &["libxml2"]);
    finished.failed_with(4).says("cannot fetch the conda package lib").says("does not exist");
    assert!(!workspace.path("store/partial").read_dir().unwrap().any(|entry| entry.is_ok()), "nothing is left over");
    assert!(!workspace.path("out").exists(), "nothing is half written");
}

#[test]
fn mistakes_have_a_place_and_a_mend() {
    require!(Need::Data("conda"));
    let base = [(LIBC, GLIBC)];
    let wrong = |text: &str, more: &[&str]| {
        let workspace = workspace(&base);
        workspace.write("environment.yml", text);
        layer(&workspace, more)
    };
    wrong("channels: [a\ndependencies: [b]\n", &[]).failed_with(2).says("environment.yml:").says("help:");
    wrong("channels: [a]\ndependencies: []\n", &[]).failed_with(2).says("asks for no packages");
    let misspelt = wrong("channels: [a]\ndependencys: [b]\n", &[]);
    misspelt.failed_with(2).says("environment.yml:2:1").says("`dependencys` is no section of it");
    misspelt.says("did you mean dependencies?");
    let unsatisfiable = environment(&["small"], &["unsatisfiable"]);
    wrong(&unsatisfiable, &[]).failed_with(2).says("cannot solve the environment").says("unsatisfiable");
    wrong(&environment(&["small"], &["no-such-package"]), &[]).failed_with(2).says("no-such-package");
    let denied = environment(&["small", "real"], &["xz"]);
    wrong(&denied, &["--allowed-channel", &channel("small")]).failed_with(2).says("not one of `allowed-channels`");
    wrong("channels: [/nowhere]\ndependencies: [xz]\n", &[]).failed_with(2).says("/nowhere");
    wrong(&denied, &["--prefix", "/opt/my env"]).failed_with(2).says("without spaces");
    let pip = format!("{}  - pip:\n    - requests==2.31\n", environment(&["small"], &["python"]));
    wrong(&pip, &[]).failed_with(2).says("cannot install `requests==2.31` with pip").says("#sha256=");

    let workspace = workspace(&[(LIBC, GLIBC), ("opt/conda", "a file")]);
    workspace.write("environment.yml", &environment(&["small"], &["dependency"]));
    layer(&workspace, &[]).failed_with(2).says("the base has a file at `/opt/conda`");
}

#[test]
fn lists_with_digests_need_no_solver() {
    require!(Need::Data("conda"));
    let workspace = workspace(&[(LIBC, GLIBC)]);
    let real = data().join("conda").join("real/linux-64");
    let index: Value = serde_json::from_slice(&fs::read(real.join("repodata.json")).unwrap()).unwrap();
    let name = "xz-5.2.2-0.tar.bz2";
    let digest = |kind: &str| index["packages"][name][kind].as_str().unwrap().to_owned();
    let list = |hash: &str| format!("# platform: linux-64\n@EXPLICIT\n{}/linux-64/{name}#{hash}\n", channel("real"));
    let mut digests = Vec::new();
    for hash in [digest("md5"), digest("sha256")] {
        workspace.write("environment.yml", &list(&hash));
        digests.push(layer(&workspace, &[]).digest());
    }
    assert_eq!(digests[0], digests[1]);
    // A package outside a channel, with entry points, beside the Python that they are for.
    let loose = "conda-index-pkg-a-1.0-pyhed9eced_1.tar.bz2";
    let bytes = fs::read(data().join("conda").join("loose").join(loose)).unwrap();
    let python = fs::read(data().join("conda").join("small/noarch/python-3.99.99-0.conda")).unwrap();
    let entry =
        |path: &str, bytes: &[u8]| format!("{}/{path}#{}\n", channel("."), rootsmith::digest::Digest::of(bytes).hex());
    let loose = entry(&format!("loose/{loose}"), &bytes) + &entry("small/noarch/python-3.99.99-0.conda", &python);
    workspace.write("environment.yml", &format!("@EXPLICIT\n{loose}"));
    fs::remove_dir_all(workspace.path("out")).unwrap();
    layer(&workspace, &[]).succeeded();
    let files = Image::open(workspace.path("out")).files();
    let script = text(&files, "opt/conda/envs/default/bin/conda-index-pkg-a");
    assert!(script.starts_with("#!/opt/conda/envs/default/bin/python3.99\n"), "{script}");
    assert!(script.contains("from conda_index_pkg_a import main\n"), "{script}");
    assert_eq!(files["opt/conda/envs/default/bin/conda-index-pkg-a"].0, 0o755);
    assert!(files.contains_key("opt/conda/envs/default/lib/python3.99t/site-packages/conda_index_pkg_a/__init__.py"));
    workspace.write("environment.yml", &list("00000000000000000000000000000000"));
    fs::remove_dir_all(workspace.path("store")).unwrap();
    layer(&workspace, &[]).failed_with(4).says("has the wrong bytes");
}

#[test]
fn recipes_say_what_is_wrong_with_an_environment() {
    let workspace = Workspace::new();
    workspace.write("environment.yml", "channels: [a]\ndependencies: [b]\n");
    let recipe = |lines: &str| {
        let before = "name = \"x\"\nplatforms = [\"linux/amd64\"]\n[from.debian]\nsuite = \"trixie\"\n[[conda]]\n";
        workspace.write("x.toml", &format!("{before}{lines}\n"));
        workspace.rootsmith(["build", "x.toml"])
    };
    recipe("prefix = \"/opt/env\"").failed_with(2).says("`environment` is missing");
    recipe("environment = \"nowhere.yml\"").failed_with(2).says("nowhere.yml");
    let twice = "environment = \"environment.yml\"\n[[conda]]\nenvironment = \"environment.yml\"";
    recipe(twice).failed_with(2).says("meets the one at");
    recipe("environment = \"environment.yml\"\nprefix = \"/opt/my env\"").failed_with(2).says("without spaces");
    recipe("environment = \"environment.yml\"\nlayers = \"many\"").failed_with(2).says("per-package");
    recipe("environment = \"environment.yml\"\nowner = \"my app\"")
        .failed_with(2)
        .says("`my app` is not a user or group name");
    let secret = "environment = \"environment.yml\"\nchannels = [\"https://me:secret@a.example/c\"]";
    let finished = recipe(secret);
    finished.failed_with(2).says("without a login");
}
