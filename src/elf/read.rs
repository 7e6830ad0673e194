//! Reading an ELF file, from memory or piece by piece from where its bytes are.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;

use object::Endianness;
use object::elf::{self, FileHeader32, FileHeader64};
use object::read::elf::{Dyn, FileHeader, ProgramHeader};
use object::read::{ReadCache, ReadRef};

use super::object::{Object, architecture, other_system};
use super::{ByteOrder, Class, Elf, ElfError, Kind, auditable, go};
use crate::tree::Content;

/// Most bytes of the table of what is loaded: the largest programs have some kilobytes.
const DYNAMIC_LIMIT: u64 = 1 << 20;
/// Longest path of an interpreter.
const INTERPRETER_LIMIT: u64 = 4096;
/// Most entries of each list: libraries, versions.
const MOST_NAMES: usize = 4096;

/// Reads `bytes`; nothing where they are no ELF file.
pub fn read(bytes: &[u8]) -> Result<Option<Elf>, ElfError> {
    from(bytes)
}

/// The same for a file of a tree. Of one that is on disk, only what is needed is read, whatever its size.
pub fn read_content(content: &Content) -> Result<Option<Elf>, ElfError> {
    match content {
        Content::Bytes(bytes) => from(&**bytes),
        Content::Slice { path, .. } => from_file(path, content),
        Content::Sparse(sparse) => from_file(&sparse.path, content),
    }
}

fn from_file(path: &Path, content: &Content) -> Result<Option<Elf>, ElfError> {
    let mut window = Window { file: File::open(path)?, content, position: 0 };
    let mut magic = [0; 4];
    // Most files are no ELF files: one look is enough.
    if window.read_exact(&mut magic).is_err() || magic != elf::ELFMAG {
        return Ok(None);
    }
    let cache = ReadCache::new(Window { position: 0, ..window });
    from(&cache)
}

fn from<'data, R: ReadRef<'data>>(data: R) -> Result<Option<Elf>, ElfError> {
    if data.read_bytes_at(0, 4).ok() != Some(elf::ELFMAG.as_slice()) {
        return Ok(None);
    }
    match data.read_bytes_at(4, 1).ok() {
        Some([elf::ELFCLASS32]) => parse::<FileHeader32<Endianness>, R>(data).map(Some),
        Some([elf::ELFCLASS64]) => parse::<FileHeader64<Endianness>, R>(data).map(Some),
        _ => Err(ElfError::damaged("its class is neither 32 nor 64 bits")),
    }
}

fn parse<'data, H: FileHeader<Endian = Endianness>, R: ReadRef<'data>>(data: R) -> Result<Elf, ElfError> {
    let object = Object::<H, R>::parse(data)?;
    let (header, endian) = (object.header, object.endian);
    let machine = header.e_machine(endian);
    let is_big = header.is_big_endian();
    let interpreter = match object.segment(elf::PT_INTERP) {
        Some(segment) => {
            let bytes = object.bytes_of(segment, INTERPRETER_LIMIT)?;
            let path = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
            Some(String::from_utf8_lossy(path).into_owned())
        }
        None => None,
    };
    let dynamic = Dynamic::read(&object)?;
    let kind = match header.e_type(endian) {
        elf::ET_EXEC => Kind::Program,
        // A shared library may be started too (libc.so.6 tells its version); what is built as a program says so.
        elf::ET_DYN if interpreter.is_some() && dynamic.soname.is_none() => Kind::Program,
        elf::ET_DYN if dynamic.is_pie => Kind::Program,
        // Packed programs load themselves; a library could not be loaded without the table.
        elf::ET_DYN if object.segment(elf::PT_DYNAMIC).is_none() => Kind::Program,
        elf::ET_DYN => Kind::Library,
        _ => Kind::Other,
    };
    let go = go::read(&object);
    let system = other_system(header.e_ident().os_abi).or_else(|| {
        let named = go.as_ref()?.settings.get("GOOS")?;
        GO_SYSTEMS.into_iter().find(|system| system == named)
    });
    Ok(Elf {
        class: if header.is_class_64() { Class::Bits64 } else { Class::Bits32 },
        byte_order: if is_big { ByteOrder::Big } else { ByteOrder::Little },
        machine,
        architecture: architecture(machine, header.is_class_64(), is_big),
        other_system: system,
        kind,
        interpreter,
        soname: dynamic.soname,
        needed: dynamic.needed,
        rpath: dynamic.rpath,
        runpath: dynamic.runpath,
        versions: dynamic.versions,
        go,
        crates: object.section(auditable::SECTION, auditable::LIMIT).map(auditable::read).unwrap_or_default(),
    })
}

/// Systems other than Linux for which Go makes ELF files.
const GO_SYSTEMS: [&str; 7] = ["android", "dragonfly", "freebsd", "illumos", "netbsd", "openbsd", "solaris"];

