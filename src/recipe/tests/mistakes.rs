use super::*;

#[test]
fn a_folder_is_no_recipe() {
    let folder = tempfile::tempdir().unwrap();
    let said = format!("{:?}", miette::Report::new(crate::recipe::load(folder.path(), None).unwrap_err()));
    assert!(said.contains("it is a folder: name the recipe's file in it"), "{said}");
}

#[test]
fn a_recipe_in_another_encoding_is_told_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("base.toml");
    let utf16: Vec<u8> = format!("\u{feff}{MINIMAL}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let latin1 = b"name = \"base\"\ndescription = \"caf\xe9\"\n".to_vec();
    for (bytes, expected) in [(utf16, "in UTF-16: save it as UTF-8"), (latin1, "line 2 is not text in UTF-8")] {
        std::fs::write(&path, bytes).unwrap();
        let said = format!("{:?}", miette::Report::new(load(&path, None).unwrap_err()));
        assert!(said.contains(expected), "{said}");
    }
    std::fs::write(&path, format!("\u{feff}{MINIMAL}")).unwrap();
    assert!(load(&path, None).is_ok(), "a mark of UTF-8 is allowed");
}

#[test]
fn line_ends_of_windows_are_line_ends() {
    let text = format!("{MINIMAL}[[file]]\npath = \"/run.sh\"\ncontent = \"\"\"\n#!/bin/sh\n\\r\\n\"\"\"\n")
        .replace('\n', "\r\n");
    let recipe = read(&[("base.toml", &text)], None).unwrap();
    assert_eq!(recipe.files[0].what, FileKind::Text("#!/bin/sh\n\r\n".to_owned()));
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
fn a_file_says_where_it_goes() {
    let text = format!("{MINIMAL}[[file]]\ncontent = \"hello\"\n[[file]]\n");
    let path = "add `path`: where it goes";
    let what = "give one of `source`, `content`, `link`, `directory = true`, `device` and `fifo = true`";
    let expected = [
        format!("base.toml:3: [[file]] has no `path` [{path}]"),
        format!("base.toml:5: [[file]] has no `path` [{path}]"),
        format!("base.toml:5: this file does not say what it is [{what}]"),
    ];
    assert_eq!(read(&[("base.toml", &text)], None).unwrap_err(), expected);
}

#[test]
fn what_a_missing_file_may_have_is_not_missed() {
    let text =
        "extends = \"no.toml\"\nfile = [\"-/etc/motd\"]\n[from.debian]\npackages = []\n[harden]\nuser = { gid = 7 }\n";
    let missing = ["base.toml:1: cannot read the recipe `no.toml`"];
    assert_eq!(read(&[("base.toml", text)], None).unwrap_err(), missing);
    assert_eq!(read(&[("base.toml", "extends = \"no.toml\"\n")], Some("debug")).unwrap_err(), missing);
}

#[test]
fn what_is_given_twice_is_told_how_to_go() {
    let file = "[[file]]\npath = \"/x\"\ncontent = \"\"\n";
    let text = format!("platforms = [\"linux/arm64\", \"linux/arm64\"]\n{MINIMAL}{file}{file}");
    let expected = [
        "base.toml:1: `linux/arm64` is given twice in `platforms` [leave one of them out]",
        "base.toml:8: `/x` is given twice in `file` [leave one of them out; one that comes from another file goes with `\"-/x\"` in `file`]",
    ];
    assert_eq!(read(&[("base.toml", &text)], None).unwrap_err(), expected);
}

#[test]
fn a_name_with_a_slash_is_no_tag() {
    let text = |name: &str| format!("{}[image]\ntags = [\"1\", \"{{name}}-1\"]\n", MINIMAL.replace("base", name));
    let found = read(&[("base.toml", &text("team/base"))], None).unwrap_err();
    let help = "[write the part of the name that is meant]";
    assert_eq!(
        found,
        [format!("base.toml:4: a tag with `{{name}}`, which is `team/base` here: a tag has no `/` {help}")]
    );
    assert!(read(&[("base.toml", &text("base"))], None).is_ok());
}

#[test]
fn variables_cannot_go_on_from_themselves() {
    let text = format!(
        "{MINIMAL}[image]\nenv = {{ PATH = \"/x:$PATH\", A = \"$B $AB ${{AB}}\", LD_LIBRARY_PATH = \"${{LD_LIBRARY_PATH:-}}:/x\" }}\n\
         [[run]]\ncommand = [\"x\"]\nenv = {{ B = \"$A\", A = \"$A\" }}\n"
    );
    let found = read(&[("base.toml", &text)], None).unwrap_err();
    let names = ["4: `LD_LIBRARY_PATH`", "4: `PATH`", "7: `A`"].map(|name| format!("base.toml:{name} names itself"));
    assert!(found.len() == 3 && names.iter().all(|name| found.iter().any(|line| line.starts_with(name))), "{found:?}");
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
    for text in [
        "name = base image here\n",
        "name = \"a\" b = \"c\"\n",
        "name = [1 2 3\n",
        "[from.debian\nsuite = \"trixie\"\n",
    ] {
        let errors = read(&[("base.toml", text)], None).unwrap_err();
        assert!(errors.len() == 1 && errors[0].starts_with("base.toml:1: this is not TOML"), "{errors:?}");
    }
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
    let noble = read(&[("n.toml", "name = \"n\"\nfrom.debian.suite = \"noble\"\n")], None).unwrap();
    assert_eq!(debian(&noble).distribution, Distribution::Ubuntu);
}

#[test]
fn a_mirror_has_no_components_of_its_own() {
    let text =
        |more: &str| format!("{MINIMAL}[[from.debian.repository]]\nurl = \"https://a.example/debian\"\n{more}\n");
    let found = read(&[("base.toml", &text("components = [\"main\", \"contrib\"]"))], None).unwrap_err();
    let expected = "base.toml:5: a mirror has the components of [from.debian], and none of its own [put them into \
                    `components` of [from.debian], or add `suites` to make it an archive of its own]";
    assert_eq!(found, [expected]);
    read(&[("base.toml", &text("suites = [\"stable\"]\ncomponents = [\"contrib\"]"))], None).unwrap();
    let wrong = read(&[("base.toml", &text("suites = [\"../x\"]\ncomponents = [\"contrib\"]"))], None).unwrap_err();
    assert_eq!(wrong, ["base.toml:5: `../x` is not a suite (`suites`)"]);
}

#[test]
fn a_suite_in_a_tag_needs_a_source_that_has_one() {
    let tags = "[image]\ntags = [\"1\", \"{suite}-1\"]\n";
    for from in ["[from.scratch]\n", "[from.apk]\ndistribution = \"wolfi\"\n"] {
        let found = read(&[("base.toml", &format!("name = \"base\"\n{from}{tags}"))], None).unwrap_err();
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains(": a tag with `{suite}`, which [from."), "{found:?}");
        assert!(found[0].contains("[write the suite itself"), "{found:?}");
    }
    for from in ["[from.apk]\nbranch = \"v3.22\"\n", "[from.dnf]\ndistribution = \"fedora\"\nrelease = \"43\"\n"] {
        read(&[("base.toml", &format!("name = \"base\"\n{from}{tags}"))], None).unwrap();
    }
}

