//! What can go wrong with a lock.

use std::ops::Range;
use std::path::{Path, PathBuf};

use miette::{NamedSource, SourceSpan};

/// Why a lock cannot be used.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum LockError {
    /// Its text is not that of a lock.
    #[error("cannot read the lock `{}`: {message}", text.name())]
    #[diagnostic(
        code(lock::syntax),
        help("undo the change, or write it anew: `rootsmith lock --update RECIPE`; for `layer`, remove it")
    )]
    Syntax {
        /// The file's name and text.
        #[source_code]
        text: NamedSource<String>,
        /// Where it is wrong.
        #[label("here")]
        span: SourceSpan,
        /// What is wrong.
        message: String,
    },
    /// It is not UTF-8.
    #[error("cannot read the lock `{}`: it is not text", path.display())]
    #[diagnostic(code(lock::not_text), help("remove it and write it anew: `rootsmith lock RECIPE`"))]
    NotText {
        /// The file.
        path: PathBuf,
    },
    /// It is of another version.
    #[error("cannot use the lock `{}`: it has format {found}, and this rootsmith knows format {known}", path.display())]
    #[diagnostic(
        code(lock::format),
        help(
            "use the rootsmith that wrote it, or write it anew: `rootsmith lock --update RECIPE`; for `layer`, remove it"
        )
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// The format it has.
        found: u32,
        /// The format that is known.
        known: u32,
    },
    /// Its parts contradict each other.
    #[error("cannot use the lock `{}`: {reason}", path.display())]
    #[diagnostic(
        code(lock::inconsistent),
        help("undo the change, or write it anew: `rootsmith lock --update RECIPE`; for `layer`, remove it")
    )]
    Inconsistent {
        /// The file.
        path: PathBuf,
        /// Which parts.
        reason: String,
    },
    /// The file system said no.
    #[error("cannot {what} the lock `{}`", path.display())]
    #[diagnostic(
        code(lock::io),
        help("the lock is a file beside the recipe: the folder must be one that you may write to")
    )]
    Io {
        /// `read` or `write`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

impl LockError {
    pub(super) fn syntax(text: &str, path: &Path, span: Range<usize>, message: String) -> Self {
        Self::Syntax { text: NamedSource::new(path.display().to_string(), text.to_owned()), span: span.into(), message }
    }
}
