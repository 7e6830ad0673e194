//! One verb a file: what the command line does, as functions that take options and give values.

mod above;
mod ahead;
pub mod binary;
pub mod build;
pub mod capture;
mod conda;
mod config;
pub mod diff;
pub mod doctor;
pub mod explain;
mod facts;
pub mod forge;
pub mod import;
pub mod init;
pub mod inspect;
pub mod layer;
pub mod lock;
pub mod many;
mod programs;
mod publish;
mod run;
mod source;
pub mod store;
pub mod subject;
pub mod summary;
pub mod transfer;
pub mod verify;
