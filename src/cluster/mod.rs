//! The only part that talks to the API server: reads and writes of the kinds that a release is made of.
//!
//! Nothing here decides. Every call waits for an API server that is absent, overloaded or failing, up to the deadline
//! of the whole run.

mod access;
mod api;
mod connect;
mod error;
mod request;
mod users;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::List;
use k8s_openapi::api::node::v1::RuntimeClass;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions, ValidationDirective};
use kube::core::{ObjectList, Request};
use serde_json::{Value, json};

pub use access::Permission;
pub use api::Api;
pub use connect::Access;
use connect::Connection;
pub use error::ClusterError;
pub use request::{Requests, Stop};

use crate::log::Log;
use crate::names::{FIELD_MANAGER, MANAGED_BY_LABEL, Namespace, RELEASE_NAME_ANNOTATION, RELEASE_NAMESPACE_ANNOTATION};
use crate::release::{Driver, Object, selector};
use request::Sender;

const CLASSES: &str = "/apis/node.k8s.io/v1/runtimeclasses";

type Result<T> = std::result::Result<T, ClusterError>;

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
    pub async fn new(access: &Access, limit: Duration, log: Log, stop: Stop) -> Result<Self> {
        let (connection, server) = Connection::new(access).await?;
        Ok(Self { sender: Sender::new(connection, server, limit, log, stop) })
    }

    /// Requests sent so far.
    #[must_use]
    pub fn requests(&self) -> Requests {
        self.sender.sent()
    }

    async fn merge_patch(&self, name: &str, operation: &str, patch: &Value) -> Result<RuntimeClass> {
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let request = built(operation, Request::new(CLASSES).patch(name, &params, &Patch::Merge(patch)))?;
        self.sender.send(operation, request).await
    }

    async fn delete(&self, path: &str, operation: &str, name: &str, preconditions: Preconditions) -> Result<()> {
        let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
        let request = built(operation, Request::new(path).delete(name, &params))?;
        match self.sender.send::<Value>(operation, request).await {
            Err(error) if error.is_not_found() => Ok(()),
            other => other.map(drop),
        }
    }
}

impl Api for Cluster {
    async fn list_classes(&self) -> Result<Vec<RuntimeClass>> {
        let operation = "list RuntimeClasses";
        let request = built(operation, Request::new(CLASSES).list(&ListParams::default()))?;
        let list: List<RuntimeClass> = self.sender.send(operation, request).await?;
        Ok(list.items)
    }

    async fn apply_class(
        &self,
        class: &RuntimeClass,
        over: Option<&RuntimeClass>,
        force: bool,
        dry_run: bool,
    ) -> Result<RuntimeClass> {
        let mut class = class.clone();
        if let Some(read) = over {
            class.metadata.uid.clone_from(&read.metadata.uid);
            class.metadata.resource_version.clone_from(&read.metadata.resource_version);
        }
        let name = class.metadata.name.as_deref().unwrap_or_default();
        let operation = format!("apply the RuntimeClass {name}");
        let params = PatchParams {
            force,
            field_manager: Some(FIELD_MANAGER.to_owned()),
            field_validation: Some(ValidationDirective::Strict),
            dry_run,
        };
        let request = built(&operation, Request::new(CLASSES).patch(name, &params, &Patch::Apply(&class)))?;
        self.sender.send(&operation, request).await
    }

    async fn create_class(&self, class: &RuntimeClass) -> Result<RuntimeClass> {
        let operation = format!("create the RuntimeClass {}", class.metadata.name.as_deref().unwrap_or_default());
        let body = json_bytes(&operation, class)?;
        let request = built(&operation, Request::new(CLASSES).create(&PostParams::default(), body))?;
        self.sender.send(&operation, request).await
    }

    async fn delete_class(&self, class: &RuntimeClass) -> Result<()> {
        let name = class.metadata.name.as_deref().unwrap_or_default();
        self.delete(CLASSES, &format!("delete the RuntimeClass {name}"), name, preconditions(class)).await
    }

    async fn replace_managed_fields(
        &self,
        class: &RuntimeClass,
        fields: &[ManagedFieldsEntry],
    ) -> Result<RuntimeClass> {
        let name = class.metadata.name.as_deref().unwrap_or_default();
        let patch = json!({"metadata": {"managedFields": fields, "resourceVersion": class.metadata.resource_version}});
        self.merge_patch(name, &format!("migrate the field owners of the RuntimeClass {name}"), &patch).await
    }

