//! `rootsmith layer`.

use std::collections::BTreeSet;
use std::path::Path;

use super::args::LayerArgs;
use super::{Answer, Session, build, inspect};
use crate::archive::{Compression, Effort};
use crate::dest::Target;
use crate::error::Error;
use crate::image::Packing;
use crate::oci::Reference;
use crate::ops::layer::{self, LayerOptions};
use crate::recipe::{CondaRequest, ImageLocation, Misfit};

/// Puts an environment on an image, and answers with the digest.
pub(super) fn layer(arguments: &LayerArgs, session: &Session) -> Result<Answer, Error> {
    let environment = session.environment.folder.join(&arguments.conda);
    let text = std::fs::read_to_string(&environment).map_err(|error| Error::Usage {
        message: format!("cannot read the environment `{}`: {error}", arguments.conda.display()),
        help: "`--conda` names an environment.yml, a pixi.lock, a conda-lock.yml or an explicit list".to_owned(),
    })?;
    let request = request(arguments, CondaRequest::new(environment, text));
    let names = arguments.tags.iter().map(|name| name.parse::<Reference>()).collect::<Result<Vec<_>, _>>()?;
    let usual = || "environment:latest".parse::<Reference>();
    let options = LayerOptions {
        image: image(&arguments.image, &session.environment.folder)?,
        platform: arguments.platform,
        request,
        lock: build::lock_options(&arguments.network, &[], session)?,
        names: if names.is_empty() { vec![usual()?] } else { names },
        targets: arguments.outputs.iter().map(|text| text.parse::<Target>()).collect::<Result<_, _>>()?,
        packing: Packing {
            compression: Compression::Gzip,
            effort: Effort::Normal,
            threads: build::threads(arguments.threads),
            remembers: true,
        },
        docker_socket: build::docker_socket(session)?,
    };
    let artifact = layer::layer(&options, &session.context(&arguments.network)?)?;
    Ok(Answer::new(format!("{}\n", artifact.digest())))
}

/// What is asked for, with what the flags say.
fn request(arguments: &LayerArgs, plain: CondaRequest) -> CondaRequest {
    let some = |channels: &Vec<String>| (!channels.is_empty()).then(|| channels.clone());
    let presets: BTreeSet<_> = arguments.prune.iter().copied().collect();
    CondaRequest {
        prefix: arguments.prefix.clone().unwrap_or(plain.prefix),
        environment_name: arguments.environment_name.clone().unwrap_or(plain.environment_name),
        channels: some(&arguments.channels),
        allowed_channels: some(&arguments.allowed_channels),
        channel_priority: arguments.channel_priority.unwrap_or_default(),
        exclude_newer: arguments.exclude_newer.clone(),
        virtual_packages: arguments.virtual_packages.iter().cloned().collect(),
        post_link: arguments.post_link.unwrap_or_default(),
        bytecode: arguments.pyc.unwrap_or_default(),
        prune: presets.into_iter().collect(),
        layers: arguments.layers.unwrap_or_default(),
        max_layers: arguments.max_layers.unwrap_or(plain.max_layers),
        max_layer_size: arguments.max_layer_size.map(|mebibytes| u64::from(mebibytes) << 20),
        activate: arguments.activate.unwrap_or_default(),
        owner: arguments.owner.clone(),
        ..plain
    }
}

/// Where an image is: by its transport, or a path, of which the file or folder itself says what it is.
fn image(text: &str, folder: &Path) -> Result<ImageLocation, Error> {
    if text.starts_with("docker-daemon:") || text.starts_with("docker://") {
        return text.parse().map_err(|misfit: Misfit| Error::Usage {
            message: format!("cannot put an environment on `{text}`: expected {}", misfit.expected),
            help: "an image is `oci:DIR`, `docker-daemon:NAME:TAG`, `docker://HOST/NAME:TAG` or a path".to_owned(),
        });
    }
    let (path, name) = inspect::place(text)?;
    let path = folder.join(path);
    Ok(match path.is_dir() {
        true => ImageLocation::Layout { folder: path, tag: name },
        false => ImageLocation::Archive { file: path, name, docker: text.starts_with("docker-archive:") },
    })
}
