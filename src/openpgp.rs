//! Who signed a text or a package, and whether to believe it.
//!
//! A signature counts if a key of the keyring made it over exactly these bytes, with a hash that is still safe; the key
//! must not be weak, expired or revoked, and must be bound to be used for signing. One such signature is enough. Bytes
//! that no signature covers are never given out: an `InRelease` with anything before or after its signed part is refused.

mod keyring;

use std::fmt;

use miette::Diagnostic;
use pgp::composed::{CleartextSignedMessage, Deserializable, DetachedSignature};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SignatureType};
use thiserror::Error;

use crate::epoch::Epoch;

pub use keyring::{Keyring, KeyringError};

/// Text that a trusted key has signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The text, with plain line ends.
    pub text: String,
    /// The fingerprint of the key whose signature is good, in hexadecimal; of the subkey, where that signed. Nothing where
    /// no signature was asked for.
    pub signer: Option<String>,
}

/// Why a signed text is not believed.
#[derive(Debug, Error, Diagnostic)]
pub enum SignatureError {
    /// It is no clearsigned text.
    #[error("{what} is not one text with an OpenPGP signature around it")]
    #[diagnostic(help("the mirror or a proxy may answer with a page of its own: try another mirror with --mirror"))]
    NotClearsigned {
        /// Which file.
        what: String,
        /// What the parser says.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The file that should hold signatures holds none.
    #[error("{what} has no OpenPGP signature")]
    #[diagnostic(help(
        "the archive must be signed, or the recipe must say `trust = \"unsigned\"` for this repository"
    ))]
    NoSignature {
        /// Which file.
        what: String,
    },
    /// No signature is good.
    #[error("no signature of {what} can be trusted: {reasons}", reasons = reasons(rejections))]
    #[diagnostic(help("{}", help(rejections)))]
    Untrusted {
        /// Which file.
        what: String,
        /// What is wrong with each.
        rejections: Vec<Rejection>,
    },
}

/// What is wrong with one signature. Fingerprints are in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rejection {
    /// No key of the keyring has the fingerprint or key ID.
    UnknownSigner {
        /// The fingerprint, or where the signature has none the key ID.
        signer: String,
    },
    /// The bytes are not those that were signed.
    Tampered {
        /// The key.
        fingerprint: String,
    },
    /// It was made with a hash that can be forged, or in a form too old to trust.
    WeakSignature {
        /// The key.
        signer: String,
        /// The hash, or what else is weak.
        weakness: String,
    },
    /// It has an end, and that has passed.
    ExpiredSignature {
        /// The key.
        fingerprint: String,
        /// The end.
        end: Epoch,
    },
    /// The key has an end, and that has passed.
    ExpiredKey {
        /// The key.
        fingerprint: String,
        /// The end.
        end: Epoch,
    },
    /// Its owner took the key back.
    RevokedKey {
        /// The key.
        fingerprint: String,
    },
    /// The key could be broken.
    WeakKey {
        /// The key.
        fingerprint: String,
        /// Why.
        weakness: String,
    },
    /// Nothing says that the key may sign.
    NotForSigning {
        /// The key.
        fingerprint: String,
    },
}

/// A clearsigned text (`InRelease`), whoever signed it.
#[derive(Debug)]
pub struct Clearsigned {
    /// What the file is called in errors.
    what: String,
    message: CleartextSignedMessage,
}

impl Clearsigned {
    /// Reads a text with signatures, and nothing before or after. `what` names the file in errors.
    pub fn parse(what: &str, bytes: &[u8]) -> Result<Self, SignatureError> {
        let malformed = |source: Box<dyn std::error::Error + Send + Sync>| SignatureError::NotClearsigned {
            what: what.to_owned(),
            source,
        };
        let input = std::str::from_utf8(bytes).map_err(|error| malformed(error.into()))?;
        let (message, _) =
            CleartextSignedMessage::from_string(input.trim_ascii_end()).map_err(|error| malformed(error.into()))?;
        Ok(Self { what: what.to_owned(), message })
    }

    /// The text, with plain line ends. Nobody vouches for it.
    pub fn text(&self) -> String {
        self.message.signed_text().replace("\r\n", "\n")
    }

    /// Verifies it. `now` decides what has expired: the clock for a live archive, the date of the `Release` for a snapshot.
    pub fn verify(&self, keyring: &Keyring, now: Epoch) -> Result<Verified, SignatureError> {
        let text = self.message.signed_text();
        let signer = verify(&self.what, text.as_bytes(), self.message.signatures().iter(), keyring, now)?;
        Ok(Verified { text: self.text(), signer: Some(signer) })
    }
}

/// Verifies a text (`Release`) by the signatures beside it (`Release.gpg`, armoured or binary). `now` and `what` are as
/// for [`Clearsigned`].
pub fn verify_detached(
    what: &str,
    bytes: &[u8],
    signatures: &[u8],
    keyring: &Keyring,
    now: Epoch,
) -> Result<Verified, SignatureError> {
    let signer = signer(what, bytes, signatures, keyring, now)?;
    let text = std::str::from_utf8(bytes)
        .map_err(|error| SignatureError::NotClearsigned { what: what.to_owned(), source: error.into() })?;
    Ok(Verified { text: text.to_owned(), signer: Some(signer) })
}

