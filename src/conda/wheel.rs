//! Wheels of an environment's `pip` section: pinned by digest, installed into its Python's site-packages.
//!
//! The form of a wheel is that of <https://packaging.python.org/en/latest/specifications/binary-distribution-format/>.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::Digest as _;
use url::Url;
use zip::ZipArchive;

use super::CondaError;
use super::channel::has_login;
use super::metadata::{Metadata, normalized};
use super::prune::Pruned;
use super::python::Python;
use crate::digest::Digest;
use crate::platform::{Architecture, Platform};
use crate::store::{Blob, Store};
use crate::tree::{Content, Inode, Origin, TreePath};

/// A wheel that a file asks for.
#[derive(Debug)]
pub(super) struct WantedWheel {
    pub(super) name: String,
    pub(super) version: String,
    /// As the file has it, without its digest.
    pub(super) written: String,
    pub(super) address: Url,
    pub(super) sha256: Digest,
}

/// A wheel in the store.
pub(super) struct Wheel {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) url: String,
    pub(super) blob: Blob,
}

/// What a wheel has to fit.
pub(super) struct Target<'a> {
    pub(super) python: &'a Python,
    pub(super) platform: Platform,
    /// The base's glibc, as far as it is known.
    pub(super) glibc: Option<&'a str>,
    /// With its leading slash.
    pub(super) prefix: &'a str,
    pub(super) pruned: &'a Pruned,
}

/// A wheel's files by their paths below the prefix.
pub(super) type Files = Vec<(TreePath, Inode)>;

/// Files up to this size are kept in memory.
const SMALL: u64 = 64 << 10;

/// More bytes than this are no wheel.
const MOST: u64 = 8 << 30;

impl WantedWheel {
    /// Reads a line of a `pip` section: an address or path of a wheel with its SHA-256, perhaps after `NAME @`.
    pub(super) fn parse(line: &str, folder: &Path) -> Result<Self, CondaError> {
        let refuse = |reason: &str| CondaError::Pip { requirement: line.to_owned(), reason: reason.to_owned() };
        let line_text = line.trim();
        if line_text.starts_with('-') {
            return Err(refuse("options of pip are not supported"));
        }
        let (requirement, option) = match line_text.split_once(" --hash=sha256:") {
            Some((requirement, hex)) => (requirement.trim(), Some(hex.trim())),
            None => (line_text, None),
        };
        let (named, place) = match requirement.split_once(" @ ") {
            Some((name, place)) => (Some(name.split('[').next().unwrap_or(name)), place.trim()),
            None => (None, requirement),
        };
        let (location, fragment) = match place.split_once('#') {
            Some((location, fragment)) => (location, fragment.strip_prefix("sha256=")),
            None => (place, None),
        };
        if !location.ends_with(".whl") {
            let reason = match location.contains("://") || location.contains('/') {
                true => "it is built from source, which would run its code and is not reproducible",
                false => "its files would be chosen by an index, at the time of the build",
            };
            return Err(refuse(reason));
        }
        let hex = fragment.or(option).ok_or_else(|| refuse("it has no sha256"))?;
        let sha256 = Digest::from_hex(hex).map_err(|_| refuse("its sha256 is not 64 lower-case hex digits"))?;
        let wheel = Self::new(location, sha256, folder)?;
        match named.map(|name| normalized(name.trim())).filter(|name| *name != wheel.name) {
            Some(name) => Err(refuse(&format!("the wheel is one of {}, not of {name}", wheel.name))),
            None => Ok(wheel),
        }
    }

    /// The wheel at an address or path.
    pub(super) fn new(location: &str, sha256: Digest, folder: &Path) -> Result<Self, CondaError> {
        let refuse = |reason: &str| CondaError::Pip { requirement: location.to_owned(), reason: reason.to_owned() };
        let file = location.rsplit('/').next().unwrap_or(location);
        let tags = file.strip_suffix(".whl").ok_or_else(|| refuse("it is no wheel"))?;
        let parts: Vec<&str> = tags.split('-').collect();
        let [name, version, .., _, _, _] = parts.as_slice() else {
            return Err(refuse("the name of a wheel has five parts: NAME-VERSION-PYTHON-ABI-PLATFORM.whl"));
        };
        let address = address_of(location, folder)?;
        if has_login(&address) {
            let reason = "its address has a login in it, which belongs into rattler's auth file or netrc".to_owned();
            return Err(CondaError::Pip { requirement: super::network::plain(&address), reason });
        }
        // A local version's plus sign is escaped in addresses.
        let version = version.replace("%2B", "+").replace("%2b", "+");
        Ok(Self { name: normalized(name), version, written: location.to_owned(), address, sha256 })
    }
}

