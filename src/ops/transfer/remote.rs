//! To a registry: blobs, then manifests, then what names them, then what refers to them, and the tag last.

use super::graph::{Graph, Node};
use super::origin::Origin;
use crate::context::Context;
use crate::digest::Digest;
use crate::error::Error;
use crate::oci::{self, Reference, RemoteReference, Repository};
use crate::registry::{At, Client, Outgoing, Pushed, Registry, add_referrer, push_blobs};
use crate::report::Phase;

/// Pushes all of `graph` that is not there yet. The tag, where `to` has one, is moved last, so that whoever pulls meanwhile
/// gets the image before or this one, and never a part. The repositories in `already` have all of it.
pub(super) fn push(
    graph: &Graph,
    origin: &dyn Origin,
    to: &RemoteReference,
    already: &[Repository],
    client: &Client,
    context: &Context,
) -> Result<Pushed, Error> {
    let repository = &to.repository;
    let digest = graph.digest()?;
    if let Some(wanted) = to.digest.filter(|wanted| *wanted != digest) {
        return Err(Error::Usage {
            message: format!("cannot push `{}` as `{to}`: its digest is {digest}, and not {wanted}", origin.name()),
            help: format!("leave the digest out: `{repository}`"),
        });
    }
    let mut blobs = Vec::new();
    for node in graph.all() {
        let mount_from = candidate(node, origin, already, repository);
        for blob in &node.blobs {
            let (digest, size) = (oci::descriptor_digest(blob)?, blob.size());
            blobs.push(Outgoing { digest, size, mount_from: mount_from.clone() });
        }
    }
    let known = graph.blobs()?;
    let content = |blob: &Outgoing| origin.content(&known[&blob.digest], &context.store, false, &|_| {});
    let advance = |bytes| context.reporter.advance(Phase::Publish, bytes);
    let parallel = context.http.options().parallel;
    let pushed = push_blobs(client, repository, &blobs, parallel, &context.store, &content, &advance)?;
    let (root, below) = graph.nodes.split_last().expect("a graph has a root");
    for node in below {
        put(client, repository, node)?;
    }
    // What refers to the image needs it only by its digest, and is there before anybody can ask for the tag.
    if to.tag.is_none() || !graph.referrers.is_empty() {
        put(client, repository, root)?;
    }
    for node in &graph.referrers {
        let at = At::Digest(node.document.digest);
        let noted = client.put_manifest(repository, &at, &node.document)?;
        note_subject(client, repository, node, noted)?;
    }
    for (tag, descriptor) in &graph.tagged {
        put_tagged(client, repository, tag, oci::descriptor_digest(descriptor)?, graph, context)?;
    }
    if let Some(tag) = &to.tag {
        let at = At::Tag(tag.clone());
        if client.digest_at(repository, &at)? != Some(digest) {
            let noted = client.put_manifest(repository, &at, &root.document)?;
            note_subject(client, repository, root, noted)?;
        }
    }
    Ok(pushed)
}

/// Puts a manifest under its digest, unless it is there.
fn put(client: &Client, repository: &Repository, node: &Node) -> Result<(), Error> {
    let at = At::Digest(node.document.digest);
    if client.digest_at(repository, &at)?.is_none() {
        let noted = client.put_manifest(repository, &at, &node.document)?;
        note_subject(client, repository, node, noted)?;
    }
    Ok(())
}

/// Sets a tag that stands beside the image. What was there before stays only under its digest, which is told.
fn put_tagged(
    client: &Client,
    repository: &Repository,
    tag: &str,
    digest: Digest,
    graph: &Graph,
    context: &Context,
) -> Result<(), Error> {
    let at = At::Tag(tag.to_owned());
    let before = client.digest_at(repository, &at)?;
    if before == Some(digest) {
        return Ok(());
    }
    if let Some(before) = before {
        context.reporter.warn(&format!("{repository}:{tag} was {before} before, and is {digest} now"));
    }
    let node = graph.all().find(|node| node.document.digest == digest).expect("what has a tag was gathered");
    client.put_manifest(repository, &at, &node.document)?;
    Ok(())
}

/// Brings the list of referrers up to date where the registry has not done so by itself.
fn note_subject(client: &Client, repository: &Repository, node: &Node, noted: bool) -> Result<(), Error> {
    if let Some(subject) = node.subject.as_ref().filter(|_| !noted) {
        add_referrer(client, repository, &oci::descriptor_digest(subject)?, &node.descriptor)?;
    }
    Ok(())
}

/// A repository of the same registry that may have a node's blobs: where it is copied from, where it was pushed before, or
/// that of the image that it is based on.
fn candidate(node: &Node, origin: &dyn Origin, already: &[Repository], to: &Repository) -> Option<Repository> {
    let base = node.base.as_ref().and_then(|name| name.parse::<Reference>().ok()).map(|name| Repository::of(&name));
    let candidates = origin.repository().into_iter().chain(already).cloned().chain(base);
    candidates.into_iter().find(|from| from.registry() == to.registry() && from != to)
}
