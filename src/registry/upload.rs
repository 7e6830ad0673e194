//! Blobs on their way to a registry.
//!
//! A blob goes in one request with its size known. Where the connection breaks, the registry is asked how much has arrived,
//! and the rest is sent; where it does not know, all of it. The address of an upload is remembered in the store, so that
//! the next run can go on with what this one was ended in.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::header::{CONTENT_RANGE, HeaderMap, LOCATION, RANGE};
use reqwest::{Method, Response, StatusCode, Url};

use super::client::Client;
use super::error::may_pass;
use super::host::Host;
use super::request::{Request, Sending, target};
use super::scope::Scope;
use super::{Bytes, Outgoing, RegistryError};
use crate::digest::Digest;
use crate::oci::Repository;
use crate::store::Store;

/// The size of a part, in bytes, where a proxy before the registry does not let a whole blob through.
const PART: u64 = 16 << 20;

/// An upload that the registry knows of.
struct Session {
    location: Url,
    /// How much of the blob has arrived.
    offset: u64,
    /// The least that a part may have, but for the last (`OCI-Chunk-Min-Length`).
    least: u64,
}

/// Why an attempt did not end with the blob in the registry.
enum Setback {
    /// The trouble may pass, or another attempt can do it otherwise.
    Again(RegistryError),
    /// What had arrived is of no use.
    Anew(RegistryError),
    /// A whole blob is too large for one request.
    TooLarge(RegistryError),
    /// There is nothing to be done about it.
    Final(RegistryError),
}

/// What is to be sent, and how.
struct Upload<'a> {
    host: &'a Host,
    scope: &'a Scope,
    blob: &'a Outgoing,
    content: &'a Bytes,
    what: &'a str,
    /// Bytes of a part; nothing for the whole blob in one request.
    part: Option<u64>,
}

impl Client {
    pub(super) fn push(
        &self,
        repository: &Repository,
        blob: &Outgoing,
        content: &Bytes,
        store: &Store,
        on_bytes: &dyn Fn(u64),
    ) -> Result<(), RegistryError> {
        let what = format!("{repository}@{}", blob.digest);
        self.run(async {
            let (host, place) = self.push_host(repository).await?;
            let scope = Scope::push(&place.repository);
            let key = Digest::of(format!("upload {} {} {}", host.base, place.repository, blob.digest).as_bytes());
            let upload = Upload { host: &host, scope: &scope, blob, content, what: &what, part: None };
            let done = self.push_in_attempts(upload, store, &key, on_bytes).await;
            if done.is_ok() {
                note(store, &key, "");
            }
            done
        })
    }

    async fn push_in_attempts(
        &self,
        mut upload: Upload<'_>,
        store: &Store,
        key: &Digest,
        on_bytes: &dyn Fn(u64),
    ) -> Result<(), RegistryError> {
        let told = Cell::new(0);
        let mut farthest = 0;
        let mut round = 0;
        // What an ended run has begun is looked at once; whether it is still there, the registry knows.
        let mut begun = self.remembered(&upload, store, key);
        let mut was_begun = begun.is_some();
        loop {
            let session = match begun.take() {
                Some(location) => self.status(&upload, location).await,
                None => None,
            };
            let session = match session {
                Some(session) => session,
                None => {
                    was_begun = false;
                    self.begin(&upload).await?
                }
            };
            if upload.host.owns(&session.location) {
                note(store, key, session.location.as_str());
            }
            if session.offset > farthest {
                // It came further: the attempts count anew.
                (farthest, round) = (session.offset, 0);
            }
            let location = session.location.clone();
            let error = match self.attempt(&upload, session, &told, on_bytes).await {
                Ok(()) => {
                    advance(&told, upload.blob.size, on_bytes);
                    return Ok(());
                }
                Err(Setback::Final(error)) => return Err(error),
                Err(Setback::TooLarge(_)) if upload.part.is_none() => {
                    upload.part = Some(PART);
                    continue;
                }
                Err(Setback::TooLarge(error)) => return Err(error),
                Err(Setback::Anew(_)) if was_begun => {
                    was_begun = false;
                    continue;
                }
                Err(Setback::Anew(error)) => return Err(error),
                Err(Setback::Again(error)) => {
                    begun = Some(location);
                    error
                }
            };
            if !self.pause(round, &error).await {
                return Err(error);
            }
            round += 1;
            was_begun = true;
            // The answer may be what was lost.
            let url = upload.host.url(&upload.scope.repository, "blobs", &upload.blob.digest.to_string());
            let request = Request::new(Method::HEAD, url, upload.scope, upload.what);
            if self.request(upload.host, &request).await.is_ok_and(|response| response.status() == StatusCode::OK) {
                advance(&told, upload.blob.size, on_bytes);
                return Ok(());
            }
        }
    }

    /// The address of an upload that an earlier run has begun.
    fn remembered(&self, upload: &Upload<'_>, store: &Store, key: &Digest) -> Option<Url> {
        let text = String::from_utf8(store.recall(key).ok()??).ok()?;
        Url::parse(&text).ok().filter(|url| upload.host.owns(url))
    }

