//! Machines that lack something: room, permission, /proc, user namespaces.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{Ends, build, ended, how_many, workspace};
use crate::golden;
use crate::reproducible::Mount;
use crate::support::door::Door;
use crate::support::layout::Layout;
use crate::support::require::{Need, require};
use crate::support::workspace::{Finished, Workspace, binary, finish, run};

fn tmpfs(options: &str, path: &Path) -> Mount {
    Mount::new(&["-t", "tmpfs", "-o", options, "tmpfs"], path)
}

fn through(door: Door, workspace: &Workspace, flags: &[&str]) -> Finished {
    let words = door.prefix().iter().map(Into::into).chain([binary().into_os_string()]);
    finish(workspace.command(words).args(["build", "golden.toml"]).args(flags))
}

#[test]
fn a_full_store_or_stage_is_named_and_room_mends_it() {
    require!(Need::Doors, Need::Program("busybox"), Need::Amd64);
    let workspace = workspace();
    let store = workspace.path("store");
    let mount = tmpfs("size=200m", &store);
    through(Door::Chroot, &workspace, &["-o", "oci:out"]).succeeded();
    let needed = fs_used(&store);
    drop(mount);
    // Without namespaces the stage is in the store too: from a file system for nothing to one for almost everything.
    let steps = how_many(4, 16);
    let mut full_stage = false;
    for step in 0..steps {
        let size = needed * (step as u64 + 1) / (steps as u64 + 1);
        for option in [format!("size={size}k"), format!("size=200m,nr_inodes={}", 40 + size / 64)] {
            let _mount = tmpfs(&option, &store);
            let _ = fs::remove_dir_all(workspace.path("out"));
            let finished = through(Door::Chroot, &workspace, &["-o", "oci:out"]);
            if finished.code == 0 {
                assert_eq!(finished.digest(), golden::digest(), "{option}");
                continue;
            }
            let is_stage = finished.stderr.contains("its stage");
            full_stage |= is_stage;
            let (what, says) = match (is_stage, option.contains("inodes")) {
                (true, false) => ("no space for the stage", "there is no space left for its stage"),
                (true, true) => ("no inodes for the stage", "there is no space left for its stage"),
                (false, false) => ("no space for the store", "its file system is full"),
                (false, true) => ("no inodes for the store", "its file system is full"),
            };
            ended("room", what, &finished, &Ends { code: 3, says });
            finished.says("make room");
            assert!(!workspace.path("out/index.json").exists(), "{option}");
            run(Command::new("mount").args(["-o", "remount,size=200m,nr_inodes=0"]).arg(&store));
            let mended = through(Door::Chroot, &workspace, &["-o", "oci:out"]);
            assert_eq!(mended.digest(), golden::digest(), "{option}: {}", finished.stderr);
        }
    }
    assert!(full_stage, "one of the sizes was enough for the packages and too little for the stage");
}

/// KiB used on the file system of a path.
fn fs_used(path: &Path) -> u64 {
    run(Command::new("df").args(["--output=used", "-k"]).arg(path)).lines().nth(1).unwrap().trim().parse().unwrap()
}

#[test]
fn a_full_output_is_named_and_nothing_half_is_left() {
    require!(Need::Root, Need::Program("busybox"), Need::Amd64);
    let workspace = workspace();
    build(&workspace, &[]).digest();
    let place = workspace.path("small");
    for (output, options) in [
        ("oci:small/image", "size=8k"),
        ("oci:small/image", "nr_inodes=4"),
        ("oci-archive:small/image.tar", "size=8k"),
        ("docker-archive:small/image.tar", "size=8k"),
        ("rootfs-tar:small/rootfs.tar", "size=64k"),
        ("rootfs-tar:small/rootfs.tar.zst", "size=4k"),
        ("rootfs-dir:small/rootfs", "size=64k"),
        ("rootfs-dir:small/rootfs", "nr_inodes=8"),
    ] {
        let _mount = tmpfs(options, &place);
        let finished = workspace.rootsmith(["build", "golden.toml", "-o", output]);
        let transport = output.split(':').next().unwrap();
        let what = if options.contains("inodes") { "no inodes" } else { "no space" };
        ended("room", &format!("{what} for {transport}:"), &finished, &Ends { code: 3, says: "space" });
        let left: Vec<_> = fs::read_dir(&place).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(left.is_empty() || left == ["image"], "{output}: {left:?}");
        assert!(!place.join("image/index.json").exists(), "{output}");
    }
}

