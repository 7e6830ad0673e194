//! Logins in files that are known to hold such, by their names.

use crate::tree::TreePath;

/// A kind of file that holds logins.
struct Kind {
    /// Its name, or how its path ends.
    endings: &'static [&'static str],
    what: &'static str,
    find: fn(&[u8]) -> Option<usize>,
}

const KINDS: &[Kind] = &[
    Kind {
        endings: &["/.netrc", "/_netrc", "/auth.conf", "/.authinfo"],
        what: "a login in a netrc file",
        find: |text| words(text, &[b"password"]),
    },
    Kind { endings: &["/.git-credentials", "/git/credentials"], what: "a login of git", find: address },
    Kind { endings: &["/.git/config", "/.gitconfig", "/etc/gitconfig"], what: "a login in an address", find: address },
    Kind {
        endings: &["/etc/environment", ".sources", "/sources.list", ".repo", "/pip.conf"],
        what: "a login in an address",
        find: address,
    },
    Kind {
        endings: &["/.npmrc", "/npmrc", "/.yarnrc", "/.yarnrc.yml"],
        what: "a token of npm",
        find: |text| settings(text, &["_authtoken", "_auth", "_password", "npmauthtoken"]),
    },
    Kind {
        endings: &["/.pypirc", "/.s3cfg", "/.boto", "/.my.cnf", "/debian.cnf", "/.smbcredentials", "/.pgpass.conf"],
        what: "a password",
        find: |text| settings(text, &["password", "secret_key", "gs_secret_access_key", "passwd"]),
    },
    Kind {
        endings: &["/.pgpass"],
        what: "a login of PostgreSQL",
        find: |text| {
            line(text, |line| {
                !line.starts_with(b"#")
                    && line.iter().filter(|byte| **byte == b':').count() >= 4
                    && !line.ends_with(b":")
            })
        },
    },
    Kind {
        endings: &[
            "/.docker/config.json",
            "/.dockercfg",
            "/containers/auth.json",
            "/docker/config.json",
            "/.dockerconfigjson",
        ],
        what: "a login of a registry",
        find: |text| settings(text, &["auth", "identitytoken", "registrytoken", "password"]),
    },
    Kind {
        endings: &["/.kube/config", ".kubeconfig", "/kubeconfig", "/admin.conf", "/kubelet.conf"],
        what: "a login of Kubernetes",
        find: |text| settings(text, &["token", "password", "client-key-data"]),
    },
    Kind {
        endings: &["/.cargo/credentials", "/.cargo/credentials.toml"],
        what: "a token of a crate registry",
        find: |text| settings(text, &["token", "secret-key"]),
    },
    Kind {
        endings: &["/wpa_supplicant.conf", ".nmconnection"],
        what: "a key of a wireless network",
        find: |text| settings(text, &["psk", "password", "wep-key0"]),
    },
    Kind {
        endings: &[
            "/.aws/credentials",
            "/application_default_credentials.json",
            "/.terraformrc",
            "/credentials.tfrc.json",
        ],
        what: "a login of a cloud",
        find: |text| {
            settings(text, &["aws_secret_access_key", "aws_session_token", "refresh_token", "client_secret", "token"])
        },
    },
    Kind {
        endings: &["/user-data", "/user-data.txt"],
        what: "a password of cloud-init",
        find: |text| settings(text, &["password", "passwd", "hashed_passwd", "plain_text_passwd"]),
    },
];

/// Files of passwd(5)'s kind, in which even short hashes are hashes.
const SHADOWS: [&str; 4] = ["shadow", "gshadow", "master.passwd", "passwd"];

/// Whether a file has such a name.
pub(super) fn is_candidate(path: &TreePath) -> bool {
    is_shadow(path) || kind(path).is_some()
}

/// The first login in the file: rule, what it is, and where.
pub(super) fn find(path: &TreePath, text: &[u8]) -> Option<(&'static str, &'static str, usize)> {
    if is_shadow(path) {
        return line(text, has_old_hash).map(|at| ("password-hash", "a hash of a password", at));
    }
    let kind = kind(path)?;
    (kind.find)(text).map(|at| ("credential", kind.what, at))
}