#[test]
fn nothing_is_put_where_the_kernel_mounts() {
    let file = |path: &str| format!("{MINIMAL}[[file]]\npath = \"{path}\"\ndirectory = true\n");
    for path in ["/proc/x", "/sys/fs/y"] {
        let found = read(&[("base.toml", &file(path))], None).unwrap_err();
        assert!(found[0].contains("is never seen: the kernel's own files"), "{found:?}");
    }
    for path in ["/proc", "/sysroot", "/run/app", "/dev/pts", "/tmp/x"] {
        read(&[("base.toml", &file(path))], None).unwrap();
    }
}

#[test]
fn credentials_in_a_url_are_refused_and_not_shown() {
    let text = format!("{MINIMAL}[[from.debian.repository]]\nurl = \"https://me:hunter2@example.org/debian\"\n");
    let found = read(&[("base.toml", &text)], None).unwrap_err();
    assert_eq!(found, ["base.toml:4: `https://...` is not the URL of an archive (`url`)"]);
}

#[test]
fn packages_that_are_left_out() {
    let wrong = |lines: &str| read(&[("base.toml", &format!("{MINIMAL}{lines}\n"))], None).unwrap_err();
    assert_eq!(
        wrong("from.debian.packages = [\"nano-\"]"),
        ["base.toml:3: `nano-` is not a package (`packages`) [packages that are not to be installed are named in \
          `exclude`: `exclude = [\"nano\"]`]"]
    );
    let both = wrong("from.debian.packages = [\"nano/sid\", \"vim\"]\nfrom.debian.exclude = [\"nan*\"]");
    assert!(both[0].starts_with("base.toml:4: `nano` is in `packages`, and `exclude` leaves it out"), "{both:?}");
    assert!(wrong("from.debian.exclude = [\"dpkg\"]")[0].contains("dpkg, which configures all packages"));
    assert!(wrong("from.debian.exclude = [\"nano=1\"]")[0].contains("not the name of a package to leave out"));
    let files = [
        ("base.toml", "extends = \"p.toml\"\nfrom.debian.exclude = [\"bb\", \"-aa\"]\n"),
        ("p.toml", &format!("{MINIMAL}from.debian.exclude = [\"aa\", \"cc\"]\n")),
    ];
    let recipe = read(&files, None).unwrap();
    let names: Vec<_> = debian(&recipe).exclude.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["cc", "bb"]);
}

