//! Layers that are kept, and the one on top.

use super::*;

#[test]
fn layers_are_kept_and_changes_come_on_top() {
    require!(Need::Root, Need::Program("umoci"), Need::Program("busybox"), Need::Program("skopeo"), Need::Amd64);
    let workspace = layered();
    recipe(
        &workspace,
        "keep-layers = true\nname = \"registry.example.com/toy:1\"\n\
         [prune]\nremove = [\"/gone\", \"/d/third\", \"/turned/*\"]\n[os-release]\nID = \"acme\"\n\
         [[file]]\npath = \"/d/sixth\"\ncontent = \"6\"\n[[file]]\npath = \"/turned\"\ncontent = \"a file again\"\n\
         [[file]]\npath = \"/turns\"\ndirectory = true\n[[file]]\npath = \"/turns/x\"\ncontent = \"x\"\n\
         [[run]]\ncommand = [\"/bin/sh\", \"-ec\", \"rm /anew/new; echo y > /anew/y; ln /links /seventh; \
         chmod 700 /etc/passwd; rm /d/fifth; echo log >> /var/log/new.log; mkdir -p /var/cache/apt; \
         echo x > /var/cache/apt/pkgcache.bin; echo t > /tmp/t\"]\n[harden]\nsetuid = \"strip\"\n",
    );
    let built = build(&workspace, &["oci:out:new", "rootfs-tar:out.tar", "docker-archive:docker.tar:top:new"]);
    built.succeeded();
    let (manifest, config) = documents(&workspace.path("out"));
    let (below, _) = documents(&workspace.path("base"));
    let layers = manifest["layers"].as_array().unwrap();
    assert_eq!(&layers[..3], below["layers"].as_array().unwrap().as_slice(), "the base's are byte for byte the same");
    assert_eq!(layers.len(), 4);
    let history = config["history"].as_array().unwrap();
    assert_eq!(history.iter().filter(|entry| entry["empty_layer"] != true).count(), 4);
    assert_eq!(history.last().unwrap()["created_by"], "rootsmith: changes");
    assert!(history.len() > 4, "what the base says of its configuration stays: {history:?}");
    let annotations = &manifest["annotations"];
    assert_eq!(annotations["org.opencontainers.image.base.name"], "registry.example.com/toy:1");

    let layer = workspace.path("out/blobs/sha256").join(&layers[3]["digest"].as_str().unwrap()[7..]);
    let mut plain = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(fs::File::open(layer).unwrap()), &mut plain).unwrap();
    let top = listing::of_tar(plain.as_slice());
    let names: Vec<&str> = top.keys().map(String::as_str).collect();
    let expected = [
        "",
        ".wh.gone",
        "anew",
        "anew/.wh.new",
        "anew/y",
        "d",
        "d/.wh.fifth",
        "d/.wh.third",
        "d/sixth",
        "etc",
        "etc/fourth",
        "etc/os-release",
        "etc/passwd",
        "links",
        "seventh",
        "turned",
        "turns",
        "turns/x",
        "usr",
        "usr/lib",
        "usr/lib/os-release",
        "var",
        "var/cache",
        "var/cache/apt",
        "var/log",
        "var/log/new.log",
    ];
    assert_eq!(names, expected);
    let tree = of_file(&workspace.path("out.tar"));
    assert_eq!(comparable(&unpacked(&workspace, "out:new", "unpacked")), comparable(&tree));
    assert_eq!(tree["var/log/base.log"].kind, of_folder(&workspace.path("third/rootfs"))["var/log/base.log"].kind);
    run(&mut workspace.command(["skopeo", "copy", "oci:out:new", "docker-archive:copied.tar:top:copied"]));
}

#[test]
fn nothing_to_change_is_no_layer() {
    require!(Need::Root, Need::Program("umoci"), Need::Program("busybox"), Need::Amd64);
    let workspace = layered();
    recipe(&workspace, "keep-layers = true\n[[run]]\ncommand = [\"/bin/ls\", \"-R\", \"/\"]\n");
    build(&workspace, &["oci:out"]).succeeded();
    let (manifest, config) = documents(&workspace.path("out"));
    let (below, of_base) = documents(&workspace.path("base"));
    assert_eq!(manifest["layers"], below["layers"]);
    assert_eq!((&config["rootfs"], &config["history"]), (&of_base["rootfs"], &of_base["history"]));
}

