//! Commands that only read.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::anyhow;
use k8s_openapi::api::node::v1::RuntimeClass;
use serde::Serialize;

use super::{Outcome, Session, explained, json, snapshot, yaml};
use crate::cli::{HistoryArgs, Output, StatusArgs};
use crate::cluster::{Api as _, ClusterError};
use crate::error::{Error, Exit};
use crate::names::Release;
use crate::plan::{self, Action, Policy, Wish};
use crate::reconcile::Snapshot;
use crate::release::{Record, Stored};
use crate::report::{table, to_the_second};
use crate::settings;
use crate::values::Existing;

/// How a class stands to what its release says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    /// As the release says.
    InSync,
    /// Changed since.
    Drifted,
    /// Gone.
    Missing,
    /// Somebody else's.
    Foreign,
    /// The release's by its metadata, but not defined any more.
    LeftOver,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            Self::InSync => "in sync",
            Self::Drifted => "drifted",
            Self::Missing => "missing",
            Self::Foreign => "foreign",
            Self::LeftOver => "left over",
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ReleaseStatus {
    release: String,
    namespace: String,
    revision: u32,
    status: String,
    chart: String,
    updated: String,
    description: String,
    classes: Vec<ClassStatus>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ClassStatus {
    name: String,
    handler: String,
    state: State,
    fields: Vec<String>,
    /// `null` where we may not look.
    used_by: Option<Vec<String>>,
}

pub(super) async fn status(args: StatusArgs, session: Session) -> Result<Outcome, Error> {
    let StatusArgs { release, storage, run } = args;
    let release = settings::release(release)?;
    let driver = storage.storage.0;
    let cluster = session.cluster(&run).await?;
    let snapshot = snapshot(&cluster, &release, driver).await?;
    let record = &newest(&snapshot, &release)?.record;
    let mut classes = states(&snapshot, &release, record)?;
    let names: BTreeSet<String> = classes.iter().map(|class| class.name.clone()).collect();
    match cluster.users(&names).await {
        Ok(mut users) => {
            for class in &mut classes {
                class.used_by = Some(users.remove(&class.name).unwrap_or_default());
            }
        }
        Err(ClusterError::Denied { .. }) => {
            session.log.info("who uses the classes is not known: it takes the permission to list pods");
        }
        Err(error) => return Err(error.into()),
    }
    let status = ReleaseStatus {
        release: release.name.to_string(),
        namespace: release.namespace.to_string(),
        revision: record.revision(),
        status: record.status().word().to_owned(),
        chart: record.chart_name().to_string(),
        updated: record.last_deployed().to_owned(),
        description: record.description().to_owned(),
        classes,
    };
    let text = match run.output {
        Output::Table => status.table(),
        Output::Json => json(&status)?,
        Output::Yaml => yaml(&status)?,
    };
    Ok(Outcome { text, ..Outcome::default() })
}

fn newest<'a>(snapshot: &'a Snapshot, release: &Release) -> Result<&'a Stored, Error> {
    let damaged = snapshot.history.damaged_newest();
    if let Some(damaged) = damaged {
        let text = format!("the record {}/{} is damaged", release.namespace, damaged.object);
        return Err(Error::new(Exit::Failed, anyhow!("{}", damaged.reason).context(text)));
    }
    snapshot.history.newest().ok_or_else(|| Error::new(Exit::Failed, anyhow!("the release {release} is not installed")))
}

