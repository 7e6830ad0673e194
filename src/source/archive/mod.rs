//! Root filesystems that somebody packed: tars of any kind, and the files of image archives.
//!
//! ```text
//! file or address --resolve--> digest and size --fetch--> the store --open--> a tree
//! ```
//!
//! An archive that a recipe names is copied into the store and checked before it is looked at, so that what is read is
//! what was checked, and later builds need neither the file nor the network. Nothing is unpacked onto the host: names,
//! owners and devices are data, and contents stay in the archive, or in its uncompressed form, until they are packed.

mod error;
mod fetch;
mod open;
mod platform;
mod resolve;

pub use error::ArchiveSourceError;
pub use fetch::{changed, fetch};
pub use open::{Foreign, open};
pub use platform::platform;
pub use resolve::{Resolve, digest_of, download, resolve};
