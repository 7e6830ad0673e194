//! What an image says about running it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value};

use super::ImageError;

/// How containers of an image run, and what the image says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageConfig {
    /// Numeric user and group. Numbers, because Kubernetes cannot tell whether a name is root.
    pub user: Option<(u32, u32)>,
    /// Environment variables in their order. `PATH` is put first where it is missing.
    pub env: Vec<(String, String)>,
    /// The command that always runs.
    pub entrypoint: Vec<String>,
    /// Its default arguments; the command itself where there is no entrypoint.
    pub cmd: Vec<String>,
    /// Working directory, an absolute path.
    pub working_dir: Option<String>,
    /// Labels; those of `org.opencontainers.image.*` become annotations too.
    pub labels: BTreeMap<String, String>,
    /// The signal that asks a container to stop: `SIGINT`.
    pub stop_signal: Option<String>,
    /// Ports that the image serves.
    pub exposed_ports: BTreeSet<ExposedPort>,
    /// Directories that get an anonymous volume.
    pub volumes: BTreeSet<String>,
    /// Who answers for the image.
    pub author: Option<String>,
    /// The `config` object of the image that this one starts from. What is said above replaces what it says, key by
    /// key: variables and labels by their names; ports and volumes join its own. All else stays, that of Docker
    /// (`Healthcheck`, `Shell`, `OnBuild`) with it.
    pub inherited: Map<String, Value>,
    /// Annotations of the manifest beside those of labels.
    pub annotations: BTreeMap<String, String>,
}

/// A port that an image serves, written `8080/tcp`; `8080` means TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExposedPort {
    port: u16,
    protocol: Protocol,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Protocol {
    Tcp,
    Udp,
    Sctp,
}

/// A text that is no port.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no port: expected a number from 1 to 65535, and perhaps /tcp, /udp or /sctp")]
pub struct ParsePortError(pub String);

/// What Debian's and Docker's base images set.
pub(super) const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Keys of Docker's configurations that say something about running an image (moby, image/spec/v1.3, and BuildKit's
/// `ArgsEscaped` left out, which only Windows knows). Others are of the container that an image was committed from.
const EXTENSIONS: [&str; 4] = ["Healthcheck", "OnBuild", "Shell", "StopTimeout"];

/// Larger numbers overflowed to root in runtimes (CVE-2024-40635).
const LARGEST_USER: u32 = i32::MAX as u32;

impl ImageConfig {
    /// The `PATH` that containers have: its own, that of the image that this one starts from, or the usual one.
    pub fn path(&self) -> String {
        let all = self.env_with_path();
        all.iter().find_map(|variable| variable.strip_prefix("PATH=")).unwrap_or(DEFAULT_PATH).to_owned()
    }

    /// The command that always runs: its own, or that of the image that this one starts from.
    pub fn whole_entrypoint(&self) -> Vec<String> {
        if self.entrypoint.is_empty() { self.inherited_list("Entrypoint") } else { self.entrypoint.clone() }
    }

    /// Looks for what no runtime accepts.
    pub(super) fn check(&self) -> Result<(), ImageError> {
        if let Some(directory) = self.working_dir.as_ref().filter(|directory| !directory.starts_with('/')) {
            return Err(ImageError::WorkingDirectory(directory.clone()));
        }
        if let Some((uid, gid)) = self.user.filter(|(uid, gid)| *uid.max(gid) > LARGEST_USER) {
            return Err(ImageError::User { uid, gid });
        }
        let leads_away = |volume: &&String| !volume.starts_with('/') || volume.split('/').any(|part| part == "..");
        if let Some(volume) = self.volumes.iter().find(leads_away) {
            return Err(ImageError::Volume(volume.clone()));
        }
        let wrong = self.env.iter().map(|(name, _)| name).find(|name| name.is_empty() || name.contains(['=', '\0']));
        wrong.map_or(Ok(()), |name| Err(ImageError::Variable(name.clone())))
    }

