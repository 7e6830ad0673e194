//! Debian and Ubuntu, natively.
//!
//! What an archive says, and what it means: control files ([`deb822`]), versions ([`version`]), relations
//! ([`relation`]), signatures ([`openpgp`](crate::openpgp)) and who makes them ([`distribution`]), the `Release` of a suite ([`release`]),
//! package indexes ([`index`]), the choice of packages ([`solve`()](solve::solve)) and `.deb` files ([`package_file`]).
//!
//! [`resolve()`] turns a request into a pin, out of the suites of its [`archives`]; [`fetch()`] makes a root filesystem of
//! a pin: it downloads and unpacks packages, lays their files and dpkg's database into a tree, and lets the image's own
//! dpkg configure them in the sandbox.

pub mod deb822;
pub mod distribution;
pub mod index;
pub mod package_file;
pub mod relation;
pub mod release;
pub mod solve;
pub mod version;

mod apt_state;
pub mod archives;
mod database;
mod debconf;
mod engine;
mod error;
mod essential;
mod exclude;
mod extract;
mod fetch;
mod files;
mod install;
mod keep;
mod lay;
pub mod local;
mod locale_archive;
mod order;
mod part;
mod preinst;
mod resolve;
mod scripts;
pub mod signing;
mod suite;
mod surroundings;
mod triggers;
mod unpack;
mod unpacking;
mod unread;

pub use error::{FetchError, InstallError, ResolveError, Unresolved};
pub use extract::{Extracted, extract};
pub use fetch::{Drops, Keyrings, Mirrors, Unlocked, fetch};
pub use resolve::{Resolve, resolve};
