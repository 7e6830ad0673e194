//! A body on its way, with an eye on the clock.

use std::time::{Duration, Instant};

use reqwest::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use reqwest::{Response, Version};

use crate::http::HttpError;
use crate::http::error::innermost;

/// The body of an answer. It fails where, over a span of `patience`, less arrives than the minimum rate asks for: a
/// server that sends one byte a second is as dead as one that sends none.
pub(crate) struct Body {
    response: Response,
    url: String,
    start: u64,
    received: u64,
    patience: Duration,
    /// How many bytes must arrive in each span.
    needed: u64,
    span: Span,
}

/// What has happened in the current span. Only time spent waiting for the network counts, not time that whoever takes
/// the bytes needs for them.
#[derive(Default)]
struct Span {
    waited: Duration,
    received: u64,
}

impl Body {
    pub(crate) fn new(response: Response, url: String, start: u64, patience: Duration, minimum_rate: u64) -> Self {
        let needed = minimum_rate.saturating_mul(patience.as_secs().max(1));
        Self { response, url, start, received: 0, patience, needed, span: Span::default() }
    }

    /// At which byte of the file the body begins.
    pub(crate) fn start(&self) -> u64 {
        self.start
    }

    /// Whether the end of the body is sent, and not just the connection closed (RFC 9112, 6.3): bytes that are missing
    /// after such an end are missing at the server.
    pub(crate) fn has_known_end(&self) -> bool {
        let headers = self.response.headers();
        let has_length = headers.contains_key(CONTENT_LENGTH) || headers.contains_key(TRANSFER_ENCODING);
        has_length || self.response.version() > Version::HTTP_11
    }

    /// The next bytes, or `None` at the end.
    pub(crate) async fn chunk(&mut self) -> Result<Option<impl AsRef<[u8]> + use<>>, HttpError> {
        loop {
            if self.span.waited >= self.patience {
                if self.span.received < self.needed {
                    return Err(HttpError::TooSlow {
                        url: self.url.clone(),
                        received: self.span.received,
                        seconds: self.patience.as_secs(),
                    });
                }
                self.span = Span::default();
            }
            let begin = Instant::now();
            let answer = tokio::time::timeout(self.patience - self.span.waited, self.response.chunk()).await;
            self.span.waited += begin.elapsed();
            match answer {
                Err(_) => self.span.waited = self.patience,
                Ok(Ok(Some(bytes))) => {
                    self.span.received += bytes.len() as u64;
                    self.received += bytes.len() as u64;
                    return Ok(Some(bytes));
                }
                Ok(Ok(None)) => return Ok(None),
                Ok(Err(error)) => {
                    return Err(HttpError::Interrupted {
                        url: self.url.clone(),
                        received: self.received,
                        source: Some(innermost(&error).to_string().into()),
                    });
                }
            }
        }
    }
}
