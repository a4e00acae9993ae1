//! What we may do, asked only when something was forbidden, so that all that is missing is told at once.

use futures::future::try_join_all;
use kube::api::PostParams;
use kube::core::Request;
use serde::Deserialize;
use serde_json::json;

use super::{Cluster, ClusterError, built, json_bytes};

/// A verb on a resource, which a role grants or does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    /// `list`, `create` and so on.
    pub verb: &'static str,
    /// API group, empty for the core group.
    pub group: &'static str,
    /// Plural name of the resource.
    pub resource: &'static str,
    /// Namespace, unless the resource is the cluster's.
    pub namespace: Option<String>,
}

impl std::fmt::Display for Permission {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { verb, group, resource, namespace } = self;
        write!(formatter, "{verb} {resource}")?;
        if !group.is_empty() {
            write!(formatter, ".{group}")?;
        }
        namespace.iter().try_for_each(|namespace| write!(formatter, " in namespace {namespace}"))
    }
}

#[derive(Deserialize)]
struct Review {
    #[serde(default)]
    status: ReviewStatus,
}

#[derive(Default, Deserialize)]
struct ReviewStatus {
    #[serde(default)]
    allowed: bool,
}

impl Cluster {
    /// Which of these permissions the API server says we lack.
    ///
    /// # Errors
    ///
    /// As every call.
    pub async fn missing(&self, permissions: Vec<Permission>) -> Result<Vec<Permission>, ClusterError> {
        let operation = "ask which permissions are missing";
        let reviews = permissions.into_iter().map(async |permission| {
            let body = json_bytes(
                operation,
                &json!({
                    "apiVersion": "authorization.k8s.io/v1",
                    "kind": "SelfSubjectAccessReview",
                    "spec": {"resourceAttributes": {
                        "verb": permission.verb,
                        "group": permission.group,
                        "resource": permission.resource,
                        "namespace": permission.namespace,
                    }},
                }),
            )?;
            let reviews = Request::new("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews");
            let request = built(operation, reviews.create(&PostParams::default(), body))?;
            let review: Review = self.sender.send(operation, request).await?;
            Ok::<_, ClusterError>((permission, review.status.allowed))
        });
        Ok(try_join_all(reviews)
            .await?
            .into_iter()
            .filter(|(_, allowed)| !allowed)
            .map(|(permission, _)| permission)
            .collect())
    }
}
