//! Channels over the network: rattler's client with our proxies and certificates, and the runtime that it needs.

use std::collections::BTreeMap;
use std::future::Future;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;

use rattler_networking::authentication_storage::backends::file::FileStorage;
use rattler_networking::authentication_storage::backends::netrc::NetRcStorage;
use rattler_networking::mirror_middleware::Mirror;
use rattler_networking::{
    AuthenticationMiddleware, AuthenticationStorage, LazyClient, MirrorMiddleware, OciMiddleware, OfflineMiddleware,
};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use tokio::runtime::Runtime;
use url::Url;

use super::CondaError;
use crate::context::Context;
use crate::http::{ChannelLogins, HttpError};
use crate::store::{Blob, BlobWriter, Store};

/// How channels are reached.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// Where logins are.
    pub logins: ChannelLogins,
    /// Addresses to use in place of channels, by the address of the channel.
    pub(super) mirrors: BTreeMap<Url, Url>,
}

impl Access {
    /// Access with these logins and no mirrors.
    pub fn new(logins: ChannelLogins) -> Self {
        Self { logins, mirrors: BTreeMap::new() }
    }

    /// Opens what is needed of it: nothing is sent before the first request.
    pub(super) fn open(&self, context: &Context) -> Result<Network, CondaError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("channels")
            .enable_all()
            .build()
            .map_err(|error| CondaError::Prepare { reason: error.to_string() })?;
        let storage = self.storage()?;
        let (http, mirrors, logins) = (context.http.clone(), self.mirrors.clone(), storage.clone());
        let client = LazyClient::new(move || client(http.web_client(), &mirrors, logins));
        let (retries, offline) = (context.http.options().retries, context.http.is_offline());
        Ok(Network { runtime: Some(runtime), client, storage, retries, offline })
    }

    fn storage(&self) -> Result<AuthenticationStorage, CondaError> {
        let mut storage = AuthenticationStorage::empty();
        if let Some(path) = &self.logins.auth_file {
            let file = FileStorage::from_path(path.clone()).map_err(|error| unreadable(path, &error))?;
            storage.add_backend(Arc::new(file));
        }
        if let Some(path) = self.logins.netrc.as_ref().filter(|path| path.is_file()) {
            let file = NetRcStorage::from_path(path).map_err(|error| unreadable(path, &error))?;
            storage.add_backend(Arc::new(file));
        }
        Ok(storage)
    }
}

fn unreadable(path: &Path, error: &dyn std::error::Error) -> CondaError {
    CondaError::Prepare { reason: format!("the logins in `{}` cannot be read: {error}", path.display()) }
}

fn client(
    web: Result<reqwest::Client, HttpError>,
    mirrors: &BTreeMap<Url, Url>,
    logins: AuthenticationStorage,
) -> ClientWithMiddleware {
    let Ok(web) = web else { return ClientBuilder::new(reqwest::Client::new()).with(OfflineMiddleware).build() };
    let plain = LazyClient::from(ClientWithMiddleware::from(web.clone()));
    let mirrors = mirrors.iter().map(|(channel, mirror)| {
        let mirror = Mirror { url: mirror.clone(), no_zstd: false, no_bz2: false, max_failures: None };
        (channel.clone(), vec![mirror])
    });
    ClientBuilder::new(web)
        .with(MirrorMiddleware::from_map(mirrors.collect()))
        .with(OciMiddleware::new(plain).with_authentication_storage(logins.clone()))
        .with(AuthenticationMiddleware::from_auth_storage(logins))
        .build()
}

/// Channels, open.
pub(super) struct Network {
    /// Taken out when it is dropped.
    runtime: Option<Runtime>,
    client: LazyClient,
    storage: AuthenticationStorage,
    /// How many times a file is asked for again.
    retries: u32,
    offline: bool,
}

impl Network {
    /// The client, for rattler's own requests.
    pub(super) fn client(&self) -> LazyClient {
        self.client.clone()
    }

    /// Whether nothing may be sent.
    pub(super) fn is_offline(&self) -> bool {
        self.offline
    }

