//! The first stage of installing: the essential packages, put into the stage and configured.
//!
//! Recipes for one suite have these in common. How they leave the stage is remembered, so that another recipe, or the same with
//! another list of packages, goes on from there.

use serde_json::json;

use super::InstallError;
use super::database::in_database;
use super::debconf::{self, Answers};
use super::surroundings::Surroundings;
use super::unpack::Unpacked;
use super::{preinst, scripts};
use crate::digest::Digest;
use crate::oci;
use crate::sandbox::Session;
use crate::source::{Rootfs, remembered};
use crate::tree::{Inode, Origin, Tree, TreePath};

/// Where dpkg may be.
const DPKG: [&str; 3] = ["usr/bin/dpkg", "bin/dpkg", "usr/local/bin/dpkg"];

/// Brings `packages` into the stage, whose files are laid in `tree`, and configures them; gives the recipe's answers where
/// debconf is among them. What comes of it is remembered where more is to come after them.
pub(super) fn configure(
    packages: &[Unpacked],
    tree: &Tree,
    answers: &mut Answers<'_>,
    session: &mut Session,
    around: &Surroundings<'_>,
) -> Result<(), InstallError> {
    if !DPKG.iter().any(|path| tree.resolve(&TreePath::literal(path)).is_ok_and(|place| tree.get(&place).is_some())) {
        return Err(InstallError::NoDpkg);
    }
    let key = if around.has_second_stage { key(tree, answers, around) } else { None };
    if let Some(there) = key.and_then(|key| remembered::recall(&key, around.store)) {
        tracing::debug!("the essential packages are configured as they were before");
        session.put(there.tree.entries())?;
        answers.are_given(tree);
        return Ok(());
    }
    session.put(tree.entries())?;
    answers.give(tree, session)?;
    run_preinsts(packages, session, around)?;
    session.run(&scripts::step(&["dpkg", "--configure", "-a"], around.epoch))?;
    if let Some(key) = key {
        let there = session.look(around.store)?;
        remembered::remember(&key, &Rootfs::new(there, around.epoch, String::new()), around.store);
    }
    Ok(())
}

/// The digest of all that the configured packages depend on; nothing where a file cannot be read, which then shows elsewhere.
fn key(tree: &Tree, answers: &Answers<'_>, around: &Surroundings<'_>) -> Option<Digest> {
    let what = json!({
        "essential packages": remembered::fingerprint(tree, around.store).ok()?.to_string(),
        "answers": debconf::text(answers.due(tree)),
        "epoch": around.epoch.seconds(),
        "emulator": format!("{:?}", around.emulator),
        "engine": remembered::engine(),
    });
    Some(Digest::of(&oci::canonical_json(&what)))
}

/// Runs the preinst scripts of packages that are unpacked already, each from where dpkg runs it, with the package's other
/// control files beside it: debconf reads the package's name and questions there. Those that have nothing to do are left out.
fn run_preinsts(packages: &[Unpacked], session: &mut Session, around: &Surroundings<'_>) -> Result<(), InstallError> {
    for package in packages {
        if !preinst::works(package.member("preinst")) {
            continue;
        }
        let mut tree = Tree::new();
        for member in &package.members {
            let inode = Inode::file(member.mode, member.content.clone(), Origin::Sandbox);
            let misplaced = |source| InstallError::Misplaced { package: package.name.clone(), source };
            tree.insert_with_parents(in_database(&format!("tmp.ci/{}", member.name)), inode).map_err(misplaced)?;
        }
        session.put(tree.entries())?;
        session.run(&scripts::preinst(&package.name, &package.architecture, around.epoch))?;
        session.run(&scripts::step(&["rm", "-r", "/var/lib/dpkg/tmp.ci"], around.epoch))?;
    }
    Ok(())
}