/// The address of a wheel that is named by one, or by a path from `folder` on.
pub(super) fn address_of(location: &str, folder: &Path) -> Result<Url, CondaError> {
    let refuse = |reason: String| CondaError::Pip { requirement: location.to_owned(), reason };
    if location.contains("://") {
        return location.parse().map_err(|error: url::ParseError| refuse(error.to_string()));
    }
    let path = std::path::absolute(folder.join(location)).map_err(|error| refuse(error.to_string()))?;
    Url::from_file_path(path).map_err(|()| refuse("its path is no address".to_owned()))
}

impl Wheel {
    /// For messages.
    pub(super) fn title(&self) -> String {
        format!("{} {}", self.name, self.version)
    }

    /// Its files by their paths below the prefix, and what it says of itself.
    pub(super) fn install(&self, target: &Target<'_>, store: &Store) -> Result<(Files, Metadata), CondaError> {
        self.check_tags(target)?;
        let wrong = |reason: String| self.damaged(reason);
        let file = BufReader::new(File::open(&self.blob.path).map_err(|error| wrong(error.to_string()))?);
        let mut zip = ZipArchive::new(file).map_err(|error| wrong(error.to_string()))?;
        let mut files = Files::new();
        let (mut points, mut information, mut metadata, mut total) = (String::new(), None, None, 0);
        for index in 0..zip.len() {
            let mut entry = zip.by_index(index).map_err(|error| wrong(error.to_string()))?;
            if entry.is_dir() {
                continue;
            }
            total += entry.size();
            if total > MOST {
                return Err(wrong("it is larger than a wheel may be".to_owned()));
            }
            let name = entry.name().map_err(|error| wrong(error.to_string()))?.into_owned();
            let path = TreePath::new(&name).map_err(|error| wrong(error.to_string()))?;
            let executable = entry.unix_mode().is_some_and(|mode| mode & 0o111 != 0);
            let size = entry.size();
            let mut content = self.content(&mut entry, size, store)?;
            let name = String::from_utf8_lossy(path.as_bytes()).into_owned();
            // A wheel may carry others along, with folders of that kind further down.
            match name.split_once(".dist-info/").filter(|(distribution, _)| !distribution.contains('/')) {
                Some((distribution, "RECORD")) => {
                    information = Some(format!("{distribution}.dist-info"));
                    continue;
                }
                // Signatures of a list that is written anew.
                Some((_, "RECORD.jws" | "RECORD.p7s")) => continue,
                Some((_, "entry_points.txt")) => {
                    points = text(&content).map_err(|error| wrong(error.to_string()))?;
                }
                Some((_, "METADATA")) => {
                    metadata = Some(content.read().map_err(|error| wrong(error.to_string()))?);
                }
                _ => {}
            }
            let (place, is_script) = place(&name, target.python, &self.name);
            if is_script {
                content = started_by(content, target).map_err(|error| wrong(error.to_string()))?;
            }
            let mode = if executable || is_script { 0o755 } else { 0o644 };
            let place = TreePath::new(place).map_err(|error| wrong(error.to_string()))?;
            files.push((place, self.file(mode, content)));
        }
        let information = information.ok_or_else(|| wrong("it has no `RECORD`".to_owned()))?;
        let metadata = metadata.ok_or_else(|| wrong("it has no `METADATA`".to_owned()))?;
        let metadata = Metadata::parse(&String::from_utf8_lossy(&metadata));
        if let Some(reason) = metadata.mismatch(&self.name, &self.version, target.python) {
            return Err(CondaError::Pip { requirement: self.url.clone(), reason });
        }
        for (command, module, function) in entry_points(&points) {
            let script = target.python.script(target.prefix, &module, &function);
            files.push((
                TreePath::new(format!("bin/{command}"))?,
                self.file(0o755, Content::bytes(script.into_bytes())),
            ));
        }
        let site = &target.python.site_packages;
        let installer = TreePath::new(format!("{site}/{information}/INSTALLER"))?;
        files.push((installer, self.file(0o644, Content::bytes(b"rootsmith\n".as_slice()))));
        files.retain(|(path, _)| !target.pruned.drops(path));
        files.sort_by(|(one, _), (other, _)| one.cmp(other));
        let own = format!("{site}/{information}/RECORD");
        let record = record(&files, site, &own).map_err(|error| wrong(error.to_string()))?;
        files.push((TreePath::new(own)?, self.file(0o644, Content::bytes(record.into_bytes()))));
        Ok((files, metadata))
    }

