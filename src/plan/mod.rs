//! From what is desired and what is there to what is to be done. Pure: every choice is made here, none while writing.
//!
//! Who owns a class is asked in `owner`, what is to be done about it in this file, what the records say afterwards in
//! `revision`, whose wish counts among several runs in `turn`. A plan that deletes is shown who uses the classes before it is carried out ([`Plan::considering`]).

mod owner;
mod revision;
#[cfg(test)]
mod tests;
mod turn;

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::node::v1::RuntimeClass;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Serialize;

pub use owner::{Others, Owner, releases_to_look_up};
pub use revision::Revision;
pub use turn::{Mark, Turn, helm_may_be_at_work, turn};

use crate::fields::{self, Difference};
use crate::names::Release;
use crate::ownership;
use crate::release::{Again, Content, History};
use crate::render::Desired;
use crate::values::{Existing, STUB_LABEL};

/// An object with this annotation and the value `keep` is never deleted by Helm, nor by this program.
const KEEP_ANNOTATION: &str = "helm.sh/resource-policy";

/// What happens, or happened, to a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It was not there.
    Created,
    /// It was somebody else's.
    Adopted,
    /// It had drifted from what the release says.
    Repaired,
    /// The values changed.
    Updated,
    /// Its handler changed, which only a new object can have.
    Recreated,
    /// It was dropped from the values.
    Pruned,
    /// It was dropped from the values and stays: it is in use, or marked to be kept.
    Kept,
    /// It is somebody else's and stays theirs.
    Skipped,
    /// It is as desired already.
    Unchanged,
}

/// What is to be written for a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Write {
    /// Nothing.
    Nothing,
    /// A server-side apply.
    Apply,
    /// A delete of the object that was read, and an apply right after it.
    Replace,
    /// A delete of the object that was read.
    Delete,
    /// Our ownership metadata is taken off, and the class stays.
    Disown,
}

/// One class and what is to be done about it.
#[derive(Debug, Clone)]
pub struct Step {
    /// Name of the class.
    pub name: String,
    /// The class as it is to be, ownership included; `None` if it is not to be.
    pub desired: Option<RuntimeClass>,
    /// The class as it was read; `None` if it was not there.
    pub live: Option<RuntimeClass>,
    /// What happens to it.
    pub action: Action,
    /// What is written for that.
    pub write: Write,
    /// The fields in which the live class differs.
    pub differences: Vec<Difference>,
    /// Whether it was somebody else's until now.
    pub was_foreign: bool,
    /// Who uses it, as `pod namespace/name`; asked only where it is to be deleted.
    pub used_by: Vec<String>,
}

/// All that a run will do.
#[derive(Debug, Clone)]
pub struct Plan {
    /// A step for every class that is defined, owned or recorded, in order of name.
    pub steps: Vec<Step>,
    /// What becomes of the records.
    pub revision: Revision,
    /// Classes that were adopted now or earlier, and are still the release's.
    pub adopted: Vec<String>,
    /// What the user should look at.
    pub warnings: Vec<String>,
}

/// What the user allows.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// What to do with classes of somebody else.
    pub existing: Existing,
    /// Whether a class may be replaced to change its handler.
    pub recreate: bool,
    /// Whether classes may be deleted while something uses them.
    pub force_in_use: bool,
    /// Whether a stub may take the place of a class that is none. It may not; but who only looks has to be told more than
    /// that.
    pub stub_over_real: bool,
}

/// What a release is to be.
#[derive(Debug)]
pub struct Wish<'a> {
    /// The release.
    pub release: &'a Release,
    /// The classes, without ownership.
    pub desired: &'a [Desired],
    /// The manifest as text, where a record has it already; else it is written anew.
    pub manifest: Option<String>,
    /// The user's values.
    pub config: serde_json::Value,
    /// The chart as records keep it.
    pub chart: serde_json::Value,
    /// The user's labels of the release.
    pub labels: BTreeMap<String, String>,
    /// The revision that is gone back to.
    pub again: Option<Again>,
}

