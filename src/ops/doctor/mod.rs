//! What each source and output needs, and what this machine has.
//!
//! Nothing is tried: no namespace is made and no program is started. What is said follows from files of /proc, /sys and
//! /etc, so that asking is safe anywhere.

mod doors;
mod machine;
mod outputs;
mod platforms;

use std::fmt;
use std::path::PathBuf;

use crate::http::{HostMirror, RegistrySettings, without_secrets};
use crate::ops::doctor::machine::Machine;

/// Where to look.
#[derive(Clone, Debug)]
pub struct DoctorOptions {
    /// The root of the machine's files: `/`.
    pub root: PathBuf,
    /// The store's folder, which need not exist.
    pub store: PathBuf,
    /// Where programs are.
    pub path: Vec<PathBuf>,
    /// `DOCKER_HOST`.
    pub docker_host: Option<String>,
    /// The proxies that are set, in a few words each.
    pub proxies: Vec<String>,
    /// The mirrors that this machine's apt uses.
    pub mirrors: Vec<HostMirror>,
    /// How registries are reached.
    pub registries: RegistrySettings,
}

/// What was found.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Diagnosis {
    /// `rootsmith/doctor/1`.
    pub schema: &'static str,
    /// The machine itself.
    pub machine: Vec<Check>,
    /// The ways into the sandbox, the first that works is taken.
    pub doors: Vec<Check>,
    /// What recipes can begin with.
    pub sources: Vec<Check>,
    /// For which platforms programs of images run.
    pub platforms: Vec<Check>,
    /// Where images can go.
    pub outputs: Vec<Check>,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Check {
    /// What it is.
    pub name: &'static str,
    /// How it is.
    pub state: State,
    /// In a few words.
    pub detail: String,
    /// What to do for having it: commands, or advice.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ways_out: Vec<String>,
}

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it should be.
    Ok,
    /// It may be too little.
    Limited,
    /// It cannot be used.
    Missing,
}

/// Looks at this machine.
pub fn doctor(options: &DoctorOptions) -> Diagnosis {
    let machine = Machine::read(options);
    let doors = doors::doors(&machine);
    let sources = vec![
        outputs::debian(&doors),
        outputs::dnf(&doors, options),
        outputs::apk(&doors),
        outputs::scratch(),
        outputs::oci(),
        outputs::host(&machine),
        Check::ok("archive, import", "no other program is needed"),
        Check::ok("debian, no scripts", "nothing is needed, for any platform"),
        outputs::engine("mmdebstrap", options),
        outputs::engine("debootstrap", options),
    ];
    Diagnosis {
        schema: "rootsmith/doctor/1",
        machine: about(&machine, options),
        sources,
        platforms: platforms::platforms(&machine, options),
        outputs: outputs::outputs(&machine, options),
        doors,
    }
}

impl Check {
    fn ok(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, state: State::Ok, detail: detail.into(), ways_out: Vec::new() }
    }

    fn missing(name: &'static str, detail: impl Into<String>, ways_out: Vec<String>) -> Self {
        Self { name, state: State::Missing, detail: detail.into(), ways_out }
    }

    fn limited(self) -> Self {
        Self { state: State::Limited, ..self }
    }
}

/// A build of a small distribution unpacks to some hundred megabytes, and keeps them twice.
const LITTLE_DISK: u64 = 2_000_000_000;
const LITTLE_MEMORY: u64 = 512_000_000;

fn about(machine: &Machine, options: &DoctorOptions) -> Vec<Check> {
    let container = if machine.in_container { ", inside a container" } else { "" };
    let mut checks = vec![Check::ok("user", format!("{} (uid {}){container}", machine.user_name(), machine.uid))];
    if !machine.has_proc {
        let ways_out = vec!["mount -t proc proc /proc".to_owned()];
        checks.push(Check::missing("/proc", "it is not mounted, so that little can be said here", ways_out));
    }
    checks.push(match machine.memory {
        Some(memory) if memory < LITTLE_MEMORY => Check::ok("memory", format!("{} free", amount(memory))).limited(),
        Some(memory) => Check::ok("memory", format!("{} free", amount(memory))),
        None => Check::ok("memory", "not known").limited(),
    });
    let place = options.store.display();
    checks.push(match machine.disk {
        Some((_, 0)) => Check::missing(
            "store",
            format!("{place}: no inode is free"),
            vec!["rootsmith store gc".to_owned(), "put it elsewhere: --store DIR".to_owned()],
        ),
        Some((bytes, _)) if bytes < LITTLE_DISK => {
            let ways_out = vec!["rootsmith store gc".to_owned(), "put it elsewhere: --store DIR".to_owned()];
            Check::missing("store", format!("{place}: {} free", amount(bytes)), ways_out).limited()
        }
        Some((bytes, _)) => Check::ok("store", format!("{place}: {} free", amount(bytes))),
        None => Check::ok("store", format!("{place}: free space is not known")).limited(),
    });
    for proxy in &options.proxies {
        checks.push(Check::ok("proxy", proxy));
    }
    for mirror in &options.mirrors {
        let suites = mirror.suites.join(", ");
        checks.push(Check::ok("mirror", format!("{} ({suites})", without_secrets(&mirror.url))));
    }
    checks
}

fn amount(bytes: u64) -> String {
    format!("{:.1} GB", bytes as f64 / 1e9)
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sections: [(&str, &Vec<Check>); 5] = [
            ("This machine", &self.machine),
            ("The sandbox, for packages with scripts and [[run]]: the first that is ok is taken", &self.doors),
            ("Sources", &self.sources),
            ("Platforms, for packages with scripts and [[run]]; all others are built anywhere", &self.platforms),
            ("Outputs", &self.outputs),
        ];
        for (number, (title, checks)) in sections.into_iter().enumerate() {
            if number > 0 {
                writeln!(f)?;
            }
            writeln!(f, "{title}")?;
            for check in checks {
                write!(f, "{check}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Ok => "ok",
            State::Limited => "limited",
            State::Missing => "missing",
        };
        writeln!(f, "  {state:<8} {:<20} {}", self.name, self.detail)?;
        for way_out in &self.ways_out {
            writeln!(f, "  {:<29} -> {way_out}", "")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
