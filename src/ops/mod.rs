//! One verb a file.

pub mod inspect;
