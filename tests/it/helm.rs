//! Both Helms work on what this program wrote, and it on what they wrote: real Helms, on a real API server.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::ops::Deref;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use xtask::testbed::assets::{self, Program};

use crate::support::{Bed, Ran, class_path, text};

/// Runs each test with each Helm, as a test of its own, so that a failure says with which.
macro_rules! with_each_helm {
    ($($test:ident)*) => {
        mod helm_3 {
            use super::*;
            $(#[test] fn $test() { super::$test(&Pair::new(Program::Helm3)); })*
        }
        mod helm_4 {
            use super::*;
            $(#[test] fn $test() { super::$test(&Pair::new(Program::Helm4)); })*
        }
    };
}

// Below the macro, which it uses.
mod chart;

with_each_helm! {
    helm_shows_what_we_installed
    helm_upgrades_what_we_installed_and_we_go_on
    what_helm_added_to_our_classes_goes_when_we_install_without_it
    helm_rolls_back_to_our_revision
    helm_uninstalls_what_we_installed
    we_show_what_helm_installed
    we_upgrade_roll_back_and_uninstall_what_helm_installed
    fields_that_helm_wrote_on_the_clients_side_go_when_they_are_dropped
    a_failed_upgrade_of_helms_is_recovered
    a_failed_install_of_helms_is_recovered
    an_upgrade_that_helm_never_ended_is_recovered
    an_install_of_ours_that_was_never_ended_is_finished
    what_we_do_not_know_of_helms_records_stays
    what_we_adopted_is_remembered_through_helms_upgrades
    records_in_config_maps_are_shared_too
    labels_of_the_release_go_both_ways
    the_limit_of_the_history_is_helms
    a_history_that_we_keep_is_helms_to_read
    a_history_that_helm_keeps_is_ours_to_go_on_with
}

/// The rke2-runtimeclasses chart, but that a class may have labels, so that an upgrade has something to change. The
/// further values are what JSON from Go and JSON from Rust could disagree on.
const CHART: [(&str, &str); 4] = [
    ("Chart.yaml", "apiVersion: v2\nname: rke2-runtimeclasses\nversion: 0.1.0\nappVersion: \"1.0\"\n"),
    (
        "values.yaml",
        "runtimeClasses:\n- {name: nvidia, handler: nvidia}\n- {name: nvidia-experimental, handler: nvidia-experimental}\n\
         - {name: crun, handler: crun}\n\
         odd: {float: 0.1, whole: 1.0, large: 9007199254740993, huge: 1e21, text: \"<a&b>\\u2028ä\", none: null, empty: [{}, []]}\n",
    ),
    (
        "templates/runtimeclasses.yaml",
        "{{- range .Values.runtimeClasses }}\n---\napiVersion: node.k8s.io/v1\nkind: RuntimeClass\nmetadata:\n  name: {{ .name }}\n  \
         {{- with .labels }}\n  labels:\n    {{- toYaml . | nindent 4 }}\n  {{- end }}\nhandler: {{ .handler }}\n{{- end }}\n",
    ),
    ("templates/NOTES.txt", "{{ len .Values.runtimeClasses }} classes\n"),
];

const CLASSES: [&str; 3] = ["crun", "nvidia", "nvidia-experimental"];

/// A record as it is stored: labels of the object, and its JSON.
#[derive(Debug, Clone, PartialEq)]
struct Stored {
    labels: Value,
    json: Value,
}

impl Stored {
    fn status(&self) -> &str {
        text(&self.json["info"]["status"])
    }
}

/// Paths at which two values differ.
fn differing(path: &str, one: &Value, other: &Value) -> Vec<String> {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let keys: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            let each = |key: &String| match (one.get(key), other.get(key)) {
                (Some(one), Some(other)) => differing(&format!("{path}/{key}"), one, other),
                _ => vec![format!("{path}/{key}")],
            };
            keys.into_iter().flat_map(each).collect()
        }
        _ if one == other => Vec::new(),
        _ => vec![path.to_owned()],
    }
}

/// This program and a Helm, side by side on one cluster.
struct Pair {
    bed: Bed,
    helm: Program,
    path: PathBuf,
    chart: String,
    storage: Cell<&'static str>,
}

