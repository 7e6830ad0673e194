//! From what is there to the one image that is meant.

use oci_spec::image::{Descriptor, ImageConfiguration, ImageIndex, ImageManifest, MediaType};
use serde::Deserialize;
use serde_json::Value;

use super::error::OpenError;
use super::members::Members;
use super::{CONFIGS, Choice, Plan, PlannedLayer};
use crate::oci::{self, OciError, Raw, Reference};
use crate::platform::{AnyPlatform, Architecture, Platform};

/// How deep indexes may name indexes, and how many are read to find one image: more is a circle or a trick.
const DEEPEST: usize = 4;
const MOST_INDEXES: usize = 100;

/// How many images of an index are looked into for what they are for.
const MOST_UNSAID: usize = 100;

/// Media types of manifests of images (OCI image spec, media-types.md; distribution, manifest-v2-2.md).
const MANIFESTS: [&str; 2] =
    ["application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"];

/// Finds the image that `choice` means.
pub fn plan(members: &Members, choice: &Choice) -> Result<Plan, OpenError> {
    if members.content("oci-layout")?.is_none() {
        return docker_plan(members, choice);
    }
    let index = members.document("index.json", "index.json")?;
    let index: Raw<ImageIndex> = Raw::parse(&index, "index.json").map_err(|source| OpenError::Document { source })?;
    let mut descriptor = by_name(members, index.document().manifests(), choice)?;
    let entry = Some(oci::descriptor_digest(&descriptor).map_err(|source| OpenError::Document { source })?);
    let name = full_name(&descriptor);
    let mut named = Vec::new();
    if is_index(&descriptor) {
        let read = |index: &Descriptor| read_index(members, index);
        named = read(&descriptor)?;
        descriptor = in_indexes(&named, choice, &read).map_err(|error| error.into_error(|error| error))?;
    }
    let what = "image manifest";
    let bytes = unambiguous(members, &descriptor, what)?;
    let manifest = Raw::parse(&bytes, what).map_err(|source| OpenError::Document { source })?;
    Ok(Plan { entry, named, name, ..Plan::of_manifest(members, &manifest)? })
}

fn read_index(members: &Members, descriptor: &Descriptor) -> Result<Vec<Descriptor>, OpenError> {
    let what = "image index";
    let bytes = unambiguous(members, descriptor, what)?;
    let entries = oci::entries(&bytes, what).map_err(|source| OpenError::Document { source })?;
    // A layout need not hold all images that its indexes name.
    let read = |descriptor: &Descriptor, _| match members.blob(descriptor, "document") {
        Err(OpenError::Missing(_)) => Ok(None),
        read => read.map(Some),
    };
    with_platforms(entries, &read)
}

/// What the images of an index are for, those of indexes within it included; each once, in their order.
pub fn platforms(members: &Members, index: &Descriptor) -> Result<Vec<AnyPlatform>, OpenError> {
    let mut found = Vec::new();
    add_platforms(members, index, 0, &mut 0, &mut found)?;
    Ok(found)
}

fn add_platforms(
    members: &Members,
    index: &Descriptor,
    depth: usize,
    reads: &mut usize,
    found: &mut Vec<AnyPlatform>,
) -> Result<(), OpenError> {
    if depth > DEEPEST || *reads > MOST_INDEXES {
        return Err(too_deep());
    }
    *reads += 1;
    for entry in read_index(members, index)? {
        if is_index(&entry) {
            add_platforms(members, &entry, depth + 1, reads, found)?;
        } else if let Some(platform) = entry.platform().as_ref().map(AnyPlatform::of)
            && !platform.is_unknown()
            && !found.contains(&platform)
        {
            found.push(platform);
        }
    }
    Ok(())
}

/// What is read to find out what an image is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Document {
    /// Its manifest.
    Manifest,
    /// Its configuration.
    Config,
}

/// Gives the bytes of a document of an image, checked against its descriptor; nothing where it is not there.
pub type ReadDocument<'a, E> = dyn Fn(&Descriptor, Document) -> Result<Option<Vec<u8>>, E> + 'a;

