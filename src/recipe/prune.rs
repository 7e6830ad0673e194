//! `[prune]`: what is left out of the image.

use std::str::FromStr;

use globset::{Glob, GlobBuilder};

use super::fields::Fields;
use super::shape::{Key, Keys, Shape, Words, itself, text};
use super::words::{ImagePath, Misfit};

/// What is left out of the image, beside what always is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prune {
    /// Groups of paths with a name.
    pub presets: Vec<Preset>,
    /// Paths to leave out.
    pub remove: Vec<PathPattern>,
    /// Paths to keep although a preset or `remove` names them.
    pub keep: Vec<PathPattern>,
}

/// A group of paths with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Preset {
    /// Documentation but for the copyright files, as Debian's slim images have it.
    Docs,
    /// Manual pages; the folders `man1` to `man9` stay, since update-alternatives needs them.
    Man,
    /// GNU info pages.
    Info,
    /// Translations of messages; locales themselves (`C.UTF-8`) stay.
    Locales,
    /// What programs keep to be faster and make again by themselves; debconf's answers stay.
    Caches,
    /// Everything in `/var/log`; its folders stay.
    Logs,
    /// Python's compiled modules.
    Bytecode,
}

/// An absolute path of the image with wildcards: `*` and `?` within a component, `**` across them, `[a-z]`, `{a,b}`. A
/// folder that it names goes with all in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern(String);

/// What a preset leaves out. Sources: debuerreotype's `.slimify-excludes` and `.slimify-includes` for the first four.
pub(super) struct PresetRules {
    pub(super) preset: Preset,
    pub(super) name: &'static str,
    pub(super) remove: &'static [&'static str],
    pub(super) keep: &'static [&'static str],
    /// Whether packages bring these paths: then folders go once they are empty, and dpkg in the image is told the same.
    pub(super) packaged: bool,
}

/// Every preset.
pub(super) const PRESETS: [PresetRules; 7] = [
    PresetRules {
        preset: Preset::Docs,
        name: "docs",
        remove: &[
            "/usr/share/doc/**",
            "/usr/share/linda/**",
            "/usr/share/lintian/overrides/**",
            "/usr/share/gnome/help/*/**",
            "/usr/share/omf/*/*-*.emf",
        ],
        keep: &[
            "/usr/share/doc/*/copyright",
            "/usr/share/doc/kde/HTML/C/**",
            "/usr/share/gnome/help/*/C/**",
            "/usr/share/omf/*/*-C.emf",
        ],
        packaged: true,
    },
    PresetRules {
        preset: Preset::Man,
        name: "man",
        remove: &["/usr/share/man/**"],
        keep: &["/usr/share/man/man[0-9]"],
        packaged: true,
    },
    PresetRules { preset: Preset::Info, name: "info", remove: &["/usr/share/info/**"], keep: &[], packaged: true },
    PresetRules {
        preset: Preset::Locales,
        name: "locales",
        remove: &["/usr/share/locale/**"],
        keep: &[
            "/usr/share/locale/all_languages",
            "/usr/share/locale/currency/**",
            "/usr/share/locale/l10n/**",
            "/usr/share/locale/languages",
            "/usr/share/locale/locale.alias",
        ],
        packaged: true,
    },
    PresetRules {
        preset: Preset::Caches,
        name: "caches",
        remove: &["/var/cache/**", "/root/.cache/**", "/home/*/.cache/**"],
        keep: &["/var/cache/debconf/*.dat"],
        packaged: false,
    },
    PresetRules { preset: Preset::Logs, name: "logs", remove: &["/var/log/**"], keep: &[], packaged: false },
    PresetRules {
        preset: Preset::Bytecode,
        name: "bytecode",
        remove: &["/usr/**/__pycache__", "/usr/**/__pycache__/**"],
        keep: &[],
        packaged: false,
    },
];

const PATTERN: Shape = Shape::Text(text::<PathPattern>("a path of the image, with wildcards"));

pub(super) static KEYS: Keys = Keys {
    name: "[prune]",
    groups: &[&[
        Key {
            name: "presets",
            shape: Shape::Set(
                &Shape::Word(Words {
                    known: &["docs", "man", "info", "locales", "caches", "logs", "bytecode"],
                    later: &[],
                }),
                itself,
            ),
            about: "groups of paths to leave out",
        },
        Key { name: "remove", shape: Shape::Set(&PATTERN, itself), about: "paths to leave out" },
        Key { name: "keep", shape: Shape::Set(&PATTERN, itself), about: "paths to keep all the same" },
    ]],
    later: &[],
};

/// Reads `[prune]`.
pub(super) fn read(mut fields: Fields<'_>) -> Prune {
    let names = fields.strings("presets").unwrap_or_default();
    let named = |name: &String| PRESETS.iter().find(|rules| rules.name == name).map(|rules| rules.preset);
    let presets = names.iter().filter_map(named).collect();
    let remove = fields.list("remove").unwrap_or_default();
    let keep = fields.list("keep").unwrap_or_default();
    fields.finish();
    Prune { presets, remove, keep }
}

impl PathPattern {
    /// The pattern with its leading slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PathPattern {
    type Err = Misfit;

    fn from_str(found: &str) -> Result<Self, Misfit> {
        let path = found.parse::<ImagePath>().map_err(|misfit| Misfit { what: "a path of the image", ..misfit })?;
        match glob(path.as_str()) {
            Ok(_) => Ok(Self(path.as_str().to_owned())),
            Err(error) => {
                Err(Misfit::new(found, "a path with wildcards", format!("a pattern that is whole: {}", error.kind())))
            }
        }
    }
}

/// A pattern as the matcher takes it, for paths without their leading slash.
pub(super) fn glob(pattern: &str) -> Result<Glob, globset::Error> {
    let relative = pattern.strip_prefix('/').unwrap_or(pattern);
    GlobBuilder::new(relative).literal_separator(true).backslash_escape(true).build()
}
