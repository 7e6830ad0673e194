//! Packages that are files of the recipe's folder, groups of packages, and packages that replace files of others, on a
//! small distribution.

use std::fs;

use crate::support::archive::{self, Suite};
use crate::support::deb::{Deb, Node, Package};
use crate::support::layout::{Image, Layout};
use crate::support::require::{Need, require};
use crate::support::toy;
use crate::support::workspace::{Finished, Workspace, mirrors};

/// A workspace with the small distribution and `more` packages.
fn workspace(more: Vec<Package>) -> Workspace {
    let workspace = Workspace::new();
    let packages: Vec<Deb> = toy::packages().into_iter().chain(more.iter().map(Package::build)).collect();
    let suite = Suite {
        origin: "Golden",
        suite: "golden",
        codename: "golden",
        date: "Sun, 15 Jun 2025 15:06:40 UTC",
        more: "",
    };
    archive::write(&workspace.path("archive"), &suite, &packages);
    fs::copy(archive::public_key(), workspace.path("key.asc")).unwrap();
    workspace
}

fn build(workspace: &Workspace, asks: &str, arguments: &[&str]) -> Finished {
    let archive = workspace.path("archive");
    let recipe = format!(
        "name = \"golden\"\nplatforms = [\"linux/amd64\"]\n[from.debian]\nsuite = \"golden\"\n\
         distribution = \"golden\"\nvariant = \"minbase\"\nkeyring = \"key.asc\"\n{asks}\n\
         [[from.debian.repository]]\nurl = \"file://{}\"\nkeyring = \"key.asc\"\n",
        archive.display()
    );
    workspace.write("golden.toml", &recipe);
    let all = ["build", "golden.toml", "-o", "oci:out", "--progress", "none"];
    workspace.rootsmith(all.iter().chain(arguments))
}

/// An image of Debian with these packages, as files of the recipe's folder, and with one of its own.
fn on_trixie(packages: &[Package], own: &str) -> Image {
    let workspace = Workspace::new();
    let mut asked = vec![own.to_owned()];
    for package in packages {
        let file = format!("{}.deb", package.name);
        fs::write(workspace.path(&file), package.build().bytes).unwrap();
        asked.push(format!("./{file}"));
    }
    let recipe = format!(
        "name = \"local\"\nplatforms = [\"linux/amd64\"]\n[from.debian]\nsuite = \"trixie\"\npackages = {asked:?}\n"
    );
    workspace.write("local.toml", &recipe);
    let arguments = ["build", "local.toml", "-o", "oci:out", "--progress", "none"].map(str::to_owned);
    workspace.rootsmith(arguments.into_iter().chain(mirrors())).succeeded();
    image(&workspace)
}

fn image(workspace: &Workspace) -> Image {
    Layout::open(&workspace.path("out")).image()
}

fn text(image: &Image, path: &str) -> String {
    String::from_utf8(image.file(path)).unwrap()
}

fn app(depends: &str, greeting: &str) -> Package {
    Package::new("app", "1.0")
        .field("Depends", depends)
        .script("postinst", "#!/bin/sh\nset -e\necho made > /etc/app.made\n")
        .control_file("conffiles", 0o644, "/etc/app.conf\nremove-on-upgrade /etc/app.old\n")
        .file("etc/app.conf", 0o644, "conf\n")
        .file("usr/share/app/greeting", 0o644, greeting)
}

fn put(workspace: &Workspace, package: &Package) {
    fs::write(workspace.path("app.deb"), package.build().bytes).unwrap();
}

#[test]
fn a_local_package_brings_what_it_needs() {
    require!(Need::Program("busybox"), Need::Program("newuidmap"), Need::Amd64);
    let workspace = workspace(vec![]);
    put(&workspace, &app("greeting", "hello\n"));
    let asks = "packages = [\"./app.deb\"]";
    let first = build(&workspace, asks, &[]).digest();
    let image = image(&workspace);
    assert_eq!(
        (text(&image, "etc/app.made"), text(&image, "etc/greeting.conf")),
        ("made\n".into(), "greeting = hello\n".into())
    );
    let status = text(&image, "var/lib/dpkg/status");
    assert!(status.contains("Package: app\nStatus: install ok installed\n"), "{status}");
    assert!(status.contains(" /etc/app.old newconffile remove-on-upgrade\n"), "{status}");
    let lock = fs::read_to_string(workspace.path("golden.lock")).unwrap();
    assert!(lock.contains("\"greeting\"") && !lock.contains("\"app\""), "{lock}");

    // Another content is another image of the same lock.
    put(&workspace, &app("greeting", "good evening\n"));
    let second = build(&workspace, asks, &["--locked"]).digest();
    assert_ne!(first, second);
    assert_eq!(text(&Layout::open(&workspace.path("out")).image(), "usr/share/app/greeting"), "good evening\n");
    // Another need is another lock.
    put(&workspace, &app("facts", "hello\n"));
    build(&workspace, asks, &["--locked"]).failed_with(2).says("does not fit it any more");
    build(&workspace, asks, &[]).succeeded();
    assert!(fs::read_to_string(workspace.path("golden.lock")).unwrap().contains("\"facts\""));
}

