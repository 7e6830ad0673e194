//! What is no base.

use super::*;

#[test]
fn what_is_no_base_is_refused() {
    require!(Need::Root, Need::Program("umoci"), Need::Program("busybox"), Need::Amd64);
    let workspace = layered();
    let with = |image: &str, more: &str| {
        let start = "name = \"top\"\nplatforms = [\"linux/amd64\"]\n[from.oci]\n";
        workspace.write("top.toml", &format!("{start}image = \"{image}\"\n{more}"));
        let _ = fs::remove_file(workspace.path("top.lock"));
        let _ = fs::remove_dir_all(workspace.path("store"));
        build(&workspace, &[])
    };
    with("oci:nowhere:v1", "").failed_with(2).says("cannot start from the image").says("nowhere");
    with("oci:base:v2", "").failed_with(2).says("there is no image `v2`").says("there are: v1");
    shell(&workspace.path(""), "tar -cf rootfs.tar -C first/rootfs etc; head -c 700 /dev/zero | tr '\\0' x > text.tar");
    with("oci-archive:rootfs.tar", "").failed_with(2).says("is not an image").says("`[from.archive]`");
    with("oci-archive:text.tar", "").failed_with(4).says("is not a tar archive");
    with("docker://127.0.0.1:1/debian:13", "").failed_with(4).says("cannot reach the registry `127.0.0.1:1`");
    with("oci-archiv:x.tar", "").failed_with(2).says("expected `HOST/NAME:TAG`");
    let other = format!("digest = \"sha256:{}\"\n", "0".repeat(64));
    with("oci:base:v1", &other).failed_with(2).says("but the recipe wants sha256:000").says("change `digest`");
    let text = "name = \"top\"\nplatforms = [\"linux/arm64\"]\n[from.oci]\nimage = \"oci:base:v1\"\n";
    workspace.write("arm.toml", text);
    let arm = workspace.rootsmith(["build", "arm.toml"]);
    arm.failed_with(2).says("is not for linux/arm64, but for linux/amd64").says("platforms = [\"linux/amd64\"]");

    // Damage: a layer cut short, and one with another byte.
    let (manifest, _) = documents(&workspace.path("base"));
    let hex = manifest["layers"][0]["digest"].as_str().unwrap()[7..].to_owned();
    let layer = workspace.path("base/blobs/sha256").join(hex);
    let whole = fs::read(&layer).unwrap();
    fs::write(&layer, &whole[..whole.len() - 100]).unwrap();
    with("oci:base:v1", "").failed_with(4).says("bytes, but");
    let mut flipped = whole.clone();
    flipped[5000] ^= 1;
    fs::write(&layer, &flipped).unwrap();
    with("oci:base:v1", "").failed_with(4).says("was named");
    fs::write(&layer, &whole).unwrap();

    // Layers of other kinds.
    for (number, (media_type, says)) in [
        ("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "is foreign"),
        ("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", "is foreign"),
        ("application/vnd.oci.image.layer.v1.tar+gzip+encrypted", "is encrypted"),
        ("application/vnd.oci.image.layer.v1.tar+lz4", "is not a tar"),
    ]
    .into_iter()
    .enumerate()
    {
        let (mut manifest, _) = documents(&workspace.path("base"));
        manifest["layers"][0]["mediaType"] = media_type.into();
        let tag = format!("odd{number}");
        write_index(&workspace.path("base"), &tag, &[("linux", "amd64", manifest)]);
        with(&format!("oci:base:{tag}"), "").failed_with(2).says(says);
    }
    let (mut manifest, _) = documents(&workspace.path("base"));
    manifest["config"]["mediaType"] = "application/vnd.cncf.helm.config.v1+json".into();
    write_index(&workspace.path("base"), "chart", &[("linux", "amd64", manifest)]);
    with("oci:base:chart", "").failed_with(2).says("not a container image");
}
