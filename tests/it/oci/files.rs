//! SquashFS images and cpios of a base.

use super::*;

/// cpio leaves symbolic links the time at which it made them.
fn without_link_times(mut listing: Listing) -> Listing {
    let links = listing.values_mut().filter(|entry| matches!(entry.kind, Kind::Symlink(_)));
    links.for_each(|entry| entry.mtime = 0);
    listing
}

#[test]
fn squashfs_and_cpio_hold_the_same_tree() {
    require!(
        Need::Root,
        Need::Program("umoci"),
        Need::Program("busybox"),
        Need::Program("tar2sqfs"),
        Need::Program("unsquashfs"),
        Need::Program("cpio"),
        Need::Amd64,
    );
    let workspace = layered();
    recipe(
        &workspace,
        "[[file]]\npath = \"/srv/null\"\ndevice = \"c 1:3\"\n[[file]]\npath = \"/srv/pipe\"\nfifo = true\n\
         [[file]]\npath = \"/srv/far\"\ncontent = \"x\"\nowner = \"3000000:70000\"\n",
    );
    let mut sums = Vec::new();
    for (round, threads) in ["1", "3"].into_iter().enumerate() {
        let mut command = workspace.command([binary()]);
        command.args(["build", "top.toml", "--progress", "none", "--threads", threads]);
        let outputs =
            ["squashfs:{}.squashfs", "cpio:{}.cpio", "cpio:{}.cpio.gz", "cpio:{}.cpio.zst", "rootfs-tar:{}.tar"];
        for output in outputs {
            command.args(["-o", &output.replace("{}", &round.to_string())]);
        }
        command.env("TZ", ["UTC", "Asia/Tokyo"][round]);
        finish(&mut command).succeeded();
        let of = |name: &str| Digest::of(&fs::read(workspace.path(&format!("{round}.{name}"))).unwrap());
        sums.push(["squashfs", "cpio", "cpio.gz", "cpio.zst"].map(of));
    }
    assert_eq!(sums[0], sums[1]);
    let expected = of_file(&workspace.path("0.tar"));
    assert!(expected.values().any(|entry| !entry.xattrs.is_empty()), "an attribute is there to be kept");

    run(&mut workspace.command(["unsquashfs", "-q", "-n", "-d", "fromsquashfs", "0.squashfs"]));
    assert_eq!(comparable(&of_folder(&workspace.path("fromsquashfs"))), comparable(&expected));

    let mut bare = expected.clone();
    bare.values_mut().for_each(|entry| entry.xattrs.clear());
    let bare = without_link_times(bare);
    for (unpack, from) in [("cat", "0.cpio"), ("zcat", "0.cpio.gz"), ("zstd -dc", "0.cpio.zst")] {
        if unpack.starts_with("zstd") && find("zstd").is_none() {
            continue;
        }
        let folder = workspace.path(&format!("from-{from}"));
        fs::create_dir(&folder).unwrap();
        shell(&folder, &format!("{unpack} ../{from} | cpio --quiet -idm --numeric-uid-gid"));
        assert_eq!(comparable(&without_link_times(of_folder(&folder))), comparable(&bare), "{from}");
    }

    let mut without = workspace.command([binary()]);
    without.args(["build", "top.toml", "-o", "squashfs:none.squashfs"]).env("PATH", "/nonexistent");
    finish(&mut without).failed_with(3).says("`tar2sqfs` is not installed").says("apt-get install squashfs-tools-ng");
    assert!(!workspace.path("none.squashfs").exists());
}

#[test]
fn images_are_copied_to_a_squashfs() {
    require!(Need::Root, Need::Program("tar2sqfs"), Need::Program("unsquashfs"));
    let workspace = layered();
    recipe(&workspace, "[[file]]\npath = \"/srv/far\"\ncontent = \"x\"\nowner = \"3000000:70000\"\n");
    finish(workspace.command([binary()]).args(["build", "top.toml", "-o", "oci:image"])).succeeded();
    for target in ["squashfs:copied.squashfs", "squashfs:again.squashfs", "rootfs-tar:copied.tar"] {
        finish(workspace.command([binary()]).args(["copy", "oci:image", target])).succeeded();
    }
    let of = |name: &str| Digest::of(&fs::read(workspace.path(name)).unwrap());
    shell(&workspace.path(""), &format!("{} copy oci:image squashfs:- | cat > piped.squashfs", binary().display()));
    assert_eq!(of("copied.squashfs"), of("again.squashfs"));
    assert_eq!(of("copied.squashfs"), of("piped.squashfs"));
    let twice = ["copy", "oci:image", "oci-archive:x.tar", "rootfs-tar:./x.tar"];
    finish(workspace.command([binary()]).args(twice)).failed_with(2).says("they are one place");
    run(&mut workspace.command(["unsquashfs", "-q", "-n", "-d", "from", "copied.squashfs"]));
    let expected = comparable(&of_file(&workspace.path("copied.tar")));
    assert_eq!(comparable(&of_folder(&workspace.path("from"))), expected);
}
