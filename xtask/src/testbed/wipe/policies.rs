//! Waiting until deleted admission policies have no effect any more.
//!
//! The API server takes its policies over about once a second, all at the same time. So a policy of our own, made after
//! the others were deleted, shows when they are gone: as soon as it refuses something.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::{Value, json};

use crate::testbed::ControlPlane;

const API: &str = "/apis/admissionregistration.k8s.io/v1";
const CANARY: &str = "testbed-canary";

pub(super) fn await_gone(plane: &ControlPlane) -> Result<()> {
    let object = |kind: &str, spec: Value| json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": CANARY}, "spec": spec});
    let rule = json!({"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]});
    let policy = json!({
        "matchConstraints": {"resourceRules": [rule]},
        "matchConditions": [{"name": "canary", "expression": format!("object.metadata.name == '{CANARY}'")}],
        "validations": [{"expression": "false"}],
    });
    let binding = json!({"policyName": CANARY, "validationActions": ["Deny"]});
    let plurals = ["validatingadmissionpolicies", "validatingadmissionpolicybindings"];
    plane.create(&format!("{API}/{}", plurals[0]), &object("ValidatingAdmissionPolicy", policy))?;
    plane.create(&format!("{API}/{}", plurals[1]), &object("ValidatingAdmissionPolicyBinding", binding))?;
    let result = await_refusal(plane);
    for plural in plurals {
        plane.delete(&format!("{API}/{plural}/{CANARY}"))?;
    }
    result
}

fn await_refusal(plane: &ControlPlane) -> Result<()> {
    let canary = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": CANARY}});
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let path = "/api/v1/namespaces/default/configmaps?dryRun=All";
        let (code, answer) = plane.request("POST", path, Some(("application/json", &canary)))?;
        // A policy of the last test may refuse it as well; only the canary names itself.
        if code >= 400 && answer["message"].as_str().is_some_and(|message| message.contains(&format!("'{CANARY}'"))) {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("admission policies take no effect: {code} {answer}");
        }
        thread::sleep(Duration::from_millis(20));
    }
}
