use pgp::composed::{
    ArmorOptions, KeyType, SecretKeyParamsBuilder, SignedPublicKey, SignedSecretKey, SubkeyParamsBuilder,
};
use pgp::packet::{KeyFlags, SignatureConfig, Subpacket, SubpacketData};
use pgp::ser::Serialize;
use pgp::types::{Duration, KeyDetails, Password, SigningKey, Tag, Timestamp};
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::*;

/// When the keys of these tests are made, and the signatures.
const MADE: u32 = 1_700_000_000;
const TEXT: &str = "Suite: stable\n- a dash\nSHA256:\n 00 0 x\n";

fn now() -> Epoch {
    Epoch::from_seconds(i64::from(MADE) + 1000)
}

fn rng() -> StdRng {
    StdRng::seed_from_u64(1)
}

fn key(kind: KeyType, subkey: bool) -> SignedSecretKey {
    let subkeys = subkey.then(|| {
        let mut params = SubkeyParamsBuilder::default();
        params.key_type(KeyType::Ed25519).can_sign(true).created_at(Timestamp::from_secs(MADE)).build().unwrap()
    });
    let mut params = SecretKeyParamsBuilder::default();
    params.key_type(kind).can_certify(true).can_sign(true).created_at(Timestamp::from_secs(MADE));
    params.primary_user_id("Archive <a@example.org>".to_owned()).subkeys(subkeys.into_iter().collect());
    params.build().unwrap().generate(rng()).unwrap()
}

fn config(key: &impl SigningKey, typ: SignatureType, hash: HashAlgorithm, more: Vec<SubpacketData>) -> SignatureConfig {
    let mut config = SignatureConfig::v4(typ, key.algorithm(), hash);
    let own = [
        SubpacketData::SignatureCreationTime(Timestamp::from_secs(MADE)),
        SubpacketData::IssuerFingerprint(key.fingerprint()),
    ];
    let all = own.into_iter().chain(more).map(|data| Subpacket::regular(data).unwrap());
    config.hashed_subpackets = all.collect();
    config
}

/// The public half with its self-signature replaced by one that says `more`.
fn bound(key: &SignedSecretKey, more: Vec<SubpacketData>) -> SignedPublicKey {
    let mut public = key.to_public_key();
    let id = public.details.users[0].id.clone();
    let config = config(&key.primary_key, SignatureType::CertPositive, HashAlgorithm::Sha256, more);
    let signature =
        config.sign_certification(&key.primary_key, &public.primary_key, &Password::empty(), Tag::UserId, &id).unwrap();
    public.details.users[0].signatures = vec![signature];
    public.details.direct_signatures.clear();
    public
}

fn ring(keys: &[SignedPublicKey]) -> Keyring {
    let bytes: Vec<u8> = keys.iter().flat_map(|key| key.to_bytes().unwrap()).collect();
    Keyring::parse(&bytes).unwrap()
}

fn clearsigned_with(key: &impl SigningKey, hash: HashAlgorithm, more: Vec<SubpacketData>) -> Vec<u8> {
    let config = config(key, SignatureType::Text, hash, more);
    let message = CleartextSignedMessage::new(TEXT, config, key, &Password::empty()).unwrap();
    message.to_armored_bytes(ArmorOptions::default()).unwrap()
}

fn clearsigned(key: &impl SigningKey) -> Vec<u8> {
    clearsigned_with(key, HashAlgorithm::Sha256, Vec::new())
}

fn rejection(result: Result<Verified, SignatureError>) -> Rejection {
    match result {
        Err(SignatureError::Untrusted { mut rejections, .. }) if rejections.len() == 1 => rejections.remove(0),
        other => panic!("{other:?}"),
    }
}

fn check(bytes: &[u8], keyring: &Keyring) -> Result<Verified, SignatureError> {
    Clearsigned::parse("InRelease", bytes)?.verify(keyring, now())
}

