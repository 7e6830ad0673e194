//! Packages of Fedora, Red Hat's family, Amazon Linux, Azure Linux and what is built like them.
//!
//! [`resolve()`] reads the indexes of the [`repositories`], lets the host's dnf, dnf5 or microdnf choose packages out of
//! local copies of them ([`solver`]), fetches the chosen packages and checks their signatures ([`package_file`]).
//! [`fetch()`] installs exactly those packages: the host's rpm works inside the sandbox, on an image that is empty but
//! for a folder with that rpm and the packages, so that scripts run with the image's own programs, and that no clock and
//! no user of the host reaches rpm's database.

mod database;
mod distribution;
mod error;
mod fetch;
mod host_rpm;
mod install;
pub mod keys;
mod metalink;
pub mod package_file;
mod repodata;
pub mod repositories;
mod resolve;
pub mod solver;
mod users;

pub use database::settle;
pub use error::DnfError;
pub use fetch::fetch;
pub use resolve::{Resolve, resolve};
