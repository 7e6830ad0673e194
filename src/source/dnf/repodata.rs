//! The index of a repository: `repodata/repomd.xml`, and the packages of its `primary` file
//! (createrepo_c; <https://github.com/rpm-software-management/createrepo_c>).

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use super::repositories::Repository;
use super::{DnfError, keys};
use crate::archive::{Limits, decompress};
use crate::context::Context;
use crate::digest::Digest;
use crate::epoch::Epoch;
use crate::http::{Job, address_in, without_secrets};
use crate::openpgp;
use crate::report::Phase;
use crate::store::Blob;

/// Most bytes of a `repomd.xml`.
const INDEX_LIMIT: u64 = 4 << 20;

/// One package as an index has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Record {
    /// The id of the repository whose index it is.
    pub(super) repository: String,
    pub(super) name: String,
    pub(super) architecture: String,
    /// Epoch (unless it is 0), version and release.
    pub(super) version: String,
    pub(super) path: String,
    pub(super) size: u64,
    /// The digest's kind and the digest in hexadecimal.
    pub(super) checksum: (String, String),
    /// Whether it is outside of the repository.
    pub(super) is_elsewhere: bool,
}

impl Record {
    /// `name-version.architecture`.
    pub(super) fn nevra(&self) -> String {
        format!("{}-{}.{}", self.name, self.version, self.architecture)
    }
}

/// A repository's index in the store.
pub(super) struct Index {
    pub(super) id: String,
    /// The digest of `repomd.xml`.
    pub(super) digest: Digest,
    pub(super) bases: Vec<String>,
    /// What dnf is given: kind, name, file.
    pub(super) files: Vec<(String, String, Blob)>,
}

/// A file that a `repomd.xml` names.
struct DataFile {
    kind: String,
    path: String,
    digest: Option<Digest>,
    size: u64,
}

impl Index {
    /// Fetches the index of `repository` and checks it.
    pub(super) fn fetch(repository: &Repository, now: Epoch, context: &Context) -> Result<Self, DnfError> {
        let addresses = repository.addresses(context)?;
        let mut failure = None;
        for base in &addresses.bases {
            let address = address_in(base, "repodata/repomd.xml");
            let bytes = match context.http.fetch_optional(&address, INDEX_LIMIT) {
                Ok(Some(bytes)) => bytes,
                Ok(None) => continue,
                Err(error) => {
                    failure.get_or_insert(DnfError::Http(error));
                    continue;
                }
            };
            let digest = Digest::of(&bytes);
            if addresses.indexes.as_ref().is_some_and(|known| !known.contains(&digest.hex())) {
                let (address, by) = (without_secrets(&address), "the metalink".to_owned());
                failure.get_or_insert(DnfError::OtherIndex { address, by });
                continue;
            }
            if repository.signed_metadata {
                check_signature(repository, &address, &bytes, now, context)?;
            }
            return Self::read(repository, &address, &bytes, digest, addresses.bases, context);
        }
        let shown = || addresses.bases.iter().map(|base| without_secrets(base)).collect();
        Err(failure.unwrap_or_else(|| DnfError::NoRepository { id: repository.id.clone(), addresses: shown() }))
    }

    fn read(
        repository: &Repository,
        address: &str,
        bytes: &[u8],
        digest: Digest,
        bases: Vec<String>,
        context: &Context,
    ) -> Result<Self, DnfError> {
        let misread = |reason: String| DnfError::Metadata { what: without_secrets(address), reason };
        let mut files = Vec::new();
        let mut wanted = data_files(bytes).map_err(misread)?;
        // The same groups are there compressed and plain.
        let has_groups = wanted.iter().any(|file| file.kind == "group");
        wanted.retain(|file| match &*file.kind {
            "primary" | "filelists" | "modules" | "group" => true,
            "group_gz" | "group_xz" | "group_zst" => !has_groups,
            _ => false,
        });
        for file in wanted {
            let digest = file.digest.ok_or_else(|| misread(format!("it has no SHA-256 of `{}`", file.path)))?;
            let job = Job {
                what: format!("{} of the repository {}", file.path, repository.id),
                candidates: bases.iter().map(|base| address_in(base, &file.path)).collect(),
                digest,
                size: file.size,
            };
            let advance = |bytes| context.reporter.advance(Phase::Index, bytes);
            let blob = context.http.download(&job, &context.store, &advance)?;
            let kind = if file.kind.starts_with("group") { "group".to_owned() } else { file.kind };
            let name = format!("{}-{kind}.{}", digest.hex(), extension(&file.path));
            files.push((kind, name, blob));
        }
        if !files.iter().any(|(kind, ..)| kind == "primary") {
            return Err(misread("it names no list of packages (`primary`)".to_owned()));
        }
        Ok(Self { id: repository.id.clone(), digest, bases, files })
    }

