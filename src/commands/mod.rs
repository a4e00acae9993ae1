//! The commands, each a straight line: settings → values → desired → observe → plan → apply → report.

mod install;
mod offline;
mod show;
mod uninstall;

use std::time::Instant;

use serde::Serialize;

use crate::cli::{Cli, Command, InUse, Output, PolicyArgs, RunArgs, ValuesArgs};
use crate::cluster::{Access, Cluster, Permission, Stop};
use crate::error::{Error, Exit};
use crate::log::Log;
use crate::names::Release;
use crate::plan::Policy;
use crate::reconcile::Snapshot;
use crate::release::Driver;
use crate::report::Report;
use crate::settings;
use crate::values::{Existing, Values};

/// What a command leaves behind when all went well.
#[derive(Debug, Default)]
pub struct Outcome {
    /// For stdout.
    pub text: String,
    /// For the pod's status, in a line or a few.
    pub summary: String,
    /// Exit code: 0, but for `diff` with changes.
    pub code: u8,
}

/// What every command that talks to a cluster has in common.
struct Session {
    started: Instant,
    access: Access,
    log: Log,
    stop: Stop,
}

impl Session {
    /// The way to the cluster, within the time that the run has.
    async fn cluster(&self, run: &RunArgs) -> Result<Cluster, Error> {
        let left = run.timeout.0.saturating_sub(self.started.elapsed());
        Ok(Cluster::new(&self.access, left, self.log, self.stop.clone()).await?)
    }
}

/// Runs the command that was typed, until it is done or asked to stop.
///
/// # Errors
///
/// Whatever ended it, with its exit code.
pub async fn run(cli: Cli, stop: Stop) -> Result<Outcome, Error> {
    let started = Instant::now();
    let log = settings::log(&cli.global);
    let access = settings::access(&cli.global);
    let session = |access| Session { started, access, log, stop };
    match cli.command {
        Command::Install(args) => install::install(args, access.map(session), log).await,
        Command::Diff(args) => install::diff(args, access.map(session), log).await,
        Command::Rollback(args) => install::rollback(args, session(access?)).await,
        Command::Uninstall(args) => uninstall::uninstall(args, session(access?)).await,
        Command::Status(args) => show::status(args, session(access?)).await,
        Command::History(args) => show::history(args, session(access?)).await,
        Command::Template(args) => offline::template(args, log),
        Command::Values(args) => offline::values(&args, log),
        Command::Presets(args) => offline::presets(&args),
        Command::Schema => Ok(Outcome { text: crate::values::SCHEMA.to_owned(), ..Outcome::default() }),
    }
}

fn read_values(args: &ValuesArgs, log: Log) -> Result<Values, Error> {
    let values = Values::new(&settings::layers(args)?)?;
    values.unknown.iter().for_each(|line| log.info(line));
    Ok(values)
}

fn policy(args: &PolicyArgs) -> Policy {
    Policy {
        existing: if args.take_ownership { Existing::Adopt } else { args.existing },
        recreate: args.handler_change == crate::cli::HandlerChange::Recreate,
        force_in_use: args.in_use == InUse::Force,
        stub_over_real: false,
    }
}

/// Prints a report in the form that was asked for.
fn outcome(report: &Report, output: Output, log: Log) -> Result<Outcome, Error> {
    report.warnings.iter().for_each(|line| log.warning(line));
    let text = match output {
        Output::Table => report.table(),
        Output::Json => json(report)?,
        Output::Yaml => yaml(report)?,
    };
    Ok(Outcome { text, summary: report.summary(), code: 0 })
}

fn json(value: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string_pretty(value).map(|text| text + "\n").map_err(|error| Error::new(Exit::Failed, error.into()))
}

fn yaml(value: &impl Serialize) -> Result<String, Error> {
    serde_yaml::to_string(value).map_err(|error| Error::new(Exit::Failed, error.into()))
}

/// All that a run may need to be allowed: what a role for this program has to grant.
fn permissions(release: &Release, driver: Driver) -> Vec<Permission> {
    let classes = ["list", "create", "patch", "delete"].map(|verb| Permission {
        verb,
        group: "node.k8s.io",
        resource: "runtimeclasses",
        namespace: None,
    });
    let records = ["list", "create", "update", "delete"].map(|verb| Permission {
        verb,
        group: "",
        resource: driver.resource(),
        namespace: Some(release.namespace.to_string()),
    });
    let pods = Permission { verb: "list", group: "", resource: "pods", namespace: None };
    classes.into_iter().chain(records).chain([pods]).collect()
}

async fn snapshot(cluster: &Cluster, release: &Release, driver: Driver) -> Result<Snapshot, Error> {
    match Snapshot::read(cluster, release, driver).await {
        Ok(snapshot) => Ok(snapshot),
        Err(error) => Err(explained(error.into(), cluster, release, driver).await),
    }
}

/// A refusal by the API server, with everything that is missing, so that a role is mended once and not verb by verb.
async fn explained(error: Error, cluster: &Cluster, release: &Release, driver: Driver) -> Error {
    if !error.is_forbidden() {
        return error;
    }
    match cluster.missing(permissions(release, driver)).await {
        Ok(missing) if !missing.is_empty() => {
            let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
            error.context(format!("permissions are missing, grant: {}", missing.join("; ")))
        }
        _ => error,
    }
}
