//! Images of registries as bases.

use super::*;

#[test]
fn all_platforms_are_taken_unless_one_is_named() {
    let (workspace, amd64) = image();
    let registry = Registry::start();
    let name = format!("{}/base", registry.address());
    push(&workspace, &format!("{name}:amd64")).succeeded();
    let arguments = ["import", "root.tar", "base:1", "--platform", "linux/arm64", "-o", "oci:arm"];
    let arm64 = workspace.rootsmith(arguments).digest();
    workspace.rootsmith(["push", "oci:arm", &format!("{name}:arm64")]).succeeded();
    let entry = |digest: &str, architecture: &str| {
        let kind = "application/vnd.oci.image.manifest.v1+json";
        let size = fs::metadata(
            workspace.path(if digest == amd64 { "image" } else { "arm" }).join("blobs").join(digest.replace(':', "/")),
        );
        json!({ "mediaType": kind, "digest": digest, "size": size.unwrap().len(),
                "platform": { "os": "linux", "architecture": architecture } })
    };
    let index = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [entry(&amd64, "amd64"), entry(&arm64, "arm64")],
    });
    let index = registry.add_manifest("base", &index, Some("all"));
    let index = index["digest"].as_str().unwrap();
    let all = format!("{name}:all");
    assert_eq!(pull(&workspace, &all, "pulled").digest(), index);
    let inspected = workspace.rootsmith(["inspect", "oci:pulled", "--json", "--platform", "linux/arm64"]);
    let inspected: Value = serde_json::from_str(&inspected.succeeded().stdout).unwrap();
    assert_eq!((&inspected["digest"], &inspected["manifest"]), (&json!(index), &json!(arm64)));
    assert_eq!(inspected["manifests"][0]["platform"], "linux/amd64");
    let other = Registry::start();
    let to = format!("docker://{}/base:all", other.address());
    assert_eq!(workspace.rootsmith(["copy", "oci:pulled:all", &to]).digest(), index);
    assert_eq!(other.tags("base")["all"], index);
    let one =
        workspace.rootsmith(["pull", &all, "--platform", "linux/arm64", "-o", "oci:one", "-o", "rootfs-tar:arm.tar"]);
    assert_eq!(one.digest(), arm64);
    assert!(run(Command::new("tar").arg("-tf").arg(workspace.path("arm.tar"))).contains("etc/noise"));
    let missing = workspace.rootsmith(["pull", &all, "--platform", "linux/s390x", "-o", "oci:none"]);
    missing.failed_with(2).says("there is no image for linux/s390x");
    let inspected = workspace.rootsmith(["inspect", &format!("docker://{all}"), "--platform", "linux/arm64"]);
    assert!(inspected.succeeded().stdout.contains("linux/arm64") && inspected.stdout.contains("Platforms"));
    registry.log();
    workspace.rootsmith(["inspect", &format!("docker://{all}")]).succeeded();
    assert!(registry.log().iter().filter(|seen| seen.path.contains("/blobs/")).count() <= 1, "no layer is pulled");
}

#[test]
fn a_base_of_a_registry_is_pinned_by_digest() {
    let (workspace, first) = image();
    let registry = Registry::start();
    let name = format!("{}/team/base", registry.address());
    push(&workspace, &format!("{name}:1")).succeeded();
    let recipe = |image: &str| {
        let text = format!("name = \"top\"\nplatforms = [\"linux/amd64\"]\n[from.oci]\nimage = \"{image}\"\n");
        workspace.write("top.toml", &text);
    };
    let build = |arguments: &[&str]| {
        let before = ["build", "top.toml", "-o", "oci:top", "--progress", "lines"];
        workspace.rootsmith(before.iter().chain(arguments).copied())
    };
    recipe(&format!("{name}:1"));
    let built = build(&[]).digest();
    let lock = fs::read_to_string(workspace.path("top.lock")).unwrap();
    assert!(lock.contains(&first) && lock.contains(&format!("image = \"docker://{name}:1\"")), "{lock}");

    // The tag moves; the lock does not.
    workspace.write("root/etc/new", "new\n");
    run(Command::new("tar").args(["-C", "root", "--mtime=@0", "-cf", "root.tar", "."]).current_dir(workspace.path("")));
    let to = format!("docker://{name}:1");
    let second = workspace.rootsmith(["import", "root.tar", "base:1", "--platform", "linux/amd64", "-o", &to]).digest();
    empty_store(&workspace);
    assert_eq!(build(&["--locked"]).digest(), built);
    workspace.rootsmith(["lock", "--check", "top.toml"]).failed_with(1);
    let updated = workspace.rootsmith(["lock", "--update", "top.toml"]);
    assert!(updated.succeeded().stdout.contains(&first) && updated.stdout.contains(&second), "{}", updated.stdout);
    let rebuilt = build(&["--locked"]).digest();
    assert_ne!(rebuilt, built);

    // The tag goes; what is locked is still there by its digest.
    registry.untag("team/base", "1");
    empty_store(&workspace);
    assert_eq!(build(&["--locked"]).digest(), rebuilt);
    assert_eq!(build(&["--frozen"]).digest(), rebuilt, "all of it is in the store now");
    workspace.rootsmith(["lock", "--update", "top.toml"]).failed_with(4).says("is not in the registry");
    empty_store(&workspace);
    build(&["--frozen"]).failed_with(3).says("the network is off");

    recipe(&format!("{name}:1@{first}"));
    assert_eq!(build(&[]).digest(), built, "a digest counts more than a tag, which is gone");
    recipe("oci-archiv:base.tar");
    build(&[]).failed_with(2);
    recipe(&format!("{name}@sha256:00"));
    build(&[]).failed_with(2);
}

