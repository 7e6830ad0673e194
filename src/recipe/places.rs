//! Where a recipe says what: for what is found out only after it was read.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use miette::{NamedSource, SourceSpan};

use super::PackagePattern;
use super::mistake::RecipeFile;
use super::value::{Item, Place, Table, Value};

/// The places of packages and archives in a recipe's files.
#[derive(Clone, Default)]
pub struct Places {
    files: Vec<(PathBuf, Arc<str>)>,
    /// Packages as they are written.
    packages: Vec<(String, Place)>,
    /// What is left out, as it is written.
    excluded: Vec<(String, Place)>,
    /// Priorities, sections and tasks.
    lists: Vec<(String, Place)>,
    /// Packages of which parts are kept.
    slices: Vec<(String, Place)>,
    /// Archives by address.
    repositories: Vec<(String, Place)>,
    /// Components, with the address of the archive that they are of; none for the distribution's own.
    components: Vec<(Option<String>, String, Place)>,
    /// Files of keys.
    keyrings: Vec<(PathBuf, Place)>,
    suite: Option<Place>,
}

/// Something that a recipe says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said<'a> {
    /// That a package is wanted, as it is written or by its name.
    Package(&'a str),
    /// That packages of this suite are wanted; where none is, which suite is the main one.
    OfSuite(&'a str),
    /// That all packages of a priority, section or task are wanted.
    List(&'a str),
    /// That a part of a package is kept.
    Slice(&'a str),
    /// That a package is left out.
    Excluded(&'a str),
    /// Where an archive is, by its address.
    Repository(&'a str),
    /// Which component of an archive is read: its address, where it is not the distribution's own, and the component.
    Component(Option<&'a str>, &'a str),
    /// Where the keys of an archive are.
    Keyring(&'a Path),
    /// Which suite is the main one.
    Suite,
    /// The packages whose names are words of this text.
    NamedIn(&'a str),
}

impl Places {
    /// Those of the table of a whole recipe, which was made of these files.
    pub(super) fn of(recipe: &Table, files: &[RecipeFile]) -> Self {
        let mut places = Self {
            files: files.iter().map(|file| (file.path.clone(), Arc::clone(&file.text))).collect(),
            ..Self::default()
        };
        let Some(Value::Table(sources)) = recipe.get("from").map(|(_, item)| &item.value) else { return places };
        for (_, source) in sources.values() {
            let Value::Table(source) = &source.value else { continue };
            places.suite = places.suite.or_else(|| source.get("suite").map(|(_, item)| item.place));
            places.packages.extend(texts(source, "packages"));
            places.excluded.extend(texts(source, "exclude"));
            places.lists.extend(["priorities", "sections", "tasks"].into_iter().flat_map(|key| texts(source, key)));
            places.add_archive(None, source, files);
            for item in list(source, "slices") {
                let Value::Table(slice) = &item.value else { continue };
                places.slices.extend(slice.get("package").and_then(|(_, item)| text(item)));
            }
            for item in list(source, "repository") {
                let Value::Table(repository) = &item.value else { continue };
                let Some((url, place)) = repository.get("url").and_then(|(_, url)| text(url)) else { continue };
                let url = url.trim_end_matches('/').to_owned();
                places.add_archive(Some(&url), repository, files);
                places.repositories.push((url, place));
            }
        }
        places
    }

    /// Adds what is said of an archive.
    fn add_archive(&mut self, url: Option<&str>, table: &Table, files: &[RecipeFile]) {
        let of = |(name, place)| (url.map(str::to_owned), name, place);
        self.components.extend(texts(table, "components").map(of));
        let Some((path, place)) = table.get("keyring").and_then(|(_, item)| text(item)) else { return };
        self.keyrings.push((files[place.file].folder.join(path), place));
    }

    /// The file in which it is said, and where in it; nothing where the recipe does not say it itself. Of several things
    /// those in the file of the first count.
    pub fn find(&self, said: &[Said<'_>]) -> Option<(NamedSource<Arc<str>>, Vec<SourceSpan>)> {
        let found: Vec<Place> = said.iter().flat_map(|said| self.of_one(*said)).collect();
        let file = found.first()?.file;
        let (path, text) = self.files.get(file)?;
        let mut spans: Vec<&Place> = found.iter().filter(|place| place.file == file).collect();
        spans.sort();
        spans.dedup();
        let spans = spans.into_iter().map(|place| (place.start..place.end).into()).collect();
        Some((NamedSource::new(path.display().to_string(), Arc::clone(text)).with_language("TOML"), spans))
    }

    fn of_one(&self, said: Said<'_>) -> Vec<Place> {
        fn of(places: &[(String, Place)], is_it: impl Fn(&str) -> bool) -> Vec<Place> {
            places.iter().filter(|(text, _)| is_it(text)).map(|(_, place)| *place).collect()
        }
        match said {
            Said::Package(wanted) => match of(&self.packages, |known| known == wanted) {
                none if none.is_empty() => of(&self.packages, |known| name(known) == name(wanted)),
                found => found,
            },
            Said::OfSuite(suite) => {
                let asked =
                    |known: &str| known.split_once('/').is_some_and(|(_, rest)| rest.split('=').next() == Some(suite));
                match of(&self.packages, asked) {
                    none if none.is_empty() => self.suite.into_iter().collect(),
                    found => found,
                }
            }
            Said::List(list) => of(&self.lists, |known| known == list),
            Said::Slice(package) => of(&self.slices, |known| known == package),
            Said::Excluded(package) => of(&self.excluded, |known| {
                known.parse::<PackagePattern>().is_ok_and(|pattern| pattern.matcher().is_match(package))
            }),
            Said::Repository(url) => of(&self.repositories, |known| known == url.trim_end_matches('/')),
            Said::Component(url, component) => {
                let of_archive = |url: Option<&str>| -> Vec<Place> {
                    let same = |known: &str| known == component || known.ends_with(&format!("/{component}"));
                    let all = self.components.iter().filter(|(of, known, _)| of.as_deref() == url && same(known));
                    all.map(|(.., place)| *place).collect()
                };
                match of_archive(url.map(|url| url.trim_end_matches('/'))) {
                    // A further archive that names none has those of the distribution's.
                    none if none.is_empty() => of_archive(None),
                    found => found,
                }
            }
            Said::Keyring(file) => {
                self.keyrings.iter().filter(|(path, _)| path == file).map(|(_, place)| *place).collect()
            }
            Said::Suite => self.suite.into_iter().collect(),
            Said::NamedIn(text) => {
                let ends = |character: char| character.is_whitespace() || ",;()`:=".contains(character);
                let words: Vec<&str> = text.split(ends).collect();
                of(&self.packages, |known| words.contains(&name(known)))
            }
        }
    }
}

/// Nothing of it changes an image.
impl fmt::Debug for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Places")
    }
}

fn text(item: &Item) -> Option<(String, Place)> {
    item.value.as_text().map(|text| (text.to_owned(), item.place))
}

fn texts<'a>(table: &'a Table, key: &str) -> impl Iterator<Item = (String, Place)> + use<'a> {
    list(table, key).iter().filter_map(text)
}

fn list<'a>(table: &'a Table, key: &str) -> &'a [Item] {
    match table.get(key).map(|(_, item)| &item.value) {
        Some(Value::List(items)) => items,
        _ => &[],
    }
}

/// The name at the start of a package's text, whatever is asked of its version.
fn name(text: &str) -> &str {
    let of_name = |character: char| character.is_ascii_alphanumeric() || "+-._".contains(character);
    text.find(|character| !of_name(character)).map_or(text, |end| &text[..end])
}

#[cfg(test)]
mod tests {
    use crate::recipe::{Said, load_text};

    /// What of a recipe is pointed to.
    fn pointed<'t>(text: &'t str, said: &[Said<'_>]) -> Vec<&'t str> {
        let recipe = load_text("/r/base.toml".as_ref(), text.to_owned(), None).unwrap();
        let spans = recipe.places.find(said).map(|(_, spans)| spans).unwrap_or_default();
        spans.iter().map(|span| &text[span.offset()..span.offset() + span.len()]).collect()
    }

    #[test]
    fn the_very_value_is_pointed_to() {
        let text = r#"name = "base"
[from.debian]
suite = "trixie"
packages = ["curl", "curl/sid", "git=9", "vim/sid"]
exclude = ["dbus*"]
components = ["main", "contribb"]
sections = ["fonts"]
slices = [{ package = "git", keep = ["/usr/bin/git"] }]
[[from.debian.repository]]
url = "https://a.example/apt/"
suites = ["stable"]
components = ["mane"]
"#;
        assert_eq!(pointed(text, &[Said::Package("curl/sid")]), ["\"curl/sid\""]);
        assert_eq!(pointed(text, &[Said::Package("curl=8")]), ["\"curl\"", "\"curl/sid\""]);
        assert_eq!(pointed(text, &[Said::Package("vim"), Said::Package("git=9")]), ["\"git=9\"", "\"vim/sid\""]);
        assert_eq!(pointed(text, &[Said::OfSuite("sid")]), ["\"curl/sid\"", "\"vim/sid\""]);
        assert_eq!(pointed(text, &[Said::Excluded("dbus-bin")]), ["\"dbus*\""]);
        assert_eq!(pointed(text, &[Said::List("fonts")]), ["\"fonts\""]);
        assert_eq!(pointed(text, &[Said::Slice("git")]), ["\"git\""]);
        assert_eq!(pointed(text, &[Said::Component(None, "contribb")]), ["\"contribb\""]);
        assert_eq!(pointed(text, &[Said::Component(Some("https://a.example/apt"), "mane")]), ["\"mane\""]);
        assert_eq!(pointed(text, &[Said::Component(Some("https://b.example"), "main")]), ["\"main\""]);
        assert_eq!(pointed(text, &[Said::Suite]), ["\"trixie\""]);
        assert!(pointed(text, &[Said::Package("zsh")]).is_empty());
    }

    #[test]
    fn files_of_keys_are_found_by_their_path() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("key.asc"), "").unwrap();
        let text = "name = \"base\"\n[from.debian]\nsuite = \"trixie\"\nkeyring = \"key.asc\"\n".to_owned();
        let recipe = load_text(&folder.path().join("base.toml"), text, None).unwrap();
        assert!(recipe.places.find(&[Said::Keyring(&folder.path().join("key.asc"))]).is_some());
        assert!(recipe.places.find(&[Said::Keyring("/else".as_ref())]).is_none());
    }
}
