//! `rootsmith store`.

use clap::{Args, Subcommand};

/// Look after the store.
///
/// The store is a cache: whatever is removed is fetched or made again when it is needed.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  rootsmith store ls
  rootsmith store gc --older-than 7 --dry-run
  rootsmith store verify")]
pub struct StoreArgs {
    /// What to do with it.
    #[command(subcommand)]
    pub command: StoreCommand,
}

/// What can be done with the store.
#[derive(Debug, Subcommand)]
pub enum StoreCommand {
    /// Show what is in the store
    Ls {
        /// List every blob with its size in bytes
        #[arg(long)]
        blobs: bool,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Remove what has not been used for a while
    Gc(GcArgs),
    /// Read every blob, remove the damaged and name them
    ///
    /// Exits with 1 where something was damaged. It is fetched or made again when it is needed.
    Verify {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

/// Remove what has not been used for a while.
///
/// Builds that run meanwhile are safe: this is refused, or waits for them.
#[derive(Clone, Debug, Args)]
pub struct GcArgs {
    /// Remove what has not been used for this many days
    #[arg(long, value_name = "DAYS", default_value_t = 30, conflicts_with = "all")]
    pub older_than: u32,
    /// Remove everything
    #[arg(long)]
    pub all: bool,
    /// Say what would be removed, and remove nothing
    #[arg(long, conflicts_with = "wait")]
    pub dry_run: bool,
    /// Wait for builds that use the store, in place of an error
    #[arg(long)]
    pub wait: bool,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}
