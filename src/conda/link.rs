//! Linking a package: from its own files to those of an environment.

use std::convert::Infallible;

use rattler_conda_types::package::{
    FileMode, Files as FileList, HasPrefix, IndexJson, LinkJson, NoArchLinks, PackageFile, PathType, PathsEntry,
    PathsJson,
};
use serde_json::Value;

use super::CondaError;
use super::archive::{Files, damaged};
use super::placeholder::{in_binary, in_text};
use super::prune::Pruned;
use super::python::Python;
use super::record::RecordedPath;
use crate::digest::{Digest, to_hex};
use crate::epoch::Epoch;
use crate::lock::LockedConda;
use crate::tree::{Content, Inode, Meta, Node, Origin, TreePath};

/// A package, unpacked and understood.
pub(super) struct Package {
    pub(super) locked: LockedConda,
    pub(super) index: IndexJson,
    /// The same as it is in the package.
    pub(super) index_value: Value,
    paths: PathsJson,
    entry_points: Option<LinkJson>,
    files: Files,
    /// When it was made: its own date, else that of its newest file.
    pub(super) date: Epoch,
}

/// A package's files in an environment.
pub(super) struct Linked {
    /// By their paths below the prefix, owned by root, with modes of 0755 or 0644.
    pub(super) files: Vec<(TreePath, Inode)>,
    pub(super) paths: Vec<RecordedPath>,
    /// Scripts that want to be run, below the prefix: `bin/.NAME-post-link.sh`.
    pub(super) post_link: Option<TreePath>,
}

/// Where packages are linked to.
pub(super) struct Place<'a> {
    /// With its leading slash.
    pub(super) prefix: &'a str,
    pub(super) python: Option<&'a Python>,
    pub(super) pruned: &'a Pruned,
    /// No file is later than this.
    pub(super) latest: Option<Epoch>,
}

impl Package {
    /// Reads what a package says of itself.
    pub(super) fn read(locked: LockedConda, files: Files) -> Result<Self, CondaError> {
        let title = title(&locked);
        let wrong = |what: &str, error: &dyn std::fmt::Display| damaged(&title, format!("its `info/{what}`: {error}"));
        let text = |name: &str| -> Result<Option<String>, CondaError> {
            let path = TreePath::new(format!("info/{name}"))?;
            let Some(content) = files.get(&path).and_then(|inode| inode.content()) else { return Ok(None) };
            let bytes = content.read().map_err(|error| wrong(name, &error))?;
            String::from_utf8(bytes).map(Some).map_err(|error| wrong(name, &error))
        };
        let index_text =
            text("index.json")?.ok_or_else(|| damaged(&title, "it has no `info/index.json`".to_owned()))?;
        let index = IndexJson::from_str(&index_text).map_err(|error| wrong("index.json", &error))?;
        let index_value: Value = serde_json::from_str(&index_text).map_err(|error| wrong("index.json", &error))?;
        let found = (index.name.as_normalized().to_owned(), index.version.to_string(), index.build.to_string());
        if found.0 != locked.name || found.1 != locked.version || found.2 != locked.build {
            return Err(damaged(&title, format!("it is {} {} ({}) inside", found.0, found.1, found.2)));
        }
        let paths = match text("paths.json")? {
            Some(text) => PathsJson::from_str(&text).map_err(|error| wrong("paths.json", &error))?,
            None => {
                let list = text("files")?.unwrap_or_default();
                let list = FileList::from_str(&list).map_err(|error| wrong("files", &error))?;
                let prefixes = text("has_prefix")?.map(|text| HasPrefix::from_str(&text)).transpose();
                let prefixes = prefixes.map_err(|error| wrong("has_prefix", &error))?;
                let kind = |path: &std::path::Path| Ok::<_, Infallible>(kind_of(&files, path));
                let Ok(paths) = PathsJson::from_deprecated(list, prefixes, None, None, kind);
                paths
            }
        };
        let entry_points = text("link.json")?.map(|text| LinkJson::from_str(&text)).transpose();
        let entry_points = entry_points.map_err(|error| wrong("link.json", &error))?;
        let stamp = index.timestamp.map(|stamp| jiff::Timestamp::from(stamp).as_second());
        let newest = || files.values().map(|inode| inode.meta.mtime).max().unwrap_or_default();
        let date = Epoch::from_seconds(stamp.unwrap_or_else(newest));
        Ok(Self { locked, index, index_value, paths, entry_points, files, date })
    }

    /// For messages.
    pub(super) fn title(&self) -> String {
        title(&self.locked)
    }

