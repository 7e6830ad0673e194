use super::*;

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
fn a_local_file_is_another_in_another_folder() {
    let files = "[certificates]\nextra = [\"./ca.pem\", \"/etc/hosts\"]\n";
    let list = "packages = [\"./app.deb\", \"curl\"]\n";
    let parent = format!("name = \"p\"\n[from.debian]\nsuite = \"trixie\"\n{list}{files}");
    let middle = format!("extends = \"common.toml\"\n{files}");
    let child = format!("extends = \"../app/../base/middle.toml\"\nname = \"c\"\n[from.debian]\n{list}{files}");
    let paths = ["base/ca.pem", "base/app.deb", "app/ca.pem", "app/app.deb"];
    let recipes = [("app/c.toml", child.as_str()), ("base/middle.toml", &middle), ("base/common.toml", &parent)];
    let all: Vec<_> = recipes.into_iter().chain(paths.map(|path| (path, ""))).collect();
    let recipe = read(&all, None).unwrap();
    let read_of = |paths: &[std::path::PathBuf]| -> Vec<String> {
        let folder =
            |path: &std::path::Path| path.parent().and_then(|folder| folder.file_name().map(ToOwned::to_owned));
        let name = |path: &std::path::PathBuf| {
            let folder = folder(path).unwrap_or_default().into_string().unwrap();
            format!("{folder}/{}", path.file_name().unwrap().to_str().unwrap())
        };
        paths.iter().map(name).collect()
    };
    assert_eq!(read_of(&recipe.certificates), ["base/ca.pem", "etc/hosts", "app/ca.pem"]);
    assert_eq!(read_of(&debian(&recipe).local), ["base/app.deb", "app/app.deb"]);
    assert_eq!(packages(&recipe), ["curl"]);
    let child = child.replace("extra = [", "extra = [\"-./ca.pem\", ");
    let own: Vec<_> =
        all.iter().map(|(name, text)| (*name, if *name == "app/c.toml" { &child } else { *text })).collect();
    assert_eq!(read_of(&read(&own, None).unwrap().certificates), ["etc/hosts", "app/ca.pem"]);
}

#[test]
fn another_source_replaces_that_below() {
    let base = format!("{MINIMAL}from.debian.packages = [\"curl\"]\n");
    let oci = "from.oci.image = \"docker://example.com/fips:1\"\n";
    let own = format!("{base}[variant.fips]\n{oci}[variant.debug]\nfrom.debian.packages = [\"gdb\"]\n");
    let source = |files: &[(&str, &str)], variant| read(files, variant).map(|recipe| recipe.source.name());
    assert_eq!(source(&[("r.toml", &own)], Some("fips")), Ok("oci"));
    assert_eq!(source(&[("r.toml", &own)], None), Ok("debian"));
    assert_eq!(packages(&read(&[("r.toml", &own)], Some("debug")).unwrap()), ["curl", "gdb"]);
    // As does that of a recipe that extends another, and that of its variants, which come last.
    let child = format!("extends = \"r.toml\"\n{oci}");
    assert_eq!(source(&[("c.toml", &child), ("r.toml", &base)], None), Ok("oci"));
    let files = [("c.toml", "extends = \"r.toml\"\n[variant.fips.from.scratch]\n"), ("r.toml", own.as_str())];
    assert_eq!(source(&files, Some("fips")), Ok("scratch"));
    assert_eq!(source(&files, None), Ok("debian"));
    // None of its keys are left.
    let again = format!("name = \"x\"\nextends = \"c.toml\"\n{MINIMAL}").replace("name = \"base\"\n", "");
    let recipe = read(&[("a.toml", &again), ("c.toml", &child), ("r.toml", &base)], None).unwrap();
    assert!(packages(&recipe).is_empty());
}

#[test]
fn a_source_may_be_in_variants_alone() {
    let text = "name = \"x\"\n[variant.b.from.scratch]\n[variant.a]\nfrom.debian.suite = \"trixie\"\n[variant.c]\nimage.cmd = [\"x\"]\n";
    let found = |variant| read(&[("r.toml", text)], variant).map(|recipe| recipe.source.name());
    assert_eq!(found(Some("a")), Ok("debian"));
    assert_eq!(found(Some("b")), Ok("scratch"));
    let expected = "r.toml:2: the recipe does not say where its root filesystem comes from; only variants of it do \
                    [name one of those: `--variant a`, `--variant b`; or add a `[from.*]` for all]";
    assert_eq!(found(None), Err(vec![expected.to_owned()]));
    assert_eq!(found(Some("c")), Err(vec![expected.to_owned()]));
    let two = format!("{MINIMAL}[variant.two.from]\nscratch = {{}}\nhost = {{}}\n");
    let found = read(&[("r.toml", &two)], None).unwrap_err();
    assert!(found[0].starts_with("r.toml:5: a recipe has one source, but this one has `[from.host]` and"), "{found:?}");
}
