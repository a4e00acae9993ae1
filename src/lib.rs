//! `runtimeclass-installer` makes the cluster's RuntimeClasses what the values say, and exits.
//!
//! The straight line, a module a step: arguments ([`cli`], [`settings`]) → [`values`] → desired ([`render`],
//! [`ownership`]) → observe ([`cluster`]) → [`plan`] → apply ([`execute`]) → [`report`]. The [`commands`] put them in a
//! row. Only `settings` reads files and the environment, only `cluster` uses the network; the steps between are pure.

pub mod chart;
pub mod cli;
pub mod cluster;
pub mod commands;
pub mod diff;
pub mod duration;
pub mod error;
pub mod execute;
pub mod fields;
#[cfg(test)]
mod fuzz;
pub mod log;
pub mod manifest;
pub mod names;
pub mod ownership;
pub mod plan;
pub mod quantity;
pub mod reconcile;
pub mod release;
pub mod render;
pub mod report;
pub mod settings;
pub mod uninstall;
pub mod values;
