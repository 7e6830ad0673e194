//! Environments on real bases, run by Docker; and recipes for serving, for developing and for GPUs.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::Command;

use rootsmith::digest::Digest;
use rootsmith::http::{Http, HttpOptions};
use serde_json::{Value, json};

use crate::conda::{Image, REAL, environment, text};
use crate::support::archive::{self, Suite};
use crate::support::conda::{self, Package};
use crate::support::deb;
use crate::support::engine::Engine;
use crate::support::require::{Need, mirror, require};
use crate::support::toy;
use crate::support::workspace::{Finished, Workspace, binary, finish, mirrors, run};

const PREFIX: &str = "opt/conda/envs/default";

/// Copies the recipes that come with the program.
fn copy_recipes(workspace: &Workspace) {
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_file() && !name.ends_with(".lock") {
            fs::copy(&path, workspace.path(name)).unwrap();
        }
    }
}

/// Runs rootsmith with the tests' mirror and this engine.
fn rootsmith(workspace: &Workspace, engine: &Engine, words: &[&str]) -> Finished {
    let mut command = workspace.command([binary()]);
    command.args(words).args(["--progress", "lines"]).args(mirrors());
    finish(command.env("DOCKER_HOST", format!("unix://{}", engine.socket().display())))
}

/// The bases: a slim system, the smallest for conda, and one without a shell.
const BASES: [&str; 3] = ["trixie-slim", "conda-runtime", "distroless-base"];

/// Builds them.
fn build_bases(workspace: &Workspace, engine: &Engine) {
    copy_recipes(workspace);
    for name in BASES {
        let recipe = format!(
            "extends = \"{name}.toml\"\nname = \"base\"\nplatforms = [\"linux/amd64\"]\n[layer]\ncompression = \"none\"\n"
        );
        workspace.write(&format!("base-{name}.toml"), &recipe);
        let output = format!("oci:{name}");
        rootsmith(workspace, engine, &["build", &format!("base-{name}.toml"), "-o", &output]).succeeded();
    }
}

#[test]
fn programs_run_on_every_base() {
    require!(
        Need::Root,
        Need::Data("conda"),
        Need::Mirror,
        Need::Program("dockerd"),
        Need::Program("newuidmap"),
        Need::Amd64
    );
    let workspace = Workspace::new();
    let engine = Engine::start();
    build_bases(&workspace, &engine);
    workspace.write("environment.yml", &environment(&["real"], &REAL));
    let mut layers: Vec<Vec<(String, String)>> = Vec::new();
    for base in BASES {
        let (from, name) = (format!("oci:{base}"), format!("{base}-with-conda:latest"));
        let (folder, daemon) = (format!("oci:out-{base}"), format!("docker-daemon:{name}"));
        let words = ["layer", &from, "--conda", "environment.yml", "-t", &name, "-o", &folder, "-o", &daemon];
        rootsmith(&workspace, &engine, &words).succeeded();
        let image = Image::open(workspace.path(&format!("out-{base}")));
        layers.push(image.layers[1..].to_vec());
        let user = if base == "distroless-base" { "65532" } else { "10001" };
        assert_eq!(image.config["config"]["User"], format!("{user}:{user}"), "{base}");
        let inside = |command: &[&str]| {
            let finished = engine.in_container(&name, &["--read-only"], command);
            finished.succeeded();
            finished.stdout
        };
        assert!(inside(&["curl", "--version"]).contains("libcurl/7.49.0 OpenSSL/1.0.2l"), "{base}");
        assert!(inside(&["sqlite3", ":memory:", "select 6 * 7;"]).contains("42"), "{base}");
        assert!(inside(&["xz", "--version"]).contains("5.2.2"), "{base}");
        assert!(inside(&["openssl", "version"]).contains("1.0.2l"), "{base}");
        if base != "distroless-base" {
            let said =
                inside(&["sh", "-c", "echo $CONDA_PREFIX; echo same | xz | xz -d; 2> /dev/null > /x || echo no"]);
            assert_eq!(said.trim(), "/opt/conda/envs/default\nsame\nno", "{base}");
        }
    }
    assert!(layers.iter().all(|these| *these == layers[0]), "the layers do not depend on the base");
    // What scripts set is known where the base has a shell and no other program.
    workspace.write("small.yml", &environment(&["small"], &["activate_deactivate_package"]));
    let frozen =
        "extends = \"base-conda-runtime.toml\"\n[[conda]]\nenvironment = \"small.yml\"\nactivate = \"frozen\"\n";
    workspace.write("frozen.toml", frozen);
    rootsmith(&workspace, &engine, &["build", "frozen.toml", "-o", "oci:frozen"]).succeeded();
    let image = Image::open(workspace.path("frozen"));
    assert!(!image.files().contains_key("usr/bin/env"));
    let env = image.config["config"]["Env"].as_array().unwrap();
    assert!(env.contains(&"TEST=teststringfromactivate".into()), "{env:?}");
    // The engine's own image is a base too, its environment stays, and the new one comes before it.
    let of_engine = "docker-daemon:distroless-base-with-conda:latest";
    let words = ["layer", of_engine, "--conda", "environment.yml", "--prefix", "/opt/two", "-o", "oci:two"];
    rootsmith(&workspace, &engine, &words).succeeded();
    let two = Image::open(workspace.path("two"));
    assert_eq!(two.layers.len(), 1 + 2 * layers[0].len());
    let path =
        two.config["config"]["Env"].as_array().unwrap().iter().find_map(|line| line.as_str()?.strip_prefix("PATH="));
    assert!(path.unwrap().starts_with(&format!("/opt/two/bin:/{PREFIX}/bin:")), "{path:?}");
}

