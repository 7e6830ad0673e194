//! `[from.archive]`.

use super::*;

#[test]
fn recipes_lock_what_they_are_made_of() {
    let workspace = Workspace::new();
    let (bytes, other) = (tar(&small()), tar(&small()[..4]));
    write(&workspace, "small.tar", &bytes);
    let recipe = |from: &str| {
        let text = format!(
            "name = \"small\"\nplatforms = [\"linux/amd64\"]\n[from.archive]\n{from}\n[image]\ncmd = [\"sh\"]\n"
        );
        workspace.write("small.toml", &text);
        let _ = fs::remove_file(workspace.path("small.lock"));
    };
    let build =
        |arguments: &[&str]| workspace.rootsmith([&["build", "small.toml", "--progress", "none"], arguments].concat());
    recipe("path = \"small.tar\"");
    let digest = build(&["-o", "oci:out"]).digest();
    assert_eq!(Layout::open(&workspace.path("out")).image().config["config"]["Cmd"], json!(["sh"]));
    let lock = fs::read_to_string(workspace.path("small.lock")).unwrap();
    assert!(lock.contains("path = \"small.tar\"") && lock.contains(&Digest::of(&bytes).hex()), "{lock}");
    assert_eq!(build(&["--frozen"]).digest(), digest);

    fs::rename(workspace.path("small.tar"), workspace.path("away.tar")).unwrap();
    assert_eq!(build(&["--frozen", "-o", "rootfs-tar:files.tar"]).digest(), digest, "the store has it");
    let absent = |finished: Finished| {
        finished.failed_with(2).says("there is no file").says("small.toml:4");
    };
    absent(workspace.rootsmith(["lock", "--check", "small.toml"]));
    fs::rename(workspace.path("store"), workspace.path("other")).unwrap();
    absent(build(&["--frozen"]));
    fs::remove_dir_all(workspace.path("store")).unwrap();
    fs::rename(workspace.path("other"), workspace.path("store")).unwrap();
    fs::remove_file(workspace.path("small.lock")).unwrap();
    absent(build(&[]));
    fs::write(workspace.path("small.lock"), &lock).unwrap();

    write(&workspace, "small.tar", &other);
    for arguments in [&["--frozen"][..], &[]] {
        build(arguments)
            .failed_with(2)
            .says("the archive `small.tar` has the digest")
            .says("`rootsmith lock --update RECIPE` takes it");
    }
    fs::remove_file(workspace.path("small.tar")).unwrap();
    assert_eq!(lock, fs::read_to_string(workspace.path("small.lock")).unwrap());
    write(&workspace, "small.tar", &other);
    workspace.rootsmith(["lock", "--check", "small.toml"]).failed_with(1);
    let changed = workspace.rootsmith(["lock", "--update", "small.toml"]);
    assert!(changed.succeeded().stdout.starts_with("~ small.tar:amd64 sha256:"), "{}", changed.stdout);
    assert_ne!(build(&["--locked"]).digest(), digest);

    recipe(&format!("path = \"small.tar\"\nsha256 = \"{}\"", Digest::of(&bytes).hex()));
    build(&[]).failed_with(2).says("fetch it again, or change `sha256`");
    assert!(!workspace.path("small.lock").exists());

    let server = Server::start(bytes.clone());
    recipe(&format!("url = \"{}\"", server.url("/small.tar")));
    assert_eq!(build(&[]).digest(), digest);
    assert!(fs::read_to_string(workspace.path("small.lock")).unwrap().contains("url = \"http://127.0.0.1"));
    fs::remove_dir_all(workspace.path("store")).unwrap();
    assert_eq!(build(&["--locked"]).digest(), digest, "the locked bytes are fetched anew");
    fs::remove_dir_all(workspace.path("store")).unwrap();
    build(&["--frozen"]).failed_with(3).says("the network is off");
    recipe(&format!("url = \"{}\"\nsha256 = \"{}\"", server.url("/small.tar"), Digest::of(&other).hex()));
    build(&[]).failed_with(4).says("has the digest");
    recipe(&format!("url = \"{}\"", server.url("/404")));
    build(&[]).failed_with(4).says("does not exist");
}

