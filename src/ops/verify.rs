//! `verify`: whether an image is what its recipe and lock give.

use serde::Serialize;

use crate::archive::Limits;
use crate::context::Context;
use crate::digest::Digest;
use crate::error::Error;
use crate::image::{self, Artifact, Choice, Image, Index};
use crate::ops::build::{self, BuildOptions, Forged};
use crate::ops::diff::{self, Diff};
use crate::ops::lock;
use crate::ops::subject::{self, Held, Subject};
use crate::platform::{AnyPlatform, Platform};
use crate::recipe;

/// What to verify.
#[derive(Clone, Debug)]
pub struct VerifyOptions {
    /// The image, or a root filesystem.
    pub image: Subject,
    /// The recipe that it should be of, and how it is built. The lock must be there and fit.
    pub build: BuildOptions,
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Verified {
    /// The version of this structure: `rootsmith.verify/1`.
    pub schema: &'static str,
    /// The image.
    pub image: String,
    /// The recipe.
    pub recipe: String,
    /// Whether the image is what the recipe gives: the same bytes.
    pub same: bool,
    /// Its digest; nothing for a root filesystem alone, or an archive that only Docker reads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<Digest>,
    /// The digest of what the recipe gives.
    pub expected: Digest,
    /// Each platform of the recipe.
    pub platforms: Vec<VerifiedPlatform>,
}

/// What came of one platform.
#[derive(Clone, Debug, Serialize)]
pub struct VerifiedPlatform {
    /// Which.
    pub platform: String,
    /// Whether it is the same.
    pub same: bool,
    /// What is different, from the image to what the recipe gives; nothing where it is the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diff: Option<Diff>,
    /// What else there is to say: files that are the same, but packed otherwise.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Builds the recipe anew from its lock and compares. Nothing of earlier builds but downloads is recalled.
pub fn verify(options: &VerifyOptions, context: &Context) -> Result<Verified, Error> {
    let build = &options.build;
    context.store.forget();
    let recipe = recipe::load(&build.recipe, build.variant.as_deref())?;
    recipe.warnings.iter().for_each(|warning| context.reporter.warn(&warning.to_string()));
    let locked = lock::LockOptions { locked: true, ..build.lock.clone() };
    let lock = lock::current(&recipe, &build.recipe, &locked, context)?;
    let (image, _folder) = subject::bring_near(&options.image, None, build, context)?;
    let mut platforms = Vec::new();
    let mut images: Vec<Image> = Vec::new();
    let mut found = None;
    for platform in recipe.platforms.iter().copied() {
        let mut held = subject::open(&image, Some(&platform.into()), build, context)?;
        held.name = options.image.name();
        found = found.or_else(|| held.image.as_ref().and_then(|image| image.digest));
        let forged = build::for_platform(&recipe, &lock, platform, build, context)?;
        images.push(forged.image.clone());
        platforms.push(compare(platform, &mut held, forged)?);
    }
    let artifact = match images.as_slice() {
        [one] => Artifact::Image(Box::new(one.clone())),
        _ => Artifact::Index(Box::new(Index::assemble(images, Default::default())?)),
    };
    // What the name leads to counts: an index may name more than the recipe's images.
    if let Subject::Stored { path, tag } = &image {
        found = entry(path, tag, recipe.platforms.first().copied(), context)?;
    }
    let expected = artifact.digest();
    let digests_agree = found.is_none_or(|found| found == expected);
    let same = platforms.iter().all(|platform| platform.same) && digests_agree;
    Ok(Verified {
        schema: "rootsmith.verify/1",
        image: options.image.name(),
        recipe: build.recipe.display().to_string(),
        same,
        found,
        expected,
        platforms,
    })
}

/// The digest of what the image's name leads to: of an index, where it has one.
fn entry(
    path: &std::path::Path,
    tag: &Option<String>,
    platform: Option<Platform>,
    context: &Context,
) -> Result<Option<Digest>, Error> {
    let choice = Choice { tag: tag.clone(), platform: platform.map(AnyPlatform::from) };
    match image::locate(path, &choice, &Limits::images(), &context.store.temporary()) {
        Ok(stored) => Ok(stored.entry),
        // A root filesystem has none.
        Err(image::OpenError::NotImage(_)) => Ok(None),
        Err(source) => Err(Error::Open { path: path.display().to_string(), source }),
    }
}

/// Images are the same where their manifests are; those without a manifest, where their configurations are, which name
/// the layers' contents. Root filesystems are the same where all files are, times included.
fn compare(platform: Platform, held: &mut Held, forged: Forged) -> Result<VerifiedPlatform, Error> {
    let made = subject::of_image(&forged.image);
    let there = held.image.clone();
    let same = there.as_ref().map(|there| match there.digest {
        Some(digest) => Some(digest) == made.digest,
        None => there.config_digest == made.config_digest,
    });
    if same == Some(true) {
        return Ok(VerifiedPlatform { platform: platform.to_string(), same: true, diff: None, notes: Vec::new() });
    }
    let image = there.is_some().then(|| made.clone());
    let mut made_held = Held::new(format!("what the recipe gives for {platform}"), forged.rootfs.tree, image);
    let diff = diff::compare(held, &mut made_held, true)?;
    let mut notes = Vec::new();
    if let Some(there) = &there
        && diff.is_empty()
    {
        let diff_ids = |image: &subject::HeldImage| image.layers.iter().map(|layer| layer.diff_id).collect::<Vec<_>>();
        notes.push(match diff_ids(there) == diff_ids(&made) {
            true => "files and configuration are the same; layers are compressed otherwise, or documents are written \
                     otherwise"
                .to_owned(),
            false => "files and configuration are the same; the layers are divided or written otherwise".to_owned(),
        });
    }
    let same = there.is_none() && diff.is_empty();
    Ok(VerifiedPlatform { platform: platform.to_string(), same, diff: (!same).then_some(diff), notes })
}
