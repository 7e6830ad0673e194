//! Which packages say that a path is theirs: by dpkg's lists of files and diversions, apk's
//! and rpm's databases and conda's records.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{InventoryError, conda, read_text, rpm};
use crate::package::Manager;
use crate::tree::{Tree, TreePath};

/// A package that says that a path is its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Owner {
    /// Whose database says so.
    pub manager: Manager,
    /// The package; with its architecture behind a colon where several may be there at once (`libc6:amd64`).
    pub package: String,
    /// Whether it is a configuration file, which its administrator may change.
    pub configuration: bool,
    /// Where the package has it, and who diverted it from there (dpkg-divert(1)).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diverted: Option<Diverted>,
}

/// A diversion.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Diverted {
    /// Where the package has the file.
    pub from: String,
    /// The package that took its place; `the administrator` where it was none.
    pub by: String,
}

/// Largest list of files in bytes.
const LARGEST: u64 = 64 << 20;

/// dpkg's folder of lists.
const INFO: &str = "var/lib/dpkg/info";

/// The packages whose `path` is, sorted. `path` is where a file really is: no link is among its parents. The path need not
/// be there any more.
pub fn owners(tree: &Tree, path: &TreePath) -> Result<Vec<Owner>, InventoryError> {
    let mut owners = of_dpkg(tree, path)?;
    owners.extend(of_status_folder(tree, path)?);
    owners.extend(of_apk(tree, path)?);
    owners.extend(of_conda(tree, path)?);
    let is_it = |file: &str| !listed(tree, std::slice::from_ref(path), std::iter::once(file)).is_empty();
    owners.extend(rpm::owners(tree, &is_it)?.into_iter().map(|name| owner(Manager::Rpm, name.into())));
    owners.sort();
    owners.dedup();
    Ok(owners)
}

/// A diversion: where to, and by whom.
type Diversions = BTreeMap<TreePath, (TreePath, String)>;

fn of_dpkg(tree: &Tree, path: &TreePath) -> Result<Vec<Owner>, InventoryError> {
    let folder = TreePath::literal(INFO);
    let folder = tree.resolve(&folder).map_err(|source| InventoryError::Resolve { path: folder, source })?;
    let diversions = diversions(tree)?;
    // A diverted file is in the lists under its old name.
    let back = diversions.iter().filter(|(_, (to, _))| to == path).map(|(from, _)| from.clone());
    let names: Vec<TreePath> = std::iter::once(path.clone()).chain(back).collect();
    let mut owners = Vec::new();
    for entry in tree.children(&folder) {
        let Some(package) = entry.path.name().strip_suffix(b".list") else { continue };
        let Some(text) = read_text(tree, entry.path, LARGEST)? else { continue };
        let package = String::from_utf8_lossy(package).into_owned();
        let name = package.split(':').next().unwrap_or(&package);
        for listed in listed(tree, &names, text.lines()) {
            let diverted = diversions.get(&listed).filter(|(_, by)| by != name);
            let (place, diverted) = match diverted {
                Some((to, by)) => (to, Some(Diverted { from: listed.to_string(), by: by.clone() })),
                None => (&listed, None),
            };
            if place == path {
                let configuration = is_configuration(tree, &folder, &package, &listed)?;
                owners.push(Owner { manager: Manager::Dpkg, package: package.clone(), configuration, diverted });
            }
        }
    }
    Ok(owners)
}

/// Those of `names` that the lines lead to. Lists may say `/bin/sh` where `/bin` is a link to `/usr/bin`.
fn listed<'t>(tree: &Tree, names: &[TreePath], lines: impl Iterator<Item = &'t str>) -> Vec<TreePath> {
    let mut found: Vec<TreePath> = lines
        .filter(|line| names.iter().any(|name| line.as_bytes().ends_with(name.name())))
        .filter_map(|line| TreePath::new(line).ok())
        .filter_map(|line| tree.resolve_parents(&line).ok())
        .filter(|line| names.contains(line))
        .collect();
    found.sort();
    found.dedup();
    found
}

