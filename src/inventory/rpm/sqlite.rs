//! `rpmdb.sqlite`: the column `blob` of the table `Packages` (<https://www.sqlite.org/fileformat2.html>).
//!
//! Only what that takes is read: the schema's table and one further b-tree of a table, with overflow pages.

use std::collections::BTreeMap;

/// What every database starts with.
const MAGIC: &[u8] = b"SQLite format 3\0";

/// The first page is the root of the schema's table.
const SCHEMA: u32 = 1;

/// Deeper b-trees are damaged: each level has at least two pages below it.
const DEEPEST: usize = 40;

/// The records of the table `Packages`; `None` where the file is damaged.
pub(super) fn headers(bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let database = Database::open(bytes)?;
    let mut root = None;
    database.rows(SCHEMA, &mut |record| {
        let columns = columns(record)?;
        let is_table = columns.first()? == b"table" && columns.get(1)? == b"Packages";
        if is_table {
            root = Some(columns.get(3)?.iter().fold(0u32, |number, byte| number << 8 | u32::from(*byte)));
        }
        Some(())
    })?;
    let mut headers = Vec::new();
    database.rows(root?, &mut |record| {
        headers.push(columns(record)?.get(1)?.to_vec());
        Some(())
    })?;
    Some(headers)
}

/// Puts the pages of a write-ahead log that were committed into the database's bytes. A log that does not belong to the
/// database changes nothing.
pub(super) fn replay(bytes: &mut Vec<u8>, log: &[u8]) {
    let Some(database) = Database::open(bytes) else { return };
    let size = database.page_size;
    let known = matches!(big(log, 0), Some(0x377f_0682 | 0x377f_0683)) && big(log, 8) == u32::try_from(size).ok();
    if !known {
        return;
    }
    let salt = log.get(16..24).map(<[u8]>::to_vec);
    let (mut pending, mut pages) = (BTreeMap::new(), BTreeMap::new());
    for frame in log[32.min(log.len())..].chunks_exact(24 + size) {
        if frame.get(8..16).map(<[u8]>::to_vec) != salt {
            break;
        }
        let (number, commit) = (big(frame, 0).unwrap_or(0), big(frame, 4).unwrap_or(0));
        pending.insert(number, &frame[24..]);
        if commit != 0 {
            pages.append(&mut pending);
        }
    }
    for (number, page) in pages {
        let start = (number as usize).saturating_sub(1).saturating_mul(size);
        // A page is at most one behind another that is in the log too.
        if number == 0 || start > bytes.len() {
            continue;
        }
        let end = start + size;
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        bytes[start..end].copy_from_slice(page);
    }
}

struct Database<'a> {
    bytes: &'a [u8],
    page_size: usize,
    /// Bytes of a page that are used.
    usable: usize,
}

impl<'a> Database<'a> {
    fn open(bytes: &'a [u8]) -> Option<Self> {
        let page_size = match bytes.get(16..18)? {
            [0, 1] => 65_536,
            [high, low] => usize::from(u16::from_be_bytes([*high, *low])),
            _ => return None,
        };
        let usable = page_size.checked_sub(usize::from(*bytes.get(20)?))?;
        let fits = bytes.starts_with(MAGIC) && page_size.is_power_of_two() && page_size >= 512 && usable >= 480;
        fits.then_some(Self { bytes, page_size, usable })
    }

    fn page(&self, number: u32) -> Option<&'a [u8]> {
        let start = (number.checked_sub(1)? as usize).checked_mul(self.page_size)?;
        self.bytes.get(start..start.checked_add(self.page_size)?)
    }

    /// Gives the records of the table's b-tree below `root` to `each`, in the order of their row ids.
    fn rows(&self, root: u32, each: &mut dyn FnMut(&[u8]) -> Option<()>) -> Option<()> {
        let mut left = self.bytes.len() / self.page_size + 1;
        self.walk(root, 0, &mut left, each)
    }

    fn walk(
        &self,
        number: u32,
        depth: usize,
        left: &mut usize,
        each: &mut dyn FnMut(&[u8]) -> Option<()>,
    ) -> Option<()> {
        // No page is visited twice in a sound tree.
        *left = left.checked_sub(1)?;
        let page = self.page(number).filter(|_| depth < DEEPEST)?;
        let start = if number == 1 { 100 } else { 0 };
        let cells = usize::from(u16::from_be_bytes(*page.get(start + 3..)?.first_chunk()?));
        let is_leaf = match page.get(start)? {
            0x0d => true,
            0x05 => false,
            _ => return None,
        };
        let pointers = page.get(start + if is_leaf { 8 } else { 12 }..)?;
        for pointer in pointers.get(..cells * 2)?.chunks_exact(2) {
            let cell = page.get(usize::from(u16::from_be_bytes([pointer[0], pointer[1]]))..)?;
            if is_leaf {
                each(&self.record(cell)?)?;
            } else {
                self.walk(big(cell, 0)?, depth + 1, left, each)?;
            }
        }
        match is_leaf {
            true => Some(()),
            false => self.walk(big(page, start + 8)?, depth + 1, left, each),
        }
    }

    /// The record of a leaf's cell, with what is on overflow pages.
    fn record(&self, cell: &[u8]) -> Option<Vec<u8>> {
        let (size, first) = varint(cell)?;
        let (_row, second) = varint(cell.get(first..)?)?;
        let cell = cell.get(first + second..)?;
        let size = usize::try_from(size).ok().filter(|size| *size <= self.bytes.len())?;
        let most = self.usable - 35;
        let local = if size <= most {
            size
        } else {
            let least = (self.usable - 12) * 32 / 255 - 23;
            let local = least + (size - least) % (self.usable - 4);
            if local <= most { local } else { least }
        };
        let mut record = cell.get(..local)?.to_vec();
        let mut next = if local < size { big(cell, local)? } else { 0 };
        while record.len() < size {
            let page = self.page(next)?;
            let count = (size - record.len()).min(self.usable - 4);
            record.extend_from_slice(page.get(4..4 + count)?);
            next = big(page, 0)?;
        }
        Some(record)
    }
}

/// The values of a record as bytes: big-endian numbers, texts, blobs; nothing for NULL and the constants.
fn columns(record: &[u8]) -> Option<Vec<&[u8]>> {
    let (header, first) = varint(record)?;
    let header = usize::try_from(header).ok()?;
    let mut types = record.get(first..header)?;
    let mut values = record.get(header..)?;
    let mut columns = Vec::new();
    while !types.is_empty() {
        let (kind, count) = varint(types)?;
        types = &types[count..];
        let size = match kind {
            0 | 8 | 9 => 0,
            1..=4 => kind as usize,
            5 => 6,
            6 | 7 => 8,
            10 | 11 => return None,
            more => usize::try_from((more - 12) / 2).ok()?,
        };
        columns.push(values.get(..size)?);
        values = &values[size..];
    }
    Some(columns)
}

/// A variable-length number and how many bytes it takes.
fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0u64;
    for (place, byte) in bytes.iter().take(9).enumerate() {
        if place == 8 {
            return Some((value << 8 | u64::from(*byte), 9));
        }
        value = value << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((value, place + 1));
        }
    }
    None
}

fn big(bytes: &[u8], place: usize) -> Option<u32> {
    bytes.get(place..)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}
