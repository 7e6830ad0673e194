use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use miette::{GraphicalReportHandler, GraphicalTheme};

use super::*;

/// A folder with some recipes.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn read(files: &[(&str, &str)], variant: Option<&str>) -> Result<Recipe, Vec<String>> {
    let folder = folder(files);
    load(&folder.path().join(files[0].0), variant).map_err(|errors| messages(&errors, folder.path()))
}

/// What is wrong, one line each, with file, line and help.
fn messages(errors: &RecipeErrors, folder: &Path) -> Vec<String> {
    let line = |problem: &Problem| {
        let help = miette::Diagnostic::help(problem).map(|help| format!(" [{help}]")).unwrap_or_default();
        let place = problem.location().map(|(path, line)| {
            let path = Path::new(&path).strip_prefix(folder).unwrap().display().to_string();
            format!("{path}:{line}: ")
        });
        let text = format!("{}{problem}{help}", place.unwrap_or_default());
        text.replace(&format!("{}/", folder.display()), "")
    };
    errors.problems.iter().map(line).collect()
}

fn debian(recipe: &Recipe) -> &DebianRequest {
    #[allow(irrefutable_let_patterns, reason = "other sources follow")]
    let SourceRequest::Debian(debian) = &recipe.source else { panic!("{:?}", recipe.source) };
    debian
}

fn packages(recipe: &Recipe) -> Vec<String> {
    debian(recipe).packages.iter().map(ToString::to_string).collect()
}

const MINIMAL: &str = "name = \"base\"\nfrom.debian.suite = \"trixie\"\n";

/// Every key that there is.
const COMPLETE: &str = r#"
name = "team/base"
description = "A base"
platforms = ["linux/arm64"]
[from.debian]
suite = "trixie"
distribution = "debian"
variant = "standard"
packages = ["curl", "libc6:i386", "nginx=1.26.3-3+deb13u1", "golang/trixie-backports"]
priorities = ["important"]
sections = ["fonts"]
tasks = ["ssh-server"]
components = ["main", "non-free-firmware"]
updates = false
recommends = true
snapshot = "20261101T000000Z"
engine = "native"
scripts = true
keyring = "archive.asc"
slices = [{ package = "curl", keep = ["/usr/bin/curl"] }]
[[from.debian.repository]]
url = "https://packages.example.org/apt/"
suites = ["stable"]
components = ["main"]
keyring = "archive.asc"
trust = "signed"
login = "vendor"
in-image = true
[[file]]
path = "/usr/local/bin/app"
source = "app"
mode = "0755"
owner = "app:app"
digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
[[file]]
path = "/etc/motd"
content = "hello\n"
[[file]]
path = "/etc/localtime"
link = "/usr/share/zoneinfo/UTC"
[[file]]
path = "/srv/data"
directory = true
owner = "10001"
[[file]]
path = "/srv/null"
device = "c 1:3"
[[file]]
path = "/srv/pipe"
fifo = true
[[run]]
command = ["dpkg-reconfigure", "tzdata"]
env = { A = "1" }
secrets = ["apt_auth"]
network = false
workdir = "/srv"
[prune]
presets = ["docs", "logs"]
remove = ["/usr/share/zoneinfo/right/**"]
keep = ["/usr/share/doc/*/copyright"]
[harden]
profile = "baseline"
user = { name = "app", uid = 10001, gid = 10002, home = "/app", shell = "/bin/sh" }
init = "tini"
setuid = ["/usr/bin/su"]
capabilities = "keep"
permissions = "keep"
lock-accounts = false
package-manager = "keep"
shells = "keep"
[certificates]
extra = ["ca.pem"]
[os-release]
ID = "acme"
[image]
tags = ["13", "{suite}-{epoch:%Y%m%d}"]
entrypoint = ["app"]
cmd = ["--serve"]
env = { LANG = "C.UTF-8" }
labels = { "org.opencontainers.image.vendor" = "Example" }
workdir = "/srv"
user = "0:0"
stop-signal = "SIGINT"
ports = ["8080"]
volumes = ["/srv/data"]
author = "Example"
[layer]
compression = "zstd"
effort = "best"
[variant.debug]
from.debian.packages = ["strace"]
"#;

