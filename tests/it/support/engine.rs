//! A Docker engine of the tests' own, for as long as a test needs it.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::workspace::{Finished, finish, run};

/// A running `dockerd`, ended when this is dropped.
pub struct Engine {
    daemon: Child,
    folder: TempDir,
}

impl Engine {
    /// Starts one with its own data, without a network of its own.
    pub fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("rootsmith-engine-").tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let log = std::fs::File::create(at("log")).unwrap();
        let daemon = Command::new("dockerd")
            .args(["--storage-driver=vfs", "--iptables=false", "--ip6tables=false", "--bridge=none"])
            .arg("--data-root")
            .arg(at("data"))
            .arg("--exec-root")
            .arg(at("exec"))
            .arg("--pidfile")
            .arg(at("pid"))
            .arg("--host")
            .arg(format!("unix://{}", at("socket").display()))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut engine = Self { daemon, folder };
        let begun = Instant::now();
        while finish(&mut engine.docker(["version"])).code != 0 {
            let ended = engine.daemon.try_wait().unwrap();
            let log = || std::fs::read_to_string(engine.folder.path().join("log")).unwrap_or_default();
            assert!(ended.is_none() && begun.elapsed() < Duration::from_secs(60), "dockerd does not start:\n{}", log());
            thread::sleep(Duration::from_millis(100));
        }
        engine
    }

    /// Its socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// A `docker` command for this engine.
    pub fn docker<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = Command::new("docker");
        command.arg("--host").arg(format!("unix://{}", self.socket().display())).args(arguments);
        command
    }

    /// Runs a `docker` command that must succeed; gives its output.
    pub fn succeed<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> String {
        run(&mut self.docker(arguments))
    }

    /// Runs a command in a new container of `image`, with the host's network.
    pub fn in_container(&self, image: &str, options: &[&str], command: &[&str]) -> Finished {
        let before = ["run", "--rm", "--network=host"];
        finish(&mut self.docker(before.iter().chain(options).copied().chain([image]).chain(command.iter().copied())))
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.daemon.id().to_string()).status();
        let _ = self.daemon.wait();
        // What it left mounted would keep the folder from being removed.
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let inside = mounts.lines().filter_map(|line| line.split(' ').nth(1));
        for mount in inside.filter(|mount| std::path::Path::new(mount).starts_with(self.folder.path())) {
            let _ = Command::new("umount").arg(mount).status();
        }
    }
}
