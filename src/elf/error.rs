//! Why a file is no program that can be used.

use std::io;

use crate::platform::Platform;
use crate::tree::ResolveError;

/// Why an ELF file cannot be read.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ElfError {
    /// Its tables contradict its size or each other.
    #[error("it is a damaged ELF file: {reason}")]
    #[diagnostic(help("build or fetch it again; `readelf -a FILE` shows what is left"))]
    Damaged {
        /// What is wrong.
        reason: String,
    },
    /// The system said no.
    #[error("its bytes cannot be had")]
    Io(#[from] io::Error),
}

impl ElfError {
    pub(super) fn damaged(reason: impl ToString) -> Self {
        Self::Damaged { reason: reason.to_string() }
    }
}

/// Why a program cannot start in an image.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ProgramError {
    /// It is for another architecture or system.
    #[error("cannot run `{path}` on {expected}: it is for {found}")]
    #[diagnostic(help(
        "build it for {expected}, or name its own platform in `platforms`; for several platforms, \
         `source = {{ \"linux/amd64\" = \"...\", \"linux/arm64\" = \"...\" }}` takes a file for each"
    ))]
    Platform {
        /// Its path in the image, or that of the local file.
        path: String,
        /// What the image is for.
        expected: Platform,
        /// What the program is for.
        found: String,
    },
    /// It is linked dynamically, and what it loads is not there.
    #[error("cannot run `{path}` in this image: it is linked dynamically, and there is no {}", listed(missing))]
    #[diagnostic(help("{advice}"))]
    Dynamic {
        /// Its path in the image.
        path: String,
        /// The interpreter and the libraries, those that libraries need included.
        missing: Vec<String>,
        /// How to link it statically, and which base has what it needs.
        advice: String,
    },
    /// Its interpreter is there, and nobody may execute it.
    #[error("cannot run `{path}` in this image: nobody may execute its interpreter `{interpreter}` (mode {mode:04o})")]
    #[diagnostic(help("set `mode = \"0755\"` for the file of `{interpreter}`"))]
    Interpreter {
        /// Its path in the image.
        path: String,
        /// The interpreter, as the program names it.
        interpreter: String,
        /// Its mode.
        mode: u32,
    },
    /// It is an ELF file that cannot be read.
    #[error("cannot use the program `{path}`")]
    Unreadable {
        /// Its path in the image, or that of the local file.
        path: String,
        /// Why not.
        #[source]
        #[diagnostic_source]
        source: ElfError,
    },
    /// It is something else than a program for Linux.
    #[error("cannot make an image of `{path}`: it is {what}, not a program for Linux")]
    #[diagnostic(help("{advice}"))]
    NotProgram {
        /// The local file.
        path: String,
        /// `a script`.
        what: &'static str,
        /// What to do.
        advice: String,
    },
    /// A library's path leads through too many links.
    #[error("cannot look for what `{path}` needs")]
    Resolve {
        /// The program.
        path: String,
        /// Which links.
        source: ResolveError,
    },
}

fn listed(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
