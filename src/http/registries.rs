//! How registries are reached: settings alone, read from flags, files and the environment by whoever makes them.

use std::fmt;
use std::path::PathBuf;

/// How registries are reached.
#[derive(Clone, Debug, Default)]
pub struct RegistrySettings {
    /// Talk plain HTTP to every registry. Without it, only those of this machine (loopback) and those that a file of
    /// `configuration` calls insecure are talked to without TLS.
    pub plain_http: bool,
    /// Files with logins, in the form of Docker's `config.json` and containers' `auth.json`; the first that has one for a
    /// registry counts. A file that is not there is passed over.
    pub login_files: Vec<PathBuf>,
    /// Logins in the same form, before those of files: `DOCKER_AUTH_CONFIG`.
    pub login_text: Option<Secret>,
    /// The login for one registry, before all others.
    pub login: Option<GivenLogin>,
    /// Folders with a folder for each registry, `HOST[:PORT]`: `*.crt` are trusted, `*.cert` with `*.key` prove who we are
    /// (containers-certs.d(5)).
    pub certificate_folders: Vec<PathBuf>,
    /// Files in the form of containers-registries.conf(5), later ones replace what earlier ones say of a registry.
    pub configuration: Vec<PathBuf>,
    /// Hosts that may be sent the login of a registry although they are not of its domain.
    pub trusted_realms: Vec<String>,
}

/// A login that was handed in.
#[derive(Clone, Debug)]
pub struct GivenLogin {
    /// The registry that it is for.
    pub registry: String,
    /// The user.
    pub user: String,
    /// The password or token.
    pub password: Secret,
}

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for sending it to whom it is for.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}
