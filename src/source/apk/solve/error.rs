//! Why no packages can be chosen.

use std::collections::BTreeSet;

/// Why a world cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum SolveError {
    /// There is no such package.
    #[error("{repositories} has no package `{name}`")]
    #[diagnostic(help("{help}"))]
    Unknown {
        /// The name.
        name: String,
        /// The repositories that were searched.
        repositories: String,
        /// Names that are like it, or what else to do.
        help: String,
    },
    /// Several packages have a virtual name.
    #[error("`{name}`{by} is no package, but a name that several packages provide")]
    #[diagnostic(help("add one of them to `packages`: {providers}"))]
    Virtual {
        /// The name.
        name: String,
        /// Who needs it, in words that follow the name; empty where it is the recipe.
        by: String,
        /// The packages.
        providers: String,
    },
    /// No version fits.
    #[error("there is no `{wanted}`")]
    #[diagnostic(help("there is {known}"))]
    NoSuchVersion {
        /// What was asked.
        wanted: String,
        /// What there is.
        known: String,
    },
    /// The recipe both wants and excludes a package.
    #[error("`{wanted}` is asked for, and an entry with `!` excludes it")]
    #[diagnostic(help("keep one of the two in `packages`"))]
    Excluded {
        /// What was asked.
        wanted: String,
    },
    /// No repository has the tag.
    #[error("`{wanted}` asks for the tag `{tag}`, which no repository has")]
    #[diagnostic(help("give a repository the tag: `repositories = [\"main\", \"@{tag} https://...\"]`"))]
    NoTag {
        /// What was asked.
        wanted: String,
        /// The tag.
        tag: String,
    },
    /// No set of packages meets all wishes.
    #[error("{explanation}")]
    #[diagnostic(help(
        "leave one of them out, ask for another version, or add the repository that has what is missing"
    ))]
    Unsatisfiable {
        /// What stands in the way, one step a phrase.
        explanation: String,
    },
}

impl SolveError {
    /// The error of a name that none of the packages in these repositories has.
    pub(super) fn unknown<'a>(
        name: &str,
        repositories: impl Iterator<Item = &'a str>,
        packages: impl Iterator<Item = &'a str>,
    ) -> Self {
        let repositories: BTreeSet<_> = repositories.collect();
        let mut near: Vec<_> = packages.filter_map(|known| Some((distance(name, known)?, known))).collect();
        near.sort_unstable();
        let nearest = near.first().map(|(distance, _)| *distance);
        near.retain(|(distance, _)| Some(*distance) == nearest);
        near.truncate(3);
        let near: Vec<_> = near.into_iter().map(|(_, known)| known).collect();
        let help = match near[..] {
            [] => "look for it at https://pkgs.alpinelinux.org, and add the repository that has it".to_owned(),
            [only] => format!("did you mean {only}?"),
            [.., last] => format!("did you mean {} or {last}?", near[..near.len() - 1].join(", ")),
        };
        let repositories = repositories.into_iter().collect::<Vec<_>>().join(", ");
        Self::Unknown { name: name.to_owned(), repositories, help }
    }
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
