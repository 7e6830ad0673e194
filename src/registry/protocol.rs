//! What a registry does, over HTTP: manifests, and blobs by way of uploads and downloads.

use std::sync::Arc;

use oci_spec::image::{Descriptor, ImageIndex};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, LINK};
use reqwest::{Method, Response, StatusCode};

use super::answer::body_of;
use super::client::Client;
use super::host::Host;
use super::mirrors::Place;
use super::request::{Request, Sending};
use super::scope::Scope;
use super::{At, Bytes, Document, LARGEST_MANIFEST, Login, Outgoing, Registry, RegistryError};
use crate::digest::Digest;
use crate::http::GivenLogin;
use crate::oci::Repository;
use crate::store::{Blob, Store};

/// The manifests that engines take.
const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
                         application/vnd.docker.distribution.manifest.list.v2+json, \
                         application/vnd.docker.distribution.manifest.v2+json";

/// Pages of a list that are read: more is a loop.
const MOST_PAGES: usize = 100;

impl Client {
    /// Whether `registry` takes a login for `name`, the registry itself or a repository in it.
    pub fn check_login(&self, name: &str, login: &Login) -> Result<(), RegistryError> {
        let (registry, repository) = name.split_once('/').unwrap_or((name, ""));
        let mut options = self.options().clone();
        let scope = Scope::pull(repository);
        // Nothing but what is to be checked may be sent.
        options.registries.login_files.clear();
        options.registries.login_text = None;
        options.registries.login = match login {
            Login::Password { user, password } => {
                Some(GivenLogin { registry: registry.to_owned(), user: user.clone(), password: password.clone() })
            }
            _ => None,
        };
        let client = Self::with(options);
        client
            .run(async {
                let place = client.configuration()?.push_to(&Repository::at(registry, repository))?;
                let host = client.host(&place).await?;
                let url = host.base.join("v2/").expect("it is a path");
                let request = Request::new(Method::GET, url, &scope, registry);
                let response = client.request(&host, &request).await;
                match response {
                    Ok(response) if response.status().is_success() => Ok(()),
                    Ok(response) => Err(client.refused(&host, &request, response, "log in to").await),
                    Err(error) => Err(error),
                }
            })
            .map_err(|error| match error {
                RegistryError::Refused { registry, message, .. }
                | RegistryError::LoginRefused { registry, message, .. } => RegistryError::Login { registry, message },
                RegistryError::Absent { .. } => {
                    let problem = format!("no registry answers at `{registry}/v2/`");
                    RegistryError::Answer { name: registry.to_owned(), problem }
                }
                other => other,
            })
    }

    /// The manifest at a tag beside the image `subject`, which need not be there. Of a mirror that has the image, its word
    /// counts: the place itself is not asked for what the mirror lacks.
    pub fn manifest_beside(
        &self,
        repository: &Repository,
        subject: &Digest,
        tag: &str,
    ) -> Result<Option<Document>, RegistryError> {
        let at = At::Tag(tag.to_owned());
        let what = named(repository, &at);
        self.run(self.first_place(repository, &at, async |host, place| {
            match self.manifest_of(&host, &place, &at, &what).await {
                Ok(document) => Ok(Some(document)),
                Err(error) if error.is_absent() && place.host == repository.registry() => Ok(None),
                Err(error) if error.is_absent() => {
                    self.manifest_of(&host, &place, &At::Digest(*subject), &what).await.map(|_| None)
                }
                Err(error) => Err(error),
            }
        }))
    }

    /// Fetches a manifest from one place.
    async fn manifest_of(&self, host: &Host, place: &Place, at: &At, what: &str) -> Result<Document, RegistryError> {
        let scope = Scope::pull(&place.repository);
        let url = host.url(&place.repository, "manifests", &at.to_string());
        let request = Request::new(Method::GET, url, &scope, what).header(ACCEPT, MANIFESTS);
        let mut round = 0;
        loop {
            let response = self.request(host, &request).await?;
            if response.status() != StatusCode::OK {
                return Err(self.refused(host, &request, response, "fetch").await);
            }
            let headers = response.headers().clone();
            match body_of(response, LARGEST_MANIFEST, "manifest", what, self.options(), &host.name).await {
                Ok(bytes) => return document(bytes, &headers, at, what),
                Err(error) if error.may_pass() && self.pause(round, &error).await => round += 1,
                Err(error) => return Err(error),
            }
        }
    }

