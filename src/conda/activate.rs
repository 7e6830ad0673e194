//! How programs of an environment find it: variables, and an entrypoint where packages have scripts for that.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::archive::damaged;
use super::{CondaError, Environment, Installed};
use crate::epoch::Epoch;
use crate::recipe::Activate;
use crate::tree::{Content, Inode, Origin, Tree, TreePath};

/// What activating an environment adds to an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Activation {
    /// Variables beside `PATH`, in their order.
    pub variables: Vec<(String, String)>,
    /// The folder to put first in `PATH`.
    pub path: String,
    /// The program that the image's own program is started by.
    pub entrypoint: Option<String>,
    /// What a person should look at.
    pub warnings: Vec<String>,
}

/// The entrypoint, below the prefix.
const ENTRYPOINT: &str = "bin/rootsmith-entrypoint";

/// Where packages have scripts to be sourced, below the prefix.
const SCRIPTS: &str = "etc/conda/activate.d";

/// Where packages have variables to be set, below the prefix.
const VARIABLES: &str = "etc/conda/env_vars.d";

/// Works out how `environment` is found on `base`. The entrypoint is added to the environment's own files.
///
/// `activate = "frozen"` is like `env` here; what the scripts set is found out by running them.
pub fn activation(environment: &mut Environment, base: &Tree, activate: Activate) -> Result<Activation, CondaError> {
    let prefix = format!("/{}", String::from_utf8_lossy(environment.prefix.as_bytes()));
    let mut activation = Activation {
        variables: vec![
            ("CONDA_DEFAULT_ENV".to_owned(), environment.name.clone()),
            ("CONDA_PREFIX".to_owned(), prefix.clone()),
        ],
        path: format!("{prefix}/bin"),
        ..Activation::default()
    };
    activation.variables.extend(environment.variables.clone());
    let scripts = scripts(environment)?;
    if scripts.is_empty() || activate == Activate::Frozen {
        return Ok(activation);
    }
    let names: Vec<&str> = scripts.iter().map(|path| path.rsplit('/').next().unwrap_or(path)).collect();
    let shell = shell(base, &prefix, environment);
    match (activate, shell) {
        (Activate::Entrypoint, Some(shell)) => {
            let path = environment.prefix.join(ENTRYPOINT)?;
            let text = script(&shell, &prefix, &environment.name);
            let inode = Inode::file(0o755, Content::bytes(text.into_bytes()), Origin::Recipe("[[conda]]".into()));
            environment.meta.push((path, inode.at(Epoch::default())));
            activation.entrypoint = Some(format!("{prefix}/{ENTRYPOINT}"));
        }
        (Activate::Entrypoint, None) => activation.warnings.push(format!(
            "the scripts {} of activate.d never run: neither the base nor the environment has a shell",
            names.join(", ")
        )),
        _ => activation.warnings.push(format!(
            "the scripts {} of activate.d never run: `activate = \"entrypoint\"` runs them, \"frozen\" runs them at build time",
            names.join(", ")
        )),
    }
    Ok(activation)
}

/// The variables of packages' files in `env_vars.d`, which are JSON, in the order of the files' names: of two with one name the
/// later one is right, and before all of them what the environment itself says.
pub(super) fn with_variables(environment: &Environment) -> Result<Vec<(String, String)>, CondaError> {
    let folder = environment.prefix.join(VARIABLES)?;
    let is_list = |path: &TreePath| path.parent().as_ref() == Some(&folder) && path.name().ends_with(b".json");
    let mut files: BTreeMap<&TreePath, (&Installed, &Inode)> = BTreeMap::new();
    for package in &environment.packages {
        files.extend(
            package.files.iter().filter(|(path, _)| is_list(path)).map(|(path, inode)| (path, (package, inode))),
        );
    }
    let mut variables: Vec<(String, String)> = Vec::new();
    let mut set = |name: &str, value: &str| {
        variables.retain(|(known, _)| known != name);
        variables.push((name.to_owned(), value.to_owned()));
    };
    for (path, (package, inode)) in files {
        let title = format!("{} {}", package.name, package.version);
        let wrong = |reason: String| damaged(&title, format!("its `{path}`: {reason}"));
        let Some(content) = inode.content() else { continue };
        let bytes = content.read().map_err(|error| wrong(error.to_string()))?;
        let list: Map<String, Value> = serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
        for (name, value) in &list {
            let value = value.as_str().filter(|value| !value.contains('\0'));
            let value = value.ok_or_else(|| wrong(format!("the value of `{name}` is no text")))?;
            if name.is_empty() || name.contains(['=', '\0']) {
                return Err(wrong(format!("`{name}` is no name of a variable")));
            }
            set(name, value);
        }
    }
    for (name, value) in &environment.variables {
        set(name, value);
    }
    Ok(variables)
}

/// The scripts of `activate.d` for `sh`, by paths of the image, in the order in which they are sourced.
pub(super) fn scripts(environment: &Environment) -> Result<Vec<String>, CondaError> {
    let folder = environment.prefix.join(SCRIPTS)?;
    let sourced = |path: &TreePath| path.parent().as_ref() == Some(&folder) && path.name().ends_with(b".sh");
    let mut scripts: Vec<String> = environment
        .packages
        .iter()
        .flat_map(|package| &package.files)
        .filter(|(path, _)| sourced(path))
        .map(|(path, _)| format!("/{}", String::from_utf8_lossy(path.as_bytes())))
        .collect();
    scripts.sort();
    Ok(scripts)
}

/// The shell that scripts are written for: bash where there is one, else sh.
pub(super) fn shell(base: &Tree, prefix: &str, environment: &Environment) -> Option<String> {
    let in_base = |path: &'static str| {
        let place = base.resolve(&TreePath::literal(path)).ok();
        place.is_some_and(|place| base.get(&place).is_some_and(Inode::is_file)).then(|| format!("/{path}"))
    };
    let own = |name: &str| {
        let path = environment.prefix.join(format!("bin/{name}")).ok()?;
        environment.files().any(|(there, _)| *there == path).then(|| format!("{prefix}/bin/{name}"))
    };
    in_base("bin/bash").or_else(|| own("bash")).or_else(|| in_base("bin/sh"))
}

fn script(shell: &str, prefix: &str, name: &str) -> String {
    let name = name.replace('\'', "'\\''");
    format!(
        "#!{shell}\n\
         # Written by rootsmith: starts a program after the scripts of this environment's packages.\n\
         export CONDA_PREFIX={prefix} CONDA_DEFAULT_ENV='{name}' CONDA_SHLVL=1\n\
         for script in {prefix}/{SCRIPTS}/*.sh; do\n    . \"$script\"\ndone\n\
         unset script\n\
         exec \"$@\"\n"
    )
}
