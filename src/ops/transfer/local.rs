//! To a place of this machine.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use oci_spec::image::Descriptor;

use super::graph::{Graph, Node, is_here};
use super::origin::Origin;
use crate::archive::{Compression, Limits};
use crate::context::Context;
use crate::dest::{
    ArchiveFile, Blob, BlobContent, ContainersStorage, Contents, Destination, DockerDaemon, ImageFiles, Layout, Part,
    Target, publish_parts,
};
use crate::error::Error;
use crate::image::{self, Choice, OpenError};
use crate::oci::{self, Reference};
use crate::ops::root_files::RootFiles;
use crate::registry::{Bytes, in_parallel};
use crate::report::{Phase, Unit, counted};
use crate::sandbox;
use crate::source::newest;

/// Puts the image where `target` says, under `names` unless the target has its own.
pub(super) fn put(
    graph: &Graph,
    origin: &dyn Origin,
    target: &Target,
    names: &[Reference],
    docker_socket: &Path,
    context: &Context,
) -> Result<(), Error> {
    let names = match (target, names, origin.repository()) {
        // What was asked for by its digest has no name but that of its repository.
        (Target::Oci { tag: Some(tag), .. }, [], Some(repository)) => vec![repository.tagged(tag)?],
        _ => target.names(names)?,
    };
    if is_for_engines(target) {
        if names.is_empty() {
            return Err(Error::Usage {
                message: format!("`{}` has no name here, and `{target}` needs one", origin.name()),
                help: "add one to the output: `-o docker-archive:FILE:NAME:TAG`, `-o docker-daemon:NAME:TAG`"
                    .to_owned(),
            });
        }
        check_loadable(graph, origin, target, context)?;
    }
    let destination: Box<dyn Destination> = match target {
        Target::Oci { folder, .. } => Box::new(Layout::open(folder, &names)?),
        Target::Archive { file, .. } => Box::new(ArchiveFile::create(file, &names)?),
        Target::DockerDaemon { .. } => Box::new(DockerDaemon::new(docker_socket, &names)?),
        Target::ContainersStorage { .. } => {
            Box::new(ContainersStorage::new(&context.store.temporary(), &names, &sandbox::run_host_program)?)
        }
        _ => return put_files(graph, origin, target, context),
    };
    put_image(graph, origin, destination, context)
}

/// Whether engines load what is written there, by Docker's list of images and their layers.
fn is_for_engines(target: &Target) -> bool {
    matches!(target, Target::Archive { .. } | Target::DockerDaemon { .. } | Target::ContainersStorage { .. })
}

/// Refuses what an engine would load nothing of. An archive without an image may be for others than engines, and is only
/// warned of.
fn check_loadable(graph: &Graph, origin: &dyn Origin, target: &Target, context: &Context) -> Result<(), Error> {
    let failed = |source| Error::Open { path: origin.name(), source };
    let images = || graph.nodes.iter().filter_map(|node| node.image.as_ref());
    if let Some(foreign) = images().flat_map(|(_, layers)| layers).find(|layer| !is_here(layer)) {
        let (digest, media_type) = (foreign.digest().to_string(), foreign.media_type().to_string());
        return Err(failed(OpenError::Foreign { digest, media_type }));
    }
    if images().next().is_none() {
        if matches!(target, Target::Archive { .. }) {
            let what = "holds no container image: docker and podman load nothing from it";
            context.reporter.warn(&format!("{target} {what}"));
            return Ok(());
        }
        let media_type = graph.nodes.iter().find_map(|node| node.config_type.clone()).unwrap_or_default();
        return Err(failed(OpenError::Artifact { media_type }));
    }
    Ok(())
}

