//! What is read, and what of it the image says.

use super::*;

#[test]
fn every_way_to_give_an_archive() {
    let workspace = Workspace::new();
    let bytes = tar(&small());
    write(&workspace, "small.tar", &bytes);
    let digest = import(&workspace, "small.tar", &["small:1"]).digest();
    let fed = |stdin: Stdio| {
        finish(workspace.command([binary()]).args(["import", "-", "--progress", "none"]).stdin(stdin)).digest()
    };
    assert_eq!(fed(fs::File::open(workspace.path("small.tar")).unwrap().into()), digest);
    let mut child = workspace.command([binary()]);
    child.args(["import", "-", "--progress", "none"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = child.spawn().unwrap();
    child.stdin.take().unwrap().write_all(&bytes).unwrap();
    assert!(String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap().contains(&digest));
    let pipe = format!("{} import <(cat small.tar) --progress none", binary().display());
    assert_eq!(finish(&mut workspace.command(["bash", "-c", &pipe])).digest(), digest);
    let url = format!("file://{}", workspace.path("small.tar").display());
    assert_eq!(import(&workspace, &url, &[]).digest(), digest);
    let sha256 = Digest::of(&bytes).to_string();
    assert_eq!(import(&workspace, "small.tar", &["--sha256", &sha256]).digest(), digest);

    let server = Server::start(bytes);
    let url = server.url("/base/small.tar");
    assert_eq!(import(&workspace, &url, &["--sha256", &sha256]).digest(), digest);
    let requests = server.requests();
    assert_eq!(import(&workspace, &url, &["--sha256", &sha256, "--offline"]).digest(), digest, "it is in the store");
    assert_eq!(server.requests(), requests);
}

#[test]
fn what_the_image_says() {
    let workspace = Workspace::new();
    write(&workspace, "small.tar", &tar(&small()));
    let changes =
        ["CMD [\"a\"]", "ENV A=1 PATH=/x:$PATH", "USER app", "WORKDIR /srv", "EXPOSE 80", "LABEL l=m", "VOLUME /v"];
    let changes: Vec<&str> = changes.iter().flat_map(|change| ["--change", change]).collect();
    let image = imported(&workspace, "small.tar", &[&changes[..], &["-t", "x:2", "-m", "from a tape"]].concat());
    let config = &image.config["config"];
    assert_eq!(config["User"], "1000:1001", "names become numbers");
    assert_eq!(config["Cmd"], json!(["a"]));
    assert_eq!(
        (&config["WorkingDir"], &config["ExposedPorts"], &config["Volumes"]),
        (&json!("/srv"), &json!({ "80/tcp": {} }), &json!({ "/v": {} }),)
    );
    assert_eq!(config["Labels"], json!({ "l": "m" }));
    assert_eq!(image.config["history"][0]["created_by"], "from a tape");
    assert_eq!(image.config["created"], "2023-11-14T22:13:20Z", "the newest entry's time");
    assert_eq!(image.config["architecture"], "amd64");
    assert_eq!(Layout::open(&workspace.path("out")).tags()[0].0, "2");
    let listing = image.listing();
    assert!(!listing.contains_key("dev/null") && !listing.contains_key("tmp/left"), "as of every image");
    assert_eq!(listing["etc/note"].xattrs.keys().collect::<Vec<_>>(), ["user.note"]);
    assert_eq!(listing["bin/sh"].mode, 0o4755);
}

#[test]
fn the_epoch_is_that_of_the_newest_entry_that_has_a_date() {
    let workspace = Workspace::new();
    let entries = [file("a", "").octal(Field::Mtime, 1_000_000_000), file("b", "").octal(Field::Mtime, 0o77777777777)];
    write(&workspace, "future.tar", &tar(&entries));
    let image = imported(&workspace, "future.tar", &[]);
    assert_eq!(image.config["created"], "2001-09-09T01:46:40Z");
    assert!(image.listing().values().all(|entry| entry.mtime <= 1_000_000_000));
    write(&workspace, "tomorrow.tar", &tar(&[file("a", "").octal(Field::Mtime, 4_000_000_000)]));
    let finished = workspace.rootsmith(["import", "tomorrow.tar", "--progress", "lines"]);
    finished.succeeded().says("the newest file is of 2096-10-02T07:06:40Z");
    let mut command = workspace.command([binary()]);
    let set = command.env("SOURCE_DATE_EPOCH", "5").args(["import", "future.tar", "-o", "oci:set"]);
    finish(set).succeeded();
    assert_eq!(Layout::open(&workspace.path("set")).image().config["created"], "1970-01-01T00:00:05Z");
}

#[test]
fn images_keep_their_configuration() {
    let workspace = Workspace::new();
    let lower = tar(&small());
    let upper = tar(&[
        file("etc/.wh.note", ""),
        directory("tmp"),
        file("etc/.wh..wh..opq", ""),
        file("etc/group", "app:x:1001:\n"),
        file("etc/passwd", "app:x:5:6::/:/bin/sh\n"),
    ]);
    let config = json!({
        "User": "app", "Entrypoint": ["/init"], "Cmd": ["-v"], "Env": ["PATH=/bin", "X=1"], "WorkingDir": "/etc",
        "Labels": { "a": "b" }, "Healthcheck": { "Test": ["CMD", "true"] },
    });
    write(&workspace, "saved.tar", &docker_archive(&[lower, upper], config.clone()));
    let finished = workspace.rootsmith(["import", "saved.tar", "--progress", "lines", "-o", "oci:out"]);
    finished.succeeded().says("Healthcheck: it is left out");
    let image = Layout::open(&workspace.path("out")).image();
    let found = &image.config["config"];
    for key in ["Entrypoint", "Cmd", "Env", "WorkingDir", "Labels"] {
        assert_eq!(found[key], config[key], "{key}");
    }
    assert_eq!(found["User"], "5:6");
    let paths: Vec<String> = image.listing().into_keys().filter(|path| path.starts_with("etc/")).collect();
    assert_eq!(paths, ["etc/group", "etc/passwd"], "layers are applied, with their whiteouts");
    let changed =
        imported(&workspace, "saved.tar", &["-c", "ENTRYPOINT [\"/other\"]", "-c", "ENV X=2", "-c", "USER 7:8"]);
    let found = &changed.config["config"];
    assert_eq!((&found["Entrypoint"], &found["User"]), (&json!(["/other"]), &json!("7:8")));
    assert_eq!(found["Env"], json!(["PATH=/bin", "X=2"]));
    assert!(found.get("Cmd").is_none(), "the command belonged to the old entrypoint");
    // Our own archives come in as they went out.
    import(&workspace, "saved.tar", &["-o", "oci-archive:own.tar", "-o", "oci:layout"]).succeeded();
    let own = import(&workspace, "own.tar", &[]).digest();
    assert_eq!(import(&workspace, "layout", &[]).digest(), own);
}

#[test]
fn archives_of_gnu_tar_in_all_its_forms() {
    require!(Need::Program("tar"));
    let workspace = Workspace::new();
    let root = workspace.path("root");
    let long = "n".repeat(120);
    fs::create_dir_all(root.join("deep").join(&long)).unwrap();
    fs::write(root.join("deep").join(&long).join("file"), "1").unwrap();
    fs::write(root.join("a"), "a").unwrap();
    fs::hard_link(root.join("a"), root.join("b")).unwrap();
    std::os::unix::fs::symlink(format!("deep/{long}"), root.join("link")).unwrap();
    let mut holes = vec![0; 300_000];
    holes[200_000..200_004].copy_from_slice(b"data");
    let sparse = fs::File::create(root.join("sparse")).unwrap();
    sparse.set_len(300_000).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&sparse, b"data", 200_000).unwrap();
    drop(sparse);
    fs::set_permissions(root.join("a"), fs::Permissions::from_mode(0o2755)).unwrap();
    let pack = |arguments: &[&str]| {
        let common = ["--owner=7:7", "--group=8:8", "--mtime=@1600000000", "-C", "root", "-cf", "x.tar"];
        run(workspace.command(["tar"]).args(arguments).args(common).args(if arguments.contains(&"bare") {
            ["deep", "a", "b", "link", "sparse"].as_slice()
        } else {
            &["."]
        }));
        imported(&workspace, "x.tar", &["--platform", "linux/amd64"]).listing()
    };
    let expected = pack(&["--format=pax"]);
    assert_eq!(expected["b"].kind, Kind::HardLink("a".to_owned()));
    assert_eq!((expected["a"].owner, expected["a"].mode), ((7, 8), 0o2755));
    assert_eq!(expected["sparse"].kind, Kind::File { digest: Digest::of(&holes).hex(), size: 300_000 });
    for arguments in [
        &["--format=gnu"][..],
        &["--format=oldgnu"],
        &["--format=pax", "--sparse"],
        &["--format=gnu", "--sparse"],
        &["--format=pax", "--sparse", "--sparse-version=0.0"],
        &["--format=pax", "--sparse", "--sparse-version=0.1"],
        &["--blocking-factor=1", "--format=gnu"],
    ] {
        assert_eq!(pack(arguments), expected, "{arguments:?}");
    }
    // Names of more than 100 bytes are beyond the old forms, but ustar has two fields for one.
    fs::remove_dir_all(root.join("deep")).unwrap();
    fs::remove_file(root.join("link")).unwrap();
    let folder = root.join("deep").join(&long[..90]);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("file"), "1").unwrap();
    std::os::unix::fs::symlink("deep", root.join("link")).unwrap();
    assert_eq!(pack(&["--format=ustar"]), pack(&["--format=pax"]));
    fs::remove_dir_all(folder).unwrap();
    assert_eq!(pack(&["--format=v7"]), pack(&["--format=pax"]));
}

