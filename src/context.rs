//! What a command may use, handed down to whoever does the work.

use std::sync::Arc;

use crate::epoch::Epoch;
use crate::http::Http;
use crate::report::Reporter;
use crate::sandbox::Sandbox;
use crate::store::Store;

/// The capabilities of a run. Settings are not here: they travel in the options of each operation.
#[derive(Clone)]
pub struct Context {
    /// Every blob by digest, and remembered results.
    pub store: Store,
    /// Downloads.
    pub http: Http,
    /// The one door to other programs.
    pub sandbox: Sandbox,
    /// The timestamp that was asked for (`SOURCE_DATE_EPOCH`); without one it follows from the inputs.
    pub epoch: Option<Epoch>,
    /// Who is told of progress.
    pub reporter: Arc<dyn Reporter>,
}
