//! What is taken along with an image: all that its manifest or index names, and what refers to that.

use std::collections::{BTreeMap, BTreeSet};

use oci_spec::image::Descriptor;
use serde::Deserialize;

use super::origin::{Origin, read_config};
use crate::context::Context;
use crate::digest::Digest;
use crate::error::Error;
use crate::image::{self, Choice, OpenError, in_indexes, with_platforms};
use crate::oci;
use crate::platform::AnyPlatform;
use crate::registry::{Document, in_parallel};

/// How many manifests there may be: more is no image.
const MOST_MANIFESTS: usize = 1000;

/// How deep indexes may name indexes, and referrers refer to referrers.
const DEEPEST: usize = 5;

/// A manifest or index, and all that belongs to it.
pub(super) struct Graph {
    /// What all began with.
    pub root: Descriptor,
    /// Manifests and indexes, each after those that it names; the last is the root.
    pub nodes: Vec<Node>,
    /// Manifests that have one of the others as their subject, or stand beside one by their tag, and what those name, each
    /// after its subject.
    pub referrers: Vec<Node>,
    /// The tags that stand beside the image, and which of the referrers each names.
    pub tagged: Vec<(String, Descriptor)>,
}

/// A manifest or index.
pub(super) struct Node {
    /// Its descriptor.
    pub descriptor: Descriptor,
    /// Its bytes.
    pub document: Document,
    /// What it names that is no manifest.
    pub blobs: Vec<Descriptor>,
    /// Its configuration and layers, where it is an image.
    pub image: Option<(Descriptor, Vec<Descriptor>)>,
    /// The type of its configuration, where it has one.
    pub config_type: Option<String>,
    /// What it refers to.
    pub subject: Option<Descriptor>,
    /// The name of the image that it is based on.
    pub base: Option<String>,
}

/// What is read of a manifest or index of whatever kind.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields {
    artifact_type: Option<String>,
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Vec<Descriptor>,
    /// Of an artifact manifest, the form of the specification's release candidates.
    #[serde(default)]
    blobs: Vec<Descriptor>,
    #[serde(default)]
    manifests: Vec<Descriptor>,
    subject: Option<Descriptor>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

const CONFIGS: [&str; 2] =
    ["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"];

impl Graph {
    /// Reads all that `root` names; of an index only the image for `platform`, where one is named.
    pub fn gather(
        origin: &dyn Origin,
        root: Descriptor,
        platform: Option<AnyPlatform>,
        referrers: bool,
        context: &Context,
    ) -> Result<Self, Error> {
        let mut gathering = Gathering { origin, context, seen: BTreeSet::new() };
        let any = platform.is_none();
        let root = gathering.choose(root, platform)?;
        let mut graph = Self { root: root.clone(), nodes: Vec::new(), referrers: Vec::new(), tagged: Vec::new() };
        match gathering.add(root.clone(), 0, &mut graph.nodes) {
            Err(error) if any && is_missing(&error) => {
                graph.nodes = gathering.only_complete(&root, error)?;
            }
            added => added?,
        }
        // The root as it was read, with its exact size.
        graph.root = graph.nodes.last().expect("the root was just added").descriptor.clone();
        if referrers {
            let subjects = graph.nodes.iter().map(|node| oci::descriptor_digest(&node.descriptor));
            let subjects = subjects.collect::<Result<Vec<_>, _>>()?;
            for subject in subjects {
                gathering.add_referrers(subject, 0, &mut graph.referrers)?;
            }
            gathering.add_tagged(&mut graph)?;
        }
        Ok(graph)
    }

    /// What the image is called.
    pub fn digest(&self) -> Result<Digest, Error> {
        Ok(oci::descriptor_digest(&self.root)?)
    }

    /// All manifests and indexes, those that refer to others last.
    pub fn all(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().chain(&self.referrers)
    }

    /// Every blob once.
    pub fn blobs(&self) -> Result<BTreeMap<Digest, Descriptor>, Error> {
        let all = self.all().flat_map(|node| &node.blobs);
        all.map(|blob| Ok((oci::descriptor_digest(blob)?, blob.clone()))).collect()
    }

    /// Bytes of all blobs.
    pub fn size(&self) -> u64 {
        self.blobs().map_or(0, |blobs| blobs.values().map(Descriptor::size).sum())
    }
}

struct Gathering<'a> {
    origin: &'a dyn Origin,
    context: &'a Context,
    seen: BTreeSet<Digest>,
}

