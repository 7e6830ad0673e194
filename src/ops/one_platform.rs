//! Outputs that take one platform, and images for several.

use std::borrow::Cow;
use std::fmt;

use crate::context::Context;
use crate::dest::Target;
use crate::error::Error;
use crate::image::Artifact;
use crate::platform::{Architecture, Platform};

/// Looks at whether `targets` take an image for all of `platforms`, before it is made.
pub(super) fn check(targets: &[Target], platforms: &[Platform]) -> Result<(), Error> {
    if platforms.len() < 2 {
        return Ok(());
    }
    if targets.iter().any(|target| !target.takes_images()) {
        return Err(files_of_several(platforms.len()));
    }
    let is_there = host().is_some_and(|host| platforms.contains(&host));
    match targets.iter().find(|target| target.takes_one_platform() && !is_there) {
        Some(target) => Err(none_for_host(target, &joined(platforms))),
        None => Ok(()),
    }
}

/// What of the image goes to `target`: all, or where that takes one platform, of several that of this machine.
pub(super) fn artifact<'a>(
    artifact: &'a Artifact,
    target: &Target,
    context: &Context,
) -> Result<Cow<'a, Artifact>, Error> {
    let index = match artifact {
        Artifact::Index(index) if target.takes_one_platform() => index,
        _ => return Ok(Cow::Borrowed(artifact)),
    };
    let Some(image) = index.images.iter().find(|image| Some(image.platform) == host()) else {
        let there: Vec<Platform> = index.images.iter().map(|image| image.platform).collect();
        return Err(none_for_host(target, &joined(&there)));
    };
    note(target, &image.platform, context);
    Ok(Cow::Owned(Artifact::Image(Box::new(image.clone()))))
}

/// Says which of several images went to a target that takes one.
pub(super) fn note(target: &dyn fmt::Display, platform: &dyn fmt::Display, context: &Context) {
    let others = "`--platform` names another, and `-o oci-archive:FILE` holds all";
    context.reporter.note(&format!("{target} holds the image for {platform} alone: {others}"));
}

/// Why several images, none of them for this machine, cannot go to a target that takes one.
pub(super) fn none_for_host(target: &dyn fmt::Display, there: &str) -> Error {
    Error::Usage {
        message: format!("cannot write `{target}`: it holds one platform, and none of the images is for this machine"),
        help: format!(
            "name one, `--platform PLATFORM`, or write `-o oci-archive:FILE`, which holds all; there are: {there}"
        ),
    }
}

/// Why there is no root filesystem to write alone.
pub(super) fn files_of_several(platforms: usize) -> Error {
    Error::Usage {
        message: format!("cannot write a root filesystem alone: the image is for {platforms} platforms"),
        help: "name one of them, `--platform PLATFORM`, or write an image: `-o oci:DIR`".to_owned(),
    }
}

fn host() -> Option<Platform> {
    Architecture::host().map(|architecture| Platform { architecture })
}

fn joined(platforms: &[Platform]) -> String {
    platforms.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
