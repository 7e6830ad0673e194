//! The recipe: what a person wants, as checked values.
//!
//! [`load()`] reads a recipe, the files that it extends and a variant, and gives either a [`Recipe`] or every mistake in
//! them at once. One table of keys (`shape`) says what may stand where; checking, merging, decoding and the JSON schema
//! all read it.

mod apk;
mod archive;
mod conda;
mod debian;
mod dnf;
mod dpkg_patterns;
mod fields;
mod file;
mod from;
mod harden;
mod host;
mod image;
mod load;
mod merge;
mod mistake;
mod oci;
mod os_release;
mod path_rules;
mod path_set;
mod places;
mod prune;
mod schema;
mod scratch;
mod shape;
mod template;
mod value;
mod words;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

pub use apk::{ApkPackage, ApkPlace, ApkRepository, ApkRequest, ApkScripts};
pub use archive::{ArchiveInput, ArchivePlace, ArchiveRequest, ArchiveUrl};
pub use conda::{
    Activate, Bytecode, ChannelPriority, CondaPrefix, CondaPreset, CondaRequest, ExcludeNewer, LayerStrategy, PostLink,
};
pub use debian::{
    DebconfAnswer, DebianEngine, DebianRequest, DebianVariant, Distribution, PackageList, PackagePattern,
    PackageRequest, Repository, RepositoryUrl, SliceRequest, Snapshot, Trust,
};
pub use dnf::{
    DatabaseFormat, DnfRepository, DnfRequest, DnfShape, KeySources, ModuleStream, RepositoryPlace, RpmDistribution,
};
pub use file::{FileEntry, FileKind, RunStep};
pub use from::SourceRequest;
pub use harden::{Harden, Init, Setuid, TINI_PLACES, UserRequest};
pub use host::{Allowance, CAPTURE_PRESETS, CapturePreset, HostRequest, Kept, Mounts, SECRET_RULES, path_set};
pub use image::{Compression, ImageSettings, LayerSettings, Port, StopSignal};
pub use load::{is_stream, load, load_text};
pub use mistake::{Mistake, Problem, RecipeErrors};
pub use oci::{ImageLocation, OciRequest};
pub use os_release::os_release_order;
pub use path_rules::PathRules;
pub use path_set::PathSet;
pub use places::{Places, Said};
pub use prune::{PathPattern, Preset, Prune};
pub use schema::schema;
pub use scratch::ScratchRequest;
pub use template::{Template, TemplateValues};
pub use words::{Device, ImagePath, MAX_ID, Misfit, Mode, Owner, Principal, UserName};

use crate::epoch::Epoch;
use crate::platform::Platform;

/// A checked recipe. Paths of local files are joined to the folder of the file that names them, and were there when it
/// was read.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// The image's name; `/` may be in it.
    pub name: String,
    /// What the image is, in a line.
    pub description: Option<String>,
    /// The variant that was chosen.
    pub variant: Option<String>,
    /// The variants that there are, in the order of their names.
    pub variants: Vec<String>,
    /// What it is made for; never empty, and more than one only where the source builds for any.
    pub platforms: Vec<Platform>,
    /// Where the root filesystem comes from.
    pub source: SourceRequest,
    /// `[[file]]`, in order.
    pub files: Vec<FileEntry>,
    /// `[[run]]`, in order.
    pub runs: Vec<RunStep>,
    /// `[[conda]]`, in order.
    pub conda: Vec<CondaRequest>,
    /// What is left out.
    pub prune: Prune,
    /// What makes it harder to misuse.
    pub harden: Harden,
    /// PEM files of certificate authorities to trust.
    pub certificates: Vec<PathBuf>,
    /// What `/etc/os-release` says, beside what is there; an empty value takes a key out.
    pub os_release: BTreeMap<String, String>,
    /// What the image says.
    pub image: ImageSettings,
    /// How the layer is written.
    pub layer: LayerSettings,
    /// The recipe itself, then the files that it extends, nearest first.
    pub sources: Vec<PathBuf>,
    /// The folder of the recipe, where its lock is.
    pub folder: PathBuf,
    /// Where it says what.
    pub places: Places,
    /// Things to look at that do not stop the build.
    pub warnings: Arc<[Problem]>,
    /// Local archives that are not there: [`Recipe::check_absent`].
    absent: Arc<[Problem]>,
}

