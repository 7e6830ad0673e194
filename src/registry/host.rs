//! One registry's address, and the HTTP client that is used for it: scheme, trusted certificates, our own.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use reqwest::{Certificate, Identity, Url};

use super::RegistryError;
use super::credentials::Found;
use super::mirrors::Place;
use super::scope::{Challenge, Scope, Token};
use crate::http::{HttpOptions, unreachable, web_client};

/// A registry that is talked to.
pub(super) struct Host {
    /// What it is called: `docker.io`, `localhost:5000`.
    pub name: String,
    /// Where it is: `https://registry-1.docker.io/`.
    pub base: Url,
    /// The client for it alone.
    pub web: reqwest::Client,
    /// What it asked for when it last wanted to know who we are.
    pub challenge: Mutex<Option<Challenge>>,
    /// What token servers gave, by what it is for.
    pub tokens: Mutex<BTreeMap<Scope, Token>>,
    /// Logins by repository, as looking them up may run programs.
    pub logins: Mutex<BTreeMap<String, Option<Found>>>,
}

impl Host {
    /// Prepares a client, and finds out whether a registry of this machine, or one that is called insecure, has TLS.
    pub async fn open(place: &Place, options: &HttpOptions) -> Result<Self, RegistryError> {
        let name = place.host.as_str();
        let address = if name == "docker.io" { "registry-1.docker.io" } else { name };
        let settings = &options.registries;
        let found = Certificates::find(&settings.certificate_folders, name)?;
        let is_local = host_of(name).is_some_and(|host| is_loopback(&host));
        let web = web_client(options, found.trusted, |builder| {
            let builder = if is_local { builder.no_proxy() } else { builder };
            let builder = found.own.iter().fold(builder, |builder, own| builder.identity(own.clone()));
            builder.tls_danger_accept_invalid_certs(place.insecure)
        });
        let web = web.map_err(|error| RegistryError::Http(Box::new(error)))?;
        let with = |scheme: &str| {
            Url::parse(&format!("{scheme}://{address}/")).map_err(|error| RegistryError::Answer {
                name: name.to_owned(),
                problem: format!("its name is no address: {error}"),
            })
        };
        let base = match (settings.plain_http, is_local || place.insecure) {
            (true, _) => with("http")?,
            (false, false) => with("https")?,
            (false, true) => match has_tls(&web, with("https")?, name, options).await? {
                true => with("https")?,
                false => with("http")?,
            },
        };
        Ok(Self {
            name: name.to_owned(),
            base,
            web,
            challenge: Mutex::default(),
            tokens: Mutex::default(),
            logins: Mutex::default(),
        })
    }

    /// An address of a repository: `/v2/<name>/<kind>/<which>` (distribution spec, "Endpoints").
    pub fn url(&self, repository: &str, kind: &str, which: &str) -> Url {
        let path = format!("v2/{repository}/{kind}/{which}");
        self.base.join(&path).expect("names, tags and digests have no character that an address takes otherwise")
    }

    /// Whether an address is of this registry, so that it may see its logins: the same scheme, host and port.
    pub fn owns(&self, url: &Url) -> bool {
        url.origin() == self.base.origin()
    }

    /// What messages call the server of an address: the registry by its name, another by host and port.
    pub fn name_of(&self, url: &Url) -> String {
        if self.owns(url) { self.name.clone() } else { url.authority().to_owned() }
    }

    /// Whose login for a repository was found, and where; nothing where none was looked for or found.
    pub fn sent_login(&self, repository: &str) -> Option<(String, String)> {
        let logins = self.logins.lock().expect("no thread panics while it holds this");
        let found = logins.get(repository)?.as_ref()?;
        Some((found.login.user().to_owned(), found.from.clone()))
    }
}

/// Whether there is TLS. A certificate that is not trusted is no reason to go without.
async fn has_tls(web: &reqwest::Client, base: Url, name: &str, options: &HttpOptions) -> Result<bool, RegistryError> {
    let url = base.join("v2/").expect("it is a path");
    match tokio::time::timeout(options.patience, web.get(url.clone()).send()).await {
        Ok(Ok(_)) => Ok(true),
        Ok(Err(error)) => {
            let is_refused = error.is_connect() && format!("{error:?}").contains("ConnectionRefused");
            match RegistryError::of_http(unreachable(url.to_string(), &error), name, "its greeting") {
                RegistryError::Unreachable { .. } if !is_refused => Ok(false),
                RegistryError::Interrupted { .. } => Ok(false),
                other => Err(other),
            }
        }
        Err(_) => Err(RegistryError::Unreachable { registry: name.to_owned(), source: "it does not answer".into() }),
    }
}

/// What the folders of certificates have for a registry.
struct Certificates {
    trusted: Vec<Certificate>,
    own: Option<Identity>,
}

