//! Small text files of the image: read whole, changed, put back.

use crate::tree::{Content, Inode, Node, Origin, Tree, TreePath};

use super::PassError;

/// More than any account file or certificate bundle has.
const MOST: u64 = 64 << 20;

/// The text at `path` (symbolic links are followed), or nothing where nothing is there.
pub(super) fn read(tree: &Tree, path: &TreePath) -> Result<Option<String>, PassError> {
    let place = tree.resolve(path)?;
    let Some(inode) = tree.get(&place) else { return Ok(None) };
    let wrong = |what| PassError::TextFile { path: path.clone(), what };
    let content = inode.content().ok_or_else(|| wrong("not a regular file"))?;
    if content.size() > MOST {
        return Err(wrong("larger than 64 MiB"));
    }
    let bytes = content.read().map_err(|source| PassError::Content { path: path.clone(), source })?;
    String::from_utf8(bytes).map(Some).map_err(|_| wrong("not UTF-8 text"))
}

/// Puts `text` at `path`: a file that is there keeps its mode and owner, a new one has `mode` and is root's.
pub(super) fn write(
    tree: &mut Tree,
    path: &TreePath,
    text: String,
    mode: u32,
    mtime: i64,
    pass: &'static str,
) -> Result<(), PassError> {
    let place = tree.resolve(path)?;
    let content = Content::bytes(text.into_bytes());
    if let Some(inode) = tree.get_mut(&place) {
        inode.node = Node::File(content);
        inode.meta.mtime = mtime;
        return Ok(());
    }
    let mut inode = Inode::file(mode, content, Origin::Pass(pass.into()));
    inode.meta.mtime = mtime;
    tree.insert_with_parents(place, inode)?;
    Ok(())
}