/// What the dynamic segment says.
#[derive(Default)]
struct Dynamic {
    soname: Option<String>,
    needed: Vec<String>,
    rpath: Vec<String>,
    runpath: Vec<String>,
    versions: BTreeMap<String, BTreeSet<String>>,
    is_pie: bool,
}

impl Dynamic {
    fn read<'data, H: FileHeader<Endian = Endianness>, R: ReadRef<'data>>(
        object: &Object<'data, H, R>,
    ) -> Result<Self, ElfError> {
        let endian = object.endian;
        let Some(segment) = object.segment(elf::PT_DYNAMIC) else { return Ok(Self::default()) };
        object.bytes_of(segment, DYNAMIC_LIMIT)?;
        let entries = segment.dynamic(endian, object.data).map_err(ElfError::damaged)?.unwrap_or_default();
        let entries: Vec<(u64, u64)> = entries
            .iter()
            .map(|entry| (entry.d_tag(endian).into(), entry.d_val(endian).into()))
            .take_while(|(tag, _)| *tag != u64::from(elf::DT_NULL))
            .collect();
        let value = |wanted: u32| entries.iter().find(|(tag, _)| *tag == u64::from(wanted)).map(|(_, value)| *value);
        let strings = value(elf::DT_STRTAB);
        let text = |offset: u64| {
            let address = strings.and_then(|strings| strings.checked_add(offset));
            address
                .and_then(|address| object.text_at(address))
                .ok_or_else(|| ElfError::damaged("a name in its dynamic table is not within the file"))
        };
        let texts = |wanted: u32| -> Result<Vec<String>, ElfError> {
            let found = entries.iter().filter(|(tag, _)| *tag == u64::from(wanted));
            found.take(MOST_NAMES).map(|(_, offset)| text(*offset)).collect()
        };
        let paths = |wanted: u32| -> Result<Vec<String>, ElfError> {
            let folders = |list: String| list.split(':').map(str::to_owned).collect::<Vec<_>>();
            Ok(texts(wanted)?.into_iter().flat_map(folders).filter(|folder| !folder.is_empty()).collect())
        };
        let versions = match (value(elf::DT_VERNEED), value(elf::DT_VERNEEDNUM)) {
            (Some(address), Some(count)) => needed_versions(object, address, count, text)?,
            _ => BTreeMap::new(),
        };
        Ok(Self {
            soname: texts(elf::DT_SONAME)?.into_iter().next(),
            needed: texts(elf::DT_NEEDED)?,
            rpath: paths(elf::DT_RPATH)?,
            runpath: paths(elf::DT_RUNPATH)?,
            versions,
            is_pie: value(elf::DT_FLAGS_1).is_some_and(|flags| flags & u64::from(elf::DF_1_PIE) != 0),
        })
    }
}

/// The versions that are needed, by library: `Elfxx_Verneed` and `Elfxx_Vernaux` (Linux Standard Base, "Symbol
/// Versioning"), which are the same for both classes.
fn needed_versions<'data, H: FileHeader<Endian = Endianness>, R: ReadRef<'data>>(
    object: &Object<'data, H, R>,
    mut address: u64,
    count: u64,
    text: impl Fn(u64) -> Result<String, ElfError>,
) -> Result<BTreeMap<String, BTreeSet<String>>, ElfError> {
    let damaged = || ElfError::damaged("its table of versions is not within the file");
    let word = |bytes: &[u8], at: usize| -> u64 {
        let word = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        u64::from(if object.header.is_big_endian() { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) })
    };
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut left = MOST_NAMES;
    for _ in 0..count.min(MOST_NAMES as u64) {
        let library = object.at(address, 16).ok_or_else(damaged)?;
        let (file, mut auxiliary, next) = (word(library, 4), word(library, 8), word(library, 12));
        let needed = versions.entry(text(file)?).or_default();
        let mut at = address;
        while auxiliary != 0 && left > 0 {
            left -= 1;
            at = at.checked_add(auxiliary).ok_or_else(damaged)?;
            let version = object.at(at, 16).ok_or_else(damaged)?;
            needed.insert(text(word(version, 8))?);
            auxiliary = word(version, 12);
        }
        if next == 0 {
            break;
        }
        address = address.checked_add(next).ok_or_else(damaged)?;
    }
    Ok(versions)
}

/// A piece of a file as if it were one.
struct Window<'a> {
    file: File,
    content: &'a Content,
    position: u64,
}

impl Read for Window<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.content.size().saturating_sub(self.position);
        let want = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let buffer = &mut buffer[..want];
        let count = match self.content {
            Content::Bytes(_) => unreachable!("what is in memory is read there"),
            Content::Slice { offset, .. } => self.file.read_at(buffer, offset + self.position)?,
            Content::Sparse(sparse) => sparse.read_at(&self.file, buffer, self.position)?,
        };
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for Window<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(by) => self.content.size().checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = position.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.position)
    }
}
