//! A file of an rpm package: its headers, and who signed it (rpm's `docs/manual/format_v4.md`).
//!
//! A file is a lead of 96 bytes, a header of signatures, the header proper, and the payload. A signature covers the
//! header; the header has the digest of the payload. Packages of old rpm have signatures over header and payload.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use base64::Engine;

use super::DnfError;
use crate::digest::Digesting;
use crate::epoch::Epoch;
use crate::inventory::rpm::header::{Header, tag};
use crate::lock::LockedRpm;
use crate::openpgp::{self, Keyring, SignatureError};
use crate::store::Blob;

const LEAD: usize = 96;
const LEAD_MAGIC: [u8; 4] = [0xed, 0xab, 0xee, 0xdb];
const HEADER_MAGIC: [u8; 8] = [0x8e, 0xad, 0xe8, 0x01, 0, 0, 0, 0];

/// Most bytes of a header of signatures and of a header proper that rpm takes.
const MOST_SIGNATURES: usize = 64 << 20;
const MOST_HEADER: usize = 256 << 20;

/// Tags of the header of signatures: over the header (RSA, DSA, and any in base64), and over header and payload.
const OF_HEADER: [u32; 2] = [268, 267];
const OF_HEADER_ENCODED: u32 = 278;
const OF_ALL: [u32; 2] = [1002, 1005];

/// SHA-256 as OpenPGP numbers it.
const SHA256: u64 = 8;

/// The headers of a package.
#[derive(Debug)]
pub struct PackageFile {
    signatures: Vec<u8>,
    /// The header with its magic number: what is signed.
    signed: Vec<u8>,
    /// Where the payload starts.
    payload: u64,
}

/// Why a package is not believed.
#[derive(Debug)]
pub enum Refusal {
    /// Its bytes are no package.
    Damaged(String),
    /// Nobody that is trusted signed it.
    Signature(SignatureError),
}

impl PackageFile {
    /// Reads the headers of the file at `path`. The error says what is wrong with it.
    pub fn read(path: &Path) -> Result<Self, String> {
        let mut file = File::open(path).map_err(|error| error.to_string())?;
        Self::parse(&mut file)
    }

    fn parse(file: &mut impl Read) -> Result<Self, String> {
        let short = |_: io::Error| "it ends too early".to_owned();
        let mut lead = [0; LEAD];
        file.read_exact(&mut lead).map_err(short)?;
        if !lead.starts_with(&LEAD_MAGIC) {
            return Err("it does not start as one".to_owned());
        }
        let signatures = header(file, MOST_SIGNATURES)?;
        // The header proper starts at a multiple of eight.
        let padding = signatures.len().next_multiple_of(8) - signatures.len();
        file.read_exact(&mut [0; 8][..padding]).map_err(short)?;
        let signed = header(file, MOST_HEADER)?;
        let payload = (LEAD + signatures.len() + padding + signed.len()) as u64;
        Ok(Self { signatures, signed, payload })
    }

