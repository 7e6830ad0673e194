use super::*;

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
