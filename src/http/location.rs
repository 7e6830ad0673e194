//! Where a file is: on the web or on this machine.

use std::path::PathBuf;

use reqwest::Url;

use crate::http::HttpError;

/// A checked address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Location {
    /// An address of `http` or `https`.
    Web(Url),
    /// A file.
    File(PathBuf),
}

impl Location {
    /// Reads an address of `http`, `https` or `file`, or an absolute path.
    pub(super) fn parse(text: &str) -> Result<Self, HttpError> {
        let wrong = |reason: String| HttpError::Address { address: without_secrets(text), reason };
        if text.starts_with('/') {
            return Ok(Self::File(PathBuf::from(text)));
        }
        let url = Url::parse(text).map_err(|error| wrong(error.to_string()))?;
        match url.scheme() {
            "http" | "https" => Ok(Self::Web(url)),
            "file" => {
                url.to_file_path().map(Self::File).map_err(|()| wrong("it names a file of another machine".to_owned()))
            }
            other => Err(wrong(format!("`{other}` is not a scheme that is known here"))),
        }
    }

    /// The server, where there is one.
    pub(super) fn server(&self) -> Option<String> {
        match self {
            Self::Web(url) => Some(format!("{}:{}", url.host_str()?, url.port_or_known_default()?)),
            Self::File(_) => None,
        }
    }
}

/// The address of the file `path` in the repository at `base`, which is an address or a folder. What has a meaning in
/// addresses and none in paths (`%`, `#`, `?`, spaces) is encoded for an address, and so is `+`, which S3 takes for a space.
pub fn address_in(base: &str, path: &str) -> String {
    let base = base.trim_end_matches('/');
    let path = path.trim_start_matches('/');
    if base.starts_with('/') || base.is_empty() {
        return format!("{base}/{path}");
    }
    let mut address = format!("{base}/");
    for character in path.chars() {
        match character {
            '%' | '#' | '?' | ' ' | '+' => address.push_str(&format!("%{:02X}", u32::from(character))),
            plain => address.push(plain),
        }
    }
    address
}

/// `address` as it may be shown: without login, query and fragment, which may all hold secrets.
pub fn without_secrets(address: &str) -> String {
    let end = address.find(['?', '#']).unwrap_or(address.len());
    let address = &address[..end];
    let Some((scheme, rest)) = address.split_once("://") else { return address.to_owned() };
    let authority_end = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(authority_end);
    let host = authority.rsplit('@').next().unwrap_or(authority);
    format!("{scheme}://{host}{path}")
}

/// Whether two addresses are of one place, whatever logins they have and however they are written.
pub fn is_same_place(one: &str, other: &str) -> bool {
    let plain = |address: &str| {
        let Ok(mut url) = Url::parse(address) else { return address.trim_end_matches('/').to_owned() };
        // What can have no login has none.
        let _ = url.set_username("").and_then(|()| url.set_password(None));
        url.as_str().trim_end_matches('/').to_owned()
    };
    plain(one) == plain(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        for same in ["https://a.example/x/", "https://me:word@a.example/x", "https://A.example:443/x"] {
            assert!(is_same_place("https://a.example/x", same), "{same}");
        }
        for other in
            ["http://a.example/x", "https://a.example/X", "https://a.example/x?y", "https://a.example@b/x", "/x"]
        {
            assert!(!is_same_place("https://a.example/x", other), "{other}");
        }
        assert!(is_same_place("file:///srv/x", "file:///srv/x/") && is_same_place("/srv/x", "/srv/x/"));
    }

    #[test]
    fn addresses() {
        assert_eq!(Location::parse("/srv/a b").ok(), Some(Location::File("/srv/a b".into())));
        assert_eq!(Location::parse("file:///srv/a%20b").ok(), Some(Location::File("/srv/a b".into())));
        assert_eq!(
            Location::parse("http://a.example/x").ok().and_then(|location| location.server()),
            Some("a.example:80".into())
        );
        for wrong in ["", "pool/main/x.deb", "ftp://a.example/x", "http://", "cdrom:[x]"] {
            assert!(matches!(Location::parse(wrong), Err(HttpError::Address { .. })), "{wrong}");
        }
    }

    #[test]
    fn paths_in_repositories() {
        assert_eq!(
            address_in("http://a.example/debian/", "pool/c++_1~2.deb"),
            "http://a.example/debian/pool/c%2B%2B_1~2.deb"
        );
        let odd = "pool/a_1+b%3a2 #?.deb";
        let address = address_in("file:///srv/x", odd);
        assert_eq!(Location::parse(&address).ok(), Some(Location::File("/srv/x/pool/a_1+b%3a2 #?.deb".into())));
        assert_eq!(address_in("/srv/x/", odd), format!("/srv/x/{odd}"));
        assert_eq!(address_in("/", "x"), "/x");
    }

    #[test]
    fn secrets_are_left_out() {
        assert_eq!(without_secrets("https://me:pass@a.example:1/x?token=1#y"), "https://a.example:1/x");
        assert_eq!(without_secrets("https://me:p@ss@a.example"), "https://a.example");
        assert_eq!(without_secrets("https://a.example/x@y"), "https://a.example/x@y");
        assert_eq!(without_secrets("/srv/x"), "/srv/x");
        let error = Location::parse("ftp://me:hunter2@a.example/x").unwrap_err();
        assert!(!error.to_string().contains("hunter2"));
    }
}
