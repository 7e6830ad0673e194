//! The files of packages without installing them: no scripts run, and nothing is written of dpkg's database.

use super::fetch::download;
use super::{FetchError, InstallError, Mirrors};
use crate::archive::What;
use crate::context::Context;
use crate::epoch::Epoch;
use crate::lock::DebianPin;
use crate::tree::Tree;

/// A package's files, and what its .deb says of it.
#[derive(Clone, Debug)]
pub struct Extracted {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its files, as they are in the package.
    pub tree: Tree,
    /// The text of its control file.
    pub control: String,
    /// The checksums of its files, where it has them.
    pub md5sums: Option<Vec<u8>>,
    /// When it was made: the newest date of its ar members.
    pub date: Epoch,
}

/// Fetches the packages of `pin` and unpacks each by itself, in the order of their names. With a full store it needs no
/// network.
pub fn extract(pin: &DebianPin, mirrors: &Mirrors, context: &Context) -> Result<Vec<Extracted>, FetchError> {
    let candidates = download(pin, mirrors, &|_| false, context)?;
    candidates
        .into_iter()
        .map(|candidate| {
            let package = candidate.unpacked;
            let unread = |source| InstallError::Content { package: package.name.clone(), source };
            let md5sums = package.md5sums().map_err(unread)?;
            let misplaced = |source| InstallError::Misplaced { package: package.name.clone(), source };
            let mut tree = Tree::new();
            for item in package.items {
                match item.what {
                    What::Inode(inode) => drop(tree.insert_with_parents(item.path, inode).map_err(misplaced)?),
                    What::HardLink(target) => tree.link_with_parents(item.path, &target).map_err(misplaced)?,
                }
            }
            let (name, version, control, date) = (package.name, package.version, package.control, package.date);
            Ok(Extracted { name, version, tree, control, md5sums, date })
        })
        .collect()
}
