//! What of an environment has to run: scripts of its packages, its Python to compile modules. All of it runs in the
//! sandbox, on the base with the environment in it, without a network.

use std::collections::{BTreeMap, BTreeSet};

use super::activate::{scripts, shell};
use super::exported::exported;
use super::{CondaError, Environment};
use crate::context::Context;
use crate::platform::Platform;
use crate::recipe::{Activate, Bytecode, CondaRequest, PostLink};
use crate::report::{Phase, Unit, counted};
use crate::sandbox::{Emulator, Session, Settings, Step};
use crate::tree::{Content, Inode, Origin, Tree, TreePath};

/// Where a shell leaves the variables that scripts have set.
const VARIABLES: &str = "/tmp/rootsmith-variables";

/// Where packages' scripts leave what they have to say, below the prefix.
const MESSAGES: &str = ".messages.txt";

/// What programs find in their `PATH` behind the environment's own folder.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Runs what `request` asks for, and takes what changed into `environment`. Gives the variables that the scripts of
/// `activate.d` set, where those are asked for.
///
/// Scripts that may not run are named in the environment's warnings.
pub fn run(
    environment: &mut Environment,
    base: &Tree,
    platform: Platform,
    request: &CondaRequest,
    context: &Context,
) -> Result<Vec<(String, String)>, CondaError> {
    let wanting: Vec<(String, String, TreePath)> = environment
        .packages
        .iter()
        .filter_map(|package| Some((package.name.clone(), package.version.clone(), package.post_link.clone()?)))
        .collect();
    if request.post_link == PostLink::Deny && !wanting.is_empty() {
        let names: Vec<&str> = wanting.iter().map(|(name, ..)| name.as_str()).collect();
        environment.warnings.push(format!(
            "post-link scripts do not run, and may be needed: {}; `post-link = \"run\"` runs them in the sandbox",
            names.join(", ")
        ));
    }
    let post_link = if request.post_link == PostLink::Run { wanting } else { Vec::new() };
    let activating = if request.activate == Activate::Frozen { scripts(environment)? } else { Vec::new() };
    let python = python(environment).filter(|_| request.bytecode == Bytecode::UncheckedHash);
    if post_link.is_empty() && activating.is_empty() && python.is_none() {
        return Ok(Vec::new());
    }
    let mut stage = base.clone();
    for (path, inode) in environment.files() {
        stage.insert_with_parents(path.clone(), inode.clone())?;
    }
    let prefix = format!("/{}", String::from_utf8_lossy(environment.prefix.as_bytes()));
    let shell = shell(base, &prefix, environment).unwrap_or_else(|| "/bin/sh".to_owned());
    let sizes = stage.entries().filter_map(|entry| entry.inode.content()).map(Content::size);
    let settings = Settings {
        folder: context.store.ground(),
        network: false,
        expected_size: sizes.sum(),
        emulator: Emulator::for_platform(platform)?,
    };
    context.reporter.begin(Phase::Configure, None, Unit::Items);
    let mut session = context.sandbox.start(&settings)?;
    // What an imported image has there is in the way of the sandbox's own.
    let of_sandbox = ["dev", "proc", "sys"].map(TreePath::literal);
    let is_below = |path: &TreePath| of_sandbox.iter().any(|folder| path.starts_with(folder) && path != folder);
    session.put(stage.entries().filter(|entry| !is_below(entry.path)))?;
    let time = context.epoch.unwrap_or(environment.epoch).seconds();
    // Scripts of packages run in the activated environment, as conda runs them.
    let variables = environment.variables.clone();
    let own: Vec<(&str, &String)> = variables.iter().map(|(name, value)| (name.as_str(), value)).collect();
    let sourced = |scripts: &[String]| scripts.iter().map(|script| format!(". '{script}'\n")).collect::<String>();
    let activated = sourced(&scripts(environment)?);
    for (name, version, script) in &post_link {
        let script = format!("/{}", String::from_utf8_lossy(script.as_bytes()));
        let command = vec![shell.clone(), "-c".to_owned(), format!("set -e\n{activated}exec '{shell}' '{script}'\n")];
        let more = [&own[..], &[("PKG_NAME", name), ("PKG_VERSION", version)]].concat();
        session.run(&step(command, &prefix, &more, time))?;
    }
    let messages = session.read(&environment.prefix.join(MESSAGES)?)?.unwrap_or_default();
    let said = String::from_utf8_lossy(&messages).trim().to_owned();
    if !post_link.is_empty() && !said.is_empty() {
        environment.warnings.push(format!("the packages' scripts say: {said}"));
    }
    if let Some(python) = &python {
        compile(&mut session, python, &prefix, time, environment)?;
    }
    let variables = if activating.is_empty() {
        Vec::new()
    } else {
        let lines = sourced(&activating);
        let command = vec![shell, "-c".to_owned(), format!("set -e\n{lines}export -p > {VARIABLES}\n")];
        session.run(&step(command, &prefix, &own, time))?;
        let bytes = session.read(&TreePath::literal(&VARIABLES[1..]))?.unwrap_or_default();
        set_by(exported(&bytes), &step(Vec::new(), &prefix, &own, time))
    };
    let changed = session.collect(&context.store)?;
    if !post_link.is_empty() || python.is_some() {
        take(environment, &stage, &changed, time)?;
    }
    context.reporter.end(Phase::Configure, &counted(post_link.len() + activating.len(), "script"));
    Ok(variables)
}

