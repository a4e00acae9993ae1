//! How the tests run the program and look at the result.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::Value;
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

    /// Requests since a mark.
    pub fn since(&self, mark: Mark) -> Vec<Request> {
        self.cluster.requests_since(&mark).unwrap()
    }
}

pub fn class_path(name: &str) -> String {
    format!("/apis/node.k8s.io/v1/runtimeclasses/{name}")
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
