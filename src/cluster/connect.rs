//! From a kubeconfig or the pod's service account to a client with one fast connection.

use std::cell::RefCell;
use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kube::client::{Body, ConfigExt};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tower::ServiceBuilder;

use super::error::ClusterError;

/// How the API server's audit log and metrics know this program.
const USER_AGENT: &str = concat!("runtimeclass-installer/", env!("CARGO_PKG_VERSION"));

/// Where the API server is and who we are there, as the user or the surroundings say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// These kubeconfig files, merged as kubectl merges those in `KUBECONFIG`.
    Kubeconfig {
        /// The files, the first one winning.
        files: Vec<PathBuf>,
        /// The context to use instead of the current one.
        context: Option<String>,
    },
    /// The pod's service account.
    InCluster,
}

/// Reads the configuration. Nothing is sent yet.
async fn config(access: &Access) -> Result<Config, ClusterError> {
    let mut config = match access {
        Access::Kubeconfig { files, context } => {
            let shown = files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ");
            from_kubeconfig(files, context.as_deref()).await.map_err(|source| ClusterError::Config {
                hint: format!("check the kubeconfig {shown}, or name another with --kubeconfig or --context"),
                source,
            })
        }
        Access::InCluster => Config::incluster().map_err(|error| ClusterError::Config {
            hint: "in a pod the service account's token must be mounted (automountServiceAccountToken)".to_owned(),
            source: error.into(),
        }),
    }?;
    config.headers.push((http::header::USER_AGENT, http::HeaderValue::from_static(USER_AGENT)));
    Ok(config)
}

async fn from_kubeconfig(files: &[PathBuf], context: Option<&str>) -> anyhow::Result<Config> {
    let mut merged = Kubeconfig::default();
    for file in files {
        let one = Kubeconfig::read_from(file).with_context(|| format!("cannot read {}", file.display()))?;
        merged = merged.merge(one).context("the kubeconfig files do not fit together")?;
    }
    let options = KubeConfigOptions { context: context.map(str::to_owned), ..KubeConfigOptions::default() };
    Ok(Config::from_custom_kubeconfig(merged, &options).await?)
}

/// The client, and the way to another one when the configuration changed or the connection is of no use any more.
pub(super) struct Connection {
    access: Access,
    current: RefCell<Current>,
}

/// A client, and what it was made of.
struct Current {
    client: Client,
    /// Counts the clients, so that of many requests that fail together one makes a new one.
    number: u32,
    credentials: String,
}

impl Connection {
    /// Reads the configuration; nothing is sent yet. The second part is the API server's URL.
    ///
    /// # Errors
    ///
    /// [`ClusterError::Config`].
    pub(super) async fn new(access: &Access) -> Result<(Self, String), ClusterError> {
        let config = config(access).await?;
        let current = Current { client: client(&config)?, number: 0, credentials: credentials(&config) };
        let server = config.cluster_url.to_string().trim_end_matches('/').to_owned();
        Ok((Self { access: access.clone(), current: RefCell::new(current) }, server))
    }

    /// The client and its number.
    pub(super) fn client(&self) -> (Client, u32) {
        let current = self.current.borrow();
        (current.client.clone(), current.number)
    }

    /// Takes another connection, and the configuration as it is now: the API server may have come back with another
    /// certificate, and the kubelet replaces the files in a pod. `number` is the client that failed. A configuration that
    /// cannot be read at the moment leaves the old one in place.
    pub(super) async fn renew(&self, number: u32) {
        if self.current.borrow().number != number {
            return;
        }
        if let Ok(config) = config(&self.access).await
            && let Ok(client) = client(&config)
        {
            *self.current.borrow_mut() = Current { client, number: number + 1, credentials: credentials(&config) };
        }
    }

    /// The same if the credentials are others by now than those of the client with this number. Whether there is a client
    /// with others.
    pub(super) async fn renew_credentials(&self, number: u32) -> bool {
        let before = self.current.borrow().credentials.clone();
        if self.current.borrow().number != number {
            return true;
        }
        match config(&self.access).await {
            Ok(config) if credentials(&config) != before => {
                self.renew(number).await;
                true
            }
            _ => false,
        }
    }
}

/// What identifies us, to be compared and never shown.
fn credentials(config: &Config) -> String {
    let file = config.auth_info.token_file.as_ref().and_then(|file| std::fs::read_to_string(file).ok());
    serde_json::to_string(&config.auth_info).unwrap_or_default() + &file.unwrap_or_default()
}

/// A client with one HTTP/2 connection: requests that go out together share it, so there is one TLS handshake, and no
/// request waits for another. kube's own connector speaks HTTP/1.1 and leaves Nagle's algorithm on, which costs some
/// 40 ms a request on loopback (kube-rs issue 2056).
fn client(config: &Config) -> Result<Client, ClusterError> {
    build(config).map_err(|source| ClusterError::Config {
        hint: format!("the configuration for {} cannot be used", config.cluster_url),
        source,
    })
}

fn build(config: &Config) -> anyhow::Result<Client> {
    if let Some(proxy) = &config.proxy_url {
        return Err(anyhow!("a proxy is asked for ({proxy}), and proxies are not supported"))
            .context("reach the API server directly: unset proxy-url or HTTPS_PROXY, or list the server in NO_PROXY");
    }
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_connect_timeout(config.connect_timeout);
    let tls = HttpsConnectorBuilder::new().with_tls_config(config.rustls_client_config()?).https_or_http();
    let tls = match &config.tls_server_name {
        Some(name) => tls.with_server_name_resolver(hyper_rustls::FixedServerNameResolver::new(
            name.clone().try_into().with_context(|| format!("{name:?} is no TLS server name"))?,
        )),
        None => tls,
    };
    // Without TLS nothing negotiates the protocol, and plain HTTP/1.1 is what kubectl proxy speaks.
    let encrypted = config.cluster_url.scheme_str() == Some("https");
    let connector =
        if encrypted { tls.enable_http2().wrap_connector(http) } else { tls.enable_http1().wrap_connector(http) };
    let mut builder = HttpClient::builder(TokioExecutor::new());
    builder.http2_only(encrypted);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(tower::BoxError::from)
        .service(builder.build::<_, Body>(connector));
    Ok(Client::new(service, config.default_namespace.clone()))
}
