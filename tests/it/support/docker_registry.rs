//! Debian's docker-registry.

use std::fs;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::workspace::Workspace;

/// A running docker-registry, ended when this is dropped.
pub struct Registry {
    daemon: Child,
    /// Where it listens on the loopback.
    pub port: u16,
}

impl Registry {
    /// Starts one in `workspace`; `further` are lines of its configuration.
    pub fn start(workspace: &Workspace, auth: &str, tls: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = workspace.path(&format!("registry-{port}"));
        let text = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage:\n  filesystem: {{rootdirectory: {}}}\n  delete: {{enabled: true}}\n\
             http:\n  addr: 127.0.0.1:{port}\n{tls}{auth}",
            folder.display()
        );
        let file = workspace.write(&format!("registry-{port}.yml"), &text);
        let log = fs::File::create(workspace.path(&format!("registry-{port}.log"))).unwrap();
        let daemon = Command::new("docker-registry")
            .arg("serve")
            .arg(file)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut registry = Self { daemon, port };
        let begun = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(registry.daemon.try_wait().unwrap().is_none(), "docker-registry does not start");
            assert!(begun.elapsed() < Duration::from_secs(30), "docker-registry does not answer");
            thread::sleep(Duration::from_millis(20));
        }
        registry
    }

    /// A name in it: `127.0.0.1:PORT/rest`.
    pub fn name(&self, rest: &str) -> String {
        format!("127.0.0.1:{}/{rest}", self.port)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}