impl Deref for Pair {
    type Target = Bed;

    fn deref(&self) -> &Bed {
        &self.bed
    }
}

impl Pair {
    fn new(helm: Program) -> Self {
        let path = assets::path(helm).unwrap();
        let bed = Bed::new();
        for (name, content) in CHART {
            bed.file(&format!("chart/{name}"), content);
        }
        let chart = bed.folder.path().join("chart").to_str().unwrap().to_owned();
        Self { bed, helm, path, chart, storage: Cell::new("secret") }
    }

    /// Runs Helm in its own home, whatever comes of it.
    fn try_helm(&self, arguments: &[&str]) -> Ran {
        let home = self.folder.path().join("helm");
        let mut command = Command::new(&self.path);
        command.env_clear().env("HOME", &home).env("HELM_DRIVER", self.storage.get()).stdin(Stdio::null());
        for kind in ["CACHE", "CONFIG", "DATA"] {
            command.env(format!("HELM_{kind}_HOME"), home.join(kind));
        }
        command.args(arguments).arg("--kubeconfig").arg(self.kubeconfig());
        if !arguments.contains(&"-A") {
            command.args(["-n", "kube-system"]);
        }
        command.output().unwrap().into()
    }

    /// Runs Helm and expects it to succeed.
    #[track_caller]
    fn helm(&self, arguments: &[&str]) -> String {
        self.try_helm(arguments).exits(0).stdout
    }

    #[track_caller]
    fn helm_json(&self, arguments: &[&str]) -> Value {
        let ran = self.try_helm(&[arguments, &["-o", "json"]].concat()).exits(0);
        ran.json()
    }

    /// `helm install` or `helm upgrade` with the test's chart.
    #[track_caller]
    fn helm_makes(&self, verb: &str, arguments: &[&str]) {
        self.helm(&[&[verb, "runtimeclasses", &self.chart], arguments].concat());
    }

    /// Runs this program and expects it to succeed; and to leave each record that is still there as it was, but for its
    /// status: what this program does not know in a record is Helm's.
    #[track_caller]
    fn ours(&self, arguments: &[&str]) -> Ran {
        let before = self.records();
        let ran = self.run(&[arguments, &["-o", "json", "--storage", self.storage.get()]].concat()).exits(0);
        let after = self.records();
        for (revision, was) in before {
            let Some(is) = after.get(&revision) else { continue };
            let mut changed = differing("/record", &was.json, &is.json);
            changed.extend(differing("/labels", &was.labels, &is.labels));
            changed.retain(|path| {
                !["/record/info/status", "/labels/status", "/labels/modifiedAt"].contains(&path.as_str())
            });
            assert_eq!(changed, [""; 0], "of revision {revision} after {arguments:?}");
        }
        ran
    }

    fn record_paths(&self) -> Vec<String> {
        let all = format!("/api/v1/namespaces/kube-system/{}s", self.storage.get());
        let objects = self.list(&format!("{all}?labelSelector=owner%3Dhelm%2Cname%3Druntimeclasses")).unwrap();
        objects.iter().map(|object| format!("{all}/{}", text(&object["metadata"]["name"]))).collect()
    }

    /// The release's records by revision, decoded here and not by the program.
    #[track_caller]
    fn records(&self) -> BTreeMap<u64, Stored> {
        let read = |path: &String| {
            let object = self.get(path).unwrap();
            let json = self.decoded(text(&object["data"]["release"]));
            (json["version"].as_u64().unwrap(), Stored { labels: object["metadata"]["labels"].clone(), json })
        };
        self.record_paths().iter().map(read).collect()
    }

    fn decoded(&self, data: &str) -> Value {
        let mut packed = STANDARD.decode(data).unwrap();
        if self.storage.get() == "secret" {
            packed = STANDARD.decode(packed).unwrap();
        }
        let mut json = String::new();
        GzDecoder::new(packed.as_slice()).read_to_string(&mut json).unwrap();
        serde_json::from_str(&json).unwrap()
    }

