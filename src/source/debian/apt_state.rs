//! What the image's own apt starts with: its sources, and which packages nobody asked for by name.

use crate::epoch::Epoch;
use crate::lock::{AptSource, DebianPin};
use crate::tree::{Content, Inode, Origin, Tree, TreeError, TreePath};

/// Where apt notes packages that came along (`Dir::State::extended_states`).
const EXTENDED_STATES: &str = "var/lib/apt/extended_states";

/// Writes both into `tree`. A system without apt gets no sources.
pub(super) fn write(pin: &DebianPin, tree: &mut Tree, epoch: Epoch) -> Result<(), TreeError> {
    let mut put = |path: String, text: String| {
        let inode = Inode::file(0o644, Content::bytes(text.into_bytes()), Origin::Source("debian".into())).at(epoch);
        let path = TreePath::new(path).expect("names of distributions are plain words");
        tree.insert_with_parents(path, inode).map(drop)
    };
    let states = extended_states(pin);
    if !states.is_empty() {
        put(EXTENDED_STATES.to_owned(), states)?;
    }
    if pin.sources.is_empty() {
        return Ok(());
    }
    let text = pin.sources.iter().map(paragraph).collect::<Vec<_>>().join("\n");
    put(format!("etc/apt/sources.list.d/{}.sources", pin.distribution), text)
}

/// apt's own form: a paragraph a package (`apt-pkg/depcache.cc`, `writeStateFile`).
fn extended_states(pin: &DebianPin) -> String {
    let automatic = pin.packages.iter().filter(|package| package.automatic);
    let native = pin.platform.architecture.debian_name();
    let paragraph = |package: &crate::lock::LockedPackage| {
        let architecture = if package.architecture == "all" { native } else { &package.architecture };
        format!("Package: {}\nArchitecture: {architecture}\nAuto-Installed: 1\n\n", package.name)
    };
    automatic.map(paragraph).collect()
}

/// One entry in deb822 form (sources.list(5)).
fn paragraph(source: &AptSource) -> String {
    let mut text = format!(
        "Types: {}\nURIs: {}\nSuites: {}\nComponents: {}\n",
        source.types.join(" "),
        source.uri,
        source.suites.join(" "),
        source.components.join(" ")
    );
    if let Some(keyring) = &source.signed_by {
        text.push_str(&format!("Signed-By: {keyring}\n"));
    }
    text
}
