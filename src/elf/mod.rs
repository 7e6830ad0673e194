//! What a program for Linux is, what it needs to start, and what its build noted in it.
//!
//! [`read()`] looks into an ELF file (System V ABI, <https://gabi.xinuos.com>; the tables of GNU in the Linux Standard Base,
//! "Symbol Versioning"): platform, interpreter, libraries and versions of symbols, and where they are there, Go's build
//! information and the crates that `cargo auditable` noted. [`check`] says whether it starts in a tree.
//!
//! Files may come from strangers: tables are read within the file and up to a size, and nothing is believed that was not
//! looked at.

mod auditable;
mod cache;
mod error;
mod fit;
mod go;
mod libraries;
mod object;
mod read;

pub use auditable::RustCrate;
pub use cache::{CacheError, library_cache};
pub use error::{ElfError, ProgramError};
pub use fit::{Format, check, format};
pub use go::{GoBuild, GoModule};
pub use libraries::{Needs, needs};
pub use read::{read, read_content};

use std::collections::{BTreeMap, BTreeSet};

use crate::platform::{Architecture, Platform};

/// An ELF file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elf {
    /// Bits of an address.
    pub class: Class,
    /// The order of bytes in a number.
    pub byte_order: ByteOrder,
    /// `e_machine`: what processor it is for, by the number of the ELF registry.
    pub machine: u16,
    /// The architecture of images that this is for; none where no images are built for it.
    pub architecture: Option<Architecture>,
    /// The operating system that it is for, where its header names one other than Linux.
    pub other_system: Option<&'static str>,
    /// What it is.
    pub kind: Kind,
    /// The program that loads it (`PT_INTERP`): `/lib64/ld-linux-x86-64.so.2`.
    pub interpreter: Option<String>,
    /// The name that others know it by, where it is a library (`DT_SONAME`).
    pub soname: Option<String>,
    /// The libraries that it names (`DT_NEEDED`), in order.
    pub needed: Vec<String>,
    /// Where they are looked for first (`DT_RPATH`), as written, with `$ORIGIN` and the like.
    pub rpath: Vec<String>,
    /// Where they are looked for (`DT_RUNPATH`), as written; where there is one, `rpath` does not count.
    pub runpath: Vec<String>,
    /// The versions of symbols that it needs, by library: `GLIBC_2.34` of `libc.so.6`.
    pub versions: BTreeMap<String, BTreeSet<String>>,
    /// What the Go toolchain noted.
    pub go: Option<GoBuild>,
    /// The crates that `cargo auditable` noted, those that only the build needed left out.
    pub crates: Vec<RustCrate>,
}

/// Bits of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// 32 bits.
    Bits32,
    /// 64 bits.
    Bits64,
}

/// The order of bytes in a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteOrder {
    /// Least significant first.
    Little,
    /// Most significant first.
    Big,
}

/// What an ELF file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A program, at a fixed address or at any (PIE, static PIE).
    Program,
    /// A shared library.
    Library,
    /// An object file, a core dump or a kernel module: nothing that is started or loaded by programs.
    Other,
}

impl Elf {
    /// Whether it starts without an interpreter and libraries.
    pub fn is_static(&self) -> bool {
        self.interpreter.is_none() && self.needed.is_empty()
    }

    /// The platform that it runs on; none where images are not built for it.
    pub fn platform(&self) -> Option<Platform> {
        let architecture = self.architecture.filter(|_| self.other_system.is_none())?;
        Some(Platform { architecture })
    }

    /// The newest version of a family of symbols that it needs: `2.34` for `GLIBC`.
    pub fn newest_version(&self, family: &str) -> Option<String> {
        let number = |version: &str| version.split('.').map(|part| part.parse().unwrap_or(0)).collect::<Vec<u32>>();
        let all = self.versions.values().flatten();
        let own = all.filter_map(|version| version.strip_prefix(family)?.strip_prefix('_'));
        own.filter(|version| version.starts_with(|first: char| first.is_ascii_digit()))
            .max_by_key(|version| number(version))
            .map(str::to_owned)
    }

    /// What it is for, in words of messages: `linux/arm64`, `a 32-bit MIPS processor`, `freebsd`.
    pub fn target(&self) -> String {
        if let Some(system) = self.other_system {
            return system.to_owned();
        }
        if let Some(platform) = self.platform() {
            return platform.to_string();
        }
        let (bits, order) = match (self.class, self.byte_order) {
            (Class::Bits32, ByteOrder::Little) => ("32-bit", "little-endian"),
            (Class::Bits32, ByteOrder::Big) => ("32-bit", "big-endian"),
            (Class::Bits64, ByteOrder::Little) => ("64-bit", "little-endian"),
            (Class::Bits64, ByteOrder::Big) => ("64-bit", "big-endian"),
        };
        match object::machine_name(self.machine) {
            Some(name) => format!("a {bits} {order} {name} processor"),
            None => format!("a {bits} {order} processor of number {}", self.machine),
        }
    }
}

#[cfg(test)]
mod tests;
