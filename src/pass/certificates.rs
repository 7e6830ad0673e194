//! `certificates`: certificate authorities that the image trusts beside its own.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use sha1::{Digest as _, Sha1};

use crate::epoch::Epoch;
use crate::tree::{Content, Inode, Origin, Tree, TreePath};

use super::{Outcome, Pass, PassError, der, text_file};

/// Adds certificates as Debian's `update-ca-certificates` does: each as a file of its own in
/// `/usr/local/share/ca-certificates`, appended to the bundle, and where the image has hash links, with a link by the hash
/// of its subject. A later run of that program in the image comes to the same.
pub struct Certificates {
    certificates: Vec<Certificate>,
    epoch: Epoch,
}

struct Certificate {
    /// Its name in the image: the local file's, and a number where that holds several.
    name: String,
    /// The certificate as PEM.
    pem: String,
    /// What OpenSSL's `-subject_hash` gives.
    subject_hash: u32,
}

const NAME: &str = "certificates";
const BUNDLE: &str = "etc/ssl/certs/ca-certificates.crt";
const LINKS: &str = "etc/ssl/certs";
const LOCAL: &str = "usr/local/share/ca-certificates";
const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

impl Certificates {
    /// Reads and checks the local files.
    pub fn read(paths: &[PathBuf], epoch: Epoch) -> Result<Self, PassError> {
        let mut certificates: Vec<Certificate> = Vec::new();
        for path in paths {
            let text = fs::read(path).map_err(|source| PassError::Local { path: path.clone(), source })?;
            let wrong = |why: String| PassError::Certificate { path: path.clone(), why };
            let text = String::from_utf8(text).map_err(|_| wrong("it is not text, as PEM is".to_owned()))?;
            let pems = split(&text).map_err(wrong)?;
            let stem = file_name(path);
            for (at, body) in pems.iter().enumerate() {
                let count = at + 1;
                let name = if at == 0 { stem.clone() } else { format!("{stem}-{count}") };
                let subject_hash = decode(body)
                    .and_then(|der| subject_hash(&der))
                    .ok_or_else(|| wrong(format!("certificate {count} of the file is damaged")))?;
                if certificates.iter().any(|other| other.name == name) {
                    return Err(wrong(format!("another file of certificates is named `{name}` too")));
                }
                certificates.push(Certificate { name, pem: format!("{BEGIN}\n{}\n{END}\n", wrap(body)), subject_hash });
            }
        }
        Ok(Self { certificates, epoch })
    }

    fn put(&self, tree: &mut Tree, path: TreePath, mut inode: Inode) -> Result<(), PassError> {
        inode.meta.mtime = self.epoch.seconds();
        tree.insert_with_parents(path, inode)?;
        Ok(())
    }
}

impl Pass for Certificates {
    fn name(&self) -> &'static str {
        NAME
    }

    fn apply(&self, tree: &mut Tree) -> Result<Outcome, PassError> {
        if self.certificates.is_empty() {
            return Ok(Outcome::default());
        }
        let origin = || Origin::Pass(NAME.into());
        let bundle = TreePath::literal(BUNDLE);
        let mut text = text_file::read(tree, &bundle)?.ok_or_else(|| PassError::NoBundle(bundle.clone()))?;
        let local = tree.resolve(&TreePath::literal(LOCAL))?;
        let links = tree.resolve(&TreePath::literal(LINKS))?;
        let hashed = tree.children(&links).any(|entry| is_hash_link(entry.path.name()));
        for certificate in &self.certificates {
            let file = format!("{}.crt", certificate.name);
            let content = Content::bytes(certificate.pem.as_bytes());
            self.put(tree, local.join(&file)?, Inode::file(0o644, content, origin()))?;
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
            text.push_str(&certificate.pem);
            if hashed {
                let name = format!("{}.pem", certificate.name);
                let target = format!("/{LOCAL}/{file}");
                self.put(tree, links.join(&name)?, Inode::symlink(target, origin()))?;
                let free = (0..).map(|number| links.join(format!("{:08x}.{number}", certificate.subject_hash)));
                let taken = |path: &TreePath| {
                    let target = tree.get(path).and_then(Inode::symlink_target);
                    tree.contains(path) && target != Some(name.as_bytes())
                };
                let free = free.flatten().find(|path| !taken(path)).expect("numbers do not end");
                self.put(tree, free, Inode::symlink(&name, origin()))?;
            }
        }
        text_file::write(tree, &bundle, text, 0o644, self.epoch.seconds(), NAME)?;
        Ok(Outcome::of(&[("certificates added", self.certificates.len() as u64)], Vec::new()))
    }
}

