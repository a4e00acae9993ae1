//! The main job on a real API server.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::{Bed, Proxy, Ran, class_path, program, text};

/// Helm's marks, as it compares them.
fn marks(class: &Value) -> [&Value; 3] {
    let metadata = &class["metadata"];
    [
        &metadata["labels"]["app.kubernetes.io/managed-by"],
        &metadata["annotations"]["meta.helm.sh/release-name"],
        &metadata["annotations"]["meta.helm.sh/release-namespace"],
    ]
}

#[test]
fn the_three_classes_are_installed_with_helms_marks() {
    let bed = Bed::new();
    let ran = bed.install(&[]);
    assert_eq!(ran.actions(), ["crun: created", "nvidia: created", "nvidia-experimental: created"]);
    assert_eq!(bed.class_names(), ["crun", "nvidia", "nvidia-experimental"]);
    for name in ["crun", "nvidia", "nvidia-experimental"] {
        let class = bed.class(name);
        assert_eq!(class["handler"], name);
        assert_eq!(marks(&class), [&json!("Helm"), &json!("runtimeclasses"), &json!("kube-system")]);
        let entry = &class["metadata"]["managedFields"][0];
        assert_eq!((text(&entry["manager"]), text(&entry["operation"])), ("helm", "Apply"));
        // Nothing but Helm's marks is stamped on a class.
        assert_eq!(class["metadata"]["labels"].as_object().unwrap().len(), 1);
        assert_eq!(class["metadata"]["annotations"].as_object().unwrap().len(), 2);
    }
}

#[test]
fn release_and_namespace_come_from_arguments_or_environment() {
    let bed = Bed::new();
    bed.install(&["mine", "--namespace", "default"]);
    assert_eq!(marks(&bed.class("crun")), [&json!("Helm"), &json!("mine"), &json!("default")]);

    let bed = {
        drop(bed);
        Bed::new()
    };
    let mut command = bed.command(&["install"]);
    let ran: Ran =
        command.env("NAME", "theirs").env("TARGET_NAMESPACE", "").env("TIMEOUT", "").output().unwrap().into();
    ran.exits(0);
    assert_eq!(marks(&bed.class("crun")), [&json!("Helm"), &json!("theirs"), &json!("kube-system")]);
}

#[test]
fn a_second_run_writes_nothing() {
    let bed = Bed::new();
    bed.install(&[]);
    let before = bed.class("crun");
    let mark = bed.mark().unwrap();
    let ran = bed.install(&[]);
    assert_eq!(ran.actions(), ["crun: unchanged", "nvidia: unchanged", "nvidia-experimental: unchanged"]);
    assert_eq!(ran.json()["changed"], json!(false));
    let requests = bed.since(mark);
    assert!(requests.iter().all(|request| !request.is_write()), "{requests:#?}");
    assert_eq!(before["metadata"]["resourceVersion"], bed.class("crun")["metadata"]["resourceVersion"]);
}

#[test]
fn stripped_metadata_comes_back_and_the_object_stays() {
    let bed = Bed::new();
    bed.install(&[]);
    let before = bed.class("crun");
    let patch =
        json!([{"op": "remove", "path": "/metadata/labels"}, {"op": "remove", "path": "/metadata/annotations"}]);
    bed.json_patch(&class_path("crun"), &patch).unwrap();
    let ran = bed.install(&[]);
    assert_eq!(ran.actions(), ["crun: repaired", "nvidia: unchanged", "nvidia-experimental: unchanged"]);
    assert_eq!(
        ran.json()["classes"][0]["fields"],
        json!([
            "metadata.annotations.meta.helm.sh/release-name",
            "metadata.annotations.meta.helm.sh/release-namespace",
            "metadata.labels.app.kubernetes.io/managed-by"
        ])
    );
    let after = bed.class("crun");
    assert_eq!(marks(&after), marks(&before));
    assert_eq!(after["metadata"]["uid"], before["metadata"]["uid"]);
}