impl Recipe {
    /// What a recipe says that has only a name and a source: nothing is pruned, hardened or put into the image.
    pub fn plain(name: &str, platform: Platform, source: SourceRequest) -> Self {
        Self {
            name: name.to_owned(),
            description: None,
            variant: None,
            variants: Vec::new(),
            platforms: vec![platform],
            source,
            files: Vec::new(),
            runs: Vec::new(),
            conda: Vec::new(),
            prune: Prune::default(),
            harden: Harden::default(),
            certificates: Vec::new(),
            os_release: BTreeMap::new(),
            image: ImageSettings::default(),
            layer: LayerSettings::default(),
            sources: Vec::new(),
            folder: PathBuf::new(),
            warnings: Arc::default(),
            absent: Arc::default(),
            places: Places::default(),
        }
    }

    /// The mistake that local archives of the recipe are, that were not there when it was read. Reading it does not fail for
    /// them: a lock that fits, and a store that has what it names, make up for them. For those who need the archives.
    pub fn check_absent(&self) -> Result<(), RecipeErrors> {
        let recipe = self.sources.first().cloned().unwrap_or_default();
        let problems = Arc::clone(&self.absent);
        if problems.is_empty() { Ok(()) } else { Err(RecipeErrors { recipe, problems }) }
    }

    /// The recipe for one of its platforms alone, with the files that are for it.
    pub fn on(&self, platform: Platform) -> Self {
        let files =
            self.files.iter().filter_map(|file| Some(FileEntry { what: file.what.on(platform)?, ..file.clone() }));
        Self { platforms: vec![platform], files: files.collect(), ..self.clone() }
    }

    /// The image's tags with their holes filled: those of the recipe, or `latest`, or the variant's name where one was
    /// chosen and the recipe has no tags.
    pub fn tags(&self, epoch: Epoch) -> Result<Vec<String>, Misfit> {
        let Some(templates) = &self.image.tags else {
            return Ok(vec![self.variant.clone().unwrap_or_else(|| "latest".to_owned())]);
        };
        templates.iter().filter_map(|template| self.fill(template, epoch).transpose()).collect()
    }

    /// A tag with its holes filled by what the recipe says; nothing where it does not say it.
    pub fn fill(&self, template: &Template, epoch: Epoch) -> Result<Option<String>, Misfit> {
        let (suite, variant) = (self.source.suite(), self.variant.as_deref());
        template.expand(&TemplateValues { name: &self.name, suite, variant, epoch })
    }

    /// The image's entrypoint: the recipe's, with the init before it by its absolute path `init`, unless it starts with
    /// one of that name.
    pub fn entrypoint(&self, init: &str) -> Vec<String> {
        self.with_init(init, self.image.entrypoint.clone())
    }

    /// An entrypoint `own` with the init before it, by the same rule.
    pub fn with_init(&self, init: &str, own: Vec<String>) -> Vec<String> {
        let first = own.first().map_or("", |program| program.rsplit('/').next().unwrap_or(program));
        match self.harden.init {
            Init::Tini if first != "tini" => [vec![init.to_owned(), "--".to_owned()], own].concat(),
            Init::Tini => [vec![init.to_owned()], own[1..].to_vec()].concat(),
            Init::None => own,
        }
    }

    /// The image's `User`: that of `[image]`, else the numbers of `[harden]`'s, which need no lookup; else none.
    pub fn user(&self) -> Option<String> {
        let own = self.image.user.as_ref().map(|owner| match &owner.group {
            Some(group) => format!("{}:{group}", owner.user),
            None => owner.user.to_string(),
        });
        own.or_else(|| self.harden.user.as_ref().map(|user| format!("{}:{}", user.uid, user.gid)))
    }

    /// The files and folders of the host whose bytes enter the image.
    pub fn local_files(&self) -> Vec<PathBuf> {
        let copied = self.files.iter().flat_map(|file| match &file.what {
            FileKind::Copy(path) => vec![path.clone()],
            FileKind::CopyByPlatform(paths) => paths.values().cloned().collect(),
            _ => Vec::new(),
        });
        let packages = match &self.source {
            SourceRequest::Debian(debian) => debian.local.as_slice(),
            _ => &[],
        };
        copied.chain(self.certificates.iter().cloned()).chain(packages.iter().cloned()).collect()
    }
}

#[cfg(test)]
mod tests;
