//! One digest, whatever differs around the build.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::golden;
use crate::support::door::DOORS;
use crate::support::require::{Need, require};
use crate::support::workspace::{Workspace, binary, finish, mirrors, run};

const TRIXIE: &str = "
name = \"trixie\"
platforms = [\"linux/amd64\"]
[from.debian]
suite = \"trixie\"
";

#[test]
fn the_surroundings_do_not_matter() {
    require!(Need::Root, Need::Program("busybox"), Need::Program("unshare"), Need::Amd64);
    let expected = golden::digest();
    let build = |what: &str, workspace: &Workspace, before: &[&str], with: &dyn Fn(&mut Command)| {
        let mut words: Vec<OsString> = before.iter().map(OsString::from).collect();
        words.push(binary().into());
        let mut command = workspace.command(words);
        command.args(["build", "golden.toml", "--progress", "none"]);
        with(&mut command);
        assert_eq!(finish(&mut command).digest(), expected, "{what}");
    };
    let new = || golden::workspace(&std::env::temp_dir());

    let workspace = new();
    build("a cold store", &workspace, &[], &|_| {});
    build("a warm store", &workspace, &[], &|_| {});
    build("a warm store of which nothing is recalled", &workspace, &[], &|command| {
        command.arg("--fresh");
    });
    build("a warm store and no network", &workspace, &[], &|command| {
        command.arg("--frozen");
    });
    let temporary = new();
    let folder = temporary.path("a temporary folder");
    fs::create_dir(&folder).unwrap();
    build("TMPDIR", &temporary, &[], &|command| {
        command.env("TMPDIR", &folder);
    });
    build("HOME", &new(), &[], &|command| {
        command.env("HOME", "/").env("XDG_CACHE_HOME", "/nonexistent");
    });
    build("TZ and locale", &new(), &[], &|command| {
        command.env("TZ", "Pacific/Chatham").env("LC_ALL", "tr_TR.UTF-8").env("LANG", "de_DE.UTF-8");
    });
    build("variables that shells heed", &new(), &[], &|command| {
        command
            .env("ENV", "/etc/passwd")
            .env("BASH_ENV", "/etc/passwd")
            .env("DPKG_FORCE", "all")
            .env("POSIXLY_CORRECT", "1");
    });
    build("a strict umask", &new(), &["sh", "-c", "umask 077; exec \"$@\"", "sh"], &|_| {});
    build("a lax umask", &new(), &["sh", "-c", "umask 000; exec \"$@\"", "sh"], &|_| {});
    build("one thread", &new(), &[], &|command| {
        command.args(["--threads", "1"]);
    });
    build("seven threads", &new(), &[], &|command| {
        command.args(["--threads", "7"]);
    });
    let renamed = ["unshare", "--uts", "sh", "-c", "hostname elsewhere; exec \"$@\"", "sh"];
    build("another hostname", &new(), &renamed, &|_| {});
    build("few open files", &new(), &["sh", "-c", "ulimit -n 256; exec \"$@\"", "sh"], &|_| {});
    build("verbose", &new(), &[], &|command| {
        command.arg("-vv");
    });
}

#[test]
fn the_file_system_does_not_matter() {
    require!(Need::Root, Need::Program("busybox"), Need::Program("mkfs.ext4"), Need::Amd64);
    let expected = golden::digest();
    let outer = Workspace::new();
    let image = outer.path("ext4.img");
    fs::File::create(&image).unwrap().set_len(512 << 20).unwrap();
    run(Command::new("mkfs.ext4").arg("-q").arg(&image));
    let mounts: [(&str, &[&str]); 2] =
        [("tmpfs", &["-t", "tmpfs", "tmpfs"]), ("ext4", &["-o", "loop", image.to_str().unwrap()])];
    for (name, arguments) in mounts {
        let _mount = Mount::new(arguments, &outer.path(name));
        let workspace = golden::workspace(&outer.path(name));
        let built = workspace.rootsmith(["build", "golden.toml", "--progress", "none"]);
        assert_eq!(built.digest(), expected, "{name}");
    }
}

#[test]
fn a_real_suite_has_one_digest_through_every_door() {
    require!(Need::Doors, Need::Mirror, Need::Amd64);
    let mut digests = Vec::new();
    let mut lock: Option<String> = None;
    for door in DOORS {
        let workspace = Workspace::new();
        workspace.write("trixie.toml", TRIXIE);
        if let Some(lock) = &lock {
            workspace.write("trixie.lock", lock);
        }
        door.prepare(&workspace);
        let words = door.prefix().iter().map(OsString::from).chain([binary().into()]);
        let built =
            finish(workspace.command(words).args(["build", "trixie.toml", "--progress", "none"]).args(mirrors()));
        digests.push((door, built.digest()));
        lock = Some(fs::read_to_string(workspace.path("trixie.lock")).unwrap());
    }
    assert!(digests.iter().all(|(_, digest)| *digest == digests[0].1), "{digests:?}");
}

/// A mounted file system, unmounted when this is dropped.
pub struct Mount(std::path::PathBuf);

impl Mount {
    /// `mount ARGUMENTS FOLDER`, the folder being made where it is not there.
    pub fn new(arguments: &[&str], folder: &Path) -> Self {
        fs::create_dir_all(folder).unwrap();
        run(Command::new("mount").args(arguments).arg(folder));
        Self(folder.to_owned())
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}
