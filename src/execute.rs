//! Does what a plan says, and nothing that it does not say.
//!
//! The order is Helm's: a pending record, the classes, the record that is superseded, the record that is deployed. Every
//! write of something that exists is bound to the version that was read. Where somebody else was faster, nothing more is
//! done and the caller reads and decides again ([`Progress::Overtaken`]). Why that is enough for any number of runs at
//! once is said in `plan::turn`.

use std::time::Duration;

use futures::future::{OptionFuture, join, join_all, try_join_all};
use k8s_openapi::api::node::v1::RuntimeClass;

use crate::cluster::{Api, ClusterError};
use crate::fields;
use crate::names::Release;
use crate::plan::{Mark, Plan, Revision, Step, Write};
use crate::release::{Content, Driver, History, Record, Status, Stored, Times, new_object};

/// Time to put back what a failed replacement took away, and to note a failure, when the deadline has passed.
const GRACE: Duration = Duration::from_secs(10);

/// A write that did not give what was planned.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError {
    /// A request failed.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The API server took a class, but made something else of it.
    #[error(
        "the class {class} is not as desired after it was applied: {path} is {live}, not {desired}; look for an admission webhook or policy that changes RuntimeClasses"
    )]
    Changed {
        /// The class.
        class: String,
        /// The field.
        path: String,
        /// Its value in the answer.
        live: String,
        /// The value that was sent.
        desired: String,
    },
    /// A class could not be made again with its new handler.
    #[error("the class {class} could not get its new handler; {outcome}")]
    NotReplaced {
        /// The class.
        class: String,
        /// What became of the old one.
        outcome: &'static str,
        /// Why.
        source: Box<ExecuteError>,
    },
    /// An object that holds no record of the release has the name of the next one.
    #[error(
        "the {kind} {object} is in the way of the release's next record and is not Helm's; rename or delete it, or choose another release name"
    )]
    RecordTaken {
        /// Secret or ConfigMap.
        kind: &'static str,
        /// Its name, with the namespace.
        object: String,
    },
    /// The user wished the run to end.
    #[error("ended before all was done{}", interrupted(done, left, *revision))]
    Interrupted {
        /// Classes that were written.
        done: Vec<String>,
        /// Classes that were to be written, of which that is not known or that were not.
        left: Vec<String>,
        /// The revision that was begun.
        revision: Option<u32>,
    },
    /// A record that cannot be written down.
    #[error("the release's record cannot be written")]
    Record(#[source] anyhow::Error),
}

fn interrupted(done: &[String], left: &[String], revision: Option<u32>) -> String {
    let list = |what: &str, names: &[String]| match names {
        [] => String::new(),
        names => format!("; {what}: {}", names.join(", ")),
    };
    let record = revision.map(|revision| format!("; revision {revision} is begun and not ended")).unwrap_or_default();
    list("written", done) + &list("not written, or not known to be", left) + &record
}

/// How far a plan was carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// All of it.
    Done,
    /// Not all, since something changed after it was read.
    Overtaken,
}

/// What carrying out a plan came to.
#[derive(Debug)]
pub struct Carried {
    /// How far it got.
    pub progress: Progress,
    /// The revision that says what the plan is for, if it was seen or made to be the newest.
    pub revision: Option<Mark>,
}

/// What became of the record that a revision begins with.
enum Begun {
    /// It is there, and was made by this run.
    Pending(Stored),
    /// This run made it, and another has ended it by now.
    Ended(Mark),
    /// Another run began a revision first.
    Late,
}

/// What of the surroundings the writes need to know.
pub struct Writer<'a, C> {
    /// Where to write.
    pub cluster: &'a C,
    /// The release.
    pub release: &'a Release,
    /// Kind of object that holds the records.
    pub driver: Driver,
    /// The classes as they were read.
    pub classes: &'a [RuntimeClass],
    /// The records as they were read.
    pub history: &'a History,
    /// Whether to take over fields that other managers own.
    pub force: bool,
    /// Records to keep at most; 0 keeps all.
    pub history_max: usize,
    /// What the new record says was done.
    pub description: &'a str,
}

/// What a single write came to: fine, or the plan is out of date.
pub type Written = Result<Progress, ExecuteError>;

