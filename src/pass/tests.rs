use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use super::*;
use crate::recipe;
use crate::tree::{Content, Inode, Meta, Node, Origin};

const EPOCH: i64 = 1_700_000_000;

fn epoch() -> Epoch {
    Epoch::from_seconds(EPOCH)
}

fn path(text: &str) -> TreePath {
    TreePath::new(text).unwrap()
}

/// A tree of entries such as `etc/passwd=root:x:0:0`, `bin@usr/bin` (a symbolic link) and `srv/` (a folder).
fn tree(entries: &[&str]) -> Tree {
    let mut tree = Tree::new();
    for entry in entries {
        let origin = Origin::Package("test".into());
        let (at, inode) = if let Some((at, text)) = entry.split_once('=') {
            (at, Inode::file(0o644, Content::bytes(text.as_bytes()), origin))
        } else if let Some((at, target)) = entry.split_once('@') {
            (at, Inode::symlink(target, origin))
        } else {
            (entry.trim_end_matches('/'), Inode::directory(0o755, origin))
        };
        tree.insert_with_parents(path(at), inode).unwrap();
    }
    tree
}

fn paths(tree: &Tree) -> Vec<String> {
    tree.entries().map(|entry| entry.path.to_string()).collect()
}

fn text(tree: &Tree, at: &str) -> String {
    text_file::read(tree, &path(at)).unwrap().unwrap()
}

/// A line for each path but the root: mode, owner, kind, path, time.
fn line(tree: &Tree, at: &str) -> String {
    let text = tree.to_text().unwrap();
    let found = text.lines().find(|line| line.split(' ').nth(3) == Some(at));
    found.unwrap_or_else(|| panic!("{at} is not in\n{text}")).to_owned()
}

fn recipe(text: &str) -> recipe::Recipe {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("test.toml");
    fs::write(&file, format!("name = \"test\"\nfrom.debian.suite = \"trixie\"\n{text}")).unwrap();
    recipe::load(&file, None).unwrap()
}

fn prune(tree: &mut Tree, rules: &str) -> Outcome {
    PrunePass::new(&recipe(rules).prune, Epoch::default()).apply(tree).unwrap()
}

#[test]
fn the_list_is_in_order() {
    let passes = list(&recipe(""), epoch()).unwrap();
    let names: Vec<_> = passes.iter().map(|pass| pass.name()).collect();
    assert_eq!(names, ["prune", "files", "accounts", "certificates", "os-release", "harden", "normalize"]);
}

#[test]
fn what_a_running_system_makes_is_never_kept() {
    let mut tree = tree(&["proc/1/stat=", "sys/x=", "dev/null=", "run/utab=", "run/lock/x=", "tmp/a/b=", "srv/x="]);
    tree.get_mut(&path("tmp")).unwrap().meta.mode = 0o700;
    tree.get_mut(&path("run/lock")).unwrap().meta.mode = 0o1777;
    prune(&mut tree, "");
    assert_eq!(paths(&tree), ["/", "/dev", "/proc", "/run", "/run/lock", "/srv", "/srv/x", "/sys", "/tmp"]);
    assert_eq!(line(&tree, "/tmp"), "1777 0:0 dir /tmp");
    assert_eq!(line(&tree, "/run/lock"), "1777 0:0 dir /run/lock");
}

