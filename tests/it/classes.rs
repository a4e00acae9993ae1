//! What becomes of each class on a real API server: taken, repaired, replaced, pruned, kept, or left alone.

use serde_json::{Value, json};

use crate::support::{Bed, CLASSES, class_path, pod, records, text, version};

fn own_class(name: &str, handler: &str) -> Value {
    json!({"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": name}, "handler": handler})
}

#[test]
fn rke2s_story_stripped_metadata_returns_and_nothing_else_is_touched() {
    let bed = Bed::new();
    bed.create(CLASSES, &own_class("users-own", "runc")).unwrap();
    bed.install(&["rke2-runtimeclasses"]);
    let (crun, nvidia, own) = (bed.class("crun"), bed.class("nvidia"), bed.class("users-own"));
    bed.json_patch(
        &class_path("crun"),
        &json!([{"op": "remove", "path": "/metadata/labels"}, {"op": "remove", "path": "/metadata/annotations"}]),
    )
    .unwrap();
    let ran = bed.install(&["rke2-runtimeclasses"]);
    assert_eq!(ran.actions(), ["crun: repaired", "nvidia: unchanged", "nvidia-experimental: unchanged"]);
    assert_eq!(ran.json()["revision"], 1);
    let after = bed.class("crun");
    for key in ["labels", "annotations", "uid"] {
        assert_eq!(after["metadata"][key], crun["metadata"][key], "{key}");
    }
    assert_eq!(version(&bed.class("nvidia")), version(&nvidia));
    assert_eq!(version(&bed.class("users-own")), version(&own));
    assert_eq!(records(&bed), ["sh.helm.release.v1.rke2-runtimeclasses.v1 deployed"]);
}

#[test]
fn a_foreign_class_ends_the_run_before_anything_is_written() {
    let bed = Bed::new();
    bed.create(CLASSES, &own_class("crun", "crun")).unwrap();
    let mark = bed.mark().unwrap();
    bed.run(&["install"]).exits(3).says(&[
        "1 class belongs to somebody else",
        "crun: no release, written by ",
        "--take-ownership",
        "--existing skip",
        "existing: adopt",
    ]);
    assert!(bed.since(mark).iter().all(|request| !request.is_write()));
    let ran = bed.install(&["--existing", "skip"]);
    assert_eq!(ran.actions(), ["crun: skipped", "nvidia: created", "nvidia-experimental: created"]);
    assert_eq!(bed.class("crun")["metadata"].get("labels"), None);
    // What was skipped is not recorded: it stays foreign.
    bed.run(&["install"]).exits(3);
    let ran = bed.install(&["--take-ownership"]);
    assert_eq!(ran.actions(), ["crun: adopted", "nvidia: unchanged", "nvidia-experimental: unchanged"]);
    assert_eq!(bed.install(&[]).json()["changed"], false);
}

