//! Docker, mirrors, and the dnf that a machine has.

use super::*;

#[test]
fn docker_loads_and_runs_the_image() {
    require_toy!(Need::Program("dockerd"));
    let workspace = workspace(&recipe(Signed::Well, "packages = [\"rpm\", \"greeting\", \"busybox\"]"));
    build(&workspace, &["-o", "docker-archive:image.tar", "-t", "toy:1"]).succeeded();
    let engine = Engine::start();
    engine.succeed(["load", "-i", workspace.path("image.tar").to_str().unwrap()]);
    let root = engine.in_container("toy:1", &[], &["sh", "/usr/bin/greet"]);
    assert_eq!(root.succeeded().stdout, "hello\n");
    // A user who may not write beside the database can read it.
    let user = engine.in_container("toy:1", &["--user", "1234"], &["rpm", "-q", "greeting", "bash"]);
    assert_eq!(user.succeeded().stdout, "greeting-1-1.x86_64\nbash-1-1.x86_64\n");
    let verified = engine.in_container("toy:1", &[], &["rpm", "-V", "greeting", "bash", "glibc", "rpm"]);
    assert_eq!(verified.succeeded().stdout, "");
}

#[test]
fn repositories_by_list_and_metalink() {
    require_toy!();
    let repository = Toy::new().repository(Signed::Well);
    let workspace = workspace("");
    let base = format!("baseurl = [\"file://{}\"]", repository.display());
    let with = |what: &str, file: &str| {
        recipe(Signed::Well, "packages = [\"applause\"]").replace(
            &base,
            &format!("{what} = \"file://{}/$releasever-$basearch-{file}\"", workspace.path("").display()),
        )
    };
    workspace.write("1-x86_64-list", &format!("# mirrors\nfile:///nonexistent\nfile://{}/\n", repository.display()));
    workspace.write("toy.toml", &with("mirrorlist", "list"));
    let by_list = build(&workspace, &[]).digest();
    let digest = rootsmith::digest::Digest::of(&fs::read(repository.join("repodata/repomd.xml")).unwrap()).hex();
    let link = format!(
        "<metalink><files><file name=\"repomd.xml\"><verification><hash type=\"sha256\">{digest}</hash></verification>\
         <resources><url preference=\"1\">file://{}/repodata/repomd.xml</url></resources></file></files></metalink>",
        repository.display()
    );
    workspace.write("1-x86_64-link", &link);
    workspace.write("toy.toml", &with("metalink", "link"));
    assert_eq!(build(&workspace, &[]).digest(), by_list);
    fs::remove_file(workspace.path("toy.lock")).unwrap();
    workspace.write("1-x86_64-link", &link.replace(&digest, &"0".repeat(64)));
    build(&workspace, &[]).failed_with(4).says("is not the one that the metalink names");
    workspace.write("1-x86_64-link", "<html>gone</html>");
    build(&workspace, &[]).failed_with(4).says("cannot understand the mirrors of `toy`");
    workspace.write("toy.toml", &with("mirrorlist", "none"));
    build(&workspace, &[]).failed_with(4);
    workspace.write("toy.toml", &at(Path::new("/nonexistent"), "packages = [\"applause\"]"));
    build(&workspace, &[]).failed_with(4).says("the repository `toy` is at none of its addresses");
    // An index that has to be signed, and is not.
    workspace.write("toy.toml", &(recipe(Signed::Well, "packages = [\"applause\"]") + "signed-metadata = true\n"));
    build(&workspace, &[]).failed_with(4).says("has no OpenPGP signature");
}

#[test]
fn packages_may_be_beside_their_repository() {
    require_toy!();
    let workspace = workspace("");
    let copied = copy_repository(&workspace);
    let whole = image(&at(&copied, "packages = [\"applause\"]"));
    // As Amazon Linux has it: one place for the packages of all repositories.
    let (pool, repository) = (workspace.path("pool"), workspace.path("repository"));
    fs::remove_dir_all(copied.join("repodata")).unwrap();
    fs::rename(&copied, &pool).unwrap();
    fs::create_dir(&repository).unwrap();
    let mut command = workspace.command(["createrepo_c", "--quiet", "--location-prefix", "../pool", "--outputdir"]);
    finish(command.args([&repository, &pool])).succeeded();
    workspace.write("toy.toml", &at(&repository, "packages = [\"applause\"]"));
    build(&workspace, &[]).succeeded();
    let lock = fs::read_to_string(workspace.path("toy.lock")).unwrap();
    assert!(lock.contains("path = \"../pool/applause-1-1.noarch.rpm\""), "{lock}");
    assert_eq!(Layout::open(&workspace.path("out")).image().listing(), whole.listing());
    workspace.write("toy.lock", &lock.replace("../pool/applause", "../pool/../applause"));
    build(&workspace, &["--locked"]).failed_with(2).says("no path from a repository");
}

