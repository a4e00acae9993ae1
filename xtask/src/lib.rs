//! The test bed: a real Kubernetes control plane on this machine, for the tests and for the commands of the repository.
#![allow(clippy::print_stderr, reason = "whoever waits minutes for a first build wants to see why")]

pub mod testbed;
