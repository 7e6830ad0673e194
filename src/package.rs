//! One installed package, in the words that every package manager shares; and what somebody may have meant who misspelt its
//! name.

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

/// What was meant by a name that no package has: `did you mean nginx?`; at most three of the names that are nearest to it.
/// Nothing where none is near.
pub fn did_you_mean<'a>(typed: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut near: Vec<_> = known.filter_map(|known| Some((distance(typed, known)?, known))).collect();
    near.sort_unstable();
    near.dedup();
    let (nearest, _) = *near.first()?;
    let names: Vec<_> =
        near.into_iter().filter(|(distance, _)| *distance == nearest).map(|(_, name)| name).take(3).collect();
    let (last, others) = names.split_last()?;
    let others = others.join(", ");
    Some(if others.is_empty() { format!("did you mean {last}?") } else { format!("did you mean {others} or {last}?") })
}

/// How far a known name is from what was typed; none where nobody would take one for the other. A longer name that begins
/// with what was typed is near: `python` and `python3`.
fn distance(typed: &str, known: &str) -> Option<usize> {
    let limit = match typed.len() {
        0..=3 => 1,
        4..=8 => 2,
        _ => 3,
    };
    if typed.len().abs_diff(known.len()) > limit {
        let starts = typed.len() >= 4 && known.starts_with(typed) && known.len() - typed.len() <= 8;
        return starts.then(|| limit + known.len() - typed.len());
    }
    Some(strsim::osa_distance(typed, known)).filter(|distance| *distance <= limit)
}
