use super::*;

fn accounts(text: &str, tree: &mut Tree) -> Result<Outcome, PassError> {
    let recipe = recipe(text);
    Accounts::new(recipe.harden.user, recipe.harden.lock_accounts, epoch()).apply(tree)
}

#[test]
fn a_user_is_made() {
    let mut tree = account_tree();
    let wanted = "harden.user = { name = \"app\", uid = 10001, home = \"/srv/app\" }";
    assert_eq!(accounts(wanted, &mut tree).unwrap().counts, [("users made", 1)]);
    assert_eq!(text(&tree, "etc/passwd"), format!("{PASSWD}app:x:10001:10001::/srv/app:/usr/sbin/nologin\n"));
    assert_eq!(text(&tree, "etc/group"), format!("{GROUP}app:x:10001:\n"));
    assert_eq!(text(&tree, "etc/shadow"), format!("{SHADOW}app:!:19675::::::\n"));
    assert_eq!(text(&tree, "etc/gshadow"), "root:*::\ngames:::\napp:!::\n");
    assert_eq!(line(&tree, "/srv/app"), format!("0750 10001:10001 dir /srv/app mtime={EPOCH}"));
    assert_eq!(line(&tree, "/srv"), format!("0755 0:0 dir /srv mtime={EPOCH}"));
    let before = tree.to_text().unwrap();
    assert_eq!(accounts(wanted, &mut tree).unwrap(), Outcome::default());
    assert_eq!(tree.to_text().unwrap(), before);
}

#[test]
fn a_home_folder_of_others_is_left_alone() {
    let mut tree = account_tree();
    tree.insert(path("srv"), Inode::directory(0o711, Origin::Package("x".into()))).unwrap();
    let wanted = "harden.user = { name = \"app\", uid = 10001, home = \"/srv\" }";
    let outcome = accounts(wanted, &mut tree).unwrap();
    assert_eq!(line(&tree, "/srv"), "0711 0:0 dir /srv");
    let note = "the home folder /srv of app is there already, and stays that of 0:0 (mode 0711)";
    assert_eq!(outcome.notes, [note]);
    // The user's own is no surprise, and neither is the recipe's.
    for (uid, origin) in [(10001, Origin::Package("x".into())), (0, Origin::Recipe("[[file]] /srv".into()))] {
        let mut tree = account_tree();
        let mut folder = Inode::directory(0o711, origin);
        folder.meta.uid = uid;
        tree.insert(path("srv"), folder).unwrap();
        assert_eq!(accounts(wanted, &mut tree).unwrap().notes, [""; 0]);
    }
    assert_eq!(accounts(&wanted.replace("/srv", "/"), &mut account_tree()).unwrap().notes.len(), 1);
}

#[test]
fn a_home_folder_is_a_folder() {
    for home in ["/etc/passwd", "/etc/passwd/app", "/etc/passwd/app/home"] {
        let wanted = format!("harden.user = {{ name = \"app\", uid = 10001, home = \"{home}\" }}");
        let error = accounts(&wanted, &mut account_tree()).unwrap_err().to_string();
        assert!(error.starts_with(&format!("cannot make the home folder `{home}` of the user `app`: ")), "{error}");
    }
}

#[test]
fn a_home_folder_that_files_were_put_into_is_given_to_the_user() {
    let text =
        "[[file]]\npath = \"/app/run\"\ncontent = \"\"\n[harden]\nuser = { name = \"app\", uid = 7, home = \"/app\" }";
    let recipe = recipe(text);
    let mut tree = account_tree();
    for pass in &list(&recipe, Before::default(), epoch()).unwrap()[1..3] {
        pass.apply(&mut tree).unwrap();
    }
    assert_eq!(line(&tree, "/app"), format!("0750 7:7 dir /app mtime={EPOCH}"));
    assert!(line(&tree, "/app/run").starts_with("0644 0:0 file"));
}

