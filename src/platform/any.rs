//! Platforms of images that were made elsewhere, of any system and architecture, as containerd reads and compares them
//! (<https://pkg.go.dev/github.com/containerd/platforms>).

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use super::{Architecture, Platform};

/// What an image of whatever making runs on: `linux/arm/v6`, `linux/loong64`, `windows(10.0.20348)/amd64`.
///
/// It is held in one spelling: `x86_64` is `amd64`, `aarch64` and `arm64/v8` are `arm64`, `arm` is `arm/v7`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AnyPlatform {
    os: String,
    /// The beginning of a version of the system, where one is asked for.
    os_version: Option<String>,
    architecture: String,
    variant: Option<String>,
}

/// A text that is no platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a platform: expected OS/ARCHITECTURE or OS/ARCHITECTURE/VARIANT, such as `linux/arm64`, `linux/arm/v6`"
)]
pub struct ParseAnyPlatformError(pub String);

/// Systems and architectures that may stand alone, by Go's names.
const SYSTEMS: [&str; 7] = ["linux", "windows", "darwin", "freebsd", "netbsd", "openbsd", "solaris"];
const ARCHITECTURES: [&str; 16] = [
    "386", "amd64", "arm", "arm64", "loong64", "mips", "mipsle", "mips64", "mips64le", "ppc64", "ppc64le", "riscv",
    "riscv64", "s390x", "sparc64", "wasm",
];

impl AnyPlatform {
    /// In one spelling.
    fn new(os: &str, os_version: Option<&str>, architecture: &str, variant: Option<&str>) -> Self {
        let os = os.to_ascii_lowercase();
        let os = if os == "macos" { "darwin".to_owned() } else { os };
        let architecture = architecture.to_ascii_lowercase();
        let variant = variant.map(str::to_ascii_lowercase).filter(|variant| !variant.is_empty());
        let numbered = variant.map(|variant| match variant.starts_with(|first: char| first.is_ascii_digit()) {
            true => format!("v{variant}"),
            false => variant,
        });
        let v = |variant: &str| Some(variant.to_owned());
        let (architecture, variant) = match architecture.as_str() {
            "x86_64" | "x86-64" | "amd64" => ("amd64", numbered.filter(|variant| variant != "v1")),
            "aarch64" | "arm64" => ("arm64", numbered.filter(|variant| variant != "v8")),
            "armhf" => ("arm", v("v7")),
            "armel" => ("arm", v("v6")),
            "arm" => ("arm", numbered.or_else(|| v("v7"))),
            "i386" | "i486" | "i586" | "i686" | "x86" => ("386", None),
            "ppc64el" => ("ppc64le", numbered),
            "mips64el" => ("mips64le", numbered),
            "mipsel" => ("mipsle", numbered),
            "loongarch64" => ("loong64", numbered),
            other => (other, numbered),
        };
        let os_version = os_version.filter(|version| !version.is_empty()).map(str::to_owned);
        Self { os, os_version, architecture: architecture.to_owned(), variant }
    }

    /// What an entry of an index says that it is for.
    pub fn of(said: &oci_spec::image::Platform) -> Self {
        let (os, architecture) = (said.os().to_string(), said.architecture().to_string());
        Self::new(&os, said.os_version().as_deref(), &architecture, said.variant().as_deref())
    }

    /// What an image's configuration says that it is for.
    pub fn of_config(config: &oci_spec::image::ImageConfiguration) -> Self {
        let (os, architecture) = (config.os().to_string(), config.architecture().to_string());
        Self::new(&os, config.os_version().as_deref(), &architecture, config.variant().as_deref())
    }

    /// The same among those that images are made for here. Of a variant that is none of those, the usual one.
    pub fn known(&self) -> Option<Platform> {
        let find = |wanted: &Self| {
            let mut all = Architecture::all().map(|architecture| Platform { architecture });
            all.find(|known| Self::from(*known) == *wanted)
        };
        find(&Self { os_version: None, ..self.clone() }).or_else(|| find(&self.without_variant()))
    }

    /// Whether it is that of the attestations that BuildKit puts beside images, and of no image.
    pub fn is_unknown(&self) -> bool {
        self.os == "unknown"
    }

    /// Whether the system is Linux.
    pub fn is_linux(&self) -> bool {
        self.os == "linux"
    }

    /// Whether an image for `offered` runs where this platform is asked for: one for the same variant, or for an older one of
    /// the same architecture.
    pub fn takes(&self, offered: &Self) -> bool {
        let fits_version = self.os_version.as_deref().is_none_or(|wanted| {
            let rest = offered.os_version.as_deref().and_then(|version| version.strip_prefix(wanted));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        });
        self.os == offered.os
            && self.architecture == offered.architecture
            && fits_version
            && (self.variant == offered.variant
                || matches!((self.level(), offered.level()), (Some(own), Some(theirs)) if theirs <= own))
    }

    /// As [`takes`](Self::takes), where `config` may not say its variant, as those of older builders do not.
    pub fn takes_config(&self, config: &oci_spec::image::ImageConfiguration) -> bool {
        let mut offered = Self::of_config(config);
        if config.variant().is_none() {
            offered.variant.clone_from(&self.variant);
        }
        // Versions are those of index entries; configurations of old images have none.
        if config.os_version().is_none() {
            offered.os_version.clone_from(&self.os_version);
        }
        self.takes(&offered)
    }

    /// Which of two that are both taken is better: the one for the newer variant.
    pub fn better(one: &Self, other: &Self) -> Ordering {
        one.level().cmp(&other.level())
    }

