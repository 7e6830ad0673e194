//! How an archive's index is signed, and by which keys.

use std::path::{Path, PathBuf};

use super::ResolveError;
use crate::openpgp::Keyring;
use crate::recipe::Trust;

/// How an archive's index is signed at an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signing {
    /// Whether it has to be.
    pub trust: Trust,
    /// The recipe's file of the keys; the built-in ones of the distribution where it has none.
    pub keyring: Option<PathBuf>,
}

/// The keys in a file of the recipe.
pub fn keyring(path: &Path) -> Result<Keyring, ResolveError> {
    let bytes = std::fs::read(path).map_err(|source| ResolveError::Keyring { path: path.to_owned(), source })?;
    Keyring::parse(&bytes).map_err(|source| ResolveError::BadKeyring { path: path.to_owned(), source })
}
