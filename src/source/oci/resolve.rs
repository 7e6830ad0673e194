//! From a request for an image to a pin.

use super::{OciImageError, Place, remote, take};
use crate::context::Context;
use crate::lock::{LockedLayer, OciPin};
use crate::oci;
use crate::platform::Platform;
use crate::recipe::{ImageLocation, OciRequest};

/// Finds the image of `request` for `platform` and pins it. `image` is where it is as the lock says it.
pub fn resolve(
    request: &OciRequest,
    image: &str,
    platform: Platform,
    place: &Place,
    context: &Context,
) -> Result<OciPin, OciImageError> {
    if let ImageLocation::Registry { name } = &place.location {
        return remote::resolve(request, image, name, platform, context);
    }
    let store = &context.store;
    let found = place.find(platform, store)?;
    let stored = &found.stored;
    let manifest = stored.manifest.as_ref().map(|manifest| manifest.digest());
    let config = stored.config.digest();
    if let Some(expected) = request.digest {
        let names = [stored.entry, manifest, Some(config).filter(|_| manifest.is_none())];
        if !names.contains(&Some(expected)) {
            let found = stored.entry.unwrap_or_else(|| found.identity());
            return Err(OciImageError::OtherDigest { image: image.to_owned(), expected, found });
        }
    }
    // An engine is asked once.
    let keep = matches!(place.location, ImageLocation::DockerDaemon { .. });
    let mut layers = Vec::new();
    for layer in &stored.layers {
        let named = layer.descriptor.as_ref().map(oci::descriptor_digest).transpose()?;
        let (digest, size) = match named {
            Some(digest) if !keep => (digest, layer.content.size()),
            _ => {
                let blob = take("layer", &layer.content, named.as_ref(), store)?;
                (blob.digest, blob.size)
            }
        };
        layers.push(LockedLayer { digest, size, diff_id: layer.diff_id });
    }
    if keep {
        store.put(stored.config.bytes())?;
    }
    let name = request.name.clone().or_else(|| stored.name.clone());
    Ok(OciPin { platform, image: image.to_owned(), name, digest: stored.entry, manifest, config, layers })
}
