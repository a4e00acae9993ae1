//! Observe, plan, carry out; and again, as long as other runs are faster.
//!
//! There is no lock: `plan::turn` says which run's wish counts, and why every run ends.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::future::try_join;
use jiff::Timestamp;
use k8s_openapi::api::node::v1::RuntimeClass;

use crate::cluster::{Api, ClusterError};
use crate::error::{Error, Exit};
use crate::execute::{Carried, ExecuteError, Progress, Writer, rehearse};
use crate::names::Release;
use crate::plan::{self, Mark, Observed, Others, Plan, Policy, Revision, Step, Turn, Wish, Write};
use crate::release::{Driver, History, Status};

/// How often to look whether Helm has finished.
const HELM_POLL: Duration = Duration::from_secs(1);

/// What was read of the cluster.
pub struct Snapshot {
    /// All RuntimeClasses.
    pub classes: Vec<RuntimeClass>,
    /// The release's records.
    pub history: History,
    /// What other releases list, where that matters.
    pub others: Others,
}

impl Snapshot {
    /// Reads the classes and the release's records at once.
    ///
    /// # Errors
    ///
    /// A list that failed.
    pub async fn read<C: Api>(cluster: &C, release: &Release, driver: Driver) -> Result<Self, ClusterError> {
        let records = cluster.list_records(driver, &release.namespace, &release.name);
        let (classes, objects) = try_join(cluster.list_classes(), records).await?;
        let history = History::read(driver, objects);
        let mut others = Others::new();
        for (namespace, name) in plan::releases_to_look_up(release, &classes, &history) {
            let listed = match cluster.list_records(driver, &namespace, &name).await {
                Ok(objects) => listed_by_newest(&History::read(driver, objects)),
                // Who may not look must not take.
                Err(ClusterError::Denied { .. }) => {
                    classes.iter().filter_map(|class| class.metadata.name.clone()).collect()
                }
                Err(error) => return Err(error),
            };
            others.insert((namespace, name), listed);
        }
        Ok(Self { classes, history, others })
    }

    /// What a plan needs of it.
    #[must_use]
    pub fn observed(&self) -> Observed<'_> {
        Observed { classes: &self.classes, history: &self.history, others: &self.others }
    }
}

fn listed_by_newest(history: &History) -> BTreeSet<String> {
    let newest = history.newest().filter(|stored| stored.record.status() != Status::Uninstalled);
    let classes = newest.and_then(|stored| stored.record.classes().ok()).unwrap_or_default();
    classes.iter().filter_map(|class| class.metadata.name.clone()).collect()
}

/// How far a run goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DryRun {
    /// All the way.
    #[default]
    None,
    /// Reads and decides.
    Client,
    /// And asks the API server what it would say.
    Server,
}

impl DryRun {
    /// The word of the flag and of the result.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Client => "client",
            Self::Server => "server",
        }
    }
}

/// What does not change from one try to the next.
pub struct Options<'a> {
    /// Kind of object that holds the records.
    pub driver: Driver,
    /// What the user allows.
    pub policy: Policy,
    /// Whether to take over fields that other managers own.
    pub force: bool,
    /// Records to keep at most; 0 keeps all.
    pub history_max: usize,
    /// How far to go.
    pub dry_run: DryRun,
    /// What the record says was done; empty for the usual words.
    pub description: &'a str,
    /// Status of the record while it is begun, unless it is an install or upgrade.
    pub pending: Option<Status>,
    /// Whether to create the release's namespace if it is missing.
    pub create_namespace: bool,
}

/// What a run came to.
pub struct Reconciled {
    /// What was done, in all tries together.
    pub plan: Plan,
    /// The revision that the classes are of now; `None` if there is no record.
    pub revision: Option<u32>,
    /// Whose wish the classes are.
    pub outcome: Outcome,
}

/// Whose wish a run brought the classes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Its own.
    Ours,
    /// That of a revision which came after it.
    Superseded(u32),
    /// The release was uninstalled after this run had recorded its wish.
    Uninstalled,
}

