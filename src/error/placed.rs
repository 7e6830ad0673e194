//! An error with the place in the recipe that led to it.

use std::fmt;
use std::sync::Arc;

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode, SourceSpan};

use crate::source::debian::ResolveError;
use crate::source::debian::solve::SolveError;

/// An error of resolving, and what the recipe says there.
#[derive(Debug)]
pub struct Placed {
    /// The error.
    pub error: ResolveError,
    /// The recipe's file.
    pub text: NamedSource<Arc<str>>,
    /// Where in it.
    pub spans: Vec<SourceSpan>,
}

impl fmt::Display for Placed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for Placed {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

impl Diagnostic for Placed {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.error.code()
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.error.help()
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.text)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let label = match self.error {
            ResolveError::Keyring { .. } | ResolveError::BadKeyring { .. } => "named here",
            ResolveError::Solve(SolveError::Excluded { .. }) => "left out here",
            _ => "asked for here",
        };
        Some(Box::new(self.spans.iter().map(move |span| LabeledSpan::new_with_span(Some(label.to_owned()), *span))))
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        self.error.related()
    }

    fn diagnostic_source(&self) -> Option<&dyn Diagnostic> {
        self.error.diagnostic_source()
    }
}
