//! One exchange with a registry: redirects, logins and attempts.

use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Read, Seek};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, LOCATION};
use reqwest::{Method, Response, StatusCode, Url};

use super::answer::{body_of, refusal};
use super::client::Client;
use super::error::may_pass;
use super::host::{Host, refusal_to_follow};
use super::scope::Scope;
use super::{Bytes, RegistryError};
use crate::http::{unreachable, without_secrets};

/// No more redirects are followed: what is longer is a loop.
const MOST_REDIRECTS: usize = 10;

/// No pause is longer, whatever a registry asks for.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How often a login is answered in one exchange: once for a token that has run out, once for one that is not enough.
const MOST_LOGINS: usize = 2;

/// Bytes of a refusal that are read for its words.
const LONGEST_REFUSAL: u64 = 64 << 10;

/// What is asked.
pub(super) struct Request<'a> {
    /// How.
    pub method: Method,
    /// Where.
    pub url: Url,
    /// With which headers, beside those that follow from the rest.
    pub headers: Vec<(HeaderName, String)>,
    /// With which body.
    pub body: Option<Sending>,
    /// What a token has to be good for.
    pub scope: &'a Scope,
    /// What it is about, for messages.
    pub what: &'a str,
    /// How many attempts follow the first at most, where it is not worth as many as others.
    pub most_retries: u32,
}

/// A part of a blob, or a manifest, on its way.
#[derive(Clone)]
pub(super) struct Sending {
    /// Where the bytes are.
    pub content: Bytes,
    /// At which of them it begins.
    pub offset: u64,
    /// How many there are from there.
    pub length: u64,
    /// How many have left.
    pub sent: Arc<AtomicU64>,
}

impl<'a> Request<'a> {
    /// A request without a body.
    pub fn new(method: Method, url: Url, scope: &'a Scope, what: &'a str) -> Self {
        Self { method, url, headers: Vec::new(), body: None, scope, what, most_retries: u32::MAX }
    }

    /// With a single further attempt where there is trouble.
    pub fn briefly(mut self) -> Self {
        self.most_retries = 1;
        self
    }

    /// With a header.
    pub fn header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// With a body.
    pub fn body(mut self, body: Sending) -> Self {
        self.body = Some(body);
        self
    }
}

impl Sending {
    /// All of `bytes`.
    pub fn all(bytes: Arc<[u8]>) -> Self {
        let length = bytes.len() as u64;
        Self { content: Bytes::Memory(bytes), offset: 0, length, sent: Arc::default() }
    }

    fn body(&self) -> Result<reqwest::Body, RegistryError> {
        self.sent.store(0, Ordering::Relaxed);
        let reader: Box<dyn Read + Send> = match &self.content {
            Bytes::Memory(bytes) => {
                let start = usize::try_from(self.offset).unwrap_or(usize::MAX).min(bytes.len());
                Box::new(io::Cursor::new(bytes[start..].to_vec()))
            }
            Bytes::File(path) => Box::new(open_at(path, self.offset)?),
        };
        let stream = Chunks { reader, left: self.length, sent: Arc::clone(&self.sent) };
        Ok(reqwest::Body::wrap_stream(stream))
    }
}

fn open_at(path: &Path, offset: u64) -> Result<File, RegistryError> {
    let open = || -> io::Result<File> {
        let mut file = File::open(path)?;
        file.seek(io::SeekFrom::Start(offset))?;
        Ok(file)
    };
    open().map_err(|source| RegistryError::File { path: path.to_owned(), source })
}

/// Bytes of a reader, piece by piece. Reading blocks, but shortly: what is pushed lies on this machine.
struct Chunks {
    reader: Box<dyn Read + Send>,
    left: u64,
    sent: Arc<AtomicU64>,
}

/// How much is read at a time.
const CHUNK: u64 = 256 << 10;

impl futures_core::Stream for Chunks {
    type Item = io::Result<Vec<u8>>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let mut chunk = Vec::new();
        let wanted = self.left.min(CHUNK);
        chunk.reserve_exact(usize::try_from(wanted).unwrap_or(0));
        let read = Read::by_ref(&mut self.reader).take(wanted).read_to_end(&mut chunk);
        Poll::Ready(Some(match read {
            Ok(0) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file has become shorter")),
            Ok(count) => {
                self.left -= count as u64;
                self.sent.fetch_add(count as u64, Ordering::Relaxed);
                Ok(chunk)
            }
            Err(error) => Err(error),
        }))
    }
}

impl Client {
    /// An exchange, attempted again after pauses where the trouble may pass.
    pub(super) async fn request(&self, host: &Host, request: &Request<'_>) -> Result<Response, RegistryError> {
        let mut round = 0;
        loop {
            let error = match self.exchange(host, request).await {
                Ok(response) if may_pass(response.status().as_u16()) => {
                    self.refused(host, request, response, "reach").await
                }
                Ok(response) => return Ok(response),
                Err(error) if error.may_pass() => error,
                Err(error) => return Err(error),
            };
            if round >= request.most_retries || !self.pause(round, &error).await {
                return Err(error);
            }
            round += 1;
        }
    }

    /// Waits before the next attempt, as long as the registry asks, else longer each time; says whether there is one.
    pub(super) async fn pause(&self, round: u32, error: &RegistryError) -> bool {
        let options = self.options();
        if round >= options.retries {
            return false;
        }
        let own = options.first_pause.saturating_mul(1 << round.min(16));
        // Clients that were sent away together should not come back together.
        let own = own.mul_f64(0.75 + 0.5 * chance());
        let pause = own.max(Duration::from_secs(error.retry_after().unwrap_or(0)));
        if pause > LONGEST_PAUSE {
            return false;
        }
        tracing::debug!("{error}; again in {} ms", pause.as_millis());
        tokio::time::sleep(pause).await;
        true
    }

