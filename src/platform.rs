//! Platforms: an operating system (always Linux here) and an architecture, in the names of each field.

mod any;

use std::fmt;
use std::str::FromStr;

pub use any::{AnyPlatform, ParseAnyPlatformError};

/// A processor architecture that a distribution is built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Architecture {
    /// x86-64.
    Amd64,
    /// 64-bit Arm.
    Arm64,
    /// 32-bit Arm, version 7 with hardware floating point.
    Arm,
    /// 32-bit x86.
    I386,
    /// 64-bit little-endian POWER.
    Ppc64le,
    /// 64-bit RISC-V.
    Riscv64,
    /// IBM Z.
    S390x,
}

/// What an image runs on, written `linux/<architecture>` with Go's architecture names (OCI image spec, image-index.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Platform {
    /// The processor architecture.
    pub architecture: Architecture,
}

/// A text that names no platform known here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a platform known here: expected one of {known}", known = known())]
pub struct ParsePlatformError(pub String);

const ALL: [Architecture; 7] = [
    Architecture::Amd64,
    Architecture::Arm64,
    Architecture::Arm,
    Architecture::I386,
    Architecture::Ppc64le,
    Architecture::Riscv64,
    Architecture::S390x,
];

impl Architecture {
    /// The architecture this program was built for, where it is one that images are built for.
    pub fn host() -> Option<Self> {
        ALL.into_iter().find(|architecture| architecture.kernel_name() == std::env::consts::ARCH)
    }

    /// All architectures.
    pub fn all() -> impl Iterator<Item = Self> {
        ALL.into_iter()
    }

    /// Go's name, which OCI documents use: `amd64`, `arm64`, `arm`, `386`, `ppc64le`, `riscv64`, `s390x`.
    pub fn oci_name(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
            Self::Arm => "arm",
            Self::I386 => "386",
            Self::Ppc64le => "ppc64le",
            Self::Riscv64 => "riscv64",
            Self::S390x => "s390x",
        }
    }

    /// OCI's variant of the architecture, where it has one: `v8` for arm64, `v7` for arm.
    pub fn oci_variant(self) -> Option<&'static str> {
        match self {
            Self::Arm64 => Some("v8"),
            Self::Arm => Some("v7"),
            _ => None,
        }
    }

    /// dpkg's name: `amd64`, `arm64`, `armhf`, `i386`, `ppc64el`, `riscv64`, `s390x`.
    pub fn debian_name(self) -> &'static str {
        match self {
            Self::Arm => "armhf",
            Self::I386 => "i386",
            Self::Ppc64le => "ppc64el",
            other => other.oci_name(),
        }
    }

    /// Rust's name of the architecture, close to the kernel's.
    fn kernel_name(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64",
            Self::Arm64 => "aarch64",
            Self::Arm => "arm",
            Self::I386 => "x86",
            Self::Ppc64le => "powerpc64",
            Self::Riscv64 => "riscv64",
            Self::S390x => "s390x",
        }
    }
}

impl Platform {
    /// Its name: `linux/arm64`.
    pub fn name(self) -> &'static str {
        match self.architecture {
            Architecture::Amd64 => "linux/amd64",
            Architecture::Arm64 => "linux/arm64",
            Architecture::Arm => "linux/arm",
            Architecture::I386 => "linux/386",
            Architecture::Ppc64le => "linux/ppc64le",
            Architecture::Riscv64 => "linux/riscv64",
            Architecture::S390x => "linux/s390x",
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Platform {
    type Err = ParsePlatformError;

    /// Reads `linux/amd64`, and with a variant that is the architecture's own, `linux/arm64/v8`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = ALL.into_iter().find(|architecture| {
            let plain = Self { architecture: *architecture }.to_string();
            let variant = architecture.oci_variant().map(|variant| format!("{plain}/{variant}"));
            text == plain || Some(text) == variant.as_deref()
        });
        found.map(|architecture| Self { architecture }).ok_or_else(|| ParsePlatformError(text.to_owned()))
    }
}

fn known() -> String {
    ALL.map(|architecture| Platform { architecture }.to_string()).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for architecture in ALL {
            let platform = Platform { architecture };
            assert_eq!(platform.to_string().parse(), Ok(platform));
        }
        assert_eq!("linux/arm64/v8".parse(), Ok(Platform { architecture: Architecture::Arm64 }));
        assert!("linux/amd64/v3".parse::<Platform>().is_err());
        assert!("amd64".parse::<Platform>().is_err());
    }
}
