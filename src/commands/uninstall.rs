//! `uninstall`: the classes go, then the records.

use futures::future::try_join_all;

use super::{Outcome, Session, explained, outcome};
use crate::cli::{InUse, UninstallArgs};
use crate::cluster::Cluster;
use crate::error::Error;
use crate::execute::{Progress, Writer};
use crate::names::Release;
use crate::plan::{self, Plan, Policy};
use crate::reconcile::{DryRun, Snapshot, consider};
use crate::release::{Driver, Status};
use crate::report::Report;
use crate::settings;
use crate::values::Existing;

pub(super) async fn uninstall(args: UninstallArgs, session: Session) -> Result<Outcome, Error> {
    let UninstallArgs { release, storage, keep_history, delete_adopted, in_use, run } = args;
    let release = settings::release(release)?;
    let driver = storage.storage.0;
    let cluster = session.cluster(&run).await?;
    let policy = Policy { existing: Existing::Fail, recreate: false, force_in_use: in_use == InUse::Force };
    let way = Way { release: &release, driver, policy, keep_history, delete_adopted };
    let removed = match way.go(&cluster).await {
        Ok(removed) => removed,
        Err(error) => return Err(explained(error, &cluster, &release, driver).await),
    };
    let Some((plan, revision)) = removed else {
        session.log.info(&format!("the release {release} is not installed, nothing to do"));
        let report = Report::nothing(&release).costing(cluster.requests(), session.started.elapsed());
        return outcome(&report, run.output, session.log);
    };
    let mut report = Report::new(&release, &plan, DryRun::None).costing(cluster.requests(), session.started.elapsed());
    Status::Uninstalled.word().clone_into(&mut report.status);
    report.revision = revision;
    report.changed = true;
    outcome(&report, run.output, session.log)
}

/// How the release goes.
struct Way<'a> {
    release: &'a Release,
    driver: Driver,
    policy: Policy,
    keep_history: bool,
    delete_adopted: bool,
}

impl Way<'_> {
    /// Takes the release away, however many tries it takes. `None` where there is nothing of it.
    async fn go(&self, cluster: &Cluster) -> Result<Option<(Plan, Option<u32>)>, Error> {
        let mut first: Option<(Plan, Option<u32>)> = None;
        loop {
            let snapshot = Snapshot::read(cluster, self.release, self.driver).await?;
            let history = &snapshot.history;
            let plan = plan::uninstall(self.release, snapshot.observed(), self.delete_adopted);
            let plan = consider(cluster, plan, self.policy, false).await?;
            let revision = history.newest().map(|stored| stored.record.revision());
            let is_kept = history.newest().is_some_and(|stored| stored.record.status() == Status::Uninstalled);
            let has_records = !(history.records.is_empty() && history.damaged.is_empty());
            let nothing_left = !plan.changes_anything() && (!has_records || is_kept && self.keep_history);
            if nothing_left {
                return Ok(first);
            }
            let writer = Writer {
                cluster,
                release: self.release,
                driver: self.driver,
                history,
                force: false,
                history_max: 0,
                description: "Uninstallation complete",
            };
            let progress = writer.carry_out(&plan).await?;
            first.get_or_insert((plan, revision));
            if progress == Progress::Done && self.end_records(&writer).await? == Progress::Done {
                return Ok(first);
            }
        }
    }

    async fn end_records(&self, writer: &Writer<'_>) -> Result<Progress, Error> {
        let history = writer.history;
        if self.keep_history {
            return match history.newest() {
                Some(newest) => Ok(writer.move_to(newest, Status::Uninstalled, Some(writer.description)).await?),
                None => Ok(Progress::Done),
            };
        }
        let records = history.records.iter().map(|stored| stored.object.as_str());
        let objects = records.chain(history.damaged.iter().map(|damaged| damaged.object.as_str()));
        try_join_all(objects.map(|object| writer.cluster.delete_record(self.driver, &self.release.namespace, object)))
            .await?;
        Ok(Progress::Done)
    }
}