fn is_configuration(
    tree: &Tree,
    folder: &TreePath,
    package: &str,
    listed_path: &TreePath,
) -> Result<bool, InventoryError> {
    let Ok(file) = folder.join(format!("{package}.conffiles")) else { return Ok(false) };
    let Some(text) = read_text(tree, &file, LARGEST)? else { return Ok(false) };
    // `remove-on-upgrade /etc/x` names what is to go.
    let lines = text.lines().filter(|line| line.starts_with('/'));
    Ok(!listed(tree, std::slice::from_ref(listed_path), lines).is_empty())
}

/// Three lines each: from, to, by whom; `:` is the administrator.
fn diversions(tree: &Tree) -> Result<Diversions, InventoryError> {
    let file = TreePath::literal("var/lib/dpkg/diversions");
    let text = read_text(tree, &file, LARGEST)?.unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let place = |line: &str| TreePath::new(line).ok().and_then(|path| tree.resolve_parents(&path).ok());
    let diversion = |three: &[&str]| {
        let by = if three[2] == ":" { "the administrator" } else { three[2] };
        Some((place(three[0])?, (place(three[1])?, by.to_owned())))
    };
    Ok(lines.chunks_exact(3).filter_map(diversion).collect())
}

/// Images without dpkg: `status.d/NAME.md5sums`, as distroless images have them.
fn of_status_folder(tree: &Tree, path: &TreePath) -> Result<Vec<Owner>, InventoryError> {
    let folder = TreePath::literal("var/lib/dpkg/status.d");
    let folder = tree.resolve(&folder).map_err(|source| InventoryError::Resolve { path: folder, source })?;
    let mut owners = Vec::new();
    for entry in tree.children(&folder) {
        let Some(package) = entry.path.name().strip_suffix(b".md5sums") else { continue };
        let Some(text) = read_text(tree, entry.path, LARGEST)? else { continue };
        let lines = text.lines().filter_map(|line| line.split_once("  ").map(|(_, path)| path));
        if !listed(tree, std::slice::from_ref(path), lines).is_empty() {
            owners.push(owner(Manager::Dpkg, String::from_utf8_lossy(package)));
        }
    }
    Ok(owners)
}

/// apk's database: `P:` begins a package, `F:` a folder, `R:` a file in it (apk(5)).
fn of_apk(tree: &Tree, path: &TreePath) -> Result<Vec<Owner>, InventoryError> {
    let mut owners = Vec::new();
    for database in ["lib/apk/db/installed", "usr/lib/apk/db/installed"] {
        let Some(text) = read_text(tree, &TreePath::literal(database), LARGEST)? else { continue };
        let (mut package, mut folder) = ("", "");
        for line in text.lines() {
            match line.split_once(':') {
                Some(("P", name)) => package = name,
                Some(("F", name)) => folder = name,
                Some(("R", name)) if path.as_bytes().ends_with(name.as_bytes()) => {
                    let file = format!("{folder}/{name}");
                    if !listed(tree, std::slice::from_ref(path), std::iter::once(file.as_str())).is_empty() {
                        owners.push(owner(Manager::Apk, package.into()));
                    }
                }
                _ => {}
            }
        }
    }
    Ok(owners)
}

#[derive(Deserialize)]
struct Record {
    name: String,
    #[serde(default)]
    files: Vec<String>,
}

fn of_conda(tree: &Tree, path: &TreePath) -> Result<Vec<Owner>, InventoryError> {
    let mut owners = Vec::new();
    for entry in tree.entries().filter(|entry| entry.inode.is_file() && conda::is_record(entry.path)) {
        let Some(prefix) = entry.path.parent().and_then(|folder| folder.parent()) else { continue };
        if !path.starts_with(&prefix) {
            continue;
        }
        let Some(text) = read_text(tree, entry.path, LARGEST)? else { continue };
        let record: Record = serde_json::from_str(&text)
            .map_err(|source| InventoryError::Record { path: entry.path.clone(), source })?;
        let below = &path.as_bytes()[prefix.as_bytes().len()..];
        let below = below.strip_prefix(b"/").unwrap_or(below);
        if record.files.iter().any(|file| file.as_bytes() == below) {
            owners.push(owner(Manager::Conda, record.name.into()));
        }
    }
    Ok(owners)
}

