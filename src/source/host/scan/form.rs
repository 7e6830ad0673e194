//! Secrets that have a form of their own, each found by how it begins.
//!
//! Sources: RFC 7468 and OpenSSH's PROTOCOL.key for keys, crypt(5) for hashes, and for tokens the forms that their makers
//! publish so that scanners find them.

/// A form of secrets.
pub(super) struct Form {
    /// The rule that refuses it.
    pub(super) rule: &'static str,
    /// How it begins.
    pub(super) prefix: &'static str,
    what: &'static str,
    rest: Rest,
}

/// What follows the beginning.
enum Rest {
    /// The header of a PEM block of a private key, and its bytes.
    Pem,
    /// This many bytes of an alphabet, at least and at most.
    Run(Alphabet, usize, usize),
    /// A value of at least so many bytes, after a colon or an equals sign.
    Value(usize, usize),
    /// Fields of crypt(3) with dollars between them: how many come before the hash, and how long that is.
    Crypt { fields: usize, hash: usize },
    /// As [`Rest::Crypt`], where the hash follows the salt at once: bcrypt.
    Bcrypt,
    /// A hash of Argon2, which ends in base64.
    Argon2,
}

/// Which bytes may follow.
#[derive(Clone, Copy)]
enum Alphabet {
    Alphanumeric,
    Upper,
    Hex,
    Url,
    Dotted,
}

const fn key(prefix: &'static str, what: &'static str, rest: Rest) -> Form {
    Form { rule: "private-key", prefix, what, rest }
}

const fn hash(prefix: &'static str, rest: Rest) -> Form {
    Form { rule: "password-hash", prefix, what: "a hash of a password", rest }
}

const fn token(prefix: &'static str, what: &'static str, rest: Rest) -> Form {
    Form { rule: "token", prefix, what, rest }
}

use Alphabet::{Alphanumeric, Dotted, Hex, Upper, Url};
use Rest::{Argon2, Bcrypt, Crypt, Pem, Run, Value};

/// Every form.
pub(super) const FORMS: &[Form] = &[
    key("-----BEGIN ", "a private key", Pem),
    key("PuTTY-User-Key-File-", "a private key of PuTTY", Run(Alphanumeric, 1, 1)),
    key("AGE-SECRET-KEY-1", "a private key of age", Run(Upper, 58, 58)),
    hash("$6$", Crypt { fields: 1, hash: 86 }),
    hash("$5$", Crypt { fields: 1, hash: 43 }),
    hash("$1$", Crypt { fields: 1, hash: 22 }),
    hash("$apr1$", Crypt { fields: 1, hash: 22 }),
    hash("$y$", Crypt { fields: 2, hash: 43 }),
    hash("$gy$", Crypt { fields: 2, hash: 43 }),
    hash("$7$", Crypt { fields: 1, hash: 43 }),
    hash("$2a$", Bcrypt),
    hash("$2b$", Bcrypt),
    hash("$2y$", Bcrypt),
    hash("$argon2", Argon2),
    hash("grub.pbkdf2.sha512.", Run(Dotted, 128, 4096)),
    token("AKIA", "an access key of AWS", Run(Upper, 16, 16)),
    token("ASIA", "an access key of AWS", Run(Upper, 16, 16)),
    token("aws_secret_access_key", "a secret key of AWS", Value(40, 40)),
    token("ghp_", "a token of GitHub", Run(Alphanumeric, 36, 255)),
    token("gho_", "a token of GitHub", Run(Alphanumeric, 36, 255)),
    token("ghu_", "a token of GitHub", Run(Alphanumeric, 36, 255)),
    token("ghs_", "a token of GitHub", Run(Alphanumeric, 36, 255)),
    token("ghr_", "a token of GitHub", Run(Alphanumeric, 36, 255)),
    token("github_pat_", "a token of GitHub", Run(Url, 40, 255)),
    token("glpat-", "a token of GitLab", Run(Url, 20, 255)),
    token("gldt-", "a token of GitLab", Run(Url, 20, 255)),
    token("xoxb-", "a token of Slack", Run(Url, 24, 255)),
    token("xoxp-", "a token of Slack", Run(Url, 24, 255)),
    token("xoxa-", "a token of Slack", Run(Url, 24, 255)),
    token("sk_live_", "a key of Stripe", Run(Alphanumeric, 24, 255)),
    token("rk_live_", "a key of Stripe", Run(Alphanumeric, 24, 255)),
    token("npm_", "a token of npm", Run(Alphanumeric, 36, 36)),
    token("pypi-AgE", "a token of PyPI", Run(Url, 80, 4096)),
    token("dckr_pat_", "a token of Docker Hub", Run(Url, 27, 255)),
    token("dop_v1_", "a token of DigitalOcean", Run(Hex, 64, 64)),
    token("hvs.", "a token of Vault", Run(Url, 90, 4096)),
    token("hf_", "a token of Hugging Face", Run(Alphanumeric, 34, 40)),
    token("SG.", "a key of SendGrid", Run(Dotted, 66, 66)),
    token("shpat_", "a token of Shopify", Run(Hex, 32, 32)),
    token("tskey-auth-", "a key of Tailscale", Run(Url, 20, 255)),
    token("lin_api_", "a key of Linear", Run(Alphanumeric, 32, 255)),
];

