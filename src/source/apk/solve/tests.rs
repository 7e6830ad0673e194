use super::*;

/// Packages, each `name version` and then lines of an index.
fn index(packages: &[(&str, &str, &str)]) -> Index {
    let record = |(name, version, lines): &(&str, &str, &str)| format!("C:Q1x\nP:{name}\nV:{version}\n{lines}\n\n");
    Index::parse(packages.iter().map(record).collect(), "test").unwrap()
}

fn names(world: &[&str], repositories: &[(Option<&str>, &Index)]) -> Result<Vec<String>, SolveError> {
    let world: Vec<_> = world.iter().map(|entry| Relation::parse(entry).unwrap()).collect();
    let repositories: Vec<_> =
        repositories.iter().map(|(tag, index)| Repository { name: "test", tag: *tag, index }).collect();
    let chosen = solve(&world, &repositories)?;
    Ok(chosen.iter().map(|chosen| format!("{}-{}", chosen.record.name(), chosen.record.version())).collect())
}

#[test]
fn the_newest_version_that_fits_is_chosen() {
    let index = index(&[("a", "1", ""), ("a", "2", "D:b<2"), ("b", "1", ""), ("b", "2", ""), ("c", "1", "D:b=2")]);
    assert_eq!(names(&["a"], &[(None, &index)]).unwrap(), ["a-2", "b-1"]);
    assert_eq!(names(&["a", "c"], &[(None, &index)]).unwrap(), ["a-1", "b-2", "c-1"]);
    assert_eq!(names(&["a<2"], &[(None, &index)]).unwrap(), ["a-1"]);
}

#[test]
fn a_virtual_name_is_a_persons_choice() {
    let index = index(&[
        ("app", "1", "D:mail"),
        ("exim", "1", "p:mail"),
        ("postfix", "1", "p:mail"),
        ("shell", "1", "D:sh"),
        ("bash", "1", "p:sh\nk:10"),
        ("dash", "1", "p:sh\nk:20"),
    ]);
    let error = names(&["app"], &[(None, &index)]).unwrap_err();
    assert!(matches!(&error, SolveError::Virtual { providers, .. } if providers == "exim, postfix"), "{error}");
    assert_eq!(names(&["app", "postfix"], &[(None, &index)]).unwrap(), ["app-1", "postfix-1"]);
    assert_eq!(names(&["app", "postfix", "exim"], &[(None, &index)]).unwrap().len(), 3);
    assert_eq!(names(&["shell"], &[(None, &index)]).unwrap(), ["dash-1", "shell-1"]);
    assert_eq!(names(&["shell", "bash"], &[(None, &index)]).unwrap(), ["bash-1", "shell-1"]);
    assert!(matches!(names(&["mail"], &[(None, &index)]), Err(SolveError::Virtual { .. })));
    assert_eq!(names(&["app", "!exim"], &[(None, &index)]).unwrap(), ["app-1", "postfix-1"]);
}

