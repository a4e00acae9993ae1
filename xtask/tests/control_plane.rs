//! The test bed keeps what it promises.
#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use xtask::testbed::{ClusterGuard, cluster};

const CLASSES: &str = "/apis/node.k8s.io/v1/runtimeclasses";

fn class(name: &str) -> Value {
    json!({"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": name}, "handler": name})
}

/// A request as a user under test, and its status.
fn read(cluster: &ClusterGuard, user: &str, path: &str) -> u16 {
    cluster.request_as(user, "GET", path, None).unwrap().0
}

#[test]
fn objects_can_be_written_and_read() {
    let cluster = cluster();
    cluster.create(CLASSES, &class("crun")).unwrap();
    let crun = format!("{CLASSES}/crun");
    cluster.json_patch(&crun, &json!([{"op": "add", "path": "/metadata/labels", "value": {"a": "1"}}])).unwrap();
    cluster.merge_patch(&crun, &json!({"metadata": {"labels": {"b": "2"}}})).unwrap();
    let labels = json!({"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"labels": {"c": "3"}},
                        "handler": "crun"});
    cluster.apply(&crun, "tester", true, &labels).unwrap();
    let seen = cluster.get(&crun).unwrap();
    assert_eq!(seen["metadata"]["labels"], json!({"a": "1", "b": "2", "c": "3"}));
    cluster.delete(&crun).unwrap();
    assert_eq!(cluster.find(&crun).unwrap(), None);
    assert!(cluster.get(&crun).unwrap_err().to_string().contains("404"));
}

#[test]
fn every_request_under_test_is_counted_and_no_other() {
    const REQUESTS: usize = 25;
    let cluster = cluster();
    for round in 0..4 {
        let mark = cluster.mark().unwrap();
        for number in 1..=REQUESTS {
            assert_eq!(read(&cluster, "admin", CLASSES), 200);
            // The event must be there as soon as the answer is, so the count is taken after each one.
            let seen = cluster.requests_since(&mark).unwrap();
            assert_eq!(seen.len(), number, "round {round}");
            assert!(seen.iter().all(|one| (one.verb.as_str(), one.resource.as_str()) == ("list", "runtimeclasses")));
            cluster.create(CLASSES, &class("own")).unwrap();
            cluster.delete(&format!("{CLASSES}/own")).unwrap();
        }
    }
}

#[test]
fn a_plain_user_may_nothing_until_it_is_bound() {
    let cluster = cluster();
    let mark = cluster.mark().unwrap();
    assert_eq!(read(&cluster, "user-3", CLASSES), 403);
    let seen = cluster.requests_since(&mark).unwrap();
    assert_eq!(seen.iter().map(|one| one.user.as_str()).collect::<Vec<_>>(), ["user-3"]);
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": "user-3", "labels": {"runtimeclass-installer/test": "true"}},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "user-3"}]});
    cluster.create("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", &binding).unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while read(&cluster, "user-3", CLASSES) != 200 {
        assert!(Instant::now() < deadline, "the binding has no effect");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn the_next_test_gets_an_empty_cluster() {
    const PODS: &str = "/api/v1/namespaces/default/pods";
    const SECRETS: &str = "/api/v1/namespaces/default/secrets";
    let first = cluster();
    let mut kept = class("kept-by-a-finalizer");
    kept["metadata"]["finalizers"] = json!(["example.com/never"]);
    first.create(CLASSES, &kept).unwrap();
    first.create(CLASSES, &class("crun")).unwrap();
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod"},
                     "spec": {"runtimeClassName": "crun", "containers": [{"name": "c", "image": "none"}]}});
    first.create(PODS, &pod).unwrap();
    let secret = |name: &str, kind: &str| {
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name},
                                                 "type": kind})
    };
    first.create(SECRETS, &secret("record", "helm.sh/release.v1")).unwrap();
    first.create(SECRETS, &secret("other", "Opaque")).unwrap();
    drop(first);

    let second = cluster();
    assert!(second.list(CLASSES).unwrap().is_empty());
    assert!(second.list(PODS).unwrap().is_empty());
    let secrets = second.list(SECRETS).unwrap();
    assert_eq!(secrets.iter().map(|one| one["metadata"]["name"].as_str().unwrap()).collect::<Vec<_>>(), ["other"]);
    second.delete(&format!("{SECRETS}/other")).unwrap();
    drop(second);

    let start = Instant::now();
    let _third = cluster();
    println!("an empty cluster was handed out in {:?}", start.elapsed());
}

