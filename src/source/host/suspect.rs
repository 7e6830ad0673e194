//! What a person should look at before an image of a machine is given to others.

use std::collections::{BTreeMap, BTreeSet};

use super::packaged::Packaged;
use super::report::Suspicion;
use crate::tree::{Entry, Inode, Tree, TreePath};

/// The largest id that user namespaces of engines usually have.
const LAST_ID: u32 = 65_535;

/// Files that hold keys in a form of their own, mostly behind a password.
const KEY_STORES: [&[u8]; 6] = [b".p12", b".pfx", b".jks", b".keystore", b".kdbx", b".ppk"];

/// All of it, in the order of kinds and paths. `gone` are the uids of accounts that were removed.
pub(super) fn suspicions(tree: &Tree, packaged: &Packaged, gone: &BTreeSet<u32>) -> Vec<Suspicion> {
    let mut found = Vec::new();
    let mut owners: BTreeMap<(&'static str, u32), (String, u64)> = BTreeMap::new();
    for entry in tree.entries() {
        found.extend(of_entry(entry, packaged));
        let meta = &entry.inode.meta;
        let ids = [("large-id", meta.uid), ("large-id", meta.gid)].into_iter().filter(|(_, id)| *id > LAST_ID);
        let ids: BTreeSet<_> =
            ids.chain([("removed-owner", meta.uid)].into_iter().filter(|(_, id)| gone.contains(id))).collect();
        for id in ids {
            owners.entry(id).or_insert_with(|| (entry.path.to_string(), 0)).1 += 1;
        }
    }
    for ((kind, id), (path, count)) in owners {
        let why = if kind == "large-id" {
            "engines without privileges cannot unpack them"
        } else {
            "its account was removed"
        };
        found.push(Suspicion { kind, path, what: format!("{count} entries belong to {id}: {why}") });
    }
    for path in packaged.changed_conffiles(tree) {
        let what = "differs from what its package brought".to_owned();
        found.push(Suspicion { kind: "changed-configuration", path: path.to_string(), what });
    }
    found.extend(sudoers(tree));
    found.sort_by(|one, other| (one.kind, &one.path).cmp(&(other.kind, &other.path)));
    found
}

fn of_entry(entry: Entry<'_>, packaged: &Packaged) -> Vec<Suspicion> {
    let Entry { path, inode, .. } = entry;
    let mode = inode.meta.mode;
    let mut found = Vec::new();
    let mut suspect = |kind, what: String| found.push(Suspicion { kind, path: path.to_string(), what });
    if inode.is_directory() {
        if mode & 0o1002 == 0o002 {
            suspect("world-writable", format!("mode {mode:04o}: everybody may remove what others put there"));
        }
        return found;
    }
    if !inode.is_file() {
        return found;
    }
    let in_package = packaged.has(path);
    if mode & 0o6000 != 0 && !in_package {
        suspect("setuid", format!("mode {mode:04o}, in no package"));
    }
    if inode.meta.xattrs.value("security.capability").is_some() && !in_package {
        suspect("capability", "has capabilities, in no package".to_owned());
    }
    if mode & 0o002 != 0 {
        suspect("world-writable", format!("mode {mode:04o}"));
    }
    if KEY_STORES.iter().any(|ending| path.name().ends_with(ending)) && !in_package {
        suspect("key-store", "may hold private keys".to_owned());
    }
    let is_local = path.as_bytes().starts_with(b"usr/local/");
    if packaged.is_known() && !in_package && !is_local && is_program(path, inode) {
        suspect("in-no-package", "a program that no package brought".to_owned());
    }
    found
}

fn is_program(path: &TreePath, inode: &Inode) -> bool {
    let folders: [&[u8]; 6] = [b"usr/bin/", b"usr/sbin/", b"usr/lib/", b"usr/libexec/", b"bin/", b"sbin/"];
    inode.meta.mode & 0o111 != 0 && folders.iter().any(|folder| path.as_bytes().starts_with(folder))
}

/// Rules of sudoers(5) that ask for no password.
fn sudoers(tree: &Tree) -> Vec<Suspicion> {
    let (file, folder) = (TreePath::literal("etc/sudoers"), TreePath::literal("etc/sudoers.d"));
    let files = tree.children(&folder).map(|entry| entry.path.clone()).chain([file]);
    let asks_nothing = |path: &TreePath| {
        let content = tree.get(path).and_then(|inode| inode.content()).filter(|content| content.size() < 1 << 20);
        let text = content.and_then(|content| content.read().ok()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        text.lines().map(str::trim).any(|line| !line.starts_with('#') && line.contains("NOPASSWD"))
    };
    let suspicion = |path: TreePath| Suspicion {
        kind: "sudo-without-password",
        path: path.to_string(),
        what: "a rule with NOPASSWD".to_owned(),
    };
    files.filter(asks_nothing).map(suspicion).collect()
}
