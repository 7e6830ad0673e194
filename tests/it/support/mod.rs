//! What the tests stand on.

pub mod apk;
pub mod apk_tools;
pub mod archive;
pub mod deb;
pub mod door;
#[path = "../../../src/elf/tests/writer.rs"]
pub mod elf;
pub mod engine;
pub mod faulty;
pub mod layout;
pub mod listing;
pub mod peer;
pub mod program;
pub mod raw_tar;
pub mod registry;
pub mod require;
pub mod rpm;
pub mod serve;
pub mod toy;
pub mod workspace;
