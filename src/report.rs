//! What a run did, told three ways: a table for people, JSON and YAML for programs, a few lines for the pod's status.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use crate::cluster::Requests;
use crate::names::Release;
use crate::plan::{Action, Plan, Step};
use crate::reconcile::DryRun;
use crate::release::Status;

/// The result of a run, as `-o json` prints it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Name of the release.
    pub release: String,
    /// Namespace of the release.
    pub namespace: String,
    /// The revision that the classes are of; `null` if there is no record.
    pub revision: Option<u32>,
    /// Status of that revision, in Helm's words.
    pub status: String,
    /// Whether anything was written.
    pub changed: bool,
    /// `none`, or how far a rehearsal went.
    pub dry_run: &'static str,
    /// Every class, by name.
    pub classes: Vec<ClassReport>,
    /// What it cost.
    pub requests: Requests,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// What the user should look at.
    pub warnings: Vec<String>,
}

/// What happened to one class.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClassReport {
    /// Name of the class.
    pub name: String,
    /// Its handler.
    pub handler: String,
    /// What was done.
    pub action: Action,
    /// Paths of the fields that were not as desired.
    pub fields: Vec<String>,
    /// Field managers whose values were overruled.
    pub overruled: Vec<String>,
    /// Who uses the class, as `pod namespace/name`; asked only where it is to be deleted.
    pub used_by: Vec<String>,
}

impl From<&Step> for ClassReport {
    fn from(step: &Step) -> Self {
        let mut overruled: Vec<String> = step.differences.iter().flat_map(|field| field.overrules.clone()).collect();
        overruled.sort();
        overruled.dedup();
        Self {
            name: step.name.clone(),
            handler: step.handler().to_owned(),
            action: step.action,
            fields: step.differences.iter().map(|field| field.path.clone()).collect(),
            overruled,
            used_by: step.used_by.clone(),
        }
    }
}

impl Report {
    /// The report of a plan, carried out or rehearsed.
    #[must_use]
    pub fn new(release: &Release, plan: &Plan, dry_run: DryRun) -> Self {
        Self {
            release: release.name.to_string(),
            namespace: release.namespace.to_string(),
            revision: None,
            status: Status::Deployed.word().to_owned(),
            changed: plan.changes_anything(),
            dry_run: dry_run.word(),
            classes: plan.steps.iter().map(ClassReport::from).collect(),
            requests: Requests::default(),
            duration_ms: 0,
            warnings: plan.warnings.clone(),
        }
    }

    /// The report of a release of which there is nothing.
    #[must_use]
    pub fn nothing(release: &Release) -> Self {
        Self {
            release: release.name.to_string(),
            namespace: release.namespace.to_string(),
            revision: None,
            status: Status::Uninstalled.word().to_owned(),
            changed: false,
            dry_run: DryRun::None.word(),
            classes: Vec::new(),
            requests: Requests::default(),
            duration_ms: 0,
            warnings: Vec::new(),
        }
    }

    /// The same report with what it cost.
    #[must_use]
    pub fn costing(mut self, requests: Requests, took: Duration) -> Self {
        self.requests = requests;
        self.duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self
    }

    /// A line that says it all: `release kube-system/runtimeclasses: 2 created, 1 unchanged`.
    #[must_use]
    pub fn summary(&self) -> String {
        let mut counts: Vec<(Action, usize)> = Vec::new();
        for class in &self.classes {
            match counts.iter_mut().find(|(action, _)| *action == class.action) {
                Some((_, count)) => *count += 1,
                None => counts.push((class.action, 1)),
            }
        }
        counts.sort();
        let counts: Vec<String> = counts.iter().map(|(action, count)| format!("{count} {action}")).collect();
        let counts = if counts.is_empty() { "no classes".to_owned() } else { counts.join(", ") };
        let revision = self.revision.map(|revision| format!(" revision {revision}")).unwrap_or_default();
        let dry_run = if self.dry_run == "none" { "" } else { " (dry run, nothing was written)" };
        format!("release {}/{}{revision} {}: {counts}{dry_run}", self.namespace, self.release, self.status)
    }

    /// The table, and the summary below it.
    #[must_use]
    pub fn table(&self) -> String {
        let rows = self
            .classes
            .iter()
            .map(|class| [class.name.clone(), class.handler.clone(), class.action.to_string(), class.note()]);
        let mut text = table(["NAME", "HANDLER", "ACTION", "DETAILS"], rows);
        let Requests { read, write } = self.requests;
        let counted = |count: u32, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
        let (read, write) = (counted(read, "read"), counted(write, "write"));
        let _ = writeln!(text, "{} ({read}, {write}, {} ms)", self.summary(), self.duration_ms);
        text
    }
}

impl ClassReport {
    fn note(&self) -> String {
        let mut note = self.fields.join(", ");
        if !self.overruled.is_empty() {
            let _ = write!(note, " (set by {})", self.overruled.join(", "));
        }
        if !self.used_by.is_empty() {
            let _ = write!(note, "{}used by {}", if note.is_empty() { "" } else { ", " }, self.used_by.join(", "));
        }
        note
    }
}

impl std::fmt::Display for Action {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.serialize(formatter)
    }
}

/// A time of a record, to the second: nobody reads nanoseconds.
#[must_use]
pub fn to_the_second(time: &str) -> String {
    time.parse::<jiff::Timestamp>()
        .map_or_else(|_| time.to_owned(), |time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

/// Columns as kubectl sets them: as wide as the widest cell, three spaces apart; a column without any cell is left out,
/// and where there are no rows there is no head either.
pub fn table<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let rows: Vec<[String; N]> = rows.into_iter().collect();
    if rows.is_empty() {
        return String::new();
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> =
        (0..N).map(|column| if width(column) == 0 { 0 } else { width(column).max(head[column].len()) }).collect();
    let mut text = String::new();
    for row in std::iter::once(&head.map(str::to_owned)).chain(&rows) {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths).filter(|(_, width)| **width > 0) {
            let _ = write!(line, "{cell:<width$}   ");
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

/// The last thing the pod says: what happened first, at most as many bytes as the kubelet keeps.
#[must_use]
pub fn termination_message(outcome: &str) -> String {
    /// The kubelet keeps this much, from the end; so more must not be written.
    const LONGEST: usize = 4096;
    let mut message = outcome.to_owned();
    message.truncate(message.floor_char_boundary(LONGEST));
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_aligned_and_leaves_out_empty_columns() {
        let rows = [
            ["a".to_owned(), "long-cell".to_owned(), String::new()],
            ["bbbbbb".to_owned(), String::new(), String::new()],
        ];
        assert_eq!(table(["NAME", "TWO", "THREE"], rows), "NAME     TWO\na        long-cell\nbbbbbb\n");
    }

    #[test]
    fn a_termination_message_is_cut_at_the_end() {
        let long = "ä".repeat(5000);
        let message = termination_message(&long);
        assert_eq!(message.len(), 4096);
        assert!(long.starts_with(&message));
    }
}