impl<'a> Wish<'a> {
    /// The wish for what a record says, with its classes as [`Content::desired`] gives them.
    #[must_use]
    pub fn again(release: &'a Release, desired: &'a [Desired], content: Content) -> Self {
        let Content { classes: _, manifest, config, chart, labels, again } = content;
        Self { release, desired, manifest: Some(manifest), config, chart, labels, again }
    }
}

/// What was read.
#[derive(Debug, Clone, Copy)]
pub struct Observed<'a> {
    /// All RuntimeClasses of the cluster.
    pub classes: &'a [RuntimeClass],
    /// The release's records.
    pub history: &'a History,
    /// What other releases' newest records list, for those that [`releases_to_look_up`] names.
    pub others: &'a Others,
}

/// Why nothing may be done. Each lists all that stands in the way.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Classes of somebody else, and nobody said what to do about them.
    #[error("{}", foreign(classes))]
    Foreign {
        /// Each class with its owner.
        classes: Vec<(String, Owner)>,
    },
    /// Classes that are no stubs where the run has stubs for them: pods that rely on the real handler would get another.
    #[error("{}", not_a_stub(classes))]
    NotAStub {
        /// Each class with its handler now.
        classes: Vec<(String, String)>,
    },
    /// Handlers that would have to change, and `--handler-change fail`.
    #[error("{}", handler_change(classes))]
    HandlerChange {
        /// Class, handler now, handler to be.
        classes: Vec<(String, String, String)>,
    },
    /// Classes that would have to be deleted, and are used.
    #[error("{}", in_use(classes))]
    InUse {
        /// Each class with its users.
        classes: Vec<(String, Vec<String>)>,
    },
}

/// Each line below the first, indented.
fn lines(each: impl Iterator<Item = String>) -> String {
    each.fold(String::new(), |all, line| all + "\n  " + &line)
}

fn foreign(classes: &[(String, Owner)]) -> String {
    let lines = lines(classes.iter().map(|(name, owner)| format!("{name}: {owner}")));
    format!(
        "{} and would be overwritten, nothing was done:{lines}\nchoose one: take them over with --take-ownership, leave them as they are with --existing skip, \
         or decide for a class with `existing: adopt` or `existing: skip` in its values",
        counted(classes.len(), "class belongs to somebody else", "classes belong to somebody else")
    )
}

fn not_a_stub(classes: &[(String, String)]) -> String {
    let lines = lines(
        classes.iter().map(|(name, handler)| format!("{name}: handler {handler}, without the label {STUB_LABEL}=true")),
    );
    format!(
        "{} no stub and would become one, nothing was done:{lines}\n\
         --stub-handler is for clusters that have no such handler; here leave it out, or leave the classes of others as they are with --existing skip",
        counted(classes.len(), "class is", "classes are")
    )
}

fn handler_change(classes: &[(String, String, String)]) -> String {
    let lines = lines(classes.iter().map(|(name, from, to)| format!("{name}: {from} is to become {to}")));
    format!(
        "a handler is immutable, and --handler-change fail forbids to replace {}, nothing was done:{lines}\n\
         allow it with --handler-change recreate, or define a class with another name and move the pods over",
        counted(classes.len(), "class", "classes")
    )
}

