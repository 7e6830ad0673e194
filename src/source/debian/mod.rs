//! Debian and Ubuntu, natively.