#[test]
fn data_outlive_the_api_server() {
    let cluster = cluster();
    cluster.create(CLASSES, &class("crun")).unwrap();
    let (url, mark) = (cluster.url().to_owned(), cluster.mark().unwrap());
    assert_eq!(read(&cluster, "admin", CLASSES), 200);
    cluster.stop_api_server();
    assert!(cluster.request_as("admin", "GET", CLASSES, None).is_err());
    cluster.start_api_server().unwrap();
    assert_eq!(cluster.url(), url);
    assert_eq!(read(&cluster, "admin", &format!("{CLASSES}/crun")), 200);
    // The log goes on where it was.
    let verbs: Vec<_> = cluster.requests_since(&mark).unwrap().into_iter().map(|one| one.verb).collect();
    assert_eq!(verbs, ["list", "get"]);
}

#[test]
fn a_test_that_leaves_the_server_stopped_does_not_harm_the_next() {
    let first = cluster();
    first.stop_api_server();
    first.pause_etcd().unwrap();
    drop(first);
    assert!(cluster().list(CLASSES).unwrap().is_empty());
}

/// Refuses an operation on RuntimeClasses, as of when this returns.
fn refuse(cluster: &ClusterGuard, operation: &str, method: &str, path: &str) {
    const ADMISSION: &str = "/apis/admissionregistration.k8s.io/v1";
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": {"name": "no"},
        "spec": {
            "matchConstraints": {"resourceRules": [{"apiGroups": ["node.k8s.io"], "apiVersions": ["v1"],
                                                    "operations": [operation], "resources": ["*"]}]},
            "validations": [{"expression": "false"}]}});
    cluster.create(&format!("{ADMISSION}/validatingadmissionpolicies"), &policy).unwrap();
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "no"}, "spec": {"policyName": "no", "validationActions": ["Deny"]}});
    cluster.create(&format!("{ADMISSION}/validatingadmissionpolicybindings"), &binding).unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    let body = class("other");
    let body = (method == "POST").then_some(("application/json", &body));
    while cluster.request(method, path, body).unwrap().0 < 300 {
        assert!(Instant::now() < deadline, "the policy has no effect");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_policy_of_one_test_has_no_effect_in_the_next() {
    let first = cluster();
    refuse(&first, "CREATE", "POST", &format!("{CLASSES}?dryRun=All"));
    drop(first);
    cluster().create(CLASSES, &class("crun")).unwrap();
}

#[test]
fn a_policy_that_refuses_deletes_keeps_nothing() {
    let first = cluster();
    first.create(CLASSES, &class("crun")).unwrap();
    refuse(&first, "DELETE", "DELETE", &format!("{CLASSES}/crun?dryRun=All"));
    drop(first);
    assert!(cluster().list(CLASSES).unwrap().is_empty());
}

#[test]
fn a_port_that_is_taken_for_a_moment_is_waited_for() {
    let cluster = cluster();
    cluster.stop_api_server();
    let address = cluster.url().trim_start_matches("https://");
    let listener = std::net::TcpListener::bind(address).unwrap();
    let taken = thread::spawn(move || {
        thread::sleep(Duration::from_secs(2));
        drop(listener);
    });
    cluster.start_api_server().unwrap();
    taken.join().unwrap();
    assert!(cluster.list(CLASSES).unwrap().is_empty());
}
