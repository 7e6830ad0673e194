//! `[from.dnf]`, on a small distribution of its own.

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

#[test]
fn packages_are_signed_by_the_right_key() {
    require_toy!();
    let workspace = workspace(&recipe(Signed::Well, PACKAGES));
    build(&workspace, &[]).succeeded();
    let lock = fs::read_to_string(workspace.path("toy.lock")).unwrap();
    let key = finish(
        Command::new("gpg")
            .args(["--show-keys", "--with-colons"])
            .arg(Toy::new().key())
            .env("HOME", workspace.path("home")),
    );
    let fingerprint =
        key.stdout.lines().find_map(|line| line.strip_prefix("fpr:::::::::")).unwrap().trim_end_matches(':').to_owned();
    assert_eq!(lock.matches(&format!("signed-by = \"{fingerprint}\"")).count(), 8, "{lock}");

    // Unsigned packages, taken only where the recipe says so.
    let unsigned = recipe(Signed::Not, PACKAGES);
    let image = image(&unsigned);
    assert!(image.listing().contains_key("usr/bin/greet"));
    let strict = unsigned.replace("trust = \"unsigned\"", &format!("keyring = [\"{}\"]", Toy::new().key().display()));
    let refused = build(&self::workspace(&strict), &[]);
    refused.failed_with(4).says("cannot trust").says("has no OpenPGP signature").says("trust = \"unsigned\"");
    let no_keys = build(&self::workspace(&unsigned.replace("trust = \"unsigned\"", "")), &[]);
    no_keys.failed_with(2).says("nothing says which keys sign the packages of the repository `toy`");

    // A stranger's.
    let wrong = build(&self::workspace(&recipe(Signed::Wrongly, PACKAGES)), &[]);
    wrong.failed_with(4).says("cannot trust").says("is not in the keyring");

    // The recipe can say which key it has to be.
    let pinned = recipe(Signed::Well, PACKAGES) + &format!("fingerprints = [\"{fingerprint}\"]\n");
    build(&self::workspace(&pinned), &[]).succeeded();
    let other = recipe(Signed::Well, PACKAGES) + &format!("fingerprints = [\"{}\"]\n", "0".repeat(40));
    build(&self::workspace(&other), &[])
        .failed_with(2)
        .says("has none of the keys in `fingerprints`")
        .says(&fingerprint);
}

#[test]
fn a_changed_payload_is_noticed_even_where_the_index_fits_it() {
    require_toy!();
    let workspace = workspace("");
    let copied = copy_repository(&workspace);
    let package = copied.join("applause-1-1.noarch.rpm");
    let mut bytes = fs::read(&package).unwrap();
    let last = bytes.len() - 3;
    bytes[last] ^= 1;
    fs::write(&package, bytes).unwrap();
    index(&copied, None);
    workspace.write("toy.toml", &at(&copied, "packages = [\"applause\"]"));
    build(&workspace, &[]).failed_with(4).says("its payload is not the one that its header speaks of");
}

/// A recipe of the repository at `folder`.
fn at(folder: &Path, more: &str) -> String {
    let original = Toy::new().repository(Signed::Well).display().to_string();
    recipe(Signed::Well, more).replace(&original, &folder.display().to_string())
}

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

#[test]
fn weak_dependencies_groups_and_modules() {
    require_toy!();
    let has = |more: &str| image(&recipe(Signed::Well, more)).listing();
    let packages = "packages = [\"greeting\"]";
    assert!(!has(packages).contains_key("usr/share/applause"), "nobody asked for it");
    assert!(has(&format!("{packages}\nweak-deps = true")).contains_key("usr/share/applause"));
    let excluded = format!("{packages}\nweak-deps = true\nexclude = [\"appl*\"]");
    assert!(!has(&excluded).contains_key("usr/share/applause"));
    assert!(has("packages = [\"filesystem\"]\ngroups = [\"cheer\"]").contains_key("usr/share/applause"));
    let modular = has("packages = [\"modular\"]\nmodules = [\"playful:7\"]");
    assert!(modular.contains_key("usr/share/modular") && modular.contains_key("etc/dnf/modules.d/playful.module"));
    let refused = |more: &str| build(&workspace(&recipe(Signed::Well, more)), &[]);
    refused("packages = [\"modular\"]").failed_with(2);
    let stream = refused("packages = [\"modular\"]\nmodules = [\"playful:8\"]");
    stream.failed_with(2).says("no repository has the module stream `playful:8`").says("did you mean `playful:7`?");
    refused("groups = [\"sulk\"]").failed_with(2).says("no repository has the group `sulk`");
}

