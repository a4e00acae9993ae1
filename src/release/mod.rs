//! The release's records: Helm's own format, so that both Helms can work on what this program wrote, and it on theirs.
//!
//! Pure: the objects that hold records come from, and go to, [`crate::cluster`].

mod codec;
mod record;
mod storage;

use anyhow::Context as _;
use k8s_openapi::api::node::v1::RuntimeClass;
use serde_json::{Value, json};

pub use record::{Again, ChartName, Content, Record, Status, Times};
pub use storage::{Damaged, Driver, History, Object, RESERVED_LABELS, Stored, new_object, object_name, selector};

use crate::chart::Chart;
use crate::render::Desired;
use crate::{fields, manifest};

/// The classes in a manifest as Helm keeps it: YAML documents, each with a comment that says where it is from.
///
/// # Errors
///
/// Text that is not YAML, and objects that are no RuntimeClasses: a release with those is not this program's to touch.
pub fn manifest_classes(manifest: &str) -> anyhow::Result<Vec<RuntimeClass>> {
    // Helm wrote it, or this program: what bounds it is the size of the record.
    let options = serde_yaml::options! {
        budget: serde_yaml::budget! { max_documents: usize::MAX, max_events: usize::MAX, max_nodes: usize::MAX },
        with_snippet: false,
    };
    let documents: Vec<Value> =
        serde_yaml::from_multiple_with_options(manifest, options).context("its manifest is not YAML")?;
    documents
        .into_iter()
        .filter(|document| !document.is_null())
        .map(|document| {
            let field = |key: &str| document.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
            let (api_version, kind) = (field("apiVersion"), field("kind"));
            anyhow::ensure!(
                api_version == "node.k8s.io/v1" && kind == "RuntimeClass",
                "its manifest has a {kind} ({api_version}), and this program handles RuntimeClasses only"
            );
            serde_json::from_value(document).context("its manifest has a RuntimeClass that makes no sense")
        })
        .collect()
}

impl Content {
    /// What a release is to be from now on.
    #[must_use]
    pub fn new(desired: &[Desired], config: Value, chart: Value, labels: crate::values::Strings) -> Self {
        let source = chart["metadata"]["name"].as_str().unwrap_or_default();
        let document = |class: &Desired| {
            format!("---\n# Source: {source}/templates/runtimeclass.yaml\n{}", manifest::document(&class.object))
        };
        let text = desired.iter().map(document).collect();
        let classes = desired.iter().map(|desired| desired.object.clone()).collect();
        Self { classes, manifest: text, config, chart, labels, again: None }
    }

    /// The classes as they are to be again.
    #[must_use]
    pub fn desired(&self) -> Vec<Desired> {
        self.classes.iter().map(|class| Desired { object: class.clone(), existing: None }).collect()
    }

    /// Whether a record says the same: by meaning, not by spelling, so that a record of Helm's can be as good as ours.
    #[must_use]
    pub fn is_same_as(&self, record: &Record) -> bool {
        let by_name = |classes: &[RuntimeClass]| {
            let mut all: Vec<_> =
                classes.iter().map(|class| (class.metadata.name.clone(), fields::canonical_leaves(class))).collect();
            all.sort();
            all
        };
        let chart = |key: &str| self.chart["metadata"][key].as_str().unwrap_or_default();
        let name = record.chart_name();
        record.classes().is_ok_and(|classes| by_name(classes) == by_name(&self.classes))
            && record.config() == self.config
            && (name.name.as_str(), name.version.as_str()) == (chart("name"), chart("version"))
            && record.labels == self.labels
    }
}

/// The user's chart, as Helm keeps it in a record.
#[must_use]
pub fn users_chart(chart: &Chart) -> Value {
    use base64::Engine as _;
    let file = |(name, data): &(String, Vec<u8>)| json!({"name": name, "data": base64::engine::general_purpose::STANDARD.encode(data)});
    json!({
        "metadata": chart.metadata,
        "lock": null,
        "templates": chart.templates.iter().map(file).collect::<Vec<_>>(),
        "values": chart.values.to_json(),
        "schema": null,
        "files": null,
    })
}

/// The chart that records name when the user brings none: this program and its template.
#[must_use]
pub fn own_chart(template: &str, defaults: &Value) -> Value {
    use base64::Engine as _;
    let template = base64::engine::general_purpose::STANDARD.encode(template);
    json!({
        "metadata": {
            "apiVersion": "v2",
            "name": env!("CARGO_PKG_NAME"),
            "version": env!("CARGO_PKG_VERSION"),
            "appVersion": env!("CARGO_PKG_VERSION"),
            "description": env!("CARGO_PKG_DESCRIPTION"),
            "type": "application",
        },
        "lock": null,
        "templates": [{"name": "templates/runtimeclass.yaml", "data": template}],
        "values": defaults,
        "schema": null,
        "files": null,
    })
}
