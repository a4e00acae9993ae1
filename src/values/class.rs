//! One class as the values define it: the types that the values are read into, and the rules of their fields.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, de};

use super::decode::{decode, unknown};
use super::error::ValuesError;
use super::merge::remove_nulls;
use super::node::{Node, Place, Source, Value};
use super::yaml;
use crate::names::{self, ClassName, Handler, InvalidName};
use crate::quantity;

/// Labels, annotations or a node selector.
pub type Strings = BTreeMap<String, String>;

/// A class, complete: what templates get to see.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Class {
    /// Name of the RuntimeClass.
    pub name: ClassName,
    /// What the values say of it.
    #[serde(flatten)]
    pub fields: ClassFields,
}

/// What may stand below a class's name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClassFields {
    /// Name that the container runtime's configuration gives the handler.
    pub handler: Handler,
    /// Labels of the RuntimeClass.
    #[serde(default)]
    #[cfg_attr(test, schemars(schema_with = "super::schema::labels"))]
    pub labels: Strings,
    /// Annotations of the RuntimeClass.
    #[serde(default)]
    #[cfg_attr(test, schemars(schema_with = "super::schema::annotations"))]
    pub annotations: Strings,
    /// What a pod of this class costs on top of its containers.
    #[serde(default)]
    pub overhead: Overhead,
    /// On which nodes pods of this class may run.
    #[serde(default)]
    pub scheduling: Scheduling,
    /// What to do with a class of that name that belongs to somebody else; the command line's choice if absent.
    #[serde(default, skip_serializing)]
    pub existing: Option<Existing>,
}

/// What to do with a class that exists and is foreign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, clap::ValueEnum)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Existing {
    /// End the run and write nothing.
    Fail,
    /// Make it ours.
    Adopt,
    /// Leave it as it is.
    Skip,
}

/// Resources that the runtime itself needs per pod.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Overhead {
    /// Amount by resource name.
    #[serde(default)]
    #[cfg_attr(test, schemars(schema_with = "super::schema::pod_fixed"))]
    pub pod_fixed: BTreeMap<String, Quantity>,
}

/// An amount that Kubernetes takes, at least zero. A YAML number is fine as well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Quantity(String);

/// Constraints that admission copies into each pod of the class.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Scheduling {
    /// Labels that a node must have.
    #[serde(default)]
    #[cfg_attr(test, schemars(schema_with = "super::schema::labels"))]
    pub node_selector: Strings,
    /// Taints that pods of the class tolerate.
    #[serde(default)]
    pub tolerations: Vec<Toleration>,
}

/// A taint that is tolerated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "Kubernetes' own words")]
pub struct Toleration {
    /// Key of the taint; every key if absent, and then `operator` is `Exists`.
    #[serde(default)]
    pub key: Option<String>,
    /// How the value is compared; `Equal` if absent.
    #[serde(default)]
    pub operator: Option<Operator>,
    /// Value of the taint.
    #[serde(default)]
    pub value: Option<String>,
    /// Effect of the taint; every effect if absent.
    #[serde(default)]
    pub effect: Option<Effect>,
    /// Seconds for which a `NoExecute` taint is tolerated; for ever if absent.
    #[serde(default)]
    pub toleration_seconds: Option<i64>,
}

/// How a toleration's value is compared with the taint's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Operator {
    /// Whatever the value is.
    Exists,
    /// The same value.
    Equal,
    /// A number less than the taint's (from Kubernetes 1.35 on).
    Lt,
    /// A number greater than the taint's (from Kubernetes 1.35 on).
    Gt,
}

/// What a taint does to pods that do not tolerate it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Effect {
    NoSchedule,
    PreferNoSchedule,
    NoExecute,
}

