//! What is a secret, and what only looks like one. The secrets are put together here, so that no scanner finds them.

use super::*;

fn hits(path: &'static str, text: &[u8]) -> Vec<(&'static str, u64)> {
    let scanner = Scanner::new();
    let path = TreePath::literal(path);
    let at_once = {
        let mut scan = scanner.start(&path);
        scan.feed(text);
        scan.finish()
    };
    let in_pieces = {
        let mut scan = scanner.start(&path);
        text.chunks(100_000).for_each(|piece| scan.feed(piece));
        scan.finish()
    };
    assert_eq!(at_once, in_pieces, "pieces do not matter");
    at_once.into_iter().map(|hit| (hit.rule, hit.line)).collect()
}

const BODY: &str = "MC4CAQAwBQYDK2VwBCIEIJ3qV0vT8oZrYb1nQx5mWcL2dKfH7uPsEaGiRtOyUjXk";

fn pem(label: &str, between: &str) -> String {
    format!("-----BEGIN {label}-----{between}{BODY}{between}-----END {label}-----")
}

#[test]
fn private_keys() {
    for label in
        ["PRIVATE KEY", "RSA PRIVATE KEY", "OPENSSH PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "PGP PRIVATE KEY BLOCK"]
    {
        assert_eq!(hits("a", format!("x\n{}", pem(label, "\n")).as_bytes()), [("private-key", 2)], "{label}");
    }
    let old = format!("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n{BODY}\n");
    assert_eq!(hits("a", old.as_bytes()), [("private-key", 1)]);
    // In JSON, in YAML, in a program.
    assert_eq!(hits("a", format!("{{\"k\": \"{}\"}}", pem("PRIVATE KEY", "\\n")).as_bytes()), [("private-key", 1)]);
    assert_eq!(hits("a", pem("PRIVATE KEY", "\n    ").as_bytes()), [("private-key", 1)]);
    assert_eq!(hits("a", &[&[0; 300_000][..], pem("PRIVATE KEY", "\n").as_bytes()].concat()), [("private-key", 1)]);
}

#[test]
fn what_is_no_private_key() {
    for text in [
        pem("CERTIFICATE", "\n"),
        pem("PUBLIC KEY", "\n"),
        "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----".to_owned(),
        "-----BEGIN RSA PRIVATE KEY-----\0-----END RSA PRIVATE KEY-----\0".to_owned(),
        "-----BEGIN PRIVATE KEY-----".to_owned(),
        format!("-----BEGIN PRIVATE KEY-----\n{}\n", "A".repeat(64)),
    ] {
        assert_eq!(hits("a", text.as_bytes()), [], "{text}");
    }
}

#[test]
fn hashes() {
    let long = "qFz9u1tGm3.Q0/Rk7WcYbXoJ5eVdNsLhTiPaZrB2K4M6O8yEwUxCgDfHjSvIlAn1p3R5t7V9x1Z3B5d7F9h1Jk";
    let sha = format!("root:$6${}${}:1::::::", "saltsalt", &long[..86]);
    let yes = format!("root:$y$j9T${}${}:1::::::", "saltsaltsalt", &long[..43]);
    let bcrypt = format!("password: $2b$12${}", &long[..53]);
    let rounds = format!("x=$5$rounds=5000$salt${}", &long[..43]);
    for text in [&sha, &yes, &bcrypt, &rounds] {
        assert_eq!(hits("srv/x", text.as_bytes()), [("password-hash", 1)], "{text}");
    }
    assert_eq!(hits("srv/shadow.old", b"root:*:1:\nbob:abJnggxhB/yWI:1:::::"), [("password-hash", 2)]);
    for text in
        ["cost is $6$7$ and $5$", "$6$salt$short", "$2b$12$xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"]
    {
        assert_eq!(hits("a", text.as_bytes()), [], "{text}");
    }
    assert_eq!(hits("etc/passwd", b"root:x:0:0:root:/root:/bin/bash\n"), []);
    assert_eq!(hits("a", &[b"\0", sha.as_bytes()].concat()), [], "programs hold patterns and tests");
}

#[test]
fn tokens() {
    let letters = "aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zA1bC2";
    for token in [
        format!("{}IOSFODNN7QWERTYU", "AKIA"),
        format!("{}_{letters}", "ghp"),
        format!("{}-{}", "glpat", &letters[..20]),
        format!("{}_{letters}", "npm"),
        format!("{}_live_{}", "sk", &letters[..24]),
    ] {
        assert_eq!(hits("a", format!("export T={token}\n").as_bytes()), [("token", 1)], "{token}");
        assert_eq!(hits("a", format!("x{token}").as_bytes()), [], "{token}");
    }
    let secret = format!("aws_secret_access_key = {letters}/abc\n");
    assert_eq!(hits("a", secret.as_bytes()), [("token", 1)]);
    for text in
        ["AKIAIOSFODNN7EXAMPLE", "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "ghp_short", "aws_secret_access_key ="]
    {
        assert_eq!(hits("a", text.as_bytes()), [], "{text}");
    }
}

#[test]
fn logins_in_files_that_hold_such() {
    let found: [(&'static str, &str, u64); 11] = [
        ("root/.netrc", "machine x\n login a password b\n", 2),
        ("srv/.git-credentials", "https://me:secret@example.com\n", 1),
        ("srv/repo/.git/config", "[remote \"origin\"]\n url = https://me:s@example.com/x\n", 2),
        ("srv/.npmrc", "registry=https://example.com\n//example.com/:_authToken=abcdef\n", 2),
        ("srv/.docker/config.json", "{\n \"auths\": { \"x\": {\n \"auth\": \"bWU6c2VjcmV0\" } } }", 3),
        ("srv/.kube/config", "users:\n- user:\n    token: abc\n", 3),
        ("srv/.pypirc", "[pypi]\nusername = me\npassword = b\n", 3),
        ("srv/.pgpass", "# x\nhost:5432:db:me:secret\n", 2),
        ("srv/.my.cnf", "[client]\npassword=\"x\"\n", 2),
        ("etc/apt/sources.list.d/x.sources", "URIs: https://me:pass@example.com/\n", 1),
        ("etc/wpa_supplicant/wpa_supplicant.conf", "network={\n psk=\"hunter22\"\n}", 2),
    ];
    for (path, text, line) in found {
        assert_eq!(hits(path, text.as_bytes()), [("credential", line)], "{path}");
    }
    let nothing: [(&'static str, &str); 8] = [
        ("root/.netrc", "# password b\n"),
        ("srv/.npmrc", "//example.com/:_authToken=${TOKEN}\n"),
        ("srv/.docker/config.json", "{ \"auths\": { \"x\": {} }, \"credsStore\": \"pass\" }"),
        ("srv/.git/config", "url = git@example.com:x/y\nother = ssh://git@example.com/x\n"),
        ("srv/.kube/config", "token:\n"),
        ("srv/.pgpass", "# host:5432:db:me:secret\n"),
        ("srv/password.txt", "password = b\n"),
        ("etc/environment", "PATH=\"/usr/bin\"\nhttp_proxy=http://proxy:3128\n"),
    ];
    for (path, text) in nothing {
        assert_eq!(hits(path, text.as_bytes()), [], "{path}");
    }
}