    /// The OCI form: the `config` object of an image configuration.
    pub(super) fn oci(&self) -> oci_spec::image::Config {
        let mut config = oci_spec::image::Config::default();
        let some = |list: Vec<String>| (!list.is_empty()).then_some(list);
        let own_or = |own: &Vec<String>, key| if own.is_empty() { self.inherited_list(key) } else { own.clone() };
        let user = self.user.map(|(uid, gid)| format!("{uid}:{gid}"));
        config.set_user(user.or_else(|| self.inherited_text("User")));
        config.set_env(Some(self.env_with_path()));
        config.set_entrypoint(some(own_or(&self.entrypoint, "Entrypoint")));
        config.set_cmd(some(own_or(&self.cmd, "Cmd")));
        config.set_working_dir(self.working_dir.clone().or_else(|| self.inherited_text("WorkingDir")));
        config.set_stop_signal(self.stop_signal.clone().or_else(|| self.inherited_text("StopSignal")));
        let ports = self.exposed_ports.iter().map(ExposedPort::to_string);
        config.set_exposed_ports(some(self.joined("ExposedPorts", ports)));
        config.set_volumes(some(self.joined("Volumes", self.volumes.iter().cloned())));
        let labels = self.all_labels();
        config.set_labels((!labels.is_empty()).then(|| labels.into_iter().collect()));
        config
    }

    /// The keys of [`ImageConfig::inherited`] that the specification does not know, which stay as they are.
    pub(super) fn extensions(&self) -> Map<String, Value> {
        let kept = |(name, value): &(&String, &Value)| EXTENSIONS.contains(&name.as_str()) && !value.is_null();
        self.inherited.iter().filter(kept).map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// The labels that are annotations of manifests and indexes too, and [`ImageConfig::annotations`].
    pub fn all_annotations(&self) -> BTreeMap<String, String> {
        let of_images = |name: &String| name.starts_with("org.opencontainers.image.");
        let mut all: BTreeMap<_, _> = self.all_labels().into_iter().filter(|(name, _)| of_images(name)).collect();
        all.extend(self.annotations.clone());
        all
    }

    fn all_labels(&self) -> BTreeMap<String, String> {
        let mut labels = BTreeMap::new();
        if let Some(Value::Object(map)) = self.inherited.get("Labels") {
            labels.extend(map.iter().filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))));
        }
        // What the other image stands on is not what this one stands on.
        labels.retain(|name, _| !name.starts_with("org.opencontainers.image.base."));
        labels.extend(self.labels.clone());
        labels
    }

    /// What a container runs, program and arguments: the entrypoint and the command; its own, or those of the image that this
    /// one starts from.
    pub fn words(&self) -> Vec<String> {
        let cmd = if self.cmd.is_empty() { self.inherited_list("Cmd") } else { self.cmd.clone() };
        self.whole_entrypoint().into_iter().chain(cmd).collect()
    }

    fn env_with_path(&self) -> Vec<String> {
        let name_of = |variable: &str| variable.split('=').next().unwrap_or_default().to_owned();
        let mut all = self.inherited_list("Env");
        for (name, value) in &self.env {
            let variable = format!("{name}={value}");
            match all.iter_mut().find(|known| name_of(known) == *name) {
                Some(known) => *known = variable,
                None => all.push(variable),
            }
        }
        let path = all.iter().all(|known| name_of(known) != "PATH").then(|| format!("PATH={DEFAULT_PATH}"));
        path.into_iter().chain(all).collect()
    }

    fn inherited_list(&self, key: &str) -> Vec<String> {
        let Some(Value::Array(values)) = self.inherited.get(key) else { return Vec::new() };
        values.iter().filter_map(|value| value.as_str().map(str::to_owned)).collect()
    }

    fn inherited_text(&self, key: &str) -> Option<String> {
        self.inherited.get(key)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
    }

    /// The names of a set, which is an object of empty objects, and `own`.
    fn joined<'a>(&self, key: &str, own: impl Iterator<Item = String> + 'a) -> Vec<String> {
        let there = self.inherited.get(key).and_then(Value::as_object).into_iter().flat_map(|map| map.keys().cloned());
        there.chain(own).collect::<BTreeSet<_>>().into_iter().collect()
    }
}

impl fmt::Display for ExposedPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = match self.protocol {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
            Protocol::Sctp => "sctp",
        };
        write!(f, "{}/{protocol}", self.port)
    }
}

impl FromStr for ExposedPort {
    type Err = ParsePortError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ParsePortError(text.to_owned());
        let (number, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        let protocol = match protocol {
            "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            "sctp" => Protocol::Sctp,
            _ => return Err(wrong()),
        };
        let digits = number.bytes().all(|byte| byte.is_ascii_digit());
        let port = number.parse().ok().filter(|port| digits && *port > 0).ok_or_else(wrong)?;
        Ok(Self { port, protocol })
    }
}
