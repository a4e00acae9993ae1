//! JSON as `--set-json` takes it: every node stands where the JSON starts, since JSON's own parser tells no more.

use std::sync::Arc;

use serde_json::Value as Json;

use super::super::error::ValuesError;
use super::super::node::{Node, Place, Source, Value, number};

/// The text of a flag that is one JSON object, as Helm 4 takes it.
pub fn whole(source: &Arc<Source>, place: &Place) -> Result<Node, ValuesError> {
    let json = serde_json::from_str(&source.text).map_err(|error| {
        let place = Place { source: source.clone(), line: error.line(), column: error.column().max(1) };
        ValuesError::new(message(&error), &place)
    })?;
    Ok(node(json, place))
}

/// The JSON value that a text starts with, and its length in bytes.
pub fn first(text: &str, place: &Place) -> Result<(Node, usize), ValuesError> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Json>();
    match values.next() {
        Some(Ok(json)) => Ok((node(json, place), values.byte_offset())),
        Some(Err(error)) => Err(ValuesError::new(message(&error), place)),
        None => Err(ValuesError::new("expected JSON", place)),
    }
}

/// The parser's message without its place.
fn message(error: &serde_json::Error) -> String {
    let text = error.to_string();
    format!("not valid JSON: {}", text.split(" at line ").next().unwrap_or(&text))
}

fn node(json: Json, place: &Place) -> Node {
    let value = match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(value),
        Json::Number(value) => Value::Number(number(value)),
        Json::String(text) => Value::String(text),
        Json::Array(items) => Value::List(items.into_iter().map(|item| node(item, place)).collect()),
        Json::Object(map) => Value::Map(
            map.into_iter()
                .map(|(key, value)| (key, Node { key_place: Some(place.clone()), ..node(value, place) }))
                .collect(),
        ),
    };
    Node::new(value, place.clone())
}
