//! Where outputs go.

use std::fs;
use std::path::{Path, PathBuf};

use crate::dest::{self, Target};
use crate::error::Error;

/// Looks at what can be known of `targets` before anything is made for them: no two write to one place, however it is
/// spelled, and a folder for a root filesystem is empty and no other's place.
pub(super) fn check(targets: &[Target]) -> Result<(), Error> {
    let placed = targets.iter().filter_map(|target| Some((target, real_place(target.place()?))));
    let placed: Vec<(&Target, PathBuf)> = placed.collect();
    for (index, (target, place)) in placed.iter().enumerate() {
        let of_each = || "give each output a path of its own".to_owned();
        // A layout takes several images, each under its own tag.
        let meets = |(other, at): &&(&Target, PathBuf)| match (other, target) {
            (Target::Oci { tag, .. }, Target::Oci { tag: own, .. }) => at == place && tag == own,
            _ => at == place,
        };
        if let Some((other, _)) = placed[..index].iter().find(meets) {
            let message = format!("cannot write both `{other}` and `{target}`: they are one place");
            return Err(Error::Usage { message, help: of_each() });
        }
        let holds = |(other, at): &&(&Target, PathBuf)| {
            matches!(other, Target::RootfsDirectory { .. }) && place.starts_with(at) && at != place
        };
        if let Some((other, _)) = placed.iter().find(holds) {
            let what = "that is to be the root filesystem and nothing else";
            return Err(Error::Usage {
                message: format!("cannot write `{target}` into `{other}`: {what}"),
                help: of_each(),
            });
        }
        if let Target::RootfsDirectory { folder } = target {
            dest::check_rootfs_directory(folder)?;
        }
    }
    Ok(())
}

/// Where `path` leads, as far as it is there: links are followed, and `.` and `..` are gone.
fn real_place(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let found = path.ancestors().find_map(|there| Some((there, fs::canonicalize(there).ok()?)));
    match found {
        Some((there, real)) => match path.strip_prefix(there) {
            // Joining nothing would add a slash.
            Ok(rest) if !rest.as_os_str().is_empty() => real.join(rest),
            _ => real,
        },
        None => path,
    }
}