fn complete() -> Vec<(&'static str, &'static str)> {
    vec![("complete.toml", COMPLETE), ("archive.asc", ""), ("app", ""), ("ca.pem", "")]
}

#[test]
fn the_smallest_recipe_has_defaults() {
    let recipe = read(&[("base.toml", MINIMAL)], None).unwrap();
    assert_eq!(debian(&recipe).distribution, Distribution::Debian);
    assert_eq!(debian(&recipe).variant, DebianVariant::Minbase);
    assert_eq!(debian(&recipe).components, ["main"]);
    assert!(debian(&recipe).updates && debian(&recipe).scripts && !debian(&recipe).recommends);
    assert_eq!(recipe.tags(Epoch::default()).unwrap(), ["latest"]);
    assert_eq!(recipe.harden, Harden::default());
    assert_eq!(recipe.user(), None);
    assert_eq!(recipe.platforms.len(), 1);
}

#[test]
fn a_recipe_with_every_key_is_read_whole() {
    let recipe = read(&complete(), None).unwrap();
    let all = ["curl", "libc6:i386", "nginx=1.26.3-3+deb13u1", "golang/trixie-backports", "tini"];
    assert_eq!(packages(&recipe), all);
    assert_eq!(debian(&recipe).snapshot.as_ref().map(Snapshot::as_str), Some("20261101T000000Z"));
    let repository = &debian(&recipe).repositories[0];
    assert_eq!(repository.url.as_str(), "https://packages.example.org/apt");
    assert!(repository.keyring.as_ref().is_some_and(|path| path.ends_with("archive.asc")));
    let kinds: Vec<_> = recipe.files.iter().map(|file| (file.path.as_str(), &file.what)).collect();
    assert!(matches!(kinds[0], ("/usr/local/bin/app", FileKind::Copy(path)) if path.is_absolute()));
    assert_eq!(kinds[1], ("/etc/motd", &FileKind::Text("hello\n".to_owned())));
    assert_eq!(kinds[4].1, &FileKind::Device(Device { block: false, major: 1, minor: 3 }));
    assert_eq!(recipe.runs[0].command, ["dpkg-reconfigure", "tzdata"]);
    assert_eq!(recipe.harden.setuid, Setuid::StripBut(vec!["/usr/bin/su".parse().unwrap()]));
    assert!(!recipe.harden.lock_accounts && !recipe.harden.strip_capabilities);
    assert_eq!(recipe.entrypoint("/usr/bin/tini"), ["/usr/bin/tini", "--", "app"]);
    assert_eq!(recipe.user().as_deref(), Some("0:0"));
    assert_eq!(recipe.tags(Epoch::default()).unwrap(), ["13", "trixie-19700101"]);
    assert_eq!(recipe.image.ports[0].as_str(), "8080/tcp");
    assert_eq!(recipe.layer.compression, Compression::Zstd);
    assert_eq!(recipe.variants, ["debug"]);
    assert_eq!(recipe.local_files().len(), 2);
}

#[test]
fn the_complete_recipe_has_every_key_of_the_table() {
    let mut written = BTreeSet::new();
    walk(&toml::from_str(COMPLETE).unwrap(), "", &mut written);
    let mut known = BTreeSet::new();
    let schema: serde_json::Value = serde_json::from_str(&schema()).unwrap();
    walk_schema(&schema, "", &mut known);
    // `extends` needs a second file; it has a test of its own.
    known.remove("extends");
    // Environments are read from files, and have tests of their own.
    known.retain(|key| key != "conda" && !key.starts_with("conda."));
    // These go with `scripts = false` alone, and have tests of their own.
    known.retain(|key| !["from.debian.binaries", "from.debian.dependencies"].contains(&key.as_str()));
    // A recipe has one source; the others have tests of their own.
    let of_others = |key: &&String| key.starts_with("from.") && !key.starts_with("from.debian");
    let of_variants = |key: &&String| key.starts_with("variant.") || of_others(key);
    let (written, known): (Vec<_>, Vec<_>) = (
        written.iter().filter(|key| !of_variants(key)).collect(),
        known.iter().filter(|key| !of_variants(key)).collect(),
    );
    assert_eq!(written, known);
}

