//! Downloads: small documents as bytes, large ones into the store, always with an end.
//!
//! Everything here blocks. Below it is `reqwest`, whose tokio runtime is started at the first request that leaves this
//! machine and never leaves this module: a build whose inputs are all in the store opens no socket and starts no thread.
//!
//! A download has a list of candidates, mirrors in order of preference. Each round asks every candidate once; those
//! whose trouble may pass (no answer, a broken connection, 5xx) are asked again in the next round after a pause, the
//! others are not. What one mirror has begun another can complete, because only the digest counts.

mod apt;
mod body;
mod client;
mod credentials;
mod error;
mod file;
mod location;
mod pace;
mod parallel;
mod partial;
mod proxy;
mod registries;
mod retry;
mod sources;
mod stop;
mod unknown;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub use apt::AptProxies;
pub(crate) use body::Body;
pub(crate) use client::{retry_after, unreachable, web_client};
pub use credentials::{ChannelLogins, Credential, CredentialError, parse_netrc, with_login};
pub use error::HttpError;
pub use location::{address_in, is_same_place, without_secrets};
pub use proxy::Proxies;
pub use registries::{GivenLogin, RegistrySettings, Secret};
pub use sources::{HostMirror, mirrors_in_deb822, mirrors_in_list};

use crate::digest::Digest;
use crate::http::client::Client;
use crate::http::location::Location;
use crate::http::retry::Candidates;
use crate::http::stop::Stop;
use crate::store::{Blob, Store};

/// How to reach the network. The environment is not read here: whoever makes this has read it.
#[derive(Clone, Debug)]
pub struct HttpOptions {
    /// Which proxy serves which address.
    pub proxies: Proxies,
    /// Files of PEM certificates trusted beside the system's.
    pub certificates: Vec<PathBuf>,
    /// Logins, by the beginning of the addresses that they are for.
    pub credentials: Vec<Credential>,
    /// Use no network. Local files are still read.
    pub offline: bool,
    /// How long a connection may take to be made, name resolution and TLS included.
    pub connect_timeout: Duration,
    /// How long an answer may take to begin, and the span of time over which `minimum_rate` is measured.
    pub patience: Duration,
    /// Bytes a second, over each span of `patience`, below which a transfer is given up.
    pub minimum_rate: u64,
    /// How many further rounds over the candidates follow the first.
    pub retries: u32,
    /// The pause before the second round; each further one is twice as long.
    pub first_pause: Duration,
    /// How many downloads run at once.
    pub parallel: usize,
    /// Hosts that limit how often they are asked, and the least time between two requests.
    pub gaps: Vec<(String, Duration)>,
    /// How registries are reached.
    pub registries: RegistrySettings,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            proxies: Proxies::default(),
            certificates: Vec::new(),
            credentials: Vec::new(),
            offline: false,
            connect_timeout: Duration::from_secs(15),
            patience: Duration::from_secs(30),
            minimum_rate: 1024,
            retries: 4,
            first_pause: Duration::from_millis(500),
            parallel: 8,
            gaps: Vec::new(),
            registries: RegistrySettings::default(),
        }
    }
}

/// The way to files elsewhere; cheap to clone.
#[derive(Clone)]
pub struct Http {
    options: Arc<HttpOptions>,
    client: Arc<Mutex<Option<Arc<Client>>>>,
    candidates: Arc<Candidates>,
}

/// A file to download into the store.
#[derive(Clone, Debug)]
pub struct Job {
    /// What it is, for messages: `bash 5.2.37-2 (amd64)`.
    pub what: String,
    /// Where it is, in order of preference: addresses of `http`, `https` or `file`, or plain paths.
    pub candidates: Vec<String>,
    /// The digest that it must have.
    pub digest: Digest,
    /// How many bytes it must have.
    pub size: u64,
}

impl Http {
    /// Prepares downloads; nothing is opened yet.
    pub fn new(options: HttpOptions) -> Self {
        Self { options: Arc::new(options), client: Arc::default(), candidates: Arc::default() }
    }

    /// How the network is reached, for those who speak other protocols than downloads.
    pub fn options(&self) -> &HttpOptions {
        &self.options
    }

    /// Whether the network is off.
    pub fn is_offline(&self) -> bool {
        self.options.offline
    }

    /// The same, but each address is asked once: for those who ask the next mirror before they ask one again.
    pub fn without_retries(&self) -> Self {
        Self { options: Arc::new(HttpOptions { retries: 0, ..(*self.options).clone() }), ..self.clone() }
    }

    /// The bytes at `url`. More than `limit` bytes are an error, as is 404.
    ///
    /// The caller checks them: nothing is known of their digest here.
    pub fn fetch_bytes(&self, url: &str, limit: u64) -> Result<Vec<u8>, HttpError> {
        let location = Location::parse(url)?;
        let stop = Stop::new();
        let what = without_secrets(url);
        let candidates = std::slice::from_ref(&location);
        self.candidates.first_good(&self.options, candidates, &what, &stop, |location| match location {
            Location::File(path) => file::bytes(path, limit),
            Location::Web(url) => {
                let client = self.client(&what)?;
                client.run(&stop, client.bytes(url, limit))
            }
        })
    }

    /// As [`Http::fetch_bytes`], where a file that is not there is `None`: 404, 410 or no such file.
    pub fn fetch_optional(&self, url: &str, limit: u64) -> Result<Option<Vec<u8>>, HttpError> {
        match self.fetch_bytes(url, limit) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.is_absent() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The file of `job`, from the store or from the first candidate that gives the right bytes.
    ///
    /// `on_bytes` is told of bytes as they arrive, `job.size` in all, no matter how often the download begins anew.
    pub fn download(&self, job: &Job, store: &Store, on_bytes: &(dyn Fn(u64) + Sync)) -> Result<Blob, HttpError> {
        parallel::one(self, job, store, on_bytes, &Stop::new())
    }

    /// Downloads all `jobs` in their order, several at once, and gives each finished one to `each` with its number.
    ///
    /// `each` runs on the thread that downloaded, so that work on one file overlaps the download of others; it may take
    /// its time. The first error, of a download or of `each`, ends all other downloads and is the one returned.
    pub fn download_all<E: From<HttpError> + Send>(
        &self,
        jobs: &[Job],
        store: &Store,
        on_bytes: &(dyn Fn(u64) + Sync),
        each: impl Fn(usize, Blob) -> Result<(), E> + Sync,
    ) -> Result<(), E> {
        parallel::all(self, jobs, store, on_bytes, each)
    }

    /// A client with these proxies, certificates and limits of time that follows redirects: for libraries that make requests
    /// of their own. An error where the network is off.
    pub fn web_client(&self) -> Result<reqwest::Client, HttpError> {
        if self.options.offline {
            return Err(HttpError::Offline { what: "anything".to_owned() });
        }
        client::web_client(&self.options, Vec::new(), |builder| {
            let builder = builder.redirect(reqwest::redirect::Policy::limited(client::MOST_REDIRECTS));
            builder.read_timeout(self.options.patience)
        })
    }

    /// The client, made at its first use for `what`; an error where the network is off.
    fn client(&self, what: &str) -> Result<Arc<Client>, HttpError> {
        if self.options.offline {
            return Err(HttpError::Offline { what: what.to_owned() });
        }
        let mut client = self.client.lock().expect("no thread panics while it holds the client");
        if let Some(client) = &*client {
            return Ok(Arc::clone(client));
        }
        let made = Arc::new(Client::new(&self.options)?);
        *client = Some(Arc::clone(&made));
        Ok(made)
    }
}

#[cfg(test)]
mod tests;
