//! Alpine, Wolfi, Chainguard and what is built like them, natively.
//!
//! What a repository says, and what it means: files in apk's format ([`package_file`]), signatures ([`keys`]), indexes
//! ([`index`]), versions ([`version`]), relations ([`relation`]), and the choice of packages ([`solve`()](solve::solve)).
//!
//! [`resolve()`] turns a request into a pin, out of its [`repositories`]; [`fetch()`] makes a root filesystem of a pin: it
//! downloads and unpacks packages, compares every sum, lays their files and apk's database into a tree, and runs scripts in
//! the sandbox where the recipe asks for them. Without scripts it makes what those of a base system would: busybox's links
//! and the loader's cache.

pub mod index;
pub mod keys;
pub mod package_file;
pub mod relation;
pub mod repositories;
pub mod solve;
pub mod version;

mod busybox;
mod database;
mod digests;
mod error;
mod fetch;
mod install;
mod keep;
mod lay;
mod order;
mod resolve;
mod scripts;
mod unpack;

pub use error::ApkError;
pub use fetch::fetch;
pub use resolve::{Resolve, resolve};

use crate::platform::Architecture;

/// apk's name of an architecture.
pub fn architecture_name(architecture: Architecture) -> &'static str {
    match architecture {
        Architecture::Amd64 => "x86_64",
        Architecture::Arm64 => "aarch64",
        Architecture::Arm => "armv7",
        Architecture::I386 => "x86",
        Architecture::Ppc64le => "ppc64le",
        Architecture::Riscv64 => "riscv64",
        Architecture::S390x => "s390x",
        Architecture::ArmV6 => "armhf",
        Architecture::ArmV5 => "arm",
        Architecture::Mips64le => "mips64el",
        Architecture::Loong64 => "loongarch64",
    }
}
