//! Laying one file's values over another's: `extends` and variants.

use super::mistake::{Mistake, Notebook};
use super::shape::{Keys, Named, Shape, itself, taken_out};
use super::value::{Item, Table, Value};

impl Keys {
    /// Lays `over` on `base`: tables merge, sets grow and shrink, all else is replaced.
    pub(super) fn merge(&'static self, mut base: Table, over: Table, notebook: &Notebook) -> Table {
        for (name, (place, item)) in over {
            let below = base.remove(&name).map(|(_, item)| item);
            let item = match self.key(&name) {
                Some(key) => key.shape.merge(&name, below, item, notebook),
                None => item,
            };
            base.insert(name, (place, item));
        }
        base
    }
}

impl Shape {
    fn merge(&self, key: &str, base: Option<Item>, over: Item, notebook: &Notebook) -> Item {
        let place = over.place;
        let base = base.map(|item| item.value);
        let value = match (self, over.value) {
            (Self::Set(_, named), Value::List(over)) => {
                Value::List(merge_set(key, base, over, (*named, |_| false), notebook))
            }
            (Self::SetWithFiles(_, named, is_file), Value::List(over)) => {
                Value::List(merge_set(key, base, over, (*named, *is_file), notebook))
            }
            (Self::Table(keys), Value::Table(over)) => {
                let base = if let Some(Value::Table(table)) = base { table } else { Table::new() };
                Value::Table(keys.merge(base, over, notebook))
            }
            (Self::Map { .. }, Value::Table(over)) => {
                let mut base = if let Some(Value::Table(table)) = base { table } else { Table::new() };
                base.extend(over);
                Value::Table(base)
            }
            (_, over) => over,
        };
        Item { place, value }
    }
}

fn merge_set(
    key: &str,
    base: Option<Value>,
    over: Vec<Item>,
    (named, is_file): (Named, fn(&str) -> bool),
    notebook: &Notebook,
) -> Vec<Item> {
    let mut items = if let Some(Value::List(items)) = base { items } else { Vec::new() };
    for item in over {
        if let Some(name) = taken_out(&item) {
            let before = items.len();
            items.retain(|there| !named(there, name));
            if items.len() == before {
                let there = items.iter().filter_map(|item| item.value.as_text()).map(str::to_owned);
                let (name, key, there) = (name.to_owned(), key.to_owned(), there.collect());
                notebook.error(item.place, Mistake::NothingToTakeOut { name, key, there });
            }
            continue;
        }
        let is_again = |text: &str, there: &Item| {
            itself(there, text) && (!is_file(text) || notebook.is_same_path(text, there.place, item.place))
        };
        let again = item.value.as_text().is_some_and(|text| items.iter().any(|there| is_again(text, there)));
        if !again {
            items.push(item);
        }
    }
    items
}