#[test]
fn a_local_package_is_meant_whatever_the_archive_has() {
    require!(Need::Program("busybox"), Need::Program("newuidmap"), Need::Amd64);
    let newer = Package::new("app", "2.0").file("usr/share/app/greeting", 0o644, "of the archive\n");
    let same = Package::new("other", "1.0").field("Depends", "app");
    let workspace = workspace(vec![newer, same]);
    put(&workspace, &app("greeting", "local\n"));
    build(&workspace, "packages = [\"./app.deb\", \"other\"]", &[]).succeeded();
    assert_eq!(text(&image(&workspace), "usr/share/app/greeting"), "local\n");
}

#[test]
fn wrong_local_packages_are_named() {
    require!(Need::Program("busybox"), Need::Amd64);
    let workspace = workspace(vec![]);
    let failed = |asks: &str, phrase: &str| {
        build(&workspace, asks, &[]).failed_with(2).says(phrase);
    };
    failed("packages = [\"./missing.deb\"]", "missing.deb");
    failed("packages = [\"app.deb\"]", "begins with `./`");
    fs::write(workspace.path("app.deb"), "no package").unwrap();
    failed("packages = [\"./app.deb\"]", "is not a Debian package");
    // Its data archive ends with a checksum that is not right.
    let mut damaged = app("facts", "hello\n").build().bytes;
    let place = damaged.len() - 6;
    damaged[place] ^= 0xff;
    fs::write(workspace.path("app.deb"), damaged).unwrap();
    failed("packages = [\"./app.deb\"]", "cannot unpack `./app.deb`");
    failed("packages = [\"./app.deb\"]", "the file is damaged: copy it again");
    put(&workspace, &app("nothing-has-this", "hello\n"));
    failed("packages = [\"./app.deb\"]", "app 1.0 needs nothing-has-this");
    put(&workspace, &app("facts (= ", "hello\n"));
    failed("packages = [\"./app.deb\"]", "`./app.deb`: in `Depends`, `facts (=` is not a relation");
    put(&workspace, &Package::new("../app", "1.0"));
    failed("packages = [\"./app.deb\"]", "cannot install `./app.deb`: it has the impossible `Package: ../app`");
    put(&workspace, &app("facts", "hello\n").field("Architecture", "arm64"));
    failed("packages = [\"./app.deb\"]", "cannot install `./app.deb`: it is a package for arm64");
    failed("packages = [\"./app.deb\"]", "the image is for amd64");
    // Who asks for packages of another architecture by name gets local ones of it too.
    failed("packages = [\"./app.deb\", \"facts:arm64\"]", "facts");
    put(&workspace, &app("facts", "hello\n"));
    fs::copy(workspace.path("app.deb"), workspace.path("same.deb")).unwrap();
    failed("packages = [\"./app.deb\", \"./same.deb\"]", "`./app.deb` and `./same.deb` are the same package, app");
    let newer = Package::new("app", "2.0").file("usr/share/app/greeting", 0o644, "newer\n");
    fs::write(workspace.path("newer.deb"), newer.build().bytes).unwrap();
    failed("packages = [\"./app.deb\", \"./newer.deb\"]", "`./app.deb` and `./newer.deb` are the same package, app");
    failed("sections = [\"nonsense\"]", "no package of these suites is of the section `nonsense`");
    failed("priorities = [\"a b\"]", "a b");
}

#[test]
fn groups_of_packages() {
    require!(Need::Program("busybox"), Need::Program("newuidmap"), Need::Amd64);
    let package = |name: &str| Package::new(name, "1.0");
    let workspace = workspace(vec![
        package("one").field("Section", "games"),
        package("two").field("Priority", "standard"),
        package("three").field("Task", "desk, chair"),
        package("task-chair").field("Depends", "four"),
        package("four"),
        package("five"),
    ]);
    build(&workspace, "sections = [\"games\"]\npriorities = [\"standard\"]\ntasks = [\"chair\"]", &[]).succeeded();
    let image = image(&workspace);
    let status = text(&image, "var/lib/dpkg/status");
    let there = |name: &str| status.contains(&format!("Package: {name}\n"));
    assert!(["one", "two", "three", "four", "task-chair"].iter().all(|name| there(name)), "{status}");
    assert!(!there("five") && !there("slow"));
    let states = text(&image, "var/lib/apt/extended_states");
    assert!(states.contains("Package: four\n") && !states.contains("Package: three\n"), "{states}");
}

