//! Tests of the whole: the program as a person runs it, and the shape of its source.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "tests run programs, read the environment and say what they skip"
)]

mod architecture;