#[test]
fn scripts_of_packages_run_in_the_sandbox() {
    require!(Need::Root, Need::Data("conda"), Need::Program("busybox"), Need::Amd64);
    let workspace = Workspace::new();
    toy::write(&workspace.path("archive"));
    fs::copy(archive::public_key(), workspace.path("key.asc")).unwrap();
    let recipe = |environment: &str, lines: &str| {
        workspace.write("small.yml", environment);
        let text = format!(
            "name = \"x\"\nplatforms = [\"linux/amd64\"]\n[from.debian]\nsuite = \"golden\"\ndistribution = \"golden\"\n\
             variant = \"essential\"\nupdates = false\nkeyring = \"key.asc\"\n\
             [[from.debian.repository]]\nurl = \"file://{}\"\n\
             [[conda]]\nenvironment = \"small.yml\"\nprefix = \"/opt/small\"\n{lines}\n",
            workspace.path("archive").display()
        );
        workspace.write("x.toml", &text);
    };
    let build = |store: &str| {
        let mut command = workspace.command([binary()]);
        command.args(["build", "x.toml", "-o", "oci:out", "--progress", "lines"]);
        finish(command.env("ROOTSMITH_STORE", workspace.path(store)))
    };
    let scripts = ["post_link_run_in_env_package", "small-executable", "activate_deactivate_package"];
    let small = environment(&["small"], &scripts);
    recipe(&small, "post-link = \"run\"\nactivate = \"frozen\"");
    let (one, other) = (build("store"), build("another"));
    one.succeeded().says("TEST_VAR is set correctly");
    assert_eq!(one.digest(), other.digest(), "what scripts write has no time of its own");
    let image = Image::open(workspace.path("out"));
    assert!(!image.files().contains_key("opt/small/.messages.txt"));
    let env = image.config["config"]["Env"].as_array().unwrap();
    assert!(env.contains(&"TEST_VAR=1".into()), "{env:?}");
    recipe(&small, "");
    build("store").succeeded().says("post-link scripts do not run").says("post_link_run_in_env_package");
    recipe(&environment(&["small"], &["failing_post_link"]), "post-link = \"run\"");
    build("store").failed_with(2).says("failing_post_link-post-link.sh").says("exit code 1");
    fs::remove_dir_all(workspace.path("out")).unwrap();
    recipe(&environment(&["small"], &["failing_post_link"]), "");
    build("store").succeeded().says("failing_post_link");
}

/// The files of Debian's packages by the names of the packages, from the mirror.
fn debian_files(workspace: &Workspace, packages: &[&str]) -> BTreeMap<String, (Vec<u8>, u32)> {
    let list = packages.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    let recipe = format!(
        "name = \"py\"\nplatforms = [\"linux/amd64\"]\n[from.debian]\nsuite = \"trixie\"\nupdates = false\npackages = [{list}]\n"
    );
    workspace.write("py-debs.toml", &recipe);
    workspace.rootsmith(["lock", "py-debs.toml"].map(str::to_owned).into_iter().chain(mirrors())).succeeded();
    let lock = fs::read_to_string(workspace.path("py-debs.lock")).unwrap();
    let (http, mirror) = (Http::new(HttpOptions::default()), mirror().expect("the test has required a mirror"));
    let mut files = BTreeMap::new();
    for name in packages {
        let start = lock.find(&format!("name = \"{name}\"")).unwrap_or_else(|| panic!("{name} is in {lock}"));
        let path = lock[start..].split("path = \"").nth(1).unwrap().split('"').next().unwrap();
        let deb = workspace.path("package.deb");
        fs::write(&deb, http.fetch_bytes(&format!("{mirror}/debian/{path}"), 64 << 20).unwrap()).unwrap();
        let tar = Command::new("dpkg-deb").arg("--fsys-tarfile").arg(&deb).output().unwrap().stdout;
        let mut archive = tar::Archive::new(tar.as_slice());
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().display().to_string();
            let mode = if entry.header().entry_type().is_symlink() { 0 } else { entry.header().mode().unwrap() };
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            if let Some(target) = entry.link_name().unwrap().filter(|_| mode == 0) {
                bytes = target.display().to_string().into_bytes();
            }
            if entry.header().entry_type().is_file() || mode == 0 {
                files.insert(path.trim_start_matches("./").to_owned(), (bytes, mode));
            }
        }
    }
    files
}

