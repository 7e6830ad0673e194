//! `rootsmith capture`.

use std::num::NonZeroUsize;
use std::thread;

use super::args::{CaptureArgs, NetworkArgs};
use super::build::{docker_socket, lock_options, summary};
use super::{Answer, Session};
use crate::dest::Target;
use crate::error::Error;
use crate::ops::build::BuildOptions;
use crate::ops::capture::{self, CaptureOptions};
use crate::recipe::{HostRequest, Mounts};
use crate::source::host::CaptureError;

/// Captures, shows the summary, and answers with the digest.
pub(super) fn capture(arguments: &CaptureArgs, session: &Session) -> Result<Answer, Error> {
    let network = NetworkArgs::default();
    let targets = arguments.outputs.iter().map(|text| text.parse::<Target>()).collect::<Result<_, _>>()?;
    let options = CaptureOptions {
        request: HostRequest {
            path: session.environment.folder.join(&arguments.path),
            exclude: arguments.exclude.clone(),
            keep: arguments.keep.clone(),
            allow: arguments.allow.clone(),
            mounts: Mounts { all: arguments.across_file_systems, at: arguments.mounts.clone() },
            skip_unreadable: arguments.skip_unreadable,
        },
        platform: arguments.platform,
        report: arguments.report.clone(),
        build: BuildOptions {
            recipe: arguments.path.clone(),
            variant: None,
            platforms: Vec::new(),
            lock: lock_options(&network, &[], session)?,
            tags: arguments.tags.clone(),
            targets,
            threads: arguments.threads.or_else(|| thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN),
            docker_socket: docker_socket(session)?,
            watched: None,
        },
    };
    let context = session.context(&network)?;
    let captured = match capture::capture(&options, &context) {
        Err(Error::Capture(CaptureError::Secrets { report, .. })) if arguments.json => {
            return Ok(answer(None, &report).no());
        }
        other => other?,
    };
    for line in summary(&captured.built).lines() {
        context.reporter.note(line);
    }
    let digest = captured.built.digest().to_string();
    Ok(if arguments.json { answer(Some(&digest), &captured.report) } else { Answer::new(digest + "\n") })
}

fn answer(digest: Option<&str>, report: &crate::source::host::Report) -> Answer {
    Answer::json(&serde_json::json!({ "schema": "rootsmith/capture/1", "digest": digest, "report": report }))
}