#[test]
fn recipes_for_several_platforms() {
    let (Some(intel), Some(arm)) = (alpine("x86_64"), alpine("aarch64")) else { return };
    let archives = [intel, arm];
    let workspace = Workspace::new();
    for archive in archives {
        fs::copy(&archive, workspace.path(archive.file_name().unwrap().to_str().unwrap())).unwrap();
    }
    let digest = |name: &str| Digest::of(&fs::read(workspace.path(name)).unwrap()).hex();
    let (amd64, arm64) = ("alpine-minirootfs-3.20.3-x86_64.tar.gz", "alpine-minirootfs-3.20.3-aarch64.tar.gz");
    let text = format!(
        "name = \"alpine\"\nplatforms = [\"linux/amd64\", \"linux/arm64\"]\n[from.archive]\n\
         path = {{ \"linux/amd64\" = \"{amd64}\", \"linux/arm64\" = \"{arm64}\" }}\n\
         [from.archive.sha256]\n\"linux/amd64\" = \"{}\"\n\"linux/arm64\" = \"sha256:{}\"\n",
        digest(amd64),
        digest(arm64)
    );
    workspace.write("alpine.toml", &text);
    let finished = workspace.rootsmith(["build", "alpine.toml", "-o", "oci:out", "--progress", "none"]);
    finished.digest();
    let index: Value = {
        let (_, digest) = Layout::open(&workspace.path("out")).tags().remove(0);
        let path = workspace.path("out/blobs/sha256").join(digest.strip_prefix("sha256:").unwrap());
        serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
    };
    let architectures: Vec<&Value> =
        index["manifests"].as_array().unwrap().iter().map(|image| &image["platform"]["architecture"]).collect();
    assert_eq!(architectures, ["amd64", "arm64"]);

    let swapped = text.replace("-aarch64.tar.gz", "-x86_64.tar.gz");
    workspace.write("alpine.toml", &swapped);
    workspace.rootsmith(["build", "alpine.toml"]).failed_with(2).says("or change `sha256` where the new one is meant");
    let (unpinned, _) = swapped.split_once("[from.archive.sha256]").unwrap();
    workspace.write("alpine.toml", unpinned);
    let wrong = workspace.rootsmith(["build", "alpine.toml"]);
    wrong
        .failed_with(2)
        .says("cannot make an image for linux/arm64")
        .says("`/bin/busybox` is a program for linux/amd64");
}

#[test]
fn recipes_that_cannot_be() {
    let workspace = Workspace::new();
    write(&workspace, "a.tar", &tar(&small()));
    let cases = [
        ("", "does not say where the archive is"),
        ("path = \"a.tar\"\nurl = \"http://example.com/a.tar\"", "is both a file and an address"),
        ("path = \"b.tar\"", "b.tar"),
        ("url = \"ftp://example.com/a.tar\"", "is not the URL of an archive"),
        ("url = \"http://me:secret@example.com/a.tar\"", "a URL without a user and a password"),
        ("path = \"a.tar\"\nsha256 = \"abc\"", "is not a SHA-256"),
        ("path = \"a.tar\"\nstrip-components = 65", "is not within bounds"),
        ("path = { \"linux/arm64\" = \"a.tar\" }", "there is no archive for linux/amd64"),
        ("path = { \"windows/amd64\" = \"a.tar\" }", "is not a platform"),
        (
            "path = { \"linux/amd64\" = \"a.tar\" }\nsha256 = \"SHA\"",
            "`sha256` is not about the archives that are named",
        ),
        (
            "path = \"a.tar\"\nsha256 = { \"linux/amd64\" = \"SHA\" }",
            "`sha256` is not about the archives that are named",
        ),
        ("path = \"a.tar\"\nfile = \"a.tar\"", "`file`"),
    ];
    for (from, phrase) in cases {
        let from = from.replace("SHA", &"0".repeat(64));
        workspace.write("r.toml", &format!("name = \"r\"\nplatforms = [\"linux/amd64\"]\n[from.archive]\n{from}\n"));
        let finished = workspace.rootsmith(["build", "r.toml"]);
        finished.failed_with(2).says(phrase);
    }
}

