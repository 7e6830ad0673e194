//! What is taken: its place, and opening that.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::foreign;
use super::origin::{Files, Opened, Pulled};
use crate::archive::Limits;
use crate::context::Context;
use crate::engine::{self, Engine, is_id};
use crate::error::Error;
use crate::image::{Collection, OpenError};
use crate::oci::{self, ParseReferenceError, Reference, RemoteReference};
use crate::registry::{At, Client, Registry};

/// Where an image is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// `docker://REF`
    Registry(RemoteReference),
    /// `oci:DIR[:TAG]`, `oci-archive:FILE[:REF]`, `docker-archive:FILE[:REF]`, or a path: what it is shows.
    Files {
        /// The folder or file.
        path: PathBuf,
        /// The image in it.
        name: Option<String>,
    },
    /// `docker-daemon:REF`, or an image's id there
    DockerDaemon {
        /// As the engine knows it.
        name: String,
    },
}

/// Finds the image. What an engine has is written into the store's temporary folder.
pub(super) fn open<'a>(
    source: &Source,
    client: &'a Client,
    docker_socket: &Path,
    context: &Context,
) -> Result<Opened<'a>, Error> {
    match source {
        Source::Registry(reference) => {
            let at = match (&reference.digest, &reference.tag) {
                (Some(digest), _) => At::Digest(*digest),
                (None, tag) => At::Tag(tag.clone().unwrap_or_else(|| "latest".to_owned())),
            };
            let document = client.manifest(&reference.repository, &at)?;
            let root = oci::descriptor(&document.media_type, document.bytes.len() as u64, &document.digest);
            let origin = Box::new(Pulled { client, repository: reference.repository.clone() });
            // What was asked for by its digest alone has no name, and must not take one from another image.
            Ok(Opened { origin, root, name: reference.name() })
        }
        Source::Files { path, name } => {
            let temporary = context.store.temporary();
            let mut opened = files(path, name.as_deref(), path.display().to_string(), &temporary, context)?;
            if opened.name.is_none() {
                let annotations = opened.root.annotations().as_ref();
                opened.name = by_path(path, annotations.and_then(|annotations| annotations.get(oci::REF_NAME)));
            }
            Ok(opened)
        }
        Source::DockerDaemon { name } => {
            let failed = |source| context.store.cannot("write to", source);
            let mut file = tempfile::NamedTempFile::new_in(context.store.temporary()).map_err(failed)?;
            Engine::new(docker_socket)
                .save(name, &mut file)
                .map_err(|source| Error::Engine { name: name.clone(), source })?;
            // It goes with the store's temporary folder, at the end of this run.
            let path = file.into_temp_path().keep().map_err(|error| failed(error.error))?;
            let mut opened = files(&path, None, format!("docker-daemon:{name}"), &context.store.temporary(), context)?;
            // An id is no name; the engine may have one for it.
            if !is_id(name) {
                opened.name = name.parse().ok().or(opened.name);
            }
            Ok(opened)
        }
    }
}

fn files<'a>(
    path: &Path,
    tag: Option<&str>,
    shown: String,
    temporary: &Path,
    context: &Context,
) -> Result<Opened<'a>, Error> {
    let failed = |source: OpenError| Error::Open { path: shown.clone(), source };
    let collection = Collection::open(path, &Limits::images(), temporary).map_err(failed)?;
    if !collection.has_manifests().map_err(failed)? {
        return foreign::convert(path, tag, &shown, context);
    }
    let root = collection.entry(tag).map_err(failed)?;
    let annotation = |key: &str| root.annotations().as_ref().and_then(|annotations| annotations.get(key).cloned());
    let full = annotation(oci::CONTAINERD_NAME).or_else(|| annotation(oci::REF_NAME).filter(|name| name.contains('/')));
    let name = full.and_then(|name| name.parse().ok());
    let entries = collection.entries().map_err(failed)?;
    Ok(Opened { origin: Box::new(Files { name: shown, collection, entries }), root, name })
}

/// A name made of the file's own, for images that have none.
fn by_path(path: &Path, tag: Option<&String>) -> Option<Reference> {
    let stem = path.file_stem()?.to_string_lossy().to_ascii_lowercase();
    format!("{stem}:{}", tag.map_or("latest", String::as_str)).parse().ok()
}

/// Transports of files, of which a name may follow after a colon.
const FILES: [&str; 3] = ["oci:", "oci-archive:", "docker-archive:"];

impl FromStr for Source {
    type Err = ParseReferenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(name) = text.strip_prefix("docker://") {
            return name.parse().map(Self::Registry);
        }
        if let Some(name) = text.strip_prefix("docker-daemon:") {
            return engine::image_name(name).map(|name| Self::DockerDaemon { name });
        }
        let Some(rest) = FILES.iter().find_map(|transport| text.strip_prefix(transport)) else {
            return Ok(Self::Files { path: text.into(), name: None });
        };
        let (path, name) = rest.split_once(':').map_or((rest, None), |(path, name)| (path, Some(name)));
        Ok(Self::Files { path: path.into(), name: name.filter(|name| !name.is_empty()).map(str::to_owned) })
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry(reference) => write!(f, "docker://{reference}"),
            Self::Files { path, name: None } => path.display().fmt(f),
            Self::Files { path, name: Some(name) } => write!(f, "{}:{name}", path.display()),
            Self::DockerDaemon { name } => write!(f, "docker-daemon:{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        let read = |text: &str| text.parse::<Source>().unwrap();
        let files = |path: &str, name: Option<&str>| Source::Files { path: path.into(), name: name.map(str::to_owned) };
        assert_eq!(read("oci:out/a:1"), files("out/a", Some("1")));
        assert_eq!(read("oci-archive:a.tar"), files("a.tar", None));
        assert_eq!(read("docker-archive:a.tar:x.example/a:1"), files("a.tar", Some("x.example/a:1")));
        assert_eq!(read("out/a"), files("out/a", None));
        assert_eq!(read("docker://a").to_string(), "docker://docker.io/library/a:latest");
        for daemon in ["docker-daemon:a:1", "docker-daemon:0123456789ab", "docker-daemon:[::1]:5000/a:1"] {
            assert_eq!(read(daemon).to_string(), daemon);
        }
        for wrong in ["docker://", "docker-daemon:A", "docker://a@sha256:0"] {
            assert!(wrong.parse::<Source>().is_err(), "{wrong}");
        }
    }
}
