//! rootsmith forges container base images.

pub mod archive;
pub mod cli;
pub mod context;
pub mod dest;
pub mod digest;
pub mod epoch;
pub mod error;
pub mod http;
pub mod image;
pub mod interrupt;
pub mod inventory;
pub mod lock;
pub mod oci;
pub mod ops;
pub mod package;
pub mod pass;
pub mod platform;
pub mod recipe;
pub mod report;
pub mod sandbox;
pub mod source;
pub mod store;
pub mod tree;