#[test]
fn files_move_to_the_package_that_replaces_the_other() {
    require!(Need::Program("busybox"), Need::Program("newuidmap"), Need::Amd64);
    let owner = Package::new("owner", "1.0").file("usr/share/shared/file", 0o644, "owner\n").file(
        "usr/share/shared/own",
        0o644,
        "owner\n",
    );
    let taker =
        Package::new("taker", "1.0").field("Replaces", "owner (<< 2)").file("usr/share/shared/file", 0o644, "taker\n");
    let workspace = workspace(vec![owner.clone(), taker.clone()]);
    let asks = "packages = [\"owner\", \"taker\"]";
    build(&workspace, asks, &[]).succeeded();
    let image = image(&workspace);
    assert_eq!(text(&image, "usr/share/shared/file"), "taker\n");
    let list = |name: &str| text(&image, &format!("var/lib/dpkg/info/{name}.list"));
    assert!(!list("owner").contains("/usr/share/shared/file") && list("owner").contains("/usr/share/shared/own"));
    assert!(list("taker").contains("/usr/share/shared/file"));

    // Without leave it is an error.
    let rival = Package::new("rival", "1.0").file("usr/share/shared/file", 0o644, "rival\n");
    let workspace = self::workspace(vec![owner, rival]);
    build(&workspace, "packages = [\"owner\", \"rival\"]", &[])
        .failed_with(2)
        .says("is in the packages owner and rival");
}

const WATCHER: &str = "case $1 in
    configure) dpkg-statoverride --add mail mail 2750 /usr/share/watched/late ;;
    triggered) ls /usr/share/watched > /usr/share/watched.list ;;
esac";

/// What dpkg lets scripts see and when: hooks that are configuration files of a package which is not configured yet are not
/// there, and files that are laid set triggers off.
#[test]
fn scripts_see_hooks_and_watched_files_when_dpkg_shows_them() {
    require!(Need::Root, Need::Mirror, Need::Amd64);
    let package = |name: &str| Package::new(name, "1").field("Architecture", "all");
    let shell = |body: &str| format!("#!/bin/sh\nset -e\n{body}\n");
    let packages = [
        package("runner").script("postinst", &shell("! ls /etc/hooks.d/hook && ls /etc/hooks.d/hook.dpkg-new")),
        package("hook")
            .field("Depends", "runner")
            .script("postinst", &shell("/etc/hooks.d/hook && cp /etc/hooks.d/hook /usr/share/hook.copy"))
            .control_file("conffiles", 0o644, "/etc/hooks.d/hook\n")
            .file("etc/hooks.d/hook", 0o755, "#!/bin/sh\n"),
        package("watcher").script("postinst", &shell(WATCHER)).control_file(
            "triggers",
            0o644,
            "interest /usr/share/watched\n",
        ),
        package("early").field("Pre-Depends", "watcher"),
        package("files").field("Depends", "early, watcher").file("usr/share/watched/new", 0o644, ""),
        package("late").field("Depends", "early, watcher").file("usr/share/watched/late", 0o644, ""),
    ];
    let image = on_trixie(&packages, "zsh");
    assert_eq!(text(&image, "usr/share/watched.list"), "late\nnew\n");
    let late = &image.listing()["usr/share/watched/late"];
    assert_eq!((late.mode, late.owner), (0o2750, (8, 8)));
    assert_eq!(text(&image, "usr/share/hook.copy"), "#!/bin/sh\n");
    let shells = text(&image, "etc/shells");
    assert!(shells.contains("/usr/bin/zsh\n"), "{shells}");
    let status = text(&image, "var/lib/dpkg/status");
    assert!(status.contains(" /etc/hooks.d/hook 3e2b31c72181b87149ff995e7202c0e3\n"), "{status}");
    assert!(!status.contains("Triggers-") && !status.contains("triggers-"), "{status}");
}

