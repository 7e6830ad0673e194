//! JSON in one form only (RFC 8785, JSON Canonicalization Scheme).

use serde::Serialize;
use serde_json::Value;

/// `value` as compact JSON with the keys of every object sorted by their UTF-16 code units. Numbers must be integers:
/// OCI documents have no others, and the scheme's rules for fractions are not followed.
///
/// Panics where `value` cannot be JSON at all (a map whose keys are no texts).
pub fn canonical_json(value: &impl Serialize) -> Vec<u8> {
    let value = serde_json::to_value(value).expect("documents have texts as keys");
    let mut bytes = Vec::new();
    write(&value, &mut bytes);
    bytes
}

fn write(value: &Value, bytes: &mut Vec<u8>) {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            bytes.push(b'{');
            for (number, (key, value)) in entries.into_iter().enumerate() {
                separate(number, bytes);
                write_text(key, bytes);
                bytes.push(b':');
                write(value, bytes);
            }
            bytes.push(b'}');
        }
        Value::Array(values) => {
            bytes.push(b'[');
            for (number, value) in values.iter().enumerate() {
                separate(number, bytes);
                write(value, bytes);
            }
            bytes.push(b']');
        }
        Value::String(text) => write_text(text, bytes),
        Value::Null | Value::Bool(_) | Value::Number(_) => bytes.extend_from_slice(value.to_string().as_bytes()),
    }
}

fn separate(number: usize, bytes: &mut Vec<u8>) {
    if number > 0 {
        bytes.push(b',');
    }
}

fn write_text(text: &str, bytes: &mut Vec<u8>) {
    // serde_json escapes exactly what the scheme wants escaped, in the same way.
    bytes.extend_from_slice(Value::from(text).to_string().as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> String {
        String::from_utf8(canonical_json(&serde_json::from_str::<Value>(text).unwrap())).unwrap()
    }

    #[test]
    fn keys_are_sorted_at_every_depth() {
        assert_eq!(
            canonical(r#" { "b": [ {"z":1,"a":null}, true ], "a" : {"2":-1,"10":0} } "#),
            r#"{"a":{"10":0,"2":-1},"b":[{"a":null,"z":1},true]}"#
        );
        // RFC 8785, section 3.2.3: U+1F600 is two surrogates, which sort before U+FB33.
        assert_eq!(canonical("{\"\u{fb33}\":1,\"\u{1f600}\":2}"), "{\"\u{1f600}\":2,\"\u{fb33}\":1}");
    }

    #[test]
    fn texts_are_escaped_as_the_scheme_says() {
        // RFC 8785, section 3.2.2.2.
        assert_eq!(
            canonical(r#""\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/\u007f<""#),
            "\"\u{20ac}$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\u{7f}<\""
        );
    }
}
