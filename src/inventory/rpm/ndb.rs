//! `Packages.db`: rpm's own form of a database, of SUSE's distributions (rpm's `lib/backend/ndb/rpmpkg.c`).

const MAGIC: u32 = u32::from_le_bytes(*b"RpmP");
const SLOT: u32 = u32::from_le_bytes(*b"Slot");
const BLOB: u32 = u32::from_le_bytes(*b"BlbS");

/// Sizes in bytes: of a page of slots, of a slot, of what stands before a blob, and of the blocks that blobs start at.
const PAGE: usize = 4096;
const SLOT_SIZE: usize = 16;
const BLOB_HEAD: usize = 16;
const BLOCK: usize = 16;

/// The blobs of all slots in use, in the order of their numbers; `None` where the file is damaged.
pub(super) fn headers(bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    if little(bytes, 0)? != MAGIC {
        return None;
    }
    let pages = little(bytes, 12)? as usize;
    // The file's own head takes two slots.
    let slots = bytes.get(2 * SLOT_SIZE..pages.checked_mul(PAGE)?)?;
    let mut blobs = Vec::new();
    for slot in slots.chunks_exact(SLOT_SIZE) {
        if little(slot, 0)? != SLOT {
            return None;
        }
        let (number, place) = (little(slot, 4)?, little(slot, 8)? as usize);
        // A slot that is free has no place.
        if place == 0 {
            continue;
        }
        let blob = bytes.get(place.checked_mul(BLOCK)?..)?;
        if little(blob, 0)? != BLOB || little(blob, 4)? != number {
            return None;
        }
        let size = little(blob, 12)? as usize;
        blobs.push((number, blob.get(BLOB_HEAD..BLOB_HEAD.checked_add(size)?)?.to_vec()));
    }
    blobs.sort();
    Some(blobs.into_iter().map(|(_, blob)| blob).collect())
}

fn little(bytes: &[u8], place: usize) -> Option<u32> {
    bytes.get(place..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}