fn owner(manager: Manager, package: std::borrow::Cow<'_, str>) -> Owner {
    Owner { manager, package: package.into_owned(), configuration: false, diverted: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Content, Inode, Origin};

    fn tree(files: &[(&str, &str)]) -> Tree {
        let mut tree = Tree::new();
        let path = |text: &str| TreePath::new(text).unwrap();
        tree.insert_with_parents(path("usr/bin"), Inode::directory(0o755, Origin::Root)).unwrap();
        tree.insert(path("bin"), Inode::symlink("usr/bin", Origin::Root)).unwrap();
        for (name, text) in files {
            let inode = Inode::file(0o644, Content::bytes(text.as_bytes()), Origin::Root);
            tree.insert_with_parents(path(name), inode).unwrap();
        }
        tree
    }

    fn names(tree: &Tree, path: &str) -> Vec<String> {
        let found = owners(tree, &TreePath::new(path).unwrap()).unwrap();
        let mark = |owner: &Owner| {
            let configuration = if owner.configuration { " (configuration)" } else { "" };
            let diverted =
                owner.diverted.as_ref().map(|diverted| format!(" from {} by {}", diverted.from, diverted.by));
            format!("{}{configuration}{}", owner.package, diverted.unwrap_or_default())
        };
        found.iter().map(mark).collect()
    }

    #[test]
    fn dpkg_lists_lead_through_links() {
        let tree = tree(&[
            ("var/lib/dpkg/info/dash.list", "/.\n/bin\n/bin/dash\n/bin/sh\n"),
            ("var/lib/dpkg/info/libc6:amd64.list", "/usr/bin/ldd\n/etc/libc.conf\n"),
            ("var/lib/dpkg/info/libc6:amd64.conffiles", "/etc/libc.conf\nremove-on-upgrade /usr/bin/ldd\n"),
        ]);
        assert_eq!(names(&tree, "usr/bin/dash"), ["dash"]);
        assert_eq!(names(&tree, "usr/bin/ldd"), ["libc6:amd64"]);
        assert_eq!(names(&tree, "etc/libc.conf"), ["libc6:amd64 (configuration)"]);
        assert_eq!(names(&tree, "usr/bin/ash"), Vec::<String>::new());
    }

    #[test]
    fn diversions_move_the_files_of_others() {
        let tree = tree(&[
            ("var/lib/dpkg/info/old.list", "/usr/bin/tool\n"),
            ("var/lib/dpkg/info/new.list", "/usr/bin/tool\n"),
            ("var/lib/dpkg/diversions", "/bin/tool\n/bin/tool.old\nnew\n/x\n/y\n:\n"),
            ("var/lib/dpkg/info/x.list", "/x\n"),
        ]);
        assert_eq!(names(&tree, "usr/bin/tool"), ["new"]);
        assert_eq!(names(&tree, "usr/bin/tool.old"), ["old from /usr/bin/tool by new"]);
        assert_eq!(names(&tree, "y"), ["x from /x by the administrator"]);
        assert_eq!(names(&tree, "x"), Vec::<String>::new());
    }

    #[test]
    fn other_databases() {
        let tree = tree(&[
            ("var/lib/dpkg/status.d/tzdata.md5sums", "d41d8cd98f00b204e9800998ecf8427e  usr/share/zoneinfo/UTC\n"),
            ("lib/apk/db/installed", "P:busybox\nF:bin\nR:busybox\na:0:0:755\n\nP:other\nF:etc\nR:busybox\n"),
            ("opt/env/conda-meta/zlib-1.3-0.json", r#"{"name":"zlib","version":"1.3","files":["lib/libz.so"]}"#),
        ]);
        assert_eq!(names(&tree, "usr/share/zoneinfo/UTC"), ["tzdata"]);
        assert_eq!(names(&tree, "usr/bin/busybox"), ["busybox"]);
        assert_eq!(names(&tree, "opt/env/lib/libz.so"), ["zlib"]);
        assert_eq!(names(&tree, "lib/libz.so"), Vec::<String>::new());
    }
}
