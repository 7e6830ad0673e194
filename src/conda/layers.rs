//! Spreading an environment over layers.
//!
//! A package's layer depends on the package, the prefix and what is left out, and on nothing else: folders above files
//! have the same metadata in each, and what differs between environments, `conda-meta` above all, is in the last one. So
//! images with the same package share its layer.

use std::collections::BTreeMap;

use super::{CondaError, Environment, Installed};
use crate::digest::Digest;
use crate::recipe::LayerStrategy;
use crate::tree::{Content, Inode, Tree, TreePath};

/// How packages are spread.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    /// By which rule.
    pub strategy: LayerStrategy,
    /// At most so many layers, unless `max_size` needs more.
    pub max_layers: u32,
    /// At most so many bytes of files in each.
    pub max_size: Option<u64>,
}

/// A layer to be packed.
#[derive(Debug)]
pub struct PlannedLayer {
    /// What is in it, for the image's history: `curl 7.49.0`, `6 packages`.
    pub title: String,
    /// Its files, and the folders above them.
    pub tree: Tree,
}

/// From this size on a package has a layer of its own, in bytes: below, what a layer costs by itself counts more.
const LARGE: u64 = 4 << 20;

/// How many groups the small packages are spread over. It never changes with the environment, so that a package stays in
/// its group.
const GROUPS: usize = 8;

/// Packages that most environments have, those that change least first: what is shared most comes first, because an
/// engine keeps unpacked layers by what is below them.
const CORE: [&str; 30] = [
    "_libgcc_mutex",
    "_openmp_mutex",
    "libgcc-ng",
    "libgcc",
    "libstdcxx-ng",
    "libstdcxx",
    "libgomp",
    "libgfortran",
    "ld_impl_linux-64",
    "tzdata",
    "ca-certificates",
    "zlib",
    "libzlib",
    "bzip2",
    "xz",
    "liblzma",
    "zstd",
    "lz4-c",
    "ncurses",
    "readline",
    "libffi",
    "libuuid",
    "expat",
    "libexpat",
    "openssl",
    "sqlite",
    "libsqlite",
    "tk",
    "python",
    "numpy",
];

/// The layers of an environment, lowest first. There is always at least one.
pub fn plan(environment: &Environment, spread: &Spread) -> Result<Vec<PlannedLayer>, CondaError> {
    let most = usize::try_from(spread.max_layers).unwrap_or(1).max(1);
    let groups = match spread.strategy {
        LayerStrategy::Single => Vec::new(),
        LayerStrategy::PerPackage => per_package(&environment.packages, most - 1),
        LayerStrategy::Auto => auto(&environment.packages, most - 1),
    };
    let mut layers = Vec::new();
    if groups.is_empty() {
        let files = environment.files().collect();
        let title = format!("conda environment {}", environment.name);
        return split(&title, files, spread.max_size);
    }
    for group in groups {
        let files = group.iter().flat_map(|package| &package.files).collect();
        layers.extend(split(&title(&group), files, spread.max_size)?);
    }
    layers.extend(split(&format!("conda environment {}", environment.name), environment.meta.iter().collect(), None)?);
    Ok(layers)
}

type Group<'a> = Vec<&'a Installed>;

/// One layer a package, as far as the budget goes; the smallest share one.
fn per_package(packages: &[Installed], budget: usize) -> Vec<Group<'_>> {
    if budget == 0 {
        return Vec::new();
    }
    let mut by_size: Vec<&Installed> = packages.iter().collect();
    by_size.sort_by(|one, other| other.size.cmp(&one.size).then_with(|| one.name.cmp(&other.name)));
    let alone = if packages.len() > budget { budget - 1 } else { packages.len() };
    let (alone, rest) = by_size.split_at(alone);
    let mut groups: Vec<Group<'_>> = vec![alone.to_vec()];
    groups[0].sort_by_key(|package| order(package));
    let mut groups: Vec<Group<'_>> = groups.remove(0).into_iter().map(|package| vec![package]).collect();
    if !rest.is_empty() {
        groups.push(rest.to_vec());
    }
    groups
}

/// Large packages alone, the others in groups by a hash of their name, the asked-for ones last.
fn auto(packages: &[Installed], budget: usize) -> Vec<Group<'_>> {
    if budget == 0 {
        return Vec::new();
    }
    let groups = GROUPS.min(budget.div_ceil(2));
    let mut large: Vec<&Installed> = packages.iter().filter(|package| package.size >= LARGE).collect();
    large.sort_by(|one, other| other.size.cmp(&one.size).then_with(|| one.name.cmp(&other.name)));
    large.truncate(budget - groups);
    let names: Vec<&str> = large.iter().map(|package| package.name.as_str()).collect();
    let mut small: BTreeMap<usize, Group<'_>> = BTreeMap::new();
    for package in packages.iter().filter(|package| !names.contains(&package.name.as_str())) {
        small.entry(bucket(&package.name, groups)).or_default().push(package);
    }
    let (mut first, mut last): (Vec<&Installed>, Vec<&Installed>) =
        large.into_iter().partition(|package| !package.requested || rank(&package.name) < CORE.len());
    first.sort_by_key(|package| order(package));
    last.sort_by_key(|package| order(package));
    let alone = |package: &Installed| rank(&package.name) < CORE.len() && package.size >= LARGE;
    debug_assert!(last.iter().all(|package| !alone(package)));
    let one = |package| vec![package];
    first.into_iter().map(one).chain(small.into_values()).chain(last.into_iter().map(one)).collect()
}