#[test]
fn presets_prune_like_debians_slim_images() {
    let mut tree = tree(&[
        "etc/alternatives/builtins.7.gz@/usr/share/man/man7/bash-builtins.7.gz",
        "etc/alternatives/awk@/usr/bin/mawk",
        "etc/broken@/nowhere",
        "etc/dpkg/dpkg.cfg.d/",
        "usr/bin/mawk=",
        "usr/share/doc/bash/NEWS.gz=12345",
        "usr/share/doc/bash/copyright=c",
        "usr/share/doc/bash/examples/deep/x=",
        "usr/share/doc/libc6/changelog.gz=",
        "usr/share/locale/de/LC_MESSAGES/x.mo=",
        "usr/share/locale/locale.alias=",
        "usr/share/man/de/man1/x.1.gz=",
        "usr/share/man/man1/x.1.gz=",
        "usr/share/man/man7/builtins.7.gz@/etc/alternatives/builtins.7.gz",
    ]);
    let outcome = prune(&mut tree, "prune.presets = [\"docs\", \"man\", \"info\", \"locales\"]");
    let expected = [
        "/",
        "/etc",
        "/etc/alternatives",
        "/etc/alternatives/awk",
        "/etc/broken",
        "/etc/dpkg",
        "/etc/dpkg/dpkg.cfg.d",
        "/etc/dpkg/dpkg.cfg.d/rootsmith",
        "/usr",
        "/usr/bin",
        "/usr/bin/mawk",
        "/usr/share",
        "/usr/share/doc",
        "/usr/share/doc/bash",
        "/usr/share/doc/bash/copyright",
        "/usr/share/locale",
        "/usr/share/locale/locale.alias",
        "/usr/share/man",
        "/usr/share/man/man1",
        "/usr/share/man/man7",
    ];
    assert_eq!(paths(&tree), expected);
    assert_eq!(outcome.counts, [("files", 8), ("folders", 7), ("bytes", 5)]);
    let rules = text(&tree, "etc/dpkg/dpkg.cfg.d/rootsmith");
    assert!(rules.contains("\npath-exclude /usr/share/man/*\n"), "{rules}");
    assert!(rules.contains("\npath-include /usr/share/doc/*/copyright\n"), "{rules}");
}

#[test]
fn bytes_of_a_hard_link_count_with_its_last_name() {
    let mut tree = tree(&["opt/a=1234"]);
    tree.link(path("opt/b"), &path("opt/a")).unwrap();
    tree.link(path("srv"), &path("opt/a")).unwrap();
    let one = prune(&mut tree.clone(), "prune.remove = [\"/opt\"]");
    assert_eq!(one.counts, [("files", 2), ("folders", 1), ("bytes", 0)]);
    let both = prune(&mut tree, "prune.remove = [\"/opt\", \"/srv\"]");
    assert_eq!(both.counts, [("files", 3), ("folders", 1), ("bytes", 4)]);
}

#[test]
fn caches_and_logs_leave_their_folders_and_what_debconf_knows() {
    let mut tree = tree(&["var/cache/debconf/config.dat=", "var/cache/apt/archives/x.deb=", "var/log/apt/term.log="]);
    prune(&mut tree, "prune.presets = [\"caches\", \"logs\"]");
    let kept = [
        "/",
        "/var",
        "/var/cache",
        "/var/cache/apt",
        "/var/cache/apt/archives",
        "/var/cache/debconf",
        "/var/cache/debconf/config.dat",
        "/var/log",
        "/var/log/apt",
    ];
    assert_eq!(paths(&tree), kept);
}

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

const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\ngames:x:5:60:games:/usr/games:/usr/sbin/nologin\n";
const GROUP: &str = "root:x:0:\nshadow:x:42:\ngames:x:60:\n";
const SHADOW: &str = "root::19000:0:99999:7:::\ngames:*:20500:0:99999:7:::\n";

fn accounts(text: &str, tree: &mut Tree) -> Result<Outcome, PassError> {
    let recipe = recipe(text);
    Accounts::new(recipe.harden.user, recipe.harden.lock_accounts, epoch()).apply(tree)
}

fn account_tree() -> Tree {
    tree(&[
        &format!("etc/passwd={PASSWD}"),
        &format!("etc/group={GROUP}"),
        &format!("etc/shadow={SHADOW}"),
        "etc/gshadow=root:*::\ngames:::\n",
    ])
}

