//! Names of what registries hold: a repository, and in it a tag or a digest.

use std::fmt;
use std::str::FromStr;

use super::{ParseReferenceError, Reference};
use crate::digest::Digest;

/// A repository of a registry: `docker.io/library/debian`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Repository {
    registry: String,
    name: String,
}

/// What somebody names in a registry: a repository with a tag, a digest, or both, of which the digest counts.
///
/// Names are completed as [`Reference`] completes them; a name with neither means the tag `latest`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteReference {
    /// Where it is.
    pub repository: Repository,
    /// Its tag.
    pub tag: Option<String>,
    /// Its digest.
    pub digest: Option<Digest>,
}

impl Repository {
    /// The repository that a name is in.
    pub fn of(name: &Reference) -> Self {
        Self { registry: name.registry().to_owned(), name: name.repository().to_owned() }
    }

    /// The registry: `docker.io`, `localhost:5000`.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The repository in it: `library/debian`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A repository of `registry`, both taken at their word.
    pub(crate) fn at(registry: &str, name: &str) -> Self {
        Self { registry: registry.to_owned(), name: name.to_owned() }
    }

    /// An image in it, by its tag.
    pub fn tagged(&self, tag: &str) -> Result<Reference, ParseReferenceError> {
        format!("{self}:{tag}").parse()
    }
}

impl RemoteReference {
    /// The name with its tag, where it has one, and without its digest.
    pub fn name(&self) -> Option<Reference> {
        let tag = self.tag.as_ref()?;
        Some(self.repository.tagged(tag).expect("both were read as parts of a name"))
    }
}

/// Whether a name says its tag: a colon before its last slash is a port's.
pub fn has_tag(name: &str) -> bool {
    name.rsplit('/').next().is_some_and(|last| last.contains(':'))
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.name)
    }
}

/// The full form, which means the same everywhere.
impl fmt::Display for RemoteReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.repository.fmt(f)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        self.digest.map_or(Ok(()), |digest| write!(f, "@{digest}"))
    }
}

impl From<&Reference> for RemoteReference {
    fn from(name: &Reference) -> Self {
        Self { repository: Repository::of(name), tag: Some(name.tag().to_owned()), digest: None }
    }
}

impl FromStr for RemoteReference {
    type Err = ParseReferenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = |reason| ParseReferenceError { text: text.to_owned(), reason };
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => {
                let digest = digest.parse().map_err(|_| wrong("what follows `@` is no `sha256:` and 64 hex digits"))?;
                (name, Some(digest))
            }
            None => (text, None),
        };
        let reference: Reference = name.parse().map_err(|error: ParseReferenceError| wrong(error.reason))?;
        let tag = (has_tag(name) || digest.is_none()).then(|| reference.tag().to_owned());
        Ok(Self { repository: Repository::of(&reference), tag, digest })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_and_digests() {
        let digest = format!("sha256:{}", "0".repeat(64));
        for (given, whole) in [
            ("debian".to_owned(), "docker.io/library/debian:latest".to_owned()),
            ("localhost:5000/a/b:1".to_owned(), "localhost:5000/a/b:1".to_owned()),
            (format!("localhost:5000/a/b@{digest}"), format!("localhost:5000/a/b@{digest}")),
            (format!("x.example/a:1@{digest}"), format!("x.example/a:1@{digest}")),
        ] {
            let read: RemoteReference = given.parse().unwrap();
            assert_eq!(read.to_string(), whole);
            assert_eq!(read.name().is_some(), read.tag.is_some());
        }
        for wrong in ["", "a@", "a@sha256:00", "A", &format!("@{digest}"), &format!("a@{digest}@{digest}")] {
            assert!(wrong.parse::<RemoteReference>().is_err(), "{wrong}");
        }
    }
}
