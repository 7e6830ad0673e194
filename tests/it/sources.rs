//! Every source, side by side: one digest whatever is around the build, images that others take, and a clear answer where
//! something is wrong.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::apk::{self, Apk};
use crate::support::archive::{self, Suite};
use crate::support::deb::Package;
use crate::support::door::Door;
use crate::support::engine::Engine;
use crate::support::raw_tar::{directory, docker_archive, file, tar};
use crate::support::require::{Need, find, require};
use crate::support::rpm::{PROGRAMS, Signed, Toy};
use crate::support::workspace::{Finished, Workspace, binary, finish, run};

/// Leaves the test where the inputs of some source cannot be made.
macro_rules! require_inputs {
    ($($need:expr),*) => {
        if !PROGRAMS.iter().all(|program| crate::support::require::met(&[Need::Program(program)])) {
            return;
        }
        require!(Need::Root, Need::Amd64 $(, $need)*);
    };
}

/// What the sources start from, in one folder; each has a static busybox at `/usr/bin/busybox`.
struct Inputs {
    folder: Workspace,
}

impl Inputs {
    fn new() -> Self {
        let inputs = Self { folder: Workspace::new() };
        let busybox = fs::read(find("busybox").unwrap()).unwrap();
        let at = |name: &str| inputs.folder.path(name);
        fs::write(at("busybox"), &busybox).unwrap();

        let date = "Sun, 15 Jun 2025 15:06:40 UTC";
        let suite = Suite { origin: "Toy", suite: "toy", codename: "toy", date, more: "" };
        let packages = [
            essential_dpkg(),
            Package::new("busybox", "1").file("usr/bin/busybox", 0o755, busybox.clone()),
            Package::new("rival", "1").field("Conflicts", "busybox").file("usr/share/rival", 0o644, "rival\n"),
        ];
        archive::write(&at("debian"), &suite, &packages.map(|package| package.build()));

        let packages = [
            Apk::new("busybox", "1.0-r0").file("usr/bin/busybox", 0o755, busybox.clone()),
            Apk::new("rival", "1.0-r0").field("depend", "!busybox").file("usr/share/rival", 0o644, "rival\n"),
        ];
        apk::write(&at("apk"), "x86_64", &packages);

        let entries =
            [directory("usr"), directory("usr/bin"), file("usr/bin/busybox", &busybox).mode(0o755), directory("tmp")];
        let rootfs = tar(&entries);
        fs::write(at("rootfs.tar"), &rootfs).unwrap();
        fs::write(at("rootfs.tar.gz"), gzip(&rootfs)).unwrap();
        let config = serde_json::json!({ "Env": ["GREETING=hello"] });
        fs::write(at("image.tar"), docker_archive(&[rootfs], config)).unwrap();

        inputs.folder.write("machine/etc/os-release", "ID=toy\n");
        fs::create_dir_all(at("machine/usr/bin")).unwrap();
        fs::copy(find("busybox").unwrap(), at("machine/usr/bin/busybox")).unwrap();
        run(Command::new("chmod").arg("755").arg(at("machine/usr/bin/busybox")));
        run(Command::new("find").arg(at("machine")).args(["-exec", "touch", "--date=@1750000000", "{}", "+"]));
        inputs
    }

    fn at(&self, name: &str) -> String {
        self.folder.path(name).display().to_string()
    }

    fn debian(&self, archive: &str, packages: &str) -> String {
        let key = archive::public_key().display().to_string();
        format!(
            "suite = \"toy\"\ndistribution = \"toy\"\nvariant = \"essential\"\nupdates = false\nkeyring = \"{key}\"\n\
             packages = [{packages}]\n[[from.debian.repository]]\nurl = \"file://{}\"\n",
            self.at(archive)
        )
    }