/// The keys that a document uses: `harden.user.name`. What is below free keys does not count.
fn walk(value: &toml::Value, path: &str, keys: &mut BTreeSet<String>) {
    match value {
        toml::Value::Table(table) if !["env", "labels", "os-release"].iter().any(|free| path.ends_with(free)) => {
            for (key, value) in table {
                let path = format!("{path}{}{key}", if path.is_empty() { "" } else { "." });
                keys.insert(path.clone());
                walk(value, &path, keys);
            }
        }
        toml::Value::Array(items) => items.iter().for_each(|item| walk(item, path, keys)),
        _ => {}
    }
}

fn walk_schema(schema: &serde_json::Value, path: &str, keys: &mut BTreeSet<String>) {
    for (key, value) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}{}{key}", if path.is_empty() { "" } else { "." });
        keys.insert(path.clone());
        walk_schema(value, &path, keys);
    }
    for item in schema["items"]["anyOf"].as_array().into_iter().flatten() {
        walk_schema(item, path, keys);
    }
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let text = r#"
nam = "base"
platforms = ["linux/amd65"]
policy = []
[from.debian]
suite = 13
variant = "minbas"
pakages = ["curl"]
packages = ["Curl", "app.deb", 7]
engine = "debootstrap"
scripts = false
snapshot = "2026"
[[from.debian.repository]]
suites = ["../x"]
trust = "unsigned"
keyring = "missing.asc"
[[file]]
path = "usr/bin/app"
source = "missing"
content = "and"
mode = 755
[[file]]
path = "/x"
mode = "0999"
digest = "sha256:00"
[[run]]
command = []
[harden]
profile = "strict"
user = { name = "Root", uid = 2147483648 }
[image]
tags = ["{suit}"]
ports = ["0"]
"#;
    let expected = [
        "base.toml:1: the recipe has no `name` [add `name`: the image's name, such as `trixie` or `team/base`]",
        "base.toml:2: `nam` is not a key of the recipe [did you mean `name`?]",
        "base.toml:3: `linux/amd65` is not a platform (`platforms`)",
        "base.toml:4: `policy` in the recipe is not supported yet by this version of rootsmith [the recipe has the keys `name`, `description`, `platforms`, `from`, `file`, `run`, `conda`, `prune`, `harden`, `certificates`, `os-release`, `image`, `layer`, `extends`, `variant`]",
        "base.toml:6: `suite` is a number, but a suite was expected",
        "base.toml:7: `minbas` is not a word known here (`variant`) [did you mean `minbase`?]",
        "base.toml:8: `pakages` is not a key of [from.debian] [did you mean `packages`?]",
        "base.toml:9: `Curl` is not a package (`packages`)",
        "base.toml:9: `app.deb` is not a package (`packages`)",
        "base.toml:9: `packages` is a number, but a package was expected",
        "base.toml:10: an `engine` runs the scripts of packages, and `scripts = false` says that none run [leave out one of the two]",
        "base.toml:12: `2026` is not a moment (`snapshot`)",
        "base.toml:13: [[from.debian.repository]] has no `url` [add `url`: where the archive is, above its `dists` folder]",
        "base.toml:14: `../x` is not a suite (`suites`)",
        "base.toml:15: a `keyring` and `trust = \"unsigned\"` exclude each other [leave out `trust`: an archive with a keyring is checked by it]",
        "base.toml:16: there is no file `missing.asc` [paths of local files are relative to the folder of the recipe]",
        "base.toml:18: `usr/bin/app` is not a path of the image (`path`)",
        "base.toml:18: a file cannot have `source`, `content` at once [give one of `source`, `content`, `link`, `directory = true`, `device` and `fifo = true`]",
        "base.toml:19: there is no file or folder `missing` [paths of local files are relative to the folder of the recipe]",
        "base.toml:21: `mode` is a number, but a mode, such as \"0755\" was expected [write it as a string of octal digits: `mode = \"0755\"`]",
        "base.toml:23: this file does not say what it is [give one of `source`, `content`, `link`, `directory = true`, `device` and `fifo = true`]",
        "base.toml:24: `0999` is not a mode (`mode`)",
        "base.toml:25: `sha256:00` is not a digest (`digest`)",
        "base.toml:27: the command names no program [write the program and its arguments: `command = [\"ldconfig\"]`]",
        "base.toml:29: `profile = \"strict\"` is not supported yet by this version of rootsmith [`profile` is one of `none`, `baseline`]",
        "base.toml:30: `Root` is not a user or group name (`name`)",
        "base.toml:30: `2147483648` is not within bounds (`uid`)",
        "base.toml:32: `{suit}` is not a tag (`tags`)",
        "base.toml:33: `0` is not a port (`ports`)",
    ];
    let found = read(&[("base.toml", text)], None).unwrap_err();
    assert_eq!(found, expected);
}