    /// For messages, with its file: the name alone may be a conda package's too.
    fn damaged(&self, reason: String) -> CondaError {
        CondaError::Wheel { wheel: format!("{} (`{}`)", self.title(), self.url), reason }
    }

    fn file(&self, mode: u32, content: Content) -> Inode {
        // A zip's times have no zone, so that they say nothing: all files are of time zero.
        Inode::file(mode, content, Origin::Package(self.name.as_str().into()))
    }

    fn content(&self, entry: &mut impl Read, size: u64, store: &Store) -> Result<Content, CondaError> {
        let wrong = |error: io::Error| self.damaged(error.to_string());
        // The size is what the zip says; what comes may be more, and is not taken.
        let mut limited = entry.take(size);
        if size <= SMALL {
            let mut bytes = Vec::new();
            limited.read_to_end(&mut bytes).map_err(wrong)?;
            return Ok(Content::bytes(bytes));
        }
        let mut writer = store.begin()?;
        io::copy(&mut limited, &mut writer).map_err(wrong)?;
        writer.flush().map_err(wrong)?;
        let blob = writer.commit()?;
        Ok(Content::Slice { path: blob.path, offset: 0, size: blob.size })
    }

    /// Looks whether Python, ABI and platform of its name fit
    /// (<https://packaging.python.org/en/latest/specifications/platform-compatibility-tags/>).
    fn check_tags(&self, target: &Target<'_>) -> Result<(), CondaError> {
        let refuse = |reason: String| Err(CondaError::Pip { requirement: self.url.clone(), reason });
        let file = self.url.rsplit('/').next().unwrap_or_default();
        let parts: Vec<&str> = file.trim_end_matches(".whl").rsplit('-').take(3).collect();
        let [platforms, abis, pythons] = parts.as_slice() else { return refuse("its name has no tags".to_owned()) };
        let (major, minor) = target.python.numbers();
        let own = format!("cp{major}{minor}");
        let stable = abis.split('.').any(|abi| abi == "abi3");
        let fits_python = pythons.split('.').any(|python| {
            let up_to_own = |start: &str| {
                let known = python.strip_prefix(start).and_then(|rest| rest.strip_prefix(&major.to_string()));
                known.and_then(|known| known.parse::<u32>().ok()).is_some_and(|known| known <= minor)
            };
            python == format!("py{major}") || python == own || up_to_own("py") || (stable && up_to_own("cp"))
        });
        let fits_abi = abis.split('.').any(|abi| abi == "none" || abi == "abi3" || abi == own);
        if !fits_python || !fits_abi {
            return refuse(format!("it is for {pythons} with ABI {abis}, and the environment has {own}"));
        }
        if platforms.split('.').any(|platform| fits_platform(platform, target)) {
            return Ok(());
        }
        let glibc = target.glibc.map_or("no known glibc".to_owned(), |version| format!("glibc {version}"));
        refuse(format!("it is for {platforms}, and the image is {} with {glibc}", machine(target.platform)))
    }
}

fn fits_platform(tag: &str, target: &Target<'_>) -> bool {
    if tag == "any" {
        return true;
    }
    let Some(rest) = tag.strip_suffix(machine(target.platform)).and_then(|rest| rest.strip_suffix('_')) else {
        return false;
    };
    let needed = match rest {
        "linux" => return true,
        "manylinux1" => (2, 5),
        "manylinux2010" => (2, 12),
        "manylinux2014" => (2, 17),
        other => {
            let Some((major, minor)) = other.strip_prefix("manylinux_").and_then(|rest| rest.split_once('_')) else {
                return false;
            };
            let (Ok(major), Ok(minor)) = (major.parse::<u32>(), minor.parse::<u32>()) else { return false };
            (major, minor)
        }
    };
    let known = target.glibc.and_then(|version| version.split_once('.'));
    known
        .and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)))
        .is_some_and(|has: (u32, u32)| has >= needed)
}