#[test]
fn layers_of_a_base_are_mounted() {
    let (workspace, _) = image();
    let registry = Registry::start();
    let name = format!("{}/team/base:1", registry.address());
    push(&workspace, &name).succeeded();
    let text = format!(
        "name = \"top\"\nplatforms = [\"linux/amd64\"]\n[from.oci]\nimage = \"{name}\"\nkeep-layers = true\n\
         [[file]]\npath = \"/etc/more\"\ncontent = \"more\"\n"
    );
    workspace.write("top.toml", &text);
    registry.log();
    let to = format!("docker://{}/team/top:1", registry.address());
    workspace.rootsmith(["build", "top.toml", "-o", &to]).succeeded();
    let (layer, size) = layer(&workspace);
    let log = registry.log();
    assert!(log.iter().any(|seen| seen.path.contains("from=team%2Fbase")), "{log:?}");
    assert!(received(&log) < size / 10, "the base's layer was not sent");
    assert!(registry.blobs("team/top").contains(&layer));
}

#[test]
fn what_is_no_name_is_a_mistake_of_the_user() {
    let (workspace, _) = image();
    for reference in ["", "A/b", "x.example/a@sha256:0", "docker://"] {
        workspace.rootsmith(["push", "oci:image", reference]).failed_with(2);
        workspace.rootsmith(["pull", reference, "-o", "oci:none"]).failed_with(2);
    }
    workspace.rootsmith(["push", "oci:nowhere", "127.0.0.1:1/a"]).failed_with(2).says("cannot");
    workspace.rootsmith(["pull", "127.0.0.1:1/a"]).failed_with(2);
    workspace.rootsmith(["copy", "oci:image", "nowhere:x"]).failed_with(2);
    workspace.write("broken.json", "{\"auths\": \"hunter2\"}");
    let broken = workspace.rootsmith(["push", "oci:image", "127.0.0.1:1/a", "--auth-file", "broken.json"]);
    assert!(!broken.stderr.contains("hunter2"));
    assert!(Path::new(&workspace.path("image")).exists());
}

#[test]
fn an_image_alone_is_for_one_platform() {
    let (workspace, digest) = image();
    let registry = Registry::start();
    let name = format!("{}/base:1", registry.address());
    push(&workspace, &name).succeeded();
    let remote = format!("docker://{name}");
    for arguments in [
        ["copy", "oci:image", "oci:none"].as_slice(),
        &["pull", &name, "-o", "oci:none"],
        &["inspect", "oci:image"],
        &["inspect", &remote],
    ] {
        let with = |platform| workspace.rootsmith(arguments.iter().copied().chain(["--platform", platform]));
        with("linux/arm64").failed_with(2).says("is not for linux/arm64, but for linux/amd64");
        with("linux/amd64").succeeded();
    }
    for full in ["oci:image:docker.io/library/base:1", &format!("oci:image:{digest}")] {
        workspace.rootsmith(["inspect", full]).succeeded();
    }
}

#[test]
fn what_was_asked_for_by_its_digest_takes_no_name() {
    let (workspace, first) = image();
    let registry = Registry::start();
    let name = format!("{}/base", registry.address());
    push(&workspace, &format!("{name}:1")).succeeded();
    let arguments = ["import", "root.tar", "base:2", "--platform", "linux/arm64", "-o", "oci:second"];
    let second = workspace.rootsmith(arguments).digest();
    workspace.rootsmith(["push", "oci:second", &format!("{name}:2")]).succeeded();
    for digest in [&first, &second] {
        pull(&workspace, &format!("{name}@{digest}"), "pulled").succeeded();
    }
    let index = fs::read_to_string(workspace.path("pulled/index.json")).unwrap();
    assert!(!index.contains("ref.name") && index.contains(&first) && index.contains(&second), "{index}");
    let unclear = workspace.rootsmith(["inspect", "oci:pulled"]);
    unclear.failed_with(2).says("several images").says("2 without a name").says(&first);
    pull(&workspace, &format!("{name}@{first}"), "named:3").succeeded();
    let index = fs::read_to_string(workspace.path("named/index.json")).unwrap();
    assert!(index.contains(&format!("{name}:3")), "{index}");
    let archive = workspace.rootsmith(["pull", &format!("{name}@{first}"), "-o", "docker-archive:a.tar"]);
    archive.failed_with(2).says("has no name here").says("FILE:NAME:TAG");
}

#[test]
fn what_engines_load_nothing_of_is_refused() {
    let (workspace, _) = image();
    let registry = Registry::start();
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let config = registry.add_blob("chart", "application/vnd.cncf.helm.config.v1+json", b"{}");
    let chart = json!({ "schemaVersion": 2, "mediaType": kind, "config": config, "layers": [] });
    registry.add_manifest("chart", &chart, Some("1"));
    let name = format!("{}/chart:1", registry.address());
    let to = |name: &str, place: &str| workspace.rootsmith(["pull", name, "-o", place]);
    for place in ["docker-daemon:chart:1", "containers-storage:chart:1"] {
        to(&name, place).failed_with(2).says("not a container image").says("helm");
    }
    to(&name, "docker-archive:chart.tar").succeeded().says("holds no container image");

    let config = registry.add_blob("foreign", "application/vnd.oci.image.config.v1+json", b"{}");
    let layer = json!({
        "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "size": 7,
        "digest": format!("sha256:{}", "1".repeat(64)), "urls": ["https://elsewhere.example/layer"],
    });
    let foreign = json!({ "schemaVersion": 2, "mediaType": kind, "config": config, "layers": [layer] });
    registry.add_manifest("foreign", &foreign, Some("1"));
    let name = format!("{}/foreign:1", registry.address());
    for place in ["docker-daemon:foreign:1", "docker-archive:foreign.tar"] {
        to(&name, place).failed_with(2).says("is foreign");
    }
}