/// The mistakes of a recipe as a person sees them.
fn show(text: &str) -> String {
    let errors = load_text(Path::new("/base.toml"), text.to_owned(), None).unwrap_err();
    let mut shown = String::new();
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor());
    handler.render_report(&mut shown, &errors).unwrap();
    shown
}

#[test]
fn mistakes_of_an_empty_file_and_at_its_end_are_shown() {
    let empty = show("");
    assert!(empty.contains("the recipe has no `name`") && !empty.contains("Failed to read"), "{empty}");
    let end = show("name = ");
    assert!(end.contains("this is not TOML") && !end.contains("Failed to read"), "{end}");
}

#[test]
fn a_mistake_is_shown_at_its_place() {
    let shown = show("name = \"base\"\n[from.debian]\nsuite = \"trixi\"\n");
    assert!(shown.contains("cannot use the recipe `/base.toml`: it has 1 mistake"), "{shown}");
    assert!(shown.contains("`trixi` is not a suite known here (`suite`)"), "{shown}");
    assert!(shown.contains("3 │ suite = \"trixi\""), "{shown}");
    assert!(shown.contains("did you mean `trixie`?"), "{shown}");
}

#[test]
fn one_source_is_needed() {
    let none = read(&[("base.toml", "name = \"base\"\n")], None).unwrap_err();
    assert_eq!(none.len(), 1);
    assert!(
        none[0].starts_with("base.toml:1: the recipe does not say where its root filesystem comes from"),
        "{none:?}"
    );
    let two = format!("{MINIMAL}[from.apk]\npackages = []\n");
    let two = read(&[("base.toml", &two)], None).unwrap_err();
    assert!(two.iter().any(|line| line.contains("has `[from.apk]` and `[from.debian]`")), "{two:?}");
    let typing = read(&[("base.toml", "name = \"base\"\nfrom = 1\n")], None).unwrap_err();
    assert_eq!(typing, ["base.toml:2: `from` is a number, but a table was expected"]);
}

#[test]
fn broken_toml_and_missing_files_have_a_place() {
    let broken = read(&[("base.toml", "name = \"base\nfrom.debian.suite = \"trixie\"\n")], None).unwrap_err();
    assert!(broken[0].starts_with("base.toml:1: this is not TOML: "), "{broken:?}");
    let missing = read(&[("base.toml", &format!("extends = \"no.toml\"\n{MINIMAL}"))], None).unwrap_err();
    assert_eq!(missing, ["base.toml:1: cannot read the recipe `no.toml`"]);
    let folder = folder(&[]);
    let errors = load(&folder.path().join("no.toml"), None).unwrap_err();
    assert!(matches!(errors.problems[0].mistake, Mistake::Read { .. }));
}

