//! `[from.dnf]`, on a small distribution of its own.

mod choice;
mod locks;
mod machine;
mod shapes;
mod signatures;

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::support::door::{DOORS, Door};
use crate::support::engine::Engine;
use crate::support::layout::{Image, Layout};
use crate::support::listing::Kind;
use crate::support::require::{Need, require};
use crate::support::rpm::{PROGRAMS, Signed, Toy, index};
use crate::support::workspace::{Finished, Workspace, binary, finish};

/// Leaves the test where the distribution cannot be built or installed.
macro_rules! require_toy {
    ($($need:expr),*) => {
        if !PROGRAMS.iter().all(|program| crate::support::require::met(&[Need::Program(program)])) {
            return;
        }
        require!(Need::Root, Need::Amd64 $(, $need)*);
    };
}
use require_toy;

/// A recipe of the distribution.
fn recipe(signed: Signed, more: &str) -> String {
    let toy = Toy::new();
    let trust = match signed {
        Signed::Not => "trust = \"unsigned\"".to_owned(),
        _ => format!("keyring = [\"{}\"]", toy.key().display()),
    };
    format!(
        "name = \"toy\"\nplatforms = [\"linux/amd64\"]\n[from.dnf]\ndistribution = \"other\"\nrelease = \"1\"\n{more}\n\
         [[from.dnf.repository]]\nid = \"toy\"\nbaseurl = [\"file://{}\"]\n{trust}\n",
        toy.repository(signed).display()
    )
}

const PACKAGES: &str = "packages = [\"greeting\", \"hooks\", \"facts\"]";

fn workspace(recipe: &str) -> Workspace {
    let workspace = Workspace::new();
    workspace.write("toy.toml", recipe);
    workspace
}

fn build(workspace: &Workspace, more: &[&str]) -> Finished {
    let common = ["build", "toy.toml", "-o", "oci:out", "--progress", "none"];
    workspace.rootsmith(common.iter().chain(more))
}

fn image(recipe: &str) -> Image {
    let workspace = workspace(recipe);
    build(&workspace, &[]).succeeded();
    Layout::open(&workspace.path("out")).image()
}

fn text(image: &Image, path: &str) -> String {
    String::from_utf8(image.file(path)).unwrap()
}

#[test]
fn packages_are_installed_as_rpm_installs_them() {
    require_toy!();
    let harden = "\n[harden]\nsetuid = \"keep\"\n";
    let image = image(&(recipe(Signed::Well, &format!("{PACKAGES}\nexclude = [\"applause\"]")) + harden));
    let entries = image.listing();
    let entry = |path: &str| entries.get(path).unwrap_or_else(|| panic!("{path} is missing"));
    // Owners by name, modes, capabilities, hard links.
    assert_eq!((entry("usr/share/greeting/owned").owner, entry("usr/share/greeting/owned").mode), ((2, 12), 0o640));
    assert_eq!(entry("usr/bin/listen-as-root").mode, 0o4755);
    let declared = entry("usr/share/greeting/declared");
    assert_eq!((declared.owner, declared.mode), ((999, 999), 0o4750), "a user that no script makes");
    assert!(text(&image, "etc/passwd").ends_with("greeter:x:999:999:Greets:/srv:/usr/sbin/nologin\n"));
    let capability = entry("usr/bin/listen").xattrs.get("security.capability").expect("it has a capability");
    assert!(capability.starts_with("01000002000400"), "{capability}");
    assert_eq!(entry("usr/bin/wave").kind, Kind::HardLink("usr/bin/greet".to_owned()));
    // Documentation is left out, files that only the database knows are not there.
    assert!(!entries.contains_key("usr/share/doc/greeting/README"));
    assert!(!entries.contains_key("var/lib/greeting.state"));
    // Scripts: the shell's, Lua's, those of triggers, and after the transaction.
    assert_eq!(text(&image, "etc/greeting.pre"), "1\n");
    assert!(text(&image, "usr/.made-by-lua").starts_with("Lua"));
    assert_eq!(text(&image, "var/lib/triggered"), "greeting\n");
    let files = "/usr/share/greeting/declared\n/usr/share/greeting/owned\n";
    assert_eq!(text(&image, "var/lib/triggered-by-files"), files);
    assert!(text(&image, "var/lib/facts.posttrans").contains("build-facts"));
    let facts = text(&image, "etc/build-facts");
    assert!(facts.starts_with("Sun Jun 15 15:06:40 UTC 2025\nlocalhost\n1\nLinux localhost"), "{facts}");
    // Nothing of the transaction is left.
    let left = entries.keys().filter(|path| path.contains(".rootsmith") || path.starts_with("root/"));
    assert_eq!(left.collect::<Vec<_>>(), Vec::<&String>::new());
    let database: Vec<&String> = entries.keys().filter(|path| path.starts_with("usr/lib/sysimage/rpm/")).collect();
    assert_eq!(database, ["usr/lib/sysimage/rpm/rpmdb.sqlite"]);
    assert_eq!(entry("usr/lib/sysimage/rpm/rpmdb.sqlite").mode, 0o644);
    assert_eq!((entry("proc").mode, entry("sys").mode, entry("tmp").mode), (0o555, 0o555, 0o1777));
}

