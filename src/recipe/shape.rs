//! What a recipe may say: the one table of keys that checking, merging, decoding and the JSON schema read.

use std::str::FromStr;

use super::mistake::{Mistake, Notebook, nearest, quoted};
use super::value::{Item, Table, Value};
use super::words::Misfit;

/// The keys of a table.
pub(super) struct Keys {
    /// The table in the words of messages: `[from.debian]`.
    pub(super) name: &'static str,
    /// The keys, in groups that several tables may share.
    pub(super) groups: &'static [&'static [Key]],
    /// Keys that later versions will know, refused by a message of their own.
    pub(super) later: &'static [&'static str],
}

/// A key of a table.
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) shape: Shape,
    /// What it says, in a line: for the schema, and for messages where it is missing.
    pub(super) about: &'static str,
}

/// What may stand under a key.
pub(super) enum Shape {
    /// A string of some form.
    Text(Text),
    /// One of some words.
    Word(Words),
    /// `true` or `false`. Where only one of them is supported yet, that one.
    Flag { only: Option<bool> },
    /// A whole number within bounds.
    Integer { least: i64, most: i64 },
    /// A list; a later file's replaces it.
    List(&'static Shape),
    /// A set: a later file's are added, and `"-name"` takes one out.
    Set(&'static Shape, Named),
    /// A set of which some items are files of the host: those whose texts the function names. The same text is another file in
    /// another folder.
    SetWithFiles(&'static Shape, Named, fn(&str) -> bool),
    /// Free keys with strings under them.
    Map { key: Text, value: Text },
    /// A table.
    Table(&'static Keys),
    /// Tables by free names.
    Tables(&'static Keys),
    /// Either of two shapes of different types.
    Either(&'static Shape, &'static Shape),
}

/// A string of some form.
#[derive(Clone, Copy)]
pub(super) struct Text {
    /// What it is, with an article: `a path of the image`.
    pub(super) what: &'static str,
    /// Whether a string has the form.
    pub(super) check: fn(&str) -> Result<(), Misfit>,
}

/// A word out of a few.
pub(super) struct Words {
    /// The words.
    pub(super) known: &'static [&'static str],
    /// Words that later versions will know.
    pub(super) later: &'static [&'static str],
}

/// Whether an item of a set goes by a name.
pub(super) type Named = fn(&Item, &str) -> bool;

/// Any string.
pub(super) const ANY: Text = Text { what: "a string", check: |_| Ok(()) };

/// A key for a string that is read as a `T`.
pub(super) const fn text<T: FromStr<Err = Misfit>>(what: &'static str) -> Text {
    Text { what, check: |text| text.parse::<T>().map(drop) }
}

/// The plain name of an item: the string itself.
pub(super) fn itself(item: &Item, name: &str) -> bool {
    item.value.as_text() == Some(name)
}

impl Keys {
    /// All keys.
    pub(super) fn all(&self) -> impl Iterator<Item = &'static Key> + use<> {
        self.groups.iter().flat_map(|group| group.iter())
    }

    /// The key of some name.
    pub(super) fn key(&self, name: &str) -> Option<&'static Key> {
        self.all().find(|key| key.name == name)
    }
}

impl Shape {
    /// What is expected, in the words of messages.
    pub(super) fn expected(&self) -> String {
        match self {
            Self::Text(text) => text.what.to_owned(),
            Self::Word(words) => format!("one of {}", quoted(words.known)),
            Self::Flag { .. } => "true or false".to_owned(),
            Self::Integer { least, most } => format!("a number from {least} to {most}"),
            Self::List(_) | Self::Set(..) | Self::SetWithFiles(..) => "a list".to_owned(),
            Self::Map { .. } | Self::Table(_) | Self::Tables(_) => "a table".to_owned(),
            Self::Either(one, other) => format!("{} or {}", one.expected(), other.expected()),
        }
    }

