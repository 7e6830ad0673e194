//! The parts of an ELF file: segments, sections, and bytes by their address.

use object::Endianness;
use object::elf;
use object::read::ReadRef;
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader};

use super::ElfError;
use crate::platform::Architecture;

/// Most segments and sections of a file. Real ones have some dozens; `-ffunction-sections` gives thousands to object
/// files.
const MOST_PARTS: usize = 65_536;
/// Longest name of a library, path or version.
const LONGEST_NAME: u64 = 4096;

/// An ELF file with its segments read.
pub(super) struct Object<'data, H: FileHeader<Endian = Endianness>, R: ReadRef<'data>> {
    pub(super) header: &'data H,
    pub(super) endian: Endianness,
    pub(super) data: R,
    pub(super) segments: &'data [H::ProgramHeader],
}

impl<'data, H: FileHeader<Endian = Endianness>, R: ReadRef<'data>> Object<'data, H, R> {
    /// Reads the header and the table of segments.
    pub(super) fn parse(data: R) -> Result<Self, ElfError> {
        let header = H::parse(data).map_err(ElfError::damaged)?;
        let endian = header.endian().map_err(ElfError::damaged)?;
        let count = header.phnum(endian, data).map_err(ElfError::damaged)?;
        if count > MOST_PARTS {
            return Err(ElfError::damaged(format!("it has {count} segments")));
        }
        let segments = header.program_headers(endian, data).map_err(ElfError::damaged)?;
        Ok(Self { header, endian, data, segments })
    }

    /// The first segment of a type.
    pub(super) fn segment(&self, kind: u32) -> Option<&'data H::ProgramHeader> {
        self.segments.iter().find(|segment| segment.p_type(self.endian) == kind)
    }

    /// The bytes of a segment in the file, where there are at most `limit`.
    pub(super) fn bytes_of(&self, segment: &H::ProgramHeader, limit: u64) -> Result<&'data [u8], ElfError> {
        let (offset, size) = segment.file_range(self.endian);
        if size > limit {
            return Err(ElfError::damaged(format!("a segment has {size} bytes")));
        }
        self.data.read_bytes_at(offset, size).map_err(|()| ElfError::damaged("a segment is not within the file"))
    }

    /// The `size` bytes that are at `address` when the file is loaded.
    pub(super) fn at(&self, address: u64, size: u64) -> Option<&'data [u8]> {
        let (offset, left) = self.place(address)?;
        if size > left {
            return None;
        }
        self.data.read_bytes_at(offset, size).ok()
    }

    /// The text at `address`, up to its NUL.
    pub(super) fn text_at(&self, address: u64) -> Option<String> {
        let (offset, left) = self.place(address)?;
        let end = offset.checked_add(left.min(LONGEST_NAME))?;
        let bytes = self.data.read_bytes_at_until(offset..end.min(self.data.len().ok()?), 0).ok()?;
        Some(String::from_utf8_lossy(bytes).into_owned())
    }

    /// Where the byte at `address` is in the file, and how many follow in its segment.
    fn place(&self, address: u64) -> Option<(u64, u64)> {
        let loaded = self.segments.iter().filter(|segment| segment.p_type(self.endian) == elf::PT_LOAD);
        let mut places = loaded.filter_map(|segment| {
            let (offset, size) = segment.file_range(self.endian);
            let within = address.checked_sub(segment.p_vaddr(self.endian).into()).filter(|within| *within < size)?;
            Some((offset.checked_add(within)?, size - within))
        });
        places.next()
    }

    /// The bytes of the section of some name, where it is there and has at most `limit` bytes. A table of sections that
    /// makes no sense is none: nothing needs it to start a program.
    pub(super) fn section(&self, name: &[u8], limit: u64) -> Option<&'data [u8]> {
        if self.header.shnum(self.endian, self.data).ok()? > MOST_PARTS {
            return None;
        }
        let sections = self.header.sections(self.endian, self.data).ok()?;
        let (_, section) = sections.section_by_name(self.endian, name)?;
        let (offset, size) = section.file_range(self.endian)?;
        if size > limit {
            return None;
        }
        self.data.read_bytes_at(offset, size).ok()
    }

    /// Whether there is a table of sections.
    pub(super) fn has_sections(&self) -> bool {
        self.header.shnum(self.endian, self.data).is_ok_and(|count| count > 0)
    }
}

/// The architecture of images, by what the header says. `x32`, `n32` and the like are none: what images are run on does
/// not have them.
pub(super) fn architecture(machine: u16, is_64: bool, is_big: bool) -> Option<Architecture> {
    match (machine, is_64, is_big) {
        (elf::EM_X86_64, true, false) => Some(Architecture::Amd64),
        (elf::EM_AARCH64, true, false) => Some(Architecture::Arm64),
        (elf::EM_ARM, false, false) => Some(Architecture::Arm),
        (elf::EM_386, false, false) => Some(Architecture::I386),
        (elf::EM_PPC64, true, false) => Some(Architecture::Ppc64le),
        (elf::EM_RISCV, true, false) => Some(Architecture::Riscv64),
        (elf::EM_S390, true, true) => Some(Architecture::S390x),
        (elf::EM_MIPS, true, false) => Some(Architecture::Mips64le),
        (elf::EM_LOONGARCH, true, false) => Some(Architecture::Loong64),
        _ => None,
    }
}

/// The name of a processor that somebody may have built for by mistake.
pub(super) fn machine_name(machine: u16) -> Option<&'static str> {
    Some(match machine {
        elf::EM_386 | elf::EM_X86_64 => "x86",
        elf::EM_ARM | elf::EM_AARCH64 => "Arm",
        elf::EM_MIPS => "MIPS",
        elf::EM_PPC | elf::EM_PPC64 => "PowerPC",
        elf::EM_RISCV => "RISC-V",
        elf::EM_S390 => "IBM Z",
        elf::EM_SPARC | elf::EM_SPARCV9 => "SPARC",
        elf::EM_LOONGARCH => "LoongArch",
        elf::EM_BPF => "BPF",
        _ => return None,
    })
}

/// The system that the header's ABI byte names, where it is not Linux. Most programs for Linux name none.
pub(super) fn other_system(abi: u8) -> Option<&'static str> {
    Some(match abi {
        elf::ELFOSABI_HPUX => "HP-UX",
        elf::ELFOSABI_NETBSD => "netbsd",
        elf::ELFOSABI_SOLARIS => "solaris",
        elf::ELFOSABI_AIX => "aix",
        elf::ELFOSABI_FREEBSD => "freebsd",
        elf::ELFOSABI_OPENBSD => "openbsd",
        _ => return None,
    })
}
