//! `cargo xtask fuzz`: the property tests of `src/fuzz.rs`, for longer.

use anyhow::Result;

use super::steps::{cargo, run, step};

/// The tests, by name.
pub(crate) const TARGETS: [&str; 4] = ["yaml", "set", "charts", "templates"];

/// Runs each target, or the one that is named, and stops at the first that finds something.
pub(crate) fn run_targets(minutes: u64, only: Option<&str>) -> Result<()> {
    for target in TARGETS.into_iter().filter(|target| only.is_none_or(|only| only == *target)) {
        step(&format!("fuzz {target} for {minutes} minutes"), || {
            let mut command = cargo()?;
            command.args(["test", "--quiet", "--locked", "--package", "runtimeclass-installer", "--lib"]);
            command.args(["--", "--exact", "--nocapture", &format!("fuzz::{target}")]);
            run(command.env("FUZZ_SECONDS", (minutes * 60).to_string()))
        })?;
    }
    Ok(())
}
