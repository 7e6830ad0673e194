//! A program that was built without conda.

use super::Added;
use crate::context::Context;
use crate::error::Error;
use crate::image::Packing;
use crate::lock::{CondaPin, Lock, Pin};
use crate::ops::source::LockOptions;
use crate::platform::Platform;
use crate::recipe::{CondaRequest, Recipe};
use crate::tree::Tree;

/// Nothing for a recipe without environments; says what is missing for one with them.
pub(in crate::ops) fn resolve(
    recipe: &Recipe,
    _lock: &Lock,
    _platform: Platform,
    _options: &LockOptions,
    _keeping: Option<(&Lock, &[String])>,
    _context: &Context,
) -> Result<Vec<Pin>, Error> {
    nothing(recipe).map(|()| Vec::new())
}

/// Nothing for a recipe without environments; says what is missing for one with them.
pub(in crate::ops) fn layers(
    recipe: &Recipe,
    _lock: &Lock,
    _platform: Platform,
    _base: &Tree,
    _options: &LockOptions,
    _packing: Packing,
    _context: &Context,
) -> Result<Added, Error> {
    nothing(recipe).map(|()| Added::default())
}

/// Says what is missing.
pub(in crate::ops) fn pin(
    _request: &CondaRequest,
    _platform: Platform,
    _base: &Tree,
    _options: &LockOptions,
    _context: &Context,
) -> Result<Pin, Error> {
    Err(Error::NoConda)
}

/// Says what is missing.
pub(in crate::ops) fn add(
    _request: &CondaRequest,
    _pin: &CondaPin,
    _base: &Tree,
    _options: &LockOptions,
    _packing: Packing,
    _context: &Context,
) -> Result<Added, Error> {
    Err(Error::NoConda)
}

fn nothing(recipe: &Recipe) -> Result<(), Error> {
    if recipe.conda.is_empty() { Ok(()) } else { Err(Error::NoConda) }
}
