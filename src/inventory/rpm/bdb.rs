//! `Packages`: a hash of Berkeley DB, of Red Hat's releases up to 8 and their like (Berkeley DB's `dbinc/db_page.h`).

/// Bytes before the items of a page.
const PAGE_HEAD: usize = 26;

/// Types of pages.
const HASH_UNSORTED: u8 = 2;
const OVERFLOW: u8 = 7;
const HASH_META: u8 = 8;
const HASH: u8 = 13;

/// Types of items.
const INLINE: u8 = 1;
const OFF_PAGE: u8 = 3;

const MAGIC: u32 = 0x0006_1561;

struct Database<'a> {
    bytes: &'a [u8],
    page_size: usize,
    /// Whether numbers are big-endian.
    big: bool,
}

/// The values of the hash that are headers; `None` where the file is damaged.
pub(super) fn headers(bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let database = Database::open(bytes)?;
    let mut headers = Vec::new();
    let pages = u32::try_from(bytes.len() / database.page_size).ok()?;
    for number in 1..pages {
        let page = database.page(number)?;
        if !matches!(page[25], HASH | HASH_UNSORTED) {
            continue;
        }
        let items = usize::from(database.half(page, 20)?);
        // Keys and values take turns.
        for item in (1..items).step_by(2) {
            let place = usize::from(database.half(page, PAGE_HEAD + item * 2)?);
            let before = usize::from(database.half(page, PAGE_HEAD + (item - 1) * 2)?);
            match page.get(place)? {
                &OFF_PAGE => {
                    let (first, size) = (database.word(page, place + 4)?, database.word(page, place + 8)?);
                    headers.push(database.overflow(first, size as usize)?);
                }
                &INLINE => headers.push(page.get(place + 1..before)?.to_vec()),
                _ => return None,
            }
        }
    }
    // One value is not a header, but the number of the next one.
    headers.retain(|header| header.len() > 8);
    Some(headers)
}

impl<'a> Database<'a> {
    fn open(bytes: &'a [u8]) -> Option<Self> {
        let magic: [u8; 4] = *bytes.get(12..)?.first_chunk()?;
        let big = match (u32::from_le_bytes(magic), u32::from_be_bytes(magic)) {
            (MAGIC, _) => false,
            (_, MAGIC) => true,
            _ => return None,
        };
        let database = Self { bytes, page_size: 0, big };
        let page_size = database.word(bytes, 20)? as usize;
        let fits =
            page_size.is_power_of_two() && (512..=65_536).contains(&page_size) && bytes.get(25) == Some(&HASH_META);
        fits.then_some(Self { page_size, ..database })
    }

    fn page(&self, number: u32) -> Option<&'a [u8]> {
        let start = (number as usize).checked_mul(self.page_size)?;
        self.bytes.get(start..start.checked_add(self.page_size)?)
    }

    /// A value that has pages of its own.
    fn overflow(&self, first: u32, size: usize) -> Option<Vec<u8>> {
        let mut value = Vec::new();
        let mut next = first;
        if size > self.bytes.len() {
            return None;
        }
        while value.len() < size {
            let page = self.page(next).filter(|page| next != 0 && page[25] == OVERFLOW)?;
            let count = (size - value.len()).min(self.page_size - PAGE_HEAD);
            value.extend_from_slice(page.get(PAGE_HEAD..PAGE_HEAD + count)?);
            next = self.word(page, 16)?;
        }
        Some(value)
    }

    fn word(&self, bytes: &[u8], place: usize) -> Option<u32> {
        let bytes = *bytes.get(place..)?.first_chunk()?;
        Some(if self.big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    fn half(&self, bytes: &[u8], place: usize) -> Option<u16> {
        let bytes = *bytes.get(place..)?.first_chunk()?;
        Some(if self.big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }
}
