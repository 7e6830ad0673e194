//! Images from scratch: programs, what is around them, and programs that cannot be in them.

mod tini;

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::door::Door;
use crate::support::elf::{Writer, auditable, go_build_info};
use crate::support::engine::Engine;
use crate::support::layout::Layout;
use crate::support::program::{compile, link_rootsmith};
use crate::support::require::{Need, require};
use crate::support::workspace::{Workspace, binary, finish, run};

/// A recipe that copies `app`, with `more` behind it.
fn recipe(workspace: &Workspace, more: &str) {
    let text = format!(
        "name = \"app\"\nplatforms = [\"linux/amd64\"]\n[from.scratch]\n{more}\n[[file]]\npath = \"/app\"\n\
         source = \"app\"\nmode = \"0755\"\n[image]\nentrypoint = [\"/app\"]\n"
    );
    workspace.write("app.toml", &text);
}

/// A workspace with a program that needs nothing, and the recipe for it.
fn workspace() -> Workspace {
    let workspace = Workspace::new();
    write(&workspace, "app", &Writer::new());
    recipe(&workspace, "");
    workspace
}

fn write(workspace: &Workspace, name: &str, program: &Writer) {
    fs::write(workspace.path(name), program.write()).unwrap();
}

const BUILD: [&str; 4] = ["build", "app.toml", "--progress", "none"];

/// The image of the shipped recipe, around a program compiled here.
fn shipped() -> Workspace {
    let workspace = Workspace::new();
    let recipe = Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes/scratch-static.toml");
    fs::copy(recipe, workspace.path("app.toml")).unwrap();
    compile(&workspace.path("app"), &["-static"]);
    workspace
}

#[test]
fn the_image_has_what_a_static_program_expects() {
    let workspace = workspace();
    recipe(&workspace, "timezones = true");
    let built = workspace.rootsmith([&BUILD[..], &["--frozen", "-o", "oci:out"]].concat());
    let digest = built.digest();
    let image = Layout::open(&workspace.path("out")).image();
    assert_eq!(image.digest, digest);
    assert_eq!(
        (&image.config["created"], &image.config["architecture"]),
        (&"1970-01-01T00:00:00Z".into(), &"amd64".into())
    );
    let entries = image.listing();
    for (path, mode) in [("tmp", 0o1777), ("var/tmp", 0o1777), ("root", 0o700), ("app", 0o755), ("etc/passwd", 0o644)] {
        assert_eq!(entries[path].mode, mode, "{path}");
    }
    assert!(entries.values().all(|entry| entry.mtime == 0 && entry.owner == (0, 0)));
    assert!(entries.contains_key("usr/share/zoneinfo/Europe/Berlin") && entries.contains_key("etc/ssl/cert.pem"));
    let bundle = String::from_utf8(image.file("etc/ssl/certs/ca-certificates.crt")).unwrap();
    assert!(bundle.matches("BEGIN CERTIFICATE").count() > 100);
    assert!(!workspace.path("app.lock").exists(), "there is nothing to lock");
    workspace.rootsmith(["lock", "app.toml", "--locked"]).succeeded().says("nothing to lock");
    workspace.rootsmith(["lock", "app.toml", "--check"]).succeeded();
    assert!(!workspace.path("app.lock").exists());

    recipe(&workspace, "ca-certificates = false");
    workspace.rootsmith([&BUILD[..], &["-o", "oci:bare"]].concat()).succeeded();
    let entries = Layout::open(&workspace.path("bare")).image().listing();
    assert!(!entries.keys().any(|path| path.starts_with("etc/ssl") || path.starts_with("usr/share/")));
}

/// What has no data of other projects in it has one digest for ever.
#[test]
fn the_golden_digest() {
    let workspace = workspace();
    recipe(&workspace, "ca-certificates = false");
    let user = "[harden]\nprofile = \"baseline\"\nuser = { name = \"app\", uid = 10001 }\n";
    let text = fs::read_to_string(workspace.path("app.toml")).unwrap() + user;
    workspace.write("app.toml", &text);
    let digest = workspace.rootsmith(BUILD).digest();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/scratch-digest.txt");
    if std::env::var_os("ROOTSMITH_TEST_BLESS").is_some() {
        fs::write(&golden, format!("{digest}\n")).unwrap();
    }
    assert_eq!(digest, fs::read_to_string(golden).unwrap().trim());
}