    /// Its header.
    pub fn header(&self) -> Header<'_> {
        Header::parse(&self.signed[HEADER_MAGIC.len()..]).expect("its lengths were looked at when it was read")
    }

    /// What is in the file is what the index or lock calls it.
    pub(super) fn check(&self, locked: &LockedRpm) -> Result<(), DnfError> {
        let header = self.header();
        let word = |tag| header.string(tag).unwrap_or("?");
        let found = format!("{}-{}.{}", word(tag::NAME), header.version().unwrap_or_default(), word(tag::ARCH));
        let expected = format!("{}-{}.{}", locked.name, locked.version, locked.architecture);
        if found == expected {
            return Ok(());
        }
        Err(DnfError::OtherPackage { expected, found, path: locked.path.clone() })
    }

    /// The fingerprint of the key of `keyring` that signed the package in `blob`, headers and payload. `what` names it.
    pub fn signer(&self, what: &str, blob: &Blob, keyring: &Keyring, now: Epoch) -> Result<String, Refusal> {
        let signatures = Header::parse(&self.signatures[HEADER_MAGIC.len()..]);
        let signatures = signatures.expect("its lengths were looked at when it was read");
        let mut of_header: Vec<Vec<u8>> =
            OF_HEADER.iter().filter_map(|tag| signatures.bytes(*tag)).map(<[u8]>::to_vec).collect();
        let encoded = signatures.strings(OF_HEADER_ENCODED).into_iter();
        of_header.extend(encoded.filter_map(|text| base64::engine::general_purpose::STANDARD.decode(text).ok()));
        let (mut signer, mut refusal) = (None, None);
        for signature in of_header {
            match openpgp::signer(what, &self.signed, &signature, keyring, now) {
                Ok(found) => signer = signer.or(Some(found)),
                Err(error) => refusal = Some(error),
            }
        }
        let has_digest = !self.header().strings(tag::PAYLOADDIGEST).is_empty();
        if let Some(signer) = signer.filter(|_| has_digest) {
            self.check_payload(blob)?;
            return Ok(signer);
        }
        // What old rpm signed is all behind the header of signatures.
        for signature in OF_ALL.iter().filter_map(|tag| signatures.bytes(*tag)) {
            let start = self.payload - self.signed.len() as u64;
            let bytes = std::fs::read(&blob.path).map_err(|error| Refusal::Damaged(error.to_string()))?;
            let bytes = bytes.get(start as usize..).unwrap_or_default();
            match openpgp::signer(what, bytes, signature, keyring, now) {
                Ok(signer) => return Ok(signer),
                Err(error) => refusal = Some(error),
            }
        }
        Err(refusal.map_or_else(|| none(what), Refusal::Signature))
    }

    /// The payload is the one that the header speaks of.
    fn check_payload(&self, blob: &Blob) -> Result<(), Refusal> {
        let header = self.header();
        let algorithm = header.number(tag::PAYLOADDIGESTALGO);
        if algorithm != Some(SHA256) {
            let reason = "the digest of its payload is not a SHA-256";
            return Err(Refusal::Damaged(reason.to_owned()));
        }
        let digest = || -> io::Result<String> {
            let mut file = File::open(&blob.path)?;
            io::copy(&mut file.by_ref().take(self.payload), &mut io::sink())?;
            let mut digesting = Digesting::new(io::sink());
            io::copy(&mut file, &mut digesting)?;
            Ok(digesting.digest().hex())
        };
        let found = digest().map_err(|error| Refusal::Damaged(error.to_string()))?;
        if header.strings(tag::PAYLOADDIGEST).first() == Some(&&*found) {
            return Ok(());
        }
        Err(Refusal::Damaged("its payload is not the one that its header speaks of".to_owned()))
    }
}

fn none(what: &str) -> Refusal {
    Refusal::Signature(SignatureError::NoSignature { what: what.to_owned() })
}

/// A header with its magic number.
fn header(file: &mut impl Read, most: usize) -> Result<Vec<u8>, String> {
    let short = |_: io::Error| "it ends too early".to_owned();
    let mut bytes = vec![0; HEADER_MAGIC.len() + 8];
    file.read_exact(&mut bytes).map_err(short)?;
    let size = Header::size(&bytes[HEADER_MAGIC.len()..]).filter(|_| bytes.starts_with(&HEADER_MAGIC));
    let size = size.filter(|size| *size <= most).ok_or("its headers are damaged")?;
    let rest = (size - 8) as u64;
    file.take(rest).read_to_end(&mut bytes).map_err(short)?;
    if bytes.len() == HEADER_MAGIC.len() + size { Ok(bytes) } else { Err("it ends too early".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_no_packages() {
        let mut lead = LEAD_MAGIC.to_vec();
        lead.resize(LEAD, 0);
        let with = |more: &[u8]| [&lead, more].concat();
        let huge = [&HEADER_MAGIC[..], &[0xff; 8]].concat();
        let empty = [&HEADER_MAGIC[..], &[0; 8]].concat();
        let short = [&HEADER_MAGIC[..], &[0, 0, 0, 1, 0, 0, 1, 0], &[0; 20]].concat();
        let cases = [
            (vec![], "ends too early"),
            (vec![0; 200], "does not start"),
            (with(&[]), "ends too early"),
            (with(&[7; 16]), "damaged"),
            (with(&huge), "damaged"),
            (with(&empty), "damaged"),
            (with(&short), "ends too early"),
        ];
        for (bytes, expected) in cases {
            let error = PackageFile::parse(&mut bytes.as_slice()).unwrap_err();
            assert!(error.contains(expected), "{expected}: {error}");
        }
    }
}
