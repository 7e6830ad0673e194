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
    /// There are no such packages.
    #[error("{suites} {} no {} {}", has(suites), if missing.len() > 1 { "packages" } else { "package" }, names(missing))]
    #[diagnostic(help("{}", hints(missing)))]
    Unknown {
        /// The names.
        missing: Vec<Missing>,
        /// The suites that were searched.
        suites: String,
    },
    /// A package that is needed is left out.
    #[error("`{name}` is needed, and `exclude` leaves it out")]
    #[diagnostic(help(
        "take it out of `exclude`, or out of the recipe what needs it: packages by file, `init = \"tini\"`"
    ))]
    Excluded {
        /// The name.
        name: String,
    },
    /// Several things are wrong.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    #[diagnostic(help("{}", all_help(.0)))]
    Several(Vec<SolveError>),
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
    /// The packages that were chosen do not fit together.
    #[error("the packages that were chosen do not fit together: {what}")]
    #[diagnostic(help(
        "`rootsmith lock --update RECIPE` without names chooses all anew; please report this, with the recipe and its lock"
    ))]
    Inconsistent {
        /// Which of them.
        what: String,
    },
    /// No set of packages meets all wishes.
    #[error("{explanation}")]
    #[diagnostic(help("{help}"))]
    Unsatisfiable {
        /// What stands in the way, one step a line.
        explanation: String,
        /// What to do.
        help: &'static str,
    },
}

/// A name that no package has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The name.
    pub name: String,
    /// Names that are like it, or where it is else.
    pub hint: Option<String>,
}

impl SolveError {
    pub(super) fn unknown(universe: &Universe<'_>, name: &str) -> Self {
        let mut suites: Vec<_> = universe.repositories.iter().map(|repository| repository.suite).collect();
        suites.dedup();
        let suites = suites.into_iter().map(str::to_owned).collect::<Vec<_>>();
        let real = universe.names.iter().filter(|known| !known.versions.is_empty()).map(|known| known.text);
        let missing = Missing { name: name.to_owned(), hint: did_you_mean(name, real) };
        Self::Unknown { missing: vec![missing], suites: join(&suites) }
    }

    /// One error of at least one: unknown names are told together.
    pub(super) fn all(errors: Vec<Self>) -> Self {
        let mut told: Vec<Self> = Vec::new();
        for error in errors {
            if let Self::Unknown { missing: more, .. } = &error
                && let Some(Self::Unknown { missing, .. }) =
                    told.iter_mut().find(|told| matches!(told, Self::Unknown { .. }))
            {
                missing.extend(more.iter().filter(|one| !missing.contains(one)).cloned().collect::<Vec<_>>());
            } else if !told.contains(&error) {
                told.push(error);
            }
        }
        if told.len() == 1 { told.remove(0) } else { Self::Several(told) }
    }

    /// The names that no package has, for more to be said of them.
    pub fn missing_mut(&mut self) -> Vec<&mut Missing> {
        match self {
            Self::Unknown { missing, .. } => missing.iter_mut().collect(),
            Self::Several(errors) => errors.iter_mut().flat_map(Self::missing_mut).collect(),
            _ => Vec::new(),
        }
    }
}

/// Names in a row, the last after an `and`.
pub(super) fn join(names: &[String]) -> String {
    match names {
        [] => "what is asked for".to_owned(),
        [only] => only.clone(),
        [start @ .., last] => format!("{} and {last}", start.join(", ")),
    }
}

/// The verb for these suites, which [`join`] has joined.
pub(super) fn has(suites: &str) -> &'static str {
    if suites.contains(" and ") { "have" } else { "has" }
}

fn names(missing: &[Missing]) -> String {
    missing.iter().map(|missing| format!("`{}`", missing.name)).collect::<Vec<_>>().join(", ")
}

/// What to do about names that no package has. One alone need not be named again.
fn hints(missing: &[Missing]) -> String {
    const NONE: &str = "look for it at https://packages.debian.org, and add the component or suite that has it";
    if let [only] = missing {
        return only.hint.clone().unwrap_or_else(|| NONE.to_owned());
    }
    let hint = |missing: &Missing| format!("`{}`: {}", missing.name, missing.hint.as_deref().unwrap_or(NONE));
    missing.iter().map(hint).collect::<Vec<_>>().join("\n")
}

fn all_help(errors: &[SolveError]) -> String {
    let help = |error: &SolveError| {
        let help = error.help()?;
        Some(match error {
            SolveError::NoSuchVersion { wanted: of, .. }
            | SolveError::OtherArchitecture { wanted: of, .. }
            | SolveError::Virtual { name: of, .. }
            | SolveError::Excluded { name: of } => format!("`{of}`: {help}"),
            _ => help.to_string(),
        })
    };
    errors.iter().filter_map(help).collect::<Vec<_>>().join("\n")
}
