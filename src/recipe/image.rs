//! `[image]` and `[layer]`: what the image says, and how its layer is compressed.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::fields::Fields;
use super::file::{VALUE, VARIABLE, read_variables};
use super::from::SourceRequest;
use super::mistake::{Mistake, Notebook};
use super::shape::{ANY, Key, Keys, Shape, Text, Words, itself, text};
use super::template::Template;
use super::value::Place;
use super::words::{ImagePath, Misfit, Owner};

/// What the image's configuration says (OCI image spec, config.md).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageSettings {
    /// The image's tags; see [`Recipe::tags`](super::Recipe::tags).
    pub tags: Option<Vec<Template>>,
    /// `Entrypoint`, without the init.
    pub entrypoint: Vec<String>,
    /// `Cmd`.
    pub cmd: Vec<String>,
    /// Variables of `Env`, beside those that every image has.
    pub environment: BTreeMap<String, String>,
    /// `Labels`.
    pub labels: BTreeMap<String, String>,
    /// `WorkingDir`.
    pub workdir: Option<ImagePath>,
    /// `User`, where it is not that of `[harden]`.
    pub user: Option<Owner>,
    /// `StopSignal`.
    pub stop_signal: Option<StopSignal>,
    /// `ExposedPorts`.
    pub ports: Vec<Port>,
    /// `Volumes`.
    pub volumes: Vec<ImagePath>,
    /// `author`.
    pub author: Option<String>,
    /// Whether `entrypoint` is given, be it empty: it then replaces a base image's, and its `Cmd` with it.
    pub replaces_entrypoint: bool,
    /// Whether `cmd` is given, be it empty: it then replaces a base image's.
    pub replaces_cmd: bool,
}

/// A signal by name (`SIGTERM`, `SIGRTMIN+3`) or number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StopSignal(String);

/// A port and its protocol: `8080/tcp`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Port(String);

/// How a layer's tar is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// gzip, which every client reads.
    #[default]
    Gzip,
    /// zstd: smaller and faster; Docker from version 23 on reads it.
    Zstd,
    /// Not at all.
    None,
}

/// How the image's layer is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LayerSettings {
    /// Whether more time goes into making it small.
    pub best: bool,
    /// How its tar is compressed.
    pub compression: Compression,
}

const ARGV: Shape = Shape::List(&Shape::Text(VALUE));
const LABEL: Text = Text { what: "the name of a label", check: check_label };
const PATH: Shape = Shape::Text(text::<ImagePath>("a path of the image"));

pub(super) static KEYS: Keys = Keys {
    name: "[image]",
    groups: &[&[
        Key {
            name: "tags",
            shape: Shape::List(&Shape::Text(text::<Template>("a tag"))),
            about: "its tags, with {suite}, {name}, {variant} and {epoch:%Y%m%d}; `latest` where they are not given",
        },
        Key { name: "entrypoint", shape: ARGV, about: "the program that always runs; the init goes before it" },
        Key { name: "cmd", shape: ARGV, about: "the program or arguments that run unless others are given" },
        Key { name: "env", shape: Shape::Map { key: VARIABLE, value: VALUE }, about: "environment variables" },
        Key { name: "labels", shape: Shape::Map { key: LABEL, value: ANY }, about: "labels" },
        Key { name: "workdir", shape: PATH, about: "the folder it starts in" },
        Key {
            name: "user",
            shape: Shape::Text(text::<Owner>("a user, such as \"10001:10001\"")),
            about: "the user it runs as, where it is not that of [harden]",
        },
        Key {
            name: "stop-signal",
            shape: Shape::Text(text::<StopSignal>("a signal")),
            about: "the signal that stops it",
        },
        Key {
            name: "ports",
            shape: Shape::Set(&Shape::Text(text::<Port>("a port, such as \"8080/tcp\"")), itself),
            about: "ports it listens on",
        },
        Key { name: "volumes", shape: Shape::Set(&PATH, itself), about: "folders that are volumes" },
        Key { name: "author", shape: Shape::Text(ANY), about: "who made it" },
    ]],
    later: &[],
};

pub(super) static LAYER: Keys = Keys {
    name: "[layer]",
    groups: &[&[
        Key {
            name: "compression",
            shape: Shape::Word(Words { known: &["gzip", "zstd", "none"], later: &[] }),
            about: "how it is compressed; `gzip` where it is not given",
        },
        Key {
            name: "effort",
            shape: Shape::Word(Words { known: &["normal", "best"], later: &[] }),
            about: "how much time goes into making it small; `normal` where it is not given",
        },
    ]],
    later: &[],
};