    fn dnf(&self, repository: &Path, packages: &str) -> String {
        let key = Toy::new().key();
        format!(
            "distribution = \"other\"\nrelease = \"1\"\npackages = [{packages}]\n[[from.dnf.repository]]\nid = \"toy\"\n\
             baseurl = [\"file://{}\"]\nkeyring = [\"{}\"]\n",
            repository.display(),
            key.display()
        )
    }

    fn apk(&self, repository: &str, packages: &str) -> String {
        format!(
            "distribution = \"toy\"\nrepositories = [\"file://{}\"]\nkeys = [\"{}\"]\npackages = [{packages}]\n",
            self.at(repository),
            self.at(&format!("apk/{}", apk::KEY))
        )
    }

    /// A name, and the keys of `[from.*]` and what follows them, for every source.
    fn all(&self) -> Vec<(&'static str, String)> {
        let busybox = "\"busybox\"";
        vec![
            ("debian", self.debian("debian", busybox)),
            ("dnf", self.dnf(&Toy::new().repository(Signed::Well), "\"busybox\", \"greeting\"")),
            ("apk", self.apk("apk", busybox)),
            ("archive", format!("path = \"{}\"\n", self.at("rootfs.tar.gz"))),
            ("host", format!("path = \"{}\"\n", self.at("machine"))),
            ("oci", format!("image = \"docker-archive:{}\"\n", self.at("image.tar"))),
            (
                "scratch",
                format!(
                    "[[file]]\npath = \"/usr/bin/busybox\"\nsource = \"{}\"\nmode = \"0755\"\n",
                    self.at("busybox")
                ),
            ),
        ]
    }

    /// A copy of a folder or file, of which the one file that ends so is changed.
    fn changed(&self, name: &str, ending: &str, how: &str, change: impl Fn(&mut Vec<u8>)) -> PathBuf {
        let copy = self.folder.path(&format!("{name}-{how}"));
        let original = match name {
            "dnf" => Toy::new().repository(Signed::Well),
            name => self.folder.path(name),
        };
        run(Command::new("cp").arg("-r").arg(original).arg(&copy));
        let found = run(Command::new("find").arg(&copy).args(["-type", "f", "-name", &format!("*{ending}")]));
        let path = found.lines().next().unwrap_or_else(|| panic!("{name} has a file {ending}"));
        let mut bytes = fs::read(path).unwrap();
        change(&mut bytes);
        fs::write(path, bytes).unwrap();
        copy
    }
}

/// A package that can be asked to configure others, of which there is nothing to configure.
fn essential_dpkg() -> Package {
    let script = "#!/usr/bin/busybox sh\nset -e\ndatabase=/var/lib/dpkg\nbb=/usr/bin/busybox\n\
                  $bb sed -i 's/^Status: install ok unpacked/Status: install ok installed/' $database/status\n";
    Package::new("dpkg", "1.22")
        .field("Essential", "yes")
        .field("Pre-Depends", "busybox")
        .directory("tmp", 0o1777)
        .file("usr/bin/dpkg", 0o755, script)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut writer, bytes).unwrap();
    writer.finish().unwrap()
}

/// A recipe of a source, whose image greets.
fn recipe(source: &str, keys: &str) -> String {
    format!(
        "name = \"{source}\"\nplatforms = [\"linux/amd64\"]\n[from.{source}]\n{keys}\n[image]\n\
         cmd = [\"/usr/bin/busybox\", \"echo\", \"hello from {source}\"]\n"
    )
}

fn build(workspace: &Workspace, source: &str, keys: &str, outputs: &[&str]) -> Finished {
    workspace.write("recipe.toml", &recipe(source, keys));
    let mut command = workspace.command([binary()]);
    // The machine may have an engine of its own.
    command.env("DOCKER_HOST", "unix:///no/engine.sock");
    finish(command.args([&["build", "recipe.toml", "--progress", "none"], outputs].concat()))
}