/// The entries of a wheel.
fn wheel_files(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
    (0..zip.len())
        .map(|at| {
            let mut entry = zip.by_index(at).unwrap();
            let name = entry.name().unwrap().into_owned();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            (name, bytes)
        })
        .filter(|(name, _)| !name.ends_with('/'))
        .collect()
}

/// Writes a channel of Debian's Python and of the wheel of pip, and puts the wheel of setuptools beside it; gives that
/// one's name and digest.
fn write_python(workspace: &Workspace) -> (String, String) {
    let debian = debian_files(
        workspace,
        &[
            "python3.13-minimal",
            "libpython3.13-minimal",
            "libpython3.13-stdlib",
            "libexpat1",
            "zlib1g",
            "python3-pip-whl",
            "python3-setuptools-whl",
        ],
    );
    let mut python =
        Package::new("python", "3.13.5").field("python_site_packages_path", "lib/python3.13/site-packages");
    python = python.symlink("bin/python3", "python3.13").needs(&["expat"]);
    let mut expat = Package::new("expat", "2.7.1");
    for (path, (bytes, mode)) in &debian {
        let Some(path) = path.strip_prefix("usr/") else { continue };
        let left_out = ["/idlelib/", "/lib2to3/", "/ensurepip/", "/config-", "sitecustomize"];
        if path == "bin/python3.13"
            || (path.starts_with("lib/python3.13/") && !left_out.iter().any(|part| path.contains(part)))
        {
            python = python.file(path, bytes.clone(), *mode);
        } else if let Some(library) = path
            .strip_prefix("lib/x86_64-linux-gnu/")
            .filter(|name| ["libexpat.", "libz."].iter().any(|start| name.starts_with(start)))
        {
            expat = expat.file(&format!("lib/{library}"), bytes.clone(), *mode);
        }
    }
    let wheel = |distribution: &str| {
        let start = format!("usr/share/python-wheels/{distribution}-");
        let found =
            debian.iter().find(|(path, _)| path.starts_with(&start)).unwrap_or_else(|| panic!("{distribution}"));
        (found.0.rsplit('/').next().unwrap().to_owned(), found.1.0.clone())
    };
    let mut pip =
        Package::new("pip", "25.1.1").noarch_python(&["pip3 = pip._internal.cli.main:main"]).needs(&["python"]);
    for (path, bytes) in wheel_files(&wheel("pip").1) {
        pip = pip.file(&format!("site-packages/{path}"), bytes, 0o644);
    }
    conda::write(&workspace.path("channel"), vec![python, expat, pip]);
    let (name, bytes) = wheel("setuptools");
    fs::write(workspace.path(&name), &bytes).unwrap();
    (name, Digest::of(&bytes).hex())
}

