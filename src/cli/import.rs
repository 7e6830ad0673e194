//! `rootsmith import`.

use std::io::{self, IsTerminal};

use super::args::{ImportArgs, LayerCompression, NetworkArgs};
use super::{Answer, Session, build};
use crate::archive::{Compression, Effort, Limits};
use crate::dest::Target;
use crate::digest::Digest;
use crate::error::Error;
use crate::image::Change;
use crate::image::Packing;
use crate::ops::import::{self, ImportInput, ImportOptions};

/// Imports, shows the summary, and answers with the digest.
pub(super) fn import(arguments: &ImportArgs, session: &Session) -> Result<Answer, Error> {
    let targets = arguments.outputs.iter().map(|text| text.parse::<Target>()).collect::<Result<_, _>>()?;
    let changes = arguments.changes.iter().map(|text| text.parse::<Change>()).collect::<Result<_, _>>()?;
    let default = Limits::default();
    let options = ImportOptions {
        input: input(arguments)?,
        sha256: arguments.sha256.as_deref().map(digest).transpose()?,
        strip_components: arguments.strip_components,
        image: arguments.image.clone(),
        platform: arguments.platform,
        changes,
        message: arguments.message.clone(),
        limits: Limits {
            entries: arguments.max_entries.unwrap_or(default.entries),
            bytes: arguments.max_bytes.unwrap_or(default.bytes),
            ratio: arguments.max_ratio.unwrap_or(default.ratio),
            ..default
        },
        packing: Packing {
            compression: match arguments.compression {
                LayerCompression::Gzip => Compression::Gzip,
                LayerCompression::Zstd => Compression::Zstd,
                LayerCompression::None => Compression::None,
            },
            effort: Effort::Normal,
            threads: build::threads(arguments.threads),
            remembers: false,
        },
        tags: arguments.name.iter().chain(&arguments.tags).cloned().collect(),
        targets,
        docker_socket: build::docker_socket(session)?,
        now: build::now(),
    };
    let network = NetworkArgs {
        offline: arguments.offline,
        certificates: arguments.certificates.clone(),
        registry: arguments.registry.clone(),
        patience: arguments.patience,
        ..NetworkArgs::default()
    };
    let context = session.context(&network)?;
    let built = import::import(&options, &mut io::stdin().lock(), &context)?;
    Ok(build::answer(&built, arguments.json, &context))
}

fn input(arguments: &ImportArgs) -> Result<ImportInput, Error> {
    let text = arguments.archive.to_string_lossy();
    if text == "-" {
        if io::stdin().is_terminal() {
            return Err(Error::Usage {
                message: "cannot read an archive from a terminal".to_owned(),
                help: "`-` is for a pipe: `docker export CONTAINER | rootsmith import - -o oci:DIR`".to_owned(),
            });
        }
        return Ok(ImportInput::Stream);
    }
    if ["http://", "https://", "file://"].iter().any(|scheme| text.starts_with(scheme)) {
        return Ok(ImportInput::Url(text.into_owned()));
    }
    Ok(ImportInput::Path(arguments.archive.clone()))
}

fn digest(text: &str) -> Result<Digest, Error> {
    Digest::from_hex(text.strip_prefix("sha256:").unwrap_or(text)).map_err(|_| Error::Usage {
        message: format!("`{text}` is no SHA-256"),
        help: "write 64 hex digits in small letters, as `sha256sum FILE` does".to_owned(),
    })
}
