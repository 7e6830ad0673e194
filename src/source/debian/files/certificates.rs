//! The bundle of certificate authorities, which ca-certificates' scripts would make.

use super::Writer;
use crate::source::debian::InstallError;
use crate::tree::{Content, Inode, Origin, TreePath};

/// The package, where it has its certificates, and the file that programs read.
const PACKAGE: &str = "ca-certificates";
const FOLDER: &str = "usr/share/ca-certificates";
const BUNDLE: &str = "etc/ssl/certs/ca-certificates.crt";

/// Writes the bundle, where the package is there: all its certificates in the order of their paths, each ended by a
/// newline. Gives what was written, and whose it is.
pub(super) fn write(writer: &mut Writer<'_>) -> Result<Option<(&'static str, TreePath)>, InstallError> {
    let mut bundle = Vec::new();
    for entry in writer.tree.below(&TreePath::literal(FOLDER)) {
        let Some(content) = entry.inode.content().filter(|_| entry.path.name().ends_with(b".crt")) else { continue };
        let unread = |source| InstallError::Content { package: PACKAGE.to_owned(), source };
        bundle.append(&mut content.read().map_err(unread)?);
        if bundle.last().is_some_and(|byte| *byte != b'\n') {
            bundle.push(b'\n');
        }
    }
    if bundle.is_empty() {
        return Ok(None);
    }
    writer.put(BUNDLE, Inode::file(0o644, Content::bytes(bundle), Origin::Package(PACKAGE.into())))?;
    Ok(Some((PACKAGE, TreePath::literal(BUNDLE))))
}
