//! `[[conda]]`: environments as further layers, where this program was built with them.

#[cfg(feature = "conda")]
mod forge;
#[cfg(not(feature = "conda"))]
mod missing;

use serde_json::{Value, json};

#[cfg(feature = "conda")]
pub(super) use forge::{add, layers, pin, resolve};
#[cfg(not(feature = "conda"))]
pub(super) use missing::{add, layers, pin, resolve};

use crate::digest::Digest;
use crate::epoch::Epoch;
use crate::error::Error;
use crate::image::{ImageConfig, Layer};
use crate::platform::Platform;
use crate::recipe::CondaRequest;
use crate::tree::{Inode, Tree, TreePath};

/// What environments add to an image.
#[derive(Clone, Debug, Default)]
pub(super) struct Added {
    /// Their layers, lowest first.
    pub(super) layers: Vec<Layer>,
    /// The files in them, by paths of the image.
    pub(super) files: Vec<(TreePath, Inode)>,
    /// Folders that are, with all in them, somebody else's than root's.
    owned: Vec<(TreePath, (u32, u32))>,
    /// The newest date of their packages.
    pub(super) epoch: Epoch,
    /// Folders of programs, those first that are looked into first.
    path: Vec<String>,
    /// Folders of programs that are looked into last.
    behind: Vec<String>,
    /// Variables beside `PATH`.
    variables: Vec<(String, String)>,
    /// Programs that start the image's own.
    entrypoint: Vec<String>,
}

/// Gives a folder, and all in it, to an owner.
fn give(tree: &mut Tree, folder: &TreePath, (uid, gid): (u32, u32)) {
    let below: Vec<_> = tree.below(folder).map(|entry| entry.id).chain(tree.id(folder)).collect();
    for id in below {
        let meta = &mut tree.inode_mut(id).meta;
        (meta.uid, meta.gid) = (uid, gid);
    }
}

impl Added {
    /// Adds another environment. Where both say something of the same, the earlier one is right.
    #[cfg(feature = "conda")]
    fn append(&mut self, other: Self) {
        self.layers.extend(other.layers);
        self.files.extend(other.files);
        self.owned.extend(other.owned);
        self.epoch = self.epoch.max(other.epoch);
        self.path.extend(other.path);
        self.behind.extend(other.behind);
        for (name, value) in other.variables {
            if !self.variables.iter().any(|(known, _)| *known == name) {
                self.variables.push((name, value));
            }
        }
        // Each sets variables and starts the next: the last has the last word.
        self.entrypoint.splice(0..0, other.entrypoint);
    }

    /// Puts the files on the root filesystem that they are for.
    pub(super) fn put(&self, tree: &mut Tree) -> Result<(), Error> {
        for (path, inode) in &self.files {
            tree.insert_with_parents(path.clone(), inode.clone())?;
        }
        for (folder, ids) in &self.owned {
            give(tree, folder, *ids);
        }
        Ok(())
    }

    /// Says in `config` how programs of the environments are found. What it says itself of a variable stays.
    pub(super) fn announce(&self, config: &mut ImageConfig) {
        if self.path.is_empty() {
            return;
        }
        let own = [self.path.join(":"), config.path()];
        let path = own.iter().chain(&self.behind).map(String::as_str).collect::<Vec<_>>().join(":");
        config.env.retain(|(name, _)| name != "PATH");
        let new = self.variables.iter().filter(|(name, _)| config.env.iter().all(|(known, _)| known != name));
        let own: Vec<_> = [("PATH".to_owned(), path)].into_iter().chain(new.cloned()).collect();
        config.env.splice(0..0, own);
        if !self.entrypoint.is_empty() {
            let mut whole = config.whole_entrypoint();
            let place = after_init(&whole);
            whole.splice(place..place, self.entrypoint.iter().cloned());
            config.entrypoint = whole;
        }
    }
}

/// Where in an entrypoint another program goes: an init stays before all, `/usr/bin/tini -g --`.
fn after_init(entrypoint: &[String]) -> usize {
    let is_init =
        |word: &String| ["tini", "tini-static", "dumb-init"].contains(&word.rsplit('/').next().unwrap_or(word));
    match entrypoint {
        [init, options @ ..] if is_init(init) => {
            let dashes = options.iter().position(|word| word == "--").map(|at| at + 2);
            dashes.unwrap_or_else(|| 1 + options.iter().take_while(|word| word.starts_with('-')).count())
        }
        _ => 0,
    }
}

/// The same for an environment on a finished image.
pub(super) fn asked_of_layer(request: &CondaRequest, platform: Platform) -> Digest {
    let what = json!({ "conda": asked(request), "platform": platform.to_string() });
    Digest::of(&crate::oci::canonical_json(&what))
}

/// All that decides which packages are chosen.
pub(super) fn asked(request: &CondaRequest) -> Value {
    json!({
        "text": Digest::of(request.text.as_bytes()).to_string(),
        "environment": request.environment_name,
        "prefix": request.prefix.as_str(),
        "channels": request.channels,
        "allowed": request.allowed_channels,
        "priority": format!("{:?}", request.channel_priority),
        "exclude-newer": request.exclude_newer.as_ref().map(|newer| newer.seconds()),
        "virtual": request.virtual_packages,
    })
}

#[cfg(all(test, feature = "conda"))]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn an_init_stays_first() {
        for (entrypoint, place) in
            [("/usr/bin/tini --", 2), ("tini -g -- app", 3), ("/tini -g app", 2), ("dumb-init app", 1), ("app -- x", 0)]
        {
            assert_eq!(after_init(&words(entrypoint)), place, "{entrypoint}");
        }
    }

    #[test]
    fn the_first_environment_has_its_way_and_the_image_before_it() {
        let one = |name: &str| Added {
            path: vec![format!("/{name}/bin")],
            behind: vec![format!("/{name}/last")],
            variables: vec![
                ("CONDA_PREFIX".into(), format!("/{name}")),
                (name.into(), "1".into()),
                ("SET".into(), "x".into()),
            ],
            entrypoint: vec![format!("/{name}/start")],
            ..Added::default()
        };
        let mut all = Added::default();
        all.append(one("first"));
        all.append(one("second"));
        let mut config = ImageConfig {
            env: vec![("SET".into(), "own".into())],
            entrypoint: words("/usr/bin/tini --"),
            ..ImageConfig::default()
        };
        all.announce(&mut config);
        assert!(config.env[0].1.starts_with("/first/bin:/second/bin:/usr/local/sbin:"), "{:?}", config.env);
        assert!(config.env[0].1.ends_with("/bin:/first/last:/second/last"), "{:?}", config.env);
        let value = |name: &str| {
            config.env.iter().filter(|(known, _)| known == name).map(|(_, value)| value).collect::<Vec<_>>()
        };
        assert_eq!(value("CONDA_PREFIX"), ["/first"]);
        assert_eq!(value("second"), ["1"]);
        assert_eq!(value("SET"), ["own"]);
        assert_eq!(config.entrypoint.join(" "), "/usr/bin/tini -- /second/start /first/start");
        let mut untouched = ImageConfig::default();
        Added::default().announce(&mut untouched);
        assert_eq!(untouched, ImageConfig::default());
    }
}
