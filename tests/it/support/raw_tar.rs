//! Writes tars byte by byte, right ones and wrong ones.
//!
//! The layout is that of POSIX (`pax`, "ustar Interchange Format") and of GNU tar's `tar.h`.

use rootsmith::digest::Digest;
use serde_json::{Value, json};

/// An entry: its header, and what follows it.
#[derive(Clone)]
pub struct Entry {
    header: [u8; 512],
    content: Vec<u8>,
    checksum: Checksum,
}

#[derive(Clone, Copy, PartialEq)]
enum Checksum {
    Right,
    /// Of bytes with signs, as some old programs added them up.
    Signed,
    Wrong,
}

/// Where the fields of a header are.
#[derive(Clone, Copy)]
pub enum Field {
    Mode,
    Uid,
    Size,
    Mtime,
    Magic,
    Major,
    Minor,
    GnuSparse,
    GnuRealSize,
}

impl Field {
    fn range(self) -> std::ops::Range<usize> {
        match self {
            Self::Mode => 100..108,
            Self::Uid => 108..116,
            Self::Size => 124..136,
            Self::Mtime => 136..148,
            Self::Magic => 257..265,
            Self::Major => 329..337,
            Self::Minor => 337..345,
            Self::GnuSparse => 386..482,
            Self::GnuRealSize => 483..495,
        }
    }
}

/// An entry of any type: `0` a file, `1` a hard link, `2` a symbolic link, `3` and `4` devices, `5` a directory, `6` a pipe.
pub fn entry(kind: u8, name: impl AsRef<[u8]>, target: impl AsRef<[u8]>, content: &[u8]) -> Entry {
    let mut header = [0; 512];
    let (name, target) = (name.as_ref(), target.as_ref());
    header[..name.len()].copy_from_slice(name);
    header[157..157 + target.len()].copy_from_slice(target);
    header[156] = kind;
    let entry = Entry { header, content: content.to_vec(), checksum: Checksum::Right };
    let mode = if kind == b'5' { 0o755 } else { 0o644 };
    entry
        .octal(Field::Mode, mode)
        .octal(Field::Uid, 0)
        .set(108 + 8, b"0000000\0")
        .octal(Field::Size, content.len() as u64)
        .octal(Field::Mtime, 0)
        .field(Field::Magic, b"ustar\x0000")
}

pub fn file(name: impl AsRef<[u8]>, content: impl AsRef<[u8]>) -> Entry {
    entry(b'0', name, "", content.as_ref())
}

pub fn directory(name: impl AsRef<[u8]>) -> Entry {
    entry(b'5', name, "", b"")
}

