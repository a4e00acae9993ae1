//! Classes as YAML, in the order in which people write them. Helm keeps such a stream in a release's record.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Toleration;
use k8s_openapi::api::node::v1::RuntimeClass;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde::Serialize;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    api_version: &'static str,
    kind: &'static str,
    metadata: Metadata<'a>,
    handler: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    overhead: Option<Overhead<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scheduling: Option<Scheduling<'a>>,
}

#[derive(Serialize)]
struct Metadata<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    labels: Option<&'a BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<&'a BTreeMap<String, String>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Overhead<'a> {
    pod_fixed: &'a BTreeMap<String, Quantity>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Scheduling<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    node_selector: Option<&'a BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tolerations: Option<&'a Vec<Toleration>>,
}

/// One class as a YAML document, without a separator.
#[must_use]
pub fn document(class: &RuntimeClass) -> String {
    let document = Document {
        api_version: <RuntimeClass as k8s_openapi::Resource>::API_VERSION,
        kind: <RuntimeClass as k8s_openapi::Resource>::KIND,
        metadata: Metadata {
            name: class.metadata.name.as_deref().unwrap_or_default(),
            labels: class.metadata.labels.as_ref(),
            annotations: class.metadata.annotations.as_ref(),
        },
        handler: &class.handler,
        overhead: class
            .overhead
            .as_ref()
            .and_then(|overhead| overhead.pod_fixed.as_ref())
            .map(|pod_fixed| Overhead { pod_fixed }),
        scheduling: class.scheduling.as_ref().map(|scheduling| Scheduling {
            node_selector: scheduling.node_selector.as_ref(),
            tolerations: scheduling.tolerations.as_ref(),
        }),
    };
    // Plain maps and strings are always written; if not, JSON is YAML too.
    serde_yaml::to_string(&document).or_else(|_| serde_json::to_string(&document)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::Source;

    #[test]
    fn what_is_written_reads_back_the_same_also_where_yaml_1_1_would_guess() {
        let words = [
            "yes",
            "no",
            "on",
            "off",
            "y",
            "n",
            "null",
            "~",
            "1",
            "1.5",
            "0x1f",
            "010",
            "1e3",
            "1_000",
            "12:30:45",
            "2024-01-01",
            "true",
            "",
            " a",
            "a ",
            "a: b",
            "# c",
            "- d",
            "'",
            "\"",
            "\\",
            "a\nb",
            "\t",
            ".inf",
            "=",
            "<<",
            "!x",
            "&x",
            "*x",
            "{",
            "[",
            "%",
            "@",
            "`",
            "|",
            ">",
        ];
        let annotations: BTreeMap<String, String> =
            words.iter().enumerate().map(|(index, word)| (format!("k{index}"), (*word).to_owned())).collect();
        let mut class = RuntimeClass { handler: "crun".to_owned(), ..RuntimeClass::default() };
        class.metadata.name = Some("on".to_owned());
        class.metadata.annotations = Some(annotations);
        let text = document(&class);
        let read = crate::values::class_from_manifest(&Source::new("m", text.clone()), &"on".parse().unwrap());
        assert_eq!(Some(read.unwrap().fields.annotations), class.metadata.annotations, "{text}");
    }
}
