//! Tests of the whole: the program as a person runs it, and the shape of its source.
//!
//! What they need of the machine, `scripts/test` sets up. Tests whose needs are not met are skipped and say so; with
//! `ROOTSMITH_TEST_REQUIRE=all` they fail.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "tests run programs, read the environment and say what they skip"
)]

mod addresses;
mod apk;
mod apk_install;
mod apk_peer;
mod apk_solve;
mod architecture;
mod archives;
mod asked;
mod capture;
mod cli;
mod clients;
mod commands;
#[cfg(feature = "conda")]
mod conda;
#[cfg(feature = "conda")]
mod conda_channels;
#[cfg(feature = "conda")]
mod conda_images;
#[cfg(feature = "conda")]
mod conda_inputs;
#[cfg(feature = "conda")]
mod conda_wheels;
mod conformance;
mod custom;
mod diff;
mod distroless;
mod dnf;
mod faults;
mod foreign;
mod golden;
mod import;
mod import_safety;
mod noble;
mod oci;
mod packages;
mod peer;
mod recipes;
mod registry;
mod registry_clients;
mod registry_second;
mod remembered;
mod reproducible;
mod sandbox;
mod scratch;
mod sources;
mod support;
#[cfg(not(feature = "conda"))]
mod without_conda;