/// Most shared first, then largest first.
fn order(package: &Installed) -> (usize, std::cmp::Reverse<u64>, String) {
    (rank(&package.name), std::cmp::Reverse(package.size), package.name.clone())
}

fn rank(name: &str) -> usize {
    CORE.iter().position(|core| *core == name).unwrap_or(CORE.len())
}

fn bucket(name: &str, groups: usize) -> usize {
    let hex = Digest::of(name.as_bytes()).hex();
    usize::from_str_radix(&hex[..4], 16).unwrap_or(0) % groups
}

fn title(group: &[&Installed]) -> String {
    match group {
        [one] => format!("conda package {} {}", one.name, one.version),
        several => format!("{} conda packages", several.len()),
    }
}

/// A layer of these files, or several where they are more than `most` bytes.
fn split(title: &str, mut files: Vec<&(TreePath, Inode)>, most: Option<u64>) -> Result<Vec<PlannedLayer>, CondaError> {
    files.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut trees = vec![Tree::new()];
    let mut size = 0;
    for (path, inode) in files {
        let more = inode.content().map_or(0, Content::size);
        if most.is_some_and(|most| size > 0 && size + more > most) {
            trees.push(Tree::new());
            size = 0;
        }
        size += more;
        let tree = trees.last_mut().expect("there is at least one");
        tree.insert_with_parents(path.clone(), inode.clone())?;
    }
    let count = trees.len();
    let named = |(index, tree)| {
        let part = if count > 1 { format!(", part {} of {count}", index + 1) } else { String::new() };
        PlannedLayer { title: format!("{title}{part}"), tree }
    };
    Ok(trees.into_iter().enumerate().map(named).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::epoch::Epoch;
    use crate::tree::Origin;

    fn package(name: &str, size: u64, requested: bool) -> Installed {
        let content = Content::bytes(vec![b'x'; 8]);
        let file = (TreePath::new(format!("opt/env/lib/{name}")).unwrap(), Inode::file(0o644, content, Origin::Root));
        Installed { name: name.into(), version: "1".into(), requested, files: vec![file], size, post_link: None }
    }

    fn environment(packages: Vec<Installed>) -> Environment {
        let record =
            (TreePath::literal("opt/env/conda-meta/history"), Inode::file(0o644, Content::empty(), Origin::Root));
        Environment {
            name: "demo".into(),
            prefix: TreePath::literal("opt/env"),
            packages,
            meta: vec![record],
            variables: Vec::new(),
            epoch: Epoch::default(),
            warnings: Vec::new(),
        }
    }

    fn titles(packages: Vec<Installed>, strategy: LayerStrategy, max_layers: u32) -> Vec<String> {
        let spread = Spread { strategy, max_layers, max_size: None };
        plan(&environment(packages), &spread).unwrap().into_iter().map(|layer| layer.title).collect()
    }

    fn some() -> Vec<Installed> {
        vec![
            package("app", 9 << 20, true),
            package("mkl", 90 << 20, false),
            package("python", 30 << 20, true),
            package("tiny", 1, false),
            package("zlib", 1, false),
        ]
    }

    #[test]
    fn what_is_shared_comes_first_and_what_is_asked_for_last() {
        let titles = titles(some(), LayerStrategy::Auto, 60);
        assert_eq!(titles[..2], ["conda package python 1", "conda package mkl 1"]);
        assert_eq!(titles[titles.len() - 2..], ["conda package app 1", "conda environment demo"]);
    }

    #[test]
    fn there_are_never_more_layers_than_allowed() {
        for strategy in [LayerStrategy::Auto, LayerStrategy::Single, LayerStrategy::PerPackage] {
            for most in 1..8 {
                let many: Vec<_> = (0..40).map(|n| package(&format!("p{n}"), n << 20, n % 3 == 0)).collect();
                let layers = titles(many, strategy, most);
                assert!(!layers.is_empty() && layers.len() <= most as usize, "{strategy:?} {most}: {layers:?}");
            }
        }
        assert_eq!(titles(some(), LayerStrategy::PerPackage, 60).len(), 6);
        assert_eq!(titles(some(), LayerStrategy::Single, 60), ["conda environment demo"]);
    }

    #[test]
    fn a_package_has_the_same_layer_beside_others() {
        let spread = Spread { strategy: LayerStrategy::PerPackage, max_layers: 60, max_size: None };
        let text = |packages: Vec<Installed>| {
            let layers = plan(&environment(packages), &spread).unwrap();
            layers.into_iter().find(|layer| layer.title.contains("zlib")).map(|layer| layer.tree.to_text())
        };
        assert_eq!(text(some()).unwrap().unwrap(), text(vec![package("zlib", 1, true)]).unwrap().unwrap());
    }

    #[test]
    fn large_layers_are_split() {
        let spread = Spread { strategy: LayerStrategy::Single, max_layers: 1, max_size: Some(10) };
        let layers = plan(&environment(some()), &spread).unwrap();
        assert_eq!(layers.len(), 5);
        assert_eq!(layers[0].title, "conda environment demo, part 1 of 5");
    }
}