fn in_use(classes: &[(String, Vec<String>)]) -> String {
    const SHOWN: usize = 5;
    let lines = lines(classes.iter().map(|(name, users)| {
        let more = users.len().checked_sub(SHOWN).filter(|more| *more > 0);
        let more = more.map(|more| format!(" and {more} more")).unwrap_or_default();
        format!("{name}: {}{more}", users.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", "))
    }));
    format!(
        "{} would have to be deleted and {} in use, nothing was done:{lines}\n\
         end these users first, or delete all the same with --in-use force (running pods go on, new ones are refused meanwhile)",
        counted(classes.len(), "class", "classes"),
        if classes.len() == 1 { "is" } else { "are" }
    )
}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// Decides what makes the live classes the wished ones.
///
/// # Errors
///
/// A [`Refusal`] that lists every class in the way; then nothing is to be written.
pub fn install(wish: &Wish<'_>, observed: Observed<'_>, policy: Policy) -> Result<Plan, Refusal> {
    let Observed { classes, history, .. } = observed;
    let live: BTreeMap<&str, &RuntimeClass> =
        classes.iter().filter_map(|class| Some((class.metadata.name.as_deref()?, class))).collect();
    let ours = owner::Ours::new(wish.release, observed);
    let recorded_fields = revision::recorded_fields(history);

    let mut steps = Vec::new();
    let mut warnings = Vec::new();
    let mut foreign = Vec::new();
    let mut changed_handlers = Vec::new();
    let mut real = Vec::new();
    let recorded_stubs = revision::recorded_stubs(history);
    for desired in wish.desired {
        let mut class = desired.object.clone();
        ownership::stamp(&mut class, wish.release);
        let name = desired.name().to_owned();
        let Some(&now) = live.get(name.as_str()) else {
            steps.push(Step::new(name, Some(class), None, Action::Created, Write::Apply));
            continue;
        };
        let mut step =
            Step::new(name.clone(), Some(class.clone()), Some(now.clone()), Action::Unchanged, Write::Nothing);
        let is_ours = ours.owns_defined(now);
        // The label may have been taken off a stub of ours: that is drift.
        let was_stub = is_stub(now) || is_ours && recorded_stubs.contains(&(name.clone(), now.handler.clone()));
        let replaces_real = is_stub(&class) && !was_stub && !policy.stub_over_real;
        if !is_ours {
            let owner = Owner::of(now);
            let choice = match (desired.existing, desired.existing.unwrap_or(policy.existing)) {
                // Both would rewrite it for ever.
                (None, Existing::Adopt) if owner.is_controller() => {
                    warnings.push(format!("class {name} is left alone: {owner} would undo every change; `existing: adopt` on the class takes it all the same"));
                    Existing::Skip
                }
                (_, choice) => choice,
            };
            match choice {
                Existing::Adopt => {}
                Existing::Skip => {
                    step.action = Action::Skipped;
                    steps.push(step);
                    continue;
                }
                // Taking it over is no way out here.
                Existing::Fail if replaces_real => {}
                Existing::Fail => {
                    foreign.push((name, owner));
                    continue;
                }
            }
        }
        if replaces_real {
            real.push((name, now.handler.clone()));
            continue;
        }
        step.was_foreign = !is_ours;
        step.differences = fields::differences(&class, now);
        if now.handler != class.handler {
            if !policy.recreate {
                changed_handlers.push((name, now.handler.clone(), class.handler.clone()));
                continue;
            }
            (step.action, step.write) = (Action::Recreated, Write::Replace);
        } else if !step.differences.is_empty() {
            let as_recorded =
                recorded_fields.get(step.name.as_str()) == Some(&fields::canonical_leaves(&desired.object));
            step.write = Write::Apply;
            step.action = match (is_ours, as_recorded || recorded_fields.is_empty()) {
                (false, _) => Action::Adopted,
                (true, true) => Action::Repaired,
                (true, false) => Action::Updated,
            };
        }
        steps.push(step);
    }
    if !real.is_empty() {
        return Err(Refusal::NotAStub { classes: real });
    }
    if !foreign.is_empty() {
        return Err(Refusal::Foreign { classes: foreign });
    }
    if !changed_handlers.is_empty() {
        return Err(Refusal::HandlerChange { classes: changed_handlers });
    }

    let defined: BTreeSet<&str> = wish.desired.iter().map(Desired::name).collect();
    for (name, class) in live.iter().filter(|(name, class)| !defined.contains(*name) && ours.owns(class)) {
        steps.push(Step::dropped(name, class));
    }
    steps.sort_by(|one, other| one.name.cmp(&other.name));

    let adopted = revision::adopted(history, &steps);
    let adopts = !adopted.is_subset(&revision::remembered(history));
    let revision = Revision::decide(revision::content(wish, &steps), history, adopts);
    Ok(Plan { steps, revision, adopted: adopted.into_iter().collect(), warnings })
}

fn is_stub(class: &RuntimeClass) -> bool {
    class.metadata.labels.as_ref().and_then(|labels| labels.get(STUB_LABEL)).is_some_and(|value| value == "true")
}

