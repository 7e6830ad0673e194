//! Where a recipe says what: for what is found out only after it was read.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use miette::{NamedSource, SourceSpan};

use super::mistake::RecipeFile;
use super::value::{Item, Place, Table, Value};

/// The places of packages and archives in a recipe's files.
#[derive(Clone, Default)]
pub struct Places {
    files: Vec<(PathBuf, Arc<str>)>,
    /// Packages by name.
    packages: Vec<(String, Place)>,
    /// Archives by address.
    repositories: Vec<(String, Place)>,
    suite: Option<Place>,
}

/// Something that a recipe says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said<'a> {
    /// That a package is wanted, by its name.
    Package(&'a str),
    /// Where an archive is, by its address.
    Repository(&'a str),
    /// Which suite is the main one.
    Suite,
    /// The packages whose names are words of this text.
    NamedIn(&'a str),
}

impl Places {
    /// Those of the table of a whole recipe, which was made of these files.
    pub(super) fn of(recipe: &Table, files: &[RecipeFile]) -> Self {
        let files = files.iter().map(|file| (file.path.clone(), Arc::clone(&file.text))).collect();
        let mut places = Self { files, ..Self::default() };
        let Some(Value::Table(sources)) = recipe.get("from").map(|(_, item)| &item.value) else { return places };
        for (_, source) in sources.values() {
            let Value::Table(source) = &source.value else { continue };
            places.suite = places.suite.or_else(|| source.get("suite").map(|(_, item)| item.place));
            for item in list(source, "packages") {
                places.packages.extend(item.value.as_text().map(|text| (name(text).to_owned(), item.place)));
            }
            for item in list(source, "repository") {
                let Value::Table(repository) = &item.value else { continue };
                let Some((_, url)) = repository.get("url") else { continue };
                let text = url.value.as_text().map(|text| text.trim_end_matches('/').to_owned());
                places.repositories.extend(text.map(|text| (text, url.place)));
            }
        }
        places
    }

    /// The file in which it is said, and where in it; nothing where the recipe does not say it itself.
    pub fn find(&self, said: Said<'_>) -> Option<(NamedSource<Arc<str>>, Vec<SourceSpan>)> {
        let of = |places: &[(String, Place)], is_it: &dyn Fn(&str) -> bool| -> Vec<Place> {
            places.iter().filter(|(text, _)| is_it(text)).map(|(_, place)| *place).collect()
        };
        let found = match said {
            Said::Package(name) => of(&self.packages, &|known| known == name),
            Said::Repository(url) => of(&self.repositories, &|known| known == url.trim_end_matches('/')),
            Said::Suite => self.suite.into_iter().collect(),
            Said::NamedIn(text) => {
                let ends = |character: char| character.is_whitespace() || ",;()`:=".contains(character);
                let words: Vec<&str> = text.split(ends).collect();
                of(&self.packages, &|known| words.contains(&known))
            }
        };
        let file = found.first()?.file;
        let (path, text) = self.files.get(file)?;
        let spans = found.iter().filter(|place| place.file == file);
        let spans = spans.map(|place| (place.start..place.end).into()).collect();
        Some((NamedSource::new(path.display().to_string(), Arc::clone(text)).with_language("TOML"), spans))
    }
}

/// Nothing of it changes an image.
impl fmt::Debug for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Places")
    }
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