    /// Does `work` to its end.
    pub(super) fn run<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.as_ref().expect("the runtime is there until this is dropped").block_on(work)
    }

    /// Whether a file needs this client: a login that is no plain one, or another protocol.
    pub(super) fn is_needed_for(&self, url: &Url) -> bool {
        let known = || self.storage.get_by_url(url.clone()).is_ok_and(|(_, login)| login.is_some());
        url.scheme() == "oci" || (url.scheme() != "file" && known())
    }

    /// The file at `url`, in the store, whatever its digest.
    pub(super) fn download(&self, url: &Url, store: &Store, on_bytes: &dyn Fn(u64)) -> Result<Blob, CondaError> {
        if url.scheme() == "file" {
            return copy(url, store);
        }
        if self.offline {
            return Err(HttpError::Offline { what: format!("`{}`", plain(url)) }.into());
        }
        let mut last = None;
        for attempt in 0..=self.retries {
            match self.run(self.receive(url, store, attempt, on_bytes)) {
                Ok(writer) => return Ok(writer.commit()?),
                Err((error, true)) => last = Some(error),
                Err((error, false)) => return Err(error),
            }
        }
        Err(last.expect("there is at least one try"))
    }

    /// One try; the flag of an error says whether another may help.
    async fn receive(
        &self,
        url: &Url,
        store: &Store,
        attempt: u32,
        on_bytes: &dyn Fn(u64),
    ) -> Result<BlobWriter, (CondaError, bool)> {
        if attempt > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(250 << attempt)).await;
        }
        let failed = |reason: String, again| (CondaError::Download { url: plain(url), reason }, again);
        let answer = self.client.client().get(url.clone()).send().await;
        let mut answer = answer.map_err(|error| failed(innermost(&error), true))?;
        let status = answer.status();
        if !status.is_success() {
            let again = status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429);
            return Err(failed(format!("the server answered {}", status.as_u16()), again));
        }
        let mut writer = store.begin().map_err(|error| (error.into(), false))?;
        while let Some(chunk) = answer.chunk().await.map_err(|error| failed(innermost(&error), true))? {
            let kept = writer.write_all(&chunk).map_err(|source| store.cannot("write a blob", source));
            kept.map_err(|error| (error.into(), false))?;
            on_bytes(chunk.len() as u64);
        }
        Ok(writer)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // What hangs must not hold up the end of the program.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A file of this machine, copied: what is in the store must not change with the original.
fn copy(url: &Url, store: &Store) -> Result<Blob, CondaError> {
    let path = url.to_file_path().map_err(|()| CondaError::Download {
        url: url.to_string(),
        reason: "the address names no file of this machine".to_owned(),
    })?;
    let unreadable = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::NotFound => HttpError::Absent { url: path.display().to_string() },
        _ => HttpError::File { path: path.clone(), source },
    };
    let mut file = std::fs::File::open(&path).map_err(unreadable)?;
    let mut writer = store.begin()?;
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let count = file.read(&mut buffer).map_err(unreadable)?;
        if count == 0 {
            return Ok(writer.commit()?);
        }
        writer.write_all(&buffer[..count]).map_err(|source| store.cannot("write a blob", source))?;
    }
}

/// An address without a login in it: neither before the host nor as a token in its path.
pub(super) fn plain(url: &Url) -> String {
    let text = crate::http::without_secrets(url.as_str());
    match text.split_once("/t/") {
        Some((before, after)) => format!("{before}/t/***/{}", after.split_once('/').map_or("", |(_, rest)| rest)),
        None => text,
    }
}

/// The last link of an error's chain: those between name the libraries below.
pub(super) fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

/// A word of a message, without a login in it where it is an address.
pub(super) fn without_token(word: &str) -> String {
    let bare = word.trim_matches(['(', ')', '\'', '"', '`', ',']);
    match bare.parse::<Url>() {
        Ok(url) if url.has_host() => word.replace(bare, &plain(&url)),
        _ => word.to_owned(),
    }
}
