//! `[[conda]]`: conda environments on top of the root filesystem, each as further layers.

mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::fields::Fields;
use super::mistake::{Mistake, Notebook};
use super::shape::{ANY, Key, Keys, Shape, Text, Words, itself, text};
use super::value::{Item, Place, Value};
use super::words::{Misfit, Owner};
pub use words::{CondaPrefix, ExcludeNewer};
use words::{check_channel, check_virtual};

/// A conda environment of the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CondaRequest {
    /// The file that says what is in it: environment.yml, pixi.lock, conda-lock.yml or an explicit list.
    pub environment: PathBuf,
    /// The text of that file.
    pub text: String,
    /// Which environment of a pixi.lock.
    pub environment_name: String,
    /// Where it is in the image.
    pub prefix: CondaPrefix,
    /// Channels in place of those that the file names, by name, address or path.
    pub channels: Option<Vec<String>>,
    /// The only channels that packages may come from, by name, address or path.
    pub allowed_channels: Option<Vec<String>>,
    /// What the order of channels means.
    pub channel_priority: ChannelPriority,
    /// Addresses to use in place of channels.
    pub mirrors: BTreeMap<String, String>,
    /// Packages published later than this do not exist: a date, or a date with time and zone.
    pub exclude_newer: Option<ExcludeNewer>,
    /// Virtual packages beside those that follow from the platform and the base: `cuda = "12.4"`.
    pub virtual_packages: BTreeMap<String, String>,
    /// What happens to scripts that packages want to have run.
    pub post_link: PostLink,
    /// Whether Python modules are compiled.
    pub bytecode: Bytecode,
    /// What is left out.
    pub prune: Vec<CondaPreset>,
    /// How packages are spread over layers.
    pub layers: LayerStrategy,
    /// How many layers there are at most.
    pub max_layers: u32,
    /// How many bytes of files a layer holds at most.
    pub max_layer_size: Option<u64>,
    /// How programs of the environment find it.
    pub activate: Activate,
    /// Whose its files are; root's without one.
    pub owner: Option<Owner>,
}

/// What the order of channels means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChannelPriority {
    /// A package comes from the first channel that has it.
    #[default]
    Strict,
    /// The best version of all channels.
    Disabled,
}

/// What happens to scripts that packages want to have run after they were installed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PostLink {
    /// They do not run, and are named.
    #[default]
    Deny,
    /// They run in the sandbox.
    Run,
}

/// Whether Python modules are compiled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bytecode {
    /// No.
    #[default]
    None,
    /// By the environment's own Python, to files that hold no time.
    UncheckedHash,
}

/// How packages are spread over layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LayerStrategy {
    /// Large packages alone, the others in groups that change little.
    #[default]
    Auto,
    /// One layer.
    Single,
    /// One layer a package, as far as there are enough.
    PerPackage,
}

/// How programs of the environment find it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Activate {
    /// By environment variables alone.
    Env,
    /// And an entrypoint that runs the scripts of `activate.d`, where there are any.
    #[default]
    Entrypoint,
    /// By environment variables, those that the scripts of `activate.d` set included.
    Frozen,
}

/// A group of files that an environment can do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CondaPreset {
    /// Static libraries and libtool's files.
    StaticLibraries,
    /// Headers.
    Headers,
    /// Documentation, manual and info pages.
    Docs,
    /// Tests that packages carry along.
    Tests,
    /// Source maps of JavaScript.
    SourceMaps,
    /// Files of pkg-config and CMake.
    PkgConfig,
}

/// Gives a choice the words that it is written with.
macro_rules! written {
    ($choice:ident, $what:literal, $($word:literal => $value:ident),+) => {
        impl $choice {
            const WORDS: Words = Words { known: &[$($word),+], later: &[] };
        }

        impl FromStr for $choice {
            type Err = Misfit;

            fn from_str(found: &str) -> Result<Self, Misfit> {
                match found {
                    $($word => Ok(Self::$value),)+
                    _ => Err(Misfit::new(found, $what, [$($word),+].map(|word| format!("`{word}`")).join(" or "))),
                }
            }
        }
    };
}

written!(ChannelPriority, "an order of channels", "strict" => Strict, "disabled" => Disabled);
written!(PostLink, "what happens to scripts", "deny" => Deny, "run" => Run);
written!(Bytecode, "a way to compile", "none" => None, "unchecked-hash" => UncheckedHash);
written!(LayerStrategy, "a way to spread packages", "auto" => Auto, "single" => Single, "per-package" => PerPackage);
written!(Activate, "a way to find an environment", "env" => Env, "entrypoint" => Entrypoint, "frozen" => Frozen);
written!(
    CondaPreset, "a group of files",
    "static-libs" => StaticLibraries, "headers" => Headers, "docs" => Docs, "tests" => Tests,
    "source-maps" => SourceMaps, "pkgconfig" => PkgConfig
);

