//! What platform a root filesystem is for, by its programs.

use std::io::{self, Read};

use crate::platform::{Architecture, Platform};
use crate::tree::{Inode, Tree, TreePath};

/// Programs that distributions have, the most telling first.
const PROGRAMS: [&str; 8] = [
    "bin/sh",
    "usr/bin/env",
    "bin/busybox",
    "usr/bin/busybox",
    "sbin/init",
    "usr/lib/systemd/systemd",
    "bin/bash",
    "usr/bin/python3",
];

/// How many other files are looked at where none of those is there.
const MOST: usize = 5000;

/// The platform of the first program that is found, and its path: a shell and the like, else the first files that may be
/// executed. Nothing where no file is a program of a platform known here.
pub fn platform(tree: &Tree) -> io::Result<Option<(Platform, TreePath)>> {
    for program in PROGRAMS {
        let Ok(path) = tree.resolve(&TreePath::literal(program)) else { continue };
        if let Some(inode) = tree.get(&path)
            && let Some(platform) = of_program(inode)?
        {
            return Ok(Some((platform, path)));
        }
    }
    let executable = |inode: &Inode| inode.is_file() && inode.meta.mode & 0o111 != 0;
    for entry in tree.entries().filter(|entry| executable(entry.inode)).take(MOST) {
        if let Some(platform) = of_program(entry.inode)? {
            return Ok(Some((platform, entry.path.clone())));
        }
    }
    Ok(None)
}

fn of_program(inode: &Inode) -> io::Result<Option<Platform>> {
    let mut header = Vec::with_capacity(20);
    if let Some(content) = inode.content() {
        content.reader()?.take(20).read_to_end(&mut header)?;
    }
    Ok(architecture(&header).map(|architecture| Platform { architecture }))
}

/// The architecture that the first bytes of an ELF file name (System V ABI, chapter 4; the numbers of machines are those of
/// Linux's `elf-em.h`).
fn architecture(header: &[u8]) -> Option<Architecture> {
    let header: &[u8; 20] = header.first_chunk().filter(|header| header.starts_with(b"\x7fELF"))?;
    let (class, little) = (header[4], header[5] == 1);
    let machine = [header[18], header[19]];
    let machine = if little { u16::from_le_bytes(machine) } else { u16::from_be_bytes(machine) };
    match (machine, class, little) {
        (62, 2, true) => Some(Architecture::Amd64),
        (183, 2, true) => Some(Architecture::Arm64),
        (40, 1, true) => Some(Architecture::Arm),
        (3, 1, true) => Some(Architecture::I386),
        (21, 2, true) => Some(Architecture::Ppc64le),
        (243, 2, true) => Some(Architecture::Riscv64),
        (22, 2, false) => Some(Architecture::S390x),
        (8, 2, true) => Some(Architecture::Mips64le),
        (258, 2, true) => Some(Architecture::Loong64),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Content, Origin};

    fn elf(machine: u16, class: u8, little: bool) -> Vec<u8> {
        let machine = if little { machine.to_le_bytes() } else { machine.to_be_bytes() };
        let mut header = vec![0; 64];
        header[..6].copy_from_slice(&[0x7f, b'E', b'L', b'F', class, if little { 1 } else { 2 }]);
        header[18..20].copy_from_slice(&machine);
        header
    }

    fn tree(files: &[(&'static str, &[u8])], links: &[(&'static str, &str)]) -> Tree {
        let mut tree = Tree::new();
        let origin = || Origin::Import("test".into());
        for (path, bytes) in files {
            let file = Inode::file(0o755, Content::bytes(*bytes), origin());
            tree.insert_with_parents(TreePath::literal(path), file).unwrap();
        }
        for (path, target) in links {
            tree.insert_with_parents(TreePath::literal(path), Inode::symlink(target, origin())).unwrap();
        }
        tree
    }

    fn found(tree: &Tree) -> Option<String> {
        platform(tree).unwrap().map(|(platform, path)| format!("{platform} {path}"))
    }

    #[test]
    fn machines() {
        let cases = [
            (62, 2, true, Some("linux/amd64")),
            (62, 1, true, None),
            (183, 2, true, Some("linux/arm64")),
            (183, 2, false, None),
            (40, 1, true, Some("linux/arm")),
            (3, 1, true, Some("linux/386")),
            (21, 2, true, Some("linux/ppc64le")),
            (21, 2, false, None),
            (243, 2, true, Some("linux/riscv64")),
            (22, 2, false, Some("linux/s390x")),
            (8, 1, false, None),
        ];
        for (machine, class, little, expected) in cases {
            let file = elf(machine, class, little);
            let expected = expected.map(|platform| format!("{platform} /app"));
            assert_eq!(found(&tree(&[("app", &file)], &[])), expected, "machine {machine}");
        }
    }

    #[test]
    fn links_lead_to_the_shell_inside_the_tree() {
        let (amd64, arm64) = (elf(62, 2, true), elf(183, 2, true));
        let files: [(&'static str, &[u8]); 2] = [("a/first", &amd64), ("usr/bin/busybox", &arm64)];
        let with = |target| tree(&files, &[("bin", "usr/bin"), ("usr/bin/sh", target)]);
        assert_eq!(found(&with("/bin/busybox")).unwrap(), "linux/arm64 /usr/bin/busybox");
        assert_eq!(found(&with("sh")).unwrap(), "linux/arm64 /usr/bin/busybox", "a circle is passed over");
        let script = tree(&[("bin/sh", b"#!/bin/bash"), ("opt/app", &amd64)], &[]);
        assert_eq!(found(&script).unwrap(), "linux/amd64 /opt/app");
        assert_eq!(found(&tree(&[("bin/sh", b"\x7fELF")], &[])), None);
    }
}
