//! What the image's own apt starts with: its sources and their keys, and which packages nobody asked for by name.

use super::{FetchError, InstallError, Keyrings};
use crate::epoch::Epoch;
use crate::lock::{AptSource, DebianPin};
use crate::tree::{Content, Inode, Origin, Tree, TreePath};

/// Where apt notes packages that came along (`Dir::State::extended_states`).
const EXTENDED_STATES: &str = "var/lib/apt/extended_states";

/// Writes all of it into `tree`. A system without apt gets no sources.
pub(super) fn write(pin: &DebianPin, keyrings: &Keyrings, tree: &mut Tree, epoch: Epoch) -> Result<(), FetchError> {
    let mut put = |path: String, bytes: Vec<u8>| {
        let inode = Inode::file(0o644, Content::bytes(bytes), Origin::Source("debian".into())).at(epoch);
        let path = TreePath::new(&path).map_err(|_| FetchError::KeyringPath { path })?;
        let misplaced = |source| InstallError::Misplaced { package: "apt".into(), source };
        tree.insert_with_parents(path, inode).map(drop).map_err(|source| FetchError::from(misplaced(source)))
    };
    let states = extended_states(pin);
    if !states.is_empty() {
        put(EXTENDED_STATES.to_owned(), states.into_bytes())?;
    }
    for keyring in &pin.keyrings {
        let changed = || FetchError::KeyringChanged { path: keyring.path.clone(), expected: keyring.sha256 };
        put(keyring.path.clone(), keyrings.get(&keyring.sha256).ok_or_else(changed)?.clone())?;
    }
    if pin.sources.is_empty() {
        return Ok(());
    }
    let text = pin.sources.iter().map(paragraph).collect::<Vec<_>>().join("\n");
    put(format!("etc/apt/sources.list.d/{}.sources", pin.distribution), text.into_bytes())
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
    let mut text =
        format!("Types: {}\nURIs: {}\nSuites: {}\n", source.types.join(" "), source.uri, source.suites.join(" "));
    // A flat repository has none, and apt wants none to be named.
    if !source.components.is_empty() {
        text.push_str(&format!("Components: {}\n", source.components.join(" ")));
    }
    if let Some(keyring) = &source.signed_by {
        text.push_str(&format!("Signed-By: {keyring}\n"));
    }
    if source.trusted {
        text.push_str("Trusted: yes\n");
    }
    text
}