#[test]
fn docker_takes_it_and_gives_it() {
    require!(Need::Root, Need::Program("umoci"), Need::Program("busybox"), Need::Program("dockerd"), Need::Amd64);
    let workspace = layered();
    let engine = Engine::start();
    let more = "keep-layers = true\n[[file]]\npath = \"/d/sixth\"\ncontent = \"6\"\n\
                [prune]\nremove = [\"/d/third\"]\n[image]\ncmd = [\"-c\", \"ls /d; cat /etc/fourth /links /gone/again\"]\n";
    recipe(&workspace, more);
    let docker_host = format!("unix://{}", engine.socket().display());
    let with_docker = |arguments: &[&str]| {
        finish(
            workspace.command([binary()]).args(arguments).args(["--progress", "none"]).env("DOCKER_HOST", &docker_host),
        )
    };
    with_docker(&["build", "top.toml", "-o", "docker-daemon:top:1"]).succeeded();
    let said = engine.in_container("top:1", &[], &[]);
    assert_eq!(said.succeeded().stdout, "fifth\nsecond\nsixth\nsub\nlinkedlinkedback\n");

    // What Docker itself put on top comes back by both ways, as its own export sees it.
    let script = "rm /d/sixth; mkdir /d/new; echo 1 > /d/new/x; rm -r /anew; chmod 640 /links; ln /links /eighth";
    engine.succeed(["run", "--name=changed", "--network=none", "--entrypoint=/bin/sh", "top:1", "-ec", script]);
    engine.succeed(["commit", "--change=HEALTHCHECK CMD /bin/true", "changed", "team/changed:2"]);
    engine.succeed(["save", "-o", workspace.path("saved.tar").to_str().unwrap(), "team/changed:2"]);
    engine.succeed(["export", "-o", workspace.path("exported.tar").to_str().unwrap(), "changed"]);
    let from = |image: &str, keep: bool| {
        let start = "name = \"again\"\nplatforms = [\"linux/amd64\"]\n[from.oci]\n";
        workspace.write("again.toml", &format!("{start}image = \"{image}\"\nkeep-layers = {keep}\n"));
        let _ = fs::remove_dir_all(workspace.path("again"));
        with_docker(&["build", "again.toml", "-o", "oci:again", "-o", "rootfs-tar:again.tar"]).succeeded();
        (documents(&workspace.path("again")), of_file(&workspace.path("again.tar")))
    };
    let ((manifest, config), archive) = from("docker-archive:saved.tar:team/changed:2", false);
    assert_eq!(manifest["annotations"]["org.opencontainers.image.base.name"], "docker.io/team/changed:2");
    assert_eq!(config["config"]["Healthcheck"]["Test"], json!(["CMD-SHELL", "/bin/true"]));
    let (_, daemon) = from("docker-daemon:team/changed:2", false);
    let ((manifest, _), kept) = from("docker-daemon:team/changed:2", true);
    assert!(manifest["layers"].as_array().unwrap().len() >= 4);
    assert_eq!(comparable(&archive), comparable(&daemon));
    // Engines put files of their own into /dev, /proc, /sys, /etc and /run of a container.
    let own = |listing: &Listing| -> String {
        let ours = |path: &str| {
            let top = path.split('/').next().unwrap_or_default();
            let of_engine = ["dev", "proc", "sys", "run", "vol", "var"].contains(&top) || path == ".dockerenv";
            !path.is_empty()
                && !of_engine
                && !["etc/hostname", "etc/hosts", "etc/resolv.conf", "etc/mtab"].contains(&path)
        };
        comparable(&listing.iter().filter(|(path, _)| ours(path)).map(|(k, v)| (k.clone(), v.clone())).collect())
    };
    let exported = of_file(&workspace.path("exported.tar"));
    assert_eq!(own(&kept), own(&exported));
    assert_eq!(own(&archive), own(&exported));

    let gone = with_docker(&["build", "again.toml", "--locked", "--offline"]);
    gone.succeeded();
    drop(engine);
    with_docker(&["build", "again.toml", "--frozen"]).succeeded();
    let start = "name = \"n\"\nplatforms = [\"linux/amd64\"]\n[from.oci]\nimage = \"docker-daemon:none:1\"\n";
    workspace.write("none.toml", start);
    with_docker(&["build", "none.toml"]).failed_with(3).says("cannot talk to the Docker daemon");
}
