//! What registries.conf says: where a registry's images really are, and which mirrors have them too
//! (containers-registries.conf(5), version 2 of the format).

use std::path::Path;

use serde::Deserialize;

use super::{At, RegistryError};
use crate::oci::Repository;

/// A place to ask for a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The registry's host and port.
    pub host: String,
    /// The repository there.
    pub repository: String,
    /// Whether certificates are not checked and plain HTTP will do.
    pub insecure: bool,
    /// Whether only digests are asked for there, or only tags.
    only: Only,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
enum Only {
    #[default]
    #[serde(rename = "all", alias = "")]
    All,
    #[serde(rename = "digest-only")]
    Digests,
    #[serde(rename = "tag-only")]
    Tags,
}

/// What several files say together.
#[derive(Clone, Debug, Default)]
pub(super) struct Configuration(Vec<Entry>);

#[derive(Default, Deserialize)]
#[serde(default)]
struct File {
    registry: Vec<Entry>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct Entry {
    prefix: Option<String>,
    location: Option<String>,
    insecure: bool,
    blocked: bool,
    mirror_by_digest_only: bool,
    mirror: Vec<Mirror>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Mirror {
    location: String,
    #[serde(default)]
    insecure: bool,
    #[serde(default)]
    pull_from_mirror: Only,
}

impl Place {
    /// The repository itself, without any configuration.
    fn plain(repository: &Repository) -> Self {
        Self {
            host: repository.registry().to_owned(),
            repository: repository.name().to_owned(),
            insecure: false,
            only: Only::All,
        }
    }

    /// Whether it is asked for `at`.
    pub fn serves(&self, at: &At) -> bool {
        match self.only {
            Only::All => true,
            Only::Digests => matches!(at, At::Digest(_)),
            Only::Tags => matches!(at, At::Tag(_)),
        }
    }
}

impl Configuration {
    /// Reads the files that are there; later ones replace entries of earlier ones.
    pub fn read(paths: &[std::path::PathBuf]) -> Result<Self, RegistryError> {
        let mut all = Self::default();
        for path in paths {
            let text = match std::fs::read_to_string(path) {
                Ok(text) => text,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(wrong(path, error.to_string())),
            };
            let file: File = toml::from_str(&text).map_err(|error| wrong(path, error.message().to_owned()))?;
            for entry in file.registry {
                if entry.name().is_none() {
                    return Err(wrong(path, "a [[registry]] has neither `prefix` nor `location`".to_owned()));
                }
                all.0.retain(|known| known.name() != entry.name());
                all.0.push(entry);
            }
        }
        Ok(all)
    }

    /// Where to pull `repository` from: mirrors first, the place itself last.
    pub fn pull_from(&self, repository: &Repository) -> Result<Vec<Place>, RegistryError> {
        let Some((entry, rest)) = self.entry(repository) else { return Ok(vec![Place::plain(repository)]) };
        let own = self.push_to(repository)?;
        let mirrors = entry.mirror.iter().filter_map(|mirror| {
            let (host, name) = split(&format!("{}{rest}", mirror.location));
            let only = if entry.mirror_by_digest_only { Only::Digests } else { mirror.pull_from_mirror };
            (!name.is_empty()).then_some(Place { host, repository: name, insecure: mirror.insecure, only })
        });
        Ok(mirrors.chain([own]).collect())
    }

    /// Where to push `repository` to, and what is asked where no mirror helps.
    pub fn push_to(&self, repository: &Repository) -> Result<Place, RegistryError> {
        let Some((entry, rest)) = self.entry(repository) else { return Ok(Place::plain(repository)) };
        if entry.blocked {
            return Err(RegistryError::Blocked { name: repository.to_string() });
        }
        let location = match &entry.location {
            Some(location) if !location.is_empty() => format!("{location}{rest}"),
            _ => repository.to_string(),
        };
        let (host, name) = split(&location);
        Ok(Place { host, repository: name, insecure: entry.insecure, only: Only::All })
    }

    /// The entry of the longest prefix, and what of the repository's full name follows it.
    fn entry(&self, repository: &Repository) -> Option<(&Entry, String)> {
        let full = repository.to_string();
        let fitting = self.0.iter().filter_map(|entry| Some((entry, entry.rest(&full)?)));
        fitting.min_by_key(|(_, rest)| rest.len()).map(|(entry, rest)| (entry, rest.to_owned()))
    }
}

impl Entry {
    fn name(&self) -> Option<&str> {
        [&self.prefix, &self.location].into_iter().flatten().map(String::as_str).find(|text| !text.is_empty())
    }

    /// What follows the prefix, which ends where a part of the name does; `*.example.com` stands for all hosts below.
    fn rest<'a>(&self, full: &'a str) -> Option<&'a str> {
        let name = self.name()?;
        let rest = match name.strip_prefix("*.") {
            Some(domain) => {
                let host = &full[..full.find('/').unwrap_or(full.len())];
                let plain = host.split(':').next().unwrap_or(host);
                plain.strip_suffix(domain).filter(|before| before.ends_with('.'))?;
                &full[host.len()..]
            }
            None => full.strip_prefix(name)?,
        };
        (rest.is_empty() || rest.starts_with('/')).then_some(rest)
    }
}

