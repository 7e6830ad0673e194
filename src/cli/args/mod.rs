//! What can be typed.

mod build;
mod capture;
mod compare;
mod image;
mod import;
mod layer;
mod registry;
mod store;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use build::{BuildArgs, LockArgs, Secret};
pub use capture::CaptureArgs;
pub use compare::{DiffArgs, ExplainArgs, RecipeArgs, VerifyArgs};
pub use image::{InitArgs, InspectArgs};
pub use import::{ImportArgs, LayerCompression};
pub use layer::LayerArgs;
pub use registry::{CopyArgs, LoginArgs, LogoutArgs, PullArgs, PushArgs, RegistryArgs, RemoteArgs, TakeArgs};
pub use store::{GcArgs, StoreArgs, StoreCommand};

use crate::http::HttpOptions;

/// Reads how many of something there are to be.
fn count(text: &str) -> Result<NonZeroUsize, String> {
    let number: usize = text.parse().map_err(|error: std::num::ParseIntError| error.to_string())?;
    NonZeroUsize::new(number).ok_or_else(|| "it has to be at least 1".to_owned())
}

/// Forge reproducible container base images from recipes.
#[derive(Debug, Parser)]
#[command(
    name = "rootsmith",
    version,
    propagate_version = true,
    arg_required_else_help = true,
    after_long_help = "\
Examples:
  rootsmith build trixie.toml -o oci:out/trixie       build an image into an OCI layout
  rootsmith lock --check trixie.toml                  say whether newer packages exist
  rootsmith doctor                                    say what this machine can do

Exit codes:
  0    done
  1    the answer is no: findings, a mismatch, a difference
  2    what was typed or written: a flag, a recipe, a stale lock
  3    this machine: a missing program, a full disk, no network
  4    somebody else's: a mirror, a registry
  70   a bug in rootsmith
  130  ended by Ctrl-C

Environment:
  ROOTSMITH_STORE                    where the store is (see --store)
  ROOTSMITH_LOG                      what is logged: warn, info, debug, trace, or a filter
  RATTLER_AUTH_FILE, NETRC           logins for conda channels
  SOURCE_DATE_EPOCH                  the image's timestamp, in seconds since 1970
  http_proxy, https_proxy, no_proxy  as for curl; apt's own proxies come first
  ROOTSMITH_REGISTRY                 a registry, with ..._USER and ..._PASSWORD: the login for it
  DOCKER_AUTH_CONFIG                 logins, as the text of a config.json
  DOCKER_CONFIG, REGISTRY_AUTH_FILE  where logins are, as for docker and podman
  NO_COLOR                           no colours"
)]
pub struct Cli {
    /// What applies everywhere.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What applies everywhere.
#[derive(Clone, Debug, Default, Args)]
pub struct GlobalArgs {
    /// The folder of the store
    ///
    /// Downloads and results are kept there by digest, for every later run. The default is ROOTSMITH_STORE, else
    /// `rootsmith` in XDG_CACHE_HOME or ~/.cache.
    #[arg(long, global = true, value_name = "DIR", help_heading = "Global options")]
    pub store: Option<PathBuf>,
    /// How progress is shown
    ///
    /// `auto` shows bars on a terminal and a line for each phase elsewhere. `json` prints one object a line. It goes to
    /// the standard error, as does everything but the answer.
    #[arg(long, global = true, value_enum, default_value_t, value_name = "HOW", help_heading = "Global options")]
    pub progress: Progress,
    /// Whether to use colours
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN", help_heading = "Global options")]
    pub color: Color,
    /// Say more: -v what is done, -vv in detail, -vvv everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = "Global options")]
    pub verbose: u8,
}

/// How progress is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Progress {
    /// Bars on a terminal, lines elsewhere.
    #[default]
    Auto,
    /// Bars.
    Bars,
    /// A line for each phase.
    Lines,
    /// A JSON object a line.
    Json,
    /// Nothing.
    None,
}