#[test]
fn outputs_may_be_the_standard_output() {
    let workspace = workspace();
    let build = |output: &str, reader: &str| {
        let script = format!("\"$0\" build app.toml --progress none -o {output} {reader}");
        finish(workspace.command(["sh", "-c", &script]).arg(binary()))
    };
    let plain = workspace.rootsmith(["build", "app.toml", "--progress", "none", "-o", "oci:out"]).digest();
    for output in ["rootfs-tar:-", "rootfs-tar:/dev/stdout"] {
        workspace.write("file", "before");
        let appended = build(output, ">> file; head -c 6 file; tail -c +7 file | tar -t app");
        assert_eq!((appended.stdout.as_str(), appended.stderr.trim_end()), ("beforeapp\n", plain.as_str()));
    }
    let archived = build("oci-archive:-:app:1", "| tar -xO index.json");
    let index: Value = serde_json::from_str(&archived.stdout).unwrap();
    assert_eq!(index["manifests"][0]["digest"], plain.as_str());
    assert!(!workspace.path("-").exists());
}

#[test]
fn the_surroundings_do_not_matter() {
    require!(Need::Root, Need::Tester, Need::Program("setpriv"));
    let prepared = |text: &str| {
        let workspace = workspace();
        recipe(&workspace, text);
        workspace
    };
    let expected = prepared("timezones = true").rootsmith(BUILD).digest();
    let build = |what: &str, before: &[&str], with: &dyn Fn(&Workspace, &mut Command)| {
        let workspace = prepared("timezones = true");
        if before == Door::User.prefix() {
            Door::User.prepare(&workspace);
        }
        let words = before.iter().map(OsString::from).chain([binary().into()]);
        let mut command = workspace.command(words);
        command.args(BUILD);
        with(&workspace, &mut command);
        assert_eq!(finish(&mut command).digest(), expected, "{what}");
    };
    build("TMPDIR", &[], &|workspace, command| {
        command.env("TMPDIR", workspace.path("nowhere"));
    });
    build("TZ and locale", &[], &|_, command| {
        command.env("TZ", "Pacific/Chatham").env("LC_ALL", "tr_TR.UTF-8");
    });
    build("umask", &["sh", "-c", "umask 077; exec \"$@\"", "sh"], &|_, _| {});
    build("one thread", &[], &|_, command| {
        command.args(["--threads", "1"]);
    });
    build("seven threads", &[], &|_, command| {
        command.args(["--threads", "7"]);
    });
    build("another user", Door::User.prefix(), &|_, _| {});
    build("modes and times of the checkout", &[], &|workspace, _| {
        run(Command::new("chmod").arg("0711").arg(workspace.path("app")));
        run(Command::new("touch").args(["-d", "2001-01-01"]).arg(workspace.path("app")));
    });
    let later = prepared("timezones = true");
    let built = finish(later.command([binary()]).args(BUILD).env("SOURCE_DATE_EPOCH", "86400")).digest();
    assert_ne!(built, expected, "the one time is part of the image");
}

