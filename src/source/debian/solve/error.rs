//! Why no packages can be chosen.

use miette::Diagnostic;
use thiserror::Error;

use crate::package::did_you_mean;
use crate::source::debian::relation::RelationError;
use crate::source::debian::solve::universe::Universe;

/// Why a request cannot be met.
#[derive(Debug, Clone, PartialEq, Eq, Error, Diagnostic)]
pub enum SolveError {
    /// A text is no package as apt names it.
    #[error("`{text}` names no package: {reason}")]
    #[diagnostic(help("write `name`, `name=version`, `name/suite` or `name:architecture`"))]
    BadWanted {
        /// The text.
        text: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// There is no such package.
    #[error("{suites} has no package `{name}`")]
    #[diagnostic(help("{help}"))]
    Unknown {
        /// The name.
        name: String,
        /// The suites that were searched.
        suites: String,
        /// Names that are like it, or what else to do.
        help: String,
    },
    /// Several packages provide the name.
    #[error("`{name}` is no package, but a name that several packages provide")]
    #[diagnostic(help("choose one of {providers}"))]
    Virtual {
        /// The name.
        name: String,
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
    /// It is not there for the architecture that was asked for.
    #[error("there is no `{wanted}`: the archive has the package, but not for {architecture}")]
    #[diagnostic(help("leave the architecture out, or name one that the package is built for"))]
    OtherArchitecture {
        /// What was asked.
        wanted: String,
        /// The architecture, in dpkg's name.
        architecture: String,
    },
    /// Two pins of one name.
    #[error("two versions of {name} are asked for at once")]
    #[diagnostic(help("keep one of them"))]
    Contradiction {
        /// The name.
        name: String,
    },
    /// The archive has a field that cannot be read.
    #[error("cannot read `{field}` of {package}")]
    #[diagnostic(help("the archive's index is wrong: tell its keepers"))]
    BadRelation {
        /// The package.
        package: String,
        /// The field.
        field: &'static str,
        /// What is wrong.
        #[source]
        source: RelationError,
    },
    /// No set of packages meets all wishes.
    #[error("{explanation}")]
    #[diagnostic(help("leave one of them out, ask for another version, or add the suite that has what is missing"))]
    Unsatisfiable {
        /// What stands in the way, one step a line.
        explanation: String,
    },
}

impl SolveError {
    pub(super) fn unknown(universe: &Universe<'_>, name: &str) -> Self {
        let mut suites: Vec<_> = universe.repositories.iter().map(|repository| repository.suite).collect();
        suites.dedup();
        let real = universe.names.iter().filter(|known| !known.versions.is_empty()).map(|known| known.text);
        let help = did_you_mean(name, real).unwrap_or_else(|| {
            "look for it at https://packages.debian.org, and add the component or suite that has it".to_owned()
        });
        Self::Unknown { name: name.to_owned(), suites: suites.join(", "), help }
    }
}
