//! Images that somebody made before, as bases.
//!
//! [`resolve()`] finds the image for a platform and pins its manifest, configuration and layers by digest; [`fetch()`] takes
//! the locked bytes into the store, checks them, and applies the layers to a tree. Once they are in the store, the place
//! where the image was is not looked at again.

mod error;
mod fetch;
mod inherit;
mod place;
mod remote;
mod resolve;

pub use error::OciImageError;
pub use fetch::fetch;
pub use inherit::{Inherited, inherit};
pub use place::Place;
pub use resolve::resolve;

use crate::digest::Digest;
use crate::lock::OciPin;
use crate::store::{Blob, Store};
use crate::tree::Content;

/// Whether the store has all of a locked image, unharmed.
fn stored_all(pin: &OciPin, store: &Store) -> Result<bool, OciImageError> {
    let mut is_complete = store.verified(&pin.config)?.is_some();
    for layer in &pin.layers {
        is_complete = is_complete && store.verified(&layer.digest)?.is_some();
    }
    Ok(is_complete)
}

/// The blob `expected`, out of the store or, where it is not there, out of `content`; without an expectation, whatever
/// `content` holds. `what` is said in errors.
fn take(
    what: &'static str,
    content: &Content,
    expected: Option<&Digest>,
    store: &Store,
) -> Result<Blob, OciImageError> {
    if let Some(digest) = expected
        && let Some(blob) = store.verified(digest)?
    {
        return Ok(blob);
    }
    let unreadable = |source| OciImageError::Read { what, source };
    let mut reader = content.reader().map_err(unreadable)?;
    let mut writer = store.begin()?;
    writer.copy(&mut reader).map_err(|error| OciImageError::copy(what, error))?;
    match expected {
        None => Ok(writer.commit()?),
        Some(expected) => writer.commit_expected(expected).map_err(|error| OciImageError::damaged(what, error)),
    }
}
