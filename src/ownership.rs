//! Helm's marks of ownership: set here and nowhere else, after rendering, so that no template can forget them.

use k8s_openapi::api::node::v1::RuntimeClass;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::names::{MANAGED_BY_HELM, MANAGED_BY_LABEL, RELEASE_NAME_ANNOTATION, RELEASE_NAMESPACE_ANNOTATION, Release};

/// Marks a class as the release's, as Helm does.
pub fn stamp(class: &mut RuntimeClass, release: &Release) {
    let labels = class.metadata.labels.get_or_insert_default();
    labels.insert(MANAGED_BY_LABEL.to_owned(), MANAGED_BY_HELM.to_owned());
    let annotations = class.metadata.annotations.get_or_insert_default();
    annotations.insert(RELEASE_NAME_ANNOTATION.to_owned(), release.name.to_string());
    annotations.insert(RELEASE_NAMESPACE_ANNOTATION.to_owned(), release.namespace.to_string());
}

/// Whether all three marks name this release. Helm compares exactly, so one that differs makes the object foreign.
#[must_use]
pub fn is_owned(metadata: &ObjectMeta, release: &Release) -> bool {
    let label = metadata.labels.as_ref().and_then(|labels| labels.get(MANAGED_BY_LABEL));
    let annotation =
        |key| metadata.annotations.as_ref().and_then(|annotations| annotations.get(key)).map(String::as_str);
    label.map(String::as_str) == Some(MANAGED_BY_HELM)
        && annotation(RELEASE_NAME_ANNOTATION) == Some(release.name.as_str())
        && annotation(RELEASE_NAMESPACE_ANNOTATION) == Some(release.namespace.as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn release() -> Release {
        Release { name: "classes".parse().unwrap(), namespace: "system".parse().unwrap() }
    }

    #[test]
    fn a_stamped_class_has_helms_three_marks_and_keeps_its_own() {
        let mut class = RuntimeClass::default();
        class.metadata.labels = Some([("a".to_owned(), "b".to_owned())].into());
        stamp(&mut class, &release());
        assert_eq!(
            serde_json::to_value(&class.metadata).unwrap(),
            json!({
                "labels": {"a": "b", "app.kubernetes.io/managed-by": "Helm"},
                "annotations": {"meta.helm.sh/release-name": "classes", "meta.helm.sh/release-namespace": "system"}
            })
        );
        assert!(is_owned(&class.metadata, &release()));
    }

    #[test]
    fn one_mark_that_differs_makes_a_class_foreign() {
        let mut stamped = RuntimeClass::default();
        stamp(&mut stamped, &release());
        for key in [RELEASE_NAME_ANNOTATION, RELEASE_NAMESPACE_ANNOTATION] {
            let mut class = stamped.clone();
            class.metadata.annotations.as_mut().unwrap().insert(key.to_owned(), "other".to_owned());
            assert!(!is_owned(&class.metadata, &release()), "{key}");
        }
        stamped.metadata.labels = None;
        assert!(!is_owned(&stamped.metadata, &release()));
        assert!(!is_owned(&ObjectMeta::default(), &release()));
    }
}
