//! Deflate (RFC 1951) by libdeflate, whose streams can follow each other.
//!
//! libdeflate compresses faster and better than zlib, but knows whole streams alone: its last block says that it is the
//! last. Where a stream is to be followed by another, that bit is cleared, and the stream brought to the end of a byte by
//! an empty stored block, as zlib's sync flush does. For both it takes where the last block begins and ends, and so the
//! codes are read once more, without making anything of them: a sixth of the time that compressing takes.

use std::ops::Range;

use libdeflater::{CompressionLvl, Compressor};

/// Compresses blocks, one after the other.
pub(super) struct Deflater {
    compressor: Compressor,
    /// Room for the largest block so far.
    room: Vec<u8>,
}

impl Deflater {
    /// Of one of libdeflate's levels, 0 to 12.
    pub(super) fn new(level: i32) -> Self {
        let level = CompressionLvl::new(level).expect("a level that libdeflate has");
        Self { compressor: Compressor::new(level), room: Vec::new() }
    }

    /// What `block` is compressed to: whole bytes, which another block's may follow unless it is the last.
    pub(super) fn deflate(&mut self, block: &[u8], last: bool) -> Vec<u8> {
        let most = self.compressor.deflate_compress_bound(block.len());
        self.room.resize(self.room.len().max(most), 0);
        let length =
            self.compressor.deflate_compress(block, &mut self.room).expect("as much room as libdeflate asks for");
        let mut bytes = Vec::with_capacity(length + ENDING);
        bytes.extend_from_slice(&self.room[..length]);
        if !last {
            leave_open(&mut bytes).expect("libdeflate writes what the RFC says");
        }
        bytes
    }
}

/// Bytes of an empty stored block, which may begin in the last byte of what was before.
const ENDING: usize = 5;

/// Makes a stream one that others can follow. Nothing where the bytes are no stream.
fn leave_open(stream: &mut Vec<u8>) -> Option<()> {
    let last = last_block(stream)?;
    stream[last.start / 8] &= !(1 << (last.start % 8));
    // Three zero bits begin a stored block that is not the last. The padding of the last byte may be these.
    if stream.len() * 8 - last.end < 3 {
        stream.push(0);
    }
    stream.extend([0, 0, 0xff, 0xff]);
    Some(())
}

/// Which bits of a stream are its last block. Nothing where the bytes are no stream.
fn last_block(stream: &[u8]) -> Option<Range<usize>> {
    let mut bits = Bits::new(stream);
    loop {
        let start = bits.position();
        let header = bits.take(3);
        match header >> 1 {
            0 => bits.skip_stored()?,
            1 => skip_codes(&mut bits, &fixed()?)?,
            2 => {
                let codes = dynamic(&mut bits)?;
                skip_codes(&mut bits, &codes)?;
            }
            _ => return None,
        }
        let end = bits.position();
        if end.div_ceil(8) > stream.len() {
            return None;
        }
        if header & 1 == 1 {
            return (end.div_ceil(8) == stream.len()).then_some(start..end);
        }
    }
}

/// The bits of a stream, the lowest of each byte first. There are zeros behind its end.
#[derive(Clone, Copy)]
struct Bits<'a> {
    stream: &'a [u8],
    /// The byte that is read next.
    next: usize,
    /// Bits that were read and not taken, the next one lowest.
    held: u64,
    /// How many these are.
    count: u32,
}

impl<'a> Bits<'a> {
    fn new(stream: &'a [u8]) -> Self {
        Self { stream, next: 0, held: 0, count: 0 }
    }

    /// How many bits were taken.
    fn position(&self) -> usize {
        self.next * 8 - self.count as usize
    }

    /// Holds at least 56 bits.
    fn refill(&mut self) {
        let Some(bytes) = self.stream.get(self.next..).and_then(|rest| rest.first_chunk::<8>()) else {
            while self.count < 56 {
                let byte = self.stream.get(self.next).copied().unwrap_or(0);
                self.held |= u64::from(byte) << self.count;
                self.next += 1;
                self.count += 8;
            }
            return;
        };
        self.held |= u64::from_le_bytes(*bytes) << self.count;
        let read = (63 - self.count) / 8;
        self.next += read as usize;
        self.count += read * 8;
    }

    /// Passes over bits that are held.
    fn skip(&mut self, count: u32) {
        self.held >>= count;
        self.count -= count;
    }

