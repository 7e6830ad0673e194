//! `rootsmith layer`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;

use crate::cli::args::NetworkArgs;
use crate::recipe::CondaPrefix;

/// Put a conda environment on a finished image.
///
/// The image's own layers stay as they are, byte for byte; the environment comes on top as further layers. Its packages
/// are locked in a file beside the environment's.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Examples:
  rootsmith layer oci:out/trixie --conda environment.yml -o oci:out/app
  rootsmith layer oci-archive:base.tar --conda pixi.lock -t app:1 -o docker-daemon:app:1
  docker save base:1 -o base.tar && rootsmith layer base.tar --conda environment.yml -o oci-archive:app.tar")]
pub struct LayerArgs {
    /// The image, as `build` names outputs: `oci:DIR[:TAG]`, `oci-archive:FILE`, `docker-archive:FILE`; or a path
    #[arg(value_name = "IMAGE")]
    pub image: String,
    /// What is in the environment: environment.yml, pixi.lock, conda-lock.yml or an explicit list
    #[arg(long, value_name = "FILE", required = true)]
    pub conda: PathBuf,
    /// Where it is in the image; the default is /opt/conda/envs/default
    #[arg(long, value_name = "PATH", value_parser = prefix)]
    pub prefix: Option<CondaPrefix>,
    /// A channel in place of those of the file; may be repeated
    #[arg(long = "channel", value_name = "CHANNEL")]
    pub channels: Vec<String>,
    /// A channel that packages may come from, where not all may; may be repeated
    #[arg(long = "allowed-channel", value_name = "CHANNEL")]
    pub allowed_channels: Vec<String>,
    /// Which environment of a pixi.lock
    #[arg(long, value_name = "NAME")]
    pub environment_name: Option<String>,
    /// The platform, where the image has several
    #[arg(long, value_name = "PLATFORM")]
    pub platform: Option<crate::platform::Platform>,
    /// Where the result goes; may be repeated
    ///
    /// `TRANSPORT:PLACE`, as for `build`.
    #[arg(short, long = "output", value_name = "OUTPUT")]
    pub outputs: Vec<String>,
    /// What the result is called; may be repeated
    #[arg(short, long = "tag", value_name = "NAME:TAG")]
    pub tags: Vec<String>,
    /// Which inputs may change, and from where they come.
    #[command(flatten)]
    pub network: NetworkArgs,
    /// How many threads work; the image does not depend on it
    #[arg(long, value_name = "N")]
    pub threads: Option<NonZeroUsize>,
}

fn prefix(text: &str) -> Result<CondaPrefix, String> {
    text.parse().map_err(|misfit: crate::recipe::Misfit| format!("expected {}", misfit.expected))
}