/// A program in the environment at `prefix`, with variables of its own.
fn step(command: Vec<String>, prefix: &str, more: &[(&str, &String)], time: i64) -> Step {
    let mut environment: BTreeMap<String, String> = [
        ("CONDA_PREFIX", prefix.to_owned()),
        ("HOME", "/root".to_owned()),
        ("LC_ALL", "C.UTF-8".to_owned()),
        ("PATH", format!("{prefix}/bin:{PATH}")),
        ("PREFIX", prefix.to_owned()),
        ("SOURCE_DATE_EPOCH", time.to_string()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    environment.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).clone())));
    let (folder, secrets) = ("/".to_owned(), Default::default());
    Step { command, environment: environment.into_iter().collect(), folder, time, network: false, secrets }
}

/// The interpreter of an environment.
fn python(environment: &Environment) -> Option<String> {
    let python = environment.packages.iter().find(|package| package.name == "python")?;
    let mut parts = python.version.split('.');
    Some(format!("python{}.{}", parts.next()?, parts.next()?))
}

/// Compiles all modules. Those that are no Python of this version, as templates and tests, stay as they are.
fn compile(
    session: &mut Session,
    python: &str,
    prefix: &str,
    time: i64,
    environment: &mut Environment,
) -> Result<(), CondaError> {
    let program = format!("{prefix}/bin/{python}");
    let options = ["-s", "-m", "compileall", "-q", "-j1", "--invalidation-mode", "unchecked-hash"];
    let folders = module_folders(environment);
    let words = [program.as_str()].into_iter().chain(options).map(str::to_owned);
    let command = words.chain(folders).collect();
    // Before 3.11, the order of a set in compiled code follows from the seed of hashes.
    let (variables, seed) = (environment.variables.clone(), "0".to_owned());
    let own = variables.iter().map(|(name, value)| (name.as_str(), value)).chain([("PYTHONHASHSEED", &seed)]);
    let ended = session.run_to_end(&step(command, prefix, &own.collect::<Vec<_>>(), time))?;
    if ended.code != 0 {
        let last = ended.output.last().cloned().unwrap_or_else(|| format!("exit code {}", ended.code));
        environment.warnings.push(format!("not every Python module could be compiled: {last}"));
    }
    Ok(())
}

