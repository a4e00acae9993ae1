use serde_json::json;

use super::*;

fn values(texts: &[&str]) -> Result<Values, ValuesError> {
    let sources: Vec<_> =
        texts.iter().enumerate().map(|(index, text)| Source::new(format!("{index}.yaml"), *text)).collect();
    Values::new(&Layers::of_files(sources))
}

fn names(texts: &[&str]) -> Vec<String> {
    values(texts).unwrap().classes.iter().map(|class| class.name.to_string()).collect()
}

#[track_caller]
fn assert_refused(text: &str, expected: &str) {
    let error = values(&[text]).map(|values| values.classes).unwrap_err().to_string();
    assert!(error.starts_with(expected), "{text}\n--- gave\n{error}\n--- expected\n{expected}");
}

#[test]
fn without_values_there_are_the_three_classes_of_rke2() {
    assert_eq!(names(&[]), ["crun", "nvidia", "nvidia-experimental"]);
}

#[test]
fn the_map_form_adds_to_the_preset_changes_it_and_null_removes() {
    assert_eq!(
        names(&["runtimeClasses: {kata: {handler: kata-qemu}, nvidia: null}"]),
        ["crun", "kata", "nvidia-experimental"]
    );
    let values = values(&["runtimeClasses: {crun: {handler: crun2}}"]).unwrap();
    assert_eq!(values.classes[0].fields.handler.as_str(), "crun2");
}

#[test]
fn the_list_form_is_everything() {
    assert_eq!(
        names(&["runtimeClasses: {kata: {handler: kata}}", "runtimeClasses: [{name: gvisor, handler: runsc}]"]),
        ["gvisor"]
    );
    assert_eq!(names(&["runtimeClasses: []"]), [""; 0]);
}

#[test]
fn no_presets_is_a_clean_slate() {
    assert_eq!(names(&["presets: []\nruntimeClasses: {a: {handler: a}}"]), ["a"]);
    assert_eq!(names(&["presets: null"]), [""; 0]);
}

#[test]
fn common_labels_are_below_the_classs_own() {
    let values = values(&[
        "commonLabels: {team: infra, tier: x}\ncommonAnnotations: {a: b}\nruntimeClasses: {crun: {labels: {tier: z}}}",
    ])
    .unwrap();
    let crun = serde_json::to_value(&values.classes[0]).unwrap();
    assert_eq!(crun["labels"], json!({"team": "infra", "tier": "z"}));
    assert_eq!(crun["annotations"], json!({"a": "b"}));
}

#[test]
fn the_users_values_are_kept_apart_from_the_merged_ones() {
    let values = values(&["runtimeClasses: {nvidia: null}\nglobal: {a: 1}\nextra: 1"]).unwrap();
    assert_eq!(values.user, json!({"runtimeClasses": {"nvidia": null}, "global": {"a": 1}, "extra": 1}));
    assert_eq!(values.merged["presets"], json!(["rke2"]));
    assert_eq!(values.merged["runtimeClasses"]["crun"], json!({"handler": "crun"}));
    assert!(values.merged["runtimeClasses"].get("nvidia").is_none());
    assert_eq!(values.unknown, ["0.yaml:3:1: `extra` is not read by this program"]);
}

#[test]
fn quantities_may_be_numbers() {
    let values =
        values(&["runtimeClasses: {crun: {overhead: {podFixed: {cpu: 1, memory: 64Mi, example.com/x: 0.5}}}}"])
            .unwrap();
    let crun = serde_json::to_value(&values.classes[0]).unwrap();
    assert_eq!(crun["overhead"], json!({"podFixed": {"cpu": "1", "memory": "64Mi", "example.com/x": "0.5"}}));
}

#[test]
fn a_mistake_is_told_with_file_line_column_and_class() {
    let error = values(&["a: 1", "runtimeClasses:\n  crun:\n    handlr: crun\n"]).unwrap_err().to_string();
    assert_eq!(
        error,
        "1.yaml:3:5: unknown key `handlr`, did you mean `handler`? (class crun)\n  |\n3 |     handlr: crun\n  |     ^"
    );
}

