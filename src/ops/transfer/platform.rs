//! Whether an image is for the platform that was asked for.

use oci_spec::image::ImageConfiguration;

use super::graph::Graph;
use super::origin::{Opened, read_config};
use crate::error::Error;
use crate::image::Choice;
use crate::oci::{self, Raw};
use crate::platform::AnyPlatform;
use crate::store::Store;

/// Refuses an image alone that is for another platform than `wanted`. Out of an index the right one was chosen before, and
/// what is no image is for none.
pub(super) fn check(graph: &Graph, opened: &Opened<'_>, wanted: &AnyPlatform, store: &Store) -> Result<(), Error> {
    let root = graph.nodes.last().expect("a graph has a root");
    let is_alone = graph.digest()? == oci::descriptor_digest(&opened.root)?;
    let Some((config, _)) = root.image.as_ref().filter(|_| is_alone) else { return Ok(()) };
    let bytes = read_config(&*opened.origin, config, store)?;
    let config: Raw<ImageConfiguration> = Raw::parse(&bytes, "image configuration")?;
    let choice = Choice { tag: None, platform: Some(wanted.clone()) };
    choice.check(config.document()).map_err(|source| Error::Open { path: opened.origin.name(), source })
}
