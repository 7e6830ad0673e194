//! Bases of several platforms.

use super::*;

#[test]
fn an_index_gives_an_image_for_each_platform() {
    require!(Need::Root, Need::Program("umoci"), Need::Program("busybox"), Need::Amd64);
    let workspace = layered();
    let base = workspace.path("base");
    let (manifest, mut config) = documents(&base);
    config["architecture"] = "arm64".into();
    let mut arm = manifest.clone();
    let bytes = serde_json::to_vec(&config).unwrap();
    fs::write(base.join("blobs/sha256").join(Digest::of(&bytes).hex()), &bytes).unwrap();
    arm["config"]["digest"] = Digest::of(&bytes).to_string().into();
    arm["config"]["size"] = bytes.len().into();
    let index = write_index(&base, "both", &[("linux", "amd64", manifest), ("linux", "arm64", arm)]);
    let text = |platforms: &str, more: &str| {
        format!(
            "name = \"top\"\nplatforms = [{platforms}]\n[from.oci]\nimage = \"oci:base:both\"\ndigest = \"{index}\"\n{more}"
        )
    };
    workspace.write("top.toml", &text("\"linux/amd64\", \"linux/arm64\"", "keep-layers = true\n"));
    build(&workspace, &["oci:out"]).succeeded();
    let read = |path: PathBuf| -> Value { serde_json::from_slice(&fs::read(path).unwrap()).unwrap() };
    let blob = |digest: &Value| read(workspace.path("out/blobs/sha256").join(&digest.as_str().unwrap()[7..]));
    let made = blob(&read(workspace.path("out/index.json"))["manifests"][0]["digest"]);
    let architectures: Vec<Value> = made["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            let manifest = blob(&entry["digest"]);
            assert_eq!(manifest["annotations"]["org.opencontainers.image.base.digest"], index.as_str());
            blob(&manifest["config"]["digest"])["architecture"].clone()
        })
        .collect();
    assert_eq!(architectures, ["amd64", "arm64"]);
    workspace.write("top.toml", &text("\"linux/s390x\"", ""));
    let none = build(&workspace, &[]);
    none.failed_with(2).says("there is no image for linux/s390x").says("there are: linux/amd64, linux/arm64");
}

#[test]
fn of_an_index_that_is_not_all_there_the_image_that_is_there_is_copied() {
    require!(Need::Root, Need::Program("umoci"), Need::Program("busybox"), Need::Amd64);
    let workspace = layered();
    let base = workspace.path("base");
    let (manifest, config) = documents(&base);
    let mut arm = manifest.clone();
    arm["annotations"] = json!({ "other": "yes" });
    write_index(&base, "both", &[("linux", "amd64", manifest.clone()), ("linux", "arm64", arm.clone())]);
    let copy = |from: &str| workspace.rootsmith(["copy", from, "oci:copied:both"]);
    let blob =
        |document: &Value| base.join("blobs/sha256").join(Digest::of(&serde_json::to_vec(document).unwrap()).hex());
    copy("oci:base:both").succeeded();
    fs::remove_dir_all(workspace.path("copied")).unwrap();
    // As Docker's store of containerd saves what was pulled for one platform.
    fs::remove_file(blob(&arm)).unwrap();
    let finished = copy("oci:base:both");
    finished.succeeded().says("has one of the images of its index: linux/amd64 is taken");
    assert_eq!(documents(&workspace.path("copied")), (manifest.clone(), config));
    fs::remove_file(blob(&manifest)).unwrap();
    copy("oci:base:both").failed_with(2).says("the image has no `blobs/sha256/");
}
