//! Requests of the test bed itself: blocking, so that tests need no runtime, and as a user whose requests are not counted.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use http::header::{CONTENT_TYPE, USER_AGENT};
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

/// No answer of a healthy server on this machine takes this long.
const PATIENCE: Duration = Duration::from_secs(30);

/// A client that connects at its first request.
pub(super) struct HttpClient {
    kubeconfig: PathBuf,
    runtime: Runtime,
    client: Mutex<Option<Client>>,
}

impl HttpClient {
    pub(super) fn new(kubeconfig: PathBuf) -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build().context("cannot make a runtime")?;
        Ok(Self { kubeconfig, runtime, client: Mutex::new(None) })
    }

    /// Sends a request and returns the status and the answer: JSON, or a string where it is not JSON.
    pub(super) fn request(&self, method: &str, path: &str, body: Option<(&str, &Value)>) -> Result<(u16, Value)> {
        self.within(PATIENCE, self.exchange(method, path, body)).with_context(|| format!("{method} {path}"))
    }

    /// Whether the server says that it is ready; what it says otherwise is the error.
    pub(super) fn check_ready(&self) -> Result<()> {
        // Whoever waits for the server looks after its process, too, and must not be kept from that.
        match self.within(Duration::from_secs(1), self.exchange("GET", "/readyz", None)) {
            Ok((200, _)) => Ok(()),
            Ok((code, answer)) => bail!("{code} {answer}"),
            Err(error) => {
                // The server writes its certificate meanwhile. A client that has read half of it would never connect.
                *self.client.lock().unwrap_or_else(PoisonError::into_inner) = None;
                Err(error)
            }
        }
    }

    /// Reads several paths at the same time.
    pub(super) fn get_all(&self, paths: &[String]) -> Result<Vec<(u16, Value)>> {
        let exchanges = paths
            .iter()
            .map(async |path| self.exchange("GET", path, None).await.with_context(|| format!("GET {path}")));
        self.within(PATIENCE, futures::future::try_join_all(exchanges))
    }

    fn within<T>(&self, patience: Duration, work: impl Future<Output = Result<T>>) -> Result<T> {
        // The timer wants a runtime around it already when it is made.
        match self.runtime.block_on(async { tokio::time::timeout(patience, work).await }) {
            Ok(answer) => answer,
            Err(_) => bail!("no answer within {} s", patience.as_secs()),
        }
    }

    async fn exchange(&self, method: &str, path: &str, body: Option<(&str, &Value)>) -> Result<(u16, Value)> {
        let mut request = http::Request::builder().method(method).uri(path).header(USER_AGENT, "testbed");
        let mut bytes = Vec::new();
        if let Some((content_type, value)) = body {
            request = request.header(CONTENT_TYPE, content_type);
            bytes = serde_json::to_vec(value)?;
        }
        let response = self.client().await?.send(request.body(Body::from(bytes))?).await?;
        let status = response.status().as_u16();
        let bytes = response.into_body().collect_bytes().await?;
        let value = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        Ok((status, value))
    }

    async fn client(&self) -> Result<Client> {
        let known = self.client.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(client) = known {
            return Ok(client);
        }
        let kubeconfig = Kubeconfig::read_from(&self.kubeconfig)?;
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        let client = Client::try_from(config)?;
        *self.client.lock().unwrap_or_else(PoisonError::into_inner) = Some(client.clone());
        Ok(client)
    }
}
