//! Where an image is, and finding it there.

use std::path::PathBuf;

use oci_spec::image::ImageConfiguration;

use super::OciImageError;
use crate::archive::Limits;
use crate::digest::Digest;
use crate::engine::{Engine, image_name};
use crate::image::{self, Choice, OpenError, Stored};
use crate::oci::Reference;
use crate::platform::{AnyPlatform, Platform};
use crate::recipe::ImageLocation;
use crate::store::Store;

/// Where an image is.
#[derive(Clone, Debug)]
pub struct Place {
    /// The folder, file or engine, and the image's name there.
    pub location: ImageLocation,
    /// The socket of the Docker engine.
    pub socket: PathBuf,
}

impl Place {
    /// Finds the image for `platform`; without one, the only one there is, or that for this machine. What an engine has is written into the store's temporary folder, and is gone with
    /// the result.
    pub fn find(&self, platform: Option<Platform>, store: &Store) -> Result<Found, OciImageError> {
        let image = self.location.to_string();
        let open = |source| OciImageError::Open { image: image.clone(), source };
        let (path, tags, file) = match &self.location {
            ImageLocation::Layout { folder, tag } => (folder.clone(), tag.iter().cloned().collect(), None),
            ImageLocation::Archive { file, name, .. } => (file.clone(), spellings(name.as_deref()), None),
            ImageLocation::DockerDaemon { name } => {
                let file = self.save(name, &image, store)?;
                (file.path().to_owned(), Vec::new(), Some(file))
            }
            ImageLocation::Registry { .. } => unreachable!("registries have a way of their own"),
        };
        let locate = |tag: Option<String>| {
            let choice = Choice { tag, platform: platform.map(AnyPlatform::from) };
            image::locate(&path, &choice, &Limits::images(), &store.temporary())
        };
        let mut found = locate(tags.first().cloned());
        for other in tags.iter().skip(1) {
            if matches!(found, Err(OpenError::Choose { .. })) {
                found = locate(Some(other.clone()));
            }
        }
        let stored = found.map_err(open)?;
        let platform = of_image(stored.config.document(), platform, &image)?;
        Ok(Found { stored, platform, _file: file })
    }

    fn save(&self, name: &str, image: &str, store: &Store) -> Result<tempfile::NamedTempFile, OciImageError> {
        let folder = store.temporary();
        let failed = |source| OciImageError::from(store.cannot("write to", source));
        let mut file = tempfile::NamedTempFile::new_in(&folder).map_err(failed)?;
        let name = image_name(name).map_err(|source| OciImageError::Name { image: image.to_owned(), source })?;
        let saved = Engine::new(&self.socket).save(&name, &mut file);
        saved.map_err(|source| OciImageError::Engine { image: image.to_owned(), source })?;
        Ok(file)
    }
}

/// An image where it is.
pub struct Found {
    /// The image.
    pub stored: Stored,
    /// What it is for.
    pub platform: Platform,
    /// What the engine gave.
    _file: Option<tempfile::NamedTempFile>,
}

impl Found {
    /// What tells this image from all others: the digest of its manifest, or of its configuration where it has none.
    pub fn identity(&self) -> Digest {
        let manifest = self.stored.manifest.as_ref().map(|manifest| manifest.digest());
        manifest.unwrap_or_else(|| self.stored.config.digest())
    }
}

/// What an image is for that has this configuration, where that is what is wanted.
pub(super) fn of_image(
    config: &ImageConfiguration,
    wanted: Option<Platform>,
    image: &str,
) -> Result<Platform, OciImageError> {
    let there = AnyPlatform::of_config(config);
    let found = match wanted {
        Some(wanted) => AnyPlatform::from(wanted).takes_config(config).then_some(wanted),
        None => there.known(),
    };
    let (image, there) = (image.to_owned(), there.to_string());
    found.ok_or(match wanted {
        Some(wanted) => OciImageError::Platform { image, wanted, there },
        None => OciImageError::UnknownPlatform { image, there },
    })
}

/// The ways in which archives write a name.
fn spellings(name: Option<&str>) -> Vec<String> {
    let Some(name) = name else { return Vec::new() };
    let mut spellings = vec![name.to_owned()];
    if let Ok(reference) = name.parse::<Reference>() {
        spellings.extend([reference.familiar(), reference.to_string()]);
    }
    spellings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_as_archives_do() {
        assert_eq!(spellings(Some("debian:13")), ["debian:13", "debian:13", "docker.io/library/debian:13"]);
        assert!(spellings(None).is_empty());
    }
}
