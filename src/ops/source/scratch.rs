//! `[from.scratch]`, whose one possible input is Debian's package tini.

use serde_json::{Value, json};

use super::{LockOptions, debian};
use crate::context::Context;
use crate::epoch::Epoch;
use crate::error::Error;
use crate::lock::{DebianPin, Lock, Pin};
use crate::platform::Platform;
use crate::recipe::{Recipe, ScratchRequest};
use crate::source::Rootfs;
use crate::source::debian::{Extracted, archives, extract};
use crate::source::scratch::{self, Bundle, Parts};
use crate::tree::{Content, Inode, Origin, Tree, TreePath};

/// The package, and what is taken of it.
const TINI: &str = "tini";
const PROGRAM: &str = "usr/bin/tini-static";
const COPYRIGHT: &str = "usr/share/doc/tini/copyright";
/// Where the program is put: by this name `[harden] init` finds it.
const PLACE: &str = "usr/bin/tini";
/// Where scanners look for packages of an image without dpkg (distroless, `PACKAGE_METADATA.md`).
const STATUS: &str = "var/lib/dpkg/status.d";
/// The folders of these, as far as the rest of the image lacks them.
const FOLDERS: [&str; 5] = ["usr/share/doc", "usr/share/doc/tini", "var/lib", "var/lib/dpkg", STATUS];

/// All that decides which tini is chosen. The rest needs no choice.
pub(super) fn asked(source: &ScratchRequest, recipe: &Recipe) -> Value {
    let tini = source.tini.as_ref().map(|archive| debian::asked(archive, recipe));
    json!({ "scratch": { "tini": tini } })
}

/// Chooses tini for `platform`, where the recipe needs one. What the package depends on is left out: its static program
/// needs nothing.
pub(super) fn resolve(
    request: &ScratchRequest,
    recipe: &Recipe,
    platform: Platform,
    options: &LockOptions,
    keeping: Option<(&Lock, &[String])>,
    context: &Context,
) -> Result<Option<Pin>, Error> {
    let Some(archive) = &request.tini else { return Ok(None) };
    let pin = debian::resolve(archive, recipe, platform, options, keeping, context)?;
    let packages: Vec<_> = pin.packages.into_iter().filter(|package| package.name == TINI).collect();
    let from = |id: &String| packages.iter().any(|package| package.repository == *id);
    let repositories = pin.repositories.into_iter().filter(|repository| from(&repository.id)).collect();
    Ok(Some(Pin::Debian(DebianPin { repositories, packages, sources: Vec::new(), keyrings: Vec::new(), ..pin })))
}

/// Makes the root filesystem, with tini in it where the recipe needs one.
pub(super) fn fetch(
    request: &ScratchRequest,
    recipe: &Recipe,
    lock: &Lock,
    platform: Platform,
    options: &LockOptions,
    context: &Context,
) -> Result<Rootfs, Error> {
    let Some(archive) = &request.tini else {
        return Ok(scratch::rootfs(parts(request, recipe), context.epoch.unwrap_or_default()));
    };
    let pin = lock.debian(platform).ok_or(Error::EmptyLock)?;
    let mut mirrors = debian::reached(archive, platform, options)?;
    archives::add_dated(pin, &mut mirrors);
    let packages = extract(pin, &mirrors, context)?;
    let tini = packages.into_iter().find(|package| package.name == TINI).ok_or(Error::EmptyLock)?;
    let mut rootfs = scratch::rootfs(parts(request, recipe), context.epoch.unwrap_or(tini.date));
    put_tini(&tini, &mut rootfs)?;
    rootfs.summary.push_str(&format!(", tini {}", tini.version));
    Ok(rootfs)
}

/// The root filesystem alone, for finding out what a program would find in it.
pub(in crate::ops) fn skeleton() -> Tree {
    scratch::rootfs(Parts { bundle: Bundle::None, timezones: false }, Epoch::default()).tree
}

fn parts(request: &ScratchRequest, recipe: &Recipe) -> Parts {
    let bundle = match (request.ca_certificates, recipe.certificates.is_empty()) {
        (true, _) => Bundle::Mozilla,
        (false, false) => Bundle::Empty,
        (false, true) => Bundle::None,
    };
    Parts { bundle, timezones: request.timezones }
}

/// The program, its licence, and the entry by which scanners find the package.
fn put_tini(tini: &Extracted, rootfs: &mut Rootfs) -> Result<(), Error> {
    let without = || Error::NoStaticTini { version: tini.version.clone() };
    let taken = |path: &'static str| tini.tree.get(&TreePath::literal(path)).filter(|inode| inode.is_file()).cloned();
    let origin = || Origin::Package(TINI.into());
    let text = |bytes: Vec<u8>| Inode::file(0o644, Content::bytes(bytes), origin()).at(rootfs.epoch);
    let mut files = vec![(TreePath::literal(PLACE), taken(PROGRAM).ok_or_else(without)?)];
    files.extend(taken(COPYRIGHT).map(|inode| (TreePath::literal(COPYRIGHT), inode)));
    let status = TreePath::literal(STATUS);
    files.push((status.join(TINI).expect("it is a name"), text(tini.control.clone().into_bytes())));
    if let Some(sums) = tini.md5sums.as_deref().map(own_sums) {
        files.push((status.join(format!("{TINI}.md5sums")).expect("it is a name"), text(sums)));
    }
    for folder in FOLDERS {
        let inode = Inode::directory(0o755, origin()).at(rootfs.epoch);
        rootfs.tree.insert(TreePath::literal(folder), inode).expect("folders come after those they are in");
    }
    for (path, inode) in files {
        rootfs.tree.insert(path, inode).expect("its folder was made");
    }
    Ok(())
}

/// The checksums of what was taken, by where it was put.
fn own_sums(sums: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(sums);
    let lines = text.lines().filter_map(|line| {
        let (sum, path) = line.split_once("  ")?;
        let place = match path {
            PROGRAM => PLACE,
            COPYRIGHT => COPYRIGHT,
            _ => return None,
        };
        Some(format!("{sum}  {place}\n"))
    });
    lines.collect::<String>().into_bytes()
}
