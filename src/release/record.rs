//! One record of a release: a revision as Helm keeps it. What this program does not know of it stays as it is.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fmt;

use anyhow::anyhow;
use k8s_openapi::api::node::v1::RuntimeClass;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::manifest_classes;
use crate::names::Release;

/// Annotation of the chart, within the record, that lists the adopted classes. Helm rewrites a record when another one
/// follows it, and drops what it has no word for; a chart may have any annotations.
const ADOPTED_ANNOTATION: &str = "runtimeclass-installer/adopted";

/// Key of a record that says that this program wrote it. Helm knows no such key, and drops it from what it writes.
const WRITER: &str = "writer";

/// What Helm says of an operation while it goes on.
const UNDERWAY: [&str; 3] = ["", "Initial install underway", "Preparing upgrade"];

/// State of a revision, in Helm's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "Helm's own words")]
pub enum Status {
    Unknown,
    Deployed,
    Uninstalled,
    Superseded,
    Failed,
    Uninstalling,
    PendingInstall,
    PendingUpgrade,
    PendingRollback,
}

impl Status {
    const ALL: [Self; 9] = [
        Self::Unknown,
        Self::Deployed,
        Self::Uninstalled,
        Self::Superseded,
        Self::Failed,
        Self::Uninstalling,
        Self::PendingInstall,
        Self::PendingUpgrade,
        Self::PendingRollback,
    ];

    /// The word that Helm writes.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Deployed => "deployed",
            Self::Uninstalled => "uninstalled",
            Self::Superseded => "superseded",
            Self::Failed => "failed",
            Self::Uninstalling => "uninstalling",
            Self::PendingInstall => "pending-install",
            Self::PendingUpgrade => "pending-upgrade",
            Self::PendingRollback => "pending-rollback",
        }
    }

    /// Whether an operation was begun and not ended.
    #[must_use]
    pub fn is_pending(self) -> bool {
        matches!(self, Self::PendingInstall | Self::PendingUpgrade | Self::PendingRollback)
    }

    fn read(word: Option<&str>) -> Self {
        Self::ALL.into_iter().find(|status| Some(status.word()) == word).unwrap_or(Self::Unknown)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.word())
    }
}

/// Which chart a revision is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChartName {
    /// Name in Chart.yaml.
    pub name: String,
    /// Version in Chart.yaml.
    pub version: String,
}

impl fmt::Display for ChartName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.name, self.version)
    }
}

/// What a revision says the release is: if none of it changed, no new revision is due.
#[derive(Debug, Clone)]
pub struct Content {
    /// The classes, without ownership metadata.
    pub classes: Vec<RuntimeClass>,
    /// The classes as text, as `helm get manifest` shows them.
    pub manifest: String,
    /// The user's values.
    pub config: Value,
    /// The chart as Helm stores it: `metadata`, `templates`, `values` and so on.
    pub chart: Value,
    /// The user's labels of the release.
    pub labels: BTreeMap<String, String>,
    /// What else a record said that is said again: `notes`, `hooks`, and the revision that is gone back to.
    pub again: Option<Again>,
}

/// What a revision that is gone back to said beside its content.
#[derive(Debug, Clone)]
pub struct Again {
    /// The revision.
    pub revision: u32,
    notes: Value,
    hooks: Value,
}

/// A revision of a release.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    raw: Map<String, Value>,
    /// The manifest, read when it is first asked for: of most revisions nobody asks.
    classes: OnceCell<Result<Vec<RuntimeClass>, String>>,
    /// Labels of the stored object beside Helm's own: the user's.
    pub labels: BTreeMap<String, String>,
}

impl Record {
    /// A record from its stored JSON and the user's labels.
    ///
    /// # Errors
    ///
    /// A record without a version.
    pub fn from_raw(raw: Map<String, Value>, labels: BTreeMap<String, String>) -> anyhow::Result<Self> {
        let record = Self { raw, classes: OnceCell::new(), labels };
        anyhow::ensure!(record.revision() > 0, "it has no version");
        Ok(record)
    }

    /// The first record of an operation, before anything is written: pending.
    #[must_use]
    pub fn pending(
        release: &Release,
        revision: u32,
        status: Status,
        content: &Content,
        times: &Times,
        description: &str,
    ) -> Self {
        let mut raw = json!({
            "name": release.name.as_str(),
            "namespace": release.namespace.as_str(),
            "version": revision,
            "info": {
                "first_deployed": times.first_deployed,
                "last_deployed": times.now,
                "deleted": "",
                "description": description,
                "status": status.word(),
            },
            "chart": content.chart,
            "config": content.config,
            "manifest": content.manifest,
            "apply_method": "ssa",
        });
        raw[WRITER] = concat!("runtimeclass-installer ", env!("CARGO_PKG_VERSION")).into();
        if let Some(Again { revision, notes, hooks }) = &content.again {
            raw["info"]["notes"] = notes.clone();
            raw["info"]["rollback_revision"] = (*revision).into();
            raw["hooks"] = hooks.clone();
        }
        let raw = raw.as_object().cloned().unwrap_or_default();
        Self { raw, classes: OnceCell::from(Ok(content.classes.clone())), labels: content.labels.clone() }
    }

    /// The record as it is stored.
    #[must_use]
    pub fn raw(&self) -> &Map<String, Value> {
        &self.raw
    }

    fn at(&self, pointer: &[&str]) -> Option<&Value> {
        let (first, rest) = pointer.split_first()?;
        rest.iter().try_fold(self.raw.get(*first)?, |value, key| value.get(key))
    }