#[test]
fn good_signatures_of_keys_and_subkeys() {
    let (plain, with_subkey) = (key(KeyType::Ed25519, false), key(KeyType::Ed25519Legacy, true));
    let keyring = ring(&[plain.to_public_key(), with_subkey.to_public_key()]);
    let verified = check(&clearsigned(&plain.primary_key), &keyring).unwrap();
    assert_eq!(verified.text, TEXT);
    assert_eq!(verified.signer, Some(format!("{:X}", plain.fingerprint())));
    let subkey = &with_subkey.secret_subkeys[0].key;
    let verified = check(&clearsigned(subkey), &keyring).unwrap();
    assert_eq!(verified.signer, Some(format!("{:X}", subkey.fingerprint())));
    assert_eq!(keyring.fingerprints().len(), 2);
}

#[test]
fn a_keyring_has_its_keys_and_their_subkeys() {
    let (own, other) = (key(KeyType::Ed25519Legacy, true), key(KeyType::Ed25519, false));
    let keyring = ring(&[own.to_public_key()]);
    let subkey = &own.to_public_key().public_subkeys[0];
    assert!(
        keyring.has(&format!("{:X}", own.fingerprint())) && keyring.has(&format!("{:x}", subkey.key.fingerprint()))
    );
    assert!(!keyring.has(&format!("{:X}", other.fingerprint())) && !keyring.has(""));
}

