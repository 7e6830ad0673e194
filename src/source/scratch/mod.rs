//! Nothing but what a static program expects around it: folders, accounts, certificate authorities, time zones.
//!
//! Everything is built into this program, so that no network is needed; a release of it with newer certificates or time
//! zones gives another digest, as a newer lock does elsewhere. The layout is that of the images that people know for
//! this: distroless' `static` and what apko makes of a base without packages.

mod certificates;
mod timezones;

use super::Rootfs;
use crate::epoch::Epoch;
use crate::tree::{Content, Inode, Origin, Tree, TreePath};

/// What is wanted around the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts {
    /// The certificate authorities.
    pub bundle: Bundle,
    /// Whether there are time zones.
    pub timezones: bool,
}

/// The certificate authorities of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bundle {
    /// No file of them at all.
    None,
    /// A file without any, for those that the recipe adds.
    Empty,
    /// Mozilla's.
    Mozilla,
}

/// The folders of the root, with their modes. What is mounted over has one, since engines of read-only roots need it.
const FOLDERS: [(&str, u32); 13] = [
    ("dev", 0o755),
    ("etc", 0o755),
    ("home", 0o755),
    ("proc", 0o555),
    ("root", 0o700),
    ("run", 0o755),
    ("sys", 0o555),
    ("tmp", 0o1777),
    ("usr", 0o755),
    ("usr/bin", 0o755),
    ("usr/share", 0o755),
    ("var", 0o755),
    ("var/tmp", 0o1777),
];

const PASSWD: &str = "root:*:0:0:root:/root:/sbin/nologin\nnobody:*:65534:65534:nobody:/nonexistent:/sbin/nologin\n";
const GROUP: &str = "root:*:0:\ntty:*:5:\nstaff:*:50:\nnobody:*:65534:\n";
/// Without this file programs of glibc ask a name server before `/etc/hosts`, and those of Go do what they like.
const NSSWITCH: &str = "passwd: files\ngroup: files\nshadow: files\ngshadow: files\nhosts: files dns\nnetworks: files\n\
                        protocols: files\nservices: files\nethers: files\nrpc: files\n";

/// The root filesystem. It has one time, `epoch`.
pub fn rootfs(parts: Parts, epoch: Epoch) -> Rootfs {
    let mut tree = Tree::new();
    let mut put = |path: &str, inode: Inode| {
        let path = TreePath::new(path).expect("paths of this module are paths");
        tree.insert(path, inode).expect("folders come before what is in them");
    };
    for (path, mode) in FOLDERS {
        put(path, Inode::directory(mode, origin()));
    }
    for (path, text) in [("etc/passwd", PASSWD), ("etc/group", GROUP), ("etc/nsswitch.conf", NSSWITCH)] {
        put(path, file(text.as_bytes()));
    }
    let mut with = Vec::new();
    if parts.bundle != Bundle::None {
        let (text, count) = match parts.bundle {
            Bundle::Mozilla => certificates::bundle(),
            _ => (String::new(), 0),
        };
        put("etc/ssl", Inode::directory(0o755, origin()));
        put("etc/ssl/certs", Inode::directory(0o755, origin()));
        put("etc/ssl/certs/ca-certificates.crt", file(text.into_bytes()));
        // Where OpenSSL looks by itself, as Alpine has it.
        put("etc/ssl/cert.pem", Inode::symlink("certs/ca-certificates.crt", origin()));
        if count > 0 {
            with.push(format!("{count} certificate authorities"));
        }
    }
    if parts.timezones {
        timezones::put(&mut tree);
        with.push(format!("time zones {}", timezones::version()));
    }
    tree.inodes_where(|_| true).for_each(|inode| inode.meta.mtime = epoch.seconds());
    let with = if with.is_empty() { String::new() } else { format!(" with {}", with.join(" and ")) };
    Rootfs::new(tree, epoch, format!("scratch{with}"))
}

fn origin() -> Origin {
    Origin::Source("scratch".into())
}

fn file(bytes: impl Into<std::sync::Arc<[u8]>>) -> Inode {
    Inode::file(0o644, Content::bytes(bytes), origin())
}

#[cfg(test)]
mod tests;
