//! What an image says about running it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

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
pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Larger numbers overflowed to root in runtimes (CVE-2024-40635).
const LARGEST_USER: u32 = i32::MAX as u32;

impl ImageConfig {
    /// Looks for what no runtime accepts.
    pub(super) fn check(&self) -> Result<(), ImageError> {
        if let Some(directory) = self.working_dir.as_ref().filter(|directory| !directory.starts_with('/')) {
            return Err(ImageError::WorkingDirectory(directory.clone()));
        }
        if let Some((uid, gid)) = self.user.filter(|(uid, gid)| *uid.max(gid) > LARGEST_USER) {
            return Err(ImageError::User { uid, gid });
        }
        let wrong = self.env.iter().map(|(name, _)| name).find(|name| name.is_empty() || name.contains(['=', '\0']));
        wrong.map_or(Ok(()), |name| Err(ImageError::Variable(name.clone())))
    }

    /// The OCI form: the `config` object of an image configuration.
    pub(super) fn oci(&self) -> oci_spec::image::Config {
        let mut config = oci_spec::image::Config::default();
        let some = |list: &Vec<String>| (!list.is_empty()).then(|| list.clone());
        config.set_user(self.user.map(|(uid, gid)| format!("{uid}:{gid}")));
        config.set_env(Some(self.env_with_path()));
        config.set_entrypoint(some(&self.entrypoint));
        config.set_cmd(some(&self.cmd));
        config.set_working_dir(self.working_dir.clone());
        config.set_stop_signal(self.stop_signal.clone());
        config.set_exposed_ports(some(&self.exposed_ports.iter().map(ExposedPort::to_string).collect()));
        config.set_volumes(some(&self.volumes.iter().cloned().collect()));
        config.set_labels((!self.labels.is_empty()).then(|| self.labels.clone().into_iter().collect()));
        config
    }

    /// The labels that are annotations of manifests and indexes too.
    pub fn annotations(&self) -> BTreeMap<String, String> {
        let of_images = |name: &String| name.starts_with("org.opencontainers.image.");
        self.labels.iter().filter(|(name, _)| of_images(name)).map(|(k, v)| (k.clone(), v.clone())).collect()
    }

    fn env_with_path(&self) -> Vec<String> {
        let path = self.env.iter().all(|(name, _)| name != "PATH").then(|| format!("PATH={DEFAULT_PATH}"));
        path.into_iter().chain(self.env.iter().map(|(name, value)| format!("{name}={value}"))).collect()
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
