//! What the programs of an environment need of the base: its C library, and libraries that no package brings.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use super::{CondaError, Environment};
use crate::elf::{self, Elf};
use crate::tree::{Content, Tree, TreePath};

/// Compares every program and library of `environment` with `base`, whose glibc has the version `glibc`.
///
/// Fails where a program cannot start: it needs a newer glibc, or any where there is none. Gives a warning for each
/// library that neither has, with the package that has it where that is known.
pub fn check(environment: &Environment, base: &Tree, glibc: Option<&str>) -> Result<Vec<String>, CondaError> {
    let files = environment.packages.iter().flat_map(|package| {
        package.files.iter().filter_map(move |(path, inode)| Some((package.name.as_str(), path, inode.content()?)))
    });
    let files: Vec<(&str, &TreePath, &Content)> = files.collect();
    // What is damaged, as files of tests are at times, needs nothing.
    let read = |(package, path, content): &(&'_ str, &'_ TreePath, &'_ Content)| {
        let elf = elf::read_content(content).ok().flatten()?;
        Some(((*package).to_owned(), (*path).clone(), elf))
    };
    let found: Vec<(String, TreePath, Elf)> = files.par_iter().filter_map(read).collect();
    let available = available(environment, base);
    let has = glibc.and_then(version);
    let mut missing: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (package, path, elf) in &found {
        let own_libc = available.contains("libc.so.6");
        if elf.needed.iter().any(|library| library == "libc.so.6") && glibc.is_none() && !own_libc {
            return Err(symbols(package, path, "glibc".to_owned(), "none"));
        }
        if let (Some(needed), Some(has)) = (elf.newest_version("GLIBC"), has)
            && version(&needed).is_some_and(|needed| needed > has)
        {
            return Err(symbols(package, path, format!("GLIBC_{needed}"), glibc.unwrap_or_default()));
        }
        for library in elf.needed.iter().filter(|library| !available.contains(library.as_str())) {
            missing.entry(library).or_default().insert(package);
        }
    }
    Ok(missing.into_iter().filter_map(|(library, packages)| warning(library, &packages)).collect())
}

fn symbols(package: &str, path: &TreePath, needed: String, found: &str) -> CondaError {
    CondaError::Symbols { path: path.clone(), package: package.to_owned(), needed, found: found.to_owned() }
}

/// The names of all libraries that a program could find.
fn available(environment: &Environment, base: &Tree) -> BTreeSet<String> {
    let base = base.entries().map(|entry| entry.path.name().to_vec());
    let own = environment.files().map(|(path, _)| path.name().to_vec());
    let names = base.chain(own).filter(|name| memchr::memmem::find(name, b".so").is_some());
    names.map(|name| String::from_utf8_lossy(&name).into_owned()).collect()
}

fn warning(library: &str, packages: &BTreeSet<&str>) -> Option<String> {
    // The host's driver, which the container runtime brings in.
    if ["libcuda.so", "libnvidia-"].iter().any(|name| library.starts_with(name)) {
        return None;
    }
    let packages: Vec<&str> = packages.iter().copied().collect();
    let advice = KNOWN.iter().find(|(name, _)| *name == library).map_or_else(
        || "add the package that has it to the recipe's base, or to the environment".to_owned(),
        |(_, package)| format!("Debian's package `{package}` has it"),
    );
    let (verb, packages) = (if packages.len() == 1 { "needs" } else { "need" }, packages.join(", "));
    Some(format!("{packages} {verb} `{library}`, which neither the environment nor the base has: {advice}"))
}

/// Libraries that conda packages leave to the system, and who has them in Debian.
const KNOWN: [(&str, &str); 20] = [
    ("libGL.so.1", "libgl1"),
    ("libEGL.so.1", "libegl1"),
    ("libOpenGL.so.0", "libopengl0"),
    ("libGLX.so.0", "libglx0"),
    ("libX11.so.6", "libx11-6"),
    ("libXext.so.6", "libxext6"),
    ("libXrender.so.1", "libxrender1"),
    ("libXt.so.6", "libxt6t64"),
    ("libSM.so.6", "libsm6"),
    ("libICE.so.6", "libice6"),
    ("libxcb.so.1", "libxcb1"),
    ("libdrm.so.2", "libdrm2"),
    ("libgbm.so.1", "libgbm1"),
    ("libasound.so.2", "libasound2t64"),
    ("libudev.so.1", "libudev1"),
    ("libgcc_s.so.1", "libgcc-s1"),
    ("libstdc++.so.6", "libstdc++6"),
    ("libgomp.so.1", "libgomp1"),
    ("libcrypt.so.1", "libcrypt1"),
    ("libgfortran.so.3", "libgfortran5"),
];

/// `2.38` of `2.38` and of `2.2.5`.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split('.').map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        assert_eq!(version("2.38"), Some((2, 38)));
        assert_eq!(version("2.2.5"), Some((2, 2)));
        assert_eq!(version("PRIVATE"), None);
    }
}
