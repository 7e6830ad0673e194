//! Taking checked values out of a table, key by key.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::mistake::{Mistake, Notebook};
use super::shape::Keys;
use super::value::{Item, Place, Table, Value};
use super::words::Misfit;

/// A table whose values [`Shape::check`](super::shape::Shape::check) has seen: what has the wrong type or form is not
/// there any more, and is not spoken of again.
pub(super) struct Fields<'a> {
    pub(super) place: Place,
    keys: &'static Keys,
    table: Table,
    notebook: &'a Notebook,
}

/// Paths of the host; what is not there is none, and has been spoken of.
pub(super) enum Locals {
    /// One.
    One(Option<PathBuf>),
    /// One for each of some free keys.
    Each(BTreeMap<String, Option<PathBuf>>),
}

impl<'a> Fields<'a> {
    pub(super) fn new(keys: &'static Keys, place: Place, table: Table, notebook: &'a Notebook) -> Self {
        Self { place, keys, table, notebook }
    }

    pub(super) fn notebook(&self) -> &'a Notebook {
        self.notebook
    }

    /// Where the value of a key stands, if it is there.
    pub(super) fn place_of(&self, key: &str) -> Option<Place> {
        self.table.get(key).map(|(_, item)| item.place)
    }

    /// Where the keys of the table under a key are, while that has not been read.
    pub(super) fn places_in(&self, key: &str) -> BTreeMap<String, Place> {
        match self.table.get(key).map(|(_, item)| &item.value) {
            Some(Value::Table(table)) => table.iter().map(|(key, (place, _))| (key.clone(), *place)).collect(),
            _ => BTreeMap::new(),
        }
    }

    /// How many items the list under a key has, those found to be wrong included.
    pub(super) fn count(&self, key: &str) -> Option<usize> {
        match &self.table.get(key)?.1.value {
            Value::List(items) => Some(items.len()),
            _ => None,
        }
    }

    /// A string of some form.
    pub(super) fn text<T: FromStr<Err = Misfit>>(&mut self, key: &'static str) -> Option<T> {
        self.take(key).and_then(read)
    }

    /// A string.
    pub(super) fn string(&mut self, key: &'static str) -> Option<String> {
        self.take(key).and_then(plain)
    }

    /// A string that must be there.
    pub(super) fn required<T: FromStr<Err = Misfit>>(&mut self, key: &'static str) -> Option<T> {
        self.demand(key);
        self.text(key)
    }

    /// A number that must be there.
    pub(super) fn required_number(&mut self, key: &'static str) -> Option<u32> {
        self.demand(key);
        self.number(key)
    }

    /// A number.
    pub(super) fn number(&mut self, key: &'static str) -> Option<u32> {
        match self.take(key)?.value {
            Value::Integer(number) => u32::try_from(number).ok(),
            _ => None,
        }
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self, key: &'static str) -> Option<bool> {
        match self.take(key)?.value {
            Value::Flag(flag) => Some(flag),
            _ => None,
        }
    }

    /// A list of strings of some form; nothing where the key is not there.
    pub(super) fn list<T: FromStr<Err = Misfit>>(&mut self, key: &'static str) -> Option<Vec<T>> {
        self.items(key).map(|items| items.into_iter().filter_map(read).collect())
    }

    /// A list of strings; nothing where the key is not there.
    pub(super) fn strings(&mut self, key: &'static str) -> Option<Vec<String>> {
        self.items(key).map(|items| items.into_iter().filter_map(plain).collect())
    }

    /// A string, or a list of strings of some form.
    pub(super) fn string_or_list<T: FromStr<Err = Misfit>>(
        &mut self,
        key: &'static str,
    ) -> Option<Result<String, Vec<T>>> {
        match self.take(key)?.value {
            Value::Text(text) => Some(Ok(text)),
            Value::List(items) => Some(Err(items.into_iter().filter_map(read).collect())),
            _ => None,
        }
    }

    /// Free keys with strings.
    pub(super) fn map(&mut self, key: &'static str) -> BTreeMap<String, String> {
        let Some(Item { value: Value::Table(table), .. }) = self.take(key) else { return BTreeMap::new() };
        table.into_iter().filter_map(|(key, (_, item))| Some((key, plain(item)?))).collect()
    }

    /// A string, or strings under free keys.
    pub(super) fn string_or_map(&mut self, key: &'static str) -> Option<Result<String, BTreeMap<String, String>>> {
        match self.take(key)?.value {
            Value::Text(text) => Some(Ok(text)),
            Value::Table(table) => {
                Some(Err(table.into_iter().filter_map(|(key, (_, item))| Some((key, plain(item)?))).collect()))
            }
            _ => None,
        }
    }

    /// A file of the host that a lock and a store can make up for, or such files under free keys. One that is not there is
    /// written down as absent.
    pub(super) fn lockable_or_map(&mut self, key: &'static str) -> Option<Result<PathBuf, BTreeMap<String, PathBuf>>> {
        let item = self.take(key)?;
        let Value::Table(table) = item.value else { return self.look_for_lockable(item).map(Ok) };
        let look = |(key, (_, item))| Some((key, self.look_for_lockable(item)?));
        Some(Err(table.into_iter().filter_map(look).collect()))
    }

    /// A table.
    pub(super) fn table(&mut self, key: &'static str, keys: &'static Keys) -> Option<Fields<'a>> {
        let item = self.take(key)?;
        self.fields(item, keys)
    }

    /// A list of tables.
    pub(super) fn tables(&mut self, key: &'static str, keys: &'static Keys) -> Vec<Fields<'a>> {
        let items = self.items(key).unwrap_or_default();
        items.into_iter().filter_map(|item| self.fields(item, keys)).collect()
    }

    /// A path of the host, relative to the folder of the file that names it; it must lead to what `is` asks for.
    pub(super) fn local(&mut self, key: &'static str, what: &'static str, is: fn(&Path) -> bool) -> Option<PathBuf> {
        let item = self.take(key)?;
        self.look(item, what, is)
    }

    /// A path of the host, or one for each of some free keys.
    pub(super) fn local_or_locals(
        &mut self,
        key: &'static str,
        what: &'static str,
        is: fn(&Path) -> bool,
    ) -> Option<Locals> {
        let item = self.take(key)?;
        match item.value {
            Value::Table(table) => {
                let look = |(key, (_, item)): (String, (Place, Item))| (key, self.look(item, what, is));
                Some(Locals::Each(table.into_iter().map(look).collect()))
            }
            _ => Some(Locals::One(self.look(item, what, is))),
        }
    }

    /// One of some words, or a file of the host.
    pub(super) fn word_or_file(&mut self, key: &'static str, words: &[&str]) -> Option<Result<String, PathBuf>> {
        let item = self.take(key)?;
        match item.value.as_text() {
            Some(word) if words.contains(&word) => Some(Ok(word.to_owned())),
            _ => self.look(item, "file", Path::is_file).map(Err),
        }
    }

    /// A list of strings of some form, some of which are files of the host.
    pub(super) fn texts_and_files<T: FromStr<Err = Misfit>>(
        &mut self,
        key: &'static str,
        is_file: fn(&str) -> bool,
    ) -> (Vec<T>, Vec<PathBuf>) {
        let items = self.items(key).unwrap_or_default();
        let (files, texts): (Vec<_>, Vec<_>) =
            items.into_iter().partition(|item| item.value.as_text().is_some_and(is_file));
        let files = files.into_iter().filter_map(|item| self.look(item, "file", Path::is_file)).collect();
        (texts.into_iter().filter_map(read).collect(), files)
    }

    /// A list of files of the host.
    pub(super) fn local_files(&mut self, key: &'static str) -> Vec<PathBuf> {
        let items = self.items(key).unwrap_or_default();
        items.into_iter().filter_map(|item| self.look(item, "file", Path::is_file)).collect()
    }

    /// Writes down a mistake at the table's own place, or at one of its keys where that is there.
    pub(super) fn error(&self, place: Option<Place>, mistake: Mistake) {
        self.notebook.error(place.unwrap_or(self.place), mistake);
    }

    /// Ends the reading: every key of the shape has been asked for.
    pub(super) fn finish(self) {
        debug_assert!(self.table.is_empty(), "{} was not read whole: {:?}", self.keys.name, self.table.keys());
    }

    fn look_for_lockable(&self, item: Item) -> Option<PathBuf> {
        let place = item.place;
        let path = self.path(item)?;
        if !path.is_file() {
            self.notebook.absent(place, Mistake::NoSuchFile { path: path.clone(), what: "file" });
        }
        Some(path)
    }

    fn path(&self, item: Item) -> Option<PathBuf> {
        let folder = &self.notebook.files[item.place.file].folder;
        Some(folder.join(plain(item)?).components().collect())
    }

    fn look(&self, item: Item, what: &'static str, is: fn(&Path) -> bool) -> Option<PathBuf> {
        let place = item.place;
        let path = self.path(item)?;
        if !is(&path) {
            self.notebook.error(place, Mistake::NoSuchFile { path, what });
            return None;
        }
        Some(path)
    }

    /// Writes down that a key is missing, where it is.
    pub(super) fn demand(&self, name: &'static str) {
        if !self.table.contains_key(name) {
            let about = self.keys.key(name).map_or("", |key| key.about);
            self.error(None, Mistake::Missing { key: name, table: self.keys.name, about });
        }
    }

    fn items(&mut self, key: &'static str) -> Option<Vec<Item>> {
        match self.take(key)?.value {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    fn fields(&self, item: Item, keys: &'static Keys) -> Option<Fields<'a>> {
        match item.value {
            Value::Table(table) => Some(Fields::new(keys, item.place, table, self.notebook)),
            _ => None,
        }
    }

    fn take(&mut self, key: &'static str) -> Option<Item> {
        debug_assert!(self.keys.key(key).is_some(), "{} has no key {key}", self.keys.name);
        self.table.remove(key).map(|(_, item)| item)
    }
}

fn read<T: FromStr<Err = Misfit>>(item: Item) -> Option<T> {
    plain(item)?.parse().ok()
}

fn plain(item: Item) -> Option<String> {
    match item.value {
        Value::Text(text) => Some(text),
        _ => None,
    }
}