    /// Stores a record with changes of the test's.
    fn rewrite(&self, revision: u64, labels: &Value, change: impl FnOnce(&mut Value)) {
        let mut record = self.records().remove(&revision).unwrap();
        change(&mut record.json);
        let mut packed = GzEncoder::new(Vec::new(), Compression::best());
        packed.write_all(record.json.to_string().as_bytes()).unwrap();
        let data = STANDARD.encode(STANDARD.encode(packed.finish().unwrap()));
        let path = format!("/api/v1/namespaces/kube-system/secrets/sh.helm.release.v1.runtimeclasses.v{revision}");
        self.merge_patch(&path, &json!({"metadata": {"labels": labels}, "data": {"release": data}})).unwrap();
    }

    /// Moves a record to another status, as a writer that was killed would have left it; and years back, so that nobody
    /// takes that writer for alive.
    fn set_status(&self, revision: u64, status: &str) {
        let labels = json!({"status": status, "createdAt": "1577836800", "modifiedAt": null});
        self.rewrite(revision, &labels, |json| {
            json["info"]["status"] = status.into();
            json["info"]["last_deployed"] = "2020-01-01T00:00:00Z".into();
        });
    }

    /// Values in the chart's form, with these labels on the class crun.
    fn values(&self, labels: &str) -> String {
        let list = "- {name: nvidia, handler: nvidia}\n- {name: nvidia-experimental, handler: nvidia-experimental}\n";
        self.file(
            &format!("values{}.yaml", labels.replace(|sign: char| !sign.is_ascii_alphanumeric(), "-")),
            &format!("runtimeClasses:\n{list}- {{name: crun, handler: crun, labels: {labels}}}\n"),
        )
    }

    /// A label of the class crun, null if it has none of that name.
    fn label(&self, name: &str) -> Value {
        self.class("crun")["metadata"]["labels"][name].clone()
    }

    /// Managers and operations of the class crun, as `helm/Apply`.
    fn managers(&self) -> Vec<String> {
        let class = self.class("crun");
        let entries = class["metadata"]["managedFields"].as_array().unwrap();
        entries.iter().map(|entry| format!("{}/{}", text(&entry["manager"]), text(&entry["operation"]))).collect()
    }

    /// Asserts what Helm and the records say: this revision is deployed, and no other.
    #[track_caller]
    fn is_deployed(&self, revision: u64) {
        let status = self.helm_json(&["status", "runtimeclasses"]);
        assert_eq!((&status["info"]["status"], &status["version"]), (&json!("deployed"), &json!(revision)));
        let all = self.helm_json(&["list", "-A"]);
        assert_eq!(all.as_array().unwrap().len(), 1, "{all}");
        assert_eq!((&all[0]["status"], &all[0]["revision"]), (&json!("deployed"), &json!(revision.to_string())));
        let records = self.records();
        let deployed: Vec<u64> =
            records.iter().filter(|(_, stored)| stored.status() == "deployed").map(|(revision, _)| *revision).collect();
        assert_eq!(deployed, [revision]);
        for stored in records.values() {
            assert_eq!(stored.labels["status"], stored.json["info"]["status"]);
        }
    }

    /// Status of each revision, as both tell it.
    #[track_caller]
    fn history(&self) -> Vec<String> {
        const KEYS: [&str; 7] =
            ["revision", "updated", "status", "chart", "app_version", "description", "rollback_revision"];
        // Helm 3 does not know the last one.
        let keys = &KEYS[..if self.helm == Program::Helm3 { 6 } else { 7 }];
        let helms = self.helm_json(&["history", "runtimeclasses"]);
        let ours = self.ours(&["history"]).json();
        let lines = |history: &Value| -> Vec<Value> {
            let lines = history.as_array().unwrap().iter();
            lines.map(|line| keys.iter().map(|key| line[*key].clone()).collect()).collect()
        };
        assert_eq!(lines(&ours), lines(&helms));
        let helms = helms.as_array().unwrap();
        helms.iter().map(|line| format!("{} {}", line["revision"], text(&line["status"]))).collect()
    }

