//! `rootsmith inspect`.

use std::path::{Path, PathBuf};

use super::args::InspectArgs;
use super::{Answer, Session, transfer};
use crate::archive::Limits;
use crate::error::Error;
use crate::image::Choice;
use crate::ops::inspect::{self, InspectOptions};
use crate::ops::transfer::Source;

/// Transports of files and folders in which there are no names: all that follows is a path.
const NAMELESS: [&str; 2] = ["rootfs-tar:", "dir:"];

/// Shows what is in an image.
pub(super) fn inspect(arguments: &InspectArgs, session: &Session) -> Result<Answer, Error> {
    if arguments.image.starts_with("docker://") {
        let context = session.context(&arguments.remote.network())?;
        let reference = transfer::reference(&arguments.image)?;
        let found = inspect::inspect_remote(&reference, arguments.platform.clone(), &context)?;
        return Ok(if arguments.json { Answer::json(&found) } else { Answer::new(found.to_text()) });
    }
    if let Some(folder) = rootfs_folder(&arguments.image, &session.environment.folder) {
        let inspection = inspect::inspect_folder(&folder)?;
        return Ok(if arguments.json { Answer::json(&inspection) } else { Answer::new(inspection.to_text()) });
    }
    let (path, tag) = place(&arguments.image)?;
    if path.extension().is_some_and(|extension| extension == "toml") && session.environment.folder.join(&path).is_file()
    {
        let recipe = path.display();
        return Err(Error::Usage {
            message: format!("`{recipe}` is a recipe, not an image"),
            help: format!(
                "build it: `rootsmith build {recipe} -o oci:DIR`; `diff` and `explain PATH --image` take recipes"
            ),
        });
    }
    let options =
        InspectOptions { choice: Choice { tag, platform: arguments.platform.clone() }, limits: Limits::images() };
    let store = session.store()?;
    let inspection = inspect::inspect(&session.environment.folder.join(path), &options, &store)?;
    Ok(if arguments.json { Answer::json(&inspection) } else { Answer::new(inspection.to_text()) })
}

/// The folder of a root filesystem, where that is what is named: with its transport, or a folder that is no layout.
pub(super) fn rootfs_folder(text: &str, from: &Path) -> Option<PathBuf> {
    if let Some(path) = text.strip_prefix("rootfs-dir:") {
        return Some(from.join(path));
    }
    let path = from.join(text);
    (!text.contains(':') && path.is_dir() && !path.join("oci-layout").exists()).then_some(path)
}

/// The file or folder, and the tag in it.
pub(super) fn place(text: &str) -> Result<(PathBuf, Option<String>), Error> {
    if let Some(path) = NAMELESS.iter().find_map(|transport| text.strip_prefix(transport)) {
        return Ok((path.into(), None));
    }
    let elsewhere = |transport: &str, help: String| Error::Usage {
        message: format!("cannot look into the files of `{transport}:` images where they are"),
        help,
    };
    match (text.split_once("://"), text.parse()?) {
        (Some((transport, rest)), _) => {
            Err(elsewhere(transport, format!("pull it first: `rootsmith pull {rest} -o oci:DIR`")))
        }
        (None, Source::Files { path, name }) => Ok((path, name)),
        (None, other) => Err(elsewhere("docker-daemon", format!("copy it first: `rootsmith copy {other} oci:DIR`"))),
    }
}
