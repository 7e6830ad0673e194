//! `rootsmith push`, `pull`, `copy`, `login` and `logout`.

use std::path::PathBuf;

use clap::Args;

use super::{NetworkArgs, PatienceArgs};
use crate::platform::AnyPlatform;

/// How registries are reached.
#[derive(Clone, Debug, Default, Args)]
pub struct RegistryArgs {
    /// Talk to registries without TLS; those of this machine (localhost, 127.0.0.1) need no flag
    #[arg(long, help_heading = "Registries")]
    pub plain_http: bool,
    /// A file of logins in place of Docker's and podman's
    #[arg(long, value_name = "FILE", help_heading = "Registries")]
    pub auth_file: Option<PathBuf>,
    /// A host that may be sent a registry's login although it is of another domain; may be repeated
    #[arg(long = "trust-realm", value_name = "HOST", help_heading = "Registries")]
    pub trusted_realms: Vec<String>,
}

/// As [`RegistryArgs`], for commands that use nothing else of the network.
#[derive(Clone, Debug, Default, Args)]
pub struct RemoteArgs {
    /// How registries are reached.
    #[command(flatten)]
    pub registry: RegistryArgs,
    /// A file of certificates (PEM) trusted beside the system's; may be repeated
    #[arg(long = "ca-file", value_name = "FILE", help_heading = "Registries")]
    pub certificates: Vec<PathBuf>,
    /// How long registries are waited for.
    #[command(flatten)]
    pub patience: PatienceArgs,
}

impl RemoteArgs {
    /// The same among the flags of the network.
    pub fn network(&self) -> NetworkArgs {
        NetworkArgs {
            certificates: self.certificates.clone(),
            registry: self.registry.clone(),
            patience: self.patience,
            ..NetworkArgs::default()
        }
    }
}

/// What of an image is taken along.
#[derive(Clone, Debug, Default, Args)]
pub struct TakeArgs {
    /// Take one platform of an image that has several
    ///
    /// Without it, all are taken, and the digest stays. Engines and root filesystems take this machine's.
    #[arg(long, value_name = "PLATFORM")]
    pub platform: Option<AnyPlatform>,
    /// Leave behind what refers to the image or has a tag made of its digest: signatures, SBOMs
    #[arg(long)]
    pub no_referrers: bool,
    /// Print one JSON object in place of the digest
    #[arg(long)]
    pub json: bool,
}

/// Push an image to a registry.
///
/// What the registry has already is not sent again, and nothing of the image is changed: its digest, which is the last line
/// of the standard output, is the one that it had.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Examples:
  rootsmith push oci:out/trixie registry.example.com/team/trixie:13
  rootsmith push trixie.tar registry.example.com/team/trixie:13 registry.example.com/team/trixie:latest
  rootsmith push --push-by-digest oci:out/trixie localhost:5000/trixie")]
pub struct PushArgs {
    /// The image: `oci:DIR[:TAG]`, `oci-archive:FILE`, `docker-archive:FILE`, `docker-daemon:REF`, or a path
    #[arg(value_name = "SOURCE")]
    pub source: String,
    /// What it is called in the registry: HOST/NAME:TAG; may be repeated
    #[arg(value_name = "REF", required = true)]
    pub references: Vec<String>,
    /// Set no tag: the image is there by its digest alone
    #[arg(long)]
    pub push_by_digest: bool,
    /// What is taken along.
    #[command(flatten)]
    pub take: TakeArgs,
    /// How registries are reached.
    #[command(flatten)]
    pub remote: RemoteArgs,
}

/// Pull an image from a registry.
///
/// Layers come into the store first, several at a time; a pull that was interrupted goes on from there.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Examples:
  rootsmith pull registry.example.com/team/trixie:13 -o oci:out/trixie
  rootsmith pull debian:13 -o oci-archive:debian.tar      all platforms, and what refers to them
  rootsmith pull debian:13 --platform linux/arm64 -o rootfs-tar:debian.tar")]
pub struct PullArgs {
    /// The image: HOST/NAME:TAG, HOST/NAME@DIGEST
    #[arg(value_name = "REF")]
    pub reference: String,
    /// Where it goes; may be repeated, see `rootsmith build --help`
    #[arg(short, long = "output", value_name = "OUTPUT", required = true)]
    pub outputs: Vec<String>,
    /// What is taken along.
    #[command(flatten)]
    pub take: TakeArgs,
    /// How registries are reached.
    #[command(flatten)]
    pub remote: RemoteArgs,
}

/// Copy an image from one place to others, byte for byte.
///
/// Between repositories of one registry nothing is pulled: it is told to mount the layers.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Examples:
  rootsmith copy docker://registry.example.com/base:13 docker://mirror.example.com/base:13
  rootsmith copy docker://registry.example.com/base:13 oci-archive:base.tar      out to where there is no network
  rootsmith copy oci-archive:base.tar docker://inside.example.com/base:13        and in again, with the same digest")]
pub struct CopyArgs {
    /// The image, with its transport: `docker://REF`, `oci:DIR[:TAG]`, `oci-archive:FILE`, ...
    #[arg(value_name = "SOURCE")]
    pub source: String,
    /// Where it goes, with its transport; may be repeated
    #[arg(value_name = "DESTINATION", required = true)]
    pub destinations: Vec<String>,
    /// What is taken along.
    #[command(flatten)]
    pub take: TakeArgs,
    /// How registries are reached.
    #[command(flatten)]
    pub remote: RemoteArgs,
}

/// Keep the login for a registry.
///
/// It is tried first. It goes to Docker's config.json, or to the program that this names for it, where docker, podman and
/// skopeo find it too; REGISTRY_AUTH_FILE or --auth-file name another file.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Examples:
  rootsmith login registry.example.com -u me
  echo \"$TOKEN\" | rootsmith login ghcr.io -u me --password-stdin")]
pub struct LoginArgs {
    /// The registry, or a repository in it: HOST[/NAME]
    #[arg(value_name = "REGISTRY")]
    pub registry: String,
    /// The user; asked for on a terminal
    #[arg(short, long = "username", value_name = "USER")]
    pub user: Option<String>,
    /// Read the password or token from the standard input
    #[arg(long)]
    pub password_stdin: bool,
    /// How registries are reached.
    #[command(flatten)]
    pub remote: RemoteArgs,
}

/// Forget the login for a registry.
#[derive(Clone, Debug, Args)]
pub struct LogoutArgs {
    /// The registry, or a repository in it: HOST[/NAME]
    #[arg(value_name = "REGISTRY")]
    pub registry: String,
    /// The file that it is in, in place of Docker's
    #[arg(long, value_name = "FILE")]
    pub auth_file: Option<PathBuf>,
}