/// Reads `[image]`.
pub(super) fn read(mut fields: Fields<'_>) -> ImageSettings {
    let settings = ImageSettings {
        replaces_entrypoint: fields.place_of("entrypoint").is_some(),
        replaces_cmd: fields.place_of("cmd").is_some(),
        tags: fields.list("tags"),
        entrypoint: fields.strings("entrypoint").unwrap_or_default(),
        cmd: fields.strings("cmd").unwrap_or_default(),
        environment: read_variables(&mut fields),
        labels: fields.map("labels"),
        workdir: fields.text("workdir"),
        user: fields.text("user"),
        stop_signal: fields.text("stop-signal"),
        ports: fields.list("ports").unwrap_or_default(),
        volumes: fields.list("volumes").unwrap_or_default(),
        author: fields.string("author"),
    };
    fields.finish();
    settings
}

impl ImageSettings {
    /// Writes down tags whose `{suite}` nothing can fill, or whose `{name}` is none for a tag; `place` is that of the tags.
    pub(super) fn check_tags(
        &self,
        source: &SourceRequest,
        name: Option<&str>,
        place: Option<Place>,
        notebook: &Notebook,
    ) {
        let named = self.tags.iter().flatten().any(Template::names_name);
        if let (true, Some(name), Some(place)) = (named, name.filter(|name| name.contains('/')), place) {
            let what = format!("a tag with `{{name}}`, which is `{name}` here: a tag has no `/`");
            notebook.error(place, Mistake::Clash(what, "write the part of the name that is meant"));
        }
        let lost = self.tags.iter().flatten().any(Template::names_suite) && source.suite().is_none();
        if let (true, Some(place)) = (lost, place) {
            let what = format!("a tag with `{{suite}}`, which [from.{}] has not", source.name());
            let help = "write the suite itself, or take another hole: `{name}`, `{variant}`, `{epoch:%Y%m%d}`";
            notebook.error(place, Mistake::Clash(what, help));
        }
    }
}

/// Reads `[layer]`.
pub(super) fn read_layer(mut fields: Fields<'_>) -> LayerSettings {
    let compression = match fields.string("compression").as_deref() {
        Some("zstd") => Compression::Zstd,
        Some("none") => Compression::None,
        _ => Compression::Gzip,
    };
    let best = fields.string("effort").as_deref() == Some("best");
    fields.finish();
    LayerSettings { compression, best }
}

impl StopSignal {
    /// The signal as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Port {
    /// `8080/tcp`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Signals by their names without `SIG` (signal(7)).
const SIGNALS: [&str; 36] = [
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL", "PIPE", "POLL",
    "PROF", "PWR", "QUIT", "RTMAX", "RTMIN", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU",
    "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ",
];

impl FromStr for StopSignal {
    type Err = Misfit;

    fn from_str(found: &str) -> Result<Self, Misfit> {
        let numeric = found.parse::<u8>().is_ok_and(|number| (1..=64).contains(&number));
        let real_time = |prefix: &str| {
            let number = found.strip_prefix(prefix).and_then(|number| number.parse::<u8>().ok());
            number.is_some_and(|number| number <= 30)
        };
        let name = found.strip_prefix("SIG").unwrap_or_default();
        let named = SIGNALS.contains(&name) || real_time("SIGRTMIN+") || real_time("SIGRTMAX-");
        if numeric || named {
            return Ok(Self(found.to_owned()));
        }
        Err(Misfit::new(found, "a signal", "a name such as `SIGTERM`, or a number from 1 to 64"))
    }
}

impl FromStr for Port {
    type Err = Misfit;

    fn from_str(found: &str) -> Result<Self, Misfit> {
        let (number, protocol) = found.split_once('/').unwrap_or((found, "tcp"));
        let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        let port = number.parse::<u16>().ok().filter(|port| digits && *port > 0);
        match port {
            Some(port) if matches!(protocol, "tcp" | "udp" | "sctp") => Ok(Self(format!("{port}/{protocol}"))),
            _ => Err(Misfit::new(found, "a port", "a number from 1 to 65535, with `/tcp`, `/udp` or `/sctp` after it")),
        }
    }
}

fn check_label(found: &str) -> Result<(), Misfit> {
    if !found.trim().is_empty() {
        return Ok(());
    }
    Err(Misfit::new(found, "the name of a label", "a name such as `org.opencontainers.image.vendor`"))
}