impl<C: Api> Writer<'_, C> {
    /// Carries out a plan.
    ///
    /// # Errors
    ///
    /// The first write that failed, or whose answer is not what was sent. Others may have been done by then; another run
    /// completes them. A record that was begun says `failed`, and the last deployed one stays deployed.
    pub async fn carry_out(&self, plan: &Plan) -> Result<Carried, ExecuteError> {
        let overtaken = |revision| Ok(Carried { progress: Progress::Overtaken, revision });
        let record = match &plan.revision {
            Revision::Same | Revision::Blocked(_) => None,
            Revision::Finish(stored) => Some((**stored).clone()),
            Revision::New { revision, status, content } => match self.begin(*revision, *status, content, plan).await? {
                Begun::Pending(stored) => Some(stored),
                Begun::Ended(mark) => return overtaken(Some(mark)),
                Begun::Late => return overtaken(None),
            },
        };
        let mark = record.as_ref().or(self.history.newest()).map(|stored| Mark::of(&stored.record));
        // Classes do not depend on one another. All are seen to their end, so that none is left between two writes.
        let writes = join_all(plan.steps.iter().map(|step| self.write(step)));
        // Who began the first record of all is followed by all others, and has nobody before it to look out for, as long as
        // it takes no class for right that an uninstall may have taken away since.
        let is_first = self.history.records.is_empty() && self.history.damaged.is_empty();
        let relies_on_none = plan.steps.iter().all(|step| step.write != Write::Nothing);
        let second_look = record.is_some() && !(is_first && relies_on_none);
        let (written, again) = join(writes, OptionFuture::from(second_look.then(|| self.cluster.list_classes()))).await;
        let done = written.iter().map(Result::is_ok).collect::<Vec<_>>();
        match self.conclude(plan, written, again, record.clone()).await {
            Ok(progress) => Ok(Carried { progress, revision: mark }),
            Err(ExecuteError::Cluster(ClusterError::Stopped)) => Err(interruption(plan, &done, record.as_ref())),
            Err(error) => {
                if let Some(stored) = record {
                    self.fail(&stored, &error).await;
                }
                Err(error)
            }
        }
    }

    /// What the writes of the classes came to, and the end of the revision if all went well.
    async fn conclude(
        &self,
        plan: &Plan,
        written: Vec<Written>,
        again: Option<Result<Vec<RuntimeClass>, ClusterError>>,
        record: Option<Stored>,
    ) -> Written {
        let written = written.into_iter().collect::<Result<Vec<_>, _>>()?;
        let holds = again.transpose()?.is_none_or(|again| plan.holds(self.classes, &again));
        match record {
            _ if written.contains(&Progress::Overtaken) || !holds => Ok(Progress::Overtaken),
            Some(stored) => self.finish(stored).await,
            None => Ok(Progress::Done),
        }
    }

    async fn write(&self, step: &Step) -> Written {
        match (step.write, &step.desired, &step.live) {
            (Write::Apply, Some(desired), live) => self.apply(desired, live.as_ref()).await,
            (Write::Replace, Some(desired), Some(live)) => self.replace(desired, live).await,
            (Write::Delete, _, Some(live)) => or_overtaken(self.cluster.delete_class(live).await),
            (Write::Disown, _, Some(live)) => or_overtaken(self.cluster.disown_class(live).await),
            _ => Ok(Progress::Done),
        }
    }

    async fn apply(&self, desired: &RuntimeClass, live: Option<&RuntimeClass>) -> Written {
        let migrated = match live.and_then(|live| Some((live, fields::migrated(live)?))) {
            Some((live, entries)) => match self.cluster.replace_managed_fields(live, &entries).await {
                Err(error) if is_late(&error) => return Ok(Progress::Overtaken),
                other => Some(other?),
            },
            None => None,
        };
        match self.cluster.apply_class(desired, migrated.as_ref().or(live), self.force, false).await {
            Err(error) if is_late(&error) => Ok(Progress::Overtaken),
            answer => as_sent(desired, &answer?),
        }
    }

    /// Delete and create, back to back: in between pods that name the class are refused. What can be tried again is, to
    /// the deadline; then, or if the API server refuses the new class, the old one comes back.
    async fn replace(&self, desired: &RuntimeClass, live: &RuntimeClass) -> Written {
        if or_overtaken(self.cluster.delete_class(live).await)? == Progress::Overtaken {
            return Ok(Progress::Overtaken);
        }
        let unstoppable = self.cluster.with_grace(Duration::ZERO);
        let created = unstoppable.apply_class(desired, None, self.force, false).await.map_err(ExecuteError::from);
        let error = match created.and_then(|answer| as_sent(desired, &answer)) {
            Ok(progress) => return Ok(progress),
            Err(ExecuteError::Cluster(error)) if is_late(&error) => return Ok(Progress::Overtaken),
            Err(error) => error,
        };
        let outcome = match self.cluster.with_grace(GRACE).create_class(&as_new(live)).await {
            Ok(_) => "it is back with the old one",
            Err(error) if error.is_conflict() => "somebody else has made a class of that name meanwhile",
            Err(_) => "and putting the old one back failed as well: the class is missing until another run succeeds",
        };
        let class = desired.metadata.name.clone().unwrap_or_default();
        Err(ExecuteError::NotReplaced { class, outcome, source: Box::new(error) })
    }

    /// Stores the pending record.
    async fn begin(
        &self,
        revision: u32,
        status: Status,
        content: &Content,
        plan: &Plan,
    ) -> Result<Begun, ExecuteError> {
        let now = self.cluster.now();
        let first =
            self.history.records.first().map(|stored| stored.record.first_deployed()).filter(|time| !time.is_empty());
        let times =
            Times { first_deployed: first.map_or_else(|| now.to_string(), str::to_owned), now: now.to_string() };
        let mut record = Record::pending(self.release, revision, status, content, &times, self.description);
        record.set_adopted(&plan.adopted);
        let mark = Mark::of(&record);
        let object = new_object(self.driver, self.release, &record, now).map_err(ExecuteError::Record)?;
        // A record that was in the way may be gone when it is looked for: its release was uninstalled.
        for _ in 0..3 {
            match self.cluster.create_record(self.driver, &self.release.namespace, &object).await {
                Ok(object) => return self.stored(object).map(Begun::Pending),
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(error.into()),
            }
            // Another run's record is found by its labels when the records are read again, or our own, if the answer to a
            // first try was lost; what is not found there is none of Helm's.
            let objects = self.cluster.list_records(self.driver, &self.release.namespace, &self.release.name).await?;
            let history = History::read(self.driver, objects);
            match history.records.iter().find(|stored| mark.is_of(&stored.record)) {
                Some(ours) if ours.record.status().is_pending() => return Ok(Begun::Pending(ours.clone())),
                Some(_) => return Ok(Begun::Ended(mark)),
                None if history.next_revision() > revision => return Ok(Begun::Late),
                None => {}
            }
        }
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        Err(ExecuteError::RecordTaken {
            kind: self.driver.kind(),
            object: format!("{}/{name}", self.release.namespace),
        })
    }

    fn stored(&self, object: crate::release::Object) -> Result<Stored, ExecuteError> {
        let mut history = History::read(self.driver, vec![object]);
        let damage = history.damaged.pop().map_or_else(|| "it is gone".to_owned(), |damaged| damaged.reason);
        history
            .records
            .pop()
            .ok_or_else(|| ExecuteError::Record(anyhow::anyhow!("the API server made something else of it: {damage}")))
    }

    /// Ends an operation: what was deployed is superseded, then the new record is deployed, then the oldest go.
    async fn finish(&self, stored: Stored) -> Written {
        let unended = self.history.records.iter().filter(|other| other.object != stored.object);
        for other in unended {
            let status = other.record.status();
            let moved = match status {
                Status::Deployed => self.move_to(other, Status::Superseded, None).await?,
                _ if status.is_pending() => self.move_to(other, Status::Failed, Some("interrupted")).await?,
                _ => Progress::Done,
            };
            if moved == Progress::Overtaken {
                return Ok(moved);
            }
        }
        // Who finishes what another run began leaves its words.
        let description = stored.record.is_described_as_underway().then_some(self.description);
        if self.move_to(&stored, Status::Deployed, description).await? == Progress::Overtaken {
            return Ok(Progress::Overtaken);
        }
        self.prune(&stored).await?;
        Ok(Progress::Done)
    }

    /// Notes on a record that its operation failed. That it cannot be noted is no further failure: the next run sees a
    /// pending record and goes on from there.
    async fn fail(&self, stored: &Stored, error: &ExecuteError) {
        let mut record = stored.record.clone();
        record.set_status(Status::Failed, Some(&format!("failed: {error}")));
        if let Ok(object) = stored.replaced(self.driver, &record, self.cluster.now()) {
            let cluster = self.cluster.with_grace(GRACE);
            let _ = cluster.replace_record(self.driver, &self.release.namespace, &object).await;
        }
    }

    /// Moves a record to another state, if it is still the one that was read.
    ///
    /// # Errors
    ///
    /// As every call.
    pub async fn move_to(&self, stored: &Stored, status: Status, description: Option<&str>) -> Written {
        let mut record = stored.record.clone();
        let now = self.cluster.now();
        record.set_status(status, description);
        if status == Status::Uninstalled {
            record.set_deleted(&now.to_string());
        }
        let object = stored.replaced(self.driver, &record, now).map_err(ExecuteError::Record)?;
        match self.cluster.replace_record(self.driver, &self.release.namespace, &object).await {
            Err(error) if error.is_not_found() => Ok(Progress::Overtaken),
            other => or_overtaken(other.map(drop)),
        }
    }

    /// Deletes a record, if it is still the version that was read.
    ///
    /// # Errors
    ///
    /// As every call.
    pub async fn delete(&self, object: &str, version: &str) -> Written {
        or_overtaken(self.cluster.delete_record(self.driver, &self.release.namespace, object, version).await)
    }

    /// Deletes the oldest records beyond the limit, never the one that is deployed now.
    async fn prune(&self, newest: &Stored) -> Result<(), ExecuteError> {
        let records = self.history.records.iter();
        let mut old: Vec<(u32, &str, &str)> = records
            .map(|stored| (stored.record.revision(), stored.object.as_str(), stored.resource_version.as_str()))
            .chain(
                self.history
                    .damaged
                    .iter()
                    .map(|damaged| (damaged.revision, damaged.object.as_str(), damaged.resource_version.as_str())),
            )
            .filter(|(_, object, _)| *object != newest.object)
            .collect();
        old.sort_unstable();
        let surplus = if self.history_max == 0 { 0 } else { (old.len() + 1).saturating_sub(self.history_max) };
        let surplus = old.into_iter().take(surplus);
        // Where somebody else is at it, the next run that writes prunes as well.
        try_join_all(surplus.map(|(_, object, version)| self.delete(object, version))).await?;
        Ok(())
    }
}

