//! Versions: any three texts stand in one order, the same from every side.
#![no_main]

use std::cmp::Ordering;

use libfuzzer_sys::fuzz_target;
use rootsmith::source::debian::version::Version;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut lines = text.split('\n');
    let mut next = || Version::new(lines.next().unwrap_or_default());
    let (a, b, c) = (next(), next(), next());
    assert_eq!(a.cmp(&a), Ordering::Equal);
    for (left, right) in [(a, b), (b, c), (a, c)] {
        assert_eq!(left.cmp(&right), right.cmp(&left).reverse(), "{left} and {right}");
    }
    let mut sorted = [a, b, c];
    sorted.sort();
    assert!(sorted[0] <= sorted[1] && sorted[1] <= sorted[2] && sorted[0] <= sorted[2], "{sorted:?}");
    if a == b {
        assert_eq!(a.cmp(&c), b.cmp(&c), "what is equal is equal to others in the same way: {a} and {b}, {c}");
    }
    if let Ok(version) = Version::parse(a.as_str()) {
        assert_eq!(version.as_str(), a.as_str());
        assert!(version.as_str().ends_with(version.without_epoch()), "{version}");
    }
});