#[test]
fn suites_of_others_need_an_archive() {
    let own = "name = \"own\"\n[from.debian]\nsuite = \"edge\"\ndistribution = \"acme\"\n";
    let found = read(&[("own.toml", own)], None).unwrap_err();
    assert!(found[0].starts_with("own.toml:3: nothing says where the archive of `acme` is"), "{found:?}");
    let with = format!("{own}[[from.debian.repository]]\nurl = \"file:///srv/acme\"\ntrust = \"unsigned\"\n");
    let recipe = read(&[("own.toml", &with)], None).unwrap();
    assert_eq!(debian(&recipe).distribution, Distribution::Other("acme".to_owned()));
    assert_eq!(recipe.warnings.len(), 1);
    let noble = read(&[("n.toml", "name = \"n\"\nfrom.debian.suite = \"noble-proposed\"\n")], None).unwrap();
    assert_eq!(debian(&noble).distribution, Distribution::Ubuntu);
}

#[test]
fn credentials_in_a_url_are_refused_and_not_shown() {
    let text = format!("{MINIMAL}[[from.debian.repository]]\nurl = \"https://me:hunter2@example.org/debian\"\n");
    let found = read(&[("base.toml", &text)], None).unwrap_err();
    assert_eq!(found, ["base.toml:4: `https://...` is not the URL of an archive (`url`)"]);
}

#[test]
fn extending_merges_tables_and_sets() {
    let parent = r#"
name = "common"
description = "common"
[from.debian]
suite = "trixie"
packages = ["curl=8.14.1-2", "nano"]
components = ["main", "contrib"]
[[file]]
path = "/etc/motd"
source = "motd"
[[run]]
command = ["sh", "-c", "echo hi"]
[harden]
user = { name = "app", uid = 10001 }
[image]
cmd = ["bash", "-l"]
env = { A = "1", B = "2" }
[prune]
presets = ["docs"]
"#;
    let child = r#"
extends = "common/parent.toml"
name = "child"
file = ["-/etc/motd", { path = "/etc/motd", content = "child" }]
run = ["-sh -c echo hi"]
[from.debian]
packages = ["-curl", "vim", "nano"]
components = ["main"]
[harden]
user = { gid = 20001 }
[image]
cmd = ["sh"]
env = { B = "3" }
[prune]
presets = ["man"]
"#;
    let files = [("child.toml", child), ("common/parent.toml", parent), ("common/motd", "")];
    let recipe = read(&files, None).unwrap();
    assert_eq!((recipe.name.as_str(), recipe.description.as_deref()), ("child", Some("common")));
    assert_eq!(packages(&recipe), ["nano", "vim"]);
    assert_eq!(debian(&recipe).components, ["main"]);
    assert_eq!(recipe.files[0].what, FileKind::Text("child".to_owned()));
    assert!(recipe.runs.is_empty());
    let user = recipe.harden.user.as_ref().unwrap();
    assert_eq!((user.uid, user.gid, user.home.as_str()), (10001, 20001, "/home/app"));
    assert_eq!(recipe.image.cmd, ["sh"]);
    assert_eq!(recipe.image.environment.values().collect::<Vec<_>>(), ["1", "3"]);
    assert_eq!(recipe.prune.presets, [Preset::Docs, Preset::Man]);
    assert_eq!(recipe.sources.len(), 2);
}

