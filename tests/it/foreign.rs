//! Programs of another architecture, by qemu-user; and the engines of the host.

use std::fs;

use crate::support::door::Door;
use crate::support::layout::Layout;
use crate::support::require::{Need, require};
use crate::support::workspace::{Finished, Workspace, binary, finish, mirrors};

/// A small image for 64-bit Arm in which a program runs.
const ARM: &str = "name = \"arm\"\nplatforms = [\"linux/arm64\"]\n[from.debian]\nsuite = \"trixie\"\nscripts = false\n\
                   packages = [\"base-files\", \"dash\", \"coreutils\"]\n[[run]]\n\
                   command = [\"/usr/bin/dash\", \"-c\", \"{ uname -a; date; nproc; } > /etc/facts\"]\n";

fn build(workspace: &Workspace, door: Door, arguments: &[&str]) -> Finished {
    door.prepare(workspace);
    let mut command = workspace.command(door.prefix().iter().map(std::ffi::OsString::from).chain([binary().into()]));
    finish(command.args(["build", "--progress", "none"]).args(arguments).args(mirrors()))
}

#[test]
fn programs_of_another_architecture_run_by_an_emulator_and_see_what_others_see() {
    require!(Need::Doors, Need::Mirror, Need::Amd64, Need::Program("qemu-aarch64-static"), Need::Linux(6, 7));
    let workspace = Workspace::new();
    workspace.write("arm.toml", ARM);
    let before = registered();
    let digest = build(&workspace, Door::Root, &["arm.toml", "-o", "oci:out"]).digest();
    let image = Layout::open(&workspace.path("out")).image();
    let facts = String::from_utf8(image.file("etc/facts")).unwrap();
    assert!(facts.starts_with("Linux localhost 6.12.0 #1 SMP aarch64"), "{facts}");
    assert!(facts.ends_with("\n1\n"), "one processor: {facts}");
    assert_eq!(build(&workspace, Door::Root, &["arm.toml", "--fresh", "--locked"]).digest(), digest);
    for door in [Door::User, Door::Chroot] {
        assert_eq!(build(&workspace, door, &["arm.toml", "--fresh", "--locked"]).digest(), digest, "{door:?}");
    }
    assert_eq!(registered(), before, "nothing of the host has changed");
}

/// What the host has registered.
fn registered() -> Vec<String> {
    let folder = fs::read_dir("/proc/sys/fs/binfmt_misc").into_iter().flatten().flatten();
    let mut names: Vec<_> = folder.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn engines_install_the_same_packages() {
    require!(Need::Root, Need::Mirror, Need::Amd64, Need::Program("mmdebstrap"), Need::Program("debootstrap"));
    let workspace = Workspace::new();
    let recipe = |variant: &str, engine: &str| {
        format!(
            "name = \"toy\"\nplatforms = [\"linux/amd64\"]\n[from.debian]\nsuite = \"trixie\"\nvariant = \"{variant}\"\n\
             engine = \"{engine}\"\n[prune]\npresets = [\"docs\", \"man\", \"locales\", \"caches\", \"logs\"]\n"
        )
    };
    for (variant, engine) in [("essential", "mmdebstrap"), ("minbase", "debootstrap")] {
        workspace.write("other.toml", &recipe(variant, engine));
        let digest = build(&workspace, Door::Root, &["other.toml", "-o", "oci:other"]).digest();
        let other = Layout::open(&workspace.path("other")).image();
        let status = String::from_utf8(other.file("var/lib/dpkg/status")).unwrap();
        assert_eq!(status.matches("\nStatus: install ok installed\n").count(), status.matches("Package: ").count());
        let lock = fs::read_to_string(workspace.path("other.lock")).unwrap();
        let part = |line: &str, start: &str| Some(line.split_once(start)?.1.split(['"', '\n']).next()?.to_owned());
        let locked: Vec<_> =
            lock.lines().filter_map(|line| Some((part(line, "{ name = \"")?, part(line, ", version = \"")?))).collect();
        let mut installed: Vec<_> = status
            .split("\n\n")
            .filter_map(|text| Some((part(text, "Package: ")?, part(text, "\nVersion: ")?)))
            .collect();
        installed.sort();
        assert!(locked.len() > 50);
        assert_eq!(installed, locked, "{engine}");
        let listing = other.listing();
        for path in ["etc/hostname", "etc/resolv.conf", "etc/apt/sources.list", "etc/apt/apt.conf.d/99mmdebstrap"] {
            assert!(!listing.contains_key(path), "{engine}: {path}");
        }
        let sources = String::from_utf8(other.file("etc/apt/sources.list.d/debian.sources")).unwrap();
        assert!(
            sources.contains("Suites: trixie") && !sources.contains("copy:") && !sources.contains("file:"),
            "{sources}"
        );
        if engine == "mmdebstrap" {
            assert_eq!(build(&workspace, Door::Root, &["other.toml", "--fresh", "--locked"]).digest(), digest);
        }
    }
}

#[test]
fn an_engine_that_is_missing_is_told() {
    require!(Need::Root, Need::Mirror, Need::Amd64);
    let workspace = Workspace::new();
    workspace.write(
        "mm.toml",
        "name = \"mm\"\nplatforms = [\"linux/amd64\"]\n[from.debian]\nsuite = \"trixie\"\nvariant = \"custom\"\n\
         packages = [\"tzdata-legacy\"]\nengine = \"mmdebstrap\"\n",
    );
    let mut command = workspace.command([binary()]);
    command.env("PATH", "/nonexistent");
    let finished = finish(command.args(["build", "mm.toml"]).args(mirrors()));
    finished.failed_with(3).says("`mmdebstrap` is not installed").says("apt-get install mmdebstrap");
}

#[test]
fn a_machine_without_an_emulator_says_so_before_it_downloads() {
    require!(Need::Root, Need::Mirror, Need::Amd64, Need::Program("unshare"));
    let workspace = Workspace::new();
    workspace.write("arm.toml", &ARM.replace("scripts = false\n", ""));
    // In mount points of its own, where the emulator is none and nothing is registered.
    let hide = "for file in /usr/bin/qemu-aarch64-static /usr/bin/qemu-aarch64; do \
                [ ! -e $file ] || mount --bind /dev/null $file; done; umount /proc/sys/fs/binfmt_misc 2> /dev/null; exec \"$@\"";
    let mut command = workspace.command(["unshare", "--mount", "sh", "-c", hide, "sh"]);
    let finished = finish(command.arg(binary()).args(["build", "arm.toml"]).args(mirrors()));
    finished
        .failed_with(3)
        .says("cannot run programs for linux/arm64 on this machine: there is no static qemu-aarch64");
    finished.says("qemu-user-static").says("`scripts = false` in [from.debian]");
    assert!(!finished.stderr.contains("download"), "{}", finished.stderr);
}
