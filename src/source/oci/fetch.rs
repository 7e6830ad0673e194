//! From a pin to a root filesystem.

use std::io;

use oci_spec::image::ImageConfiguration;

use super::{OciImageError, Place, remote, stored_all, take};
use crate::archive::{Duplicates, LayerApplier, Limits, decompress, is_kept_attribute, read_layer_file};
use crate::context::Context;
use crate::lock::{LockedLayer, OciPin};
use crate::oci::Raw;
use crate::recipe::ImageLocation;
use crate::report::{Phase, Unit, counted};
use crate::source::{Rootfs, newest};
use crate::store::{Blob, Store};
use crate::tree::{Origin, Tree};

/// Applies the layers of `pin`. Those that the store lacks are taken from `place`, which must hold the locked image then.
///
/// The epoch is the newest of the files' times and the image's own. Extended attributes that belong to a machine are
/// left out.
pub fn fetch(pin: &OciPin, place: &Place, context: &Context) -> Result<Rootfs, OciImageError> {
    let (store, reporter) = (&context.store, &*context.reporter);
    let sizes: u64 = pin.layers.iter().map(|layer| layer.size).sum();
    match &place.location {
        ImageLocation::Registry { name } => remote::gather(pin, name, context)?,
        _ => gather(pin, place, store)?,
    }
    reporter.begin(Phase::Unpack, Some(sizes), Unit::Bytes);
    let limits = Limits::images();
    let mut tree = Tree::new();
    for layer in &pin.layers {
        let plain = uncompressed(layer, &limits, store)?;
        let archive = Origin::Import(format!("layer {}", layer.diff_id).into());
        let unpack = |source| OciImageError::Unpack { image: pin.image.clone(), source };
        let mut applier = LayerApplier::new(&mut tree, Duplicates::LastWins, archive.clone());
        read_layer_file(&plain.path, &archive, &limits, |item| applier.put(item)).map_err(unpack)?;
        reporter.advance(Phase::Unpack, layer.size);
    }
    for inode in tree.inodes_where(|inode| !inode.meta.xattrs.is_empty()) {
        inode.meta.xattrs.retain(is_kept_attribute);
    }
    let epoch = match context.epoch {
        Some(epoch) => epoch,
        None => newest(&tree, created(&config(pin, store)?)),
    };
    let layers = counted(pin.layers.len(), "layer");
    let summary = format!("{layers} of {}", pin.name.as_ref().unwrap_or(&pin.image));
    reporter.end(Phase::Unpack, &format!("{layers}, {:.1} MB", sizes as f64 / 1e6));
    Ok(Rootfs::new(tree, epoch, summary))
}

/// The image configuration, which the store has by now.
pub(super) fn config(pin: &OciPin, store: &Store) -> Result<Raw<ImageConfiguration>, OciImageError> {
    let blob = stored(pin, &pin.config, store)?;
    let bytes =
        std::fs::read(&blob.path).map_err(|source| OciImageError::Read { what: "image configuration", source })?;
    Ok(Raw::parse(&bytes, "image configuration")?)
}

/// A blob of the image that the store must have by now.
pub(super) fn stored(pin: &OciPin, digest: &crate::digest::Digest, store: &Store) -> Result<Blob, OciImageError> {
    store.verified(digest)?.ok_or_else(|| {
        let gone = io::Error::new(io::ErrorKind::NotFound, format!("{digest} of {} left the store", pin.image));
        OciImageError::Read { what: "blob", source: gone }
    })
}

/// Sees to it that the store has the configuration and the layers.
fn gather(pin: &OciPin, place: &Place, store: &Store) -> Result<(), OciImageError> {
    if stored_all(pin, store)? {
        return Ok(());
    }
    let found = place.find(Some(pin.platform), store)?;
    if found.identity() != pin.identity() || found.stored.layers.len() != pin.layers.len() {
        return Err(OciImageError::changed(pin, found.identity()));
    }
    // An image without a manifest is told by its configuration, so that this is the same already.
    if found.stored.config.digest() != pin.config {
        return Err(OciImageError::changed(pin, found.stored.config.digest()));
    }
    store.put(found.stored.config.bytes())?;
    for (layer, locked) in found.stored.layers.iter().zip(&pin.layers) {
        take("layer", &layer.content, Some(&locked.digest), store)?;
    }
    Ok(())
}

/// The uncompressed tar of a layer, as a blob of the store.
pub(super) fn uncompressed(layer: &LockedLayer, limits: &Limits, store: &Store) -> Result<Blob, OciImageError> {
    const WHAT: &str = "uncompressed layer";
    let plain = layer.diff_id.digest();
    if let Some(blob) = store.verified(&plain)? {
        return Ok(blob);
    }
    let unreadable = |source| OciImageError::Read { what: "layer", source };
    let gone = || unreadable(io::Error::new(io::ErrorKind::NotFound, format!("{} left the store", layer.digest)));
    let blob = store.verified(&layer.digest)?.ok_or_else(gone)?;
    let file = std::fs::File::open(&blob.path).map_err(unreadable)?;
    let mut reader = decompress(file, limits).map_err(unreadable)?;
    let mut writer = store.begin()?;
    writer.copy(&mut *reader).map_err(|error| OciImageError::copy("layer", error))?;
    writer.commit_expected(&plain).map_err(|error| OciImageError::damaged(WHAT, error))
}

/// When the image says that it was made.
fn created(config: &Raw<ImageConfiguration>) -> Option<i64> {
    let created = config.document().created().as_ref()?.parse::<jiff::Timestamp>().ok()?;
    Some(created.as_second())
}
