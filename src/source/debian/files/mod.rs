//! `scripts = false`: the files of packages without running anything, on any machine for any architecture.
//!
//! What scripts of base packages would have made, and what every program expects, is written here: accounts, name
//! services, the bundle of certificate authorities, the loader's cache. There is no dpkg's database: scanners find the
//! packages in `status.d`, as in the images that distroless publishes (its `PACKAGE_METADATA.md`).

mod accounts;
mod busybox;
mod certificates;
mod status;

use super::InstallError;
use super::install::merged;
use super::lay::Layout;
use super::part::{self, Held};
use super::unpack::{Candidate, Unpacked};
use crate::elf;
use crate::epoch::Epoch;
use crate::lock::DebianPin;
use crate::platform::Platform;
use crate::report::Reporter;
use crate::tree::{Content, Inode, Origin, Tree, TreePath};

/// Folders of the root that no package need bring, with their modes: programs expect them, and engines mount over them.
const FOLDERS: [(&str, u32); 12] = [
    ("dev", 0o755),
    ("etc", 0o755),
    ("home", 0o755),
    ("proc", 0o755),
    ("root", 0o700),
    ("run", 0o755),
    ("sys", 0o755),
    ("tmp", 0o1777),
    ("usr", 0o755),
    ("usr/bin", 0o755),
    ("var", 0o755),
    ("var/tmp", 0o1777),
];

/// Lays the files of all of `candidates` into a new tree, and writes what belongs around them.
pub(super) fn install(
    candidates: Vec<Candidate>,
    pin: &DebianPin,
    epoch: Epoch,
    reporter: &dyn Reporter,
) -> Result<Tree, InstallError> {
    let mut packages: Vec<Unpacked> = candidates.into_iter().map(|candidate| candidate.unpacked).collect();
    packages.sort_by_key(|package| (package.name != "base-files", package.name.clone(), package.architecture.clone()));
    let mut layout = Layout::new(links(pin.platform, epoch)?);
    let mut held = Vec::new();
    for package in &mut packages {
        held.push(Held::of(package));
        layout.lay(package)?;
    }
    let mut tree = layout.tree;
    let mut writer = Writer { tree: &mut tree, epoch };
    writer.folders()?;
    accounts::write(&mut writer)?;
    for (package, path) in [certificates::write(&mut writer)?, busybox::write(&mut writer)?].into_iter().flatten() {
        held.iter_mut().filter(|held| held.package == package).for_each(|held| held.files.push(path.clone()));
    }
    let is_part = part::cut(&mut tree, &held, pin, reporter)?;
    let mut writer = Writer { tree: &mut tree, epoch };
    if let Some(cache) = elf::library_cache(writer.tree)? {
        writer.put("etc/ld.so.cache", Inode::file(0o644, Content::bytes(cache), source()))?;
    }
    for (package, held) in packages.iter().zip(&held) {
        status::write(&mut writer, package, held, is_part, &packages)?;
    }
    warn(&tree, pin.platform, reporter);
    Ok(tree)
}

/// Writes files that no package ships.
struct Writer<'a> {
    tree: &'a mut Tree,
    epoch: Epoch,
}

impl Writer<'_> {
    fn put(&mut self, path: &str, inode: Inode) -> Result<(), InstallError> {
        let misplaced = |source| InstallError::Misplaced { package: "the base".to_owned(), source };
        let unresolved = |source| InstallError::Unresolved { package: "the base".to_owned(), source };
        let path = TreePath::new(path).expect("what is written has plain names");
        let place = self.tree.resolve_parents(&path).map_err(unresolved)?;
        self.tree.insert_with_parents(place, inode.at(self.epoch)).map(drop).map_err(misplaced)
    }

    /// Puts a text, unless something is there already.
    fn put_text(&mut self, path: &'static str, text: impl Into<Vec<u8>>) -> Result<(), InstallError> {
        if self.tree.contains(&TreePath::literal(path)) {
            return Ok(());
        }
        self.put(path, Inode::file(0o644, Content::bytes(text.into()), source()))
    }

    fn folders(&mut self) -> Result<(), InstallError> {
        for (path, mode) in FOLDERS {
            if !self.tree.contains(&TreePath::literal(path)) {
                self.put(path, Inode::directory(mode, source()))?;
            }
        }
        Ok(())
    }
}

fn source() -> Origin {
    Origin::Source("debian".into())
}

/// The links of a merged /usr, which every such image has.
fn links(platform: Platform, epoch: Epoch) -> Result<Tree, InstallError> {
    let mut tree = Tree::new();
    let mut writer = Writer { tree: &mut tree, epoch };
    for name in merged(platform.architecture.debian_name()) {
        writer.put(&format!("usr/{name}"), Inode::directory(0o755, source()))?;
        writer.put(name, Inode::symlink(format!("usr/{name}"), source()))?;
    }
    Ok(tree)
}

/// Says which programs cannot start, because of what was left out.
fn warn(tree: &Tree, platform: Platform, reporter: &dyn Reporter) {
    for folder in ["usr/bin", "usr/sbin"] {
        for entry in tree.children(&TreePath::literal(folder)) {
            let elf = entry.inode.content().and_then(|content| elf::read_content(content).ok().flatten());
            let Some(elf) = elf.filter(|elf| elf.kind == elf::Kind::Program && elf.platform() == Some(platform)) else {
                continue;
            };
            let missing = elf::needs(tree, entry.path, &elf, &[]).map(|needs| needs.missing).unwrap_or_default();
            if !missing.is_empty() {
                reporter.warn(&format!("`{}` cannot start: the image lacks {}", entry.path, missing.join(", ")));
            }
        }
    }
}
