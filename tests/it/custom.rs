//! A distribution of one's own, from the recipe that comes with the program.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::layout::Layout;
use crate::support::require::{Need, require};
use crate::support::toy;
use crate::support::workspace::{Workspace, finish, run};

const OS_RELEASE: &str = "ID=acme\nNAME=\"Acme Linux\"\nVERSION_CODENAME=quail\nVERSION_ID=4\n\
                          ID_LIKE=debian\nPRETTY_NAME=\"Acme Linux 4 (quail)\"\nHOME_URL=\"https://acme.example/\"\n\
                          BUG_REPORT_URL=\"https://acme.example/bugs\"\n";

/// A workspace with an archive of the recipe's name, and the recipe with its address.
fn workspace() -> Workspace {
    let workspace = Workspace::new();
    toy::write_as("quail", &workspace.path("archive"));
    let recipe = Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes/custom-distro.toml");
    let text = format!(
        "extends = \"{}\"\nplatforms = [\"linux/amd64\"]\n[from.debian]\n\
         repository = [\"-file:///srv/acme/archive\", {{ url = \"file://{}\" }}]\n",
        recipe.display(),
        workspace.path("archive").display()
    );
    workspace.write("acme.toml", &text);
    workspace
}

#[test]
fn the_custom_distro_recipe_builds_from_its_own_archive() {
    require!(Need::Root, Need::Program("busybox"), Need::Program("cpio"), Need::Program("tar2sqfs"), Need::Amd64);
    let workspace = workspace();
    let outputs = ["-o", "oci:out", "-o", "rootfs-dir:root", "-o", "squashfs:acme.squashfs", "-o", "cpio:acme.cpio"];
    let built = workspace.rootsmith(["build", "acme.toml", "--progress", "none"].into_iter().chain(outputs));
    built.succeeded();
    let image = Layout::open(&workspace.path("out")).image();
    assert_eq!(String::from_utf8(image.file("usr/lib/os-release")).unwrap(), OS_RELEASE);
    assert_eq!(image.config["config"]["Entrypoint"], serde_json::json!(["/usr/sbin/init"]));
    assert_eq!(image.listing()["usr/sbin/init"].mode, 0o755);

    // The init is process 1 of a container's making, and of the kernel's: it runs services, and then what it is told.
    let root = workspace.path("root");
    fs::create_dir_all(root.join("etc/init.d")).unwrap();
    fs::write(root.join("etc/init.d/one"), "#!/bin/sh\ncat /etc/os-release | grep ^ID=\n").unwrap();
    run(Command::new("chmod").arg("755").arg(root.join("etc/init.d/one")));
    let said = finish(Command::new("chroot").arg(&root).args(["/init", "sh", "-c", "cat /etc/motd"]));
    assert_eq!(said.succeeded().stdout, "ID=acme\nWelcome to Golden\n");
    let listed = run(workspace.command(["sh", "-c", "cpio --quiet -it < acme.cpio"]).args(["sh"]));
    assert!(listed.lines().any(|line| line == "init") && listed.lines().any(|line| line == "usr/sbin/init"));

    fs::remove_dir_all(workspace.path("out")).unwrap();
    let again = workspace.rootsmith(["build", "acme.toml", "--frozen", "--progress", "none", "-o", "oci:out"]);
    assert_eq!(again.digest(), built.digest());
}

#[test]
fn a_changed_archive_is_refused() {
    require!(Need::Program("busybox"), Need::Amd64);
    let workspace = workspace();
    let release = workspace.path("archive/dists/quail/InRelease");
    let text = fs::read_to_string(&release).unwrap();
    fs::write(&release, text.replace("Origin: Golden", "Origin: Brassy")).unwrap();
    workspace.rootsmith(["build", "acme.toml"]).failed_with(4);
}
