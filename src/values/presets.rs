//! The built-in sets of classes. They are data: `presets.yaml` beside this file.

use super::decode::unknown;
use super::error::ValuesError;
use super::merge::merge;
use super::node::{Node, Source, Value};
use super::yaml;

/// The union of the presets that the values name, as a `runtimeClasses` map; a later preset wins over an earlier one.
///
/// # Errors
///
/// A name that is no preset, at its place.
pub fn classes(names: &Node) -> Result<Node, ValuesError> {
    let mut union = Node::empty_map("presets");
    let Value::List(names) = &names.value else {
        if names.value == Value::Null {
            return Ok(union);
        }
        return Err(ValuesError::new(
            format!("presets must be a list of names, found {}", names.value.kind()),
            &names.place,
        ));
    };
    if names.is_empty() {
        return Ok(union);
    }
    let all = yaml::parse(&Source::new("the built-in presets", include_str!("presets.yaml")))?;
    let Value::Map(all) = all.value else { return Ok(union) };
    let known: Vec<&str> = all.keys().map(String::as_str).collect();
    for name in names {
        let Value::String(text) = &name.value else {
            return Err(ValuesError::new(
                format!("a preset is named by a string, found {}", name.value.kind()),
                &name.place,
            ));
        };
        match all.get(text).and_then(|preset| preset.get("runtimeClasses")) {
            Some(classes) => merge(&mut union, classes.clone()),
            None => return Err(ValuesError::new(unknown("preset", text, &known), &name.place)),
        }
    }
    Ok(union)
}