    async fn begin(&self, upload: &Upload<'_>) -> Result<Session, RegistryError> {
        let mut url = upload.host.url(&upload.scope.repository, "blobs", "uploads/");
        url.set_query(None);
        let request = Request::new(Method::POST, url, upload.scope, upload.what);
        let response = self.request(upload.host, &request).await?;
        if response.status() != StatusCode::ACCEPTED {
            return Err(self.refused(upload.host, &request, response, "push").await);
        }
        let location = location(upload.host, &request.url, response.headers(), upload.what)?;
        let least = response.headers().get("OCI-Chunk-Min-Length").and_then(|value| value.to_str().ok()?.parse().ok());
        Ok(Session { location, offset: 0, least: least.unwrap_or(0) })
    }

    /// How much of an upload has arrived; nothing where the registry does not know it any more.
    async fn status(&self, upload: &Upload<'_>, at: Url) -> Option<Session> {
        let request = Request::new(Method::GET, at, upload.scope, upload.what);
        let response = self.exchange(upload.host, &request).await.ok()?;
        if !matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::OK) {
            return None;
        }
        let offset = arrived(response.headers())?;
        let location = match response.headers().contains_key(LOCATION) {
            true => location(upload.host, &request.url, response.headers(), upload.what).ok()?,
            false => request.url.clone(),
        };
        (offset <= upload.blob.size).then_some(Session { location, offset, least: 0 })
    }

    /// Sends what is missing.
    async fn attempt(
        &self,
        upload: &Upload<'_>,
        session: Session,
        told: &Cell<u64>,
        on_bytes: &dyn Fn(u64),
    ) -> Result<(), Setback> {
        let Session { mut location, mut offset, least } = session;
        let size = upload.blob.size;
        if offset == 0 && upload.part.is_none() {
            let url = with_digest(location, upload);
            let response = self.send_part(upload, Method::PUT, &url, (0, size), told, on_bytes).await?;
            return self.ended(upload, response).await;
        }
        while offset < size {
            let end = upload.part.map_or(size, |part| size.min(offset + part.max(least)));
            let response = self.send_part(upload, Method::PATCH, &location, (offset, end), told, on_bytes).await?;
            if !matches!(response.status(), StatusCode::ACCEPTED | StatusCode::NO_CONTENT | StatusCode::CREATED) {
                return Err(self.setback(upload, response).await);
            }
            if response.headers().contains_key(LOCATION) {
                let next = self::location(upload.host, &location, response.headers(), upload.what);
                location = next.map_err(Setback::Final)?;
            }
            // What the registry says has arrived counts.
            let now = arrived(response.headers()).unwrap_or(end);
            if now <= offset || now > end {
                let problem = format!("{now} bytes of an upload have arrived, where there should be {end}");
                return Err(Setback::Anew(RegistryError::Answer { name: upload.what.to_owned(), problem }));
            }
            offset = now;
        }
        let request = Request::new(Method::PUT, with_digest(location, upload), upload.scope, upload.what);
        let response = self.exchange(upload.host, &request).await.map_err(|error| self.broken(error))?;
        self.ended(upload, response).await
    }

    /// Sends a part of the blob, from one byte up to another, and tells of it while it leaves.
    async fn send_part(
        &self,
        upload: &Upload<'_>,
        method: Method,
        url: &Url,
        (offset, end): (u64, u64),
        told: &Cell<u64>,
        on_bytes: &dyn Fn(u64),
    ) -> Result<Response, Setback> {
        const GLANCE: Duration = Duration::from_millis(100);
        let sent: Arc<AtomicU64> = Arc::default();
        let (content, length) = (upload.content.clone(), end - offset);
        let body = Sending { content, offset, length, sent: Arc::clone(&sent) };
        let is_part = method == Method::PATCH;
        let mut request = Request::new(method, url.clone(), upload.scope, upload.what).body(body);
        if is_part {
            request = request.header(CONTENT_RANGE, format!("{offset}-{}", end.saturating_sub(1)));
        }
        let mut exchange = std::pin::pin!(self.exchange(upload.host, &request));
        loop {
            let answer = tokio::time::timeout(GLANCE, exchange.as_mut()).await;
            advance(told, offset + sent.load(Ordering::Relaxed), on_bytes);
            if let Ok(answer) = answer {
                return answer.map_err(|error| self.broken(error));
            }
        }
    }

    /// What becomes of an attempt that got no answer.
    fn broken(&self, error: RegistryError) -> Setback {
        if error.may_pass() { Setback::Again(error) } else { Setback::Final(error) }
    }

    /// The end of an upload: the blob is there, or not.
    async fn ended(&self, upload: &Upload<'_>, response: Response) -> Result<(), Setback> {
        if matches!(response.status(), StatusCode::CREATED | StatusCode::NO_CONTENT | StatusCode::OK) {
            return Ok(());
        }
        Err(self.setback(upload, response).await)
    }

    async fn setback(&self, upload: &Upload<'_>, response: Response) -> Setback {
        let status = response.status().as_u16();
        let request = Request::new(Method::PUT, response.url().clone(), upload.scope, upload.what);
        let error = self.refused(upload.host, &request, response, "push").await;
        match (status, &error) {
            (413, _) => Setback::TooLarge(error),
            (404 | 416, _) => Setback::Anew(error),
            (400, RegistryError::Status { message, .. }) if message.contains("DIGEST_INVALID") => {
                Setback::Anew(self.own_fault(upload, error))
            }
            (400, _) => Setback::Anew(error),
            (status, _) if may_pass(status) => Setback::Again(error),
            _ => Setback::Final(error),
        }
    }

    /// Whose fault a wrong digest is: ours, where the file is not what it should be.
    fn own_fault(&self, upload: &Upload<'_>, error: RegistryError) -> RegistryError {
        let found = match upload.content {
            Bytes::Memory(bytes) => Ok(Digest::of(bytes)),
            Bytes::File(path) => Digest::of_file(path).map_err(|source| (path, source)),
        };
        match found {
            Ok(found) if found != upload.blob.digest => {
                let name = match upload.content {
                    Bytes::File(path) => path.display().to_string(),
                    Bytes::Memory(_) => upload.what.to_owned(),
                };
                RegistryError::Damaged { name, expected: upload.blob.digest, found }
            }
            Ok(_) => error,
            Err((path, source)) => RegistryError::File { path: path.to_path_buf(), source },
        }
    }

    pub(super) fn mount(
        &self,
        repository: &Repository,
        digest: &Digest,
        from: &Repository,
    ) -> Result<bool, RegistryError> {
        let what = format!("{repository}@{digest}");
        self.run(async {
            let (host, place) = self.push_host(repository).await?;
            let source = self.configuration()?.push_to(from)?;
            if source.host != place.host {
                return Ok(false);
            }
            let scope = Scope { from: Some(source.repository.clone()), ..Scope::push(&place.repository) };
            let mut url = host.url(&place.repository, "blobs", "uploads/");
            url.query_pairs_mut().append_pair("mount", &digest.to_string()).append_pair("from", &source.repository);
            let request = Request::new(Method::POST, url, &scope, &what);
            let response = match self.request(&host, &request).await {
                Ok(response) => response,
                // A token for both repositories is not given to everybody; the blob is sent instead.
                Err(RegistryError::Refused { .. } | RegistryError::LoginRefused { .. }) => return Ok(false),
                Err(error) => return Err(error),
            };
            if response.status() == StatusCode::ACCEPTED {
                // An upload was begun in its place. It is not used: what is pushed begins its own.
                if let Ok(location) = location(&host, &request.url, response.headers(), &what) {
                    let end = Request::new(Method::DELETE, location, &scope, &what);
                    let _ = self.exchange(&host, &end).await;
                }
            }
            Ok(response.status() == StatusCode::CREATED)
        })
    }
}

