//! The fields of a class one by one: what they are, who owns them, and which differ between desired and live.
//!
//! A field is a leaf as server-side apply sees it: a single label, annotation or overhead resource; the handler; the
//! node selector and the tolerations as a whole, since both are atomic.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::node::v1::RuntimeClass;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{FieldsV1, ManagedFieldsEntry};
use serde_json::Value;

use crate::names::FIELD_MANAGER;
use crate::quantity;

const OVERHEAD: &str = "overhead.podFixed.";

/// Path of the one field that cannot be changed.
pub const HANDLER: &str = "handler";

/// The leaves of a class with their values as text, by path: `handler`, `metadata.labels.team`, `overhead.podFixed.cpu`.
#[must_use]
pub fn leaves(class: &RuntimeClass) -> BTreeMap<String, String> {
    let mut leaves = BTreeMap::from([(HANDLER.to_owned(), class.handler.clone())]);
    let mut each = |prefix: &str, map: Option<&BTreeMap<String, String>>| {
        for (key, value) in map.into_iter().flatten() {
            leaves.insert(format!("{prefix}{key}"), value.clone());
        }
    };
    each("metadata.labels.", class.metadata.labels.as_ref());
    each("metadata.annotations.", class.metadata.annotations.as_ref());
    let pod_fixed = class.overhead.iter().flat_map(|overhead| overhead.pod_fixed.iter().flatten());
    leaves.extend(pod_fixed.map(|(name, amount)| (format!("{OVERHEAD}{name}"), amount.0.clone())));
    if let Some(scheduling) = &class.scheduling {
        let mut whole = |path: &str, value: Result<Value, _>| match value {
            Ok(Value::Null) | Err::<_, serde_json::Error>(_) => {}
            Ok(value) => {
                leaves.insert(path.to_owned(), value.to_string());
            }
        };
        whole("scheduling.nodeSelector", serde_json::to_value(&scheduling.node_selector));
        whole("scheduling.tolerations", serde_json::to_value(&scheduling.tolerations));
    }
    leaves
}

/// The leaves, with each quantity in one spelling, so that equal classes have equal leaves.
#[must_use]
pub fn canonical_leaves(class: &RuntimeClass) -> BTreeMap<String, String> {
    let mut leaves = leaves(class);
    for (_, value) in leaves.iter_mut().filter(|(path, _)| path.starts_with(OVERHEAD)) {
        if let Some(amount) = quantity::nanos(value) {
            *value = amount.to_string();
        }
    }
    leaves
}

/// Whether two values of the field at a path mean the same. Quantities do in more than one spelling.
fn same(path: &str, one: &str, other: &str) -> bool {
    one == other || path.starts_with(OVERHEAD) && quantity::same(one, other)
}

/// A field in which a live class is not as desired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Path of the field.
    pub path: String,
    /// Its value now, if it has one.
    pub live: Option<String>,
    /// Its value to be, if it is to have one.
    pub desired: Option<String>,
    /// Other managers that own the field now, and whose value is overruled.
    pub overrules: Vec<String>,
}

/// All fields that a server-side apply of `desired` would touch.
///
/// Those are the fields with another value; those that our own manager owns, but that are desired no longer; and those
/// that have the right value, but are not ours yet, so that they would stay when they are dropped later. An apply that
/// would touch none changes nothing, not even the resourceVersion, and need not be sent.
#[must_use]
pub fn differences(desired: &RuntimeClass, live: &RuntimeClass) -> Vec<Difference> {
    let (wanted, present) = (leaves(desired), leaves(live));
    let owned = owned_by(live, is_our_apply);
    // What Helm 3 wrote goes over to us before the apply, and with it what is desired no longer.
    let inherited = owned_by(live, is_our_update);
    let paths: BTreeSet<&String> = wanted.keys().chain(&owned).chain(&inherited).collect();
    paths
        .into_iter()
        .filter_map(|path| {
            let (desired, now) = (wanted.get(path), present.get(path));
            let equal = matches!((desired, now), (Some(desired), Some(now)) if same(path, desired, now));
            if equal && owned.contains(path) {
                return None;
            }
            let overrules = if equal { Vec::new() } else { other_owners(live, path) };
            Some(Difference { path: path.clone(), live: now.cloned(), desired: desired.cloned(), overrules })
        })
        .collect()
}

