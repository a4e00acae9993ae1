//! Classes to manifests, through templates: what is desired, not yet stamped with the release's ownership.
//!
//! A template is free in its form and bound in its result: exactly one `node.k8s.io/v1` RuntimeClass of the class's own
//! name, with no field that Kubernetes would refuse. Pure: the templates' texts come from [`crate::settings`].

mod bounded;

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Toleration;
use k8s_openapi::api::node::v1::{Overhead, RuntimeClass, Scheduling};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use tera::{Context, Kwargs, State, Tera};

use crate::names::Release;
use crate::values::{self, Class, Existing, Place, Source, Values};

/// The template that is rendered; others in the same folder can be included by it.
pub const MAIN_TEMPLATE: &str = "runtimeclass.yaml";
const BUILT_IN: &str = include_str!("../templates/runtimeclass.yaml");

/// A class as it is to be, but for the ownership metadata: what Helm keeps as the manifest in a record.
#[derive(Debug, Clone, PartialEq)]
pub struct Desired {
    /// The RuntimeClass. Its name and handler are valid.
    pub object: RuntimeClass,
    /// The class's own word on what to do if somebody else owns it.
    pub existing: Option<Existing>,
}

impl Desired {
    /// The class's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.object.metadata.name.as_deref().unwrap_or_default()
    }
}

/// A template that is wrong, or that makes something wrong of a class.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// A folder of templates without the one that is rendered.
    #[error("the templates have no {MAIN_TEMPLATE}, found {found}")]
    NoMainTemplate {
        /// What there is instead.
        found: String,
    },
    /// The engine cannot read a template, or it fails on a class.
    #[error("{at}{message}{class}{snippet}", at = at.as_ref().map(|at| format!("{at}: ")).unwrap_or_default(),
            snippet = at.as_ref().map(Place::snippet).unwrap_or_default())]
    Template {
        /// Where in which template.
        at: Option<Place>,
        /// What the engine says.
        message: String,
        /// ` (class crun)`, or nothing while templates are read.
        class: String,
    },
    /// What came out for a class is not its RuntimeClass.
    #[error("the template made a wrong manifest of class {class}")]
    Output {
        /// The class.
        class: String,
        /// What is wrong, with its place in the template's output.
        source: values::ValuesError,
    },
}

/// Templates, read and ready.
#[derive(Clone)]
pub struct Templates {
    tera: Arc<Tera>,
    sources: BTreeMap<String, Arc<Source>>,
}

impl Templates {
    /// The template that is part of this program.
    ///
    /// # Errors
    ///
    /// None in a tested build.
    pub fn built_in() -> Result<Self, RenderError> {
        let source = Source::new(format!("templates/{MAIN_TEMPLATE}"), BUILT_IN);
        Self::new(BTreeMap::from([(MAIN_TEMPLATE.to_owned(), source)]))
    }

    /// Templates by file name.
    ///
    /// # Errors
    ///
    /// A syntax error with its place, or no `runtimeclass.yaml` among them.
    pub fn new(sources: BTreeMap<String, Arc<Source>>) -> Result<Self, RenderError> {
        if !sources.contains_key(MAIN_TEMPLATE) {
            let found = sources.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            return Err(RenderError::NoMainTemplate {
                found: if found.is_empty() { "nothing".to_owned() } else { found },
            });
        }
        let mut tera = Tera::default();
        // Every string that a template prints becomes a YAML string, whatever it holds.
        tera.autoescape_on([""]);
        tera.set_escape_fn(quote);
        tera.register_filter("json", json);
        for filter in ["safe", "escape", "escape_html", "escape_xml", "newlines_to_br"] {
            tera.register_filter(filter, unquoted);
        }
        let texts = sources.iter().map(|(name, source)| (name.as_str(), source.text.as_str()));
        tera.add_raw_templates(texts).map_err(|error| template_error(&error, &sources, None))?;
        Ok(Self { tera: Arc::new(tera), sources })
    }

    /// The text of the template that is rendered.
    #[must_use]
    pub fn main_text(&self) -> &str {
        self.sources.get(MAIN_TEMPLATE).map_or("", |source| source.text.as_str())
    }

