//! What an image says about running it, for another that takes it over.

use std::collections::BTreeMap;

use oci_spec::image::ImageConfiguration;
use serde_json::Value;

use super::{ImageConfig, ImageError};
use crate::oci::Raw;

/// What an image says, as far as it can be said again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunSettings {
    /// All but the user.
    pub config: ImageConfig,
    /// The user as written: numbers, or names of the image's own accounts; nothing for root.
    pub user: Option<String>,
    /// What Docker's engines say and the OCI image specification has no place for: `Healthcheck`.
    pub left_out: Vec<String>,
}

/// The keys of `config` that are taken over (OCI image spec, config.md), and one that means nothing outside of Windows.
const KNOWN: [&str; 11] = [
    "User",
    "Env",
    "Entrypoint",
    "Cmd",
    "WorkingDir",
    "StopSignal",
    "ExposedPorts",
    "Volumes",
    "Labels",
    "ArgsEscaped",
    "Hostname",
];

impl RunSettings {
    /// Reads what `document` says.
    ///
    /// Fails where it names a port or a variable that cannot be; the rest is looked at when an image is made of it.
    pub fn read(document: &Raw<ImageConfiguration>) -> Result<Self, ImageError> {
        let given = document.document().config().clone().unwrap_or_default();
        let variable = |text: &String| match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
            _ => Err(ImageError::Variable(text.clone())),
        };
        let ports = given.exposed_ports().clone().unwrap_or_default();
        let labels: BTreeMap<String, String> = given.labels().clone().unwrap_or_default().into_iter().collect();
        let config = ImageConfig {
            user: None,
            env: given.env().clone().unwrap_or_default().iter().map(variable).collect::<Result<_, _>>()?,
            entrypoint: given.entrypoint().clone().unwrap_or_default(),
            cmd: given.cmd().clone().unwrap_or_default(),
            working_dir: given.working_dir().clone().filter(|folder| !folder.is_empty()),
            labels,
            stop_signal: given.stop_signal().clone(),
            exposed_ports: ports.iter().map(|port| port.parse().map_err(ImageError::Port)).collect::<Result<_, _>>()?,
            volumes: given.volumes().clone().unwrap_or_default().into_iter().collect(),
            author: document.document().author().clone().filter(|author| !author.is_empty()),
            ..ImageConfig::default()
        };
        let user = given.user().clone().filter(|user| !user.is_empty());
        Ok(Self { config, user, left_out: left_out(document.bytes()) })
    }
}

/// The keys that say something and are not taken over, in order.
fn left_out(document: &[u8]) -> Vec<String> {
    let document: Value = serde_json::from_slice(document).unwrap_or_default();
    let Some(Value::Object(config)) = document.get("config") else { return Vec::new() };
    let says = |value: &Value| match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
        _ => true,
    };
    // What docker writes of the container that an image was made from: Image, Domainname, AttachStdin, Tty, ...
    let of_container = |key: &str| {
        key.starts_with("Attach")
            || key.contains("Stdin")
            || matches!(key, "Image" | "Domainname" | "Tty" | "OpenStdin")
    };
    let other =
        config.iter().filter(|(key, value)| says(value) && !KNOWN.contains(&key.as_str()) && !of_container(key));
    let mut keys: Vec<String> = other.map(|(key, _)| key.clone()).collect();
    keys.sort();
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inherited(config: &str) -> Result<RunSettings, ImageError> {
        let document = format!(
            r#"{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":[]}},"config":{config}}}"#
        );
        RunSettings::read(&Raw::parse(document.as_bytes(), "image configuration").unwrap())
    }

    #[test]
    fn everything_that_can_be_said_is_kept() {
        let found = inherited(
            r#"{"User":"app","Env":["PATH=/bin","X=a=b"],"Entrypoint":["/init"],"Cmd":["-v"],"WorkingDir":"/srv",
                "StopSignal":"SIGINT","ExposedPorts":{"80/tcp":{},"53/udp":{}},"Volumes":{"/data":{}},
                "Labels":{"a":"b"},"Healthcheck":{"Test":["NONE"]},"OnBuild":null,"Image":"x","Tty":true}"#,
        )
        .unwrap();
        assert_eq!(found.user.as_deref(), Some("app"));
        let config = &found.config;
        assert_eq!(config.env, [("PATH".into(), "/bin".into()), ("X".into(), "a=b".into())]);
        assert_eq!((config.entrypoint.join(" "), config.cmd.join(" ")), ("/init".into(), "-v".into()));
        assert_eq!(config.exposed_ports.iter().map(ToString::to_string).collect::<Vec<_>>(), ["53/udp", "80/tcp"]);
        assert_eq!(config.volumes.iter().collect::<Vec<_>>(), ["/data"]);
        assert_eq!(found.left_out, ["Healthcheck"]);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        assert!(matches!(inherited(r#"{"Env":["no-value"]}"#), Err(ImageError::Variable(_))));
        assert!(matches!(inherited(r#"{"ExposedPorts":{"99999/tcp":{}}}"#), Err(ImageError::Port(_))));
        assert_eq!(inherited("{}").unwrap(), RunSettings::default());
    }
}
