//! Proving who we are: challenges, token servers, and to whom a login may be sent.
//!
//! A registry answers 401 with what it wants: a user and password with each request (Basic), or a token from a server that
//! it names (Bearer, <https://distribution.github.io/distribution/spec/auth/token/>).

use std::time::{Duration, Instant};

use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;

use super::answer::{body_of, refusal};
use super::client::Client;
use super::credentials::find;
use super::host::{Host, refusal_to_follow};
use super::scope::{Challenge, Scope, Token};
use super::{Login, RegistryError};
use crate::http::{HttpError, Secret, unreachable, without_secrets};
use crate::oci::Repository;

/// Tokens without a date live this long (the specification of token servers).
const SHORTEST_LIFE: u64 = 60;

/// A token is not used in the last part of its life: it has to arrive in time.
const MARGIN: Duration = Duration::from_secs(5);

/// Largest answer of a token server in bytes.
const LARGEST_ANSWER: u64 = 1 << 20;

#[derive(Deserialize)]
struct Answer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

impl Client {
    /// What to send as `Authorization` without having been asked; nothing where the registry has not wanted any so far.
    pub(super) async fn authorization(&self, host: &Host, scope: &Scope) -> Result<Option<String>, RegistryError> {
        let challenge = host.challenge.lock().expect(NO_PANIC).clone();
        match challenge {
            None => Ok(None),
            Some(challenge) => self.answer(host, scope, &challenge, false).await,
        }
    }

    /// What to send after a 401 with `headers`; nothing where there is nothing to offer.
    pub(super) async fn after_refusal(
        &self,
        host: &Host,
        scope: &Scope,
        headers: &HeaderMap,
    ) -> Result<Option<String>, RegistryError> {
        let Some(challenge) = Challenge::read(headers) else { return Ok(None) };
        *host.challenge.lock().expect(NO_PANIC) = Some(challenge.clone());
        self.answer(host, scope, &challenge, true).await
    }

    async fn answer(
        &self,
        host: &Host,
        scope: &Scope,
        challenge: &Challenge,
        anew: bool,
    ) -> Result<Option<String>, RegistryError> {
        let login = self.login(host, &scope.repository)?;
        match (challenge, login) {
            (_, Some(Login::Bearer(token))) => Ok(Some(format!("Bearer {}", token.reveal()))),
            (Challenge::Basic, Some(Login::Password { user, password })) => Ok(Some(basic(&user, &password))),
            (Challenge::Basic, _) => Ok(None),
            (Challenge::Bearer { realm, service }, login) => {
                if !anew && let Some(token) = known(host, scope) {
                    return Ok(Some(format!("Bearer {}", token.reveal())));
                }
                let token = self.fetch_token(host, scope, realm, service.as_deref(), login.as_ref()).await?;
                let text = format!("Bearer {}", token.secret.reveal());
                host.tokens.lock().expect(NO_PANIC).insert(scope.clone(), token);
                Ok(Some(text))
            }
        }
    }

    /// The login for a repository, looked up once.
    fn login(&self, host: &Host, repository: &str) -> Result<Option<Login>, RegistryError> {
        let mut known = host.logins.lock().expect(NO_PANIC);
        if let Some(login) = known.get(repository) {
            return Ok(login.as_ref().map(|found| found.login.clone()));
        }
        let found = find(&self.options().registries, &Repository::at(&host.name, repository))?;
        let login = found.as_ref().map(|found| found.login.clone());
        known.insert(repository.to_owned(), found);
        Ok(login)
    }