#[test]
fn mistakes_in_parents_and_variants_show_their_own_file() {
    let parent = "name = \"p\"\n[from.debian]\nsuite = \"trixie\"\n[[file]]\npath = \"/x\"\nsource = \"gone\"\n";
    let child = "extends = \"common/parent.toml\"\n[variant.debug]\nimage.user = \"Nobody!\"\n";
    let found = read(&[("child.toml", child), ("common/parent.toml", parent)], None).unwrap_err();
    let expected = [
        "child.toml:3: `Nobody!` is not a user or group name (`user`)",
        "common/parent.toml:6: there is no file or folder `common/gone` [paths of local files are relative to the folder of the recipe]",
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_circle_of_recipes_is_found() {
    let one = format!("extends = \"two.toml\"\n{MINIMAL}");
    let found = read(&[("one.toml", &one), ("two.toml", "extends = \"./one.toml\"\n")], None).unwrap_err();
    assert_eq!(found, ["two.toml:1: `./one.toml` extends itself [take one `extends` out of the circle]"]);
}

#[test]
fn variants_lie_on_top() {
    let parent = format!("{MINIMAL}packages = 1\n[variant.debug]\nfrom.debian.packages = [\"gdb\"]\n");
    let parent = parent.replace("packages = 1\n", "from.debian.packages = [\"curl\"]\n");
    let child = "extends = \"p.toml\"\n[variant.debug]\nfrom.debian.packages = [\"strace\", \"-curl\"]\nimage.cmd = [\"gdb\"]\n";
    let files = [("c.toml", child), ("p.toml", parent.as_str())];
    assert_eq!(packages(&read(&files, None).unwrap()), ["curl"]);
    let debug = read(&files, Some("debug")).unwrap();
    assert_eq!(packages(&debug), ["gdb", "strace"]);
    assert_eq!(debug.tags(Epoch::default()).unwrap(), ["debug"]);
    let unknown = read(&files, Some("debuk")).unwrap_err();
    assert_eq!(unknown, ["the recipe has no variant `debuk` [its variants are: `debug`]"]);
}

#[test]
fn taking_out_what_is_not_there_is_a_mistake() {
    let text = format!("{MINIMAL}from.debian.packages = [\"curl\", \"-nano\"]\n");
    let found = read(&[("base.toml", &text)], None).unwrap_err();
    assert_eq!(found, ["base.toml:3: `-nano` takes nothing out of `packages` [it holds: `curl`]"]);
}

#[test]
fn a_path_is_given_once() {
    let text =
        format!("{MINIMAL}[[file]]\npath = \"/x\"\ncontent = \"\"\n[[file]]\npath = \"/x/\"\ndirectory = true\n");
    let found = read(&[("base.toml", &text)], None).unwrap_err();
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("base.toml:7: `/x` is given twice in `file`"), "{found:?}");
}

#[test]
fn the_init_goes_before_the_entrypoint_once() {
    let with = |entrypoint: &str| {
        let text = format!("{MINIMAL}harden.init = \"tini\"\nimage.entrypoint = {entrypoint}\n");
        read(&[("base.toml", &text)], None).unwrap().entrypoint("/usr/bin/tini")
    };
    assert_eq!(with("[]"), ["/usr/bin/tini", "--"]);
    assert_eq!(with("[\"tini\", \"-g\", \"--\", \"app\"]"), ["/usr/bin/tini", "-g", "--", "app"]);
    assert_eq!(with("[\"/usr/sbin/nginx\"]"), ["/usr/bin/tini", "--", "/usr/sbin/nginx"]);
}

#[test]
fn names_are_those_of_registries() {
    for name in ["a", "team/base", "a.b_c__d---e", "1"] {
        let text = MINIMAL.replace("base", name);
        assert!(read(&[("base.toml", &text)], None).is_ok(), "{name}");
    }
    for name in ["", "Base", "-a", "a-", "a..b", "a/", "/a", "a___b", "a:b", "ä"] {
        let text = MINIMAL.replace("base", name);
        assert!(read(&[("base.toml", &text)], None).is_err(), "{name}");
    }
}

#[test]
fn every_key_of_scratch_is_read() {
    let text = "name = \"app\"\nplatforms = [\"linux/amd64\", \"linux/arm64\"]\n[from.scratch]\nca-certificates = false\n\
                timezones = true\n[from.scratch.debian]\nsuite = \"bookworm\"\nsnapshot = \"20261101T000000Z\"\n\
                [[file]]\npath = \"/app\"\nsource = { \"linux/amd64\" = \"a\", \"linux/arm64\" = \"b\" }\n\
                [harden]\ninit = \"tini\"\n";
    let files = [("app.toml", text), ("a", ""), ("b", "")];
    let recipe = read(&files, None).unwrap();
    let SourceRequest::Scratch(scratch) = &recipe.source else { panic!("{:?}", recipe.source) };
    assert!(!scratch.ca_certificates && scratch.timezones);
    let tini = scratch.tini.as_ref().unwrap();
    assert_eq!((tini.suite.as_str(), tini.packages.len(), tini.variant), ("bookworm", 1, DebianVariant::Custom));
    assert_eq!(recipe.local_files().len(), 2);
    let arm = recipe.on("linux/arm64".parse().unwrap());
    assert!(matches!(&arm.files[0].what, FileKind::Copy(path) if path.ends_with("b")));
    assert_eq!(arm.platforms.len(), 1);

    let local = text.replace("init = \"tini\"", "init = \"./a\"");
    let recipe = read(&[("app.toml", &local), ("a", ""), ("b", "")], None).unwrap();
    assert!(matches!(&recipe.source, SourceRequest::Scratch(ScratchRequest { tini: None, .. })));
    assert_eq!((recipe.harden.init, recipe.files[1].path.as_str()), (Init::Tini, "/usr/bin/tini"));
    let packages_too = format!("{MINIMAL}[harden]\ninit = \"./tini\"\n");
    let recipe = read(&[("base.toml", &packages_too), ("tini", "")], None).unwrap();
    assert_eq!((packages(&recipe).len(), recipe.files[0].path.as_str()), (0, "/usr/bin/tini"));
    let none = read(&[("app.toml", "name = \"app\"\n[from.scratch]\n")], None).unwrap();
    assert!(matches!(&none.source, SourceRequest::Scratch(ScratchRequest { tini: None, ca_certificates: true, .. })));
}

#[test]
fn the_shipped_recipes_are_read() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes");
    // Local files that a recipe names are beside it, or made by whoever builds it.
    let folder = tempfile::tempdir().unwrap();
    let mut names = Vec::new();
    for entry in walkdir::WalkDir::new(&shipped).min_depth(1).sort_by_file_name() {
        let entry = entry.unwrap();
        let place = folder.path().join(entry.path().strip_prefix(&shipped).unwrap());
        if entry.file_type().is_dir() {
            fs::create_dir_all(place).unwrap();
            continue;
        }
        let text = fs::read_to_string(entry.path()).unwrap();
        for source in text.lines().filter_map(|line| line.strip_prefix("source = \"")?.split('"').next()) {
            let source = folder.path().join(source);
            if !source.exists() {
                fs::write(source, "").unwrap();
            }
        }
        fs::write(place, text).unwrap();
    }
    for entry in fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "toml") {
            let recipe = load(&path, None).unwrap_or_else(|errors| panic!("{:?}", errors.problems));
            assert_eq!(Some(recipe.name.as_str()), path.file_stem().and_then(|stem| stem.to_str()));
            let is_system = ["custom-distro", "machine"].contains(&&*recipe.name);
            let expected = if recipe.name.starts_with("distroless") { "65532:65532" } else { "10001:10001" };
            assert_eq!(recipe.user().as_deref(), Some(expected).filter(|_| !is_system), "{}", recipe.name);
            assert!(recipe.warnings.is_empty(), "{}", recipe.name);
            names.push(recipe.name);
        }
    }
    assert!(names.len() >= 4, "{names:?}");
}

