//! The keys that sign a repository's packages.

use super::DnfError;
use super::repositories::Repository;
use crate::context::Context;
use crate::openpgp::Keyring;

/// Most bytes of a file of keys.
const KEYS_LIMIT: u64 = 4 << 20;

/// Reads the keys of `repository`, from local files and by https.
pub(super) fn keyring(repository: &Repository, context: &Context) -> Result<Keyring, DnfError> {
    let keys = &repository.keys;
    if keys.is_empty() {
        return Err(DnfError::NoKeys { id: repository.id.clone() });
    }
    let mut keyring = Keyring::default();
    let mut add = |place: String, bytes: &[u8]| {
        let found = Keyring::parse(bytes).map_err(|source| DnfError::BadKeyring { place, source })?;
        keyring.extend(found);
        Ok::<_, DnfError>(())
    };
    for path in &keys.files {
        let bytes = std::fs::read(path).map_err(|source| DnfError::Keyring { path: path.clone(), source })?;
        add(path.display().to_string(), &bytes)?;
    }
    for url in &keys.urls {
        add(crate::http::without_secrets(url), &context.http.fetch_bytes(url, KEYS_LIMIT)?)?;
    }
    if !keys.fingerprints.is_empty() {
        let found = keyring.fingerprints();
        keyring.retain(&keys.fingerprints);
        if keyring.fingerprints().is_empty() {
            return Err(DnfError::OtherKeys { id: repository.id.clone(), found });
        }
    }
    Ok(keyring)
}
