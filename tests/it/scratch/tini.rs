//! tini as the first process: Debian's static one, or a local file.

use std::fs;

use super::{BUILD, recipe, run_by_docker, shipped, workspace, write};
use crate::support::archive::{self, Suite};
use crate::support::deb::Package;
use crate::support::elf::Writer;
use crate::support::layout::Layout;
use crate::support::require::{Need, require};
use crate::support::workspace::{Workspace, mirrors};

/// A Debian archive with a package tini, as it is there, and with one that lacks the static program.
fn tini_archive(workspace: &Workspace, program: &str) -> String {
    let tini = Package::new("tini", "0.19.0-3")
        .field("Depends", "libc6")
        .control_file("md5sums", 0o644, "0  usr/bin/tini\n1  usr/bin/tini-static\n")
        .file("usr/bin/tini", 0o755, "dynamic")
        .file(program, 0o755, Writer::new().write())
        .file("usr/share/doc/tini/copyright", 0o644, "MIT\n");
    let libc = Package::new("libc6", "2.41").file("lib/libc.so.6", 0o755, "libc");
    let suite = Suite { origin: "Toy", suite: "toy", codename: "toy", date: "Sun, 15 Jun 2025 15:06:40 UTC", more: "" };
    let folder = workspace.path("archive");
    let _ = fs::remove_dir_all(&folder);
    archive::write(&folder, &suite, &[tini.build(), libc.build()]);
    fs::copy(archive::public_key(), workspace.path("key.asc")).unwrap();
    format!(
        "[harden]\ninit = \"tini\"\n[from.scratch.debian]\nsuite = \"toy\"\ndistribution = \"toy\"\nupdates = false\n\
         keyring = \"key.asc\"\n[[from.scratch.debian.repository]]\nurl = \"file://{}\"\n",
        folder.display()
    )
}

#[test]
fn tini_is_debians_static_one_and_locked() {
    let workspace = workspace();
    let keys = tini_archive(&workspace, "usr/bin/tini-static");
    recipe(&workspace, &keys);
    workspace.rootsmith([&BUILD[..], &["--locked"]].concat()).failed_with(2).says("is missing");
    let digest = workspace.rootsmith([&BUILD[..], &["-o", "oci:out"]].concat()).digest();
    let lock = fs::read_to_string(workspace.path("app.lock")).unwrap();
    assert!(lock.contains("name = \"tini\"") && !lock.contains("libc6"), "{lock}");
    let image = Layout::open(&workspace.path("out")).image();
    assert_eq!(image.config["config"]["Entrypoint"], serde_json::json!(["/usr/bin/tini", "--", "/app"]));
    assert_eq!(image.config["created"], "2025-06-15T15:06:40Z", "the date of the .deb");
    assert_eq!(image.file("usr/bin/tini"), Writer::new().write());
    assert_eq!(image.file("usr/share/doc/tini/copyright"), b"MIT\n");
    let status = String::from_utf8(image.file("var/lib/dpkg/status.d/tini")).unwrap();
    assert!(status.starts_with("Package: tini\nVersion: 0.19.0-3\n"), "{status}");
    assert_eq!(image.file("var/lib/dpkg/status.d/tini.md5sums"), b"1  usr/bin/tini\n");
    assert!(!image.listing().contains_key("lib/libc.so.6"));
    let inspected = workspace.rootsmith(["inspect", "oci:out", "--json"]);
    assert!(inspected.succeeded().stdout.contains("\"tini\""));

    fs::remove_dir_all(workspace.path("archive")).unwrap();
    assert_eq!(workspace.rootsmith([&BUILD[..], &["--frozen"]].concat()).digest(), digest, "from the store alone");

    tini_archive(&workspace, "usr/bin/tini-other");
    workspace.rootsmith(["lock", "--update", "app.toml", "--progress", "none"]).succeeded();
    workspace.rootsmith(BUILD).failed_with(2).says("/usr/bin/tini-static").says("./tini");
}

#[test]
fn tini_of_the_real_archive_is_there_for_each_platform() {
    require!(Need::Mirror);
    let workspace = workspace();
    write(&workspace, "arm", &Writer::arm64());
    let text = "name = \"app\"\nplatforms = [\"linux/amd64\", \"linux/arm64\"]\n[from.scratch]\n[harden]\ninit = \"tini\"\n\
                [[file]]\npath = \"/app\"\nsource = { \"linux/amd64\" = \"app\", \"linux/arm64\" = \"arm\" }\nmode = \"0755\"\n";
    workspace.write("app.toml", text);
    let arguments: Vec<String> = BUILD.map(str::to_owned).into_iter().chain(mirrors()).collect();
    let digest = workspace.rootsmith(&arguments).digest();
    let lock = fs::read_to_string(workspace.path("app.lock")).unwrap();
    assert_eq!(lock.matches("[[debian]]").count(), 2, "{lock}");
    for (platform, machine) in [("linux/amd64", 62), ("linux/arm64", 183)] {
        let folder = format!("oci:{machine}");
        let one = [&BUILD[..], &["--frozen", "--platform", platform, "-o", &folder]].concat();
        workspace.rootsmith(one).succeeded();
        let tini = Layout::open(&workspace.path(&machine.to_string())).image().file("usr/bin/tini");
        let elf = rootsmith::elf::read(&tini).unwrap().unwrap();
        assert_eq!((elf.machine, elf.is_static()), (machine, true));
    }
    assert_eq!(workspace.rootsmith([&BUILD[..], &["--frozen"]].concat()).digest(), digest);
}

#[test]
fn tini_may_be_a_local_file() {
    let workspace = workspace();
    write(&workspace, "tini-static", &Writer::new());
    recipe(&workspace, "[harden]\ninit = \"./tini-static\"");
    let local = workspace.rootsmith([&BUILD[..], &["--frozen", "-o", "oci:out"]].concat()).digest();
    let image = Layout::open(&workspace.path("out")).image();
    assert_eq!(image.config["config"]["Entrypoint"], serde_json::json!(["/usr/bin/tini", "--", "/app"]));
    assert_eq!(image.listing()["usr/bin/tini"].mode, 0o755);
    // The same by a file of the recipe's own: no archive is asked.
    recipe(
        &workspace,
        "[harden]\ninit = \"tini\"\n[[file]]\npath = \"/usr/bin/tini\"\nsource = \"tini-static\"\nmode = \"0755\"",
    );
    assert_eq!(workspace.rootsmith([&BUILD[..], &["--frozen"]].concat()).digest(), local);
    write(&workspace, "tini-static", &Writer::new().loaded_by("/lib64/ld-linux-x86-64.so.2"));
    workspace.rootsmith(BUILD).failed_with(2).says("/usr/bin/tini");
}

#[test]
fn docker_runs_the_image_with_tini() {
    require!(
        Need::Root,
        Need::Mirror,
        Need::Program("docker"),
        Need::Program("dockerd"),
        Need::Program("cc"),
        Need::Amd64,
    );
    let workspace = shipped();
    let text = fs::read_to_string(workspace.path("app.toml")).unwrap();
    workspace.write("app.toml", &text.replace("# init = \"tini\"", "init = \"tini\""));
    run_by_docker(&workspace, &mirrors(), "tini");
}
