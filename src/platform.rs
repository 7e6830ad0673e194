//! Platforms: an operating system (always Linux here) and an architecture, in the names of each field.

mod any;

use std::fmt;
use std::str::FromStr;

pub use any::{AnyPlatform, ParseAnyPlatformError};

/// A processor architecture that images are made for here.
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
    /// 32-bit Arm, version 6.
    ArmV6,
    /// 32-bit Arm, version 5.
    ArmV5,
    /// 64-bit little-endian MIPS.
    Mips64le,
    /// 64-bit LoongArch.
    Loong64,
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

const ALL: [Architecture; 11] = [
    Architecture::Amd64,
    Architecture::Arm64,
    Architecture::Arm,
    Architecture::I386,
    Architecture::Ppc64le,
    Architecture::Riscv64,
    Architecture::S390x,
    Architecture::ArmV6,
    Architecture::ArmV5,
    Architecture::Mips64le,
    Architecture::Loong64,
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

    /// Whether the distributions known here have packages for it. The others are for images of static programs, archives and
    /// other images.
    pub fn has_packages(self) -> bool {
        !matches!(self, Self::ArmV6 | Self::ArmV5 | Self::Mips64le | Self::Loong64)
    }

    /// Whether programs of `other`, as their headers name it, may be for this one: those of all versions of 32-bit Arm have
    /// the same.
    pub fn may_run(self, other: Self) -> bool {
        let is_arm = |one| matches!(one, Self::Arm | Self::ArmV6 | Self::ArmV5);
        self == other || (is_arm(self) && is_arm(other))
    }

    /// Go's name, which OCI documents use: `amd64`, `arm64`, `arm`, `386`, `ppc64le`, `riscv64`, `s390x`, ...
    pub fn oci_name(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
            Self::Arm | Self::ArmV6 | Self::ArmV5 => "arm",
            Self::I386 => "386",
            Self::Ppc64le => "ppc64le",
            Self::Riscv64 => "riscv64",
            Self::S390x => "s390x",
            Self::Mips64le => "mips64le",
            Self::Loong64 => "loong64",
        }
    }

    /// OCI's variant of the architecture, where it has one: `v8` for arm64, `v7`, `v6` or `v5` for arm.
    pub fn oci_variant(self) -> Option<&'static str> {
        match self {
            Self::Arm64 => Some("v8"),
            Self::Arm => Some("v7"),
            Self::ArmV6 => Some("v6"),
            Self::ArmV5 => Some("v5"),
            _ => None,
        }
    }

    /// dpkg's name: `amd64`, `arm64`, `armhf`, `i386`, `ppc64el`, `riscv64`, `s390x`, ...
    pub fn debian_name(self) -> &'static str {
        match self {
            Self::Arm => "armhf",
            Self::I386 => "i386",
            Self::Ppc64le => "ppc64el",
            Self::ArmV6 | Self::ArmV5 => "armel",
            Self::Mips64le => "mips64el",
            other => other.oci_name(),
        }
    }

    /// Rust's name of the architecture, close to the kernel's.
    fn kernel_name(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64",
            Self::Arm64 => "aarch64",
            Self::Arm | Self::ArmV6 | Self::ArmV5 => "arm",
            Self::I386 => "x86",
            Self::Ppc64le => "powerpc64",
            Self::Riscv64 => "riscv64",
            Self::S390x => "s390x",
            Self::Mips64le => "mips64",
            Self::Loong64 => "loongarch64",
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
            Architecture::ArmV6 => "linux/arm/v6",
            Architecture::ArmV5 => "linux/arm/v5",
            Architecture::Mips64le => "linux/mips64le",
            Architecture::Loong64 => "linux/loong64",
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

    /// Reads `linux/amd64`, in every spelling that [`AnyPlatform`] knows, but an architecture alone.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = text.parse::<AnyPlatform>().ok().filter(|_| text.contains('/'));
        let found = read
            .and_then(|read| ALL.into_iter().find(|known| AnyPlatform::from(Self { architecture: *known }) == read));
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
        assert_eq!("linux/x86_64".parse(), Ok(Platform { architecture: Architecture::Amd64 }));
        assert_eq!("linux/arm/6".parse(), Ok(Platform { architecture: Architecture::ArmV6 }));
        assert!("windows/amd64".parse::<Platform>().is_err());
        assert!("linux/amd64/v3".parse::<Platform>().is_err());
        assert!("amd64".parse::<Platform>().is_err());
    }
}
