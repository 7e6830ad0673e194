//! Where contents go that come out of a stage: most of them, one after another, into a single blob of the store, so that a tree
//! takes little memory and a remembered one little space.

use std::io::{Read, Write};
use std::mem;

use super::SandboxError;
use crate::store::{BlobWriter, Store};
use crate::tree::{Content, InodeId, LastFile, Node, Tree};

/// Contents of up to this many bytes stay in memory.
const TINY: u64 = 128;

/// Contents beyond this many bytes have a blob of their own: the next build will have the same.
const LARGE: u64 = 64 << 10;

/// The contents of a stage on their way into the store.
pub(super) struct Gathering<'a> {
    store: &'a Store,
    blob: Option<BlobWriter>,
    size: u64,
    /// Whose content is where in the blob: start and size.
    pieces: Vec<(InodeId, u64, u64)>,
    /// Contents that are elsewhere.
    others: Vec<(InodeId, Content)>,
    last: LastFile,
}

impl<'a> Gathering<'a> {
    pub(super) fn new(store: &'a Store) -> Self {
        let (pieces, others) = (Vec::new(), Vec::new());
        Self { store, blob: None, size: 0, pieces, others, last: LastFile::default() }
    }

    /// Takes the content of an inode: `size` bytes, which are all that `bytes` has.
    pub(super) fn take(&mut self, id: InodeId, bytes: &mut impl Read, size: u64) -> Result<(), SandboxError> {
        if size <= TINY {
            let mut kept = Vec::new();
            bytes.read_to_end(&mut kept).map_err(SandboxError::misread)?;
            self.others.push((id, Content::bytes(kept)));
        } else if size <= LARGE {
            let blob = match &mut self.blob {
                Some(blob) => blob,
                none => none.insert(self.store.begin()?),
            };
            copy(bytes, blob, self.store)?;
            self.pieces.push((id, self.size, size));
            self.size += size;
        } else {
            let mut blob = self.store.begin()?;
            copy(bytes, &mut blob, self.store)?;
            self.others.push((id, Content::Slice { path: blob.commit()?.path, offset: 0, size }));
        }
        Ok(())
    }

    /// Keeps the content that an inode has: what is in memory, or was put aside for this run, is taken.
    pub(super) fn keep(&mut self, id: InodeId, content: &Content) -> Result<(), SandboxError> {
        let lasts = match content {
            Content::Bytes(bytes) => bytes.len() as u64 <= TINY,
            Content::Slice { path, .. } => !self.store.is_unfinished(path),
            Content::Sparse(sparse) => !self.store.is_unfinished(&sparse.path),
        };
        if lasts {
            return Ok(());
        }
        let mut last = mem::take(&mut self.last);
        let taken = self.take(id, &mut content.reader_after(&mut last).map_err(SandboxError::misread)?, content.size());
        self.last = last;
        taken
    }

    /// Completes the blob, and gives the inodes of `tree` their contents.
    pub(super) fn end(self, tree: &mut Tree) -> Result<(), SandboxError> {
        for (id, content) in self.others {
            tree.inode_mut(id).node = Node::File(content);
        }
        let Some(blob) = self.blob else { return Ok(()) };
        let path = blob.commit()?.path;
        for (id, offset, size) in self.pieces {
            tree.inode_mut(id).node = Node::File(Content::Slice { path: path.clone(), offset, size });
        }
        Ok(())
    }
}

/// Reading fails because of the worker, writing because of the store.
fn copy(bytes: &mut impl Read, blob: &mut BlobWriter, store: &Store) -> Result<(), SandboxError> {
    let mut buffer = [0; 1 << 14];
    loop {
        match bytes.read(&mut buffer).map_err(SandboxError::misread)? {
            0 => return Ok(()),
            count => blob.write_all(&buffer[..count]).map_err(|source| store.cannot("write a blob", source))?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Inode, Origin, TreePath};

    #[test]
    fn contents_end_up_in_the_store() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let sizes = [0, 3, TINY as usize + 1, LARGE as usize, LARGE as usize + 1];
        let contents = sizes.map(|size| (0..size).map(|at| (at * size / 7) as u8).collect::<Vec<_>>());
        let (mut tree, mut gathering) = (Tree::new(), Gathering::new(&store));
        let mut put = |name: String, content| {
            tree.insert(TreePath::new(name).unwrap(), Inode::file(0o644, content, Origin::Sandbox)).unwrap()
        };
        for bytes in &contents {
            let id = put(format!("taken {}", bytes.len()), Content::empty());
            gathering.take(id, &mut bytes.as_slice(), bytes.len() as u64).unwrap();
            let aside = store.put_aside(bytes).unwrap();
            let (memory, lasting) = (Content::bytes(bytes.as_slice()), store.put(bytes).unwrap().path);
            let aside = Content::Slice { path: aside.0, offset: aside.1, size: bytes.len() as u64 };
            let lasting = Content::Slice { path: lasting, offset: 0, size: bytes.len() as u64 };
            for (what, content) in [("memory", memory), ("aside", aside), ("lasting", lasting)] {
                let id = put(format!("{what} {}", bytes.len()), content.clone());
                gathering.keep(id, &content).unwrap();
            }
        }
        gathering.end(&mut tree).unwrap();
        let mut files = std::collections::BTreeSet::new();
        for entry in tree.entries().filter(|entry| entry.inode.is_file()) {
            let content = entry.inode.content().unwrap();
            let size: usize = String::from_utf8_lossy(entry.path.name()).rsplit(' ').next().unwrap().parse().unwrap();
            let expected = contents.iter().find(|bytes| bytes.len() == size).unwrap();
            assert_eq!(content.read().unwrap(), *expected, "{}", entry.path);
            match content {
                Content::Slice { path, .. } => drop(files.insert(path.clone())),
                _ => assert!(size <= TINY as usize, "{}", entry.path),
            }
        }
        assert!(files.iter().all(|path| path.starts_with(folder.path().join("blobs"))), "{files:?}");
        // Those that were there, of which the large one is one, and one for all that were gathered.
        assert_eq!(files.len(), sizes.len() + 1);
    }
}
