//! apk's database of what is installed, as apk-tools 2.14 writes it (its `src/database.c`), so that the apk of the image and
//! scanners can read it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::error::ApkError;
use super::keys::PublicKey;
use super::lay::Owned;
use super::unpack::Unpacked;
use crate::epoch::Epoch;
use crate::lock::ApkPin;
use crate::tree::{Content, Inode, Origin, Tree, TreePath};

/// Who made what is written here.
pub(super) const ORIGIN: Origin = Origin::Pass(arcstr::literal!("apk"));

/// The folders where a database may be: with `/usr` merged, and before.
pub(super) const MERGED: &str = "usr/lib/apk";
pub(super) const PLAIN: &str = "lib/apk";

/// Writes the database into the folder `folder` of `tree`, and apk's own settings into /etc/apk.
pub(super) fn write(
    tree: &mut Tree,
    folder: &str,
    installed: &[(&Unpacked, &Owned)],
    pin: &ApkPin,
    architecture: &str,
    epoch: Epoch,
) -> Result<(), ApkError> {
    let mut by_name: Vec<&(&Unpacked, &Owned)> = installed.iter().collect();
    by_name.sort_by_key(|(package, _)| package.name());
    let records: Vec<u8> = by_name.iter().flat_map(|(package, owned)| record(package, owned)).collect();
    let triggers: String = installed.iter().filter_map(|(package, _)| trigger_line(package)).collect();
    let repositories: String =
        pin.repositories.iter().filter_map(|one| Some(format!("{}\n", one.line.as_ref()?))).collect();
    let world: String = pin.world.iter().map(|entry| format!("{entry}\n")).collect();
    let mut files = vec![
        (format!("{folder}/db/installed"), 0o644, records),
        (format!("{folder}/db/scripts.tar"), 0o644, scripts(installed.iter().map(|(package, _)| *package))),
        (format!("{folder}/db/triggers"), 0o644, triggers.into_bytes()),
        (format!("{folder}/db/lock"), 0o600, Vec::new()),
        ("etc/apk/world".to_owned(), 0o644, world.into_bytes()),
        ("etc/apk/arch".to_owned(), 0o644, format!("{architecture}\n").into_bytes()),
    ];
    let has = |path: &str, tree: &Tree| tree.contains(&TreePath::new(path).unwrap_or_else(|_| TreePath::root()));
    if !has("etc/apk/repositories", tree) {
        files.push(("etc/apk/repositories".to_owned(), 0o644, repositories.into_bytes()));
    }
    for key in &pin.keys {
        let path = format!("etc/apk/keys/{}", key.name);
        if let Some(public) = PublicKey::from_base64(&key.public).filter(|_| !has(&path, tree)) {
            files.push((path, 0o644, public.pem().into_bytes()));
        }
    }
    for (path, mode, bytes) in files {
        put(tree, &path, Inode::file(mode, Content::bytes(bytes), ORIGIN).at(epoch))?;
    }
    Ok(())
}

/// Puts something at a path of ours, following links among its parents.
pub(super) fn put(tree: &mut Tree, path: &str, inode: Inode) -> Result<(), ApkError> {
    let package = || "apk's database".to_owned();
    let path = TreePath::new(path).expect("names in the database are names of packages and keys, without `..`");
    let path = tree.resolve_parents(&path).map_err(|source| ApkError::Unresolved { package: package(), source })?;
    tree.insert_with_parents(path, inode).map(drop).map_err(|source| ApkError::Misplaced { package: package(), source })
}

/// One package in `installed`.
fn record(package: &Unpacked, owned: &Owned) -> Vec<u8> {
    let info = &package.package.info;
    let mut text = format!("C:{}\n", package.checksum).into_bytes();
    let mut line = |letter: char, value: &str| {
        // These three apk writes even where they are empty.
        if !value.is_empty() || "TUL".contains(letter) {
            text.extend(format!("{letter}:{value}\n").into_bytes());
        }
    };
    line('P', package.name());
    line('V', package.version());
    line('A', info.value("arch"));
    line('S', &package.size.to_string());
    line('I', info.value("size"));
    line('T', info.value("pkgdesc"));
    line('U', info.value("url"));
    line('L', info.value("license"));
    line('o', info.value("origin"));
    line('m', info.value("maintainer"));
    line('t', info.value("builddate"));
    line('c', info.value("commit"));
    line('k', info.value("provider_priority"));
    line('D', &info.list("depend"));
    line('p', &info.list("provides"));
    line('i', &info.list("install_if"));
    line('r', &info.list("replaces"));
    line('q', info.value("replaces_priority"));
    line('s', package.tag.as_deref().unwrap_or_default());
    for (folder, directory) in owned.directories_in_order() {
        text.extend([b"F:", folder, b"\n"].concat());
        if let Some((uid, gid, mode)) = directory.meta.filter(|meta| *meta != (0, 0, 0o755) && !folder.is_empty()) {
            text.extend(format!("M:{uid}:{gid}:{mode:o}\n").into_bytes());
        }
        for (name, file) in directory.files_in_order() {
            text.extend([b"R:", name, b"\n"].concat());
            if file.meta != (0, 0, 0o644) {
                let (uid, gid, mode) = file.meta;
                text.extend(format!("a:{uid}:{gid}:{mode:o}\n").into_bytes());
            }
            text.extend(format!("Z:Q1{}\n", STANDARD.encode(file.sum)).into_bytes());
        }
    }
    text.push(b'\n');
    text
}

/// The paths that a package's trigger watches, in `triggers`.
fn trigger_line(package: &Unpacked) -> Option<String> {
    let paths = package.package.info.list("triggers");
    (!paths.is_empty()).then(|| format!("{} {paths}\n", package.checksum))
}

/// The name of a script in `scripts.tar`: which package's it is, and when it runs.
fn script_name(package: &Unpacked, kind: &str) -> String {
    format!("{}-{}.{}.{kind}", package.name(), package.version(), package.checksum)
}

fn scripts<'a>(packages: impl Iterator<Item = &'a Unpacked>) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for package in packages {
        for script in &package.package.scripts {
            let mut header = tar::Header::new_ustar();
            header.set_entry_type(tar::EntryType::Regular);
            header.set_mode(0o755);
            header.set_uid(0);
            header.set_gid(0);
            header.set_mtime(u64::try_from(script.mtime).unwrap_or_default());
            header.set_size(script.bytes.len() as u64);
            append(&mut tar, header, &script_name(package, &script.kind), &script.bytes);
        }
    }
    tar.into_inner().expect(MEMORY)
}

/// Appends a file whose name stays as it is: a checksum in base64 may have slashes, which are no folders here.
fn append(tar: &mut tar::Builder<Vec<u8>>, mut header: tar::Header, name: &str, bytes: &[u8]) {
    const NAME: usize = 100;
    if name.len() > NAME {
        let mut long = tar::Header::new_gnu();
        long.as_mut_bytes()[..13].copy_from_slice(b"././@LongLink");
        long.set_entry_type(tar::EntryType::GNULongName);
        long.set_mode(0o644);
        long.set_uid(0);
        long.set_gid(0);
        long.set_mtime(0);
        long.set_size(name.len() as u64 + 1);
        long.set_cksum();
        tar.append(&long, [name.as_bytes(), b"\0"].concat().as_slice()).expect(MEMORY);
    }
    let start = &name.as_bytes()[..name.len().min(NAME)];
    header.as_mut_bytes()[..start.len()].copy_from_slice(start);
    header.set_cksum();
    tar.append(&header, bytes).expect(MEMORY);
}

const MEMORY: &str = "memory takes what is written to it";