/// Makes the cluster what is wished.
///
/// # Errors
///
/// Refusals before anything is written, and whatever went wrong while writing.
pub async fn reconcile<C: Api>(cluster: &C, wish: &Wish<'_>, options: &Options<'_>) -> Result<Reconciled, Error> {
    let mut wished: Option<Mark> = None;
    let mut created_namespace = false;
    let mut written: BTreeMap<String, Step> = BTreeMap::new();
    let mut helm: Option<(Mark, Timestamp)> = None;
    loop {
        let snapshot = Snapshot::read(cluster, wish.release, options.driver).await?;
        let history = &snapshot.history;
        let (plan, outcome) = match plan::turn(history, wished.as_ref()) {
            Turn::Ours => (decide(cluster, wish, &snapshot, options).await?, Outcome::Ours),
            Turn::Theirs(stored) => {
                let content = stored.record.content().map_err(|error| Error::new(Exit::Failed, error))?;
                let desired = content.desired();
                let theirs = Wish::again(wish.release, &desired, content);
                (decide(cluster, &theirs, &snapshot, options).await?, Outcome::Superseded(stored.record.revision()))
            }
            Turn::Uninstalled => {
                let plan = plan::uninstall(wish.release, snapshot.observed(), false);
                (consider(cluster, plan, options.policy, true).await?, Outcome::Uninstalled)
            }
        };
        let revision = match &plan.revision {
            Revision::New { revision, .. } => Some(*revision),
            Revision::Same | Revision::Finish(_) => history.newest().map(|stored| stored.record.revision()),
            Revision::Blocked(_) => None,
        };
        if options.dry_run != DryRun::None {
            if options.dry_run == DryRun::Server {
                rehearse(cluster, &plan, options.force).await?;
            }
            return Ok(Reconciled { plan, revision, outcome });
        }
        if !plan.changes_anything() {
            return Ok(Reconciled { plan: together(plan, written), revision, outcome });
        }
        if let (Revision::New { .. }, Some(wait)) = (&plan.revision, wait_for_helm(history, &mut helm, cluster.now())) {
            cluster.pause(HELM_POLL, Some(&wait)).await?;
            continue;
        }
        let writer = Writer {
            cluster,
            release: wish.release,
            driver: options.driver,
            classes: &snapshot.classes,
            history,
            force: options.force,
            history_max: options.history_max,
            description: if options.description.is_empty() { usual_description(&plan) } else { options.description },
        };
        let Carried { progress, revision: mark } = match writer.carry_out(&plan).await {
            Err(ExecuteError::Cluster(error))
                if error.is_not_found() && options.create_namespace && !created_namespace =>
            {
                cluster.create_namespace(&wish.release.namespace).await?;
                created_namespace = true;
                continue;
            }
            other => other?,
        };
        if outcome == Outcome::Ours {
            wished = mark.or(wished);
        }
        if progress == Progress::Done && !is_overtaken(cluster, wish.release, options.driver, &plan, history).await? {
            return Ok(Reconciled { plan: together(plan, written), revision, outcome });
        }
        let steps = plan.steps.into_iter().filter(|step| step.write != Write::Nothing);
        written.extend(steps.map(|step| (step.name.clone(), step)));
        cluster.pause(pause(), None).await?;
    }
}

/// What to wait for if Helm may be at work on the release still. `seen` is the revision of Helm's that was met, and when.
fn wait_for_helm(history: &History, seen: &mut Option<(Mark, Timestamp)>, now: Timestamp) -> Option<String> {
    let newest = &history.newest()?.record;
    let since = match seen {
        Some((mark, since)) if mark.is_of(newest) => *since,
        _ => seen.insert((Mark::of(newest), now)).1,
    };
    let watched = now.duration_since(since).unsigned_abs();
    plan::helm_may_be_at_work(history, now, watched)
        .then(|| format!("Helm may be at work on revision {} ({})", newest.revision(), newest.status()))
}

/// The last plan, with what earlier tries wrote in place of what the last one found done.
fn together(mut plan: Plan, mut written: BTreeMap<String, Step>) -> Plan {
    for step in &mut plan.steps {
        match written.remove(&step.name) {
            Some(earlier) if step.write == Write::Nothing => *step = earlier,
            _ => {}
        }
    }
    plan.steps.extend(written.into_values());
    plan.steps.sort_by(|one, other| one.name.cmp(&other.name));
    plan
}

/// A run that only repaired drift wrote no record, by which others would have noticed it, or it them: it looks once more
/// whether the newest revision is still the one that it repaired to.
async fn is_overtaken<C: Api>(
    cluster: &C,
    release: &Release,
    driver: Driver,
    plan: &Plan,
    before: &History,
) -> Result<bool, ClusterError> {
    if plan.revision.writes() {
        return Ok(false);
    }
    let objects = cluster.list_records(driver, &release.namespace, &release.name).await?;
    let version =
        |history: &History| history.newest().map(|stored| (stored.object.clone(), stored.resource_version.clone()));
    Ok(version(&History::read(driver, objects)) != version(before))
}

/// Decides, with a look at who uses the classes if any are to be deleted.
async fn decide<C: Api>(
    cluster: &C,
    wish: &Wish<'_>,
    snapshot: &Snapshot,
    options: &Options<'_>,
) -> Result<Plan, Error> {
    let plan = plan::install(wish, snapshot.observed(), options.policy)?;
    let mut plan = consider(cluster, plan, options.policy, true).await?;
    if let (Some(status), Revision::New { status: begun, .. }) = (options.pending, &mut plan.revision) {
        *begun = status;
    }
    Ok(plan)
}

/// The plan in the light of who uses the classes that it deletes. Whoever forces the deletion need not be allowed to know.
///
/// # Errors
///
/// A refusal, or a list that failed.
pub async fn consider<C: Api>(cluster: &C, plan: Plan, policy: Policy, prune: bool) -> Result<Plan, Error> {
    let at_risk = plan.at_risk();
    if at_risk.is_empty() {
        return Ok(plan);
    }
    let users = match cluster.users(&at_risk).await {
        Err(ClusterError::Denied { .. }) if policy.force_in_use => BTreeMap::new(),
        other => other?,
    };
    Ok(plan.considering(&users, policy, prune)?)
}

fn usual_description(plan: &Plan) -> &'static str {
    let begun = match &plan.revision {
        Revision::New { status, .. } => *status,
        Revision::Finish(stored) => stored.record.status(),
        Revision::Same | Revision::Blocked(_) => Status::Deployed,
    };
    match begun {
        Status::PendingInstall => "Install complete",
        Status::PendingRollback => "Rollback complete",
        _ => "Upgrade complete",
    }
}

/// A pause that is long enough for another run to get on, and different for each.
#[must_use]
pub fn pause() -> Duration {
    use std::hash::{BuildHasher, RandomState};
    Duration::from_millis(20 + RandomState::new().hash_one(0) % 80)
}