    /// Writes down what is wrong with `item`, by itself, and gives it back with the wrong pieces marked or left out.
    pub(super) fn check(&self, key: &str, item: Item, notebook: &Notebook) -> Item {
        let place = item.place;
        let value = match (self, item.value) {
            (_, Value::Refused) => Value::Refused,
            (Self::Text(text), Value::Text(found)) => match (text.check)(&found) {
                Ok(()) => Value::Text(found),
                Err(misfit) => {
                    notebook.error(place, Mistake::Form { key: key.to_owned(), misfit, nearest: None });
                    Value::Refused
                }
            },
            (Self::Word(words), Value::Text(found)) => match words.refusal(key, &found) {
                None => Value::Text(found),
                Some(mistake) => {
                    notebook.error(place, mistake);
                    Value::Refused
                }
            },
            (Self::Flag { only: Some(only) }, Value::Flag(found)) if found != *only => {
                let (what, instead) =
                    (format!("`{key} = {found}`"), format!("leave it out, or write `{key} = {only}`"));
                notebook.error(place, Mistake::NotYet { what, instead });
                Value::Refused
            }
            (Self::Flag { .. }, Value::Flag(found)) => Value::Flag(found),
            (Self::Integer { least, most }, Value::Integer(found)) if (*least..=*most).contains(&found) => {
                Value::Integer(found)
            }
            (Self::Integer { .. }, Value::Integer(found)) => {
                let misfit = Misfit::new(&found.to_string(), "within bounds", self.expected());
                notebook.error(place, Mistake::Form { key: key.to_owned(), misfit, nearest: None });
                Value::Refused
            }
            (Self::List(shape), Value::List(items)) => {
                Value::List(items.into_iter().map(|item| shape.check(key, item, notebook)).collect())
            }
            (Self::Set(shape, _) | Self::SetWithFiles(shape, ..), Value::List(items)) => {
                let check =
                    |item: Item| if taken_out(&item).is_some() { item } else { shape.check(key, item, notebook) };
                Value::List(items.into_iter().map(check).collect())
            }
            (Self::Map { key: name, value }, Value::Table(table)) => {
                Value::Table(check_map(*name, *value, table, notebook))
            }
            (Self::Table(keys), Value::Table(table)) => Value::Table(keys.check(table, notebook)),
            (Self::Tables(keys), Value::Table(tables)) => {
                let check = |(name, (at, item)): (String, (_, Item))| {
                    let item = Self::Table(keys).check(&name, item, notebook);
                    (name, (at, item))
                };
                Value::Table(tables.into_iter().map(check).collect())
            }
            (Self::Either(one, other), value) => {
                let shape = if one.takes(&value) { one } else { other };
                if shape.takes(&value) {
                    return shape.check(key, Item { place, value }, notebook);
                }
                self.wrong_type(key, place, &value, notebook)
            }
            (_, value) => self.wrong_type(key, place, &value, notebook),
        };
        Item { place, value }
    }

    fn wrong_type(&self, key: &str, place: super::value::Place, value: &Value, notebook: &Notebook) -> Value {
        let found = value.type_name();
        notebook.error(place, Mistake::WrongType { key: key.to_owned(), expected: self.expected(), found });
        Value::Refused
    }

    /// Whether the value's type is one that the shape takes.
    fn takes(&self, value: &Value) -> bool {
        match self {
            Self::Text(_) | Self::Word(_) => matches!(value, Value::Text(_)),
            Self::Flag { .. } => matches!(value, Value::Flag(_)),
            Self::Integer { .. } => matches!(value, Value::Integer(_)),
            Self::List(_) | Self::Set(..) | Self::SetWithFiles(..) => matches!(value, Value::List(_)),
            Self::Map { .. } | Self::Table(_) | Self::Tables(_) => matches!(value, Value::Table(_)),
            Self::Either(one, other) => one.takes(value) || other.takes(value),
        }
    }
}

impl Keys {
    /// Writes down unknown keys and what is wrong under the known ones; keeps the known ones.
    fn check(&'static self, table: Table, notebook: &Notebook) -> Table {
        let mut kept = Table::new();
        for (name, (place, item)) in table {
            if let Some(key) = self.key(&name) {
                let item = key.shape.check(&name, item, notebook);
                kept.insert(name, (place, item));
                continue;
            }
            let known = || self.all().map(|key| key.name);
            let mistake = if self.later.contains(&name.as_str()) {
                let names: Vec<_> = known().collect();
                let instead = format!("{} has the keys {}", self.name, quoted(&names));
                Mistake::NotYet { what: format!("`{name}` in {}", self.name), instead }
            } else {
                let nearest = nearest(&name, known());
                Mistake::UnknownKey { key: name, table: self.name, nearest, known: known().collect() }
            };
            notebook.error(place, mistake);
        }
        kept
    }
}

impl Words {
    fn refusal(&self, key: &str, found: &str) -> Option<Mistake> {
        if self.known.contains(&found) {
            return None;
        }
        let expected = format!("one of {}", quoted(self.known));
        Some(if self.later.contains(&found) {
            Mistake::NotYet { what: format!("`{key} = \"{found}\"`"), instead: format!("`{key}` is {expected}") }
        } else {
            let nearest = nearest(found, self.known.iter().copied());
            let misfit = Misfit::new(found, "a word known here", expected);
            Mistake::Form { key: key.to_owned(), misfit, nearest }
        })
    }
}

fn check_map(name: Text, value: Text, table: Table, notebook: &Notebook) -> Table {
    let check = |(key, (place, item)): (String, (_, Item))| {
        if let Err(misfit) = (name.check)(&key) {
            notebook.error(place, Mistake::Form { key: key.clone(), misfit, nearest: None });
        }
        let item = Shape::Text(value).check(&key, item, notebook);
        (key, (place, item))
    };
    table.into_iter().map(check).collect()
}

/// The name that an item of a set takes out: `curl` of `"-curl"`.
pub(super) fn taken_out(item: &Item) -> Option<&str> {
    item.value.as_text().and_then(|text| text.strip_prefix('-'))
}
