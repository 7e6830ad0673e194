//! `rootsmith push`, `pull` and `copy`.

use super::args::{CopyArgs, PullArgs, PushArgs, RemoteArgs, TakeArgs};
use super::{Answer, Session, build};
use crate::dest::Target;
use crate::error::Error;
use crate::oci::RemoteReference;
use crate::ops::transfer::{self, Goal, Source, TransferOptions};

/// Pushes to registries.
pub(super) fn push(arguments: &PushArgs, session: &Session) -> Result<Answer, Error> {
    let mut goals = Vec::new();
    for text in &arguments.references {
        let mut reference = reference(text)?;
        if arguments.push_by_digest {
            reference.tag = None;
        }
        goals.push(Goal::Registry(reference));
    }
    run(arguments.source.parse()?, goals, &arguments.take, &arguments.remote, session)
}

/// Pulls from a registry.
pub(super) fn pull(arguments: &PullArgs, session: &Session) -> Result<Answer, Error> {
    let source = Source::Registry(reference(&arguments.reference)?);
    let goals = arguments.outputs.iter().map(|text| goal(text)).collect::<Result<_, _>>()?;
    run(source, goals, &arguments.take, &arguments.remote, session)
}

/// Copies from anywhere to anywhere.
pub(super) fn copy(arguments: &CopyArgs, session: &Session) -> Result<Answer, Error> {
    let goals = arguments.destinations.iter().map(|text| goal(text)).collect::<Result<_, _>>()?;
    run(arguments.source.parse()?, goals, &arguments.take, &arguments.remote, session)
}

/// A name, with or without the transport in front.
pub(super) fn reference(text: &str) -> Result<RemoteReference, Error> {
    Ok(text.strip_prefix("docker://").unwrap_or(text).parse()?)
}

fn goal(text: &str) -> Result<Goal, Error> {
    match text.strip_prefix("docker://") {
        Some(name) if !name.is_empty() => Ok(Goal::Registry(name.parse()?)),
        _ => Ok(Goal::Local(text.parse::<Target>()?)),
    }
}

fn run(
    source: Source,
    targets: Vec<Goal>,
    take: &TakeArgs,
    remote: &RemoteArgs,
    session: &Session,
) -> Result<Answer, Error> {
    let options = TransferOptions {
        source,
        targets,
        platform: take.platform.clone(),
        referrers: !take.no_referrers,
        docker_socket: build::docker_socket(session)?,
    };
    let context = session.context(&remote.network())?;
    let done = transfer::transfer(&options, &context)?;
    if take.json {
        return Ok(Answer::json(&serde_json::json!({
            "schema": "rootsmith/transfer/1",
            "digest": done.digest.to_string(),
            "places": done.places,
            "sent": { "blobs": done.sent.0, "bytes": done.sent.1 },
            "reused": done.reused,
            "referrers": done.referrers,
        })));
    }
    if done.referrers > 0 {
        context.reporter.note(&format!("{} manifests that refer to it came along", done.referrers));
    }
    Ok(Answer::new(format!("{}\n", done.digest)))
}
