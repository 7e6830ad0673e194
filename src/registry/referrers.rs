//! Referrers: manifests that name another as their subject, such as signatures and SBOMs.
//!
//! Registries with the referrers API keep the list themselves. For the others it is an index at a tag made of the subject's
//! digest, which whoever pushes a referrer has to bring up to date (distribution spec, "Referrers Tag Schema").

use oci_spec::image::{Descriptor, ImageIndex};
use serde_json::{Value, json};

use super::{At, Document, Registry, RegistryError};
use crate::digest::Digest;
use crate::oci::{Raw, Repository, canonical_json};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// How often an index is written anew because somebody else wrote it at the same time.
const MOST_WRITES: usize = 8;

/// The referrers of `subject` in `repository`, each once.
pub fn referrers(
    registry: &dyn Registry,
    repository: &Repository,
    subject: &Digest,
) -> Result<Vec<Descriptor>, RegistryError> {
    if let Some(listed) = registry.listed_referrers(repository, subject)? {
        return Ok(each_once(listed));
    }
    let index = tagged(registry, repository, subject)?;
    Ok(each_once(index.map(|index| index.document().manifests().clone()).unwrap_or_default()))
}

/// Makes `referrer`, which was pushed, known as a referrer of `subject` to a registry that has not said that it noted it by
/// itself. Some note it and do not say so; their list is looked at first.
///
/// The index is read again after writing, and written anew where another's writing took it away.
pub fn add_referrer(
    registry: &dyn Registry,
    repository: &Repository,
    subject: &Digest,
    referrer: &Descriptor,
) -> Result<(), RegistryError> {
    let listed = registry.listed_referrers(repository, subject)?.unwrap_or_default();
    if listed.iter().any(|known| same(known, referrer)) {
        return Ok(());
    }
    for _ in 0..MOST_WRITES {
        let index = tagged(registry, repository, subject)?;
        if index.as_ref().is_some_and(|index| index.document().manifests().iter().any(|known| same(known, referrer))) {
            return Ok(());
        }
        let document = with(index.as_ref(), referrer);
        registry.put_manifest(repository, &At::Tag(tag(subject)), &document)?;
    }
    Err(RegistryError::Answer {
        name: format!("{repository}:{}", tag(subject)),
        problem: "others change the list of referrers at the same time, again and again".to_owned(),
    })
}

/// The tag that stands for the list: `sha256-<hex>`.
fn tag(subject: &Digest) -> String {
    format!("sha256-{}", subject.hex())
}

fn tagged(
    registry: &dyn Registry,
    repository: &Repository,
    subject: &Digest,
) -> Result<Option<Raw<ImageIndex>>, RegistryError> {
    let name = || format!("{repository}:{}", tag(subject));
    let document = match registry.manifest(repository, &At::Tag(tag(subject))) {
        Ok(document) => document,
        Err(error) if error.is_absent() => return Ok(None),
        Err(error) => return Err(error),
    };
    if document.media_type != INDEX {
        let problem = format!("the list of referrers is no index, but `{}`", document.media_type);
        return Err(RegistryError::Answer { name: name(), problem });
    }
    let index = Raw::parse(&document.bytes, "list of referrers");
    index.map(Some).map_err(|error| RegistryError::Answer { name: name(), problem: error.to_string() })
}

/// The index with one referrer more. What others wrote stays word for word.
fn with(index: Option<&Raw<ImageIndex>>, referrer: &Descriptor) -> Document {
    let mut whole: Value = match index {
        Some(index) => serde_json::from_slice(index.bytes()).expect("it was read as a document before"),
        None => json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [] }),
    };
    let entry = serde_json::to_value(referrer).expect("a descriptor has texts as keys");
    whole["manifests"].as_array_mut().expect("an index has a list of manifests").push(entry);
    let bytes = canonical_json(&whole);
    Document { media_type: INDEX.to_owned(), digest: Digest::of(&bytes), bytes: bytes.into() }
}

fn same(one: &Descriptor, other: &Descriptor) -> bool {
    one.digest() == other.digest()
}

fn each_once(list: Vec<Descriptor>) -> Vec<Descriptor> {
    let mut all: Vec<Descriptor> = Vec::new();
    for referrer in list {
        if !all.iter().any(|known| same(known, &referrer)) {
            all.push(referrer);
        }
    }
    all
}