fn kind(path: &TreePath) -> Option<&'static Kind> {
    let path = [b"/", path.as_bytes()].concat();
    KINDS.iter().find(|kind| kind.endings.iter().any(|ending| path.ends_with(ending.as_bytes())))
}

fn is_shadow(path: &TreePath) -> bool {
    let name = path.name();
    SHADOWS.iter().any(|known| {
        name.strip_prefix(known.as_bytes()).is_some_and(|rest| rest.is_empty() || b"-.~".contains(&rest[0]))
    })
}

/// A hash of the old crypt: 13 bytes in the second field. Others are found by their form.
fn has_old_hash(line: &[u8]) -> bool {
    let mut fields = line.split(|byte| *byte == b':');
    let field = fields.nth(1).map(|field| {
        let start = field.iter().position(|byte| *byte != b'!').unwrap_or(field.len());
        &field[start..]
    });
    let old = |field: &[u8]| {
        field.len() == 13 && field.iter().all(|byte| byte.is_ascii_alphanumeric() || b"./".contains(byte))
    };
    field.is_some_and(old) && fields.next().is_some()
}

/// Where the first line is that fits.
fn line(text: &[u8], fits: impl Fn(&[u8]) -> bool) -> Option<usize> {
    let mut start = 0;
    for line in text.split(|byte| *byte == b'\n') {
        if fits(line.trim_ascii()) {
            return Some(start);
        }
        start += line.len() + 1;
    }
    None
}

/// A word with another behind it: `password hunter2`.
fn words(text: &[u8], names: &[&[u8]]) -> Option<usize> {
    line(text, |line| {
        let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        !line.starts_with(b"#") && words.any(|word| names.contains(&word)) && words.next().is_some()
    })
}

/// An address with a password: `https://user:password@host`.
fn address(text: &[u8]) -> Option<usize> {
    line(text, |line| {
        memchr::memmem::find_iter(line, b"://").any(|at| {
            let rest = &line[at + 3..];
            let end = rest.iter().position(|byte| b"/ \t\"'".contains(byte)).unwrap_or(rest.len());
            let login = memchr::memrchr(b'@', &rest[..end]).map(|at| &rest[..at]);
            let password = login.and_then(|login| memchr::memchr(b':', login).map(|at| &login[at + 1..]));
            password.is_some_and(|password| !password.is_empty() && !password.starts_with(b"$"))
        })
    })
}

/// A setting with a value, as INI, YAML, JSON and npm write it: `name = value`, `"name": "value"`, `//host/:name=value`.
/// A value that is a variable (`${TOKEN}`) is none.
fn settings(text: &[u8], names: &[&str]) -> Option<usize> {
    let lower = text.to_ascii_lowercase();
    let mut first: Option<usize> = None;
    for name in names {
        for at in memchr::memmem::find_iter(&lower, name.as_bytes()) {
            let before = at.checked_sub(1).map(|at| lower[at]);
            let is_word = before.is_none_or(|byte| !byte.is_ascii_alphanumeric() && byte != b'_' && byte != b'-');
            let start = lower[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |line| line + 1);
            let is_comment = matches!(lower[start..].trim_ascii_start().first(), Some(b'#' | b';'));
            if is_word && !is_comment && has_value(&text[at + name.len()..]) {
                first = Some(first.map_or(at, |other| other.min(at)));
                break;
            }
        }
    }
    first
}

fn has_value(rest: &[u8]) -> bool {
    let skip = |text: &mut &[u8]| {
        while let [b' ' | b'\t' | b'"' | b'\'', tail @ ..] = *text {
            *text = tail;
        }
    };
    let mut rest = rest;
    skip(&mut rest);
    let Some(mut value) = rest.strip_prefix(b"=").or_else(|| rest.strip_prefix(b":")) else { return false };
    skip(&mut value);
    value.first().is_some_and(|byte| byte.is_ascii_graphic() && !b"$,{}[]<\"'#".contains(byte))
}
