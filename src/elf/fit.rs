//! Whether a program starts in an image, and what to do where it does not.

use std::collections::BTreeSet;

use super::libraries::needs;
use super::{Elf, Kind, ProgramError};
use crate::platform::Platform;
use crate::tree::{Tree, TreePath};

/// What a file that should be a program is, by its first bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// ELF: [`read`](super::read()) tells the rest.
    Elf,
    /// A script, with the program that its first line names.
    Script(String),
    /// A program of macOS (Mach-O).
    MachO,
    /// A program of Windows (PE).
    Windows,
    /// Something else.
    Other,
}

/// The format of a file by its first bytes; 256 are enough.
pub fn format(start: &[u8]) -> Format {
    const MACH_O: [&[u8]; 5] =
        [b"\xfe\xed\xfa\xce", b"\xfe\xed\xfa\xcf", b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe"];
    if start.starts_with(&object::elf::ELFMAG) {
        return Format::Elf;
    }
    if let Some(line) = start.strip_prefix(b"#!") {
        let line = String::from_utf8_lossy(line.split(|byte| *byte == b'\n').next().unwrap_or_default()).into_owned();
        // Nothing but blanks ends the name (execve(2)): a line of Windows has its `\r` in it.
        let mut words = line.split([' ', '\t']).filter(|word| !word.is_empty());
        return Format::Script(words.next().unwrap_or_default().to_owned());
    }
    match start {
        start if MACH_O.iter().any(|magic| start.starts_with(magic)) => Format::MachO,
        start if start.starts_with(b"MZ") => Format::Windows,
        _ => Format::Other,
    }
}

/// Whether the program `elf` at `path` of `tree` starts on `platform`. What is no program (a library, an object file)
/// has nothing to start. `searched` are the folders of the image's `LD_LIBRARY_PATH`.
pub fn check(
    tree: &Tree,
    path: &TreePath,
    elf: &Elf,
    platform: Platform,
    searched: &[String],
) -> Result<(), ProgramError> {
    if elf.kind != Kind::Program {
        return Ok(());
    }
    let shown = path.to_string();
    if elf.platform() != Some(platform) {
        return Err(ProgramError::Platform { path: shown, expected: platform, found: elf.target() });
    }
    if elf.is_static() {
        return Ok(());
    }
    let unresolved = |source| ProgramError::Resolve { path: shown.clone(), source };
    let missing = needs(tree, path, elf, searched).map_err(unresolved)?.missing;
    if !missing.is_empty() {
        return Err(ProgramError::Dynamic { path: shown, advice: advice(elf, &missing), missing });
    }
    let Some(interpreter) = elf.interpreter.as_deref() else { return Ok(()) };
    // It was found above; the kernel starts it as it starts the program.
    let place = TreePath::new(interpreter).ok().map(|place| tree.resolve(&place)).transpose().map_err(unresolved)?;
    match place.and_then(|place| tree.get(&place)).map(|inode| inode.meta.mode & 0o7777) {
        Some(mode) if mode & 0o111 == 0 => {
            Err(ProgramError::Interpreter { path: shown, interpreter: interpreter.to_owned(), mode })
        }
        _ => Ok(()),
    }
}

/// How to do without what is missing, and which base has it.
fn advice(elf: &Elf, missing: &[String]) -> String {
    let linking = if elf.go.is_some() {
        "build it with `CGO_ENABLED=0`"
    } else if !elf.crates.is_empty() {
        "build it for a `-musl` target, or with `RUSTFLAGS=-Ctarget-feature=+crt-static`"
    } else {
        "link it statically (Go: `CGO_ENABLED=0`; Rust: a `-musl` target; C: `-static`)"
    };
    format!("{linking}, or put it on a base that has these: {}", base(elf, missing))
}

/// The C libraries of Debian's releases whose recipes are shipped, oldest first.
const GLIBC: [(u32, &str); 2] = [(36, "`recipes/bookworm.toml`"), (41, "`recipes/trixie-slim.toml`")];

fn base(elf: &Elf, missing: &[String]) -> String {
    let interpreter = elf.interpreter.as_deref().unwrap_or_default();
    let names = |part: &str| interpreter.contains(part) || elf.needed.iter().any(|name| name.contains(part));
    if interpreter.starts_with("/nix/") {
        return "none outside Nix; build it for an ordinary Linux".to_owned();
    }
    if names("/system/bin/linker") {
        return "Android's".to_owned();
    }
    if names("musl") {
        return format!("`recipes/alpine.toml` (musl){}", packages(missing, &ALPINE));
    }
    if !names("ld-linux") && !names("libc.so.6") && !names("/ld64.so") {
        return "that of the distribution it was built on".to_owned();
    }
    let needed = elf.newest_version("GLIBC");
    let minor = needed.as_deref().and_then(|version| version.strip_prefix("2.")?.split('.').next()?.parse().ok());
    let minor: u32 = minor.unwrap_or(0);
    let fitting: BTreeSet<&str> = GLIBC.iter().filter(|(has, _)| *has >= minor).map(|(_, name)| *name).collect();
    let version = needed.map(|version| format!(" (it needs glibc {version})")).unwrap_or_default();
    if fitting.is_empty() {
        return format!("one newer than Debian 13, such as `suite = \"forky\"` in `[from.debian]`{version}");
    }
    let packages = packages(missing, &DEBIAN);
    // Names of packages are those of the newest.
    let fitting: Vec<&str> = fitting.into_iter().rev().take(if packages.is_empty() { 2 } else { 1 }).collect();
    format!("{}{version}{packages}", fitting.join(" or "))
}

/// Libraries that are not in every system, by the beginnings of their names, and the packages that have them in Debian 13.
const DEBIAN: [(&str, &str); 14] = [
    ("libssl.so.3", "libssl3t64"),
    ("libcrypto.so.3", "libssl3t64"),
    ("libcurl.so.4", "libcurl4t64"),
    ("libpq.so.5", "libpq5"),
    ("libsqlite3.so.0", "libsqlite3-0"),
    ("libmariadb.so.3", "libmariadb3"),
    ("libxml2.so.2", "libxml2"),
    ("libgomp.so.1", "libgomp1"),
    ("libffi.so.8", "libffi8"),
    ("libsystemd.so.0", "libsystemd0"),
    ("libpcap.so.0.8", "libpcap0.8t64"),
    ("libgit2.so.1.9", "libgit2-1.9"),
    ("libyaml-0.so.2", "libyaml-0-2"),
    ("libdbus-1.so.3", "libdbus-1-3"),
];
/// The same of Alpine.
const ALPINE: [(&str, &str); 7] = [
    ("libssl.so.3", "libssl3"),
    ("libcrypto.so.3", "libcrypto3"),
    ("libgcc_s.so.1", "libgcc"),
    ("libstdc++.so.6", "libstdc++"),
    ("libcurl.so.4", "libcurl"),
    ("libpq.so.5", "libpq"),
    ("libsqlite3.so.0", "sqlite-libs"),
];
/// What every system has with its C library, or, of Debian, among its required packages.
const ALWAYS: [&str; 20] = [
    "libacl.so.1",
    "libbz2.so.1.0",
    "libcap.so.2",
    "libcrypt.so.1",
    "libpcre2-8.so.0",
    "libselinux.so.1",
    "libtinfo.so.6",
    "ld-",
    "libc.",
    "libm.so",
    "libdl.so",
    "libpthread.so",
    "librt.so",
    "libresolv.so",
    "libutil.so",
    "libgcc_s.so.1",
    "libstdc++.so.6",
    "libz.so.1",
    "libzstd.so.1",
    "liblzma.so.5",
];

/// What to add to the packages of a base, where it is known.
fn packages(missing: &[String], known: &[(&str, &str)]) -> String {
    let names = missing.iter().map(|path| path.rsplit('/').next().unwrap_or(path));
    let (mut wanted, mut others) = (BTreeSet::new(), Vec::new());
    for name in names {
        match known.iter().find(|(library, _)| name == *library) {
            Some((_, package)) => drop(wanted.insert(*package)),
            None if ALWAYS.iter().any(|always| name.starts_with(always)) => {}
            None => others.push(format!("`{name}`")),
        }
    }
    let mut text = String::new();
    if !wanted.is_empty() {
        let list: Vec<String> = wanted.iter().map(|package| format!("\"{package}\"")).collect();
        text.push_str(&format!(" with `packages = [{}]`", list.join(", ")));
    }
    if !others.is_empty() {
        text.push_str(&format!(" and the packages that have {}", others.join(", ")));
    }
    text
}
