//! The release on a real API server: what is recorded and shown, gone back to and ended, by one run or by many at once.

use std::process::Stdio;

use serde_json::{Value, json};
use xtask::testbed::Request;

use crate::support::{Bed, class_path, pod, records, text};

fn verbs(requests: &[Request]) -> Vec<String> {
    requests.iter().map(|request| format!("{} {}", request.verb, request.resource)).collect()
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
    bed.relabel("crun", "kubectl-label", "theirs");
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
        bed.install(&["-f", &bed.file("v.yaml", &format!("commonLabels: {{step: {label}}}"))]);
    }
    let label = |bed: &Bed| text(&bed.class("crun")["metadata"]["labels"]["step"]).to_owned();
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

/// Runs so many processes at once, each with the arguments of its number, and expects all to succeed.
fn herd(bed: &Bed, count: usize, arguments: impl Fn(usize) -> Vec<String>) {
    let start = |number: usize| {
        let arguments = arguments(number);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        bed.command(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let children: Vec<_> = (0..count).map(start).collect();
    for child in children {
        let ran: crate::support::Ran = child.wait_with_output().unwrap().into();
        ran.exits(0);
    }
}

#[test]
fn runs_at_once_all_end_well() {
    let bed = Bed::new();
    let plain = |_| vec!["install".to_owned()];
    herd(&bed, 20, plain);
    assert_eq!(records(&bed), ["sh.helm.release.v1.runtimeclasses.v1 deployed"]);
    assert_eq!(bed.class_names(), ["crun", "nvidia", "nvidia-experimental"]);
    let mark = bed.mark().unwrap();
    herd(&bed, 20, plain);
    assert!(bed.since(mark).iter().all(|request| !request.is_write()));
}

#[test]
fn runs_at_once_with_different_wishes_end_in_the_newest_one() {
    let bed = Bed::new();
    let files = [
        bed.file(
            "0.yaml",
            "presets: []\ncommonLabels: {wish: \"0\"}\nruntimeClasses: {a: {handler: a}, b: {handler: b}}",
        ),
        bed.file(
            "1.yaml",
            "presets: []\ncommonLabels: {wish: \"1\"}\nruntimeClasses: {b: {handler: b}, c: {handler: c}}",
        ),
    ];
    herd(&bed, 20, |number| ["install", "--history-max", "0", "-f", &files[number % 2]].map(str::to_owned).into());
    let records = records(&bed);
    assert_eq!(records.iter().filter(|record| record.ends_with(" deployed")).count(), 1, "{records:#?}");
    assert!(
        records.iter().all(|record| record.ends_with(" deployed")
            || record.ends_with(" superseded")
            || record.ends_with(" failed")),
        "{records:#?}"
    );
    let newest =
        (1..=records.len()).map(|number| format!("sh.helm.release.v1.runtimeclasses.v{number}")).next_back().unwrap();
    assert!(records.contains(&format!("{newest} deployed")), "{records:#?}");
    // Whichever wish came last, the classes are what it says: a run with it has nothing to do.
    let wish = text(&bed.class("b")["metadata"]["labels"]["wish"]).parse::<usize>().unwrap();
    assert_eq!(bed.class_names(), [["a", "b"], ["b", "c"]][wish]);
    assert_eq!(bed.install(&["-f", &files[wish]]).json()["changed"], false);
}