/// The entries of an index. Those that do not say what they are for, which is theirs to choose (OCI image spec,
/// image-index.md), are for what the configurations of their images say.
pub fn with_platforms<E>(mut entries: Vec<Descriptor>, read: &ReadDocument<'_, E>) -> Result<Vec<Descriptor>, E> {
    let is_unsaid = |entry: &&mut Descriptor| {
        let is_manifest = MANIFESTS.contains(&entry.media_type().to_string().as_str());
        entry.platform().is_none() && entry.artifact_type().is_none() && is_manifest
    };
    for entry in entries.iter_mut().filter(is_unsaid).take(MOST_UNSAID) {
        let Some(bytes) = read(entry, Document::Manifest)? else { continue };
        // What is no image is for nothing, and what is wrong with one is said where it is chosen.
        let Ok(manifest) = serde_json::from_slice::<ImageManifest>(&bytes) else { continue };
        if !CONFIGS.contains(&manifest.config().media_type().to_string().as_str()) {
            continue;
        }
        let Some(bytes) = read(manifest.config(), Document::Config)? else { continue };
        let said = serde_json::from_slice::<oci_spec::image::Platform>(&bytes).ok();
        let is_said = |said: &oci_spec::image::Platform| {
            !said.os().to_string().is_empty() && !said.architecture().to_string().is_empty()
        };
        entry.set_platform(said.filter(is_said));
    }
    Ok(entries)
}

/// A document that can be read as one thing only.
fn unambiguous(members: &Members, descriptor: &Descriptor, what: &'static str) -> Result<Vec<u8>, OpenError> {
    let bytes = members.blob(descriptor, what)?;
    let fields: Value = serde_json::from_slice(&bytes)
        .map_err(|source| OpenError::Document { source: OciError::Document { what, source } })?;
    if fields.get("manifests").is_some() && fields.get("layers").is_some() {
        return Err(OpenError::Ambiguous { what });
    }
    Ok(bytes)
}

/// Whether a descriptor says that it leads to an index.
pub fn is_index(descriptor: &Descriptor) -> bool {
    match descriptor.media_type() {
        MediaType::ImageIndex => true,
        MediaType::Other(other) => other == "application/vnd.docker.distribution.manifest.list.v2+json",
        _ => false,
    }
}

/// As [`by_tag`], and where `index.json` has one image, also by its further names: an archive for engines that know OCI has
/// one entry there, and all names in Docker's `manifest.json`.
pub fn by_name(members: &Members, entries: &[Descriptor], choice: &Choice) -> Result<Descriptor, OpenError> {
    let (problem, there, tag) = match (by_tag(entries, choice), &choice.tag) {
        (Err(OpenError::Choose { problem, there }), Some(tag)) => (problem, there, tag),
        (found, _) => return found,
    };
    let what = "manifest.json";
    let images = without_referrers(entries);
    let ([only], Some(_)) = (images.as_slice(), members.content(what)?) else {
        return Err(OpenError::Choose { problem, there });
    };
    let docker: Raw<Vec<DockerEntry>> =
        Raw::parse(&members.document(what, what)?, what).map_err(|source| OpenError::Document { source })?;
    let tags: Vec<String> =
        docker.document().iter().flat_map(|entry| entry.repo_tags.clone().unwrap_or_default()).collect();
    let names: Vec<Reference> = tags.iter().filter_map(|name| name.parse().ok()).collect();
    let whole = tag.parse::<Reference>().ok();
    let is_whole = |name: &&Reference| whole.as_ref() == Some(name);
    let Some(name) = names.iter().find(is_whole).or_else(|| names.iter().find(|name| name.tag() == tag)) else {
        let there = if tags.is_empty() { there } else { tags.join(", ") };
        return Err(OpenError::Choose { problem, there });
    };
    let mut found = only.clone();
    let mut annotations = found.annotations().clone().unwrap_or_default();
    annotations.insert(oci::REF_NAME.to_owned(), name.tag().to_owned());
    annotations.insert(oci::CONTAINERD_NAME.to_owned(), name.to_string());
    found.set_annotations(Some(annotations));
    Ok(found)
}

