//! Channels: from the words of a recipe to addresses, and which are allowed.

use std::path::Path;
use std::str::FromStr;

use rattler_conda_types::{Channel, ChannelConfig, NamedChannelOrUrl, Subdir};
use url::Url;

use super::{CondaError, network};
use crate::platform::{Architecture, Platform};
use crate::recipe::CondaRequest;

/// A channel in the words of a recipe, and where it is.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// The words: a name, an address, or a path as it was written.
    pub(super) name: String,
    /// Where it is.
    pub(super) channel: Channel,
}

impl Source {
    /// Reads a channel; relative paths start in `folder`.
    pub(super) fn parse(name: &str, folder: &Path) -> Result<Self, CondaError> {
        let wrong = |reason: String| CondaError::Channel { channel: name.to_owned(), reason };
        if name == "defaults" {
            return Err(wrong("it stands for several channels, whose use may need a licence: name those".to_owned()));
        }
        let folder = std::path::absolute(folder).map_err(|error| wrong(error.to_string()))?;
        let config = ChannelConfig::default_with_root_dir(folder);
        let parsed = NamedChannelOrUrl::from_str(name).map_err(|error| wrong(error.to_string()))?;
        let channel = parsed.into_channel(&config).map_err(|error| wrong(error.to_string()))?;
        let address = channel.base_url.url();
        if has_login(address) {
            let reason = "logins and tokens belong into rattler's auth file (RATTLER_AUTH_FILE) or netrc, not here";
            return Err(CondaError::Channel { channel: network::plain(address), reason: reason.to_owned() });
        }
        let scheme = address.scheme();
        if !matches!(scheme, "http" | "https" | "file" | "oci") {
            return Err(wrong(format!("`{scheme}` is none of https, http, file and oci")));
        }
        Ok(Self { name: name.trim_end_matches('/').to_owned(), channel })
    }

    /// The address, with a slash at its end.
    pub(super) fn base(&self) -> &Url {
        self.channel.base_url.url()
    }

    /// The address of a file in it.
    pub(super) fn file(&self, path: &str) -> Result<Url, CondaError> {
        let wrong =
            |error: url::ParseError| CondaError::Channel { channel: self.name.clone(), reason: error.to_string() };
        self.base().join(path).map_err(wrong)
    }

    /// The name and address that the image says: those of a channel of this machine's disk are its folder's name alone.
    pub(super) fn shown(&self) -> String {
        shown(self.base())
    }
}

/// Whether an address has a name, a password or a conda token in it, which would get into locks and images.
pub(super) fn has_login(address: &Url) -> bool {
    let token = address.path_segments().is_some_and(|mut segments| segments.next() == Some("t"));
    address.password().is_some() || !address.username().is_empty() || (address.scheme() != "file" && token)
}

/// An address that does not tell of this machine's disk: of `file:///srv/channel/` only `file:///channel/` is left.
fn shown(base: &Url) -> String {
    if base.scheme() != "file" {
        return base.to_string();
    }
    let name = base.path().trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    format!("file:///{name}/")
}

/// A file of a channel by its whole address, taken apart: the channel's address, and the path below it.
pub(super) fn split(url: &Url) -> Option<(String, String)> {
    let mut plain = url.clone();
    plain.set_fragment(None);
    plain.set_query(None);
    let text = plain.as_str();
    let (above, file) = text.rsplit_once('/')?;
    let (channel, subdir) = above.rsplit_once('/')?;
    Some((channel.to_owned(), format!("{subdir}/{file}")))
}

/// The channels that a request allows; nothing where it allows all.
pub(super) struct Allowed(Option<Vec<Source>>);

impl Allowed {
    /// Reads them.
    pub(super) fn of(request: &CondaRequest) -> Result<Self, CondaError> {
        let parse = |names: &Vec<String>| names.iter().map(|name| Source::parse(name, request.folder())).collect();
        request.allowed_channels.as_ref().map(parse).transpose().map(Self)
    }

    /// Fails where a channel is not among them; `what` is the package that comes from it.
    pub(super) fn check(&self, source: &Source, what: &str) -> Result<(), CondaError> {
        let Some(allowed) = &self.0 else { return Ok(()) };
        let address = |source: &Source| source.base().as_str().trim_end_matches('/').to_owned();
        if allowed.iter().any(|one| address(one) == address(source)) {
            return Ok(());
        }
        let names: Vec<_> = allowed.iter().map(|one| format!("`{}`", one.name)).collect();
        let allowed = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        Err(CondaError::Denied { channel: source.name.clone(), what: what.to_owned(), allowed })
    }
}

/// Conda's name of a platform.
pub(super) fn subdir(platform: Platform) -> Subdir {
    match platform.architecture {
        Architecture::Amd64 => Subdir::Linux64,
        Architecture::Arm64 => Subdir::LinuxAarch64,
        Architecture::Arm => Subdir::LinuxArmV7l,
        Architecture::I386 => Subdir::Linux32,
        Architecture::Ppc64le => Subdir::LinuxPpc64le,
        Architecture::Riscv64 => Subdir::LinuxRiscv64,
        Architecture::S390x => Subdir::LinuxS390X,
        Architecture::ArmV6 | Architecture::ArmV5 => Subdir::LinuxArmV6l,
        Architecture::Loong64 => Subdir::LinuxLoongArch64,
        // Conda has no name for it.
        Architecture::Mips64le => Subdir::NoArch,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_does_not_tell_where_a_channel_was() {
        let source = Source::parse("./real", Path::new("/srv/here")).unwrap();
        assert_eq!(source.base().as_str(), "file:///srv/here/real/");
        assert_eq!((source.name.as_str(), source.shown().as_str()), ("./real", "file:///real/"));
        let web = Source::parse("https://channels.example/team/", Path::new("/")).unwrap();
        assert_eq!(web.shown(), "https://channels.example/team/");
        for secret in ["https://me:secret@a.example/c", "https://a.example/t/secret/c"] {
            let error = Source::parse(secret, Path::new("/")).unwrap_err().to_string();
            assert!(error.contains("netrc") && !error.contains("secret"), "{error}");
        }
        for wrong in ["defaults", "s3://bucket/channel", "ftp://a.example/c"] {
            assert!(matches!(Source::parse(wrong, Path::new("/")), Err(CondaError::Channel { .. })), "{wrong}");
        }
    }

    #[test]
    fn addresses_are_taken_apart() {
        let url = "https://channels.example/team/linux-64/x-1-0.conda#abc".parse().unwrap();
        assert_eq!(split(&url), Some(("https://channels.example/team".into(), "linux-64/x-1-0.conda".into())));
    }

    #[test]
    fn only_allowed_channels_pass() {
        let mut request = CondaRequest::new("/srv/environment.yml".into(), String::new());
        let one = Source::parse("./one", Path::new("/srv")).unwrap();
        assert!(Allowed::of(&request).unwrap().check(&one, "").is_ok());
        request.allowed_channels = Some(vec!["file:///srv/one".to_owned()]);
        let allowed = Allowed::of(&request).unwrap();
        assert!(allowed.check(&one, "").is_ok());
        let two = Source::parse("./two", Path::new("/srv")).unwrap();
        assert!(matches!(allowed.check(&two, "x"), Err(CondaError::Denied { .. })));
    }
}
