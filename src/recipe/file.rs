//! `[[file]]` and `[[run]]`: what a recipe puts into the image, and what it runs in it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::digest::Digest;
use crate::platform::{ParsePlatformError, Platform};

use super::fields::{Fields, Locals};
use super::mistake::{Mistake, Notebook, quoted};
use super::shape::{ANY, Key, Keys, Shape, Text, text};
use super::value::{Item, Value};
use super::words::{Device, ImagePath, Misfit, Mode, Owner};

/// Something that the recipe puts at a path of the image, in place of what is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry {
    /// Where; missing folders above are made, 0755 and root's.
    pub path: ImagePath,
    /// What.
    pub what: FileKind,
    /// Its mode. Without one: 0755 for folders and for copied files that their owner may execute, else 0644.
    pub mode: Option<Mode>,
    /// Its owner; root without one.
    pub owner: Option<Owner>,
    /// What the bytes of a copied file have to be.
    pub digest: Option<Digest>,
}

/// What a [`FileEntry`] makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A copy of a file or folder of the host; a folder with all in it.
    Copy(PathBuf),
    /// A copy of another file or folder for each platform; all platforms of the recipe are there.
    CopyByPlatform(BTreeMap<Platform, PathBuf>),
    /// A file with this text.
    Text(String),
    /// A symbolic link to this target, taken as written.
    Link(String),
    /// A folder; one that is there keeps what is in it.
    Directory,
    /// A device node.
    Device(Device),
    /// A named pipe.
    Fifo,
}

/// A command that runs in the image, in the sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunStep {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Environment variables beyond the sandbox's own.
    pub environment: BTreeMap<String, String>,
    /// Names of secrets that it may read below `/run/secrets`.
    pub secrets: Vec<String>,
    /// Whether it has the host's network.
    pub network: bool,
    /// Where it runs; `/` without one.
    pub workdir: Option<ImagePath>,
}

pub(super) static FILE: Keys = Keys {
    name: "[[file]]",
    groups: &[&[
        Key { name: "path", shape: Shape::Text(text::<ImagePath>("a path of the image")), about: "where it goes" },
        Key {
            name: "source",
            shape: Shape::Either(&Shape::Text(ANY), &Shape::Map { key: PLATFORM, value: ANY }),
            about: "a file or folder of the host to copy; or one for each platform, by the platform",
        },
        Key { name: "content", shape: Shape::Text(ANY), about: "the text of the file" },
        Key { name: "link", shape: Shape::Text(LINK), about: "the target of a symbolic link" },
        Key { name: "directory", shape: Shape::Flag { only: None }, about: "true: make a folder" },
        Key { name: "device", shape: Shape::Text(text::<Device>("a device")), about: "make a device node: `c 1:3`" },
        Key { name: "fifo", shape: Shape::Flag { only: None }, about: "true: make a named pipe" },
        Key {
            name: "mode",
            shape: Shape::Text(text::<Mode>("a mode, such as \"0755\"")),
            about: "its mode, as octal digits",
        },
        Key {
            name: "digest",
            shape: Shape::Text(text::<FileDigest>("a digest")),
            about: "the digest that the copied file must have: `sha256:...`",
        },
        Key {
            name: "owner",
            shape: Shape::Text(text::<Owner>("an owner, such as \"app:app\"")),
            about: "its owner: `user`, `user:group`, by name or number",
        },
    ]],
    later: &[],
};

pub(super) static RUN: Keys = Keys {
    name: "[[run]]",
    groups: &[&[
        Key {
            name: "command",
            shape: Shape::List(&Shape::Text(ANY)),
            about: "the program and its arguments, one string each",
        },
        Key { name: "env", shape: Shape::Map { key: VARIABLE, value: VALUE }, about: "environment variables" },
        Key {
            name: "secrets",
            shape: Shape::List(&Shape::Text(SECRET)),
            about: "secrets it may read below /run/secrets",
        },
        Key {
            name: "network",
            shape: Shape::Flag { only: None },
            about: "give it the network; false where it is not given",
        },
        Key { name: "workdir", shape: Shape::Text(text::<ImagePath>("a path of the image")), about: "where it runs" },
    ]],
    later: &[],
};

/// The name of an environment variable.
pub(super) const VARIABLE: Text = Text { what: "the name of a variable", check: check_variable };
/// The value of an environment variable.
pub(super) const VALUE: Text = Text { what: "a string", check: check_value };
/// A platform by its name.
pub(super) const PLATFORM: Text = Text { what: "a platform", check: check_platform };
pub(super) const SECRET: Text = Text { what: "the name of a secret", check: check_secret };
const LINK: Text = Text { what: "the target of a link", check: check_link };

impl FileKind {
    /// What is put into the image of one platform; nothing where it has no file for it.
    pub fn on(&self, platform: Platform) -> Option<Self> {
        match self {
            Self::CopyByPlatform(paths) => paths.get(&platform).cloned().map(Self::Copy),
            other => Some(other.clone()),
        }
    }
}