    async fn fetch_token(
        &self,
        host: &Host,
        scope: &Scope,
        realm: &str,
        service: Option<&str>,
        login: Option<&Login>,
    ) -> Result<Token, RegistryError> {
        let wrong =
            |reason| RegistryError::Realm { registry: host.name.clone(), realm: without_secrets(realm), reason };
        let url = Url::parse(realm).map_err(|_| wrong("it is no address"))?;
        if let Some(reason) = refusal_to_follow(&host.base, &url) {
            return Err(wrong(reason));
        }
        let trusted = &self.options().registries.trusted_realms;
        let to = url.host_str().unwrap_or_default();
        let is_trusted = trusted.iter().any(|known| known.eq_ignore_ascii_case(to));
        if login.is_some() && !is_trusted && !is_of_domain(host.base.host_str().unwrap_or_default(), to) {
            return Err(wrong("it is a host of another domain"));
        }
        let mut query: Vec<(&str, String)> = Vec::new();
        query.extend(service.map(|service| ("service", service.to_owned())));
        query.extend(scope.texts().into_iter().map(|scope| ("scope", scope)));
        let web = if host.owns(&url) { &host.web } else { self.elsewhere()? };
        let (status, headers, body) = match login {
            Some(Login::Identity(token)) => {
                let form = form(&query, &[("grant_type", "refresh_token"), ("refresh_token", token.reveal())]);
                self.ask_for_token(host, web, Method::POST, &url, None, Some(form)).await?
            }
            Some(Login::Password { user, password }) => {
                let mut with_account = query.clone();
                with_account.push(("account", user.clone()));
                let authorization = Some(basic(user, password));
                let address = with_query(&url, &with_account);
                match self.ask_for_token(host, web, Method::GET, &address, authorization, None).await? {
                    // OAuth2 alone, as some servers speak it.
                    (StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED, ..) => {
                        let login = [("grant_type", "password"), ("username", user), ("password", password.reveal())];
                        self.ask_for_token(host, web, Method::POST, &url, None, Some(form(&query, &login))).await?
                    }
                    answer => answer,
                }
            }
            _ => self.ask_for_token(host, web, Method::GET, &with_query(&url, &query), None, None).await?,
        };
        if status != StatusCode::OK {
            return Err(refusal(status, &headers, &body, host, scope, "get a token for", &scope.repository));
        }
        let name = without_secrets(realm);
        let unusable = |problem: &str| RegistryError::Answer { name: name.clone(), problem: problem.to_owned() };
        let answer: Answer =
            serde_json::from_slice(&body).map_err(|_| unusable("a token server gives JSON with a `token`"))?;
        let secret = answer.token.or(answer.access_token).filter(|token| !token.is_empty());
        let secret = secret.ok_or_else(|| unusable("there is no token in it"))?;
        if !secret.bytes().all(|byte| (0x21..0x7f).contains(&byte)) {
            return Err(unusable("the token in it has characters that no token has"));
        }
        let life = Duration::from_secs(answer.expires_in.unwrap_or(SHORTEST_LIFE).clamp(1, 24 * 60 * 60));
        let life = life.saturating_sub(MARGIN).max(life / 2);
        Ok(Token { secret: Secret::new(secret), until: Instant::now() + life })
    }

    async fn ask_for_token(
        &self,
        host: &Host,
        web: &reqwest::Client,
        method: Method,
        url: &Url,
        authorization: Option<String>,
        form: Option<String>,
    ) -> Result<(StatusCode, HeaderMap, Vec<u8>), RegistryError> {
        let mut request = web.request(method, url.clone());
        if let Some(authorization) = authorization {
            request = request.header("Authorization", authorization);
        }
        if let Some(form) = form {
            request = request.header("Content-Type", "application/x-www-form-urlencoded").body(form);
        }
        let name = without_secrets(url.as_str());
        let patience = self.options().patience;
        let response = match tokio::time::timeout(patience, request.send()).await {
            Ok(sent) => sent.map_err(|error| no_token(host, url, unreachable(name.clone(), &error)))?,
            Err(_) => {
                let source = format!("{name} did not answer for {} seconds", patience.as_secs()).into();
                return Err(RegistryError::Interrupted { what: "a token".to_owned(), source });
            }
        };
        let (status, headers) = (response.status(), response.headers().clone());
        let body = body_of(response, LARGEST_ANSWER, "answer", &name, self.options(), &host.name).await?;
        Ok((status, headers, body))
    }
}

/// The error of a token server that cannot be talked to. Where it is the registry itself, that is what is told.
fn no_token(host: &Host, url: &Url, error: HttpError) -> RegistryError {
    let server = host.name_of(url);
    match RegistryError::of_http(error, &server, "a token") {
        RegistryError::Unreachable { source, .. } if !host.owns(url) => {
            RegistryError::TokenServer { registry: host.name.clone(), server, source }
        }
        RegistryError::UnknownHost { .. } if !host.owns(url) => {
            let source = "there is no server of that name".into();
            RegistryError::TokenServer { registry: host.name.clone(), server, source }
        }
        other => other,
    }
}

