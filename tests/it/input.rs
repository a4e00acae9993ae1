//! Bad input: one message with its place, exit code 2, and the API server never hears of it.

use crate::support::{Bed, Ran, packed, run};

#[test]
fn bad_input_is_told_with_its_place_and_nothing_is_sent() {
    let bed = Bed::new();
    let mark = bed.mark().unwrap();
    let template = |kind: &str| format!("apiVersion: v1\nkind: {kind}\n");
    bed.file("pod/runtimeclass.yaml", "apiVersion: node.k8s.io/v1\nkind: Pod\nmetadata: {name: {{ class.name }}}\n");
    bed.file("broken/runtimeclass.yaml", "a: {{ class.name");
    bed.file("none/other.yaml", &template("x"));
    let folder = |name: &str| bed.folder.path().join(name).to_str().unwrap().to_owned();
    let cases = [
        (
            "runtimeClasses:\n  crun:\n    handlr: crun\n",
            ":3:5: unknown key `handlr`, did you mean `handler`? (class crun)\n  |\n3 |     handlr: crun\n",
        ),
        ("runtimeClasses:\n  crun:\n    labels: []\n", ":3:13: expected a map, found a list (class crun)"),
        ("runtimeClasses:\n- {name: a, handler: a}\n- {name: a, handler: a}\n", ":3:10: the class a is defined twice"),
        ("runtimeClasses: {A_b: {handler: a}}\n", ":1:18: the class name \"A_b\" is not valid"),
        ("runtimeClasses: {a: {handler: ''}}\n", ":1:31: the handler \"\" is not valid"),
        ("runtimeClasses: {a: {handler: a}\n", "not valid YAML"),
        ("presets: [rkee2]\n", ":1:11: unknown preset `rkee2`, did you mean `rke2`?"),
        ("- a\n", ":1:1: values must be a map"),
    ];
    for (index, (values, expected)) in cases.into_iter().enumerate() {
        let file = bed.file(&format!("{index}.yaml"), values);
        let ran = bed.run(&["install", "-f", &file]).exits(2).says(&[expected, &format!("error: {file}:")]);
        assert_eq!(ran.stdout, "");
    }
    for (arguments, expected) in [
        (
            ["--templates", &folder("pod")],
            "output of runtimeclass.yaml:2:7: the kind must be RuntimeClass, found \"Pod\"",
        ),
        (["--templates", &folder("broken")], "broken/runtimeclass.yaml:1:"),
        (["--templates", &folder("none")], "the templates have no runtimeclass.yaml, found other.yaml"),
        (["--templates", "gone"], "cannot read gone\n  because: No such file or directory"),
        (["--values", "gone.yaml"], "cannot read gone.yaml\n  because: No such file or directory"),
        (["--values", "/"], "cannot read /\n  because: Is a directory"),
        (["--values", "/dev/zero"], "cannot read /dev/zero\n  because: it is longer than 8 MiB"),
        (["--values-dir", "gone"], "cannot read gone"),
        (["--namespace", "Kube_System"], "the namespace \"Kube_System\" is not valid"),
        (["--timeout", "5 minutes"], "\"5 minutes\" is not a duration, give one such as 30s"),
        (["--output", "xml"], "possible values: table, json, yaml"),
        (["--outptu", "json"], "a similar argument exists: '--output'"),
    ] {
        bed.run(&[&["install"], &arguments[..]].concat()).exits(2).says(&[expected]);
    }
    assert_eq!(bed.since(mark).len(), 0);
}

