//! The built-in sets of classes. They are data: `presets.yaml` beside this file.

use super::class::{self, Class};
use super::decode::unknown;
use super::error::ValuesError;
use super::merge::merge;
use super::node::{Node, Source, Value};
use super::yaml;

/// A built-in set of classes.
#[derive(Debug)]
pub struct Preset {
    /// What values call it.
    pub name: String,
    /// What it is.
    pub description: String,
    /// Where its handlers, overhead and scheduling are published.
    pub source: String,
    /// Its classes, by name.
    pub classes: Vec<Class>,
    /// All of it as `presets.yaml` has it.
    pub data: serde_json::Value,
}

/// All built-in sets, by name.
///
/// # Errors
///
/// None in a tested build.
pub fn all() -> Result<Vec<Preset>, ValuesError> {
    let Value::Map(sets) = file()?.value else { return Ok(Vec::new()) };
    let text = |set: &Node, key: &str| match set.get(key).map(|node| &node.value) {
        Some(Value::String(text)) => text.clone(),
        _ => String::new(),
    };
    sets.into_iter()
        .map(|(name, set)| {
            Ok(Preset {
                name,
                description: text(&set, "description"),
                source: text(&set, "source"),
                classes: class::classes(&set)?,
                data: set.to_json(),
            })
        })
        .collect()
}

fn file() -> Result<Node, ValuesError> {
    yaml::parse(&Source::new("the built-in presets", include_str!("presets.yaml")))
}

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
    let Value::Map(all) = file()?.value else { return Ok(union) };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_says_what_it_is_and_where_it_is_from() {
        let sets: Vec<(String, usize)> = all()
            .unwrap()
            .into_iter()
            .map(|set| {
                assert!(!set.description.is_empty(), "{}", set.name);
                assert!(set.source.starts_with("https://github.com/"), "{}: {}", set.name, set.source);
                (set.name, set.classes.len())
            })
            .collect();
        let expected = [("gvisor", 1), ("k3s", 10), ("kata", 25), ("nvidia", 3), ("rke2", 3)];
        assert_eq!(sets, expected.map(|(name, classes)| (name.to_owned(), classes)));
    }

    #[test]
    fn a_kata_class_has_its_overhead_and_its_nodes() {
        let kata = all().unwrap().into_iter().find(|set| set.name == "kata").unwrap();
        let snp = kata.classes.iter().find(|class| class.name.as_str() == "kata-qemu-nvidia-gpu-snp").unwrap();
        assert_eq!(
            serde_json::to_value(&snp.fields).unwrap(),
            serde_json::json!({
                "handler": "kata-qemu-nvidia-gpu-snp", "labels": {}, "annotations": {},
                "overhead": {"podFixed": {"cpu": "1.0", "memory": "10240Mi"}},
                "scheduling": {
                    "nodeSelector": {
                        "katacontainers.io/kata-runtime": "true",
                        "nvidia.com/cc.ready.state": "true",
                        "amd.feature.node.kubernetes.io/snp": "true",
                    },
                    "tolerations": [],
                },
            })
        );
        let runtime = |class: &Class| class.fields.scheduling.node_selector["katacontainers.io/kata-runtime"] == "true";
        assert!(
            kata.classes.iter().all(|class| class.fields.handler.as_str() == class.name.as_str() && runtime(class))
        );
    }
}