/// Whether to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Build the image of a recipe
    Build(Box<BuildArgs>),
    /// Make an image of a machine or a folder as it is now
    Capture(Box<CaptureArgs>),
    /// Resolve a recipe to exact inputs, in a lock beside it
    Lock(Box<LockArgs>),
    /// Put a conda environment on a finished image, as further layers
    Layer(Box<LayerArgs>),
    /// Make an image of a root filesystem archive, without a recipe
    Import(Box<ImportArgs>),
    /// Show what is in an image: configuration, layers, packages, largest paths
    Inspect(InspectArgs),
    /// Push an image to a registry
    Push(Box<PushArgs>),
    /// Pull an image from a registry
    Pull(Box<PullArgs>),
    /// Copy an image between registries, layouts, archives and engines
    Copy(Box<CopyArgs>),
    /// Keep the login for a registry
    Login(LoginArgs),
    /// Forget the login for a registry
    Logout(LogoutArgs),
    /// Show what two images have differently: packages, configuration, files
    Diff(Box<DiffArgs>),
    /// Rebuild an image from its recipe's lock, and compare
    Verify(Box<VerifyArgs>),
    /// Write a recipe to begin with
    Init(InitArgs),
    /// Print the JSON schema of recipes, for editors
    #[command(after_long_help = "Examples:\n  rootsmith schema > rootsmith.schema.json")]
    Schema(SchemaArgs),
    /// Look after the store: what is in it, what is damaged, what may go
    Store(StoreArgs),
    /// Say what each source and output needs, and what this machine has
    #[command(after_long_help = "Examples:\n  rootsmith doctor\n  rootsmith doctor --json | jq .doors")]
    Doctor(DoctorArgs),
    /// Print a completion script for a shell
    #[command(
        after_long_help = "Examples:\n  rootsmith completions bash > ~/.local/share/bash-completion/completions/rootsmith\n  \
                           rootsmith completions zsh > ~/.zfunc/_rootsmith"
    )]
    Completions(CompletionsArgs),
    /// Explain an error by its code, or which package, pass or layer put a file into an image
    #[command(
        after_long_help = "Examples:\n  rootsmith explain http::mismatch\n  rootsmith explain /usr/bin/env --image oci:out/trixie\n  \
                           rootsmith explain /etc/passwd --image trixie.toml\n  rootsmith explain"
    )]
    Explain(Box<ExplainArgs>),
}

impl Command {
    /// Where it writes images or root filesystems, in the words that were typed.
    pub fn outputs(&self) -> &[String] {
        match self {
            Self::Build(arguments) => &arguments.outputs,
            Self::Capture(arguments) => &arguments.outputs,
            Self::Layer(arguments) => &arguments.outputs,
            Self::Import(arguments) => &arguments.outputs,
            Self::Pull(arguments) => &arguments.outputs,
            Self::Copy(arguments) => &arguments.destinations,
            _ => &[],
        }
    }
}

/// Which inputs may change, and from where they come.
#[derive(Clone, Debug, Default, Args)]
pub struct NetworkArgs {
    /// Use the lock as it is: an error where it does not fit the recipe
    #[arg(long, help_heading = "Inputs")]
    pub locked: bool,
    /// Use no network: everything must be in the store
    #[arg(long, help_heading = "Inputs")]
    pub offline: bool,
    /// Both --locked and --offline
    #[arg(long, help_heading = "Inputs")]
    pub frozen: bool,
    /// A mirror to ask before the others; may be repeated
    ///
    /// An address of http, https or file, or a folder. It stands for the main repository of the recipe's distribution;
    /// `debian-security=URL` is one of another repository, by its name in the lock.
    /// It is not written into the lock or the image: what counts is the digest.
    #[arg(long = "mirror", value_name = "URL", help_heading = "Inputs")]
    pub mirrors: Vec<String>,
    /// A file of certificates (PEM) trusted for downloads beside the system's; may be repeated
    #[arg(long = "ca-file", value_name = "FILE", help_heading = "Inputs")]
    pub certificates: Vec<PathBuf>,
    /// How long servers are waited for.
    #[command(flatten)]
    pub patience: PatienceArgs,
    /// How registries are reached.
    #[command(flatten)]
    pub registry: RegistryArgs,
}

/// How long servers are waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Args)]
pub struct PatienceArgs {
    /// How often a mirror or registry is asked again where its trouble may pass, after ever longer pauses
    #[arg(long, value_name = "N", default_value_t = HttpOptions::default().retries, help_heading = "Network")]
    pub retries: u32,
    /// After how many seconds of silence, or of less than 1 KiB a second, a mirror or registry is given up
    #[arg(long, value_name = "SECONDS", default_value_t = HttpOptions::default().patience.as_secs(),
          value_parser = clap::value_parser!(u64).range(1..), help_heading = "Network")]
    pub timeout: u64,
}

impl Default for PatienceArgs {
    fn default() -> Self {
        let HttpOptions { retries, patience, .. } = HttpOptions::default();
        Self { retries, timeout: patience.as_secs() }
    }
}

impl NetworkArgs {
    /// Whether the network is off.
    pub fn is_offline(&self) -> bool {
        self.offline || self.frozen
    }

    /// Whether the lock must not change.
    pub fn is_locked(&self) -> bool {
        self.locked || self.frozen
    }
}

/// `rootsmith doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// `rootsmith completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// `rootsmith schema`.
#[derive(Debug, Args)]
pub struct SchemaArgs {}

#[cfg(test)]
mod tests;
