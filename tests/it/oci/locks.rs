//! What is locked, and that it gives one digest.

use super::*;

#[test]
fn one_digest_everywhere() {
    require!(Need::Doors, Need::Program("umoci"), Need::Program("busybox"), Need::Program("newuidmap"), Need::Amd64);
    let base = layered();
    // Unpacked bundles are root's, and large.
    for bundle in ["first", "second", "third"] {
        fs::remove_dir_all(base.path(bundle)).unwrap();
    }
    for keep in [false, true] {
        let more = format!(
            "keep-layers = {keep}\n[[run]]\ncommand = [\"/bin/sh\", \"-ec\", \"echo x > /d/x; rm /links; ln /d/x /y\"]\n"
        );
        let mut digests = Vec::new();
        for (number, door) in DOORS.into_iter().enumerate() {
            let workspace = Workspace::new();
            run(Command::new("cp").arg("-r").arg(base.path("base")).arg(workspace.path("base")));
            recipe(&workspace, &more);
            door.prepare(&workspace);
            let temporary = workspace.path("t");
            let words = ["sh", "-c", ["umask 077; exec \"$@\"", "umask 0; exec \"$@\"", "exec \"$@\""][number], "sh"];
            let before = door.prefix().iter().map(OsString::from).chain(words.map(OsString::from));
            let mut command = workspace.command(before.chain([binary().into()]));
            command.args(["build", "top.toml", "--progress", "none", "--threads", ["1", "2", "5"][number]]);
            command.env("TZ", ["UTC", "Pacific/Chatham", "America/Lima"][number]);
            if number == 0 {
                fs::create_dir(&temporary).unwrap();
                command.env("TMPDIR", &temporary);
            }
            digests.push(finish(&mut command).digest());
        }
        assert!(digests.iter().all(|digest| *digest == digests[0]), "{digests:?}");
    }
}

#[test]
fn the_store_serves_what_is_locked() {
    require!(Need::Root, Need::Program("umoci"), Need::Program("busybox"), Need::Amd64);
    let workspace = layered();
    recipe(&workspace, "");
    let first = build(&workspace, &[]).digest();
    let lock = fs::read_to_string(workspace.path("top.lock")).unwrap();
    assert!(lock.contains("\n[[oci]]\nplatform = \"linux/amd64\"\nimage = \"oci:base:v1\"\n"), "{lock}");
    fs::rename(workspace.path("base"), workspace.path("elsewhere")).unwrap();
    let again = workspace.rootsmith(["build", "top.toml", "--frozen", "--progress", "none"]);
    assert_eq!(again.digest(), first, "the image is not looked for again");

    // Another image under the same name, and a store without the locked one.
    fs::rename(workspace.path("elsewhere"), workspace.path("base")).unwrap();
    run(&mut workspace.command(["umoci", "config", "--image", "base:v1", "--config.env", "NEW=1"]));
    assert_eq!(build(&workspace, &[]).digest(), first);
    let newer = workspace.rootsmith(["lock", "--check", "top.toml", "--progress", "none"]);
    newer.failed_with(1);
    assert!(newer.stdout.contains("oci:base:v1"), "{}", newer.stdout);
    fs::remove_dir_all(workspace.path("store")).unwrap();
    let changed = build(&workspace, &[]);
    changed.failed_with(4).says("has changed").says("`rootsmith lock --update RECIPE`");
    workspace.rootsmith(["lock", "--update", "top.toml"]).succeeded();
    assert_ne!(build(&workspace, &[]).digest(), first);
}
