//! `[[run]]`: commands of the recipe in the sandbox.

use std::collections::{BTreeMap, BTreeSet};

use crate::context::Context;
use crate::error::Error;
use crate::pass::{Files, Pass};
use crate::platform::Platform;
use crate::recipe::{Recipe, RunStep};
use crate::report::{Phase, Unit, counted};
use crate::sandbox::{Emulator, Settings, Step};
use crate::source::{Rootfs, dnf};
use crate::tree::{Content, Entry, Inode, Meta, Node, Origin, Tree, TreePath};

/// What commands find in their environment, besides what the recipe gives them.
const ENVIRONMENT: [(&str, &str); 5] = [
    ("DEBIAN_FRONTEND", "noninteractive"),
    ("HOME", "/root"),
    ("LC_ALL", "C.UTF-8"),
    ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    ("TERM", "dumb"),
];

/// Runs the commands of the recipe, in order, in the root filesystem. The recipe's files are in it by then, so that a
/// command can use them. Gives the paths of those that commands have changed or removed.
pub(super) fn steps(
    recipe: &Recipe,
    platform: Platform,
    rootfs: &mut Rootfs,
    secrets: &BTreeMap<String, Vec<u8>>,
    context: &Context,
) -> Result<BTreeSet<TreePath>, Error> {
    if recipe.runs.is_empty() {
        return Ok(BTreeSet::new());
    }
    let steps: Vec<Step> = recipe.runs.iter().map(|run| step(run, rootfs, secrets)).collect::<Result<_, _>>()?;
    let files = Files::gather(&recipe.files, recipe.harden.user.clone(), rootfs.epoch)?.before_pruning(&recipe.prune);
    files.apply(&mut rootfs.tree)?;
    let sizes = rootfs.tree.entries().filter_map(|entry| entry.inode.content()).map(|content| content.size());
    let settings = Settings {
        folder: context.store.ground(),
        network: recipe.runs.iter().any(|run| run.network),
        expected_size: sizes.sum(),
        emulator: Emulator::for_platform(platform)?,
    };
    context.reporter.begin(Phase::Configure, Some(steps.len() as u64), Unit::Items);
    let mut session = context.sandbox.start(&settings)?;
    // What an imported image has there is in the way of the sandbox's own.
    let of_sandbox = ["dev", "proc", "sys"].map(TreePath::literal);
    let is_below = |path: &TreePath| of_sandbox.iter().any(|folder| path.starts_with(folder) && path != folder);
    session.put(rootfs.tree.entries().filter(|entry| !is_below(entry.path)))?;
    for step in &steps {
        session.run(step)?;
        context.reporter.advance(Phase::Configure, 1);
    }
    let before = std::mem::replace(&mut rootfs.tree, session.collect(&context.store)?);
    // The folders that the sandbox mounts on are its own; those of the image may have another mode, as /proc its 0555.
    for folder in &of_sandbox {
        if let (Some(before), Some(there)) = (before.get(folder), rootfs.tree.get_mut(folder))
            && before.is_directory()
            && there.is_directory()
        {
            let (mtime, meta) = (there.meta.mtime, before.meta.clone());
            there.meta = Meta { mtime, ..meta };
        }
    }
    dnf::settle(&mut rootfs.tree);
    context.reporter.end(Phase::Configure, &format!("{} of the recipe", counted(steps.len(), "command")));
    Ok(touched(&before, &rootfs.tree))
}

/// The recipe's files of one tree that another has not, or otherwise.
fn touched(before: &Tree, after: &Tree) -> BTreeSet<TreePath> {
    let of_recipe = before.entries().filter(|entry| matches!(entry.inode.origin, Origin::Recipe(_)));
    let is_same = |entry: &Entry<'_>| after.get(entry.path).is_some_and(|there| is_same(entry.inode, there));
    of_recipe.filter(|entry| !is_same(entry)).map(|entry| entry.path.clone()).collect()
}

/// Whether two inodes are alike but for their times.
fn is_same(one: &Inode, other: &Inode) -> bool {
    let owner = |inode: &Inode| (inode.meta.mode, inode.meta.uid, inode.meta.gid);
    match (&one.node, &other.node) {
        // Links have no mode of their own.
        (Node::Symlink(target), Node::Symlink(there)) => target == there,
        (Node::File(content), Node::File(there)) => owner(one) == owner(other) && has_same_bytes(content, there),
        (Node::File(_) | Node::Symlink(_), _) | (_, Node::File(_) | Node::Symlink(_)) => false,
        // Folders; devices and pipes stay what they are.
        _ => owner(one) == owner(other) && one.is_directory() == other.is_directory(),
    }
}

/// Whether two contents are the same bytes. What was not touched is the same piece of the same file.
fn has_same_bytes(one: &Content, other: &Content) -> bool {
    let is_one_piece = match (one, other) {
        (Content::Slice { path, offset, .. }, Content::Slice { path: other, offset: start, .. }) => {
            path == other && offset == start
        }
        _ => false,
    };
    let read = || Some(one.read().ok()? == other.read().ok()?);
    one.size() == other.size() && (is_one_piece || read().unwrap_or(false))
}

fn step(run: &RunStep, rootfs: &Rootfs, secrets: &BTreeMap<String, Vec<u8>>) -> Result<Step, Error> {
    let time = rootfs.epoch.seconds();
    let mut environment: BTreeMap<String, String> =
        ENVIRONMENT.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    environment.insert("SOURCE_DATE_EPOCH".to_owned(), time.to_string());
    environment.extend(run.environment.clone());
    let secret = |id: &String| match secrets.get(id) {
        Some(bytes) => Ok((id.clone(), bytes.clone())),
        None => Err(Error::MissingSecret { id: id.clone() }),
    };
    Ok(Step {
        command: run.command.clone(),
        environment: environment.into_iter().collect(),
        folder: run.workdir.as_ref().map_or_else(|| "/".to_owned(), ToString::to_string),
        time,
        network: run.network,
        secrets: run.secrets.iter().map(secret).collect::<Result<_, _>>()?,
    })
}
