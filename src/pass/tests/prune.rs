use super::*;

#[test]
fn what_a_running_system_makes_is_never_kept() {
    let mut tree = tree(&["proc/1/stat=", "sys/x=", "dev/null=", "run/utab=", "run/lock/x=", "tmp/a/b=", "srv/x="]);
    tree.get_mut(&path("tmp")).unwrap().meta.mode = 0o700;
    tree.get_mut(&path("run/lock")).unwrap().meta.mode = 0o1777;
    prune(&mut tree, "");
    assert_eq!(paths(&tree), ["/", "/dev", "/proc", "/run", "/run/lock", "/srv", "/srv/x", "/sys", "/tmp"]);
    assert_eq!(line(&tree, "/tmp"), "1777 0:0 dir /tmp");
    assert_eq!(line(&tree, "/run/lock"), "1777 0:0 dir /run/lock");
}

#[test]
fn a_pattern_for_everything_leaves_the_root() {
    let mut tree = tree(&["etc/a=", "usr/bin/"]);
    prune(&mut tree, "[prune]\nremove = [\"/**\"]");
    assert_eq!(paths(&tree), ["/"]);
}

#[test]
fn presets_prune_like_debians_slim_images() {
    let mut tree = tree(&[
        "etc/alternatives/builtins.7.gz@/usr/share/man/man7/bash-builtins.7.gz",
        "etc/alternatives/awk@/usr/bin/mawk",
        "etc/broken@/nowhere",
        "etc/dpkg/dpkg.cfg.d/",
        "usr/bin/mawk=",
        "usr/share/doc/bash/NEWS.gz=12345",
        "usr/share/doc/bash/copyright=c",
        "usr/share/doc/bash/examples/deep/x=",
        "usr/share/doc/libc6/changelog.gz=",
        "usr/share/locale/de/LC_MESSAGES/x.mo=",
        "usr/share/locale/locale.alias=",
        "usr/share/man/de/man1/x.1.gz=",
        "usr/share/man/man1/x.1.gz=",
        "usr/share/man/man7/builtins.7.gz@/etc/alternatives/builtins.7.gz",
    ]);
    let outcome = prune(&mut tree, "prune.presets = [\"docs\", \"man\", \"info\", \"locales\"]");
    let expected = [
        "/",
        "/etc",
        "/etc/alternatives",
        "/etc/alternatives/awk",
        "/etc/broken",
        "/etc/dpkg",
        "/etc/dpkg/dpkg.cfg.d",
        "/etc/dpkg/dpkg.cfg.d/rootsmith",
        "/usr",
        "/usr/bin",
        "/usr/bin/mawk",
        "/usr/share",
        "/usr/share/doc",
        "/usr/share/doc/bash",
        "/usr/share/doc/bash/copyright",
        "/usr/share/locale",
        "/usr/share/locale/locale.alias",
        "/usr/share/man",
        "/usr/share/man/man1",
        "/usr/share/man/man7",
    ];
    assert_eq!(paths(&tree), expected);
    assert_eq!(outcome.counts, [("files", 8), ("folders", 7), ("bytes", 5)]);
    let rules = text(&tree, "etc/dpkg/dpkg.cfg.d/rootsmith");
    assert!(rules.contains("\npath-exclude /usr/share/man/*\n"), "{rules}");
    assert!(rules.contains("\npath-include /usr/share/doc/*/copyright\n"), "{rules}");
}

#[test]
fn bytes_of_a_hard_link_count_with_its_last_name() {
    let mut tree = tree(&["opt/a=1234"]);
    tree.link(path("opt/b"), &path("opt/a")).unwrap();
    tree.link(path("srv"), &path("opt/a")).unwrap();
    let one = prune(&mut tree.clone(), "prune.remove = [\"/opt\"]");
    assert_eq!(one.counts, [("files", 2), ("folders", 1), ("bytes", 0)]);
    let both = prune(&mut tree, "prune.remove = [\"/opt\", \"/srv\"]");
    assert_eq!(both.counts, [("files", 3), ("folders", 1), ("bytes", 4)]);
}

#[test]
fn caches_and_logs_leave_their_folders_and_what_debconf_knows() {
    let mut tree = tree(&["var/cache/debconf/config.dat=", "var/cache/apt/archives/x.deb=", "var/log/apt/term.log="]);
    prune(&mut tree, "prune.presets = [\"caches\", \"logs\"]");
    let kept = [
        "/",
        "/var",
        "/var/cache",
        "/var/cache/apt",
        "/var/cache/apt/archives",
        "/var/cache/debconf",
        "/var/cache/debconf/config.dat",
        "/var/log",
        "/var/log/apt",
    ];
    assert_eq!(paths(&tree), kept);
}

#[test]
fn files_of_the_recipe_stay_in_runtime_folders() {
    let mut tree = tree(&["run/made=", "tmp/made="]);
    let text = "[[file]]\npath = \"/run/app\"\ndirectory = true\nowner = \"7\"\n[[file]]\npath = \"/tmp/seed\"\ncontent = \"x\"";
    for pass in list(&recipe(text), Before::default(), epoch()).unwrap() {
        pass.apply(&mut tree).unwrap();
    }
    assert_eq!(paths(&tree), ["/", "/run", "/run/app", "/tmp", "/tmp/seed"]);
}

#[test]
fn patterns_that_name_nothing_are_noted() {
    let mut tree = tree(&["opt/tool/bin/x=", "opt/empty/", "run/lock/"]);
    let rules = "prune.presets = [\"docs\"]\nprune.remove = [\"/opt/tool\", \"/opt/empty\", \"/opt/tol\", \"/srv/*.a\"]\n\
                 prune.keep = [\"/opt/tool/bn\", \"/opt/tool/bin\"]";
    let seen = BTreeSet::from(["`/srv/*.a` of `remove`".to_owned()]);
    let pass = PrunePass::new(&recipe(rules).prune, Epoch::default()).after(seen);
    let outcome = pass.apply(&mut tree).unwrap();
    let expected = ["`/opt/tol` of `remove`", "`/opt/tool/bn` of `keep`"]
        .map(|pattern| format!("prune: nothing was there that matches {pattern}"));
    assert_eq!(outcome.notes, expected);
    assert_eq!(prune(&mut tree, "prune.keep = [\"/x\"]").notes.len(), 1);
}