#[test]
fn platforms_that_no_distribution_is_built_for() {
    let workspace = Workspace::new();
    let recipe = |platforms: &str, from: &str| format!("name = \"r\"\nplatforms = [{platforms}]\n{from}\n");
    let wide = "\"linux/arm/v6\", \"linux/loongarch64\", \"linux/mips64le\"";
    workspace.write("r.toml", &recipe(wide, "[from.scratch]"));
    workspace.rootsmith(["build", "r.toml", "-o", "oci:out", "--progress", "none"]).succeeded();
    let inspected = workspace.rootsmith(["inspect", "oci:out", "--platform", "linux/armv6", "--json"]);
    inspected.failed_with(2).says("linux/arm/v6").says("linux/mips64le");
    for (asked, said) in [("linux/arm/6", "linux/arm/v6"), ("loong64", "linux/loong64"), ("linux/arm", "linux/arm/v6")]
    {
        let inspected = workspace.rootsmith(["inspect", "oci:out", "--platform", asked]);
        assert!(inspected.succeeded().stdout.contains(&format!("Platform      {said}\n")), "{}", inspected.stdout);
    }
    workspace.write("r.toml", &recipe("\"linux/arm/v6\"", "[from.debian]\nsuite = \"trixie\""));
    let locked = workspace.rootsmith(["lock", "r.toml", "--offline"]);
    locked.failed_with(2).says("there are no packages for linux/arm/v6").says("[from.scratch]");
    write(&workspace, "a.tar", &tar(&[file("./note", "x")]));
    let imported = |platform: &str| {
        workspace.rootsmith(["import", "a.tar", "--platform", platform, "-o", "oci:imported", "--progress", "none"])
    };
    imported("linux/arm/v5").succeeded();
    let inspected = workspace.rootsmith(["inspect", "oci:imported"]);
    assert!(inspected.succeeded().stdout.contains("Platform      linux/arm/v5\n"), "{}", inspected.stdout);
    imported("windows/amd64").failed_with(2).says("is not a platform");
}

#[test]
fn archives_of_docker_hold_one_platform() {
    let workspace = Workspace::new();
    write(&workspace, "root.tar", &tar(&small()[..3]));
    let build = |platforms: &str, arguments: &[&str]| {
        let text = format!("name = \"several\"\nplatforms = [{platforms}]\n[from.archive]\npath = \"root.tar\"\n");
        workspace.write("several.toml", &text);
        workspace.rootsmith([&["build", "several.toml", "--progress", "lines"], arguments].concat())
    };
    let images = |archive: &str| -> usize {
        let text = run(Command::new("tar").arg("-xOf").arg(workspace.path(archive)).arg("manifest.json"));
        serde_json::from_str::<Vec<Value>>(&text).unwrap().len()
    };
    let all = "\"linux/amd64\", \"linux/arm64\", \"linux/s390x\"";
    let both = build(all, &["-o", "docker-archive:docker.tar", "-o", "oci-archive:oci.tar"]);
    both.succeeded().says("docker-archive:docker.tar holds the image for").says("`--platform` names another");
    assert_eq!((images("docker.tar"), images("oci.tar")), (1, 3));
    let copied = workspace.rootsmith(["copy", "oci-archive:oci.tar", "docker-archive:copied.tar"]);
    copied.succeeded().says("docker-archive:copied.tar holds the image for");
    let copy = ["copy", "oci-archive:oci.tar", "docker-archive:arm.tar", "--platform", "linux/arm64"];
    assert!(!workspace.rootsmith(copy).succeeded().stderr.contains("alone"));
    assert_eq!((images("copied.tar"), images("arm.tar")), (1, 1));

    let foreign = "\"linux/loong64\", \"linux/s390x\"";
    let none = build(foreign, &["-o", "docker-archive:none.tar"]);
    none.failed_with(2).says("none of the images is for this machine").says("`--platform PLATFORM`");
    build(foreign, &["-o", "oci-archive:foreign.tar"]).succeeded();
    let none = workspace.rootsmith(["copy", "oci-archive:foreign.tar", "docker-archive:none.tar"]);
    none.failed_with(2).says("none of the images is for this machine").says("linux/loong64, linux/s390x");
    build(foreign, &["-o", "docker-archive:one.tar", "--platform", "linux/s390x"]).succeeded();
    let files = build(all, &["-o", "rootfs-tar:files.tar"]);
    files.failed_with(2).says("the image is for 3 platforms").says("`--platform PLATFORM`");
}