    /// A `repomd.xml` of nothing but the files that are here, below `repodata/`.
    pub(super) fn repomd(&self) -> String {
        let mut text = String::from(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<repomd xmlns=\"http://linux.duke.edu/metadata/repo\">\n  \
             <revision>1</revision>\n",
        );
        for (kind, name, blob) in &self.files {
            text.push_str(&format!(
                "  <data type=\"{kind}\"><checksum type=\"sha256\">{}</checksum><location href=\"repodata/{name}\"/>\
                 <timestamp>1</timestamp><size>{}</size></data>\n",
                blob.digest.hex(),
                blob.size
            ));
        }
        text + "</repomd>\n"
    }

    /// Gives each package to `each`.
    pub(super) fn packages(&self, each: &mut dyn FnMut(Record)) -> Result<(), DnfError> {
        let (_, name, blob) = self.files.iter().find(|(kind, ..)| kind == "primary").expect("looked at when read");
        let misread = |reason: String| DnfError::Metadata { what: format!("{name} of `{}`", self.id), reason };
        let mut own = |record| each(Record { repository: self.id.clone(), ..record });
        records(open(blob).map_err(misread)?, &mut own).map_err(misread)
    }

    /// The streams of modules that it has, as `name:stream`.
    pub(super) fn streams(&self) -> Result<BTreeSet<String>, DnfError> {
        let Some((_, name, blob)) = self.files.iter().find(|(kind, ..)| kind == "modules") else {
            return Ok(BTreeSet::new());
        };
        let misread = |reason: String| DnfError::Metadata { what: format!("{name} of `{}`", self.id), reason };
        let mut text = String::new();
        let mut reader = open(blob).map_err(misread)?;
        reader.read_to_string(&mut text).map_err(|error| misread(error.to_string()))?;
        Ok(streams(&text))
    }
}

fn check_signature(
    repository: &Repository,
    address: &str,
    bytes: &[u8],
    now: Epoch,
    context: &Context,
) -> Result<(), DnfError> {
    let what = without_secrets(address);
    let signature = context.http.fetch_optional(&format!("{address}.asc"), INDEX_LIMIT)?.unwrap_or_default();
    let keyring = keys::keyring(repository, context)?;
    let untrusted = |source| DnfError::Signature { package: what.clone(), id: repository.id.clone(), source };
    openpgp::signer(&what, bytes, &signature, &keyring, now).map(drop).map_err(untrusted)
}

/// What is after the first dot of a file's name: dnf goes by it.
fn extension(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    let extension = name.split_once('.').map_or("xml", |(_, extension)| extension);
    extension.chars().filter(|character| character.is_ascii_alphanumeric() || *character == '.').collect()
}

fn open(blob: &Blob) -> Result<BufReader<Box<dyn Read + Send>>, String> {
    let file = File::open(&blob.path).map_err(|error| error.to_string())?;
    let reader = decompress(file, &Limits::default()).map_err(|error| error.to_string())?;
    Ok(BufReader::with_capacity(1 << 16, reader))
}