#[test]
fn the_surroundings_do_not_matter() {
    require_inputs!(Need::Doors);
    let inputs = Inputs::new();
    for (source, keys) in inputs.all() {
        let expected = build(&Workspace::new(), source, &keys, &[]).digest();
        let others = [
            (Door::User, "umask 000; exec \"$@\"", "Pacific/Chatham", "7"),
            (Door::Chroot, "umask 077; exec \"$@\"", "America/Lima", "1"),
        ];
        for (door, script, zone, threads) in others {
            let workspace = Workspace::new();
            workspace.write("recipe.toml", &recipe(source, &keys));
            let temporary = workspace.path("another temporary folder");
            fs::create_dir(&temporary).unwrap();
            door.prepare(&workspace);
            let words = door.prefix().iter().copied().chain(["sh", "-c", script, "sh"]);
            let mut command = workspace.command(words);
            command.arg(binary()).args(["build", "recipe.toml", "--progress", "none", "--threads", threads]);
            command.env("TMPDIR", temporary).env("TZ", zone).env("LC_ALL", "tr_TR.UTF-8");
            assert_eq!(finish(&mut command).digest(), expected, "{source} {door:?}");
        }
    }
}

#[test]
fn skopeo_umoci_and_docker_take_the_images() {
    require_inputs!(Need::Program("skopeo"), Need::Program("umoci"), Need::Program("dockerd"));
    let inputs = Inputs::new();
    let engine = Engine::start();
    for (source, keys) in inputs.all() {
        let workspace = Workspace::new();
        let digest =
            build(&workspace, source, &keys, &["-o", "oci:out:latest", "-o", "docker-archive:image.tar"]).digest();
        let said = run(&mut workspace.command(["skopeo", "inspect", "--no-tags", "oci:out:latest"]));
        let inspected: serde_json::Value = serde_json::from_str(&said).unwrap();
        assert_eq!(inspected["Digest"], digest.as_str(), "{source}");
        run(&mut workspace.command([
            "skopeo",
            "copy",
            "--quiet",
            "oci:out:latest",
            "docker-archive:copied.tar:copy:1",
        ]));
        run(&mut workspace.command(["umoci", "unpack", "--image", "out:latest", "bundle"]));
        assert!(workspace.path("bundle/rootfs/usr/bin/busybox").is_file(), "{source}");
        engine.succeed(["load", "-i", workspace.path("image.tar").to_str().unwrap()]);
        let said = engine.in_container(&format!("{source}:latest"), &[], &[]);
        assert_eq!(said.succeeded().stdout, format!("hello from {source}\n"));
    }
}

/// Something that is wrong: the source, what it is, the keys of the recipe, the exit code, and what is said of it.
type Wrong = (&'static str, &'static str, String, i32, &'static [&'static str]);

fn flip(bytes: &mut [u8]) {
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
}

fn cut(bytes: &mut Vec<u8>) {
    bytes.truncate(bytes.len() - 600);
}

