//! What a recipe asks of a small distribution beside packages: answers for debconf, packages left out, and mistakes about
//! them; and recipes that are no files.

use std::fs;
use std::process::Stdio;

use crate::support::archive;
use crate::support::deb::{Deb, Package};
use crate::support::layout::Layout;
use crate::support::require::{Need, require};
use crate::support::toy;
use crate::support::workspace::{Finished, Workspace, binary, finish};

/// A workspace with the small distribution, a debconf, and a package that asks it.
fn workspace() -> Workspace {
    let workspace = Workspace::new();
    let debconf = Package::new("debconf", "1").directory("var/cache/debconf", 0o755).file(
        "usr/bin/debconf-set-selections",
        0o755,
        "#!/bin/sh\nset -e\ncat \"$1\" > /var/cache/debconf/config.dat\n",
    );
    let asker = Package::new("asker", "1")
        .field("Depends", "debconf")
        .field("Recommends", "greeting")
        .script("postinst", "#!/bin/sh\nset -e\ncat /var/cache/debconf/config.dat > /etc/answers\n");
    let packages: Vec<Deb> = toy::packages().into_iter().chain([debconf.build(), asker.build()]).collect();
    archive::write(&workspace.path("archive"), &toy::suite_called("golden"), &packages);
    fs::copy(archive::public_key(), workspace.path("key.asc")).unwrap();
    workspace
}

fn recipe(workspace: &Workspace, asks: &str) -> String {
    format!(
        "name = \"golden\"\nplatforms = [\"linux/amd64\"]\n[from.debian]\nsuite = \"golden\"\n\
         distribution = \"golden\"\nkeyring = \"key.asc\"\n{asks}\n\
         [[from.debian.repository]]\nurl = \"file://{}\"\n",
        workspace.path("archive").display()
    )
}

fn build(workspace: &Workspace, asks: &str, arguments: &[&str]) -> Finished {
    workspace.write("golden.toml", &recipe(workspace, asks));
    let all = ["build", "golden.toml", "-o", "oci:out", "--progress", "none"];
    workspace.rootsmith(all.iter().chain(arguments))
}

#[test]
fn packages_find_answers_when_they_are_configured() {
    require!(Need::Program("busybox"), Need::Program("newuidmap"), Need::Amd64);
    let workspace = workspace();
    let asks = "variant = \"minbase\"\npackages = [\"asker\"]\ndebconf = [\"asker asker/name string  two words\"]";
    let first = build(&workspace, asks, &[]).digest();
    let image = Layout::open(&workspace.path("out")).image();
    let answers = String::from_utf8(image.file("etc/answers")).unwrap();
    assert_eq!(answers, "asker asker/name string  two words\n");
    assert!(!image.listing().keys().any(|path| path.contains("rootsmith")));
    // Another answer makes another image of the same lock.
    let second = build(&workspace, &asks.replace("two", "three"), &["--locked"]).digest();
    assert_ne!(second, first);
    // Essential packages can ask too.
    let all = asks
        .replace("minbase", "custom")
        .replace("[\"asker\"]", "[\"asker\", \"base-files\", \"base-passwd\", \"busybox\", \"dpkg\"]");
    build(&workspace, &all, &[]).digest();
    let without = build(&workspace, &asks.replace("\"asker\"", "\"greeting\""), &[]);
    without.failed_with(2).says("no package has `debconf-set-selections`");
}

#[test]
fn packages_that_are_left_out_and_mistakes_with_their_places() {
    let workspace = workspace();
    let files = "scripts = false\nrecommends = true\n";
    let lock = |asks: &str| {
        workspace.write("golden.toml", &recipe(&workspace, &format!("{files}{asks}")));
        workspace.rootsmith(["lock", "golden.toml", "--progress", "lines"])
    };
    let locked = || fs::read_to_string(workspace.path("golden.lock")).unwrap();
    lock("packages = [\"asker\"]").succeeded();
    assert!(locked().contains("\"greeting\""), "{}", locked());
    let finished = lock("packages = [\"asker\"]\nexclude = [\"greet*\", \"greeny\"]");
    finished.succeeded().says("`exclude` names what no suite has: greeny");
    assert!(locked().contains("\"asker\"") && !locked().contains("\"greeting\""), "{}", locked());
    let needed = lock("packages = [\"asker\"]\nexclude = [\"debconf\"]");
    needed.failed_with(2).says("asker 1 needs debconf, and `exclude` leaves out debconf");

    let unknown = lock("packages = [\"askr\", \"asker\", \"debcnf\"]");
    unknown.failed_with(2).says("golden has no packages `askr`, `debcnf`").says("`debcnf`: did you mean debconf?");
    let suite = lock("packages = [\"asker/goldn\"]");
    suite.failed_with(2).says("no suite `goldn` is read").says("did you mean golden?").says("golden.toml:9:13");
    let component = lock("packages = [\"asker\"]\ncomponents = [\"mein\"]");
    component.failed_with(2).says("golden has no component `mein`").says("golden.toml:10:15");
    fs::write(workspace.path("key.asc"), "no key").unwrap();
    lock("packages = [\"asker\"]").failed_with(2).says("cannot use the keyring").says("golden.toml:6:11");
}

#[test]
fn recipes_on_the_standard_input_leave_no_lock() {
    let workspace = workspace();
    let text = recipe(&workspace, "scripts = false\npackages = [\"debconf\"]");
    workspace.write("elsewhere/golden.toml", &text);
    let run = |words: &[&str]| {
        let mut command = workspace.command([binary()]);
        let file = fs::File::open(workspace.path("elsewhere/golden.toml")).unwrap();
        finish(command.args(words).args(["--progress", "none"]).stdin(Stdio::from(file)))
    };
    let locks = || {
        let names = fs::read_dir(workspace.path("")).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_string_lossy().contains(".lock")).collect::<Vec<_>>()
    };
    let digest = run(&["build", "-", "-o", "oci:out"]).digest();
    assert!(locks().is_empty(), "{:?}", locks());
    run(&["build", "-", "--locked"]).failed_with(2).says("has its lock where `--lock FILE` says");
    run(&["lock", "-"]).failed_with(2).says("say where the lock is: `--lock FILE`");
    run(&["lock", "-", "--lock", "/dev/null"]).failed_with(2).says("cannot keep the lock in `/dev/null`");
    run(&["lock", "-", "--lock", "kept.lock"]).succeeded();
    assert_eq!(locks(), ["kept.lock"]);
    assert_eq!(run(&["build", "-", "--frozen", "--lock", "kept.lock"]).digest(), digest);
    run(&["verify", "oci:out", "--recipe", "-", "--lock", "kept.lock"]).succeeded();
    // A pipe has its paths from the current folder too.
    let script = "cat elsewhere/golden.toml | \"$0\" build /dev/stdin --progress none";
    let piped = finish(workspace.command(["sh", "-c", script]).arg(binary()));
    assert_eq!(piped.digest(), digest);
    assert!(!std::path::Path::new("/dev/stdin.lock").exists());
}
