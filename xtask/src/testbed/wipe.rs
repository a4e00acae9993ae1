//! Emptying a cluster between two tests.

mod policies;

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::ControlPlane;

/// What tests leave behind: the API, the plural, and which of them. Admission comes first, for it might refuse the rest.
const LEFTOVERS: &[(&str, &str, &str)] = &[
    ("/apis/admissionregistration.k8s.io/v1", "validatingadmissionpolicybindings", ""),
    ("/apis/admissionregistration.k8s.io/v1", "validatingadmissionpolicies", ""),
    ("/apis/admissionregistration.k8s.io/v1", "mutatingadmissionpolicybindings", ""),
    ("/apis/admissionregistration.k8s.io/v1", "mutatingadmissionpolicies", ""),
    ("/apis/admissionregistration.k8s.io/v1", "validatingwebhookconfigurations", ""),
    ("/apis/admissionregistration.k8s.io/v1", "mutatingwebhookconfigurations", ""),
    ("/apis/apps/v1", "deployments", ""),
    ("/apis/apps/v1", "statefulsets", ""),
    ("/apis/apps/v1", "daemonsets", ""),
    ("/apis/batch/v1", "cronjobs", ""),
    ("/apis/batch/v1", "jobs", ""),
    ("/api/v1", "pods", ""),
    ("/api/v1", "nodes", ""),
    ("/apis/node.k8s.io/v1", "runtimeclasses", ""),
    ("/api/v1", "secrets", "?fieldSelector=type%3Dhelm.sh%2Frelease.v1"),
    ("/api/v1", "configmaps", "?labelSelector=owner%3Dhelm"),
    ("/apis/rbac.authorization.k8s.io/v1", "clusterrolebindings", TESTS_ONLY),
    ("/apis/rbac.authorization.k8s.io/v1", "clusterroles", TESTS_ONLY),
    ("/apis/rbac.authorization.k8s.io/v1", "rolebindings", TESTS_ONLY),
    ("/apis/rbac.authorization.k8s.io/v1", "roles", TESTS_ONLY),
];

const TESTS_ONLY: &str = "?labelSelector=runtimeclass-installer%2Ftest%3Dtrue";

impl ControlPlane {
    /// Deletes what tests leave behind. Takes some 20 ms where there is nothing.
    ///
    /// # Errors
    /// When something cannot be deleted.
    pub fn wipe(&self) -> Result<()> {
        // Mostly there is nothing, and then asking is all that takes time.
        let paths: Vec<_> = LEFTOVERS.iter().map(|(api, plural, query)| format!("{api}/{plural}{query}")).collect();
        let mut policies = false;
        for ((api, plural, _), answer) in LEFTOVERS.iter().zip(self.get_all(&paths)?) {
            let objects = answer["items"].as_array().with_context(|| format!("no list of {plural}: {answer}"))?;
            policies |= plural.contains("admissionpolic") && !objects.is_empty();
            for object in objects {
                self.remove(api, plural, object).with_context(|| format!("deleting one of the {plural}"))?;
            }
        }
        if policies { policies::await_gone(self) } else { Ok(()) }
    }

    fn remove(&self, api: &str, plural: &str, object: &Value) -> Result<()> {
        let name = object["metadata"]["name"].as_str().context("an object without a name")?;
        let path = match object["metadata"]["namespace"].as_str() {
            Some(namespace) => format!("{api}/namespaces/{namespace}/{plural}/{name}"),
            None => format!("{api}/{plural}/{name}"),
        };
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let (code, answer) = self.try_remove(&path, object)?;
            if matches!(code, 200 | 202 | 404) {
                return Ok(());
            }
            // Admission that is deleted already may refuse for a moment yet.
            if Instant::now() > deadline {
                bail!("{path}: {code} {}", answer["message"]);
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn try_remove(&self, path: &str, object: &Value) -> Result<(u16, Value)> {
        // Nobody runs here who would see to finalizers.
        if object["metadata"]["finalizers"].is_array() {
            let none = json!({"metadata": {"finalizers": null}});
            let answer = self.request("PATCH", path, Some(("application/merge-patch+json", &none)))?;
            if answer.0 != 200 {
                return Ok(answer);
            }
        }
        self.request("DELETE", &format!("{path}?gracePeriodSeconds=0&propagationPolicy=Background"), None)
    }
}
