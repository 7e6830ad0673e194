//! One download into the store: from which byte on, and when it is complete.

use std::time::{Duration, Instant};

use reqwest::Url;

use crate::http::client::Client;
use crate::http::stop::Stop;
use crate::http::{HttpError, Job, without_secrets};
use crate::store::{Partial, Store, StoreError};

/// How many bytes of a job have been told of.
pub(super) struct Progress<'a> {
    on_bytes: &'a (dyn Fn(u64) + Sync),
    told: u64,
}

impl<'a> Progress<'a> {
    pub(super) fn new(on_bytes: &'a (dyn Fn(u64) + Sync)) -> Self {
        Self { on_bytes, told: 0 }
    }

    /// Tells of what is new at `position`; nothing is, where a download that began anew is not yet where it was.
    pub(super) fn at(&mut self, position: u64) {
        if position > self.told {
            (self.on_bytes)(position - self.told);
            self.told = position;
        }
    }
}

/// Fetches what is missing of `partial` from `url`, up to the size of `job`.
pub(super) async fn receive(
    client: &Client,
    url: &Url,
    partial: &mut Partial,
    job: &Job,
    progress: &mut Progress<'_>,
) -> Result<(), HttpError> {
    let mut body = client.open(url, partial.size()).await?;
    if body.start() != partial.size() {
        partial.restart()?;
    }
    while let Some(chunk) = body.chunk().await? {
        let chunk = chunk.as_ref();
        if partial.size() + chunk.len() as u64 > job.size {
            partial.restart()?;
            return Err(HttpError::TooLong { url: without_secrets(url.as_str()), limit: job.size });
        }
        partial.append(chunk)?;
        progress.at(partial.size());
    }
    if partial.size() < job.size && !body.has_known_end() {
        return Err(HttpError::Interrupted {
            url: without_secrets(url.as_str()),
            received: partial.size(),
            source: None,
        });
    }
    Ok(())
}

/// The partial file of `job` once no other process or thread holds it. While it is held, it must grow: the time without
/// that ends after four times `patience`, in which its holder would have given up.
pub(super) fn take(store: &Store, job: &Job, patience: Duration, stop: &Stop) -> Result<Partial, HttpError> {
    let (mut size, mut since) = (0, Instant::now());
    loop {
        if let Some(partial) = store.partial(&job.digest)? {
            return Ok(partial);
        }
        let now = store.partial_size(&job.digest);
        if now != size {
            (size, since) = (now, Instant::now());
        }
        if since.elapsed() > patience * 4 {
            return Err(StoreError::Held { digest: job.digest, root: store.root().to_owned() }.into());
        }
        if !stop.sleep(Duration::from_millis(50)) {
            return Err(HttpError::Cancelled);
        }
    }
}