#[test]
fn leading_components_can_be_left_out() {
    let workspace = Workspace::new();
    let entries = [
        directory("root.x86_64/"),
        directory("root.x86_64/usr/bin"),
        symlink("root.x86_64/bin", "/usr/bin"),
        file("root.x86_64/bin/sh", AMD64),
        entry(b'1', "root.x86_64/usr/bin/ash", "root.x86_64/usr/bin/sh", b""),
        file("README", "outside"),
    ];
    write(&workspace, "bootstrap.tar", &tar(&entries));
    let image = imported(&workspace, "bootstrap.tar", &["--strip-components", "1"]);
    let paths: Vec<String> = image.listing().into_keys().filter(|path| !path.is_empty()).collect();
    assert_eq!(paths, ["bin", "usr", "usr/bin", "usr/bin/ash", "usr/bin/sh"]);
    let nothing = import(&workspace, "bootstrap.tar", &["--strip-components", "9", "-o", "oci:none"]);
    nothing.failed_with(2).says("nothing in it has a name of more than 9 components").says("`strip-components`");
    workspace.write(
        "r.toml",
        "name = \"r\"\nplatforms = [\"linux/amd64\"]\n[from.archive]\npath = \"bootstrap.tar\"\nstrip-components = 1\n",
    );
    finish(workspace.command([binary()]).args(["build", "r.toml", "-o", "oci:built"])).succeeded();
    assert_eq!(Layout::open(&workspace.path("built")).image().layer, image.layer);
}

#[test]
fn conda_packages_are_listed() {
    let workspace = Workspace::new();
    let record = r#"{"name":"zlib","version":"1.3.1","build":"h1","subdir":"linux-64"}"#;
    write(&workspace, "c.tar", &tar(&[file("opt/env/conda-meta/zlib-1.3.1-h1.json", record)]));
    import(&workspace, "c.tar", &["--platform", "linux/amd64", "-o", "oci:out"]).succeeded();
    let found = workspace.rootsmith(["inspect", "oci:out", "--json"]);
    let found: Value = serde_json::from_str(&found.succeeded().stdout).unwrap();
    assert_eq!((&found["packages"][0]["manager"], &found["packages"][0]["name"]), (&json!("conda"), &json!("zlib")));
}
