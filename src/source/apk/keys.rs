//! Keys and signatures: RSA, over the bytes that follow the signature's own gzip member.

use std::collections::BTreeMap;
use std::path::PathBuf;

use aws_lc_rs::signature::{
    RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
    RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY, RsaParameters, UnparsedPublicKey,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::error::ApkError;
use crate::recipe::ApkRequest;

/// Public keys by the name that signatures give them: `alpine-devel@lists.alpinelinux.org-6165ee59.rsa.pub`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keyring(BTreeMap<String, PublicKey>);

/// An RSA public key: the DER of its SubjectPublicKeyInfo (RFC 5280, section 4.1).
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey(Vec<u8>);

/// A signature in the first member of an index or package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The name of the key that made it.
    pub key: String,
    /// Its algorithm: `RSA`, which is with SHA-1, `RSA256`, `RSA512` or `DSA`.
    pub algorithm: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

macro_rules! built_in {
    ($($name:literal),+ $(,)?) => {
        [$(($name, include_str!(concat!("keys/", $name)))),+]
    };
}

/// See `keys/README.md` for where they come from.
const ALPINE: [(&str, &str); 17] = built_in![
    "alpine-devel@lists.alpinelinux.org-4a6a0840.rsa.pub",
    "alpine-devel@lists.alpinelinux.org-5243ef4b.rsa.pub",
    "alpine-devel@lists.alpinelinux.org-524d27bb.rsa.pub",
    "alpine-devel@lists.alpinelinux.org-5261cecb.rsa.pub",
    "alpine-devel@lists.alpinelinux.org-58199dcc.rsa.pub",
    "alpine-devel@lists.alpinelinux.org-58cbb476.rsa.pub",
    "alpine-devel@lists.alpinelinux.org-58e4f17d.rsa.pub",
    "alpine-devel@lists.alpinelinux.org-5e69ca50.rsa.pub",
    "alpine-devel@lists.alpinelinux.org-60ac2099.rsa.pub",
    "alpine-devel@lists.alpinelinux.org-6165ee59.rsa.pub",
    "alpine-devel@lists.alpinelinux.org-61666e3f.rsa.pub",
    "alpine-devel@lists.alpinelinux.org-616a9724.rsa.pub",
    "alpine-devel@lists.alpinelinux.org-616abc23.rsa.pub",
    "alpine-devel@lists.alpinelinux.org-616ac3bc.rsa.pub",
    "alpine-devel@lists.alpinelinux.org-616adfeb.rsa.pub",
    "alpine-devel@lists.alpinelinux.org-616ae350.rsa.pub",
    "alpine-devel@lists.alpinelinux.org-616db30d.rsa.pub",
];

/// See `keys/README.md` for where it comes from.
const WOLFI: [(&str, &str); 1] = built_in!["wolfi-signing.rsa.pub"];

/// See `keys/README.md` for where they come from.
const CHAINGUARD: [(&str, &str); 3] = built_in![
    "chainguard-7fb528a64a862d44bbea6069093f1fec29fa864ba7e9754828eeceed3f487239.rsa.pub",
    "chainguard-a758e63f677c21398431017ba63a5f1676378db460c8ee05bacf92d9227b1ba4.rsa.pub",
    "chainguard-e3fb44d055702ed0dddf0f2acb1a0a07fc6075967092b203c7aac7db801d65f4.rsa.pub",
];

impl Keyring {
    /// The keys that may sign what a request reads: those of its distribution that are built in, and the recipe's.
    pub fn of_request(request: &ApkRequest) -> Result<Self, ApkError> {
        let mut keyring = Self::of_distribution(&request.distribution);
        request.keys.iter().try_for_each(|path| keyring.add_file(path))?;
        Ok(keyring)
    }

    /// The keys of a distribution that are built in; none for one that is not known.
    pub fn of_distribution(name: &str) -> Self {
        let keys: &[(&str, &str)] = match name {
            "alpine" => &ALPINE,
            "wolfi" => &WOLFI,
            "chainguard" => &CHAINGUARD,
            _ => &[],
        };
        let read =
            |(name, pem): &(&str, &str)| ((*name).to_owned(), PublicKey::parse(pem).expect("built-in keys are keys"));
        Self(keys.iter().map(read).collect())
    }

    /// Adds the key in the file at `path`; the file's name is the key's.
    pub fn add_file(&mut self, path: &PathBuf) -> Result<(), ApkError> {
        let text = std::fs::read_to_string(path).map_err(|source| ApkError::KeyFile { path: path.clone(), source })?;
        let key = PublicKey::parse(&text).ok_or_else(|| ApkError::NoKeyInFile { path: path.clone() })?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.0.insert(name, key);
        Ok(())
    }

    /// The key of a name. Some servers leave out the end of the name, some files have none.
    pub fn key(&self, name: &str) -> Option<&PublicKey> {
        self.0.get(name).or_else(|| self.0.get(name.strip_suffix(".rsa.pub")?))
    }

    /// The names of all keys.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl PublicKey {
    /// Reads the PEM of a public key, as `openssl rsa -pubout` writes it.
    pub fn parse(text: &str) -> Option<Self> {
        let (_, rest) = text.split_once("-----BEGIN PUBLIC KEY-----")?;
        let (body, _) = rest.split_once("-----END PUBLIC KEY-----")?;
        let body: String = body.split_ascii_whitespace().collect();
        STANDARD.decode(body).ok().filter(|der| is_rsa(der)).map(Self)
    }

    /// A key from the base64 of its DER, as locks hold it.
    pub fn from_base64(text: &str) -> Option<Self> {
        STANDARD.decode(text).ok().filter(|der| is_rsa(der)).map(Self)
    }

    /// The base64 of its DER.
    pub fn base64(&self) -> String {
        STANDARD.encode(&self.0)
    }

    /// Its PEM, as it is in `/etc/apk/keys`.
    pub fn pem(&self) -> String {
        let body = self.base64();
        let lines = body.as_bytes().chunks(64).map(|line| format!("{}\n", String::from_utf8_lossy(line)));
        format!("-----BEGIN PUBLIC KEY-----\n{}-----END PUBLIC KEY-----\n", lines.collect::<String>())
    }

    /// Whether `signature` is this key's over `bytes`. Of algorithms that are not known it is not.
    pub fn verifies(&self, signature: &Signature, bytes: &[u8]) -> bool {
        let Some(parameters) = algorithm(&signature.algorithm) else { return false };
        UnparsedPublicKey::new(parameters, &self.0).verify(bytes, &signature.bytes).is_ok()
    }
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.base64())
    }
}