#[test]
fn all_that_values_can_say_arrives() {
    let bed = Bed::new();
    let values = bed.file(
        "values.yaml",
        "presets: []\ncommonLabels: {team: infra}\ncommonAnnotations: {why: \"a: b # c\"}\nruntimeClasses:\n  kata:\n    handler: kata-qemu\n    \
         labels: {tier: \"1\"}\n    annotations: {note: \"x\\ny\"}\n    overhead: {podFixed: {cpu: 0.25, memory: 160Mi}}\n    scheduling:\n      \
         nodeSelector: {katacontainers.io/kata-runtime: \"true\"}\n      tolerations: [{key: k, operator: Exists, effect: NoExecute, tolerationSeconds: 5}]\n",
    );
    bed.install(&["-f", &values]);
    let class = bed.class("kata");
    assert_eq!(class["handler"], "kata-qemu");
    assert_eq!(class["metadata"]["labels"]["team"], "infra");
    assert_eq!(class["metadata"]["labels"]["tier"], "1");
    assert_eq!(class["metadata"]["annotations"]["why"], "a: b # c");
    assert_eq!(class["metadata"]["annotations"]["note"], "x\ny");
    assert_eq!(class["overhead"], json!({"podFixed": {"cpu": "250m", "memory": "160Mi"}}));
    assert_eq!(
        class["scheduling"],
        json!({
            "nodeSelector": {"katacontainers.io/kata-runtime": "true"},
            "tolerations": [{"key": "k", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}]
        })
    );
    assert_eq!(bed.install(&["-f", &values]).actions(), ["kata: unchanged"]);
}

#[test]
fn a_folder_of_values_and_the_list_form() {
    let bed = Bed::new();
    bed.file("values/10.yaml", "runtimeClasses: {kata: {handler: kata}}");
    bed.file("values/20.yaml", "runtimeClasses: [{name: gvisor, handler: runsc}]");
    bed.file("values/notes.txt", "{{{");
    let folder = bed.folder.path().join("values");
    assert_eq!(bed.install(&["--values-dir", folder.to_str().unwrap()]).actions(), ["gvisor: created"]);
}

#[test]
fn a_template_of_the_users_is_used_and_still_gets_the_marks() {
    let bed = Bed::new();
    bed.file(
        "templates/runtimeclass.yaml",
        "apiVersion: node.k8s.io/v1\nkind: RuntimeClass\nmetadata:\n  name: {{ class.name }}\n  labels: {from: template}\nhandler: {{ class.handler }}\n",
    );
    let folder = bed.folder.path().join("templates");
    bed.install(&["--templates", folder.to_str().unwrap()]);
    let class = bed.class("crun");
    assert_eq!(class["metadata"]["labels"]["from"], "template");
    assert_eq!(marks(&class), [&json!("Helm"), &json!("runtimeclasses"), &json!("kube-system")]);
}

#[test]
fn another_managers_value_is_overruled_or_left_as_the_flag_says() {
    let bed = Bed::new();
    let values = bed.file("values.yaml", "commonLabels: {team: infra}");
    bed.install(&["-f", &values]);
    bed.relabel("crun", "kubectl-label", "theirs");
    bed.run(&["install", "-f", &values, "--force-conflicts=false"]).exits(7).says(&[
        "apply the RuntimeClass crun",
        "409 Conflict",
        "kubectl-label",
    ]);
    assert_eq!(bed.class("crun")["metadata"]["labels"]["team"], "theirs");
    let ran = bed.install(&["-f", &values]);
    assert_eq!(ran.json()["classes"][0]["overruled"], json!(["kubectl-label"]));
    assert_eq!(bed.class("crun")["metadata"]["labels"]["team"], "infra");
}

