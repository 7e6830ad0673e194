//! A recipe, and the same text as a lock: mistakes are told, every one with its place in the text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rootsmith::lock::Lock;
use rootsmith::recipe::load_text;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let path = rootsmith_fuzz::file("fuzzed.toml");
    for variant in [None, Some("debug")] {
        match load_text(&path, text.to_owned(), variant) {
            Ok(recipe) => assert!(!recipe.name.is_empty() && !recipe.platforms.is_empty()),
            Err(errors) => {
                let shown = format!("{:?}", rootsmith_fuzz::report(errors));
                assert!(!shown.is_empty());
            }
        }
    }
    match Lock::parse(text, &path) {
        Ok(lock) => {
            let written = lock.to_text();
            let again = Lock::parse(&written, &path).expect("what is written can be read");
            assert_eq!(again.to_text(), written);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