impl Certificates {
    fn find(folders: &[PathBuf], name: &str) -> Result<Self, RegistryError> {
        let mut found = Self { trusted: Vec::new(), own: None };
        for folder in folders.iter().map(|folder| folder.join(name)) {
            let Ok(entries) = fs::read_dir(&folder) else { continue };
            let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
            paths.sort();
            for path in paths {
                match path.extension().and_then(|extension| extension.to_str()) {
                    Some("crt") => {
                        let bundle = Certificate::from_pem_bundle(&read(&path)?);
                        found.trusted.extend(bundle.map_err(|error| unusable(&path, error.into()))?);
                    }
                    Some("cert") if found.own.is_none() => {
                        let mut pem = read(&path)?;
                        pem.push(b'\n');
                        pem.extend(read(&path.with_extension("key"))?);
                        let own = Identity::from_pem(&pem).map_err(|error| unusable(&path, error.into()))?;
                        found.own = Some(own);
                    }
                    _ => {}
                }
            }
        }
        Ok(found)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, RegistryError> {
    fs::read(path).map_err(|error| unusable(path, error.into()))
}

fn unusable(path: &Path, source: Box<dyn std::error::Error + Send + Sync>) -> RegistryError {
    RegistryError::Certificates { path: path.to_owned(), source }
}

/// The host in `HOST[:PORT]`.
fn host_of(name: &str) -> Option<String> {
    Url::parse(&format!("http://{name}/")).ok()?.host_str().map(str::to_owned)
}

/// Whether a host is this machine by its name or number alone.
pub(super) fn is_loopback(host: &str) -> bool {
    let plain = host.trim_matches(['[', ']']).trim_end_matches('.');
    plain.eq_ignore_ascii_case("localhost")
        || plain.to_ascii_lowercase().ends_with(".localhost")
        || plain.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether a host is one that only this machine or its cloud sees: loopback, unspecified, or link-local, where clouds
/// give out the machine's own credentials.
fn is_inner(host: &str) -> bool {
    let plain = host.trim_matches(['[', ']']);
    let mapped = |address: IpAddr| match address {
        IpAddr::V6(six) => six.to_ipv4_mapped().map_or(address, IpAddr::V4),
        four => four,
    };
    is_loopback(plain)
        || plain.parse::<IpAddr>().map(mapped).is_ok_and(|address| match address {
            IpAddr::V4(four) => four.is_link_local() || four.is_unspecified() || four.is_loopback(),
            IpAddr::V6(six) => six.is_unicast_link_local() || six.is_unspecified(),
        })
}

/// Why a registry may not send us from `from` to `to`, if it may not.
pub(super) fn refusal_to_follow(from: &Url, to: &Url) -> Option<&'static str> {
    let host = |url: &Url| url.host_str().unwrap_or_default().to_owned();
    match (from.scheme(), to.scheme()) {
        ("http", "http" | "https") | ("https", "https") => {}
        ("https", "http") => return Some("it leaves the encrypted connection"),
        _ => return Some("it is neither http nor https"),
    }
    if !to.username().is_empty() || to.password().is_some() {
        return Some("it has a login in it");
    }
    (is_inner(&host(to)) && !is_inner(&host(from))).then_some("it leads into this machine or its own network")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_this_machine() {
        for host in ["localhost", "LOCALHOST", "127.0.0.1", "127.8.9.1", "[::1]", "a.localhost"] {
            assert!(is_loopback(host) && is_inner(host), "{host}");
        }
        for host in ["localhost.example", "10.0.0.1", "128.0.0.1", "example.com"] {
            assert!(!is_loopback(host) && !is_inner(host), "{host}");
        }
        for host in ["169.254.169.254", "[fe80::1]", "0.0.0.0", "[::ffff:127.0.0.1]"] {
            assert!(is_inner(host), "{host}");
        }
    }

    #[test]
    fn where_a_registry_may_lead() {
        let refusal = |from: &str, to: &str| refusal_to_follow(&from.parse().unwrap(), &to.parse().unwrap()).is_some();
        assert!(!refusal("https://a.example/x", "https://cdn.example/y?signature=1"));
        assert!(!refusal("http://127.0.0.1:1/", "http://127.0.0.1:2/"));
        assert!(!refusal("http://127.0.0.1:1/", "https://a.example/"));
        for (from, to) in [
            ("https://a.example/", "http://a.example/"),
            ("https://a.example/", "file:///etc/passwd"),
            ("https://a.example/", "https://169.254.169.254/latest"),
            ("https://a.example/", "https://localhost/"),
            ("https://a.example/", "https://me:pass@b.example/"),
        ] {
            assert!(refusal(from, to), "{to}");
        }
    }
}
