//! What environments are asked for with: lists of other tools, dates, priorities; and what comes of it.

use std::fs;

use serde_json::{Value, json};

use crate::conda::{GLIBC, Image, LIBC, channel, layer, text, workspace};
use crate::support::conda::{self, Package};
use crate::support::elf::Writer;
use crate::support::require::{Need, data, require};
use crate::support::workspace::{Finished, Workspace};

pub const PREFIX: &str = "opt/conda/envs/default";

/// A workspace with a channel of these packages, and a base.
pub fn with_packages(packages: Vec<Package>) -> Workspace {
    let workspace = workspace(&[(LIBC, GLIBC)]);
    conda::write(&workspace.path("channel"), packages);
    workspace
}

/// Asks for packages of that channel.
fn ask(workspace: &Workspace, dependencies: &str, more: &[&str]) -> Finished {
    workspace.write("environment.yml", &format!("channels: [./channel]\ndependencies: [{dependencies}]\n"));
    layer(workspace, more)
}

/// Builds a recipe whose base is the workspace's image.
fn build(workspace: &Workspace, lines: &str, more: &[&str]) -> Finished {
    let recipe = format!(
        "name = \"x\"\nplatforms = [\"linux/amd64\"]\n[from.oci]\nimage = \"oci:base\"\nkeep-layers = true\n\
         [[conda]]\nenvironment = \"environment.yml\"\n{lines}\n"
    );
    workspace.write("x.toml", &recipe);
    let before = ["build", "x.toml", "-o", "oci:out", "--progress", "lines"];
    workspace.rootsmith(before.iter().chain(more))
}

#[test]
fn locks_of_other_tools_mean_the_same_packages() {
    require!(Need::Data("conda"));
    let workspace = workspace(&[(LIBC, GLIBC)]);
    let folder = data().join("conda/real/linux-64");
    let index: Value = serde_json::from_slice(&fs::read(folder.join("repodata.json")).unwrap()).unwrap();
    let name = "xz-5.2.2-0.tar.bz2";
    let digest = |kind: &str| index["packages"][name][kind].as_str().unwrap().to_owned();
    let url = format!("{}/linux-64/{name}", channel("real"));
    let package_layer = |file: &str, text: &str, more: &[&str]| {
        workspace.write(file, text);
        let before = ["layer", "base", "--conda", file, "-o", "oci:out", "--progress", "lines"];
        workspace.rootsmith(before.iter().chain(more)).succeeded();
        let image = Image::open(workspace.path("out"));
        let layer = image.layer("conda package xz 5.2.2").to_owned();
        fs::remove_dir_all(workspace.path("out")).unwrap();
        layer
    };
    let explicit = package_layer("explicit.txt", &format!("@EXPLICIT\n{url}#sha256:{}\n", digest("sha256")), &[]);
    let pixi = format!(
        "version: 6\nenvironments:\n  default:\n    channels:\n    - url: {channel}/\n    packages:\n      linux-64: []\n\
         \x20 web:\n    channels:\n    - url: {channel}/\n    packages:\n      linux-64:\n      - conda: {url}\npackages:\n\
         - conda: {url}\n  subdir: linux-64\n  sha256: {}\n  md5: {}\n  size: {}\n",
        digest("sha256"),
        digest("md5"),
        index["packages"][name]["size"],
        channel = channel("real"),
    );
    assert_eq!(package_layer("pixi.lock", &pixi, &["--environment-name", "web"]), explicit);
    assert!(workspace.path("pixi.rootsmith.lock").exists(), "pixi's own lock keeps its name");
    let conda_lock = format!(
        "version: 1\nmetadata:\n  content_hash:\n    linux-64: {hash}\n  channels:\n  - url: {channel}\n    used_env_vars: []\n\
         \x20 platforms:\n  - linux-64\n  sources:\n  - environment.yml\npackage:\n- name: xz\n  version: 5.2.2\n  manager: conda\n\
         \x20 platform: linux-64\n  dependencies: {{}}\n  url: {url}\n  hash:\n    md5: {md5}\n    sha256: {sha256}\n\
         \x20 category: main\n  optional: false\n",
        hash = digest("sha256"),
        channel = channel("real"),
        md5 = digest("md5"),
        sha256 = digest("sha256"),
    );
    assert_eq!(package_layer("conda-lock.yml", &conda_lock, &[]), explicit);

    let wrong = |file: &str, text: &str, more: &[&str]| {
        workspace.write(file, text);
        workspace.rootsmith(["layer", "base", "--conda", file, "--progress", "lines"].iter().chain(more))
    };
    wrong("pixi.lock", &pixi, &["--environment-name", "other"]).failed_with(2).says("`default`").says("`web`");
    wrong("pixi.lock", &pixi.replace("linux-64", "osx-64"), &["--environment-name", "web"])
        .failed_with(2)
        .says("nothing for linux-64")
        .says("osx-64");
    wrong("pixi.lock", "version: 6\nenvironments: [\n", &[]).failed_with(2).says("cannot understand").says("pixi");
    wrong("conda-lock.yml", &conda_lock.replace("manager: conda", "manager: npm"), &[]).failed_with(2);
    let other = format!("@EXPLICIT\nhttps://a.example/c/osx-64/xz-5.2.2-0.tar.bz2#{}\n", digest("md5"));
    wrong("explicit.txt", &other, &[]).failed_with(2).says("nothing for linux-64").says("osx-64");
}