/// The platform's processor as `uname -m` names it.
pub(super) fn machine(platform: Platform) -> &'static str {
    match platform.architecture {
        Architecture::Amd64 => "x86_64",
        Architecture::Arm64 => "aarch64",
        Architecture::Arm => "armv7l",
        Architecture::I386 => "i686",
        Architecture::Ppc64le => "ppc64le",
        Architecture::Riscv64 => "riscv64",
        Architecture::S390x => "s390x",
        Architecture::ArmV6 => "armv6l",
        Architecture::ArmV5 => "armv5l",
        Architecture::Mips64le => "mips64",
        Architecture::Loong64 => "loongarch64",
    }
}

/// Where a file goes below the prefix, and whether it is a script.
fn place(name: &str, python: &Python, distribution: &str) -> (String, bool) {
    let site = &python.site_packages;
    let Some((_, rest)) = name.split_once(".data/").filter(|(before, _)| !before.contains('/')) else {
        return (format!("{site}/{name}"), false);
    };
    match rest.split_once('/') {
        Some(("scripts", rest)) => (format!("bin/{rest}"), true),
        Some(("data", rest)) => (rest.to_owned(), false),
        Some(("headers", rest)) => (format!("include/python{}/{distribution}/{rest}", python.version), false),
        Some((_, rest)) => (format!("{site}/{rest}"), false),
        None => (format!("{site}/{rest}"), false),
    }
}

/// A script whose first line is `#!python` is started by the environment's own.
fn started_by(content: Content, target: &Target<'_>) -> io::Result<Content> {
    if content.size() > SMALL {
        return Ok(content);
    }
    let bytes = content.read()?;
    let rest = match bytes.strip_prefix(b"#!python") {
        Some(rest) => rest.strip_prefix(b"w").unwrap_or(rest),
        None => return Ok(content),
    };
    let line = format!("#!{}", target.python.program(target.prefix));
    Ok(Content::bytes([line.as_bytes(), rest].concat()))
}

fn text(content: &Content) -> io::Result<String> {
    String::from_utf8(content.read()?).map_err(io::Error::other)
}

/// Command, module and function of each `console_scripts` and `gui_scripts`
/// (<https://packaging.python.org/en/latest/specifications/entry-points/>).
fn entry_points(text: &str) -> Vec<(String, String, String)> {
    let mut points = Vec::new();
    let mut section = "";
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name;
        } else if matches!(section, "console_scripts" | "gui_scripts") {
            let Some((command, object)) = line.split_once('=') else { continue };
            let object = object.split('[').next().unwrap_or(object);
            let Some((module, function)) = object.split_once(':') else { continue };
            let named = |text: &str| text.trim().to_owned();
            let plain = |text: &str| {
                text.chars().all(|character| character.is_alphanumeric() || matches!(character, '_' | '.'))
                    && !text.is_empty()
            };
            let (command, module, function) = (named(command), named(module), named(function));
            if !command.contains('/') && !command.is_empty() && plain(&module) && plain(&function) {
                points.push((command, module, function));
            }
        }
    }
    points
}

