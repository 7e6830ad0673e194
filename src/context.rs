//! What an operation may use of the world: handed down, never reached for.

use crate::epoch::Epoch;
use crate::http::Http;
use crate::report::Reporter;
use crate::sandbox::Sandbox;
use crate::store::Store;

/// The capabilities of one run. Settings are not here; they are in the options of each operation.
pub struct Context {
    /// Blobs and remembered results.
    pub store: Store,
    /// The network, or its absence.
    pub http: Http,
    /// The one door to other programs.
    pub sandbox: Sandbox,
    /// `SOURCE_DATE_EPOCH`, where it is set: it replaces the epoch that follows from the inputs.
    pub epoch: Option<Epoch>,
    /// Where progress goes.
    pub reporter: Box<dyn Reporter>,
}
