//! One verb a file: what the command line does, as functions that take options and give values.

mod above;
pub mod build;
mod config;
pub mod doctor;
pub mod forge;
pub mod import;
pub mod init;
pub mod inspect;
pub mod lock;
mod publish;
mod remembered;
mod run;
mod source;
pub mod store;
pub mod transfer;
