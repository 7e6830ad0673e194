//! Which glibc a root filesystem has.

use memchr::memmem;

use crate::tree::{Tree, TreePath};

/// The version of the glibc in `tree`, such as `2.41`; nothing where it has another C library, or none.
///
/// It is read from the library itself: what `ldd --version` prints is a text in it, and its newest symbol version is in
/// its tables where that text is not.
pub fn glibc_version(tree: &Tree) -> Option<String> {
    let named = tree.entries().filter(|entry| entry.path.name() == b"libc.so.6");
    let folders: [&[u8]; 5] = [b"lib", b"usr/lib", b"lib64", b"usr/lib64", b"lib32"];
    let of_system = |path: &TreePath| {
        let above = path.parent().unwrap_or_else(TreePath::root);
        let above = above.as_bytes();
        folders.iter().any(|folder| {
            above
                .strip_prefix(*folder)
                .is_some_and(|rest| rest.is_empty() || (rest[0] == b'/' && !rest[1..].contains(&b'/')))
        })
    };
    let library = named.map(|entry| entry.path).find(|path| of_system(path))?;
    let place = tree.resolve(library).ok()?;
    let bytes = tree.get(&place)?.content()?.read().ok()?;
    announced(&bytes).or_else(|| newest_symbol(&bytes))
}

/// The version in `GNU C Library (Debian GLIBC 2.41-12) stable release version 2.41.`.
fn announced(bytes: &[u8]) -> Option<String> {
    let start = memmem::find(bytes, b"GNU C Library ")?;
    let line = &bytes[start..(start + 256).min(bytes.len())];
    let version = &line[memmem::find(line, b"release version ")? + 16..];
    number(version)
}

/// The newest of `GLIBC_2.38` and its like.
fn newest_symbol(bytes: &[u8]) -> Option<String> {
    let versions = memmem::find_iter(bytes, b"GLIBC_2.").filter_map(|place| number(&bytes[place + 6..]));
    versions.max_by_key(|version| version.split('.').nth(1).and_then(|minor| minor.parse::<u32>().ok()))
}

/// `2.41` at the start of some bytes.
fn number(bytes: &[u8]) -> Option<String> {
    let text: String = bytes.iter().take(8).map(|byte| char::from(*byte)).collect();
    let (major, rest) = text.split_once('.')?;
    let minor: String = rest.chars().take_while(char::is_ascii_digit).collect();
    (major.parse::<u32>().is_ok() && !minor.is_empty()).then(|| format!("{major}.{minor}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Content, Inode, Origin};

    fn tree(path: &'static str, bytes: &[u8]) -> Tree {
        let mut tree = Tree::new();
        let file = Inode::file(0o755, Content::bytes(bytes), Origin::Root);
        tree.insert_with_parents(TreePath::literal(path), file).unwrap();
        tree
    }

    #[test]
    fn versions() {
        let text = b"\x7fELF..GNU C Library (Debian GLIBC 2.41-12) stable release version 2.41.\nCopyright";
        assert_eq!(glibc_version(&tree("usr/lib/x86_64-linux-gnu/libc.so.6", text)).as_deref(), Some("2.41"));
        let symbols = b"\x7fELF\0GLIBC_2.2.5\0GLIBC_2.9\0GLIBC_2.38\0GLIBC_PRIVATE\0";
        assert_eq!(glibc_version(&tree("lib64/libc.so.6", symbols)).as_deref(), Some("2.38"));
        assert_eq!(glibc_version(&tree("opt/sysroot/lib/libc.so.6", text)), None);
        assert_eq!(glibc_version(&tree("lib/ld-musl-x86_64.so.1", b"")), None);
    }
}