#[test]
fn the_first_channel_and_the_past_win_where_they_should() {
    let workspace = workspace(&[(LIBC, GLIBC)]);
    let one =
        |version: &str, time: u64| Package::new("tool", version).field("timestamp", time).file("v", version, 0o644);
    conda::write(&workspace.path("first"), vec![one("1", 1_600_000_000_000)]);
    conda::write(&workspace.path("second"), vec![one("2", 1_650_000_000_000), one("3", 1_700_000_000_000)]);
    workspace.write("environment.yml", "channels: [./first, ./second]\ndependencies: [tool]\n");
    let version = |lines: &str| {
        build(&workspace, lines, &[]).succeeded();
        text(&Image::open(workspace.path("out")).files(), &format!("{PREFIX}/v"))
    };
    assert_eq!(version(""), "1");
    assert_eq!(version("channel-priority = \"disabled\""), "3");
    assert_eq!(version("channel-priority = \"disabled\"\nexclude-newer = \"2023-01-01\""), "2");
    assert_eq!(version("channels = [\"./second\"]"), "3");
    build(&workspace, "exclude-newer = \"2001-01-01\"", &[]).failed_with(2).says("tool").says("cannot solve");
    build(&workspace, "allowed-channels = [\"./first\"]", &[]).failed_with(2).says("`./second`").says("`./first`");
    build(&workspace, "virtual-packages = { \"big\" = \"1 2\" }", &[]).failed_with(2).says("virtual-packages");
}

#[test]
fn flags_of_layer_say_what_keys_of_recipes_say() {
    let tool = || {
        let script = Package::new("tool", "1").file("lib/libtool.a", "x", 0o644).file("lib/tool", "x", 0o644);
        script.file("etc/conda/activate.d/tool.sh", "export A=1\n", 0o644).needs(&["__cuda >=12"])
    };
    let late = Package::new("tool", "2").field("timestamp", 1_800_000_000_000_u64).file("new", "x", 0o644);
    let workspace = with_packages(vec![tool(), late]);
    let files = |more: &[&str]| {
        ask(&workspace, "tool", more).succeeded();
        Image::open(workspace.path("out"))
    };
    assert!(files(&[]).files().contains_key(&format!("{PREFIX}/new")));
    ask(&workspace, "tool", &["--exclude-newer", "2025-01-01"]).failed_with(2).says("__cuda");
    let older = ["--exclude-newer", "2025-01-01", "--virtual-package", "cuda=12.4"];
    let image = files(&[&older[..], &["--prune", "static-libs", "--layers", "single", "--activate", "env"]].concat());
    assert!(
        image.files().contains_key(&format!("{PREFIX}/lib/tool"))
            && !image.files().contains_key(&format!("{PREFIX}/lib/libtool.a"))
    );
    assert_eq!((image.layers.len(), &image.config["config"]["Entrypoint"]), (2, &json!(["/usr/bin/tini", "--"])));
    for (flag, wrong, reason) in [
        ("--prune", "everything", "`static-libs` or"),
        ("--post-link", "maybe", "`deny` or `run`"),
        ("--max-layers", "0", "1..=120"),
        ("--virtual-package", "cuda", "cuda=12.4"),
        ("--exclude-newer", "soon", "a day"),
    ] {
        ask(&workspace, "tool", &[flag, wrong]).failed_with(2).says(reason);
    }
}

