//! etcd and kube-apiserver, started in about three seconds.

mod api;
mod settings;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use serde_json::json;
use tempfile::TempDir;

use super::audit::{self, Mark, Request};
use super::guard::Guard;
use super::http_client::HttpClient;
use super::process::Process;
use super::users::ADMIN;
use settings::Settings;

/// Ample for a machine that does much else at the same time.
const START_DEADLINE: Duration = Duration::from_secs(60);

/// A Kubernetes API server with a store of its own. It ends when this is dropped, and also when the process ends in any
/// other way.
pub struct ControlPlane {
    // Dropped in this order: the API server hangs without etcd, and the guard stays until all else is gone.
    api_server: Mutex<Option<Process>>,
    etcd: Mutex<Process>,
    http: HttpClient,
    settings: Settings,
    dir: TempDir,
    guard: Arc<Guard>,
}

impl fmt::Debug for ControlPlane {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ControlPlane").field("url", &self.url()).field("dir", &self.dir()).finish()
    }
}

impl ControlPlane {
    /// Starts a control plane and waits until it is ready. Builds its programs first where this machine has none yet.
    ///
    /// # Errors
    /// When a program cannot be built, ends at once, or is not ready in time. The message carries the end of its log.
    pub fn start() -> Result<Self> {
        const TRIES: usize = 3;
        for _ in 1..TRIES {
            match Self::try_start() {
                // Between the choice of a port and its use somebody else may take it.
                Err(error) if format!("{error:#}").contains("address already in use") => {}
                result => return result,
            }
        }
        Self::try_start()
    }

    fn try_start() -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("runtimeclass-testbed-").tempdir().context("no temporary folder")?;
        let guard = Guard::start(dir.path())?;
        let settings = Settings::write(dir.path())?;
        let etcd = settings.start_etcd(&guard)?;
        let api_server = settings.start_api_server(&guard)?;
        let http = HttpClient::new(settings.users.kubeconfig(super::users::TESTBED))?;
        let plane =
            Self { api_server: Mutex::new(Some(api_server)), etcd: Mutex::new(etcd), http, settings, dir, guard };
        plane.await_ready()?;
        plane.complete()?;
        Ok(plane)
    }

    /// Ends the API server at once, as a crash does. Its data and its port stay.
    pub fn stop_api_server(&self) {
        *self.api_server.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Starts the API server again, with the same data on the same port, and waits until it is ready.
    ///
    /// # Errors
    /// When it is not ready in time.
    pub fn start_api_server(&self) -> Result<()> {
        self.stop_api_server();
        let deadline = Instant::now() + START_DEADLINE;
        loop {
            let process = self.settings.start_api_server(&self.guard)?;
            *self.api_server.lock().unwrap_or_else(PoisonError::into_inner) = Some(process);
            match self.await_ready() {
                // A connection of somebody else may hold the port for a moment.
                Err(error) if format!("{error:#}").contains("address already in use") && Instant::now() < deadline => {}
                result => return result,
            }
        }
    }

    /// Stops etcd where it is: the API server still accepts requests, and answers none that needs the store.
    ///
    /// # Errors
    /// When etcd has ended.
    pub fn pause_etcd(&self) -> Result<()> {
        self.etcd.lock().unwrap_or_else(PoisonError::into_inner).signal(Signal::STOP)
    }

    /// Lets etcd go on.
    ///
    /// # Errors
    /// When etcd has ended.
    pub fn resume_etcd(&self) -> Result<()> {
        self.etcd.lock().unwrap_or_else(PoisonError::into_inner).signal(Signal::CONT)
    }

    /// Undoes what a test did to the two processes.
    pub(super) fn repair(&self) -> Result<()> {
        self.resume_etcd()?;
        let runs = match self.api_server.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            Some(process) => process.check().is_ok(),
            None => false,
        };
        if runs { self.await_ready() } else { self.start_api_server() }
    }

    /// The API server's address, as in `https://127.0.0.1:40001`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.settings.url
    }

    /// The certificate that signs the API server's.
    #[must_use]
    pub fn ca_file(&self) -> &Path {
        &self.settings.ca_file
    }

    /// The administrator's kubeconfig.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        self.kubeconfig_for(ADMIN)
    }

    /// The kubeconfig of `admin` or of `user-0` to `user-19`; these have no permission until a test binds one.
    #[must_use]
    pub fn kubeconfig_for(&self, user: &str) -> PathBuf {
        self.settings.users.kubeconfig(user)
    }

    /// The bearer token of a user.
    #[must_use]
    pub fn token(&self, user: &str) -> String {
        self.settings.users.token(user)
    }

    /// The folder of this control plane; it goes with it.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The processes that run now.
    #[must_use]
    pub fn pids(&self) -> Vec<u32> {
        let etcd = self.etcd.lock().unwrap_or_else(PoisonError::into_inner).pid();
        let api_server = self.api_server.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(Process::pid);
        api_server.into_iter().chain([etcd]).collect()
    }

    /// Where the audit log ends now.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn mark(&self) -> Result<Mark> {
        audit::mark(&self.settings.audit_log)
    }

    /// The requests since a mark, without those of the test bed and of the API server itself. Exact for every request
    /// whose answer has arrived.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn requests_since(&self, mark: &Mark) -> Result<Vec<Request>> {
        audit::requests_since(&self.settings.audit_log, *mark)
    }

    fn await_ready(&self) -> Result<()> {
        let deadline = Instant::now() + START_DEADLINE;
        loop {
            self.etcd.lock().unwrap_or_else(PoisonError::into_inner).check()?;
            if let Some(process) = self.api_server.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
                process.check()?;
            }
            let Err(error) = self.http.check_ready() else { return Ok(()) };
            if Instant::now() > deadline {
                return Err(error.context(format!("the API server is not ready after {} s", START_DEADLINE.as_secs())));
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Adds what a cluster has soon after its start, so that no test meets it half made.
    fn complete(&self) -> Result<()> {
        for namespace in ["default", "kube-system"] {
            let path = format!("/api/v1/namespaces/{namespace}");
            let deadline = Instant::now() + START_DEADLINE;
            while self.find(&path)?.is_none() {
                if Instant::now() > deadline {
                    bail!("the API server does not make the namespace {namespace}");
                }
                thread::sleep(Duration::from_millis(10));
            }
            // No controller runs here, and without this account no pod can be created.
            let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}});
            self.create(&format!("{path}/serviceaccounts"), &account)?;
        }
        Ok(())
    }
}