    async fn blob_of(
        &self,
        host: &Host,
        place: &Place,
        digest: &Digest,
        limit: u64,
        what: &str,
    ) -> Result<Vec<u8>, RegistryError> {
        let scope = Scope::pull(&place.repository);
        let url = host.url(&place.repository, "blobs", &digest.to_string());
        let request = Request::new(Method::GET, url, &scope, what);
        let mut round = 0;
        let bytes = loop {
            let response = self.request(host, &request).await?;
            if response.status() != StatusCode::OK {
                return Err(self.refused(host, &request, response, "fetch").await);
            }
            match body_of(response, limit, "blob", what, self.options(), &host.name).await {
                Ok(bytes) => break bytes,
                Err(error) if error.may_pass() && self.pause(round, &error).await => round += 1,
                Err(error) => return Err(error),
            }
        };
        let found = Digest::of(&bytes);
        if found != *digest {
            return Err(RegistryError::Mismatch { name: what.to_owned(), expected: *digest, found });
        }
        Ok(bytes)
    }

    async fn exists(&self, host: &Host, request: &Request<'_>) -> Result<Option<Response>, RegistryError> {
        let response = self.request(host, request).await?;
        match response.status() {
            StatusCode::OK => Ok(Some(response)),
            StatusCode::NOT_FOUND => Ok(None),
            _ => Err(self.refused(host, request, response, "look for").await),
        }
    }
}

impl Registry for Client {
    fn manifest(&self, repository: &Repository, at: &At) -> Result<Document, RegistryError> {
        let what = named(repository, at);
        self.run(self.first_place(repository, at, async |host, place| self.manifest_of(&host, &place, at, &what).await))
    }

    fn digest_at(&self, repository: &Repository, at: &At) -> Result<Option<Digest>, RegistryError> {
        let what = named(repository, at);
        self.run(async {
            let (host, place) = self.push_host(repository).await?;
            let scope = Scope::push(&place.repository);
            let url = host.url(&place.repository, "manifests", &at.to_string());
            let request = Request::new(Method::HEAD, url, &scope, &what).header(ACCEPT, MANIFESTS);
            let Some(response) = self.exists(&host, &request).await? else { return Ok(None) };
            if let At::Digest(digest) = at {
                return Ok(Some(*digest));
            }
            match digest_header(response.headers()) {
                Some(digest) => Ok(Some(digest)),
                // The header is only recommended.
                None => Ok(Some(self.manifest_of(&host, &place, at, &what).await?.digest)),
            }
        })
    }

    fn put_manifest(&self, repository: &Repository, at: &At, document: &Document) -> Result<bool, RegistryError> {
        let what = named(repository, at);
        self.run(async {
            let (host, place) = self.push_host(repository).await?;
            let scope = Scope::push(&place.repository);
            let url = host.url(&place.repository, "manifests", &at.to_string());
            let request = Request::new(Method::PUT, url, &scope, &what)
                .header(CONTENT_TYPE, document.media_type.as_str())
                .body(Sending::all(Arc::clone(&document.bytes)));
            let response = self.request(&host, &request).await?;
            if !response.status().is_success() {
                let error = self.refused(&host, &request, response, "push").await;
                return Err(immutable(error, at, &what));
            }
            if let Some(found) = digest_header(response.headers())
                && found != document.digest
            {
                return Err(RegistryError::Mismatch { name: what.clone(), expected: document.digest, found });
            }
            Ok(response.headers().contains_key("OCI-Subject"))
        })
    }

    fn has_blob(&self, repository: &Repository, digest: &Digest) -> Result<bool, RegistryError> {
        let what = format!("{repository}@{digest}");
        self.run(async {
            let (host, place) = self.push_host(repository).await?;
            let scope = Scope::push(&place.repository);
            let url = host.url(&place.repository, "blobs", &digest.to_string());
            Ok(self.exists(&host, &Request::new(Method::HEAD, url, &scope, &what)).await?.is_some())
        })
    }