#[test]
fn what_cannot_be_installed_is_said_with_its_reasons() {
    require_toy!();
    let refused = |more: &str| build(&workspace(&recipe(Signed::Well, more)), &[]);
    let unknown = refused("packages = [\"greeting\", \"greetin\", \"xyzzy\"]");
    unknown.failed_with(2).says("no repository has `greetin`, `xyzzy`").says("did you mean `greeting`?");
    let needy = refused("packages = [\"needy\"]");
    needy.failed_with(2).says("cannot be installed together").says("nothing provides nothing-has-this needed by needy");
    let clingy = refused("shape = \"micro\"\npackages = [\"clingy\"]");
    clingy.failed_with(2).says("clingy").says("microdnf");
    let failing = refused("packages = [\"failing\"]");
    failing
        .failed_with(2)
        .says("rpm cannot install the packages")
        .says("this script fails on purpose")
        .says("failing-1-1");
    let rival = format!(
        "[[from.dnf.repository]]\nid = \"rival\"\nbaseurl = [\"file://{}\"]\nkeyring = [\"{}\"]\n",
        Toy::new().rival().display(),
        Toy::new().key().display()
    );
    let conflict = build(&workspace(&(recipe(Signed::Well, "packages = [\"greeting\", \"rival\"]") + &rival)), &[]);
    conflict.failed_with(2).says("file /usr/bin/greet").says("conflicts");
}

#[test]
fn a_lock_is_kept_to() {
    require_toy!();
    let workspace = workspace("");
    let copied = copy_repository(&workspace);
    workspace.write("toy.toml", &at(&copied, "packages = [\"applause\", \"filesystem\"]"));
    let first = build(&workspace, &[]).digest();
    let lock = fs::read_to_string(workspace.path("toy.lock")).unwrap();
    assert_eq!(build(&workspace, &["--locked"]).digest(), first);
    // Other bytes of a locked package: from the repository they are refused, from the store they are not needed.
    let broken = self::workspace("");
    let copied_too = copy_repository(&broken);
    broken.write("toy.toml", &at(&copied_too, "packages = [\"applause\", \"filesystem\"]"));
    build(&broken, &[]).succeeded();
    let package = copied_too.join("applause-1-1.noarch.rpm");
    let whole = fs::read(&package).unwrap();
    fs::remove_dir_all(broken.path("store")).unwrap();
    fs::write(&package, &whole[..whole.len() - 20]).unwrap();
    build(&broken, &["--locked"]).failed_with(4);
    fs::remove_file(&package).unwrap();
    build(&broken, &["--locked"]).failed_with(4);
    build(&broken, &["--frozen"]).failed_with(4);
    // Edited locks.
    workspace.write("toy.lock", &lock.replace("applause-1-1.noarch.rpm", "../applause-1-1.noarch.rpm"));
    build(&workspace, &["--locked"]).failed_with(2).says("no path within a repository");
    workspace.write("toy.lock", &lock.replace("sysimage/rpm", "sysimage/%{x}"));
    build(&workspace, &["--locked"]).failed_with(2).says("is no place for a database");
    workspace.write(
        "toy.lock",
        &lock.replace("version = \"1-1\", architecture = \"noarch\"", "version = \"1-2\", architecture = \"noarch\""),
    );
    build(&workspace, &["--locked"]).failed_with(4).says("should be applause-1-2.noarch, but is applause-1-1.noarch");
    // Another question, and what is the same as before.
    workspace.write("toy.lock", &lock);
    assert_eq!(workspace.rootsmith(["lock", "toy.toml", "--check", "--progress", "none"]).code, 0);
    workspace.rootsmith(["lock", "toy.toml", "--update", "--progress", "none"]).succeeded();
    assert_eq!(fs::read_to_string(workspace.path("toy.lock")).unwrap(), lock);
    workspace.rootsmith(["lock", "toy.toml", "--update=applause", "--progress", "none"]).succeeded();
    assert_eq!(fs::read_to_string(workspace.path("toy.lock")).unwrap(), lock);
    let unknown = workspace.rootsmith(["lock", "toy.toml", "--update=bash", "--progress", "none"]);
    unknown.failed_with(2).says("`bash` is not among those that are installed");
    workspace.write("toy.toml", &at(&copied, "packages = [\"applause\"]"));
    build(&workspace, &["--locked"]).failed_with(2).says("does not fit");
}

