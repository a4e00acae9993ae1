//! The only part that talks to the API server: reads and writes of the kinds that a release is made of.
//!
//! Nothing here decides. Every call waits for an API server that is absent, overloaded or failing, up to the deadline
//! of the whole run.

mod connect;
mod error;
mod request;

use std::time::Duration;

use k8s_openapi::List;
use k8s_openapi::api::node::v1::RuntimeClass;
use kube::api::{ListParams, Patch, PatchParams, ValidationDirective};
use kube::core::Request;

pub use connect::Access;
pub use error::ClusterError;
pub use request::Requests;

use crate::log::Log;
use crate::names::FIELD_MANAGER;
use request::Sender;

const CLASSES: &str = "/apis/node.k8s.io/v1/runtimeclasses";

/// A cluster that can be asked.
pub struct Cluster {
    sender: Sender,
}

impl Cluster {
    /// Reads the configuration; the connection is made with the first request. `limit` counts from now, over everything.
    ///
    /// # Errors
    ///
    /// [`ClusterError::Config`] where there is no usable configuration.
    pub async fn new(access: &Access, limit: Duration, log: Log) -> Result<Self, ClusterError> {
        let config = connect::config(access).await?;
        let client = connect::client(&config)?;
        let server = config.cluster_url.to_string();
        Ok(Self { sender: Sender::new(client, server.trim_end_matches('/').to_owned(), limit, log) })
    }

    /// Requests sent so far.
    #[must_use]
    pub fn requests(&self) -> Requests {
        self.sender.sent()
    }

    /// All RuntimeClasses of the cluster.
    ///
    /// # Errors
    ///
    /// As every call: no answer until the deadline, denied, refused.
    pub async fn list_classes(&self) -> Result<Vec<RuntimeClass>, ClusterError> {
        let operation = "list RuntimeClasses";
        let request = built(operation, Request::new(CLASSES).list(&ListParams::default()))?;
        let list: List<RuntimeClass> = self.sender.send(operation, request).await?;
        Ok(list.items)
    }

    /// Applies a class server-side as Helm's field manager, and gives back what the API server made of it. `force` takes
    /// over fields that another manager owns with another value.
    ///
    /// # Errors
    ///
    /// As every call; [`ClusterError::Refused`] with code 409 for fields of another manager without `force`.
    pub async fn apply_class(&self, class: &RuntimeClass, force: bool) -> Result<RuntimeClass, ClusterError> {
        let name = class.metadata.name.as_deref().unwrap_or_default();
        let operation = format!("apply the RuntimeClass {name}");
        let params = PatchParams {
            force,
            field_manager: Some(FIELD_MANAGER.to_owned()),
            field_validation: Some(ValidationDirective::Strict),
            dry_run: false,
        };
        let request = built(&operation, Request::new(CLASSES).patch(name, &params, &Patch::Apply(class)))?;
        self.sender.send(&operation, request).await
    }
}

/// A request that cannot even be written down is an error of this program; it is told, not hidden.
fn built(
    operation: &str,
    request: Result<http::Request<Vec<u8>>, kube::core::request::Error>,
) -> Result<http::Request<Vec<u8>>, ClusterError> {
    request.map_err(|error| ClusterError::Nonsense { operation: operation.to_owned(), source: error.into() })
}
