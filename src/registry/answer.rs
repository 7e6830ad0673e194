//! What comes back: bodies within limits, and what refusals mean.

use reqwest::header::HeaderMap;
use reqwest::{Response, StatusCode};

use super::RegistryError;
use super::host::Host;
use super::scope::Scope;
use crate::http::{self, HttpOptions, retry_after};

/// The whole body of an answer, of at most `limit` bytes.
pub(super) async fn body_of(
    response: Response,
    limit: u64,
    what: &'static str,
    name: &str,
    options: &HttpOptions,
    registry: &str,
) -> Result<Vec<u8>, RegistryError> {
    let too_large = || RegistryError::TooLarge { what, name: name.to_owned(), limit };
    if response.content_length().is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let mut body = http::Body::new(response, name.to_owned(), 0, options.patience, options.minimum_rate);
    let mut bytes = Vec::new();
    loop {
        match body.chunk().await {
            Ok(Some(chunk)) => {
                let chunk = chunk.as_ref();
                if bytes.len() as u64 + chunk.len() as u64 > limit {
                    return Err(too_large());
                }
                bytes.extend_from_slice(chunk);
            }
            Ok(None) => return Ok(bytes),
            Err(error) => return Err(RegistryError::of_http(error, registry, name)),
        }
    }
}

/// What a refusal means.
pub(super) fn refusal(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    host: &Host,
    scope: &Scope,
    action: &'static str,
    name: &str,
) -> RegistryError {
    let message = words(body).map(|words| format!(": {words}")).unwrap_or_default();
    let (registry, repository) = (host.name.clone(), scope.repository.clone());
    match status.as_u16() {
        401 | 403 if !message.to_ascii_lowercase().contains("immutable") => match host.sent_login(&repository) {
            Some((user, from)) => {
                let login = format!("the login of `{user}` from `{from}`");
                RegistryError::LoginRefused { registry, repository, action: scope.action(), login, message }
            }
            None => RegistryError::Refused { registry, repository, action: scope.action(), message },
        },
        // The protocol's code for it; a blob or manifest that is not there has another.
        404 if scope.push && message.contains("(NAME_UNKNOWN)") => {
            RegistryError::NoRepository { registry, repository, message }
        }
        404 => RegistryError::Absent { name: name.to_owned() },
        status => {
            RegistryError::Status { action, name: name.to_owned(), status, message, retry_after: retry_after(headers) }
        }
    }
}

/// The words of the first error in an answer (distribution spec, "Error Codes"), without what could play tricks on a
/// terminal.
fn words(body: &[u8]) -> Option<String> {
    let document: serde_json::Value = serde_json::from_slice(body).ok()?;
    let first = document.get("errors").and_then(|errors| errors.get(0));
    let text = |value: Option<&serde_json::Value>| value.and_then(serde_json::Value::as_str).map(str::to_owned);
    let of_first = |key: &str| text(first.and_then(|first| first.get(key))).filter(|text| !text.is_empty());
    let plain = text(document.get("details")).or_else(|| text(document.get("message")));
    let said = match (of_first("code"), of_first("message")) {
        (Some(code), Some(message)) => format!("{message} ({code})"),
        (code, message) => message.or(code).or(plain)?,
    };
    let shown: String = said.chars().take(300).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    Some(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registrys_own_words() {
        let said = |text: &str| words(text.as_bytes());
        assert_eq!(
            said(r#"{"errors":[{"code":"DENIED","message":"no\u001b[31m way"},{"code":"X"}]}"#).as_deref(),
            Some("no\u{fffd}[31m way (DENIED)")
        );
        assert_eq!(said(r#"{"errors":[{"code":"DENIED"}]}"#).as_deref(), Some("DENIED"));
        assert_eq!(said(r#"{"details":"incorrect username"}"#).as_deref(), Some("incorrect username"));
        for none in ["", "<html>", "{}", "[]", r#"{"errors":[]}"#, r#"{"errors":{}}"#] {
            assert_eq!(said(none), None, "{none}");
        }
    }
}