/// Whether a write came too late for what was read, so that a second look will tell what to do.
fn is_late(error: &ClusterError) -> bool {
    error.is_conflict() && !error.is_field_conflict() || error.is_immutable_handler()
}

fn or_overtaken(result: Result<(), ClusterError>) -> Written {
    match result {
        Ok(()) => Ok(Progress::Done),
        Err(error) if is_late(&error) => Ok(Progress::Overtaken),
        Err(error) => Err(error.into()),
    }
}

/// What is known when the user ends a run between its writes. The record stays as it is: another run goes on from there.
fn interruption(plan: &Plan, written: &[bool], record: Option<&Stored>) -> ExecuteError {
    let names = |done: bool| {
        let writes = plan.steps.iter().zip(written).filter(|(step, _)| step.write != Write::Nothing);
        writes.filter(|(_, one)| **one == done).map(|(step, _)| step.name.clone()).collect()
    };
    let revision = record.map(|stored| stored.record.revision());
    ExecuteError::Interrupted { done: names(true), left: names(false), revision }
}

/// Exit code 0 is a promise: what the API server answered is what was sent.
fn as_sent(desired: &RuntimeClass, answer: &RuntimeClass) -> Written {
    match fields::first_unmet(desired, answer) {
        None => Ok(Progress::Done),
        Some(unmet) => Err(ExecuteError::Changed {
            class: desired.metadata.name.clone().unwrap_or_default(),
            path: unmet.path,
            live: unmet.live.map_or_else(|| "absent".to_owned(), |value| format!("{value:?}")),
            desired: format!("{:?}", unmet.desired.unwrap_or_default()),
        }),
    }
}

/// The class without what the API server gives each object.
fn as_new(class: &RuntimeClass) -> RuntimeClass {
    let mut class = class.clone();
    class.metadata.uid = None;
    class.metadata.resource_version = None;
    class.metadata.creation_timestamp = None;
    class.metadata.managed_fields = None;
    class
}

/// Asks the API server what it would make of the plan's classes, so that admission speaks before anything is written.
///
/// # Errors
///
/// As the writes themselves.
pub async fn rehearse<C: Api>(cluster: &C, plan: &Plan, force: bool) -> Result<(), ExecuteError> {
    // A replaced class cannot be tried while the old one is there: its handler is immutable.
    let applied = plan.steps.iter().filter(|step| step.write == Write::Apply).filter_map(|step| step.desired.as_ref());
    try_join_all(
        applied.map(async |desired| as_sent(desired, &cluster.apply_class(desired, None, force, true).await?)),
    )
    .await?;
    Ok(())
}
