//! `rootsmith inspect` and `rootsmith init`.

use std::path::PathBuf;

use clap::Args;

/// Show what is in an image.
///
/// Its configuration, its layers, its packages and its largest paths.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Examples:
  rootsmith inspect oci:out/trixie
  rootsmith inspect oci-archive:trixie.tar --json | jq .packages
  rootsmith inspect docker://registry.example.com/team/base:13      what its registry says, without its layers
  rootsmith inspect rootfs-tar:rootfs.tar.gz
  rootsmith inspect rootfs-dir:/srv/rootfs")]
pub struct InspectArgs {
    /// The image, as `build` names outputs: `docker://REF`, `oci:DIR[:TAG]`, `oci-archive:FILE`, `rootfs-dir:DIR`; or a path
    #[arg(value_name = "IMAGE")]
    pub image: String,
    /// The platform, where the image has several
    #[arg(long, value_name = "PLATFORM")]
    pub platform: Option<crate::platform::AnyPlatform>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    /// How registries are reached.
    #[command(flatten)]
    pub remote: super::RemoteArgs,
}

/// Write a recipe to begin with.
///
/// What is not given by a flag is asked for on a terminal, and takes its default elsewhere.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Examples:
  rootsmith init
  rootsmith init base.toml --suite trixie --package ca-certificates --user app
  rootsmith init --suite bookworm --slim --yes")]
pub struct InitArgs {
    /// The file to write; the default is NAME.toml
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// The image's name; the default is `base`
    #[arg(long)]
    pub name: Option<String>,
    /// The suite of Debian or Ubuntu; the default is `trixie`
    #[arg(long)]
    pub suite: Option<String>,
    /// A package to add, in place of ca-certificates; may be repeated
    #[arg(long = "package", value_name = "NAME")]
    pub packages: Vec<String>,
    /// A user that the image runs as: NAME or NAME:NUMBER, or root; the default is `app:10001`
    #[arg(long, value_name = "USER")]
    pub user: Option<String>,
    /// Leave out documentation, manual pages and translations
    #[arg(long)]
    pub slim: bool,
    /// Ask nothing: take the defaults
    #[arg(short, long)]
    pub yes: bool,
    /// Write over a file that is there
    #[arg(long)]
    pub force: bool,
}