#[test]
fn what_kubernetes_would_refuse_is_refused_here() {
    let class = |fields: &str| format!("runtimeClasses:\n  kata:\n    handler: kata\n    {fields}\n");
    for (text, expected) in [
        (class("colour: red"), "0.yaml:4:5: unknown key `colour`, known are handler, labels"),
        (class("labels: [a]"), "0.yaml:4:13: expected a map, found a list"),
        (class("labels: {a: 1}"), "0.yaml:4:17: expected a string, found the number 1"),
        (class("labels: {a: \"x y\"}"), "0.yaml:4:17: the label value \"x y\" is not valid"),
        (class("labels: {-a: x}"), "0.yaml:4:14: the key \"-a\" is not valid"),
        (class("annotations: {a/b/c: x}"), "0.yaml:4:19: the key \"a/b/c\" is not valid"),
        (
            class("annotations: {meta.helm.sh/release-name: x}"),
            "0.yaml:4:19: meta.helm.sh/release-name says which release",
        ),
        (class("existing: maybe"), "0.yaml:4:15: unknown value `maybe`, known are fail, adopt, skip"),
        (class("existing: 1"), "0.yaml:4:15: expected a string, found the number 1"),
        (class("overhead: {podFixed: {cpu: lots}}"), "0.yaml:4:32: \"lots\" is not a quantity"),
        (class("overhead: {podFixed: {cpu: -1}}"), "0.yaml:4:32: the quantity \"-1\" is below zero"),
        (
            class("overhead: {podFixed: {cpu: true}}"),
            "0.yaml:4:32: expected a quantity such as 250m or 320Mi, found true",
        ),
        (class("overhead: {fixed: {}}"), "0.yaml:4:16: unknown key `fixed`"),
        (
            class("scheduling: {tolerations: [{value: x}]}"),
            "0.yaml:4:32: a toleration without a key needs `operator: Exists`",
        ),
        (class("scheduling: {tolerations: [{key: a, operator: Is}]}"), "0.yaml:4:51: unknown value `Is`"),
        (
            class("scheduling: {tolerations: [{key: a, operator: Exists, value: x}]}"),
            "0.yaml:4:32: a toleration with `operator: Exists`",
        ),
        (class("scheduling: {tolerations: [{key: a, tolerationSeconds: 3}]}"), "0.yaml:4:32: tolerationSeconds needs"),
        ("runtimeClasses: {crun: {handler: \"\"}}".to_owned(), "0.yaml:1:34: the handler \"\" is not valid"),
        (
            "runtimeClasses: {crun: {handler: /bin/crun}}".to_owned(),
            "0.yaml:1:34: the handler \"/bin/crun\" is not valid",
        ),
        ("runtimeClasses: {kata: {}}".to_owned(), "0.yaml:1:24: the key `handler` is missing (class kata)"),
        ("runtimeClasses: {Kata: {handler: kata}}".to_owned(), "0.yaml:1:18: the class name \"Kata\" is not valid"),
        ("runtimeClasses: {kata: kata}".to_owned(), "0.yaml:1:24: a class must be a map"),
        ("runtimeClasses: yes".to_owned(), "0.yaml:1:17: runtimeClasses must be a map by name, or a list"),
        ("runtimeClasses: [crun]".to_owned(), "0.yaml:1:18: a class in the list must be a map"),
        ("runtimeClasses: [{handler: crun}]".to_owned(), "0.yaml:1:18: a class in the list must have a `name`"),
        ("runtimeClasses: [{name: 1, handler: crun}]".to_owned(), "0.yaml:1:25: a class's name must be a string"),
        (
            "runtimeClasses:\n- {name: a, handler: a}\n- {name: a, handler: b}\n".to_owned(),
            "0.yaml:3:10: the class a is defined twice, first at 0.yaml:2:3 (class a)",
        ),
        ("runtimeClasses: {a: {handler: a}, a: {handler: b}}".to_owned(), "0.yaml:1:35"),
        ("presets: [rke]".to_owned(), "0.yaml:1:11: unknown preset `rke`, did you mean `rke2`?"),
        ("presets: rke2".to_owned(), "0.yaml:1:10: presets must be a list of names"),
        (
            "commonLabels: {app.kubernetes.io/managed-by: me}".to_owned(),
            "0.yaml:1:16: app.kubernetes.io/managed-by says",
        ),
        ("commonLabels: 1".to_owned(), "0.yaml:1:15: commonLabels must be a map of strings, found a number"),
    ] {
        assert_refused(&text, expected);
    }
}

