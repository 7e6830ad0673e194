//! OCI documents, written as canonical JSON.
