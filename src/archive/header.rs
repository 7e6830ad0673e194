//! The fields of a tar header, as POSIX (`pax`, section "ustar Interchange Format") and GNU tar write them.

use tar::Header;

/// Size in bytes of a tar block: headers are one, and contents are padded to a multiple.
pub const BLOCK: u64 = 512;

/// The largest size that eleven octal digits hold: from here on a header needs help from PAX or base-256.
pub const OCTAL_SIZE: u64 = 0o777_7777_7777;

/// The largest owner that seven octal digits hold.
pub const OCTAL_OWNER: u32 = 0o777_7777;

/// Whether the header's checksum is right: the sum of all bytes, those of the checksum itself counted as spaces. Some old
/// programs added the bytes up as signed ones (GNU tar's manual, "Basic Tar Format"), which is another sum only where names
/// are not ASCII.
pub fn checksum_is_right(header: &Header) -> bool {
    let is_sum = |found| found == sum(header, i32::from) || found == sum(header, |byte| i32::from(byte.cast_signed()));
    number(&header.as_old().cksum).is_some_and(is_sum)
}

fn sum(header: &Header, value: impl Fn(u8) -> i32) -> i64 {
    let sum_of = |bytes: &[u8]| bytes.iter().map(|byte| value(*byte)).sum::<i32>();
    i64::from(sum_of(&header.as_bytes()[..148]) + sum_of(&header.as_bytes()[156..]) + 8 * value(b' '))
}

/// Reads a numeric field: octal digits, padded with spaces and ended by NUL or space, or GNU's base-256 (a two's
/// complement number behind a set high bit). An empty field is 0. Nothing where it is neither, or exceeds 63 bits.
pub fn number(field: &[u8]) -> Option<i64> {
    match field.first()? {
        0x80..=0xff => base256(field),
        _ => octal(field),
    }
}

fn octal(field: &[u8]) -> Option<i64> {
    let start = field.iter().position(|byte| *byte != b' ').unwrap_or(field.len());
    let digits = &field[start..];
    let end = digits.iter().position(|byte| matches!(byte, 0 | b' ')).unwrap_or(digits.len());
    digits[..end].iter().try_fold(0_i64, |value, digit| match digit {
        b'0'..=b'7' => value.checked_mul(8)?.checked_add(i64::from(digit - b'0')),
        _ => None,
    })
}

fn base256(field: &[u8]) -> Option<i64> {
    let negative = field[0] & 0x40 != 0;
    let first = if negative { i128::from(field[0]) - 0x100 } else { i128::from(field[0] & 0x3f) };
    let value = field[1..].iter().try_fold(first, |value, byte| value.checked_mul(256)?.checked_add((*byte).into()));
    i64::try_from(value?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_of_signed_and_unsigned_bytes() {
        let mut header = Header::new_ustar();
        header.as_mut_bytes()[..4].copy_from_slice("d\u{e9}x".as_bytes());
        header.set_cksum();
        assert!(checksum_is_right(&header));
        let unsigned = number(&header.as_old().cksum).unwrap();
        // 0xc3 and 0xa9 are 256 less each.
        for (found, right) in
            [(unsigned, true), (unsigned - 512, true), (unsigned - 256, false), (unsigned + 1, false), (0, false)]
        {
            header.as_old_mut().cksum.copy_from_slice(format!("{found:06o}\0 ").as_bytes());
            assert_eq!(checksum_is_right(&header), right, "{found}");
        }
    }

    #[test]
    fn numbers() {
        assert_eq!(number(b"0000644\0"), Some(0o644));
        assert_eq!(number(b"   644 \0"), Some(0o644));
        assert_eq!(number(b"77777777777"), Some(0o777_7777_7777));
        assert_eq!(number(&[0; 8]), Some(0));
        assert_eq!(number(&[0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2]), Some(258));
        assert_eq!(number(&[0xff; 12]), Some(-1));
        assert_eq!(number(&[0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]), None, "more than 63 bits");
        assert_eq!(number(b"0000648\0"), None);
        assert_eq!(number(b"-1\0"), None);
    }
}
