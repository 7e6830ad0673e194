use super::*;

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
        ("ID = \"acme\"\nACME_KEY = \"two\\nlines\"", "is not a text (`ACME_KEY`)"),
        ("HOME_URL = \"acme.example\"", "`acme.example` is not a URL"),
        ("SUPPORT_END = \"2030-02-30\"", "is not a day"),
        ("RELEASE_TYPE = \"beta\"", "`beta` is not a word known here"),
        ("VERSION_ID = 4", "`VERSION_ID` is a number"),
    ] {
        let errors = recipe(wrong).unwrap_err();
        assert!(errors.iter().any(|error| error.contains(says)), "{wrong}: {errors:?}");
    }
}
