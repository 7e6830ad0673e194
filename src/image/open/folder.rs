//! A root filesystem that lies in a folder of the host, as `rootfs-dir:` writes it.

use std::collections::BTreeMap;
use std::fs::{self, FileType, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use nix::sys::stat::{major, minor};
use walkdir::WalkDir;

use super::OpenError;
use super::error::failed;
use crate::archive::is_kept_attribute;
use crate::shared_path::SharedPath;
use crate::tree::{Content, Inode, Meta, Node, Origin, Tree, TreePath, Xattrs};

/// Reads the root filesystem in `folder`. No link is followed, sockets are left out, and contents stay in the folder: they
/// are read when they are needed.
pub fn open_folder(folder: &Path) -> Result<Tree, OpenError> {
    let mut tree = Tree::new();
    let mut links: BTreeMap<(u64, u64), TreePath> = BTreeMap::new();
    let origin = Origin::Import(super::file_name(folder).into());
    for entry in WalkDir::new(folder).follow_root_links(true).sort_by_file_name() {
        let entry = entry.map_err(|error| {
            let path = error.path().unwrap_or(folder).to_owned();
            failed("read", &path)(error.into())
        })?;
        let path = entry.path();
        let relative = path.strip_prefix(folder).expect("a walk stays below where it began");
        let place = TreePath::new(relative.as_os_str().as_bytes()).map_err(|source| OpenError::Path { source })?;
        let metadata = if place.is_root() { fs::metadata(path) } else { fs::symlink_metadata(path) };
        let metadata = metadata.map_err(failed("read", path))?;
        let identity = (metadata.dev(), metadata.ino());
        if let Some(first) = links.get(&identity) {
            tree.link(place, first).expect("the first name of a file is in the tree, and the folder that it is in");
            continue;
        }
        let Some(node) = node(path, &metadata).map_err(failed("read", path))? else { continue };
        let meta = meta(path, &metadata).map_err(failed("read", path))?;
        let inode = Inode { meta, node, origin: origin.clone() };
        if metadata.nlink() > 1 && !inode.is_directory() {
            links.insert(identity, place.clone());
        }
        tree.insert(place, inode).expect("a walk gives folders before what is in them");
    }
    Ok(tree)
}

/// What is there; nothing for a socket.
fn node(path: &Path, metadata: &Metadata) -> io::Result<Option<Node>> {
    let kind: FileType = metadata.file_type();
    let device = || {
        let number = metadata.rdev();
        (u32::try_from(major(number)).unwrap_or(u32::MAX), u32::try_from(minor(number)).unwrap_or(u32::MAX))
    };
    Ok(Some(if kind.is_dir() {
        Node::Directory
    } else if kind.is_symlink() {
        Node::Symlink(fs::read_link(path)?.as_os_str().as_bytes().into())
    } else if kind.is_file() {
        Node::File(Content::Slice { path: SharedPath::from(path), offset: 0, size: metadata.len() })
    } else if kind.is_fifo() {
        Node::Fifo
    } else if kind.is_char_device() {
        let (major, minor) = device();
        Node::CharacterDevice { major, minor }
    } else if kind.is_block_device() {
        let (major, minor) = device();
        Node::BlockDevice { major, minor }
    } else {
        return Ok(None);
    }))
}

fn meta(path: &Path, metadata: &Metadata) -> io::Result<Meta> {
    let is_link = metadata.file_type().is_symlink();
    // The modes of links mean nothing; archives have them as 0777.
    let mode = if is_link { 0o777 } else { metadata.mode() & 0o7777 };
    let xattrs = if is_link { Xattrs::default() } else { attributes(path)? };
    Ok(Meta { mode, uid: metadata.uid(), gid: metadata.gid(), mtime: metadata.mtime(), xattrs })
}

fn attributes(path: &Path) -> io::Result<Xattrs> {
    let mut xattrs = Xattrs::default();
    let names = match xattr::list(path) {
        // The file system has none.
        Err(error) if error.raw_os_error() == Some(libc::ENOTSUP) => return Ok(xattrs),
        other => other?,
    };
    for name in names.filter(|name| is_kept_attribute(name.as_bytes())) {
        if let Some(value) = xattr::get(path, &name)? {
            xattrs.set(name.as_bytes(), value);
        }
    }
    Ok(xattrs)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_folder_becomes_a_tree() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("usr/bin")).unwrap();
        fs::write(root.join("usr/bin/a"), "hello").unwrap();
        fs::set_permissions(root.join("usr/bin/a"), fs::Permissions::from_mode(0o4755)).unwrap();
        fs::hard_link(root.join("usr/bin/a"), root.join("usr/bin/b")).unwrap();
        symlink("/etc/passwd", root.join("link")).unwrap();
        nix::unistd::mkfifo(&root.join("pipe"), nix::sys::stat::Mode::S_IRUSR).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
        let mut tree = open_folder(root).unwrap();
        for inode in tree.inodes_where(|_| true) {
            inode.meta = Meta { uid: 0, gid: 0, mtime: 0, ..inode.meta.clone() };
        }
        tree.get_mut(&TreePath::root()).unwrap().meta.mode = 0o755;
        let digest = crate::digest::Digest::of(b"hello");
        let expected = format!(
            "0755 0:0 dir /\n0777 0:0 symlink /link -> /etc/passwd\n0400 0:0 fifo /pipe\n0755 0:0 dir /usr\n\
             0755 0:0 dir /usr/bin\n4755 0:0 file /usr/bin/a {digest} 5\n4755 0:0 link /usr/bin/b -> /usr/bin/a\n"
        );
        assert_eq!(tree.to_text().unwrap(), expected);
    }

    #[test]
    fn what_is_not_there_is_named() {
        let error = open_folder(Path::new("/nowhere/at/all")).unwrap_err();
        assert!(error.to_string().contains("/nowhere/at/all"), "{error}");
    }
}
