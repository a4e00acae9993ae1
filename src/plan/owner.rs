//! Whose a class is.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use k8s_openapi::api::node::v1::RuntimeClass;

use super::Observed;
use crate::names::{FIELD_MANAGER, RELEASE_NAME_ANNOTATION, RELEASE_NAMESPACE_ANNOTATION, Release};
use crate::ownership;
use crate::release::{History, Record, Status};

/// Classes that other releases' newest records list, by release.
pub type Others = BTreeMap<OtherRelease, BTreeSet<String>>;

/// A release that a class's metadata names: its namespace and name, as they stand there.
pub type OtherRelease = (String, String);

/// The release that a class's annotations name, whether or not it exists.
fn named_release(class: &RuntimeClass) -> Option<OtherRelease> {
    let annotations = class.metadata.annotations.as_ref()?;
    Some((annotations.get(RELEASE_NAMESPACE_ANNOTATION)?.clone(), annotations.get(RELEASE_NAME_ANNOTATION)?.clone()))
}

/// Names of the classes that the release has by its records: those of the last revision that was ever deployed and of all
/// begun after it. A class that was dropped earlier is gone, and one of that name is somebody else's.
fn recorded(history: &History) -> BTreeSet<String> {
    let was_deployed = |record: &Record| matches!(record.status(), Status::Deployed | Status::Superseded);
    let last = history.records.iter().rev().find(|stored| was_deployed(&stored.record));
    let since = last.map_or(0, |stored| stored.record.revision());
    history
        .records
        .iter()
        .filter(|stored| stored.record.revision() >= since && stored.record.status() != Status::Uninstalled)
        .flat_map(|stored| stored.record.classes().unwrap_or_default())
        .filter_map(|class| class.metadata.name.clone())
        .collect()
}

/// Other releases whose records decide whether a class of ours still is: those that the metadata of a recorded class
/// names instead of us.
#[must_use]
pub fn releases_to_look_up(release: &Release, classes: &[RuntimeClass], history: &History) -> BTreeSet<OtherRelease> {
    let recorded = recorded(history);
    classes
        .iter()
        .filter(|class| class.metadata.name.as_ref().is_some_and(|name| recorded.contains(name)))
        .filter_map(named_release)
        .filter(|(namespace, name)| {
            (namespace.as_str(), name.as_str()) != (release.namespace.as_str(), release.name.as_str())
        })
        .collect()
}

/// Tells the release's own classes from others.
pub(super) struct Ours<'a> {
    release: &'a Release,
    recorded: BTreeSet<String>,
    others: &'a Others,
    /// What the newest record lists is not known: then what we wrote is told from the field managers.
    in_the_dark: bool,
}

impl<'a> Ours<'a> {
    pub(super) fn new(release: &'a Release, observed: Observed<'a>) -> Self {
        Self {
            release,
            recorded: recorded(observed.history),
            others: observed.others,
            in_the_dark: observed.history.damaged_newest().is_some(),
        }
    }

    /// A class is ours by its metadata, or by our record: then its metadata drifted, unless it names another release
    /// that has a record of it too. Two owners would undo each other for ever.
    pub(super) fn owns(&self, class: &RuntimeClass) -> bool {
        let name = class.metadata.name.as_deref().unwrap_or_default();
        let taken = || {
            named_release(class).and_then(|other| self.others.get(&other)).is_some_and(|classes| classes.contains(name))
        };
        ownership::is_owned(&class.metadata, self.release) || self.recorded.contains(name) && !taken()
    }

    /// The same for a class that is defined. Where the newest record is damaged, what it lists is not known, and what
    /// bears no other release's marks and was written by Helm's field manager is taken for ours, so that it is repaired.
    pub(super) fn owns_defined(&self, class: &RuntimeClass) -> bool {
        let us = (self.release.namespace.to_string(), self.release.name.to_string());
        let names_no_other = || named_release(class).is_none_or(|named| named == us);
        self.owns(class) || self.in_the_dark && names_no_other() && is_written_by_helm(class)
    }
}

fn is_written_by_helm(class: &RuntimeClass) -> bool {
    class.metadata.managed_fields.iter().flatten().any(|entry| entry.manager.as_deref() == Some(FIELD_MANAGER))
}

/// Whose a foreign class is, as far as the class itself tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// A controller that rewrites it: kind and name.
    Controller(String, String),
    /// Another Helm release, as `namespace/name`.
    Release(String),
    /// K3s' deploy controller: the addon.
    Addon(String),
    /// Somebody of whom only the field managers are known.
    Managers(Vec<String>),
}

impl Owner {
    pub(super) fn of(class: &RuntimeClass) -> Self {
        let controller = class.metadata.owner_references.iter().flatten().find(|owner| owner.controller == Some(true));
        if let Some(owner) = controller {
            return Self::Controller(owner.kind.clone(), owner.name.clone());
        }
        if let Some((namespace, name)) = named_release(class) {
            return Self::Release(format!("{namespace}/{name}"));
        }
        let annotations = class.metadata.annotations.as_ref();
        if let Some(addon) = annotations.and_then(|annotations| annotations.get("objectset.rio.cattle.io/owner-name")) {
            return Self::Addon(addon.clone());
        }
        let entries = class.metadata.managed_fields.iter().flatten();
        let managers: BTreeSet<String> = entries.filter_map(|entry| entry.manager.clone()).collect();
        Self::Managers(managers.into_iter().collect())
    }

    pub(super) fn is_controller(&self) -> bool {
        matches!(self, Self::Controller(..))
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Controller(kind, name) => write!(formatter, "the controller {kind}/{name}"),
            Self::Release(release) => write!(formatter, "the Helm release {release}"),
            Self::Addon(addon) => write!(formatter, "the K3s addon {addon}"),
            Self::Managers(managers) if managers.is_empty() => formatter.write_str("nobody known"),
            Self::Managers(managers) => write!(formatter, "no release, written by {}", managers.join(", ")),
        }
    }
}
