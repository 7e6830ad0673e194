//! Comparing images of several platforms.

use serde::Serialize;

use super::{Diff, DiffOptions, compare_for};
use crate::context::Context;
use crate::error::Error;
use crate::ops::subject::Ready;
use crate::platform::AnyPlatform;

/// What came of a comparison.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Compared {
    /// Of one platform, or of a root filesystem.
    One(Box<Diff>),
    /// Of all platforms, where one of both has several.
    Several(PlatformDiffs),
}

/// What is different for each platform.
#[derive(Clone, Debug, Serialize)]
pub struct PlatformDiffs {
    /// The version of this structure: `rootsmith.diff-platforms/1`.
    pub schema: &'static str,
    /// What the one is called.
    pub before: String,
    /// What the other is called.
    pub after: String,
    /// Each platform that one of both has: those of the one first.
    pub platforms: Vec<PlatformDiff>,
}

/// What is different for one platform.
#[derive(Clone, Debug, Serialize)]
pub struct PlatformDiff {
    /// Which.
    pub platform: String,
    /// `before` or `after`, where only that one has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only: Option<&'static str>,
    /// What is different where both have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diff: Option<Diff>,
}

impl Compared {
    /// Whether both have the same platforms, and nothing that was compared is different.
    pub fn is_empty(&self) -> bool {
        let is_same = |platform: &PlatformDiff| platform.diff.as_ref().is_some_and(Diff::is_empty);
        match self {
            Self::One(diff) => diff.is_empty(),
            Self::Several(all) => all.platforms.iter().all(is_same),
        }
    }

    /// A line for each difference, platform by platform; ends with a newline.
    pub fn to_text(&self) -> String {
        match self {
            Self::One(diff) => diff.to_text(),
            Self::Several(all) => all.joined(|platform| platform.to_owned(), Diff::to_text),
        }
    }

    /// As Markdown, with a heading for each platform; ends with a newline.
    pub fn to_markdown(&self) -> String {
        match self {
            Self::One(diff) => diff.to_markdown(),
            Self::Several(all) => all.joined(|platform| format!("## {platform}\n"), Diff::to_markdown),
        }
    }
}

impl PlatformDiffs {
    fn joined(&self, heading: impl Fn(&str) -> String, shown: impl Fn(&Diff) -> String) -> String {
        let part = |platform: &PlatformDiff| {
            let name = if platform.only == Some("after") { &self.after } else { &self.before };
            let only = format!("only {} has this platform\n", super::text::plain(name));
            let said = platform.diff.as_ref().map_or(only, &shown);
            format!("{}\n{said}", heading(&platform.platform))
        };
        self.platforms.iter().map(part).collect::<Vec<_>>().join("\n")
    }
}

/// Compares for the platform that is asked for. Else, where one of both has several, for all that both have.
pub(super) fn compare(
    before: &Ready,
    after: &Ready,
    options: &DiffOptions,
    context: &Context,
) -> Result<Compared, Error> {
    let one = |platform: Option<&AnyPlatform>| compare_for(before, after, platform, options, context);
    let (of_before, of_after) = match &options.platform {
        Some(_) => (Vec::new(), Vec::new()),
        None => (before.platforms(context)?, after.platforms(context)?),
    };
    // A root filesystem does not say what it is for; two images of one platform are compared whatever it is.
    let is_one = of_before.is_empty() || of_after.is_empty() || (of_before.len() == 1 && of_after.len() == 1);
    if is_one {
        return Ok(Compared::One(Box::new(one(options.platform.as_ref())?)));
    }
    let only_after = of_after.iter().filter(|platform| !of_before.contains(platform));
    let all: Vec<&AnyPlatform> = of_before.iter().chain(only_after).collect();
    let compared = |platform: &AnyPlatform| {
        let only = match (of_before.contains(platform), of_after.contains(platform)) {
            (true, true) => None,
            (true, false) => Some("before"),
            _ => Some("after"),
        };
        let diff = if only.is_none() { Some(one(Some(platform))?) } else { None };
        Ok(PlatformDiff { platform: platform.to_string(), only, diff })
    };
    let platforms = all.into_iter().map(compared).collect::<Result<_, Error>>()?;
    let (before, after) = (before.name.clone(), after.name.clone());
    Ok(Compared::Several(PlatformDiffs { schema: "rootsmith.diff-platforms/1", before, after, platforms }))
}