/// Remembers where an upload goes on. A store that may only be read is no reason not to push.
fn note(store: &Store, key: &Digest, location: &str) {
    if let Err(error) = store.remember(key, location.as_bytes()) {
        tracing::debug!("the upload cannot be gone on with by another run: {error}");
    }
}

/// Tells of what is new, no matter how often an upload begins anew.
fn advance(told: &Cell<u64>, now: u64, on_bytes: &dyn Fn(u64)) {
    if now > told.get() {
        on_bytes(now - told.get());
        told.set(now);
    }
}

/// The address to go on at, which may be relative, and of another host (distribution spec, "Pushing blobs").
fn location(host: &Host, from: &Url, headers: &HeaderMap, what: &str) -> Result<Url, RegistryError> {
    let header = headers.get(LOCATION).and_then(|value| value.to_str().ok());
    let text = header.ok_or_else(|| RegistryError::Answer {
        name: what.to_owned(),
        problem: "it does not say where to send the blob".to_owned(),
    })?;
    target(host, from, text)
}

fn with_digest(mut location: Url, upload: &Upload<'_>) -> Url {
    location.query_pairs_mut().append_pair("digest", &upload.blob.digest.to_string());
    location
}

/// How many bytes have arrived: `Range: 0-99` says 100, `0-0` none or one, and is read as none.
fn arrived(headers: &HeaderMap) -> Option<u64> {
    let text = headers.get(RANGE)?.to_str().ok()?;
    let text = text.trim().trim_start_matches("bytes=");
    let (start, end) = text.split_once('-')?;
    let end: u64 = end.parse().ok()?;
    (start.parse() == Ok(0_u64)).then_some(if end == 0 { 0 } else { end + 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_arrived() {
        let of = |text: &str| arrived(&[(RANGE, text.parse().unwrap())].into_iter().collect());
        assert_eq!(of("0-99"), Some(100));
        assert_eq!(of("bytes=0-99"), Some(100));
        assert_eq!(of("0-0"), Some(0));
        for unusable in ["", "5-9", "0", "a-b", "0--1"] {
            assert_eq!(of(unusable), None, "{unusable}");
        }
        assert_eq!(arrived(&HeaderMap::new()), None);
    }
}
