//! Unpacking a .deb: its data archive into the store, its entries and control files into memory.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::sync::Arc;

use super::deb822::Paragraph;
use super::package_file::{ControlMember, DebFile};
use super::{Drops, InstallError};
use crate::archive::{self, Item, Limits, What};
use crate::digest::Digest;
use crate::epoch::Epoch;
use crate::store::{Blob, Store};
use crate::tree::{Content, Inode, Origin, TreePath};

/// A .deb, unpacked.
#[derive(Clone)]
pub(super) struct Unpacked {
    /// The package's name.
    pub(super) name: String,
    /// Its version.
    pub(super) version: String,
    /// Its architecture: dpkg's name, or `all`.
    pub(super) architecture: String,
    /// `same`, `foreign`, `allowed`, or empty: how it goes together with packages of other architectures.
    pub(super) multi_arch: String,
    /// The text of its control file.
    pub(super) control: String,
    /// All members of its control archive. Those that no script is told of are put aside.
    pub(super) members: Vec<Member>,
    /// Its files, in the order of the archive, without those that the path rules drop.
    pub(super) items: Vec<Item>,
    /// The paths of all its files as dpkg lists them.
    pub(super) list: Vec<TreePath>,
    /// Configuration files which dpkg puts in their places when it configures the package: as it ships them, and where
    /// they go.
    pub(super) deferred: BTreeMap<TreePath, TreePath>,
    /// When it was made: the newest date of its ar members.
    pub(super) date: Epoch,
    /// Whether it is a file of the recipe, and in no archive.
    pub(super) is_local: bool,
}

/// A package to install.
pub(super) struct Candidate {
    /// Its contents.
    pub(super) unpacked: Unpacked,
    /// Its .deb.
    pub(super) file: Blob,
    /// Whether it belongs to the first stage.
    pub(super) essential: bool,
    /// Its priority, as its archive has it: `important`, `standard`, `optional`, or another word.
    pub(super) priority: String,
}

/// A member of a control archive.
#[derive(Clone)]
pub(super) struct Member {
    /// Its name, without any folder.
    pub(super) name: String,
    /// The lower twelve bits of its mode.
    pub(super) mode: u32,
    pub(super) content: Content,
}

impl Unpacked {
    /// How dpkg's database calls it: with the architecture where it is `Multi-Arch: same`.
    pub(super) fn database_name(&self) -> String {
        if self.multi_arch == "same" { format!("{}:{}", self.name, self.architecture) } else { self.name.clone() }
    }

    /// Its name for dpkg's command line, where the same package of another architecture may be there.
    pub(super) fn qualified_name(&self) -> String {
        if self.architecture == "all" { self.name.clone() } else { format!("{}:{}", self.name, self.architecture) }
    }

    /// Whether it can be what a package needs, for all that their architectures say (dpkg's `src/main/depcon.c`).
    pub(super) fn serves(&self, other: &Self) -> bool {
        let any = |package: &Self| package.architecture == "all";
        self.architecture == other.architecture
            || any(self)
            || any(other)
            || ["foreign", "allowed"].contains(&self.multi_arch.as_str())
    }

    /// The order of packages that means nothing.
    pub(super) fn key(&self) -> (&str, &str) {
        (&self.name, &self.architecture)
    }

    /// The bytes of a member of the control archive.
    pub(super) fn member(&self, name: &str) -> Option<&[u8]> {
        match &self.content(name)? {
            Content::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The checksums of its files, which are put aside.
    pub(super) fn md5sums(&self) -> std::io::Result<Option<Vec<u8>>> {
        self.content("md5sums").map(Content::read).transpose()
    }

    /// Whether dpkg has to make the checksums of its files: those of archives ship them, as debhelper makes them.
    pub(super) fn lacks_md5sums(&self) -> bool {
        self.is_local && self.content("md5sums").is_none()
    }

    fn content(&self, name: &str) -> Option<&Content> {
        self.members.iter().find(|member| member.name == name).map(|member| &member.content)
    }

    /// Its list of configuration files (deb-conffiles(5)).
    pub(super) fn conffiles(&self) -> Cow<'_, str> {
        self.member("conffiles").map(String::from_utf8_lossy).unwrap_or_default()
    }

    /// Bytes that it takes when installed, as it says.
    pub(super) fn installed_size(&self) -> u64 {
        let field = self.paragraph().ok().and_then(|control| control.field("Installed-Size"));
        field.and_then(|value| value.raw().parse::<u64>().ok()).unwrap_or(0).saturating_mul(1024)
    }

    /// Its control paragraph.
    pub(super) fn paragraph(&self) -> Result<Paragraph<'_>, InstallError> {
        Paragraph::parse(&self.control).map_err(|source| InstallError::Control { package: self.name.clone(), source })
    }
}

