//! What the tests stand on.

pub mod apk;
pub mod archive;
#[cfg(feature = "conda")]
pub mod base;
pub mod deb;
pub mod door;
#[path = "../../../src/elf/tests/writer.rs"]
pub mod elf;
pub mod engine;
pub mod layout;
pub mod listing;
pub mod program;
pub mod raw_tar;
pub mod require;
pub mod rpm;
pub mod toy;
pub mod workspace;