    /// The manifests of all classes, in the classes' order.
    ///
    /// # Errors
    ///
    /// The first class that a template fails on, or makes something else of; and a limit that is reached.
    pub fn render(&self, values: &Values, release: &Release) -> Result<Vec<Desired>, RenderError> {
        let mut context = Context::new();
        context.insert("values", &values.merged);
        context.insert(
            "release",
            &BTreeMap::from([("name", release.name.as_str()), ("namespace", release.namespace.as_str())]),
        );
        let (templates, classes) = (self.clone(), values.classes.clone());
        let print = move || -> Result<Vec<String>, RenderError> {
            classes.iter().map(|class| templates.print(class, &mut context)).collect()
        };
        let limit = |message| RenderError::Template { at: None, message, class: String::new() };
        let texts = bounded::run(print).map_err(limit)??;
        values.classes.iter().zip(texts).map(|(class, text)| desired(class, text)).collect()
    }

    /// What the template prints for a class.
    fn print(&self, class: &Class, context: &mut Context) -> Result<String, RenderError> {
        context.insert("class", class);
        let mut output = bounded::Output::default();
        let ran = self.tera.render_to(MAIN_TEMPLATE, context, &mut output);
        let wrong = |message| RenderError::Template { at: None, message, class: format!(" (class {})", class.name) };
        match (output.overflow(), ran) {
            (Some(message), _) => Err(wrong(message)),
            (None, Err(error)) => Err(template_error(&error, &self.sources, Some(class))),
            (None, Ok(())) => output.text().map_err(wrong),
        }
    }
}

/// The class that a template made, if it is one.
fn desired(class: &Class, text: String) -> Result<Desired, RenderError> {
    let output = Source::new(format!("output of {MAIN_TEMPLATE}"), text);
    let made = values::class_from_manifest(&output, &class.name)
        .map_err(|source| RenderError::Output { class: class.name.to_string(), source })?;
    Ok(Desired { object: object(made), existing: class.fields.existing })
}

fn template_error(error: &tera::Error, sources: &BTreeMap<String, Arc<Source>>, class: Option<&Class>) -> RenderError {
    let (at, message) = match error.kind() {
        tera::ErrorKind::SyntaxError(report) | tera::ErrorKind::RenderingError(report) => {
            let span = report.span();
            let place = sources.get(report.filename()).map(|source| Place {
                source: source.clone(),
                line: span.start_line,
                column: span.start_col + 1,
            });
            (place, report.message().to_owned())
        }
        _ => (None, error.to_string()),
    };
    let class = class.map(|class| format!(" (class {})", class.name)).unwrap_or_default();
    RenderError::Template { at, message: lower_first(&message), class }
}

fn lower_first(message: &str) -> String {
    let mut characters = message.chars();
    characters.next().map(|first| first.to_lowercase().chain(characters).collect()).unwrap_or_default()
}

/// A JSON string is a YAML string, in which no character can end it early.
fn quote(text: &str, output: &mut dyn Write) -> std::io::Result<()> {
    serde_json::to_writer(output, text).map_err(std::io::Error::from)
}

#[expect(clippy::needless_pass_by_value, reason = "the signature of a filter")]
fn json(value: tera::Value, _: Kwargs, _: &State<'_>) -> tera::TeraResult<tera::Value> {
    serde_json::to_string(&value).map(|text| tera::Value::safe_string(&text)).map_err(tera::Error::message)
}

/// Filters whose result Tera takes for safe would print a value as YAML code.
fn unquoted(_: tera::Value, _: Kwargs, _: &State<'_>) -> tera::TeraResult<tera::Value> {
    Err(tera::Error::message(
        "this filter prints without quotes and is off: strings are quoted by themselves, maps and lists take `json`",
    ))
}