/// The entry of an `index.json` that a tag or full name means; without one, the only image.
pub fn by_tag(entries: &[Descriptor], choice: &Choice) -> Result<Descriptor, OpenError> {
    let annotation = |entry: &Descriptor, key: &str| entry.annotations().as_ref()?.get(key).cloned();
    let names = |entry: &Descriptor| {
        let names = [oci::REF_NAME, oci::CONTAINERD_NAME].into_iter().filter_map(|key| annotation(entry, key));
        names.collect::<Vec<_>>()
    };
    let there = || {
        let mut there: Vec<String> = entries.iter().filter_map(|entry| names(entry).first().cloned()).collect();
        let unnamed: Vec<_> = entries.iter().filter(|entry| names(entry).is_empty()).collect();
        let digests: Vec<String> = unnamed.iter().map(|entry| entry.digest().to_string()).collect();
        there
            .extend((!unnamed.is_empty()).then(|| format!("{} without a name: {}", unnamed.len(), digests.join(", "))));
        if there.is_empty() { "no entries".to_owned() } else { there.join(", ") }
    };
    match &choice.tag {
        Some(tag) => {
            // What has no name is named by its digest.
            let is_meant = |entry: &&Descriptor| names(entry).contains(tag) || entry.digest().to_string() == *tag;
            let found = entries.iter().find(is_meant).cloned();
            found.ok_or_else(|| OpenError::Choose { problem: format!("there is no image `{tag}`"), there: there() })
        }
        // Entries for several platforms under no name, or one name, are what an index would say.
        None => match without_referrers(entries).as_slice() {
            [one] => Ok(one.clone()),
            [] => Err(OpenError::Choose { problem: "there is no image".to_owned(), there: "no entries".to_owned() }),
            [first, others @ ..] if others.iter().all(|other| other.digest() == first.digest()) => Ok(first.clone()),
            [first, others @ ..]
                if others.iter().all(|other| names(other) == names(first))
                    && entries.iter().any(|entry| entry.platform().is_some()) =>
            {
                by_platform(entries, choice)
            }
            _ => Err(OpenError::Choose { problem: "there are several images: name one".to_owned(), there: there() }),
        },
    }
}

/// The entries that are images and not what refers to one: signatures and SBOMs beside it.
fn without_referrers(entries: &[Descriptor]) -> Vec<Descriptor> {
    let is_list = |name: &String| name.strip_prefix("sha256-").is_some_and(|rest| rest.len() >= 64);
    let refers = |entry: &&Descriptor| {
        let name = entry.annotations().as_ref().and_then(|annotations| annotations.get(oci::REF_NAME));
        entry.artifact_type().is_some() || name.is_some_and(is_list)
    };
    let images: Vec<Descriptor> = entries.iter().filter(|entry| !refers(entry)).cloned().collect();
    if images.is_empty() { entries.to_vec() } else { images }
}

/// The name of an entry, where it is one that says registry and repository: a tag alone says neither.
fn full_name(entry: &Descriptor) -> Option<String> {
    let annotations = entry.annotations().as_ref()?;
    let names = [oci::CONTAINERD_NAME, oci::REF_NAME].into_iter().filter_map(|key| annotations.get(key));
    let full = |name: &&String| name.contains(['/', ':']) && !name.contains('@');
    let name = names.filter(full).find_map(|name| name.parse::<Reference>().ok())?;
    Some(name.to_string())
}

/// The entry of an index for a platform, or this machine's; the only one, where none is named.
pub fn by_platform(entries: &[Descriptor], choice: &Choice) -> Result<Descriptor, OpenError> {
    best(entries, choice).cloned().ok_or_else(|| none_for(choice, entries.iter().filter_map(shown).collect()))
}

