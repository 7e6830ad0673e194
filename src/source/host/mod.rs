//! A machine or a folder as it is now, without what belongs to that one machine and its people.
//!
//! This is the one source without a pin: a machine changes while it is read. What is fixed is the capture itself: every
//! file is read once, into a file of the store's, and all that follows works on that. Two captures of a folder that
//! nobody changed give the same image.
//!
//! - `policy` says what becomes of a path, by the recipe, the table of `rules`, and the `accounts` of the machine;
//! - `walk` goes from folder to folder and asks it; `spool` takes the contents, and `scan` looks for secrets in them;
//! - `packaged` and `suspect` look at the finished tree; the `report` holds what was done and found.

mod accounts;
mod error;
mod packaged;
mod policy;
mod probe;
mod report;
mod rules;
mod scan;
mod spool;
mod suspect;
mod walk;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, StatxAttributes, StatxFlags, statx};

pub use error::{CaptureError, Finding};
pub use report::{LeftOut, Removed, Report, Secret, Suspicion};

use crate::context::Context;
use crate::epoch::Epoch;
use crate::recipe::{Allowance, CapturePreset, HostRequest, path_set};
use crate::report::{Phase, Unit};
use crate::source::Rootfs;
use crate::tree::{Content, Inode, Node, Origin, Tree, TreePath};
use accounts::Accounts;
use packaged::Packaged;
use policy::{Policy, Shade};
use scan::{Hit, Scanner};
use spool::Spool;
use walk::{Identity, Walk, identity, meta, read_small};

/// A captured machine.
#[derive(Debug)]
pub struct Captured {
    /// Its files.
    pub rootfs: Rootfs,
    /// What was done and found.
    pub report: Report,
}

/// Captures what `request` names.
///
/// The files and folders of `own`, such as outputs, are never part of it; nor is the store. The epoch is
/// `SOURCE_DATE_EPOCH`, else the newest time of a captured file or link that is not later than `now`; times of folders
/// do not count, because they change when something beside is written. Fails, without anything written but the store's
/// temporary files, where a secret is left that is not allowed.
pub fn capture(
    request: &HostRequest,
    own: &[PathBuf],
    now: Epoch,
    context: &Context,
) -> Result<Captured, CaptureError> {
    let reporter = &*context.reporter;
    reporter.begin(Phase::Capture, None, Unit::Bytes);
    let unusable = |source: std::io::Error| CaptureError::Root { path: request.path.clone(), source };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(&request.path, flags, Mode::empty()).map_err(|error| unusable(error.into()))?;
    let stat =
        statx(&root, c"", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS).map_err(|error| unusable(error.into()))?;
    check_mounts(request)?;

    let policy = Policy::new(request);
    let remove_people = request.has_preset(CapturePreset::Users);
    let (passwd, group) = (read_small(&root, c"etc", c"passwd"), read_small(&root, c"etc", c"group"));
    let accounts = Accounts::read(&passwd, &group, remove_people, &|home| policy.keeps(home));
    let scanner = Scanner::new();
    let folder = context.store.temporary();
    let spool = Spool::new(&folder).map_err(|source| CaptureError::Spool { path: folder, source })?;
    let own = own_files(own.iter().map(PathBuf::as_path).chain([context.store.root()]));
    let mut walk = Walk {
        policy: &policy,
        accounts: &accounts,
        scanner: &scanner,
        mounts: &request.mounts,
        has_preset: &|preset| request.has_preset(preset),
        own: &own,
        skip_unreadable: request.skip_unreadable,
        now: now.seconds(),
        advance: &|bytes| reporter.advance(Phase::Capture, bytes),
        spool,
        tree: Tree::new(),
        report: Report {
            schema: "rootsmith/capture-report/1",
            root: request.path.display().to_string(),
            ..Report::default()
        },
        secrets: Vec::new(),
        newest: 0,
        replaced: Vec::new(),
        links: BTreeMap::new(),
    };
    let top = Inode { meta: meta(&stat), node: Node::Directory, origin: Origin::Import("this machine".into()) };
    walk.tree.insert(TreePath::root(), top)?;
    walk.below(root, TreePath::root(), Shade::default())?;
    let Walk { mut tree, mut report, secrets, newest, replaced, .. } = walk;
    if !request.skip_unreadable && !report.unreadable.is_empty() {
        return Err(CaptureError::Unreadable { paths: report.unreadable });
    }

    let epoch = context.epoch.unwrap_or(Epoch::from_seconds(newest));
    for path in &replaced {
        if let Some(inode) = tree.get_mut(path) {
            inode.meta.mtime = epoch.seconds();
        }
    }
    report.entries = tree.len() as u64;
    let packaged = Packaged::read(&tree);
    report.secrets = judge(secrets, request, &tree, &packaged);
    report.suspicious.extend(suspect::suspicions(&tree, &packaged, &accounts.removed_uids()));
    let files = tree.entries().filter(|entry| entry.inode.is_file()).count();
    reporter.end(Phase::Capture, &format!("{files} files, {:.1} MB", report.bytes as f64 / 1e6));
    report.tell(reporter);
    if report.refused().next().is_some() {
        return Err(CaptureError::refused(report));
    }
    let summary = format!("{files} files of {}", request.path.display());
    Ok(Captured { rootfs: Rootfs::new(tree, epoch, summary), report })
}

