//! How programs with the network find other machines by name: the host's name servers and a name for this machine, in the
//! stage for as long as a step runs. Neither is part of the image.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Where the C library looks for name servers (resolv.conf(5)).
const SERVERS: &str = "/etc/resolv.conf";

/// Where it looks for names first (hosts(5)).
const HOSTS: &str = "/etc/hosts";

/// What is in it, where the image has no such file of its own.
const LOCALHOST: &[u8] = b"127.0.0.1 localhost\n::1 localhost\n";

/// The name servers of the host.
pub(super) struct Names {
    servers: Vec<u8>,
}

/// Files that are in the stage for a while.
pub(super) struct Shown {
    put: Vec<PathBuf>,
    /// What the stage had there: where it is meanwhile, and its place.
    aside: Option<(PathBuf, PathBuf)>,
}

impl Names {
    /// Those of the host. To be called while its root directory is still that of this process.
    pub(super) fn of_host() -> Self {
        Self { servers: fs::read(SERVERS).unwrap_or_default() }
    }

    /// Puts them into the stage, which is the root directory by now.
    pub(super) fn show(&self) -> io::Result<Shown> {
        let mut shown = Shown { put: Vec::new(), aside: None };
        if !Path::new("/etc").is_dir() {
            return Ok(shown);
        }
        if fs::symlink_metadata(SERVERS).is_ok() {
            let aside = PathBuf::from(format!("{SERVERS}.rootsmith"));
            fs::rename(SERVERS, &aside)?;
            shown.aside = Some((aside, PathBuf::from(SERVERS)));
        }
        shown.put(SERVERS, &self.servers)?;
        if fs::symlink_metadata(HOSTS).is_err() {
            shown.put(HOSTS, LOCALHOST)?;
        }
        Ok(shown)
    }
}

impl Shown {
    fn put(&mut self, path: &str, bytes: &[u8]) -> io::Result<()> {
        fs::write(path, bytes)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o644))?;
        self.put.push(PathBuf::from(path));
        Ok(())
    }

    /// Takes them out of the stage.
    pub(super) fn hide(self) -> io::Result<()> {
        for path in self.put {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        self.aside.map_or(Ok(()), |(aside, place)| fs::rename(aside, place))
    }
}