#[test]
fn a_real_python_runs_real_wheels() {
    require!(
        Need::Root,
        Need::Mirror,
        Need::Program("dockerd"),
        Need::Program("dpkg-deb"),
        Need::Program("newuidmap"),
        Need::Amd64
    );
    let workspace = Workspace::new();
    let (wheel, digest) = write_python(&workspace);
    // Debian's Python looks for modules in places of its own.
    let environment = format!(
        "name: py\nchannels: [./channel]\ndependencies:\n  - python 3.13.*\n  - pip\n  - pip:\n    - ./{wheel}#sha256={digest}\n\
         variables:\n  LD_LIBRARY_PATH: /{PREFIX}/lib\n  PYTHONPATH: /{PREFIX}/lib/python3.13/site-packages\n"
    );
    workspace.write("environment.yml", &environment);
    copy_recipes(&workspace);
    let recipe = "extends = \"conda-runtime.toml\"\nname = \"py\"\n[layer]\ncompression = \"none\"\n\
                  [[conda]]\nenvironment = \"environment.yml\"\npyc = \"unchecked-hash\"\nprune = [\"tests\"]\n";
    workspace.write("py.toml", recipe);
    let engine = Engine::start();
    let build = |more: &[&str]| {
        let before = ["build", "py.toml", "-o", "docker-daemon:py:latest", "-o", "oci:out"];
        rootsmith(&workspace, &engine, &[&before[..], more].concat())
    };
    let first = build(&[]);
    first.succeeded().says("which neither the environment nor the base has");
    let site = format!("{PREFIX}/lib/python3.13/site-packages");
    let files = Image::open(workspace.path("out")).files();
    let name = format!("{site}/pip/__pycache__/__init__.cpython-313.pyc");
    let there = || files.keys().filter(|path| path.contains("pip/__")).cloned().collect::<Vec<_>>();
    let compiled = &files.get(&name).unwrap_or_else(|| panic!("{name} is not among {:?}", there())).2;
    assert_eq!(compiled[4..8], [1, 0, 0, 0], "it holds a hash that nobody compares, and no time");
    assert!(files.keys().any(|path| path.starts_with(&site) && path.contains("setuptools/__pycache__/")));
    let record =
        files.keys().find(|path| path.contains("/setuptools-") && path.ends_with(".dist-info/RECORD")).unwrap();
    assert!(text(&files, record).contains("setuptools/__init__.py,sha256="), "the list of the wheel itself");
    // Compiled again, the same bytes.
    let packages = |image: &Image| image.layers[1..].to_vec();
    let before = packages(&Image::open(workspace.path("out")));
    let output = format!("oci:{}", workspace.path("again").display());
    let mut command = workspace.command([binary()]);
    command
        .args(["build", "py.toml", "--locked", "-o", &output, "--progress", "none", "--threads", "1"])
        .args(mirrors());
    let copy = workspace.path("another");
    run(Command::new("cp").arg("-a").arg(workspace.path("store")).arg(&copy));
    fs::remove_dir_all(copy.join("memo")).ok();
    let again = finish(command.env("ROOTSMITH_STORE", &copy).env("TZ", "Asia/Tokyo").env("PYTHONHASHSEED", "7"));
    assert_eq!(again.digest(), first.digest());
    assert_eq!(packages(&Image::open(workspace.path("again"))), before);
    let inside = |command: &[&str]| {
        let finished = engine.in_container("py:latest", &["--read-only"], command);
        finished.succeeded();
        finished.stdout
    };
    let script = "import json, os, pyexpat, setuptools, sys\nfrom setuptools._distutils.version import LooseVersion as V\n\
                  print(json.dumps([6 * 7, sys.prefix, os.getuid(), V('1.10') > V('1.9')]))";
    let said: Value = serde_json::from_str(&inside(&["python3", "-c", script])).unwrap();
    assert_eq!(said, json!([42, format!("/{PREFIX}"), 10001, true]));
    assert!(inside(&["pip3", "--version"]).contains(&format!("/{site}/pip")));
}

#[test]
fn one_recipe_makes_an_image_to_serve_and_one_to_develop() {
    require!(Need::Mirror, Need::Amd64);
    let workspace = Workspace::new();
    copy_recipes(&workspace);
    let conda_forge = ["python", "numpy", "ipython", "jupyterlab"].map(|name| {
        let version = if name == "python" { "3.12.11" } else { "2" };
        Package::new(name, version).needs(&["__glibc >=2.28"]).file(&format!("share/{name}"), name, 0o644)
    });
    conda::write(&workspace.path("channel"), conda_forge.into());
    for name in ["conda-app.yml", "conda-app-dev.yml"] {
        let text = fs::read_to_string(workspace.path(name)).unwrap();
        assert!(text.contains("- conda-forge"), "{text}");
        workspace.write(name, &text.replace("- conda-forge", "- ./channel"));
    }
    let lock = |more: &[&str]| {
        let before = ["lock", "conda-app.toml"].iter().chain(more).map(|word| (*word).to_owned());
        workspace.rootsmith(before.chain(mirrors())).succeeded();
    };
    lock(&[]);
    lock(&["--variant", "dev"]);
    let serving = fs::read_to_string(workspace.path("conda-app.lock")).unwrap();
    let development = fs::read_to_string(workspace.path("conda-app.dev.lock")).unwrap();
    for (name, is_in_both) in
        [("numpy", true), ("tini", true), ("jupyterlab", false), ("openssh-server", false), ("git", false)]
    {
        let row = format!("name = \"{name}\"");
        assert_eq!((serving.contains(&row), development.contains(&row)), (is_in_both, true), "{name}");
    }
    assert!(serving.contains("__glibc=2.41=0"), "{serving}");
}

