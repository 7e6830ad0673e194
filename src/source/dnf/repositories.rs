//! Which repositories a request reads, and where they are.

use std::collections::BTreeMap;

use super::distribution;
use super::{DnfError, metalink};
use crate::context::Context;
use crate::platform::Platform;
use crate::recipe::{DnfRequest, KeySources, RepositoryPlace, Trust};

/// Most bytes of a list of mirrors or a metalink.
const LIST_LIMIT: u64 = 4 << 20;

/// More mirrors than these are not tried.
const MOST_MIRRORS: usize = 12;

/// Addresses of repositories from the command line, by id; with an empty id, of the main repository.
pub type Chosen<'a> = &'a [(String, String)];

/// A repository that a request reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// Its id, in the lock and for `--mirror`.
    pub id: String,
    /// What signs its packages.
    pub keys: KeySources,
    /// Whether they have to be signed.
    pub trust: Trust,
    /// Whether its index has to be signed too.
    pub signed_metadata: bool,
    place: RepositoryPlace,
}

/// The addresses of a repository, and the digests (SHA-256, in hexadecimal) that its index may have, where a metalink
/// says so.
pub(super) struct Addresses {
    pub(super) bases: Vec<String>,
    pub(super) indexes: Option<Vec<String>>,
}

/// The repositories of `request`: the distribution's, each replaced by the recipe's of the same id, then the further ones.
/// Variables in addresses are replaced. Addresses of `chosen` come in place of all others.
pub fn of(request: &DnfRequest, platform: Platform, chosen: Chosen<'_>) -> Vec<Repository> {
    let fill = |text: &String| {
        let architecture = distribution::architecture(platform);
        // A release may be named with its minor version, `9.6`; dnf 5 knows its parts by these names.
        let (major, minor) = request.release.split_once('.').unwrap_or((&request.release, ""));
        let text = text.replace("$releasever_major", major).replace("$releasever_minor", minor);
        text.replace("$releasever", &request.release).replace("$basearch", architecture).replace("$arch", architecture)
    };
    let mut keys = request.keys.clone();
    if keys.is_empty() {
        keys.urls = distribution::key_urls(request.distribution).iter().map(|url| (*url).to_owned()).collect();
    }
    let mut repositories: Vec<Repository> = Vec::new();
    for known in distribution::repositories(request.distribution) {
        repositories.push(Repository {
            id: known.id.to_owned(),
            place: known.place,
            keys: keys.clone(),
            trust: Trust::Signed,
            signed_metadata: false,
        });
    }
    for own in &request.repositories {
        let repository = Repository {
            id: own.id.clone(),
            place: own.place.clone(),
            keys: if own.keys.is_empty() { keys.clone() } else { own.keys.clone() },
            trust: own.trust,
            signed_metadata: own.signed_metadata,
        };
        match repositories.iter_mut().find(|known| known.id == own.id) {
            Some(known) => *known = repository,
            None => repositories.push(repository),
        }
    }
    let main = repositories.first().map(|repository| repository.id.clone());
    for repository in &mut repositories {
        let is_meant = |id: &str| id == repository.id || id.is_empty() && main.as_deref() == Some(&*repository.id);
        let bases: Vec<String> = chosen.iter().filter(|(id, _)| is_meant(id)).map(|(_, url)| url.clone()).collect();
        if !bases.is_empty() {
            repository.place = RepositoryPlace::Base(bases);
        }
        repository.place = match &repository.place {
            RepositoryPlace::Base(bases) => RepositoryPlace::Base(bases.iter().map(fill).collect()),
            RepositoryPlace::MirrorList(url) => RepositoryPlace::MirrorList(fill(url)),
            RepositoryPlace::Metalink(url) => RepositoryPlace::Metalink(fill(url)),
        };
        repository.keys.urls = repository.keys.urls.iter().map(fill).collect();
    }
    repositories
}

impl Repository {
    /// Finds out where it is; a list of mirrors or a metalink is fetched.
    pub(super) fn addresses(&self, context: &Context) -> Result<Addresses, DnfError> {
        let text = |url: &str| -> Result<String, DnfError> {
            let bytes = context.http.fetch_bytes(url, LIST_LIMIT)?;
            String::from_utf8(bytes).map_err(|_| self.misread(url, "it is not text"))
        };
        match &self.place {
            RepositoryPlace::Base(bases) => Ok(Addresses { bases: bases.clone(), indexes: None }),
            RepositoryPlace::MirrorList(url) => {
                let text = text(url)?;
                let lines = text.lines().map(str::trim);
                let is_address =
                    |line: &&str| ["http://", "https://", "file://"].iter().any(|start| line.starts_with(start));
                let bases: Vec<String> = lines.filter(is_address).take(MOST_MIRRORS).map(str::to_owned).collect();
                if bases.is_empty() {
                    return Err(self.misread(url, "it lists no addresses"));
                }
                Ok(Addresses { bases, indexes: None })
            }
            RepositoryPlace::Metalink(url) => {
                let link = metalink::parse(&text(url)?).map_err(|reason| self.misread(url, &reason))?;
                let bases = link.addresses.into_iter().take(MOST_MIRRORS).collect();
                Ok(Addresses { bases, indexes: Some(link.digests) })
            }
        }
    }

    fn misread(&self, url: &str, reason: &str) -> DnfError {
        let what = format!("the mirrors of `{}` at {}", self.id, crate::http::without_secrets(url));
        DnfError::Metadata { what, reason: reason.to_owned() }
    }
}

/// The addresses of the repositories of these ids, by id.
pub(super) fn bases(
    repositories: &[Repository],
    ids: &[&str],
    context: &Context,
) -> Result<BTreeMap<String, Vec<String>>, DnfError> {
    let mut bases = BTreeMap::new();
    for repository in repositories.iter().filter(|repository| ids.contains(&&*repository.id)) {
        bases.insert(repository.id.clone(), repository.addresses(context)?.bases);
    }
    Ok(bases)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::SourceRequest;

    #[test]
    fn keys_and_folders_of_a_major_release_serve_its_minor_ones() {
        let text = |distribution: &str, more: &str| {
            let text = format!(
                "name = \"x\"\n[from.dnf]\ndistribution = \"{distribution}\"\nrelease = \"9.6\"\npackages = []\n{more}"
            );
            let recipe = crate::recipe::load_text(std::path::Path::new("x.toml"), text, None).unwrap();
            let SourceRequest::Dnf(request) = recipe.source else { panic!("it is a recipe of dnf") };
            format!("{:?}", of(&request, "linux/amd64".parse().unwrap(), &[]))
        };
        assert!(text("alma", "").contains("RPM-GPG-KEY-AlmaLinux-9\""));
        assert!(text("rocky", "").contains("RPM-GPG-KEY-Rocky-9\""));
        assert!(text("ubi", "").contains("/ubi9/9.6/x86_64/"));
        let own = "[[from.dnf.repository]]\nid = \"own\"\ntrust = \"unsigned\"\n\
                   baseurl = [\"http://a.example/$releasever_major/$releasever_minor/$releasever\"]\n";
        assert!(text("alma", own).contains("http://a.example/9/6/9.6\""));
    }
}
