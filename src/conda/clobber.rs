//! Paths that several packages of an environment have: each goes to one of them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use super::Installed;
use crate::tree::TreePath;

/// Who has a path, as far as packages were looked at.
enum Owner {
    /// A file, link or anything else that has nothing below: one package's.
    File(usize),
    /// A directory that packages name: it is theirs together.
    Directory(BTreeSet<usize>),
}

/// What a package lost to another.
#[derive(Default)]
struct Loss {
    /// Where they meet, and whether one has a directory there.
    places: BTreeMap<TreePath, bool>,
    /// What goes from the loser.
    paths: BTreeSet<TreePath>,
}

/// What is lost to whom: loser and winner by their places.
type Losses = BTreeMap<(usize, usize), Loss>;

/// Gives each path to one package: of two that have it, to the one that comes later, as conda does. So it is where one has
/// a file and the other a directory at its place, with all that is below. Says what a person should know of it.
pub(super) fn settle(packages: &mut [Installed]) -> Vec<String> {
    let mut owners: BTreeMap<TreePath, Owner> = BTreeMap::new();
    let mut losses = Losses::new();
    for (index, package) in packages.iter().enumerate() {
        for (path, inode) in &package.files {
            clear_above(&mut owners, &mut losses, path, index);
            if inode.is_directory() {
                put_directory(&mut owners, &mut losses, path, index);
            } else {
                clear_below(&mut owners, &mut losses, path, index);
                put_file(&mut owners, &mut losses, path, index);
            }
        }
    }
    let mut warnings = Vec::new();
    for ((loser, winner), loss) in losses {
        warnings.push(loss.told(&packages[loser].name, &packages[winner].name));
        packages[loser].files.retain(|(path, _)| !loss.paths.contains(path));
    }
    warnings
}

/// Others lose their files where `path` needs directories.
fn clear_above(owners: &mut BTreeMap<TreePath, Owner>, losses: &mut Losses, path: &TreePath, index: usize) {
    let mut above = path.parent();
    while let Some(place) = above {
        if let Some(Owner::File(loser)) = owners.get(&place)
            && *loser != index
        {
            lose(losses, (*loser, index), &place, true, &place);
            owners.remove(&place);
        }
        above = place.parent();
    }
}

/// Others lose what they have below the file `path`.
fn clear_below(owners: &mut BTreeMap<TreePath, Owner>, losses: &mut Losses, path: &TreePath, index: usize) {
    let first = [path.as_bytes(), b"/"].concat();
    let below = owners.range::<[u8], _>((Bound::Included(first.as_slice()), Bound::Unbounded));
    let below: Vec<TreePath> =
        below.map(|(below, _)| below.clone()).take_while(|below| below.starts_with(path)).collect();
    for lost in below {
        for loser in owners.remove(&lost).iter().flat_map(Owner::packages).filter(|loser| *loser != index) {
            lose(losses, (loser, index), path, true, &lost);
        }
    }
}

fn put_directory(owners: &mut BTreeMap<TreePath, Owner>, losses: &mut Losses, path: &TreePath, index: usize) {
    match owners.get_mut(path) {
        Some(Owner::Directory(packages)) => drop(packages.insert(index)),
        before => {
            if let Some(Owner::File(loser)) = before
                && *loser != index
            {
                lose(losses, (*loser, index), path, true, path);
            }
            owners.insert(path.clone(), Owner::Directory(BTreeSet::from([index])));
        }
    }
}

fn put_file(owners: &mut BTreeMap<TreePath, Owner>, losses: &mut Losses, path: &TreePath, index: usize) {
    let Some(before) = owners.insert(path.clone(), Owner::File(index)) else { return };
    let is_directory = matches!(before, Owner::Directory(_));
    for loser in before.packages().into_iter().filter(|loser| *loser != index) {
        lose(losses, (loser, index), path, is_directory, path);
    }
}

fn lose(losses: &mut Losses, who: (usize, usize), place: &TreePath, is_directory: bool, lost: &TreePath) {
    let loss = losses.entry(who).or_default();
    loss.places.insert(place.clone(), is_directory);
    loss.paths.insert(lost.clone());
}

impl Owner {
    fn packages(&self) -> Vec<usize> {
        match self {
            Self::File(package) => vec![*package],
            Self::Directory(packages) => packages.iter().copied().collect(),
        }
    }
}

impl Loss {
    fn told(&self, lost: &str, won: &str) -> String {
        let (place, is_directory) = self.places.first_key_value().expect("nothing is lost nowhere");
        let more = if self.places.len() > 1 { format!(" and {} more", self.places.len() - 1) } else { String::new() };
        match is_directory {
            true => format!(
                "the conda packages {lost} and {won} have a file and a directory at `{place}`{more}: that of {won} is in \
                 the image"
            ),
            false => {
                format!("the conda packages {lost} and {won} both have `{place}`{more}: that of {won} is in the image")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Content, Inode, Origin};

    /// A package with these files; one that ends with a slash is a directory.
    fn package(name: &str, paths: &[&str]) -> Installed {
        let file = |path: &&str| {
            let inode = match path.ends_with('/') {
                true => Inode::directory(0o755, Origin::Root),
                false => Inode::file(0o644, Content::empty(), Origin::Root),
            };
            (TreePath::new(path.trim_end_matches('/')).unwrap(), inode)
        };
        let files = paths.iter().map(file).collect();
        Installed { name: name.into(), version: "1".into(), requested: true, files, size: 0, post_link: None }
    }

    /// What is left of each package, and the warnings.
    fn settled(packages: &[&[&str]]) -> (Vec<String>, Vec<String>) {
        let numbered = packages.iter().enumerate().map(|(at, paths)| package(&format!("x{}", at + 1), paths));
        let mut packages: Vec<Installed> = numbered.collect();
        let warnings = settle(&mut packages);
        let paths = |package: &Installed| package.files.iter().map(|(path, _)| path.to_string()).collect::<Vec<_>>();
        (packages.iter().map(|package| paths(package).join(" ")).collect(), warnings)
    }

    #[test]
    fn the_later_package_has_the_file() {
        let (files, warnings) = settled(&[&["a", "b", "own"], &["a", "b"]]);
        assert_eq!(files, ["/own", "/a /b"]);
        assert_eq!(warnings, ["the conda packages x1 and x2 both have `/a` and 1 more: that of x2 is in the image"]);
        assert_eq!(settled(&[&["share/", "share/a"], &["share/", "share/b"]]).1.len(), 0);
    }

    #[test]
    fn a_file_and_a_directory_at_one_place_are_a_clobber_too() {
        let (files, warnings) = settled(&[&["share/n"], &["share/n/f"]]);
        assert_eq!(files, ["", "/share/n/f"]);
        let told = "the conda packages x1 and x2 have a file and a directory at `/share/n`: that of x2 is in the image";
        assert_eq!(warnings, [told]);
        let (files, warnings) =
            settled(&[&["share/n-o", "share/n/", "share/n/f", "share/n/g/h", "share/no"], &["share/n"]]);
        assert_eq!(files, ["/share/n-o /share/no", "/share/n"]);
        assert_eq!(warnings, [told]);
        assert_eq!(settled(&[&["n"], &["n/"]]).0, ["", "/n"]);
        assert_eq!(settled(&[&["n/"], &["n"]]).0, ["", "/n"]);
        let (files, warnings) = settled(&[&["n"], &["n/f"], &["n"]]);
        assert_eq!((files, warnings.len()), (vec![String::new(), String::new(), "/n".to_owned()], 2));
    }
}
