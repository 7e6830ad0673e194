//! The real apk, taken out of Alpine's minirootfs: what rootsmith is measured by.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::apk::{self, Node};
use super::require::data;
use super::workspace::{Finished, finish};

/// apk-tools 2.14 for x86-64, with what it loads.
pub struct ApkTools {
    folder: TempDir,
}

impl ApkTools {
    /// Takes it out of the minirootfs, which is a path in the test data.
    pub fn of(minirootfs: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("rootsmith-apk-tools-").tempdir().unwrap();
        let files = apk::files(&data().join(minirootfs));
        let wanted = |path: &str| path == "sbin/apk" || path.starts_with("lib/") || path.starts_with("usr/lib/");
        for (path, entry) in files.iter().filter(|(path, _)| wanted(path)) {
            let place = folder.path().join(path);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            match &entry.node {
                Node::File(bytes) => {
                    fs::write(&place, bytes).unwrap();
                    fs::set_permissions(&place, fs::Permissions::from_mode(0o755)).unwrap();
                }
                Node::Symlink(target) => std::os::unix::fs::symlink(target, &place).unwrap(),
                _ => {}
            }
        }
        Self { folder }
    }

    /// Runs it for the root filesystem `root`.
    pub fn run(&self, root: &Path, arguments: &[&str]) -> Finished {
        let at = |name: &str| self.folder.path().join(name);
        let mut command = Command::new(at("lib/ld-musl-x86_64.so.1"));
        command.arg("--library-path").arg(format!("{}:{}", at("lib").display(), at("usr/lib").display()));
        command.arg(at("sbin/apk")).args(["--arch", "x86_64", "--no-progress", "--root"]).arg(root).args(arguments);
        finish(command.env_clear().env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin"))
    }

    /// A new root filesystem without packages that trusts the key in the file `key`.
    pub fn root(&self, root: PathBuf, key: Option<&Path>) -> PathBuf {
        self.run(&root, &["add", "--initdb"]).succeeded();
        fs::create_dir_all(root.join("etc/apk/keys")).unwrap();
        if let Some(key) = key {
            fs::copy(key, root.join("etc/apk/keys").join(key.file_name().unwrap())).unwrap();
        }
        root
    }

    /// The packages that it would install for a world, as `name-version`; what it says where it cannot.
    pub fn chosen(&self, root: &Path, repository: &Path, world: &[&str]) -> Result<BTreeSet<String>, String> {
        let repository = repository.to_str().unwrap();
        let mut arguments = vec!["add", "--simulate", "--allow-untrusted", "-X", repository];
        arguments.extend(world);
        let finished = self.run(root, &arguments);
        if finished.code != 0 {
            return Err(finished.stdout + &finished.stderr);
        }
        let line = |line: &str| {
            let (name, version) = line.split_once(") Installing ")?.1.split_once(' ')?;
            Some(format!("{name}-{}", version.trim_matches(['(', ')'])))
        };
        Ok(finished.stdout.lines().filter_map(line).collect())
    }
}