impl Form {
    /// What begins at `start` of `window`, where it is of this form.
    pub(super) fn recognise(&self, window: &[u8], start: usize, is_text: bool) -> Option<&'static str> {
        let before = start.checked_sub(1).map(|at| window[at]);
        let rest = &window[start + self.prefix.len()..];
        if let Pem = self.rest {
            return pem(rest);
        }
        // A token in a program is a pattern to look for; in the middle of a word it is none.
        if !is_text || before.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return None;
        }
        let fits = match &self.rest {
            Pem => false,
            Run(alphabet, least, most) => {
                let run = run(rest, |byte| alphabet.has(byte));
                (*least..=*most).contains(&run.len()) && is_random(run)
            }
            Value(least, most) => {
                value(rest).is_some_and(|value| (*least..=*most).contains(&value.len()) && is_random(value))
            }
            Crypt { fields, hash } => crypt(rest, *fields, *hash),
            Bcrypt => {
                let cost = rest.len() > 3 && rest[..2].iter().all(u8::is_ascii_digit) && rest[2] == b'$';
                cost && run(&rest[3..], is_crypt).len() == 53 && is_random(&rest[3..56])
            }
            Argon2 => {
                let run = run(rest, |byte| is_crypt(byte) || b"$=,+-".contains(&byte));
                run.iter().filter(|byte| **byte == b'$').count() >= 4
            }
        };
        fits.then_some(self.what)
    }
}

impl Alphabet {
    fn has(self, byte: u8) -> bool {
        match self {
            Alphanumeric => byte.is_ascii_alphanumeric(),
            Upper => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
            Hex => byte.is_ascii_hexdigit(),
            Url => byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-',
            Dotted => byte.is_ascii_alphanumeric() || b"._-".contains(&byte),
        }
    }
}

/// The block that goes on with `rest` after `-----BEGIN `, where it is that of a private key with its bytes. A header
/// alone is in every program that writes keys.
fn pem(rest: &[u8]) -> Option<&'static str> {
    let end = memchr::memmem::find(&rest[..rest.len().min(64)], b"-----")?;
    let label = &rest[..end];
    let what = match label {
        b"PGP PRIVATE KEY BLOCK" => "a private key of PGP",
        b"OPENSSH PRIVATE KEY" => "a private key of OpenSSH",
        b"ENCRYPTED PRIVATE KEY" => "an encrypted private key",
        label if label.ends_with(b"PRIVATE KEY") => "a private key",
        _ => return None,
    };
    let mut body = &rest[end + 5..];
    // `Proc-Type`, `DEK-Info`, `Comment` and the like may come first.
    for _ in 0..12 {
        body = skip_breaks(body);
        let line = run(body, |byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte));
        if line.len() >= 40 && is_random(line) {
            return Some(what);
        }
        let header = run(body, |byte| byte.is_ascii_graphic() && byte != b'\\' || byte == b' ');
        if line.is_empty() || memchr::memmem::find(header, b": ").is_none() {
            return None;
        }
        body = &body[header.len()..];
    }
    None
}

/// What follows the line breaks, quotes and signs with which a language writes a text of several lines.
fn skip_breaks(mut text: &[u8]) -> &[u8] {
    loop {
        text = match text {
            [b'\\', b'n' | b'r', rest @ ..] => rest,
            [
                b' ' | b'\t' | b'\r' | b'\n' | b'"' | b'\'' | b'+' | b',' | b'>' | b'#' | b'*' | b'|' | b'\\',
                rest @ ..,
            ] => rest,
            _ => return text,
        };
    }
}

/// Whether `rest` is `fields` fields, a `$` after each, and a hash of exactly `length` bytes.
fn crypt(rest: &[u8], fields: usize, length: usize) -> bool {
    let mut rest = match rest.strip_prefix(b"rounds=") {
        Some(rounds) => {
            let digits = run(rounds, |byte| byte.is_ascii_digit()).len();
            rounds.get(digits + 1..).unwrap_or_default()
        }
        None => rest,
    };
    for _ in 0..fields {
        let field = run(rest, is_crypt);
        if field.is_empty() || field.len() > 128 || rest.get(field.len()) != Some(&b'$') {
            return false;
        }
        rest = &rest[field.len() + 1..];
    }
    let hash = run(rest, is_crypt);
    hash.len() == length && is_random(hash)
}

/// The value after `=` or `:`, without quotes.
fn value(rest: &[u8]) -> Option<&[u8]> {
    let blank = |byte: u8| matches!(byte, b' ' | b'\t' | b'"' | b'\'');
    let rest = &rest[run(rest, blank).len()..];
    let rest = rest.strip_prefix(b"=").or_else(|| rest.strip_prefix(b":"))?;
    let rest = &rest[run(rest, blank).len()..];
    Some(run(rest, |byte| byte.is_ascii_alphanumeric() || b"/+=".contains(&byte)))
}

fn is_crypt(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'/'
}

/// What stands for a secret in documentation is `xxxx`, or says that it is an example.
fn is_random(run: &[u8]) -> bool {
    let mut seen = [false; 256];
    run.iter().for_each(|byte| seen[usize::from(*byte)] = true);
    let different = seen.iter().filter(|seen| **seen).count();
    let example = |word: &[u8]| memchr::memmem::find(run, word).is_some();
    (run.len() < 8 || different > 5) && !example(b"EXAMPLE") && !example(b"xxxxxx")
}

fn run(text: &[u8], fits: impl Fn(u8) -> bool) -> &[u8] {
    let end = text.iter().take(8 << 10).position(|byte| !fits(*byte)).unwrap_or(text.len().min(8 << 10));
    &text[..end]
}
