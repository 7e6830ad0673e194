//! `rootsmith layer`.

use std::num::NonZeroUsize;
use std::thread;

use super::args::LayerArgs;
use super::{Answer, Session, build, inspect};
use crate::dest::Target;
use crate::error::Error;
use crate::image::Choice;
use crate::oci::Reference;
use crate::ops::layer::{self, LayerOptions};
use crate::recipe::CondaRequest;

/// Puts an environment on an image, and answers with the digest.
pub(super) fn layer(arguments: &LayerArgs, session: &Session) -> Result<Answer, Error> {
    let (path, tag) = inspect::place(&arguments.image)?;
    let environment = session.environment.folder.join(&arguments.conda);
    let text = std::fs::read_to_string(&environment).map_err(|error| Error::Usage {
        message: format!("cannot read the environment `{}`: {error}", arguments.conda.display()),
        help: "`--conda` names an environment.yml, a pixi.lock, a conda-lock.yml or an explicit list".to_owned(),
    })?;
    let mut request = CondaRequest::new(environment, text);
    if let Some(prefix) = &arguments.prefix {
        request.prefix = prefix.clone();
    }
    if let Some(name) = &arguments.environment_name {
        request.environment_name.clone_from(name);
    }
    let some = |channels: &Vec<String>| (!channels.is_empty()).then(|| channels.clone());
    request.channels = some(&arguments.channels);
    request.allowed_channels = some(&arguments.allowed_channels);
    let names = arguments.tags.iter().map(|name| name.parse::<Reference>()).collect::<Result<Vec<_>, _>>()?;
    let usual = || "environment:latest".parse::<Reference>();
    let options = LayerOptions {
        image: session.environment.folder.join(path),
        choice: Choice { tag, platform: arguments.platform },
        request,
        lock: build::lock_options(&arguments.network, session),
        names: if names.is_empty() { vec![usual()?] } else { names },
        targets: arguments.outputs.iter().map(|text| text.parse::<Target>()).collect::<Result<_, _>>()?,
        threads: arguments.threads.or_else(|| thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN),
        docker_socket: build::docker_socket(session)?,
    };
    let artifact = layer::layer(&options, &session.context(&arguments.network)?)?;
    Ok(Answer::new(format!("{}\n", artifact.digest())))
}
