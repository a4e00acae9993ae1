//! The JSON Schema of the values, for editors.
//!
//! It is committed as `values.schema.json`, and printed as it is: what makes it is no part of the program. A test makes it
//! anew from the types that the values are read into, and compares.

/// The JSON Schema of a file of values.
pub const SCHEMA: &str = include_str!("../../values.schema.json");

#[cfg(test)]
pub(super) use making::{annotations, labels, pod_fixed};

#[cfg(test)]
mod making {
    use std::borrow::Cow;

    use schemars::generate::SchemaSettings;
    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
    use serde_json::{Value, json};

    use super::super::class::{ClassFields, Quantity};
    use super::super::presets;
    use crate::names::{self, Handler};

    const LABEL: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
    const QUALIFIED: &str = "[A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?";

    fn subdomain() -> String {
        format!("{LABEL}(\\.{LABEL})*")
    }

    /// Keys as Kubernetes takes them, but for the marks, which are Helm's to set.
    fn keys() -> Value {
        let marks = [names::MANAGED_BY_LABEL, names::RELEASE_NAME_ANNOTATION, names::RELEASE_NAMESPACE_ANNOTATION];
        json!({"pattern": format!("^({}/)?{QUALIFIED}$", subdomain()), "not": {"enum": marks}})
    }

    /// A map of label values.
    pub fn labels(_: &mut SchemaGenerator) -> Schema {
        let value = json!({"type": "string", "pattern": format!("^({QUALIFIED})?$")});
        json_schema!({"type": "object", "propertyNames": keys(), "additionalProperties": value})
    }