fn wrong_things(inputs: &Inputs) -> Vec<Wrong> {
    let at = |path: PathBuf| path.display().to_string();
    let name = |path: PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
    let deb = |how, change: fn(&mut Vec<u8>)| name(inputs.changed("debian", "busybox_1_amd64.deb", how, change));
    let rpm = |how, change: fn(&mut Vec<u8>)| inputs.changed("dnf", "busybox-1-1.x86_64.rpm", how, change);
    let apk = |how, change: fn(&mut Vec<u8>)| name(inputs.changed("apk", "busybox-1.0-r0.apk", how, change));
    let rootfs = |how, change: fn(&mut Vec<u8>)| at(inputs.changed("rootfs.tar.gz", "", how, change));
    let image = |how, change: fn(&mut Vec<u8>)| at(inputs.changed("image.tar", "", how, change));
    let repository = Toy::new().repository(Signed::Well);
    let own_key = archive::public_key().display().to_string();
    let rpm_key = Toy::new().key().display().to_string();
    let busybox = "\"busybox\"";
    let zeros = "0".repeat(64);
    let program = |source: String, more: &str| {
        format!("[[file]]\npath = \"/app\"\nsource = \"{source}\"\nmode = \"0755\"\n{more}")
    };
    vec![
        (
            "debian",
            "a wrong digest",
            inputs.debian(&deb("flipped", |bytes| flip(bytes)), busybox),
            4,
            &["busybox", "sha256"],
        ),
        ("debian", "a truncated package", inputs.debian(&deb("cut", cut), busybox), 4, &["busybox"]),
        (
            "debian",
            "another key",
            inputs.debian("debian", busybox).replace(&own_key, &rpm_key),
            4,
            &["is not in the keyring"],
        ),
        (
            "debian",
            "no key",
            inputs.debian("debian", busybox).replace(&format!("keyring = \"{own_key}\"\n"), ""),
            2,
            &["keyring"],
        ),
        ("debian", "no such package", inputs.debian("debian", "\"busybx\""), 2, &["busybx", "busybox"]),
        ("debian", "an unsatisfiable set", inputs.debian("debian", "\"busybox\", \"rival\""), 2, &["conflicts with"]),
        ("dnf", "a wrong digest", inputs.dnf(&rpm("flipped", |bytes| flip(bytes)), busybox), 4, &["busybox", "sha256"]),
        ("dnf", "a truncated package", inputs.dnf(&rpm("cut", cut), busybox), 4, &["busybox"]),
        (
            "dnf",
            "another key",
            inputs.dnf(&repository, busybox).replace(&rpm_key, &own_key),
            4,
            &["not in the keyring"],
        ),
        (
            "dnf",
            "no key",
            inputs.dnf(&repository, busybox).replace(&format!("keyring = [\"{rpm_key}\"]"), ""),
            2,
            &["which keys sign"],
        ),
        ("dnf", "no such package", inputs.dnf(&repository, "\"busybx\""), 2, &["no repository has `busybx`"]),
        ("dnf", "an unsatisfiable set", inputs.dnf(&repository, "\"needy\""), 2, &["cannot be installed together"]),
        ("apk", "a wrong digest", inputs.apk(&apk("flipped", |bytes| flip(bytes)), busybox), 4, &["busybox"]),
        ("apk", "a truncated package", inputs.apk(&apk("cut", cut), busybox), 4, &["busybox"]),
        (
            "apk",
            "no key",
            inputs.apk("apk", busybox).lines().filter(|line| !line.starts_with("keys")).collect::<Vec<_>>().join("\n"),
            2,
            &["key"],
        ),
        ("apk", "no such package", inputs.apk("apk", "\"busybx\""), 2, &["busybx"]),
        ("apk", "an unsatisfiable set", inputs.apk("apk", "\"busybox\", \"rival\""), 2, &["rival", "busybox"]),
        (
            "archive",
            "a wrong digest",
            format!("path = \"{}\"\nsha256 = \"{zeros}\"\n", inputs.at("rootfs.tar.gz")),
            2,
            &["has the digest", "was expected"],
        ),
        (
            "archive",
            "a wrong digest from afar",
            format!("url = \"file://{}\"\nsha256 = \"{zeros}\"\n", inputs.at("rootfs.tar.gz")),
            4,
            &["has the digest", "was expected"],
        ),
        ("archive", "a truncated file", format!("path = \"{}\"\n", rootfs("cut", cut)), 2, &["ends too early"]),
        ("archive", "no such file", format!("path = \"{}\"\n", inputs.at("nowhere.tar")), 2, &["nowhere.tar"]),
        (
            "oci",
            "a wrong digest",
            format!("image = \"docker-archive:{}\"\ndigest = \"sha256:{zeros}\"\n", inputs.at("image.tar")),
            2,
            &["but the recipe wants sha256:000"],
        ),
        ("oci", "a truncated file", format!("image = \"docker-archive:{}\"\n", image("cut", cut)), 4, &["too early"]),
        (
            "oci",
            "a layer of other bytes",
            format!("image = \"docker-archive:{}\"\n", image("flipped", |bytes| flip(bytes))),
            4,
            &["has the digest"],
        ),
        (
            "oci",
            "no such image",
            format!("image = \"docker-archive:{}:other:1\"\n", inputs.at("image.tar")),
            2,
            &["other:1"],
        ),
        ("oci", "no engine", "image = \"docker-daemon:none:1\"\n".to_owned(), 3, &["cannot talk to the Docker daemon"]),
        ("host", "no such folder", format!("path = \"{}\"\n", inputs.at("nowhere")), 2, &["nowhere"]),
        (
            "host",
            "no such mount",
            format!("path = \"{}\"\nmounts = [\"/srv\"]\n", inputs.at("machine")),
            2,
            &["nothing is mounted at `/srv`"],
        ),
        (
            "scratch",
            "a wrong digest",
            program(inputs.at("busybox"), &format!("digest = \"sha256:{zeros}\"\n")),
            2,
            &["sha256:000"],
        ),
        (
            "scratch",
            "a truncated program",
            program(at(inputs.changed("busybox", "", "cut", |bytes| bytes.truncate(300))), ""),
            2,
            &["damaged ELF file"],
        ),
        ("scratch", "no such program", program(inputs.at("nowhere"), ""), 2, &["there is no file", "nowhere"]),
    ]
}

