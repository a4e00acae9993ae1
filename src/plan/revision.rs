//! What becomes of the records: whether a revision is due, and what it says.

use std::collections::{BTreeMap, BTreeSet};

use super::{Action, Step, Wish, Write};
use crate::fields;
use crate::release::{Content, Damaged, History, Status, Stored};
use crate::render::Desired;

/// What becomes of the records.
#[derive(Debug, Clone)]
pub enum Revision {
    /// The newest record says what is wished and is deployed.
    Same,
    /// The newest record says what is wished, and whoever began it did not end it: it is finished.
    Finish(Box<Stored>),
    /// The release changes: a new record is due.
    New {
        /// Its number.
        revision: u32,
        /// Its state until all is done.
        status: Status,
        /// What it says.
        content: Box<Content>,
    },
    /// What the newest record says cannot be read, so that no other can follow it. The classes are repaired all the same.
    Blocked(Damaged),
}

impl Revision {
    /// `adopts` says that a class is taken over that no record remembers as adopted yet.
    pub(super) fn decide(content: Content, history: &History, adopts: bool) -> Self {
        if let Some(damaged) = history.damaged_newest() {
            return Self::Blocked(damaged.clone());
        }
        let new = |status, content| Self::New { revision: history.next_revision(), status, content: Box::new(content) };
        match history.newest() {
            None => new(Status::PendingInstall, content),
            Some(stored) => match stored.record.status() {
                Status::Deployed if !adopts && content.is_same_as(&stored.record) => Self::Same,
                status if status.is_pending() && !adopts && content.is_same_as(&stored.record) => {
                    Self::Finish(Box::new(stored.clone()))
                }
                Status::Uninstalled => new(Status::PendingInstall, content),
                _ => new(Status::PendingUpgrade, content),
            },
        }
    }

    /// Whether records are written.
    #[must_use]
    pub fn writes(&self) -> bool {
        matches!(self, Self::Finish(_) | Self::New { .. })
    }
}

/// The fields of each class as the newest revision records them.
pub(super) fn recorded_fields(history: &History) -> BTreeMap<String, BTreeMap<String, String>> {
    let classes = history.newest().and_then(|stored| stored.record.classes().ok()).unwrap_or_default();
    classes
        .iter()
        .map(|class| (class.metadata.name.clone().unwrap_or_default(), fields::canonical_leaves(class)))
        .collect()
}

/// Names and handlers of the classes that the newest revision records as stubs.
pub(super) fn recorded_stubs(history: &History) -> BTreeSet<(String, String)> {
    let classes = history.newest().and_then(|stored| stored.record.classes().ok()).unwrap_or_default();
    let stubs = classes.iter().filter(|class| super::is_stub(class));
    stubs.map(|class| (class.metadata.name.clone().unwrap_or_default(), class.handler.clone())).collect()
}

/// What the release is once the steps are done. A class that stays somebody else's is no part of it.
pub(super) fn content(wish: &Wish<'_>, steps: &[Step]) -> Content {
    let skipped: BTreeSet<&str> =
        steps.iter().filter(|step| step.action == Action::Skipped).map(|step| step.name.as_str()).collect();
    let ours: Vec<Desired> = wish.desired.iter().filter(|desired| !skipped.contains(desired.name())).cloned().collect();
    let mut content = Content::new(&ours, wish.config.clone(), wish.chart.clone(), wish.labels.clone());
    if let (Some(manifest), true) = (&wish.manifest, skipped.is_empty()) {
        content.manifest.clone_from(manifest);
    }
    content.again.clone_from(&wish.again);
    content
}

/// The classes that the records remember as adopted, by the last one that says so.
pub(super) fn remembered(history: &History) -> BTreeSet<String> {
    history.records.iter().rev().find_map(|stored| stored.record.adopted()).unwrap_or_default().into_iter().collect()
}

/// The classes to remember as adopted from now on: those remembered so far, but for those that this run takes away or
/// makes anew, and those that it takes over. A class that was taken over and replaced is still one that was there before.
pub(super) fn adopted(history: &History, steps: &[Step]) -> BTreeSet<String> {
    let mut names = remembered(history);
    for step in steps {
        if step.was_foreign && step.write != Write::Nothing {
            names.insert(step.name.clone());
        } else if step.action == Action::Created || step.write == Write::Delete {
            names.remove(&step.name);
        }
    }
    names
}
