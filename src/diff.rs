//! What a plan would change, field by field, as `kubectl diff` shows it.

use std::fmt::Write as _;

use k8s_openapi::api::node::v1::RuntimeClass;

use crate::fields;
use crate::plan::{Action, Plan, Revision, Step, Write};

/// The changes as text: a line with the class and what happens to it, then `-` and `+` lines; empty if there are none.
#[must_use]
pub fn text(plan: &Plan, colour: bool) -> String {
    let mut text = String::new();
    for step in &plan.steps {
        let lines = lines(step);
        if step.write == Write::Nothing && step.action != Action::Kept {
            continue;
        }
        let _ = writeln!(text, "{} ({}){}", step.name, step.action, users(step));
        for (sign, line) in lines {
            let (on, off) = match (colour, sign) {
                (true, '-') => ("\x1b[31m", "\x1b[0m"),
                (true, '+') => ("\x1b[32m", "\x1b[0m"),
                _ => ("", ""),
            };
            let _ = writeln!(text, "{on}{sign} {line}{off}");
        }
    }
    match &plan.revision {
        Revision::New { revision, .. } => {
            let _ = writeln!(text, "release: revision {revision} would be recorded");
        }
        Revision::Finish(stored) => {
            let _ = writeln!(text, "release: revision {} would be finished", stored.record.revision());
        }
        Revision::Blocked(damaged) => {
            let _ = writeln!(text, "release: {} is damaged: {}", damaged.object, damaged.reason);
        }
        Revision::Same => {}
    }
    text
}

fn users(step: &Step) -> String {
    if step.used_by.is_empty() { String::new() } else { format!(", used by {}", step.used_by.join(", ")) }
}

fn lines(step: &Step) -> Vec<(char, String)> {
    let all = |sign: char, class: &Option<RuntimeClass>| -> Vec<(char, String)> {
        let leaves = class.as_ref().map(fields::leaves).unwrap_or_default();
        leaves.into_iter().map(|(path, value)| (sign, format!("{path}: {value}"))).collect()
    };
    match (step.write, &step.live) {
        (Write::Delete, _) => all('-', &step.live),
        (Write::Apply, None) => all('+', &step.desired),
        (Write::Apply | Write::Replace, Some(_)) => step
            .differences
            .iter()
            .flat_map(|field| {
                let owners = if field.overrules.is_empty() {
                    String::new()
                } else {
                    format!("   (set by {})", field.overrules.join(", "))
                };
                if field.live == field.desired {
                    return vec![(
                        ' ',
                        format!(
                            "{}: {} (to be owned by the release)",
                            field.path,
                            field.desired.as_deref().unwrap_or_default()
                        ),
                    )];
                }
                let old = field.live.iter().map(|value| ('-', format!("{}: {value}{owners}", field.path)));
                let new = field.desired.iter().map(|value| ('+', format!("{}: {value}", field.path)));
                old.chain(new).collect()
            })
            .collect(),
        _ => Vec::new(),
    }
}