/// Reads one `[[file]]` of a recipe for these platforms.
pub(super) fn read_file(mut fields: Fields<'_>, platforms: &[Platform]) -> Option<FileEntry> {
    let kinds = ["source", "content", "link", "directory", "device", "fifo"];
    let given: Vec<_> = kinds.into_iter().filter(|key| fields.place_of(key).is_some()).collect();
    let (mode_place, path_place) = (fields.place_of("mode"), fields.place_of("path"));
    let path = fields.required("path");
    if let Some(folder) = path.as_ref().and_then(covered) {
        let clash = format!("what is put into `{folder}` is never seen: the kernel's own files are mounted over it");
        fields.error(path_place, Mistake::Clash(clash, "put it elsewhere, such as below `/usr/share` or `/var/lib`"));
    }
    let source = read_source(&mut fields, platforms);
    let content = fields.string("content").map(FileKind::Text);
    let link = fields.string("link").map(FileKind::Link);
    let directory = fields.flag("directory").filter(|flag| *flag).map(|_| FileKind::Directory);
    let device = fields.text("device").map(FileKind::Device);
    let fifo = fields.flag("fifo").filter(|flag| *flag).map(|_| FileKind::Fifo);
    let mode = fields.text("mode");
    let owner = fields.text("owner");
    let digest_place = fields.place_of("digest");
    let digest = fields.text("digest").map(|FileDigest(digest)| digest);
    let what = source.or(content).or(link).or(directory).or(device).or(fifo);
    let help = "give one of `source`, `content`, `link`, `directory = true`, `device` and `fifo = true`";
    if given.len() > 1 {
        let clash = format!("a file cannot have {} at once", quoted(&given));
        fields.error(path_place, Mistake::Clash(clash, help));
    } else if given.is_empty() || (what.is_none() && matches!(given[0], "directory" | "fifo")) {
        fields.error(path_place, Mistake::Clash("this file does not say what it is".to_owned(), help));
    }
    if matches!(what, Some(FileKind::Link(_))) && mode.is_some() {
        let clash = "a symbolic link has no mode of its own".to_owned();
        fields.error(mode_place, Mistake::Clash(clash, "leave out `mode`"));
    }
    let copies_file = matches!(&what, Some(FileKind::Copy(path)) if path.is_file());
    if digest.is_some() && what.is_some() && !copies_file {
        let clash = "only a copied file, the same for all platforms, has a digest".to_owned();
        fields.error(digest_place, Mistake::Clash(clash, "leave out `digest`"));
    }
    fields.finish();
    Some(FileEntry { path: path?, what: what?, mode, owner, digest })
}

/// The folder of the kernel's that a path is in, where it is in one. Other folders that a running system fills, `/dev`, `/run`
/// and `/tmp`, are not mounted over everywhere.
fn covered(path: &ImagePath) -> Option<&'static str> {
    let is_below = |folder: &&str| path.as_str().strip_prefix(*folder).is_some_and(|rest| rest.starts_with('/'));
    ["/proc", "/sys"].into_iter().find(is_below)
}

/// Reads `source`: one for all platforms, or one for each.
fn read_source(fields: &mut Fields<'_>, platforms: &[Platform]) -> Option<FileKind> {
    let place = fields.place_of("source");
    let paths = match fields.local_or_locals("source", "file or folder", Path::exists)? {
        Locals::One(path) => return path.map(FileKind::Copy),
        Locals::Each(paths) => paths,
    };
    let mut known: BTreeMap<Platform, Option<PathBuf>> = BTreeMap::new();
    for (name, path) in paths {
        // A key that is no platform has been spoken of.
        let Ok(platform) = name.parse() else { continue };
        if known.insert(platform, path).is_some() {
            fields.error(place, Mistake::Twice { what: platform.to_string(), key: "source" });
        }
    }
    let lacking = platforms.iter().filter(|platform| !known.contains_key(platform));
    let lacking: Vec<String> = lacking.map(ToString::to_string).collect();
    if !lacking.is_empty() {
        let what = format!("there is no file for {}", lacking.join(", "));
        fields.error(place, Mistake::Clash(what, "give one for each of the recipe's `platforms`"));
    }
    // So has a file that is not there.
    let there = |(platform, path): (Platform, Option<PathBuf>)| Some((platform, path?));
    Some(FileKind::CopyByPlatform(known.into_iter().filter_map(there).collect()))
}

/// Writes down paths that two entries are put at.
pub(super) fn check_twice(files: &[(super::value::Place, FileEntry)], notebook: &Notebook) {
    for (at, (place, file)) in files.iter().enumerate() {
        if files[..at].iter().any(|(_, earlier)| earlier.path == file.path) {
            notebook.error(*place, Mistake::Twice { what: file.path.to_string(), key: "file" });
        }
    }
}

