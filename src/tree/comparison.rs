//! Comparing the bytes of files.

use std::io::{self, Read};

use super::content::{Content, LastFile};

/// How many bytes are compared at once.
const PIECE: u64 = 1 << 16;

/// Compares contents, many in a row: the files that the last ones were in are open already.
#[derive(Default)]
pub struct Comparison {
    last: [LastFile; 2],
    pieces: [Vec<u8>; 2],
}

impl Comparison {
    /// Whether two contents are the same bytes. Those of other sizes are not read.
    pub fn same(&mut self, a: &Content, b: &Content) -> io::Result<bool> {
        match (a, b) {
            _ if a.size() != b.size() => Ok(false),
            (Content::Bytes(a), Content::Bytes(b)) => Ok(a == b),
            (Content::Slice { path, offset, .. }, Content::Slice { path: other, offset: other_offset, .. })
                if path == other && offset == other_offset =>
            {
                Ok(true)
            }
            (Content::Sparse(a), Content::Sparse(b)) if a == b => Ok(true),
            _ => self.same_bytes(a, b),
        }
    }

    /// Compares two contents of one size.
    fn same_bytes(&mut self, a: &Content, b: &Content) -> io::Result<bool> {
        let [a_last, b_last] = &mut self.last;
        let [a_piece, b_piece] = &mut self.pieces;
        let (mut a, mut b) = (a.reader_after(a_last)?, b.reader_after(b_last)?);
        loop {
            a_piece.clear();
            b_piece.clear();
            (&mut a).take(PIECE).read_to_end(a_piece)?;
            (&mut b).take(PIECE).read_to_end(b_piece)?;
            if a_piece != b_piece {
                return Ok(false);
            }
            if a_piece.is_empty() {
                return Ok(true);
            }
        }
    }
}
