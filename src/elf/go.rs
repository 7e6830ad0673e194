//! What the Go toolchain notes in a program (Go's `debug/buildinfo` and `runtime/debug`): its own version, modules, and
//! settings of the build.

use std::collections::BTreeMap;

use object::Endianness;
use object::elf;
use object::read::ReadRef;
use object::read::elf::{FileHeader, ProgramHeader};

use super::object::Object;

/// What was noted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GoBuild {
    /// The version of Go: `go1.25.4`.
    pub go_version: String,
    /// The main package: `example.com/tool/cmd/tool`.
    pub path: Option<String>,
    /// The main module; its version is `(devel)` where it was built from a checkout without a tag.
    pub main: Option<GoModule>,
    /// The modules that were built into it: where one was replaced by another, that.
    pub modules: Vec<GoModule>,
    /// Settings of the build: `GOOS`, `CGO_ENABLED`, `vcs.revision`, ...
    pub settings: BTreeMap<String, String>,
}

/// A module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoModule {
    /// Its path: `golang.org/x/sys`.
    pub path: String,
    /// Its version: `v0.30.0`.
    pub version: String,
}

const MAGIC: &[u8] = b"\xff Go buildinf:";
const SECTION: &[u8] = b".go.buildinfo";
/// Where the strings of the inline form begin.
const HEADER: usize = 32;
/// Most bytes of the section and of each string: Kubernetes has some ten kilobytes.
const LIMIT: u64 = 4 << 20;
/// How much of a segment is searched where a program has no table of sections.
const SEARCHED: u64 = 1 << 20;
const MOST_MODULES: usize = 20_000;

/// Reads it; nothing where there is none, or none that makes sense.
pub(super) fn read<'data, H: FileHeader<Endian = Endianness>, R: ReadRef<'data>>(
    object: &Object<'data, H, R>,
) -> Option<GoBuild> {
    let bytes = section(object)?;
    let bytes = bytes.strip_prefix(MAGIC).map(|_| bytes)?;
    let (pointer_size, flags) = (*bytes.get(14)?, *bytes.get(15)?);
    let (version, modules) = if flags & 2 != 0 {
        let (version, rest) = inline(bytes.get(HEADER..)?)?;
        (version.to_vec(), inline(rest).map(|(modules, _)| modules.to_vec()).unwrap_or_default())
    } else {
        let pointers = Pointers { object, size: pointer_size, is_big: flags & 1 != 0 };
        let at = |number: usize| bytes.get(16 + number * usize::from(pointer_size)..);
        (pointers.string(at(0)?)?, pointers.string(at(1)?).unwrap_or_default())
    };
    let go_version = String::from_utf8(version).ok().filter(|version| !version.is_empty())?;
    let modules = unframed(&modules).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default();
    Some(parse(go_version, modules))
}

/// The section, or where there is no table of sections, what follows the mark in a segment that is written to.
fn section<'data, H: FileHeader<Endian = Endianness>, R: ReadRef<'data>>(
    object: &Object<'data, H, R>,
) -> Option<&'data [u8]> {
    if object.has_sections() {
        return object.section(SECTION, LIMIT);
    }
    let written = |segment: &&H::ProgramHeader| {
        segment.p_type(object.endian) == elf::PT_LOAD && segment.p_flags(object.endian) & elf::PF_W != 0
    };
    object.segments.iter().filter(written).find_map(|segment| {
        let (offset, size) = segment.file_range(object.endian);
        let bytes = object.data.read_bytes_at(offset, size.min(SEARCHED)).ok()?;
        // The linker puts it at a multiple of 16.
        let start = (0..bytes.len()).step_by(16).find(|at| bytes[*at..].starts_with(MAGIC))?;
        Some(&bytes[start..])
    })
}

/// A string with its length before it, as a varint (since Go 1.18), and what follows.
fn inline(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut length: u64 = 0;
    for (at, byte) in bytes.iter().take(10).enumerate() {
        length |= u64::from(byte & 0x7f).checked_shl(u32::try_from(at * 7).ok()?)?;
        if byte & 0x80 == 0 {
            let length = usize::try_from(length).ok()?;
            return bytes[at + 1..].split_at_checked(length);
        }
    }
    None
}

/// Strings of programs built before Go 1.18: addresses of a header of address and length.
struct Pointers<'a, 'data, H: FileHeader<Endian = Endianness>, R: ReadRef<'data>> {
    object: &'a Object<'data, H, R>,
    size: u8,
    is_big: bool,
}

impl<'data, H: FileHeader<Endian = Endianness>, R: ReadRef<'data>> Pointers<'_, 'data, H, R> {
    fn string(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let size = u64::from(self.size);
        let header = self.object.at(self.number(bytes)?, 2 * size)?;
        let (address, length) = (self.number(header)?, self.number(&header[usize::from(self.size)..])?);
        if length == 0 {
            return Some(Vec::new());
        }
        self.object.at(address, length).filter(|_| length <= LIMIT).map(<[u8]>::to_vec)
    }

    fn number(&self, bytes: &[u8]) -> Option<u64> {
        if !matches!(self.size, 4 | 8) {
            return None;
        }
        let bytes = bytes.get(..usize::from(self.size))?;
        let add = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        Some(if self.is_big { bytes.iter().fold(0, add) } else { bytes.iter().rev().fold(0, add) })
    }
}

/// The text without the 16 bytes before and after it by which Go finds it in a running program.
fn unframed(bytes: &[u8]) -> Option<&[u8]> {
    let text = bytes.get(16..bytes.len().checked_sub(16)?)?;
    text.ends_with(b"\n").then_some(text)
}

/// Reads the lines, each a word and values with tabs between them.
fn parse(go_version: String, text: &str) -> GoBuild {
    let mut build = GoBuild { go_version, ..GoBuild::default() };
    let mut last_is_main = false;
    for line in text.lines() {
        let (word, rest) = line.split_once('\t').unwrap_or((line, ""));
        let mut fields = rest.split('\t');
        let mut module = || {
            let path = fields.next().unwrap_or_default().to_owned();
            GoModule { path, version: fields.next().unwrap_or_default().to_owned() }
        };
        match word {
            "path" => build.path = Some(rest.to_owned()),
            "mod" => (build.main, last_is_main) = (Some(module()), true),
            "dep" if build.modules.len() < MOST_MODULES => {
                build.modules.push(module());
                last_is_main = false;
            }
            // The line before names what was asked for; this one what was built in. A folder has no name of its own.
            "=>" if rest.starts_with(['.', '/']) => {}
            "=>" if last_is_main => build.main = Some(module()),
            "=>" => {
                if let Some(last) = build.modules.last_mut() {
                    *last = module();
                }
            }
            "build" => {
                let (key, value) = rest.split_once('=').unwrap_or((rest, ""));
                build.settings.insert(unquoted(key), unquoted(value));
            }
            _ => {}
        }
    }
    build.modules.retain(|module| !module.path.is_empty());
    build
}

/// A key or value, which Go quotes where it has spaces or quotes in it; for these the quotes are those of JSON.
fn unquoted(text: &str) -> String {
    let quoted = text.starts_with('"').then(|| serde_json::from_str(text).ok()).flatten();
    quoted.unwrap_or_else(|| text.to_owned())
}
