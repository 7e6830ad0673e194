//! Names for the programs in busybox, for a shell where there is no other: in `/busybox`, out of the way of the rest, as
//! in distroless' `debug` images.

use super::Writer;
use crate::source::debian::InstallError;
use crate::tree::{Inode, Origin, TreePath};

/// The packages that have it, and where.
const PACKAGES: [&str; 2] = ["busybox-static", "busybox"];
const PROGRAM: &str = "usr/bin/busybox";
const FOLDER: &str = "busybox";

/// Links `/busybox/NAME` to the program for each name that it goes by. Gives the links, and whose they are.
pub(super) fn write(writer: &mut Writer<'_>) -> Result<Option<(&'static str, TreePath)>, InstallError> {
    let Some(inode) = writer.tree.get(&TreePath::literal(PROGRAM)) else { return Ok(None) };
    let Some(package) =
        PACKAGES.into_iter().find(|name| matches!(&inode.origin, Origin::Package(of) if **of == **name))
    else {
        return Ok(None);
    };
    let unread = |source| InstallError::Content { package: package.to_owned(), source };
    let bytes = inode.content().map(|content| content.read()).transpose().map_err(unread)?.unwrap_or_default();
    for name in std::iter::once("busybox").chain(names(&bytes)) {
        let link = Inode::symlink(format!("/{PROGRAM}"), Origin::Package(package.into()));
        writer.put(&format!("{FOLDER}/{name}"), link)?;
    }
    Ok(Some((package, TreePath::literal(FOLDER))))
}

/// The names in the table of the program (`applet_names` of busybox's `include/applet_tables.h`): each ended by a NUL, in
/// order; `[` and `[[` are the first, after bytes of any kind. Where there are several such places, the table is the longest.
fn names(program: &[u8]) -> Vec<&str> {
    const BEGIN: &[u8] = b"[\0[[\0";
    let places = program.windows(BEGIN.len()).enumerate().filter(|(_, window)| *window == BEGIN);
    places.map(|(at, _)| names_from(&program[at..])).max_by_key(Vec::len).unwrap_or_default()
}

/// The names from the start of `bytes` on, as long as they are in order.
fn names_from(bytes: &[u8]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for name in bytes.split(|byte| *byte == 0) {
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"[_-.+".contains(byte);
        let Ok(text) = std::str::from_utf8(name) else { break };
        if name.is_empty()
            || name.len() > 32
            || !name.iter().all(plain)
            || names.last().is_some_and(|last| *last >= text)
        {
            break;
        }
        names.push(text);
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_end_where_the_order_does() {
        let program = b"\x7fELF\0junk\0[\0[[\0not\0a\0table .[\0[[\0ash\0cat\0sh\0zcat\0a later text\0sh\0";
        assert_eq!(names(program), ["[", "[[", "ash", "cat", "sh", "zcat"]);
        assert!(names(b"\x7fELF without a table").is_empty());
        assert_eq!(names(b"\0[\0[[\0../../etc/passwd\0"), ["[", "[["]);
    }
}
