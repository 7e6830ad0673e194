//! `rootsmith layer`.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;

use crate::cli::args::NetworkArgs;
use crate::recipe::{
    Activate, Bytecode, ChannelPriority, CondaPrefix, CondaPreset, ExcludeNewer, LayerStrategy, Misfit, Owner, PostLink,
};

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
    /// The image, as `build` names outputs: `oci:DIR[:TAG]`, `oci-archive:FILE`, `docker-archive:FILE`,
    /// `docker-daemon:REF`, `docker://REF`; or a path
    #[arg(value_name = "IMAGE")]
    pub image: String,
    /// What is in the environment: environment.yml, pixi.lock, conda-lock.yml or an explicit list
    #[arg(long, value_name = "FILE", required = true)]
    pub conda: PathBuf,
    /// Where it is in the image; the default is /opt/conda/envs/default
    #[arg(long, value_name = "PATH", value_parser = parsed::<CondaPrefix>)]
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
    /// What the order of channels means: `strict` (the default) or `disabled`
    #[arg(long, value_name = "WORD", value_parser = parsed::<ChannelPriority>)]
    pub channel_priority: Option<ChannelPriority>,
    /// Packages published later do not exist: a day, or a date with time and zone
    #[arg(long, value_name = "DATE", value_parser = parsed::<ExcludeNewer>)]
    pub exclude_newer: Option<ExcludeNewer>,
    /// A virtual package that the solver takes to be there, such as `cuda=12.4`; may be repeated
    #[arg(long = "virtual-package", value_name = "NAME=VERSION", value_parser = pair)]
    pub virtual_packages: Vec<(String, String)>,
    /// Scripts that packages want to have run: `deny` (the default) or `run`, in the sandbox
    #[arg(long, value_name = "WORD", value_parser = parsed::<PostLink>)]
    pub post_link: Option<PostLink>,
    /// Whether Python modules are compiled: `none` (the default) or `unchecked-hash`
    #[arg(long, value_name = "WORD", value_parser = parsed::<Bytecode>)]
    pub pyc: Option<Bytecode>,
    /// A group of files to leave out: `static-libs`, `headers`, `docs`, `tests`, `source-maps`, `pkgconfig`; may be repeated
    #[arg(long, value_name = "PRESET", value_parser = parsed::<CondaPreset>)]
    pub prune: Vec<CondaPreset>,
    /// How packages are spread over layers: `auto` (the default), `single` or `per-package`
    #[arg(long, value_name = "WORD", value_parser = parsed::<LayerStrategy>)]
    pub layers: Option<LayerStrategy>,
    /// How many layers there are at most; the default is 60
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=120))]
    pub max_layers: Option<u32>,
    /// How many MiB of files a layer holds at most
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    pub max_layer_size: Option<u32>,
    /// How programs find the environment: `env`, `entrypoint` (the default) or `frozen`
    #[arg(long, value_name = "WORD", value_parser = parsed::<Activate>)]
    pub activate: Option<Activate>,
    /// Whose the environment's files are, such as `app`; root's where it is not given
    #[arg(long, value_name = "USER[:GROUP]", value_parser = parsed::<Owner>)]
    pub owner: Option<Owner>,
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
    #[arg(long, value_name = "N", value_parser = super::count)]
    pub threads: Option<NonZeroUsize>,
}

/// A value that is written as in recipes.
fn parsed<T: FromStr<Err = Misfit>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|misfit: Misfit| format!("expected {}", misfit.expected))
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, version) = text.split_once('=').ok_or("expected a name, `=` and a version, such as `cuda=12.4`")?;
    Ok((name.to_owned(), version.to_owned()))
}
