use super::*;

/// Two certificates made with `openssl req -x509 -newkey ed25519`, of the subjects `/C=DE/O=Example  Corp /CN=Example
/// ROOT  ca` and `/O=Übung/CN=Zwei+serialNumber=7`; their hashes are those of `openssl x509 -subject_hash`.
const CORP: &str = "\
    -----BEGIN CERTIFICATE-----\n\
    MIIBlzCCAUmgAwIBAgIUCxVi69jLJQP1Rr08PFe4K9ZQcvQwBQYDK2VwMEExCzAJ\n\
    BgNVBAYTAkRFMRcwFQYDVQQKDA5FeGFtcGxlICBDb3JwIDEZMBcGA1UEAwwQRXhh\n\
    bXBsZSBST09UICBjYTAeFw0yNjExMjEwOTAwMDBaFw0zNjExMTgwOTAwMDBaMEEx\n\
    CzAJBgNVBAYTAkRFMRcwFQYDVQQKDA5FeGFtcGxlICBDb3JwIDEZMBcGA1UEAwwQ\n\
    RXhhbXBsZSBST09UICBjYTAqMAUGAytlcAMhAHN+asYI4yIcW6aJn7VDBjKd1WsR\n\
    AFkl9SSJoh5j7Gnro1MwUTAdBgNVHQ4EFgQUtJ1ihI3frH5JSLL8s2lJCFuhWmkw\n\
    HwYDVR0jBBgwFoAUtJ1ihI3frH5JSLL8s2lJCFuhWmkwDwYDVR0TAQH/BAUwAwEB\n\
    /zAFBgMrZXADQQAuomxTmWc+81VfH0IcW8lP2ZIsVaWGBynbkfY7+8Fq+S9Gk4H/\n\
    JUgne4vpW4Z7j7YTnVJYDLC+OWVJrgOkcUwP\n\
    -----END CERTIFICATE-----\n";
const TWO: &str = "\
    -----BEGIN CERTIFICATE-----\n\
    MIIBaTCCARugAwIBAgIUQgfuj8Nk6IxjvrMS0F1bAYufl5UwBQYDK2VwMCoxDzAN\n\
    BgNVBAoMBsOcYnVuZzEXMAgGA1UEBRMBNzALBgNVBAMMBFp3ZWkwHhcNMjYxMTIx\n\
    MDkwMDAwWhcNMzYxMTE4MDkwMDAwWjAqMQ8wDQYDVQQKDAbDnGJ1bmcxFzAIBgNV\n\
    BAUTATcwCwYDVQQDDARad2VpMCowBQYDK2VwAyEA/HaMZmvRM/4A2fGZ02GhlATk\n\
    6ulYvk32OfQltdO496ajUzBRMB0GA1UdDgQWBBTGM38HXV/wcnWUvGU5Y9AX+ITx\n\
    7TAfBgNVHSMEGDAWgBTGM38HXV/wcnWUvGU5Y9AX+ITx7TAPBgNVHRMBAf8EBTAD\n\
    AQH/MAUGAytlcANBAFPKeM4Y5hODgfQ2gpWyVhgtsuGtet0GGSCP3Myhuw9G8/gC\n\
    RWTNz8N9Tj2BUf1AU737aBwhsl1LAXcZguZfTQU=\n\
    -----END CERTIFICATE-----\n";

fn certificates(pem: &str) -> Result<Certificates, PassError> {
    let folder = tempfile::tempdir().unwrap();
    let file: PathBuf = folder.path().join("corp ca.pem");
    fs::write(&file, pem).unwrap();
    Certificates::read(&[file], epoch())
}

#[test]
fn certificates_are_added_as_debian_does() {
    let pass = certificates(&format!("subject: corp\n{CORP}\n{TWO}")).unwrap();
    let mut tree = tree(&[
        "etc/ssl/certs/ca-certificates.crt=first",
        "etc/ssl/certs/69de6b6f.0@other.pem",
        "etc/ssl/certs/ca.pem=",
    ]);
    assert_eq!(pass.apply(&mut tree).unwrap().summary, "certificates added: 2");
    let folder = path("etc/ssl/certs");
    let links = tree.children(&folder).filter_map(|entry| {
        let target = String::from_utf8(entry.inode.symlink_target()?.to_vec()).unwrap();
        Some(format!("{} {target}", String::from_utf8(entry.path.name().to_vec()).unwrap()))
    });
    let expected = [
        "195f4402.0 corp_ca-2.pem",
        "69de6b6f.0 other.pem",
        "69de6b6f.1 corp_ca.pem",
        "corp_ca-2.pem /usr/local/share/ca-certificates/corp_ca-2.crt",
        "corp_ca.pem /usr/local/share/ca-certificates/corp_ca.crt",
    ];
    assert_eq!(links.collect::<Vec<_>>(), expected);
    assert_eq!(text(&tree, "etc/ssl/certs/ca-certificates.crt"), format!("first\n{CORP}{TWO}"));
    assert_eq!(text(&tree, "usr/local/share/ca-certificates/corp_ca.crt"), CORP);
    assert_eq!(text(&tree, "usr/local/share/ca-certificates/corp_ca-2.crt"), TWO);
}

#[test]
fn without_hash_links_none_are_made() {
    let pass = certificates(CORP).unwrap();
    let mut with = tree(&["etc/ssl/certs/ca-certificates.crt="]);
    pass.apply(&mut with).unwrap();
    assert_eq!(with.children(&path("etc/ssl/certs")).count(), 1);
    let error = pass.apply(&mut tree(&[])).unwrap_err();
    assert_eq!(error.to_string(), "cannot add certificates: the image has no `/etc/ssl/certs/ca-certificates.crt`");
}

#[test]
fn what_is_no_certificate_is_refused() {
    let damaged = CORP.replacen("MII", "AII", 1);
    let cut = CORP.replace("-----END CERTIFICATE-----", "");
    let short =
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", &CORP.lines().nth(1).unwrap()[..60]);
    for (pem, why) in [
        ("", "there is no certificate in it"),
        ("-----BEGIN PRIVATE KEY-----\n", "there is a private key in it"),
        (damaged.as_str(), "certificate 1 of the file is damaged"),
        (short.as_str(), "certificate 1 of the file is damaged"),
        (cut.as_str(), "a certificate has no `-----END CERTIFICATE-----`"),
    ] {
        let error = certificates(pem).err().unwrap();
        assert!(error.to_string().ends_with(&format!("corp ca.pem`: {why}")), "{error}");
    }
}
