//! `rootsmith diff`, `verify` and `explain`.

use std::path::PathBuf;

use clap::Args;

use crate::cli::args::{NetworkArgs, Secret};
use crate::platform::AnyPlatform;

/// Show what two images have differently.
///
/// Packages, configuration and files: content, mode, owner, size. Exits with 1 where there is a difference.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Examples:
  rootsmith diff oci:out/trixie:old oci:out/trixie:new
  rootsmith diff trixie.toml oci-archive:released.tar
  rootsmith diff rootfs-tar:a.tar rootfs-dir:b --times
  rootsmith diff a.tar b.tar --markdown > description.md

What can be compared:
  RECIPE.toml              what the recipe gives with its lock
  oci:DIR[:TAG]            an OCI image layout
  oci-archive:FILE[:TAG]   a tar of one
  docker-archive:FILE      what `docker save` writes
  docker://REF             an image of a registry
  docker-daemon:REF        an image of the Docker engine
  rootfs-tar:FILE          a tar of a root filesystem
  rootfs-dir:DIR           a folder with a root filesystem
  PATH                     any of them, as what is found there")]
pub struct DiffArgs {
    /// The one
    #[arg(value_name = "BEFORE")]
    pub before: String,
    /// The other
    #[arg(value_name = "AFTER")]
    pub after: String,
    /// The only platform to compare, where the images have several; else all are
    #[arg(long, value_name = "PLATFORM")]
    pub platform: Option<AnyPlatform>,
    /// Compare modification times too
    #[arg(long)]
    pub times: bool,
    /// Print Markdown, for the description of a merge request
    #[arg(long, conflicts_with = "json")]
    pub markdown: bool,
    /// Print one JSON object: a `rootsmith.diff/1`, or where several platforms are compared a `rootsmith.diff-platforms/1`,
    /// whose `platforms` have one each, or say in which of both `only` the platform is
    #[arg(long)]
    pub json: bool,
    /// How recipes are built.
    #[command(flatten)]
    pub recipe: RecipeArgs,
}

/// Rebuild an image from its recipe's lock, and compare.
///
/// Prints the digest where they are the same, byte for byte; else what is different, and exits with 1.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Examples:
  rootsmith verify oci:out/trixie --recipe trixie.toml
  rootsmith verify docker-archive:trixie.tar --recipe trixie.toml --offline")]
pub struct VerifyArgs {
    /// The image, named as for `diff`
    #[arg(value_name = "IMAGE")]
    pub image: String,
    /// The recipe; its lock must be beside it, and fit
    #[arg(long = "recipe", value_name = "RECIPE")]
    pub recipe: PathBuf,
    /// The file of the lock, where it is not the one beside the recipe
    #[arg(long = "lock", value_name = "FILE")]
    pub lock: Option<PathBuf>,
    /// Print Markdown
    #[arg(long, conflicts_with = "json")]
    pub markdown: bool,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    /// How it is built.
    #[command(flatten)]
    pub how: RecipeArgs,
}

/// Explain an error by its code, or a path of an image: what it is, and which package, pass or layer put it there.
#[derive(Clone, Debug, Args)]
pub struct ExplainArgs {
    /// The code, as an error shows it, or with --image a path; without one, all codes are listed
    #[arg(value_name = "CODE|PATH")]
    pub what: Option<String>,
    /// Explain a path of this image, named as for `diff`; of a RECIPE.toml, passes and its own lines are known too
    #[arg(long, value_name = "IMAGE", requires = "what")]
    pub image: Option<String>,
    /// The platform, where the image has several
    #[arg(long, value_name = "PLATFORM", requires = "image")]
    pub platform: Option<AnyPlatform>,
    /// Print one JSON object
    #[arg(long, requires = "image")]
    pub json: bool,
    /// How recipes are built.
    #[command(flatten)]
    pub recipe: RecipeArgs,
}

/// How recipes are built that are compared or looked into.
#[derive(Clone, Debug, Default, Args)]
pub struct RecipeArgs {
    /// A variant of the recipes: [variant.NAME]
    #[arg(long, value_name = "NAME", help_heading = "Recipes")]
    pub variant: Option<String>,
    /// A secret that a recipe needs: id=NAME,src=FILE; may be repeated
    #[arg(long = "secret", value_name = "SECRET", help_heading = "Recipes")]
    pub secrets: Vec<Secret>,
    /// Which inputs may change, and from where they come.
    #[command(flatten)]
    pub network: NetworkArgs,
}
