//! A Debian archive in a folder, signed by the test key.

use std::fs;
use std::path::{Path, PathBuf};

use pgp::composed::{
    ArmorOptions, CleartextSignedMessage, Deserializable, KeyType, SecretKeyParamsBuilder, SignedSecretKey,
};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{SignatureConfig, SignatureType, Subpacket, SubpacketData};
use pgp::types::{Duration, KeyDetails, Password, Tag};
use rootsmith::digest::Digest;

use super::deb::{Deb, xz};

/// The key that signs test archives; its public half is `tests/golden/archive-key.asc`.
const SIGNING_KEY: &str = include_str!("../../golden/signing-key.asc");

/// What the `Release` file of an archive says.
#[derive(Clone, Copy)]
pub struct Suite {
    pub origin: &'static str,
    pub suite: &'static str,
    pub codename: &'static str,
    /// As in `Release`: `Sun, 15 Jun 2025 15:06:40 UTC`.
    pub date: &'static str,
    /// Further lines, each with a line feed at its end.
    pub more: &'static str,
}

/// The file of the key that archives are signed by.
pub fn public_key() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/archive-key.asc")
}

/// Writes the public half of the key that archives are signed by, as one that expired long ago.
pub fn write_expired_key(file: &Path) {
    let (secret, _) = SignedSecretKey::from_string(SIGNING_KEY).unwrap();
    let mut public = secret.to_public_key();
    let id = public.details.users[0].id.clone();
    let key = &secret.primary_key;
    let mut config = SignatureConfig::v4(SignatureType::CertPositive, key.algorithm(), HashAlgorithm::Sha256);
    let says = [
        SubpacketData::SignatureCreationTime(key.created_at()),
        SubpacketData::IssuerFingerprint(key.fingerprint()),
        SubpacketData::KeyExpirationTime(Duration::from_secs(60)),
    ];
    config.hashed_subpackets = says.into_iter().map(|says| Subpacket::regular(says).unwrap()).collect();
    let signature = config.sign_certification(key, &public.primary_key, &Password::empty(), Tag::UserId, &id).unwrap();
    public.details.users[0].signatures = vec![signature];
    public.details.direct_signatures.clear();
    fs::write(file, public.to_armored_string(ArmorOptions::default()).unwrap()).unwrap();
}

/// Writes a flat repository of `packages` into `folder`: the index beside the packages. `signed` gives it an InRelease.
pub fn write_flat(folder: &Path, packages: &[Deb], signed: bool) {
    fs::create_dir_all(folder).unwrap();
    let mut index = String::new();
    for package in packages {
        fs::write(folder.join(&package.file_name), &package.bytes).unwrap();
        index.push_str(&stanza(package).replace("Filename: pool/main/", "Filename: ./"));
    }
    let mut sums = String::new();
    for (name, bytes) in [("Packages", index.clone().into_bytes()), ("Packages.xz", xz(index.as_bytes()))] {
        fs::write(folder.join(name), &bytes).unwrap();
        sums.push_str(&format!(" {} {} {name}\n", Digest::of(&bytes).hex(), bytes.len()));
    }
    if signed {
        let release = format!(
            "Origin: NVIDIA\nLabel: NVIDIA CUDA\nArchitecture: x86_64\nDate: Sun, 15 Jun 2025 15:06:40 UTC\nSHA256:\n{sums}"
        );
        fs::write(folder.join("InRelease"), sign(&release)).unwrap();
    }
}

/// Writes an archive of `packages` for amd64 into `folder`.
pub fn write(folder: &Path, suite: &Suite, packages: &[Deb]) {
    let pool = folder.join("pool/main");
    fs::create_dir_all(&pool).unwrap();
    let mut index = String::new();
    for package in packages {
        fs::write(pool.join(&package.file_name), &package.bytes).unwrap();
        index.push_str(&stanza(package));
    }
    write_index(folder, suite, &index);
}

/// Writes the index of an archive, whatever it says, and the Release that vouches for it.
pub fn write_index(folder: &Path, suite: &Suite, index: &str) {
    let files = [("Packages", index.as_bytes().to_vec()), ("Packages.xz", xz(index.as_bytes()))];
    write_indexes(folder, suite, &files);
}

/// Writes files of indexes, whatever they hold, and the Release that vouches for them.
pub fn write_indexes(folder: &Path, suite: &Suite, files: &[(&str, Vec<u8>)]) {
    let dists = folder.join("dists").join(suite.codename);
    let mut sums = String::new();
    for (name, bytes) in files {
        let path = format!("main/binary-amd64/{name}");
        fs::create_dir_all(dists.join(&path).parent().unwrap()).unwrap();
        fs::write(dists.join(&path), bytes).unwrap();
        sums.push_str(&format!(" {} {} {path}\n", Digest::of(bytes).hex(), bytes.len()));
    }
    let Suite { origin, suite, codename, date, more } = suite;
    let release = format!(
        "Origin: {origin}\nLabel: {origin}\nSuite: {suite}\nCodename: {codename}\nDate: {date}\n\
         Architectures: amd64\nComponents: main\n{more}Description: an archive for tests\nSHA256:\n{sums}"
    );
    fs::write(dists.join("InRelease"), sign(&release)).unwrap();
}

/// Signs a text in the cleartext form of `InRelease`.
pub fn sign(text: &str) -> String {
    let (key, _) = SignedSecretKey::from_string(SIGNING_KEY).unwrap();
    sign_by(&key, text)
}

/// The same by a key that nobody knows.
pub fn sign_by_stranger(text: &str) -> String {
    let mut key = SecretKeyParamsBuilder::default();
    key.key_type(KeyType::Ed25519).can_sign(true).primary_user_id("Stranger <s@archive.example>".to_owned());
    sign_by(&key.build().unwrap().generate(rand::thread_rng()).unwrap(), text)
}

fn sign_by(key: &SignedSecretKey, text: &str) -> String {
    let mut random = rand::thread_rng();
    let message = CleartextSignedMessage::sign(&mut random, text, &key.primary_key, &Password::empty()).unwrap();
    message.to_armored_string(ArmorOptions::default()).unwrap()
}

/// What an index says of a package.
pub fn stanza(package: &Deb) -> String {
    let Deb { file_name, control, bytes } = package;
    let digest = package.digest().hex();
    format!("{control}Filename: pool/main/{file_name}\nSize: {}\nSHA256: {digest}\n\n", bytes.len())
}
