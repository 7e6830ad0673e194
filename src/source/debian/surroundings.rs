//! What installing needs, besides packages.

use crate::epoch::Epoch;
use crate::report::Reporter;
use crate::sandbox::{Emulator, Sandbox};
use crate::store::Store;

/// What installing needs of its surroundings.
pub(super) struct Surroundings<'a> {
    pub(super) sandbox: &'a Sandbox,
    pub(super) store: &'a Store,
    pub(super) reporter: &'a dyn Reporter,
    pub(super) epoch: Epoch,
    /// Bytes that all packages take when installed, as they say.
    pub(super) installed_size: u64,
    /// Whether packages come after the first stage.
    pub(super) has_second_stage: bool,
    /// Whether packages make locales of their own.
    pub(super) makes_locales: bool,
    /// What runs the image's programs, where the kernel does not by itself.
    pub(super) emulator: Option<Emulator>,
    /// dpkg's name of the image's architecture.
    pub(super) architecture: &'a str,
    /// Further architectures that dpkg is to know.
    pub(super) foreign: Vec<String>,
    /// Whether `/bin` and the like are links into `/usr`.
    pub(super) merged_usr: bool,
}