#[test]
fn what_is_wrong_has_its_code_and_is_said() {
    require_inputs!();
    let inputs = Inputs::new();
    let mut surprises = Vec::new();
    for (source, what, keys, code, phrases) in wrong_things(&inputs) {
        let workspace = Workspace::new();
        let finished = build(&workspace, source, &keys, &["-o", "oci:out"]);
        let text = finished.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        let is_said = phrases.iter().all(|phrase| text.contains(phrase));
        if finished.code != code || !is_said || !text.contains("help:") || !finished.stdout.is_empty() {
            surprises.push(format!("{source}, {what}: {} and not {code}\n{}", finished.code, finished.stderr));
        }
        assert!(!workspace.path("out").exists(), "{source}, {what}: something was written");
    }
    assert!(surprises.is_empty(), "{}", surprises.join("\n"));
}

/// Programs of this machine that a source or an output cannot do without.
#[test]
fn what_is_not_installed_is_said_with_its_package() {
    require_inputs!(Need::Doors);
    let inputs = Inputs::new();
    let missing: [(&str, Door, &[&str], &[&str]); 3] = [
        ("dnf", Door::Root, &[], &["there is none of `dnf5`, `dnf`", "apt install dnf rpm"]),
        ("debian", Door::User, &[], &["newuidmap", "uidmap"]),
        (
            "archive",
            Door::Root,
            &["-o", "squashfs:out.squashfs"],
            &["`tar2sqfs` is not installed", "squashfs-tools-ng"],
        ),
    ];
    let all = inputs.all();
    for (source, door, outputs, phrases) in missing {
        let keys = &all.iter().find(|(name, _)| *name == source).unwrap().1;
        let workspace = Workspace::new();
        workspace.write("recipe.toml", &recipe(source, keys));
        door.prepare(&workspace);
        // The programs before ours are found by their paths.
        let mut before: Vec<String> = door.prefix().iter().map(|word| (*word).to_owned()).collect();
        if let Some(program) = before.first_mut() {
            *program = find(program).unwrap().display().to_string();
        }
        let mut command = workspace.command(before.into_iter().chain([binary().display().to_string()]));
        command.args(["build", "recipe.toml", "--progress", "none"]).args(outputs).env("PATH", "/nonexistent");
        let finished = finish(&mut command);
        finished.failed_with(3);
        for phrase in phrases {
            finished.says(phrase);
        }
    }
}
