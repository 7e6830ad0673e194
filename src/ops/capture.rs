//! Capturing a machine or a folder without a recipe.

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::context::Context;
use crate::dest::{Beside, DestError};
use crate::digest::Digest;
use crate::error::Error;
use crate::lock::Lock;
use crate::ops::build::{self, BuildOptions, Built};
use crate::ops::places;
use crate::platform::{Architecture, Platform};
use crate::recipe::{HostRequest, Recipe, SourceRequest};
use crate::source::host::{self, CaptureError, Report};
use crate::source::oci::Inherited;

/// The image's name where no other is given.
const NAME: &str = "captured";

/// What to capture, and where it goes.
#[derive(Clone, Debug)]
pub struct CaptureOptions {
    /// What is captured, and what of it.
    pub request: HostRequest,
    /// The platform; without one, that of the captured programs, or of this machine.
    pub platform: Option<Platform>,
    /// A file that gets the report, also where the capture is refused.
    pub report: Option<PathBuf>,
    /// How it is packed, and where it goes. The recipe and the lock are of no meaning.
    pub build: BuildOptions,
}

/// What was captured.
#[derive(Clone, Debug)]
pub struct CapturedImage {
    /// The image.
    pub built: Built,
    /// What was done and found.
    pub report: Report,
}

/// Captures a folder and writes its image to all targets.
pub fn capture(options: &CaptureOptions, context: &Context) -> Result<CapturedImage, Error> {
    places::check(&options.build.targets)?;
    let own: Vec<PathBuf> = options.build.places().chain(options.report.clone()).collect();
    let captured = match host::capture(&options.request, &own, options.build.lock.now, context) {
        Ok(captured) => captured,
        Err(CaptureError::Secrets { report, first }) => {
            write_report(options.report.as_deref(), &report)?;
            return Err(CaptureError::Secrets { report, first }.into());
        }
        Err(other) => return Err(other.into()),
    };
    write_report(options.report.as_deref(), &captured.report)?;
    let architecture = || host::architecture(&captured.rootfs.tree).or_else(Architecture::host);
    let platform = options.platform.or_else(|| architecture().map(|architecture| Platform { architecture }));
    let platform = platform.ok_or_else(|| Error::Usage {
        message: "cannot tell which platform the captured files are for".to_owned(),
        help: "name it: `--platform linux/amd64`".to_owned(),
    })?;
    let nothing = Lock::new(Digest::of(NAME.as_bytes()), Vec::new());
    let recipe = Recipe::plain(NAME, platform, SourceRequest::Host(options.request.clone()));
    let forged =
        build::forge(&recipe, platform, captured.rootfs, &Inherited::default(), &nothing, &options.build, context)?;
    let built = build::deliver(&recipe, vec![forged], &options.build, context)?;
    Ok(CapturedImage { built, report: captured.report })
}

fn write_report(file: Option<&Path>, report: &Report) -> Result<(), Error> {
    let Some(file) = file else { return Ok(()) };
    let text = serde_json::to_string_pretty(report).expect("the keys of a report are texts") + "\n";
    let mut beside = Beside::new(file)?;
    beside.write_all(text.as_bytes()).map_err(|source| DestError::Io {
        what: "write",
        path: file.to_owned(),
        source,
    })?;
    Ok(beside.keep()?)
}