#[test]
fn a_user_is_made() {
    let mut tree = account_tree();
    let wanted = "harden.user = { name = \"app\", uid = 10001, home = \"/srv/app\" }";
    assert_eq!(accounts(wanted, &mut tree).unwrap().counts, [("users made", 1)]);
    assert_eq!(text(&tree, "etc/passwd"), format!("{PASSWD}app:x:10001:10001::/srv/app:/usr/sbin/nologin\n"));
    assert_eq!(text(&tree, "etc/group"), format!("{GROUP}app:x:10001:\n"));
    assert_eq!(text(&tree, "etc/shadow"), format!("{SHADOW}app:!:19675::::::\n"));
    assert_eq!(text(&tree, "etc/gshadow"), "root:*::\ngames:::\napp:!::\n");
    assert_eq!(line(&tree, "/srv/app"), format!("0750 10001:10001 dir /srv/app mtime={EPOCH}"));
    assert_eq!(line(&tree, "/srv"), format!("0755 0:0 dir /srv mtime={EPOCH}"));
    let before = tree.to_text().unwrap();
    assert_eq!(accounts(wanted, &mut tree).unwrap(), Outcome::default());
    assert_eq!(tree.to_text().unwrap(), before);
}

#[test]
fn a_home_folder_of_others_is_left_alone() {
    let mut tree = account_tree();
    tree.insert(path("srv"), Inode::directory(0o711, Origin::Package("x".into()))).unwrap();
    accounts("harden.user = { name = \"app\", uid = 10001, home = \"/srv\" }", &mut tree).unwrap();
    assert_eq!(line(&tree, "/srv"), "0711 0:0 dir /srv");
}

#[test]
fn a_home_folder_that_files_were_put_into_is_given_to_the_user() {
    let text =
        "[[file]]\npath = \"/app/run\"\ncontent = \"\"\n[harden]\nuser = { name = \"app\", uid = 7, home = \"/app\" }";
    let recipe = recipe(text);
    let mut tree = account_tree();
    for pass in &list(&recipe, epoch()).unwrap()[1..3] {
        pass.apply(&mut tree).unwrap();
    }
    assert_eq!(line(&tree, "/app"), format!("0750 7:7 dir /app mtime={EPOCH}"));
    assert!(line(&tree, "/app/run").starts_with("0644 0:0 file"));
}

#[test]
fn accounts_that_are_there_are_not_changed() {
    for (user, there) in [
        ("name = \"games\", uid = 5, gid = 61", "the group `games` with the number 60"),
        ("name = \"app\", uid = 60", "the group `games` with the number 60"),
        (
            "name = \"app\", uid = 5, gid = 99",
            "the user `games` with the numbers 5:60, /usr/games and /usr/sbin/nologin",
        ),
        (
            "name = \"games\", uid = 5, gid = 60",
            "the user `games` with the numbers 5:60, /usr/games and /usr/sbin/nologin",
        ),
    ] {
        let name = user.split('"').nth(1).unwrap();
        let error = accounts(&format!("harden.user = {{ {user} }}"), &mut account_tree()).unwrap_err();
        assert_eq!(error.to_string(), format!("cannot make the user `{name}`: the image has {there}"));
    }
}

#[test]
fn passwords_are_locked() {
    let mut tree = tree(&[
        "etc/passwd=root:x:0:0:::\nold:$6$salt$hash:7:7:::\nopen::8:8:::\n",
        "etc/shadow=root::1::::::\nme:$y$hash:1::::::\nshut:!:1::::::\nstar:*:1::::::\n",
    ]);
    assert_eq!(accounts("harden.lock-accounts = true", &mut tree).unwrap().counts, [("passwords locked", 4)]);
    assert_eq!(text(&tree, "etc/passwd"), "root:x:0:0:::\nold:x:7:7:::\nopen:x:8:8:::\n");
    assert_eq!(text(&tree, "etc/shadow"), "root:*:1::::::\nme:*:1::::::\nshut:!:1::::::\nstar:*:1::::::\n");
}

