//! `explain PATH --image X`: what is at a path of an image, and who put it there.

use std::fmt::{self, Write};

use serde::Serialize;

use crate::context::Context;
use crate::digest::{DiffId, Digest};
use crate::error::Error;
use crate::inventory::{self, Owner};
use crate::ops::build::BuildOptions;
use crate::ops::facts::FileFacts;
use crate::ops::subject::{self, Held, Subject};
use crate::ops::watch::Changed;
use crate::package::{Manager, Package};
use crate::platform::AnyPlatform;
use crate::tree::{Inode, Origin, Tree, TreePath};

/// What to explain.
#[derive(Clone, Debug)]
pub struct ExplainOptions {
    /// The path in the image.
    pub path: String,
    /// The image, or the recipe of one: then passes and lines of the recipe are known too.
    pub image: Subject,
    /// The platform, where there are several.
    pub platform: Option<AnyPlatform>,
    /// How a recipe is built.
    pub build: BuildOptions,
}

/// What is known of a path.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// The version of this structure: `rootsmith.explain/1`.
    pub schema: &'static str,
    /// The image.
    pub image: String,
    /// The path that was asked for.
    pub path: String,
    /// Where it is once the links above it are followed, if that is elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// What is there; nothing where nothing is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub facts: Option<FileFacts>,
    /// Other names of the same file.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// Where a link leads in the end, and whether something is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leads_to: Option<LeadsTo>,
    /// Packages that say that it is theirs.
    pub owners: Vec<Owned>,
    /// Who put it there, as the build itself knows; nothing for a finished image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// What passes of the recipe did to it, in their order; nothing for a finished image.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Changed>,
    /// The layer that it is in; nothing for a recipe or a root filesystem alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layer: Option<InLayer>,
}

/// Where a symbolic link leads.
#[derive(Clone, Debug, Serialize)]
pub struct LeadsTo {
    /// The place.
    pub place: String,
    /// Whether something is there.
    pub exists: bool,
}

/// A package that says that a path is its own.
#[derive(Clone, Debug, Serialize)]
pub struct Owned {
    /// What its database says.
    #[serde(flatten)]
    pub owner: Owner,
    /// Its version, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// A layer and its place.
#[derive(Clone, Debug, Serialize)]
pub struct InLayer {
    /// Its number, from 1 for the base.
    pub number: usize,
    /// How many there are.
    pub of: usize,
    /// The digest of the layer as it is stored.
    pub digest: Digest,
    /// The digest of its uncompressed tar.
    pub diff_id: DiffId,
    /// How it was made, as the history of the image says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
}

/// Explains a path.
pub fn explain(options: &ExplainOptions, context: &Context) -> Result<Explanation, Error> {
    let wrong = |error: &dyn fmt::Display| Error::Usage {
        message: format!("cannot look for `{}`: {error}", options.path),
        help: "name a path of the image, such as `/usr/bin/env`".to_owned(),
    };
    let asked = TreePath::new(&options.path).map_err(|error| wrong(&error))?;
    let build = BuildOptions { watched: Some(asked.clone()), ..options.build.clone() };
    let held = subject::open(&options.image, options.platform.as_ref(), &build, context)?;
    let tree = &held.tree;
    let place = tree.resolve_parents(&asked).map_err(|error| wrong(&error))?;
    let inode = tree.get(&place);
    let facts = inode.map(FileFacts::of).transpose().map_err(|source| Error::Contents { source })?;
    let leads_to = inode.filter(|inode| inode.symlink_target().is_some()).map(|_| match tree.resolve(&place) {
        Ok(end) => LeadsTo { exists: tree.contains(&end), place: end.to_string() },
        Err(error) => LeadsTo { exists: false, place: error.to_string() },
    });
    Ok(Explanation {
        schema: "rootsmith.explain/1",
        image: held.name.clone(),
        path: asked.to_string(),
        place: (place != asked).then(|| place.to_string()),
        facts,
        names: names(tree, &place),
        leads_to,
        owners: owned(&held, &place)?,
        origin: inode.and_then(origin),
        changes: held.changes.clone(),
        layer: inode.and_then(|inode| layer(&held, inode)),
    })
}

impl Explanation {
    /// Some lines for a person; ends with a newline.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        self.write(&mut text).expect("a text takes everything");
        text
    }

