//! The client: its runtime, its connections, and where it goes for a repository.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};

use tokio::runtime::Runtime;

use super::host::Host;
use super::mirrors::{Configuration, Place};
use super::{At, RegistryError};
use crate::http::{Http, HttpError, HttpOptions, web_client};
use crate::oci::Repository;

/// Registries over HTTP; tokens and connections live as long as this.
pub struct Client {
    options: HttpOptions,
    runtime: OnceLock<Runtime>,
    elsewhere: OnceLock<reqwest::Client>,
    configuration: OnceLock<Configuration>,
    /// By name, and whether it is called insecure.
    hosts: Mutex<BTreeMap<(String, bool), Arc<Host>>>,
}

const NO_PANIC: &str = "no thread panics while it holds this";

impl Client {
    /// Prepares a client that goes the ways of `http`; nothing is opened yet.
    pub fn new(http: &Http) -> Self {
        Self::with(http.options().clone())
    }

    /// As [`Client::new`], with these options.
    pub(super) fn with(options: HttpOptions) -> Self {
        Self {
            options,
            runtime: OnceLock::new(),
            elsewhere: OnceLock::new(),
            configuration: OnceLock::new(),
            hosts: Mutex::default(),
        }
    }

    pub(super) fn options(&self) -> &HttpOptions {
        &self.options
    }

    /// The client for what is not a registry's own: redirects, token servers.
    pub(super) fn elsewhere(&self) -> Result<&reqwest::Client, RegistryError> {
        if self.elsewhere.get().is_none() {
            let made = web_client(&self.options, Vec::new(), |builder| builder).map_err(RegistryError::Http)?;
            // Another thread may have been faster.
            let _ = self.elsewhere.set(made);
        }
        Ok(self.elsewhere.get().expect("it was set above"))
    }

    pub(super) fn configuration(&self) -> Result<&Configuration, RegistryError> {
        if self.configuration.get().is_none() {
            let _ = self.configuration.set(Configuration::read(&self.options.registries.configuration)?);
        }
        Ok(self.configuration.get().expect("it was set above"))
    }

    /// Does `work` on this thread until it is done.
    pub(super) fn run<T>(&self, work: impl Future<Output = Result<T, RegistryError>>) -> Result<T, RegistryError> {
        if self.runtime.get().is_none() {
            let made = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .thread_name("registry")
                .enable_all()
                .build()
                .map_err(|source| RegistryError::Http(HttpError::Prepare { source: source.into() }))?;
            if let Err(superfluous) = self.runtime.set(made) {
                superfluous.shutdown_background();
            }
        }
        self.runtime.get().expect("it was set above").block_on(work)
    }

    /// The registry of a place, which is greeted once.
    pub(super) async fn host(&self, place: &Place) -> Result<Arc<Host>, RegistryError> {
        if self.options.offline {
            return Err(RegistryError::Offline { what: format!("{}/{}", place.host, place.repository) });
        }
        let key = (place.host.clone(), place.insecure);
        if let Some(host) = self.hosts.lock().expect(NO_PANIC).get(&key) {
            return Ok(Arc::clone(host));
        }
        let host = Arc::new(Host::open(place, &self.options).await?);
        Ok(Arc::clone(self.hosts.lock().expect(NO_PANIC).entry(key).or_insert(host)))
    }

    /// What `ask` gives for the first place that has `repository`: mirrors, then the place itself, whose error counts.
    pub(super) async fn first_place<T>(
        &self,
        repository: &Repository,
        at: &At,
        mut ask: impl AsyncFnMut(Arc<Host>, Place) -> Result<T, RegistryError>,
    ) -> Result<T, RegistryError> {
        let places = self.configuration()?.pull_from(repository)?;
        let (own, mirrors) = places.split_last().expect("the place itself is among them");
        for mirror in mirrors.iter().filter(|mirror| mirror.serves(at)) {
            let answer = match self.host(mirror).await {
                Ok(host) => ask(host, mirror.clone()).await,
                Err(error) => Err(error),
            };
            match answer {
                Ok(answer) => return Ok(answer),
                Err(error @ (RegistryError::Store(_) | RegistryError::Offline { .. })) => return Err(error),
                Err(error) => tracing::info!("the mirror {} does not serve {repository}: {error}", mirror.host),
            }
        }
        ask(self.host(own).await?, own.clone()).await
    }

    /// The registry that takes what is pushed.
    pub(super) async fn push_host(&self, repository: &Repository) -> Result<(Arc<Host>, Place), RegistryError> {
        let place = self.configuration()?.push_to(repository)?;
        Ok((self.host(&place).await?, place))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // A name server that does not answer must not hold up the end of the program.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