/// The fingerprint of the first key whose signature (armoured or binary) over exactly `bytes` is good. `now` and `what`
/// are as for [`Clearsigned`].
pub fn signer(
    what: &str,
    bytes: &[u8],
    signatures: &[u8],
    keyring: &Keyring,
    now: Epoch,
) -> Result<String, SignatureError> {
    let none = || SignatureError::NoSignature { what: what.to_owned() };
    let (signatures, _) = DetachedSignature::from_reader_many(signatures).map_err(|_| none())?;
    let signatures: Vec<_> = signatures.map_while(Result::ok).map(|detached| detached.signature).collect();
    verify(what, bytes, signatures.iter(), keyring, now)
}

fn verify<'s>(
    what: &str,
    bytes: &[u8],
    signatures: impl Iterator<Item = &'s Signature>,
    keyring: &Keyring,
    now: Epoch,
) -> Result<String, SignatureError> {
    let mut rejections = Vec::new();
    for signature in signatures {
        match verify_one(bytes, signature, keyring, now) {
            Ok(fingerprint) => return Ok(fingerprint),
            Err(rejection) => rejections.push(rejection),
        }
    }
    let what = what.to_owned();
    Err(match rejections.is_empty() {
        true => SignatureError::NoSignature { what },
        false => SignatureError::Untrusted { what, rejections },
    })
}

fn verify_one(bytes: &[u8], signature: &Signature, keyring: &Keyring, now: Epoch) -> Result<String, Rejection> {
    let signer = name_of_signer(signature);
    let weak = |weakness: &str| Rejection::WeakSignature { signer: signer.clone(), weakness: weakness.to_owned() };
    match signature.hash_alg() {
        Some(
            HashAlgorithm::Sha256
            | HashAlgorithm::Sha384
            | HashAlgorithm::Sha512
            | HashAlgorithm::Sha3_256
            | HashAlgorithm::Sha3_512,
        ) => {}
        Some(other) => return Err(weak(&other.to_string())),
        None => return Err(weak("an unknown form of signature")),
    }
    if !matches!(signature.typ(), Some(SignatureType::Binary | SignatureType::Text)) {
        return Err(weak("a signature that is not for documents"));
    }
    let Some(key) = keyring.find(signature) else { return Err(Rejection::UnknownSigner { signer }) };
    let fingerprint = key.fingerprint();
    if key.verify(signature, bytes).is_err() {
        return Err(Rejection::Tampered { fingerprint });
    }
    if let (Some(created), Some(lifetime)) = (signature.created(), signature.signature_expiration_time())
        && lifetime.as_secs() > 0
    {
        let end = Epoch::from_seconds(i64::from(created.as_secs()) + i64::from(lifetime.as_secs()));
        if end <= now {
            return Err(Rejection::ExpiredSignature { fingerprint, end });
        }
    }
    key.check(now)?;
    Ok(fingerprint)
}

/// What a signature says of who made it.
fn name_of_signer(signature: &Signature) -> String {
    match (signature.issuer_fingerprint().first(), signature.issuer_key_id().first()) {
        (Some(fingerprint), _) => format!("{fingerprint:X}"),
        (None, Some(key_id)) => key_id.to_string().to_uppercase(),
        (None, None) => "a key that it does not name".to_owned(),
    }
}

fn reasons(rejections: &[Rejection]) -> String {
    rejections.iter().map(Rejection::to_string).collect::<Vec<_>>().join("; ")
}

fn help(rejections: &[Rejection]) -> &'static str {
    let any = |which: fn(&Rejection) -> bool| rejections.iter().any(which);
    if any(|rejection| matches!(rejection, Rejection::Tampered { .. })) {
        "the file was changed after it was signed, or damaged on the way: try another mirror with --mirror"
    } else if any(|rejection| matches!(rejection, Rejection::ExpiredKey { .. } | Rejection::RevokedKey { .. })) {
        "the archive has new keys: use a newer rootsmith, or name their file with `keyring = \"FILE\"` in the recipe"
    } else if any(|rejection| matches!(rejection, Rejection::UnknownSigner { .. })) {
        "if that key is the archive's own, name the file that has it with `keyring = \"FILE\"` in the recipe"
    } else {
        "such signatures can be forged: tell the archive's keepers to sign with SHA-256 and a key that is strong"
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownSigner { signer } => write!(f, "{signer} is not in the keyring"),
            Self::Tampered { fingerprint } => write!(f, "{fingerprint} did not sign these bytes"),
            Self::WeakSignature { signer, weakness } => write!(f, "{signer} signed with {weakness}"),
            Self::ExpiredSignature { fingerprint, end } => {
                write!(f, "the signature by {fingerprint} expired on {end}")
            }
            Self::ExpiredKey { fingerprint, end } => write!(f, "the key {fingerprint} expired on {end}"),
            Self::RevokedKey { fingerprint } => write!(f, "the key {fingerprint} was revoked"),
            Self::WeakKey { fingerprint, weakness } => write!(f, "the key {fingerprint} is {weakness}"),
            Self::NotForSigning { fingerprint } => write!(f, "the key {fingerprint} is not for signing"),
        }
    }
}

#[cfg(test)]
mod tests;
