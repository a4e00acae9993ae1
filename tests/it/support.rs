//! How the tests run the program and look at the result.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use xtask::testbed::{ClusterGuard, ControlPlane, Mark, Request};

/// The program with a clean environment, so that a test means the same on every machine.
pub fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_runtimeclass-installer"));
    command.args(arguments).env_clear().stdin(Stdio::null());
    command
}

/// What a run left behind.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// The JSON result of a run with `-o json`.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Asserts the exit code.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }

    /// Asserts that stderr has each of these parts.
    #[track_caller]
    pub fn says(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(self.stderr.contains(part), "stderr lacks {part:?}\n{}", self.stderr);
        }
        self
    }

    /// What the result says happened to each class, as `crun: created`.
    #[track_caller]
    pub fn actions(&self) -> Vec<String> {
        let json = self.json();
        let classes = json["classes"].as_array().unwrap();
        classes.iter().map(|class| format!("{}: {}", text(&class["name"]), text(&class["action"]))).collect()
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Runs the program without any cluster around.
pub fn run(arguments: &[&str]) -> Ran {
    program(arguments).output().unwrap().into()
}

/// A gzipped tar of these files.
pub fn packed(files: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, path, text.as_bytes()).unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap()
}

/// A cluster of the test's own, and a folder for its files.
pub struct Bed {
    pub cluster: ClusterGuard,
    pub folder: tempfile::TempDir,
}

impl std::ops::Deref for Bed {
    type Target = ControlPlane;

    fn deref(&self) -> &ControlPlane {
        &self.cluster
    }
}

impl Bed {
    pub fn new() -> Self {
        Self { cluster: xtask::testbed::cluster(), folder: tempfile::tempdir().unwrap() }
    }

    /// Writes a file of the test's and gives its path.
    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// The program, told where the cluster is.
    pub fn command(&self, arguments: &[&str]) -> Command {
        Self::command_as(&self.cluster.kubeconfig(), arguments)
    }

    /// The program with another kubeconfig.
    pub fn command_as(kubeconfig: &Path, arguments: &[&str]) -> Command {
        let mut command = program(arguments);
        command.env("KUBECONFIG", kubeconfig);
        command
    }

    /// Runs the program against the cluster.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.command(arguments).output().unwrap().into()
    }

    /// Runs `install -o json` with further arguments, and expects it to succeed.
    #[track_caller]
    pub fn install(&self, arguments: &[&str]) -> Ran {
        self.run(&[&["install", "-o", "json"], arguments].concat()).exits(0)
    }

    /// A class as the API server has it.
    #[track_caller]
    pub fn class(&self, name: &str) -> Value {
        self.cluster.get(&class_path(name)).unwrap()
    }

    /// Names of all classes.
    pub fn class_names(&self) -> Vec<String> {
        let list = self.cluster.list("/apis/node.k8s.io/v1/runtimeclasses").unwrap();
        list.iter().map(|class| text(&class["metadata"]["name"]).to_owned()).collect()
    }

    /// Sets the label `team` of a class as another field manager.
    pub fn relabel(&self, class: &str, manager: &str, team: &str) {
        let change = json!({"metadata": {"labels": {"team": team}}});
        let path = format!("{}?fieldManager={manager}", class_path(class));
        let (code, answer) = self.request("PATCH", &path, Some(("application/merge-patch+json", &change))).unwrap();
        assert_eq!(code, 200, "{answer}");
    }

    /// Requests since a mark.
    pub fn since(&self, mark: Mark) -> Vec<Request> {
        self.cluster.requests_since(&mark).unwrap()
    }
}

pub const CLASSES: &str = "/apis/node.k8s.io/v1/runtimeclasses";

/// A pod that names a class and never starts: there is no node.
pub fn pod(name: &str, class: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"runtimeClassName": class, "containers": [{"name": "c", "image": "none"}]},
    })
}

pub fn version(class: &Value) -> &str {
    text(&class["metadata"]["resourceVersion"])
}

pub fn class_path(name: &str) -> String {
    format!("{CLASSES}/{name}")
}

#[track_caller]
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no string"))
}

/// A TCP proxy in front of the API server that counts connections. Its threads end with the connections, and the
/// listener's with the test process.
pub struct Proxy {
    pub url: String,
    connections: Arc<AtomicUsize>,
}

impl Proxy {
    pub fn to(url: &str) -> Self {
        let target = url.trim_start_matches("https://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let connections = Arc::new(AtomicUsize::new(0));
        let count = connections.clone();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                count.fetch_add(1, Ordering::SeqCst);
                let Ok(server) = TcpStream::connect(&target) else { continue };
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    thread::spawn(move || {
                        let _ = io::copy(&mut from, &mut to);
                        let _ = to.shutdown(std::net::Shutdown::Both);
                    });
                }
            }
        });
        Self { url, connections }
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// Names and states of all records in Secrets, of any release.
pub fn records(bed: &Bed) -> Vec<String> {
    let secrets = bed.list("/api/v1/secrets?labelSelector=owner%3Dhelm").unwrap();
    let line = |secret: &Value| {
        let metadata = &secret["metadata"];
        format!("{} {}", text(&metadata["name"]), text(&metadata["labels"]["status"]))
    };
    secrets.iter().map(line).collect()
}

