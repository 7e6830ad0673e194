//! `.deb` files: an ar archive of `debian-binary`, `control.tar` and `data.tar` (deb(5)).

mod members;

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use miette::Diagnostic;
use thiserror::Error;

use crate::archive::{self, Limits};
use crate::epoch::Epoch;
use crate::source::debian::deb822::{self, Deb822Error, Paragraph};
use members::{Member, members};

/// Most bytes of all files of a `control.tar` together. The largest of Debian has about 3 MB.
const CONTROL_LIMIT: u64 = 16 << 20;
/// Most files of a `control.tar`.
const CONTROL_FILES: usize = 1024;
/// The endings of the tars, by which compression; `archive::decompress` goes by the bytes.
const ENDINGS: [&str; 5] = ["", ".gz", ".xz", ".zst", ".bz2"];

/// A `.deb` whose control part has been read.
#[derive(Clone, Debug)]
pub struct DebFile {
    path: PathBuf,
    control: String,
    data: (u64, u64),
    /// The files of `control.tar` in its order: `control`, `postinst`, `md5sums`, `conffiles`, ...
    pub members: Vec<ControlMember>,
    /// The newest date of the ar members: when the package was built, as reproducible builds set it.
    pub date: Epoch,
}

/// One file of `control.tar`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlMember {
    /// Its name, without any folder.
    pub name: String,
    /// The lower twelve bits of its mode.
    pub mode: u32,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// Why a `.deb` cannot be read.
#[derive(Debug, Error, Diagnostic)]
pub enum PackageFileError {
    /// The file cannot be read.
    #[error("cannot read {path}", path = path.display())]
    #[diagnostic(help("look at the file's permissions and its disk"))]
    Read {
        /// The `.deb`.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// It is not built as a `.deb` is.
    #[error("{path} is not a Debian package: {reason}", path = path.display())]
    #[diagnostic(help("build it with dpkg-deb, or fetch it again"))]
    NotPackage {
        /// The `.deb`.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Its `control.tar` is damaged.
    #[error("cannot read the control part of {path}", path = path.display())]
    #[diagnostic(help("the package is damaged: fetch or build it again"))]
    Damaged {
        /// The `.deb`.
        path: PathBuf,
        /// What the decoder says.
        #[source]
        source: io::Error,
    },
    /// Its `control` is no control file.
    #[error("cannot read the control file of {path}", path = path.display())]
    #[diagnostic(help("the package is built wrongly: tell its maintainer"))]
    Control {
        /// The `.deb`.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: Deb822Error,
    },
}

impl DebFile {
    /// Reads the container and the control part; the data part stays in the file.
    pub fn read(path: &Path) -> Result<Self, PackageFileError> {
        let mut file = File::open(path).map_err(|source| PackageFileError::Read { path: path.to_owned(), source })?;
        let parts = members(&mut file).map_err(|error| error.at(path))?;
        let parts = Parts::of(&mut file, parts).map_err(|error| error.at(path))?;
        let members = control_members(&mut file, parts.control).map_err(|error| match error {
            Problem::Io(source) => PackageFileError::Damaged { path: path.to_owned(), source },
            other => other.at(path),
        })?;
        let control = members
            .iter()
            .find(|member| member.name == "control")
            .ok_or_else(|| Problem::reason("its control.tar has no `control`").at(path))?;
        let text = deb822::text(&control.bytes)
            .and_then(|text| Paragraph::parse(text).map(|_| text.to_owned()))
            .map_err(|source| PackageFileError::Control { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), control: text, data: parts.data, members, date: parts.date })
    }

    /// The text of the control file, as it is in the package.
    pub fn control_text(&self) -> &str {
        &self.control
    }

    /// The fields of the control file.
    pub fn control(&self) -> Paragraph<'_> {
        Paragraph::parse(&self.control).expect("parsed when the package was read")
    }

    /// A file of `control.tar`, by its name.
    pub fn member(&self, name: &str) -> Option<&ControlMember> {
        self.members.iter().find(|member| member.name == name)
    }

    /// Bytes of the data part as it is compressed.
    pub fn data_size(&self) -> u64 {
        self.data.1
    }