#[test]
fn one_package_can_be_updated_alone() {
    require_toy!();
    let workspace = workspace("");
    let copied = copy_repository(&workspace);
    workspace.write("toy.toml", &at(&copied, "packages = [\"applause\", \"modular\"]"));
    build(&workspace, &[]).succeeded();
    for entry in fs::read_dir(Toy::new().newer()).unwrap() {
        let entry = entry.unwrap();
        if entry.path().is_file() {
            fs::copy(entry.path(), copied.join(entry.file_name())).unwrap();
        }
    }
    index(&copied, None);
    let lock =
        |arguments: &[&str]| workspace.rootsmith(["lock", "toy.toml", "--progress", "none"].iter().chain(arguments));
    lock(&["--check"]).failed_with(1);
    let one = lock(&["--update=applause"]);
    assert!(one.succeeded().stdout.contains("~ applause:noarch 1-1 -> 2-1"), "{}", one.stdout);
    let text = fs::read_to_string(workspace.path("toy.lock")).unwrap();
    assert!(text.contains("applause-2-1.noarch.rpm") && text.contains("modular-1-1.noarch.rpm"), "{text}");
    let rest = lock(&["--update"]);
    assert_eq!(rest.succeeded().stdout.trim(), "~ modular:noarch 1-1 -> 2-1");
}

#[test]
fn docker_loads_and_runs_the_image() {
    require_toy!(Need::Program("dockerd"));
    let workspace = workspace(&recipe(Signed::Well, "packages = [\"rpm\", \"greeting\", \"busybox\"]"));
    build(&workspace, &["-o", "docker-archive:image.tar", "-t", "toy:1"]).succeeded();
    let engine = Engine::start();
    engine.succeed(["load", "-i", workspace.path("image.tar").to_str().unwrap()]);
    let root = engine.in_container("toy:1", &[], &["sh", "/usr/bin/greet"]);
    assert_eq!(root.succeeded().stdout, "hello\n");
    // A user who may not write beside the database can read it.
    let user = engine.in_container("toy:1", &["--user", "1234"], &["rpm", "-q", "greeting", "bash"]);
    assert_eq!(user.succeeded().stdout, "greeting-1-1.x86_64\nbash-1-1.x86_64\n");
    let verified = engine.in_container("toy:1", &[], &["rpm", "-V", "greeting", "bash", "glibc", "rpm"]);
    assert_eq!(verified.succeeded().stdout, "");
}

#[test]
fn repositories_by_list_and_metalink() {
    require_toy!();
    let repository = Toy::new().repository(Signed::Well);
    let workspace = workspace("");
    let base = format!("baseurl = [\"file://{}\"]", repository.display());
    let with = |what: &str, file: &str| {
        recipe(Signed::Well, "packages = [\"applause\"]").replace(
            &base,
            &format!("{what} = \"file://{}/$releasever-$basearch-{file}\"", workspace.path("").display()),
        )
    };
    workspace.write("1-x86_64-list", &format!("# mirrors\nfile:///nonexistent\nfile://{}/\n", repository.display()));
    workspace.write("toy.toml", &with("mirrorlist", "list"));
    let by_list = build(&workspace, &[]).digest();
    let digest = rootsmith::digest::Digest::of(&fs::read(repository.join("repodata/repomd.xml")).unwrap()).hex();
    let link = format!(
        "<metalink><files><file name=\"repomd.xml\"><verification><hash type=\"sha256\">{digest}</hash></verification>\
         <resources><url preference=\"1\">file://{}/repodata/repomd.xml</url></resources></file></files></metalink>",
        repository.display()
    );
    workspace.write("1-x86_64-link", &link);
    workspace.write("toy.toml", &with("metalink", "link"));
    assert_eq!(build(&workspace, &[]).digest(), by_list);
    fs::remove_file(workspace.path("toy.lock")).unwrap();
    workspace.write("1-x86_64-link", &link.replace(&digest, &"0".repeat(64)));
    build(&workspace, &[]).failed_with(4).says("is not the one that the metalink names");
    workspace.write("1-x86_64-link", "<html>gone</html>");
    build(&workspace, &[]).failed_with(4).says("cannot understand the mirrors of `toy`");
    workspace.write("toy.toml", &with("mirrorlist", "none"));
    build(&workspace, &[]).failed_with(4);
    workspace.write("toy.toml", &at(Path::new("/nonexistent"), "packages = [\"applause\"]"));
    build(&workspace, &[]).failed_with(4).says("the repository `toy` is at none of its addresses");
    // An index that has to be signed, and is not.
    workspace.write("toy.toml", &(recipe(Signed::Well, "packages = [\"applause\"]") + "signed-metadata = true\n"));
    build(&workspace, &[]).failed_with(4).says("has no OpenPGP signature");
}

