//! What a registry says of an image: its documents, and no layer.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use oci_spec::image::{Descriptor, ImageConfiguration, ImageManifest};
use serde::Serialize;

use super::text::{plain, write_config, write_list, write_platforms};
use super::{Config, config};
use crate::context::Context;
use crate::digest::Digest;
use crate::error::Error;
use crate::image::{self, Choice, NoImage, in_indexes, platform_text};
use crate::oci::{self, Raw, RemoteReference, Repository};
use crate::ops::facts::bytes;
use crate::platform::AnyPlatform;
use crate::registry::{self, At, Client, Document, LARGEST_MANIFEST, Registry};

/// An image in a registry.
#[derive(Clone, Debug, Serialize)]
pub struct RemoteInspection {
    /// The version of this structure: `rootsmith.inspect-remote/1`.
    pub schema: &'static str,
    /// Its full name.
    pub name: String,
    /// The digest that the name leads to: of an index, or of the manifest.
    pub digest: Digest,
    /// What that is.
    pub media_type: String,
    /// What an index names: images for platforms, and other manifests.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub manifests: Vec<Named>,
    /// The manifest that the rest is about; nothing where the index has none for the platform.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifest: Option<Digest>,
    /// What the image says about itself; nothing for what is no image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<Config>,
    /// Layers, base first.
    pub layers: Vec<Named>,
    /// Annotations of the manifest.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// What refers to it, or to the manifest: signatures, SBOMs.
    pub referrers: Vec<Named>,
}

/// Something with a digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Named {
    /// Its digest.
    pub digest: Digest,
    /// Its bytes.
    pub size: u64,
    /// What it is.
    pub media_type: String,
    /// What it is for: `linux/arm64/v8`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// The kind of thing that refers to an image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
}

/// Looks at an image in a registry. Of an index, the image for `platform` is shown, or this machine's, or the only one.
pub fn inspect_remote(
    reference: &RemoteReference,
    platform: Option<AnyPlatform>,
    context: &Context,
) -> Result<RemoteInspection, Error> {
    let client = Client::new(&context.http);
    let repository = &reference.repository;
    let at = match (&reference.digest, &reference.tag) {
        (Some(digest), _) => At::Digest(*digest),
        (None, tag) => At::Tag(tag.clone().unwrap_or_else(|| "latest".to_owned())),
    };
    let top = client.manifest(repository, &at)?;
    let mut inspection = RemoteInspection {
        schema: "rootsmith.inspect-remote/1",
        name: reference.to_string(),
        digest: top.digest,
        media_type: top.media_type.clone(),
        manifests: Vec::new(),
        manifest: None,
        config: None,
        layers: Vec::new(),
        annotations: BTreeMap::new(),
        referrers: Vec::new(),
    };
    let manifest = match index(&top)? {
        None => Some(top),
        Some(index) => {
            let all = &with_platforms(index, repository, &client)?;
            inspection.manifests = all.iter().map(named).collect::<Result<_, _>>()?;
            match found_in(all, &platform, repository, &client) {
                Ok(chosen) => Some(client.manifest(repository, &At::Digest(oci::descriptor_digest(&chosen)?))?),
                Err(NoImage::Choice(_)) if platform.is_none() => None,
                Err(error) => {
                    return Err(error.into_error(|source| Error::Open { path: reference.to_string(), source }));
                }
            }
        }
    };
    let mut subjects = vec![inspection.digest];
    if let Some(document) = manifest.filter(|document| !is_index(document)) {
        let manifest: Raw<ImageManifest> = Raw::parse(&document.bytes, "image manifest")?;
        let manifest = manifest.document();
        inspection.manifest = Some(document.digest);
        inspection.layers = manifest.layers().iter().map(named).collect::<Result<_, _>>()?;
        inspection.annotations = manifest.annotations().clone().unwrap_or_default().into_iter().collect();
        if manifest.config().media_type().to_string().contains("image") {
            let digest = oci::descriptor_digest(manifest.config())?;
            let bytes = client.blob(repository, &digest, LARGEST_MANIFEST)?;
            let document: Raw<ImageConfiguration> = Raw::parse(&bytes, "image configuration")?;
            // Out of an index the right one was chosen before.
            if inspection.manifests.is_empty() {
                let choice = Choice { tag: None, platform };
                choice
                    .check(document.document())
                    .map_err(|source| Error::Open { path: reference.to_string(), source })?;
            }
            inspection.config = Some(config(document.document()));
        }
        subjects.push(document.digest);
    }
    subjects.dedup();
    for subject in subjects {
        let listed = match registry::referrers(&client, repository, &subject) {
            Err(error) if error.is_remote() => {
                context.reporter.warn(&format!("what refers to {repository}@{subject} is not shown: {error}"));
                continue;
            }
            listed => listed?,
        };
        for referrer in listed {
            let referrer = named(&referrer)?;
            if !inspection.referrers.contains(&referrer) {
                inspection.referrers.push(referrer);
            }
        }
    }
    Ok(inspection)
}

