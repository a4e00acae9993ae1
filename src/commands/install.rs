//! `install`, and its kin: `diff` stops before it writes, `rollback` wishes for what a record says.

use anyhow::anyhow;

use super::{Outcome, Session, explained, outcome, policy, read_values, snapshot};
use crate::cli::{DiffArgs, DryRunArg, InstallArgs, Output, PolicyArgs, RollbackArgs, RunArgs, WishArgs};
use crate::cluster::Cluster;
use crate::error::{Error, Exit};
use crate::log::Log;
use crate::names::Release;
use crate::plan::{Revision, Wish};
use crate::reconcile::{DryRun, Options, Reconciled, Snapshot};
use crate::release::{Driver, Record, Status, own_chart, users_chart};
use crate::render::Desired;
use crate::report::Report;
use crate::settings::SettingsError;
use crate::values::Values;
use crate::{diff, reconcile, settings};

/// The input of a run, read and valid before the API server hears of it.
struct Input {
    release: Release,
    values: Values,
    desired: Vec<Desired>,
    chart: serde_json::Value,
    labels: crate::values::Strings,
}

impl Input {
    fn read(args: WishArgs, log: Log) -> Result<Self, Error> {
        let WishArgs { release, values, templates, labels } = args;
        let release = settings::release(release)?;
        let mut values = read_values(&values, log)?;
        if let Some(handler) = &templates.stub_handler {
            values.stub(handler);
        }
        let templates = settings::templates(&templates)?;
        let desired = templates.render(&values, &release)?;
        let chart = match &values.chart {
            Some(chart) => users_chart(chart),
            None => own_chart(templates.main_text(), &values.defaults),
        };
        Ok(Self { release, desired, chart, labels: settings::labels(&labels)?, values })
    }

    fn wish(&self) -> Wish<'_> {
        Wish {
            release: &self.release,
            desired: &self.desired,
            manifest: None,
            config: self.values.user.clone(),
            chart: self.chart.clone(),
            labels: self.labels.clone(),
            again: None,
        }
    }
}

pub(super) async fn install(
    args: InstallArgs,
    session: Result<Session, SettingsError>,
    log: Log,
) -> Result<Outcome, Error> {
    let InstallArgs { wish, policy, record, create_namespace, dry_run, run } = args;
    let input = Input::read(wish, log)?;
    let session = session?;
    let cluster = session.cluster(&run).await?;
    let options = Options {
        history_max: record.history_max,
        description: &record.description,
        create_namespace,
        ..options(&policy, record.storage.storage.0, dry_run)
    };
    let done = carried_out(&cluster, &input.wish(), &options).await?;
    reported(&done, &input.release, &options, &cluster, &session, &run)
}

pub(super) async fn diff(args: DiffArgs, session: Result<Session, SettingsError>, log: Log) -> Result<Outcome, Error> {
    let DiffArgs { wish, policy, storage, run } = args;
    let input = Input::read(wish, log)?;
    let session = session?;
    let cluster = session.cluster(&run).await?;
    let options = options(&policy, storage.storage.0, Some(DryRunArg::Client));
    let done = carried_out(&cluster, &input.wish(), &options).await?;
    let mut outcome = reported(&done, &input.release, &options, &cluster, &session, &run)?;
    if run.output == Output::Table {
        outcome.text = diff::text(&done.plan, settings::colour());
    }
    outcome.code = u8::from(done.plan.changes_anything());
    Ok(outcome)
}

pub(super) async fn rollback(args: RollbackArgs, session: Session) -> Result<Outcome, Error> {
    let RollbackArgs { release, revision, policy, storage, history_max, dry_run, run } = args;
    let release = settings::release(release)?;
    let driver = storage.storage.0;
    let cluster = session.cluster(&run).await?;
    let snapshot = snapshot(&cluster, &release, driver).await?;
    let record = earlier(&snapshot, &release, revision)?;
    let content = record.content_again().map_err(|error| Error::new(Exit::Failed, error))?;
    let desired = content.desired();
    let wish = Wish::again(&release, &desired, content);
    let description = format!("Rollback to {}", record.revision());
    let options = Options {
        history_max,
        description: &description,
        pending: Some(Status::PendingRollback),
        ..options(&policy, driver, dry_run)
    };
    let done = carried_out(&cluster, &wish, &options).await?;
    reported(&done, &release, &options, &cluster, &session, &run)
}

/// The record to go back to: the one that is named, or the last one that was deployed before the newest.
fn earlier<'a>(snapshot: &'a Snapshot, release: &Release, revision: Option<u32>) -> Result<&'a Record, Error> {
    let missing = |text: String| Error::new(Exit::Usage, anyhow!(text));
    let history = &snapshot.history;
    let newest = history.newest().ok_or_else(|| missing(format!("the release {release} is not installed")))?;
    let stored = match revision.filter(|revision| *revision > 0) {
        Some(revision) => history.revision(revision).ok_or_else(|| {
            let known: Vec<String> =
                history.records.iter().map(|stored| stored.record.revision().to_string()).collect();
            missing(format!("the release {release} has no revision {revision}, there are {}", known.join(", ")))
        })?,
        None => history
            .records
            .iter()
            .rev()
            .filter(|stored| stored.record.revision() < newest.record.revision())
            .find(|stored| matches!(stored.record.status(), Status::Superseded | Status::Deployed))
            .ok_or_else(|| missing(format!("the release {release} has no revision that was deployed before")))?,
    };
    Ok(&stored.record)
}

fn options(args: &PolicyArgs, driver: Driver, dry_run: Option<DryRunArg>) -> Options<'static> {
    Options {
        driver,
        policy: policy(args),
        force: args.force_conflicts,
        history_max: 10,
        dry_run: match dry_run {
            None | Some(DryRunArg::None) => DryRun::None,
            Some(DryRunArg::Client) => DryRun::Client,
            Some(DryRunArg::Server) => DryRun::Server,
        },
        description: "",
        pending: None,
        create_namespace: false,
    }
}

async fn carried_out(cluster: &Cluster, wish: &Wish<'_>, options: &Options<'_>) -> Result<Reconciled, Error> {
    match reconcile::reconcile(cluster, wish, options).await {
        Ok(done) => Ok(done),
        Err(error) => Err(explained(error, cluster, wish.release, options.driver).await),
    }
}

fn reported(
    done: &Reconciled,
    release: &Release,
    options: &Options<'_>,
    cluster: &Cluster,
    session: &Session,
    run: &RunArgs,
) -> Result<Outcome, Error> {
    let mut report =
        Report::new(release, &done.plan, options.dry_run).costing(cluster.requests(), session.started.elapsed());
    report.revision = done.revision;
    match done.outcome {
        reconcile::Outcome::Ours => {}
        reconcile::Outcome::Superseded(newer) => report
            .warnings
            .push(format!("revision {newer} came after this run's and counts: the classes are what it says")),
        reconcile::Outcome::Uninstalled => {
            Status::Uninstalled.word().clone_into(&mut report.status);
            report.warnings.push("the release was uninstalled after this run had begun, and that counts".to_owned());
        }
    }
    if let (Revision::Blocked(damaged), DryRun::None) = (&done.plan.revision, options.dry_run) {
        // The classes are as desired, and yet Helm could not go on from here.
        let kind = options.driver.kind();
        return Err(Error::new(
            Exit::Failed,
            anyhow!("{}", damaged.reason).context(format!(
                "the {kind} {}/{} is damaged, so that no revision can follow it; delete it and run again (the classes themselves are as desired: {})",
                release.namespace,
                damaged.object,
                report.summary()
            )),
        ));
    }
    outcome(&report, run.output, session.log)
}