/// Two certificates made with `openssl req -x509 -newkey ed25519`, of the subjects `/C=DE/O=Example  Corp /CN=Example
/// ROOT  ca` and `/O=Übung/CN=Zwei+serialNumber=7`; their hashes are those of `openssl x509 -subject_hash`.
const CORP: &str = "\
    -----BEGIN CERTIFICATE-----\n\
    MIIBlzCCAUmgAwIBAgIUCxVi69jLJQP1Rr08PFe4K9ZQcvQwBQYDK2VwMEExCzAJ\n\
    BgNVBAYTAkRFMRcwFQYDVQQKDA5FeGFtcGxlICBDb3JwIDEZMBcGA1UEAwwQRXhh\n\
    bXBsZSBST09UICBjYTAeFw0yNjExMjEwOTAwMDBaFw0zNjExMTgwOTAwMDBaMEEx\n\
    CzAJBgNVBAYTAkRFMRcwFQYDVQQKDA5FeGFtcGxlICBDb3JwIDEZMBcGA1UEAwwQ\n\
    RXhhbXBsZSBST09UICBjYTAqMAUGAytlcAMhAHN+asYI4yIcW6aJn7VDBjKd1WsR\n\
    AFkl9SSJoh5j7Gnro1MwUTAdBgNVHQ4EFgQUtJ1ihI3frH5JSLL8s2lJCFuhWmkw\n\
    HwYDVR0jBBgwFoAUtJ1ihI3frH5JSLL8s2lJCFuhWmkwDwYDVR0TAQH/BAUwAwEB\n\
    /zAFBgMrZXADQQAuomxTmWc+81VfH0IcW8lP2ZIsVaWGBynbkfY7+8Fq+S9Gk4H/\n\
    JUgne4vpW4Z7j7YTnVJYDLC+OWVJrgOkcUwP\n\
    -----END CERTIFICATE-----\n";
const TWO: &str = "\
    -----BEGIN CERTIFICATE-----\n\
    MIIBaTCCARugAwIBAgIUQgfuj8Nk6IxjvrMS0F1bAYufl5UwBQYDK2VwMCoxDzAN\n\
    BgNVBAoMBsOcYnVuZzEXMAgGA1UEBRMBNzALBgNVBAMMBFp3ZWkwHhcNMjYxMTIx\n\
    MDkwMDAwWhcNMzYxMTE4MDkwMDAwWjAqMQ8wDQYDVQQKDAbDnGJ1bmcxFzAIBgNV\n\
    BAUTATcwCwYDVQQDDARad2VpMCowBQYDK2VwAyEA/HaMZmvRM/4A2fGZ02GhlATk\n\
    6ulYvk32OfQltdO496ajUzBRMB0GA1UdDgQWBBTGM38HXV/wcnWUvGU5Y9AX+ITx\n\
    7TAfBgNVHSMEGDAWgBTGM38HXV/wcnWUvGU5Y9AX+ITx7TAPBgNVHRMBAf8EBTAD\n\
    AQH/MAUGAytlcANBAFPKeM4Y5hODgfQ2gpWyVhgtsuGtet0GGSCP3Myhuw9G8/gC\n\
    RWTNz8N9Tj2BUf1AU737aBwhsl1LAXcZguZfTQU=\n\
    -----END CERTIFICATE-----\n";

fn certificates(pem: &str) -> Result<Certificates, PassError> {
    let folder = tempfile::tempdir().unwrap();
    let file: PathBuf = folder.path().join("corp ca.pem");
    fs::write(&file, pem).unwrap();
    Certificates::read(&[file], epoch())
}

