//! Unpacking a .deb: its data archive into the store, its entries and control files into memory.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use super::InstallError;
use super::deb822::Paragraph;
use super::package_file::{self, Member};
use crate::archive::{self, Item, Limits, What};
use crate::digest::Digest;
use crate::store::{Blob, Store};
use crate::tree::{Origin, TreePath};

/// A .deb, unpacked.
pub(super) struct Unpacked {
    /// The package's name.
    pub(super) name: String,
    /// Its version.
    pub(super) version: String,
    /// Its architecture: dpkg's name, or `all`.
    pub(super) architecture: String,
    /// Whether several architectures of it can be installed beside each other (`Multi-Arch: same`).
    pub(super) same: bool,
    /// The text of its control file.
    pub(super) control: String,
    /// All members of its control archive.
    pub(super) members: Vec<Member>,
    /// Its files, in the order of the archive, without those that the path rules drop.
    pub(super) items: Vec<Item>,
    /// The paths of all its files as dpkg lists them.
    pub(super) list: Vec<Vec<u8>>,
    /// When it was made: the date of its first ar member, in seconds since 1970.
    pub(super) date: i64,
}

impl Unpacked {
    /// How dpkg's database calls it: with the architecture where it is `Multi-Arch: same`.
    pub(super) fn database_name(&self) -> String {
        if self.same { format!("{}:{}", self.name, self.architecture) } else { self.name.clone() }
    }

    /// The bytes of a member of the control archive.
    pub(super) fn member(&self, name: &str) -> Option<&[u8]> {
        self.members.iter().find(|member| member.name == name).map(|member| member.bytes.as_slice())
    }

    /// Its control paragraph.
    pub(super) fn paragraph(&self) -> Result<Paragraph<'_>, InstallError> {
        Paragraph::parse(&self.control)
            .map_err(|source| InstallError::Control { package: self.name.clone(), source })
    }
}

/// Unpacks the .deb `package`, leaving out paths for which `drops` says yes. The uncompressed data archive is kept in the
/// store, and the next time it is taken from there.
pub(super) fn unpack(
    package: &Blob,
    store: &Store,
    drops: &(dyn Fn(&TreePath) -> bool + Sync),
) -> Result<Unpacked, InstallError> {
    let mut deb = package_file::read(&package.path)?;
    let control = deb.control_text()?.to_owned();
    let paragraph = Paragraph::parse(&control)
        .map_err(|source| InstallError::Control { package: package.path.display().to_string(), source })?;
    let field = |name| paragraph.field(name).map(|value| value.raw().to_owned()).unwrap_or_default();
    let name = field("Package");
    let origin = Origin::Package(name.as_str().into());
    let mut unpacked = Unpacked {
        version: field("Version"),
        architecture: field("Architecture"),
        same: field("Multi-Arch") == "same",
        name,
        control: control.clone(),
        members: std::mem::take(&mut deb.members),
        items: Vec::new(),
        list: Vec::new(),
        date: deb.date,
    };
    let mut each = |item: Item| {
        unpacked.list.push(listed(&item.path));
        if !drops(&item.path) {
            unpacked.items.push(item);
        }
        Ok::<_, InstallError>(())
    };
    let key = memo_key(&package.digest);
    if let Some(tar) = remembered(store, &key)? {
        archive::read_tar_file(&tar.path, &origin, &Limits::default(), &mut each)?;
    } else {
        read_and_keep(&mut deb, store, &key, &origin, &mut each)?;
    }
    Ok(unpacked)
}
