//! `[[conda]]`: environments as further layers, where this program was built with them.

#[cfg(feature = "conda")]
mod forge;
#[cfg(not(feature = "conda"))]
mod missing;

use serde_json::{Value, json};

#[cfg(feature = "conda")]
pub(super) use forge::{add, layers, pin, resolve};
#[cfg(not(feature = "conda"))]
pub(super) use missing::{add, layers, pin, resolve};

use crate::digest::Digest;
use crate::epoch::Epoch;
use crate::error::Error;
use crate::image::Layer;
use crate::platform::Platform;
use crate::recipe::CondaRequest;
use crate::tree::{Inode, Tree, TreePath};

/// What environments add to an image.
#[derive(Clone, Debug, Default)]
pub(super) struct Added {
    /// Their layers, lowest first.
    pub(super) layers: Vec<Layer>,
    /// The files in them, by paths of the image.
    pub(super) files: Vec<(TreePath, Inode)>,
    /// The newest date of their packages.
    pub(super) epoch: Epoch,
}

impl Added {
    /// Puts the files on the root filesystem that they are for.
    pub(super) fn put(&self, tree: &mut Tree) -> Result<(), Error> {
        for (path, inode) in &self.files {
            tree.insert_with_parents(path.clone(), inode.clone())?;
        }
        Ok(())
    }
}

/// The same for an environment on a finished image.
pub(super) fn asked_of_layer(request: &CondaRequest, platform: Platform) -> Digest {
    let what = json!({ "conda": asked(request), "platform": platform.to_string() });
    Digest::of(&crate::oci::canonical_json(&what))
}

/// All that decides which packages are chosen.
pub(super) fn asked(request: &CondaRequest) -> Value {
    json!({
        "text": Digest::of(request.text.as_bytes()).to_string(),
        "environment": request.environment_name,
        "prefix": request.prefix.as_str(),
        "channels": request.channels,
        "allowed": request.allowed_channels,
        "priority": format!("{:?}", request.channel_priority),
        "exclude-newer": request.exclude_newer.as_ref().map(|newer| newer.seconds()),
        "virtual": request.virtual_packages,
    })
}