#[test]
fn what_was_adopted_stays_when_the_release_goes() {
    let bed = Bed::new();
    bed.create(CLASSES, &json!({"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "crun", "labels": {"mine": "yes"}}, "handler": "crun"})).unwrap();
    bed.install(&["--take-ownership"]);
    let values = bed.file("v.yaml", "commonLabels: {a: b}");
    bed.install(&["-f", &values]);
    let ran = bed.run(&["uninstall", "-o", "json"]).exits(0);
    assert_eq!(ran.actions(), ["crun: kept", "nvidia: pruned", "nvidia-experimental: pruned"]);
    assert_eq!(ran.json()["status"], "uninstalled");
    assert_eq!(bed.class_names(), ["crun"]);
    let labels = &bed.class("crun")["metadata"]["labels"];
    assert_eq!((labels.get("app.kubernetes.io/managed-by"), &labels["mine"]), (None, &json!("yes")));
    assert!(bed.class("crun")["metadata"].get("annotations").is_none());
    assert_eq!(records(&bed), [""; 0]);
    bed.run(&["uninstall"]).exits(0).says(&["is not installed, nothing to do"]);

    bed.install(&["--take-ownership"]);
    bed.run(&["delete", "--delete-adopted"]).exits(0);
    assert_eq!(bed.class_names(), [""; 0]);
}

#[test]
fn a_class_ruled_by_a_controller_is_left_alone() {
    let bed = Bed::new();
    let mut class = own_class("nvidia", "nvidia");
    class["metadata"]["ownerReferences"] = json!([{
        "apiVersion": "nvidia.com/v1", "kind": "ClusterPolicy", "name": "cluster-policy", "uid": "1b671a64-40d5-491e-99b0-da01ff1f3341", "controller": true
    }]);
    bed.create(CLASSES, &class).unwrap();
    let ran = bed
        .install(&["--take-ownership"])
        .says(&["warning: class nvidia is left alone: the controller ClusterPolicy/cluster-policy"]);
    assert_eq!(ran.actions(), ["crun: created", "nvidia: skipped", "nvidia-experimental: created"]);
    assert!(text(&ran.json()["warnings"][0]).contains("ClusterPolicy"));
    let values = bed.file("v.yaml", "runtimeClasses: {nvidia: {existing: adopt}}");
    assert_eq!(bed.install(&["-f", &values]).actions()[1], "nvidia: adopted");
}

#[test]
fn two_releases_that_define_the_same_class_do_not_fight() {
    let bed = Bed::new();
    bed.install(&["one"]);
    bed.run(&["install", "two"]).exits(3).says(&["crun: the Helm release kube-system/one"]);
    bed.install(&["two", "--take-ownership"]);
    // The first release's record still lists them, and so does the second one's, whose marks they bear.
    bed.run(&["install", "one"]).exits(3).says(&["crun: the Helm release kube-system/two"]);
    // Marks of a release that does not exist are drift.
    bed.run(&["uninstall", "two"]).exits(0);
    bed.merge_patch(&class_path("crun"), &json!({"metadata": {"annotations": {"meta.helm.sh/release-name": "gone", "meta.helm.sh/release-namespace": "kube-system"}}})).unwrap();
    assert_eq!(bed.install(&["one"]).actions()[0], "crun: repaired");
}

#[test]
fn a_changed_handler_is_a_new_object_bound_to_the_old_one() {
    let bed = Bed::new();
    bed.install(&[]);
    let before = bed.class("crun");
    let values = bed.file("v.yaml", "runtimeClasses: {crun: {handler: crun2}}");
    bed.run(&["install", "-f", &values, "--handler-change", "fail"]).exits(6).says(&["crun: crun is to become crun2"]);
    bed.create("/api/v1/namespaces/default/pods", &pod("user", "crun")).unwrap();
    bed.run(&["install", "-f", &values]).exits(6).says(&["crun: pod default/user", "--in-use force"]);
    assert_eq!(version(&bed.class("crun")), version(&before));
    bed.delete("/api/v1/namespaces/default/pods/user").unwrap();
    let ran = bed.install(&["-f", &values]);
    assert_eq!(ran.actions()[0], "crun: recreated");
    let after = bed.class("crun");
    assert_eq!(after["handler"], "crun2");
    assert_ne!(after["metadata"]["uid"], before["metadata"]["uid"]);
    assert_eq!(after["metadata"]["labels"], before["metadata"]["labels"]);
}

#[test]
fn a_handler_that_the_api_server_refuses_leaves_the_old_class_in_place() {
    let bed = Bed::new();
    bed.install(&[]);
    bed.forbid_by_policy("probe", "object.handler != 'crun2'", "crun2 is not for here");
    let values = bed.file("v.yaml", "runtimeClasses: {crun: {handler: crun2}}");
    bed.run(&["install", "-f", &values])
        .exits(7)
        .says(&["could not get its new handler; it is back with the old one", "crun2 is not for here"]);
    assert_eq!(bed.class("crun")["handler"], "crun");
    assert_eq!(records(&bed)[1], "sh.helm.release.v1.runtimeclasses.v2 failed");
    let ran = bed.install(&[]);
    assert_eq!((ran.json()["revision"].clone(), ran.actions()[0].as_str()), (json!(3), "crun: updated"));
}

#[test]
fn a_dropped_class_that_is_in_use_is_kept_until_it_is_not() {
    let bed = Bed::new();
    bed.install(&[]);
    bed.create("/api/v1/namespaces/default/pods", &pod("user", "nvidia")).unwrap();
    let values = bed.file("v.yaml", "runtimeClasses: {nvidia: null}");
    let ran = bed.install(&["-f", &values]);
    assert_eq!(ran.actions()[1], "nvidia: kept");
    assert_eq!(ran.json()["classes"][1]["usedBy"], json!(["pod default/user"]));
    bed.run(&["uninstall"]).exits(6).says(&["nvidia: pod default/user"]);
    assert_eq!(bed.class_names(), ["crun", "nvidia", "nvidia-experimental"]);
    bed.delete("/api/v1/namespaces/default/pods/user").unwrap();
    let ran = bed.install(&["-f", &values]);
    assert_eq!((ran.json()["revision"].clone(), ran.actions()[1].as_str()), (json!(2), "nvidia: pruned"));
    assert_eq!(bed.class_names(), ["crun", "nvidia-experimental"]);
}

#[test]
fn a_pod_template_is_a_user_and_a_finished_pod_is_none() {
    let bed = Bed::new();
    bed.install(&[]);
    bed.create("/api/v1/namespaces/default/pods", &pod("done", "nvidia")).unwrap();
    bed.merge_patch("/api/v1/namespaces/default/pods/done/status", &json!({"status": {"phase": "Succeeded"}})).unwrap();
    let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"runtimeClassName": "crun", "containers": [{"name": "c", "image": "none"}]}});
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "namespace": "default"},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"a": "b"}}, "template": template},
    });
    bed.create("/apis/apps/v1/namespaces/default/deployments", &deployment).unwrap();
    let values = bed.file("v.yaml", "runtimeClasses: {nvidia: null, crun: null}");
    let ran = bed.install(&["-f", &values]);
    assert_eq!(ran.actions(), ["crun: kept", "nvidia: pruned", "nvidia-experimental: unchanged"]);
    assert_eq!(ran.json()["classes"][0]["usedBy"], json!(["deployment default/d"]));
    let ran = bed.install(&["-f", &values, "--in-use", "force"]);
    assert_eq!(ran.actions(), ["crun: pruned", "nvidia-experimental: unchanged"]);
}

