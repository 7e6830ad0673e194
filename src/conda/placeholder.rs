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

/// The binary with `prefix` in every place of `placeholder`, each string that has it filled up to its old length.
/// Nothing where the prefix is longer than the placeholder.
pub(super) fn in_binary(bytes: &[u8], placeholder: &[u8], prefix: &[u8]) -> Option<Vec<u8>> {
    if prefix.len() > placeholder.len() {
        return None;
    }
    let finder = memmem::Finder::new(placeholder);
    let mut output = bytes.to_vec();
    let mut from = 0;
    while let Some(found) = finder.find(&bytes[from..]) {
        let start = from + found;
        let end = memchr::memchr(0, &bytes[start..]).map_or(bytes.len(), |nul| start + nul);
        let string = replace(&bytes[start..end], placeholder, prefix);
        output[start..start + string.len()].copy_from_slice(&string);
        output[start + string.len()..end].fill(0);
        from = end;
    }
    Some(output)
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
}