    /// The next bits, at most 16.
    fn take(&mut self, count: u32) -> u16 {
        self.refill();
        let bits = self.held & ((1 << count) - 1);
        self.skip(count);
        bits as u16
    }

    /// Passes over the rest of a stored block (3.2.4).
    fn skip_stored(&mut self) -> Option<()> {
        self.skip(self.count % 8);
        let (length, complement) = (self.take(16), self.take(16));
        self.next = self.position() / 8 + usize::from(length);
        (self.held, self.count) = (0, 0);
        (length == !complement).then_some(())
    }

    fn is_past_end(&self) -> bool {
        self.position() > self.stream.len() * 8
    }
}

/// The codes of a block: of literals and lengths, and of distances.
type Codes = (Code, Code);

/// Passes over the codes of a block and the end of it.
fn skip_codes(place: &mut Bits<'_>, (literals, distances): &Codes) -> Option<()> {
    // A length has 20 bits at most, and less behind a literal; its distance has 28.
    const MOST: u32 = 48;
    // A copy can stay in the processor's registers.
    let mut bits = *place;
    loop {
        bits.refill();
        while bits.count >= MOST {
            let step = literals.step(&bits)?;
            bits.skip(step.bits());
            // Whether a distance follows is more than a processor can foresee, so it is looked up in any case.
            let distance = distances.look_up(&bits);
            if distance.is_none() && step.is_length() {
                bits.skip(distances.long(&bits)?.bits());
            } else {
                bits.skip(distance.bits() & step.length_mask());
            }
            if step.is_end() {
                *place = bits;
                return Some(());
            }
        }
        if bits.is_past_end() {
            return None;
        }
    }
}

/// What a code says, or two in a row: how many bits there are, the extra ones among them, and what follows.
#[derive(Clone, Copy, Default)]
struct Step(u8);

impl Step {
    const LENGTH: u8 = 1 << 5;
    const DISTANCE: u8 = 1 << 6;
    const END: u8 = 1 << 7;

    fn bits(self) -> u32 {
        u32::from(self.0 & 31)
    }

    fn is_length(self) -> bool {
        self.0 & Self::LENGTH != 0
    }

    /// All bits where a length was read, else none.
    fn length_mask(self) -> u32 {
        u32::from(self.0 >> 5 & 1).wrapping_neg()
    }

    fn is_none(self) -> bool {
        self.0 == 0
    }

    fn is_end(self) -> bool {
        self.0 & Self::END != 0
    }

    /// Whether a code of the same kind follows.
    fn goes_on(self) -> bool {
        self.0 < Self::LENGTH
    }
}

/// A literal, the end of the block, or a length (3.2.5).
fn literal(symbol: u16, bits: u8) -> Option<Step> {
    match symbol {
        0..256 => Some(Step(bits)),
        256 => Some(Step(bits | Step::END)),
        257..265 | 285 => Some(Step(bits | Step::LENGTH)),
        265..285 => Some(Step((bits + ((symbol - 261) / 4) as u8) | Step::LENGTH)),
        _ => None,
    }
}

/// A distance (3.2.5).
fn distance(symbol: u16, bits: u8) -> Option<Step> {
    match symbol {
        0..4 => Some(Step(bits | Step::DISTANCE)),
        4..30 => Some(Step((bits + (symbol / 2 - 1) as u8) | Step::DISTANCE)),
        _ => None,
    }
}

/// The length of a code in the header (3.2.7).
fn length(_: u16, bits: u8) -> Option<Step> {
    Some(Step(bits))
}

/// How many bits are looked up at once.
const LOOKUP: u32 = 10;

/// The longest code (3.2.7).
const LONGEST: usize = 15;

/// Something for whatever the next bits of a stream may be.
type Table<T> = [T; 1 << LOOKUP];

/// A Huffman code (3.2.2).
struct Code {
    meaning: fn(u16, u8) -> Option<Step>,
    /// By the next bits of a stream: the code that these begin with, and if it is a literal's the one behind it, as far
    /// as they go. Of no bits where the first is longer, or none.
    steps: Box<Table<Step>>,
    /// How many symbols have a code of each length.
    counts: [u16; LONGEST + 1],
    /// The symbols, in the order of their codes.
    symbols: Vec<u16>,
}

