use super::*;

/// The recipe with local files beside it.
fn with_files(text: &str, make: impl Fn(&std::path::Path)) -> (tempfile::TempDir, recipe::Recipe) {
    let folder = tempfile::tempdir().unwrap();
    make(folder.path());
    let file = folder.path().join("test.toml");
    fs::write(&file, format!("name = \"test\"\nfrom.debian.suite = \"trixie\"\n{text}")).unwrap();
    let recipe = recipe::load(&file, None).unwrap();
    (folder, recipe)
}

fn put(file: &std::path::Path, text: &str, mode: u32) {
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, text).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn files_are_copied_written_linked_and_made() {
    let entries = r#"
file = [
  { path = "/bin/app", source = "app" },
  { path = "/etc/secret", source = "secret", mode = "0600", owner = "app" },
  { path = "/etc/motd", content = "hi\n", owner = "www-data:adm" },
  { path = "/etc/localtime", link = "/usr/share/zoneinfo/UTC" },
  { path = "/srv/data", directory = true, owner = "10:20", mode = "2770" },
  { path = "/srv/null", device = "c 1:3", mode = "0666" },
  { path = "/srv/disk", device = "b 8:0" },
  { path = "/srv/pipe", fifo = true },
  { path = "/bin", directory = true, mode = "0711" },
]
harden.user = { name = "app", uid = 10001, gid = 10002 }
"#;
    let (_folder, recipe) = with_files(entries, |folder| {
        put(&folder.join("app"), "binary", 0o700);
        put(&folder.join("secret"), "s", 0o666);
    });
    let mut tree = tree(&[
        "bin@usr/bin",
        "usr/bin/",
        "etc/localtime@/old",
        "etc/passwd=www-data:x:33:33:w:/var/www:/bin/sh\n",
        "etc/group=adm:x:4:\n",
    ]);
    let outcome = Files::gather(&recipe.files, recipe.harden.user.clone(), epoch()).unwrap().apply(&mut tree).unwrap();
    assert_eq!(outcome.summary, "files put in: 9");
    let digest = |text: &str| crate::digest::Digest::of(text.as_bytes());
    for (at, expected) in [
        ("/usr/bin/app", format!("0755 0:0 file /usr/bin/app {} 6", digest("binary"))),
        ("/etc/secret", format!("0600 10001:10002 file /etc/secret {} 1", digest("s"))),
        ("/etc/motd", format!("0644 33:4 file /etc/motd {} 3", digest("hi\n"))),
        ("/etc/localtime", "0777 0:0 symlink /etc/localtime -> /usr/share/zoneinfo/UTC".to_owned()),
        ("/srv", "0755 0:0 dir /srv".to_owned()),
        ("/srv/data", "2770 10:20 dir /srv/data".to_owned()),
        ("/srv/null", "0666 0:0 char /srv/null 1:3".to_owned()),
        ("/srv/disk", "0644 0:0 block /srv/disk 8:0".to_owned()),
        ("/srv/pipe", "0644 0:0 fifo /srv/pipe".to_owned()),
        ("/usr/bin", "0711 0:0 dir /usr/bin".to_owned()),
    ] {
        assert_eq!(line(&tree, at), format!("{expected} mtime={EPOCH}"));
    }
    assert!(tree.get(&path("bin")).unwrap().symlink_target().is_some());
    assert_eq!(tree.get(&path("etc/motd")).unwrap().origin.to_string(), "the recipe: [[file]] /etc/motd");
}

#[test]
fn a_folder_is_laid_over_what_is_there() {
    let (_folder, recipe) = with_files("[[file]]\npath = \"/\"\nsource = \"overlay\"\n", |folder| {
        put(&folder.join("overlay/tmp/x"), "", 0o644);
        put(&folder.join("overlay/lib/tool"), "", 0o755);
        put(&folder.join("overlay/new/deep/y"), "", 0o600);
        symlink("y", folder.join("overlay/new/deep/link")).unwrap();
    });
    let mut tree = tree(&["tmp/", "lib@usr/lib", "usr/lib/x="]);
    tree.get_mut(&path("tmp")).unwrap().meta.mode = 0o1777;
    Files::gather(&recipe.files, None, epoch()).unwrap().apply(&mut tree).unwrap();
    assert_eq!(line(&tree, "/tmp"), "1777 0:0 dir /tmp");
    assert!(line(&tree, "/usr/lib/tool").starts_with("0755 0:0 file"));
    assert!(line(&tree, "/new/deep/y").starts_with("0644 0:0 file"));
    assert!(line(&tree, "/new/deep/link").starts_with("0777 0:0 symlink /new/deep/link -> y"));
    assert!(tree.contains(&path("usr/lib/x")));
}

