//! What the tests stand on.

pub mod archive;
#[cfg(feature = "conda")]
pub mod base;
pub mod deb;
pub mod door;
pub mod engine;
pub mod layout;
pub mod listing;
pub mod require;
pub mod toy;
pub mod workspace;
