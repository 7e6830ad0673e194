//! Why no packages can be chosen.

use std::collections::BTreeSet;

use crate::package::did_you_mean;

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
        let help = did_you_mean(name, packages).unwrap_or_else(|| {
            "look for it at https://pkgs.alpinelinux.org, and add the repository that has it".to_owned()
        });
        let repositories = repositories.into_iter().collect::<Vec<_>>().join(", ");
        Self::Unknown { name: name.to_owned(), repositories, help }
    }
}
