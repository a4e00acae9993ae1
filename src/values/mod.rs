//! What the user asks for: layers of values, merged as Helm merges them, and read into classes.
//!
//! Pure: the texts come from [`crate::settings`]. Layers, from low to high: built-in defaults and presets, the values of
//! the chart, each file in the order given, then all `--set-json`, all `--set` and all `--set-string`, which is Helm's
//! order whatever the order of the flags.

mod class;
mod decode;
mod error;
mod merge;
mod node;
mod presets;
mod scalar;
mod schema;
mod set;
mod yaml;

use std::sync::Arc;

pub use class::{Class, ClassFields, Existing, Strings, class_from_manifest};
pub use error::ValuesError;
pub use node::{Node, Place, Source, Value};
pub use presets::{Preset, all as presets};
pub use schema::SCHEMA;
use set::{Kind, Setter};
pub use yaml::parse as parse_yaml;

use crate::chart::Chart;
use crate::names::Handler;

/// Label of a class whose handler is a stub.
pub const STUB_LABEL: &str = "runtimeclass-installer/stub";

/// Keys of the values that this program reads. Others belong to somebody else, as `global` does.
const KNOWN: [&str; 4] = ["presets", "runtimeClasses", "commonLabels", "commonAnnotations"];

const DEFAULTS: &str = "presets: [rke2]\nruntimeClasses: {}\ncommonLabels: {}\ncommonAnnotations: {}\n";
/// A chart says itself which classes it has: a preset comes in only where somebody names it.
const DEFAULTS_OF_CHART: &str = "presets: []\nruntimeClasses: {}\ncommonLabels: {}\ncommonAnnotations: {}\n";

/// What the user gives, each layer over the one before.
#[derive(Debug, Default)]
pub struct Layers {
    /// A chart: its values are the defaults.
    pub chart: Option<Chart>,
    /// Texts of YAML files.
    pub files: Vec<Arc<Source>>,
    /// Texts of `--set-json`.
    pub set_json: Vec<String>,
    /// Texts of `--set`.
    pub set: Vec<String>,
    /// Texts of `--set-string`.
    pub set_string: Vec<String>,
}

impl Layers {
    /// Files alone.
    #[must_use]
    pub fn of_files(files: Vec<Arc<Source>>) -> Self {
        Self { files, ..Self::default() }
    }

    /// All of it in one tree, as Helm keeps it in a record.
    fn merged(&self) -> Result<Node, ValuesError> {
        let mut user = Node::empty_map("values");
        for source in &self.files {
            merge::merge(&mut user, yaml::parse(source)?);
        }
        let mut setter = Setter::default();
        for (kind, flag, texts) in [
            (Kind::Json, "--set-json", &self.set_json),
            (Kind::Typed, "--set", &self.set),
            (Kind::Text, "--set-string", &self.set_string),
        ] {
            for text in texts {
                setter.apply(kind, &Source::new(flag, text), &mut user)?;
            }
        }
        Ok(user)
    }
}

/// Values, merged and understood.
#[derive(Debug, Clone)]
pub struct Values {
    /// What the user gave, without defaults: the `config` of a Helm record.
    pub user: serde_json::Value,
    /// What holds where the user gives nothing: the `values` of a chart.
    pub defaults: serde_json::Value,
    /// All of it, defaults and presets included.
    pub merged: serde_json::Value,
    /// The chart whose values are among the defaults, if there is one.
    pub chart: Option<Chart>,
    /// The classes that are defined, by name.
    pub classes: Vec<Class>,
    /// Top-level keys that nothing here reads, with their places.
    pub unknown: Vec<String>,
}

impl Values {
    /// Merges the layers over the defaults and reads the classes.
    ///
    /// # Errors
    ///
    /// The first mistake in them, with file or flag, line and column.
    pub fn new(layers: &Layers) -> Result<Self, ValuesError> {
        let user = layers.merged()?;
        let built_in = if layers.chart.is_some() { DEFAULTS_OF_CHART } else { DEFAULTS };
        let mut defaults = yaml::parse(&Source::new("the built-in defaults", built_in))?;
        let of_chart = layers.chart.as_ref().map(|chart| &chart.values);
        let named = user.get("presets").or_else(|| of_chart.and_then(|values| values.get("presets")));
        let classes = named.or_else(|| defaults.get("presets")).map(presets::classes).transpose()?;
        if let (Some(classes), node::Value::Map(map)) = (classes, &mut defaults.value) {
            map.insert("runtimeClasses".to_owned(), classes);
        }
        if let Some(values) = of_chart {
            defaults = merge::coalesce(defaults, values);
        }
        let shown_defaults = defaults.to_json();
        let merged = merge::coalesce(defaults, &user);
        let mut defined = merged.clone();
        merge::remove_nulls(&mut defined);
        Ok(Self {
            defaults: shown_defaults,
            classes: class::classes(&defined)?,
            unknown: match &merged.value {
                node::Value::Map(map) => {
                    let unknown =
                        map.iter().filter(|(key, _)| key.as_str() != "global" && !KNOWN.contains(&key.as_str()));
                    unknown
                        .map(|(key, node)| {
                            let place = node.key_place.as_ref().unwrap_or(&node.place);
                            let meant = decode::likeliest(key, &KNOWN);
                            let meant = meant.map(|word| format!(", did you mean `{word}`?")).unwrap_or_default();
                            format!("{place}: `{key}` is not read by this program{meant}")
                        })
                        .collect()
                }
                _ => Vec::new(),
            },
            user: user.to_json(),
            merged: merged.to_json(),
            chart: layers.chart.clone(),
        })
    }

    /// Gives every class this handler, and a label that says so: for clusters that have no other.
    pub fn stub(&mut self, handler: &Handler) {
        for Class { fields, .. } in &mut self.classes {
            fields.handler = handler.clone();
            fields.labels.insert(STUB_LABEL.to_owned(), "true".to_owned());
        }
    }
}

#[cfg(test)]
mod tests;