/// Reads one `[[run]]`.
pub(super) fn read_run(mut fields: Fields<'_>) -> Option<RunStep> {
    let command = read_command(&mut fields);
    let environment = read_variables(&mut fields);
    let secrets = fields.strings("secrets").unwrap_or_default();
    let network_place = fields.place_of("network");
    let network = fields.flag("network").unwrap_or(false);
    if let (true, Some(place)) = (network, network_place) {
        let what = "this step has the network: what it fetches is neither checked nor locked".to_owned();
        fields.notebook().warn(place, Mistake::Doubtful(what, "the image is reproducible only if the step itself is"));
    }
    let workdir = fields.text("workdir");
    fields.finish();
    Some(RunStep { command: command?, environment, secrets, network, workdir })
}

/// Reads `env`. Nothing fills in values: one that is to go on from the variable's own would hold its name.
pub(super) fn read_variables(fields: &mut Fields<'_>) -> BTreeMap<String, String> {
    let places = fields.places_in("env");
    let variables = fields.map("env");
    for (name, _) in variables.iter().filter(|(name, value)| names_itself(name, value)) {
        let clash = format!("`{name}` names itself in its value, and nothing is filled in there");
        let help = "write the whole value, such as `PATH = \"/opt/app/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\"`";
        fields.error(places.get(name).copied(), Mistake::Clash(clash, help));
    }
    variables
}

/// Whether a value has `$NAME` or `${NAME...}` of its own variable in it.
fn names_itself(name: &str, value: &str) -> bool {
    let of_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    value.split('$').skip(1).any(|text| {
        let rest = text.strip_prefix('{').unwrap_or(text).strip_prefix(name);
        rest.is_some_and(|rest| !rest.as_bytes().first().is_some_and(of_name))
    })
}

fn read_command(fields: &mut Fields<'_>) -> Option<Vec<String>> {
    let place = fields.place_of("command");
    let empty = fields.count("command") == Some(0);
    fields.demand("command");
    let command = fields.strings("command")?;
    if empty || command.first().is_some_and(String::is_empty) {
        let clash = "the command names no program".to_owned();
        fields.error(place, Mistake::Clash(clash, "write the program and its arguments: `command = [\"ldconfig\"]`"));
        return None;
    }
    Some(command)
}

/// A digest as recipes write it.
struct FileDigest(Digest);

impl FromStr for FileDigest {
    type Err = Misfit;

    fn from_str(found: &str) -> Result<Self, Misfit> {
        let expected = "`sha256:` and 64 hex digits in small letters, as `sha256sum` prints them";
        found.parse().map(Self).map_err(|_| Misfit::new(found, "a digest", expected))
    }
}

fn check_platform(found: &str) -> Result<(), Misfit> {
    let expected = |error: ParsePlatformError| {
        let text = error.to_string();
        text.split_once("expected ").map_or(text.clone(), |(_, expected)| expected.to_owned())
    };
    found.parse::<Platform>().map(drop).map_err(|error| Misfit::new(found, "a platform", expected(error)))
}

fn check_variable(found: &str) -> Result<(), Misfit> {
    if !found.is_empty() && !found.contains(['=', '\0']) {
        return Ok(());
    }
    Err(Misfit::new(found, "the name of a variable", "a name without `=`, such as `LANG`"))
}

fn check_value(found: &str) -> Result<(), Misfit> {
    if !found.contains('\0') {
        return Ok(());
    }
    Err(Misfit::new(&found.replace('\0', "\\0"), "the value of a variable", "a text without NUL bytes"))
}

fn check_secret(found: &str) -> Result<(), Misfit> {
    let of_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    if found.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric()) && found.bytes().all(of_name) {
        return Ok(());
    }
    Err(Misfit::new(found, "the name of a secret", "letters, digits, `_`, `-` and `.`"))
}

fn check_link(found: &str) -> Result<(), Misfit> {
    if !found.is_empty() && !found.contains('\0') && found.len() < 4096 {
        return Ok(());
    }
    Err(Misfit::new(found, "the target of a link", "a path of 1 to 4095 bytes"))
}

/// A file goes by its path.
pub(super) fn is_file(item: &Item, name: &str) -> bool {
    let Value::Table(table) = &item.value else { return false };
    let Some(path) = table.get("path").and_then(|(_, path)| path.value.as_text()) else { return false };
    path.parse::<ImagePath>().is_ok() && path.parse::<ImagePath>() == name.parse()
}

/// A run step goes by its command, the words joined by spaces.
pub(super) fn is_run(item: &Item, name: &str) -> bool {
    let Value::Table(table) = &item.value else { return false };
    let Some((_, Item { value: Value::List(command), .. })) = table.get("command") else { return false };
    let words: Vec<_> = command.iter().filter_map(|word| word.value.as_text()).collect();
    words.join(" ") == name
}