/// The `managedFields` of a class that Helm 3 wrote, as Helm 4 rewrites them before its first server-side apply: what the
/// client-side entries of our manager own goes over to its Apply entry. Otherwise a field that leaves the manifest later
/// would stay for ever, since the old entry still owns it. `None` where there is nothing to move.
#[must_use]
pub fn migrated(live: &RuntimeClass) -> Option<Vec<ManagedFieldsEntry>> {
    let (ours, mut rest): (Vec<_>, Vec<_>) =
        live.metadata.managed_fields.clone().unwrap_or_default().into_iter().partition(is_our_update);
    let mut moved = ours.first().cloned()?;
    let apply = rest.iter().position(is_our_apply).map(|index| rest.remove(index));
    let mut fields = Value::Null;
    for entry in ours.into_iter().chain(apply) {
        if let Some(entry) = entry.fields_v1 {
            unite(&mut fields, entry.0);
        }
    }
    moved.operation = Some("Apply".to_owned());
    moved.fields_v1 = Some(FieldsV1(fields));
    rest.push(moved);
    Some(rest)
}

fn unite(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                unite(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) if into.is_null() => *into = from,
        _ => {}
    }
}

/// Whether all desired fields have their values in an answer of the API server: an admission webhook may have changed
/// what was sent. Gives the first field that has not.
#[must_use]
pub fn first_unmet(desired: &RuntimeClass, answer: &RuntimeClass) -> Option<Difference> {
    let present = leaves(answer);
    leaves(desired).into_iter().find_map(|(path, value)| {
        let now = present.get(&path);
        (!now.is_some_and(|now| same(&path, &value, now))).then(|| Difference {
            live: now.cloned(),
            desired: Some(value),
            overrules: Vec::new(),
            path,
        })
    })
}

/// The entry by which the API server remembers what this program, or Helm 4, applied.
fn is_our_apply(entry: &ManagedFieldsEntry) -> bool {
    is_ours(entry, "Apply")
}

/// The entry of Helm 3, which writes client-side under the same name.
fn is_our_update(entry: &ManagedFieldsEntry) -> bool {
    is_ours(entry, "Update")
}

fn is_ours(entry: &ManagedFieldsEntry, operation: &str) -> bool {
    entry.manager.as_deref() == Some(FIELD_MANAGER)
        && entry.operation.as_deref() == Some(operation)
        && entry.subresource.as_deref().unwrap_or_default().is_empty()
}

fn owned_by(live: &RuntimeClass, which: impl Fn(&ManagedFieldsEntry) -> bool) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    for entry in live.metadata.managed_fields.iter().flatten().filter(|entry| which(entry)) {
        if let Some(fields) = &entry.fields_v1 {
            collect(&fields.0, "", &mut paths);
        }
    }
    paths
}

fn other_owners(live: &RuntimeClass, path: &str) -> Vec<String> {
    let entries = live.metadata.managed_fields.iter().flatten();
    let mut owners: Vec<String> = entries
        .filter(|entry| entry.manager.as_deref() != Some(FIELD_MANAGER))
        .filter(|entry| {
            let mut paths = BTreeSet::new();
            entry.fields_v1.iter().for_each(|fields| collect(&fields.0, "", &mut paths));
            paths.contains(path)
        })
        .filter_map(|entry| entry.manager.clone())
        .collect();
    owners.sort();
    owners.dedup();
    owners
}

