//! `[from.apk]`: packages of Alpine, Wolfi, Chainguard and what is built like them.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::debian::Trust;
use super::fields::Fields;
use super::mistake::Mistake;
use super::shape::{Key, Keys, Shape, Text, Words, itself, text};
use super::value::Item;
use super::words::Misfit;

/// What `[from.apk]` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApkRequest {
    /// Whose packages they are: `alpine`, `wolfi`, `chainguard`, or another name.
    pub distribution: String,
    /// The branch of Alpine: `v3.20`, `edge`, `latest-stable`.
    pub branch: Option<String>,
    /// Where packages come from, in order of preference.
    pub repositories: Vec<ApkRepository>,
    /// What is installed, in the recipe's order.
    pub packages: Vec<ApkPackage>,
    /// Files of public keys that may sign indexes, beside the built-in ones.
    pub keys: Vec<PathBuf>,
    /// What becomes of the scripts of packages.
    pub scripts: ApkScripts,
    /// Whether indexes have to be signed.
    pub trust: Trust,
}

/// A repository: `main`, `@edge https://...`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApkRepository {
    /// The tag that a package has to be asked for with, to come from it.
    pub tag: Option<String>,
    /// Where it is.
    pub place: ApkPlace,
}

/// Where a repository is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApkPlace {
    /// A component of the distribution: `main`.
    Component(String),
    /// At an address of `http`, `https` or `file`, above the folders of architectures, without a slash at its end.
    Url(String),
}

/// An entry of the world: `nginx`, `python3~3.12`, `curl@edge`, `!openssl`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApkPackage(String);

/// What becomes of the scripts of packages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ApkScripts {
    /// They do not run. Links of busybox and the linker's cache are made all the same.
    #[default]
    None,
    /// They run in the sandbox.
    Sandbox,
}

pub(super) static KEYS: Keys = Keys {
    name: "[from.apk]",
    groups: &[&[
        Key {
            name: "distribution",
            shape: Shape::Text(NAME),
            about: "`alpine`, `wolfi`, `chainguard` or the name of another; `alpine` where it is not given",
        },
        Key { name: "branch", shape: Shape::Text(BRANCH), about: "the branch of Alpine: `v3.20`, `edge`" },
        Key {
            name: "repositories",
            shape: Shape::List(&Shape::Text(text::<ApkRepository>("a repository"))),
            about: "components of the distribution and addresses, each with `@tag ` before it where wanted",
        },
        Key {
            name: "packages",
            shape: Shape::Set(&Shape::Text(text::<ApkPackage>("a package")), is_package),
            about: "what is installed: `name`, `name=1.2-r3`, `name~1.2`, `name>=1`, `name@tag`, `!name`",
        },
        Key {
            name: "keys",
            shape: Shape::SetWithFiles(&Shape::Text(super::shape::ANY), itself, |_| true),
            about: "files of public keys that sign indexes, beside the built-in ones",
        },
        Key {
            name: "scripts",
            shape: Shape::Word(Words { known: &["none", "sandbox"], later: &[] }),
            about: "whether scripts of packages run; `none` where it is not given",
        },
        Key {
            name: "trust",
            shape: Shape::Word(Words { known: &["signed", "unsigned"], later: &[] }),
            about: "`unsigned` takes indexes without a signature",
        },
    ]],
    later: &[],
};

const NAME: Text = Text { what: "a distribution", check: |found| check_word(found, "a distribution") };
const BRANCH: Text = Text { what: "a branch", check: |found| check_word(found, "a branch") };

/// Reads `[from.apk]`.
pub(super) fn read(mut fields: Fields<'_>) -> Option<ApkRequest> {
    let [distribution_place, trust_place, branch_place] =
        ["distribution", "trust", "branch"].map(|key| fields.place_of(key));
    let distribution = fields.string("distribution").unwrap_or_else(|| "alpine".to_owned());
    let branch = fields.string("branch");
    let repositories = fields.list::<ApkRepository>("repositories");
    let packages = fields.list("packages").unwrap_or_default();
    let keys = fields.local_files("keys");
    let scripts = match fields.string("scripts").as_deref() {
        Some("sandbox") => ApkScripts::Sandbox,
        _ => ApkScripts::None,
    };
    let trust = match fields.string("trust").as_deref() {
        Some("unsigned") => Trust::Unsigned,
        _ => Trust::Signed,
    };
    let component = |name: &str| ApkRepository { tag: None, place: ApkPlace::Component(name.to_owned()) };
    let repositories = match (repositories, distribution.as_str()) {
        (Some(given), _) => given,
        (None, "alpine") => vec![component("main"), component("community")],
        (None, "wolfi" | "chainguard") => vec![component("os")],
        (None, other) => {
            let what = format!("nothing says where the packages of `{other}` are");
            fields.error(
                distribution_place,
                Mistake::Clash(what, "add their address: `repositories = [\"https://...\"]`"),
            );
            Vec::new()
        }
    };
    if let Some(branch) = branch.as_ref().filter(|branch| distribution == "alpine" && is_version(branch)) {
        let misfit = Misfit::new(branch, "a branch of Alpine", format!("`v{branch}`"));
        fields.error(branch_place, Mistake::Form { key: "branch".to_owned(), misfit, nearest: None });
    }
    let has_components = repositories.iter().any(|repository| matches!(repository.place, ApkPlace::Component(_)));
    match distribution.as_str() {
        "alpine" if branch.is_none() && has_components => fields.demand("branch"),
        "alpine" | "wolfi" | "chainguard" => {}
        other if has_components => {
            let what = format!("`{other}` has no components that are known here");
            fields.error(distribution_place, Mistake::Clash(what, "name repositories by address: `https://...`"));
        }
        _ => {}
    }
    if let (Trust::Unsigned, Some(place)) = (trust, trust_place) {
        let what = "indexes are taken without a signature: whoever can change them can change the image".to_owned();
        fields.notebook().warn(place, Mistake::Doubtful(what, "name the keys that sign them with `keys`"));
    }
    fields.finish();
    Some(ApkRequest { distribution, branch, repositories, packages, keys, scripts, trust })
}