fn split(full: &str) -> (String, String) {
    let (host, name) = full.split_once('/').unwrap_or((full, ""));
    (host.to_owned(), name.to_owned())
}

fn wrong(path: &Path, problem: String) -> RegistryError {
    RegistryError::Configuration { path: path.to_owned(), problem }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;

    fn repository(name: &str) -> Repository {
        Repository::of(&name.parse().unwrap())
    }

    fn read(texts: &[&str]) -> Result<Configuration, RegistryError> {
        let folder = tempfile::tempdir().unwrap();
        let paths: Vec<_> = (0..texts.len()).map(|number| folder.path().join(number.to_string())).collect();
        paths.iter().zip(texts).for_each(|(path, text)| std::fs::write(path, text).unwrap());
        Configuration::read(&paths)
    }

    fn hosts(places: &[Place]) -> Vec<String> {
        places.iter().map(|place| format!("{}/{}", place.host, place.repository)).collect()
    }

    #[test]
    fn mirrors_come_before_the_place_itself() {
        let text = "unqualified-search-registries = [\"x\"]\n[[registry]]\nprefix = \"docker.io\"\nlocation = \"docker.io\"\n\
                    [[registry.mirror]]\nlocation = \"localhost:5000\"\ninsecure = true\n\
                    [[registry.mirror]]\nlocation = \"m.example/hub\"\npull-from-mirror = \"digest-only\"\n\
                    [[registry]]\nprefix = \"docker.io/library/debian\"\nlocation = \"other.example/deb\"\n\
                    [[registry]]\nprefix = \"*.bad.example\"\nblocked = true\n";
        let configuration = read(&[text]).unwrap();
        let places = configuration.pull_from(&repository("alpine")).unwrap();
        assert_eq!(
            hosts(&places),
            ["localhost:5000/library/alpine", "m.example/hub/library/alpine", "docker.io/library/alpine"]
        );
        assert!(places[0].insecure && !places[2].insecure);
        assert!(!places[1].serves(&At::Tag("x".into())) && places[1].serves(&At::Digest(Digest::of(b""))));
        assert_eq!(hosts(&configuration.pull_from(&repository("debian")).unwrap()), ["other.example/deb"]);
        assert_eq!(hosts(&configuration.pull_from(&repository("y.example/a")).unwrap()), ["y.example/a"]);
        let blocked = configuration.push_to(&repository("a.bad.example:5000/x"));
        assert!(matches!(blocked, Err(RegistryError::Blocked { .. })));
        assert!(configuration.push_to(&repository("notbad.example/x")).is_ok());
    }

    #[test]
    fn later_files_replace_entries_and_broken_ones_are_told() {
        let one = "[[registry]]\nlocation = \"a.example\"\ninsecure = true";
        let two = "[[registry]]\nprefix = \"a.example\"\nlocation = \"b.example\"";
        let place = read(&[one, two]).unwrap().push_to(&repository("a.example/x")).unwrap();
        assert_eq!((place.host.as_str(), place.insecure), ("b.example", false));
        for broken in ["[[registry]]\n", "[[registry]", "[[registry]]\nlocation = 1"] {
            assert!(matches!(read(&[broken]), Err(RegistryError::Configuration { .. })), "{broken}");
        }
    }
}