/// The layer of an import is moved to where it goes, and copied where that is another file system.
#[test]
fn an_import_has_one_digest_wherever_there_is_room_and_says_where_there_is_none() {
    require!(Need::Root);
    let workspace = Workspace::new();
    let bytes: Vec<u8> =
        (0..2_u32 << 20).flat_map(|at| at.wrapping_mul(2_654_435_761).rotate_left(at % 31).to_le_bytes()).collect();
    fs::write(workspace.path("noise"), &bytes).unwrap();
    run(workspace
        .command(["tar", "--mtime=@0", "--owner=0", "--group=0", "--mode=0644", "-cf", "noise.tar", "noise"])
        .env("LC_ALL", "C"));
    let import =
        |more: &[&str]| workspace.rootsmith(["import", "noise.tar", "--platform", "linux/amd64"].iter().chain(more));
    let digest = import(&["-o", "oci:here"]).digest();
    let small = workspace.path("small");
    {
        let _mount = tmpfs("size=1m", &small);
        let full = import(&["-o", "oci:small/image"]);
        ended(
            "room",
            "no space for oci:, an imported archive",
            &full,
            &Ends { code: 3, says: "its file system is full" },
        );
        assert!(!workspace.path("small/image/index.json").exists());
        let full = import(&["-o", "oci:out", "--store", "small/store"]);
        ended(
            "room",
            "no space for the store, an imported archive",
            &full,
            &Ends { code: 3, says: "its file system is full" },
        );
        full.says("store gc");
        assert!(!workspace.path("out/index.json").exists());
    }
    let _mount = tmpfs("size=64m", &small);
    assert_eq!(import(&["-o", "oci:small/image"]).digest(), digest);
    assert_eq!(import(&["-o", "oci:one", "-o", "oci:two"]).digest(), digest);
    for folder in ["small/image", "one", "two"] {
        let image = Layout::open(&workspace.path(folder)).image();
        assert_eq!(image.digest, digest, "{folder}");
    }
}

#[test]
fn a_store_that_may_only_be_read_serves_or_says_so() {
    require!(Need::Root, Need::Program("busybox"), Need::Amd64);
    let workspace = workspace();
    build(&workspace, &[]).digest();
    let store = workspace.path("store");
    let read_only = || {
        let mount = Mount::new(&["--bind", store.to_str().unwrap()], &store);
        run(Command::new("mount").args(["-o", "remount,ro,bind"]).arg(&store));
        mount
    };
    {
        let _mount = read_only();
        fs::remove_dir_all(workspace.path("out")).unwrap();
        let served = build(&workspace, &[]);
        assert_eq!(served.digest(), golden::digest());
        ended("read-only store", "that has everything", &served, &Ends { code: 0, says: "nothing has changed" });
        let ends = Ends { code: 3, says: "it may not be written to" };
        ended("read-only store", "that lacks something", &build(&workspace, &["--fresh"]), &ends);
    }
    fs::remove_dir_all(&store).unwrap();
    fs::create_dir(&store).unwrap();
    let _mount = read_only();
    let ends = Ends { code: 3, says: "it may not be written to" };
    ended("read-only store", "that is empty", &build(&workspace, &[]), &ends);
}

#[test]
fn without_proc_it_is_said() {
    require!(Need::Root, Need::Program("busybox"), Need::Program("unshare"), Need::Amd64);
    let workspace = workspace();
    let script = "mount --make-rprivate / && umount -l /proc && exec \"$@\"";
    let words = ["unshare", "--mount", "sh", "-c", script, "sh"].map(Into::into);
    let words = words.into_iter().chain([binary().into_os_string()]);
    let finished = finish(workspace.command(words).args(["build", "golden.toml", "-o", "oci:out"]));
    ended("machine", "no /proc", &finished, &Ends { code: 3, says: "/proc" });
    // What runs no program of the image works all the same.
    workspace
        .write("plain.toml", "name = \"plain\"\nplatforms = [\"linux/amd64\"]\n[from.archive]\npath = \"plain.tar\"\n");
    run(Command::new("tar")
        .arg("-cf")
        .arg(workspace.path("plain.tar"))
        .arg("-C")
        .arg(workspace.path("archive"))
        .arg("."));
    let words = ["unshare", "--mount", "sh", "-c", script, "sh"].map(Into::into);
    let words = words.into_iter().chain([binary().into_os_string()]);
    let plain = finish(workspace.command(words).args(["build", "plain.toml", "-o", "oci:plain"]));
    ended("machine", "no /proc, an imported archive", &plain, &Ends { code: 0, says: "" });
}

#[test]
fn without_user_namespaces_it_is_said_which_setting_forbids_them() {
    require!(Need::Root, Need::Program("busybox"), Need::Program("unshare"), Need::Amd64);
    let workspace = workspace();
    // The limit belongs to a user namespace, so that it can be set in one without the machine's other users noticing.
    let script = "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$@\"";
    let anybody = ["--map-user=1234", "--map-group=1234", "--keep-caps"];
    let unshare = ["unshare", "--user"].into_iter().chain(anybody).chain(["sh", "-c", script, "sh"]);
    let words = unshare.map(Into::into).chain([binary().into_os_string()]);
    let finished = finish(workspace.command(words).args(["build", "golden.toml", "-o", "oci:out"]));
    ended("machine", "no user namespaces", &finished, &Ends { code: 3, says: "user.max_user_namespaces is 0" });
    finished.says("sysctl -w user.max_user_namespaces=10000").says("as root");
}
