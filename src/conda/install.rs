//! An environment: its packages' files together, and what `conda-meta` says of them.

use std::collections::BTreeMap;

use rattler_conda_types::PackageRecord;

use super::activate::with_variables;
use super::channel::Source;
use super::link::{Linked, Package, Place};
use super::metadata::Distributions;
use super::prune::Pruned;
use super::python::Python;
use super::record::{self, Provenance};
use super::wheel::{self, Wheel};
use super::{CondaError, clobber, environment};
use crate::epoch::Epoch;
use crate::lock::CondaPin;
use crate::recipe::CondaRequest;
use crate::store::Store;
use crate::tree::{Content, Inode, Origin, TreePath};

/// An installed environment.
#[derive(Clone, Debug)]
pub struct Environment {
    /// What people call it.
    pub name: String,
    /// Where it is in the image.
    pub prefix: TreePath,
    /// Its packages, those that others need first.
    pub packages: Vec<Installed>,
    /// `conda-meta` and what was made for the whole, by paths of the image.
    pub meta: Vec<(TreePath, Inode)>,
    /// Variables of its packages (`etc/conda/env_vars.d`) and, before these, of the environment file.
    pub variables: Vec<(String, String)>,
    /// The newest date of its packages.
    pub epoch: Epoch,
    /// What a person should look at.
    pub warnings: Vec<String>,
}

/// A package or wheel of an environment.
#[derive(Clone, Debug)]
pub struct Installed {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Whether the environment file asks for it by name.
    pub requested: bool,
    /// Its files by paths of the image, in their order.
    pub files: Vec<(TreePath, Inode)>,
    /// Bytes of its files.
    pub size: u64,
    /// The script that it wants to have run, in the image.
    pub post_link: Option<TreePath>,
}

/// Where an environment is in the image, as text and as a path.
struct Prefix<'a> {
    text: &'a str,
    path: TreePath,
}

/// Links `packages` and `wheels` into the environment of `pin`.
pub(super) fn install(
    packages: Vec<Package>,
    wheels: Vec<Wheel>,
    pin: &CondaPin,
    request: &CondaRequest,
    sources: &BTreeMap<String, Source>,
    latest: Option<Epoch>,
    store: &Store,
) -> Result<Environment, CondaError> {
    let prefix = Prefix { text: &pin.prefix, path: TreePath::new(&pin.prefix)? };
    let packages = in_order(packages)?;
    let python = packages.iter().find(|package| package.locked.name == "python").map(|p| Python::of(&p.index));
    let pruned = Pruned::new(&request.prune);
    let place = Place { prefix: prefix.text, python: python.as_ref(), pruned: &pruned, latest };
    let requested = requested(pin);
    let epoch = packages.iter().map(|package| package.date).max().unwrap_or_default();
    let mut environment = Environment {
        name: pin.name.clone(),
        prefix: prefix.path.clone(),
        packages: Vec::new(),
        meta: Vec::new(),
        variables: pin.variables.iter().filter_map(|line| line.split_once('=')).map(owned).collect(),
        epoch,
        warnings: Vec::new(),
    };
    let mut records = Vec::new();
    for package in &packages {
        let linked = package.link(&place)?;
        records.push((record_name(package), record_of(package, &linked, sources, &requested)));
        let is_requested = pin.specs.is_empty() || requested.contains_key(package.locked.name.as_str());
        environment.packages.push(installed(package, linked, &prefix, is_requested)?);
    }
    let mut needing = Vec::new();
    for wheel in wheels {
        let python = python.as_ref().ok_or_else(|| CondaError::NoPython { package: wheel.title() })?;
        let glibc = pin.virtual_packages.iter().find_map(|text| text.strip_prefix("__glibc=")?.split('=').next());
        let target = wheel::Target { python, platform: pin.platform, glibc, prefix: prefix.text, pruned: &pruned };
        let (files, metadata) = wheel.install(&target, store)?;
        needing.push((wheel.title(), metadata));
        environment.packages.push(Installed::new(wheel.name, wheel.version, true, files, &prefix.path)?);
    }
    if let Some(python) = &python {
        let there = Distributions::of(&environment.packages);
        for (wheel, metadata) in needing {
            let lacks = metadata.lacks(&there, python, wheel::machine(pin.platform));
            if !lacks.is_empty() {
                let lacks = lacks.join(", ");
                let warning = format!("the wheel {wheel} needs what the environment has not: {lacks}");
                environment.warnings.push(format!("{warning}; add it to the dependencies, or its wheel to `pip`"));
            }
        }
    }
    environment.warnings.extend(clobber::settle(&mut environment.packages));
    let made = Epoch::min(environment.epoch, latest.unwrap_or(environment.epoch));
    let mut put = |name: &str, bytes: Vec<u8>| -> Result<(), CondaError> {
        let inode = Inode::file(0o644, Content::bytes(bytes), Origin::Recipe("[[conda]]".into())).at(made);
        environment.meta.push((prefix.path.join(name)?, inode));
        Ok(())
    };
    for (name, bytes) in records {
        put(&format!("conda-meta/{name}"), bytes)?;
    }
    put("conda-meta/history", Vec::new())?;
    if !environment.variables.is_empty() {
        put("conda-meta/state", record::state(&environment.variables))?;
    }
    environment.variables = with_variables(&environment)?;
    Ok(environment)
}

