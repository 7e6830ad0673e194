//! What is locked is what is installed.

use super::*;

#[test]
fn signers_of_a_lock_are_among_the_recipes_keys() {
    const OTHER_KEYS: &[u8] = include_bytes!("../../../src/source/debian/keys/debian-archive-keyring.pgp");
    require_toy!();
    let key = Toy::new().key();
    let recipe = recipe(Signed::Well, PACKAGES).replace(&*key.display().to_string(), "keys.asc");
    let workspace = workspace(&recipe);
    let own = workspace.path("keys.asc");
    fs::copy(&key, &own).unwrap();
    let first = build(&workspace, &[]).digest();
    fs::write(&own, OTHER_KEYS).unwrap();
    build(&workspace, &["--frozen"]).failed_with(2).says("does not fit it any more");
    build(&workspace, &[]).failed_with(4).says("is not in the keyring");
    fs::write(&own, "no key").unwrap();
    build(&workspace, &["--frozen"]).failed_with(2).says("keys.asc");
    fs::copy(&key, &own).unwrap();
    assert_eq!(build(&workspace, &["--frozen"]).digest(), first);
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
    workspace.write("toy.lock", &lock.replace("applause-1-1.noarch.rpm", "x/../applause-1-1.noarch.rpm"));
    build(&workspace, &["--locked"]).failed_with(2).says("no path from a repository");
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