/// The files that a `repomd.xml` names.
fn data_files(bytes: &[u8]) -> Result<Vec<DataFile>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not text".to_owned())?;
    let mut reader = Reader::from_str(text);
    let (mut files, mut current) = (Vec::new(), None::<DataFile>);
    let (mut element, mut kind, mut is_index) = (String::new(), String::new(), false);
    loop {
        match reader.read_event().map_err(|error| error.to_string())? {
            Event::Start(start) | Event::Empty(start) => {
                element = start.local_name().into_inner().to_owned();
                kind = attribute(&start, "type").unwrap_or_default();
                is_index |= element == "repomd";
                if element == "data" {
                    let file = DataFile { kind: kind.clone(), path: String::new(), digest: None, size: 0 };
                    files.extend(current.replace(file));
                } else if let Some(file) = current.as_mut().filter(|_| element == "location") {
                    file.path = attribute(&start, "href").unwrap_or_default();
                }
            }
            Event::Text(text) => {
                let Some(file) = &mut current else { continue };
                let text = text.xml10_content();
                match &*element {
                    "checksum" if kind == "sha256" => file.digest = Digest::from_hex(text.trim()).ok(),
                    "size" => file.size = text.trim().parse().map_err(|_| "a size is no number".to_owned())?,
                    _ => {}
                }
            }
            Event::End(_) => element.clear(),
            Event::Eof => break,
            _ => {}
        }
    }
    files.extend(current);
    let good = |file: &DataFile| is_inside(&file.path);
    match (is_index, files.iter().find(|file| !good(file))) {
        (false, _) => Err("it is no index of a repository".to_owned()),
        (true, Some(wrong)) => Err(format!("`{}` is no path within a repository", wrong.path)),
        (true, None) => Ok(files),
    }
}

/// The packages of a `primary` file.
fn records(reader: impl BufRead, each: &mut dyn FnMut(Record)) -> Result<(), String> {
    let mut reader = Reader::from_reader(reader);
    let mut buffer = Vec::new();
    let (mut depth, mut current) = (0u32, None::<Record>);
    let mut element = String::new();
    loop {
        buffer.clear();
        let event = reader.read_event_into(&mut buffer).map_err(|error| error.to_string())?;
        match &event {
            Event::Start(start) | Event::Empty(start) => {
                let name = start.local_name().into_inner();
                if depth == 1 && name == "package" {
                    current = Some(Record::default());
                } else if let Some(record) = current.as_mut().filter(|_| depth == 2) {
                    name.clone_into(&mut element);
                    begin(record, name, start);
                }
                if matches!(event, Event::Start(_)) {
                    depth += 1;
                }
            }
            Event::Text(text) if depth == 3 => {
                let Some(record) = &mut current else { continue };
                let text = text.xml10_content();
                match &*element {
                    "name" => record.name.push_str(&text),
                    "arch" => record.architecture.push_str(&text),
                    "checksum" => record.checksum.1.push_str(text.trim()),
                    _ => {}
                }
            }
            Event::End(_) => {
                depth = depth.saturating_sub(1);
                if depth == 2 {
                    element.clear();
                }
                if depth == 1
                    && let Some(record) = current.take()
                {
                    each(record);
                }
            }
            Event::Eof if depth == 0 => return Ok(()),
            Event::Eof => return Err("it ends too early".to_owned()),
            _ => {}
        }
    }
}

fn begin(record: &mut Record, element: &str, start: &BytesStart<'_>) {
    let of = |name: &str| attribute(start, name).unwrap_or_default();
    match element {
        "version" => {
            let (epoch, version, release) = (of("epoch"), of("ver"), of("rel"));
            record.version = match &*epoch {
                "" | "0" => format!("{version}-{release}"),
                epoch => format!("{epoch}:{version}-{release}"),
            };
        }
        "checksum" => record.checksum.0 = of("type"),
        "size" => record.size = of("package").parse().unwrap_or(0),
        "location" => {
            record.path = of("href");
            // Amazon Linux keeps the packages of all its repositories in one place above them.
            let below = record.path.trim_start_matches("../");
            record.is_elsewhere = attribute(start, "base").is_some() || !is_inside(below);
        }
        _ => {}
    }
}

fn attribute(start: &BytesStart<'_>, name: &str) -> Option<String> {
    let found = start.attributes().flatten().find(|attribute| attribute.key.local_name().into_inner() == name)?;
    found.normalized_value(XmlVersion::Implicit1_0).ok().map(|value| value.into_owned())
}