#[test]
fn certificates_are_added_as_debian_does() {
    let pass = certificates(&format!("subject: corp\n{CORP}\n{TWO}")).unwrap();
    let mut tree = tree(&[
        "etc/ssl/certs/ca-certificates.crt=first",
        "etc/ssl/certs/69de6b6f.0@other.pem",
        "etc/ssl/certs/ca.pem=",
    ]);
    assert_eq!(pass.apply(&mut tree).unwrap().summary, "certificates added: 2");
    let folder = path("etc/ssl/certs");
    let links = tree.children(&folder).filter_map(|entry| {
        let target = String::from_utf8(entry.inode.symlink_target()?.to_vec()).unwrap();
        Some(format!("{} {target}", String::from_utf8(entry.path.name().to_vec()).unwrap()))
    });
    let expected = [
        "195f4402.0 corp_ca-2.pem",
        "69de6b6f.0 other.pem",
        "69de6b6f.1 corp_ca.pem",
        "corp_ca-2.pem /usr/local/share/ca-certificates/corp_ca-2.crt",
        "corp_ca.pem /usr/local/share/ca-certificates/corp_ca.crt",
    ];
    assert_eq!(links.collect::<Vec<_>>(), expected);
    assert_eq!(text(&tree, "etc/ssl/certs/ca-certificates.crt"), format!("first\n{CORP}{TWO}"));
    assert_eq!(text(&tree, "usr/local/share/ca-certificates/corp_ca.crt"), CORP);
    assert_eq!(text(&tree, "usr/local/share/ca-certificates/corp_ca-2.crt"), TWO);
}

#[test]
fn without_hash_links_none_are_made() {
    let pass = certificates(CORP).unwrap();
    let mut with = tree(&["etc/ssl/certs/ca-certificates.crt="]);
    pass.apply(&mut with).unwrap();
    assert_eq!(with.children(&path("etc/ssl/certs")).count(), 1);
    let error = pass.apply(&mut tree(&[])).unwrap_err();
    assert_eq!(error.to_string(), "cannot add certificates: the image has no `/etc/ssl/certs/ca-certificates.crt`");
}

#[test]
fn what_is_no_certificate_is_refused() {
    let damaged = CORP.replacen("MII", "AII", 1);
    let cut = CORP.replace("-----END CERTIFICATE-----", "");
    let short =
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", &CORP.lines().nth(1).unwrap()[..60]);
    for (pem, why) in [
        ("", "there is no certificate in it"),
        ("-----BEGIN PRIVATE KEY-----\n", "there is a private key in it"),
        (damaged.as_str(), "certificate 1 of the file is damaged"),
        (short.as_str(), "certificate 1 of the file is damaged"),
        (cut.as_str(), "a certificate has no `-----END CERTIFICATE-----`"),
    ] {
        let error = certificates(pem).err().unwrap();
        assert!(error.to_string().ends_with(&format!("corp ca.pem`: {why}")), "{error}");
    }
}

fn special_tree() -> Tree {
    let mut tree = account_tree();
    for (at, mode) in [("usr/bin/su", 0o4755), ("usr/bin/chage", 0o2755), ("usr/bin/ls", 0o755), ("srv/open", 0o666)] {
        let inode = Inode::file(mode, Content::empty(), Origin::Sandbox);
        tree.insert_with_parents(path(at), inode).unwrap();
    }
    for (at, mode) in [("var/mail", 0o2775), ("tmp", 0o777), ("srv/pub", 0o777), ("root", 0o755)] {
        tree.insert_with_parents(path(at), Inode::directory(mode, Origin::Sandbox)).unwrap();
    }
    tree.insert(path("bin"), Inode::symlink("usr/bin", Origin::Sandbox)).unwrap();
    tree.link(path("usr/bin/su2"), &path("usr/bin/su")).unwrap();
    tree.get_mut(&path("usr/bin/ls")).unwrap().meta.xattrs.set("security.capability", [1]);
    tree
}

fn harden(text: &str, tree: &mut Tree) -> Outcome {
    HardenPass::new(recipe(text).harden).apply(tree).unwrap()
}