    async fn disown_class(&self, class: &RuntimeClass) -> Result<()> {
        let name = class.metadata.name.as_deref().unwrap_or_default();
        let patch = json!({"metadata": {
            "resourceVersion": class.metadata.resource_version,
            "labels": {MANAGED_BY_LABEL: null},
            "annotations": {RELEASE_NAME_ANNOTATION: null, RELEASE_NAMESPACE_ANNOTATION: null},
        }});
        self.merge_patch(name, &format!("take the ownership metadata off the RuntimeClass {name}"), &patch)
            .await
            .map(drop)
    }

    async fn list_records(&self, driver: Driver, namespace: &str, release: &str) -> Result<Vec<Object>> {
        let operation =
            format!("list the {} that hold the release's records in namespace {namespace}", driver.resource());
        let params = ListParams::default().labels(&selector(release));
        let request = built(&operation, Request::new(records(driver, namespace)).list(&params))?;
        let list: ObjectList<Object> = self.sender.send(&operation, request).await?;
        Ok(list.items)
    }

    async fn create_record(&self, driver: Driver, namespace: &Namespace, object: &Value) -> Result<Object> {
        let operation = format!("create the {} {} in namespace {namespace}", driver.kind(), name_of(object));
        let body = json_bytes(&operation, object)?;
        let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), dry_run: false };
        let request = built(&operation, Request::new(records(driver, namespace)).create(&params, body))?;
        self.sender.send(&operation, request).await
    }

    async fn replace_record(&self, driver: Driver, namespace: &Namespace, object: &Value) -> Result<Object> {
        let name = name_of(object);
        let operation = format!("update the {} {name} in namespace {namespace}", driver.kind());
        let body = json_bytes(&operation, object)?;
        let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), dry_run: false };
        let request = built(&operation, Request::new(records(driver, namespace)).replace(name, &params, body))?;
        self.sender.send(&operation, request).await
    }

    async fn delete_record(&self, driver: Driver, namespace: &Namespace, name: &str, version: &str) -> Result<()> {
        let operation = format!("delete the {} {name} in namespace {namespace}", driver.kind());
        let read = Preconditions { uid: None, resource_version: Some(version.to_owned()) };
        self.delete(&records(driver, namespace), &operation, name, read).await
    }

    async fn create_namespace(&self, namespace: &Namespace) -> Result<()> {
        let operation = format!("create the namespace {namespace}");
        let body =
            json_bytes(&operation, &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}))?;
        let request = built(&operation, Request::new("/api/v1/namespaces").create(&PostParams::default(), body))?;
        match self.sender.send::<Value>(&operation, request).await {
            Err(error) if error.is_conflict() => Ok(()),
            other => other.map(drop),
        }
    }

    async fn users(&self, classes: &BTreeSet<String>) -> Result<BTreeMap<String, Vec<String>>> {
        users::users(&self.sender, classes).await
    }

    fn with_grace(&self, grace: Duration) -> Self {
        Self { sender: self.sender.with_grace(grace) }
    }

    async fn pause(&self, time: Duration, reason: Option<&str>) -> Result<()> {
        self.sender.pause(time, reason).await
    }

    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// Binds a delete to the very object that was read: another one of that name, or a later version, is left alone.
fn preconditions(class: &RuntimeClass) -> Preconditions {
    Preconditions { uid: class.metadata.uid.clone(), resource_version: class.metadata.resource_version.clone() }
}

fn records(driver: Driver, namespace: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/{}", driver.resource())
}

fn name_of(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

/// A request that cannot even be written down is an error of this program; it is told, not hidden.
fn built(
    operation: &str,
    request: std::result::Result<http::Request<Vec<u8>>, kube::core::request::Error>,
) -> Result<http::Request<Vec<u8>>> {
    request.map_err(|error| ClusterError::Nonsense { operation: operation.to_owned(), source: error.into() })
}

fn json_bytes(operation: &str, value: &impl serde::Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value)
        .map_err(|error| ClusterError::Nonsense { operation: operation.to_owned(), source: error.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delete_names_the_object_and_the_version_that_were_read() {
        let mut class = RuntimeClass::default();
        class.metadata.uid = Some("u".to_owned());
        class.metadata.resource_version = Some("7".to_owned());
        let params = DeleteParams { preconditions: Some(preconditions(&class)), ..DeleteParams::default() };
        let request = Request::new(CLASSES).delete("crun", &params).unwrap();
        let body: Value = serde_json::from_slice(request.body()).unwrap();
        assert_eq!(body["preconditions"], json!({"uid": "u", "resourceVersion": "7"}));
    }
}
