//! `rootsmith import`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::platform::Platform;

/// Make an image of a root filesystem archive, without a recipe.
///
/// The archive is a tar, plain or compressed by gzip, xz, zstd or bzip2, as debootstrap, `docker export` and distributions
/// make them; or an image archive (`docker save`, OCI), whose layers become one and whose configuration is kept. Its
/// platform follows from its programs. Nothing is unpacked onto this machine.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Examples:
  rootsmith import alpine-minirootfs-3.20.3-x86_64.tar.gz -o oci:out/alpine
  docker export web | rootsmith import - web:flat -c 'CMD [\"nginx\"]' -o docker-daemon:
  rootsmith import saved.tar --image app:1 -c 'USER 10001' -c 'ENV LANG=C.UTF-8' -o oci-archive:app.tar
  rootsmith import https://example.com/rootfs.tar.xz --sha256 DIGEST -o oci:out/base")]
pub struct ImportArgs {
    /// The archive: a file, `-` for the standard input, or an address
    #[arg(value_name = "FILE|URL|-")]
    pub archive: PathBuf,
    /// The image's name; the default is the archive's
    #[arg(value_name = "NAME[:TAG]")]
    pub name: Option<String>,
    /// Where the image goes; may be repeated, see `rootsmith build --help`
    #[arg(short, long = "output", value_name = "OUTPUT")]
    pub outputs: Vec<String>,
    /// A name, or `:TAG` for a tag alone; may be repeated
    #[arg(short, long = "tag", value_name = "NAME[:TAG]")]
    pub tags: Vec<String>,
    /// What the image says, as in a Dockerfile; may be repeated
    ///
    /// CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, MAINTAINER, STOPSIGNAL, USER, VOLUME, WORKDIR.
    #[arg(short, long = "change", value_name = "INSTRUCTION")]
    pub changes: Vec<String>,
    /// What the image's history says of its layer
    #[arg(short, long, value_name = "TEXT")]
    pub message: Option<String>,
    /// What the image is for; an error where the archive's programs are for another
    #[arg(long, value_name = "PLATFORM")]
    pub platform: Option<Platform>,
    /// Which image of the archive, where it has several
    #[arg(long, value_name = "NAME")]
    pub image: Option<String>,
    /// How many leading components the names in the archive lose
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub strip_components: u32,
    /// The SHA-256 that the archive must have
    #[arg(long, value_name = "DIGEST")]
    pub sha256: Option<String>,
    /// How the layer is compressed
    #[arg(long, value_enum, default_value_t, value_name = "HOW")]
    pub compression: LayerCompression,
    /// How many entries the archive may have
    #[arg(long, value_name = "N", help_heading = "Limits")]
    pub max_entries: Option<u64>,
    /// How many bytes it may have, uncompressed
    #[arg(long, value_name = "BYTES", help_heading = "Limits")]
    pub max_bytes: Option<u64>,
    /// How many times its compressed size it may have, once it exceeds 100 MB
    #[arg(long, value_name = "TIMES", help_heading = "Limits")]
    pub max_ratio: Option<u64>,
    /// Use no network: an address must be in the store, by its --sha256
    #[arg(long)]
    pub offline: bool,
    /// A file of certificates (PEM) trusted for downloads beside the system's; may be repeated
    #[arg(long = "ca-file", value_name = "FILE")]
    pub certificates: Vec<PathBuf>,
    /// How registries are reached.
    #[command(flatten)]
    pub registry: super::RegistryArgs,
    /// How long servers are waited for.
    #[command(flatten)]
    pub patience: super::PatienceArgs,
    /// How many threads work; the image does not depend on it
    #[arg(long, value_name = "N", value_parser = super::count)]
    pub threads: Option<NonZeroUsize>,
    /// Print one JSON object in place of the digest
    #[arg(long)]
    pub json: bool,
}

/// How a layer's tar is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LayerCompression {
    /// gzip, which every client reads.
    #[default]
    Gzip,
    /// zstd: smaller and faster; Docker from version 23 on reads it.
    Zstd,
    /// Not at all.
    None,
}
