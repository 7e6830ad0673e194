//! Which of two names the indexes speak of first: apt's last word where nothing else decides.
//!
//! apt numbers packages as it meets them, as a package or in a relation, and takes the one with the higher number. Few
//! choices come down to this, so it is looked up when it is needed.

use std::cell::RefCell;
use std::collections::BTreeMap;

use memchr::memmem::Finder;

use crate::source::debian::index::Record;
use crate::source::debian::solve::Repository;

/// The repository, record, field and byte where a name is first spoken of.
pub(super) type Mention = (usize, usize, usize, usize);

/// What has been looked up, by the number of the name.
#[derive(Default)]
pub(super) struct Mentions(RefCell<BTreeMap<u32, Mention>>);

impl Mentions {
    pub(super) fn first(&self, repositories: &[Repository<'_>], id: u32, name: &str) -> Mention {
        *self.0.borrow_mut().entry(id).or_insert_with(|| search(repositories, name))
    }
}

fn search(repositories: &[Repository<'_>], name: &str) -> Mention {
    let finder = Finder::new(name);
    let records = repositories
        .iter()
        .enumerate()
        .flat_map(|(place, repository)| repository.packages.records().enumerate().map(move |(n, r)| (place, n, r)));
    records
        .filter_map(|(place, number, record)| {
            let (field, byte) = in_record(record, name, &finder)?;
            Some((place, number, field, byte))
        })
        .next()
        .unwrap_or((usize::MAX, 0, 0, 0))
}

/// The first field that speaks of a name, in the order in which apt reads them, and where in it.
fn in_record(record: Record<'_>, name: &str, finder: &Finder<'_>) -> Option<(usize, usize)> {
    if record.name() == name {
        return Some((0, 0));
    }
    let fields = [
        record.pre_depends(),
        record.depends(),
        record.conflicts(),
        record.breaks(),
        record.recommends(),
        record.suggests(),
        record.replaces(),
        record.enhances(),
        record.provides(),
    ];
    fields.into_iter().enumerate().find_map(|(field, value)| {
        let mut places = finder.find_iter(value.as_bytes());
        places.find(|place| is_word(value.as_bytes(), *place, name.len())).map(|place| (field + 1, place))
    })
}

fn is_word(value: &[u8], start: usize, length: usize) -> bool {
    let inside = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-._~".contains(byte);
    let before = start.checked_sub(1).and_then(|place| value.get(place));
    !before.is_some_and(inside) && !value.get(start + length).is_some_and(inside)
}