impl Gathering<'_> {
    /// Goes from an index to the image for `platform`. An image alone is taken as it is.
    fn choose(&self, root: Descriptor, platform: Option<AnyPlatform>) -> Result<Descriptor, Error> {
        if platform.is_none() {
            return Ok(root);
        }
        let what = "image index";
        let named = oci::entries(&self.origin.document(&root)?.bytes, what)?;
        if named.is_empty() {
            return Ok(root);
        }
        let read = |descriptor: &Descriptor, what| {
            Ok::<_, Error>(Some(match what {
                image::Document::Manifest => self.origin.document(descriptor)?.bytes.to_vec(),
                image::Document::Config => read_config(self.origin, descriptor, &self.context.store)?,
            }))
        };
        let named = with_platforms(named, &read)?;
        let entries =
            |index: &Descriptor| with_platforms(oci::entries(&self.origin.document(index)?.bytes, what)?, &read);
        in_indexes(&named, &Choice { tag: None, platform }, &entries)
            .map_err(|error| error.into_error(|source| Error::Open { path: self.origin.name(), source }))
    }

    fn add(&mut self, descriptor: Descriptor, depth: usize, nodes: &mut Vec<Node>) -> Result<(), Error> {
        let digest = oci::descriptor_digest(&descriptor)?;
        if self.seen.contains(&digest) {
            return Ok(());
        }
        if depth > DEEPEST || self.seen.len() > MOST_MANIFESTS {
            return Err(Error::Usage {
                message: format!("`{}` has more manifests within manifests than images have", self.origin.name()),
                help: "name one platform: `--platform linux/amd64`".to_owned(),
            });
        }
        self.seen.insert(digest);
        let document = self.origin.document(&descriptor)?;
        let fields = read(&document)?;
        for child in &fields.manifests {
            self.add(child.clone(), depth + 1, nodes)?;
        }
        nodes.push(node(&descriptor, document, fields));
        Ok(())
    }

    /// Of an index with images that are not there, the one that is: Docker's store of containerd saves an image with the
    /// whole of its index and with the files of one platform. `error` is what to say where it is no such index.
    fn only_complete(&mut self, root: &Descriptor, error: Error) -> Result<Vec<Node>, Error> {
        let mut complete = Vec::new();
        let named = read(&self.origin.document(root)?)?.manifests;
        for descriptor in named.iter().filter(|descriptor| !is_unknown(descriptor)) {
            self.seen.clear();
            let mut nodes = Vec::new();
            match self.add(descriptor.clone(), 1, &mut nodes) {
                Ok(()) => complete.push((descriptor, nodes)),
                Err(error) if is_missing(&error) => {}
                Err(error) => return Err(error),
            }
        }
        let name = self.origin.name();
        let shown = |descriptor: &Descriptor| match descriptor.platform() {
            Some(platform) => AnyPlatform::of(platform).to_string(),
            None => descriptor.digest().to_string(),
        };
        match complete.pop() {
            None => Err(error),
            Some((descriptor, nodes)) if complete.is_empty() => {
                let reporter = &self.context.reporter;
                reporter.warn(&format!("`{name}` has one of the images of its index: {} is taken", shown(descriptor)));
                Ok(nodes)
            }
            Some(last) => {
                let all: Vec<String> =
                    complete.iter().chain([&last]).map(|(descriptor, _)| shown(descriptor)).collect();
                Err(Error::Usage {
                    message: format!("`{name}` has some of the images of its index, and not all: {}", all.join(", ")),
                    help: format!("name one: `--platform {}`", all[0]),
                })
            }
        }
    }

    fn add_referrers(&mut self, subject: Digest, depth: usize, nodes: &mut Vec<Node>) -> Result<(), Error> {
        if depth > DEEPEST {
            return Ok(());
        }
        let listed = match self.origin.referrers(&subject) {
            Err(error) if is_no_hindrance(&error) => {
                let name = self.origin.name();
                self.context.reporter.warn(&format!("what refers to {name}@{subject} is left out: {error}"));
                return Ok(());
            }
            listed => listed?,
        };
        for referrer in listed {
            let digest = oci::descriptor_digest(&referrer)?;
            if self.seen.contains(&digest) {
                continue;
            }
            let (seen, count) = (self.seen.clone(), nodes.len());
            match self.add(referrer, depth, nodes) {
                Err(error) if is_no_hindrance(&error) => {
                    // Nor is what it names that is there.
                    self.seen = seen;
                    nodes.truncate(count);
                    self.context.reporter.warn(&format!("{digest}, which refers to {subject}, is left out: {error}"));
                    continue;
                }
                added => added?,
            }
            self.add_referrers(digest, depth + 1, nodes)?;
        }
        Ok(())
    }
}

