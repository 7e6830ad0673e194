//! `rootsmith inspect`.

use std::path::PathBuf;

use super::args::InspectArgs;
use super::{Answer, Session, transfer};
use crate::archive::Limits;
use crate::error::Error;
use crate::image::Choice;
use crate::ops::inspect::{self, InspectOptions};

/// Transports that name a file or folder, and how much of a tag may follow.
const TRANSPORTS: [&str; 5] = ["oci:", "oci-archive:", "docker-archive:", "rootfs-tar:", "dir:"];

/// Shows what is in an image.
pub(super) fn inspect(arguments: &InspectArgs, session: &Session) -> Result<Answer, Error> {
    if arguments.image.starts_with("docker://") {
        let context = session.context(&arguments.remote.network())?;
        let reference = transfer::reference(&arguments.image)?;
        let found = inspect::inspect_remote(&reference, arguments.platform, &context)?;
        return Ok(if arguments.json { Answer::json(&found) } else { Answer::new(found.to_text()) });
    }
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
        if let Some((transport, rest)) = text.split_once("://") {
            return Err(Error::Usage {
                message: format!("cannot look into the files of `{transport}:` images where they are"),
                help: format!("pull it first: `rootsmith pull {rest} -o oci:DIR`"),
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
