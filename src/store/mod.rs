//! Blobs by digest, and remembered results by key.
