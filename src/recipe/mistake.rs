//! What can be wrong with a recipe, each with its place and its mend.

use std::cell::RefCell;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use miette::{Diagnostic, LabeledSpan, NamedSource, Severity, SourceCode};

use super::value::Place;
use super::words::Misfit;

/// Everything that is wrong with a recipe, found in one run.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the recipe `{}`: {}", recipe.display(), count(problems.len()))]
pub struct RecipeErrors {
    /// The recipe that was to be read.
    pub recipe: PathBuf,
    /// The mistakes: by file, and in a file from top to bottom.
    pub problems: Arc<[Problem]>,
}

/// One mistake in one place of a recipe or of a file that it extends.
#[derive(Debug)]
pub struct Problem {
    /// What is wrong.
    pub mistake: Mistake,
    /// Where: the file and the bytes in it; nothing where it has no place.
    place: Option<(NamedSource<Arc<str>>, Place)>,
    severity: Severity,
}

/// What is wrong.
#[derive(Debug, thiserror::Error)]
pub enum Mistake {
    /// A file could not be read.
    #[error("cannot read the recipe `{}`", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is not TOML.
    #[error("this is not TOML: {0}")]
    Syntax(String),
    /// A key that no version knows.
    #[error("`{key}` is not a key of {table}")]
    UnknownKey {
        /// The key.
        key: String,
        /// Where it stands: `[from.debian]`.
        table: &'static str,
        /// A known key that looks alike.
        nearest: Option<&'static str>,
        /// The keys that are known there.
        known: Vec<&'static str>,
    },
    /// A key or value that is planned, but does nothing yet.
    #[error("{what} is not supported yet by this version of rootsmith")]
    NotYet {
        /// What it is, quoted.
        what: String,
        /// What is supported there.
        instead: String,
    },
    /// A string where a list was due, and the like.
    #[error("`{key}` is {found}, but {expected} was expected")]
    WrongType {
        /// The key.
        key: String,
        /// What it should be.
        expected: String,
        /// What it is.
        found: &'static str,
    },
    /// A text of the wrong form.
    #[error("{misfit} (`{key}`)")]
    Form {
        /// The key.
        key: String,
        /// What was found and expected.
        misfit: Misfit,
        /// A known value that looks alike.
        nearest: Option<&'static str>,
    },
    /// A key that must be there.
    #[error("{table} has no `{key}`")]
    Missing {
        /// The key.
        key: &'static str,
        /// Where it should stand.
        table: &'static str,
        /// What it says.
        about: &'static str,
    },
    /// No `[from.*]` at all.
    #[error("the recipe does not say where its root filesystem comes from")]
    NoSource,
    /// `[from.*]` in other variants alone.
    #[error("the recipe does not say where its root filesystem comes from; only variants of it do")]
    SourceInVariants(Vec<String>),
    /// More than one `[from.*]`.
    #[error("a recipe has one source, but this one has {}", .0.join(" and "))]
    TwoSources(Vec<String>),
    /// A local file that is not there.
    #[error("there is no {what} `{}`", path.display())]
    NoSuchFile {
        /// Where it was looked for.
        path: PathBuf,
        /// `file`, or `file or folder`.
        what: &'static str,
    },
    /// A recipe that extends itself.
    #[error("`{}` extends itself", .0.display())]
    Cycle(PathBuf),
    /// `--variant` names a variant that is not there.
    #[error("the recipe has no variant `{name}`")]
    NoSuchVariant {
        /// The name asked for.
        name: String,
        /// The variants there are.
        known: Vec<String>,
    },
    /// `"-name"` in a set that has no such thing.
    #[error("`-{name}` takes nothing out of `{key}`")]
    NothingToTakeOut {
        /// What was to be taken out.
        name: String,
        /// The set.
        key: String,
        /// What is in it by then.
        there: Vec<String>,
    },
    /// Keys of which exactly one is due, or which exclude each other; with what to do.
    #[error("{0}")]
    Clash(String, &'static str),
    /// The same thing said twice.
    #[error("`{what}` is given twice in `{key}`")]
    Twice {
        /// The thing.
        what: String,
        /// Where.
        key: &'static str,
    },
    /// Nothing wrong, but something to look at: a warning, with what could be done.
    #[error("{0}")]
    Doubtful(String, &'static str),
}

/// A file that was read: the recipe itself, or one that it extends.
#[derive(Debug)]
pub(super) struct RecipeFile {
    pub(super) path: PathBuf,
    /// The folder that relative paths in the file start from.
    pub(super) folder: PathBuf,
    pub(super) text: Arc<str>,
}

/// The files read so far, and what is wrong with them.
#[derive(Default)]
pub(super) struct Notebook {
    pub(super) files: Vec<RecipeFile>,
    /// Whether a file that one of them extends could not be read: what is missing may be in it.
    pub(super) lacks_file: bool,
    errors: RefCell<Vec<(Option<Place>, Mistake)>>,
    absent: RefCell<Vec<(Option<Place>, Mistake)>>,
    warnings: RefCell<Vec<(Option<Place>, Mistake)>>,
}

/// What is to be said of a recipe that can be used.
pub(super) struct Remarks {
    /// Things to look at that do not stop the build.
    pub(super) warnings: Vec<Problem>,
    /// Files that are not there, where a lock and a store can make up for them.
    pub(super) absent: Vec<Problem>,
}

impl Notebook {
    /// Writes down a mistake.
    pub(super) fn error(&self, place: Place, mistake: Mistake) {
        self.errors.borrow_mut().push((Some(place), mistake));
    }

    /// Writes down a mistake that has no place in any file.
    pub(super) fn error_nowhere(&self, mistake: Mistake) {
        self.errors.borrow_mut().push((None, mistake));
    }

    /// Writes down a file that is not there: a mistake, unless a lock and a store make up for it.
    pub(super) fn absent(&self, place: Place, mistake: Mistake) {
        self.absent.borrow_mut().push((Some(place), mistake));
    }

    /// Writes down something to look at.
    pub(super) fn warn(&self, place: Place, mistake: Mistake) {
        self.warnings.borrow_mut().push((Some(place), mistake));
    }

    /// Whether a path of the host that is written in two places is one, as it starts from the folder of the file there.
    pub(super) fn is_same_path(&self, path: &str, one: Place, other: Place) -> bool {
        let [one, other] = [one, other].map(|place| self.files[place.file].folder.as_path());
        let real = |folder: &Path| {
            let named = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            fs::canonicalize(named).unwrap_or_else(|_| folder.to_owned())
        };
        one == other || Path::new(path).is_absolute() || real(one) == real(other)
    }

    /// What else is to be said where there are no errors, else the errors and what is absent; all in the order of the files.
    /// Of files that are not TOML it is said where they are not: what else is wrong with them is guesswork.
    pub(super) fn finish(self) -> Result<Remarks, Vec<Problem>> {
        let Self { files, lacks_file, errors, absent, warnings } = self;
        let sort = |list: RefCell<Vec<(Option<Place>, Mistake)>>, severity| -> Vec<Problem> {
            let mut list = list.into_inner();
            list.sort_by_key(|(place, _)| *place);
            let placed = |(place, mistake): (Option<Place>, Mistake)| Problem {
                mistake,
                place: place.map(|place| {
                    let file = &files[place.file];
                    (NamedSource::new(file.path.display().to_string(), file.text.clone()).with_language("TOML"), place)
                }),
                severity,
            };
            list.into_iter().map(placed).collect()
        };
        if errors.borrow().is_empty() {
            let (warnings, absent) = (sort(warnings, Severity::Warning), sort(absent, Severity::Error));
            return Ok(Remarks { warnings, absent });
        }
        errors.borrow_mut().extend(absent.into_inner());
        if lacks_file {
            errors.borrow_mut().retain(|(_, mistake)| !mistake.is_lack());
        }
        let is_syntax = |mistake: &Mistake| matches!(mistake, Mistake::Syntax(_));
        if errors.borrow().iter().any(|(_, mistake)| is_syntax(mistake)) {
            errors.borrow_mut().retain(|(_, mistake)| is_syntax(mistake));
        }
        Err(sort(errors, Severity::Error))
    }
}

impl Mistake {
    /// Whether it is that something is not there which a further file of the recipe could have.
    fn is_lack(&self) -> bool {
        matches!(
            self,
            Self::Missing { .. }
                | Self::NoSource
                | Self::SourceInVariants(_)
                | Self::NoSuchVariant { .. }
                | Self::NothingToTakeOut { .. }
        )
    }

    /// What the place is marked with.
    fn label(&self) -> String {
        match self {
            Self::Read { .. } => "named here".to_owned(),
            Self::Syntax(_) => "here".to_owned(),
            Self::UnknownKey { .. } => "no such key".to_owned(),
            Self::NotYet { .. } => "not supported yet".to_owned(),
            Self::WrongType { expected, .. } => format!("expected {expected}"),
            Self::Form { misfit, .. } => format!("expected {}", misfit.expected),
            Self::Missing { key, .. } => format!("`{key}` is missing"),
            Self::SourceInVariants(_) => "this one does".to_owned(),
            Self::NoSource | Self::TwoSources(_) => "one `[from.*]` is needed".to_owned(),
            Self::NoSuchFile { .. } => "not found".to_owned(),
            Self::Cycle(_) => "this leads back".to_owned(),
            Self::NoSuchVariant { .. } => "no such variant".to_owned(),
            Self::NothingToTakeOut { .. } => "nothing goes by this name".to_owned(),
            Self::Clash(..) => "here".to_owned(),
            Self::Twice { .. } => "again here".to_owned(),
            Self::Doubtful(..) => "here".to_owned(),
        }
    }

    /// What to do about it.
    fn help(&self) -> Option<String> {
        Some(match self {
            Self::Read { source, .. } if source.kind() == io::ErrorKind::IsADirectory => {
                "it is a folder: name the recipe's file in it".to_owned()
            }
            Self::Read { path, source } if source.kind() == io::ErrorKind::NotFound && whole(path).is_file() => {
                format!("did you mean `{}`?", whole(path).display())
            }
            Self::UnknownKey { nearest: Some(nearest), .. } => format!("did you mean `{nearest}`?"),
            Self::UnknownKey { known, .. } => format!("the keys there are: {}", quoted(known)),
            Self::NotYet { instead, .. } => instead.clone(),
            Self::Form { nearest: Some(nearest), .. } => format!("did you mean `{nearest}`?"),
            Self::Form { misfit: Misfit { help: Some(help), .. }, .. } => help.to_string(),
            Self::Missing { key, about, .. } => format!("add `{key}`: {about}"),
            Self::NoSource => "add a `[from.debian]` table with a `suite`; `rootsmith init` writes a recipe".to_owned(),
            Self::SourceInVariants(variants) => {
                format!("name one of those: {}; or add a `[from.*]` for all", quoted(variants))
            }
            Self::TwoSources(_) => {
                "keep one of them; other sources can be variants, or recipes of their own".to_owned()
            }
            Self::NoSuchFile { .. } => "paths of local files are relative to the folder of the recipe".to_owned(),
            Self::Cycle(_) => "take one `extends` out of the circle".to_owned(),
            Self::NoSuchVariant { known, .. } if known.is_empty() => {
                "variants are tables of the recipe: `[variant.debug]`".to_owned()
            }
            Self::NoSuchVariant { known, .. } => format!("its variants are: {}", quoted(known)),
            Self::NothingToTakeOut { there, .. } if there.is_empty() => "the set is empty at that point".to_owned(),
            Self::NothingToTakeOut { there, .. } => format!("it holds: {}", quoted(there)),
            Self::Clash(_, help) | Self::Doubtful(_, help) => (*help).to_owned(),
            Self::Twice { what, key: "file" } => {
                format!("leave one of them out; one that comes from another file goes with `\"-{what}\"` in `file`")
            }
            Self::Twice { .. } => "leave one of them out".to_owned(),
            Self::WrongType { key, found: "a number", .. } if key == "mode" => {
                "write it as a string of octal digits: `mode = \"0755\"`".to_owned()
            }
            Self::Read { .. } | Self::Syntax(_) | Self::WrongType { .. } | Self::Form { .. } => return None,
        })
    }
}

impl Problem {
    /// The file's path and the line, counted from 1, that the mistake is in; nothing where it has no place.
    pub fn location(&self) -> Option<(String, usize)> {
        let (source, place) = self.place.as_ref()?;
        let line = source.inner().as_bytes()[..place.start].iter().filter(|byte| **byte == b'\n').count() + 1;
        Some((source.name().to_owned(), line))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.mistake.fmt(f)
    }
}

impl std::error::Error for Problem {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.mistake.source()
    }
}

impl Diagnostic for Problem {
    fn severity(&self) -> Option<Severity> {
        Some(self.severity)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.mistake.help().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.place.as_ref().map(|(source, _)| source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let (_, place) = self.place.as_ref()?;
        let label = LabeledSpan::new(Some(self.mistake.label()), place.start, place.end - place.start);
        Some(Box::new(std::iter::once(label)))
    }
}

impl Diagnostic for RecipeErrors {
    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        Some(Box::new(self.problems.iter().map(|problem| problem as &dyn Diagnostic)))
    }
}

/// Words in backquotes with commas.
pub(super) fn quoted(words: &[impl AsRef<str>]) -> String {
    words.iter().map(|word| format!("`{}`", word.as_ref())).collect::<Vec<_>>().join(", ")
}

/// The one of `known` that looks most like `word`, where one looks alike at all.
pub(super) fn nearest(word: &str, known: impl IntoIterator<Item = &'static str>) -> Option<&'static str> {
    let rated = known.into_iter().map(|candidate| (strsim::jaro_winkler(word, candidate), candidate));
    let best = rated.max_by(|(one, _), (other, _)| one.total_cmp(other));
    best.filter(|(likeness, _)| *likeness > 0.8).map(|(_, candidate)| candidate)
}

/// A path with the ending that recipes have.
fn whole(path: &Path) -> PathBuf {
    let mut whole = path.as_os_str().to_owned();
    whole.push(".toml");
    whole.into()
}

fn count(problems: usize) -> String {
    if problems == 1 { "it has 1 mistake".to_owned() } else { format!("it has {problems} mistakes") }
}
