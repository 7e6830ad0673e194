//! Content digests: what every blob, layer and locked input is called.
//!
//! A [`Digest`] names bytes as they are stored or sent; a [`DiffId`] names the uncompressed tar of a layer. Both are
//! SHA-256, and they are different types because mixing them up is the classic mistake of this field.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

/// The SHA-256 of some bytes, written `sha256:<64 lower-case hex digits>` (OCI image spec, descriptor.md).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

/// The digest of a layer's uncompressed tar (OCI image spec, config.md, `rootfs.diff_ids`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DiffId(Digest);

/// A text that is not a SHA-256 digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a SHA-256 digest: expected `sha256:` and 64 lower-case hex digits")]
pub struct ParseDigestError(pub String);

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The digest of the file at `path`.
    pub fn of_file(path: &Path) -> io::Result<Self> {
        let mut file = Digesting::new(File::open(path)?);
        // A large buffer: the file is read at the speed of the hash.
        let mut buffer = vec![0; 256 << 10];
        loop {
            match file.read(&mut buffer) {
                Ok(0) => return Ok(file.finish().1),
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
        }
    }

    /// A digest from its 32 raw bytes.
    pub fn from_raw(raw: [u8; 32]) -> Self {
        Self(raw)
    }

    /// Its 32 raw bytes.
    pub fn raw(&self) -> [u8; 32] {
        self.0
    }

    /// The 64 lower-case hex digits, without `sha256:`.
    pub fn hex(&self) -> String {
        to_hex(&self.0)
    }

    /// A digest from 64 lower-case hex digits without `sha256:`, as Debian's indexes write it.
    pub fn from_hex(text: &str) -> Result<Self, ParseDigestError> {
        let wrong = || ParseDigestError(text.to_owned());
        let bytes = text.as_bytes();
        if bytes.len() != 64 {
            return Err(wrong());
        }
        let mut raw = [0; 32];
        for (byte, pair) in raw.iter_mut().zip(bytes.chunks_exact(2)) {
            let high = hex_value(pair[0]).ok_or_else(wrong)?;
            let low = hex_value(pair[1]).ok_or_else(wrong)?;
            *byte = high << 4 | low;
        }
        Ok(Self(raw))
    }
}

impl DiffId {
    /// Says that `digest` is that of an uncompressed layer tar.
    pub fn new(digest: Digest) -> Self {
        Self(digest)
    }

    /// The plain digest of the uncompressed tar.
    pub fn digest(&self) -> Digest {
        self.0
    }
}

/// Lower-case hex of `bytes`.
pub fn to_hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from(b"0123456789abcdef"[usize::from(nibble)]));
        }
    }
    text
}

fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for DiffId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for DiffId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let hex = text.strip_prefix("sha256:").ok_or_else(|| ParseDigestError(text.to_owned()))?;
        Self::from_hex(hex).map_err(|_| ParseDigestError(text.to_owned()))
    }
}

impl FromStr for DiffId {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl serde::Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl serde::Serialize for DiffId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> serde::Deserialize<'de> for DiffId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Digest::deserialize(deserializer).map(Self)
    }
}

/// Bytes on their way through, counted and hashed: wraps a reader or a writer.
pub struct Digesting<T> {
    inner: T,
    hash: Sha256,
    size: u64,
}

impl<T> Digesting<T> {
    /// Starts counting and hashing what passes through `inner`.
    pub fn new(inner: T) -> Self {
        Self { inner, hash: Sha256::new(), size: 0 }
    }

    /// Bytes seen so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The inner value.
    pub fn inner(&self) -> &T {
        &self.inner
    }

    /// The digest of what has passed so far.
    pub fn digest(&self) -> Digest {
        Digest(self.hash.clone().finalize().into())
    }

    /// The inner value, and the digest and size in bytes of all that passed.
    pub fn finish(self) -> (T, Digest, u64) {
        (self.inner, Digest(self.hash.finalize().into()), self.size)
    }

    fn passed(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.size += bytes.len() as u64;
    }
}

impl<R: Read> Read for Digesting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.passed(&buffer[..count]);
        Ok(count)
    }
}

impl<W: Write> Write for Digesting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.passed(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn text_form_round_trips() {
        assert_eq!(Digest::of(b"").to_string(), EMPTY);
        assert_eq!(EMPTY.parse::<Digest>(), Ok(Digest::of(b"")));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in
            ["", "sha256:", "sha512:00", "sha256:../../x", &EMPTY.to_uppercase(), &EMPTY[..70], &format!("{EMPTY}0")]
        {
            assert!(text.parse::<Digest>().is_err(), "{text}");
        }
    }
}