    /// Asserts that a run with these arguments finds all as it should be: two reads, no write, no revision.
    #[track_caller]
    fn finds_nothing_to_do(&self, arguments: &[&str]) {
        let before = self.records();
        let mark = self.mark().unwrap();
        let ran = self.run(&[&["install", "-o", "json", "--storage", self.storage.get()], arguments].concat()).exits(0);
        let requests = self.since(mark);
        let verbs: Vec<&str> = requests.iter().map(|request| request.verb.as_str()).collect();
        assert_eq!(verbs, ["list", "list"], "{requests:#?}");
        assert_eq!(ran.json()["changed"], json!(false));
        assert_eq!(self.records(), before);
    }

    /// Asserts that nothing of the release is left.
    #[track_caller]
    fn is_gone(&self) {
        assert_eq!(self.class_names(), [""; 0]);
        assert_eq!(self.record_paths(), [""; 0]);
        assert_eq!(self.helm_json(&["list", "-A"]), json!([]));
    }
}

fn helm_shows_what_we_installed(pair: &Pair) {
    let values = pair.values("{tier: gold}");
    pair.ours(&["install", "-f", &values]);
    pair.is_deployed(1);
    let chart = concat!(env!("CARGO_PKG_NAME"), "-", env!("CARGO_PKG_VERSION"));
    let listed = &pair.helm_json(&["list", "-A"])[0];
    assert_eq!(
        [&listed["name"], &listed["namespace"], &listed["revision"], &listed["chart"], &listed["app_version"]],
        ["runtimeclasses", "kube-system", "1", chart, env!("CARGO_PKG_VERSION")]
    );
    let status = pair.helm(&["status", "runtimeclasses"]);
    assert!(status.contains("STATUS: deployed"), "{status}");
    assert_eq!(pair.history(), ["1 deployed"]);

    let user = pair.helm_json(&["get", "values", "runtimeclasses"]);
    assert_eq!(user["runtimeClasses"][2], json!({"name": "crun", "handler": "crun", "labels": {"tier": "gold"}}));
    let all = pair.helm_json(&["get", "values", "runtimeclasses", "--all"]);
    assert_eq!(all["runtimeClasses"], user["runtimeClasses"]);
    let metadata = pair.helm_json(&["get", "metadata", "runtimeclasses"]);
    assert_eq!(
        [&metadata["chart"], &metadata["version"], &metadata["status"]],
        [env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"), "deployed"]
    );
    assert_eq!(pair.helm(&["get", "hooks", "runtimeclasses"]).trim(), "");
    pair.helm(&["get", "notes", "runtimeclasses"]);

    let manifest = pair.helm(&["get", "manifest", "runtimeclasses"]);
    let classes: Vec<Value> = serde_yaml::from_multiple(&manifest).unwrap();
    let classes: Vec<&Value> = classes.iter().filter(|class| !class.is_null()).collect();
    let names: Vec<&str> = classes.iter().map(|class| text(&class["metadata"]["name"])).collect();
    assert_eq!(names, CLASSES);
    assert_eq!(classes[0]["metadata"], json!({"name": "crun", "labels": {"tier": "gold"}}));
    assert_eq!(classes[1]["metadata"], json!({"name": "nvidia"}));
    let everything = pair.helm(&["get", "all", "runtimeclasses"]);
    assert!(everything.contains(manifest.trim()), "{everything}");
}

fn helm_upgrades_what_we_installed_and_we_go_on(pair: &Pair) {
    pair.ours(&["install"]);
    let values = pair.values("{tier: gold}");
    pair.helm_makes("upgrade", &["-f", &values]);
    assert_eq!(pair.history(), ["1 superseded", "2 deployed"]);
    assert_eq!(pair.label("tier"), "gold");

    // The same classes, but not the same chart.
    pair.ours(&["install", "-f", &values]);
    pair.is_deployed(3);
    assert_eq!(pair.history(), ["1 superseded", "2 superseded", "3 deployed"]);
    assert_eq!(pair.label("tier"), "gold");
    pair.finds_nothing_to_do(&["-f", &values]);

    // Helm without values keeps those of the last revision, so they have to be Helm's kind of values.
    pair.helm_makes("upgrade", &[]);
    pair.is_deployed(4);
    assert_eq!(pair.label("tier"), "gold");
}

/// Helm 3 writes fields under an entry that a server-side apply does not look at.
fn what_helm_added_to_our_classes_goes_when_we_install_without_it(pair: &Pair) {
    pair.ours(&["install"]);
    pair.helm_makes("upgrade", &["-f", &pair.values("{tier: gold}")]);
    assert_eq!(pair.label("tier"), "gold");
    let ran = pair.ours(&["install"]);
    assert_eq!(pair.label("tier"), Value::Null);
    assert_eq!(ran.actions(), ["crun: updated", "nvidia: unchanged", "nvidia-experimental: unchanged"]);
    assert_eq!(ran.json()["classes"][0]["fields"], json!(["metadata.labels.tier"]));
    assert_eq!(pair.managers(), ["helm/Apply"]);
    pair.finds_nothing_to_do(&[]);
}

fn helm_rolls_back_to_our_revision(pair: &Pair) {
    pair.ours(&["install"]);
    pair.helm_makes("upgrade", &["-f", &pair.values("{tier: gold}")]);
    pair.helm(&["rollback", "runtimeclasses", "1"]);
    pair.is_deployed(3);
    assert_eq!(pair.label("tier"), Value::Null);
    assert_eq!(pair.history(), ["1 superseded", "2 superseded", "3 deployed"]);
    // Helm copied our chart and values, so that there is nothing to record.
    pair.ours(&["install"]);
    pair.is_deployed(3);
    pair.finds_nothing_to_do(&[]);
    pair.ours(&["install", "-f", &pair.values("{tier: silver}")]);
    pair.is_deployed(4);
    assert_eq!(pair.label("tier"), "silver");
}

fn helm_uninstalls_what_we_installed(pair: &Pair) {
    pair.ours(&["install"]);
    pair.ours(&["install", "-f", &pair.values("{tier: gold}")]);
    pair.helm(&["uninstall", "runtimeclasses"]);
    pair.is_gone();
    let ran = pair.ours(&["install"]);
    assert_eq!(ran.actions(), CLASSES.map(|name| format!("{name}: created")));
    pair.is_deployed(1);
}

fn we_show_what_helm_installed(pair: &Pair) {
    pair.helm_makes("install", &[]);
    let status = pair.ours(&["status"]).json();
    assert_eq!(
        [&status["status"], &status["chart"], &status["description"]],
        ["deployed", "rke2-runtimeclasses-0.1.0", "Install complete"]
    );
    let seen = status["classes"].as_array().unwrap().iter().map(|class| (text(&class["name"]), text(&class["state"])));
    assert_eq!(seen.collect::<Vec<_>>(), CLASSES.map(|name| (name, "in-sync")));
    assert_eq!(pair.history(), ["1 deployed"]);

    let diff = pair.run(&["diff", "-f", &pair.values("{tier: gold}")]).exits(1).stdout;
    assert!(diff.contains("\n+ metadata.labels.tier: gold\n"), "{diff}");
    assert!(diff.contains("revision 2 would be recorded"), "{diff}");
    pair.is_deployed(1);
    assert_eq!(pair.label("tier"), Value::Null);
}

fn we_upgrade_roll_back_and_uninstall_what_helm_installed(pair: &Pair) {
    pair.helm_makes("install", &[]);
    let manifest = pair.helm(&["get", "manifest", "runtimeclasses"]);
    let uid = pair.class("crun")["metadata"]["uid"].clone();

    let ran = pair.ours(&["install", "-f", &pair.values("{tier: gold}")]);
    assert_eq!(ran.actions()[0], "crun: updated");
    pair.is_deployed(2);
    assert_eq!(pair.label("tier"), "gold");

    pair.ours(&["rollback", "runtimeclasses", "1"]);
    pair.is_deployed(3);
    assert_eq!(pair.label("tier"), Value::Null);
    assert_eq!(pair.helm(&["get", "manifest", "runtimeclasses"]), manifest);
    assert_eq!(pair.helm_json(&["list", "-A"])[0]["chart"], "rke2-runtimeclasses-0.1.0");
    assert_eq!(pair.helm(&["get", "notes", "runtimeclasses"]).trim(), "NOTES:\n3 classes");
    assert_eq!(pair.history(), ["1 superseded", "2 superseded", "3 deployed"]);
    assert_eq!(pair.class("crun")["metadata"]["uid"], uid);

    // Helm goes on from there as if it had done it all.
    pair.helm_makes("upgrade", &["-f", &pair.values("{tier: silver}")]);
    pair.is_deployed(4);
    assert_eq!(pair.label("tier"), "silver");

    pair.ours(&["uninstall"]);
    pair.is_gone();
    // Nothing that would keep Helm from starting anew.
    pair.helm_makes("install", &[]);
    pair.is_deployed(1);
}

fn fields_that_helm_wrote_on_the_clients_side_go_when_they_are_dropped(pair: &Pair) {
    let client_side: &[&str] = if pair.helm == Program::Helm4 { &["--server-side=false"] } else { &[] };
    let both = pair.values("{team: infra, tier: gold}");
    pair.helm_makes("install", &[&["-f", &both], client_side].concat());
    assert_eq!(pair.managers(), ["helm/Update"]);
    let before = pair.class("crun");

    pair.ours(&["install", "-f", &pair.values("{team: infra}")]);
    assert_eq!((pair.label("team"), pair.label("tier")), (json!("infra"), Value::Null));
    assert_eq!(pair.managers(), ["helm/Apply"]);
    assert_eq!(pair.class("nvidia")["metadata"]["managedFields"][0]["operation"], "Apply");
    assert_eq!(pair.class("crun")["metadata"]["uid"], before["metadata"]["uid"]);
    pair.finds_nothing_to_do(&["-f", &pair.values("{team: infra}")]);

    pair.ours(&["install", "-f", &pair.values("{}")]);
    assert_eq!(pair.label("team"), Value::Null);
    assert_eq!(pair.managers(), ["helm/Apply"]);
    pair.is_deployed(3);

    // And Helm takes over again, in its own way.
    pair.helm_makes("upgrade", &["-f", &both]);
    pair.is_deployed(4);
    assert_eq!((pair.label("team"), pair.label("tier")), (json!("infra"), json!("gold")));
}

/// Values with a class that the API server refuses, and a change that goes through.
fn broken(pair: &Pair) -> String {
    let list =
        "runtimeClasses:\n- {name: crun, handler: crun, labels: {tier: gold}}\n- {name: wrong, handler: Not_Valid}\n";
    pair.file("broken.yaml", list)
}

fn a_failed_upgrade_of_helms_is_recovered(pair: &Pair) {
    pair.ours(&["install"]);
    let failed = pair.try_helm(&["upgrade", "runtimeclasses", &pair.chart, "-f", &broken(pair)]);
    failed.exits(1).says(&["Not_Valid"]);
    assert_eq!(pair.history(), ["1 deployed", "2 failed"]);

    pair.ours(&["install"]);
    pair.is_deployed(3);
    assert_eq!(pair.history(), ["1 superseded", "2 failed", "3 deployed"]);
    assert_eq!(pair.class_names(), CLASSES);
    assert_eq!(pair.label("tier"), Value::Null);
    pair.finds_nothing_to_do(&[]);

    pair.helm_makes("upgrade", &["-f", &pair.values("{tier: silver}")]);
    pair.is_deployed(4);
    assert_eq!(pair.label("tier"), "silver");
}

fn a_failed_install_of_helms_is_recovered(pair: &Pair) {
    let failed = pair.try_helm(&["install", "runtimeclasses", &pair.chart, "-f", &broken(pair)]);
    failed.exits(1).says(&["Not_Valid"]);
    assert_eq!(pair.history(), ["1 failed"]);
    pair.ours(&["install"]);
    pair.is_deployed(2);
    assert_eq!(pair.history(), ["1 failed", "2 deployed"]);
    assert_eq!(pair.class_names(), CLASSES);
    pair.helm_makes("upgrade", &[]);
    pair.is_deployed(3);
}

/// The state in which a release is stuck for ever with Helm alone (rke2 issue 1124).
fn an_upgrade_that_helm_never_ended_is_recovered(pair: &Pair) {
    pair.helm_makes("install", &[]);
    let values = pair.values("{tier: gold}");
    pair.helm_makes("upgrade", &["-f", &values]);
    pair.set_status(1, "deployed");
    pair.set_status(2, "pending-upgrade");
    let refused = pair.try_helm(&["upgrade", "runtimeclasses", &pair.chart]);
    refused.exits(1).says(&["another operation (install/upgrade/rollback) is in progress"]);

    // Not by way of `ours`: that the second was not ended is noted in its description.
    pair.install(&["-f", &pair.values("{tier: silver, team: infra}")]);
    pair.is_deployed(3);
    assert_eq!(pair.history(), ["1 superseded", "2 failed", "3 deployed"]);
    assert_eq!(pair.label("tier"), "silver");

    pair.helm_makes("upgrade", &["-f", &values]);
    pair.is_deployed(4);
    assert_eq!(pair.label("tier"), "gold");
}

fn an_install_of_ours_that_was_never_ended_is_finished(pair: &Pair) {
    pair.ours(&["install"]);
    pair.set_status(1, "pending-install");
    pair.delete(&class_path("crun")).unwrap();
    let refused = pair.try_helm(&["upgrade", "runtimeclasses", &pair.chart]);
    refused.exits(1).says(&["another operation (install/upgrade/rollback) is in progress"]);
    assert_eq!(pair.ours(&["install"]).actions()[0], "crun: created");
    pair.is_deployed(1);
    pair.helm_makes("upgrade", &[]);
    assert_eq!(pair.history(), ["1 superseded", "2 deployed"]);
}

/// A later Helm may write more than those of today.
fn what_we_do_not_know_of_helms_records_stays(pair: &Pair) {
    pair.helm_makes("install", &["--labels", "team=infra"]);
    let more = json!({"numbers": [0.1, 1e21, -1, 9_007_199_254_740_993_u64], "none": null, "text": "<a&b>\u{2028}"});
    pair.rewrite(1, &json!({"later.helm.sh/label": "x"}), |json| {
        json["later"] = more.clone();
        json["info"]["later"] = more.clone();
        json["chart"]["metadata"]["later"] = more.clone();
    });
    // That the rest of it stays is what `ours` looks at.
    pair.ours(&["install"]);
    let record = pair.records().remove(&1).unwrap();
    assert_eq!(record.status(), "superseded");
    let chart = &record.json["chart"]["metadata"];
    assert_eq!([&record.json["later"], &record.json["info"]["later"], &chart["later"]], [&more; 3]);
    assert_eq!([&record.labels["later.helm.sh/label"], &record.labels["team"]], ["x", "infra"]);
}

/// Helm leaves out of the records that it rewrites what it does not know.
fn what_we_adopted_is_remembered_through_helms_upgrades(pair: &Pair) {
    let crun = json!({"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "crun"}, "handler": "crun"});
    pair.create("/apis/node.k8s.io/v1/runtimeclasses", &crun).unwrap();
    assert_eq!(pair.ours(&["install", "--take-ownership"]).actions()[0], "crun: adopted");
    pair.helm_makes("upgrade", &["-f", &pair.values("{tier: gold}")]);
    pair.ours(&["uninstall"]);
    assert_eq!(pair.class_names(), ["crun"]);
}

fn records_in_config_maps_are_shared_too(pair: &Pair) {
    let secrets = || pair.list("/api/v1/namespaces/kube-system/secrets?labelSelector=owner%3Dhelm").unwrap().len();
    pair.storage.set("configmap");
    pair.ours(&["install"]);
    pair.is_deployed(1);
    pair.helm_makes("upgrade", &["-f", &pair.values("{tier: gold}")]);
    assert_eq!(pair.history(), ["1 superseded", "2 deployed"]);
    pair.ours(&["install"]);
    pair.is_deployed(3);
    assert_eq!(pair.label("tier"), Value::Null);
    pair.finds_nothing_to_do(&[]);
    pair.helm(&["rollback", "runtimeclasses", "2"]);
    assert_eq!(pair.label("tier"), "gold");
    pair.ours(&["rollback"]);
    pair.is_deployed(5);
    assert_eq!(pair.label("tier"), Value::Null);
    pair.ours(&["uninstall"]);
    pair.is_gone();

    pair.helm_makes("install", &[]);
    pair.ours(&["install", "-f", &pair.values("{tier: gold}")]);
    assert_eq!(pair.history(), ["1 superseded", "2 deployed"]);
    pair.helm(&["uninstall", "runtimeclasses"]);
    pair.is_gone();
    assert_eq!(secrets(), 0);
}

fn labels_of_the_release_go_both_ways(pair: &Pair) {
    let names = |selector: &str| pair.helm_json(&["list", "-A", "-l", selector]).as_array().unwrap().len();
    pair.ours(&["install", "--labels", "team=infra"]);
    assert_eq!((names("team=infra"), names("team=other")), (1, 0));
    pair.finds_nothing_to_do(&["--labels", "team=infra"]);

    // Helm keeps them, and adds its user's.
    pair.helm_makes("upgrade", &["--labels", "tier=gold"]);
    assert_eq!(names("team=infra,tier=gold"), 1);
    let labels = pair.records()[&2].labels.clone();
    assert_eq!([&labels["team"], &labels["tier"]], ["infra", "gold"]);
    let metadata = pair.helm_json(&["get", "metadata", "runtimeclasses"]);
    if pair.helm == Program::Helm4 {
        assert_eq!([&metadata["labels"]["team"], &metadata["labels"]["tier"]], ["infra", "gold"]);
    }

    // What Helm wrote is a part of the revision.
    pair.ours(&["install"]);
    assert_eq!((names("team=infra"), names("tier=gold")), (0, 0));
    pair.ours(&["rollback", "runtimeclasses", "2"]);
    pair.is_deployed(4);
    assert_eq!(names("team=infra,tier=gold"), 1);
}

fn the_limit_of_the_history_is_helms(pair: &Pair) {
    for number in 1..=5 {
        pair.ours(&["install", "--history-max", "3", "-f", &pair.values(&format!("{{tier: \"{number}\"}}"))]);
    }
    pair.is_deployed(5);
    assert_eq!(pair.history(), ["3 superseded", "4 superseded", "5 deployed"]);
    // The next one counts those that are there, whoever wrote them.
    pair.helm_makes("upgrade", &["--history-max", "10"]);
    pair.ours(&["install", "--history-max", "2"]);
    assert_eq!(pair.history(), ["6 superseded", "7 deployed"]);
}

fn a_history_that_we_keep_is_helms_to_read(pair: &Pair) {
    pair.ours(&["install"]);
    pair.ours(&["install", "-f", &pair.values("{tier: gold}")]);
    pair.run(&["uninstall", "--keep-history"]).exits(0);
    assert_eq!(pair.class_names(), [""; 0]);
    assert_eq!(pair.history(), ["1 superseded", "2 uninstalled"]);
    let shown = pair.helm_json(&["list", "-A", "--uninstalled"]);
    assert_eq!((&shown[0]["status"], &shown[0]["revision"]), (&json!("uninstalled"), &json!("2")));
    let status = pair.helm_json(&["status", "runtimeclasses"]);
    assert!(text(&status["info"]["deleted"]).starts_with("20"), "no time of the deletion: {status}");

    let ran = pair.ours(&["install"]);
    assert_eq!(ran.actions(), CLASSES.map(|name| format!("{name}: created")));
    pair.is_deployed(3);
    pair.run(&["uninstall", "--keep-history"]).exits(0);
    // Helm brings an uninstalled release back from its history.
    pair.helm(&["rollback", "runtimeclasses", "2"]);
    pair.is_deployed(4);
    assert_eq!(pair.class_names(), CLASSES);
    assert_eq!(pair.label("tier"), "gold");
}

fn a_history_that_helm_keeps_is_ours_to_go_on_with(pair: &Pair) {
    pair.helm_makes("install", &[]);
    pair.helm(&["uninstall", "runtimeclasses", "--keep-history"]);
    assert_eq!(pair.history(), ["1 uninstalled"]);
    let ran = pair.ours(&["install"]);
    assert_eq!(ran.actions(), CLASSES.map(|name| format!("{name}: created")));
    pair.is_deployed(2);
    pair.helm_makes("upgrade", &["-f", &pair.values("{tier: gold}")]);
    pair.is_deployed(3);
    assert_eq!(pair.label("tier"), "gold");
}
