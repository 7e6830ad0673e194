//! One verb a file.

pub mod init;
