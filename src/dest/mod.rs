//! Where images go.