pub fn symlink(name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Entry {
    entry(b'2', name, target, b"")
}

pub fn hard_link(name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Entry {
    entry(b'1', name, target, b"")
}

pub fn device(kind: u8, name: &str, major: u64, minor: u64) -> Entry {
    entry(kind, name, "", b"").octal(Field::Major, major).octal(Field::Minor, minor)
}

/// A header of PAX records about the next entry.
pub fn pax(records: &[(&str, &[u8])]) -> Entry {
    entry(b'x', "pax", "", &body(records))
}

/// A header of PAX records about all that follow.
pub fn global(records: &[(&str, &[u8])]) -> Entry {
    entry(b'g', "pax", "", &body(records))
}

/// The body of a PAX header.
pub fn body(records: &[(&str, &[u8])]) -> Vec<u8> {
    let record = |(key, value): &(&str, &[u8])| {
        let rest = [b" ", key.as_bytes(), b"=", value, b"\n"].concat();
        let length = (1..).find(|length: &usize| length.to_string().len() + rest.len() == *length).unwrap();
        [length.to_string().as_bytes(), &rest].concat()
    };
    records.iter().flat_map(record).collect()
}

/// GNU's long name (`L`) or link target (`K`) for the next entry.
pub fn gnu_long(kind: u8, name: &[u8]) -> Entry {
    entry(kind, "././@LongLink", "", &[name, b"\0"].concat())
}

/// A number in GNU's base-256.
pub fn base256(number: i128, width: usize) -> Vec<u8> {
    let mut bytes = number.to_be_bytes()[16 - width.min(16)..].to_vec();
    bytes[0] = if number < 0 { bytes[0] | 0x80 } else { 0x80 };
    bytes
}

impl Entry {
    /// Sets a field to these bytes.
    pub fn field(self, field: Field, bytes: &[u8]) -> Self {
        let range = field.range();
        assert!(bytes.len() <= range.len());
        self.set(range.start, bytes)
    }

    /// Sets a field to an octal number.
    pub fn octal(self, field: Field, number: u64) -> Self {
        let width = field.range().len() - 1;
        self.field(field, format!("{number:0width$o}\0").as_bytes())
    }

    /// Sets bytes anywhere in the header.
    pub fn set(mut self, at: usize, bytes: &[u8]) -> Self {
        self.header[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }

    pub fn mode(self, mode: u64) -> Self {
        self.octal(Field::Mode, mode)
    }

    /// An old header, of before POSIX.
    pub fn v7(self) -> Self {
        self.field(Field::Magic, &[0; 8])
    }

    /// A header of GNU tar.
    pub fn gnu(self) -> Self {
        self.field(Field::Magic, b"ustar  \0")
    }

    /// A header whose checksum is wrong.
    pub fn damaged(mut self) -> Self {
        self.checksum = Checksum::Wrong;
        self
    }

    /// A header as old programs made it on machines whose characters have signs.
    pub fn signed(mut self) -> Self {
        self.checksum = Checksum::Signed;
        self
    }

    /// The bytes of the entry, padded to whole blocks.
    pub fn bytes(&self) -> Vec<u8> {
        let mut header = self.header;
        header[148..156].copy_from_slice(b"        ");
        let sum: i64 = match self.checksum {
            Checksum::Signed => header.iter().map(|byte| i64::from(byte.cast_signed())).sum(),
            _ => header.iter().map(|byte| i64::from(*byte)).sum(),
        };
        let sum = sum + i64::from(self.checksum == Checksum::Wrong);
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let mut bytes = [&header[..], &self.content].concat();
        bytes.resize(bytes.len().next_multiple_of(512), 0);
        bytes
    }
}

/// The entries, without an end.
pub fn unfinished(entries: &[Entry]) -> Vec<u8> {
    entries.iter().flat_map(Entry::bytes).collect()
}

/// A whole tar.
pub fn tar(entries: &[Entry]) -> Vec<u8> {
    [unfinished(entries), vec![0; 1024]].concat()
}

/// What `docker save` writes: layers, a configuration and a list of images.
pub fn docker_archive(layers: &[Vec<u8>], config: Value) -> Vec<u8> {
    let names: Vec<String> = (0..layers.len()).map(|number| format!("{number}/layer.tar")).collect();
    let manifest = json!([{ "Config": "config.json", "RepoTags": ["app:1"], "Layers": names }]);
    let mut entries: Vec<Entry> = names.iter().zip(layers).map(|(name, layer)| file(name, layer)).collect();
    entries.push(file("config.json", image_config(layers, config).to_string()));
    entries.push(file("manifest.json", manifest.to_string()));
    tar(&entries)
}

/// An image configuration for amd64.
pub fn image_config(layers: &[Vec<u8>], config: Value) -> Value {
    let diff_ids: Vec<String> = layers.iter().map(|layer| Digest::of(layer).to_string()).collect();
    let rootfs = json!({ "type": "layers", "diff_ids": diff_ids });
    json!({ "architecture": "amd64", "os": "linux", "config": config, "rootfs": rootfs })
}

/// An OCI archive of one layer, whose manifest and configuration a test has changed.
pub fn oci_archive(
    layer: &[u8],
    change_config: impl FnOnce(&mut Value),
    change_manifest: impl FnOnce(&mut Value),
) -> Vec<Entry> {
    let mut config = image_config(&[layer.to_vec()], json!({}));
    change_config(&mut config);
    let config = config.to_string().into_bytes();
    let descriptor = |media_type: &str, bytes: &[u8]| {
        let media_type = format!("application/vnd.oci.image.{media_type}");
        json!({ "mediaType": media_type, "digest": Digest::of(bytes).to_string(), "size": bytes.len() })
    };
    let mut manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("config.v1+json", &config),
        "layers": [descriptor("layer.v1.tar", layer)],
    });
    change_manifest(&mut manifest);
    oci_archive_of(&manifest.to_string().into_bytes(), &[&config, layer])
}

/// An OCI archive with a manifest of any bytes.
pub fn oci_archive_of(manifest: &[u8], blobs: &[&[u8]]) -> Vec<Entry> {
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let descriptor =
        json!({ "mediaType": media_type, "digest": Digest::of(manifest).to_string(), "size": manifest.len() });
    let index = json!({ "schemaVersion": 2, "manifests": [descriptor] });
    let blob = |bytes: &[u8]| file(format!("blobs/sha256/{}", Digest::of(bytes).hex()), bytes);
    let mut entries = vec![
        file("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#),
        file("index.json", index.to_string()),
        blob(manifest),
    ];
    entries.extend(blobs.iter().map(|bytes| blob(bytes)));
    entries
}