#[test]
fn accounts_that_are_there_are_not_changed() {
    for (user, there) in [
        ("name = \"games\", uid = 5, gid = 61", "the group `games` with the number 60"),
        ("name = \"app\", uid = 60", "the group `games` with the number 60"),
        (
            "name = \"app\", uid = 5, gid = 99",
            "the user `games` with the numbers 5:60, /usr/games and /usr/sbin/nologin",
        ),
        (
            "name = \"games\", uid = 5, gid = 60",
            "the user `games` with the numbers 5:60, /usr/games and /usr/sbin/nologin",
        ),
    ] {
        let name = user.split('"').nth(1).unwrap();
        let error = accounts(&format!("harden.user = {{ {user} }}"), &mut account_tree()).unwrap_err();
        assert_eq!(error.to_string(), format!("cannot make the user `{name}`: the image has {there}"));
    }
}

#[test]
fn a_user_may_have_a_group_that_is_there() {
    for (gid, group) in [(0, "root"), (60, "games")] {
        let mut tree = account_tree();
        let wanted = format!("harden.user = {{ name = \"app\", uid = 10001, gid = {gid} }}");
        assert_eq!(accounts(&wanted, &mut tree).unwrap().counts, [("users made", 1)]);
        let line_there = format!("app:x:10001:{gid}::/home/app:/usr/sbin/nologin\n");
        assert_eq!(text(&tree, "etc/passwd"), format!("{PASSWD}{line_there}"), "{group}");
        assert_eq!(
            (text(&tree, "etc/group"), text(&tree, "etc/gshadow")),
            (GROUP.to_owned(), "root:*::\ngames:::\n".to_owned())
        );
        assert_eq!(line(&tree, "/home/app"), format!("0750 10001:{gid} dir /home/app mtime={EPOCH}"));
    }
    // A name of its own is no group's then, and a group that has it keeps its number.
    let recipe = recipe("harden.user = { name = \"shadow\", uid = 7, gid = 0 }");
    let owner =
        |text: &str| owner_ids(&text.parse().unwrap(), &account_tree(), recipe.harden.user.as_ref(), &path("x"));
    assert_eq!(owner("shadow").unwrap(), (7, 0));
    assert_eq!(owner("shadow:shadow").unwrap(), (7, 42));
    let recipe = self::recipe("harden.user = { name = \"app\", uid = 7, gid = 60 }");
    let owner =
        |text: &str| owner_ids(&text.parse().unwrap(), &account_tree(), recipe.harden.user.as_ref(), &path("x"));
    assert!(owner("app:app").is_err());
}

#[test]
fn an_account_that_is_there_with_a_group_of_another_name_can_be_described() {
    let mut tree = tree(&["etc/passwd=guest:x:405:100:guest:/dev/null:/sbin/nologin\n", "etc/group=users:x:100:\n"]);
    let before = tree.to_text().unwrap();
    let wanted =
        "harden.user = { name = \"guest\", uid = 405, gid = 100, home = \"/dev/null\", shell = \"/sbin/nologin\" }";
    assert_eq!(accounts(wanted, &mut tree).unwrap(), Outcome::default());
    assert_eq!(tree.to_text().unwrap(), before);
}

#[test]
fn a_home_that_stands_for_none_is_not_made() {
    for home in ["/nonexistent", "/dev/null"] {
        let mut tree = account_tree();
        let wanted = format!("harden.user = {{ name = \"app\", uid = 10001, home = \"{home}\" }}");
        assert_eq!(accounts(&wanted, &mut tree).unwrap().notes, [""; 0]);
        assert!(!tree.contains(&path(&home[1..])), "{home}");
    }
}

#[test]
fn passwords_are_locked() {
    let mut tree = tree(&[
        "etc/passwd=root:x:0:0:::\nold:$6$salt$hash:7:7:::\nopen::8:8:::\n",
        "etc/shadow=root::1::::::\nme:$y$hash:1::::::\nshut:!:1::::::\nstar:*:1::::::\n",
    ]);
    assert_eq!(accounts("harden.lock-accounts = true", &mut tree).unwrap().counts, [("passwords locked", 4)]);
    assert_eq!(text(&tree, "etc/passwd"), "root:x:0:0:::\nold:x:7:7:::\nopen:x:8:8:::\n");
    assert_eq!(text(&tree, "etc/shadow"), "root:*:1::::::\nme:*:1::::::\nshut:!:1::::::\nstar:*:1::::::\n");
}
