//! `files`: what `[[file]]` puts into the image.

use std::collections::BTreeSet;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use crate::digest::{Digest, Digesting};
use crate::epoch::Epoch;
use crate::recipe::{FileEntry, FileKind, Mode, Owner, PathRules, Principal, Prune, UserRequest};
use crate::shared_path::SharedPath;
use crate::tree::{Content, Inode, Node, Origin, Tree, TreeError, TreePath};

use super::account_file::AccountFile;
use super::{Outcome, Pass, PassError};

/// Puts files, folders, links and devices into the tree, in the recipe's order.
///
/// Owners are numbers, or names of the image's own account files and of the recipe's user. Times are the epoch: neither
/// the host's times nor its umask count.
pub struct Files {
    entries: Vec<Gathered>,
    user: Option<UserRequest>,
    epoch: Epoch,
    settled: BTreeSet<TreePath>,
    pruned: Option<PathRules>,
}

/// A `[[file]]` with the inodes it makes, by paths below its own; folders come before what is in them.
struct Gathered {
    path: TreePath,
    owner: Option<Owner>,
    origin: Origin,
    pieces: Vec<(TreePath, Piece)>,
}

struct Piece {
    mode: u32,
    node: Node,
    /// Whether a folder that is there keeps its mode and owner: so it is for the folders of a copied folder, which may
    /// be laid over the whole image.
    lenient: bool,
}

/// The name of the pass.
pub(super) const NAME: &str = "files";

impl Files {
    /// Looks up the local files of the entries: which there are, their sizes and modes. Their contents are read later.
    pub fn gather(files: &[FileEntry], user: Option<UserRequest>, epoch: Epoch) -> Result<Self, PassError> {
        let entries = files.iter().map(gather).collect::<Result<_, _>>()?;
        Ok(Self { entries, user, epoch, settled: BTreeSet::new(), pruned: None })
    }

    /// The same, but for these paths: they stay as steps of the recipe have left them.
    pub fn without(self, settled: BTreeSet<TreePath>) -> Self {
        Self { settled, ..self }
    }

    /// The same for a tree that is still to be pruned: what goes then does not count as there.
    pub fn before_pruning(self, prune: &Prune) -> Self {
        Self { pruned: Some(PathRules::new(prune)), ..self }
    }
}

impl Pass for Files {
    fn name(&self) -> &'static str {
        NAME
    }

    fn apply(&self, tree: &mut Tree) -> Result<Outcome, PassError> {
        let mut count = 0;
        for entry in &self.entries {
            let ids = entry.owner.as_ref().map(|owner| owner_ids(owner, tree, self.user.as_ref(), &entry.path));
            let ids = ids.transpose()?.unwrap_or((0, 0));
            for (below, piece) in &entry.pieces {
                let path = tree.resolve_parents(&entry.path.join(below.as_bytes())?)?;
                if self.settled.contains(&path) {
                    continue;
                }
                self.put(tree, path, piece, ids, entry)?;
                count += 1;
            }
        }
        Ok(Outcome::of(&[("files put in", count)], Vec::new()))
    }
}

impl Files {
    fn put(
        &self,
        tree: &mut Tree,
        path: TreePath,
        piece: &Piece,
        (uid, gid): (u32, u32),
        entry: &Gathered,
    ) -> Result<(), PassError> {
        let path = if matches!(piece.node, Node::Directory) && tree.is_directory(&tree.resolve(&path)?) {
            tree.resolve(&path)?
        } else {
            path
        };
        if piece.lenient && tree.is_directory(&path) {
            return Ok(());
        }
        self.check_covered(tree, &path, piece, entry)?;
        let mut inode =
            Inode { meta: crate::tree::Meta::new(piece.mode), node: piece.node.clone(), origin: entry.origin.clone() };
        (inode.meta.uid, inode.meta.gid, inode.meta.mtime) = (uid, gid, self.epoch.seconds());
        let put = self.make_parents(tree, &path).and_then(|()| tree.insert(path, inode).map(drop));
        put.map_err(|source| PassError::Misplaced { entry: entry.path.clone(), source })
    }

    /// Refuses to put a file or link in place of a folder that has something in it. The root is the tree's to refuse.
    fn check_covered(&self, tree: &Tree, path: &TreePath, piece: &Piece, entry: &Gathered) -> Result<(), PassError> {
        if matches!(piece.node, Node::Directory) || path.is_root() || !tree.is_directory(path) {
            return Ok(());
        }
        let goes = |path: &TreePath| self.pruned.as_ref().is_some_and(|rules| rules.drops(path.as_bytes()));
        match tree.below(path).filter(|below| !goes(below.path)).count() {
            0 => Ok(()),
            count => Err(PassError::Covers { entry: entry.path.clone(), path: path.clone(), count }),
        }
    }

    /// Makes missing folders above a file. They are this pass's, not the recipe's: a home folder that came about this way
    /// is still given to its user.
    fn make_parents(&self, tree: &mut Tree, path: &TreePath) -> Result<(), TreeError> {
        let Some(parent) = path.parent().filter(|parent| !tree.contains(parent)) else { return Ok(()) };
        let mut folder = Inode::directory(0o755, Origin::Pass(NAME.into()));
        folder.meta.mtime = self.epoch.seconds();
        tree.insert_with_parents(parent, folder)?;
        Ok(())
    }
}