#[test]
fn what_a_driver_must_be_is_said_by_the_recipe() {
    let workspace = with_packages(vec![Package::new("gpu", "1").needs(&["__cuda >=12"]).file("gpu", "x", 0o644)]);
    ask(&workspace, "gpu", &[]).failed_with(2).says("__cuda").says("virtual-packages");
    build(&workspace, "virtual-packages = { cuda = \"11.8\" }", &[]).failed_with(2).says("__cuda");
    build(&workspace, "virtual-packages = { cuda = \"12.4\" }", &[]).succeeded();
    assert!(fs::read_to_string(workspace.path("x.lock")).unwrap().contains("__cuda=12.4"));
}

#[test]
fn one_package_is_renewed_and_others_stay() {
    let old = || vec![Package::new("a", "1").file("a", "1", 0o644), Package::new("b", "1").file("b", "1", 0o644)];
    let workspace = with_packages(old());
    workspace.write("environment.yml", "channels: [./channel]\ndependencies: [a, b]\n");
    build(&workspace, "", &[]).succeeded();
    let newer = [Package::new("a", "2").file("a", "2", 0o644), Package::new("b", "2").file("b", "2", 0o644)];
    conda::write(&workspace.path("channel"), old().into_iter().chain(newer).collect());
    let run = |words: &[&str]| workspace.rootsmith(words.iter().chain(&["--progress", "lines"]));
    let checked = run(&["lock", "x.toml", "--check"]);
    checked.failed_with(1);
    assert!(
        checked.stdout.contains("~ a:linux-64 1-0 -> 2-0") && checked.stdout.contains("~ b:linux-64"),
        "{}",
        checked.stdout
    );
    let updated = run(&["lock", "x.toml", "--update=a"]);
    updated.succeeded();
    assert_eq!(updated.stdout, "~ a:linux-64 1-0 -> 2-0\n");
    assert_eq!(run(&["lock", "x.toml", "--update"]).succeeded().stdout, "~ b:linux-64 1-0 -> 2-0\n");
    assert_eq!(run(&["lock", "x.toml", "--check"]).succeeded().stdout, "");
}

#[test]
fn programs_are_compared_with_the_base() {
    let loaded = || Writer::new().loaded_by("/lib64/ld-linux-x86-64.so.2");
    let of = |needed: &[&str], version: &'static str| {
        let mut writer = loaded().needs(needed);
        writer.versions = vec![("libc.so.6", vec!["GLIBC_2.2.5", version])];
        writer.write()
    };
    let packages = vec![
        Package::new("old", "1").file("bin/old", of(&["libc.so.6"], "GLIBC_2.36"), 0o755),
        Package::new("new", "1").file("bin/new", of(&["libc.so.6"], "GLIBC_2.38"), 0o755),
        Package::new("view", "1").file(
            "bin/view",
            of(&["libc.so.6", "libGL.so.1", "libown.so.3", "libcuda.so.1"], "GLIBC_2.17"),
            0o755,
        ),
        Package::new("own", "1").file("lib/libown.so.3", loaded().write(), 0o755),
        Package::new("odd", "1").file("bin/odd", of(&["libc.so.6", "libodd.so.9"], "GLIBC_2.17"), 0o755),
        Package::new("torn", "1").file("bin/torn", &of(&["libc.so.6"], "GLIBC_2.38")[..70], 0o755),
    ];
    let workspace = with_packages(packages);
    ask(&workspace, "old, torn", &[]).succeeded();
    ask(&workspace, "new", &[]).failed_with(2).says("bin/new").says("GLIBC_2.38").says("glibc 2.36");
    let finished = ask(&workspace, "view, own", &[]);
    finished.succeeded().says("view needs `libGL.so.1`").says("`libgl1`");
    assert!(!finished.stderr.contains("libown") && !finished.stderr.contains("libcuda"), "{}", finished.stderr);
    ask(&workspace, "odd", &[]).succeeded().says("odd needs `libodd.so.9`").says("add the package that has it");
}

