//! Names of images, as docker, podman and registries write them.

use std::fmt;
use std::str::FromStr;

/// An image's name: registry, repository and tag, written `registry/repository:tag`.
///
/// A name without a registry is of `docker.io`, one without a slash there of `docker.io/library`, and one without a tag
/// means `latest`: what docker makes of it. The first component is a registry where it has a `.` or `:`, as addresses of
/// IPv6 in brackets do, or is `localhost` (distribution, reference/normalize.go).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    registry: String,
    repository: String,
    tag: String,
}

/// A text that is no image name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an image name: {reason}")]
pub struct ParseReferenceError {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

const DOCKER_HUB: &str = "docker.io";

impl Reference {
    /// The registry: `docker.io`, `localhost:5000`.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The repository in it: `library/debian`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag.
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// The same name with another tag.
    pub fn with_tag(&self, tag: &str) -> Result<Self, ParseReferenceError> {
        check_tag(tag).map_err(|reason| ParseReferenceError { text: tag.to_owned(), reason })?;
        Ok(Self { tag: tag.to_owned(), ..self.clone() })
    }

    /// As docker shows it: without `docker.io/` and `library/`.
    pub fn familiar(&self) -> String {
        let full = self.to_string();
        let short = full.strip_prefix("docker.io/").unwrap_or(&full);
        short.strip_prefix("library/").filter(|rest| !rest.contains('/')).unwrap_or(short).to_owned()
    }
}

/// The full form, which means the same everywhere.
impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}:{}", self.registry, self.repository, self.tag)
    }
}

impl FromStr for Reference {
    type Err = ParseReferenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).map_err(|reason| ParseReferenceError { text: text.to_owned(), reason })
    }
}

fn parse(text: &str) -> Result<Reference, &'static str> {
    if text.contains('@') {
        return Err("it names a digest, and what is built has none yet");
    }
    let (registry, rest) = match text.split_once('/') {
        Some((first, rest)) if first == "localhost" || first.contains(['.', ':']) => (first, rest),
        _ => (DOCKER_HUB, text),
    };
    let registry = if registry == "index.docker.io" { DOCKER_HUB } else { registry };
    let (repository, tag) = rest.rsplit_once(':').unwrap_or((rest, "latest"));
    check_registry(registry)?;
    check_tag(tag)?;
    let library = registry == DOCKER_HUB && !repository.contains('/');
    let repository = if library { format!("library/{repository}") } else { repository.to_owned() };
    if repository.len() + registry.len() > 254 {
        return Err("it is longer than 255 characters");
    }
    repository.split('/').try_for_each(check_component)?;
    Ok(Reference { registry: registry.to_owned(), repository, tag: tag.to_owned() })
}

fn check_registry(registry: &str) -> Result<(), &'static str> {
    let number = |port: &str| port.parse::<u16>().is_ok() && port.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(rest) = registry.strip_prefix('[') {
        let (address, after) = rest.split_once(']').ok_or("its registry has `[` without `]`")?;
        // Zones are of one machine alone, and no address of http has them.
        if address.parse::<std::net::Ipv6Addr>().is_err() {
            return Err("its registry is no address of IPv6, such as `[::1]:5000`");
        }
        let is_port = |after: &str| after.strip_prefix(':').is_some_and(number);
        return if after.is_empty() || is_port(after) { Ok(()) } else { Err("its registry has no port after `]`") };
    }
    let (host, port) = registry.split_once(':').map_or((registry, None), |(host, port)| (host, Some(port)));
    let name = |label: &str| {
        let plain = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        plain && !label.is_empty() && !label.starts_with('-') && !label.ends_with('-')
    };
    if host.split('.').all(name) && port.is_none_or(number) { Ok(()) } else { Err("its registry is no host name") }
}

/// Letters and digits, with `.`, `_`, `__` or dashes between them (distribution spec, "Pulling manifests").
fn check_component(component: &str) -> Result<(), &'static str> {
    if component.is_empty() {
        return Err("a part of it is empty");
    }
    if component.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err("a repository's name has only lower-case letters");
    }
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let separators: Vec<&str> = component.split(|c: char| c.is_ascii() && alphanumeric(c as u8)).collect();
    let outside = separators.first().is_some_and(|s| !s.is_empty()) || separators.last().is_some_and(|s| !s.is_empty());
    let inside = |s: &&str| matches!(*s, "" | "." | "_" | "__") || s.bytes().all(|byte| byte == b'-');
    if outside || !separators.iter().all(inside) {
        return Err("a repository's name has letters and digits, with `.`, `_`, `__` or `-` only between them");
    }
    Ok(())
}

fn check_tag(tag: &str) -> Result<(), &'static str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    let first = tag.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if first && tag.len() <= 128 && tag.bytes().all(plain) {
        return Ok(());
    }
    Err("its tag has to be up to 128 letters, digits, `_`, `.` and `-`, and start with none of the last two")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full(text: &str) -> String {
        text.parse::<Reference>().unwrap().to_string()
    }

    #[test]
    fn names_are_completed_as_docker_does() {
        for (given, whole, familiar) in [
            ("trixie", "docker.io/library/trixie:latest", "trixie:latest"),
            ("trixie:13", "docker.io/library/trixie:13", "trixie:13"),
            ("acme/base", "docker.io/acme/base:latest", "acme/base:latest"),
            ("index.docker.io/acme/base", "docker.io/acme/base:latest", "acme/base:latest"),
            ("localhost/base", "localhost/base:latest", "localhost/base:latest"),
            ("localhost:5000/a/b/c:1.0_x-y", "localhost:5000/a/b/c:1.0_x-y", "localhost:5000/a/b/c:1.0_x-y"),
            ("[::1]:5000/a/b:1", "[::1]:5000/a/b:1", "[::1]:5000/a/b:1"),
            ("[2001:db8::1]/a", "[2001:db8::1]/a:latest", "[2001:db8::1]/a:latest"),
            ("ghcr.io/acme/base__x", "ghcr.io/acme/base__x:latest", "ghcr.io/acme/base__x:latest"),
        ] {
            assert_eq!(full(given), whole);
            assert_eq!(given.parse::<Reference>().unwrap().familiar(), familiar);
            assert_eq!(full(whole), whole);
        }
    }

    #[test]
    fn what_no_registry_takes_is_refused() {
        for wrong in [
            "",
            ":",
            "a:",
            ":a",
            "A",
            "a/B",
            "a//b",
            "a/",
            "/a",
            "-a",
            "a-",
            "a..b",
            "a___b",
            "a:-x",
            "a:.x",
            "a b",
            "a:b c",
            "x.y:port/a",
            "x.y:99999/a",
            "a@sha256:00",
            "caf\u{e9}",
            "-x.y/a",
            "[::1/a",
            "[::1]5000/a",
            "[::1]:/a",
            "[::g]:5000/a",
            "[fe80::1%eth0]/a",
            "[127.0.0.1]:5000/a",
            "::1/a",
        ] {
            assert!(wrong.parse::<Reference>().is_err(), "{wrong}");
        }
        assert!(format!("a:{}", "t".repeat(129)).parse::<Reference>().is_err());
        assert!("a".repeat(255).parse::<Reference>().is_err());
    }
}