#[test]
fn what_a_user_sees_of_a_usual_mistake() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("v.yaml");
    let path = file.to_str().unwrap();
    for (text, flags, expected) in [
        (
            "runtimeClass:\n  crun: {handler: crun}\n",
            [].as_slice(),
            "FILE:1:1: `runtimeClass` is not read by this program, did you mean `runtimeClasses`?\n",
        ),
        (
            "runtimeClasses:\n  crun:\n  handler: crun\n",
            &[],
            "error: FILE:3:12: a class must be a map such as {handler: crun}, found a string (class handler)\n  |\n3 |   handler: crun\n  |            ^\n",
        ),
        (
            "runtimeClasses:\n  kata: {handler: kata, nodeSelector: {a: b}}\n",
            &[],
            "error: FILE:2:25: unknown key `nodeSelector`, it belongs below `scheduling` (class kata)\n  |\n\
             2 |   kata: {handler: kata, nodeSelector: {a: b}}\n  |                         ^\n",
        ),
        (
            "runtimeClasses:\n  kata:\n    handler: kata\n    overhead: {cpu: 1}\n",
            &[],
            "error: FILE:4:16: unknown key `cpu`, it belongs below `podFixed` (class kata)\n  |\n4 |     overhead: {cpu: 1}\n  |                ^\n",
        ),
        (
            "runtimeClasses:\n  kata:\n    handler: kata\n    scheduling: {tolerations: {key: a}}\n",
            &[],
            "error: FILE:4:31: expected a list, found a map (class kata)\n  |\n4 |     scheduling: {tolerations: {key: a}}\n  |                               ^\n",
        ),
        (
            "runtimeClasses:\n  kata:\n    handler: kata\n    overhead: 5\n",
            &[],
            "error: FILE:4:15: expected a map, found the number 5 (class kata)\n  |\n4 |     overhead: 5\n  |               ^\n",
        ),
        (
            "runtimeClasses:\n  kata:\n    handler: kata\n    labels: {gpu: true}\n",
            &[],
            "error: FILE:4:19: expected a string, found true: quote it, or use --set-string (class kata)\n  |\n4 |     labels: {gpu: true}\n  |                   ^\n",
        ),
        (
            "runtimeClasses:\n  kata: {handler: kata\n",
            &[],
            "error: FILE:2:9: not valid YAML: unclosed bracket '{'\n  |\n2 |   kata: {handler: kata\n  |         ^\n",
        ),
        (
            "",
            &["--set", "runtimeClasses.crun.handlr=x"],
            "error: --set:1:21: unknown key `handlr`, did you mean `handler`? (class crun)\n  |\n\
             1 | runtimeClasses.crun.handlr=x\n  |                     ^\n",
        ),
        (
            "",
            &["--set", "commonLabels.a=1"],
            "error: --set:1:16: expected a string, found the number 1: quote it, or use --set-string\n  |\n1 | commonLabels.a=1\n  |                ^\n",
        ),
        (
            "",
            &["--set-json", "runtimeClasses.a={handler:b}"],
            "error: --set-json:1:18: not valid JSON: key must be a string\n  |\n1 | runtimeClasses.a={handler:b}\n  |                  ^\n",
        ),
    ] {
        std::fs::write(&file, text).unwrap();
        let ran = run(&[&["template", "-f", path], flags].concat());
        assert_eq!(ran.stderr.replace(path, "FILE"), expected);
    }
}

#[test]
fn a_chart_that_makes_more_than_runtimeclasses_is_refused_and_nothing_is_sent() {
    let bed = Bed::new();
    let chart = bed.folder.path().join("c.tgz");
    let metadata = "apiVersion: v2\nname: c\nversion: 1.0.0\n";
    let mark = bed.mark().unwrap();
    for (files, expected) in [
        (
            [
                ("c/values.yaml", "runtimeClasses: []\n"),
                ("c/templates/a.yaml", "kind: RuntimeClass\n---\nkind: DaemonSet\n"),
            ],
            "c.tgz: templates/a.yaml:3 makes the kind \"DaemonSet\", and this program installs nothing but RuntimeClasses",
        ),
        (
            [("c/values.yaml", "enabled: true\n"), ("c/templates/a.yaml", "kind: RuntimeClass\n")],
            "its values.yaml has no `runtimeClasses`",
        ),
        (
            [("c/values.yaml", "runtimeClasses:\n  a: {handlr: b}\n"), ("c/templates/a.yaml", "kind: RuntimeClass\n")],
            "c.tgz:values.yaml:2:7: unknown key `handlr`, did you mean `handler`? (class a)",
        ),
    ] {
        let files: Vec<_> = [("c/Chart.yaml", metadata)].into_iter().chain(files).collect();
        std::fs::write(&chart, packed(&files)).unwrap();
        for command in ["install", "diff"] {
            bed.run(&[command, "--chart", chart.to_str().unwrap()]).exits(2).says(&[expected]);
        }
    }
    std::fs::write(&chart, "apiVersion: v2").unwrap();
    let ran = bed.run(&["install", "--chart", chart.to_str().unwrap()]).exits(2);
    ran.says(&["c.tgz: it is neither a gzip archive nor one in base64"]);
    assert_eq!(bed.since(mark).len(), 0);
}

/// Each in a process of its own, which ends with the message: such a template cannot be interrupted, only left behind.
#[test]
fn a_template_that_would_run_for_ever_ends_at_a_limit() {
    let folder = tempfile::tempdir().unwrap();
    let loops = |inner: &str| {
        let (start, end) = ("{% for i in range(end=90000) %}", "{% endfor %}");
        format!("{}{inner}{}", start.repeat(3), end.repeat(3))
    };
    let cases = [
        (loops("{% set x = 1 %}"), "error: the templates take longer than 10 s"),
        (loops("some text"), "error: the template prints more than 1 MiB (class crun)"),
        (
            "{% set_global x = 'x' %}".to_owned() + &loops("{% set_global x = x ~ x %}"),
            "the templates take more than 64 MiB of memory",
        ),
        (
            "{% set_global x = [] %}".to_owned() + &loops("{% set_global x = [x] %}"),
            "the templates take more than 64 MiB of memory",
        ),
        (format!("{{% set x %}}{}{{% endset %}}", loops("some text")), "the templates take more than 64 MiB of memory"),
        ("{% for i in range(end=1000000000000) %}{% endfor %}".to_owned(), "runtimeclass.yaml:1:"),
        ("{% include \"runtimeclass.yaml\" %}".to_owned(), "runtimeclass.yaml"),
        (format!("{{{{ {}1{} }}}}", "(".repeat(100_000), ")".repeat(100_000)), "runtimeclass.yaml:1:"),
        (
            "{% component a() %}{{ <a/> }}{{ <a/> }}{% endcomponent a %}{{ <a/> }}".to_owned(),
            "maximum render recursion depth",
        ),
    ];
    for (index, (template, expected)) in cases.into_iter().enumerate() {
        let templates = folder.path().join(index.to_string());
        std::fs::create_dir(&templates).unwrap();
        std::fs::write(templates.join("runtimeclass.yaml"), template).unwrap();
        run(&["template", "--templates", templates.to_str().unwrap()]).exits(2).says(&[expected]);
    }
}