#[test]
fn many_users_are_read_in_pages() {
    let bed = Bed::new();
    bed.install(&[]);
    for number in 0..1003 {
        let class = if number == 1002 { "nvidia" } else { "crun" };
        bed.create("/api/v1/namespaces/default/pods", &pod(&format!("p{number:04}"), class)).unwrap();
    }
    let values = bed.file("v.yaml", "runtimeClasses: {nvidia: null}");
    let mark = bed.mark().unwrap();
    assert_eq!(bed.install(&["-f", &values]).actions()[1], "nvidia: kept");
    assert_eq!(bed.since(mark).iter().filter(|request| request.resource == "pods").count(), 3);
}

#[test]
fn a_class_marked_to_be_kept_is_never_deleted() {
    let bed = Bed::new();
    let values = bed.file("keep.yaml", "runtimeClasses: {nvidia: {annotations: {helm.sh/resource-policy: keep}}}");
    bed.install(&["-f", &values]);
    let values = bed.file("v.yaml", "runtimeClasses: {nvidia: null}");
    assert_eq!(bed.install(&["-f", &values]).actions()[1], "nvidia: kept");
    bed.run(&["uninstall"]).exits(0);
    assert_eq!(bed.class_names(), ["nvidia"]);
}

#[test]
fn a_field_that_is_dropped_goes_and_one_of_somebody_else_stays() {
    let bed = Bed::new();
    let values = bed.file("v.yaml", "commonLabels: {ours: \"1\"}");
    bed.install(&["-f", &values]);
    bed.merge_patch(&class_path("crun"), &json!({"metadata": {"labels": {"theirs": "1"}}})).unwrap();
    let ran = bed.install(&[]);
    assert_eq!(ran.actions()[0], "crun: updated");
    assert_eq!(ran.json()["classes"][0]["fields"], json!(["metadata.labels.ours"]));
    assert_eq!(bed.class("crun")["metadata"]["labels"], json!({"theirs": "1", "app.kubernetes.io/managed-by": "Helm"}));
}

#[test]
fn classes_deleted_by_hand_come_back_without_a_revision() {
    let bed = Bed::new();
    bed.install(&[]);
    for name in bed.class_names() {
        bed.delete(&class_path(&name)).unwrap();
    }
    let ran = bed.install(&[]);
    assert_eq!(ran.actions(), ["crun: created", "nvidia: created", "nvidia-experimental: created"]);
    assert_eq!(ran.json()["revision"], 1);
}

#[test]
fn an_answer_that_is_not_what_was_sent_is_no_success() {
    let bed = Bed::new();
    bed.mutate_by_policy("Object{metadata: Object.metadata{labels: {'app.kubernetes.io/managed-by': 'Webhook'}}}");
    bed.run(&["install"]).exits(7).says(&[
        "is not as desired after it was applied",
        "metadata.labels.app.kubernetes.io/managed-by is \"Webhook\", not \"Helm\"",
        "admission",
    ]);
    bed.allow_by_policy("probe");
    assert_eq!(records(&bed), ["sh.helm.release.v1.runtimeclasses.v1 failed"]);
}

#[test]
fn a_stub_is_for_clusters_without_the_handler_and_never_over_a_real_class() {
    let bed = Bed::new();
    let ran = bed.install(&["--stub-handler", "runc"]);
    assert_eq!(ran.actions(), ["crun: created", "nvidia: created", "nvidia-experimental: created"]);
    assert_eq!(bed.class("nvidia")["handler"], "runc");
    assert_eq!(bed.class("nvidia")["metadata"]["labels"]["runtimeclass-installer/stub"], "true");
    let ran = bed.install(&["--stub-handler", "runc"]);
    assert_eq!(ran.json()["changed"], false);

    // The real handlers come, and from then on they stay.
    let ran = bed.install(&[]);
    assert_eq!(ran.actions(), ["crun: recreated", "nvidia: recreated", "nvidia-experimental: recreated"]);
    let crun = bed.class("crun");
    assert_eq!(
        (&crun["handler"], &crun["metadata"]["labels"]["runtimeclass-installer/stub"]),
        (&"crun".into(), &Value::Null)
    );
    let before = records(&bed);
    for command in ["install", "diff"] {
        bed.run(&[command, "--stub-handler", "runc"]).exits(3).says(&[
            "error: 3 classes are no stub and would become one, nothing was done:",
            "\n  crun: handler crun, without the label runtimeclass-installer/stub=true",
        ]);
    }
    assert_eq!(bed.class("crun")["metadata"]["resourceVersion"], crun["metadata"]["resourceVersion"]);
    assert_eq!(records(&bed), before);
    // Not by way of the history either.
    bed.run(&["rollback", "runtimeclasses", "1"]).exits(3).says(&["are no stub"]);
    bed.run(&["status"]).exits(0);
}
