//! The keys that sign a repository's packages.

use super::DnfError;
use super::repositories::Repository;
use crate::context::Context;
use crate::openpgp::Keyring;

/// Most bytes of a file of keys.
const KEYS_LIMIT: u64 = 4 << 20;

/// Reads the keys of `repository`, from local files and by https.
pub(super) fn keyring(repository: &Repository, context: &Context) -> Result<Keyring, DnfError> {
    if repository.keys.is_empty() {
        return Err(DnfError::NoKeys { id: repository.id.clone() });
    }
    let mut keyring = of_files(repository)?;
    for url in &repository.keys.urls {
        let bytes = context.http.fetch_bytes(url, KEYS_LIMIT)?;
        keyring.extend(parse(crate::http::without_secrets(url), &bytes)?);
    }
    choose(keyring, repository)
}

/// Reads the keys of `repository` where all of them are in local files; nothing where some would have to be fetched.
///
/// # Errors
/// A file cannot be read, or has none of the keys.
pub fn local(repository: &Repository) -> Result<Option<Keyring>, DnfError> {
    if repository.keys.files.is_empty() || !repository.keys.urls.is_empty() {
        return Ok(None);
    }
    choose(of_files(repository)?, repository).map(Some)
}

fn of_files(repository: &Repository) -> Result<Keyring, DnfError> {
    let mut keyring = Keyring::default();
    for path in &repository.keys.files {
        let bytes = std::fs::read(path).map_err(|source| DnfError::Keyring { path: path.clone(), source })?;
        keyring.extend(parse(path.display().to_string(), &bytes)?);
    }
    Ok(keyring)
}

fn parse(place: String, bytes: &[u8]) -> Result<Keyring, DnfError> {
    Keyring::parse(bytes).map_err(|source| DnfError::BadKeyring { place, source })
}

/// Those that the recipe names by their fingerprints, where it does.
fn choose(mut keyring: Keyring, repository: &Repository) -> Result<Keyring, DnfError> {
    let fingerprints = &repository.keys.fingerprints;
    if !fingerprints.is_empty() {
        let found = keyring.fingerprints();
        keyring.retain(fingerprints);
        if keyring.fingerprints().is_empty() {
            return Err(DnfError::OtherKeys { id: repository.id.clone(), found });
        }
    }
    Ok(keyring)
}