impl Environment {
    /// All files of all packages, and what was made for the whole.
    pub fn files(&self) -> impl Iterator<Item = &(TreePath, Inode)> {
        self.packages.iter().flat_map(|package| &package.files).chain(&self.meta)
    }
}

impl Installed {
    fn new(
        name: String,
        version: String,
        requested: bool,
        files: Vec<(TreePath, Inode)>,
        prefix: &TreePath,
    ) -> Result<Self, CondaError> {
        let place = |(path, inode): (TreePath, Inode)| Ok::<_, CondaError>((prefix.join(path.as_bytes())?, inode));
        let mut files = files.into_iter().map(place).collect::<Result<Vec<_>, _>>()?;
        files.sort_by(|(one, _), (other, _)| one.cmp(other));
        let size = files.iter().filter_map(|(_, inode)| inode.content()).map(Content::size).sum();
        Ok(Self { name, version, requested, files, size, post_link: None })
    }
}

fn installed(package: &Package, linked: Linked, prefix: &Prefix<'_>, requested: bool) -> Result<Installed, CondaError> {
    let (name, version) = (package.locked.name.clone(), package.locked.version.clone());
    let post_link = linked.post_link.map(|path| prefix.path.join(path.as_bytes())).transpose()?;
    Ok(Installed { post_link, ..Installed::new(name, version, requested, linked.files, &prefix.path)? })
}

/// Those that others need first, and by name where that leaves a choice.
fn in_order(mut packages: Vec<Package>) -> Result<Vec<Package>, CondaError> {
    packages.sort_by(|one, other| one.locked.name.cmp(&other.locked.name));
    let record = |package: &Package| {
        PackageRecord::from_index_json(package.index.clone(), None, None, None)
            .map_err(|error| super::archive::damaged(&package.title(), error.to_string()))
    };
    let records = packages.iter().map(record).collect::<Result<Vec<_>, _>>()?;
    let sorted = PackageRecord::sort_topologically(records);
    let rank: BTreeMap<String, usize> =
        sorted.iter().enumerate().map(|(rank, record)| (record.name.as_normalized().to_owned(), rank)).collect();
    packages.sort_by_key(|package| rank.get(package.locked.name.as_str()).copied());
    Ok(packages)
}

/// The specs of the environment file by the name of the package.
fn requested(pin: &CondaPin) -> BTreeMap<String, Vec<String>> {
    let mut requested: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for text in &pin.specs {
        let spec = environment::spec(text);
        if let Some(name) = spec.as_ref().and_then(|spec| spec.name.as_exact()) {
            requested.entry(name.as_normalized().to_owned()).or_default().push(text.clone());
        }
    }
    requested
}

fn record_name(package: &Package) -> String {
    let locked = &package.locked;
    format!("{}-{}-{}.json", locked.name, locked.version, locked.build)
}

fn record_of(
    package: &Package,
    linked: &Linked,
    sources: &BTreeMap<String, Source>,
    requested: &BTreeMap<String, Vec<String>>,
) -> Vec<u8> {
    let locked = &package.locked;
    let channel = sources.get(&locked.channel).map(Source::shown).unwrap_or_default();
    let provenance = Provenance {
        channel: &channel,
        path: &locked.path,
        sha256: locked.sha256.hex(),
        size: locked.size,
        requested: requested.get(locked.name.as_str()).cloned().unwrap_or_default(),
    };
    record::record(&package.index_value, &linked.paths, &provenance)
}

fn owned((name, value): (&str, &str)) -> (String, String) {
    (name.to_owned(), value.to_owned())
}