/// The image for a platform among what an index names, and indexes in it.
fn found_in(
    entries: &[Descriptor],
    platform: &Option<AnyPlatform>,
    repository: &Repository,
    client: &Client,
) -> Result<Descriptor, NoImage<Error>> {
    let read = |descriptor: &Descriptor| {
        let document = client.manifest(repository, &At::Digest(oci::descriptor_digest(descriptor)?))?;
        with_platforms(oci::entries(&document.bytes, "image index")?, repository, client)
    };
    in_indexes(entries, &Choice { tag: None, platform: platform.clone() }, &read)
}

/// The entries of an index, with what they are for where only their configurations say it.
fn with_platforms(
    entries: Vec<Descriptor>,
    repository: &Repository,
    client: &Client,
) -> Result<Vec<Descriptor>, Error> {
    image::with_platforms(entries, &|descriptor, what| {
        let digest = oci::descriptor_digest(descriptor)?;
        Ok(Some(match what {
            image::Document::Manifest => client.manifest(repository, &At::Digest(digest))?.bytes.to_vec(),
            image::Document::Config => client.blob(repository, &digest, LARGEST_MANIFEST)?,
        }))
    })
}

fn is_index(document: &Document) -> bool {
    serde_json::from_slice::<serde_json::Value>(&document.bytes).is_ok_and(|fields| fields.get("manifests").is_some())
}

fn index(document: &Document) -> Result<Option<Vec<Descriptor>>, Error> {
    Ok(if is_index(document) { Some(oci::entries(&document.bytes, "image index")?) } else { None })
}

pub(super) fn named(descriptor: &Descriptor) -> Result<Named, Error> {
    let platform = descriptor.platform().as_ref().map(platform_text);
    Ok(Named {
        digest: oci::descriptor_digest(descriptor)?,
        size: descriptor.size(),
        media_type: descriptor.media_type().to_string(),
        platform,
        artifact_type: descriptor.artifact_type().as_ref().map(ToString::to_string),
    })
}

impl RemoteInspection {
    /// A screen of text; ends with a newline.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        self.write(&mut text).expect("a text takes everything");
        text
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "Name          {}", plain(&self.name))?;
        writeln!(out, "Digest        {}", self.digest)?;
        writeln!(out, "Media type    {}", plain(&self.media_type))?;
        if let Some(manifest) = self.manifest.filter(|manifest| *manifest != self.digest) {
            writeln!(out, "Manifest      {manifest}")?;
        }
        if let Some(config) = &self.config {
            write_config(config, out)?;
        }
        let size: u64 = self.layers.iter().map(|layer| layer.size).sum();
        writeln!(out, "Size          {} in {} layers", bytes(size), self.layers.len())?;
        write_platforms(&self.manifests, out)?;
        write_list("Layers", &self.layers, &|one| one.media_type.clone(), out)?;
        let kind = |one: &Named| one.artifact_type.clone().unwrap_or_else(|| one.media_type.clone());
        write_list("Referrers", &self.referrers, &kind, out)
    }
}