    fn blob(&self, repository: &Repository, digest: &Digest, limit: u64) -> Result<Vec<u8>, RegistryError> {
        let what = format!("{repository}@{digest}");
        self.run(self.first_place(repository, &At::Digest(*digest), async |host, place| {
            self.blob_of(&host, &place, digest, limit, &what).await
        }))
    }

    fn pull_blob(
        &self,
        repository: &Repository,
        digest: &Digest,
        size: u64,
        store: &Store,
        on_bytes: &dyn Fn(u64),
    ) -> Result<Blob, RegistryError> {
        self.pull(repository, digest, size, store, on_bytes)
    }

    fn mount_blob(&self, repository: &Repository, digest: &Digest, from: &Repository) -> Result<bool, RegistryError> {
        if from.registry() != repository.registry() || from == repository {
            return Ok(false);
        }
        self.mount(repository, digest, from)
    }

    fn push_blob(
        &self,
        repository: &Repository,
        blob: &Outgoing,
        content: &Bytes,
        store: &Store,
        on_bytes: &dyn Fn(u64),
    ) -> Result<(), RegistryError> {
        self.push(repository, blob, content, store, on_bytes)
    }

    fn listed_referrers(
        &self,
        repository: &Repository,
        subject: &Digest,
    ) -> Result<Option<Vec<Descriptor>>, RegistryError> {
        let what = format!("the referrers of {repository}@{subject}");
        self.run(self.first_place(repository, &At::Digest(*subject), async |host, place| {
            let scope = Scope::pull(&place.repository);
            let mut next = host.url(&place.repository, "referrers", &subject.to_string());
            let mut all = Vec::new();
            for _ in 0..MOST_PAGES {
                let request = Request::new(Method::GET, next.clone(), &scope, &what)
                    .header(ACCEPT, "application/vnd.oci.image.index.v1+json")
                    .briefly();
                let response = self.request(&host, &request).await?;
                match response.status() {
                    StatusCode::OK => {}
                    // A registry without the API; some answer otherwise than with 404.
                    StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST | StatusCode::METHOD_NOT_ALLOWED => {
                        return Ok(None);
                    }
                    _ => return Err(self.refused(&host, &request, response, "list").await),
                }
                let headers = response.headers().clone();
                let bytes = body_of(response, LARGEST_MANIFEST, "list", &what, self.options(), &host.name).await?;
                // Some give an empty page, or one of their own, for what they do not know.
                let Ok(index) = serde_json::from_slice::<ImageIndex>(&bytes) else { return Ok(None) };
                all.extend(index.manifests().iter().cloned());
                match next_page(&headers).and_then(|link| next.join(&link).ok()).filter(|url| host.owns(url)) {
                    Some(url) if url != next => next = url,
                    _ => break,
                }
            }
            Ok(Some(all))
        }))
    }
}

/// What something is called in messages.
fn named(repository: &Repository, at: &At) -> String {
    match at {
        At::Tag(tag) => format!("{repository}:{tag}"),
        At::Digest(digest) => format!("{repository}@{digest}"),
    }
}