#[test]
fn a_kubeconfig_that_is_named_must_be_usable() {
    run(&["install"]).exits(2).says(&["no cluster to talk to: give --kubeconfig, set KUBECONFIG, or run in a pod"]);
    run(&["install", "--kubeconfig", "gone"])
        .exits(2)
        .says(&["check the kubeconfig gone", "because: cannot read gone"]);
    let bed = Bed::new();
    bed.run(&["install", "--context", "nope"]).exits(2).says(&["nope"]);
    let broken = bed.file("kubeconfig", "a: [");
    bed.run(&["install", "--kubeconfig", &broken]).exits(2).says(&["check the kubeconfig"]);
}

#[test]
fn template_prints_what_install_would_apply() {
    let ran = run(&["template", "mine", "--namespace", "default"]).exits(0);
    assert_eq!(
        ran.stdout.split("---\n").nth(1).unwrap(),
        "apiVersion: node.k8s.io/v1\nkind: RuntimeClass\nmetadata:\n  name: crun\n  labels:\n    app.kubernetes.io/managed-by: Helm\n  annotations:\n    \
         meta.helm.sh/release-name: mine\n    meta.helm.sh/release-namespace: default\nhandler: crun\n"
    );
    assert_eq!(ran.stdout.matches("kind: RuntimeClass").count(), 3);
}

#[test]
fn presets_shows_each_set_with_its_source() {
    let ran = run(&["presets"]).exits(0);
    for part in [
        "rke2: what RKE2 installs\nhttps://github.com/rancher/rke2-charts/",
        "NAME                  HANDLER\ncrun                  crun\n",
        "\ngvisor     runsc\n".trim_start(),
        "kata-qemu                         kata-qemu                         cpu=250m, memory=320Mi     katacontainers.io/kata-runtime=true\n",
    ] {
        let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(squeezed(&ran.stdout).contains(&squeezed(part)), "{part}\n---\n{}", ran.stdout);
    }
    let json = run(&["presets", "-o", "json"]).exits(0).json();
    assert_eq!(json["gvisor"]["runtimeClasses"]["gvisor"]["handler"], "runsc");
    // What it prints as YAML can be pasted into values.
    let yaml = run(&["presets", "-o", "yaml"]).exits(0).stdout;
    assert!(yaml.contains("\n    nvidia-cdi:\n      handler: nvidia-cdi\n"), "{yaml}");
}

#[test]
fn schema_prints_the_committed_schema() {
    assert_eq!(run(&["schema"]).exits(0).stdout, include_str!("../../values.schema.json"));
}

#[test]
fn values_prints_the_merged_values() {
    let bed = tempfile::tempdir().unwrap();
    let file = bed.path().join("v.yaml");
    std::fs::write(&file, "runtimeClasses: {nvidia: null}\nglobal: {x: 1}\nother: 1\n").unwrap();
    let ran =
        run(&["values", "-f", file.to_str().unwrap()]).exits(0).says(&[":3:1: `other` is not read by this program"]);
    assert_eq!(
        ran.stdout,
        "commonAnnotations: {}\ncommonLabels: {}\nglobal:\n  x: 1\nother: 1\npresets:\n- rke2\nruntimeClasses:\n  crun:\n    handler: crun\n  \
         nvidia-experimental:\n    handler: nvidia-experimental\n"
    );
    let ran = run(&["values", "-f", file.to_str().unwrap(), "-o", "json", "--quiet"]).exits(0);
    assert_eq!(ran.json()["presets"][0], "rke2");
    assert_eq!(ran.stderr, "");
}

#[test]
fn values_may_come_from_standard_input() {
    let mut command = crate::support::program(&["values", "-f", "-"]);
    let mut child = command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"presets: []\n").unwrap();
    let ran: Ran = child.wait_with_output().unwrap().into();
    assert!(ran.exits(0).stdout.contains("presets: []"));
    let mut command = crate::support::program(&["values", "-f", "-"]);
    let mut child = command.stdin(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"presets: [x]\n").unwrap();
    let ran: Ran = child.wait_with_output().unwrap().into();
    ran.exits(2).says(&["standard input:1:11: unknown preset `x`"]);
}

#[test]
fn log_lines_can_be_json() {
    let ran = run(&["install", "--log-format", "json"]).exits(2);
    let line: serde_json::Value = serde_json::from_str(ran.stderr.trim()).unwrap();
    assert_eq!(line["level"], "error");
}
