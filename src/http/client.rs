//! One HTTP client and its runtime: requests with redirects, logins and time limits.

use std::future::Future;
use std::time::Duration;

use reqwest::header::{CONTENT_RANGE, DATE, HeaderMap, LOCATION, RANGE, RETRY_AFTER};
use reqwest::{Certificate, ClientBuilder, Response, StatusCode, Url};
use tokio::runtime::Runtime;

use crate::http::body::Body;
use crate::http::credentials::{Credential, login_for};
use crate::http::error::innermost;
use crate::http::stop::Stop;
use crate::http::{HttpError, HttpOptions, without_secrets};

/// No more redirects are followed: what is longer is a loop.
pub(super) const MOST_REDIRECTS: usize = 10;

/// The client; it lives as long as one of its users.
pub(super) struct Client {
    web: reqwest::Client,
    /// Taken out when the client is dropped.
    runtime: Option<Runtime>,
    credentials: Vec<Credential>,
    patience: Duration,
    minimum_rate: u64,
}

impl Client {
    /// Starts the runtime and reads the trusted certificates.
    pub(super) fn new(options: &HttpOptions) -> Result<Self, HttpError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("downloads")
            .enable_all()
            .build()
            .map_err(|source| HttpError::Prepare { source: source.into() })?;
        Ok(Self {
            web: web_client(options, Vec::new(), |builder| builder)?,
            runtime: Some(runtime),
            credentials: options.credentials.clone(),
            patience: options.patience,
            minimum_rate: options.minimum_rate,
        })
    }

    /// Does `work` on this thread until it is done or `stop` is given.
    pub(super) fn run<T>(&self, stop: &Stop, work: impl Future<Output = Result<T, HttpError>>) -> Result<T, HttpError> {
        let runtime = self.runtime.as_ref().expect("the runtime is there until the client is dropped");
        runtime.block_on(stop.or(work)).unwrap_or(Err(HttpError::Cancelled))
    }

    /// The whole body at `url`, of at most `limit` bytes.
    pub(super) async fn bytes(&self, url: &Url, limit: u64) -> Result<Vec<u8>, HttpError> {
        let mut body = self.open(url, 0).await?;
        let mut bytes = Vec::new();
        while let Some(chunk) = body.chunk().await? {
            let chunk = chunk.as_ref();
            if bytes.len() as u64 + chunk.len() as u64 > limit {
                return Err(HttpError::TooLong { url: without_secrets(url.as_str()), limit });
            }
            bytes.extend_from_slice(chunk);
        }
        Ok(bytes)
    }

    /// The body at `url` from the byte `offset` on, or from the start where the server sends only whole files:
    /// [`Body::start`] tells.
    pub(super) async fn open(&self, url: &Url, offset: u64) -> Result<Body, HttpError> {
        let shown = without_secrets(url.as_str());
        let (response, offset) = match self.answer(url, offset).await? {
            // The file is no longer than what we have of it: look at the whole of it.
            response if response.status() == StatusCode::RANGE_NOT_SATISFIABLE => (self.answer(url, 0).await?, 0),
            response => (response, offset),
        };
        let status = response.status();
        let start = match status {
            StatusCode::OK => 0,
            StatusCode::PARTIAL_CONTENT if range_start(response.headers()) == Some(offset) => offset,
            _ => return Err(refusal(shown, status, response.headers())),
        };
        Ok(Body::new(response, shown, start, self.patience, self.minimum_rate))
    }

    /// The answer to a request for `url`, after following redirects.
    async fn answer(&self, url: &Url, offset: u64) -> Result<Response, HttpError> {
        let mut url = url.clone();
        let mut seen = vec![url.clone()];
        loop {
            let response = self.one_answer(&url, offset).await?;
            let location = response.headers().get(LOCATION).filter(|_| response.status().is_redirection());
            let Some(location) = location else { return Ok(response) };
            let target = location.to_str().ok().and_then(|target| url.join(target).ok());
            let refuse = |target: String, reason| {
                let (url, target) = (without_secrets(url.as_str()), without_secrets(&target));
                Err(HttpError::Redirect { url, target, reason })
            };
            let Some(target) = target else {
                return refuse(String::from_utf8_lossy(location.as_bytes()).into_owned(), "it is no address");
            };
            let reason = match (url.scheme(), target.scheme()) {
                _ if seen.contains(&target) => Some("it is a loop"),
                _ if seen.len() > MOST_REDIRECTS => Some("there are too many redirects"),
                ("http", "http" | "https") | ("https", "https") => None,
                ("https", "http") => Some("it leaves the encrypted connection"),
                _ => Some("it is neither http nor https"),
            };
            if let Some(reason) = reason {
                return refuse(target.to_string(), reason);
            }
            seen.push(target.clone());
            url = target;
        }
    }

    async fn one_answer(&self, url: &Url, offset: u64) -> Result<Response, HttpError> {
        let shown = without_secrets(url.as_str());
        let mut request = self.web.get(plain(url));
        if let Some((user, password)) = login_for(url, &self.credentials) {
            request = request.basic_auth(user, Some(password));
        }
        if offset > 0 {
            request = request.header(RANGE, format!("bytes={offset}-"));
        }
        match tokio::time::timeout(self.patience, request.send()).await {
            Ok(answer) => answer.map_err(|error| unreachable(shown, &error)),
            Err(_) => Err(HttpError::TooSlow { url: shown, received: 0, seconds: self.patience.as_secs() }),
        }
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

/// A client that goes through the proxies of `options`, trusts their certificates and `extra` ones beside the system's,
/// and follows no redirect by itself. `adjust` has the last word.
pub(crate) fn web_client(
    options: &HttpOptions,
    mut extra: Vec<Certificate>,
    adjust: impl Fn(ClientBuilder) -> ClientBuilder,
) -> Result<reqwest::Client, HttpError> {
    for path in &options.certificates {
        let wrong = |source| HttpError::Certificates { path: path.clone(), source };
        let text = std::fs::read(path).map_err(|error| wrong(error.into()))?;
        let found = Certificate::from_pem_bundle(&text).map_err(|error| wrong(error.into()))?;
        if found.is_empty() {
            return Err(wrong("there is no certificate in it".into()));
        }
        extra.extend(found);
    }
    let proxies = options.proxies.clone();
    let builder = || {
        let proxies = proxies.clone();
        reqwest::Client::builder()
            .user_agent(concat!("rootsmith/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            // Digests are those of files as they are served. A server that calls a `.gz` an encoding means the file, and a
            // library that this program is built with may have switched its decoding on.
            .no_gzip()
            .no_deflate()
            .no_brotli()
            .no_zstd()
            .no_proxy()
            .proxy(reqwest::Proxy::custom(move |url| proxies.proxy_for(url)))
            .connect_timeout(options.connect_timeout)
            .pool_max_idle_per_host(options.parallel)
    };
    let trusting = |builder: ClientBuilder, certificates: Vec<Certificate>| {
        adjust(if certificates.is_empty() { builder } else { builder.tls_certs_merge(certificates) })
    };
    if let Ok(client) = trusting(builder(), extra.clone()).build() {
        return Ok(client);
    }
    // A minimal machine has no certificates of its own: Mozilla's, as of this program's release, stand in.
    let built_in = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().filter_map(|root| Certificate::from_der(root).ok());
    extra.extend(built_in);
    trusting(builder(), extra).build().map_err(|error| HttpError::Prepare { source: error.into() })
}

/// `url` without the login in it, which is sent as a header.
fn plain(url: &Url) -> Url {
    let mut url = url.clone();
    // Both fail only for addresses without a host, which have no login.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url
}

/// Where the bytes of a partial answer begin: `Content-Range: bytes 100-199/200` (RFC 9110, 14.4).
fn range_start(headers: &HeaderMap) -> Option<u64> {
    let range = headers.get(CONTENT_RANGE)?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split('-').next()?.trim().parse().ok()
}

fn refusal(url: String, status: StatusCode, headers: &HeaderMap) -> HttpError {
    match status.as_u16() {
        404 | 410 => HttpError::Absent { url },
        401 | 403 => HttpError::Refused { url, status: status.as_u16() },
        407 => HttpError::ProxyLogin { url },
        status => HttpError::Status { url, status, retry_after: retry_after(headers) },
    }
}

/// How many seconds the server asks to wait (RFC 9110, 10.2.3). A date counts from the server's own.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<u64> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(seconds);
    }
    let date = |text: &str| jiff::fmt::rfc2822::parse(text).ok().map(|date| date.timestamp().as_second());
    let now = date(headers.get(DATE)?.to_str().ok()?)?;
    u64::try_from(date(text)? - now).ok()
}

/// Tells what keeps a connection from being made by its innermost cause, which is also all that a person needs of the
/// chain: the links between name the libraries below.
pub(crate) fn unreachable(url: String, error: &reqwest::Error) -> HttpError {
    use std::io::ErrorKind::{NetworkDown, NetworkUnreachable};
    let cause = innermost(error);
    let text = cause.to_string();
    let source = text.clone().into();
    // What getaddrinfo says has no kind of its own: EAI_AGAIN where no name server answers, EAI_NONAME where one does,
    // in the words of glibc and musl.
    let says = |words: [&str; 2]| error.is_dns() && words.iter().any(|words| text.contains(words));
    let kind = cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    if says(["Temporary failure in name resolution", "Try again"]) {
        HttpError::NoNetwork { url, source }
    } else if says(["Name or service not known", "Name does not resolve"]) {
        HttpError::UnknownHost { url }
    } else if matches!(kind, Some(NetworkDown | NetworkUnreachable)) {
        HttpError::NoNetwork { url, source }
    } else if text.contains("certificate") {
        HttpError::Untrusted { url, source }
    } else {
        HttpError::Unreachable { url, source }
    }
}
