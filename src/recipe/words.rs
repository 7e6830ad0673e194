//! Small texts with a form of their own: modes, owners, devices, paths of the image.
//!
//! Each is read by `FromStr`; what does not fit is a [`Misfit`], which says what was expected.

use std::fmt;
use std::str::FromStr;

/// A text that does not have the form its key asks for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not {what}")]
pub struct Misfit {
    /// The text as it stands in the recipe.
    pub found: String,
    /// What it should be: `a mode`.
    pub what: &'static str,
    /// The form of that: `three or four octal digits, such as 0755`.
    pub expected: String,
    /// What to write instead, where that can be guessed.
    pub help: Option<Box<str>>,
}

/// Permission bits with setuid, setgid and sticky: 0 to 0o7777, written as three or four octal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode(pub u32);

/// A user or a group, by number or by a name that the image's own database resolves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// A numeric id.
    Id(u32),
    /// A name of `/etc/passwd` or `/etc/group`, or the recipe's own user.
    Name(String),
}

/// Who owns a file, written `user:group`, `user`, `0:0` or `10001`. Without a group a named user brings its own, and a
/// numeric user the group of the same number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The user.
    pub user: Principal,
    /// The group, where one is given.
    pub group: Option<Principal>,
}

/// A device node, written as `mknod` takes it: `c 1:3` or `b 8:0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device {
    /// Whether it is a block device; else a character device.
    pub block: bool,
    /// Major number, up to 4095 as Linux has it.
    pub major: u32,
    /// Minor number, up to 1048575 as Linux has it.
    pub minor: u32,
}

/// An absolute path inside the image, without `.`, `..`, doubled or trailing slashes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImagePath(String);

/// A name of a user or a group, as useradd takes it: a small letter or `_`, then small letters, digits, `_` and `-`, at
/// most 32.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserName(String);

/// The largest user or group id: ids from 2^31 on are negative to programs that hold them in an `int`.
pub const MAX_ID: u32 = i32::MAX as u32;

impl Misfit {
    /// Says that `found` is not `what`, which has the form `expected`.
    pub fn new(found: &str, what: &'static str, expected: impl Into<String>) -> Self {
        Self { found: found.to_owned(), what, expected: expected.into(), help: None }
    }

    /// The same, with what to write instead.
    pub fn with_help(self, help: Option<String>) -> Self {
        Self { help: help.map(String::into_boxed_str), ..self }
    }
}

impl ImagePath {
    /// The path with its leading slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl UserName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Mode {
    type Err = Misfit;

    fn from_str(text: &str) -> Result<Self, Misfit> {
        let digits = matches!(text.len(), 3 | 4) && text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
        let bits = u32::from_str_radix(text, 8).ok().filter(|_| digits);
        bits.map(Self).ok_or_else(|| Misfit::new(text, "a mode", "three or four octal digits, such as `0755`"))
    }
}

impl FromStr for Principal {
    type Err = Misfit;

    fn from_str(text: &str) -> Result<Self, Misfit> {
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            let id = text.parse().ok().filter(|id| *id <= MAX_ID);
            let expected = || Misfit::new(text, "a user or group id", format!("a number from 0 to {MAX_ID}"));
            return id.map(Self::Id).ok_or_else(expected);
        }
        text.parse::<UserName>().map(|name| Self::Name(name.0))
    }
}

impl FromStr for Owner {
    type Err = Misfit;

    fn from_str(text: &str) -> Result<Self, Misfit> {
        let (user, group) = match text.split_once(':') {
            Some((user, group)) => (user, Some(group.parse()?)),
            None => (text, None),
        };
        Ok(Self { user: user.parse()?, group })
    }
}

impl FromStr for Device {
    type Err = Misfit;

    fn from_str(text: &str) -> Result<Self, Misfit> {
        let read = || {
            let (kind, numbers) = text.split_once(' ')?;
            let (major, minor) = numbers.split_once(':')?;
            let block = match kind {
                "b" => true,
                "c" => false,
                _ => return None,
            };
            Some(Self { block, major: number(major, 4095)?, minor: number(minor, 1_048_575)? })
        };
        read().ok_or_else(|| Misfit::new(text, "a device", "`c` or `b`, a space, and `major:minor`, such as `c 1:3`"))
    }
}

impl FromStr for ImagePath {
    type Err = Misfit;

    fn from_str(text: &str) -> Result<Self, Misfit> {
        let wrong = |expected: &str| Misfit::new(text, "a path of the image", expected);
        if !text.starts_with('/') {
            return Err(wrong("an absolute path, from the root of the image: it starts with `/`"));
        }
        if text.contains('\0') || text.len() > 4096 {
            return Err(wrong("a path without NUL bytes, of at most 4096 bytes"));
        }
        let mut path = String::with_capacity(text.len());
        for component in text.split('/').filter(|component| !matches!(*component, "" | ".")) {
            if component == ".." {
                return Err(wrong("a path without `..`: it cannot lead out of the image"));
            }
            if component.len() > 255 {
                return Err(wrong("a path whose components have at most 255 bytes each"));
            }
            path.push('/');
            path.push_str(component);
        }
        if path.is_empty() {
            path.push('/');
        }
        Ok(Self(path))
    }
}

impl FromStr for UserName {
    type Err = Misfit;

    fn from_str(text: &str) -> Result<Self, Misfit> {
        let first = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
        let later = |byte: u8| first(byte) || byte.is_ascii_digit() || byte == b'-';
        let fits = text.bytes().next().is_some_and(first) && text.bytes().all(later) && text.len() <= 32;
        let expected = "a small letter or `_`, then small letters, digits, `_` and `-`, at most 32 in all";
        if fits { Ok(Self(text.to_owned())) } else { Err(Misfit::new(text, "a user or group name", expected)) }
    }
}

impl fmt::Display for ImagePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

fn number(text: &str, most: u32) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| digits && *number <= most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_octal() {
        assert_eq!("0755".parse(), Ok(Mode(0o755)));
        assert_eq!("644".parse(), Ok(Mode(0o644)));
        assert_eq!("4755".parse(), Ok(Mode(0o4755)));
        for wrong in ["", "75", "0999", "00755", "0o755", "+755", "rwx"] {
            assert!(wrong.parse::<Mode>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn owners_have_numbers_or_names() {
        let app = Owner { user: Principal::Name("app".to_owned()), group: None };
        assert_eq!("app".parse(), Ok(app));
        assert_eq!("0:42".parse(), Ok(Owner { user: Principal::Id(0), group: Some(Principal::Id(42)) }));
        for wrong in ["", ":", "app:", "a:b:c", "2147483648", "App", "0x1"] {
            assert!(wrong.parse::<Owner>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn devices_have_a_kind_and_two_numbers() {
        assert_eq!("c 1:3".parse(), Ok(Device { block: false, major: 1, minor: 3 }));
        assert_eq!("b 8:0".parse(), Ok(Device { block: true, major: 8, minor: 0 }));
        for wrong in ["", "c", "c 1", "c 1 3", "p 1:3", "c 4096:0", "c +1:3"] {
            assert!(wrong.parse::<Device>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn paths_stay_inside_the_image() {
        let path = |text: &str| text.parse::<ImagePath>().map(|path| path.0);
        assert_eq!(path("//usr/./bin/").as_deref(), Ok("/usr/bin"));
        assert_eq!(path("/").as_deref(), Ok("/"));
        for wrong in ["", "usr", "./usr", "/usr/../etc", "/\0"] {
            assert!(path(wrong).is_err(), "{wrong}");
        }
    }
}
