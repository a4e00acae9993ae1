//! The release on a real API server: what is recorded, taken, replaced, pruned and refused.

use serde_json::{Value, json};
use xtask::testbed::Request;

use crate::support::{Bed, class_path, records, text};

const MARKS: [&str; 3] = ["/metadata/labels", "/metadata/annotations", "/metadata"];

fn version(class: &Value) -> &str {
    text(&class["metadata"]["resourceVersion"])
}

fn verbs(requests: &[Request]) -> Vec<String> {
    requests.iter().map(|request| format!("{} {}", request.verb, request.resource)).collect()
}

fn own_class(name: &str, handler: &str) -> Value {
    json!({"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": name}, "handler": handler})
}

const CLASSES: &str = "/apis/node.k8s.io/v1/runtimeclasses";

fn pod(name: &str, class: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"runtimeClassName": class, "containers": [{"name": "c", "image": "none"}]},
    })
}

#[test]
fn rke2s_story_stripped_metadata_returns_and_nothing_else_is_touched() {
    let bed = Bed::new();
    bed.create(CLASSES, &own_class("users-own", "runc")).unwrap();
    bed.install(&["rke2-runtimeclasses"]);
    let (crun, nvidia, own) = (bed.class("crun"), bed.class("nvidia"), bed.class("users-own"));
    let strip: Vec<Value> = MARKS[..2].iter().map(|path| json!({"op": "remove", "path": path})).collect();
    bed.json_patch(&class_path("crun"), &json!(strip)).unwrap();
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
fn nothing_changed_is_two_reads() {
    let bed = Bed::new();
    bed.install(&[]);
    let mark = bed.mark().unwrap();
    let ran = bed.install(&[]);
    let mut requests = verbs(&bed.since(mark));
    requests.sort();
    assert_eq!(requests, ["list runtimeclasses", "list secrets"]);
    assert_eq!(ran.json()["requests"], json!({"read": 2, "write": 0}));
    assert_eq!(ran.json()["changed"], false);
    assert_eq!(records(&bed), ["sh.helm.release.v1.runtimeclasses.v1 deployed"]);
}

#[test]
fn a_change_is_written_in_helms_order() {
    let bed = Bed::new();
    let mark = bed.mark().unwrap();
    bed.install(&[]);
    let first = verbs(&bed.since(mark));
    assert_eq!(
        first[2..],
        ["create secrets", "patch runtimeclasses", "patch runtimeclasses", "patch runtimeclasses", "update secrets"]
    );
    let values = bed.file("v.yaml", "commonLabels: {a: b}\nruntimeClasses: {nvidia: null}");
    let mark = bed.mark().unwrap();
    let ran = bed.install(&["-f", &values]);
    assert_eq!(ran.actions(), ["crun: updated", "nvidia: pruned", "nvidia-experimental: updated"]);
    let requests = bed.since(mark);
    let writes: Vec<&Request> = requests.iter().filter(|request| request.is_write()).collect();
    assert_eq!(writes[0].verb, "create");
    assert_eq!(writes[4].name, "sh.helm.release.v1.runtimeclasses.v1");
    assert_eq!(writes[5].name, "sh.helm.release.v1.runtimeclasses.v2");
    assert_eq!(writes.len(), 6);
    assert_eq!(
        records(&bed),
        ["sh.helm.release.v1.runtimeclasses.v1 superseded", "sh.helm.release.v1.runtimeclasses.v2 deployed"]
    );
    assert_eq!(bed.class_names(), ["crun", "nvidia-experimental"]);
}

#[test]
fn values_that_change_nothing_in_the_classes_are_still_a_revision() {
    let bed = Bed::new();
    bed.install(&[]);
    let values = bed.file("v.yaml", "global: {a: 1}");
    let ran = bed.install(&["-f", &values]);
    assert_eq!(ran.json()["revision"], 2);
    assert_eq!(ran.actions(), ["crun: unchanged", "nvidia: unchanged", "nvidia-experimental: unchanged"]);
    assert_eq!(bed.install(&["-f", &values, "--labels", "team=infra"]).json()["revision"], 3);
    assert_eq!(bed.install(&["-f", &values, "--labels", "team=infra"]).json()["revision"], 3);
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
fn a_damaged_record_is_named_and_the_classes_are_repaired_all_the_same() {
    let bed = Bed::new();
    bed.install(&[]);
    bed.merge_patch(
        "/api/v1/namespaces/kube-system/secrets/sh.helm.release.v1.runtimeclasses.v1",
        &json!({"data": {"release": "aGVsbG8="}}),
    )
    .unwrap();
    bed.json_patch(&class_path("crun"), &json!([{"op": "remove", "path": "/metadata/labels"}])).unwrap();
    bed.run(&["install"]).exits(7).says(&[
        "kube-system/sh.helm.release.v1.runtimeclasses.v1 is damaged",
        "delete it and run again",
        "because: it is not base64",
    ]);
    assert_eq!(bed.class("crun")["metadata"]["labels"]["app.kubernetes.io/managed-by"], "Helm");
    bed.run(&["status"]).exits(7).says(&["is damaged"]);
    bed.run(&["uninstall"]).exits(0);
    assert_eq!((bed.class_names(), records(&bed)), (Vec::new(), Vec::new()));
}

#[test]
fn a_damaged_old_record_is_no_obstacle() {
    let bed = Bed::new();
    bed.install(&[]);
    bed.install(&["--labels", "a=b"]);
    bed.merge_patch(
        "/api/v1/namespaces/kube-system/secrets/sh.helm.release.v1.runtimeclasses.v1",
        &json!({"data": {"release": "aGVsbG8="}}),
    )
    .unwrap();
    assert_eq!(bed.install(&["--labels", "a=c"]).json()["revision"], 3);
}

#[test]
fn a_secret_that_is_not_helms_is_not_overwritten() {
    let bed = Bed::new();
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "sh.helm.release.v1.mine.v1", "namespace": "default"}});
    bed.create("/api/v1/namespaces/default/secrets", &secret).unwrap();
    bed.run(&["install", "mine", "-n", "default"])
        .exits(7)
        .says(&["the Secret default/sh.helm.release.v1.mine.v1 is in the way"]);
    assert_eq!(bed.class_names(), [""; 0]);
    bed.delete("/api/v1/namespaces/default/secrets/sh.helm.release.v1.mine.v1").unwrap();
}

