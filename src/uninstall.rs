//! The classes go, then the records; and again, as long as other runs are faster.

use futures::future::join_all;

use crate::cluster::Api;
use crate::error::Error;
use crate::execute::{Progress, Writer};
use crate::names::Release;
use crate::plan::{self, Plan, Policy};
use crate::reconcile::{Snapshot, consider, pause};
use crate::release::{Driver, Status};

/// How a release goes.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Kind of object that holds the records.
    pub driver: Driver,
    /// What the user allows.
    pub policy: Policy,
    /// Whether the records stay, the newest as `uninstalled`.
    pub keep_history: bool,
    /// Whether classes that were adopted go as well.
    pub delete_adopted: bool,
}

/// What was taken away.
pub struct Removed {
    /// The classes.
    pub plan: Plan,
    /// The newest revision that there was, if there was any.
    pub revision: Option<u32>,
}

/// Takes a release away, however many tries it takes. `None` where there is nothing of it.
///
/// # Errors
///
/// Refusals before anything is deleted, and whatever went wrong while deleting.
pub async fn uninstall<C: Api>(cluster: &C, release: &Release, options: Options) -> Result<Option<Removed>, Error> {
    let mut first: Option<Removed> = None;
    loop {
        let snapshot = Snapshot::read(cluster, release, options.driver).await?;
        let history = &snapshot.history;
        let plan = plan::uninstall(release, snapshot.observed(), options.delete_adopted);
        let plan = consider(cluster, plan, options.policy, false).await?;
        let revision = history.newest().map(|stored| stored.record.revision());
        let is_kept = history.newest().is_some_and(|stored| stored.record.status() == Status::Uninstalled);
        let has_records = !(history.records.is_empty() && history.damaged.is_empty());
        if !plan.changes_anything() && (!has_records || is_kept && options.keep_history) {
            return Ok(first);
        }
        let writer = Writer {
            cluster,
            release,
            driver: options.driver,
            classes: &snapshot.classes,
            history,
            force: false,
            history_max: 0,
            description: "Uninstallation complete",
        };
        let progress = writer.carry_out(&plan).await?.progress;
        first.get_or_insert(Removed { plan, revision });
        if progress == Progress::Overtaken || end_records(&writer, options.keep_history).await? == Progress::Overtaken {
            cluster.pause(pause(), None).await?;
        }
    }
}

/// Deletes the records, or marks the newest.
async fn end_records<C: Api>(writer: &Writer<'_, C>, keep: bool) -> Result<Progress, Error> {
    let history = writer.history;
    if keep {
        return match history.newest() {
            Some(newest) => Ok(writer.move_to(newest, Status::Uninstalled, Some(writer.description)).await?),
            None => Ok(Progress::Done),
        };
    }
    let records = history.records.iter().map(|stored| (&stored.object, &stored.resource_version));
    let damaged = history.damaged.iter().map(|damaged| (&damaged.object, &damaged.resource_version));
    let deleted = join_all(records.chain(damaged).map(|(object, version)| writer.delete(object, version))).await;
    let deleted = deleted.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(if deleted.contains(&Progress::Overtaken) { Progress::Overtaken } else { Progress::Done })
}
