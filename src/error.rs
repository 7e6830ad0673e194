//! Every error of the program, and the exit code of each.

use crate::http::HttpError;
use crate::lock::LockError;
use crate::store::StoreError;

/// What ended a command.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum Error {
    /// A download.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Http(#[from] HttpError),
    /// The store.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Store(#[from] StoreError),
    /// The lock.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Lock(#[from] LockError),
    /// What was typed makes no sense.
    #[error("{message}")]
    #[diagnostic(code(usage), help("{help}"))]
    Usage {
        /// What makes no sense.
        message: String,
        /// What to type.
        help: String,
    },
}

/// Whose turn it is to mend something; its number is the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Blame {
    /// What the user wrote: a recipe, a flag, a stale lock.
    Input = 2,
    /// This machine: a missing program, a full disk, no network.
    Machine = 3,
    /// Somebody else's: a mirror, a registry.
    Upstream = 4,
    /// Ours.
    Bug = 70,
}

impl Error {
    /// Whose turn it is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Http(error) if error.is_input() => Blame::Input,
            Self::Http(error) if error.is_local() => Blame::Machine,
            Self::Http(_) => Blame::Upstream,
            Self::Store(StoreError::Mismatch { .. }) => Blame::Upstream,
            Self::Store(_) | Self::Lock(LockError::Io { .. }) => Blame::Machine,
            Self::Lock(_) | Self::Usage { .. } => Blame::Input,
        }
    }

    /// The exit code of a program that ends with this error: 2, 3, 4 or 70.
    pub fn exit_code(&self) -> u8 {
        self.blame() as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes() {
        let code = |error: HttpError| Error::from(error).exit_code();
        assert_eq!(code(HttpError::NoCandidate { what: "x".into() }), 2);
        assert_eq!(code(HttpError::Offline { what: "x".into() }), 3);
        assert_eq!(code(HttpError::Absent { url: "x".into() }), 4);
        let both = vec![HttpError::Absent { url: "x".into() }, HttpError::Offline { what: "x".into() }];
        assert_eq!(code(HttpError::Exhausted { what: "x".into(), causes: both }), 4);
        assert_eq!(Error::from(StoreError::InUse { root: "/x".into() }).exit_code(), 3);
        assert_eq!(Error::from(LockError::Format { path: "x".into(), found: 2, known: 1 }).exit_code(), 2);
    }
}