#[test]
fn what_is_pruned_is_neither_in_the_image_nor_in_the_records() {
    let tool = Package::new("tool", "1")
        .file("bin/tool", "#!/bin/sh\n", 0o775)
        .file("lib/libtool.a", "x", 0o664)
        .file("lib/pkgconfig/tool.pc", "x", 0o644)
        .file("include/tool.h", "x", 0o644)
        .file("share/man/man1/tool.1", "x", 0o644)
        .file("share/app/app.js", "x", 0o644)
        .file("share/app/app.js.map", "x", 0o644)
        .file("lib/python3.12/site-packages/tool/tests/test_it.py", "x", 0o644)
        .file("lib/python3.12/site-packages/tool/main.py", "x", 0o644)
        .symlink("lib/libtool.so", "libtool.so.1");
    let workspace = with_packages(vec![tool]);
    workspace.write("environment.yml", "channels: [./channel]\ndependencies: [tool]\nvariables: {TOOL: a b}\n");
    let files = |lines: &str| {
        build(&workspace, lines, &[]).succeeded();
        Image::open(workspace.path("out")).files()
    };
    let all = files("");
    let pruned = files("prune = [\"static-libs\", \"headers\", \"docs\", \"tests\", \"source-maps\", \"pkgconfig\"]");
    let left = |files: &std::collections::BTreeMap<String, (u32, String, Vec<u8>)>| {
        let own = files.iter().filter(|(path, (mode, ..))| {
            !path.contains("conda-meta") && *mode & 0o111 != 0o111 || path.contains("bin/") || path.ends_with(".so")
        });
        own.map(|(path, _)| path.trim_start_matches(PREFIX).trim_matches('/').to_owned())
            .filter(|path| path.contains('.') || path == "bin/tool")
            .collect::<Vec<_>>()
    };
    assert_eq!(left(&all).len(), 10, "{:?}", left(&all));
    assert_eq!(
        left(&pruned),
        ["bin/tool", "lib/libtool.so", "lib/python3.12/site-packages/tool/main.py", "share/app/app.js"]
    );
    let record: Value = serde_json::from_str(&text(&pruned, &format!("{PREFIX}/conda-meta/tool-1-0.json"))).unwrap();
    assert_eq!(record["files"].as_array().unwrap().len(), 4, "{record}");
    assert_eq!((all[&format!("{PREFIX}/bin/tool")].0, all[&format!("{PREFIX}/lib/libtool.a")].0), (0o755, 0o644));
    let state: Value = serde_json::from_str(&text(&all, &format!("{PREFIX}/conda-meta/state"))).unwrap();
    assert_eq!(state["env_vars"], json!({ "TOOL": "a b" }));
    let env = Image::open(workspace.path("out")).config["config"]["Env"].clone();
    assert!(env.as_array().unwrap().contains(&"TOOL=a b".into()), "{env}");
}

#[test]
fn a_file_against_a_directory_is_one_thing_in_every_output() {
    let one = Package::new("x1", "1").file("share/n", "1", 0o644).file("share/own", "1", 0o644);
    let two = Package::new("x2", "1").needs(&["x1"]).file("share/n/f", "2", 0o644);
    let workspace = with_packages(vec![one, two]);
    for layers in ["auto", "single", "per-package"] {
        let more = ["-o", "rootfs-tar:out.tar", "--layers", layers];
        let told = "have a file and a directory at `/opt/conda/envs/default/share/n`: that of x2 is in the image";
        ask(&workspace, "x1, x2", &more).succeeded().says(told);
        let files = Image::open(workspace.path("out")).files();
        assert_eq!(text(&files, &format!("{PREFIX}/share/n/f")), "2");
        assert!(!files.contains_key(&format!("{PREFIX}/share/n")) || files[&format!("{PREFIX}/share/n")].0 == 0o755);
        assert!(files.contains_key(&format!("{PREFIX}/share/own")), "what nobody else has stays");
        let mut archive = tar::Archive::new(fs::File::open(workspace.path("out.tar")).unwrap());
        let paths = archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string());
        assert!(paths.collect::<Vec<_>>().iter().any(|path| path.ends_with("share/n/f")), "{layers}");
    }
}

