mod extending;
mod keys;
mod mistakes;
mod shipped;

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
exclude = ["dbus", "systemd*"]
debconf = ["tzdata tzdata/Areas select Europe"]
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