/// A package moves a file of another out of its way (dpkg-divert(1)), whether that one is unpacked or configured by then.
#[test]
fn files_that_are_diverted_make_room() {
    require!(Need::Root, Need::Mirror, Need::Amd64);
    let package = |name: &str| Package::new(name, "1").field("Architecture", "all");
    let divert =
        "#!/bin/sh\nset -e\ndpkg-divert --package diverter --add --rename --divert /usr/bin/tool.orig /usr/bin/tool\n";
    let packages = [
        package("owner").file("usr/bin/tool", 0o755, "#!/bin/sh\n").file("usr/share/owner", 0o644, ""),
        package("diverter").field("Depends", "owner").script("preinst", divert).file(
            "usr/bin/tool",
            0o755,
            "#!/bin/sh -e\n",
        ),
        package("after").field("Depends", "diverter").file("usr/share/after", 0o644, ""),
    ];
    // zutils diverts files of gzip, which is essential and configured long before.
    let image = on_trixie(&packages, "zutils");
    assert_eq!(text(&image, "usr/bin/tool"), "#!/bin/sh -e\n");
    assert_eq!(text(&image, "usr/bin/tool.orig"), "#!/bin/sh\n");
    let there = image.listing();
    assert!(["usr/bin/zcat", "usr/bin/zcat.gzip", "usr/share/after"].iter().all(|path| there.contains_key(*path)));
}

/// A file never takes the place of a folder with files of others; a link that leads to a folder leaves it (dpkg does the same).
#[test]
fn folders_of_other_packages_stay() {
    require!(Need::Program("busybox"), Need::Program("newuidmap"), Need::Amd64);
    let folder =
        Package::new("folder", "1.0").file("usr/share/shared/file", 0o644, "").symlink("usr/share/link", "shared");
    for (name, says) in [("file", "is in the packages file and folder"), ("late", "is a folder in the package folder")]
    {
        let file = Package::new(name, "1.0").file("usr/share/shared", 0o644, "");
        let workspace = workspace(vec![folder.clone(), file]);
        build(&workspace, &format!("packages = [\"folder\", \"{name}\"]"), &[]).failed_with(2).says(says);
    }
    let link =
        Package::new("link", "1.0").symlink("usr/share/shared", "other").symlink("usr/share/link", "../share/shared");
    let workspace = workspace(vec![folder, link]);
    build(&workspace, "packages = [\"folder\", \"link\"]", &[]).succeeded();
    let image = image(&workspace);
    assert_eq!(text(&image, "usr/share/shared/file"), "");
}

/// dpkg makes the checksums that a package lacks (dpkg-deb alone makes none), and so are they here.
#[test]
fn checksums_that_a_package_lacks_are_made() {
    require!(Need::Program("busybox"), Need::Program("newuidmap"), Need::Amd64);
    let workspace = workspace(vec![]);
    let link = |path: &str| Node::HardLink(path.to_owned());
    let app = app("facts", "hello\n").entry("usr/share/app/link", 0o644, (0, 0), link("usr/share/app/greeting"));
    put(&workspace, &app.clone().symlink("usr/share/app/again", "link"));
    let asks = "packages = [\"./app.deb\"]";
    build(&workspace, asks, &[]).succeeded();
    let (conf, hello) = ("b9a771b420047cfaa3543e66c78f44f6", "b1946ac92492d2347c6235b4d2611184");
    let expected = format!("{conf}  etc/app.conf\n{hello}  usr/share/app/greeting\n{hello}  usr/share/app/link\n");
    assert_eq!(text(&image(&workspace), "var/lib/dpkg/info/app.md5sums"), expected);
    // Those that it has are its own word.
    put(&workspace, &app.control_file("md5sums", 0o644, "0  usr/share/app/greeting\n"));
    build(&workspace, asks, &[]).succeeded();
    assert_eq!(text(&image(&workspace), "var/lib/dpkg/info/app.md5sums"), "0  usr/share/app/greeting\n");
}

#[test]
fn nothing_is_configured_without_dpkg() {
    require!(Need::Program("busybox"), Need::Program("newuidmap"), Need::Amd64);
    let workspace = workspace(vec![Package::new("bare", "1.0").file("usr/share/bare", 0o644, "")]);
    build(&workspace, "packages = [\"bare\"]", &[]).succeeded();
    let recipe = fs::read_to_string(workspace.path("golden.toml")).unwrap();
    workspace.write("bare.toml", &recipe.replace("\"minbase\"", "\"custom\""));
    let bare = ["build", "bare.toml", "-o", "oci:out", "--progress", "none"];
    workspace.rootsmith(bare).failed_with(2).says("none of them has dpkg");
    workspace.write("bare.toml", &recipe.replace("\"minbase\"", "\"custom\"\nscripts = false"));
    workspace.rootsmith(bare).succeeded();
}
