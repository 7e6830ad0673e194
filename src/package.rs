//! One installed package, in the words that every package manager shares.

/// The package manager whose database names a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Manager {
    /// Debian's dpkg.
    Dpkg,
    /// Alpine's apk.
    Apk,
    /// rpm.
    Rpm,
    /// conda.
    Conda,
    /// Go's modules, as a program notes what it was built of.
    Go,
    /// Rust's crates, as `cargo auditable` notes them in a program.
    Cargo,
}

/// A package that an image holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Package {
    /// Whose database names it.
    pub manager: Manager,
    /// The binary package's name.
    pub name: String,
    /// The full version, with epoch and revision as the manager writes it.
    pub version: String,
    /// The architecture in the manager's own name (`amd64`, `all`, `noarch`).
    pub architecture: String,
    /// The source package's name, where it differs from the binary's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Bytes that it takes when installed, as its own metadata says; 0 where that is silent.
    pub installed_size: u64,
}