    /// One exchange: logins are answered, and redirects of reading requests followed. What the registry says then is for
    /// the caller to judge.
    pub(super) async fn exchange(&self, host: &Host, request: &Request<'_>) -> Result<Response, RegistryError> {
        let mut url = request.url.clone();
        let (mut logins, mut redirects) = (0, 0);
        loop {
            let is_own = host.owns(&url);
            let authorization = if is_own { self.authorization(host, request.scope).await? } else { None };
            let response = self.send(host, request, &url, authorization).await?;
            let status = response.status();
            if status == StatusCode::UNAUTHORIZED && is_own && logins < MOST_LOGINS {
                logins += 1;
                if self.after_refusal(host, request.scope, response.headers()).await?.is_some() {
                    continue;
                }
            }
            let reads = matches!(request.method, Method::GET | Method::HEAD);
            let location = response.headers().get(LOCATION).filter(|_| reads && status.is_redirection());
            let Some(location) = location else { return Ok(response) };
            let text = String::from_utf8_lossy(location.as_bytes()).into_owned();
            url = target(host, &url, &text)?;
            redirects += 1;
            if redirects > MOST_REDIRECTS {
                return Err(not_followed(host, &text, "there are too many redirects"));
            }
        }
    }

    async fn send(
        &self,
        host: &Host,
        request: &Request<'_>,
        url: &Url,
        authorization: Option<String>,
    ) -> Result<Response, RegistryError> {
        // Another host sees neither our certificate nor what is trusted for this one alone.
        let web = if host.owns(url) { &host.web } else { self.elsewhere()? };
        let mut builder = web.request(request.method.clone(), url.clone());
        for (name, value) in &request.headers {
            builder = builder.header(name, value);
        }
        if let Some(authorization) = authorization {
            builder = builder.header(AUTHORIZATION, authorization);
        }
        match &request.body {
            Some(body) => {
                builder = builder.header(CONTENT_LENGTH, body.length).body(body.body()?);
                if !request.headers.iter().any(|(name, _)| name == CONTENT_TYPE) {
                    builder = builder.header(CONTENT_TYPE, "application/octet-stream");
                }
            }
            None if !matches!(request.method, Method::GET | Method::HEAD) => {
                builder = builder.header(CONTENT_LENGTH, 0);
            }
            None => {}
        }
        let sending = builder.send();
        let shown = without_secrets(url.as_str());
        let failed = |error: &reqwest::Error| {
            let error = unreachable(shown.clone(), error);
            RegistryError::of_http(error, &host.name_of(url), request.what)
        };
        match watched(sending, request.body.as_ref(), self.options().patience).await {
            Some(answer) => answer.map_err(|error| match &request.body {
                // Once something has left, the connection was there.
                Some(body) if body.sent.load(Ordering::Relaxed) > 0 => {
                    RegistryError::Interrupted { what: request.what.to_owned(), source: innermost(&error).into() }
                }
                _ => failed(&error),
            }),
            None => Err(RegistryError::Interrupted {
                what: request.what.to_owned(),
                source: "nothing moved for too long".into(),
            }),
        }
    }

    /// The error of a refusal, with the registry's own words.
    pub(super) async fn refused(
        &self,
        host: &Host,
        request: &Request<'_>,
        response: Response,
        action: &'static str,
    ) -> RegistryError {
        let (status, headers) = (response.status(), response.headers().clone());
        let shown = without_secrets(response.url().as_str());
        let body = body_of(response, LONGEST_REFUSAL, "answer", &shown, self.options(), &host.name).await;
        refusal(status, &headers, &body.unwrap_or_default(), host, request.scope, action, request.what)
    }
}

/// The result of `work`, or nothing where for `patience` neither it nor what is sent came further. After everything has
/// left, a registry may take its time to check it.
async fn watched<T>(work: impl Future<Output = T>, sending: Option<&Sending>, patience: Duration) -> Option<T> {
    const CHECKING: u32 = 10;
    let mut work = std::pin::pin!(work);
    let sent = || sending.map_or(0, |sending| sending.sent.load(Ordering::Relaxed));
    loop {
        let before = sent();
        let is_sent = sending.is_some_and(|sending| before == sending.length);
        let span = if is_sent { patience * CHECKING } else { patience };
        if let Ok(done) = tokio::time::timeout(span, work.as_mut()).await {
            return Some(done);
        }
        if sent() == before {
            return None;
        }
    }
}

/// Where a `Location` leads from `url`, if it may be followed.
pub(super) fn target(host: &Host, url: &Url, location: &str) -> Result<Url, RegistryError> {
    let target = url.join(location).map_err(|_| not_followed(host, location, "it is no address"))?;
    match refusal_to_follow(url, &target) {
        Some(reason) => Err(not_followed(host, target.as_str(), reason)),
        None => Ok(target),
    }
}

fn not_followed(host: &Host, target: &str, reason: &'static str) -> RegistryError {
    RegistryError::Redirect { registry: host.name.clone(), target: without_secrets(target), reason }
}

fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

/// A number from 0 to 1 by chance.
fn chance() -> f64 {
    // The standard library's only source of it; what it is for is no secret.
    f64::from(u16::try_from(RandomState::new().build_hasher().finish() >> 48).unwrap_or(0)) / f64::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_is_between_nothing_and_one() {
        assert!((0..100).map(|_| chance()).all(|number| (0.0..=1.0).contains(&number)));
    }
}