#[test]
fn a_recipe_for_gpus_takes_the_runtime_from_its_vendor() {
    require!(Need::Root, Need::Program("busybox"), Need::Amd64);
    let workspace = Workspace::new();
    toy::write(&workspace.path("archive"));
    let library = "usr/local/cuda-12.4/targets/x86_64-linux/lib/libcudart.so.12";
    let runtime = deb::Package::new("cuda-cudart-12-4", "12.4.127-1")
        .file(library, 0o644, "a runtime")
        .symlink("usr/local/cuda", "cuda-12.4");
    let vendor = Suite {
        origin: "Vendor",
        suite: "stable",
        codename: "stable",
        date: "Sun, 15 Jun 2025 15:06:40 UTC",
        more: "",
    };
    archive::write(&workspace.path("vendor"), &vendor, &[runtime.build()]);
    fs::copy(archive::public_key(), workspace.path("key.asc")).unwrap();
    let gpu = |name: &str, cuda: &str| Package::new(name, "1").needs(&[cuda]).file(&format!("lib/{name}"), name, 0o644);
    conda::write(&workspace.path("channel"), vec![gpu("torch", "__cuda >=12.1"), gpu("serve", "torch")]);
    workspace.write("gpu.yml", "name: gpu\nchannels: [./channel]\ndependencies: [serve]\n");
    workspace.write("gpu-dev.yml", "name: gpu\nchannels: [./channel]\ndependencies: [serve, torch]\n");
    let recipe = format!(
        "name = \"gpu\"\nplatforms = [\"linux/amd64\"]\n[from.debian]\nsuite = \"golden\"\ndistribution = \"golden\"\n\
         variant = \"essential\"\nupdates = false\nkeyring = \"key.asc\"\npackages = [\"cuda-cudart-12-4\"]\n\
         [[from.debian.repository]]\nurl = \"file://{archive}/archive\"\n\
         [[from.debian.repository]]\nurl = \"file://{archive}/vendor\"\nsuites = [\"stable\"]\ncomponents = [\"main\"]\nkeyring = \"key.asc\"\n\
         [[conda]]\nenvironment = \"gpu.yml\"\nvirtual-packages = {{ cuda = \"12.4\" }}\nlayers = \"per-package\"\n\
         [image.env]\nNVIDIA_VISIBLE_DEVICES = \"all\"\nNVIDIA_DRIVER_CAPABILITIES = \"compute,utility\"\n\
         NVIDIA_REQUIRE_CUDA = \"cuda>=12.4\"\n\
         [variant.dev]\nconda = [\"-gpu.yml\", {{ environment = \"gpu-dev.yml\", layers = \"per-package\", virtual-packages = {{ cuda = \"12.4\" }} }}]\n\
         from.debian.packages = [\"greeting\"]\n",
        archive = workspace.path("").display().to_string().trim_end_matches('/')
    );
    workspace.write("gpu.toml", &recipe);
    let build = |more: &[&str]| {
        let before = ["build", "gpu.toml", "--progress", "lines"];
        workspace.rootsmith(before.iter().chain(more))
    };
    build(&["-o", "oci:out", "-o", "rootfs-dir:root"]).succeeded();
    let image = Image::open(workspace.path("out"));
    let env: Vec<String> = serde_json::from_value(image.config["config"]["Env"].clone()).unwrap();
    for line in
        ["NVIDIA_VISIBLE_DEVICES=all", "NVIDIA_DRIVER_CAPABILITIES=compute,utility", "NVIDIA_REQUIRE_CUDA=cuda>=12.4"]
    {
        assert!(env.iter().any(|known| known == line), "{line} is in {env:?}");
    }
    assert!(workspace.path("root").join(library).exists());
    assert!(
        workspace.path("root").join(PREFIX).join("lib/torch").exists(),
        "a root filesystem has the environment too"
    );
    let lock = fs::read_to_string(workspace.path("gpu.lock")).unwrap();
    assert!(lock.contains("cuda-cudart-12-4") && lock.contains("__cuda=12.4=0"), "{lock}");
    // The driver of a container's host is never looked at: without a word in the recipe there is none.
    workspace.write("gpu.toml", &recipe.replacen("virtual-packages = { cuda = \"12.4\" }\n", "", 1));
    build(&[]).failed_with(2).says("__cuda");
    workspace.write("gpu.toml", &recipe);
    build(&["--variant", "dev", "-o", "oci:dev"]).succeeded();
    let dev = Image::open(workspace.path("dev"));
    assert_eq!(dev.layer("conda package torch"), image.layer("conda package torch"));
    assert_ne!(dev.layers[0], image.layers[0]);
}