/// Paths in the form of `managedFields`: nested objects whose keys are `f:NAME`, empty where a leaf ends.
fn collect(fields: &Value, path: &str, into: &mut BTreeSet<String>) {
    let Value::Object(map) = fields else { return };
    if map.is_empty() && !path.is_empty() {
        into.insert(path.to_owned());
    }
    for (key, below) in map {
        // "." stands for the map itself, which is there as long as anything is in it.
        let Some(name) = key.strip_prefix("f:") else { continue };
        let path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        collect(below, &path, into);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn class(value: Value) -> RuntimeClass {
        serde_json::from_value(value).unwrap()
    }

    fn desired() -> RuntimeClass {
        class(json!({
            "metadata": {"name": "crun", "labels": {"a.b/c": "d"}},
            "handler": "crun",
            "overhead": {"podFixed": {"cpu": "0.25"}},
            "scheduling": {"nodeSelector": {"x": "y"}},
        }))
    }

    #[expect(clippy::needless_pass_by_value, reason = "json! makes values")]
    fn entry(manager: &str, operation: &str, fields: Value) -> Value {
        json!({"manager": manager, "operation": operation, "apiVersion": "node.k8s.io/v1", "fieldsType": "FieldsV1", "fieldsV1": fields})
    }

    fn our_fields() -> Value {
        json!({
            "f:metadata": {"f:labels": {"f:a.b/c": {}}},
            "f:handler": {},
            "f:overhead": {"f:podFixed": {"f:cpu": {}}},
            "f:scheduling": {"f:nodeSelector": {}},
        })
    }

    fn live(change: impl Fn(&mut Value), entries: Value) -> RuntimeClass {
        let mut value = serde_json::to_value(desired()).unwrap();
        value["overhead"]["podFixed"]["cpu"] = json!("250m");
        change(&mut value);
        value["metadata"]["managedFields"] = entries;
        class(value)
    }

    fn paths(live: &RuntimeClass) -> Vec<String> {
        differences(&desired(), live).into_iter().map(|difference| difference.path).collect()
    }

    #[test]
    fn what_was_applied_and_not_touched_since_has_no_differences() {
        assert_eq!(paths(&live(|_| {}, json!([entry("helm", "Apply", our_fields())]))), [""; 0]);
    }

    #[test]
    fn a_changed_a_missing_and_a_retyped_field_differ() {
        let live = live(
            |value| {
                value["metadata"]["labels"] = json!({"other": "x"});
                value["overhead"]["podFixed"]["cpu"] = json!("300m");
                value["scheduling"] = json!({"nodeSelector": {"x": "z"}});
            },
            json!([
                entry("helm", "Apply", our_fields()),
                entry("kubectl-edit", "Update", json!({"f:scheduling": {"f:nodeSelector": {}}}))
            ]),
        );
        assert_eq!(paths(&live), ["metadata.labels.a.b/c", "overhead.podFixed.cpu", "scheduling.nodeSelector"]);
        let last = differences(&desired(), &live).pop().unwrap();
        assert_eq!(last.live.unwrap(), r#"{"x":"z"}"#);
        assert_eq!(last.overrules, ["kubectl-edit"]);
    }

    #[test]
    fn a_field_that_we_own_and_want_no_longer_differs() {
        let mut fields = our_fields();
        fields["f:metadata"]["f:annotations"] = json!({".": {}, "f:old": {}});
        let live = live(
            |value| value["metadata"]["annotations"] = json!({"old": "1"}),
            json!([entry("helm", "Apply", fields)]),
        );
        let all = differences(&desired(), &live);
        assert_eq!(all.len(), 1);
        assert_eq!((all[0].path.as_str(), &all[0].desired), ("metadata.annotations.old", &None));
    }

    #[test]
    fn a_field_of_somebody_else_is_none_of_ours() {
        let entries = json!([
            entry("helm", "Apply", our_fields()),
            entry("kubectl-label", "Update", json!({"f:metadata": {"f:labels": {"f:mine": {}}}})),
        ]);
        assert_eq!(paths(&live(|value| value["metadata"]["labels"]["mine"] = json!("1"), entries)), [""; 0]);
    }

    #[test]
    fn right_values_that_we_do_not_own_are_to_be_claimed() {
        let all = ["handler", "metadata.labels.a.b/c", "overhead.podFixed.cpu", "scheduling.nodeSelector"];
        assert_eq!(paths(&live(|_| {}, json!([]))), all);
        let other =
            live(|_| {}, json!([entry("helm", "Update", our_fields()), entry("kubectl", "Apply", our_fields())]));
        assert_eq!(paths(&other), all);
        assert!(differences(&desired(), &other).iter().all(|difference| difference.overrules.is_empty()));
    }

    #[test]
    fn an_answer_that_lacks_a_desired_value_is_unmet() {
        assert_eq!(first_unmet(&desired(), &live(|_| {}, json!([]))), None);
        let changed = live(|value| value["metadata"]["labels"]["a.b/c"] = json!("hooked"), json!([]));
        assert_eq!(first_unmet(&desired(), &changed).unwrap().path, "metadata.labels.a.b/c");
    }
}