const ADMISSION: &str = "/apis/admissionregistration.k8s.io/v1";

impl Bed {
    /// Lets the API server refuse RuntimeClasses for which a CEL expression is false, as it is for a class with the probe's
    /// name and the handler `crun2`.
    pub fn forbid_by_policy(&self, probe: &str, expression: &str, message: &str) {
        self.policy(
            "ValidatingAdmissionPolicy",
            &json!({"validations": [{"expression": expression, "message": message}]}),
            &json!({"validationActions": ["Deny"]}),
            probe,
        );
    }

    /// Lets the API server change every RuntimeClass on its way in.
    pub fn mutate_by_policy(&self, expression: &str) {
        self.policy(
            "MutatingAdmissionPolicy",
            &json!({
                "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}}],
                "reinvocationPolicy": "Never",
            }),
            &json!({}),
            "probe",
        );
    }

    /// Creates a policy for RuntimeClasses, and awaits that it is in force: the API server learns of it by a watch.
    fn policy(&self, kind: &str, spec: &Value, binding: &Value, probe: &str) {
        let rules = json!([{"apiGroups": ["node.k8s.io"], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["runtimeclasses"]}]);
        let mut spec = spec.clone();
        spec["matchConstraints"] = json!({"resourceRules": rules});
        spec["failurePolicy"] = json!("Fail");
        let plural = if kind.starts_with('V') { "validatingadmissionpolicies" } else { "mutatingadmissionpolicies" };
        let object = |kind: &str, spec: &Value| json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": "test"}, "spec": spec});
        self.create(&format!("{ADMISSION}/{plural}"), &object(kind, &spec)).unwrap();
        let mut binding = binding.clone();
        binding["policyName"] = json!("test");
        let bindings = plural.replace("policies", "policybindings");
        self.create(&format!("{ADMISSION}/{bindings}"), &object(&format!("{kind}Binding"), &binding)).unwrap();
        self.until(|| {
            let (code, answer) = self.try_class(probe);
            code >= 400 || answer["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "Webhook"
        });
    }

    /// What the API server would say to a class of that name, which there must not be yet.
    fn try_class(&self, name: &str) -> (u16, Value) {
        let class = json!({"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": name}, "handler": "crun2"});
        let path = "/apis/node.k8s.io/v1/runtimeclasses?dryRun=All";
        self.request("POST", path, Some(("application/json", &class))).unwrap()
    }

    /// Takes the policies away again, and awaits that they are gone.
    pub fn allow_by_policy(&self, probe: &str) {
        for plural in ["validatingadmissionpolic", "mutatingadmissionpolic"] {
            for suffix in ["ybindings", "ies"] {
                let path = format!("{ADMISSION}/{plural}{suffix}/test");
                if self.find(&path).unwrap().is_some() {
                    self.delete(&path).unwrap();
                }
            }
        }
        self.until(|| {
            let (code, answer) = self.try_class(probe);
            code < 400 && answer["metadata"]["labels"]["app.kubernetes.io/managed-by"] != "Webhook"
        });
    }

    /// Grants a user these rules in the whole cluster, and no others; awaits that they are in force.
    pub fn grant(&self, user: &str, rules: &[Value]) {
        const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
        let metadata = json!({"name": user, "labels": {"runtimeclass-installer/test": "true"}});
        let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": metadata, "rules": rules});
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": metadata,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": user},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
        });
        for (plural, object) in [("clusterroles", role), ("clusterrolebindings", binding)] {
            self.apply(&format!("{RBAC}/{plural}/{user}"), "test", true, &object).unwrap();
        }
        let all = ["list", "create", "patch", "update", "delete"];
        let resources = [("node.k8s.io", "runtimeclasses"), ("", "secrets"), ("", "pods")];
        let granted = |group: &str, resource: &str, verb: &str| {
            rules.iter().any(|rule| {
                rule["apiGroups"] == json!([group])
                    && rule["resources"] == json!([resource])
                    && rule["verbs"].as_array().unwrap().contains(&json!(verb))
            })
        };
        for (group, resource) in resources {
            for verb in all {
                let review = json!({
                    "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
                    "spec": {"user": user, "resourceAttributes": {"verb": verb, "group": group, "resource": resource}},
                });
                let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
                self.until(|| {
                    self.create(path, &review).unwrap()["status"]["allowed"] == json!(granted(group, resource, verb))
                });
            }
        }
    }

    /// Asks again until the answer is yes; half a minute is for ever.
    #[track_caller]
    fn until(&self, answer: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !answer() {
            assert!(Instant::now() < deadline, "what was waited for did not come; the API server is {}", self.url());
            thread::sleep(Duration::from_millis(20));
        }
    }
}
