use super::*;

#[test]
fn names_are_those_of_the_shape() {
    let words = |key: &str| match KEYS.key(key).map(|key| &key.shape) {
        Some(Shape::Word(words)) => words.known.to_vec(),
        _ => Vec::new(),
    };
    assert_eq!(words("distribution"), DISTRIBUTIONS.map(|(name, _)| name));
    assert_eq!(words("shape"), SHAPES.map(|(name, _)| name));
}

#[test]
fn specs_are_packages_and_nothing_else() {
    for good in ["bash", "python3-3.12.*", "/usr/bin/git", "libc.so.6(GLIBC_2.17)(64bit)", "foo >= 1", "glibc.i686"] {
        assert!(check_spec(good).is_ok(), "{good}");
    }
    for wrong in ["", "-y", "@core", "./x.rpm", "https://a.example/x", "a\nb", "bash ", "\u{e9}"] {
        assert!(check_spec(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn addresses_hold_no_secrets() {
    for good in ["https://a.example/metalink?repo=x-$releasever&arch=$basearch", "file:///srv/x", "http://a/b/"] {
        assert!(check_url(good).is_ok(), "{good}");
    }
    for wrong in ["", "a.example", "ftp://a/b", "file://srv", "http://", "http://a/b c", "http://a/#x"] {
        assert!(check_url(wrong).is_err(), "{wrong}");
    }
    assert!(!check_url("https://me:hunter2@a/").unwrap_err().to_string().contains("hunter2"));
    assert!((HTTPS.check)("http://a.example/key").is_err());
}

#[test]
fn streams_and_fingerprints() {
    assert_eq!("nodejs:20".parse::<ModuleStream>().unwrap().to_string(), "nodejs:20");
    for wrong in ["nodejs", "nodejs:", ":20", "node js:20", "a:b/c"] {
        assert!(wrong.parse::<ModuleStream>().is_err(), "{wrong}");
    }
    assert!(check_fingerprint("567E 347A D004 4ADE 55BA 8A5F 199E 2F91 FD43 1D51").is_ok());
    for wrong in ["", "FD431D51", "567E347AD0044ADE55BA8A5F199E2F91FD431D5X"] {
        assert!(check_fingerprint(wrong).is_err(), "{wrong}");
    }
}

/// A recipe with every key.
const COMPLETE: &str = r#"
name = "x"
platforms = ["linux/amd64"]
[from.dnf]
distribution = "alma"
release = "10"
shape = "minimal"
packages = ["git", "/usr/bin/which"]
groups = ["core"]
modules = ["nodejs:20"]
exclude = ["python3-*"]
weak-deps = true
docs = true
langs = ["C.utf8", "de"]
keyring = ["key.asc"]
keyring-urls = ["https://a.example/key"]
fingerprints = ["567e 347A D004 4ADE 55BA 8A5F 199E 2F91 FD43 1D51"]
database = "/var/lib/rpm"
database-format = "ndb"
[[from.dnf.repository]]
id = "vendor"
baseurl = ["https://a.example/$releasever/$basearch"]
keyring = ["key.asc"]
keyring-urls = ["https://b.example/key"]
fingerprints = []
signed-metadata = true
[[from.dnf.repository]]
id = "appstream"
mirrorlist = "https://a.example/list"
trust = "signed"
[[from.dnf.repository]]
id = "extras"
metalink = "https://a.example/link?repo=extras-$releasever&arch=$basearch"
"#;

fn read_text(text: &str) -> Result<DnfRequest, String> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("key.asc"), "").unwrap();
    let recipe = crate::recipe::load_text(&folder.path().join("x.toml"), text.to_owned(), None);
    let problems = |errors: crate::recipe::RecipeErrors| {
        errors.problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    match recipe.map_err(problems)?.source {
        crate::recipe::SourceRequest::Dnf(request) => Ok(*request),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_recipe_with_every_key_is_read_whole() {
    for key in KEYS.all().chain(REPOSITORY.all()).filter(|key| key.name != "repository") {
        assert!(COMPLETE.contains(&format!("\n{} = ", key.name)), "{}", key.name);
    }
    let request = read_text(COMPLETE).unwrap();
    assert_eq!((request.distribution, request.shape), (RpmDistribution::Alma, DnfShape::Minimal));
    assert_eq!(request.modules[0], ModuleStream { name: "nodejs".to_owned(), stream: "20".to_owned() });
    assert_eq!(request.keys.fingerprints, ["567E347AD0044ADE55BA8A5F199E2F91FD431D51"]);
    assert!(request.weak_dependencies && request.docs && request.database_format == DatabaseFormat::Ndb);
    assert_eq!(request.repositories.len(), 3);
    assert!(request.repositories[0].signed_metadata && request.repositories[1].keys.is_empty());
    assert!(matches!(&request.repositories[2].place, RepositoryPlace::Metalink(url) if url.ends_with("$basearch")));
}

#[test]
fn contradictions_are_refused() {
    let refused = |from: &str, to: &str| read_text(&COMPLETE.replace(from, to)).unwrap_err();
    let keys = "trust = \"unsigned\"\nkeyring = [\"key.asc\"]";
    assert!(refused("trust = \"signed\"", keys).contains("exclude each other"));
    assert!(refused("mirrorlist = \"https://a.example/list\"", "").contains("one of `baseurl`"));
    assert!(refused("baseurl = [\"https://a.example/$releasever/$basearch\"]", "baseurl = []").contains("one of"));
    assert!(refused("key.asc", "missing.asc").contains("missing.asc"));
    assert!(refused("https://b.example/key", "http://b.example/key").contains("a safe address of a key"));
    assert!(refused("id = \"vendor\"", "id = \"Vendor\"").contains("Vendor"));
    assert!(refused("\"nodejs:20\"", "\"nodejs\"").contains("a stream of a module"));
    assert!(refused("\"git\"", "\"@core\"").contains("a package"));
    // What is wrong with the only package is no reason to say that there is none, nor with the only repository.
    let other = |packages: &str, id: &str| {
        format!(
            "name = \"x\"\n[from.dnf]\ndistribution = \"other\"\nrelease = \"1\"\npackages = [{packages}]\n\
             [[from.dnf.repository]]\nid = \"{id}\"\nbaseurl = [\"file:///x\"]\ntrust = \"unsigned\"\n"
        )
    };
    for text in [other("\"./x.rpm\"", "x"), other("\"x\"", "X")] {
        assert_eq!(read_text(&text).unwrap_err().lines().count(), 1, "{text}");
    }
    assert_eq!(
        check_spec("@core").unwrap_err().help.as_deref(),
        Some("groups have a key of their own: `groups = [\"core\"]`")
    );
}