/// The presets with the globs below the prefix that they leave out.
const PRESETS: [(CondaPreset, &[&str]); 6] = [
    (CondaPreset::StaticLibraries, &["**/*.a", "**/*.la"]),
    (CondaPreset::Headers, &["include/**"]),
    (
        CondaPreset::Docs,
        &["share/doc/**", "share/man/**", "share/info/**", "share/gtk-doc/**", "man/**", "ssl/man/**", "docs/**"],
    ),
    (
        CondaPreset::Tests,
        &[
            "lib/python*/test/**",
            "lib/python*/*/test/**",
            "**/site-packages/**/tests/**",
            "**/site-packages/**/test/**",
        ],
    ),
    (CondaPreset::SourceMaps, &["**/*.js.map", "**/*.css.map"]),
    (CondaPreset::PkgConfig, &["**/pkgconfig/**", "lib/cmake/**", "share/cmake/**"]),
];

/// Where an environment is unless its table says otherwise: one place for all images, so that they share layers.
pub const DEFAULT_PREFIX: &str = "/opt/conda/envs/default";

/// How many layers an environment has at most unless its table says otherwise: engines mount 127, and others add theirs.
pub const DEFAULT_MAX_LAYERS: u32 = 60;

const CHANNEL: Text = Text { what: "a channel", check: check_channel };
const VIRTUAL: Text = Text { what: "the name of a virtual package", check: check_virtual };

pub(super) static KEYS: Keys = Keys {
    name: "[[conda]]",
    groups: &[&[
        Key {
            name: "environment",
            shape: Shape::Text(ANY),
            about: "the file that says what is in it: environment.yml, pixi.lock, conda-lock.yml or an explicit list",
        },
        Key {
            name: "environment-name",
            shape: Shape::Text(ANY),
            about: "which environment of a pixi.lock; `default` where it is not given",
        },
        Key {
            name: "prefix",
            shape: Shape::Text(text::<CondaPrefix>("the folder of an environment")),
            about: "where it is in the image; `/opt/conda/envs/default` where it is not given",
        },
        Key {
            name: "channels",
            shape: Shape::List(&Shape::Text(CHANNEL)),
            about: "channels in place of those of the file: names, addresses or paths",
        },
        Key {
            name: "allowed-channels",
            shape: Shape::Set(&Shape::Text(CHANNEL), itself),
            about: "the only channels that packages may come from",
        },
        Key {
            name: "channel-priority",
            shape: Shape::Word(ChannelPriority::WORDS),
            about: "what the order of channels means; `strict` where it is not given",
        },
        Key {
            name: "mirrors",
            shape: Shape::Map { key: CHANNEL, value: CHANNEL },
            about: "addresses to use in place of channels",
        },
        Key {
            name: "exclude-newer",
            shape: Shape::Text(text::<ExcludeNewer>("a date")),
            about: "packages published later do not exist: `2026-11-01`, or a date with time and zone",
        },
        Key {
            name: "virtual-packages",
            shape: Shape::Map { key: VIRTUAL, value: ANY },
            about: "virtual packages: `{ cuda = \"12.4\" }`; `glibc` in place of the base's own version",
        },
        Key {
            name: "post-link",
            shape: Shape::Word(PostLink::WORDS),
            about: "what happens to scripts that packages want to have run; `deny` where it is not given",
        },
        Key {
            name: "pyc",
            shape: Shape::Word(Bytecode::WORDS),
            about: "whether Python modules are compiled; `none` where it is not given",
        },
        Key {
            name: "prune",
            shape: Shape::Set(&Shape::Word(CondaPreset::WORDS), itself),
            about: "groups of files to leave out",
        },
        Key {
            name: "layers",
            shape: Shape::Word(LayerStrategy::WORDS),
            about: "how packages are spread over layers; `auto` where it is not given",
        },
        Key {
            name: "max-layers",
            shape: Shape::Integer { least: 1, most: 120 },
            about: "how many layers there are at most; 60 where it is not given",
        },
        Key {
            name: "max-layer-size",
            shape: Shape::Integer { least: 1, most: 1 << 20 },
            about: "how many MiB of files a layer holds at most",
        },
        Key {
            name: "activate",
            shape: Shape::Word(Activate::WORDS),
            about: "how programs find it; `entrypoint` where it is not given",
        },
        Key {
            name: "owner",
            shape: Shape::Text(text::<Owner>("an owner, such as \"app:app\"")),
            about: "whose its files are: `user`, `user:group`, by name or number; root's where it is not given",
        },
    ]],
    later: &[],
};

