//! The shapes of images, and the recipes that are shipped.

use super::*;

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