impl Code {
    /// By the lengths of all symbols' codes. Nothing where there are too many short ones.
    fn new(lengths: &[u8], meaning: fn(u16, u8) -> Option<Step>) -> Option<Self> {
        let mut counts = [0_u16; LONGEST + 1];
        lengths.iter().for_each(|length| counts[usize::from(*length)] += 1);
        counts[0] = 0;
        // The first code of each length, and where its symbols begin.
        let (mut codes, mut places) = ([0_u32; LONGEST + 1], [0_usize; LONGEST + 1]);
        for length in 1..=LONGEST {
            codes[length] = (codes[length - 1] + u32::from(counts[length - 1])) << 1;
            places[length] = places[length - 1] + usize::from(counts[length - 1]);
            if codes[length] + u32::from(counts[length]) > 1 << length {
                return None;
            }
        }
        let mut symbols = vec![0; places[LONGEST] + usize::from(counts[LONGEST])];
        // The first code that the bits hold: its length, and what it says.
        let mut single: Table<(u8, Step)> = [<(u8, Step)>::default(); 1 << LOOKUP];
        for (symbol, length) in (0_u16..).zip(lengths).filter(|(_, length)| **length > 0) {
            let place = &mut places[usize::from(*length)];
            symbols[*place] = symbol;
            *place += 1;
            let code = &mut codes[usize::from(*length)];
            let bits = u32::from(*length);
            if bits <= LOOKUP
                && let Some(step) = meaning(symbol, *length)
            {
                let reversed = (code.reverse_bits() >> (32 - bits)) as usize;
                single.iter_mut().skip(reversed).step_by(1 << bits).for_each(|place| *place = (*length, step));
            }
            *code += 1;
        }
        Some(Self { meaning, steps: in_pairs(&single), counts, symbols })
    }

    /// What the next codes say, of at least 15 bits that are held. Nothing where there is none.
    fn step(&self, bits: &Bits<'_>) -> Option<Step> {
        let step = self.look_up(bits);
        if step.is_none() { self.long(bits) } else { Some(step) }
    }

    fn look_up(&self, bits: &Bits<'_>) -> Step {
        self.steps[(bits.held & ((1 << LOOKUP) - 1)) as usize]
    }

    /// What the next code says, which is longer than what is looked up at once.
    #[cold]
    fn long(&self, bits: &Bits<'_>) -> Option<Step> {
        let (symbol, length) = self.symbol(bits)?;
        (self.meaning)(symbol, length)
    }

    /// The next symbol, and the length of its code.
    fn symbol(&self, bits: &Bits<'_>) -> Option<(u16, u8)> {
        let (mut code, mut first, mut place) = (0, 0, 0);
        for length in 1..=LONGEST {
            code = code << 1 | (bits.held >> (length - 1) & 1) as usize;
            let count = usize::from(self.counts[length]);
            if code < first + count {
                return Some((*self.symbols.get(place + code - first)?, length as u8));
            }
            place += count;
            first = (first + count) << 1;
        }
        None
    }
}

/// What the next bits of a stream say, from what the first code of each says.
fn in_pairs(single: &Table<(u8, Step)>) -> Box<Table<Step>> {
    let mut pairs = Box::new([Step::default(); 1 << LOOKUP]);
    for (bits, pair) in pairs.iter_mut().enumerate() {
        let (length, first) = single[bits];
        let (more, second) = single[bits >> length];
        let both = first.goes_on() && more > 0 && u32::from(length + more) <= LOOKUP;
        *pair = Step(first.0 + if both { second.0 } else { 0 });
    }
    pairs
}

/// The codes that need no header (3.2.6).
fn fixed() -> Option<Codes> {
    let mut lengths = [8; 288];
    lengths[144..256].fill(9);
    lengths[256..280].fill(7);
    Some((Code::new(&lengths, literal)?, Code::new(&[5; 30], distance)?))
}