/// The folders of the image with modules: `PREFIX/lib/python3.14`, `PREFIX/lib/python3.14t`.
fn module_folders(environment: &Environment) -> BTreeSet<String> {
    let folder = |path: &TreePath| {
        let below = path.as_bytes().strip_prefix(environment.prefix.as_bytes())?.strip_prefix(b"/lib/python")?;
        let version = below.split(|byte| *byte == b'/').next().filter(|version| version.len() < below.len())?;
        let (prefix, version) =
            (String::from_utf8_lossy(environment.prefix.as_bytes()), String::from_utf8_lossy(version));
        Some(format!("/{prefix}/lib/python{version}"))
    };
    environment.files().filter(|(path, _)| path.name().ends_with(b".py")).filter_map(|(path, _)| folder(path)).collect()
}

/// The variables that are otherwise than they were given to the shell.
fn set_by(mut exported: Vec<(String, String)>, given: &Step) -> Vec<(String, String)> {
    let own = ["PWD", "OLDPWD", "SHLVL", "_"];
    exported.retain(|variable| !own.contains(&variable.0.as_str()) && !given.environment.contains(variable));
    exported.sort();
    exported
}

/// Takes what programs wrote below the prefix: compiled modules into the package of their source, all else into the last
/// layer. What they wrote elsewhere is not part of an environment.
fn take(environment: &mut Environment, before: &Tree, after: &Tree, time: i64) -> Result<(), CondaError> {
    let mut owners: BTreeMap<TreePath, (usize, i64)> = BTreeMap::new();
    for (index, package) in environment.packages.iter().enumerate() {
        owners.extend(package.files.iter().map(|(path, inode)| (path.clone(), (index, inode.meta.mtime))));
    }
    let is_new = |path: &TreePath, inode: &Inode| {
        inode.origin == Origin::Sandbox && !(inode.is_directory() && before.is_directory(path))
    };
    let mut elsewhere = Vec::new();
    let messages = environment.prefix.join(MESSAGES)?;
    for entry in after.entries().filter(|entry| is_new(entry.path, entry.inode)) {
        if !entry.path.starts_with(&environment.prefix) {
            elsewhere.push(entry.path.clone());
            continue;
        }
        if *entry.path == messages || (entry.inode.is_directory() && entry.path.name() == b"__pycache__") {
            continue;
        }
        let mut inode = Inode::clone(entry.inode);
        // As everywhere in an environment: root's, and no later than its packages.
        (inode.meta.uid, inode.meta.gid) = (0, 0);
        inode.meta.mtime = if inode.is_directory() { 0 } else { inode.meta.mtime.clamp(0, time) };
        let owner = owners
            .get(entry.path)
            .copied()
            .or_else(|| source_of(entry.path).and_then(|path| owners.get(&path).copied()));
        match owner.filter(|_| entry.path.name().ends_with(b".pyc")) {
            Some((index, mtime)) => {
                inode.meta.mtime = mtime;
                inode.meta.mode = 0o644;
                let package = &mut environment.packages[index];
                package.size += inode.content().map_or(0, Content::size);
                package.files.retain(|(path, _)| path != entry.path);
                package.files.push((entry.path.clone(), inode));
            }
            None => {
                if let Some((index, _)) = owners.get(entry.path) {
                    environment.packages[*index].files.retain(|(path, _)| path != entry.path);
                }
                environment.meta.retain(|(path, _)| path != entry.path);
                environment.meta.push((entry.path.clone(), inode));
            }
        }
    }
    for package in &mut environment.packages {
        package.files.retain(|(path, _)| after.contains(path));
        package.files.sort_by(|(one, _), (other, _)| one.cmp(other));
    }
    elsewhere.retain(|path| !path.starts_with(&TreePath::literal("tmp")) && !before.is_directory(path));
    if let Some(first) = elsewhere.first() {
        environment.warnings.push(format!(
            "scripts changed {} files outside the environment, such as `{first}`: those changes are not in the image",
            elsewhere.len()
        ));
    }
    Ok(())
}

/// `a/b.py` of `a/__pycache__/b.cpython-312.pyc`.
fn source_of(path: &TreePath) -> Option<TreePath> {
    let folder = path.parent().filter(|folder| folder.name() == b"__pycache__")?.parent()?;
    let name = String::from_utf8_lossy(path.name()).into_owned();
    folder.join(format!("{}.py", name.split('.').next()?)).ok()
}