    fn write(&self, out: &mut String) -> fmt::Result {
        match &self.place {
            Some(place) => writeln!(out, "{} is {place}", self.path)?,
            None => writeln!(out, "{}", self.path)?,
        }
        match &self.facts {
            Some(facts) => writeln!(out, "  {facts}")?,
            None => writeln!(out, "  is not in {}", self.image)?,
        }
        if let Some(digest) = self.facts.as_ref().and_then(|facts| facts.digest) {
            writeln!(out, "  {digest}")?;
        }
        if let Some(end) = &self.leads_to {
            writeln!(out, "  leads to {}{}", end.place, if end.exists { "" } else { ", where nothing is" })?;
        }
        for name in &self.names {
            writeln!(out, "  is also {name}")?;
        }
        for owned in &self.owners {
            let Owner { manager, package, configuration, diverted } = &owned.owner;
            let version = owned.version.as_deref().map(|version| format!(" {version}")).unwrap_or_default();
            let configuration = if *configuration { ", as a configuration file" } else { "" };
            let diverted =
                diverted.as_ref().map(|diverted| format!(", diverted from {} by {}", diverted.from, diverted.by));
            let of = crate::tree::escape(format!("{package}{version}").as_bytes());
            let diverted = diverted.unwrap_or_default();
            writeln!(out, "  of the package {of} ({}){configuration}{diverted}", manager_name(*manager))?;
        }
        if let Some(origin) = &self.origin {
            writeln!(out, "  put there by {origin}")?;
        }
        for Changed { pass, what } in &self.changes {
            writeln!(out, "  pass {pass}: {what}")?;
        }
        if self.owners.is_empty() && self.origin.is_none() && self.facts.is_some() {
            writeln!(out, "  of no package")?;
        }
        if self.facts.is_none() && !self.owners.is_empty() && self.changes.is_empty() {
            writeln!(out, "  left out of the image, or removed after the package was installed")?;
        }
        if let Some(InLayer { number, of, digest, created_by, .. }) = &self.layer {
            let by = created_by.as_deref().map(|by| format!(": {}", crate::tree::escape(by.as_bytes())));
            writeln!(out, "  in layer {number} of {of}, {digest}{}", by.unwrap_or_default())?;
        }
        Ok(())
    }
}

fn manager_name(manager: Manager) -> &'static str {
    match manager {
        Manager::Dpkg => "dpkg",
        Manager::Apk => "apk",
        Manager::Rpm => "rpm",
        Manager::Conda => "conda",
        Manager::Go => "go",
        Manager::Cargo => "cargo",
    }
}

/// The other names of the file at `place`.
fn names(tree: &Tree, place: &TreePath) -> Vec<String> {
    let Some(id) = tree.id(place).filter(|id| tree.link_count(*id) > 1) else { return Vec::new() };
    let others = tree.entries().filter(|entry| entry.id == id && entry.path != place);
    others.map(|entry| entry.path.to_string()).collect()
}

fn owned(held: &Held, place: &TreePath) -> Result<Vec<Owned>, Error> {
    let failed = |source| Error::Inventory { path: held.name.clone(), source };
    let owners = inventory::owners(&held.tree, place).map_err(failed)?;
    let packages = inventory::packages(&held.tree).map_err(failed)?;
    let version = |owner: &Owner| {
        let (name, architecture) = owner.package.split_once(':').unwrap_or((&owner.package, ""));
        let is_it = |package: &&Package| {
            package.manager == owner.manager
                && package.name == name
                && (architecture.is_empty() || package.architecture == architecture)
        };
        packages.iter().find(is_it).map(|package| package.version.clone())
    };
    Ok(owners.into_iter().map(|owner| Owned { version: version(&owner), owner }).collect())
}

/// What the build knows; what was only read from an image says nothing of who made it.
fn origin(inode: &Inode) -> Option<String> {
    match &inode.origin {
        Origin::Root | Origin::Import(_) => None,
        origin => Some(origin.to_string()),
    }
}

fn layer(held: &Held, inode: &Inode) -> Option<InLayer> {
    let Origin::Import(name) = &inode.origin else { return None };
    let layers = &held.image.as_ref()?.layers;
    let diff_id: DiffId = name.strip_prefix("layer ")?.parse().ok()?;
    let place = layers.iter().rposition(|layer| layer.diff_id == diff_id)?;
    let layer = &layers[place];
    let (digest, created_by) = (layer.digest, layer.created_by.clone());
    Some(InLayer { number: place + 1, of: layers.len(), digest, diff_id, created_by })
}