#[test]
fn the_page_on_recipes_has_every_key_and_its_examples_are_read() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/recipe.md")).unwrap();
    let mut known = BTreeSet::new();
    walk_schema(&serde_json::from_str(&schema()).unwrap(), "", &mut known);
    for key in known {
        let name = key.rsplit('.').next().unwrap();
        let ways = [format!("`{name}`"), format!("`{name} ="), format!("[{key}]"), format!("[{name}.")];
        let said = ways.iter().any(|way| page.contains(way));
        assert!(said, "{key}");
    }
    let examples: Vec<_> = page.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    let parent = "from.debian.packages = [\"ca-certificates\"]\n[[file]]\npath = \"/etc/motd\"\ncontent = \"\"\n";
    let parent = format!("{MINIMAL}{parent}");
    for example in examples {
        let named = example.lines().any(|line| line.starts_with("name = "));
        let text = if named { example.to_owned() } else { format!("{MINIMAL}{example}") };
        let text = text.replace("root:app", "root:root");
        let files = [("page.toml", text.as_str()), ("trixie.toml", parent.as_str()), ("target/release/app", "")];
        let environment = "channels: [conda-forge]\ndependencies: [curl]\n";
        let files = [
            files.as_slice(),
            &[
                ("cuda-archive-keyring.asc", ""),
                ("cuda.asc", ""),
                ("environment.yml", environment),
                ("gpu.yml", environment),
            ],
        ]
        .concat();
        read(&files, text.contains("[variant.debug]").then_some("debug")).unwrap_or_else(|errors| panic!("{errors:?}"));
    }
}

