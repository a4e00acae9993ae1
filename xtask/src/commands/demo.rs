//! `cargo xtask demo`: the main job on a real control plane, shown step by step.

mod table;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use xtask::testbed::ControlPlane;

use super::steps::{cargo, run};
use table::Row;

const PROGRAM: &str = "runtimeclass-installer";
const CLASSES: &str = "/apis/node.k8s.io/v1/runtimeclasses";
const RELEASE: &str = "kube-system/runtimeclasses";

/// Runs the demo; an outcome other than the told one is an error.
pub(crate) fn run_demo() -> Result<()> {
    let program = build()?;
    heading("A Kubernetes control plane of its own starts");
    let plane = ControlPlane::start()?;
    println!("kube-apiserver at {}", plane.url());

    heading("The first run installs the classes");
    install(&program, &plane)?;
    let installed = show(&plane)?;
    ensure!(installed.iter().any(|row| row.name == "crun"), "there is no class crun");
    owned(&installed)?;

    heading("Somebody strips crun of its labels and annotations");
    strip(&plane)?;
    let stripped = show(&plane)?;
    let crun = stripped.iter().find(|row| row.name == "crun").context("crun is gone")?;
    ensure!(crun.managed_by.is_empty() && crun.release.is_empty(), "crun still has its metadata");

    heading("The next run repairs it");
    install(&program, &plane)?;
    let repaired = show(&plane)?;
    owned(&repaired)?;
    ensure!(repaired == installed, "the classes are not those of the first run");

    heading("Everything stops");
    drop(plane);
    println!("done: every class is Helm's again");
    Ok(())
}

fn heading(text: &str) {
    println!("\n==> {text}");
}

/// Prints a command as a user would type it.
fn typed(command: &str) {
    println!("$ {command}");
}

/// Builds the program, and asks cargo where it is: the target folder may be anywhere.
fn build() -> Result<PathBuf> {
    heading("The program is built");
    typed("cargo build --workspace");
    let output = cargo()?
        // The whole workspace, as for the tests: with other features in the tree all would be built once more.
        .args(["build", "--workspace", "--locked", "--message-format=json-render-diagnostics"])
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo")?;
    ensure!(output.status.success(), "`cargo build` ended with {}", output.status);
    let messages = String::from_utf8(output.stdout).context("cargo's messages are not text")?;
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find_map(|message| {
            let wanted = message["reason"] == "compiler-artifact" && message["target"]["name"] == PROGRAM;
            message["executable"].as_str().filter(|_| wanted).map(PathBuf::from)
        })
        .context("cargo does not say where the program is")
}

fn install(program: &Path, plane: &ControlPlane) -> Result<()> {
    typed(&format!("{PROGRAM} install --kubeconfig {}", plane.kubeconfig().display()));
    // Variables of the user's shell, such as NAME, would be flags.
    run(Command::new(program).env_clear().args(["install", "--kubeconfig"]).arg(plane.kubeconfig()))
}

fn strip(plane: &ControlPlane) -> Result<()> {
    let patch =
        json!([{"op": "remove", "path": "/metadata/labels"}, {"op": "remove", "path": "/metadata/annotations"}]);
    typed(&format!("kubectl patch runtimeclass crun --type=json -p '{patch}'"));
    plane.json_patch(&format!("{CLASSES}/crun"), &patch).map(drop)
}

fn show(plane: &ControlPlane) -> Result<Vec<Row>> {
    typed("kubectl get runtimeclasses");
    let rows = plane.list(CLASSES)?.iter().map(Row::of).collect::<Result<Vec<_>>>()?;
    print!("{}", table::render(&rows));
    Ok(rows)
}

fn owned(rows: &[Row]) -> Result<()> {
    for row in rows {
        if row.managed_by != "Helm" || row.release != RELEASE {
            bail!("{} is not owned by the release {RELEASE}", row.name);
        }
    }
    Ok(())
}