#[test]
fn programs_that_cannot_start_are_refused_before_anything_is_fetched() {
    let workspace = workspace();
    let refused = |name: &str, program: &Writer| {
        write(&workspace, "app", program);
        let finished = workspace.rootsmith([&BUILD[..], &["-o", "oci:out"]].concat());
        assert!(!workspace.path("out").exists(), "{name}");
        finished.failed_with(2);
        finished
    };
    // A mirror that does not answer would be noticed.
    recipe(
        &workspace,
        "[harden]\ninit = \"tini\"\n[from.scratch.debian]\nsuite = \"trixie\"\n[[from.scratch.debian.repository]]\nurl = \"http://127.0.0.1:9/debian\"",
    );
    let dynamic = Writer::new().loaded_by("/lib64/ld-linux-x86-64.so.2").needs(&["libc.so.6", "libssl.so.3"]);
    let said = refused("dynamic", &dynamic);
    said.says("linked dynamically").says("`/lib64/ld-linux-x86-64.so.2`, `libc.so.6`, `libssl.so.3`");
    said.says("recipes/trixie-slim.toml").says("libssl3t64").says("CGO_ENABLED=0");
    let musl = Writer::new().loaded_by("/lib/ld-musl-x86_64.so.1").needs(&["libc.musl-x86_64.so.1"]);
    refused("musl", &musl).says("recipes/alpine.toml");
    refused("arm64", &Writer::arm64()).says("cannot run `/app` on linux/amd64: it is for linux/arm64");
    refused("mips", &Writer { machine: 8, is_64: false, ..Writer::new() }).says("MIPS");
    refused("freebsd", &Writer { abi: 9, ..Writer::new() }).says("freebsd");
    let mut bytes = dynamic.write();
    bytes.truncate(200);
    fs::write(workspace.path("app"), bytes).unwrap();
    workspace.rootsmith(BUILD).failed_with(2).says("damaged ELF file");
    // With a program that starts, the mirror is asked.
    write(&workspace, "app", &Writer::new());
    workspace.rootsmith(BUILD).failed_with(4).says("127.0.0.1:9");
}

#[test]
fn a_dynamic_program_may_bring_its_libraries() {
    let workspace = workspace();
    let interpreter = "/lib64/ld-linux-x86-64.so.2";
    write(&workspace, "app", &Writer::new().loaded_by(interpreter).needs(&["libc.so.6"]));
    write(&workspace, "lib", &Writer { kind: 3, ..Writer::new() });
    workspace.rootsmith(BUILD).failed_with(2);
    let text = fs::read_to_string(workspace.path("app.toml")).unwrap();
    let file = |path: &str| format!("[[file]]\npath = \"{path}\"\nsource = \"lib\"\n");
    let loader = file(interpreter) + "mode = \"0755\"\n";
    let not_executable = file(interpreter) + "mode = \"0644\"\n" + &file("/lib/x86_64-linux-gnu/libc.so.6");
    workspace.write("app.toml", &(text.clone() + &not_executable));
    workspace.rootsmith(BUILD).failed_with(2).says("nobody may execute its interpreter");
    workspace.write("app.toml", &(text.clone() + &loader + &file("/lib/x86_64-linux-gnu/libc.so.6")));
    workspace.rootsmith(BUILD).succeeded();
    let elsewhere = loader + &file("/opt/lib/libc.so.6");
    workspace.write("app.toml", &(text.clone() + &elsewhere));
    workspace.rootsmith(BUILD).failed_with(2).says("there is no `libc.so.6`");
    let searched = text.replace("[image]\n", "[image]\nenv = { LD_LIBRARY_PATH = \"/opt/lib\" }\n");
    workspace.write("app.toml", &(searched + &elsewhere));
    workspace.rootsmith(BUILD).succeeded();
}

#[test]
fn scripts_without_their_interpreter_are_warned_of() {
    let workspace = workspace();
    workspace.write("app", "#!/bin/sh\n");
    let arguments = ["build", "app.toml", "--progress", "lines"];
    workspace.rootsmith(arguments).succeeded().says("nothing can run /app").says("`/bin/sh`");
    workspace.write("app", "MZ");
    workspace.rootsmith(arguments).succeeded().says("for Windows");
}

