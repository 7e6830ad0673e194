//! The recipes that come with the program, built from the real archive.

use std::fs;
use std::path::Path;

use crate::support::layout::{Image, Layout};
use crate::support::require::{Need, require};
use crate::support::workspace::{Workspace, binary, finish, mirrors};

/// Bytes of the layer of Docker's official `debian:trixie-slim`, compressed with gzip.
const OFFICIAL_SLIM: u64 = 29_800_000;

#[test]
fn trixie_slim_is_not_larger_than_the_official_image() {
    require!(Need::Mirror, Need::Program("newuidmap"));
    let image = build("trixie-slim");
    assert!(image.layer_size <= OFFICIAL_SLIM, "the layer has {} bytes", image.layer_size);
    let entries = image.listing();
    assert!(entries.contains_key("usr/share/doc/bash/copyright"), "licences stay");
    assert!(!entries.keys().any(|path| path.starts_with("usr/share/man/man1/")));
}

#[test]
fn bookworm_builds() {
    require!(Need::Mirror, Need::Program("newuidmap"));
    let image = build("bookworm");
    let release = String::from_utf8(image.file("usr/lib/os-release")).unwrap();
    assert!(release.contains("VERSION_CODENAME=bookworm"));
    assert!(release.contains("VERSION_ID=\"12\""));
    let status = String::from_utf8(image.file("var/lib/dpkg/status")).unwrap();
    assert!(!status.contains("Package: usrmerge\n"), "what `usrmerge` does is done from the start");
}

fn build(name: &str) -> Image {
    let workspace = Workspace::new();
    // Recipes name each other, and locks are written beside them.
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            fs::copy(&path, workspace.path(path.file_name().unwrap().to_str().unwrap())).unwrap();
        }
    }
    let file = format!("{name}.toml");
    let mut command = workspace.command([binary()]);
    finish(command.args(["build", &file, "-o", "oci:out", "--progress", "none"]).args(mirrors())).succeeded();
    Layout::open(&workspace.path("out")).image()
}