impl std::fmt::Display for At {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tag(tag) => f.write_str(tag),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

fn digest_header(headers: &HeaderMap) -> Option<Digest> {
    headers.get("Docker-Content-Digest")?.to_str().ok()?.parse().ok()
}

/// Checks a manifest's bytes, and finds out what it is.
fn document(bytes: Vec<u8>, headers: &HeaderMap, at: &At, what: &str) -> Result<Document, RegistryError> {
    let digest = Digest::of(&bytes);
    let expected = match at {
        At::Digest(digest) => Some(*digest),
        At::Tag(_) => digest_header(headers),
    };
    if let Some(expected) = expected.filter(|expected| *expected != digest) {
        return Err(RegistryError::Mismatch { name: what.to_owned(), expected, found: digest });
    }
    let unusable = |problem: &str| RegistryError::Answer { name: what.to_owned(), problem: problem.to_owned() };
    let fields: serde_json::Value =
        serde_json::from_slice(&bytes).map_err(|error| unusable(&format!("it is no manifest: {error}")))?;
    let said = fields.get("mediaType").and_then(serde_json::Value::as_str);
    let header = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let header = header.and_then(|value| value.split(';').next()).map(str::trim);
    let has = |key: &str| fields.get(key).is_some();
    // What one client takes for an index, another must not take for a manifest (CVE-2021-41190).
    if has("manifests") && (has("layers") || has("config")) {
        return Err(unusable("it is an index and a manifest at once"));
    }
    let media_type = match (said, header) {
        (Some(said), Some(header)) if said != header && header.contains("manifest") | header.contains("index") => {
            return Err(unusable("its media type is another than that of the answer"));
        }
        (Some(said), _) => said,
        (None, Some(header)) if header.contains("+json") => header,
        _ if has("manifests") => "application/vnd.oci.image.index.v1+json",
        _ => "application/vnd.oci.image.manifest.v1+json",
    };
    if fields.get("schemaVersion").and_then(serde_json::Value::as_u64) != Some(2) {
        return Err(unusable("it is not of schema version 2: push it anew with a current tool"));
    }
    Ok(Document { media_type: media_type.to_owned(), digest, bytes: Arc::from(bytes) })
}

/// Registries have no common way to say that a tag may not be moved; all of them say it in words.
fn immutable(error: RegistryError, at: &At, what: &str) -> RegistryError {
    let RegistryError::Status { status: 400 | 403 | 405 | 409 | 412, message, .. } = &error else { return error };
    let words = message.to_ascii_lowercase();
    if matches!(at, At::Tag(_)) && (words.contains("immutable") || words.contains("cannot be overwritten")) {
        return RegistryError::Immutable { name: what.to_owned(), message: message.clone() };
    }
    error
}

/// The address of the next page: `Link: </v2/...>; rel="next"` (RFC 8288).
fn next_page(headers: &HeaderMap) -> Option<String> {
    let link = headers.get(LINK)?.to_str().ok()?;
    let (address, rest) = link.trim().strip_prefix('<')?.split_once('>')?;
    rest.to_ascii_lowercase().replace('"', "").contains("rel=next").then(|| address.to_owned())
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_str(value).unwrap())).collect()
    }

    #[test]
    fn pages() {
        let next = |text: &str| next_page(&headers(&[("link", text)]));
        assert_eq!(next("</v2/a/referrers/x?n=2>; rel=\"next\"").as_deref(), Some("/v2/a/referrers/x?n=2"));
        assert_eq!(next("<x>; rel=prev"), None);
        assert_eq!(next("x"), None);
    }

    #[test]
    fn manifests_are_what_they_say() {
        const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
        let tag = At::Tag("x".into());
        let read = |text: &str, kind: &str| {
            document(text.as_bytes().to_vec(), &headers(&[("content-type", kind)]), &tag, "x").map(|d| d.media_type)
        };
        assert_eq!(read(r#"{"schemaVersion":2,"layers":[]}"#, MANIFEST).unwrap(), MANIFEST);
        assert_eq!(read(r#"{"schemaVersion":2,"layers":[]}"#, "text/plain").unwrap(), MANIFEST);
        let with_type = format!(r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}"}}"#);
        assert_eq!(read(&with_type, "application/json").unwrap(), MANIFEST);
        for (text, kind) in [
            (with_type.as_str(), "application/vnd.oci.image.index.v1+json"),
            (r#"{"schemaVersion":2,"layers":[],"manifests":[]}"#, MANIFEST),
            (r#"{"schemaVersion":1}"#, MANIFEST),
            ("<html>", "text/html"),
        ] {
            assert!(matches!(read(text, kind), Err(RegistryError::Answer { .. })), "{text}");
        }
        let other = document(b"{}".to_vec(), &HeaderMap::new(), &At::Digest(Digest::of(b"x")), "x");
        assert!(matches!(other, Err(RegistryError::Mismatch { .. })));
    }
}
