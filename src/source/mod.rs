//! Where root filesystems come from.

pub mod debian;
