//! What programs note of themselves: modules of Go, and the crates that `cargo auditable` notes.

use std::collections::BTreeSet;

use crate::elf::{self, Elf};
use crate::package::{Manager, Package};
use crate::tree::{Inode, Tree};

/// Most programs that are looked at: more than any distribution has.
const MOST_PROGRAMS: usize = 100_000;
/// Most modules and crates of all programs together.
const MOST_PACKAGES: usize = 1_000_000;

/// The modules and crates of all programs and libraries. A file that cannot be read as one names none: it is no database,
/// and whoever looks into an image wants to know the rest.
pub(super) fn packages(tree: &Tree) -> Vec<Package> {
    let mut packages = Vec::new();
    let mut left = MOST_PROGRAMS;
    let mut seen = BTreeSet::new();
    for entry in tree.entries().filter(|entry| is_program(entry.path.name(), entry.inode)) {
        let first_name = seen.insert(entry.id);
        if !first_name || left == 0 || packages.len() >= MOST_PACKAGES {
            continue;
        }
        left -= 1;
        let read = entry.inode.content().map(elf::read_content);
        if let Some(Ok(Some(elf))) = read {
            packages.extend(of(&elf));
        }
    }
    packages
}

/// Whether a file may be a program or a library: somebody may execute it, or its name says so.
fn is_program(name: &[u8], inode: &Inode) -> bool {
    inode.is_file() && (inode.meta.mode & 0o111 != 0 || name.windows(3).any(|part| part == b".so"))
}

fn of(elf: &Elf) -> Vec<Package> {
    let architecture = elf.architecture.map(|architecture| architecture.oci_name()).unwrap_or_default();
    let package = |manager, name: &str, version: &str| Package {
        manager,
        name: name.to_owned(),
        version: version.to_owned(),
        architecture: architecture.to_owned(),
        source: None,
        installed_size: 0,
    };
    let mut packages = Vec::new();
    if let Some(go) = &elf.go {
        // What a module is called by the databases of vulnerabilities: the standard library has the version of Go.
        let version = go.go_version.split_whitespace().next().unwrap_or_default();
        packages.push(package(Manager::Go, "stdlib", version.trim_start_matches("go")));
        if let (None, Some(path)) = (&go.main, &go.path) {
            // Built without modules, as Debian does: Go calls the version of a main module that has none the same.
            packages.push(package(Manager::Go, path, "(devel)"));
        }
        let modules = go.main.iter().chain(&go.modules).filter(|module| !module.path.is_empty());
        packages.extend(modules.map(|module| package(Manager::Go, &module.path, &module.version)));
    }
    packages.extend(elf.crates.iter().map(|one| package(Manager::Cargo, &one.name, &one.version)));
    packages
}
