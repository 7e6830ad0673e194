//! Users and groups, and where names are looked up.

use super::Writer;
use crate::source::debian::InstallError;
use crate::tree::{Inode, TreePath};

/// The accounts of an image without a login.
const PASSWD: &str = "root:x:0:0:root:/root:/sbin/nologin\n\
                      nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin\n\
                      nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n";
const GROUP: &str = "root:x:0:\nnobody:x:65534:\ntty:x:5:\nstaff:x:50:\nnonroot:x:65532:\n";
const NONROOT: (u32, &str) = (65532, "home/nonroot");

/// Debian's own accounts, which base-passwd's preinst would copy.
const MASTERS: [(&str, &str); 2] =
    [("etc/passwd", "usr/share/base-passwd/passwd.master"), ("etc/group", "usr/share/base-passwd/group.master")];

/// Without this file programs of glibc ask a name server before `/etc/hosts`, and those of Go do what they like.
const NSSWITCH: &str = "passwd: files\ngroup: files\nshadow: files\ngshadow: files\n\nhosts: files dns\n\
                        networks: files\n\nprotocols: files\nservices: files\nethers: files\nrpc: files\n\n\
                        netgroup: files\n";

/// Writes what no package has brought. With base-passwd the accounts are Debian's.
pub(super) fn write(writer: &mut Writer<'_>) -> Result<(), InstallError> {
    let mut has_debians = false;
    for (path, master) in MASTERS {
        if let Some(inode) = writer.tree.get(&TreePath::literal(master)).filter(|inode| inode.is_file()).cloned() {
            writer.put(path, inode)?;
            has_debians = true;
        }
    }
    if !has_debians {
        writer.put_text(MASTERS[0].0, PASSWD)?;
        writer.put_text(MASTERS[1].0, GROUP)?;
        let (id, home) = NONROOT;
        let mut folder = Inode::directory(0o700, super::source());
        (folder.meta.uid, folder.meta.gid) = (id, id);
        writer.put(home, folder)?;
    }
    writer.put_text("etc/nsswitch.conf", NSSWITCH)
}
