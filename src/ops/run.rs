//! `[[run]]`: commands of the recipe in the sandbox.

use std::collections::BTreeMap;

use crate::context::Context;
use crate::error::Error;
use crate::pass::{Files, Pass};
use crate::platform::Platform;
use crate::recipe::{Recipe, RunStep};
use crate::report::{Phase, Unit};
use crate::sandbox::{Emulator, Settings, Step};
use crate::source::{Rootfs, dnf};
use crate::tree::TreePath;

/// What commands find in their environment, besides what the recipe gives them.
const ENVIRONMENT: [(&str, &str); 5] = [
    ("DEBIAN_FRONTEND", "noninteractive"),
    ("HOME", "/root"),
    ("LC_ALL", "C.UTF-8"),
    ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    ("TERM", "dumb"),
];

/// Runs the commands of the recipe, in order, in the root filesystem. The recipe's files are in it by then, so that a
/// command can use them.
pub(super) fn steps(
    recipe: &Recipe,
    platform: Platform,
    rootfs: &mut Rootfs,
    secrets: &BTreeMap<String, Vec<u8>>,
    context: &Context,
) -> Result<(), Error> {
    if recipe.runs.is_empty() {
        return Ok(());
    }
    let steps: Vec<Step> = recipe.runs.iter().map(|run| step(run, rootfs, secrets)).collect::<Result<_, _>>()?;
    Files::gather(&recipe.files, recipe.harden.user.clone(), rootfs.epoch)?.apply(&mut rootfs.tree)?;
    let sizes = rootfs.tree.entries().filter_map(|entry| entry.inode.content()).map(|content| content.size());
    let settings = Settings {
        folder: context.store.temporary(),
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
    rootfs.tree = session.collect(&context.store)?;
    dnf::settle(&mut rootfs.tree);
    context.reporter.end(Phase::Configure, &format!("{} commands of the recipe", steps.len()));
    Ok(())
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