#[test]
fn the_database_is_understood_by_the_rpm_inside_and_by_inspect() {
    require_toy!();
    let run = "\n[[run]]\ncommand = [\"sh\", \"-c\", \"rpm -qa --qf '%{nevra} %{installtime} %{installtid}\\\\n' > /list\"]\n\
               [[run]]\ncommand = [\"rpm\", \"-V\", \"bash\", \"busybox\", \"greeting\"]\n";
    let more =
        "packages = [\"rpm\", \"greeting\", \"busybox\"]\nexclude = [\"applause\"]\nlangs = [\"de\"]\ndocs = true";
    let workspace = workspace(&(recipe(Signed::Well, more) + run));
    build(&workspace, &[]).succeeded();
    let image = Layout::open(&workspace.path("out")).image();
    let mut inside: Vec<String> = text(&image, "list").lines().map(str::to_owned).collect();
    inside.sort();
    let names = ["bash-1-1", "busybox-1-1", "filesystem-1-1", "glibc-1-1", "greeting-2:1-1", "rpm-1-1", "setup-1-1"];
    let expected: Vec<String> = names.iter().map(|name| format!("{name}.x86_64 1750000000 1750000000")).collect();
    assert_eq!(inside, expected);
    let inspected = workspace.rootsmith(["inspect", "oci:out", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&inspected.succeeded().stdout).unwrap();
    let found: Vec<String> = json["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            format!(
                "{} {}-{}",
                one["manager"].as_str().unwrap(),
                one["name"].as_str().unwrap(),
                one["version"].as_str().unwrap()
            )
        })
        .collect();
    assert_eq!(found, names.map(|name| format!("rpm {name}")));
    // Languages and documentation are as asked, also for what is installed later.
    let entries = image.listing();
    assert!(entries.contains_key("usr/share/locale/de/greeting"));
    assert!(!entries.contains_key("usr/share/locale/fr/greeting"));
    assert!(entries.contains_key("usr/share/doc/greeting/README"));
    assert_eq!(text(&image, "etc/rpm/macros.image-language-conf"), "%_install_langs de\n");
}

#[test]
fn one_digest_through_every_door_and_in_every_surrounding() {
    require_toy!(Need::Doors);
    let recipe = recipe(Signed::Well, PACKAGES);
    let first = workspace(&recipe);
    let expected = build(&first, &[]).digest();
    let lock = fs::read_to_string(first.path("toy.lock")).unwrap();
    let surroundings: [(&str, &[&str], &[&str]); 5] = [
        ("another zone", &["env", "TZ=Pacific/Chatham", "LC_ALL=tr_TR.UTF-8"], &[]),
        ("a strict umask", &["sh", "-c", "umask 077; exec \"$@\"", "sh"], &[]),
        ("seven threads", &[], &["--threads", "7"]),
        ("another name", &["unshare", "--uts", "sh", "-c", "hostname elsewhere; exec \"$@\"", "sh"], &[]),
        ("another temporary folder", &["env", "TMPDIR=/var/tmp"], &[]),
    ];
    let doors = DOORS.iter().map(|door| (format!("{door:?}"), *door, door.prefix(), &[][..]));
    let others = surroundings.iter().map(|(name, before, after)| ((*name).to_owned(), Door::Root, *before, *after));
    for (name, door, before, after) in doors.chain(others) {
        let workspace = workspace(&recipe);
        door.prepare(&workspace);
        let words = before.iter().map(OsString::from).chain([binary().into()]);
        let mut command = workspace.command(words);
        let built = finish(command.args(["build", "toy.toml", "--progress", "none"]).args(after));
        assert_eq!(built.digest(), expected, "{name}");
        // The lock was made anew each time.
        assert_eq!(fs::read_to_string(workspace.path("toy.lock")).unwrap(), lock, "{name}");
    }
    // From the store alone, with no repository and no dnf.
    let only_rpm = first.path("programs");
    fs::create_dir(&only_rpm).unwrap();
    for program in ["rpm", "ldd"] {
        std::os::unix::fs::symlink(crate::support::require::find(program).unwrap(), only_rpm.join(program)).unwrap();
    }
    let path = format!("{}:/bin", only_rpm.display());
    let mut command = first.command([binary()]);
    let frozen = finish(command.args(["build", "toy.toml", "--frozen", "--progress", "none"]).env("PATH", path));
    assert_eq!(frozen.digest(), expected);
}

/// A recipe of the repository at `folder`.
fn at(folder: &Path, more: &str) -> String {
    let original = Toy::new().repository(Signed::Well).display().to_string();
    recipe(Signed::Well, more).replace(&original, &folder.display().to_string())
}

/// A copy of the repository, to be changed.
fn copy_repository(workspace: &Workspace) -> std::path::PathBuf {
    let folder = workspace.path("copied");
    fs::create_dir(&folder).unwrap();
    for entry in fs::read_dir(Toy::new().repository(Signed::Well)).unwrap() {
        let entry = entry.unwrap();
        if entry.path().is_file() {
            fs::copy(entry.path(), folder.join(entry.file_name())).unwrap();
        }
    }
    index(&folder, None);
    folder
}
