//! Programs of another architecture, by qemu-user; and the engines of the host.

use std::fs;

use crate::support::door::Door;
use crate::support::layout::Layout;
use crate::support::require::{Need, require};
use crate::support::workspace::{Finished, Workspace, binary, finish, mirrors};

/// A small image for 64-bit Arm in which a program runs.
const ARM: &str = "name = \"arm\"\nplatforms = [\"linux/arm64\"]\n[from.debian]\nsuite = \"trixie\"\nscripts = false\n\
                   packages = [\"base-files\", \"dash\", \"coreutils\"]\n[[run]]\n\
                   command = [\"/usr/bin/dash\", \"-c\", \"{ uname -a; date; hostname; nproc; } > /etc/facts\"]\n";

fn build(workspace: &Workspace, door: Door, arguments: &[&str]) -> Finished {
    door.prepare(workspace);
    let mut command = workspace.command(door.prefix().iter().map(std::ffi::OsString::from).chain([binary().into()]));
    finish(command.args(["build", "--progress", "none"]).args(arguments).args(mirrors()))
}

#[test]
fn programs_of_another_architecture_run_by_an_emulator_and_see_what_others_see() {
    require!(Need::Doors, Need::Mirror, Need::Amd64, Need::Program("qemu-aarch64-static"), Need::Linux(6, 7));
    let workspace = Workspace::new();
    workspace.write("arm.toml", &ARM.replace("hostname;", ""));
    let digest = build(&workspace, Door::Root, &["arm.toml", "-o", "oci:out"]).digest();
    let image = Layout::open(&workspace.path("out")).image();
    let facts = String::from_utf8(image.file("etc/facts")).unwrap();
    assert!(facts.starts_with("Linux localhost 6.12.0 #1 SMP aarch64"), "{facts}");
    assert!(facts.ends_with("\n1\n"), "one processor: {facts}");
    assert_eq!(build(&workspace, Door::Root, &["arm.toml", "--fresh", "--locked"]).digest(), digest);
    assert_eq!(build(&workspace, Door::User, &["arm.toml", "--fresh", "--locked"]).digest(), digest);
    let registered = fs::read_dir("/proc/sys/fs/binfmt_misc").map(|folder| folder.flatten().count()).unwrap_or(0);
    assert!(
        registered <= 2
            || fs::read_dir("/proc/sys/fs/binfmt_misc").unwrap().flatten().all(|file| {
                !fs::read_to_string(file.path()).unwrap_or_default().contains("/usr/bin/qemu-aarch64-static\nflags: PF")
            }),
        "nothing of the host has changed"
    );
}

#[test]
fn engines_install_the_same_packages() {
    require!(Need::Root, Need::Mirror, Need::Amd64, Need::Program("mmdebstrap"), Need::Program("debootstrap"));
    let workspace = Workspace::new();
    let recipe = |variant: &str, engine: &str| {
        format!(
            "name = \"toy\"\nplatforms = [\"linux/amd64\"]\n[from.debian]\nsuite = \"trixie\"\nvariant = \"{variant}\"\n\
             {engine}\n[prune]\npresets = [\"docs\", \"man\", \"locales\", \"caches\", \"logs\"]\n"
        )
    };
    for (variant, engine) in [("essential", "mmdebstrap"), ("minbase", "debootstrap")] {
        workspace.write("native.toml", &recipe(variant, ""));
        workspace.write("other.toml", &recipe(variant, &format!("engine = \"{engine}\"")));
        build(&workspace, Door::Root, &["native.toml", "-o", "oci:native"]).succeeded();
        let digest = build(&workspace, Door::Root, &["other.toml", "-o", "oci:other"]).digest();
        let [native, other] = ["native", "other"].map(|name| Layout::open(&workspace.path(name)).image());
        let packages = |text: Vec<u8>| -> Vec<String> {
            let text = String::from_utf8(text).unwrap();
            text.lines()
                .filter(|line| line.starts_with("Package: ") || line.starts_with("Version: "))
                .map(str::to_owned)
                .collect()
        };
        assert_eq!(packages(native.file("var/lib/dpkg/status")), packages(other.file("var/lib/dpkg/status")));
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
fn a_machine_that_cannot_run_programs_says_so_before_it_downloads() {
    require!(Need::Doors, Need::Mirror, Need::Amd64, Need::Program("qemu-aarch64-static"));
    let workspace = Workspace::new();
    workspace.write("arm.toml", ARM);
    // Without CAP_SYS_ADMIN and outside of user namespaces nothing can be registered.
    if fs::read_dir("/proc/sys/fs/binfmt_misc").is_ok_and(|folder| folder.flatten().count() > 2) {
        return;
    }
    let finished = build(&workspace, Door::Chroot, &["arm.toml"]);
    finished.failed_with(3).says("emulator");
}
