//! `[from.host]`.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::context::Context;
use crate::epoch::Epoch;
use crate::error::Error;
use crate::recipe::HostRequest;
use crate::source::Rootfs;
use crate::source::host;

/// The captured folder. It is no pin: what is in it is known only once it has been captured.
pub(super) fn asked(request: &HostRequest) -> Value {
    json!({ "host": { "path": request.path.display().to_string() } })
}

/// Captures the folder.
pub(super) fn fetch(
    request: &HostRequest,
    outputs: &[PathBuf],
    now: Epoch,
    context: &Context,
) -> Result<Rootfs, Error> {
    Ok(host::capture(request, outputs, now, context)?.rootfs)
}