impl Gathering<'_> {
    /// What cosign puts beside images, under tags made of their digests: signatures, attestations, SBOMs.
    fn add_tagged(&mut self, graph: &mut Graph) -> Result<(), Error> {
        let subjects = graph.nodes.iter().filter(|node| !is_unknown(&node.descriptor));
        let digests = subjects.map(|node| node.document.digest);
        let tags: Vec<(Digest, String)> = digests
            .flat_map(|digest| BESIDE.map(|suffix| (digest, format!("sha256-{}.{suffix}", digest.hex()))))
            .collect();
        let parallel = self.context.http.options().parallel;
        let found = in_parallel(&tags, parallel, &|_| {}, |(subject, tag), _| self.origin.tagged(subject, tag));
        let found = match found {
            Err(error) if is_no_hindrance(&error) => {
                let name = self.origin.name();
                self.context.reporter.warn(&format!("signatures at tags of {name} are left out: {error}"));
                return Ok(());
            }
            found => found?,
        };
        for ((_, tag), descriptor) in tags.into_iter().zip(found) {
            let Some(descriptor) = descriptor else { continue };
            let (seen, count) = (self.seen.clone(), graph.referrers.len());
            match self.add(descriptor.clone(), 0, &mut graph.referrers) {
                Err(error) if is_no_hindrance(&error) => {
                    self.seen = seen;
                    graph.referrers.truncate(count);
                    let name = self.origin.name();
                    self.context.reporter.warn(&format!("{name}:{tag} is left out: {error}"));
                }
                added => {
                    added?;
                    graph.tagged.push((tag, descriptor));
                }
            }
        }
        Ok(())
    }
}

/// What cosign's tags end with (its specification of signatures, "Tag-based Discovery").
const BESIDE: [&str; 3] = ["sig", "att", "sbom"];

/// Whether it is what BuildKit puts into an index for a platform that there is not: what an image was built of.
fn is_unknown(descriptor: &Descriptor) -> bool {
    descriptor.platform().as_ref().is_some_and(|platform| platform.os().to_string() == "unknown")
}

/// Whether the image can be taken all the same where this is wrong with what refers to it: a registry that does not list
/// it, or a list of what is gone.
fn is_no_hindrance(error: &Error) -> bool {
    match error {
        Error::Registry(error) => error.is_remote(),
        error => is_missing(error),
    }
}

/// Whether a layout or archive lacks what it names.
fn is_missing(error: &Error) -> bool {
    matches!(error, Error::Open { source: OpenError::Missing(_), .. })
}

fn read(document: &Document) -> Result<Fields, Error> {
    let unreadable = |source| oci::OciError::Document { what: "image manifest", source };
    Ok(serde_json::from_slice(&document.bytes).map_err(unreadable)?)
}

fn node(named: &Descriptor, document: Document, fields: Fields) -> Node {
    let mut descriptor = oci::descriptor(&document.media_type, document.bytes.len() as u64, &document.digest);
    // Versions of systems would be written under a key that nobody reads.
    let platform = named.platform().clone().map(|mut platform| {
        platform.set_os_version(None);
        platform
    });
    descriptor.set_platform(platform);
    // What lists of referrers say of a manifest is what the manifest says itself (distribution spec, "Listing Referrers").
    if fields.subject.is_some() {
        let of_config = fields.config.as_ref().map(|config| config.media_type().to_string());
        descriptor.set_artifact_type(fields.artifact_type.clone().or(of_config).map(|kind| kind.as_str().into()));
        let annotations = fields.annotations.clone();
        descriptor.set_annotations((!annotations.is_empty()).then(|| annotations.into_iter().collect()));
    } else {
        // How the place before called it is no property of the image.
        let annotations = named.annotations().clone().map(|mut annotations| {
            annotations.remove(oci::REF_NAME);
            annotations.remove(oci::CONTAINERD_NAME);
            annotations
        });
        descriptor.set_annotations(annotations.filter(|annotations| !annotations.is_empty()));
    }
    // Attestations beside images take their form, for a platform that there is not.
    let is_real = !is_unknown(named);
    let is_image =
        is_real && fields.config.as_ref().is_some_and(|c| CONFIGS.contains(&c.media_type().to_string().as_str()));
    let image = fields.config.clone().filter(|_| is_image).map(|config| (config, fields.layers.clone()));
    let config_type = fields.config.as_ref().map(|config| config.media_type().to_string());
    let blobs = fields.layers.into_iter().chain(fields.blobs).chain(fields.config).filter(is_here).collect();
    let base = fields.annotations.get(oci::BASE_NAME).cloned();
    Node { descriptor, document, blobs, image, config_type, subject: fields.subject, base }
}

/// Whether a blob is taken along. Layers that say where else they are may not be passed on, and are not in registries.
pub(super) fn is_here(blob: &Descriptor) -> bool {
    blob.urls().as_ref().is_none_or(Vec::is_empty)
}