    /// Links it.
    pub(super) fn link(&self, place: &Place<'_>) -> Result<Linked, CondaError> {
        let python = match self.index.noarch.is_python() {
            true => Some(place.python.ok_or_else(|| CondaError::NoPython { package: self.title() })?),
            false => None,
        };
        let mut linked = Linked { files: Vec::new(), paths: Vec::new(), post_link: None };
        let script = format!("bin/.{}-post-link.sh", self.locked.name);
        let mut entries: Vec<&PathsEntry> = self.paths.paths.iter().collect();
        entries.sort_by(|a, b| a.relative_path.cmp(&b.relative_path));
        entries.dedup_by(|a, b| a.relative_path == b.relative_path);
        for entry in entries {
            let (path, inode, recorded) = self.entry(entry, place, python)?;
            if path.as_bytes() == script.as_bytes() {
                linked.post_link = Some(path.clone());
            }
            // A script to be run at the end keeps what it was made for.
            if place.pruned.drops(&path) && linked.post_link.as_ref() != Some(&path) {
                continue;
            }
            linked.files.push((path, inode));
            linked.paths.push(recorded);
        }
        if let (Some(python), Some(LinkJson { noarch: NoArchLinks::Python(points), .. })) = (python, &self.entry_points)
        {
            for point in &points.entry_points {
                let (path, text) = python.entry_point(place.prefix, point)?;
                let bytes = text.into_bytes();
                linked.paths.push(RecordedPath {
                    path: String::from_utf8_lossy(path.as_bytes()).into_owned(),
                    kind: "unix_python_entry_point",
                    sha256: None,
                    sha256_in_prefix: Some(Digest::of(&bytes).hex()),
                    size: Some(bytes.len() as u64),
                    placeholder: None,
                });
                let meta = Meta { mtime: self.time(self.date.seconds(), place), ..Meta::new(0o755) };
                linked
                    .files
                    .push((path, Inode { meta, node: Node::File(Content::bytes(bytes)), origin: self.origin() }));
            }
        }
        Ok(linked)
    }

    fn entry(
        &self,
        entry: &PathsEntry,
        place: &Place<'_>,
        python: Option<&Python>,
    ) -> Result<(TreePath, Inode, RecordedPath), CondaError> {
        let written = entry.relative_path.to_string_lossy().into_owned();
        let source = TreePath::new(&written)?;
        let path = match python {
            Some(python) => python.place(&source)?,
            None => source.clone(),
        };
        let kind = match entry.path_type {
            PathType::HardLink => "hardlink",
            PathType::SoftLink => "softlink",
            PathType::Directory => "directory",
        };
        let mut recorded = RecordedPath {
            path: String::from_utf8_lossy(path.as_bytes()).into_owned(),
            kind,
            sha256: entry.sha256.map(|hash| to_hex(&hash)),
            sha256_in_prefix: None,
            size: entry.size_in_bytes,
            placeholder: None,
        };
        let missing = || damaged(&self.title(), format!("it lists `{written}`, which is not in it"));
        let found = match self.files.get(&source) {
            Some(found) => found,
            // An empty directory needs no entry of its own.
            None if entry.path_type == PathType::Directory => {
                return Ok((path, Inode::directory(0o755, self.origin()), recorded));
            }
            None => return Err(missing()),
        };
        let mut mode = if found.meta.mode & 0o111 != 0 { 0o755 } else { 0o644 };
        let mut mtime = self.time(found.meta.mtime, place);
        let node = match (&found.node, &entry.prefix_placeholder) {
            (Node::File(content), Some(placeholder)) => {
                let unreadable = |source| CondaError::Content { package: self.title(), path: written.clone(), source };
                let bytes = content.read().map_err(unreadable)?;
                let (from, to) = (placeholder.placeholder.as_bytes(), place.prefix.as_bytes());
                let too_long = || CondaError::PrefixTooLong {
                    prefix: place.prefix.to_owned(),
                    path: written.clone(),
                    package: self.title(),
                    room: from.len(),
                };
                let (bytes, how) = match placeholder.file_mode {
                    FileMode::Text => (in_text(&bytes, from, to), "text"),
                    FileMode::Binary => (in_binary(&bytes, from, to).ok_or_else(too_long)?, "binary"),
                };
                recorded.sha256_in_prefix = Some(Digest::of(&bytes).hex());
                recorded.placeholder = Some((placeholder.placeholder.clone(), how));
                Node::File(Content::bytes(bytes))
            }
            (Node::File(content), None) => Node::File(content.clone()),
            (Node::Symlink(target), _) => {
                mode = 0o777;
                Node::Symlink(target.clone())
            }
            (Node::Directory, _) => {
                (mode, mtime) = (0o755, 0);
                Node::Directory
            }
            _ => return Err(damaged(&self.title(), format!("`{written}` is a device or pipe"))),
        };
        let meta = Meta { mtime, ..Meta::new(mode) };
        Ok((path, Inode { meta, node, origin: self.origin() }, recorded))
    }

    /// A file's time as the image says it: not later than the package, nor than what was asked for.
    fn time(&self, mtime: i64, place: &Place<'_>) -> i64 {
        let latest = place.latest.map_or(i64::MAX, Epoch::seconds);
        mtime.clamp(0, self.date.seconds()).min(latest)
    }

    fn origin(&self) -> Origin {
        Origin::Package(self.locked.name.as_str().into())
    }
}

fn title(locked: &LockedConda) -> String {
    format!("{} {} ({})", locked.name, locked.version, locked.build)
}

fn kind_of(files: &Files, path: &std::path::Path) -> PathType {
    let inode = TreePath::new(path.to_string_lossy().as_bytes()).ok().and_then(|path| files.get(&path));
    match inode.map(|inode| &inode.node) {
        Some(Node::Symlink(_)) => PathType::SoftLink,
        Some(Node::Directory) => PathType::Directory,
        _ => PathType::HardLink,
    }
}
