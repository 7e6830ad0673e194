//! Installing packages into a tree, in apk's order; with scripts in the sandbox, or without.

use super::database::{self, MERGED, ORIGIN, PLAIN};
use super::error::ApkError;
use super::lay::{Accounts, Layout};
use super::scripts::Scripts;
use super::unpack::Unpacked;
use super::version::Version;
use super::{architecture_name, busybox, order};
use crate::context::Context;
use crate::elf::{self, CacheError};
use crate::epoch::Epoch;
use crate::lock::{ApkPin, LockedScripts};
use crate::platform::Platform;
use crate::report::Phase;
use crate::sandbox::{Emulator, Settings};
use crate::tree::{Content, Inode, Tree, TreePath};

/// Installs `packages`, which are sorted by name, into a new tree.
pub(super) fn install(
    pin: &ApkPin,
    mut packages: Vec<Unpacked>,
    epoch: Epoch,
    context: &Context,
) -> Result<Tree, ApkError> {
    let order = order::order(&packages, &pin.world);
    let merged = is_merged(pin, &packages);
    let mut layout = Layout::new(skeleton(merged)?);
    match pin.scripts {
        LockedScripts::None => {
            // Whoever has the accounts comes first among those whose owners are looked up in them.
            for place in &order {
                let accounts = accounts_of(&layout.tree)?;
                layout.lay(&mut packages[*place], &accounts)?;
                context.reporter.advance(Phase::Configure, 1);
            }
        }
        LockedScripts::Sandbox => {
            layout.tree = with_scripts(&mut layout, &mut packages, &order, pin.platform, epoch, context)?
        }
    }
    let mut tree = std::mem::take(&mut layout.tree);
    busybox::link(&mut tree, epoch)?;
    let unread = |CacheError { path, source }| ApkError::Content { path, source };
    if let Some(cache) = elf::library_cache(&tree).map_err(unread)? {
        let inode = Inode::file(0o644, Content::bytes(cache), ORIGIN).at(epoch);
        database::put(&mut tree, "etc/ld.so.cache", inode)?;
    }
    let installed: Vec<_> = order.iter().map(|place| &packages[*place]).zip(&layout.owned).collect();
    let folder = if merged { MERGED } else { PLAIN };
    database::write(&mut tree, folder, &installed, pin, architecture_name(pin.platform.architecture), epoch)?;
    Ok(tree)
}

/// Each package's pre-install, files, and post-install, one package after the other; at last the triggers.
fn with_scripts(
    layout: &mut Layout,
    packages: &mut [Unpacked],
    order: &[usize],
    platform: Platform,
    epoch: Epoch,
    context: &Context,
) -> Result<Tree, ApkError> {
    let size = packages.iter().map(|package| package.package.info.value("size").parse().unwrap_or(0)).sum::<u64>();
    let emulator = Emulator::for_platform(platform)?;
    let settings = Settings { folder: context.store.ground(), network: false, expected_size: size, emulator };
    let session = context.sandbox.start(&settings)?;
    let mut scripts = Scripts::begin(session, &layout.tree, epoch)?;
    let mut accounts = Accounts::default();
    for place in order {
        let package = &mut packages[*place];
        let version = [package.version().to_owned()];
        scripts.run(package, "pre-install", &version, layout)?;
        if package.package.script("pre-install").is_some() {
            accounts = scripts.accounts(layout)?;
        }
        let paths = layout.lay(package, &accounts)?;
        let brings_accounts = paths.iter().any(|path| matches!(path.as_bytes(), b"etc/passwd" | b"etc/group"));
        scripts.add(paths);
        scripts.run(package, "post-install", &version, layout)?;
        if brings_accounts || package.package.script("post-install").is_some() {
            accounts = scripts.accounts(layout)?;
        }
        context.reporter.advance(Phase::Configure, 1);
    }
    let in_order: Vec<&Unpacked> = order.iter().map(|place| &packages[*place]).collect();
    scripts.run_triggers(&in_order, layout)?;
    let mut tree = scripts.finish(layout)?.collect(&context.store)?;
    // What the sandbox mounts on is its own; the image has these folders as it has them without scripts.
    for folder in ["dev", "proc", "sys"].map(TreePath::literal) {
        if let (Some(before), Some(there)) = (layout.tree.get(&folder), tree.get_mut(&folder))
            && before.is_directory()
        {
            there.meta.mode = before.meta.mode;
        }
    }
    Ok(tree)
}

/// Says which packages have scripts that would have run; nothing where there are none. What those of busybox do is done.
pub(super) fn left_out(pin: &ApkPin, packages: &[Unpacked]) -> Option<String> {
    const AT_INSTALL: [&str; 3] = ["pre-install", "post-install", "trigger"];
    let has_script = |package: &&Unpacked| AT_INSTALL.iter().any(|kind| package.package.script(kind).is_some());
    let named = packages.iter().filter(has_script).map(Unpacked::name).filter(|name| *name != "busybox");
    let names: Vec<&str> = named.collect();
    if pin.scripts == LockedScripts::Sandbox || names.is_empty() {
        return None;
    }
    let names = names.join(", ");
    Some(format!("scripts were left out of {names}; `scripts = \"sandbox\"` in [from.apk] runs them"))
}

/// The users and groups of a tree.
fn accounts_of(tree: &Tree) -> Result<Accounts, ApkError> {
    let text = |path: &'static str| {
        let path = TreePath::literal(path);
        let content = tree
            .resolve(&path)
            .ok()
            .and_then(|place| tree.get(&place)?.content())
            .filter(|content| content.size() < 1 << 20);
        let bytes = content.map(|content| content.read()).transpose();
        let bytes = bytes.map_err(|source| ApkError::Content { path, source })?;
        Ok::<_, ApkError>(String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned())
    };
    Ok(Accounts::parse(&text("etc/passwd")?, &text("etc/group")?))
}

/// Whether the database is below /usr: of Wolfi, and of Alpine since apk 3.
fn is_merged(pin: &ApkPin, packages: &[Unpacked]) -> bool {
    let has_apk_3 = |package: &Unpacked| {
        matches!(package.name(), "apk-tools" | "libapk") && Version::new(package.version()) >= Version::new("3_alpha")
    };
    let links_lib = |package: &Unpacked| {
        package.entries.iter().any(|entry| {
            let inode = match &entry.item.what {
                crate::archive::What::Inode(inode) => inode,
                crate::archive::What::HardLink(_) => return false,
            };
            entry.item.path.as_bytes() == b"lib" && inode.symlink_target().is_some()
        })
    };
    matches!(pin.distribution.as_str(), "wolfi" | "chainguard")
        || packages.iter().any(|package| has_apk_3(package) || links_lib(package))
}

/// What `apk --initdb` makes, and the folders that every system has.
fn skeleton(merged: bool) -> Result<Tree, ApkError> {
    let mut tree = Tree::new();
    let folders = [
        ("dev", 0o755),
        ("etc/apk/keys", 0o755),
        ("proc", 0o555),
        ("tmp", 0o1777),
        ("var/cache/apk", 0o755),
        ("var/cache/misc", 0o755),
    ];
    for (path, mode) in folders {
        database::put(&mut tree, path, Inode::directory(mode, ORIGIN))?;
    }
    let folder = if merged { MERGED } else { PLAIN };
    database::put(&mut tree, &format!("{folder}/db"), Inode::directory(0o755, ORIGIN))?;
    Ok(tree)
}
