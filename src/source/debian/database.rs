//! dpkg's database, written as `dpkg --unpack` leaves it (dpkg's `src/main/unpack.c`, `lib/dpkg/dump.c`,
//! `lib/dpkg/triglib.c`), so that dpkg in the image goes on from there.

use md5::{Digest as _, Md5};

use super::deb822::Paragraph;
use super::unpack::{Unpacked, listed};
use crate::digest::to_hex;
use crate::tree::{Content, Tree, TreePath};

/// Where dpkg keeps its database.
const DATABASE: &str = "var/lib/dpkg";

/// The fields of a stanza in the order in which dpkg writes them (`fieldinfos` in `lib/dpkg/parse.c`); all others follow
/// in the order of the package. `Description` has its own place because `Conffiles` goes before it.
const FIELD_ORDER: [&str; 23] = [
    "Package",
    "Essential",
    "Protected",
    "Status",
    "Priority",
    "Section",
    "Installed-Size",
    "Origin",
    "Maintainer",
    "Bugs",
    "Architecture",
    "Multi-Arch",
    "Source",
    "Version",
    "Replaces",
    "Provides",
    "Depends",
    "Pre-Depends",
    "Recommends",
    "Suggests",
    "Breaks",
    "Conflicts",
    "Enhances",
];

/// Where the packages are.
pub(super) const STATUS: &str = "var/lib/dpkg/status";

/// Members of a package's control archive that dpkg does not keep in `info`.
const NOT_KEPT: [&str; 1] = ["control"];

/// The stanza of an unpacked package for `/var/lib/dpkg/status`, with the empty line behind it. `tree` holds its files:
/// the checksums of configuration files that are in place are taken there.
pub(super) fn stanza(package: &Unpacked, control: &Paragraph<'_>, tree: &Tree) -> std::io::Result<String> {
    let mut text = String::new();
    for name in FIELD_ORDER {
        if name == "Status" {
            text.push_str("Status: install ok unpacked\n");
        } else if let Some(value) = control.field(name) {
            push_field(&mut text, name, value.raw());
        }
    }
    text.push_str(&conffiles(package, tree)?);
    if let Some(value) = control.field("Description") {
        push_field(&mut text, "Description", value.raw());
    }
    for (name, value) in control.fields() {
        let known = |other: &str| other.eq_ignore_ascii_case(name);
        if !FIELD_ORDER.iter().any(|other| known(other)) && !name.eq_ignore_ascii_case("Description") {
            push_field(&mut text, name, value.raw());
        }
    }
    text.push('\n');
    Ok(text)
}

/// The path of a file of the database. Names are those of packages and triggers.
pub(super) fn in_database(name: &str) -> TreePath {
    TreePath::new(format!("{DATABASE}/{name}")).expect("names in the database are names of packages and triggers")
}

/// What goes to `/var/lib/dpkg/info`: file names, modes and contents. `sums` are the checksums of a package that ships none.
pub(super) fn info_files(package: &Unpacked, sums: Option<Vec<u8>>) -> Vec<(String, u32, Content)> {
    let stem = package.database_name();
    let kept = package.members.iter().filter(|member| !NOT_KEPT.contains(&member.name.as_str()));
    let mut files: Vec<_> =
        kept.map(|member| (format!("{stem}.{}", member.name), member.mode, member.content.clone())).collect();
    files.extend(sums.map(|sums| (format!("{stem}.md5sums"), 0o644, Content::bytes(sums))));
    let mut list = Vec::new();
    for path in &package.list {
        list.extend(listed(path));
        list.push(b'\n');
    }
    files.push((format!("{stem}.list"), 0o644, Content::bytes(list)));
    files
}

/// The `Conffiles` field of a stanza: each configuration file that the package ships, with its MD5 where it is in place.
fn conffiles(package: &Unpacked, tree: &Tree) -> std::io::Result<String> {
    let mut lines = String::new();
    for line in package.conffiles().lines().map(str::trim) {
        // A file that a later version takes away (deb-conffiles(5)): it is not shipped.
        if let Some(path) = line.strip_prefix("remove-on-upgrade ") {
            lines.push_str(&format!(" {} newconffile remove-on-upgrade\n", path.trim()));
            continue;
        }
        let Some(path) = Some(line).filter(|line| line.starts_with('/')) else { continue };
        let place = TreePath::new(path).ok().filter(|path| !package.deferred.contains_key(path));
        let place = place.and_then(|path| tree.resolve(&path).ok());
        let content = place.and_then(|place| tree.get(&place)).and_then(|inode| inode.content());
        let sum = match content {
            Some(content) => md5(content)?,
            // Not there yet, or left out by the recipe's path rules as `--path-exclude` does: dpkg notes both like this.
            None => "newconffile".to_owned(),
        };
        lines.push_str(&format!(" {path} {sum}\n"));
    }
    Ok(if lines.is_empty() { lines } else { format!("Conffiles:\n{lines}") })
}

/// The MD5 of a file, as dpkg writes it.
pub(super) fn md5(content: &Content) -> std::io::Result<String> {
    let mut hash = Md5::new();
    hash.update(content.read()?);
    Ok(to_hex(&hash.finalize()))
}

fn push_field(text: &mut String, name: &str, value: &str) {
    text.push_str(name);
    text.push(':');
    if !value.starts_with('\n') && !value.is_empty() {
        text.push(' ');
    }
    text.push_str(value);
    text.push('\n');
}