#[test]
fn answers_for_debconf_need_scripts() {
    let read_with = |lines: &str| read(&[("base.toml", &format!("{MINIMAL}{lines}\n"))], None);
    let answers = "from.debian.debconf = [\"tzdata tzdata/Areas select Europe\", \"a a/b string x\"]";
    assert_eq!(debian(&read_with(answers).unwrap()).debconf.len(), 2);
    let taken_out = format!("{answers}\n[variant.x]\nfrom.debian.debconf = [\"-tzdata tzdata/Areas\"]");
    let recipe = read(&[("base.toml", &format!("{MINIMAL}{taken_out}\n"))], Some("x")).unwrap();
    assert_eq!(debian(&recipe).debconf[0].as_str(), "a a/b string x");
    let wrong = |more: &str| read_with(&format!("{answers}\n{more}")).unwrap_err();
    assert!(wrong("from.debian.scripts = false")[0].contains("`debconf` answers what scripts of packages ask"));
    assert!(wrong("from.debian.engine = \"debootstrap\"")[0].contains("takes no answers for debconf"));
    let secret = read_with("from.debian.debconf = [\"a a/b password hunter2\"]").unwrap_err();
    assert!(!secret[0].contains("hunter2") && secret[0].contains("not an answer for an image"), "{secret:?}");
}

#[test]
fn suites_that_are_parts_of_a_release() {
    let wrong = |suite: &str, more: &str| {
        read(&[("base.toml", &format!("name = \"base\"\n[from.debian]\nsuite = \"{suite}\"\n{more}"))], None)
    };
    let backports = wrong("trixie-backports", "").unwrap_err();
    assert!(backports[0].starts_with("base.toml:3: `trixie-backports` has no more than what is added to `trixie`"));
    assert!(backports[0].contains("[\"golang/trixie-backports\"]"), "{backports:?}");
    assert!(wrong("noble-proposed", "").is_err() && wrong("bookworm-security", "updates = false\n").is_err());
    // Files of single packages need no system around them.
    assert!(wrong("trixie-backports", "updates = false\nscripts = false\n").is_ok());
    assert!(wrong("acme-backports", "distribution = \"acme\"\n").unwrap_err()[0].contains("where the archive"));
}
