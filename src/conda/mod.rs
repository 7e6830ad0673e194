//! Conda environments: solved or read from a lock, fetched, and laid into trees that become further layers of an image.
//!
//! [`resolve()`] turns what an environment file asks for into a [`CondaPin`](crate::lock::CondaPin), every package by
//! digest. [`fetch()`] gets the packages of a pin into the store and links them, as a conda installer would, into trees
//! with the final prefix in them; nothing is unpacked onto this machine. [`layers`] spreads the packages over layers, and
//! [`check`](mod@check) compares what programs need with what the base has.
//!
//! Solving, channels and logins are rattler's (<https://github.com/conda/rattler>). It is asynchronous: its runtime
//! starts in `network` and ends there. Linking is ours, because an installer that writes to a disk leaves times, modes
//! and paths of this machine behind, and a tree has none.

mod activate;
mod archive;
mod channel;
pub mod check;
mod clobber;
mod environment;
mod error;
mod exported;
mod fetch;
mod glibc;
mod install;
pub mod layers;
mod link;
mod metadata;
mod network;
mod placeholder;
mod prune;
mod python;
mod record;
mod resolve;
pub mod scripts;
mod solve;
mod wheel;

pub use activate::{Activation, activation};
pub use error::{CondaError, Trouble};
pub use fetch::fetch;
pub use glibc::glibc_version;
pub use install::{Environment, Installed};
pub use network::Access;
pub use resolve::{Resolve, resolve};