#[test]
fn the_baseline_counts_what_it_mends() {
    let mut tree = special_tree();
    let outcome = harden("harden.profile = \"baseline\"", &mut tree);
    let expected = [
        ("setuid and setgid bits stripped", 2),
        ("capabilities stripped", 1),
        ("world-writable paths closed", 3),
        ("modes mended", 3),
    ];
    assert_eq!(outcome.counts, expected);
    for (at, mode) in [
        ("usr/bin/su", 0o755),
        ("usr/bin/chage", 0o755),
        ("srv/open", 0o664),
        ("srv/pub", 0o1777),
        ("tmp", 0o1777),
        ("var/mail", 0o2775),
        ("root", 0o700),
        ("etc/shadow", 0o640),
        ("etc/gshadow", 0o640),
    ] {
        assert_eq!(tree.get(&path(at)).unwrap().meta.mode, mode, "{at}");
    }
    assert_eq!(tree.get(&path("etc/shadow")).unwrap().meta.gid, 42);
    assert_eq!(harden("harden.profile = \"baseline\"", &mut tree), Outcome::default());
}

#[test]
fn without_a_profile_nothing_is_changed() {
    let mut tree = special_tree();
    let before = tree.to_text().unwrap();
    assert_eq!(harden("", &mut tree), Outcome::default());
    assert_eq!(tree.to_text().unwrap(), before);
}

#[test]
fn listed_files_keep_their_setuid_bit() {
    let mut tree = special_tree();
    let outcome = harden("harden.setuid = [\"/bin/su\", \"/usr/bin/sudo\"]", &mut tree);
    assert_eq!(outcome.counts, [("setuid and setgid bits stripped", 1)]);
    let notes = [
        "/usr/bin/sudo should keep its setuid bit, but is not in the image",
        "/usr/bin/su keeps mode 4755",
        "/usr/bin/su2 keeps mode 4755",
    ];
    assert_eq!(outcome.notes, notes);
}

#[test]
fn an_init_that_is_not_there_is_an_error() {
    let error = HardenPass::new(recipe("harden.init = \"tini\"").harden).apply(&mut tree(&[])).unwrap_err();
    assert_eq!(error.to_string(), "cannot make tini process 1: the image has no `/usr/bin/tini`");
}

#[test]
fn traces_of_the_build_are_removed() {
    let mut tree = tree(&[
        "etc/.pwd.lock=",
        "etc/hostname=builder",
        "etc/machine-id=0123456789abcdef",
        "etc/passwd-=x",
        "etc/resolv.conf=nameserver 10.0.0.1",
        "etc/shadow=root:*:30000:0:99999:7:::\nold:*:100:0:99999:7:::\nnone:*::::::\n",
        "etc/ssh/ssh_host_rsa_key=secret",
        "etc/ssh/ssh_host_rsa_key.pub=public",
        "etc/ssh/sshd_config=kept",
        "etc/ssl/certs/abcdef01.0@ssl-cert-snakeoil.pem",
        "etc/ssl/certs/ssl-cert-snakeoil.pem=cert",
        "etc/ssl/private/ssl-cert-snakeoil.key=key",
        "var/cache/apt/archives/lock=",
        "var/cache/apt/archives/partial/",
        "var/cache/apt/pkgcache.bin=x",
        "var/cache/debconf/config.dat=kept",
        "var/cache/debconf/config.dat-old=x",
        "var/cache/ldconfig/aux-cache=x",
        "var/lib/apt/lists/auxfiles/",
        "var/lib/apt/lists/deb_Packages=x",
        "var/lib/apt/lists/partial/",
        "var/lib/dbus/machine-id=x",
        "var/lib/dpkg/status=kept",
        "var/lib/dpkg/status-old=x",
        "var/lib/systemd/random-seed=x",
        "var/log/apt/term.log=x",
        "var/log/dpkg.log=x",
        "var/log/fontconfig.log=x",
        "var/log/wtmp=",
    ]);
    let outcome = Normalize::new(epoch()).apply(&mut tree).unwrap();
    let files: Vec<_> =
        tree.entries().filter(|entry| !entry.inode.is_directory()).map(|entry| entry.path.to_string()).collect();
    let kept = [
        "/etc/machine-id",
        "/etc/shadow",
        "/etc/ssh/sshd_config",
        "/var/cache/debconf/config.dat",
        "/var/lib/dpkg/status",
        "/var/log/fontconfig.log",
        "/var/log/wtmp",
    ];
    assert_eq!(files, kept);
    for folder in ["var/cache/apt/archives/partial", "var/lib/apt/lists/partial", "var/log/apt"] {
        assert!(tree.is_directory(&path(folder)), "{folder}");
    }
    assert!(!tree.contains(&path("var/lib/apt/lists/auxfiles")));
    assert_eq!((text(&tree, "etc/machine-id"), text(&tree, "var/log/fontconfig.log")), (String::new(), String::new()));
    assert_eq!(text(&tree, "etc/shadow"), "root:*:19675:0:99999:7:::\nold:*:100:0:99999:7:::\nnone:*::::::\n");
    assert_eq!(outcome.counts, [("files removed", 20), ("files emptied", 2)]);
    let notes = [
        "random state left out: ssh host keys; `ssh-keygen -A` makes new ones (2 files)",
        "random state left out: systemd's random seed and credential key; made at first start (1 file)",
        "random state left out: the snakeoil certificate; `make-ssl-cert generate-default-snakeoil` makes a new one (2 files)",
    ];
    assert_eq!(outcome.notes, notes);
}