#[test]
fn layers_are_as_many_and_as_large_as_asked_for() {
    let package = |name: &str, mebibytes: usize| {
        let noise: Vec<u8> = (0..mebibytes << 20).map(|at| ((at * 2_654_435_761_usize) >> 11) as u8).collect();
        Package::new(name, "1").file(&format!("lib/{name}.bin"), noise, 0o644)
    };
    let workspace =
        with_packages(vec![package("large", 5), package("small", 0), package("tiny", 0), package("zlib", 0)]);
    workspace.write("environment.yml", "channels: [./channel]\ndependencies: [large, small, tiny, zlib]\n");
    let titles = |lines: &str| {
        build(&workspace, lines, &[]).succeeded();
        Image::open(workspace.path("out")).layers[1..].iter().map(|(_, title)| title.clone()).collect::<Vec<_>>()
    };
    assert_eq!(titles("layers = \"single\"").len(), 1);
    assert_eq!(titles("layers = \"per-package\"").len(), 5);
    assert_eq!(titles("layers = \"per-package\"\nmax-layers = 3").len(), 3);
    let auto = titles("");
    assert!(auto.contains(&"rootsmith: conda package large 1".to_owned()) && auto.len() <= 5, "{auto:?}");
    assert_eq!(auto.last().unwrap(), "rootsmith: conda environment default");
    let split = titles("layers = \"single\"\nmax-layer-size = 3");
    assert!(split.len() >= 2 && split[0].contains("part 1 of"), "{split:?}");
}

#[test]
fn activation_has_three_ways() {
    let script = "export FROM_SCRIPT=$CONDA_PREFIX/x\nexport PATH=$CONDA_PREFIX/more:$PATH\n";
    let workspace = with_packages(vec![Package::new("tool", "1").file("etc/conda/activate.d/tool.sh", script, 0o644)]);
    crate::support::base::write(&workspace.path("base"), &[(LIBC, GLIBC), ("bin/sh", "#!")]);
    workspace
        .write("environment.yml", "name: demo\nchannels: [./channel]\ndependencies: [tool]\nvariables: {KEPT: no}\n");
    let config = |lines: &str| {
        build(&workspace, lines, &[]).succeeded();
        Image::open(workspace.path("out")).config["config"].clone()
    };
    let env = |config: &Value, name: &str| {
        let all: Vec<String> = serde_json::from_value(config["Env"].clone()).unwrap();
        all.iter().find_map(|line| line.strip_prefix(&format!("{name}=")).map(str::to_owned))
    };
    let plain = config("activate = \"env\"");
    assert_eq!(plain["Entrypoint"], json!(["/usr/bin/tini", "--"]));
    assert_eq!(env(&plain, "PATH").unwrap(), format!("/{PREFIX}/bin:/bin"));
    assert_eq!(env(&plain, "KEPT").unwrap(), "no", "the environment's variables are newer than the base's");
    assert_eq!(env(&plain, "CONDA_DEFAULT_ENV").unwrap(), "demo");
    let finished = build(&workspace, "activate = \"env\"", &["--tag", "y"]);
    finished.succeeded().says("tool.sh of activate.d never run");
    let started = config("");
    assert_eq!(started["Entrypoint"], json!(["/usr/bin/tini", "--", format!("/{PREFIX}/bin/rootsmith-entrypoint")]));
    assert_eq!(
        config("[image]\nenv = { KEPT = \"mine\" }")["Env"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|line| line.as_str().unwrap().starts_with("KEPT="))
            .collect::<Vec<_>>(),
        ["KEPT=mine"]
    );
    // An image with an environment is the base of another one.
    fs::rename(workspace.path("out"), workspace.path("first")).unwrap();
    let before = [
        "layer",
        "first",
        "--conda",
        "environment.yml",
        "--prefix",
        "/opt/two",
        "-o",
        "oci:out",
        "--progress",
        "lines",
    ];
    workspace.rootsmith(before).succeeded();
    let twice = Image::open(workspace.path("out")).config["config"].clone();
    assert_eq!(env(&twice, "PATH").unwrap(), format!("/opt/two/bin:/{PREFIX}/bin:/bin"));
    assert_eq!(env(&twice, "CONDA_PREFIX").unwrap(), "/opt/two");
    assert_eq!(
        twice["Entrypoint"],
        json!([
            "/usr/bin/tini",
            "--",
            "/opt/two/bin/rootsmith-entrypoint",
            format!("/{PREFIX}/bin/rootsmith-entrypoint")
        ])
    );
}

