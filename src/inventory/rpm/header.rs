//! The header of an rpm package: tags with values (rpm's `docs/manual/format_header.md`).
//!
//! The same bytes, without the magic number before them, are the records of rpm's database.

/// Numbers of tags (rpm's `include/rpm/rpmtag.h`).
pub mod tag {
    /// The package's name.
    pub const NAME: u32 = 1000;
    /// Its version.
    pub const VERSION: u32 = 1001;
    /// Its release.
    pub const RELEASE: u32 = 1002;
    /// Its epoch.
    pub const EPOCH: u32 = 1003;
    /// When it was built, in seconds since 1970.
    pub const BUILDTIME: u32 = 1006;
    /// Bytes that it takes when installed.
    pub const SIZE: u32 = 1009;
    /// The same, of packages of more than 4 GiB.
    pub const LONGSIZE: u32 = 5009;
    /// The mode of each file.
    pub const FILEMODES: u32 = 1030;
    /// The name of each file's user.
    pub const FILEUSERNAME: u32 = 1039;
    /// The name of each file's group.
    pub const FILEGROUPNAME: u32 = 1040;
    /// For each file the number of its folder.
    pub const DIRINDEXES: u32 = 1116;
    /// The last component of each file's path.
    pub const BASENAMES: u32 = 1117;
    /// Folders, with slashes at both ends.
    pub const DIRNAMES: u32 = 1118;
    /// Its architecture.
    pub const ARCH: u32 = 1022;
    /// The file of its source package.
    pub const SOURCERPM: u32 = 1044;
    /// The digest of its compressed payload, in hexadecimal.
    pub const PAYLOADDIGEST: u32 = 5092;
    /// The digest's algorithm, as OpenPGP numbers them.
    pub const PAYLOADDIGESTALGO: u32 = 5093;
}

/// Most tags and bytes that rpm itself takes (`lib/header.c`).
const MOST_TAGS: usize = 0xffff;
const MOST_BYTES: usize = 0x0fff_ffff;

/// Types of values.
const INT16: u32 = 3;
const INT32: u32 = 4;
const INT64: u32 = 5;
const STRING: u32 = 6;
const BINARY: u32 = 7;
const STRINGS: u32 = 8;
const LOCALISED: u32 = 9;

/// A header over some bytes. Nothing is copied; a value that leads outside of them is not there.
#[derive(Clone, Copy, Debug)]
pub struct Header<'a> {
    index: &'a [u8],
    data: &'a [u8],
}

struct Value<'a> {
    kind: u32,
    bytes: &'a [u8],
    count: usize,
}

impl<'a> Header<'a> {
    /// Reads a header that starts with its two lengths; `None` where they do not fit the bytes.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let size = Self::size(bytes)?;
        let tags = number(bytes, 0)? as usize;
        let (index, data) = bytes.get(8..size)?.split_at(tags * 16);
        Some(Self { index, data })
    }

    /// How many bytes the header that starts with these eight takes.
    pub fn size(bytes: &[u8]) -> Option<usize> {
        let (tags, data) = (number(bytes, 0)? as usize, number(bytes, 4)? as usize);
        (tags > 0 && tags <= MOST_TAGS && data <= MOST_BYTES).then_some(8 + tags * 16 + data)
    }

    /// A string, or the first of several.
    pub fn string(&self, tag: u32) -> Option<&'a str> {
        let value = self.value(tag).filter(|value| matches!(value.kind, STRING | STRINGS | LOCALISED))?;
        let end = value.bytes.iter().position(|byte| *byte == 0)?;
        std::str::from_utf8(&value.bytes[..end]).ok()
    }

    /// All of several strings.
    pub fn strings(&self, tag: u32) -> Vec<&'a str> {
        let Some(value) = self.value(tag).filter(|value| matches!(value.kind, STRING | STRINGS | LOCALISED)) else {
            return Vec::new();
        };
        let texts = value.bytes.split(|byte| *byte == 0).take(value.count);
        texts.filter_map(|text| std::str::from_utf8(text).ok()).collect()
    }

    /// A whole number.
    pub fn number(&self, tag: u32) -> Option<u64> {
        let value = self.value(tag)?;
        match value.kind {
            INT32 => number(value.bytes, 0).map(u64::from),
            INT64 => value.bytes.first_chunk().map(|bytes| u64::from_be_bytes(*bytes)),
            _ => None,
        }
    }

    /// All of several whole numbers of 16 or 32 bits.
    pub fn numbers(&self, tag: u32) -> Vec<u64> {
        let Some(Value { kind, bytes, count }) = self.value(tag) else { return Vec::new() };
        let size = match kind {
            INT16 => 2,
            INT32 => 4,
            _ => return Vec::new(),
        };
        let value = |bytes: &[u8]| bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
        bytes.chunks_exact(size).take(count).map(value).collect()
    }

    /// Bytes.
    pub fn bytes(&self, tag: u32) -> Option<&'a [u8]> {
        let value = self.value(tag).filter(|value| value.kind == BINARY)?;
        value.bytes.get(..value.count)
    }

    /// Epoch (unless it is missing or 0), version and release: `1:2.3-4`.
    pub fn version(&self) -> Option<String> {
        let (version, release) = (self.string(tag::VERSION)?, self.string(tag::RELEASE)?);
        Some(match self.number(tag::EPOCH) {
            None | Some(0) => format!("{version}-{release}"),
            Some(epoch) => format!("{epoch}:{version}-{release}"),
        })
    }

    /// Bytes that the package takes when installed, as it says.
    pub fn installed_size(&self) -> u64 {
        self.number(tag::LONGSIZE).or_else(|| self.number(tag::SIZE)).unwrap_or(0)
    }

    fn value(&self, tag: u32) -> Option<Value<'a>> {
        let entry = self.index.chunks_exact(16).find(|entry| number(entry, 0) == Some(tag))?;
        let (kind, offset, count) = (number(entry, 4)?, number(entry, 8)? as usize, number(entry, 12)? as usize);
        Some(Value { kind, bytes: self.data.get(offset..)?, count })
    }
}

/// The big-endian number at `place`.
fn number(bytes: &[u8], place: usize) -> Option<u32> {
    bytes.get(place..)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}