#[test]
fn a_machine_without_dnf_or_rpm_is_told_how_to_get_them() {
    require_toy!();
    let workspace = workspace(&recipe(Signed::Well, PACKAGES));
    let with_path = |path: &Path, arguments: &[&str]| {
        let mut command = workspace.command([binary()]);
        finish(command.args(arguments).env("PATH", path))
    };
    let nothing = workspace.path("nothing");
    fs::create_dir(&nothing).unwrap();
    let refused = with_path(&nothing, &["build", "toy.toml", "--progress", "none"]);
    refused.failed_with(3).says("there is none of `dnf5`, `dnf`, `dnf4`, `microdnf`").says("apt install dnf rpm");
    let doctor = with_path(&nothing, &["doctor"]);
    assert!(
        doctor.stdout.contains("missing  fedora, rhel, ...") && doctor.stdout.contains("apt-get install dnf rpm"),
        "{}",
        doctor.stdout
    );
    let here = workspace.rootsmith(["doctor"]);
    assert!(here.stdout.contains("ok       fedora, rhel, ..."), "{}", here.stdout);
    let built = build(&workspace, &[]).digest();
    let again = with_path(&nothing, &["build", "toy.toml", "--progress", "none"]);
    assert_eq!(again.digest(), built, "what was built before needs neither");
    let refused = with_path(&nothing, &["build", "toy.toml", "--progress", "none", "--store", "other-store"]);
    refused.failed_with(3).says("there is no `rpm`");
}

#[test]
fn dnf5_and_microdnf_are_asked_in_their_own_words() {
    require_toy!();
    let expected = build(&workspace(&recipe(Signed::Well, "packages = [\"applause\"]")), &[]).digest();
    let answers = [
        (
            "dnf5",
            "Package   Arch   Version Repository  Size\nInstalling:\n applause noarch 0:1-1 toy 9 B\n\nTransaction Summary:\n Installing: 1 package\n",
        ),
        (
            "microdnf",
            "Package Repository Size\nInstalling:\n applause-1-1.noarch toy 9 B\nTransaction Summary:\n Installing: 1 packages\n",
        ),
    ];
    for (program, answer) in answers {
        let workspace = workspace(&recipe(Signed::Well, "packages = [\"applause\"]"));
        let folder = workspace.path("programs");
        for name in ["rpm", "ldd"] {
            fs::create_dir_all(&folder).unwrap();
            std::os::unix::fs::symlink(crate::support::require::find(name).unwrap(), folder.join(name)).unwrap();
        }
        let script = workspace.write(
            &format!("programs/{program}"),
            &format!(
                "#!/bin/sh\necho \"$@\" > {}\ncat <<'END'\n{answer}END\nexit 1\n",
                workspace.path("asked").display()
            ),
        );
        fs::set_permissions(script, fs::Permissions::from_mode(0o755)).unwrap();
        let mut command = workspace.command([binary()]);
        let path = format!("{}:/bin", folder.display());
        let path = path.replace(":/bin", ":/usr/sbin");
        let built = finish(command.args(["build", "toy.toml", "--progress", "none"]).env("PATH", path));
        assert_eq!(built.digest(), expected, "{program}");
        let asked = fs::read_to_string(workspace.path("asked")).unwrap();
        assert!(asked.contains("--assumeno install applause") && asked.contains("--releasever=1"), "{asked}");
        if program == "microdnf" {
            let groups = recipe(Signed::Well, "groups = [\"cheer\"]");
            workspace.write("toy.toml", &groups);
            let mut command = workspace.command([binary()]);
            let path = format!("{}:/usr/sbin", folder.display());
            let refused = finish(command.args(["build", "toy.toml", "--progress", "none"]).env("PATH", path));
            refused.failed_with(3).says("cannot install groups");
        }
    }
}