/// A .deb of which the control part was read.
pub(super) struct Opened {
    /// What is known so far: all but the files.
    pub(super) unpacked: Unpacked,
    deb: DebFile,
}

/// Reads the control part of the .deb `package`.
pub(super) fn open(package: &Blob, store: &Store) -> Result<Opened, InstallError> {
    let mut deb = DebFile::read(&package.path)?;
    let control = deb.control();
    let field = |name| control.field(name).map(|value| value.raw().to_owned()).unwrap_or_default();
    let name = field("Package");
    let mut unpacked = Unpacked {
        version: field("Version"),
        architecture: field("Architecture"),
        multi_arch: field("Multi-Arch"),
        control: deb.control_text().to_owned(),
        members: Vec::new(),
        items: Vec::new(),
        list: Vec::new(),
        deferred: BTreeMap::new(),
        date: deb.date,
        is_local: false,
        name,
    };
    for ControlMember { name, mode, bytes } in std::mem::take(&mut deb.members) {
        let content = Content::bytes(bytes);
        let content = if ASIDE.contains(&name.as_str()) { out_of_memory(content, store) } else { content };
        unpacked.members.push(Member { name, mode, content });
    }
    Ok(Opened { unpacked, deb })
}

impl Opened {
    /// Unpacks it, leaving out paths for which `drops` says yes. The uncompressed data archive is kept in the store, and the next
    /// time it is taken from there.
    pub(super) fn unpack(self, package: &Blob, store: &Store, drops: Drops<'_>) -> Result<Unpacked, InstallError> {
        let Self { mut unpacked, deb } = self;
        let tar = data_archive(package, &deb, &unpacked.name, store)?;
        let origin = Origin::Package(unpacked.name.as_str().into());
        let mut dropped = Dropped::default();
        archive::read_tar_file(&tar.path, &origin, &Limits::default(), |item: Item| {
            unpacked.list.push(item.path.clone());
            unpacked.items.extend(keep(item, drops, &mut dropped));
            Ok::<_, InstallError>(())
        })?;
        unpacked.items.shrink_to_fit();
        unpacked.list.shrink_to_fit();
        Ok(unpacked)
    }
}

/// Members of control archives that dpkg only keeps; the largest are among them.
const ASIDE: [&str; 4] = ["md5sums", "shlibs", "symbols", "templates"];

/// Bytes up to which a content is no burden.
const LIGHT: u64 = 512;

/// A content that takes no memory worth mentioning: a larger one is put aside. In a store that may only be read, it stays.
pub(super) fn out_of_memory(content: Content, store: &Store) -> Content {
    match &content {
        Content::Bytes(bytes) if content.size() > LIGHT => match store.put_aside(bytes) {
            Ok((path, offset)) => Content::Slice { path, offset, size: content.size() },
            Err(_) => content,
        },
        _ => content,
    }
}

/// Entries that were dropped, for links to them.
#[derive(Default)]
struct Dropped {
    /// What was at their paths, until a link takes it over.
    inodes: BTreeMap<TreePath, Arc<Inode>>,
    /// Which path stands for theirs: of the link that took it over, or that they were a link to.
    places: BTreeMap<TreePath, TreePath>,
}

impl Dropped {
    /// The path that stands for `target`.
    fn place(&self, target: TreePath) -> TreePath {
        // A dropped link may lead to a dropped file, and that to the link that took it over; there it ends.
        let step = |path: TreePath| self.places.get(&path).cloned().unwrap_or(path);
        step(step(target))
    }
}