/// Why an index and those in it give no image.
#[derive(Debug)]
pub enum NoImage<E> {
    /// There is none for the platform.
    Choice(OpenError),
    /// An index within could not be read.
    Index(Box<E>),
}

impl<E> NoImage<E> {
    /// The error of reading, or what `choice` makes of the other.
    pub fn into_error(self, choice: impl FnOnce(OpenError) -> E) -> E {
        match self {
            Self::Choice(error) => choice(error),
            Self::Index(error) => *error,
        }
    }
}

/// As [`by_platform`], and on through indexes within the index, which `read` gives the entries of. An index that does not
/// say for what platforms it is, is looked into where nothing else fits.
pub fn in_indexes<E>(
    entries: &[Descriptor],
    choice: &Choice,
    read: &dyn Fn(&Descriptor) -> Result<Vec<Descriptor>, E>,
) -> Result<Descriptor, NoImage<E>> {
    let mut search = Search { choice, read, reads: 0, there: Vec::new() };
    match search.within(entries, 0)? {
        Some(found) => Ok(found),
        None => Err(NoImage::Choice(none_for(choice, search.there))),
    }
}

struct Search<'a, E> {
    choice: &'a Choice,
    read: &'a dyn Fn(&Descriptor) -> Result<Vec<Descriptor>, E>,
    reads: usize,
    /// What there is and is not meant.
    there: Vec<String>,
}

impl<E> Search<'_, E> {
    fn within(&mut self, entries: &[Descriptor], depth: usize) -> Result<Option<Descriptor>, NoImage<E>> {
        if depth > DEEPEST || self.reads > MOST_INDEXES {
            return Err(NoImage::Choice(too_deep()));
        }
        let best = best(entries, self.choice);
        let is_unsaid = |entry: &&Descriptor| entry.platform().is_none() && is_index(entry);
        let others = entries.iter().filter(is_unsaid).filter(|other| best.is_none_or(|best| best != *other));
        for candidate in best.into_iter().chain(others) {
            if !is_index(candidate) {
                return Ok(Some(candidate.clone()));
            }
            self.reads += 1;
            let inner = (self.read)(candidate).map_err(|error| NoImage::Index(Box::new(error)))?;
            if let Some(found) = self.within(&inner, depth + 1)? {
                return Ok(Some(found));
            }
        }
        self.there.extend(entries.iter().filter(|entry| !is_unsaid(entry)).filter_map(shown));
        Ok(None)
    }
}

/// The first of the entries that fit best.
fn best<'a>(entries: &'a [Descriptor], choice: &Choice) -> Option<&'a Descriptor> {
    let said = |entry: &Descriptor| entry.platform().as_ref().map(AnyPlatform::of);
    // Attestations have the platform unknown/unknown.
    let is_image = |said: &Option<AnyPlatform>| !said.as_ref().is_some_and(AnyPlatform::is_unknown);
    let images: Vec<(&Descriptor, Option<AnyPlatform>)> =
        entries.iter().map(|entry| (entry, said(entry))).filter(|(_, said)| is_image(said)).collect();
    let fitting = |wanted: &AnyPlatform| {
        let fit =
            images.iter().filter_map(|(entry, said)| Some((*entry, said.as_ref().filter(|said| wanted.takes(said))?)));
        // Of those that are as good, the first: so it is the last from behind.
        fit.rev().max_by(|(_, one), (_, other)| AnyPlatform::better(one, other)).map(|(entry, _)| entry)
    };
    if let Some(wanted) = &choice.platform {
        return fitting(wanted);
    }
    if let [(one, _)] = images.as_slice() {
        return Some(one);
    }
    let host = Architecture::host().map(|architecture| AnyPlatform::from(Platform { architecture }));
    host.as_ref().and_then(fitting).or_else(|| {
        let known = |said: &Option<AnyPlatform>| said.as_ref().is_none_or(AnyPlatform::is_linux);
        let mut linux = images.iter().filter(|(_, said)| known(said));
        linux.next().filter(|_| linux.next().is_none()).map(|(entry, _)| *entry)
    })
}