#[test]
fn a_machine_without_dnf_or_rpm_is_told_how_to_get_them() {
    require_toy!();
    let workspace = workspace(&recipe(Signed::Well, PACKAGES));
    let with_path = |path: &Path, arguments: &[&str]| {
        let mut command = workspace.command([binary()]);
        finish(command.args(arguments).env("PATH", path))
    };
    let nothing = workspace.path("nothing");
    fs::create_dir(&nothing).unwrap();
    let refused = with_path(&nothing, &["build", "toy.toml", "--progress", "none"]);
    refused.failed_with(3).says("there is none of `dnf5`, `dnf`, `dnf4`, `microdnf`").says("apt install dnf rpm");
    let doctor = with_path(&nothing, &["doctor"]);
    assert!(
        doctor.stdout.contains("missing  fedora, rhel, ...") && doctor.stdout.contains("apt-get install dnf rpm"),
        "{}",
        doctor.stdout
    );
    let here = workspace.rootsmith(["doctor"]);
    assert!(here.stdout.contains("ok       fedora, rhel, ..."), "{}", here.stdout);
    let built = build(&workspace, &[]).digest();
    let again = with_path(&nothing, &["build", "toy.toml", "--progress", "none"]);
    assert_eq!(again.digest(), built, "what was built before needs neither");
    let refused = with_path(&nothing, &["build", "toy.toml", "--progress", "none", "--store", "other-store"]);
    refused.failed_with(3).says("there is no `rpm`");
}

#[test]
fn dnf5_and_microdnf_are_asked_in_their_own_words() {
    require_toy!();
    let expected = build(&workspace(&recipe(Signed::Well, "packages = [\"applause\"]")), &[]).digest();
    let answers = [
        (
            "dnf5",
            "Package   Arch   Version Repository  Size\nInstalling:\n applause noarch 0:1-1 toy 9 B\n\nTransaction Summary:\n Installing: 1 package\n",
        ),
        (
            "microdnf",
            "Package Repository Size\nInstalling:\n applause-1-1.noarch toy 9 B\nTransaction Summary:\n Installing: 1 packages\n",
        ),
    ];
    for (program, answer) in answers {
        let workspace = workspace(&recipe(Signed::Well, "packages = [\"applause\"]"));
        let folder = workspace.path("programs");
        for name in ["rpm", "ldd"] {
            fs::create_dir_all(&folder).unwrap();
            std::os::unix::fs::symlink(crate::support::require::find(name).unwrap(), folder.join(name)).unwrap();
        }
        let script = workspace.write(
            &format!("programs/{program}"),
            &format!(
                "#!/bin/sh\necho \"$@\" > {}\ncat <<'END'\n{answer}END\nexit 1\n",
                workspace.path("asked").display()
            ),
        );
        fs::set_permissions(script, fs::Permissions::from_mode(0o755)).unwrap();
        let mut command = workspace.command([binary()]);
        let path = format!("{}:/bin", folder.display());
        let path = path.replace(":/bin", ":/usr/sbin");
        let built = finish(command.args(["build", "toy.toml", "--progress", "none"]).env("PATH", path));
        assert_eq!(built.digest(), expected, "{program}");
        let asked = fs::read_to_string(workspace.path("asked")).unwrap();
        assert!(asked.contains("--assumeno install applause") && asked.contains("--releasever=1"), "{asked}");
        if program == "microdnf" {
            let groups = recipe(Signed::Well, "groups = [\"cheer\"]");
            workspace.write("toy.toml", &groups);
            let mut command = workspace.command([binary()]);
            let path = format!("{}:/usr/sbin", folder.display());
            let refused = finish(command.args(["build", "toy.toml", "--progress", "none"]).env("PATH", path));
            refused.failed_with(3).says("cannot install groups");
        }
    }
}
