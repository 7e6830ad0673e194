//! Words of `[from.dnf]`: packages, groups, addresses and fingerprints.

use crate::recipe::shape::itself;
use crate::recipe::value::{Item, Value};
use crate::recipe::words::Misfit;

pub(super) fn plain(found: &str, further: &str, what: &'static str, expected: &str) -> Result<(), Misfit> {
    let fits = |character: char| character.is_ascii_alphanumeric() || further.contains(character);
    let starts = found.starts_with(|character: char| character.is_ascii_alphanumeric());
    if starts && found.chars().all(fits) { Ok(()) } else { Err(Misfit::new(found, what, expected)) }
}

pub(super) fn lower(found: &str) -> Result<(), Misfit> {
    if found.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(Misfit::new(found, "the id of a repository", "small letters, digits, `-` and `.`"));
    }
    Ok(())
}

/// What dnf takes: no options, no groups, no local files.
pub(super) fn check_spec(found: &str) -> Result<(), Misfit> {
    let graphic = found.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    let wrong = found.is_empty() || found.starts_with(['-', '@', ' ']) || found.ends_with(' ') || !graphic;
    let local = found.ends_with(".rpm") || found.contains("://");
    match (wrong, local) {
        (false, false) => Ok(()),
        (_, true) => {
            let expected = "the name of a package of a repository: put .rpm files into one with `createrepo_c`";
            Err(Misfit::new(found, "a package", expected))
        }
        (true, false) => {
            let group = found.strip_prefix('@').filter(|group| !group.is_empty());
            let help = group.map(|group| format!("groups have a key of their own: `groups = [\"{group}\"]`").into());
            let misfit = Misfit::new(found, "a package", "a name such as `bash`, `python3-3.12.*` or `/usr/bin/git`");
            Err(Misfit { help, ..misfit })
        }
    }
}

pub(super) fn check_url(found: &str) -> Result<(), Misfit> {
    let wrong = |found: &str, expected: &str| Misfit::new(found, "an address", expected);
    let expected = "`http://`, `https://` or `file:///`, and where it is";
    let Some((scheme, rest)) = found.split_once("://") else { return Err(wrong(found, expected)) };
    let authority = rest.split('/').next().unwrap_or_default();
    if authority.contains('@') {
        // The text itself would show the password.
        let expected = "an address without a user and a password: secrets are never in a recipe";
        return Err(wrong(&format!("{scheme}://..."), expected));
    }
    let fits = match scheme {
        "http" | "https" => !authority.is_empty(),
        "file" => rest.starts_with('/'),
        _ => false,
    };
    let clean = rest.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    if fits && clean { Ok(()) } else { Err(wrong(found, expected)) }
}

pub(super) fn check_fingerprint(found: &str) -> Result<(), Misfit> {
    let digits = found.bytes().filter(|byte| byte.is_ascii_hexdigit()).count();
    let other = found.bytes().any(|byte| !byte.is_ascii_hexdigit() && byte != b' ');
    if !other && matches!(digits, 40 | 64) {
        return Ok(());
    }
    Err(Misfit::new(found, "a fingerprint", "40 or 64 hexadecimal digits, as `gpg --show-keys` prints them"))
}

pub(super) fn is_repository(item: &Item, name: &str) -> bool {
    let Value::Table(table) = &item.value else { return false };
    table.get("id").is_some_and(|(_, id)| itself(id, name))
}
