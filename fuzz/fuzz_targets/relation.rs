//! Relations between packages: what is read, shown and read again is the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rootsmith::source::debian::relation::{Relation, parse, singles};

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let relations = parse(text).into_iter().flatten().flatten();
    for relation in relations.chain(singles(text).flatten()) {
        if let Some((_, wanted)) = relation.constraint {
            let _ = relation.takes(wanted);
        }
        let shown = relation.to_string();
        let again = Relation::parse(&shown).unwrap_or_else(|error| panic!("`{shown}`: {error}"));
        assert_eq!(again.to_string(), shown);
        assert_eq!((again.name, again.qualifier), (relation.name, relation.qualifier));
        assert_eq!(again.constraint, relation.constraint);
    }
});
