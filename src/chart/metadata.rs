//! Chart.yaml. It goes into records that Helm reads, so that what is no text where Helm expects some must not get there.

use serde_json::{Map, Value as Json};

use crate::values::{Node, Value, ValuesError};

const TEXTS: [&str; 11] = [
    "name",
    "home",
    "version",
    "description",
    "icon",
    "apiVersion",
    "condition",
    "tags",
    "appVersion",
    "kubeVersion",
    "type",
];
const LISTS: [&str; 2] = ["sources", "keywords"];
const MAINTAINER: [&str; 3] = ["name", "email", "url"];

/// The keys of Chart.yaml that Helm knows. As in Helm a number is text where text is expected, and an unknown key nothing.
///
/// # Errors
///
/// A value of another type than Helm's, and a chart that depends on others, with the place.
pub fn read(file: &Node) -> Result<Json, ValuesError> {
    let Value::Map(entries) = &file.value else { return Ok(Json::Null) };
    let mut metadata = Map::new();
    for (key, node) in entries.iter().filter(|(_, node)| node.value != Value::Null) {
        let value = match key.as_str() {
            key if TEXTS.contains(&key) => text(key, node)?,
            key if LISTS.contains(&key) => {
                items(key, node)?.iter().map(|item| text(key, item)).collect::<Result<_, _>>()?
            }
            "maintainers" => items(key, node)?.iter().map(maintainer).collect::<Result<_, _>>()?,
            "annotations" => texts(key, node, |_| true)?,
            "deprecated" => match node.value {
                Value::Bool(value) => value.into(),
                _ => return Err(wrong(key, "true or false", node)),
            },
            "dependencies" if items(key, node)?.is_empty() => continue,
            "dependencies" => {
                let message = "the chart depends on other charts, which this program does not install";
                return Err(ValuesError::new(message, node.key_place.as_ref().unwrap_or(&node.place)));
            }
            _ => continue,
        };
        metadata.insert(key.clone(), value);
    }
    Ok(Json::Object(metadata))
}

fn wrong(key: &str, expected: &str, node: &Node) -> ValuesError {
    ValuesError::new(format!("`{key}` must be {expected}, found {}", node.value.kind()), &node.place)
}

fn text(key: &str, node: &Node) -> Result<Json, ValuesError> {
    match &node.value {
        Value::String(text) => Ok(text.clone().into()),
        Value::Number(number) => Ok(number.to_string().into()),
        Value::Bool(value) => Ok(value.to_string().into()),
        _ => Err(wrong(key, "text", node)),
    }
}

fn items<'a>(key: &str, node: &'a Node) -> Result<&'a [Node], ValuesError> {
    match &node.value {
        Value::List(items) => Ok(items),
        _ => Err(wrong(key, "a list", node)),
    }
}

fn maintainer(node: &Node) -> Result<Json, ValuesError> {
    texts("maintainers", node, |key| MAINTAINER.contains(&key))
}

/// A map of texts, with the keys that are wanted.
fn texts(key: &str, node: &Node, wanted: impl Fn(&str) -> bool) -> Result<Json, ValuesError> {
    let Value::Map(entries) = &node.value else { return Err(wrong(key, "a map", node)) };
    let entries = entries.iter().filter(|(key, node)| wanted(key) && node.value != Value::Null);
    entries.map(|(key, node)| Ok((key.clone(), text(key, node)?))).collect::<Result<Map<_, _>, _>>().map(Json::Object)
}
