//! Logins, by the beginning of the addresses that they are for.

use std::fmt;
use std::path::PathBuf;

use reqwest::Url;

/// A login for the addresses that begin with a prefix.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    scheme: Option<String>,
    host: String,
    port: Option<u16>,
    path: String,
    user: String,
    password: String,
}

/// A text that names no server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` names no server: expected `HOST`, `HOST/PATH` or `https://HOST/PATH`")]
pub struct CredentialError(pub String);

/// Where the logins of conda channels are, by the paths of their files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChannelLogins {
    /// Rattler's own file (`RATTLER_AUTH_FILE`): JSON with tokens and passwords by host.
    pub auth_file: Option<PathBuf>,
    /// A netrc; it may be missing.
    pub netrc: Option<PathBuf>,
}

impl Credential {
    /// A login for addresses that begin with `prefix`, in the form of apt's `auth.conf`: `[SCHEME://]HOST[:PORT][/PATH]`.
    /// Without a scheme it is for `https` only, so that no password leaves unencrypted unless that was asked for.
    pub fn new(prefix: &str, user: &str, password: &str) -> Result<Self, CredentialError> {
        let wrong = || CredentialError(prefix.to_owned());
        let (scheme, rest) = match prefix.split_once("://") {
            Some((scheme, rest)) => (Some(scheme.to_ascii_lowercase()), rest),
            None => (None, prefix),
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().map_err(|_| wrong())?)),
            None => (authority, None),
        };
        if host.is_empty() || authority.contains('@') {
            return Err(wrong());
        }
        Ok(Self {
            scheme,
            host: host.to_ascii_lowercase(),
            port,
            path: path.trim_end_matches('/').to_owned(),
            user: user.to_owned(),
            password: password.to_owned(),
        })
    }

    fn serves(&self, url: &Url) -> bool {
        let scheme = self.scheme.as_deref().unwrap_or("https");
        let below = url.path().strip_prefix(&self.path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        url.scheme() == scheme
            && url.host_str() == Some(&self.host)
            && self.port.is_none_or(|port| url.port_or_known_default() == Some(port))
            && below
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({}@{}{})", self.user, self.host, self.path)
    }
}

/// The logins in a text of netrc's form, which apt's `auth.conf` shares: `machine HOST login USER password PASSWORD`
/// (<https://manpages.debian.org/trixie/apt/apt_auth.conf.5.en.html>). Entries without a login, and macros, are passed
/// over.
pub fn parse_netrc(text: &str) -> Result<Vec<Credential>, CredentialError> {
    let mut found = Vec::new();
    let lines = text.lines().map(|line| line.trim_start()).filter(|line| !line.starts_with('#'));
    let mut words = lines.flat_map(str::split_ascii_whitespace).peekable();
    while let Some(word) = words.next() {
        let Some(machine) = (word == "machine").then(|| words.next()).flatten() else { continue };
        let (mut user, mut password) = (None, None);
        while let Some(key) = words.next_if(|word| !matches!(*word, "machine" | "default" | "macdef")) {
            match key {
                "login" => user = words.next(),
                "password" => password = words.next(),
                _ => {}
            }
        }
        if let (Some(user), Some(password)) = (user, password) {
            found.push(Credential::new(machine, user, password)?);
        }
    }
    Ok(found)
}

/// `address` with the login in it that `secret` has for it: `USER:PASSWORD`, or that of the longest prefix in lines of
/// netrc. `None` where it has none. The address is a secret itself then.
pub fn with_login(address: &str, secret: &str) -> Option<String> {
    let mut url: Url = address.parse().ok()?;
    let secret = secret.trim();
    let (user, password) = if secret.split_ascii_whitespace().next() == Some("machine") {
        let credentials = parse_netrc(secret).ok()?;
        login_for(&url, &credentials)?
    } else {
        let (user, password) = secret.split_once(':').filter(|(user, _)| !user.is_empty() && !secret.contains('\n'))?;
        (user.to_owned(), password.to_owned())
    };
    url.set_username(&user).ok()?;
    url.set_password(Some(&password)).ok()?;
    Some(url.to_string())
}

/// The user and password to send with a request for `url`: those in it, else those of the longest prefix.
pub(super) fn login_for(url: &Url, credentials: &[Credential]) -> Option<(String, String)> {
    if !url.username().is_empty() {
        return Some((decoded(url.username()), decoded(url.password().unwrap_or_default())));
    }
    let serving = credentials.iter().filter(|credential| credential.serves(url));
    let best = serving.max_by_key(|credential| (credential.path.len(), credential.port.is_some()))?;
    Some((best.user.clone(), best.password.clone()))
}

/// `%40` as `@`, and so on; what is no such sequence stays.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut place = 0;
    while place < bytes.len() {
        let pair = bytes.get(place + 1..place + 3).filter(|_| bytes[place] == b'%');
        let value = pair.and_then(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
        plain.push(value.unwrap_or(bytes[place]));
        place += if value.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&plain).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(url: &str, credentials: &[Credential]) -> Option<String> {
        let url = url.parse().unwrap();
        login_for(&url, credentials).map(|(user, password)| format!("{user}:{password}"))
    }

    #[test]
    fn the_longest_prefix_serves() {
        let text = "# comment machine x\nmachine a.example login me password one\n\
                    machine a.example/private/ login you\n  password two\nmachine http://b.example:8080 login b password p\n\
                    default login anonymous password none";
        let credentials = parse_netrc(text).unwrap();
        assert_eq!(credentials.len(), 3);
        assert_eq!(login("https://a.example/x", &credentials), Some("me:one".into()));
        assert_eq!(login("https://a.example/private/x", &credentials), Some("you:two".into()));
        assert_eq!(login("https://a.example/privates", &credentials), Some("me:one".into()));
        assert_eq!(login("http://a.example/x", &credentials), None, "no password over plain http unasked");
        assert_eq!(login("http://b.example:8080/x", &credentials), Some("b:p".into()));
        assert_eq!(login("http://b.example/x", &credentials), None);
        assert_eq!(login("https://u:p%40ss%@a.example/x", &credentials), Some("u:p@ss%".into()));
        assert!(!format!("{credentials:?}").contains("one"));
    }

    #[test]
    fn secrets_hold_logins() {
        let with = |address: &str, secret: &str| {
            let url: Url = with_login(address, secret)?.parse().unwrap();
            login_for(&url, &[]).map(|(user, password)| format!("{user} {password}"))
        };
        let address = "https://a.example/private/debian";
        assert_eq!(with(address, "me:p@ss:w/rd%\n").as_deref(), Some("me p@ss:w/rd%"));
        assert_eq!(with(address, "machine a.example/private login me password one").as_deref(), Some("me one"));
        assert_eq!(with("http://a.example", "me:one").as_deref(), Some("me one"));
        for secret in ["", "me", ":one", "a:b\nc:d", "machine b.example login me password one"] {
            assert_eq!(with(address, secret), None, "{secret}");
        }
        assert_eq!(with_login("/srv/archive", "me:one"), None);
        let shown = crate::http::without_secrets(&with_login(address, "me:hunter2").unwrap());
        assert_eq!(shown, address);
    }

    #[test]
    fn other_prefixes_are_refused() {
        for prefix in ["", "https://", "a.example:port", "me@a.example", "/path"] {
            assert!(Credential::new(prefix, "u", "p").is_err(), "{prefix}");
        }
    }
}