#[test]
fn what_the_recipe_puts_in_stays() {
    let mut tree = tree(&["etc/"]);
    let own = Inode::file(0o644, Content::bytes(*b"nameserver ::1"), Origin::Recipe("[[file]]".into()));
    tree.insert(path("etc/resolv.conf"), own).unwrap();
    Normalize::new(epoch()).apply(&mut tree).unwrap();
    assert!(tree.contains(&path("etc/resolv.conf")));
}

#[test]
fn a_resolv_conf_that_is_a_link_stays() {
    let mut tree = tree(&["etc/resolv.conf@../run/systemd/resolve/stub-resolv.conf"]);
    Normalize::new(epoch()).apply(&mut tree).unwrap();
    assert!(tree.contains(&path("etc/resolv.conf")));
}

#[test]
fn times_and_attributes_of_the_host_go() {
    let mut tree = tree(&["a=", "b=", "c@a"]);
    let set = |tree: &mut Tree, at: &str, mtime, names: &[&str]| {
        let meta = &mut tree.get_mut(&path(at)).unwrap().meta;
        meta.mtime = mtime;
        names.iter().for_each(|name| meta.xattrs.set(name, [1]));
    };
    set(&mut tree, "a", EPOCH + 1, &["security.selinux", "security.capability", "user.x"]);
    set(&mut tree, "b", EPOCH - 1, &["trusted.overlay.opaque", "system.posix_acl_access"]);
    set(&mut tree, "c", -5, &[]);
    tree.get_mut(&path("c")).unwrap().meta = Meta { mode: 0o755, mtime: -5, ..Meta::new(0) };
    let outcome = Normalize::new(epoch()).apply(&mut tree).unwrap();
    assert_eq!(outcome.counts, [("times moved to the epoch", 2), ("attributes dropped", 3)]);
    let empty = crate::digest::Digest::of(b"");
    let before = EPOCH - 1;
    let expected = format!(
        "0755 0:0 dir /\n0644 0:0 file /a {empty} 0 mtime={EPOCH} security.capability=01 user.x=01\n\
         0644 0:0 file /b {empty} 0 mtime={before}\n0777 0:0 symlink /c -> a\n"
    );
    assert_eq!(tree.to_text().unwrap(), expected);
}

#[test]
fn the_rules_of_the_table_are_patterns() {
    // Making the pass compiles every one; a file of each kind is found by the rule meant for it.
    let mut tree = tree(&["etc/machine-id=x"]);
    tree.get_mut(&path("etc/machine-id")).unwrap().node = Node::Directory;
    Normalize::new(epoch()).apply(&mut tree).unwrap();
    assert!(tree.is_directory(&path("etc/machine-id")), "a rule for files does not touch a folder");
}