#[test]
fn revisions_go_on_after_a_gap_and_the_oldest_go() {
    let bed = Bed::new();
    for number in 1..=5 {
        bed.install(&["--labels", &format!("n=x{number}"), "--history-max", "3"]);
    }
    assert_eq!(
        records(&bed),
        [
            "sh.helm.release.v1.runtimeclasses.v3 superseded",
            "sh.helm.release.v1.runtimeclasses.v4 superseded",
            "sh.helm.release.v1.runtimeclasses.v5 deployed"
        ]
    );
    bed.delete("/api/v1/namespaces/kube-system/secrets/sh.helm.release.v1.runtimeclasses.v4").unwrap();
    assert_eq!(bed.install(&["--labels", "n=x6"]).json()["revision"], 6);
    bed.delete("/api/v1/namespaces/kube-system/secrets/sh.helm.release.v1.runtimeclasses.v6").unwrap();
    assert_eq!(bed.install(&["--labels", "n=x7"]).json()["revision"], 6);
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
fn what_admission_refuses_ends_the_run_and_a_dry_run_tells_beforehand() {
    let bed = Bed::new();
    bed.forbid_by_policy("nvidia", "object.metadata.name != 'nvidia'", "no GPUs here");
    let mark = bed.mark().unwrap();
    bed.run(&["install", "--dry-run=server"]).exits(7).says(&["apply the RuntimeClass nvidia", "no GPUs here"]);
    let ran = bed.run(&["install", "--dry-run", "-o", "json"]).exits(0);
    assert_eq!((ran.json()["dryRun"].clone(), ran.json()["revision"].clone()), (json!("client"), json!(1)));
    assert!(bed.since(mark).iter().all(|request| !request.is_write() || request.uri.contains("dryRun=All")));
    assert_eq!((bed.class_names(), records(&bed)), (Vec::new(), Vec::new()));
    bed.run(&["install"]).exits(7).says(&["no GPUs here"]);
    assert_eq!(records(&bed), ["sh.helm.release.v1.runtimeclasses.v1 failed"]);
    bed.allow_by_policy("nvidia");
    assert_eq!(bed.install(&[]).json()["revision"], 2);
    assert_eq!(records(&bed)[1], "sh.helm.release.v1.runtimeclasses.v2 deployed");
}

#[test]
fn every_missing_verb_is_told_at_once() {
    let bed = Bed::new();
    let all = [
        ("node.k8s.io", "runtimeclasses", ["list", "create", "patch", "delete"].as_slice(), ""),
        ("", "secrets", &["list", "create", "update", "delete"], " in namespace kube-system"),
        ("", "pods", &["list"], ""),
    ];
    bed.install(&[]);
    bed.create("/api/v1/namespaces/default/pods", &pod("user", "crun")).unwrap();
    let values = bed.file("v.yaml", "commonLabels: {a: b}\nruntimeClasses: {nvidia: null, nvidia-experimental: {handler: other}, new: {handler: new}}");
    for (group, resource, verbs, place) in all {
        for missing in verbs {
            let rules: Vec<Value> = all
                .iter()
                .map(|(g, r, v, _)| {
                    let granted: Vec<&&str> =
                        v.iter().filter(|verb| !((g, r) == (&group, &resource) && verb == &missing)).collect();
                    json!({"apiGroups": [g], "resources": [r], "verbs": granted})
                })
                .filter(|rule| rule["verbs"] != json!([]))
                .collect();
            bed.grant("user-1", &rules);
            let mut command =
                Bed::command_as(&bed.kubeconfig_for("user-1"), &["install", "-f", &values, "--history-max", "1"]);
            let ran: crate::support::Ran = command.output().unwrap().into();
            let name = if group.is_empty() { (*resource).to_owned() } else { format!("{resource}.{group}") };
            ran.exits(5)
                .says(&[&format!("permissions are missing, grant: {missing} {name}{place}\n"), "403 Forbidden"]);
            bed.run(&["uninstall", "--in-use", "force"]).exits(0);
            bed.install(&[]);
        }
    }
    bed.grant("user-1", &[]);
    let ran: crate::support::Ran =
        Bed::command_as(&bed.kubeconfig_for("user-1"), &["install"]).output().unwrap().into();
    ran.exits(5)
        .says(&["grant: list runtimeclasses.node.k8s.io; create runtimeclasses.node.k8s.io; patch", "; list pods"]);
}

#[test]
fn diff_shows_each_field_and_whose_it_is() {
    let bed = Bed::new();
    let ran = bed.run(&["diff"]).exits(1);
    assert!(
        ran.stdout.contains(
            "crun (created)\n+ handler: crun\n+ metadata.annotations.meta.helm.sh/release-name: runtimeclasses\n"
        ),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("release: revision 1 would be recorded\n"));
    let values = bed.file("v.yaml", "commonLabels: {team: infra}");
    bed.install(&["-f", &values]);
    bed.run(&["diff", "-f", &values]).exits(0);
    let change = json!({"metadata": {"labels": {"team": "theirs"}}});
    bed.request(
        "PATCH",
        &format!("{}?fieldManager=kubectl-label", class_path("crun")),
        Some(("application/merge-patch+json", &change)),
    )
    .unwrap();
    let ran = bed.run(&["diff", "-f", &values]).exits(1);
    assert_eq!(
        ran.stdout,
        "crun (repaired)\n- metadata.labels.team: theirs   (set by kubectl-label)\n+ metadata.labels.team: infra\n"
    );
    bed.run(&["diff", "-f", "gone"]).exits(2);
    assert_eq!(bed.class("crun")["metadata"]["labels"]["team"], "theirs");
}

#[test]
fn status_says_how_each_class_stands() {
    let bed = Bed::new();
    bed.run(&["status"]).exits(7).says(&["the release kube-system/runtimeclasses is not installed"]);
    let values = bed.file("v.yaml", "runtimeClasses: {gvisor: {handler: runsc}}");
    bed.install(&["-f", &values]);
    bed.delete(&class_path("gvisor")).unwrap();
    bed.json_patch(&class_path("crun"), &json!([{"op": "remove", "path": "/metadata/labels"}])).unwrap();
    bed.install(&[
        "thief",
        "--take-ownership",
        "-f",
        &bed.file("t.yaml", "presets: []\nruntimeClasses: {nvidia: {handler: nvidia}}"),
    ]);
    bed.create("/api/v1/namespaces/default/pods", &pod("user", "crun")).unwrap();
    let ran = bed.run(&["status", "-o", "json"]).exits(0);
    let json = ran.json();
    let states: Vec<(&str, &str)> =
        json["classes"].as_array().unwrap().iter().map(|class| (text(&class["name"]), text(&class["state"]))).collect();
    assert_eq!(
        states,
        [("crun", "drifted"), ("gvisor", "missing"), ("nvidia", "foreign"), ("nvidia-experimental", "in-sync")]
    );
    assert_eq!(json["classes"][0]["usedBy"], json!(["pod default/user"]));
    assert_eq!((text(&json["status"]), &json["revision"]), ("deployed", &json!(1)));
    let table = bed.run(&["status"]).exits(0).stdout;
    assert!(
        table.starts_with("release kube-system/runtimeclasses: deployed\nrevision 1, chart runtimeclass-installer-"),
        "{table}"
    );
    assert!(table.contains("NAME                  HANDLER               STATE     USERS   FIELDS\n"), "{table}");
}

#[test]
fn rollback_goes_to_what_was_deployed_before_or_to_a_revision() {
    let bed = Bed::new();
    bed.run(&["rollback"]).exits(2).says(&["is not installed"]);
    for label in ["one", "two", "three"] {
        bed.install(&["-f", &bed.file("v.yaml", &format!("commonLabels: {{n: {label}}}"))]);
    }
    let label = |bed: &Bed| text(&bed.class("crun")["metadata"]["labels"]["n"]).to_owned();
    let ran = bed.run(&["rollback", "-o", "json"]).exits(0);
    assert_eq!((ran.json()["revision"].clone(), label(&bed)), (json!(4), "two".to_owned()));
    bed.run(&["rollback", "runtimeclasses", "1"]).exits(0);
    assert_eq!(label(&bed), "one");
    bed.run(&["rollback", "runtimeclasses", "9"]).exits(2).says(&["has no revision 9, there are 1, 2, 3, 4, 5"]);
    let lines = bed.run(&["history"]).exits(0).stdout;
    assert!(lines.lines().last().unwrap().ends_with("Rollback to 1"), "{lines}");
    assert_eq!(records(&bed)[4], "sh.helm.release.v1.runtimeclasses.v5 deployed");
}

#[test]
fn an_uninstalled_release_can_keep_its_history() {
    let bed = Bed::new();
    bed.install(&[]);
    bed.run(&["uninstall", "--keep-history"]).exits(0);
    assert_eq!(
        (bed.class_names(), records(&bed)),
        (Vec::new(), vec!["sh.helm.release.v1.runtimeclasses.v1 uninstalled".to_owned()])
    );
    bed.run(&["uninstall", "--keep-history"]).exits(0).says(&["nothing to do"]);
    assert_eq!(bed.install(&[]).json()["revision"], 2);
}

#[test]
fn records_can_be_config_maps_and_the_namespace_can_be_made() {
    let bed = Bed::new();
    bed.run(&["install", "-n", "fresh-one"]).exits(7).says(&["namespaces \"fresh-one\" not found", "404"]);
    bed.install(&["-n", "fresh-one", "--create-namespace", "--storage", "configmap"]);
    let maps = bed.list("/api/v1/namespaces/fresh-one/configmaps").unwrap();
    assert!(maps.iter().any(|map| map["metadata"]["name"] == "sh.helm.release.v1.runtimeclasses.v1"));
    assert_eq!(bed.install(&["-n", "fresh-one", "--storage", "configmaps"]).json()["changed"], false);
    let mut command = bed.command(&["uninstall", "-n", "fresh-one"]);
    command.env("HELM_DRIVER", "configmap");
    let ran: crate::support::Ran = command.output().unwrap().into();
    ran.exits(0);
    assert_eq!(bed.class_names(), [""; 0]);
}
