//! What two images say differently about running them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::ops::inspect::Config;

/// A key of the configuration that is different.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ConfigChange {
    /// Which: `user`, `env PATH`, `label org.opencontainers.image.title`.
    pub key: String,
    /// What the one says; nothing where it is silent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// What the other says; nothing where it is silent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// The changes, by key.
pub fn changes(before: &Config, after: &Config) -> Vec<ConfigChange> {
    let (before, after) = (said(before), said(after));
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let change = |key: &&String| {
        let (before, after) = (before.get(*key), after.get(*key));
        let change = || ConfigChange { key: (*key).clone(), before: before.cloned(), after: after.cloned() };
        (before != after).then(change)
    };
    keys.iter().filter_map(change).collect()
}

/// Everything that an image says, each in a line.
fn said(config: &Config) -> BTreeMap<String, String> {
    let Config {
        platform,
        created,
        user,
        env,
        entrypoint,
        cmd,
        working_dir,
        stop_signal,
        exposed_ports,
        volumes,
        labels,
    } = config;
    let list = |words: &[String]| serde_json::to_string(words).expect("texts are JSON");
    let mut said = BTreeMap::from([
        ("platform".to_owned(), platform.clone()),
        ("user".to_owned(), user.clone()),
        ("entrypoint".to_owned(), list(entrypoint)),
        ("cmd".to_owned(), list(cmd)),
        ("ports".to_owned(), list(exposed_ports)),
        ("volumes".to_owned(), list(volumes)),
    ]);
    for (key, value) in [("created", created), ("workdir", working_dir), ("stop-signal", stop_signal)] {
        said.extend(value.iter().map(|value| (key.to_owned(), value.clone())));
    }
    for variable in env {
        let (name, value) = variable.split_once('=').unwrap_or((variable, ""));
        said.insert(format!("env {name}"), value.to_owned());
    }
    said.extend(labels.iter().map(|(name, value)| (format!("label {name}"), value.clone())));
    said.retain(|_, value| !value.is_empty() && value != "[]");
    said
}
