//! `push`, `pull` and `copy`: images from where they are to where they are wanted, byte for byte.
//!
//! What is taken along is a `Graph`: a manifest or index, all that it names, and what refers to it. Digests are those of
//! the bytes, and no byte is changed.

mod foreign;
mod graph;
mod local;
mod origin;
mod platform;
mod remote;
mod source;

use std::path::PathBuf;

pub use source::Source;

use crate::context::Context;
use crate::dest::Target;
use crate::digest::Digest;
use crate::error::Error;
use crate::image::{Artifact, OpenError};
use crate::oci::{self, Reference, RemoteReference, Repository};
use crate::ops::{one_platform, places};
use crate::platform::{AnyPlatform, Architecture, Platform};
use crate::registry::Client;
use crate::report::{Phase, Unit, counted};
use graph::Graph;
use origin::{Built, Origin};

/// What is taken where.
#[derive(Clone, Debug)]
pub struct TransferOptions {
    /// Where the image is.
    pub source: Source,
    /// Where it goes.
    pub targets: Vec<Goal>,
    /// One platform of several; all, where a target takes several and none is named.
    pub platform: Option<AnyPlatform>,
    /// Whether signatures, SBOMs and whatever else refers to it come along.
    pub referrers: bool,
    /// The socket of the Docker engine.
    pub docker_socket: PathBuf,
}

/// A place that an image is taken to.
#[derive(Clone, Debug)]
pub enum Goal {
    /// A repository of a registry, under a tag, or under its digest alone.
    Registry(RemoteReference),
    /// Anything else.
    Local(Target),
}

/// What was taken.
#[derive(Clone, Debug)]
pub struct Transferred {
    /// The digest of the manifest or index.
    pub digest: Digest,
    /// Where it is now.
    pub places: Vec<String>,
    /// Blobs that were sent to registries, and bytes of them.
    pub sent: (usize, u64),
    /// Blobs that registries had, or mounted from elsewhere.
    pub reused: usize,
    /// How many manifests refer to it, and came along.
    pub referrers: usize,
}

/// Takes an image from where it is to all targets.
pub fn transfer(options: &TransferOptions, context: &Context) -> Result<Transferred, Error> {
    let local = |goal: &Goal| match goal {
        Goal::Registry(_) => None,
        Goal::Local(target) => Some(target.clone()),
    };
    places::check(&options.targets.iter().filter_map(local).collect::<Vec<_>>())?;
    let client = Client::new(&context.http);
    let opened = source::open(&options.source, &client, &options.docker_socket, context)?;
    let mut done = Transferred { digest: Digest::of(b""), places: Vec::new(), sent: (0, 0), reused: 0, referrers: 0 };
    let mut already = Vec::new();
    for goal in &options.targets {
        let one = options.platform.clone().or_else(|| goal.only_platform());
        let (root, name) = (opened.root.clone(), opened.name.as_ref());
        let referrers = options.referrers && goal.takes_referrers();
        let is_chosen = options.platform.is_none() && one.is_some();
        let shown = one.as_ref().map(ToString::to_string).unwrap_or_default();
        let graph = Graph::gather(&*opened.origin, root, one, referrers, context);
        let graph = match (graph, goal) {
            (Err(Error::Open { source: OpenError::Choose { there, .. }, .. }), Goal::Local(target)) if is_chosen => {
                return Err(one_platform::none_for_host(target, &there));
            }
            (graph, _) => graph?,
        };
        if let (true, Goal::Local(target)) =
            (is_chosen && graph.digest()? != oci::descriptor_digest(&opened.root)?, goal)
            && target.takes_one_platform()
        {
            one_platform::note(target, &shown, context);
        }
        if let Some(wanted) = &options.platform {
            platform::check(&graph, &opened, wanted, &context.store)?;
        }
        done.digest = graph.digest()?;
        done.referrers = done.referrers.max(graph.referrers.len());
        match goal {
            Goal::Registry(to) => {
                let pushed = push(&graph, &*opened.origin, to, &already, &client, context)?;
                already.push(to.repository.clone());
                done.sent = (done.sent.0 + pushed.sent, done.sent.1 + pushed.bytes);
                done.reused += pushed.there + pushed.mounted;
                done.places.push(format!("docker://{to}"));
            }
            Goal::Local(target) => {
                let names: Vec<Reference> = name.into_iter().cloned().collect();
                local::put(&graph, &*opened.origin, target, &names, &options.docker_socket, context)?;
                done.places.push(target.to_string());
            }
        }
    }
    Ok(done)
}

/// Pushes what was just built, under all of `names`. The repositories that have it `already` become more.
pub(super) fn push_built(
    artifact: &Artifact,
    names: &[Reference],
    already: &mut Vec<Repository>,
    context: &Context,
) -> Result<(), Error> {
    let client = Client::new(&context.http);
    let origin = Built(artifact);
    let graph = Graph::gather(&origin, artifact.descriptor(), None, false, context)?;
    for name in names {
        let to = RemoteReference::from(name);
        let pushed = remote::push(&graph, &origin, &to, already, &client, context)?;
        tell(&pushed, name, context);
        already.push(to.repository);
    }
    Ok(())
}

fn push(
    graph: &Graph,
    origin: &dyn Origin,
    to: &RemoteReference,
    already: &[Repository],
    client: &Client,
    context: &Context,
) -> Result<crate::registry::Pushed, Error> {
    context.reporter.begin(Phase::Publish, Some(graph.size()), Unit::Bytes);
    let pushed = remote::push(graph, origin, to, already, client, context)?;
    context.reporter.end(Phase::Publish, &format!("docker://{to}"));
    tell(&pushed, to, context);
    Ok(pushed)
}

fn tell(pushed: &crate::registry::Pushed, to: &dyn std::fmt::Display, context: &Context) {
    let mut words = vec![format!("{} sent, {:.1} MB", counted(pushed.sent, "blob"), pushed.bytes as f64 / 1e6)];
    words.extend((pushed.there > 0).then(|| format!("{} there already", pushed.there)));
    words.extend((pushed.mounted > 0).then(|| format!("{} mounted", pushed.mounted)));
    context.reporter.note(&format!("{to}: {}", words.join(", ")));
}

impl Goal {
    /// The one platform that the target takes, where it takes one only: this machine's.
    fn only_platform(&self) -> Option<AnyPlatform> {
        let one = match self {
            Self::Registry(_) => false,
            Self::Local(target) => {
                !target.takes_images()
                    || target.takes_one_platform()
                    || matches!(target, Target::DockerDaemon { .. } | Target::ContainersStorage { .. })
            }
        };
        let host = || Architecture::host().map(|architecture| Platform { architecture }.into());
        one.then(host).flatten()
    }

    fn takes_referrers(&self) -> bool {
        matches!(self, Self::Registry(_) | Self::Local(Target::Oci { .. } | Target::Archive { .. }))
    }
}