/// Which secrets may be in the image: those that the recipe allows, and those that came with a package.
fn judge(found: Vec<(TreePath, Hit)>, request: &HostRequest, tree: &Tree, packaged: &Packaged) -> Vec<Secret> {
    let allowed: Vec<_> =
        request.allow.iter().map(|Allowance { rule, path }| (rule.as_deref(), path_set([path]))).collect();
    let verdict = |path: &TreePath, hit: &Hit| {
        let allows = |(rule, paths): &(Option<&str>, globset::GlobSet)| {
            rule.is_none_or(|rule| rule == hit.rule) && paths.is_match(path.as_relative())
        };
        let content = || tree.get(path).and_then(Inode::content);
        if allowed.iter().any(allows) {
            "allowed"
        } else if content().is_some_and(|content| packaged.is_published(path, content)) {
            "published"
        } else {
            "refused"
        }
    };
    // A directory that turned out to be unwanted took its files along.
    let left = found.into_iter().filter(|(path, _)| tree.contains(path));
    let secret = |(path, hit): (TreePath, Hit)| Secret {
        rule: hit.rule,
        line: hit.line,
        what: hit.what,
        verdict: verdict(&path, &hit),
        path: path.to_string(),
    };
    left.map(secret).collect()
}

/// A path of `mounts` at which nothing is mounted is a mistake.
fn check_mounts(request: &HostRequest) -> Result<(), CaptureError> {
    for path in &request.mounts.at {
        let place = request.path.join(path.as_str().trim_start_matches('/'));
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
        let stat = statx(rustix::fs::CWD, &place, flags, StatxFlags::BASIC_STATS);
        let is_mounted = stat.is_ok_and(|stat| {
            // Where the kernel cannot tell, the walk finds out.
            !stat.stx_attributes_mask.contains(StatxAttributes::MOUNT_ROOT)
                || stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT)
        });
        if !is_mounted {
            return Err(CaptureError::NotMounted(path.to_string()));
        }
    }
    Ok(())
}

/// The inodes of this program's own files, as far as they exist.
fn own_files<'a>(paths: impl Iterator<Item = &'a Path>) -> BTreeSet<Identity> {
    let stat = |path: &Path| statx(rustix::fs::CWD, path, AtFlags::empty(), StatxFlags::BASIC_STATS).ok();
    paths.filter_map(stat).map(|stat| identity(&stat)).collect()
}

/// The architecture that the programs of a tree are for, as the first of a few that every system has says (elf(5)).
pub fn architecture(tree: &Tree) -> Option<crate::platform::Architecture> {
    use crate::platform::Architecture;
    const PROGRAMS: [&str; 6] =
        ["bin/sh", "usr/bin/env", "sbin/init", "usr/bin/ls", "bin/busybox", "usr/sbin/ldconfig"];
    let header = |path: &&'static str| {
        let place = tree.resolve(&TreePath::literal(path)).ok()?;
        let content = tree.get(&place)?.content()?;
        let mut header = [0; 20];
        std::io::Read::read_exact(&mut Content::reader(content).ok()?, &mut header).ok()?;
        header.starts_with(b"\x7fELF").then_some(header)
    };
    let header = PROGRAMS.iter().find_map(header)?;
    let (is_64, is_little) = (header[4] == 2, header[5] == 1);
    let machine = [header[18], header[19]];
    let machine = if is_little { u16::from_le_bytes(machine) } else { u16::from_be_bytes(machine) };
    match (machine, is_64, is_little) {
        (62, true, true) => Some(Architecture::Amd64),
        (183, true, true) => Some(Architecture::Arm64),
        (40, false, true) => Some(Architecture::Arm),
        (3, false, true) => Some(Architecture::I386),
        (21, true, true) => Some(Architecture::Ppc64le),
        (243, true, true) => Some(Architecture::Riscv64),
        (22, true, false) => Some(Architecture::S390x),
        (8, true, true) => Some(Architecture::Mips64le),
        (258, true, true) => Some(Architecture::Loong64),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
