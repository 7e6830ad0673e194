//! TOML values that know where they stand.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Where something stands: which of the recipe's files, and from which byte to which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// The file's number in the order of reading.
    pub(super) file: usize,
    /// The first byte.
    pub(super) start: usize,
    /// The byte after the last.
    pub(super) end: usize,
}

/// A value and its place.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) place: Place,
    pub(super) value: Value,
}

/// A table: the item under each key, and where the key stands.
pub(super) type Table = BTreeMap<String, (Place, Item)>;

/// What recipes are written with. Floats and dates are held by name only, since no key takes them.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(String),
    Integer(i64),
    Flag(bool),
    List(Vec<Item>),
    Table(Table),
    /// A value of another type, by the type's name.
    Other(&'static str),
    /// A value that was already found to be wrong: nothing more is said about it.
    Refused,
}

impl Value {
    /// The string that it is, if it is one.
    pub(super) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The type in the words of messages.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Text(_) => "a string",
            Self::Integer(_) => "a number",
            Self::Flag(_) => "true or false",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
            Self::Other(name) => name,
            Self::Refused => "a value",
        }
    }
}

/// A parsed document as items of file number `file`.
pub(super) fn located(table: Spanned<DeTable<'_>>, file: usize) -> Item {
    let place = at(file, &table);
    Item { place, value: Value::Table(from_table(table.into_inner(), file)) }
}

fn from_table(table: DeTable<'_>, file: usize) -> Table {
    let entries = table.into_iter().map(|(key, value)| {
        let place = at(file, &key);
        (key.into_inner().into_owned(), (place, from_value(value, file)))
    });
    entries.collect()
}

fn from_value(value: Spanned<DeValue<'_>>, file: usize) -> Item {
    let place = at(file, &value);
    let value = match value.into_inner() {
        DeValue::String(text) => Value::Text(text.into_owned()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Value::Integer(number),
            Err(_) => Value::Other("a number beyond 64 bits"),
        },
        DeValue::Float(_) => Value::Other("a number with a fraction"),
        DeValue::Boolean(flag) => Value::Flag(flag),
        DeValue::Datetime(_) => Value::Other("a date"),
        DeValue::Array(list) => Value::List(list.into_iter().map(|item| from_value(item, file)).collect()),
        DeValue::Table(table) => Value::Table(from_table(table, file)),
    };
    Item { place, value }
}

fn at<T>(file: usize, spanned: &Spanned<T>) -> Place {
    let span = spanned.span();
    Place { file, start: span.start, end: span.end }
}