impl<'de> Deserialize<'de> for Handler {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Quantity;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("a quantity such as 250m or 320Mi")
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Quantity, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Quantity, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Quantity, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Quantity, E> {
                match quantity::nanos(text) {
                    Some(0..) => Ok(Quantity(text.to_owned())),
                    Some(_) => Err(E::custom(format_args!("the quantity {text:?} is below zero"))),
                    None => Err(E::custom(format_args!("{text:?} is not a quantity such as 250m or 320Mi"))),
                }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// Reads a manifest that a template made as the class of that name.
///
/// # Errors
///
/// Anything that is not a `node.k8s.io/v1` RuntimeClass of that name, or that Kubernetes would refuse, with its place.
pub fn class_from_manifest(source: &Arc<Source>, name: &ClassName) -> Result<Class, ValuesError> {
    let mut manifest = yaml::parse(source)?;
    remove_nulls(&mut manifest);
    let mut take = |key: &str| match &mut manifest.value {
        Value::Map(map) => map.remove(key),
        _ => None,
    };
    let (api_version, kind, metadata) = (take("apiVersion"), take("kind"), take("metadata"));
    let start = manifest.place.clone();
    must_be("apiVersion", api_version.as_ref(), "node.k8s.io/v1", &start)?;
    must_be("kind", kind.as_ref(), "RuntimeClass", &start)?;
    let Some(Node { value: Value::Map(mut metadata), place, .. }) = metadata else {
        return Err(ValuesError::new("the metadata must be a map", &start));
    };
    must_be("name", metadata.remove("name").as_ref(), name, &place)?;
    for (key, node) in &metadata {
        if !["labels", "annotations"].contains(&key.as_str()) {
            let message = unknown("key", key, &["name", "labels", "annotations"]);
            return Err(ValuesError::new(message, node.key_place.as_ref().unwrap_or(&node.place)));
        }
    }
    if let Value::Map(fields) = &mut manifest.value {
        fields.append(&mut metadata);
    }
    class(name, &manifest, &start)
}

fn must_be(what: &str, node: Option<&Node>, expected: &str, otherwise: &Place) -> Result<(), ValuesError> {
    match node {
        Some(Node { value: Value::String(text), .. }) if text == expected => Ok(()),
        Some(node) => {
            Err(ValuesError::new(format!("the {what} must be {expected}, found {}", node.to_json()), &node.place))
        }
        None => Err(ValuesError::new(format!("the {what} must be {expected}, and there is none"), otherwise)),
    }
}

/// The classes that merged values define, in order of name.
///
/// # Errors
///
/// Anything that is not as documented or that Kubernetes would refuse, with place and class.
pub fn classes(values: &Node) -> Result<Vec<Class>, ValuesError> {
    let common_labels = strings(values.get("commonLabels"), "commonLabels", Some(names::check_label_value))?;
    let common_annotations = strings(values.get("commonAnnotations"), "commonAnnotations", None)?;
    let mut classes = match values.get("runtimeClasses") {
        None => Vec::new(),
        Some(Node { value: Value::Map(map), .. }) => map
            .iter()
            .map(|(name, node)| class(name, node, node.key_place.as_ref().unwrap_or(&node.place)))
            .collect::<Result<Vec<_>, _>>()?,
        Some(Node { value: Value::List(items), .. }) => list(items)?,
        Some(node) => {
            let message = format!("runtimeClasses must be a map by name, or a list, found {}", node.value.kind());
            return Err(ValuesError::new(message, &node.place));
        }
    };
    for Class { fields, .. } in &mut classes {
        fields.labels = with_common(&common_labels, &fields.labels);
        fields.annotations = with_common(&common_annotations, &fields.annotations);
    }
    classes.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(classes)
}

fn with_common(common: &Strings, own: &Strings) -> Strings {
    common.iter().chain(own).map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// The list form, as the rke2-runtimeclasses chart has it: each item says its own name.
fn list(items: &[Node]) -> Result<Vec<Class>, ValuesError> {
    let mut seen: BTreeMap<ClassName, &Node> = BTreeMap::new();
    let mut classes = Vec::new();
    for item in items {
        let Value::Map(map) = &item.value else {
            return Err(ValuesError::new(
                format!("a class in the list must be a map, found {}", item.value.kind()),
                &item.place,
            ));
        };
        let mut map = map.clone();
        let name = match map.remove("name") {
            Some(Node { value: Value::String(name), place, .. }) => (name, place),
            Some(other) => {
                return Err(ValuesError::new(
                    format!("a class's name must be a string, found {}", other.value.kind()),
                    &other.place,
                ));
            }
            None => return Err(ValuesError::new("a class in the list must have a `name`", &item.place)),
        };
        let class = class(&name.0, &Node { value: Value::Map(map), ..item.clone() }, &name.1)?;
        if let Some(first) = seen.insert(class.name.clone(), item) {
            let message = format!("the class {} is defined twice, first at {}", class.name, first.place);
            return Err(ValuesError::new(message, &name.1).in_class(&class.name));
        }
        classes.push(class);
    }
    Ok(classes)
}

fn class(name: &str, node: &Node, name_place: &Place) -> Result<Class, ValuesError> {
    let valid: ClassName =
        name.parse().map_err(|error: InvalidName| ValuesError::new(error.to_string(), name_place))?;
    let fields = match &node.value {
        Value::Map(_) => decode::<ClassFields>(node).and_then(|fields| check(node, &fields).map(|()| fields)),
        other => Err(ValuesError::new(
            format!("a class must be a map such as {{handler: crun}}, found {}", other.kind()),
            &node.place,
        )),
    };
    // An inline map says little by its first character: the class's name is what a person looks for.
    fields.map(|fields| Class { name: valid, fields }).map_err(|error| error.or_at(name_place).in_class(name))
}

/// The rules between and below the types: what the API server would refuse.
fn check(node: &Node, fields: &ClassFields) -> Result<(), ValuesError> {
    let part = |path: &[&str]| path.iter().try_fold(node, |node, key| node.get(key));
    strings(part(&["labels"]), "labels", Some(names::check_label_value))?;
    strings(part(&["annotations"]), "annotations", None)?;
    strings(part(&["scheduling", "nodeSelector"]), "nodeSelector", Some(names::check_label_value))?;
    if let Some(Node { value: Value::Map(map), .. }) = part(&["overhead", "podFixed"]) {
        check_keys(map)?;
    }
    if let Some(Node { value: Value::List(items), .. }) = part(&["scheduling", "tolerations"]) {
        for (toleration, item) in fields.scheduling.tolerations.iter().zip(items) {
            toleration.check().map_err(|message| ValuesError::new(message, &item.place))?;
        }
    }
    Ok(())
}

impl From<Quantity> for String {
    fn from(quantity: Quantity) -> Self {
        quantity.0
    }
}

impl From<&Toleration> for k8s_openapi::api::core::v1::Toleration {
    fn from(toleration: &Toleration) -> Self {
        Self {
            key: toleration.key.clone(),
            operator: toleration.operator.map(|operator| format!("{operator:?}")),
            value: toleration.value.clone(),
            effect: toleration.effect.map(|effect| format!("{effect:?}")),
            toleration_seconds: toleration.toleration_seconds,
        }
    }
}

impl Toleration {
    fn check(&self) -> Result<(), String> {
        let key = self.key.as_deref().unwrap_or_default();
        let value = self.value.as_deref().unwrap_or_default();
        let operator = self.operator.unwrap_or(Operator::Equal);
        if !key.is_empty() {
            names::check_qualified_name(key).map_err(|error| error.to_string())?;
        } else if operator != Operator::Exists {
            return Err("a toleration without a key needs `operator: Exists`".to_owned());
        }
        if operator == Operator::Exists && !value.is_empty() {
            return Err("a toleration with `operator: Exists` takes no value".to_owned());
        }
        names::check_label_value(value).map_err(|error| error.to_string())?;
        if self.toleration_seconds.is_some() && self.effect != Some(Effect::NoExecute) {
            return Err("tolerationSeconds needs `effect: NoExecute`".to_owned());
        }
        Ok(())
    }
}

fn check_keys(map: &BTreeMap<String, Node>) -> Result<(), ValuesError> {
    map.iter().try_for_each(|(key, node)| {
        names::check_qualified_name(key)
            .map_err(|error| ValuesError::new(error.to_string(), node.key_place.as_ref().unwrap_or(&node.place)))
    })
}

/// A rule for a text.
type Check = fn(&str) -> Result<(), InvalidName>;

/// A map of strings, its keys checked as Kubernetes checks them, and its values by the rule that is given.
fn strings(node: Option<&Node>, what: &str, check_value: Option<Check>) -> Result<Strings, ValuesError> {
    let Some(node) = node else { return Ok(Strings::new()) };
    let Value::Map(map) = &node.value else {
        return Err(ValuesError::new(
            format!("{what} must be a map of strings, found {}", node.value.kind()),
            &node.place,
        ));
    };
    let strings = decode::<Strings>(node)?;
    check_keys(map)?;
    if let Some(check) = check_value {
        for (key, value) in &strings {
            let place = map.get(key).map_or(&node.place, |value| &value.place);
            check(value).map_err(|error| ValuesError::new(error.to_string(), place))?;
        }
    }
    // The marks are Helm's to set: a value of the user's would be overwritten, or make the class foreign.
    let marks = [names::MANAGED_BY_LABEL, names::RELEASE_NAME_ANNOTATION, names::RELEASE_NAMESPACE_ANNOTATION];
    match map.iter().find(|(key, _)| marks.contains(&key.as_str())) {
        Some((key, node)) => Err(ValuesError::new(
            format!("{key} says which release owns the class, and is set by this program alone"),
            node.key_place.as_ref().unwrap_or(&node.place),
        )),
        None => Ok(strings),
    }
}