#[test]
fn mistakes_of_a_recipe_have_their_places() {
    let workspace = workspace();
    let mistaken = |text: &str, phrases: &[&str]| {
        workspace.write("bad.toml", &format!("name = \"bad\"\n{text}"));
        let finished = workspace.rootsmith(["build", "bad.toml"]);
        finished.failed_with(2);
        for phrase in phrases {
            finished.says(phrase);
        }
    };
    mistaken("[from.scratch]\ntimezone = true\n", &["`timezone` is not a key of [from.scratch]", "`timezones`"]);
    mistaken("[from.scratch.debian]\nsuite = \"trixie\"\npackages = [\"x\"]\n", &["only tini is taken", "bad.toml:4"]);
    mistaken("[from.scratch]\n[harden]\ninit = \"tinny\"\n", &["`tinny` is not an init", "./tini"]);
    mistaken("[from.scratch]\n[harden]\ninit = \"./nowhere\"\n", &["there is no file", "nowhere"]);
    let each = "platforms = [\"linux/amd64\", \"linux/arm64\"]\n[from.scratch]\n[[file]]\npath = \"/app\"\n";
    let source = "source = { \"linux/amd64\" = \"app\", \"linux/pdp11\" = \"app\" }\n";
    mistaken(&format!("{each}{source}"), &["no file for linux/arm64", "bad.toml:6", "`linux/pdp11` is not a platform"]);
    let source = "source = { \"linux/amd64\" = \"app\", \"linux/arm64\" = \"nowhere\" }\n";
    mistaken(&format!("{each}{source}"), &["there is no file or folder", "nowhere"]);
    let source = "source = { \"linux/arm64\" = \"app\", \"linux/arm64/v8\" = \"app\", \"linux/amd64\" = \"app\" }\n";
    mistaken(&format!("{each}{source}"), &["`linux/arm64` is given twice in `source`"]);
    let twice = "platforms = [\"linux/arm64\", \"linux/arm64/v8\"]\n[from.scratch]\n";
    mistaken(twice, &["`linux/arm64` is given twice in `platforms`"]);
    mistaken(&format!("{each}source = {{ }}\n"), &["no file for linux/amd64, linux/arm64"]);
}

#[test]
fn several_platforms_are_one_index() {
    let workspace = workspace();
    write(&workspace, "arm", &Writer::arm64());
    let recipe = |source: &str| {
        let text = format!(
            "name = \"app\"\nplatforms = [\"linux/amd64\", \"linux/arm64\"]\n[from.scratch]\n[[file]]\npath = \"/app\"\n\
             source = {source}\nmode = \"0755\"\n"
        );
        workspace.write("app.toml", &text);
    };
    recipe("{ \"linux/amd64\" = \"app\", \"linux/arm64\" = \"arm\" }");
    let digest = workspace.rootsmith([&BUILD[..], &["-o", "oci:out"]].concat()).digest();
    let tags = Layout::open(&workspace.path("out")).tags();
    assert_eq!(tags, [("latest".to_owned(), digest.clone())]);
    let blob = fs::read(workspace.path("out/blobs/sha256").join(digest.strip_prefix("sha256:").unwrap())).unwrap();
    let index: Value = serde_json::from_slice(&blob).unwrap();
    let platforms: Vec<_> =
        index["manifests"].as_array().unwrap().iter().map(|one| one["platform"]["architecture"].as_str()).collect();
    assert_eq!(platforms, [Some("amd64"), Some("arm64")]);
    // One of them alone is the image that is in the index.
    let one = workspace.rootsmith([&BUILD[..], &["--platform", "linux/arm64", "-o", "oci:one"]].concat()).digest();
    assert_eq!(index["manifests"][1]["digest"], one.as_str());
    assert_eq!(Layout::open(&workspace.path("one")).image().file("app"), Writer::arm64().write());
    workspace.rootsmith([&BUILD[..], &["--platform", "linux/s390x"]].concat()).failed_with(2).says("platforms = [");
    workspace.rootsmith([&BUILD[..], &["-o", "rootfs-tar:x.tar"]].concat()).failed_with(2).says("2 platforms");
    recipe("\"app\"");
    workspace.rootsmith(BUILD).failed_with(2).says("linux/arm64").says("a file for each");
}