    /// The number of the variant, where variants have an order: `(8, 2)` of `v8.2`.
    fn level(&self) -> Option<(u32, u32)> {
        let usual = match self.architecture.as_str() {
            "amd64" => "v1",
            "arm64" => "v8",
            "arm" => "v7",
            _ => return None,
        };
        let number = self.variant.as_deref().unwrap_or(usual).strip_prefix('v')?;
        let (major, minor) = number.split_once('.').unwrap_or((number, "0"));
        Some((major.parse().ok()?, minor.parse().ok()?))
    }
}

impl From<Platform> for AnyPlatform {
    fn from(platform: Platform) -> Self {
        let architecture = platform.architecture;
        Self::new("linux", None, architecture.oci_name(), architecture.oci_variant())
    }
}

/// The usual spelling, without a variant that goes without saying.
impl fmt::Display for AnyPlatform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.os)?;
        if let Some(version) = &self.os_version {
            write!(f, "({version})")?;
        }
        write!(f, "/{}", self.architecture)?;
        match &self.variant {
            Some(variant) if *self != self.without_variant() => write!(f, "/{variant}"),
            _ => Ok(()),
        }
    }
}

impl AnyPlatform {
    /// What its own name without a variant means.
    fn without_variant(&self) -> Self {
        Self::new(&self.os, self.os_version.as_deref(), &self.architecture, None)
    }
}

impl FromStr for AnyPlatform {
    type Err = ParseAnyPlatformError;

    /// Reads `OS/ARCHITECTURE[/VARIANT]`, `OS(VERSION)/ARCHITECTURE`, and a system or an architecture alone: with this
    /// machine's architecture, or for Linux.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ParseAnyPlatformError(text.to_owned());
        let plain = |part: &&str| {
            let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
            !part.is_empty() && part.bytes().all(known)
        };
        let (first, rest) = text.split_once('/').map_or((text, None), |(first, rest)| (first, Some(rest)));
        let (os, version) = match first.split_once('(') {
            Some((os, version)) => (os, Some(version.strip_suffix(')').filter(plain).ok_or_else(wrong)?)),
            None => (first, None),
        };
        let parts: Vec<&str> = std::iter::once(os).chain(rest.into_iter().flat_map(|rest| rest.split('/'))).collect();
        if !parts.iter().all(plain) {
            return Err(wrong());
        }
        match parts.as_slice() {
            [os, architecture] => Ok(Self::new(os, version, architecture, None)),
            [os, architecture, variant] => Ok(Self::new(os, version, architecture, Some(variant))),
            [alone] => {
                let host = Architecture::host().map_or(std::env::consts::ARCH, Architecture::oci_name);
                let as_system = Self::new(alone, version, host, None);
                let as_architecture = Self::new("linux", None, alone, None);
                if SYSTEMS.contains(&as_system.os.as_str()) {
                    return Ok(as_system);
                }
                let known = version.is_none() && ARCHITECTURES.contains(&as_architecture.architecture.as_str());
                known.then_some(as_architecture).ok_or_else(wrong)
            }
            _ => Err(wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> AnyPlatform {
        text.parse().unwrap()
    }

    #[test]
    fn one_spelling_for_all() {
        for (given, shown) in [
            ("linux/x86_64", "linux/amd64"),
            ("linux/amd64/v1", "linux/amd64"),
            ("linux/amd64/v3", "linux/amd64/v3"),
            ("linux/aarch64", "linux/arm64"),
            ("linux/arm64/v8", "linux/arm64"),
            ("linux/arm64/v9", "linux/arm64/v9"),
            ("linux/arm", "linux/arm"),
            ("linux/arm/v7", "linux/arm"),
            ("linux/arm/6", "linux/arm/v6"),
            ("linux/armel", "linux/arm/v6"),
            ("linux/i386", "linux/386"),
            ("linux/mips64el", "linux/mips64le"),
            ("Linux/loong64", "linux/loong64"),
            ("windows(10.0.20348)/amd64", "windows(10.0.20348)/amd64"),
            ("arm64", "linux/arm64"),
            ("x86_64", "linux/amd64"),
            ("wasi/wasm32", "wasi/wasm32"),
        ] {
            assert_eq!(read(given).to_string(), shown);
            assert_eq!(read(shown), read(given));
        }
        assert!(read("windows").to_string().starts_with("windows/"));
        for wrong in
            ["", "/", "linux/", "/amd64", "linux/a b", "linux/arm/v7/x", "amd46", "windows(/amd64", "linux()/arm"]
        {
            assert!(wrong.parse::<AnyPlatform>().is_err(), "{wrong}");
        }
        for platform in Architecture::all().map(|architecture| Platform { architecture }) {
            assert_eq!(read(platform.name()), AnyPlatform::from(platform));
        }
    }

    #[test]
    fn what_runs_where() {
        let takes = |wanted: &str, offered: &str| read(wanted).takes(&read(offered));
        assert!(takes("linux/arm", "linux/arm/v7") && takes("linux/arm/v7", "linux/arm/v6"));
        assert!(!takes("linux/arm/v6", "linux/arm/v7") && !takes("linux/arm", "linux/arm64"));
        assert!(takes("linux/amd64/v3", "linux/amd64") && !takes("linux/amd64", "linux/amd64/v2"));
        assert!(takes("windows/amd64", "windows(10.0.1)/amd64") && !takes("linux/amd64", "windows/amd64"));
        assert!(takes("windows(10.0.1)/amd64", "windows(10.0.1.7)/amd64"));
        assert!(!takes("windows(10.0.1)/amd64", "windows(10.0.17)/amd64"));
        assert!(!takes("windows(10.0.1)/amd64", "windows/amd64"));
        assert!(!takes("linux/mips/hard", "linux/mips/soft") && takes("linux/mips/soft", "linux/mips/soft"));
        assert_eq!(AnyPlatform::better(&read("linux/arm/v7"), &read("linux/arm/v6")), Ordering::Greater);
    }
}
