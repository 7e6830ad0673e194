//! What registries ask for, and what is asked of token servers: the words of logins.

use std::time::Instant;

use http_auth::parse_challenges;
use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};

use crate::http::Secret;

/// What a token is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Scope {
    /// The repository.
    pub repository: String,
    /// Whether it is written to.
    pub push: bool,
    /// A second repository, out of which a blob is mounted.
    pub from: Option<String>,
}

/// What a registry wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    Basic,
    Bearer { realm: String, service: Option<String> },
}

/// A token of a token server.
#[derive(Clone, Debug)]
pub(super) struct Token {
    /// The token itself.
    pub secret: Secret,
    /// When it has run out.
    pub until: Instant,
}

impl Scope {
    /// For reading.
    pub fn pull(repository: &str) -> Self {
        Self { repository: repository.to_owned(), push: false, from: None }
    }

    /// For reading and writing.
    pub fn push(repository: &str) -> Self {
        Self { repository: repository.to_owned(), push: true, from: None }
    }

    /// As token servers are asked for it.
    pub fn texts(&self) -> Vec<String> {
        let own = format!("repository:{}:{}", self.repository, if self.push { "pull,push" } else { "pull" });
        let from = self.from.as_ref().map(|from| format!("repository:{from}:pull"));
        [Some(own), from].into_iter().flatten().filter(|_| !self.repository.is_empty()).collect()
    }

    /// What is done with it, in words.
    pub fn action(&self) -> &'static str {
        if self.push { "push to" } else { "pull from" }
    }
}

impl Challenge {
    /// What the headers of a 401 ask for: a token rather than a password, where both will do.
    pub fn read(headers: &HeaderMap) -> Option<Self> {
        let mut basic = None;
        for header in headers.get_all(WWW_AUTHENTICATE) {
            for challenge in parse_challenges(header.to_str().ok()?).ok()? {
                let parameter = |name: &str| {
                    let found = challenge.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
                    found.map(|(_, value)| value.to_unescaped())
                };
                if challenge.scheme.eq_ignore_ascii_case("bearer") {
                    return Some(Self::Bearer { realm: parameter("realm")?, service: parameter("service") });
                }
                if challenge.scheme.eq_ignore_ascii_case("basic") {
                    basic = Some(Self::Basic);
                }
            }
        }
        basic
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    #[test]
    fn challenges() {
        let read = |texts: &[&str]| {
            let mut headers = HeaderMap::new();
            texts.iter().for_each(|text| _ = headers.append(WWW_AUTHENTICATE, HeaderValue::from_str(text).unwrap()));
            Challenge::read(&headers)
        };
        let bearer = |service: Option<&str>| {
            Some(Challenge::Bearer { realm: "https://a/t?x=1".into(), service: service.map(str::to_owned) })
        };
        let text = r#"Bearer realm="https://a/t?x=1",service="r.example",scope="repository:a:pull,push",error="x""#;
        assert_eq!(read(&[text]), bearer(Some("r.example")));
        assert_eq!(read(&[r#"Basic realm="x", bearer Realm="https://a/t?x=1""#]), bearer(None));
        assert_eq!(read(&["Basic realm=x", text]), bearer(Some("r.example")));
        assert_eq!(read(&[r#"Basic realm="Registry""#]), Some(Challenge::Basic));
        for none in ["", "Negotiate", "Bearer", "Bearer service=x", "\"\""] {
            assert_eq!(read(&[none]), None, "{none}");
        }
        assert_eq!(read(&[]), None);
    }

    #[test]
    fn what_is_asked_for() {
        let mut scope = Scope::push("a/b");
        scope.from = Some("c".to_owned());
        assert_eq!(scope.texts(), ["repository:a/b:pull,push", "repository:c:pull"]);
        assert!(Scope::pull("").texts().is_empty());
    }
}