/// The text of `RECORD` (<https://packaging.python.org/en/latest/specifications/recording-installed-packages/>).
fn record(files: &[(TreePath, Inode)], site: &str, own: &str) -> io::Result<String> {
    let depth = site.split('/').count();
    let relative = |path: &str| match path.strip_prefix(&format!("{site}/")) {
        Some(below) => below.to_owned(),
        None => format!("{}{path}", "../".repeat(depth)),
    };
    let quoted =
        |path: String| if path.contains([',', '"']) { format!("\"{}\"", path.replace('"', "\"\"")) } else { path };
    let mut text = String::new();
    for (path, inode) in files {
        let Some(content) = inode.content() else { continue };
        let mut hasher = sha2::Sha256::new();
        let mut reader = content.reader()?;
        let mut buffer = vec![0; 64 << 10];
        loop {
            let count = reader.read(&mut buffer)?;
            if count == 0 {
                break;
            }
            hasher.update(&buffer[..count]);
        }
        let hash = URL_SAFE_NO_PAD.encode(hasher.finalize());
        let path = quoted(relative(&String::from_utf8_lossy(path.as_bytes())));
        text.push_str(&format!("{path},sha256={hash},{}\n", content.size()));
    }
    text.push_str(&format!("{},,\n", quoted(relative(own))));
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "0000000000000000000000000000000000000000000000000000000000000000";

    fn parse(line: &str) -> Result<WantedWheel, String> {
        WantedWheel::parse(line, Path::new("/srv")).map_err(|error| error.to_string())
    }

    #[test]
    fn only_pinned_wheels_are_taken() {
        let wheel = parse(&format!("My_Tool @ https://a.example/My_Tool-1.0-py3-none-any.whl#sha256={HEX}")).unwrap();
        assert_eq!((wheel.name.as_str(), wheel.version.as_str()), ("my-tool", "1.0"));
        let local = parse(&format!("./x-1-py3-none-any.whl --hash=sha256:{HEX}")).unwrap();
        assert_eq!(local.address.as_str(), "file:///srv/x-1-py3-none-any.whl");
        let login = format!("x @ https://me:secret@a.example/x-1-py3-none-any.whl#sha256={HEX}");
        let error = parse(&login).unwrap_err();
        assert!(error.contains("netrc") && !error.contains("secret"), "{error}");
        let local =
            parse(&format!("https://a.example/Torch.x__Y-2.4.0%2Bcu121-cp312-cp312-linux_x86_64.whl#sha256={HEX}"));
        let local = local.unwrap();
        assert_eq!((local.name.as_str(), local.version.as_str()), ("torch-x-y", "2.4.0+cu121"));
        for (line, reason) in [
            ("requests==2.31", "an index"),
            ("x @ https://a.example/x-1.tar.gz", "from source"),
            ("git+https://a.example/x", "from source"),
            ("-r requirements.txt", "options"),
            ("x @ https://a.example/x-1-py3-none-any.whl", "no sha256"),
            (&format!("y[z] @ https://a.example/x-1-py3-none-any.whl#sha256={HEX}"), "one of x, not of y"),
            ("x @ https://a.example/x-1-py3-none-any.whl#sha256=12", "64"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.contains(reason), "{line}: {error}");
        }
    }

    #[test]
    fn tags_have_to_fit() {
        let python = Python {
            version: "3.12".to_owned(),
            full: "3.12.1".to_owned(),
            site_packages: "lib/python3.12/site-packages".to_owned(),
        };
        let pruned = Pruned::new(&[]);
        let target = Target {
            python: &python,
            platform: "linux/amd64".parse().unwrap(),
            glibc: Some("2.36"),
            prefix: "/opt/env",
            pruned: &pruned,
        };
        let folder = tempfile::tempdir().unwrap();
        let blob = Store::open(folder.path()).unwrap().put(b"").unwrap();
        let fits = |tags: &str| {
            let url = format!("https://a.example/x-1-{tags}.whl");
            Wheel { name: "x".into(), version: "1".into(), url, blob: blob.clone() }.check_tags(&target).is_ok()
        };
        for good in [
            "py3-none-any",
            "py2.py3-none-any",
            "cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64",
            "cp39-abi3-manylinux_2_36_x86_64",
            "py310-none-any",
            "cp312-cp312-linux_x86_64",
        ] {
            assert!(fits(good), "{good}");
        }
        for bad in [
            "cp311-cp311-manylinux_2_17_x86_64",
            "cp313-abi3-manylinux_2_17_x86_64",
            "cp312-cp312-manylinux_2_38_x86_64",
            "cp312-cp312-manylinux_2_17_aarch64",
            "cp312-cp312-musllinux_1_2_x86_64",
            "cp312-cp312-win_amd64",
            "py2-none-any",
            "py313-none-any",
        ] {
            assert!(!fits(bad), "{bad}");
        }
    }

    #[test]
    fn entry_points_are_read() {
        let text = "[console_scripts]\ntool = my.tool:main.run [extra]\nbad=x\n../evil = a:b\n[other]\nx = y:z\n";
        let expected = ("tool".to_owned(), "my.tool".to_owned(), "main.run".to_owned());
        assert_eq!(entry_points(text), [expected]);
    }
}
