//! Putting the prefix into files in place of the one that a package was built with.
//!
//! Builders use a long path, the placeholder, and list the files that have it
//! (<https://docs.conda.io/projects/conda-build/en/stable/resources/make-relocatable.html>): in texts the prefix takes its
//! place, in binaries the string keeps its length, filled up with NUL bytes.

use memchr::memmem;

/// Longest first line of a script that Linux reads (`BINPRM_BUF_SIZE`), without its line feed.
const SHEBANG: usize = 127;

/// The text with `prefix` in every place of `placeholder`. A first line that becomes too long for the kernel asks `env`
/// for the program.
pub(super) fn in_text(bytes: &[u8], placeholder: &[u8], prefix: &[u8]) -> Vec<u8> {
    let replaced = replace(bytes, placeholder, prefix);
    let end = memchr::memchr(b'\n', &replaced).unwrap_or(replaced.len());
    let line = &replaced[..end];
    if end <= SHEBANG || !line.starts_with(b"#!") || memmem::find(line, prefix).is_none() {
        return replaced;
    }
    let command = line[2..].trim_ascii();
    let split = command.iter().position(|byte| *byte == b' ').unwrap_or(command.len());
    let (program, arguments) = command.split_at(split);
    let name = program.rsplit(|byte| *byte == b'/').next().unwrap_or(program);
    [b"#!/usr/bin/env ", name, arguments, &replaced[end..]].concat()
}

/// The binary with `prefix` in every place of `placeholder`, each string that has it filled up to its old length. Strings
/// are of UTF-8, UTF-16 and UTF-32, in either order of bytes, as conda takes them. Nothing where the prefix is longer than
/// the placeholder.
pub(super) fn in_binary(bytes: &[u8], placeholder: &[u8], prefix: &[u8]) -> Option<Vec<u8>> {
    if prefix.len() > placeholder.len() {
        return None;
    }
    let mut output = bytes.to_vec();
    in_strings(&mut output, placeholder, prefix, 1);
    // Of a text that is not ASCII, the letters would be others there.
    if placeholder.is_ascii() && prefix.is_ascii() {
        for width in [2, 4] {
            for at in [0, width - 1] {
                in_strings(&mut output, &wide(placeholder, width, at), &wide(prefix, width, at), width);
            }
        }
    }
    Some(output)
}

/// Each letter as one of `width` bytes, the one that is not NUL at `at`.
fn wide(text: &[u8], width: usize, at: usize) -> Vec<u8> {
    let mut output = vec![0; text.len() * width];
    for (index, letter) in text.iter().enumerate() {
        output[index * width + at] = *letter;
    }
    output
}

/// Replaces in strings whose letters have `width` bytes and whose end is a letter of NUL bytes.
fn in_strings(output: &mut [u8], placeholder: &[u8], prefix: &[u8], width: usize) {
    let finder = memmem::Finder::new(placeholder);
    let mut from = 0;
    while let Some(found) = finder.find(&output[from..]) {
        let start = from + found;
        let length = match width {
            1 => memchr::memchr(0, &output[start..]),
            _ => output[start..]
                .chunks(width)
                .position(|letter| letter.iter().all(|byte| *byte == 0))
                .map(|at| at * width),
        };
        let end = length.map_or(output.len(), |length| start + length);
        let string = replace(&output[start..end], placeholder, prefix);
        output[start..start + string.len()].copy_from_slice(&string);
        output[start + string.len()..end].fill(0);
        from = end;
    }
}

fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut output = Vec::with_capacity(bytes.len());
    let mut place = 0;
    for found in memmem::find_iter(bytes, from) {
        output.extend_from_slice(&bytes[place..found]);
        output.extend_from_slice(to);
        place = found + from.len();
    }
    output.extend_from_slice(&bytes[place..]);
    output
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_change_their_length() {
        assert_eq!(in_text(b"a=/ph/b:/ph/c", b"/ph", b"/opt/env"), b"a=/opt/env/b:/opt/env/c");
        assert_eq!(in_text(b"no placeholder", b"/ph", b"/x"), b"no placeholder");
        let long = [b"/".as_slice(), &[b'x'; 130]].concat();
        assert_eq!(in_text(b"#!/ph/bin/python -E\nx", b"/ph", &long), b"#!/usr/bin/env python -E\nx");
    }

    #[test]
    fn strings_of_binaries_keep_theirs() {
        let patched = in_binary(b"\x7fELF/placehold/lib:/placehold/x\0tail\0", b"/placehold", b"/opt").unwrap();
        assert_eq!(patched, b"\x7fELF/opt/lib:/opt/x\0\0\0\0\0\0\0\0\0\0\0\0\0tail\0");
        assert_eq!(in_binary(b"/placehold", b"/placehold", b"/o").unwrap(), b"/o\0\0\0\0\0\0\0\0");
        assert_eq!(in_binary(b"/ph\0", b"/ph", b"/longer"), None);
        assert_eq!(in_binary(b"/ph\0", b"/ph", b"/ab").unwrap(), b"/ab\0");
    }

    #[test]
    fn strings_of_wide_letters_are_found_too() {
        let text = "x/placehold/lib:/placehold/y";
        let expected = format!("x/opt/lib:/opt/y{}", "\0".repeat(12));
        for (width, at) in [(2, 0), (2, 1), (4, 0), (4, 3)] {
            let file = |text: &str| wide(format!("{text}\0tail").as_bytes(), width, at);
            assert_eq!(in_binary(&file(text), b"/placehold", b"/opt").unwrap(), file(&expected), "{width} {at}");
        }
        let text = "é/placehold".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
        let expected = format!("é/opt{}", "\0".repeat(6)).encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
        assert_eq!(in_binary(&text, b"/placehold", b"/opt").unwrap(), expected);
    }
}