#[test]
fn who_alone_has_a_virtual_name_goes_into_the_world() {
    let index = index(&[("app", "1", "D:sh"), ("busybox", "1", "p:sh"), ("other", "1", "D:busybox")]);
    let repositories = [Repository { name: "test", tag: None, index: &index }];
    let unasked = |world: &[&str]| {
        let world: Vec<_> = world.iter().map(|entry| Relation::parse(entry).unwrap()).collect();
        let chosen = solve(&world, &repositories).unwrap();
        chosen.iter().filter(|chosen| chosen.unasked).map(|chosen| chosen.record.name().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(unasked(&["app"]), ["busybox"]);
    assert_eq!(unasked(&["app", "busybox"]), [""; 0]);
    assert_eq!(unasked(&["app", "other"]), [""; 0], "apk takes what is needed anyway");
    assert_eq!(unasked(&["sh"]), ["busybox"]);
}

#[test]
fn who_is_there_anyway_serves_a_virtual_name() {
    let index = index(&[
        ("app", "1", "D:lua"),
        ("lua5.1", "1", "p:lua\nk:100"),
        ("lua5.2", "1", "p:lua"),
        ("other", "1", "D:lua5.2"),
        ("lua5.1-extra", "1", "i:lua5.1 app"),
    ]);
    assert_eq!(names(&["app"], &[(None, &index)]).unwrap(), ["app-1", "lua5.1-1", "lua5.1-extra-1"]);
    assert_eq!(names(&["app", "other"], &[(None, &index)]).unwrap(), ["app-1", "lua5.2-1", "other-1"]);
}

#[test]
fn a_name_with_a_version_has_one_owner() {
    let index = index(&[
        ("app", "1", "D:so:libssl.so.1"),
        ("openssl", "1", "p:so:libssl.so.1=1.1"),
        ("libressl", "1", "p:so:libssl.so.1=1.0"),
        ("other", "1", "D:libressl"),
    ]);
    assert_eq!(names(&["app"], &[(None, &index)]).unwrap(), ["app-1", "openssl-1"]);
    assert_eq!(names(&["app", "other"], &[(None, &index)]).unwrap(), ["app-1", "libressl-1", "other-1"]);
    let error = names(&["openssl", "libressl"], &[(None, &index)]).unwrap_err().to_string();
    assert!(error.contains("both provide so:libssl.so.1"), "{error}");
}

#[test]
fn conflicts_and_lacks_are_told() {
    let index = index(&[("a", "1", "D:!b<2"), ("b", "1", ""), ("c", "1", "D:b"), ("d", "1", "D:nothing")]);
    let error = names(&["a", "c"], &[(None, &index)]).unwrap_err().to_string();
    assert_eq!(error, "a and c cannot be installed together: a-1 conflicts with b-1; c-1 needs b");
    let error = names(&["d"], &[(None, &index)]).unwrap_err().to_string();
    assert_eq!(error, "d cannot be installed: d-1 needs nothing, and no repository has nothing");
}

#[test]
fn records_that_mean_nothing_are_told() {
    let index =
        index(&[("d5", "1", "D:so:x.so.1="), ("d6", "1", "D:base><1.0"), ("e", "1", "D:d5"), ("base", "1", "")]);
    let error = |world: &[&str]| names(world, &[(None, &index)]).unwrap_err().to_string();
    let (start, reason) = ("d5 cannot be installed: the index is wrong about d5-1: ", "a version has to follow");
    assert_eq!(error(&["d5"]), format!("{start}`so:x.so.1=` names no package: {reason}"));
    assert!(error(&["d6"]).contains("the index is wrong about d6-1: `base><1.0` names no package: "));
    assert!(error(&["e"]).contains("e-1 needs d5; the index is wrong about d5-1"), "{}", error(&["e"]));
}

#[test]
fn what_installs_itself_does_so_until_nothing_more_comes() {
    let index = index(&[
        ("a", "1", ""),
        ("docs", "1", ""),
        ("a-doc", "1", "i:a=1 docs\nD:man"),
        ("man", "1", ""),
        ("man-doc", "1", "i:man docs"),
        ("third", "1", "i:man-doc"),
        ("never", "1", "i:a docs\nD:!a"),
        ("broken", "1", "i:a docs\nD:nothing"),
    ]);
    assert_eq!(names(&["a"], &[(None, &index)]).unwrap(), ["a-1"]);
    assert_eq!(
        names(&["a", "docs"], &[(None, &index)]).unwrap(),
        ["a-1", "a-doc-1", "docs-1", "man-1", "man-doc-1", "third-1"]
    );
    assert_eq!(names(&["a", "docs", "!man-doc"], &[(None, &index)]).unwrap(), ["a-1", "a-doc-1", "docs-1", "man-1"]);
}

#[test]
fn tagged_repositories_serve_who_asks() {
    let main = index(&[("a", "1", "D:b"), ("b", "1", ""), ("c", "1", "")]);
    let edge = index(&[("a", "2", "D:b>=2"), ("b", "2", ""), ("c", "2", ""), ("new", "1", "")]);
    let both: [(Option<&str>, &Index); 2] = [(None, &main), (Some("edge"), &edge)];
    assert_eq!(names(&["a", "c"], &both).unwrap(), ["a-1", "b-1", "c-1"]);
    assert_eq!(names(&["a@edge", "c"], &both).unwrap(), ["a-2", "b-2", "c-1"]);
    assert!(matches!(names(&["new"], &both), Err(SolveError::NoSuchVersion { known, .. }) if known == "new-1 (@edge)"));
    assert!(matches!(names(&["a@next"], &both), Err(SolveError::NoTag { .. })));
    assert_eq!(names(&["new@edge"], &both).unwrap(), ["new-1"]);
}

#[test]
fn the_first_repository_wins_where_versions_are_equal() {
    let (first, second) = (index(&[("a", "1", "o:first")]), index(&[("a", "1", "o:second"), ("b", "1", "")]));
    let repository = |index| Repository { name: "test", tag: None, index };
    let world = [Relation::parse("a").unwrap()];
    for order in [[&first, &second], [&second, &first]] {
        let repositories = order.map(repository);
        let chosen = solve(&world, &repositories).unwrap();
        assert_eq!(chosen[0].repository, 0);
    }
}

#[test]
fn a_package_may_conflict_with_what_it_has_itself() {
    let index = index(&[("a", "2", "D:!a<2 !old\np:old=1"), ("old", "1", "")]);
    assert_eq!(names(&["a"], &[(None, &index)]).unwrap(), ["a-2"]);
    assert!(names(&["a", "old=1"], &[(None, &index)]).unwrap() == ["a-2"]);
}
