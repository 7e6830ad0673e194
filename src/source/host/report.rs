//! What a capture did and found, for a person and as JSON.

use std::collections::BTreeMap;

use serde::Serialize;

use super::policy::Cause;
use crate::report::Reporter;

/// What a capture did and found. Paths are those of the image, with their leading slash; bytes that are no text are
/// written as `\xNN`. Secrets themselves are never in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// `rootsmith/capture-report/1`.
    pub schema: &'static str,
    /// The captured folder.
    pub root: String,
    /// Entries that were captured.
    pub entries: u64,
    /// Bytes of the captured files.
    pub bytes: u64,
    /// What presets removed or replaced.
    pub removed: Vec<Removed>,
    /// What is left out of every capture, or was asked to be.
    pub left_out: Vec<LeftOut>,
    /// Files that changed while they were read; they were captured as they were at the last attempt.
    pub changed: Vec<String>,
    /// What was gone when its turn came.
    pub vanished: Vec<String>,
    /// What may not be read.
    pub unreadable: Vec<String>,
    /// Secrets that are left.
    pub secrets: Vec<Secret>,
    /// What a person should look at.
    pub suspicious: Vec<Suspicion>,
}

/// Something that a preset removed or replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Removed {
    /// The preset's name.
    pub preset: &'static str,
    /// Where it was; all below went, too.
    pub path: String,
    /// What it was, in a few words.
    pub what: String,
    /// Whether something without secrets took its place.
    pub replaced: bool,
}

/// Something that was left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Where it is.
    pub path: String,
    /// `mount`, `runtime`, `socket`, `device`, `fifo`, `swap`, `excluded`, `own` or `name`.
    pub why: &'static str,
}

/// A secret that is left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Secret {
    /// The rule that found it.
    pub rule: &'static str,
    /// The file.
    pub path: String,
    /// The line in it, from 1.
    pub line: u64,
    /// What it is, in a few words.
    pub what: &'static str,
    /// `refused`, `allowed`, or `published`: it came with a package, and everybody has it.
    pub verdict: &'static str,
}

/// Something that a person should look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Suspicion {
    /// What kind of thing it is: `setuid`.
    pub kind: &'static str,
    /// Where it is.
    pub path: String,
    /// What is to be seen there.
    pub what: String,
}

/// How many paths of one kind a person is shown.
const SHOWN: usize = 3;

impl Report {
    /// Notes what a preset removed or replaced.
    pub(super) fn remove(&mut self, cause: Cause, path: String, replaced: bool) {
        let Cause { preset, what } = cause;
        self.removed.push(Removed { preset: preset.name(), path, what: what.to_owned(), replaced });
    }

    /// Notes what is left out.
    pub(super) fn leave_out(&mut self, path: String, why: &'static str) {
        self.left_out.push(LeftOut { path, why });
    }

    /// The secrets for which the capture is refused.
    pub fn refused(&self) -> impl Iterator<Item = &Secret> {
        self.secrets.iter().filter(|secret| secret.verdict == "refused")
    }

    /// Tells a person what there is to tell, kind by kind; the whole is for a file.
    pub fn tell(&self, reporter: &dyn Reporter) {
        let removed = self.removed.iter().map(|removed| (removed.preset, removed.what.as_str(), &removed.path));
        let mut presets: BTreeMap<(&str, &str), Vec<&String>> = BTreeMap::new();
        for (preset, what, path) in removed {
            presets.entry((preset, what)).or_default().push(path);
        }
        for ((preset, what), paths) in presets {
            reporter.note(&format!("removed by {preset}: {what}: {}", shown(&paths)));
        }
        let mut left_out: BTreeMap<&str, Vec<&String>> = BTreeMap::new();
        for entry in self.left_out.iter().filter(|entry| entry.why != "runtime") {
            left_out.entry(entry.why).or_default().push(&entry.path);
        }
        for (why, paths) in left_out {
            reporter.note(&format!("left out ({why}): {}", shown(&paths)));
        }
        let allowed: Vec<_> = self.secrets.iter().filter(|secret| secret.verdict == "allowed").collect();
        for secret in allowed {
            reporter.warn(&format!("allowed: {} in {}, line {}", secret.what, secret.path, secret.line));
        }
        let published: Vec<_> =
            self.secrets.iter().filter(|secret| secret.verdict == "published").map(|secret| &secret.path).collect();
        if !published.is_empty() {
            reporter.note(&format!("secrets that came with packages, as everybody has them: {}", shown(&published)));
        }
        for (what, paths) in [
            ("changed while it was read", &self.changed),
            ("gone before it was read", &self.vanished),
            ("may not be read, left out", &self.unreadable),
        ] {
            if !paths.is_empty() {
                reporter.warn(&format!("{what}: {}", shown(&paths.iter().collect::<Vec<_>>())));
            }
        }
        let mut kinds: BTreeMap<&str, Vec<&String>> = BTreeMap::new();
        for suspicion in &self.suspicious {
            kinds.entry(suspicion.kind).or_default().push(&suspicion.path);
        }
        for (kind, paths) in kinds {
            reporter.warn(&format!("look at {kind}: {}", shown(&paths)));
        }
    }
}

/// The first paths, and how many more there are.
fn shown(paths: &[&String]) -> String {
    let first: Vec<&str> = paths.iter().take(SHOWN).map(|path| path.as_str()).collect();
    match paths.len().saturating_sub(SHOWN) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}
