//! `conda-meta`: what tools that look at an environment, scanners among them, know of its packages.
//!
//! Nothing of this machine is in it: no cache, no stage, no local channel but for the name of its folder. Modes are 0644,
//! so that everybody may read it.

use serde_json::{Value, json};

use crate::oci::canonical_json;

/// One file of an installed package.
#[derive(Clone, Debug)]
pub(super) struct RecordedPath {
    /// Below the prefix.
    pub(super) path: String,
    /// `hardlink`, `softlink`, `directory` or `unix_python_entry_point`, as conda names what it did.
    pub(super) kind: &'static str,
    /// What the package says of it, in hex.
    pub(super) sha256: Option<String>,
    /// What it is after the prefix was put in, in hex.
    pub(super) sha256_in_prefix: Option<String>,
    /// Its size in the package.
    pub(super) size: Option<u64>,
    /// What was replaced, and how (`text`, `binary`).
    pub(super) placeholder: Option<(String, &'static str)>,
}

/// What a record says beside the package's own index.json and paths.
pub(super) struct Provenance<'a> {
    /// The channel's address.
    pub(super) channel: &'a str,
    /// Where it is in the channel.
    pub(super) path: &'a str,
    pub(super) sha256: String,
    pub(super) size: u64,
    /// Who asked for it.
    pub(super) requested: Vec<String>,
}

/// The JSON of a record; `index` is the package's index.json.
pub(super) fn record(index: &Value, paths: &[RecordedPath], provenance: &Provenance<'_>) -> Vec<u8> {
    let mut record = index.clone();
    let (subdir, file) = provenance.path.rsplit_once('/').unwrap_or(("", provenance.path));
    record["fn"] = file.into();
    record["url"] = format!("{}{}", provenance.channel, provenance.path).into();
    record["channel"] = provenance.channel.trim_end_matches('/').into();
    record["sha256"] = provenance.sha256.clone().into();
    record["size"] = provenance.size.into();
    record["requested_specs"] = provenance.requested.clone().into();
    record["files"] = paths.iter().map(|path| path.path.clone()).collect::<Vec<_>>().into();
    record["paths_data"] = json!({
        "paths_version": 1,
        "paths": paths.iter().map(RecordedPath::json).collect::<Vec<_>>(),
    });
    if record.get("subdir").is_none_or(Value::is_null) {
        record["subdir"] = subdir.into();
    }
    canonical_json(&record)
}

impl RecordedPath {
    fn json(&self) -> Value {
        let mut value = json!({ "_path": self.path, "path_type": self.kind });
        let mut set = |key: &str, known: Option<Value>| {
            if let Some(known) = known {
                value[key] = known;
            }
        };
        set("sha256", self.sha256.clone().map(Value::from));
        set("sha256_in_prefix", self.sha256_in_prefix.clone().map(Value::from));
        set("size_in_bytes", self.size.map(Value::from));
        set("prefix_placeholder", self.placeholder.clone().map(|(placeholder, _)| placeholder.into()));
        set("file_mode", self.placeholder.as_ref().map(|(_, mode)| (*mode).into()));
        value
    }
}

/// The text of `conda-meta/state`, where the environment has variables.
pub(super) fn state(variables: &[(String, String)]) -> Vec<u8> {
    let variables: serde_json::Map<String, Value> =
        variables.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
    canonical_json(&json!({ "version": 1, "env_vars": variables }))
}