fn put_image(
    graph: &Graph,
    origin: &dyn Origin,
    mut destination: Box<dyn Destination + '_>,
    context: &Context,
) -> Result<(), Error> {
    let mut missing: Vec<Descriptor> = Vec::new();
    for (digest, blob) in graph.blobs()? {
        if !destination.has(&digest, blob.size())? {
            missing.push(blob);
        }
    }
    let mut fetched = fetch(&missing, origin, context)?;
    let parts = graph.all().map(|node| {
        let of_node = |blob: &Descriptor| {
            // Whoever comes first puts what several share.
            let content = fetched.iter().position(|(known, _)| known.digest() == blob.digest())?;
            Some(fetched.swap_remove(content).1)
        };
        Part { blobs: node.blobs.iter().filter_map(of_node).collect(), manifest: manifest(node) }
    });
    let parts: Vec<Part> = parts.collect();
    context.reporter.begin(Phase::Publish, Some(missing.iter().map(Descriptor::size).sum()), Unit::Bytes);
    let advance = |bytes| context.reporter.advance(Phase::Publish, bytes);
    publish_parts(&parts, &contents(graph)?, destination, &advance)?;
    context.reporter.end(Phase::Publish, "1 output");
    Ok(())
}

/// Sees to it that the blobs are on this machine, several at a time.
fn fetch(missing: &[Descriptor], origin: &dyn Origin, context: &Context) -> Result<Vec<(Descriptor, Blob)>, Error> {
    let size = missing.iter().map(Descriptor::size).sum();
    context.reporter.begin(Phase::Download, Some(size), Unit::Bytes);
    let parallel = context.http.options().parallel;
    let advance = |bytes| context.reporter.advance(Phase::Download, bytes);
    let fetched = in_parallel(missing, parallel, &advance, |wanted, tell| {
        Ok::<_, Error>((wanted.clone(), blob(wanted, origin, context, tell)?))
    })?;
    context.reporter.end(Phase::Download, &format!("{}, {:.1} MB", counted(missing.len(), "blob"), size as f64 / 1e6));
    Ok(fetched)
}

fn blob(wanted: &Descriptor, origin: &dyn Origin, context: &Context, on_bytes: &dyn Fn(u64)) -> Result<Blob, Error> {
    let content = match origin.content(wanted, &context.store, true, on_bytes)? {
        Bytes::Memory(bytes) => BlobContent::Bytes(bytes),
        Bytes::File(path) => BlobContent::File(path),
    };
    let digest = oci::descriptor_digest(wanted)?;
    Ok(Blob { digest, size: wanted.size(), media_type: wanted.media_type().to_string(), content })
}

fn manifest(node: &Node) -> Blob {
    let document = &node.document;
    Blob {
        digest: document.digest,
        size: document.bytes.len() as u64,
        media_type: document.media_type.clone(),
        content: BlobContent::Bytes(Arc::clone(&document.bytes)),
    }
}

fn contents(graph: &Graph) -> Result<Contents, Error> {
    let mut images = Vec::new();
    for (config, layers) in graph.nodes.iter().filter_map(|node| node.image.as_ref()) {
        let layers = layers.iter().map(oci::descriptor_digest).collect::<Result<_, _>>()?;
        images.push(ImageFiles { config: oci::descriptor_digest(config)?, layers });
    }
    let referrers = graph.referrers.iter().filter(|node| node.subject.is_some());
    let tagged = graph.tagged.iter().map(|(tag, descriptor)| {
        let mut descriptor = descriptor.clone();
        descriptor.set_annotations(Some([(oci::REF_NAME.to_owned(), tag.clone())].into()));
        descriptor
    });
    let referrers = referrers.map(|node| node.descriptor.clone()).chain(tagged).collect();
    Ok(Contents { root: graph.root.clone(), images, referrers })
}

/// The files of an image, by way of a layout that is gone afterwards.
fn put_files(graph: &Graph, origin: &dyn Origin, target: &Target, context: &Context) -> Result<(), Error> {
    let temporary = context.store.temporary();
    let failed = |source| context.store.cannot("write to", source);
    let folder = tempfile::tempdir_in(&temporary).map_err(failed)?;
    let layout = folder.path().join("layout");
    put_image(graph, origin, Box::new(Layout::open(&layout, &[])?), context)?;
    let opened = image::open(&layout, &Choice::default(), &Limits::images(), &temporary)
        .map_err(|source| Error::Open { path: origin.name(), source })?;
    let epoch = context.epoch.unwrap_or_else(|| newest(&opened.tree, None));
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    RootFiles { tree: &opened.tree, compression: Compression::default(), epoch, threads }.write(target, context)
}
