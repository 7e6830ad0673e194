//! Images of registries: a tag is looked up once, and from then on everything is fetched by its digest.

use oci_spec::image::{Descriptor, ImageConfiguration, ImageIndex, ImageManifest};

use super::{OciImageError, stored_all};
use crate::context::Context;
use crate::image::{Choice, Document, OpenError, check_types, in_indexes, with_platforms};
use crate::lock::{LockedLayer, OciPin};
use crate::oci::{self, Raw, RemoteReference};
use crate::platform::{AnyPlatform, Platform};
use crate::recipe::OciRequest;
use crate::registry::{At, Client, LARGEST_MANIFEST, Registry, RegistryError, in_parallel};
use crate::report::{Phase, Unit, counted};
use crate::store::Store;

/// Finds the image that `name` means for `platform` and pins it; without one, the only one there is, or that for this
/// machine. Its layers are not fetched yet.
pub(super) fn resolve(
    request: &OciRequest,
    image: &str,
    name: &str,
    platform: Option<Platform>,
    context: &Context,
) -> Result<OciPin, OciImageError> {
    let reference = reference(name)?;
    let client = Client::new(&context.http);
    let repository = &reference.repository;
    let at = match (&reference.digest, &reference.tag) {
        (Some(digest), _) => At::Digest(*digest),
        (None, tag) => At::Tag(tag.clone().unwrap_or_else(|| "latest".to_owned())),
    };
    let open = |source| OciImageError::Open { image: image.to_owned(), source };
    let mut document = client.manifest(repository, &at)?;
    let entry = document.digest;
    if is_index(&document.bytes) {
        let index: Raw<ImageIndex> = Raw::parse(&document.bytes, "image index")?;
        let choice = Choice { tag: None, platform: platform.map(AnyPlatform::from) };
        let read_document = |descriptor: &Descriptor, what| {
            let digest = oci::descriptor_digest(descriptor)?;
            Ok::<_, OciImageError>(Some(match what {
                Document::Manifest => client.manifest(repository, &At::Digest(digest))?.bytes.to_vec(),
                Document::Config => client.blob(repository, &digest, LARGEST_MANIFEST)?,
            }))
        };
        let read = |descriptor: &Descriptor| {
            let document = client.manifest(repository, &At::Digest(oci::descriptor_digest(descriptor)?))?;
            let index: Raw<ImageIndex> = Raw::parse(&document.bytes, "image index")?;
            with_platforms(index.document().manifests().clone(), &read_document)
        };
        let entries = with_platforms(index.document().manifests().clone(), &read_document)?;
        let chosen = in_indexes(&entries, &choice, &read).map_err(|error| error.into_error(open))?;
        document = client.manifest(repository, &At::Digest(oci::descriptor_digest(&chosen)?))?;
    }
    if let Some(expected) = request.digest
        && ![entry, document.digest].contains(&expected)
    {
        return Err(OciImageError::OtherDigest { image: image.to_owned(), expected, found: entry });
    }
    let manifest: Raw<ImageManifest> = Raw::parse(&document.bytes, "image manifest")?;
    check_types(manifest.document()).map_err(open)?;
    let config = oci::descriptor_digest(manifest.document().config())?;
    let bytes = client.blob(repository, &config, LARGEST_MANIFEST)?;
    context.store.put(&bytes)?;
    let document: Raw<ImageConfiguration> = Raw::parse(&bytes, "image configuration")?;
    let platform = super::place::of_image(document.document(), platform, image)?;
    Ok(OciPin {
        platform,
        image: image.to_owned(),
        name: request.name.clone().or_else(|| reference.name().map(|name| name.to_string())),
        digest: Some(entry),
        manifest: Some(manifest.digest()),
        config,
        layers: layers(manifest.document().layers(), &document).map_err(open)?,
    })
}

/// Sees to it that the store has the locked configuration and layers of the image `name`. The tag is not asked for: it may
/// be gone, or be another image's by now.
pub(super) fn gather(pin: &OciPin, name: &str, context: &Context) -> Result<(), OciImageError> {
    let store = &context.store;
    if stored_all(pin, store)? {
        return Ok(());
    }
    let reference = reference(name)?;
    let client = Client::new(&context.http);
    if store.verified(&pin.config)?.is_none() {
        store.put(&client.blob(&reference.repository, &pin.config, LARGEST_MANIFEST)?)?;
    }
    Ok(fetch_layers(pin, &client, &reference, store, context)?)
}

fn fetch_layers(
    pin: &OciPin,
    client: &Client,
    reference: &RemoteReference,
    store: &Store,
    context: &Context,
) -> Result<(), RegistryError> {
    let reporter = &*context.reporter;
    let size: u64 = pin.layers.iter().map(|layer| layer.size).sum();
    reporter.begin(Phase::Download, Some(size), Unit::Bytes);
    let mut layers: Vec<&LockedLayer> = pin.layers.iter().collect();
    // An image may have a layer twice.
    layers.sort_by_key(|layer| layer.digest);
    layers.dedup_by_key(|layer| layer.digest);
    let advance = |bytes| reporter.advance(Phase::Download, bytes);
    in_parallel(&layers, context.http.options().parallel, &advance, |layer, tell| {
        client.pull_blob(&reference.repository, &layer.digest, layer.size, store, tell)
    })?;
    reporter.end(Phase::Download, &format!("{}, {:.1} MB", counted(layers.len(), "layer"), size as f64 / 1e6));
    Ok(())
}

fn reference(name: &str) -> Result<RemoteReference, OciImageError> {
    name.parse().map_err(|source| OciImageError::Name { image: name.to_owned(), source })
}

fn is_index(bytes: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Value>(bytes).is_ok_and(|fields| fields.get("manifests").is_some())
}

fn layers(layers: &[Descriptor], config: &Raw<ImageConfiguration>) -> Result<Vec<LockedLayer>, OpenError> {
    let diff_ids = config.document().rootfs().diff_ids();
    if diff_ids.len() != layers.len() {
        return Err(OpenError::LayerCount { layers: layers.len(), diff_ids: diff_ids.len() });
    }
    let locked = layers.iter().zip(diff_ids).map(|(layer, diff_id)| {
        let digest = oci::descriptor_digest(layer).map_err(|source| OpenError::Document { source })?;
        let diff_id = diff_id.parse().map_err(|source| OpenError::Digest { source })?;
        Ok(LockedLayer { digest, size: layer.size(), diff_id })
    });
    locked.collect()
}