#[test]
fn flags_come_after_files_in_helms_order_whatever_their_own() {
    let layers = Layers {
        files: vec![Source::new("0.yaml", "runtimeClasses: {a: {handler: file, labels: {x: file}}}")],
        set_string: vec!["runtimeClasses.a.labels.x=1".to_owned()],
        set: vec!["runtimeClasses.a.labels.x=2,runtimeClasses.a.handler=set,runtimeClasses.nvidia=null".to_owned()],
        set_json: vec!["runtimeClasses.a.handler=\"json\",runtimeClasses.b={\"handler\":\"b\"}".to_owned()],
        chart: None,
    };
    let classes = Values::new(&layers).unwrap().classes;
    let names: Vec<&str> = classes.iter().map(|class| class.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "crun", "nvidia-experimental"]);
    assert_eq!((classes[0].fields.handler.as_str(), &classes[0].fields.labels["x"]), ("set", &"1".to_owned()));
}

#[test]
fn a_mistake_in_a_flag_is_told_with_its_place() {
    let layers = Layers { set: vec!["runtimeClasses.crun.handlr=x".to_owned()], ..Layers::default() };
    let error = Values::new(&layers).unwrap_err().to_string();
    assert!(
        error.starts_with("--set:1:21: unknown key `handlr`, did you mean `handler`? (class crun)\n  |\n1 | runt"),
        "{error}"
    );
}

fn chart(values: &str) -> crate::chart::Chart {
    crate::chart::Chart {
        name: "c".to_owned(),
        version: "1".to_owned(),
        app_version: None,
        kube_version: None,
        metadata: json!({}),
        values: yaml::parse(&Source::new("c.tgz:values.yaml", values)).unwrap(),
        templates: Vec::new(),
    }
}

#[test]
fn a_charts_values_are_the_defaults_and_presets_come_in_only_where_they_are_named() {
    let names = |chart_values: &str, user: &str| -> Vec<String> {
        let layers = Layers { chart: Some(chart(chart_values)), ..Layers::of_files(vec![Source::new("u.yaml", user)]) };
        Values::new(&layers).unwrap().classes.iter().map(|class| class.name.to_string()).collect()
    };
    let list = "runtimeClasses: [{name: a, handler: a}]";
    assert_eq!(names(list, ""), ["a"]);
    assert_eq!(names(list, "presets: [rke2]"), ["a"]);
    assert_eq!(names(list, "runtimeClasses: [{name: b, handler: b}]"), ["b"]);
    let map = "runtimeClasses: {a: {handler: a}, b: {handler: b}}";
    assert_eq!(names(map, "runtimeClasses: {a: null, c: {handler: c}}"), ["b", "c"]);
    assert_eq!(names(map, "presets: [rke2]"), ["a", "b", "crun", "nvidia", "nvidia-experimental"]);
    assert_eq!(names("presets: [rke2]\nruntimeClasses: {crun: null}", ""), ["nvidia", "nvidia-experimental"]);
    assert_eq!(names("", ""), [""; 0]);
}

#[test]
fn a_stub_replaces_every_handler_and_says_so() {
    let mut values = values(&["presets: [rke2]"]).unwrap();
    values.stub(&"runc".parse().unwrap());
    assert_eq!(values.classes.len(), 3);
    for class in &values.classes {
        assert_eq!(class.fields.handler.as_str(), "runc");
        assert_eq!(class.fields.labels["runtimeclass-installer/stub"], "true");
    }
}
