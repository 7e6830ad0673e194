//! What can go wrong with a capture.

use std::io;
use std::path::PathBuf;

use miette::Diagnostic;

use super::report::{Report, Secret};
use crate::tree::{TreeError, TreePath};

/// Why a machine or folder cannot be captured.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum CaptureError {
    /// The folder cannot be opened.
    #[error("cannot capture `{}`", path.display())]
    #[diagnostic(help("name a folder of this machine that you may read: `rootsmith capture / -o oci:DIR`"))]
    Root {
        /// Which one.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A disk does not give what it holds.
    #[error("cannot read `{path}` of the captured files")]
    #[diagnostic(help("leave it out with `--exclude {path}` (in a recipe, `exclude`), if it can be spared"))]
    Read {
        /// Which file.
        path: TreePath,
        /// Why not.
        source: io::Error,
    },
    /// Files that this user may not read.
    #[error("cannot read {} of the captured files, such as `{}`", paths.len(), paths.first().map_or("", String::as_str))]
    #[diagnostic(help(
        "capture as root; or leave them out: `--exclude PATH` for some, `--skip-unreadable` for all (in a recipe, \
         `skip-unreadable = true`)"
    ))]
    Unreadable {
        /// Which ones.
        paths: Vec<String>,
    },
    /// The copies cannot be kept.
    #[error("cannot keep the captured files in `{}`", path.display())]
    #[diagnostic(help(
        "a capture keeps a copy of all files while it works: choose a store with enough space with `--store DIR`"
    ))]
    Spool {
        /// Where they are kept.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file system that was asked for is not there.
    #[error("nothing is mounted at `{0}` of the captured folder")]
    #[diagnostic(help("`findmnt` lists what is mounted; a path is that of the image, from the captured folder on"))]
    NotMounted(String),
    /// Folders in folders without an end.
    #[error("cannot capture `{0}`: it is more than 500 folders deep")]
    #[diagnostic(help("leave it out: `--exclude PATH` (in a recipe, `exclude`) with a folder above it"))]
    TooDeep(TreePath),
    /// Secrets are left.
    #[error(
        "the captured files hold {} that no preset removes and nobody has allowed: nothing was written",
        secrets(report.refused().count())
    )]
    #[diagnostic(help(
        "leave each out with `--exclude PATH`, or allow it with `--allow PATH` or `--allow RULE:PATH`; in a recipe, \
         `exclude` and `allow`. `--report FILE` writes all of them"
    ))]
    Secrets {
        /// All that was found.
        report: Box<Report>,
        /// The first of them.
        #[related]
        first: Vec<Finding>,
    },
    /// The tree does not take an entry.
    #[error("cannot put the captured files together")]
    Tree(#[from] TreeError),
}

/// A secret for which a capture is refused.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("{path}, line {line}: {what} (rule `{rule}`)")]
pub struct Finding {
    path: String,
    line: u64,
    what: &'static str,
    rule: &'static str,
}

/// How many secrets a message lists.
const LISTED: usize = 20;

impl CaptureError {
    /// The refusal for what a report lists.
    pub(super) fn refused(report: Report) -> Self {
        let finding = |secret: &Secret| {
            let Secret { path, line, what, rule, .. } = secret.clone();
            Finding { path, line, what, rule }
        };
        let first = report.refused().take(LISTED).map(finding).collect();
        Self::Secrets { report: Box::new(report), first }
    }
}

fn secrets(count: usize) -> String {
    if count == 1 { "a secret".to_owned() } else { format!("{count} secrets") }
}
