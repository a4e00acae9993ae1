//! What the user asks for: layers of values, merged as Helm merges them, and read into classes.
//!
//! Pure: the texts come from [`crate::settings`]. The order of layers is the contract's: presets and built-in defaults,
//! then each text in the order given.

mod class;
mod decode;
mod error;
mod merge;
mod node;
mod presets;
mod yaml;

use std::sync::Arc;

pub use class::{Class, ClassFields, Existing, Strings, class_from_manifest};
pub use error::ValuesError;
pub use node::{Node, Place, Source};

/// Keys of the values that this program reads. Others belong to somebody else, as `global` does.
const KNOWN: [&str; 4] = ["presets", "runtimeClasses", "commonLabels", "commonAnnotations"];

const DEFAULTS: &str = "presets: [rke2]\nruntimeClasses: {}\ncommonLabels: {}\ncommonAnnotations: {}\n";

/// Values, merged and understood.
#[derive(Debug, Clone)]
pub struct Values {
    /// What the user gave, without defaults: the `config` of a Helm record.
    pub user: serde_json::Value,
    /// What holds where the user gives nothing: the `values` of a chart.
    pub defaults: serde_json::Value,
    /// All of it, defaults and presets included.
    pub merged: serde_json::Value,
    /// The classes that are defined, by name.
    pub classes: Vec<Class>,
    /// Top-level keys that nothing here reads, with their places.
    pub unknown: Vec<String>,
}

impl Values {
    /// Merges the texts in their order over the defaults and reads the classes.
    ///
    /// # Errors
    ///
    /// The first mistake in them, with file, line and column.
    pub fn from_texts(texts: &[Arc<Source>]) -> Result<Self, ValuesError> {
        let mut user = Node::empty_map("values");
        for source in texts {
            merge::merge(&mut user, yaml::parse(source)?);
        }
        let mut defaults = yaml::parse(&Source::new("the built-in defaults", DEFAULTS))?;
        if let Some(names) = user.get("presets").or_else(|| defaults.get("presets")) {
            let preset_classes = presets::classes(names)?;
            if let node::Value::Map(map) = &mut defaults.value {
                map.insert("runtimeClasses".to_owned(), preset_classes);
            }
        }
        let shown_defaults = defaults.to_json();
        let merged = merge::coalesce(defaults, &user);
        Ok(Self {
            defaults: shown_defaults,
            classes: class::classes(&merged)?,
            unknown: match &merged.value {
                node::Value::Map(map) => {
                    let unknown =
                        map.iter().filter(|(key, _)| key.as_str() != "global" && !KNOWN.contains(&key.as_str()));
                    unknown
                        .map(|(key, node)| {
                            format!(
                                "{}: `{key}` is not read by this program",
                                node.key_place.as_ref().unwrap_or(&node.place)
                            )
                        })
                        .collect()
                }
                _ => Vec::new(),
            },
            user: user.to_json(),
            merged: merged.to_json(),
        })
    }
}

#[cfg(test)]
mod tests;
