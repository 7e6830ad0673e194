//! Following symbolic links inside a tree.

use super::{PathError, Tree, TreePath};

/// Why a path leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum ResolveError {
    /// More than 40 symbolic links in a row, as Linux counts.
    #[error("`{0}` leads through too many symbolic links")]
    Loop(TreePath),
    /// A path became longer than Linux allows.
    #[error(transparent)]
    Path(#[from] PathError),
}

/// How many symbolic links Linux follows in one lookup (`MAXSYMLINKS`).
const MAX_LINKS: usize = 40;

impl Tree {
    /// Where `path` leads when the symbolic links among its *parents* are followed, as if the tree were the root
    /// directory: absolute targets start at the tree's root and `..` stops there. The last component is not followed,
    /// and components that do not exist are taken as they are.
    ///
    /// This is how an unpacker finds the place of `bin/sh` when `bin` is a link to `usr/bin`.
    pub fn resolve_parents(&self, path: &TreePath) -> Result<TreePath, ResolveError> {
        match path.parent() {
            None => Ok(path.clone()),
            Some(parent) => Ok(self.resolve(&parent)?.join(path.name())?),
        }
    }

    /// Where `path` leads when all symbolic links in it are followed, under the same rules.
    pub fn resolve(&self, path: &TreePath) -> Result<TreePath, ResolveError> {
        self.resolve_from(&TreePath::root(), path.as_bytes())
    }

    /// Where the `target` of a symbolic link in `folder`, which is no link itself, leads under the same rules.
    pub fn resolve_from(&self, folder: &TreePath, target: &[u8]) -> Result<TreePath, ResolveError> {
        let components = |path: &[u8]| path.split(|byte| *byte == b'/').map(<[u8]>::to_vec).collect::<Vec<_>>();
        let mut done = if target.starts_with(b"/") { Vec::new() } else { components(folder.as_bytes()) };
        done.retain(|component| !component.is_empty());
        let mut todo: Vec<Vec<u8>> = components(target).into_iter().rev().collect();
        let mut links = 0;
        while let Some(component) = todo.pop() {
            match component.as_slice() {
                b"" | b"." => continue,
                b".." => {
                    done.pop();
                    continue;
                }
                _ => done.push(component),
            }
            let here = TreePath::new(done.join(&b'/'))?;
            let Some(target) = self.get(&here).and_then(|inode| inode.symlink_target()) else { continue };
            links += 1;
            if links > MAX_LINKS {
                return Err(ResolveError::Loop(here));
            }
            done.pop();
            if target.starts_with(b"/") {
                done.clear();
            }
            todo.extend(target.split(|byte| *byte == b'/').rev().map(<[u8]>::to_vec));
        }
        Ok(TreePath::new(done.join(&b'/'))?)
    }
}
