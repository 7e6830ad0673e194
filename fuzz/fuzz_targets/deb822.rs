//! Control files, as paragraphs, as a `Release` and as an index of packages.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rootsmith::source::debian::deb822::{Paragraph, paragraphs, text};
use rootsmith::source::debian::index::Packages;
use rootsmith::source::debian::release::Release;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = text(bytes) else {
        assert!(Packages::parse(bytes.to_vec()).is_err(), "an index is text");
        return;
    };
    let found: Vec<_> = paragraphs(text).collect();
    let good: Vec<&Paragraph<'_>> = found.iter().flatten().collect();
    for paragraph in &good {
        let mut written = String::new();
        for (name, value) in paragraph.fields() {
            let shown = paragraph.field(&name.to_ascii_uppercase()).expect("names have no case");
            assert_eq!(shown.raw(), value.raw(), "names come once");
            assert!(value.words().all(|word| value.raw().contains(word)));
            assert!(value.lines().all(|line| value.raw().contains(line)));
            written.push_str(&format!("{name}: {}\n", value.raw()));
        }
        let again = Paragraph::parse(&written).expect("what was read can be read again");
        assert_eq!(again.fields().count(), paragraph.fields().count());
        for ((name, value), (same_name, same)) in paragraph.fields().zip(again.fields()) {
            assert_eq!(name, same_name);
            assert!(value.lines().eq(same.lines()), "{:?} and {:?}", value.raw(), same.raw());
        }
    }
    if let Ok(packages) = Packages::parse(bytes.to_vec()) {
        assert!(packages.len() >= good.len(), "an index has every paragraph");
        for record in packages.records() {
            assert!(!record.name().is_empty() && !record.filename().starts_with('/'));
            assert!(!record.filename().split('/').any(|part| part == ".."), "no file is outside the archive");
            let _ = (record.version() < record.source_version(), record.size(), record.tasks().count());
        }
    }
    if let Ok(release) = Release::parse(text) {
        assert!(!release.name().is_empty());
    }
});
