//! What the rest of the program asks of a cluster.
//!
//! [`super::Cluster`] is the real one. The model in `tests/model` is another, so that what it explores is the code that
//! runs and not a copy of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::node::v1::RuntimeClass;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use serde_json::Value;

use super::ClusterError;
use crate::names::Namespace;
use crate::release::{Driver, Object};

type Result<T> = std::result::Result<T, ClusterError>;

/// Reads and writes of the kinds that a release is made of. Each call may take until the deadline of the run, and fails
/// for what [`ClusterError`] lists: no answer until then, denied, refused, stopped.
#[expect(async_fn_in_trait, reason = "everything runs on one thread, so that no future has to be Send")]
pub trait Api: Sized {
    /// All RuntimeClasses of the cluster.
    async fn list_classes(&self) -> Result<Vec<RuntimeClass>>;

    /// Applies a class server-side as Helm's field manager, and gives back what the API server made of it. `over` is the
    /// class as it was read, if it was there: then only that very version is changed. `force` takes over fields that
    /// another manager owns with another value; `dry_run` only asks what would be. Refused with code 409 if the class
    /// is not the version that was read, and for fields of another manager without `force`.
    async fn apply_class(
        &self,
        class: &RuntimeClass,
        over: Option<&RuntimeClass>,
        force: bool,
        dry_run: bool,
    ) -> Result<RuntimeClass>;

    /// Creates a class with all that is given of it.
    async fn create_class(&self, class: &RuntimeClass) -> Result<RuntimeClass>;

    /// Deletes the class that was read, and no other that has its name by now. That it is gone already is fine. Refused
    /// with code 409 if the class changed since it was read.
    async fn delete_class(&self, class: &RuntimeClass) -> Result<()>;

    /// Replaces the record of who owns which field, of the class that was read. Refused with code 409 if it changed since.
    async fn replace_managed_fields(&self, class: &RuntimeClass, fields: &[ManagedFieldsEntry])
    -> Result<RuntimeClass>;

    /// Takes Helm's ownership metadata off the class that was read, and leaves all else. Refused with code 409 if it
    /// changed since.
    async fn disown_class(&self, class: &RuntimeClass) -> Result<()>;

    /// Users of these classes, as `pod namespace/name`, by class. Kinds with pod templates that we may not list are
    /// passed over; pods must be listed.
    async fn users(&self, classes: &BTreeSet<String>) -> Result<BTreeMap<String, Vec<String>>>;

    /// The objects that hold a release's records.
    async fn list_records(&self, driver: Driver, namespace: &str, release: &str) -> Result<Vec<Object>>;

    /// Stores a new record. Refused with code 409 if there is an object of that name, 404 if there is no such namespace.
    async fn create_record(&self, driver: Driver, namespace: &Namespace, object: &Value) -> Result<Object>;

    /// Replaces a record by another version of it. Refused with code 409 if it is not the version any more that was read.
    async fn replace_record(&self, driver: Driver, namespace: &Namespace, object: &Value) -> Result<Object>;

    /// Deletes the record in the version that was read. That it is gone already is fine. Refused with code 409 if it
    /// changed since.
    async fn delete_record(&self, driver: Driver, namespace: &Namespace, name: &str, version: &str) -> Result<()>;

    /// Creates a namespace. That it exists is fine.
    async fn create_namespace(&self, namespace: &Namespace) -> Result<()>;

    /// The same cluster for what must not stay half done: with some time left after the deadline, whatever the user wishes.
    #[must_use]
    fn with_grace(&self, grace: Duration) -> Self;

    /// Lets some time pass while another run, or Helm, gets on. `reason` is what is waited for; it is told where given.
    async fn pause(&self, time: Duration, reason: Option<&str>) -> Result<()>;

    /// The time now.
    fn now(&self) -> Timestamp;
}