#[test]
fn certificates_of_ones_own_are_added() {
    require!(Need::Program("openssl"));
    let workspace = workspace();
    let request = ["req", "-x509", "-newkey", "ed25519", "-nodes", "-keyout", "/dev/null", "-subj", "/CN=Corp", "-out"];
    run(workspace.command(["openssl"]).args(request).arg("corp.pem"));
    let own = fs::read_to_string(workspace.path("corp.pem")).unwrap();
    for (keys, others) in [("", true), ("ca-certificates = false", false)] {
        recipe(&workspace, &format!("{keys}\n[certificates]\nextra = [\"corp.pem\"]"));
        workspace.rootsmith([&BUILD[..], &["-o", "oci:out"]].concat()).succeeded();
        let image = Layout::open(&workspace.path("out")).image();
        let bundle = String::from_utf8(image.file("etc/ssl/certs/ca-certificates.crt")).unwrap();
        assert!(bundle.ends_with(&own), "{keys}");
        assert_eq!(bundle.matches("BEGIN").count() > 1, others, "{keys}");
    }
}

#[test]
fn a_program_alone_makes_an_image() {
    let workspace = workspace();
    write(&workspace, "My_App", &Writer::new());
    let build = |arguments: &[&str]| workspace.rootsmith([&["build", "--progress", "none"], arguments].concat());
    let digest = build(&["--binary", "./My_App", "-o", "oci:out"]).digest();
    let layout = Layout::open(&workspace.path("out"));
    let image = layout.image();
    assert_eq!(layout.tags(), [("latest".to_owned(), digest)]);
    let config = &image.config["config"];
    assert_eq!(config["Entrypoint"], serde_json::json!(["/usr/local/bin/My_App"]));
    assert_eq!(config["User"], "65532:65532");
    assert_eq!(config["Labels"]["org.opencontainers.image.title"], "my-app");
    let entries = image.listing();
    assert_eq!((entries["home/nonroot"].owner, entries["usr/local/bin/My_App"].mode), ((65532, 65532), 0o755));
    assert!(entries.contains_key("etc/ssl/certs/ca-certificates.crt"));
    let written: Vec<_> = fs::read_dir(workspace.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!written.iter().any(|name| name.to_string_lossy().ends_with(".lock")), "{written:?}");

    write(&workspace, "arm", &Writer::arm64());
    build(&["--binary", "app", "--binary", "arm", "-o", "oci:two"]).succeeded();
    build(&["--binary", "app", "--binary", "My_App"]).failed_with(2).says("two programs for linux/amd64");
    build(&["--binary", "app", "--platform", "linux/arm64"])
        .failed_with(2)
        .says("no program for it, but for linux/amd64");
    build(&["--binary", "app.toml"]).failed_with(2).says("unknown format");
    build(&["--binary", "nowhere"]).failed_with(2).says("nowhere");
    build(&["--binary", "app", "app.toml"]).failed_with(2);
    build(&[]).failed_with(2).says("RECIPE");
    write(&workspace, "app", &Writer::new().loaded_by("/lib/ld-musl-x86_64.so.1"));
    build(&["--binary", "app"]).failed_with(2).says("ld-musl-x86_64.so.1").says("musl");
}