/// Kubernetes' own type of a class that is valid. What is empty is left out, as the API server leaves it out.
fn object(class: Class) -> RuntimeClass {
    let fields = class.fields;
    let some_map = |map: values::Strings| (!map.is_empty()).then_some(map);
    let tolerations: Vec<_> = fields.scheduling.tolerations.iter().map(Toleration::from).collect();
    let node_selector = some_map(fields.scheduling.node_selector);
    let scheduling = Scheduling { node_selector, tolerations: (!tolerations.is_empty()).then_some(tolerations) };
    let pod_fixed: BTreeMap<_, _> =
        fields.overhead.pod_fixed.into_iter().map(|(name, amount)| (name, Quantity(amount.into()))).collect();
    RuntimeClass {
        metadata: ObjectMeta {
            name: Some(class.name.to_string()),
            labels: some_map(fields.labels),
            annotations: some_map(fields.annotations),
            ..ObjectMeta::default()
        },
        handler: fields.handler.to_string(),
        overhead: (!pod_fixed.is_empty()).then_some(Overhead { pod_fixed: Some(pod_fixed) }),
        scheduling: (scheduling != Scheduling::default()).then_some(scheduling),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::values::Layers;

    fn release() -> Release {
        Release { name: "runtimeclasses".parse().unwrap(), namespace: "kube-system".parse().unwrap() }
    }

    fn values(text: &str) -> Values {
        Values::new(&Layers::of_files(vec![Source::new("values.yaml", text)])).unwrap()
    }

    fn templates(text: &str) -> Result<Templates, RenderError> {
        Templates::new(BTreeMap::from([(MAIN_TEMPLATE.to_owned(), Source::new("my/runtimeclass.yaml", text))]))
    }

    #[track_caller]
    fn assert_fails(template: &str, expected: &[&str]) {
        let error = templates(template).and_then(|templates| templates.render(&values(""), &release())).unwrap_err();
        let text = format!("{:#}", anyhow::Error::from(error));
        for part in expected {
            assert!(text.contains(part), "{text}\n--- lacks {part}");
        }
    }

    #[test]
    fn a_class_with_everything_comes_out_whole() {
        let class = json!({
            "apiVersion": "node.k8s.io/v1",
            "kind": "RuntimeClass",
            "metadata": {"name": "kata", "labels": {"a": "b"}, "annotations": {"c": "d \"e\"\n- f: {{ x }}"}},
            "handler": "kata-qemu",
            "overhead": {"podFixed": {"cpu": "250m", "memory": "160Mi"}},
            "scheduling": {
                "nodeSelector": {"katacontainers.io/kata-runtime": "true"},
                "tolerations": [{"key": "k", "operator": "Equal", "value": "v", "effect": "NoExecute", "tolerationSeconds": 30}]
            }
        });
        let text = format!(
            "presets: []\nruntimeClasses: {{kata: {{handler: kata-qemu, labels: {}, annotations: {}, overhead: {}, scheduling: {}}}}}",
            class["metadata"]["labels"], class["metadata"]["annotations"], class["overhead"], class["scheduling"]
        );
        let desired = Templates::built_in().unwrap().render(&values(&text), &release()).unwrap();
        assert_eq!(serde_json::to_value(&desired[0].object).unwrap(), class);
    }

    #[test]
    fn a_small_class_has_no_empty_fields() {
        let desired = Templates::built_in().unwrap().render(&values(""), &release()).unwrap();
        assert_eq!(
            serde_json::to_value(&desired[0].object).unwrap(),
            json!({"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "crun"}, "handler": "crun"})
        );
        assert_eq!(desired.iter().map(Desired::name).collect::<Vec<_>>(), ["crun", "nvidia", "nvidia-experimental"]);
    }

    #[test]
    fn no_value_can_break_out_of_its_place() {
        let template = "apiVersion: node.k8s.io/v1\nkind: RuntimeClass\nmetadata:\n  name: {{ class.name }}\n  annotations:\n    \
                        {% for key, value in class.annotations %}{{ key }}: {{ value }}\n    {% endfor %}\nhandler: {{ class.handler }}\n";
        let hostile = "x\"\nhandler: evil\n---\n# ' {} [] & * ! | > % @ ` \\ \u{85}\u{2028}\u{feff}";
        let values = values(&format!(
            "runtimeClasses: {{crun: {{annotations: {{a: {}}}}}}}",
            serde_json::to_string(hostile).unwrap()
        ));
        for templates in [templates(template).unwrap(), Templates::built_in().unwrap()] {
            let desired = templates.render(&values, &release()).unwrap();
            assert_eq!(desired[0].object.metadata.annotations.as_ref().unwrap()["a"], hostile);
            assert_eq!(desired[0].object.handler, "crun");
        }
    }

    #[test]
    fn a_template_sees_the_release_and_all_values() {
        let template = "apiVersion: node.k8s.io/v1\nkind: RuntimeClass\nmetadata: {name: {{ class.name }}, labels: {r: {{ release.name }}, \
                        ns: {{ release.namespace }}, g: {{ values.global.x }}}}\nhandler: {{ class.handler }}\n";
        let desired = templates(template).unwrap().render(&values("global: {x: z}"), &release()).unwrap();
        assert_eq!(
            serde_json::to_value(&desired[0].object.metadata.labels).unwrap(),
            json!({"r": "runtimeclasses", "ns": "kube-system", "g": "z"})
        );
    }

    #[test]
    fn a_template_can_include_another() {
        let sources = [
            (
                MAIN_TEMPLATE,
                "apiVersion: node.k8s.io/v1\nkind: RuntimeClass\nmetadata: {name: {{ class.name }}}\n{% include \"rest\" %}",
            ),
            ("rest", "handler: {{ class.handler }}"),
        ];
        let sources = sources.map(|(name, text)| (name.to_owned(), Source::new(name, text)));
        let desired = Templates::new(sources.into()).unwrap().render(&values(""), &release()).unwrap();
        assert_eq!(desired[2].object.handler, "nvidia-experimental");
    }

    #[test]
    fn what_is_wrong_in_a_template_is_told_with_its_place() {
        assert_fails("a: {{ class.nam", &["my/runtimeclass.yaml:1:"]);
        assert_fails(
            "a: 1\nb: {{ class.nme }}\n",
            &["my/runtimeclass.yaml:2:", "class.nme", "(class crun)", "\n2 | b: {{ class.nme }}"],
        );
        assert_fails("{{ class.handler | safe }}", &["my/runtimeclass.yaml:1:", "prints without quotes"]);
        assert_fails("{% include \"gone\" %}", &["gone"]);
        let Err(error) = Templates::new(BTreeMap::from([("other.yaml".to_owned(), Source::new("o", ""))])) else {
            panic!()
        };
        assert_eq!(error.to_string(), "the templates have no runtimeclass.yaml, found other.yaml");
    }

    #[test]
    fn what_a_template_makes_is_one_runtimeclass_of_that_name_or_refused() {
        let body =
            |change: &str, to: &str| BUILT_IN.split("-#}\n").nth(1).map(|text| text.replacen(change, to, 1)).unwrap();
        for (template, expected) in [
            (
                body("kind: RuntimeClass", "kind: Pod"),
                "output of runtimeclass.yaml:2:7: the kind must be RuntimeClass, found \"Pod\"",
            ),
            (body("node.k8s.io/v1", "node.k8s.io/v1beta1"), ":1:13: the apiVersion must be node.k8s.io/v1"),
            (body("{{ class.name }}", "other"), ":4:9: the name must be crun, found \"other\""),
            (body("{{ class.handler }}", "Not/OK"), "the handler \"Not/OK\" is not valid"),
            (body("{{ class.handler }}", "\"{{ class.handler }}\""), "not valid YAML"),
            (body("metadata:", "metadata:\n  namespace: x"), ":4:3: unknown key `namespace`"),
            (body("kind:", "spec: {}\nkind:"), ":2:1: unknown key `spec`"),
            (body("handler: {{ class.handler }}", ""), "the key `handler` is missing"),
            (body("handler:", "---\nhandler:"), "one YAML document is expected"),
            (body("kind: RuntimeClass", ""), "the kind must be RuntimeClass"),
            (String::new(), "the apiVersion must be node.k8s.io/v1"),
            (body("metadata:", "metadata:\n  labels: {app.kubernetes.io/managed-by: me}"), "set by this program alone"),
        ] {
            assert_fails(&template, &[expected, "the template made a wrong manifest of class crun"]);
        }
    }
}
