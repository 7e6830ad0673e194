//! Which repositories a request reads, and where they are reached.

use std::collections::BTreeMap;

use crate::digest::Digest;
use crate::http::without_secrets;
use crate::recipe::{ApkPlace, ApkRequest};

/// Where repositories are reached: addresses above the folders of architectures, in order of preference, by id.
pub type Mirrors = BTreeMap<String, Vec<String>>;

/// A repository of packages that a request reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// What the lock and mirrors call it: `alpine-main`, `wolfi`; of others, a name made of the address.
    pub id: String,
    /// The tag that its packages are asked for with.
    pub tag: Option<String>,
    /// Its address.
    pub url: String,
    /// Its path below the distribution's address: `v3.20/main`; nothing where it is no part of the distribution.
    path: Option<String>,
}

/// The official addresses.
const ALPINE: &str = "https://dl-cdn.alpinelinux.org/alpine";
const WOLFI: &str = "https://packages.wolfi.dev";
const CHAINGUARD: &str = "https://apk.cgr.dev";

/// The repositories of `request`, in order of preference.
pub fn of(request: &ApkRequest) -> Vec<Repository> {
    let each = request.repositories.iter().map(|repository| {
        let tag = repository.tag.clone();
        match &repository.place {
            ApkPlace::Url(url) => Repository { id: id_of(url), tag, url: url.clone(), path: None },
            ApkPlace::Component(component) => {
                let (base, path, id) = match (request.distribution.as_str(), &request.branch) {
                    ("wolfi", _) => (WOLFI, "os".to_owned(), "wolfi".to_owned()),
                    ("chainguard", _) => (CHAINGUARD, "chainguard".to_owned(), "chainguard".to_owned()),
                    (distribution, branch) => {
                        let branch = branch.as_deref().unwrap_or("latest-stable");
                        (ALPINE, format!("{branch}/{component}"), format!("{distribution}-{component}"))
                    }
                };
                Repository { id, tag, url: format!("{base}/{path}"), path: Some(path) }
            }
        }
    });
    let mut repositories: Vec<Repository> = Vec::new();
    for repository in each {
        if !repositories.iter().any(|known| known.id == repository.id) {
            repositories.push(repository);
        }
    }
    repositories
}

/// Where each repository is reached: at the mirrors of the command line, else at its own address. A mirror without an id is
/// one of the distribution, above its branches; one with an id is that repository itself.
pub fn mirrors(request: &ApkRequest, chosen: &[(String, String)]) -> Mirrors {
    let addresses = |repository: &Repository| {
        let mut addresses: Vec<String> = Vec::new();
        for (id, mirror) in chosen {
            let mirror = mirror.trim_end_matches('/');
            match &repository.path {
                _ if *id == repository.id => addresses.push(mirror.to_owned()),
                Some(path) if id.is_empty() || *id == request.distribution => {
                    addresses.push(format!("{mirror}/{path}"))
                }
                _ => {}
            }
        }
        if addresses.is_empty() {
            addresses.push(repository.url.clone());
        }
        addresses
    };
    of(request).iter().map(|repository| (repository.id.clone(), addresses(repository))).collect()
}

impl Repository {
    /// What messages call it: its id where it is one of the distribution's, else its address, as the recipe has it.
    pub fn shown(&self) -> String {
        if self.path.is_some() { self.id.clone() } else { without_secrets(&self.url) }
    }

    /// Whether it is a part of the distribution, and reached at the distribution's mirrors.
    pub fn is_official(&self) -> bool {
        self.path.is_some()
    }

    /// Its line in the image's `/etc/apk/repositories`; none for a folder of this machine.
    pub fn line(&self) -> Option<String> {
        if self.url.starts_with("file:") {
            return None;
        }
        Some(self.tag.as_ref().map_or_else(|| self.url.clone(), |tag| format!("@{tag} {}", self.url)))
    }
}

/// The id of a repository that belongs to no distribution: its host, and a part of the digest of its address.
fn id_of(url: &str) -> String {
    let host = url.split("://").nth(1).unwrap_or(url).split('/').next().unwrap_or_default();
    let host: String = host.chars().filter(|sign| sign.is_ascii_alphanumeric() || "-.".contains(*sign)).collect();
    let host = host.to_ascii_lowercase();
    format!("{}-{}", if host.is_empty() { "local" } else { &host }, &Digest::of(url.as_bytes()).hex()[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_are_shown_as_the_recipe_has_them() {
        let own = |url: &str| Repository { id: id_of(url), tag: None, url: url.to_owned(), path: None };
        assert_eq!(own("file:///srv/apk").shown(), "file:///srv/apk");
        assert!(own("file:///srv/apk").id.starts_with("local-"));
        assert_eq!(own("https://packages.example/x").shown(), "https://packages.example/x");
        let main = Repository {
            id: "alpine-main".to_owned(),
            path: Some("v3.22/main".to_owned()),
            ..own("https://packages.example/v3.22/main")
        };
        assert_eq!(main.shown(), "alpine-main");
    }
}
