//! From what is desired and what is there to what is to be done. Pure: every choice is made here, none while writing.

use std::collections::BTreeMap;

use k8s_openapi::api::node::v1::RuntimeClass;
use serde::Serialize;

use crate::fields::{self, Difference};
use crate::names::Release;
use crate::ownership;
use crate::render::Desired;

/// What happens, or happened, to a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It was not there.
    Created,
    /// It had drifted from what the release says.
    Repaired,
    /// It is as desired already.
    Unchanged,
}

/// One class and what is to be done about it.
#[derive(Debug, Clone)]
pub struct Step {
    /// The class as it is to be, ownership included.
    pub class: RuntimeClass,
    /// What is to be done.
    pub action: Action,
    /// The fields in which the live class differs.
    pub differences: Vec<Difference>,
}

/// All that a run will do.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// A step for every class, in order of name.
    pub steps: Vec<Step>,
}

/// Decides what makes the live classes the desired ones.
#[must_use]
pub fn plan(desired: &[Desired], live: &[RuntimeClass], release: &Release) -> Plan {
    let live: BTreeMap<&str, &RuntimeClass> =
        live.iter().filter_map(|class| Some((class.metadata.name.as_deref()?, class))).collect();
    let steps = desired.iter().map(|desired| {
        let mut class = desired.object.clone();
        ownership::stamp(&mut class, release);
        let (action, differences) = match live.get(desired.name()) {
            None => (Action::Created, Vec::new()),
            Some(live) => {
                let differences = fields::differences(&class, live);
                (if differences.is_empty() { Action::Unchanged } else { Action::Repaired }, differences)
            }
        };
        Step { class, action, differences }
    });
    Plan { steps: steps.collect() }
}