    /// The bytes of the data part: a tar, compressed with what its first bytes say.
    pub fn data(&self) -> io::Result<io::Take<File>> {
        let (offset, size) = self.data;
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(offset))?;
        Ok(file.take(size))
    }
}

/// Something wrong, before it is known with which file.
#[derive(Debug)]
enum Problem {
    Io(io::Error),
    Reason(String),
}

impl Problem {
    fn reason(text: impl Into<String>) -> Self {
        Self::Reason(text.into())
    }

    fn at(self, path: &Path) -> PackageFileError {
        let path = path.to_owned();
        match self {
            Self::Io(source) => PackageFileError::Read { path, source },
            Self::Reason(reason) => PackageFileError::NotPackage { path, reason },
        }
    }
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// The offset and size of the two tars.
struct Parts {
    control: (u64, u64),
    data: (u64, u64),
    date: Epoch,
}

impl Parts {
    /// Finds them as dpkg does: `debian-binary`, control and data in this order; names that start with `_` may stand
    /// between them, anything after them.
    fn of(file: &mut File, all: Vec<Member>) -> Result<Self, Problem> {
        let date = all.iter().map(|member| member.date).max().unwrap_or_default();
        let mut known = all.into_iter().filter(|member| !member.name.starts_with('_'));
        let version = known.next().filter(|member| member.name == "debian-binary");
        let version = version.ok_or_else(|| Problem::reason("its first member is not `debian-binary`"))?;
        check_version(file, &version)?;
        let mut part = |name: &str| {
            let member = known.next().ok_or_else(|| Problem::reason(format!("it has no `{name}`")))?;
            match member.name.strip_prefix(name) {
                Some(ending) if ENDINGS.contains(&ending) => Ok((member.offset, member.size)),
                Some(ending) => {
                    Err(Problem::reason(format!("`{name}` is compressed as `{ending}`, which is not known")))
                }
                None => Err(Problem::reason(format!("`{}` stands where `{name}` should be", member.name))),
            }
        };
        Ok(Self { control: part("control.tar")?, data: part("data.tar")?, date })
    }
}

fn check_version(file: &mut File, member: &Member) -> Result<(), Problem> {
    file.seek(SeekFrom::Start(member.offset))?;
    let mut text = String::new();
    file.take(member.size.min(64)).read_to_string(&mut text)?;
    if text.starts_with("2.") && text.contains('\n') {
        return Ok(());
    }
    let found = text.lines().next().unwrap_or_default();
    Err(Problem::reason(format!("its format is `{}`, not 2.0", found.escape_default())))
}

fn control_members(file: &mut File, (offset, size): (u64, u64)) -> Result<Vec<ControlMember>, Problem> {
    file.seek(SeekFrom::Start(offset))?;
    let too_large = || Problem::reason(format!("its control part is larger than {CONTROL_LIMIT} bytes"));
    let mut control =
        tar::Archive::new(archive::decompress(file.take(size), &Limits::default())?.take(2 * CONTROL_LIMIT));
    let mut members: Vec<ControlMember> = Vec::new();
    let mut left = CONTROL_LIMIT;
    for entry in control.entries()? {
        let mut entry = entry?;
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let name = path.strip_prefix("./").unwrap_or(&path);
        match entry.header().entry_type() {
            tar::EntryType::Directory if name.trim_end_matches('/').is_empty() || name == "." => continue,
            tar::EntryType::Regular | tar::EntryType::Continuous if is_plain_name(name) => {}
            _ => return Err(Problem::reason(format!("its control part has `{}`", path.escape_default()))),
        }
        if members.iter().any(|member| member.name == name) || members.len() == CONTROL_FILES {
            return Err(Problem::reason(format!("its control part has `{name}` twice, or too many files")));
        }
        left = left.checked_sub(entry.size()).ok_or_else(too_large)?;
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes)?;
        members.push(ControlMember { name: name.to_owned(), mode: entry.header().mode()? & 0o7777, bytes });
    }
    Ok(members)
}

fn is_plain_name(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/')
}

#[cfg(test)]
mod tests;
