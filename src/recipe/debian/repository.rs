//! `[[from.debian.repository]]`: mirrors and further archives.

use std::path::{Path, PathBuf};

use super::RepositoryUrl;
use crate::recipe::fields::Fields;
use crate::recipe::mistake::Mistake;
use crate::recipe::shape::itself;
use crate::recipe::value::{Item, Value};

/// A mirror of the distribution's archive (where it names no suites), or a further archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// Where the archive is: the URL above `dists/`.
    pub url: RepositoryUrl,
    /// Its suites; none for a mirror of the distribution's own archive.
    pub suites: Vec<String>,
    /// Its components; the request's own where none are given, as for mirrors.
    pub components: Vec<String>,
    /// A file of OpenPGP keys that may sign it; the distribution's where none is given.
    pub keyring: Option<PathBuf>,
    /// Whether its index has to be signed: at this address, and for a further archive at its mirrors too.
    pub trust: Trust,
    /// The secret that has the login for it.
    pub login: Option<String>,
    /// Whether the image's own apt uses it, where the recipe says so; else further archives are used and mirrors not.
    pub in_image: Option<bool>,
}

impl Repository {
    /// Whether it is a mirror of the distribution's own archive, and no further one.
    pub fn is_mirror(&self) -> bool {
        self.suites.is_empty()
    }

    /// Whether it is flat: its suites are folders that have the indexes themselves.
    pub fn is_flat(&self) -> bool {
        self.suites.iter().any(|suite| suite.ends_with('/'))
    }
}

/// Whether an archive's index has to be signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// A signature by a known key is needed.
    #[default]
    Signed,
    /// No signature is asked for. Shown wherever the image is described.
    Unsigned,
}

/// Reads one `[[from.debian.repository]]`.
pub(super) fn read_repository(mut fields: Fields<'_>) -> Option<Repository> {
    let trust_place = fields.place_of("trust");
    let (suites_place, components_place) = (fields.place_of("suites"), fields.place_of("components"));
    let login_place = fields.place_of("login");
    let url = fields.required::<RepositoryUrl>("url");
    // Suites that are a mistake are suites all the same.
    let is_mirror = suites_place.is_none() || fields.count("suites") == Some(0);
    let suites = fields.strings("suites").unwrap_or_default();
    let components = fields.strings("components").unwrap_or_default();
    let has_keyring = fields.place_of("keyring").is_some();
    let keyring = fields.local("keyring", "file", Path::is_file);
    let trust = match fields.string("trust").as_deref() {
        Some("unsigned") => Trust::Unsigned,
        _ => Trust::Signed,
    };
    let login = fields.string("login");
    if let (Some(_), Some(place), Some(url)) = (&login, login_place, &url)
        && url.as_str().starts_with("http:")
    {
        let what = format!("the login for {} is sent unencrypted", url.as_str());
        fields.notebook().warn(place, Mistake::Doubtful(what, "use its address of `https` where it has one"));
    }
    let in_image = fields.flag("in-image");
    let flat = suites.iter().filter(|suite| suite.ends_with('/')).count();
    if flat > 0 && flat < suites.len() {
        let what = "one `[[from.debian.repository]]` has flat suites and others".to_owned();
        fields
            .error(suites_place, Mistake::Clash(what, "make it two: suites that end with `/`, and those that do not"));
    }
    if flat > 0 && !components.is_empty() {
        let what = "a flat repository has no components".to_owned();
        fields.error(components_place, Mistake::Clash(what, "leave out `components`, or the `/` at the suite's end"));
    }
    if is_mirror && !components.is_empty() {
        let what = "a mirror has the components of [from.debian], and none of its own".to_owned();
        let help = "put them into `components` of [from.debian], or add `suites` to make it an archive of its own";
        fields.error(components_place, Mistake::Clash(what, help));
    }
    if trust == Trust::Unsigned && has_keyring {
        let what = "a `keyring` and `trust = \"unsigned\"` exclude each other".to_owned();
        fields
            .error(trust_place, Mistake::Clash(what, "leave out `trust`: an archive with a keyring is checked by it"));
    }
    if let (Trust::Unsigned, Some(place), Some(url)) = (trust, trust_place, &url) {
        let url = url.as_str();
        let what =
            format!("the archive {url} is taken without a signature: whoever can change it can change the image");
        fields.notebook().warn(place, Mistake::Doubtful(what, "give it a `keyring` where it has a signature"));
    }
    fields.finish();
    Some(Repository { url: url?, suites, components, keyring, trust, login, in_image })
}

/// A repository goes by its address.
pub(super) fn is_repository(item: &Item, name: &str) -> bool {
    let Value::Table(table) = &item.value else { return false };
    table.get("url").is_some_and(|(_, url)| itself(url, name))
}
