//! `rootsmith build` and `rootsmith lock`.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;

use crate::cli::args::NetworkArgs;
use crate::platform::Platform;

/// Build the image of a recipe.
///
/// The recipe's request is resolved to a lock beside it, unless there is one that fits. The same lock gives the same
/// digest on every machine, which is the last line of the standard output.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Examples:
  rootsmith build trixie.toml -o oci:out/trixie
  rootsmith build trixie.toml -o docker-daemon:trixie:latest -o oci-archive:trixie.tar
  rootsmith build trixie.toml --frozen -o rootfs-tar:trixie.tar
  rootsmith build recipes/*.toml -o oci:out/{recipe} --jobs 2
  rootsmith build --binary ./app -o oci:out/app
  sed s/trixie/forky/ trixie.toml | rootsmith build - -o oci:out/forky

Outputs:
  oci:DIR[:TAG]              an OCI image layout; other tags in it stay
  oci-archive:FILE           a tar of one that docker, podman, skopeo and containerd load
  docker-archive:FILE        the same for `docker load`
  docker-daemon:REF          the Docker engine of this machine
  containers-storage:REF     the storage of podman, buildah and CRI-O
  rootfs-tar:FILE            the root filesystem alone, as a tar
  rootfs-dir:DIR             the same, as a folder
  squashfs:FILE              the same, as a SquashFS image (needs tar2sqfs)
  cpio:FILE[.gz|.zst]        the same, as a cpio: an initial root filesystem of the kernel
A FILE may be a pipe or a device, and `-` is the standard output; the digest is then on standard error.")]
pub struct BuildArgs {
    /// The recipe, or `-` for one on the standard input; or several, to be built in one run
    ///
    /// Paths in a recipe that is no file are relative to the current folder, and its lock is kept only with --lock.
    /// One that cannot be built does not stop the others. Outputs of several then have a hole for their names:
    /// `-o oci-archive:out/{recipe}.tar`.
    #[arg(value_name = "RECIPE", required_unless_present = "binaries", conflicts_with = "binaries")]
    pub recipes: Vec<PathBuf>,
    /// How many recipes are built at a time; as many as there are processors, up to 4, where it is not given
    #[arg(long, value_name = "N", value_parser = super::count)]
    pub jobs: Option<NonZeroUsize>,
    /// A static program to build an image of, without a recipe; may be repeated for other platforms
    ///
    /// The image is that of `[from.scratch]`: the program as its entrypoint, a user without privileges, and certificate
    /// authorities. Its platform is the program's.
    #[arg(long = "binary", value_name = "FILE", conflicts_with = "variant")]
    pub binaries: Vec<PathBuf>,
    /// Where the image goes; may be repeated for one build
    ///
    /// `TRANSPORT:PLACE`, with the names that skopeo uses.
    #[arg(short, long = "output", value_name = "OUTPUT")]
    pub outputs: Vec<String>,
    /// A name in place of the recipe's, or `:TAG` for a tag alone; may be repeated
    ///
    /// A tag may have the holes that those of recipes have: `:13-{epoch:%Y%m%d}`.
    #[arg(short, long = "tag", value_name = "NAME[:TAG]")]
    pub tags: Vec<String>,
    /// A variant of the recipe: [variant.NAME]
    #[arg(long, value_name = "NAME")]
    pub variant: Option<String>,
    /// One of the recipe's platforms, to be built alone; may be repeated
    #[arg(long = "platform", value_name = "PLATFORM")]
    pub platforms: Vec<Platform>,
    /// The file of the lock, where it is not the one beside the recipe
    #[arg(long = "lock", value_name = "FILE", help_heading = "Inputs")]
    pub lock: Option<PathBuf>,
    /// Which inputs may change, and from where they come.
    #[command(flatten)]
    pub network: NetworkArgs,
    /// A secret for the recipe's commands, or the login for an archive: id=NAME,src=FILE; may be repeated
    ///
    /// Commands that ask for it find it at /run/secrets/NAME. It is never in the image, the lock or a log.
    #[arg(long = "secret", value_name = "SECRET")]
    pub secrets: Vec<Secret>,
    /// Make everything anew, and recall nothing of earlier builds but downloads
    #[arg(long)]
    pub fresh: bool,
    /// How many threads work; the image does not depend on it
    #[arg(long, value_name = "N", value_parser = super::count)]
    pub threads: Option<NonZeroUsize>,
    /// Print one JSON object in place of the digest
    #[arg(long)]
    pub json: bool,
}

/// Resolve a recipe to exact inputs.
///
/// The lock is a file beside the recipe: every input by digest. A lock that fits the recipe stays as it is, unless
/// --update is given.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Examples:
  rootsmith lock trixie.toml                     write trixie.lock, where there is none that fits
  rootsmith lock --update trixie.toml            take the newest of everything, and say what changed
  rootsmith lock --update=openssl trixie.toml    take the newest of one package
  rootsmith lock --update --summary trixie.toml  the same as Markdown, for a scheduled job that opens a merge request
  rootsmith lock --check trixie.toml             exit with 1 where newer inputs exist")]
pub struct LockArgs {
    /// The recipe, or with --lock `-` for one on the standard input
    #[arg(value_name = "RECIPE")]
    pub recipe: PathBuf,
    /// Take newer inputs: of everything, or of the packages named
    #[arg(long, value_name = "NAME,...", num_args = 0..=1, require_equals = true, default_missing_value = "",
          value_delimiter = ',', conflicts_with_all = ["check", "locked", "frozen"])]
    pub update: Option<Vec<String>>,
    /// Change nothing; exit with 1 where newer inputs exist
    #[arg(long)]
    pub check: bool,
    /// Print what changed as Markdown, for a merge request: security updates apart from the others
    #[arg(long, conflicts_with = "json")]
    pub summary: bool,
    /// A variant of the recipe: [variant.NAME]
    #[arg(long, value_name = "NAME")]
    pub variant: Option<String>,
    /// A secret with the login for an archive: id=NAME,src=FILE; may be repeated
    #[arg(long = "secret", value_name = "SECRET")]
    pub secrets: Vec<Secret>,
    /// The file of the lock, where it is not the one beside the recipe
    #[arg(long = "lock", value_name = "FILE", help_heading = "Inputs")]
    pub lock: Option<PathBuf>,
    /// Which inputs may change, and from where they come.
    #[command(flatten)]
    pub network: NetworkArgs,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

impl LockArgs {
    /// The packages to update by name: `None` for no update, an empty list for all.
    pub fn updated_packages(&self) -> Option<Vec<&str>> {
        let names = self.update.as_ref()?;
        Some(names.iter().map(String::as_str).filter(|name| !name.is_empty()).collect())
    }
}

/// A secret from a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    /// Its name in the recipe.
    pub id: String,
    /// The file that holds it.
    pub source: PathBuf,
}

/// A text that describes no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected `id=NAME,src=FILE`, where NAME is of letters, digits, `-`, `_` and `.`")]
pub struct ParseSecretError;

impl FromStr for Secret {
    type Err = ParseSecretError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (id, source) =
            text.strip_prefix("id=").and_then(|rest| rest.split_once(",src=")).ok_or(ParseSecretError)?;
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if id.is_empty() || id.starts_with('.') || !id.chars().all(is_plain) || source.is_empty() {
            return Err(ParseSecretError);
        }
        Ok(Self { id: id.to_owned(), source: PathBuf::from(source) })
    }
}
