//! Paths inside a tree.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::ffi::OsStr;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use triomphe::ThinArc;

/// A path relative to the root of a tree: components of any bytes but NUL and `/`, joined by single slashes. The root is
/// the empty path. `.` and `..` cannot be held, so a path never leads out of its tree. Clones share their bytes, and take one
/// word each: a large image has hundreds of thousands, in several trees.
#[derive(Clone)]
pub struct TreePath(ThinArc<(), u8>);

/// Why some bytes are no path inside a tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum PathError {
    /// A component is `..`.
    #[error("the path `{0}` has a `..` in it")]
    #[diagnostic(help("paths are relative to the root of the image and cannot lead out of it"))]
    ParentComponent(String),
    /// A NUL byte.
    #[error("the path `{0}` has a NUL byte in it")]
    Nul(String),
    /// Longer than Linux allows: 4096 bytes, or 255 for one component.
    #[error("the path `{0}...` is too long: at most 4096 bytes, and 255 for each component")]
    TooLong(String),
}

impl TreePath {
    /// The root: the empty path.
    pub fn root() -> Self {
        Self::of(&[])
    }

    fn of(bytes: &[u8]) -> Self {
        Self(ThinArc::from_header_and_slice((), bytes))
    }

    /// Reads a path as archives and recipes write it: leading `/` and `./`, doubled and trailing slashes and `.`
    /// components fall away; `..` is an error, as is a NUL byte or a length beyond Linux's limits.
    pub fn new(text: impl AsRef<[u8]>) -> Result<Self, PathError> {
        let text = text.as_ref();
        if text.len() > 4096 {
            return Err(PathError::TooLong(escape(&text[..64])));
        }
        if text.contains(&0) {
            return Err(PathError::Nul(escape(text)));
        }
        let mut path = Vec::with_capacity(text.len());
        for component in text.split(|byte| *byte == b'/') {
            match component {
                b"" | b"." => {}
                b".." => return Err(PathError::ParentComponent(escape(text))),
                long if long.len() > 255 => return Err(PathError::TooLong(escape(&long[..64]))),
                name => {
                    if !path.is_empty() {
                        path.push(b'/');
                    }
                    path.extend_from_slice(name);
                }
            }
        }
        Ok(Self::of(&path))
    }

    /// A path that is written in this program's source. Panics where it is none.
    pub fn literal(text: &'static str) -> Self {
        Self::new(text).expect("a path in the source is a path")
    }

    /// The bytes, without a leading slash.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0.slice
    }

    /// As a relative path of the host's type, for joining to a directory.
    pub fn as_relative(&self) -> &Path {
        Path::new(OsStr::from_bytes(self.as_bytes()))
    }

    /// Whether this is the root.
    pub fn is_root(&self) -> bool {
        self.as_bytes().is_empty()
    }

    /// The path above; nothing for the root.
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        let end = self.as_bytes().iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        Some(Self::of(&self.as_bytes()[..end]))
    }

    /// The last component; empty for the root.
    pub fn name(&self) -> &[u8] {
        let start = self.as_bytes().iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
        &self.as_bytes()[start..]
    }

    /// The path of `name`, itself a path, below this one. Fails as [`TreePath::new`] does.
    pub fn join(&self, name: impl AsRef<[u8]>) -> Result<Self, PathError> {
        Self::new([self.as_bytes(), b"/", name.as_ref()].concat())
    }

    /// The components from the root on; none for the root itself.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.as_bytes().split(|byte| *byte == b'/').filter(|component| !component.is_empty())
    }

    /// Whether this is `other` or below it.
    pub fn starts_with(&self, other: &Self) -> bool {
        match self.as_bytes().strip_prefix(other.as_bytes()) {
            Some(rest) => other.is_root() || rest.is_empty() || rest[0] == b'/',
            None => false,
        }
    }
}

/// Ordered lookups by plain bytes.
impl Borrow<[u8]> for TreePath {
    fn borrow(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl PartialEq for TreePath {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for TreePath {}

impl PartialOrd for TreePath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// That of the bytes.
impl Ord for TreePath {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl Hash for TreePath {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

/// With a leading slash, and with control characters and bytes that are no UTF-8 escaped (`\x1b`), so that a name
/// cannot play tricks on a terminal.
impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", escape(self.as_bytes()))
    }
}

impl fmt::Debug for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Bytes as text for people and golden files: UTF-8 as it is, all else as `\xNN`; a backslash as `\\`.
pub fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\\' => text.push_str("\\\\"),
                c if c.is_control() => c.to_string().bytes().for_each(|byte| text.push_str(&format!("\\x{byte:02x}"))),
                c => text.push(c),
            }
        }
        chunk.invalid().iter().for_each(|byte| text.push_str(&format!("\\x{byte:02x}")));
    }
    text
}