const NO_PANIC: &str = "no thread panics while it holds this";

/// A token that is there for `scope`, or for more than it.
fn known(host: &Host, scope: &Scope) -> Option<Secret> {
    let tokens = host.tokens.lock().expect(NO_PANIC);
    let now = Instant::now();
    let of = |scope: &Scope| tokens.get(scope).filter(|token| token.until > now).map(|token| token.secret.clone());
    of(scope).or_else(|| of(&Scope::push(&scope.repository)).filter(|_| scope.from.is_none()))
}

fn basic(user: &str, password: &Secret) -> String {
    use base64::Engine as _;
    let text = format!("{user}:{}", password.reveal());
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text))
}

fn with_query(url: &Url, query: &[(&str, String)]) -> Url {
    let mut url = url.clone();
    url.query_pairs_mut().extend_pairs(query);
    url
}

/// A form as browsers send it.
fn form(query: &[(&str, String)], further: &[(&str, &str)]) -> String {
    let mut url = Url::parse("form:").expect("it is an address");
    let scopes: Vec<&str> = query.iter().filter(|(key, _)| *key == "scope").map(|(_, scope)| scope.as_str()).collect();
    let service = query.iter().filter(|(key, _)| *key == "service").map(|(key, value)| (*key, value.as_str()));
    url.query_pairs_mut()
        .extend_pairs(service)
        .extend_pairs([("client_id", "rootsmith"), ("scope", &scopes.join(" "))])
        .extend_pairs(further);
    url.query().unwrap_or_default().to_owned()
}

/// Whether a token server is of a registry's own domain: the same host, one below it, or one beside it
/// (`registry.example.com` and `auth.example.com`).
fn is_of_domain(registry: &str, realm: &str) -> bool {
    let (registry, realm) = (registry.to_ascii_lowercase(), realm.to_ascii_lowercase());
    let is_number = |host: &str| host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok();
    if registry == realm {
        return true;
    }
    if is_number(&registry) || is_number(&realm) {
        return false;
    }
    let below = |domain: &str| realm == domain || realm.ends_with(&format!(".{domain}"));
    if registry.contains('.') && below(&registry) {
        return true;
    }
    let Some((_, parent)) = registry.split_once('.') else { return false };
    // Domains below which everybody has one: `co.uk`.
    let open = ["co", "com", "org", "net", "ac", "gov", "edu", "ne", "or", "go"];
    let is_open = match parent.split_once('.') {
        None => true,
        Some((second, top)) => top.len() == 2 && open.contains(&second),
    };
    !is_open && below(parent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_servers_of_a_registrys_domain() {
        for (registry, realm) in [
            ("registry-1.docker.io", "auth.docker.io"),
            ("registry.gitlab.com", "gitlab.com"),
            ("ghcr.io", "ghcr.io"),
            ("quay.io", "auth.quay.io"),
            ("r.example.co.uk", "auth.example.co.uk"),
            ("localhost", "localhost"),
            ("127.0.0.1", "127.0.0.1"),
        ] {
            assert!(is_of_domain(registry, realm), "{registry} {realm}");
        }
        for (registry, realm) in [
            ("ghcr.io", "evil.io"),
            ("registry.co.uk", "evil.co.uk"),
            ("r.example.com", "example.com.evil.com"),
            ("r.example.com", "badexample.com"),
            ("127.0.0.1", "127.0.0.2"),
            ("10.0.0.1", "11.0.0.1"),
            ("localhost", "127.0.0.1"),
        ] {
            assert!(!is_of_domain(registry, realm), "{registry} {realm}");
        }
    }

    #[test]
    fn forms() {
        let text = form(&[("service", "s x".into()), ("scope", "a".into()), ("scope", "b".into())], &[("p", "&=")]);
        assert_eq!(text, "service=s+x&client_id=rootsmith&scope=a+b&p=%26%3D");
    }
}