impl Signature {
    /// Reads the name of an entry: `.SIGN.RSA.<key>`; nothing where it is no signature.
    pub fn of_entry(name: &str, bytes: Vec<u8>) -> Option<Self> {
        let (algorithm, key) = name.strip_prefix(".SIGN.")?.split_once('.')?;
        Some(Self { key: key.to_owned(), algorithm: algorithm.to_owned(), bytes })
    }

    /// Whether its algorithm can be verified here.
    pub fn is_known(&self) -> bool {
        algorithm(&self.algorithm).is_some()
    }
}

/// The name says RSA with SHA-1, SHA-256 or SHA-512, padded by PKCS #1 1.5 (apk-tools' `src/extract_v2.c`).
fn algorithm(name: &str) -> Option<&'static RsaParameters> {
    match name {
        "RSA" => Some(&RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY),
        "RSA256" => Some(&RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY),
        "RSA512" => Some(&RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY),
        _ => None,
    }
}

/// The object identifier of RSA keys, 1.2.840.113549.1.1.1, near the start.
fn is_rsa(der: &[u8]) -> bool {
    const RSA: [u8; 11] = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
    der.iter().take(32).copied().collect::<Vec<_>>().windows(RSA.len()).any(|window| window == RSA)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_keys_are_read_and_written_as_they_are() {
        for (name, pem) in ALPINE.iter().chain(&WOLFI).chain(&CHAINGUARD) {
            let key = PublicKey::parse(pem).unwrap();
            assert_eq!(key.pem().trim_end(), pem.trim_end(), "{name}");
            assert_eq!(PublicKey::from_base64(&key.base64()), Some(key));
        }
        let names = |distribution| Keyring::of_distribution(distribution).names().count();
        assert_eq!((names("alpine"), names("wolfi"), names("chainguard")), (17, 1, 3));
        assert_eq!(Keyring::of_distribution("other"), Keyring::default());
    }

    #[test]
    fn other_texts_are_no_keys() {
        for wrong in [
            "",
            "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n",
            "-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----\n",
        ] {
            assert_eq!(PublicKey::parse(wrong), None);
        }
    }

    #[test]
    fn entries_name_algorithm_and_key() {
        let signature = Signature::of_entry(".SIGN.RSA256.a.b@c.rsa.pub", vec![1]).unwrap();
        assert_eq!((signature.algorithm.as_str(), signature.key.as_str()), ("RSA256", "a.b@c.rsa.pub"));
        assert!(signature.is_known());
        assert!(!Signature::of_entry(".SIGN.DSA.x", Vec::new()).unwrap().is_known());
        assert_eq!(Signature::of_entry(".PKGINFO", Vec::new()), None);
    }
}