    /// A map of annotations.
    pub fn annotations(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "object", "propertyNames": keys(), "additionalProperties": {"type": "string"}})
    }

    /// Amounts by the name of the resource.
    pub fn pod_fixed(generator: &mut SchemaGenerator) -> Schema {
        let quantity = Quantity::json_schema(generator);
        json_schema!({"type": "object", "propertyNames": {"pattern": keys()["pattern"]}, "additionalProperties": quantity})
    }

    impl JsonSchema for Handler {
        fn schema_name() -> Cow<'static, str> {
            "handler".into()
        }

        fn inline_schema() -> bool {
            true
        }

        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({"type": "string", "maxLength": 63, "pattern": format!("^{LABEL}$")})
        }
    }

    impl JsonSchema for Quantity {
        fn schema_name() -> Cow<'static, str> {
            "quantity".into()
        }

        fn inline_schema() -> bool {
            true
        }

        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            let suffix = "([numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]{1,3})?";
            json_schema!({
                "type": ["string", "number"],
                "minimum": 0,
                "pattern": format!("^\\+?([0-9]+(\\.[0-9]*)?|\\.[0-9]+){suffix}$"),
            })
        }
    }

    /// In a file any key of a map may be null, which says that it is not there.
    fn nullable(schema: &mut Value) {
        match schema {
            Value::Object(object) => {
                if let Some(Value::Object(properties)) = object.get_mut("properties") {
                    properties.values_mut().for_each(or_null);
                }
                if let Some(value @ Value::Object(_)) = object.get_mut("additionalProperties") {
                    or_null(value);
                }
                object.values_mut().for_each(nullable);
            }
            Value::Array(items) => items.iter_mut().for_each(nullable),
            _ => {}
        }
    }

    fn or_null(schema: &mut Value) {
        let Value::Object(object) = schema else { return };
        // That is how it is by default, whether it is null or absent; and a file is all that the schema is of.
        for keyword in ["default", "writeOnly"] {
            object.remove(keyword);
        }
        match object.get_mut("type") {
            Some(Value::String(kind)) => {
                let kind = kind.clone();
                object.insert("type".to_owned(), json!([kind, "null"]));
            }
            Some(Value::Array(kinds)) if !kinds.contains(&json!("null")) => kinds.push(json!("null")),
            Some(_) => {}
            None => {
                if let Some(reference) = object.remove("$ref") {
                    object.insert("anyOf".to_owned(), json!([{"$ref": reference}, {"type": "null"}]));
                }
            }
        }
    }

    pub fn schema() -> Value {
        let mut generator = SchemaSettings::draft2020_12().into_generator();
        let class = generator.subschema_for::<ClassFields>();
        let (labels, annotations) = (labels(&mut generator).to_value(), annotations(&mut generator).to_value());
        let mut definitions = Value::Object(generator.take_definitions(true));
        // A file adds to what other layers say, so that in the map form the handler may stand elsewhere.
        let fields = &mut definitions["ClassFields"];
        let mut item = fields.clone();
        fields.as_object_mut().unwrap().remove("required");
        let name = json!({"description": "Name of the RuntimeClass.", "type": "string", "maxLength": 253, "pattern": format!("^{}$", subdomain())});
        item["properties"]["name"] = name.clone();
        let names: Vec<String> = presets::all().unwrap().into_iter().map(|preset| preset.name).collect();
        let with = |description: &str, mut schema: Value| {
            schema["description"] = description.into();
            schema
        };
        let mut schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "Values of runtimeclass-installer",
            "description": "Keys that this program does not read are allowed, as they are in Helm.",
            "type": "object",
            "properties": {
                "presets": {
                    "description": "Built-in sets of classes, of which a later one wins over an earlier one.",
                    "type": "array",
                    "items": {"enum": names},
                },
                "runtimeClasses": {
                    "description": "The classes: by name, over presets and earlier values; or a list that is everything.",
                    "type": ["object", "array"],
                    "propertyNames": {"maxLength": 253, "pattern": name["pattern"]},
                    "additionalProperties": class,
                    "items": {"$ref": "#/$defs/ClassOfList"},
                },
                "commonLabels": with("Labels of every class, below its own.", labels),
                "commonAnnotations": with("Annotations of every class, below its own.", annotations),
            },
        });
        definitions["ClassOfList"] = item;
        schema["$defs"] = definitions;
        nullable(&mut schema);
        // In the list there is no other layer that could say them.
        let item = &mut schema["$defs"]["ClassOfList"];
        item["required"] = json!(["name", "handler"]);
        for key in ["name", "handler"] {
            item["properties"][key]["type"] = "string".into();
        }
        schema
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::{KNOWN, Layers, Source, Values, parse_yaml};
    use super::*;

    #[test]
    fn the_committed_schema_is_the_one_of_the_types() {
        let made = format!("{}\n", serde_json::to_string_pretty(&making::schema()).unwrap());
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/values.schema.json");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, &made).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap();
        assert!(committed == made, "make it anew with `UPDATE=1 cargo test --lib schema`, and commit it");
        let schema: Value = serde_json::from_str(&committed).unwrap();
        let keys: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
        let mut known = KNOWN.to_vec();
        known.sort_unstable();
        assert_eq!(keys, known);
    }

    #[test]
    fn the_schema_takes_and_refuses_what_the_parser_does() {
        let schema = jsonschema::draft202012::new(&serde_json::from_str(SCHEMA).unwrap()).unwrap();
        let class = |fields: &str| format!("runtimeClasses: {{a: {{handler: a, {fields}}}}}");
        let item = |fields: &str| format!("runtimeClasses: [{{{fields}}}]");
        let documents = [
            (String::new(), true),
            ("global: {a: 1}\nothers: [1]".to_owned(), true),
            ("presets: [rke2, kata]".to_owned(), true),
            ("presets: null\nruntimeClasses: null\ncommonLabels: null\ncommonAnnotations: null".to_owned(), true),
            ("presets: [rke]".to_owned(), false),
            ("presets: rke2".to_owned(), false),
            ("presets: [1]".to_owned(), false),
            ("runtimeClasses: {}".to_owned(), true),
            ("runtimeClasses: []".to_owned(), true),
            ("runtimeClasses: text".to_owned(), false),
            ("runtimeClasses: {a: null}".to_owned(), true),
            ("runtimeClasses: {a: text}".to_owned(), false),
            ("runtimeClasses: {A: {handler: a}}".to_owned(), false),
            ("runtimeClasses: {a.b: {handler: a}}".to_owned(), true),
            ("runtimeClasses: {nvidia: {labels: {a: b}}}".to_owned(), true),
            ("runtimeClasses: {a: {handler: a.b}}".to_owned(), false),
            ("runtimeClasses: {a: {handler: ''}}".to_owned(), false),
            ("runtimeClasses: {a: {handler: 1}}".to_owned(), false),
            (format!("runtimeClasses: {{a: {{handler: {}}}}}", "a".repeat(64)), false),
            (class(""), true),
            (class("colour: red"), false),
            (class("name: a"), false),
            (class("labels: {a: b, example.com/c: ''}"), true),
            (class("labels: {a: null}"), true),
            (class("labels: null, annotations: null, overhead: null, scheduling: null, existing: null"), true),
            (class("labels: {a: 1}"), false),
            (class("labels: {a: x y}"), false),
            (class("labels: {-a: x}"), false),
            (class("labels: [a]"), false),
            (class("labels: {app.kubernetes.io/managed-by: x}"), false),
            (class("annotations: {a: any text}"), true),
            (class("annotations: {a/b/c: x}"), false),
            (class("annotations: {meta.helm.sh/release-name: x}"), false),
            (class("overhead: {podFixed: {cpu: 250m, memory: 1.5Gi, x: 1, y: 0.5, z: 1e3}}"), true),
            (class("overhead: {podFixed: {cpu: lots}}"), false),
            (class("overhead: {podFixed: {cpu: -1}}"), false),
            (class("overhead: {podFixed: {cpu: true}}"), false),
            (class("overhead: {podFixed: {cpu: 1KB}}"), false),
            (class("overhead: {fixed: {}}"), false),
            (class("scheduling: {nodeSelector: {a: 'true'}, tolerations: []}"), true),
            (class("scheduling: {nodeSelector: {a: true}}"), false),
            (class("scheduling: {selector: {}}"), false),
            (class("scheduling: {tolerations: [{key: a, operator: Exists, effect: NoSchedule}]}"), true),
            (
                class("scheduling: {tolerations: [{key: a, value: null, tolerationSeconds: 3, effect: NoExecute}]}"),
                true,
            ),
            (class("scheduling: {tolerations: [{key: a, operator: Is}]}"), false),
            (class("scheduling: {tolerations: [{key: a, effect: No}]}"), false),
            (class("scheduling: {tolerations: [{key: a, tolerationSeconds: '3'}]}"), false),
            (class("scheduling: {tolerations: [a]}"), false),
            (class("existing: skip"), true),
            (class("existing: maybe"), false),
            (item("name: a, handler: a, labels: null"), true),
            (item("handler: a"), false),
            (item("name: a"), false),
            (item("name: a, handler: null"), false),
            (item("name: A, handler: a"), false),
            (item("name: a, handler: a, colour: red"), false),
            ("runtimeClasses: [text]".to_owned(), false),
            ("commonLabels: {a: b}\ncommonAnnotations: {a: b c}".to_owned(), true),
            ("commonLabels: {a: b c}".to_owned(), false),
            ("commonLabels: [a]".to_owned(), false),
        ];
        for (text, expected) in documents {
            let source = Source::new("values.yaml", text.as_str());
            let json = parse_yaml(&source).unwrap().to_json();
            let says = schema.validate(&json).map_err(|error| error.to_string());
            assert_eq!(says.is_ok(), expected, "the schema, of {text}: {says:?}");
            let parsed = Values::new(&Layers::of_files(vec![source])).map(|_| ()).map_err(|error| error.to_string());
            assert_eq!(parsed.is_ok(), expected, "the parser, of {text}: {parsed:?}");
        }
        // The one thing that a file alone does not tell: whether another layer has the handler.
        assert!(schema.is_valid(&json!({"runtimeClasses": {"a": {}}})));
        assert!(Values::new(&Layers::of_files(vec![Source::new("v", "runtimeClasses: {a: {}}")])).is_err());
    }
}