fn too_deep() -> OpenError {
    let problem = format!("the image's indexes name each other more than {DEEPEST} deep, or are too many");
    OpenError::Choose { problem, there: "nothing else".to_owned() }
}

fn none_for(choice: &Choice, there: Vec<String>) -> OpenError {
    let there = if there.is_empty() { vec!["no images".to_owned()] } else { there };
    let host = || Architecture::host().map(|architecture| Platform { architecture }.to_string());
    let wanted = choice.platform.as_ref().map(AnyPlatform::to_string).or_else(host);
    let wanted = wanted.unwrap_or_else(|| "this machine".to_owned());
    OpenError::Choose { problem: format!("there is no image for {wanted}"), there: there.join(", ") }
}

/// What an entry of an index is for, with its variant; its digest where that is not said, and nothing for attestations.
fn shown(entry: &Descriptor) -> Option<String> {
    let Some(platform) = entry.platform() else { return Some(entry.digest().to_string()) };
    let text = platform_text(platform);
    (!text.starts_with("unknown/")).then_some(text)
}

/// A platform as an index has it: `linux/arm64/v8`, `windows(10.0.20348.1)/amd64`.
pub fn platform_text(platform: &oci_spec::image::Platform) -> String {
    let version = platform.os_version().as_ref().map(|version| format!("({version})")).unwrap_or_default();
    let variant = platform.variant().as_ref().map(|variant| format!("/{variant}")).unwrap_or_default();
    format!("{}{version}/{}{variant}", platform.os(), platform.architecture())
}

impl Choice {
    /// Refuses the configuration of an image that is for another platform than is asked for.
    pub fn check(&self, config: &ImageConfiguration) -> Result<(), OpenError> {
        match &self.platform {
            Some(wanted) if !wanted.takes_config(config) => {
                let there = AnyPlatform::of_config(config).to_string();
                Err(OpenError::Choose { problem: format!("the image is not for {wanted}, but for {there}"), there })
            }
            _ => Ok(()),
        }
    }
}

/// An entry of Docker's `manifest.json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerEntry {
    config: String,
    layers: Vec<String>,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
}

fn docker_plan(members: &Members, choice: &Choice) -> Result<Plan, OpenError> {
    let what = "manifest.json";
    let bytes = members.document(what, what)?;
    let entries: Raw<Vec<DockerEntry>> = Raw::parse(&bytes, what).map_err(|source| OpenError::Document { source })?;
    let entries = entries.document();
    let tags = |entry: &DockerEntry| entry.repo_tags.clone().unwrap_or_default();
    let found = match (&choice.tag, entries.as_slice()) {
        (None, [one]) => Some(one),
        (None, _) => None,
        (Some(tag), _) => entries.iter().find(|entry| tags(entry).contains(tag)),
    };
    let entry = found.ok_or_else(|| {
        let there: Vec<String> = entries.iter().flat_map(tags).collect();
        let problem = choice.tag.as_ref().map_or("there are several images, or none: name one".to_owned(), |tag| {
            format!("there is no image `{tag}`")
        });
        OpenError::Choose { problem, there: there.join(", ") }
    })?;
    let config = members.document(&entry.config, "image configuration")?;
    let config = Raw::parse(&config, "image configuration").map_err(|source| OpenError::Document { source })?;
    let layer = |name: &String| {
        let content = members.content(name)?.ok_or_else(|| OpenError::Missing(name.clone()))?;
        Ok(PlannedLayer { content, descriptor: None })
    };
    let layers = entry.layers.iter().map(layer).collect::<Result<_, OpenError>>()?;
    let names = choice.tag.clone().into_iter().chain(tags(entry));
    let name = names.filter_map(|name| name.parse::<Reference>().ok()).map(|name| name.to_string()).next();
    Ok(Plan { digest: None, entry: None, named: Vec::new(), name, manifest: None, config, layers })
}