#[test]
fn what_programs_are_built_of_is_inspected() {
    let workspace = workspace();
    let modules = "path\texample.com/tool\nmod\texample.com/tool\tv1.2.3\ndep\tgolang.org/x/sys\tv0.30.0\th1:y=\n";
    write(&workspace, "app", &Writer::new().section(".go.buildinfo", go_build_info("go1.25.4", modules)));
    let json = r#"{"packages":[{"name":"serde","version":"1.0.228","source":"registry"}]}"#;
    write(&workspace, "rust", &Writer::new().section(".dep-v0", auditable(json)));
    let text = fs::read_to_string(workspace.path("app.toml")).unwrap();
    workspace.write("app.toml", &(text + "[[file]]\npath = \"/rust\"\nsource = \"rust\"\nmode = \"0755\"\n"));
    workspace.rootsmith([&BUILD[..], &["-o", "oci:out"]].concat()).succeeded();
    let inspected = workspace.rootsmith(["inspect", "oci:out", "--json"]);
    let inspection: Value = serde_json::from_str(&inspected.succeeded().stdout).unwrap();
    let found: Vec<String> = inspection["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| ["manager", "name", "version", "architecture"].map(|key| one[key].as_str().unwrap()).join(" "))
        .collect();
    let expected = [
        "go example.com/tool v1.2.3 amd64",
        "go golang.org/x/sys v0.30.0 amd64",
        "go stdlib 1.25.4 amd64",
        "cargo serde 1.0.228 amd64",
    ];
    assert_eq!(found, expected);
}

#[test]
fn skopeo_and_umoci_take_the_image() {
    require!(Need::Root, Need::Program("skopeo"), Need::Program("umoci"), Need::Program("cc"), Need::Amd64);
    let workspace = shipped();
    let digest =
        workspace.rootsmith([&BUILD[..], &["-o", "oci:out:latest", "-o", "rootfs-dir:rootfs"]].concat()).digest();
    let said = run(workspace.command(["skopeo", "inspect", "oci:out:latest"]).arg("--no-tags"));
    let inspected: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(inspected["Digest"], digest.as_str());
    run(&mut workspace.command(["skopeo", "copy", "oci:out:latest", "docker-archive:other.tar:other:latest"]));
    run(&mut workspace.command(["umoci", "unpack", "--image", "out:latest", "bundle"]));
    run(&mut workspace.command(["diff", "-r", "--no-dereference", "bundle/rootfs", "rootfs"]));
}

/// What the program says in the image of the shipped recipe, whose process 1 is `first`.
fn run_by_docker(workspace: &Workspace, more: &[String], first: &str) {
    let outputs = ["-o", "oci-archive:image.tar", "-o", "docker-archive:docker.tar"].map(str::to_owned);
    let arguments = BUILD.map(str::to_owned).into_iter().chain(more.iter().cloned()).chain(outputs);
    workspace.rootsmith(arguments.collect::<Vec<_>>()).succeeded();
    let engine = Engine::start();
    for archive in ["image.tar", "docker.tar"] {
        engine.succeed(["load", "-i", workspace.path(archive).to_str().unwrap()]);
        let words = ["/proc/1/comm", "/etc/ssl/certs/ca-certificates.crt", "/etc/shadow"];
        let said = engine.in_container("scratch-static:latest", &[], &words);
        let expected = format!(
            "ids 10001:10001 in /app\n/proc/1/comm: {first}\n\
             /etc/ssl/certs/ca-certificates.crt: -----BEGIN CERTIFICATE-----\n/etc/shadow: none\n00:06 JST\n"
        );
        assert_eq!(said.succeeded().stdout, expected, "{archive}");
        engine.succeed(["rmi", "--force", "scratch-static:latest"]);
    }
}

#[test]
fn docker_runs_the_image() {
    require!(Need::Root, Need::Program("docker"), Need::Program("dockerd"), Need::Program("cc"), Need::Amd64);
    run_by_docker(&shipped(), &[], "app");
}

/// rootsmith in an image of nothing but itself, in a container without privileges and network, gives the digest that it
/// gives outside.
#[test]
fn rootsmith_builds_images_in_an_image_of_its_own() {
    require!(Need::Root, Need::Program("docker"), Need::Program("dockerd"), Need::Program("rustc"), Need::Amd64);
    let workspace = workspace();
    let recipe = Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes/rootsmith.toml");
    fs::copy(recipe, workspace.path("rootsmith.toml")).unwrap();
    link_rootsmith(&workspace.path("rootsmith"));
    let archive = ["build", "rootsmith.toml", "--progress", "none", "-o", "docker-archive:image.tar"];
    workspace.rootsmith(archive).succeeded();
    let outside = workspace.rootsmith(BUILD).digest();
    let engine = Engine::start();
    engine.succeed(["load", "-i", workspace.path("image.tar").to_str().unwrap()]);
    let folder = format!("{}:/src:ro", workspace.path("").display());
    let options = ["--network=none", "--cap-drop=all", "-v", &folder];
    let words = ["run", "--rm"].into_iter().chain(options).chain(["rootsmith:latest"]);
    let build = ["build", "/src/app.toml", "--progress", "none", "-o", "oci:out"];
    let inside = finish(&mut engine.docker(words.clone().chain(build)));
    assert_eq!(inside.digest(), outside);
    assert!(finish(&mut engine.docker(words)).succeeded().stdout.contains("Exit codes"), "its command is --help");
}