/// The Base64 between the marks of each certificate. Text around them is dropped, as OpenSSL does; a private key is
/// refused, since nobody means to publish one.
fn split(text: &str) -> Result<Vec<String>, String> {
    if text.contains("PRIVATE KEY-----") {
        return Err("there is a private key in it".to_owned());
    }
    let mut bodies = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once(BEGIN) {
        let (body, after) = after.split_once(END).ok_or_else(|| format!("a certificate has no `{END}`"))?;
        bodies.push(body.split_ascii_whitespace().collect());
        rest = after;
    }
    if bodies.is_empty() {
        return Err("there is no certificate in it".to_owned());
    }
    Ok(bodies)
}

fn decode(body: &str) -> Option<Vec<u8>> {
    base64::engine::general_purpose::STANDARD.decode(body).ok()
}

/// Lines of 64 characters (RFC 7468).
fn wrap(body: &str) -> String {
    let lines: Vec<_> = body.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    lines.join("\n")
}

/// A name that is safe in file names: the local file's without its ending, spaces as `_`, as update-ca-certificates has
/// it.
fn file_name(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    stem.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '_' }).collect()
}

/// Whether a name is that of a hash link: `4a6481c9.0`.
fn is_hash_link(name: &[u8]) -> bool {
    let hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    name.len() >= 10 && name[..8].iter().all(hex) && name[8] == b'.' && name[9..].iter().all(u8::is_ascii_digit)
}

/// The hash of a certificate's subject by which OpenSSL finds it: the first four bytes of SHA-1, little-endian, of the
/// name in its canonical form (OpenSSL, `crypto/x509/x509_cmp.c`, `X509_NAME_hash_ex`). Nothing where it is no
/// certificate.
fn subject_hash(certificate: &[u8]) -> Option<u32> {
    let certificate = der::elements(der::only(certificate, der::SEQUENCE)?.content)?;
    let [body, _, _] = certificate.as_slice() else { return None };
    let mut fields = der::elements(body.content)?;
    // The version is tagged, and absent in version 1.
    if fields.first()?.tag == 0xa0 {
        fields.remove(0);
    }
    let [_serial, _algorithm, _issuer, _validity, subject, ..] = fields.as_slice() else { return None };
    let canonical = canonical_name(subject)?;
    let hash = Sha1::digest(canonical);
    Some(u32::from_le_bytes([hash[0], hash[1], hash[2], hash[3]]))
}

/// A name with its strings as UTF-8 in small letters, without spaces at their ends and with single spaces inside
/// (OpenSSL, `crypto/x509/x_name.c`, `x509_name_canon`).
fn canonical_name(name: &der::Element<'_>) -> Option<Vec<u8>> {
    if name.tag != der::SEQUENCE {
        return None;
    }
    let mut canonical = Vec::new();
    for relative in der::elements(name.content)? {
        let mut attributes = Vec::new();
        for attribute in der::elements(relative.content)? {
            let pair = der::elements(attribute.content)?;
            let [kind, value] = pair.as_slice() else { return None };
            let value = match der::text(value) {
                Some(text) => {
                    let words: Vec<_> =
                        text.split([' ', '\t', '\n', '\r', '\x0b', '\x0c']).filter(|word| !word.is_empty()).collect();
                    der::write(der::UTF8_STRING, words.join(" ").to_ascii_lowercase().as_bytes())
                }
                None => value.whole.to_vec(),
            };
            attributes.push(der::write(der::SEQUENCE, &[kind.whole, &value].concat()));
        }
        // DER orders what is in a set.
        attributes.sort();
        canonical.extend(der::write(der::SET, &attributes.concat()));
    }
    Some(canonical)
}
