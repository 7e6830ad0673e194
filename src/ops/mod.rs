//! One verb a file: what the command line does, as functions that take options and give values.

pub mod build;
mod conda;
mod config;
pub mod doctor;
pub mod init;
pub mod inspect;
pub mod layer;
pub mod lock;
mod publish;
mod run;
mod source;
pub mod store;