/// Reads one `[[conda]]`.
pub(super) fn read(mut fields: Fields<'_>) -> Option<(Place, CondaRequest)> {
    let place = fields.place_of("environment").unwrap_or(fields.place);
    fields.demand("environment");
    let environment = fields.local("environment", "file", Path::is_file);
    let content = environment.as_ref().map(|path| fs::read_to_string(path).map_err(|source| (path.clone(), source)));
    let content = match content {
        Some(Err((path, source))) => {
            fields.error(Some(place), Mistake::Read { path, source });
            None
        }
        other => other.and_then(Result::ok),
    };
    let mut request = CondaRequest::new(PathBuf::new(), String::new());
    if let Some(name) = fields.string("environment-name") {
        request.environment_name = name;
    }
    if let Some(prefix) = fields.text("prefix") {
        request.prefix = prefix;
    }
    request.channels = fields.strings("channels");
    request.allowed_channels = fields.strings("allowed-channels");
    request.channel_priority = word(&mut fields, "channel-priority");
    request.mirrors = fields.map("mirrors");
    request.exclude_newer = fields.text("exclude-newer");
    request.virtual_packages = fields.map("virtual-packages");
    request.post_link = word(&mut fields, "post-link");
    request.bytecode = word(&mut fields, "pyc");
    let presets: BTreeSet<CondaPreset> =
        fields.strings("prune").unwrap_or_default().iter().filter_map(|name| name.parse().ok()).collect();
    request.prune = presets.into_iter().collect();
    request.layers = word(&mut fields, "layers");
    request.max_layers = fields.number("max-layers").unwrap_or(DEFAULT_MAX_LAYERS);
    request.max_layer_size = fields.number("max-layer-size").map(|mebibytes| u64::from(mebibytes) << 20);
    request.activate = word(&mut fields, "activate");
    request.owner = fields.text("owner");
    fields.finish();
    Some((place, CondaRequest { environment: environment?, text: content?, ..request }))
}

/// The choice of a key, whose words were looked at before.
fn word<T: FromStr + Default>(fields: &mut Fields<'_>, key: &'static str) -> T {
    fields.string(key).and_then(|word| word.parse().ok()).unwrap_or_default()
}

/// Writes down prefixes that two environments have, or that one has within another's.
pub(super) fn check_twice(environments: &[(Place, CondaRequest)], notebook: &Notebook) {
    for (at, (place, request)) in environments.iter().enumerate() {
        let prefix = request.prefix.as_str();
        let inside = |one: &str, other: &str| one == other || one.starts_with(&format!("{other}/"));
        let clash = environments[..at].iter().map(|(_, earlier)| earlier.prefix.as_str());
        if let Some(earlier) = clash.into_iter().find(|earlier| inside(prefix, earlier) || inside(earlier, prefix)) {
            let clash = format!("the environment at `{prefix}` meets the one at `{earlier}`");
            notebook.error(*place, Mistake::Clash(clash, "give each environment a `prefix` of its own"));
        }
    }
}

/// An environment goes by its file.
pub(super) fn is_environment(item: &Item, name: &str) -> bool {
    let Value::Table(table) = &item.value else { return false };
    table.get("environment").and_then(|(_, item)| item.value.as_text()) == Some(name)
}

impl CondaRequest {
    /// The environment of a file of this text, with nothing said beside it.
    pub fn new(environment: PathBuf, text: String) -> Self {
        Self {
            environment,
            text,
            environment_name: "default".to_owned(),
            prefix: CondaPrefix(DEFAULT_PREFIX.to_owned()),
            channels: None,
            allowed_channels: None,
            channel_priority: ChannelPriority::default(),
            mirrors: BTreeMap::new(),
            exclude_newer: None,
            virtual_packages: BTreeMap::new(),
            post_link: PostLink::default(),
            bytecode: Bytecode::default(),
            prune: Vec::new(),
            layers: LayerStrategy::default(),
            max_layers: DEFAULT_MAX_LAYERS,
            max_layer_size: None,
            activate: Activate::default(),
            owner: None,
        }
    }

    /// The folder that relative channels start from: that of the file.
    pub fn folder(&self) -> &Path {
        self.environment.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
    }
}

impl CondaPreset {
    /// The globs, relative to the prefix, of what it leaves out.
    pub fn globs(self) -> &'static [&'static str] {
        PRESETS.iter().find(|(preset, _)| *preset == self).map_or(&[], |(_, globs)| globs)
    }
}