#[test]
fn shipped_recipes_build_from_other_repositories() {
    require_toy!();
    let recipes = [
        ("fedora", &["fedora", "updates"], true),
        ("fedora-micro", &["fedora", "updates"], false),
        ("alma-10", &["baseos", "appstream"], true),
        ("alma-10-micro", &["baseos", "appstream"], false),
        ("ubi-10-like", &["baseos", "appstream"], true),
    ];
    for (name, ids, has_manager) in recipes {
        let workspace = Workspace::new();
        let file = format!("{name}.toml");
        fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes").join(&file), workspace.path(&file)).unwrap();
        let toy = Toy::new();
        workspace.write(
            "toy.toml",
            &format!(
                "extends = \"{file}\"\nplatforms = [\"linux/amd64\"]\n[from.dnf]\nkeyring = [\"{}\"]\n",
                toy.key().display()
            ),
        );
        let mirrors = ids.map(|id| format!("--mirror={id}=file://{}", toy.repository(Signed::Well).display()));
        let mirrors: Vec<&str> = mirrors.iter().map(String::as_str).collect();
        build(&workspace, &mirrors).succeeded();
        let image = Layout::open(&workspace.path("out")).image();
        let entries = image.listing();
        assert!(entries.contains_key("usr/lib/sysimage/rpm/rpmdb.sqlite"), "{name}");
        assert_eq!(
            entries.contains_key("usr/bin/dnf5") || entries.contains_key("usr/bin/microdnf"),
            has_manager,
            "{name}"
        );
        assert_eq!(
            entries.contains_key("usr/bin/bash"),
            has_manager,
            "{name}: what has no package manager has no shell"
        );
    }
}

#[test]
fn every_shape_has_what_its_name_says() {
    require_toy!();
    let toy = Toy::new();
    let image = |release: &str, shape: &str| {
        let workspace = workspace(&format!(
            "name = \"alma\"\nplatforms = [\"linux/amd64\"]\n[from.dnf]\ndistribution = \"alma\"\nrelease = \"{release}\"\n\
             shape = \"{shape}\"\nkeyring = [\"{}\"]\n",
            toy.key().display()
        ));
        let mirrors = ["baseos", "appstream"]
            .map(|id| format!("--mirror={id}=file://{}", toy.repository(Signed::Well).display()));
        build(&workspace, &mirrors.each_ref().map(String::as_str)).succeeded();
        Layout::open(&workspace.path("out")).image().listing()
    };
    let programs = ["bash", "dnf5", "microdnf", "busybox"].map(|name| format!("usr/bin/{name}"));
    let shapes = [
        ("standard", [true, true, false, true], false),
        ("minimal", [true, false, true, true], false),
        ("micro", [false, false, false, true], false),
        ("init", [true, true, false, true], true),
    ];
    for (shape, expected, has_init) in shapes {
        let entries = image("10", shape);
        assert_eq!(programs.each_ref().map(|program| entries.contains_key(program)), expected, "{shape}");
        assert_eq!(entries.contains_key("usr/sbin/init"), has_init, "{shape}");
        assert!(entries.contains_key("usr/lib/sysimage/rpm/rpmdb.sqlite"), "{shape}");
    }
    let entries = image("9", "micro");
    assert!(entries.contains_key("var/lib/rpm/rpmdb.sqlite"), "where release 9 has it");
    assert!(!entries.keys().any(|path| path.starts_with("usr/lib/sysimage/rpm/rpmdb")));
}

#[test]
fn mistakes_of_a_recipe() {
    let refused = |text: &str| {
        let workspace = workspace(text);
        build(&workspace, &[])
    };
    let head = "name = \"x\"\nplatforms = [\"linux/amd64\"]\n[from.dnf]\n";
    refused(head).failed_with(2).says("[from.dnf] has no `distribution`").says("[from.dnf] has no `release`");
    let misspelt = refused(&format!("{head}distribution = \"fedoar\"\nrelease = \"43\"\n"));
    misspelt.failed_with(2).says("fedora");
    let rhel = refused(&format!("{head}distribution = \"rhel\"\nrelease = \"10\"\n"));
    rhel.failed_with(2).says("nothing says where the packages are");
    let other = format!("{head}distribution = \"other\"\nrelease = \"1\"\n");
    let two =
        "[[from.dnf.repository]]\nid = \"a\"\nbaseurl = [\"http://a.example\"]\nmetalink = \"http://a.example\"\n";
    let both = refused(&format!("{other}{two}"));
    both.failed_with(2).says("one of `baseurl`, `mirrorlist` and `metalink`").says("which packages are installed");
    let options =
        refused(&format!("{other}packages = [\"--nogpgcheck\", \"@core\"]\n{}", two.replace("metalink", "#")));
    options.failed_with(2).says("a name such as `bash`");
    let old = refused(&format!("{head}distribution = \"alma\"\nrelease = \"8\"\n"));
    old.failed_with(2).says("Berkeley DB");
}
