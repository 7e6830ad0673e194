//! Files with holes, in the four ways of GNU tar (its manual, "Storing Sparse Files"): the old header type `S`, and PAX
//! records of the versions 0.0, 0.1 and 1.0.

use tar::Header;

use super::header::{self, BLOCK};
use super::pax;
use crate::tree::Piece;

/// Where the stored bytes of a file belong.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct SparseMap {
    /// Offset and length of each piece, in the order in which they are stored.
    pieces: Vec<(u64, u64)>,
    /// Bytes of the file with its holes.
    pub size: u64,
}

/// What PAX records say about a file with holes.
#[derive(Debug, Default)]
pub struct PaxSparse<'a> {
    /// The file's name: the entry's own is a stand-in.
    pub name: Option<&'a [u8]>,
    /// The map; its pieces are at the start of the content in version 1.0.
    pub map: SparseMap,
    /// Whether they are.
    pub map_in_content: bool,
}

const WRONG: &str = "a map of its holes that cannot be read";

impl SparseMap {
    /// The map that starts in an old header, and whether it goes on in the next block.
    pub fn of_header(header: &Header) -> Result<(Self, bool), &'static str> {
        let gnu = header.as_gnu().ok_or(WRONG)?;
        let mut map = Self { pieces: Vec::new(), size: size(&gnu.realsize)? };
        for piece in &gnu.sparse {
            map.push_fields(&piece.offset, &piece.numbytes)?;
        }
        Ok((map, gnu.isextended[0] == 1))
    }

    /// Adds the pieces of an extension block; says whether another follows.
    pub fn extend(&mut self, block: &[u8]) -> Result<bool, &'static str> {
        for piece in block[..21 * 24].chunks_exact(24) {
            self.push_fields(&piece[..12], &piece[12..])?;
        }
        Ok(block[21 * 24] == 1)
    }

    /// Whether `content`, the start of one of version 1.0, has the whole map in it.
    pub fn is_whole_in(content: &[u8]) -> Result<bool, &'static str> {
        let mut lines = content.split_inclusive(|byte| *byte == b'\n');
        let first = lines.next().and_then(|line| line.strip_suffix(b"\n")).ok_or(WRONG)?;
        let count = pax::decimal(first).and_then(|count| count.checked_mul(2)).ok_or(WRONG)?;
        Ok(lines.filter(|line| line.ends_with(b"\n")).count() as u64 >= count)
    }

    /// Reads the map at the start of a content of version 1.0; gives how many bytes it takes.
    pub fn extend_from_content(&mut self, content: &[u8]) -> Result<usize, &'static str> {
        let mut taken = 0;
        let mut next = || {
            let rest = &content[taken..];
            let end = rest.iter().take(21).position(|byte| *byte == b'\n').ok_or(WRONG)?;
            taken += end + 1;
            pax::decimal(&rest[..end]).ok_or(WRONG)
        };
        let count = next()?;
        for _ in 0..count {
            self.pieces.push((next()?, next()?));
        }
        let end = taken.next_multiple_of(BLOCK as usize);
        if end <= content.len() { Ok(end) } else { Err(WRONG) }
    }

    /// Where the pieces are that are stored from `at` on, in `stored` bytes: exactly these have to be in the map, in order
    /// and without overlaps.
    pub fn placed(&self, at: u64, stored: u64) -> Result<Vec<Piece>, &'static str> {
        let mut placed = Vec::new();
        let (mut earliest, mut taken) = (0, 0_u64);
        for (start, size) in &self.pieces {
            earliest = start.checked_add(*size).filter(|end| *start >= earliest && *end <= self.size).ok_or(WRONG)?;
            if *size > 0 {
                placed.push(Piece { start: *start, offset: at + taken, size: *size });
            }
            taken = taken.checked_add(*size).filter(|taken| *taken <= stored).ok_or(WRONG)?;
        }
        if taken == stored { Ok(placed) } else { Err(WRONG) }
    }

    fn push_fields(&mut self, offset: &[u8], length: &[u8]) -> Result<(), &'static str> {
        if offset[0] != 0 {
            self.pieces.push((size(offset)?, size(length)?));
        }
        Ok(())
    }
}

impl<'a> PaxSparse<'a> {
    /// Reads the records of `GNU.sparse.*`, given without that prefix.
    pub fn parse(records: &'a [(Vec<u8>, Vec<u8>)]) -> Result<Self, &'static str> {
        let mut sparse = Self::default();
        let mut offset = None;
        for (key, value) in records {
            let number = || pax::decimal(value).ok_or(WRONG);
            match key.as_slice() {
                b"name" => sparse.name = Some(value),
                b"size" | b"realsize" => sparse.map.size = number()?,
                b"major" => sparse.map_in_content = number()? == 1,
                b"offset" => offset = Some(number()?),
                b"numbytes" => sparse.map.pieces.push((offset.take().ok_or(WRONG)?, number()?)),
                b"map" => {
                    let numbers = value.split(|byte| *byte == b',').map(|number| pax::decimal(number).ok_or(WRONG));
                    let numbers = numbers.collect::<Result<Vec<_>, _>>()?;
                    sparse.map.pieces.extend(numbers.chunks_exact(2).map(|pair| (pair[0], pair[1])));
                }
                // `minor` and `numblocks` say nothing that the others do not.
                _ => {}
            }
        }
        Ok(sparse)
    }
}

fn size(field: &[u8]) -> Result<u64, &'static str> {
    header::number(field).and_then(|number| u64::try_from(number).ok()).ok_or(WRONG)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pieces: &[(u64, u64)], size: u64) -> SparseMap {
        SparseMap { pieces: pieces.to_vec(), size }
    }

    #[test]
    fn pieces_go_to_their_places() {
        let piece = |start, offset, size| Piece { start, offset, size };
        let placed = map(&[(2, 3), (5, 0), (7, 1)], 9).placed(100, 4).unwrap();
        assert_eq!(placed, [piece(2, 100, 3), piece(7, 103, 1)]);
        assert_eq!(map(&[], 3).placed(100, 0).unwrap(), []);
    }

    #[test]
    fn maps_that_lie_are_refused() {
        for (pieces, size, stored) in [
            (&[(0, 4)][..], 4, 3),
            (&[(0, 2)], 4, 3),
            (&[(2, 2), (0, 1)], 4, 3),
            (&[(0, 2), (1, 1)], 4, 3),
            (&[(3, 3)], 4, 3),
            (&[(u64::MAX, 3)], 4, 3),
            (&[(0, u64::MAX), (u64::MAX, u64::MAX)], u64::MAX, 3),
        ] {
            assert!(map(pieces, size).placed(100, stored).is_err(), "{pieces:?}");
        }
        for content in ["", "1\n", "x\n", "1\n0\n", "99999999999999999999\n", "2\n0\n1\n2\n3"] {
            assert!(SparseMap::default().extend_from_content(content.as_bytes()).is_err(), "{content:?}");
        }
    }
}