#[test]
fn variables_of_packages_are_set() {
    let one = |name: &str, json: &str| {
        Package::new(name, "1").file(&format!("etc/conda/env_vars.d/{name}.json"), json, 0o644)
    };
    let first = one("first", r#"{"ONE": "1", "TWO": "1", "MINE": "1"}"#);
    let workspace = with_packages(vec![first, one("second", r#"{"TWO": "2"}"#), one("wrong", r#"{"X": ["y"]}"#)]);
    let text = "channels: [./channel]\ndependencies: [first, second]\nvariables: {MINE: file}\n";
    workspace.write("environment.yml", text);
    build(&workspace, "activate = \"env\"", &[]).succeeded();
    let image = Image::open(workspace.path("out"));
    let all: Vec<String> = serde_json::from_value(image.config["config"]["Env"].clone()).unwrap();
    for expected in ["ONE=1", "TWO=2", "MINE=file"] {
        assert!(all.contains(&expected.to_owned()), "{expected}: {all:?}");
    }
    let state = crate::conda::text(&image.files(), &format!("{PREFIX}/conda-meta/state"));
    assert!(state.contains("\"MINE\"") && !state.contains("ONE"), "what is the file's alone: {state}");
    ask(&workspace, "wrong", &[]).failed_with(4).says("wrong 1").says("the value of `X` is no text");
}

#[test]
fn a_path_of_a_spec_starts_in_the_folder_of_its_file() {
    let workspace = with_packages(vec![Package::new("tool", "1").file("x", "x", 0o644)]);
    workspace.write("environments/e.yml", "channels: [../channel]\ndependencies: ['../channel::tool']\n");
    let words = ["layer", "base", "--conda", "environments/e.yml", "-o", "oci:out", "--progress", "lines"];
    workspace.rootsmith(words).succeeded();
    let lock = fs::read_to_string(workspace.path("environments/e.rootsmith.lock")).unwrap();
    assert!(lock.contains("\"tool\"") && lock.contains("\"../channel\"") && !lock.contains("file:"), "{lock}");
}

#[test]
fn the_prefix_takes_the_place_of_the_placeholder() {
    const PLACEHOLDER: &str = "/placehold_placehold_placehold_placehold_placehold_placehold";
    let script = format!("#!{PLACEHOLDER}/bin/python\nhome = '{PLACEHOLDER}'\n");
    let tool = Package::new("tool", "1").text("bin/tool", &script, 0o755, PLACEHOLDER);
    let workspace = with_packages(vec![tool]);
    ask(&workspace, "tool", &["--prefix", "/opt/env"]).succeeded();
    let files = Image::open(workspace.path("out")).files();
    assert_eq!(text(&files, "opt/env/bin/tool"), "#!/opt/env/bin/python\nhome = '/opt/env'\n");
    let record: Value = serde_json::from_str(&text(&files, "opt/env/conda-meta/tool-1-0.json")).unwrap();
    let path = &record["paths_data"]["paths"][0];
    assert_eq!((path["prefix_placeholder"].as_str(), path["file_mode"].as_str()), (Some(PLACEHOLDER), Some("text")));
    for wrong in ["/opt/my env", "/opt/a;b"] {
        ask(&workspace, "tool", &["--prefix", wrong]).failed_with(2).says("without spaces");
    }
}