/// Whether a path leads nowhere but into its repository.
fn is_inside(path: &str) -> bool {
    path.split('/').all(|part| !matches!(part, "" | "." | "..") && !part.contains(|one: char| one.is_control()))
}

/// The names and streams of the modules of a `modules.yaml` (modulemd-stream): of each document the first `name` and
/// `stream` below `data`.
fn streams(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for document in text.split("\n---").filter(|document| document.contains("document: modulemd\n")) {
        let value = |key: &str| {
            let mut lines = document.lines().skip_while(|line| *line != "data:");
            let line = lines.find_map(|line| line.strip_prefix("  ")?.strip_prefix(key))?;
            Some(line.trim().trim_matches(['"', '\'']).to_owned())
        };
        if let (Some(name), Some(stream)) = (value("name:"), value("stream:")) {
            found.insert(format!("{name}:{stream}"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRIMARY: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<metadata xmlns="http://linux.duke.edu/metadata/common" xmlns:rpm="http://linux.duke.edu/metadata/rpm" packages="2">
<package type="rpm"><name>a</name><arch>x86_64</arch><version epoch="1" ver="2.0" rel="3"/>
<checksum type="sha256" pkgid="YES">00ff</checksum><summary>name</summary><time file="1" build="2"/>
<size package="10" installed="20" archive="30"/><location href="Packages/a.rpm"/>
<format><rpm:provides><rpm:entry name="x"/></rpm:provides><file>/usr/bin/a</file><name>no</name></format></package>
<package type="rpm"><name>c</name><arch>noarch</arch><version epoch="0" ver="1" rel="1"/>
<checksum type="sha">aa</checksum><size package="1"/><location xml:base="http://x/" href="c.rpm"/><format/></package>
</metadata>"#;

    #[test]
    fn packages_of_a_primary_file() {
        let mut found = Vec::new();
        records(PRIMARY.as_bytes(), &mut |record| found.push(record)).unwrap();
        let first = Record {
            repository: String::new(),
            name: "a".to_owned(),
            architecture: "x86_64".to_owned(),
            version: "1:2.0-3".to_owned(),
            path: "Packages/a.rpm".to_owned(),
            size: 10,
            checksum: ("sha256".to_owned(), "00ff".to_owned()),
            is_elsewhere: false,
        };
        assert_eq!(found[0], first);
        assert_eq!(found[1].nevra(), "c-1-1.noarch");
        assert!(found[1].is_elsewhere);
        for end in [0, 60, 300, PRIMARY.len() - 12] {
            let result = records(&PRIMARY.as_bytes()[..end], &mut |_| ());
            assert!(result.is_err() || end == 0, "{end}");
        }
    }

    #[test]
    fn indexes() {
        let good = format!(
            r#"<repomd><revision>1</revision><data type="primary"><checksum type="sha256">{}</checksum>
            <open-checksum type="sha256">0</open-checksum><location href="repodata/p.xml.gz"/><size>7</size>
            <open-size>9</open-size></data><data type="other"><location href="repodata/o"/></data></repomd>"#,
            "a".repeat(64)
        );
        let files = data_files(good.as_bytes()).unwrap();
        assert_eq!((files.len(), files[0].size, &*files[0].path), (2, 7, "repodata/p.xml.gz"));
        assert_eq!(files[0].digest.unwrap().hex(), "a".repeat(64));
        for wrong in ["<html/>", "", "<repomd><data type='x'><location href='../../etc/passwd'/></data></repomd>"] {
            assert!(data_files(wrong.as_bytes()).is_err(), "{wrong}");
        }
        assert_eq!(extension("repodata/abc-primary.xml.gz"), "xml.gz");
    }

    #[test]
    fn streams_of_modules() {
        let text = "---\ndocument: modulemd\nversion: 2\ndata:\n  name: nodejs\n  stream: \"20\"\n  artifacts:\n    name: x\n\
                    ...\n---\ndocument: modulemd-defaults\ndata:\n  module: nodejs\n  stream: 18\n...\n";
        assert_eq!(streams(text).into_iter().collect::<Vec<_>>(), ["nodejs:20"]);
    }
}
