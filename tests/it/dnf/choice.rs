//! Which packages are chosen, and why others are not.

use super::*;

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
    let withheld = refused("packages = [\"modular\"]");
    withheld.failed_with(2).says("no repository has `modular` (but").says("streams of modules that are not enabled");
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