/// What a run that wishes for what the record says would do, read as the state of each class.
fn states(snapshot: &Snapshot, release: &Release, record: &Record) -> Result<Vec<ClassStatus>, Error> {
    let content = record.content().map_err(|error| Error::new(Exit::Failed, error))?;
    let desired = content.desired();
    let wish = Wish::again(release, &desired, content);
    let policy = Policy { existing: Existing::Skip, recreate: true, force_in_use: false, stub_over_real: true };
    let plan = plan::install(&wish, snapshot.observed(), policy)?;
    let handler = |class: &Option<RuntimeClass>| class.as_ref().map(|class| class.handler.clone());
    Ok(plan
        .steps
        .into_iter()
        .map(|step| ClassStatus {
            state: match step.action {
                Action::Created => State::Missing,
                Action::Skipped => State::Foreign,
                Action::Pruned | Action::Kept => State::LeftOver,
                Action::Unchanged => State::InSync,
                // Helm 3's classes have the right values, and only another owner of their fields.
                Action::Repaired if step.differences.iter().all(|field| field.live == field.desired) => State::InSync,
                Action::Adopted | Action::Repaired | Action::Updated | Action::Recreated => State::Drifted,
            },
            handler: handler(&step.live).or_else(|| handler(&step.desired)).unwrap_or_default(),
            fields: step.differences.into_iter().map(|field| field.path).collect(),
            name: step.name,
            used_by: None,
        })
        .collect())
}

impl ReleaseStatus {
    fn table(&self) -> String {
        let Self { release, namespace, revision, status, chart, updated, description, classes } = self;
        let updated = to_the_second(updated);
        let head = format!(
            "release {namespace}/{release}: {status}\nrevision {revision}, chart {chart}, {updated}: {description}\n\n"
        );
        let rows = classes.iter().map(|class| {
            let users = class.used_by.as_ref().map(|users| users.len().to_string());
            [
                class.name.clone(),
                class.handler.clone(),
                class.state.word().to_owned(),
                users.unwrap_or_default(),
                class.fields.join(", "),
            ]
        });
        head + &table(["NAME", "HANDLER", "STATE", "USERS", "FIELDS"], rows)
    }
}

/// A revision, with the names that `helm history -o json` gives its parts.
#[derive(Debug, Serialize)]
struct RevisionLine {
    revision: u32,
    updated: String,
    status: String,
    chart: String,
    app_version: String,
    description: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    rollback_revision: Option<u64>,
}

pub(super) async fn history(args: HistoryArgs, session: Session) -> Result<Outcome, Error> {
    let HistoryArgs { release, storage, max, run } = args;
    let release = settings::release(release)?;
    let driver = storage.storage.0;
    let cluster = session.cluster(&run).await?;
    let history = match cluster.list_records(driver, &release.namespace, &release.name).await {
        Ok(objects) => crate::release::History::read(driver, objects),
        Err(error) => return Err(explained(error.into(), &cluster, &release, driver).await),
    };
    let mut lines: BTreeMap<u32, RevisionLine> = BTreeMap::new();
    for stored in &history.records {
        let record = &stored.record;
        lines.insert(
            record.revision(),
            RevisionLine {
                revision: record.revision(),
                updated: record.last_deployed().to_owned(),
                status: record.status().word().to_owned(),
                chart: record.chart_name().to_string(),
                app_version: record.app_version().to_owned(),
                description: record.description().to_owned(),
                rollback_revision: record.rollback_revision(),
            },
        );
    }
    for damaged in &history.damaged {
        session
            .log
            .warning(&format!("the record {}/{} is damaged: {}", release.namespace, damaged.object, damaged.reason));
    }
    if lines.is_empty() {
        return Err(Error::new(Exit::Failed, anyhow!("the release {release} is not installed")));
    }
    let lines: Vec<RevisionLine> = lines.into_values().collect();
    let shown = &lines[lines.len().saturating_sub(max)..];
    let text = match run.output {
        Output::Table => table(
            ["REVISION", "UPDATED", "STATUS", "CHART", "APP VERSION", "DESCRIPTION"],
            shown.iter().map(|line| {
                let RevisionLine { revision, updated, status, chart, app_version, description, rollback_revision: _ } =
                    line;
                [&revision.to_string(), &to_the_second(updated), status, chart, app_version, description]
                    .map(Clone::clone)
            }),
        ),
        Output::Json => json(&shown)?,
        Output::Yaml => yaml(&shown)?,
    };
    Ok(Outcome { text, ..Outcome::default() })
}
