//! `rootsmith build` and `rootsmith lock`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::thread;

use super::args::{BuildArgs, LockArgs, NetworkArgs, Secret};
use super::{Answer, Session, network};
use crate::context::Context;
use crate::dest::Target;
use crate::engine::Engine;
use crate::epoch::Epoch;
use crate::error::Error;
use crate::ops::binary;
use crate::ops::build::{self, BuildOptions, Built};
use crate::ops::lock::{self, LockOptions, UpdateOptions};
use crate::ops::summary;
use crate::recipe;
use crate::report::counted;
use crate::source::debian::archives::{self, MirrorSettings};

/// What stands for the name of a recipe's file in an output.
pub(super) const HOLE: &str = "{recipe}";

/// Builds, shows the summary, and answers with the digest.
pub(super) fn build(arguments: &BuildArgs, session: &Session) -> Result<Answer, Error> {
    // Without a recipe there is no lock; the name is for messages alone.
    let recipe = arguments.recipes.first().cloned().unwrap_or_else(|| session.environment.folder.join("--binary"));
    let options = options(arguments, recipe, session)?;
    let context = session.context(&arguments.network)?;
    if arguments.fresh {
        context.store.forget();
    }
    let built = if arguments.binaries.is_empty() {
        build::build(&options, &context)?
    } else {
        let programs = arguments.binaries.iter().map(|program| session.environment.folder.join(program));
        binary::build(&programs.collect::<Vec<_>>(), &options, &context)?
    };
    Ok(answer(&built, arguments.json, &context))
}

/// The options of building one recipe. `{recipe}` in outputs is the name of its file.
pub(super) fn options(arguments: &BuildArgs, recipe: PathBuf, session: &Session) -> Result<BuildOptions, Error> {
    let stem = if recipe == Path::new("-") { "stdin".as_ref() } else { recipe.file_stem().unwrap_or_default() };
    let name = stem.to_string_lossy();
    let target = |text: &String| text.replace(HOLE, &name).parse::<Target>();
    let targets = arguments.outputs.iter().map(target).collect::<Result<_, _>>()?;
    Ok(BuildOptions {
        recipe,
        variant: arguments.variant.clone(),
        platforms: arguments.platforms.clone(),
        lock: with_file(&arguments.lock, lock_options(&arguments.network, &arguments.secrets, session)?)?,
        tags: arguments.tags.clone(),
        targets,
        threads: threads(arguments.threads),
        docker_socket: docker_socket(session)?,
        watched: None,
    })
}

/// The options of a build that is written nowhere: for what is compared or looked into.
pub(super) fn plain_options(
    recipe: PathBuf,
    variant: Option<String>,
    network: &NetworkArgs,
    given: &[Secret],
    session: &Session,
) -> Result<BuildOptions, Error> {
    Ok(BuildOptions {
        recipe,
        variant,
        platforms: Vec::new(),
        lock: lock_options(network, given, session)?,
        tags: Vec::new(),
        targets: Vec::new(),
        threads: threads(None),
        docker_socket: docker_socket(session)?,
        watched: None,
    })
}

/// Shows the summary of a finished image; gives its digest, or more as JSON.
pub(super) fn answer(built: &Built, json: bool, context: &Context) -> Answer {
    for line in summary(built).lines() {
        context.reporter.note(line);
    }
    if json {
        return Answer::json(&serde_json::json!({
            "schema": "rootsmith/build/1",
            "digest": built.digest().to_string(),
            "names": built.names.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "created": built.epoch.rfc3339(),
            "passes": built.passes.iter().map(|pass| (&pass.name, &pass.counts)).collect::<BTreeMap<_, _>>(),
        }));
    }
    Answer::new(format!("{}\n", built.digest()))
}

