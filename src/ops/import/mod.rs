//! `import`: an image of an archive that somebody else made, without a recipe.

mod input;

use std::io::Read;
use std::path::PathBuf;

use crate::archive::Limits;
use crate::context::Context;
use crate::dest::Target;
use crate::digest::Digest;
use crate::epoch::Epoch;
use crate::error::Error;
use crate::image::{Artifact, Change, Choice, Image, ImageConfig, Input, Packing, RunSettings};
use crate::oci::Reference;
use crate::ops::build::Built;
use crate::ops::config;
use crate::ops::forge;
use crate::ops::places;
use crate::ops::programs;
use crate::ops::publish::{self, Finished};
use crate::pass;
use crate::platform::{AnyPlatform, Architecture, Platform};
use crate::source::archive::{ArchiveSourceError, Foreign, open};
use crate::tree::Tree;
pub use input::ImportInput;

/// What to import, and what becomes of it.
#[derive(Clone, Debug)]
pub struct ImportOptions {
    /// Where the archive is.
    pub input: ImportInput,
    /// The digest that it must have.
    pub sha256: Option<Digest>,
    /// How many leading components the names in it lose.
    pub strip_components: u32,
    /// Which image is meant, where it has several.
    pub image: Option<String>,
    /// What the image is for; where it is not said, what the archive's programs are for.
    pub platform: Option<Platform>,
    /// What the image says otherwise than the archive.
    pub changes: Vec<Change>,
    /// What the image's history says of its layer.
    pub message: Option<String>,
    /// How much the archive may hold.
    pub limits: Limits,
    /// How the layer is written.
    pub packing: Packing,
    /// Names and tags; a name follows from that of the archive where there is none.
    pub tags: Vec<String>,
    /// Where the image goes.
    pub targets: Vec<Target>,
    /// The socket of the Docker engine, for `docker-daemon:`.
    pub docker_socket: PathBuf,
    /// The time of day: newer files are warned of, and nothing else.
    pub now: Epoch,
}

/// Reads the archive, passes it through what every image goes through, and writes it to all targets.
///
/// `stream` is read where the input is the standard input.
pub fn import(options: &ImportOptions, stream: &mut dyn Read, context: &Context) -> Result<Built, Error> {
    places::check(&options.targets)?;
    let name = options.input.name();
    let file = input::find(&options.input, options.sha256, stream, context)?;
    let input = Input { path: file.path(), name: &name, strip: options.strip_components };
    let choice = Choice { tag: options.image.clone(), platform: options.platform.map(AnyPlatform::from) };
    let mut foreign = open(&input, &choice, &options.limits, context)?;
    let platform = platform(options, &foreign, &name)?;
    if context.epoch.is_none() && foreign.rootfs.epoch > options.now {
        let epoch = foreign.rootfs.epoch;
        context
            .reporter
            .warn(&format!("the newest file is of {epoch}, and so is the image: SOURCE_DATE_EPOCH sets another"));
    }
    let settings = settings(options, &foreign, &name, context)?;
    if let Some(problem) = programs::cannot_start(&settings, &foreign.rootfs.tree, platform) {
        context.reporter.note(&problem);
    }
    let epoch = foreign.rootfs.epoch;
    let names = names(options, &name)?;
    let (passes, _) = forge::apply_passes(pass::without_recipe(epoch), &mut foreign.rootfs, None, context)?;
    let created_by = options.message.as_deref().unwrap_or(config::CREATED_BY);
    let layer = forge::pack(&foreign.rootfs.tree, options.packing, created_by, context)?;
    let image = Image::assemble(platform, epoch, &settings, vec![layer])?;
    let artifact = Artifact::Image(Box::new(image));
    let finished = Finished {
        artifact: &artifact,
        trees: &[&foreign.rootfs.tree],
        names: &names,
        docker_socket: options.docker_socket.clone(),
        epoch,
        compression: options.packing.compression,
        threads: options.packing.threads,
    };
    // Contents may have been read from the file until here.
    file.check_unchanged()?;
    publish::publish(&finished, &options.targets, context)?;
    file.check_unchanged()?;
    Ok(Built { artifact, names, epoch, source: foreign.rootfs.summary, passes })
}