#[test]
fn a_folder_with_something_in_it_is_not_covered() {
    for entry in ["content = \"\"", "link = \"/srv\"", "fifo = true"] {
        let recipe = recipe(&format!("[[file]]\npath = \"/usr\"\n{entry}\n"));
        let files = Files::gather(&recipe.files, None, epoch()).unwrap();
        let error = files.apply(&mut tree(&["usr/bin/tool=", "usr/lib/"])).unwrap_err();
        let expected = "cannot put `[[file]] /usr` into the image: `/usr` is a folder there, with 3 paths below it";
        assert_eq!(error.to_string(), expected);
        let mut empty = tree(&["usr/"]);
        files.apply(&mut empty).unwrap();
        assert!(!empty.is_directory(&path("usr")), "an empty folder is replaced");
    }
    let text = "[[file]]\npath = \"/usr/share\"\ncontent = \"\"\n[prune]\nremove = [\"/usr/share\"]\n";
    let recipe = recipe(text);
    // Where steps need the files, those come first.
    let files = Files::gather(&recipe.files, None, epoch()).unwrap().before_pruning(&recipe.prune);
    files.apply(&mut tree(&["usr/share/doc/x="])).unwrap();
    let mut tree = tree(&["usr/share/doc/x="]);
    for pass in &list(&recipe, Before::default(), epoch()).unwrap()[..2] {
        pass.apply(&mut tree).unwrap();
    }
    assert!(tree.get(&path("usr/share")).unwrap().is_file(), "pruning comes before");
}

#[test]
fn a_file_below_a_file_is_named() {
    for at in ["/etc/passwd/x", "/etc/passwd/x/y"] {
        let recipe = recipe(&format!("[[file]]\npath = \"{at}\"\ncontent = \"\"\n"));
        let error = Files::gather(&recipe.files, None, epoch()).unwrap().apply(&mut account_tree()).unwrap_err();
        assert_eq!(error.to_string(), format!("cannot put `[[file]] {at}` into the image"));
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.contains("`/etc/passwd` is not a directory"), "{source}");
    }
}

#[test]
fn owners_that_nobody_knows_are_refused() {
    let recipe = recipe("[[file]]\npath = \"/x\"\ncontent = \"\"\nowner = \"nobody:nogroup\"\n");
    let files = Files::gather(&recipe.files, None, epoch()).unwrap();
    let error = files.apply(&mut tree(&["etc/passwd=nobody:x:65534:65534:::\n"])).unwrap_err();
    assert_eq!(error.to_string(), "cannot give `/x` to `nogroup`: the image has no group of that name");
}

#[test]
fn a_file_of_another_digest_is_refused() {
    let digest = crate::digest::Digest::of(b"binary");
    let entry = format!("[[file]]\npath = \"/x\"\nsource = \"x\"\ndigest = \"{digest}\"\n");
    let gather = |text: &'static str| {
        let (folder, recipe) = with_files(&entry, |folder| put(&folder.join("x"), text, 0o644));
        let files = Files::gather(&recipe.files, None, epoch()).map(drop);
        drop(folder);
        files
    };
    assert!(gather("binary").is_ok());
    let error = gather("other").unwrap_err().to_string();
    assert!(error.ends_with(&format!("but the recipe says {digest}")), "{error}");
}

#[test]
fn sockets_are_not_copied() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let file = recipe::FileEntry {
        path: "/x".parse().unwrap(),
        what: recipe::FileKind::Copy(folder.path().to_owned()),
        mode: None,
        owner: None,
        digest: None,
    };
    let error = Files::gather(&[file], None, epoch()).err().unwrap();
    assert!(error.to_string().ends_with("s` into the image: it is a socket"), "{error}");
}
