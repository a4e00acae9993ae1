//! Who uses a class: pods that are not finished, and, where the permissions allow to look, what would make such pods.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::try_join_all;
use kube::api::ListParams;
use kube::core::{ListMeta, Request};
use serde::Deserialize;

use super::request::Sender;
use super::{ClusterError, built};

/// Objects asked for at once; large clusters are read in pages.
const PAGE: u32 = 500;

/// Kinds with a pod template: URL of the list, and what a message calls one.
const WORKLOADS: [(&str, &str); 5] = [
    ("/apis/apps/v1/deployments", "deployment"),
    ("/apis/apps/v1/statefulsets", "statefulset"),
    ("/apis/apps/v1/daemonsets", "daemonset"),
    ("/apis/batch/v1/jobs", "job"),
    ("/apis/batch/v1/cronjobs", "cronjob"),
];

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    metadata: ListMeta,
    items: Vec<Workload>,
}

/// A pod or what makes pods: only the fields that matter here, since a cluster can have a hundred thousand of them.
#[derive(Deserialize)]
struct Workload {
    metadata: Name,
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: Finished,
}

#[derive(Deserialize)]
struct Name {
    #[serde(default)]
    namespace: String,
    name: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    runtime_class_name: Option<String>,
    template: Option<Box<Template>>,
    job_template: Option<Box<Template>>,
}

#[derive(Deserialize)]
struct Template {
    #[serde(default)]
    spec: Spec,
}

#[derive(Default, Deserialize)]
struct Finished {
    #[serde(default)]
    conditions: Vec<Condition>,
}

#[derive(Deserialize)]
struct Condition {
    r#type: String,
    status: String,
}

impl Spec {
    fn class(&self) -> Option<&str> {
        let below = || self.template.iter().chain(&self.job_template).find_map(|template| template.spec.class());
        self.runtime_class_name.as_deref().or_else(below)
    }
}

impl Workload {
    /// A Job that is over makes no more pods.
    fn is_over(&self) -> bool {
        let over = |condition: &Condition| {
            ["Complete", "Failed"].contains(&condition.r#type.as_str()) && condition.status == "True"
        };
        self.status.conditions.iter().any(over)
    }
}

/// Users of these classes, as `pod namespace/name`, by class. Kinds with pod templates that we may not list are
/// passed over; pods must be listed.
///
/// # Errors
///
/// As every call.
pub(super) async fn users(
    sender: &Sender,
    classes: &BTreeSet<String>,
) -> Result<BTreeMap<String, Vec<String>>, ClusterError> {
    let pods = std::iter::once(("/api/v1/pods", "pod"));
    let lists =
        try_join_all(pods.chain(WORKLOADS).map(|(path, kind)| users_of_kind(sender, path, kind, classes))).await?;
    let mut users: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (class, user) in lists.into_iter().flatten() {
        users.entry(class).or_default().push(user);
    }
    Ok(users)
}

async fn users_of_kind(
    sender: &Sender,
    path: &'static str,
    kind: &'static str,
    classes: &BTreeSet<String>,
) -> Result<Vec<(String, String)>, ClusterError> {
    let operation = format!("list {kind}s to see who uses the classes");
    let mut params = ListParams::default().limit(PAGE);
    if kind == "pod" {
        params = params.fields("status.phase!=Succeeded,status.phase!=Failed");
    }
    let mut users = Vec::new();
    loop {
        let request = built(&operation, Request::new(path).list(&params))?;
        let page: Page = match sender.send(&operation, request).await {
            Ok(page) => page,
            Err(ClusterError::Denied { .. }) if kind != "pod" => return Ok(Vec::new()),
            // The pages took so long that the API server forgot where they began: once more, in one piece.
            Err(error) if error.code() == Some(410) && params.continue_token.is_some() => {
                users.clear();
                params.continue_token = None;
                params.limit = None;
                continue;
            }
            Err(error) => return Err(error),
        };
        for item in page.items.iter().filter(|item| kind == "pod" || !item.is_over()) {
            if let Some(class) = item.spec.class().filter(|class| classes.contains(*class)) {
                users.push((class.to_owned(), format!("{kind} {}/{}", item.metadata.namespace, item.metadata.name)));
            }
        }
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params.continue_token = Some(token),
            None => return Ok(users),
        }
    }
}
