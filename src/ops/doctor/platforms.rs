//! For which platforms this machine runs programs of images: scripts of packages, and `[[run]]`.

use super::Check;
use super::machine::Machine;
use crate::ops::doctor::DoctorOptions;
use crate::platform::{Architecture, Platform};
use crate::sandbox::Means;

/// Every platform.
pub(super) fn platforms(machine: &Machine, options: &DoctorOptions) -> Vec<Check> {
    Architecture::all().map(|architecture| check(architecture, machine, options)).collect()
}

fn check(architecture: Architecture, machine: &Machine, options: &DoctorOptions) -> Check {
    let name = Platform { architecture }.name();
    match Means::of(architecture, &options.root) {
        Means::Native => Check::ok(name, "by this machine's processor"),
        Means::Registered(path) => Check::ok(name, format!("by {}, which the host has registered", path.display())),
        Means::Own(emulator) if machine.uid == 0 && !machine.can(super::doors::SYS_ADMIN) && machine.has_seccomp => {
            let path = emulator.path().display();
            let detail =
                format!("perhaps by {path}: a seccomp filter, as Docker's, forbids to register it for a build");
            let ways_out = vec!["on the host: sudo apt-get install binfmt-support qemu-user-static".to_owned()];
            Check::missing(name, detail, ways_out).limited()
        }
        Means::Own(emulator) => {
            Check::ok(name, format!("by {}, registered for each build alone", emulator.path().display()))
        }
        Means::None(lack) => {
            let mut ways_out = lack.ways_out();
            ways_out.push("without scripts, such as recipes/distroless-base.toml, it is built anywhere".to_owned());
            Check::missing(name, lack.reason(architecture), ways_out)
        }
    }
}
