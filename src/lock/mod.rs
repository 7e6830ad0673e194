//! The lock: every input by digest.