#[test]
fn images_to_start_from() {
    let recipe = |more: &str| read(&[("base.toml", &format!("name = \"x\"\n[from.oci]\n{more}"))], None);
    let request = |more: &str| match recipe(more).unwrap().source {
        SourceRequest::Oci(request) => request,
        other => panic!("{other:?}"),
    };
    for image in ["docker://debian:13", "debian:13"] {
        assert_eq!(request(&format!("image = \"{image}\"\n")).image.to_string(), "docker://debian:13");
    }
    let plain = request("image = \"oci:base:1\"\n");
    assert_eq!((plain.keep_layers, plain.digest, plain.name), (false, None, None));
    let digest = format!("sha256:{}", "a".repeat(64));
    let more = format!(
        "image = \"docker-daemon:base:1\"\ndigest = \"{digest}\"\nname = \"example.com/base:1\"\nkeep-layers = true\n"
    );
    let full = request(&more);
    assert_eq!((full.keep_layers, full.name.as_deref()), (true, Some("example.com/base:1")));
    assert_eq!(full.digest.unwrap().to_string(), digest);
    for (wrong, says) in [
        ("", "[from.oci] has no `image`"),
        ("image = \"oci:x\"\ndigest = \"latest\"", "`latest` is not a digest"),
        ("image = \"oci:x\"\nname = \"debian:13\"", "`debian:13` is not a full name of an image"),
        ("image = \"oci:x\"\nlayers = true", "`layers` is not a key of [from.oci]"),
    ] {
        let errors = recipe(wrong).unwrap_err();
        assert!(errors.iter().any(|error| error.contains(says)), "{wrong}: {errors:?}");
    }
}

#[test]
fn what_a_system_says_it_is() {
    let recipe = |more: &str| read(&[("base.toml", &format!("{MINIMAL}[os-release]\n{more}"))], None);
    let fine = "ID = \"acme-os\"\nID_LIKE = \"debian ubuntu\"\nNAME = \"Acme $1\"\nHOME_URL = \"https://acme.example/\"\n\
                SUPPORT_END = \"2030-06-30\"\nBUG_REPORT_URL = \"\"\nACME_OS_EDITION = \"7\"\nRELEASE_TYPE = \"lts\"\n\
                CPE_NAME = \"cpe:2.3:o:acme:os:4\"\nANSI_COLOR = \"1;31\"\n";
    assert_eq!(recipe(fine).unwrap().os_release.len(), 10);
    for (wrong, says) in [
        ("ID = \"Acme\"", "`Acme` is not a word"),
        ("id = \"acme\"", "`id` is not a key of os-release(5)"),
        ("PRETTYNAME = \"Acme\"", "did you mean `PRETTY_NAME`?"),
        ("OTHER_KEY = \"x\"", "`OTHER_KEY` is not a key of os-release(5)"),
        ("NAME = \"two\\nlines\"", "is not a text"),
        ("HOME_URL = \"acme.example\"", "`acme.example` is not a URL"),
        ("SUPPORT_END = \"2030-02-30\"", "is not a day"),
        ("RELEASE_TYPE = \"beta\"", "`beta` is not a word known here"),
        ("VERSION_ID = 4", "`VERSION_ID` is a number"),
    ] {
        let errors = recipe(wrong).unwrap_err();
        assert!(errors.iter().any(|error| error.contains(says)), "{wrong}: {errors:?}");
    }
}