/// The numbers of an owner: names are those of the image's own account files, or of `user`, which it may get later. `path` is
/// what is to be owned.
pub fn owner_ids(
    owner: &Owner,
    tree: &Tree,
    user: Option<&UserRequest>,
    path: &TreePath,
) -> Result<(u32, u32), PassError> {
    let unknown = |name: &str, kind| PassError::UnknownPrincipal { path: path.clone(), name: name.to_owned(), kind };
    let (uid, own_group) = match &owner.user {
        Principal::Id(id) => (*id, *id),
        Principal::Name(name) => user_ids(tree, user, name)?.ok_or_else(|| unknown(name, "user"))?,
    };
    let gid = match &owner.group {
        None => own_group,
        Some(Principal::Id(id)) => *id,
        Some(Principal::Name(name)) => group_id(tree, user, name)?.ok_or_else(|| unknown(name, "group"))?,
    };
    Ok((uid, gid))
}

fn user_ids(tree: &Tree, user: Option<&UserRequest>, name: &str) -> Result<Option<(u32, u32)>, PassError> {
    if let Some(user) = user.filter(|user| user.name.as_str() == name) {
        return Ok(Some((user.uid, user.gid)));
    }
    let passwd = AccountFile::read(tree, "etc/passwd")?;
    Ok(passwd.line(name).and_then(|line| Some((line.number(2)?, line.number(3)?))))
}

fn group_id(tree: &Tree, user: Option<&UserRequest>, name: &str) -> Result<Option<u32>, PassError> {
    let groups = AccountFile::read(tree, "etc/group")?;
    if let Some(line) = groups.line(name) {
        return Ok(line.number(2));
    }
    // The user's own group may be made later; where its number is that of a group that is there, it has none.
    let own = user.filter(|user| user.name.as_str() == name).map(|user| user.gid);
    Ok(own.filter(|gid| groups.lines.iter().all(|line| line.number(2) != Some(*gid))))
}

fn gather(file: &FileEntry) -> Result<Gathered, PassError> {
    let path = TreePath::new(file.path.as_str())?;
    let single = |node, mode: u32| {
        let mode = file.mode.map_or(mode, |Mode(mode)| mode);
        vec![(TreePath::root(), Piece { mode, node, lenient: false })]
    };
    let pieces = match &file.what {
        FileKind::Copy(source) => {
            if let Some(expected) = &file.digest {
                check_digest(source, expected)?;
            }
            copied(source, file.mode)?
        }
        FileKind::CopyByPlatform(paths) => {
            let platforms = paths.keys().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            return Err(PassError::NoPlatform { path, platforms });
        }
        FileKind::Text(text) => single(Node::File(Content::bytes(text.as_bytes())), 0o644),
        FileKind::Link(target) => single(Node::Symlink(target.as_bytes().into()), 0o777),
        FileKind::Directory => single(Node::Directory, 0o755),
        FileKind::Fifo => single(Node::Fifo, 0o644),
        FileKind::Device(device) => {
            let (major, minor) = (device.major, device.minor);
            let node =
                if device.block { Node::BlockDevice { major, minor } } else { Node::CharacterDevice { major, minor } };
            single(node, 0o644)
        }
    };
    let origin = Origin::Recipe(format!("[[file]] {}", file.path).into());
    Ok(Gathered { path, owner: file.owner.clone(), origin, pieces })
}

fn check_digest(source: &Path, expected: &Digest) -> Result<(), PassError> {
    let read = || -> io::Result<Digest> {
        let mut reader = Digesting::new(File::open(source)?);
        io::copy(&mut reader, &mut io::sink())?;
        Ok(reader.digest())
    };
    let found = read().map_err(|error| PassError::Local { path: source.to_owned(), source: error })?;
    if found == *expected {
        return Ok(());
    }
    Err(PassError::LocalDigest { path: source.to_owned(), expected: *expected, found })
}

/// A local file, or a local folder with all in it, in the order of names.
fn copied(source: &Path, mode: Option<Mode>) -> Result<Vec<(TreePath, Piece)>, PassError> {
    let mut pieces = Vec::new();
    // The source itself may be a symbolic link; links inside a folder are copied as links.
    for entry in walkdir::WalkDir::new(source).sort_by_file_name().follow_root_links(true) {
        let entry = entry.map_err(|error| {
            let path = error.path().unwrap_or(source).to_owned();
            let looped = || io::Error::other("a loop of symbolic links");
            PassError::Local { path, source: error.into_io_error().unwrap_or_else(looped) }
        })?;
        let path = entry.path();
        let failed = |source| PassError::Local { path: path.to_owned(), source };
        let top = entry.depth() == 0;
        let metadata = if top { fs::metadata(path) } else { fs::symlink_metadata(path) }.map_err(failed)?;
        let below = path.strip_prefix(source).expect("walking stays below where it starts");
        let below = TreePath::new(below.as_os_str().as_bytes())?;
        let piece = if metadata.is_dir() {
            Piece { mode: 0o755, node: Node::Directory, lenient: true }
        } else if metadata.is_symlink() {
            let target = fs::read_link(path).map_err(failed)?;
            Piece { mode: 0o777, node: Node::Symlink(target.as_os_str().as_bytes().into()), lenient: false }
        } else if metadata.is_file() {
            let content = Content::Slice { path: SharedPath::from(path), offset: 0, size: metadata.len() };
            let usual = if metadata.mode() & 0o100 == 0 { 0o644 } else { 0o755 };
            Piece { mode: mode.map_or(usual, |Mode(mode)| mode), node: Node::File(content), lenient: false }
        } else {
            return Err(PassError::LocalKind { path: path.to_owned(), what: kind(&metadata) });
        };
        pieces.push((below, piece));
    }
    Ok(pieces)
}

fn kind(metadata: &Metadata) -> &'static str {
    let kind = metadata.file_type();
    if kind.is_socket() {
        "a socket"
    } else if kind.is_fifo() {
        "a named pipe"
    } else {
        "a device"
    }
}