/// Reads the codes of a block (3.2.7).
fn dynamic(bits: &mut Bits<'_>) -> Option<Codes> {
    const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
    let literals = usize::from(bits.take(5)) + 257;
    let distances = usize::from(bits.take(5)) + 1;
    let count = usize::from(bits.take(4)) + 4;
    let mut lengths = [0; 19];
    for place in &ORDER[..count] {
        lengths[*place] = bits.take(3) as u8;
    }
    let code = Code::new(&lengths, length)?;
    let mut lengths: Vec<u8> = Vec::with_capacity(literals + distances);
    while lengths.len() < literals + distances {
        bits.refill();
        let (symbol, taken) = code.symbol(bits)?;
        bits.skip(u32::from(taken));
        let (length, times) = match symbol {
            16 => (*lengths.last()?, 3 + bits.take(2)),
            17 => (0, 3 + bits.take(3)),
            18 => (0, 11 + bits.take(7)),
            length => (length as u8, 1),
        };
        lengths.extend(std::iter::repeat_n(length, usize::from(times)));
    }
    if lengths.len() > literals + distances {
        return None;
    }
    Some((Code::new(&lengths[..literals], literal)?, Code::new(&lengths[literals..], distance)?))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    /// What zlib makes of a stream.
    fn inflated(stream: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut decoder = flate2::bufread::DeflateDecoder::new(stream);
        decoder.read_to_end(&mut bytes).unwrap();
        assert_eq!(decoder.total_in(), stream.len() as u64, "the stream ends where its bytes do");
        bytes
    }

    /// Blocks of every nature: text, what does not compress, what repeats, mixtures, nothing.
    fn blocks() -> Vec<Vec<u8>> {
        let mut state = 1_u32;
        let mut random = move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state >> 16
        };
        let noise: Vec<u8> = (0..300_000).map(|_| random() as u8).collect();
        let few: Vec<u8> = (0..200_000).map(|_| b'a' + (random() % 5 * (random() % 7)) as u8).collect();
        // Symbols as rare as one in 2^14 have the longest codes.
        let skewed: Vec<u8> = (0..400_000).map(|_| (random() | 1 << 15).trailing_zeros() as u8 * 3).collect();
        let text: Vec<u8> = (0..60_000_u32).flat_map(|number| format!("line {}\n", number / 3).into_bytes()).collect();
        let mixed = [&text[..70_000], &noise[..70_000], &few[..70_000]].concat();
        let small: Vec<_> = (0..40).map(|length| text[..length].to_vec()).collect();
        [noise, few, skewed, text, mixed, vec![7; 500_000], Vec::new()].into_iter().chain(small).collect()
    }

    #[test]
    fn streams_follow_each_other() {
        for level in [0, 1, 2, 6, 10] {
            let mut deflater = Deflater::new(level);
            let blocks = blocks();
            let mut stream: Vec<u8> = blocks.iter().flat_map(|block| deflater.deflate(block, false)).collect();
            stream.extend(deflater.deflate(b"end", true));
            assert!(inflated(&stream) == [blocks.concat(), b"end".to_vec()].concat(), "level {level}");
        }
    }

    #[test]
    fn a_block_may_be_the_only_one() {
        let mut deflater = Deflater::new(2);
        for block in blocks() {
            let closed = deflater.deflate(&block, true);
            assert!(inflated(&closed) == block);
            let mut open = deflater.deflate(&block, false);
            assert!(open.len() > closed.len() && open.ends_with(&[0, 0, 0xff, 0xff]));
            open.extend([3, 0]);
            assert!(inflated(&open) == block);
        }
    }

    /// zlib's streams have longer codes, and blocks of all three kinds.
    #[test]
    fn streams_of_zlib_are_read_as_well() {
        for block in blocks() {
            for level in [0, 1, 6] {
                let mut encoder = flate2::read::DeflateEncoder::new(&block[..], flate2::Compression::new(level));
                let mut stream = Vec::new();
                encoder.read_to_end(&mut stream).unwrap();
                leave_open(&mut stream).unwrap();
                stream.extend([3, 0]);
                assert!(inflated(&stream) == block, "level {level}, {} bytes", block.len());
            }
        }
    }

    #[test]
    fn what_is_no_stream_is_none() {
        let whole = Deflater::new(2).deflate(&blocks()[4], true);
        assert!(last_block(&whole).is_some());
        assert_eq!(last_block(&[]), None);
        assert_eq!(last_block(&[7, 0, 0]), None, "the fourth kind of block");
        for length in 0..whole.len() {
            assert_eq!(last_block(&whole[..length]), None, "cut off at {length}");
        }
        assert_eq!(last_block(&[&whole[..], &[0]].concat()), None, "something follows");
        for place in 0..whole.len().min(3000) {
            let mut damaged = whole.clone();
            damaged[place] ^= 0x55;
            if let Some(block) = last_block(&damaged) {
                assert!(block.end <= damaged.len() * 8);
            }
        }
    }
}