    fn text(&self, pointer: &[&str]) -> &str {
        self.at(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// Number of the revision, from 1; 0 where it is missing.
    #[must_use]
    pub fn revision(&self) -> u32 {
        self.raw.get("version").and_then(Value::as_u64).and_then(|version| version.try_into().ok()).unwrap_or(0)
    }

    /// State of the revision.
    #[must_use]
    pub fn status(&self) -> Status {
        Status::read(self.at(&["info", "status"]).and_then(Value::as_str))
    }

    /// What was done, in a few words.
    #[must_use]
    pub fn description(&self) -> &str {
        self.text(&["info", "description"])
    }

    /// Whether this program began the revision.
    #[must_use]
    pub fn is_by_us(&self) -> bool {
        self.raw.contains_key(WRITER)
    }

    /// When the release was first installed, as RFC 3339.
    #[must_use]
    pub fn first_deployed(&self) -> &str {
        self.text(&["info", "first_deployed"])
    }

    /// When this revision was deployed, as RFC 3339.
    #[must_use]
    pub fn last_deployed(&self) -> &str {
        self.text(&["info", "last_deployed"])
    }

    /// The chart's name and version.
    #[must_use]
    pub fn chart_name(&self) -> ChartName {
        ChartName {
            name: self.text(&["chart", "metadata", "name"]).to_owned(),
            version: self.text(&["chart", "metadata", "version"]).to_owned(),
        }
    }

    /// The chart's version of what it installs.
    #[must_use]
    pub fn app_version(&self) -> &str {
        self.text(&["chart", "metadata", "appVersion"])
    }

    /// The user's values; null and absent mean none.
    #[must_use]
    pub fn config(&self) -> Value {
        self.raw.get("config").filter(|config| !config.is_null()).cloned().unwrap_or_else(|| json!({}))
    }

    /// The classes of the revision, without ownership metadata.
    ///
    /// # Errors
    ///
    /// A manifest that is not YAML, or that has something else than RuntimeClasses.
    pub fn classes(&self) -> anyhow::Result<&[RuntimeClass]> {
        let read = || manifest_classes(self.text(&["manifest"])).map_err(|error| format!("{error:#}"));
        self.classes.get_or_init(read).as_deref().map_err(|error| anyhow!("{error}"))
    }

    /// What the revision says the release is, to say it again.
    ///
    /// # Errors
    ///
    /// As [`Record::classes`].
    pub fn content(&self) -> anyhow::Result<Content> {
        Ok(Content {
            classes: self.classes()?.to_vec(),
            manifest: self.text(&["manifest"]).to_owned(),
            config: self.config(),
            chart: self.raw.get("chart").cloned().unwrap_or_else(|| json!({})),
            labels: self.labels.clone(),
            again: None,
        })
    }

    /// The same, for a revision that goes back to this one.
    ///
    /// # Errors
    ///
    /// As [`Record::classes`].
    pub fn content_again(&self) -> anyhow::Result<Content> {
        let value = |pointer: &[&str]| self.at(pointer).cloned().unwrap_or_default();
        let again = Again { revision: self.revision(), notes: value(&["info", "notes"]), hooks: value(&["hooks"]) };
        Ok(Content { again: Some(again), ..self.content()? })
    }

    /// The revision that this one went back to, if it did and says so.
    #[must_use]
    pub fn rollback_revision(&self) -> Option<u64> {
        self.at(&["info", "rollback_revision"])?.as_u64().filter(|revision| *revision > 0)
    }

    /// Whether the description is what Helm says while an operation goes on.
    #[must_use]
    pub fn is_described_as_underway(&self) -> bool {
        UNDERWAY.contains(&self.description())
    }

    /// Names of the classes that were there before this release had them, and belonged to nobody or somebody else.
    /// `None` where nobody wrote it down: Helm drops what it does not know from the records it writes.
    #[must_use]
    pub fn adopted(&self) -> Option<Vec<String>> {
        let names = self.at(&["chart", "metadata", "annotations", ADOPTED_ANNOTATION])?.as_str()?;
        Some(names.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect())
    }

    /// Remembers the classes that were adopted.
    pub fn set_adopted(&mut self, names: &[String]) {
        let Some(Value::Object(metadata)) = self.raw.get_mut("chart").and_then(|chart| chart.get_mut("metadata"))
        else {
            return;
        };
        let annotations = metadata.entry("annotations").or_insert_with(|| json!({}));
        if !annotations.is_object() {
            *annotations = json!({});
        }
        annotations[ADOPTED_ANNOTATION] = names.join(",").into();
    }

    /// Notes when the release was uninstalled, as RFC 3339.
    pub fn set_deleted(&mut self, time: &str) {
        if let Some(Value::Object(info)) = self.raw.get_mut("info") {
            info.insert("deleted".to_owned(), time.into());
        }
    }

    /// Moves the revision to another state, and leaves all else as it is.
    pub fn set_status(&mut self, status: Status, description: Option<&str>) {
        let info = self.raw.entry("info").or_insert_with(|| json!({}));
        if let Value::Object(info) = info {
            info.insert("status".to_owned(), status.word().into());
            if let Some(description) = description {
                info.insert("description".to_owned(), description.into());
            }
        }
    }
}

/// The two times of a record, as RFC 3339.
#[derive(Debug, Clone)]
pub struct Times {
    /// When the release was first installed.
    pub first_deployed: String,
    /// Now.
    pub now: String,
}
