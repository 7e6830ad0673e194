//! Keys that are trusted, and until when.

use std::fmt;

use miette::Diagnostic;
use pgp::composed::{Deserializable, SignedPublicKey, SignedPublicSubKey};
use pgp::packet::{Signature, SignatureType};
use pgp::ser::Serialize;
use pgp::types::{KeyDetails, PublicParams, Tag};
use thiserror::Error;

use crate::epoch::Epoch;
use crate::openpgp::Rejection;

/// Smallest RSA modulus that is trusted, in bits.
const RSA_BITS: u16 = 2048;

/// Some OpenPGP certificates.
#[derive(Clone, Default)]
pub struct Keyring {
    certificates: Vec<SignedPublicKey>,
}

/// A file that is no keyring.
#[derive(Debug, Error, Diagnostic)]
#[error("it holds no OpenPGP public keys")]
#[diagnostic(help(
    "a keyring is what `gpg --export` writes, with or without --armor; GnuPG's .kbx files are not read"
))]
pub struct KeyringError {
    /// What the parser says, where it got as far.
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// A key that made a signature: a certificate's first one, or one of its subkeys.
pub(super) struct Key<'a> {
    certificate: &'a SignedPublicKey,
    subkey: Option<&'a SignedPublicSubKey>,
}

impl Keyring {
    /// Reads a keyring: certificates in a row, or armoured ones in one or several blocks.
    pub fn parse(bytes: &[u8]) -> Result<Self, KeyringError> {
        const ARMOUR: &str = "-----BEGIN PGP";
        let mut certificates = Vec::new();
        let mut read = |bytes: &[u8]| -> Result<(), pgp::errors::Error> {
            let (keys, _) = SignedPublicKey::from_reader_many(std::io::Cursor::new(bytes.to_vec()))?;
            keys.into_iter().try_for_each(|key| {
                certificates.push(key?);
                Ok(())
            })
        };
        let result = match std::str::from_utf8(bytes) {
            Ok(text) if text.contains(ARMOUR) => {
                let starts: Vec<_> = text.match_indices(ARMOUR).map(|(start, _)| start).collect();
                let ends = starts.iter().skip(1).copied().chain([text.len()]);
                starts.iter().zip(ends).try_for_each(|(start, end)| read(&bytes[*start..end]))
            }
            _ => read(bytes),
        };
        match result {
            Err(error) => Err(KeyringError { source: Some(error.into()) }),
            Ok(()) if certificates.is_empty() => Err(KeyringError { source: None }),
            Ok(()) => Ok(Self { certificates }),
        }
    }

    /// The fingerprints of the certificates, in hexadecimal.
    pub fn fingerprints(&self) -> Vec<String> {
        self.certificates.iter().map(|certificate| format!("{:X}", certificate.fingerprint())).collect()
    }

    /// Whether a certificate or one of its subkeys has this fingerprint, in hexadecimal.
    pub fn has(&self, fingerprint: &str) -> bool {
        let is_it = |key: &dyn KeyDetails| format!("{:X}", key.fingerprint()).eq_ignore_ascii_case(fingerprint);
        self.certificates.iter().any(|certificate| {
            is_it(&certificate.primary_key) || certificate.public_subkeys.iter().any(|subkey| is_it(&subkey.key))
        })
    }

    /// Adds the certificates of another keyring.
    pub fn extend(&mut self, other: Self) {
        self.certificates.extend(other.certificates);
    }

    /// Keeps the certificates of these fingerprints, in upper-case hexadecimal, and no others.
    pub fn retain(&mut self, fingerprints: &[String]) {
        self.certificates.retain(|certificate| fingerprints.contains(&format!("{:X}", certificate.fingerprint())));
    }

    /// The key that a signature names.
    pub(super) fn find(&self, signature: &Signature) -> Option<Key<'_>> {
        let (fingerprints, key_ids) = (signature.issuer_fingerprint(), signature.issuer_key_id());
        let named = |key: &dyn KeyDetails| {
            if fingerprints.is_empty() {
                key_ids.iter().any(|named| **named == key.legacy_key_id())
            } else {
                fingerprints.iter().any(|named| **named == key.fingerprint())
            }
        };
        self.certificates.iter().find_map(|certificate| {
            let subkey = certificate.public_subkeys.iter().find(|subkey| named(&subkey.key));
            let found = subkey.is_some() || named(&certificate.primary_key);
            found.then_some(Key { certificate, subkey })
        })
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.fingerprints()).finish()
    }
}

