//! What the tests stand on.

pub mod archive;
pub mod deb;
pub mod door;
pub mod engine;
pub mod layout;
pub mod listing;
pub mod raw_tar;
pub mod registry;
pub mod require;
pub mod toy;
pub mod workspace;