/// Decides what takes a release's classes away. Those that were adopted stay and only lose our metadata, unless
/// `delete_adopted`.
#[must_use]
pub fn uninstall(release: &Release, observed: Observed<'_>, delete_adopted: bool) -> Plan {
    let ours = owner::Ours::new(release, observed);
    let adopted = revision::remembered(observed.history);
    let mut steps: Vec<Step> = observed
        .classes
        .iter()
        .filter(|class| ours.owns(class))
        .map(|class| {
            let mut step = Step::dropped(class.metadata.name.as_deref().unwrap_or_default(), class);
            if adopted.contains(&step.name) && !delete_adopted {
                (step.action, step.write) = (Action::Kept, Write::Disown);
            }
            step
        })
        .collect();
    steps.sort_by(|one, other| one.name.cmp(&other.name));
    Plan { steps, revision: Revision::Same, adopted: adopted.into_iter().collect(), warnings: Vec::new() }
}

impl Step {
    fn new(
        name: String,
        desired: Option<RuntimeClass>,
        live: Option<RuntimeClass>,
        action: Action,
        write: Write,
    ) -> Self {
        Self { name, desired, live, action, write, differences: Vec::new(), was_foreign: false, used_by: Vec::new() }
    }

    /// A class of ours that is not to be any more.
    fn dropped(name: &str, class: &RuntimeClass) -> Self {
        let keep =
            class.metadata.annotations.iter().flatten().any(|(key, value)| key == KEEP_ANNOTATION && value == "keep");
        let (action, write) = if keep { (Action::Kept, Write::Nothing) } else { (Action::Pruned, Write::Delete) };
        Self::new(name.to_owned(), None, Some(class.clone()), action, write)
    }

    /// The handler that the class has, or is to have.
    #[must_use]
    pub fn handler(&self) -> &str {
        self.desired.as_ref().or(self.live.as_ref()).map(|class| class.handler.as_str()).unwrap_or_default()
    }

    fn deletes(&self) -> bool {
        matches!(self.write, Write::Delete | Write::Replace)
    }
}

impl Plan {
    /// Whether anything is to be written.
    #[must_use]
    pub fn changes_anything(&self) -> bool {
        self.steps.iter().any(|step| step.write != Write::Nothing) || self.revision.writes()
    }

    /// Classes whose users must be known before the plan is carried out.
    #[must_use]
    pub fn at_risk(&self) -> BTreeSet<String> {
        self.steps.iter().filter(|step| step.deletes()).map(|step| step.name.clone()).collect()
    }

    /// Whether the classes that the plan does not write are, on a second look, still those that it was made from.
    #[must_use]
    pub fn holds(&self, read: &[RuntimeClass], again: &[RuntimeClass]) -> bool {
        let written: BTreeSet<&str> =
            self.steps.iter().filter(|step| step.write != Write::Nothing).map(|step| step.name.as_str()).collect();
        let versions = |classes: &[RuntimeClass]| -> BTreeSet<(String, String)> {
            let all = classes.iter().map(|class| &class.metadata);
            let of = |metadata: &ObjectMeta| Some((metadata.name.clone()?, metadata.resource_version.clone()?));
            all.filter_map(of).filter(|(name, _)| !written.contains(name.as_str())).collect()
        };
        versions(read) == versions(again)
    }

    /// The plan in the light of who uses the classes that it deletes: what is only pruned is kept for now, what must be
    /// replaced or uninstalled cannot be done.
    ///
    /// # Errors
    ///
    /// [`Refusal::InUse`] with every class that would have to go and may not.
    pub fn considering(
        mut self,
        users: &BTreeMap<String, Vec<String>>,
        policy: Policy,
        prune: bool,
    ) -> Result<Self, Refusal> {
        let mut refused = Vec::new();
        for step in self.steps.iter_mut().filter(|step| step.deletes()) {
            step.used_by = users.get(&step.name).cloned().unwrap_or_default();
            if step.used_by.is_empty() || policy.force_in_use {
                continue;
            }
            if prune && step.write == Write::Delete {
                (step.action, step.write) = (Action::Kept, Write::Nothing);
            } else {
                refused.push((step.name.clone(), step.used_by.clone()));
            }
        }
        if refused.is_empty() { Ok(self) } else { Err(Refusal::InUse { classes: refused }) }
    }
}