#[test]
fn armoured_keyrings_of_one_and_several_blocks() {
    let (one, other) = (key(KeyType::Ed25519, false), key(KeyType::Ed25519Legacy, false));
    let armour = |key: &SignedSecretKey| key.to_public_key().to_armored_string(ArmorOptions::default()).unwrap();
    assert_eq!(Keyring::parse(armour(&one).as_bytes()).unwrap().fingerprints().len(), 1);
    let both = Keyring::parse(format!("{}\n{}", armour(&one), armour(&other)).as_bytes()).unwrap();
    assert!(check(&clearsigned(&other.primary_key), &both).is_ok());
    for wrong in [&b""[..], b"nonsense", b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n", &[0x99, 0xff]] {
        assert!(Keyring::parse(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn detached_signatures() {
    let key = key(KeyType::Ed25519, false);
    let keyring = ring(&[key.to_public_key()]);
    let config = config(&key.primary_key, SignatureType::Binary, HashAlgorithm::Sha512, Vec::new());
    let signature = DetachedSignature::new(config.sign(&key.primary_key, &Password::empty(), TEXT.as_bytes()).unwrap());
    let armoured = signature.to_armored_bytes(ArmorOptions::default()).unwrap();
    let verify =
        |text: &str, signatures: &[u8]| verify_detached("Release", text.as_bytes(), signatures, &keyring, now());
    assert_eq!(verify(TEXT, &armoured).unwrap().text, TEXT);
    let tampered = rejection(verify(&TEXT.replace("stable", "evil"), &armoured));
    assert_eq!(tampered, Rejection::Tampered { fingerprint: format!("{:X}", key.fingerprint()) });
    assert!(matches!(verify(TEXT, b""), Err(SignatureError::NoSignature { .. })));
    assert!(matches!(verify(TEXT, b"<html>"), Err(SignatureError::NoSignature { .. })));
}

#[test]
fn tampered_text_and_text_around_it() {
    let key = key(KeyType::Ed25519, false);
    let keyring = ring(&[key.to_public_key()]);
    let good = String::from_utf8(clearsigned(&key.primary_key)).unwrap();
    let changed = rejection(check(good.replace("stable", "evil").as_bytes(), &keyring));
    assert_eq!(changed, Rejection::Tampered { fingerprint: format!("{:X}", key.fingerprint()) });
    for around in [
        format!("Suite: evil\n{good}"),
        format!("{good}Suite: evil\n"),
        format!("{good}{good}"),
        good.replace("-----BEGIN PGP SIGNED MESSAGE-----", "x\n-----BEGIN PGP SIGNED MESSAGE-----"),
        "Suite: evil\n".to_owned(),
        String::new(),
    ] {
        let result = check(around.as_bytes(), &keyring);
        assert!(matches!(result, Err(SignatureError::NotClearsigned { .. })), "{around}");
    }
    assert!(check(format!("{good}\n").as_bytes(), &keyring).is_ok());
}

#[test]
fn unknown_signers_are_named() {
    let (known, unknown) = (key(KeyType::Ed25519, false), key(KeyType::Ed25519Legacy, false));
    let result = check(&clearsigned(&unknown.primary_key), &ring(&[known.to_public_key()]));
    let error = result.as_ref().unwrap_err();
    let fingerprint = format!("{:X}", unknown.fingerprint());
    assert_eq!(
        error.to_string(),
        format!("no signature of InRelease can be trusted: {fingerprint} is not in the keyring")
    );
    assert!(error.help().unwrap().to_string().contains("keyring = \"FILE\""));
    assert_eq!(rejection(result), Rejection::UnknownSigner { signer: fingerprint });
}

#[test]
fn one_good_signature_is_enough() {
    let (known, unknown) = (key(KeyType::Ed25519, false), key(KeyType::Ed25519Legacy, false));
    let message = CleartextSignedMessage::new_many(TEXT, |text| {
        [&unknown, &known]
            .iter()
            .map(|key| {
                let config = config(&key.primary_key, SignatureType::Text, HashAlgorithm::Sha256, Vec::new());
                config.sign(&key.primary_key, &Password::empty(), text.as_bytes())
            })
            .collect()
    });
    let bytes = message.unwrap().to_armored_bytes(ArmorOptions::default()).unwrap();
    let verified = check(&bytes, &ring(&[known.to_public_key()])).unwrap();
    assert_eq!(verified.signer, Some(format!("{:X}", known.fingerprint())));
    let both = check(&bytes, &ring(&[known.to_public_key(), unknown.to_public_key()])).unwrap();
    assert_eq!(both.signer, Some(format!("{:X}", unknown.fingerprint())), "the first of them");
}

#[test]
fn old_hashes_are_refused() {
    let key = key(KeyType::Rsa(2048), false);
    let keyring = ring(&[key.to_public_key()]);
    assert!(check(&clearsigned(&key.primary_key), &keyring).is_ok());
    for (hash, name) in [(HashAlgorithm::Sha1, "SHA1"), (HashAlgorithm::Md5, "MD5")] {
        let found = rejection(check(&clearsigned_with(&key.primary_key, hash, Vec::new()), &keyring));
        let signer = format!("{:X}", key.fingerprint());
        assert_eq!(found, Rejection::WeakSignature { signer, weakness: name.to_owned() });
    }
}

#[test]
fn expired_keys_and_signatures() {
    let key = key(KeyType::Ed25519, false);
    let fingerprint = format!("{:X}", key.fingerprint());
    let lasting = |seconds| ring(&[bound(&key, vec![SubpacketData::KeyExpirationTime(Duration::from_secs(seconds))])]);
    let good = clearsigned(&key.primary_key);
    assert!(check(&good, &lasting(1001)).is_ok());
    let end = now();
    assert_eq!(
        rejection(check(&good, &lasting(1000))),
        Rejection::ExpiredKey { fingerprint: fingerprint.clone(), end }
    );
    let earlier = Epoch::from_seconds(i64::from(MADE) + 999);
    assert!(Clearsigned::parse("InRelease", &good).unwrap().verify(&lasting(1000), earlier).is_ok());

    let short = SubpacketData::SignatureExpirationTime(Duration::from_secs(1000));
    let short = clearsigned_with(&key.primary_key, HashAlgorithm::Sha256, vec![short]);
    let found = rejection(check(&short, &ring(&[key.to_public_key()])));
    assert_eq!(found, Rejection::ExpiredSignature { fingerprint, end });
}

#[test]
fn revoked_keys() {
    let key = key(KeyType::Ed25519, true);
    let mut revoked = key.to_public_key();
    let config = config(&key.primary_key, SignatureType::KeyRevocation, HashAlgorithm::Sha256, Vec::new());
    let revocation = config.sign_key(&key.primary_key, &Password::empty(), &revoked.primary_key).unwrap();
    revoked.details.revocation_signatures.push(revocation.clone());
    let fingerprint = format!("{:X}", key.fingerprint());
    for signed in [clearsigned(&key.primary_key), clearsigned(&key.secret_subkeys[0].key)] {
        let found = rejection(check(&signed, &ring(&[revoked.clone()])));
        assert_eq!(found, Rejection::RevokedKey { fingerprint: fingerprint.clone() });
    }
    // Nobody else can revoke a key.
    let other = super::tests::key(KeyType::Ed25519Legacy, false);
    let mut slandered = other.to_public_key();
    slandered.details.revocation_signatures.push(revocation);
    assert!(check(&clearsigned(&other.primary_key), &ring(&[slandered])).is_ok());
}

#[test]
fn revoked_and_stolen_subkeys() {
    let key = key(KeyType::Ed25519, true);
    let subkey = &key.secret_subkeys[0].key;
    let fingerprint = format!("{:X}", subkey.fingerprint());
    let signed = clearsigned(subkey);
    let mut revoked = key.to_public_key();
    let config = config(&key.primary_key, SignatureType::SubkeyRevocation, HashAlgorithm::Sha256, Vec::new());
    let revocation = config
        .sign_subkey_binding(&key.primary_key, &revoked.primary_key, &Password::empty(), &revoked.public_subkeys[0].key)
        .unwrap();
    revoked.public_subkeys[0].signatures.push(revocation);
    let found = rejection(check(&signed, &ring(&[revoked])));
    assert_eq!(found, Rejection::RevokedKey { fingerprint: fingerprint.clone() });
    // A subkey that another certificate only claims: its own signature is missing.
    let mut claimed = key.to_public_key();
    let mut flags = KeyFlags::default();
    flags.set_sign(true);
    let config = super::tests::config(
        &key.primary_key,
        SignatureType::SubkeyBinding,
        HashAlgorithm::Sha256,
        vec![SubpacketData::KeyFlags(flags)],
    );
    let binding = config
        .sign_subkey_binding(&key.primary_key, &claimed.primary_key, &Password::empty(), &claimed.public_subkeys[0].key)
        .unwrap();
    claimed.public_subkeys[0].signatures = vec![binding];
    assert_eq!(rejection(check(&signed, &ring(&[claimed]))), Rejection::NotForSigning { fingerprint });
}

#[test]
fn weak_and_unbound_keys() {
    // Made with GnuPG 2.2: `gpg --quick-gen-key ... rsa1024`, `gpg --clearsign`; rPGP makes no such key.
    let weak = Keyring::parse(include_bytes!("weak-key.asc")).unwrap();
    let fingerprint = weak.fingerprints()[0].clone();
    let found = rejection(check(include_bytes!("weak-signed.asc"), &weak));
    assert_eq!(found, Rejection::WeakKey { fingerprint, weakness: "RSA of only 1024 bits".to_owned() });

    let key = key(KeyType::Ed25519, false);
    let fingerprint = format!("{:X}", key.fingerprint());
    let mut flags = KeyFlags::default();
    flags.set_certify(true);
    let certifying = bound(&key, vec![SubpacketData::KeyFlags(flags)]);
    let found = rejection(check(&clearsigned(&key.primary_key), &ring(&[certifying])));
    assert_eq!(found, Rejection::NotForSigning { fingerprint: fingerprint.clone() });
    assert!(check(&clearsigned(&key.primary_key), &ring(&[bound(&key, Vec::new())])).is_ok());
}
