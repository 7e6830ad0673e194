//! Blobs on their way from a registry into the store.

use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::header::{CONTENT_RANGE, RANGE};
use reqwest::{Method, StatusCode};

use super::client::Client;
use super::host::Host;
use super::mirrors::Place;
use super::request::Request;
use super::scope::Scope;
use super::{At, RegistryError};
use crate::digest::Digest;
use crate::http;
use crate::oci::Repository;
use crate::store::{Blob, Partial, Store, StoreError};

/// What is to be pulled.
struct Wanted<'a> {
    digest: &'a Digest,
    size: u64,
    what: &'a str,
}

impl Client {
    pub(super) fn pull(
        &self,
        repository: &Repository,
        digest: &Digest,
        size: u64,
        store: &Store,
        on_bytes: &dyn Fn(u64),
    ) -> Result<Blob, RegistryError> {
        let what = format!("{repository}@{digest}");
        if let Some(blob) = stored(digest, size, &what, store)? {
            on_bytes(size);
            return Ok(blob);
        }
        let mut partial = self.take(store, digest)?;
        // Who held it before may have completed it.
        if let Some(blob) = stored(digest, size, &what, store)? {
            on_bytes(size);
            return Ok(blob);
        }
        let mut told = 0;
        let mut tell = |position: u64| {
            if position > told {
                on_bytes(position - told);
                told = position;
            }
        };
        let wanted = Wanted { digest, size, what: &what };
        let received = self.run(self.first_place(repository, &At::Digest(*digest), async |host, place| {
            self.receive(&host, &place, &wanted, &mut partial, &mut tell).await
        }));
        received?;
        tell(size);
        Ok(partial.commit()?)
    }

    /// Fetches what is missing of `partial` until it has the right bytes.
    async fn receive(
        &self,
        host: &Arc<Host>,
        place: &Place,
        wanted: &Wanted<'_>,
        partial: &mut Partial,
        tell: &mut impl FnMut(u64),
    ) -> Result<(), RegistryError> {
        let mut round = 0;
        loop {
            if partial.size() > wanted.size {
                partial.restart()?;
            }
            let before = partial.size();
            if before < wanted.size {
                match self.receive_once(host, place, wanted, partial, tell).await {
                    Ok(()) => {}
                    Err(error) if error.may_pass() => {
                        // It came further: the attempts count anew.
                        round = if partial.size() > before { 0 } else { round };
                        if !self.pause(round, &error).await {
                            return Err(error);
                        }
                        round += 1;
                        continue;
                    }
                    Err(error) => return Err(error),
                }
            }
            let (found, received) = (partial.digest(), partial.size());
            if found == *wanted.digest && received == wanted.size {
                return Ok(());
            }
            partial.restart()?;
            // The wrong bytes may be those that were there before, of a broken disk.
            if before == 0 {
                let name = wanted.what.to_owned();
                return Err(RegistryError::Mismatch { name, expected: *wanted.digest, found });
            }
        }
    }

    async fn receive_once(
        &self,
        host: &Host,
        place: &Place,
        wanted: &Wanted<'_>,
        partial: &mut Partial,
        tell: &mut impl FnMut(u64),
    ) -> Result<(), RegistryError> {
        let scope = Scope::pull(&place.repository);
        let url = host.url(&place.repository, "blobs", &wanted.digest.to_string());
        let mut request = Request::new(Method::GET, url, &scope, wanted.what);
        let offset = partial.size();
        if offset > 0 {
            request = request.header(RANGE, format!("bytes={offset}-"));
        }
        let response = self.request(host, &request).await?;
        let start = match response.status() {
            StatusCode::OK => 0,
            StatusCode::PARTIAL_CONTENT => {
                let range = response.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
                let start =
                    range.and_then(|range| range.strip_prefix("bytes ")?.split('-').next()?.trim().parse().ok());
                if start != Some(offset) {
                    return Err(RegistryError::Answer {
                        name: wanted.what.to_owned(),
                        problem: "it gives another part of the blob than asked for".to_owned(),
                    });
                }
                offset
            }
            StatusCode::RANGE_NOT_SATISFIABLE => {
                partial.restart()?;
                return Ok(());
            }
            _ => return Err(self.refused(host, &request, response, "fetch").await),
        };
        if start != offset {
            partial.restart()?;
        }
        let options = self.options();
        let mut body = http::Body::new(response, wanted.what.to_owned(), start, options.patience, options.minimum_rate);
        loop {
            let chunk = body.chunk().await.map_err(|error| RegistryError::of_http(error, &host.name, wanted.what))?;
            let Some(chunk) = chunk else { break };
            let chunk = chunk.as_ref();
            if partial.size() + chunk.len() as u64 > wanted.size {
                partial.restart()?;
                let name = wanted.what.to_owned();
                return Err(RegistryError::TooLarge { what: "blob", name, limit: wanted.size });
            }
            partial.append(chunk)?;
            tell(partial.size());
        }
        if partial.size() < wanted.size && !body.has_known_end() {
            let source = format!("{} of {} bytes arrived", partial.size(), wanted.size).into();
            return Err(RegistryError::Interrupted { what: wanted.what.to_owned(), source });
        }
        Ok(())
    }

    /// The partial file of a blob once no other process or thread holds it. While it is held, it must grow: the time
    /// without that ends after four times `patience`, in which its holder would have given up.
    fn take(&self, store: &Store, digest: &Digest) -> Result<Partial, RegistryError> {
        let (mut size, mut since) = (0, Instant::now());
        loop {
            if let Some(partial) = store.partial(digest)? {
                return Ok(partial);
            }
            let now = store.partial_size(digest);
            if now != size {
                (size, since) = (now, Instant::now());
            }
            if since.elapsed() > self.options().patience * 4 {
                return Err(StoreError::Held { digest: *digest, root: store.root().to_owned() }.into());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// The blob in the store, if it is there and whole.
fn stored(digest: &Digest, size: u64, what: &str, store: &Store) -> Result<Option<Blob>, RegistryError> {
    let Some(blob) = store.verified(digest)? else { return Ok(None) };
    if blob.size == size {
        return Ok(Some(blob));
    }
    let problem = format!("it has {} bytes, where its manifest says {size}", blob.size);
    Err(RegistryError::Answer { name: what.to_owned(), problem })
}
