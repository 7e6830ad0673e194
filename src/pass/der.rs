//! As much DER as it takes to find the subject of an X.509 certificate (ITU-T X.690; RFC 5280, section 4.1).

/// An element: its tag, its content, and the whole of it.
#[derive(Clone, Copy)]
pub(super) struct Element<'a> {
    pub(super) tag: u8,
    pub(super) content: &'a [u8],
    pub(super) whole: &'a [u8],
}

/// The tags that are told apart here.
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;
pub(super) const UTF8_STRING: u8 = 0x0c;
const PRINTABLE_STRING: u8 = 0x13;
const T61_STRING: u8 = 0x14;
const IA5_STRING: u8 = 0x16;
const VISIBLE_STRING: u8 = 0x1a;
const UNIVERSAL_STRING: u8 = 0x1c;
const BMP_STRING: u8 = 0x1e;

/// The first element of some bytes, and what comes after it. Lengths are definite and at most four bytes long.
pub(super) fn element(bytes: &[u8]) -> Option<(Element<'_>, &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let count = usize::from(first & 0x7f);
        if !(1..=4).contains(&count) || rest.len() < count {
            return None;
        }
        let (digits, rest) = rest.split_at(count);
        (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
    };
    // Tags of more than one byte are in no certificate.
    if tag & 0x1f == 0x1f || rest.len() < length {
        return None;
    }
    let (content, after) = rest.split_at(length);
    Some((Element { tag, content, whole: &bytes[..bytes.len() - after.len()] }, after))
}

/// The elements that some content is made of; nothing where it is made of anything else.
pub(super) fn elements(mut content: &[u8]) -> Option<Vec<Element<'_>>> {
    let mut elements = Vec::new();
    while !content.is_empty() {
        let (next, after) = element(content)?;
        elements.push(next);
        content = after;
    }
    Some(elements)
}

/// The element of some bytes that are exactly one, with the tag.
pub(super) fn only(bytes: &[u8], tag: u8) -> Option<Element<'_>> {
    let (element, after) = element(bytes)?;
    (element.tag == tag && after.is_empty()).then_some(element)
}

/// An element of some tag, as bytes.
pub(super) fn write(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    match content.len() {
        short @ ..0x80 => bytes.push(short as u8),
        long => {
            let digits = long.to_be_bytes();
            let digits = &digits[digits.iter().take_while(|digit| **digit == 0).count()..];
            bytes.push(0x80 | digits.len() as u8);
            bytes.extend_from_slice(digits);
        }
    }
    bytes.extend_from_slice(content);
    bytes
}

/// The text of a string element, where it is one of the types that names are compared by.
pub(super) fn text(element: &Element<'_>) -> Option<String> {
    let content = element.content;
    match element.tag {
        UTF8_STRING => String::from_utf8(content.to_vec()).ok(),
        // OpenSSL reads T.61 as Latin-1.
        PRINTABLE_STRING | T61_STRING | IA5_STRING | VISIBLE_STRING => {
            Some(content.iter().map(|byte| char::from(*byte)).collect())
        }
        BMP_STRING => {
            let units = content.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
            String::from_utf16(&units.collect::<Vec<_>>()).ok()
        }
        UNIVERSAL_STRING => {
            let units = content.chunks_exact(4).map(|four| u32::from_be_bytes([four[0], four[1], four[2], four[3]]));
            units.map(char::from_u32).collect()
        }
        _ => None,
    }
}
