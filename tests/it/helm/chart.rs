//! The user's own chart: what the record says is that chart's, and Helm goes on with it.

use serde_json::{Value, json};

use super::*;

with_each_helm! {
    the_record_is_the_users_charts_and_helm_goes_on_with_it
    another_version_of_the_chart_is_a_revision
}

/// The test's chart as `helm package` packs it.
fn package(pair: &Pair, version: &str) -> String {
    let folder = pair.folder.path().to_str().unwrap();
    pair.helm(&["package", &pair.chart, "--version", version, "-d", folder]);
    format!("{folder}/rke2-runtimeclasses-{version}.tgz")
}

fn the_record_is_the_users_charts_and_helm_goes_on_with_it(pair: &Pair) {
    let chart = package(pair, "0.1.0");
    let ran = pair.ours(&["install", "--chart", &chart]);
    assert_eq!(ran.actions(), CLASSES.map(|name| format!("{name}: created")));
    pair.is_deployed(1);
    let listed = &pair.helm_json(&["list", "-A"])[0];
    assert_eq!([&listed["chart"], &listed["app_version"]], ["rke2-runtimeclasses-0.1.0", "1.0"]);
    assert_eq!(pair.helm_json(&["get", "values", "runtimeclasses"]), json!({}));
    let mut all = pair.helm_json(&["get", "values", "runtimeclasses", "--all"]);
    pair.helm(&["get", "all", "runtimeclasses"]);

    // Helm finds the same chart with the same values.
    pair.helm_makes("upgrade", &[]);
    pair.is_deployed(2);
    // A null among defaults is none when Helm 4 has read them itself.
    let mut helms = pair.helm_json(&["get", "values", "runtimeclasses", "--all"]);
    for values in [&mut all, &mut helms] {
        values["odd"].as_object_mut().unwrap().remove("none");
    }
    assert_eq!(all, helms);
    let [mut ours, theirs] = [1, 2].map(|revision| pair.records()[&revision].json["chart"].clone());
    // Where this program remembers what it adopted.
    ours["metadata"].as_object_mut().unwrap().remove("annotations");
    assert_eq!(ours["metadata"], theirs["metadata"]);
    assert_eq!(sorted_templates(&ours), sorted_templates(&theirs));
    pair.finds_nothing_to_do(&["--chart", &chart]);

    let values = pair.values("{tier: gold}");
    pair.run(&["diff", "--chart", &chart, "-f", &values]).exits(1);
    pair.ours(&["install", "--chart", &chart, "-f", &values]);
    pair.is_deployed(3);
    assert_eq!(pair.label("tier"), "gold");
    pair.helm(&["rollback", "runtimeclasses", "1"]);
    pair.is_deployed(4);
    assert_eq!(pair.label("tier"), Value::Null);
    pair.finds_nothing_to_do(&["--chart", &chart]);
}

fn sorted_templates(chart: &Value) -> Vec<(String, String)> {
    let templates = chart["templates"].as_array().unwrap().iter();
    let mut templates: Vec<_> =
        templates.map(|file| (text(&file["name"]).to_owned(), text(&file["data"]).to_owned())).collect();
    templates.sort();
    templates
}

fn another_version_of_the_chart_is_a_revision(pair: &Pair) {
    pair.ours(&["install", "--chart", &package(pair, "0.1.0")]);
    let ran = pair.ours(&["install", "--chart", &package(pair, "0.2.0")]);
    assert_eq!(ran.actions(), CLASSES.map(|name| format!("{name}: unchanged")));
    pair.is_deployed(2);
    assert_eq!(pair.helm_json(&["list", "-A"])[0]["chart"], "rke2-runtimeclasses-0.2.0");
    // Without a chart it is this program's own.
    pair.ours(&["install"]);
    pair.is_deployed(3);
    assert_eq!(pair.history(), ["1 superseded", "2 superseded", "3 deployed"]);
}