impl Key<'_> {
    pub(super) fn fingerprint(&self) -> String {
        match self.subkey {
            Some(subkey) => format!("{:X}", subkey.key.fingerprint()),
            None => format!("{:X}", self.certificate.primary_key.fingerprint()),
        }
    }

    pub(super) fn verify(&self, signature: &Signature, bytes: &[u8]) -> Result<(), pgp::errors::Error> {
        match self.subkey {
            Some(subkey) => signature.verify(&subkey.key, bytes),
            None => signature.verify(&self.certificate.primary_key, bytes),
        }
    }

    /// Refuses a key that is weak, revoked, expired at `now`, or not for signing. What says so counts only where the
    /// certificate's own first key has signed it.
    pub(super) fn check(&self, now: Epoch) -> Result<(), Rejection> {
        let primary = &self.certificate.primary_key;
        let details = &self.certificate.details;
        let fingerprint = format!("{:X}", primary.fingerprint());
        check_strength(primary)?;
        if details.revocation_signatures.iter().any(|revocation| revocation.verify_key(primary).is_ok()) {
            return Err(Rejection::RevokedKey { fingerprint });
        }
        let certifications = details.users.iter().flat_map(|user| {
            let valid = |signature: &&Signature| {
                signature.is_certification() && signature.verify_certification(primary, Tag::UserId, &user.id).is_ok()
            };
            user.signatures.iter().filter(valid)
        });
        let direct = details.direct_signatures.iter().filter(|signature| signature.verify_key(primary).is_ok());
        let binding = newest(certifications.chain(direct))
            .ok_or_else(|| Rejection::NotForSigning { fingerprint: fingerprint.clone() })?;
        check_end(primary, binding, now)?;
        let Some(subkey) = self.subkey else {
            // A certificate without key flags may do all that its algorithm can.
            let flags = binding.key_flags();
            let silent = !flags.sign() && !flags.certify() && !flags.encrypt_comms() && !flags.encrypt_storage();
            return if flags.sign() || silent { Ok(()) } else { Err(Rejection::NotForSigning { fingerprint }) };
        };
        check_strength(&subkey.key)?;
        check_subkey(primary, subkey, now)
    }
}

fn check_subkey(primary: &pgp::packet::PublicKey, subkey: &SignedPublicSubKey, now: Epoch) -> Result<(), Rejection> {
    let fingerprint = format!("{:X}", subkey.key.fingerprint());
    let (revocations, bindings): (Vec<_>, Vec<_>) = subkey
        .signatures
        .iter()
        .filter(|signature| signature.verify_subkey_binding(primary, &subkey.key).is_ok())
        .partition(|signature| signature.typ() == Some(SignatureType::SubkeyRevocation));
    if !revocations.is_empty() {
        return Err(Rejection::RevokedKey { fingerprint });
    }
    // Without the subkey's own signature anyone could claim it as theirs (RFC 9580, section 5.2.1.9).
    let binding = newest(bindings.into_iter()).filter(|binding| {
        let back = binding.embedded_signature();
        let agreed = back.is_some_and(|back| back.verify_primary_key_binding(&subkey.key, primary).is_ok());
        agreed && binding.key_flags().sign()
    });
    let binding = binding.ok_or(Rejection::NotForSigning { fingerprint })?;
    check_end(&subkey.key, binding, now)
}

/// The newest of some self-signatures, which replaces all before it. It may be newer than a snapshot: keyrings do not
/// keep those that it replaced.
fn newest<'s>(signatures: impl Iterator<Item = &'s Signature>) -> Option<&'s Signature> {
    signatures.max_by_key(|signature| signature.created().map_or(0, |created| created.as_secs()))
}

fn check_end(key: &impl KeyDetails, binding: &Signature, now: Epoch) -> Result<(), Rejection> {
    let lifetime = binding.key_expiration_time().map_or(0, |lifetime| i64::from(lifetime.as_secs()));
    let end = Epoch::from_seconds(i64::from(key.created_at().as_secs()) + lifetime);
    if lifetime > 0 && end <= now {
        return Err(Rejection::ExpiredKey { fingerprint: format!("{:X}", key.fingerprint()), end });
    }
    Ok(())
}

fn check_strength(key: &impl KeyDetails) -> Result<(), Rejection> {
    let weakness = match key.public_params() {
        PublicParams::RSA(parameters) => {
            // The modulus comes first, and starts with its length in bits (RFC 9580, section 3.2).
            let bytes = parameters.to_bytes().unwrap_or_default();
            let bits = bytes.first_chunk().map_or(0, |start| u16::from_be_bytes(*start));
            (bits < RSA_BITS).then(|| format!("RSA of only {bits} bits"))
        }
        PublicParams::ECDSA(_) | PublicParams::EdDSALegacy(_) | PublicParams::Ed25519(_) | PublicParams::Ed448(_) => {
            None
        }
        PublicParams::DSA(_) => Some("DSA, which is not safe any more".to_owned()),
        _ => Some("of a kind that does not sign".to_owned()),
    };
    match weakness {
        None => Ok(()),
        Some(weakness) => Err(Rejection::WeakKey { fingerprint: format!("{:X}", key.fingerprint()), weakness }),
    }
}