impl ApkPackage {
    /// The entry as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ApkPackage {
    type Err = Misfit;

    fn from_str(found: &str) -> Result<Self, Misfit> {
        let wrong = |expected: &str| Misfit::new(found, "a package", expected);
        if found.ends_with(".apk") {
            return Err(wrong("the name of a package of a repository: put local files into one with `apk index`"));
        }
        let rest = found.strip_prefix('!').unwrap_or(found);
        let end = rest.find(['=', '<', '>', '~', '@']).unwrap_or(rest.len());
        let (name, rest) = rest.split_at(end);
        let of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"+-._:/".contains(&byte);
        if name.is_empty() || !name.bytes().all(of_name) || name.starts_with('-') {
            return Err(wrong(
                "a name of letters, digits and `+-._:/`, with `=`, `<`, `>`, `~` and a version, or `@tag`, after it",
            ));
        }
        let of_rest = |byte: u8| byte.is_ascii_alphanumeric() || b"=<>~@._-".contains(&byte);
        if !rest.bytes().all(of_rest) || rest.ends_with(['=', '<', '>', '~', '@']) {
            return Err(wrong("a version after `=`, `<`, `>` or `~`, such as `1.2.3-r4`, or a tag after `@`"));
        }
        Ok(Self(found.to_owned()))
    }
}

impl FromStr for ApkRepository {
    type Err = Misfit;

    fn from_str(found: &str) -> Result<Self, Misfit> {
        let wrong = |expected: &str| Misfit::new(found, "a repository", expected);
        let (tag, rest) = match found.strip_prefix('@') {
            Some(tagged) => {
                let parts = tagged
                    .split_once(' ')
                    .ok_or_else(|| wrong("a tag, a space and an address: `@edge https://...`"))?;
                (Some(parts.0), parts.1.trim())
            }
            None => (None, found),
        };
        if let Some(tag) = tag {
            check_word(tag, "a tag")?;
        }
        let place = match rest.split_once("://") {
            Some(("http" | "https" | "file", after)) => {
                let authority = after.split('/').next().unwrap_or_default();
                if authority.contains('@') {
                    return Err(wrong("an address without login: put it into ~/.netrc"));
                }
                if rest.contains(char::is_whitespace) || after.is_empty() || rest.contains(['?', '#']) {
                    return Err(wrong("an address such as `https://dl-cdn.alpinelinux.org/alpine/v3.20/main`"));
                }
                ApkPlace::Url(rest.trim_end_matches('/').to_owned())
            }
            Some(_) => return Err(wrong("an address of `http`, `https` or `file`")),
            None => {
                check_word(rest, "a repository")?;
                ApkPlace::Component(rest.to_owned())
            }
        };
        Ok(Self { tag: tag.map(str::to_owned), place })
    }
}

impl fmt::Display for ApkPackage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `3.22`, of which the branch is called `v3.22`.
fn is_version(branch: &str) -> bool {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    branch.split_once('.').is_some_and(|(major, minor)| is_number(major) && is_number(minor))
}

fn check_word(found: &str, what: &'static str) -> Result<(), Misfit> {
    let of_word = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if !found.is_empty() && found.bytes().all(of_word) && !found.starts_with('.') {
        return Ok(());
    }
    Err(Misfit::new(found, what, "letters, digits, `-`, `_` and `.`"))
}

fn is_package(item: &Item, name: &str) -> bool {
    let same_name = |text: &str| text.split(['=', '<', '>', '~', '@']).next() == Some(name);
    itself(item, name) || item.value.as_text().is_some_and(same_name)
}