/// The entry, unless it is dropped. The first link to a file that was dropped becomes that file, later ones are links to it.
fn keep(item: Item, drops: Drops<'_>, dropped: &mut Dropped) -> Option<Item> {
    let Item { path, what } = item;
    let directory = matches!(&what, What::Inode(inode) if inode.is_directory());
    let is_dropped = !directory && drops(&path);
    let what = match what {
        What::Inode(inode) if is_dropped => {
            dropped.inodes.insert(path, inode);
            return None;
        }
        What::Inode(inode) => What::Inode(inode),
        What::HardLink(target) => {
            let target = dropped.place(target);
            if is_dropped {
                dropped.places.insert(path, target);
                return None;
            }
            match dropped.inodes.remove(&target) {
                Some(inode) => {
                    dropped.places.insert(target, path.clone());
                    What::Inode(inode)
                }
                None => What::HardLink(target),
            }
        }
    };
    Some(Item { path, what })
}

/// The uncompressed data archive in the store, put there where it is not.
fn data_archive(package: &Blob, deb: &DebFile, name: &str, store: &Store) -> Result<Blob, InstallError> {
    let key = Digest::of(format!("data archive of {}", package.digest).as_bytes());
    let remembered = store.recall(&key)?.and_then(|value| String::from_utf8(value).ok()?.parse().ok());
    if let Some(digest) = remembered
        && let Some(blob) = store.verified(&digest)?
    {
        return Ok(blob);
    }
    let damaged = |source| InstallError::Data { package: name.to_owned(), source };
    let mut data = archive::decompress(deb.data().map_err(damaged)?, &Limits::default()).map_err(damaged)?;
    let mut writer = store.begin()?;
    let mut buffer = vec![0; 1 << 17];
    loop {
        // Reading fails because of the package, writing because of this machine.
        match data.read(&mut buffer).map_err(damaged)? {
            0 => break,
            count => writer.write_all(&buffer[..count]).map_err(|source| store.cannot("write a blob", source))?,
        }
    }
    let blob = writer.commit()?;
    store.remember(&key, blob.digest.to_string().as_bytes())?;
    Ok(blob)
}

/// A path as dpkg lists it: with a leading slash, and `/.` for the root.
pub(super) fn listed(path: &TreePath) -> Vec<u8> {
    if path.is_root() { b"/.".to_vec() } else { [b"/", path.as_bytes()].concat() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names that are left of a file `usr/bin/a` with the links `b`, `c` (to `b`) and `d`, each with the inode's first name.
    fn left(dropped: &[&str]) -> Vec<(String, String)> {
        let path = |name: &str| TreePath::new(format!("usr/bin/{name}")).unwrap();
        let drops =
            |path: &TreePath| dropped.iter().any(|name| path.as_bytes() == format!("usr/bin/{name}").as_bytes());
        let file = Inode::file(0o755, Content::bytes(b"bzip2".to_vec()), Origin::Package("bzip2".into()));
        let whats = [
            ("a", What::Inode(Arc::new(file))),
            ("b", What::HardLink(path("a"))),
            ("c", What::HardLink(path("b"))),
            ("d", What::HardLink(path("a"))),
        ];
        let (mut tree, mut rest) = (crate::tree::Tree::new(), Dropped::default());
        for (name, what) in whats {
            let Some(item) = keep(Item { path: path(name), what }, &drops, &mut rest) else { continue };
            match item.what {
                What::Inode(inode) => drop(tree.insert_with_parents(item.path, inode).unwrap()),
                What::HardLink(target) => tree.link_with_parents(item.path, &target).unwrap(),
            }
        }
        let files: Vec<_> = tree.entries().filter(|entry| !entry.inode.is_directory()).collect();
        let first = |id| files.iter().find(|entry| entry.id == id).unwrap().path.to_string();
        files.iter().map(|entry| (entry.path.to_string(), first(entry.id))).collect()
    }

    #[test]
    fn links_to_what_is_dropped_stay_one_file() {
        for (dropped, names) in [
            (&[][..], &["a", "b", "c", "d"][..]),
            (&["a"], &["b", "c", "d"]),
            (&["b"], &["a", "c", "d"]),
            (&["a", "b"], &["c", "d"]),
            (&["a", "c"], &["b", "d"]),
            (&["a", "b", "c"], &["d"]),
            (&["a", "b", "c", "d"], &[]),
        ] {
            let found = left(dropped);
            let expected: Vec<_> =
                names.iter().map(|name| (format!("/usr/bin/{name}"), format!("/usr/bin/{}", names[0]))).collect();
            assert_eq!(found, expected, "without {dropped:?}");
        }
    }
}
