//! Reading an archive into a root filesystem.

use oci_spec::image::ImageConfiguration;

use super::{ArchiveSourceError, platform};
use crate::archive::{ArchiveError, Limits};
use crate::context::Context;
use crate::image::{self, Choice, Input, OpenError};
use crate::oci::Raw;
use crate::platform::{AnyPlatform, Platform};
use crate::report::{Phase, Unit, counted};
use crate::source::{Rootfs, newest};
use crate::tree::TreePath;

/// What was in an archive that somebody else made.
pub struct Foreign {
    /// Its files.
    pub rootfs: Rootfs,
    /// The platform that its programs are for, and the one that says so; nothing where it has none.
    pub platform: Option<(Platform, TreePath)>,
    /// What it says about running it, where it is an image.
    pub config: Option<Raw<ImageConfiguration>>,
}

/// Reads the archive or layout `input`. The epoch is the time that was asked for, else that of the newest entry; times
/// after the year 2106 do not count.
///
/// Uncompressed contents are kept in the store's temporary folder for as long as this program runs.
pub fn open(
    input: &Input<'_>,
    choice: &Choice,
    limits: &Limits,
    context: &Context,
) -> Result<Foreign, ArchiveSourceError> {
    let failed = |source| ArchiveSourceError::Open { name: input.name.to_owned(), source };
    let no_tar = |what| ArchiveSourceError::NoTar { name: input.name.to_owned(), what };
    context.reporter.begin(Phase::Unpack, None, Unit::Items);
    let opened =
        image::open_input(input, choice, limits, &context.store.temporary()).map_err(|source| match source {
            OpenError::NoTar { what, .. } => no_tar(what),
            OpenError::Archive {
                source: ArchiveError::Checksum { offset: 0, .. } | ArchiveError::Truncated { offset: 0, .. },
            } => no_tar("no tar archive, or a damaged one"),
            other => failed(other),
        })?;
    let (tree, image) = opened.keep().map_err(failed)?;
    if tree.is_empty() && image.is_none() {
        let (name, strip) = (input.name.to_owned(), input.strip);
        return Err(match strip {
            0 => ArchiveSourceError::Empty { name },
            _ => ArchiveSourceError::Stripped { name, strip },
        });
    }
    context.reporter.end(Phase::Unpack, &counted(tree.len(), "entry"));
    let platform = platform(&tree).map_err(|source| ArchiveSourceError::read(input.name, source))?;
    let epoch = context.epoch.unwrap_or_else(|| newest(&tree, None));
    let summary = match &image {
        Some(image) if image.layers.len() == 1 => format!("1 layer of {}", input.name),
        Some(image) => format!("{} layers of {}", image.layers.len(), input.name),
        None => format!("{} entries of {}", tree.len(), input.name),
    };
    let rootfs = Rootfs::new(tree, epoch, summary);
    Ok(Foreign { rootfs, platform, config: image.map(|image| image.config) })
}

impl Foreign {
    /// Says no where programs, or the image itself, are for another platform than `asked`: such an image would not run.
    pub fn check_platform(&self, name: &str, asked: Platform) -> Result<(), ArchiveSourceError> {
        let name = || name.to_owned();
        if let Some(config) = &self.config
            && !AnyPlatform::from(asked).takes_config(config.document())
        {
            let found = AnyPlatform::of_config(config.document()).to_string();
            return Err(ArchiveSourceError::OtherImage { name: name(), asked, found });
        }
        match &self.platform {
            Some((found, path)) if !asked.architecture.may_run(found.architecture) => {
                let help = format!("`platforms = [\"{found}\"]` in the recipe, or `--platform {found}`");
                Err(ArchiveSourceError::OtherPlatform { name: name(), asked, found: *found, path: path.clone(), help })
            }
            _ => Ok(()),
        }
    }

    /// The platform that the image's configuration names, where it is one that is known here.
    pub fn image_platform(&self) -> Option<Platform> {
        AnyPlatform::of_config(self.config.as_ref()?.document()).known()
    }
}