#[test]
fn the_table_is_for_people_and_the_termination_log_for_the_pod() {
    let bed = Bed::new();
    let log = bed.folder.path().join("termination-log");
    let ran = bed.run(&["install", "--termination-log", log.to_str().unwrap()]).exits(0);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(lines[0], "NAME                  HANDLER               ACTION");
    assert_eq!(lines[1], "crun                  crun                  created");
    assert!(
        lines[4].starts_with("release kube-system/runtimeclasses revision 1 deployed: 3 created (2 reads, 5 writes, "),
        "{lines:?}"
    );
    assert_eq!(
        std::fs::read_to_string(&log).unwrap(),
        "release kube-system/runtimeclasses revision 1 deployed: 3 created"
    );
    assert_eq!(ran.stderr, "");
    bed.run(&["install", "--termination-log", log.to_str().unwrap(), "-f", "gone.yaml"]).exits(2);
    assert!(std::fs::read_to_string(&log).unwrap().starts_with("error: cannot read gone.yaml"));
}

#[test]
fn who_may_not_is_told_so() {
    let bed = Bed::new();
    let ran: Ran = Bed::command_as(&bed.kubeconfig_for("user-0"), &["install"]).output().unwrap().into();
    ran.exits(5).says(&[
        "permissions are missing, grant: list runtimeclasses",
        "cannot list ",
        "not allowed (403 Forbidden)",
        "user-0",
    ]);
    let broken = std::fs::read_to_string(bed.kubeconfig()).unwrap().replace(&bed.token("admin"), "wrong");
    let broken = bed.file("kubeconfig", &broken);
    bed.run(&["install", "--kubeconfig", &broken])
        .exits(5)
        .says(&["does not accept the credentials (401 Unauthorized)"]);
}

#[test]
fn an_api_server_that_is_not_there_is_waited_for_until_the_deadline() {
    let bed = Bed::new();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = std::fs::read_to_string(bed.kubeconfig()).unwrap().replace(bed.url(), &format!("https://{free}"));
    let config = bed.file("kubeconfig", &config);
    bed.run(&["install", "--kubeconfig", &config, "--timeout", "700ms"]).exits(4).says(&[
        &format!("waiting for the API server at https://{free}, 0."),
        "refused",
        ": no answer from the API server",
    ]);
}

#[test]
fn an_api_server_that_comes_late_is_enough() {
    let bed = Bed::new();
    bed.stop_api_server();
    let mut child = bed.command(&["install"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    stderr.read_line(&mut line).unwrap();
    assert!(line.starts_with("waiting for the API server at https://127.0.0.1:"), "{line}");
    bed.start_api_server().unwrap();
    let mut stdout = String::new();
    child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
    assert!(child.wait().unwrap().success(), "{stdout}");
    assert_eq!(bed.class_names(), ["crun", "nvidia", "nvidia-experimental"]);
}

#[test]
fn one_connection_carries_everything() {
    let bed = Bed::new();
    let proxy = Proxy::to(bed.url());
    let config = std::fs::read_to_string(bed.kubeconfig()).unwrap().replace(bed.url(), &proxy.url);
    let config = bed.file("kubeconfig", &config);
    let mark = bed.mark().unwrap();
    let ran = bed.install(&["--kubeconfig", &config]);
    assert_eq!(ran.json()["classes"].as_array().unwrap().len(), 3);
    assert_eq!(proxy.connections(), 1);
    for request in bed.since(mark) {
        assert_eq!(request.user_agent, concat!("runtimeclass-installer/", env!("CARGO_PKG_VERSION")));
    }
}

#[test]
fn a_signal_ends_the_wait() {
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("kubeconfig");
        std::fs::write(&config, format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters: [{{name: c, cluster: {{server: 'https://{free}', insecure-skip-tls-verify: true}}}}]\n\
             users: [{{name: c, user: {{}}}}]\ncontexts: [{{name: c, context: {{cluster: c, user: c}}}}]\n"
        )).unwrap();
        let mut child =
            program(&["install", "--kubeconfig", config.to_str().unwrap()]).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        stderr.read_line(&mut line).unwrap();
        assert!(line.contains("waiting for the API server"), "{line}");
        let status = std::process::Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().unwrap();
        assert!(status.success());
        assert_eq!(child.wait().unwrap().code(), Some(code));
        let mut rest = String::new();
        stderr.read_to_string(&mut rest).unwrap();
        assert!(rest.contains(&format!("ended by SIG{signal}")), "{rest}");
    }
}
