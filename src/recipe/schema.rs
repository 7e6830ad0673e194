//! The JSON schema of recipes, from the same table of keys that reads them.

use serde_json::{Map, Value, json};

use super::load::RECIPE;
use super::shape::{Keys, Shape};

/// The JSON schema (draft 2020-12) of recipes, for editors. Its text is the same in every build of this version.
pub fn schema() -> String {
    let mut schema = table(&RECIPE);
    let top = [
        ("$schema", json!("https://json-schema.org/draft/2020-12/schema")),
        ("title", json!("rootsmith recipe")),
        ("description", json!("Where a container image's root filesystem comes from, and what is done to it")),
    ];
    for (key, value) in top {
        schema.insert(key.to_owned(), value);
    }
    let mut text = serde_json::to_string_pretty(&sorted(Value::Object(schema))).expect("a schema is JSON");
    text.push('\n');
    text
}

fn table(keys: &'static Keys) -> Map<String, Value> {
    let properties = keys.all().map(|key| {
        let mut property = shape(&key.shape);
        property.insert("description".to_owned(), json!(key.about));
        (key.name.to_owned(), Value::Object(property))
    });
    let properties: Map<String, Value> = properties.collect();
    object([
        ("type", json!("object")),
        ("additionalProperties", json!(false)),
        ("properties", Value::Object(properties)),
    ])
}

fn shape(shape: &'static Shape) -> Map<String, Value> {
    match shape {
        Shape::Text(text) => object([("type", json!("string")), ("title", json!(text.what))]),
        Shape::Word(words) => object([("enum", json!(words.known))]),
        Shape::Flag { only: None } => object([("type", json!("boolean"))]),
        Shape::Flag { only: Some(only) } => object([("const", json!(only))]),
        Shape::Integer { least, most } => {
            object([("type", json!("integer")), ("minimum", json!(least)), ("maximum", json!(most))])
        }
        Shape::List(item) => object([("type", json!("array")), ("items", Value::Object(self::shape(item)))]),
        Shape::Set(item, _) | Shape::SetWithFiles(item, ..) => {
            let taken_out = json!({ "type": "string", "pattern": "^-", "title": "takes one out" });
            let items = json!({ "anyOf": [Value::Object(self::shape(item)), taken_out] });
            object([("type", json!("array")), ("items", items)])
        }
        Shape::Map { value, .. } => {
            let value = json!({ "type": "string", "title": value.what });
            object([("type", json!("object")), ("additionalProperties", value)])
        }
        Shape::Table(keys) => table(keys),
        Shape::Tables(keys) => {
            object([("type", json!("object")), ("additionalProperties", Value::Object(table(keys)))])
        }
        Shape::Either(one, other) => {
            let either = [one, other].map(|shape| Value::Object(self::shape(shape)));
            object([("anyOf", json!(either))])
        }
    }
}

fn object<const N: usize>(members: [(&str, Value); N]) -> Map<String, Value> {
    members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// The value with its keys in order. `serde_json` keeps them sorted or as inserted, by a feature that any crate of a
/// build can turn on; inserted in order, both are the same.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            members.sort_by(|(one, _), (other, _)| one.cmp(other));
            Value::Object(members.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}