/// What was asked for, where the archive does not say otherwise; else what the archive says; else this machine's.
fn platform(options: &ImportOptions, foreign: &Foreign, name: &str) -> Result<Platform, Error> {
    let host = || Architecture::host().map(|architecture| Platform { architecture });
    let of_programs = foreign.platform.as_ref().map(|(platform, _)| *platform);
    let said = options.platform.or_else(|| foreign.image_platform()).or(of_programs).or_else(host);
    let platform = said.ok_or_else(|| ArchiveSourceError::NoPlatform { name: name.to_owned() })?;
    foreign.check_platform(name, platform)?;
    Ok(platform)
}

/// What the archive's image says, if it is one, with the changes.
fn settings(options: &ImportOptions, foreign: &Foreign, name: &str, context: &Context) -> Result<ImageConfig, Error> {
    let wrong = |source| ArchiveSourceError::Config { name: name.to_owned(), source };
    let mut inherited = match &foreign.config {
        Some(document) => RunSettings::read(document).map_err(wrong)?,
        None => RunSettings::default(),
    };
    if !inherited.left_out.is_empty() {
        let keys = inherited.left_out.join(", ");
        context
            .reporter
            .warn(&format!("OCI images cannot say what the image's configuration says of {keys}: it is left out"));
    }
    inherited.change(&options.changes)?;
    let user = inherited.user.map(|user| numbers(&user, &foreign.rootfs.tree)).transpose()?;
    Ok(ImageConfig { user, ..inherited.config })
}

fn numbers(user: &str, tree: &Tree) -> Result<(u32, u32), Error> {
    config::numbers(user, tree).map_err(|error| match error {
        Error::UnknownUser { name } => Error::ForeignUser { name },
        other => other,
    })
}

/// The names that were asked for, else the archive's file name as a name of an image. A name that starts with `:` is only
/// a tag.
fn names(options: &ImportOptions, archive: &str) -> Result<Vec<Reference>, Error> {
    let own = image_name(archive);
    let full = |tag: &String| if tag.starts_with(':') { format!("{own}{tag}") } else { tag.clone() };
    let names: Vec<String> =
        if options.tags.is_empty() { vec![own.clone()] } else { options.tags.iter().map(full).collect() };
    Ok(names.iter().map(|name| name.parse()).collect::<Result<_, _>>()?)
}

/// `alpine-minirootfs-3.20` of `dir/Alpine-minirootfs-3.20.tar.gz`; `imported` where nothing usable is left.
fn image_name(archive: &str) -> String {
    const ENDINGS: [&str; 12] =
        [".tar", ".gz", ".xz", ".zst", ".bz2", ".tgz", ".txz", ".tzst", ".tbz2", ".tbz", ".rootfs", ".oci"];
    let mut name = archive.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    while let Some(shorter) = ENDINGS.iter().find_map(|ending| name.strip_suffix(ending)) {
        name = shorter.to_owned();
    }
    let plain = |character: char| character.is_ascii_lowercase() || character.is_ascii_digit();
    let words: Vec<&str> = name.split(|character| !plain(character) && character != '.').collect();
    let words: Vec<&str> = words.iter().map(|word| word.trim_matches('.')).filter(|word| !word.is_empty()).collect();
    let name = words.join("-");
    if name.parse::<Reference>().is_ok() { name } else { "imported".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_give_their_names() {
        for (archive, expected) in [
            ("alpine-minirootfs-3.20.3-x86_64.tar.gz", "alpine-minirootfs-3.20.3-x86-64"),
            ("/x/Ubuntu Base.TGZ", "ubuntu-base"),
            ("https://example.com/a/rootfs.tar.xz", "rootfs"),
            ("-", "imported"),
            (".tar", "imported"),
            ("a..b.tar", "imported"),
        ] {
            assert_eq!(image_name(archive), expected, "{archive}");
        }
    }
}
