//! `rootsmith inspect`.

use std::path::PathBuf;

use super::args::InspectArgs;
use super::{Answer, Session};
use crate::archive::Limits;
use crate::error::Error;
use crate::image::Choice;
use crate::ops::inspect::{self, InspectOptions};

/// Transports that name a file or folder, and how much of a tag may follow.
const TRANSPORTS: [&str; 5] = ["oci:", "oci-archive:", "docker-archive:", "rootfs-tar:", "dir:"];

/// Shows what is in an image.
pub(super) fn inspect(arguments: &InspectArgs, session: &Session) -> Result<Answer, Error> {
    let (path, tag) = place(&arguments.image)?;
    let options = InspectOptions { choice: Choice { tag, platform: arguments.platform }, limits: Limits::default() };
    let store = session.store()?;
    let inspection = inspect::inspect(&session.environment.folder.join(path), &options, &store)?;
    Ok(if arguments.json { Answer::json(&inspection) } else { Answer::new(inspection.to_text()) })
}

/// The file or folder, and the tag in it.
pub(super) fn place(text: &str) -> Result<(PathBuf, Option<String>), Error> {
    let transport = TRANSPORTS.into_iter().find(|transport| text.starts_with(transport));
    let Some(transport) = transport else {
        if let Some((transport, _)) = text.split_once(':').filter(|(_, rest)| rest.starts_with("//")) {
            return Err(Error::Usage {
                message: format!("cannot look into `{transport}:` images: this version does not talk to registries"),
                help: "copy it first: `skopeo copy docker://REF oci:DIR`".to_owned(),
            });
        }
        return Ok((PathBuf::from(text), None));
    };
    let rest = &text[transport.len()..];
    match rest.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') && !path.is_empty() => Ok((path.into(), Some(tag.to_owned()))),
        _ => Ok((rest.into(), None)),
    }
}
