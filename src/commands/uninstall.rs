//! `uninstall`: the classes go, then the records.

use super::{Outcome, Session, explained, outcome};
use crate::cli::{InUse, UninstallArgs};
use crate::error::Error;
use crate::plan::Policy;
use crate::reconcile::DryRun;
use crate::release::Status;
use crate::report::Report;
use crate::uninstall::{Options, Removed};
use crate::values::Existing;
use crate::{settings, uninstall};

pub(super) async fn uninstall(args: UninstallArgs, session: Session) -> Result<Outcome, Error> {
    let UninstallArgs { release, storage, keep_history, delete_adopted, in_use, run } = args;
    let release = settings::release(release)?;
    let driver = storage.storage.0;
    let cluster = session.cluster(&run).await?;
    let policy = Policy {
        existing: Existing::Fail,
        recreate: false,
        force_in_use: in_use == InUse::Force,
        stub_over_real: false,
    };
    let options = Options { driver, policy, keep_history, delete_adopted };
    let removed = match uninstall::uninstall(&cluster, &release, options).await {
        Ok(removed) => removed,
        Err(error) => return Err(explained(error, &cluster, &release, driver).await),
    };
    let Some(Removed { plan, revision }) = removed else {
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
