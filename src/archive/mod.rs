//! Tar in and out, and compression.