/// Locks, and answers with what changed.
pub(super) fn lock(arguments: &LockArgs, session: &Session) -> Result<Answer, Error> {
    let names = arguments.updated_packages();
    let options = UpdateOptions {
        recipe: arguments.recipe.clone(),
        variant: arguments.variant.clone(),
        lock: with_file(&arguments.lock, lock_options(&arguments.network, &arguments.secrets, session)?)?,
        check: arguments.check,
        update: names.map(|names| names.into_iter().map(str::to_owned).collect()),
    };
    let context = session.context(&arguments.network)?;
    let updated = lock::update(&options, &context)?;
    let changes: Vec<String> = updated.changes.iter().map(ToString::to_string).collect();
    let (file, written) = (updated.path.display().to_string(), updated.written);
    let answer = if arguments.json {
        let security: Vec<String> =
            updated.changes.iter().filter(|change| change.security).map(ToString::to_string).collect();
        Answer::json(&serde_json::json!({
            "schema": "rootsmith/lock/1", "file": file, "written": written, "changes": changes, "security": security,
        }))
    } else if arguments.summary {
        Answer::new(summary::markdown(&updated, &arguments.recipe))
    } else {
        let lines: String = changes.iter().map(|change| format!("{change}\n")).collect();
        let end = match (arguments.check, written) {
            (true, _) if changes.is_empty() => "nothing newer".to_owned(),
            (true, _) => format!("{}; `rootsmith lock --update` takes them", counted(changes.len(), "change")),
            (false, _) if !updated.is_needed => "nothing to lock: the recipe has no inputs but local files".to_owned(),
            (false, true) => format!("{file} written"),
            (false, false) => format!("{file} is up to date"),
        };
        context.reporter.note(&end);
        Answer::new(lines)
    };
    Ok(if arguments.check && !changes.is_empty() { answer.no() } else { answer })
}

/// How many threads work: as many as asked for, else one a processor.
pub(super) fn threads(asked: Option<NonZeroUsize>) -> NonZeroUsize {
    asked.or_else(|| thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN)
}

/// The time of day.
#[allow(clippy::disallowed_methods, reason = "the one place that looks at the clock; no image holds what it says")]
pub(super) fn now() -> Epoch {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Epoch::from_seconds(i64::try_from(now.as_secs()).unwrap_or(i64::MAX))
}

pub(super) fn lock_options(arguments: &NetworkArgs, given: &[Secret], session: &Session) -> Result<LockOptions, Error> {
    let host = network::host_mirrors(Path::new("/"));
    Ok(LockOptions {
        locked: arguments.is_locked(),
        file: None,
        docker_socket: docker_socket(session)?,
        mirrors: MirrorSettings {
            chosen: network::mirrors(arguments, &session.environment)?,
            host: archives::on_host(host.iter().map(|mirror| (mirror.url.as_str(), mirror.suites.as_slice()))),
            ..MirrorSettings::default()
        },
        channels: network::channel_logins(&session.environment),
        secrets: secrets(given)?,
        programs: session.environment.path.clone(),
        now: now(),
    })
}

/// The options with the lock in this file, where one is given. A device or pipe would be replaced by it.
pub(super) fn with_file(file: &Option<PathBuf>, options: LockOptions) -> Result<LockOptions, Error> {
    match file {
        Some(file) if recipe::is_stream(file) => Err(Error::Usage {
            message: format!("cannot keep the lock in `{}`, which is no file", file.display()),
            help: "name a file; without `--lock` a recipe that is no file keeps none".to_owned(),
        }),
        file => Ok(LockOptions { file: file.clone(), ..options }),
    }
}

pub(super) fn docker_socket(session: &Session) -> Result<std::path::PathBuf, Error> {
    match session.environment.docker_host.as_deref() {
        None | Some("") => Ok(Engine::SOCKET.into()),
        Some(host) => host.strip_prefix("unix://").map(Into::into).ok_or_else(|| Error::Usage {
            message: format!("cannot reach the Docker engine at `{host}`"),
            help: "DOCKER_HOST must be `unix://` and a path; or write `-o docker-archive:FILE` and load that"
                .to_owned(),
        }),
    }
}

fn secrets(given: &[Secret]) -> Result<BTreeMap<String, Vec<u8>>, Error> {
    let read = |secret: &Secret| match std::fs::read(&secret.source) {
        Ok(bytes) => Ok((secret.id.clone(), bytes)),
        Err(error) => Err(Error::Usage {
            message: format!("cannot read the secret `{}`: {}: {error}", secret.id, secret.source.display()),
            help: "`--secret id=NAME,src=FILE` names a file that you may read".to_owned(),
        }),
    };
    given.iter().map(read).collect()
}

/// What a person wants to know of a finished image.
pub(super) fn summary(built: &Built) -> String {
    let mut text = String::new();
    for pass in built.passes.iter().filter(|pass| !pass.summary.is_empty()) {
        let _ = writeln!(text, "{}: {}", pass.name, pass.summary);
    }
    let size: u64 = built.artifact.images().iter().map(|image| image.size()).sum();
    let names: Vec<String> = built.names.iter().map(|name| name.familiar()).collect();
    let _ =
        writeln!(text, "{}: {}, {:.1} MB, created {}", names.join(", "), built.source, size as f64 / 1e6, built.epoch);
    text
}
