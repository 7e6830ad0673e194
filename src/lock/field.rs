//! Reading values of a lock that have a form of their own, for serde, and checking them.

use std::collections::BTreeSet;

use serde::{Deserialize, Deserializer};

use crate::digest::Digest;
use crate::epoch::Epoch;
use crate::platform::Platform;

/// A platform: `linux/amd64`.
pub(super) fn platform<'de, D: Deserializer<'de>>(value: D) -> Result<Platform, D::Error> {
    String::deserialize(value)?.parse().map_err(serde::de::Error::custom)
}

/// A SHA-256 in hex, without the algorithm's name.
pub(super) fn hex<'de, D: Deserializer<'de>>(value: D) -> Result<Digest, D::Error> {
    let text = String::deserialize(value)?;
    Digest::from_hex(&text).map_err(|_| serde::de::Error::custom(format!("`{text}` is not 64 lower-case hex digits")))
}

/// A date with time and zone.
pub(super) fn date<'de, D: Deserializer<'de>>(value: D) -> Result<Epoch, D::Error> {
    let date = toml::value::Datetime::deserialize(value)?.to_string();
    let time: jiff::Timestamp =
        date.parse().map_err(|_| serde::de::Error::custom(format!("`{date}` is no date with time and zone")))?;
    Ok(Epoch::from_seconds(time.as_second()))
}

/// A key's fingerprint, or `unsigned`.
pub(super) fn signer<'de, D: Deserializer<'de>>(value: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(value)?;
    let is_fingerprint = text.len() >= 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match text.as_str() {
        "unsigned" => Ok(None),
        _ if is_fingerprint => Ok(Some(text)),
        _ => Err(serde::de::Error::custom(format!("`{text}` is neither a key's fingerprint nor `unsigned`"))),
    }
}

/// Says what is wrong with packages of which one is from a repository that the lock does not know, or of which two are one:
/// `packages` are their names, their repositories, and what tells them apart.
pub(super) fn check_packages<'a, K: Ord>(
    packages: impl Iterator<Item = (&'a str, &'a str, K)>,
    is_known: impl Fn(&str) -> bool,
) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for (name, repository, key) in packages {
        if !is_known(repository) {
            return Err(format!("the package `{name}` is from `{repository}`, which is no repository here"));
        }
        if !seen.insert(key) {
            return Err(format!("the package `{name}` is there twice"));
        }
    }
    Ok(())
}

/// A path that leads nowhere but into its repository.
pub(super) fn archive_path<'de, D: Deserializer<'de>>(value: D) -> Result<String, D::Error> {
    let text = String::deserialize(value)?;
    if leads_inside(&text) {
        return Ok(text);
    }
    Err(serde::de::Error::custom(format!("`{text}` is no path within a repository")))
}

/// A path that leads into its repository, or first some folders up and then down to where it shares files with others.
pub(super) fn path_from_repository<'de, D: Deserializer<'de>>(value: D) -> Result<String, D::Error> {
    let text = String::deserialize(value)?;
    if leads_inside(text.trim_start_matches("../")) {
        return Ok(text);
    }
    Err(serde::de::Error::custom(format!("`{text}` is no path from a repository")))
}

fn leads_inside(path: &str) -> bool {
    path.split('/').all(|part| !matches!(part, "" | "." | "..") && !part.contains(|c: char| c.is_control()))
}
