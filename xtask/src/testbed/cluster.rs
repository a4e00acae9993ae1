//! One control plane for all tests of a process, handed out to one test at a time, empty.

use std::ops::Deref;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use anyhow::{Context, Result};

use super::ControlPlane;

/// A control plane for the one test that holds this.
#[derive(Debug)]
pub struct ClusterGuard {
    plane: &'static ControlPlane,
    _turn: MutexGuard<'static, ()>,
}

impl Deref for ClusterGuard {
    type Target = ControlPlane;

    fn deref(&self) -> &ControlPlane {
        self.plane
    }
}

/// Waits for the shared control plane and empties it. It starts at the first call and ends with the process.
///
/// What tests may leave behind, and what goes at the next call: RuntimeClasses, Helm's records, pods, workloads, nodes,
/// admission policies and webhooks, and RBAC objects with the label `runtimeclass-installer/test=true`. A stopped API
/// server is started again, a paused etcd resumed. Namespaces and service accounts stay.
///
/// # Panics
/// When the control plane does not start: a test that needs one has failed.
#[must_use]
#[allow(clippy::panic, reason = "the caller is a test, and this is its failure")]
pub fn cluster() -> ClusterGuard {
    static TURN: Mutex<()> = Mutex::new(());
    // A failed test poisons the lock and nothing else: the next one gets an empty cluster anyway.
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    match ready() {
        Ok(plane) => ClusterGuard { plane, _turn: turn },
        Err(error) => panic!("no cluster for this test: {error:#}"),
    }
}

fn ready() -> Result<&'static ControlPlane> {
    static PLANE: OnceLock<std::result::Result<ControlPlane, String>> = OnceLock::new();
    // The error is kept as well, so that not every test of a process waits for the same failure.
    let plane = PLANE.get_or_init(|| ControlPlane::start().map_err(|error| format!("{error:#}")));
    let plane = plane.as_ref().map_err(|error| anyhow::Error::msg(error.clone()))?;
    plane.repair().context("the API server does not come back")?;
    plane.wipe().context("cannot empty the cluster")?;
    Ok(plane)
}
