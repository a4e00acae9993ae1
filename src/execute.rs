//! Does what a plan says, and nothing that it does not say.

use futures::future::try_join_all;

use crate::cluster::{Cluster, ClusterError};
use crate::fields;
use crate::plan::{Action, Plan};

/// A write that did not give what was planned.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError {
    /// A request failed.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The API server took a class, but made something else of it.
    #[error(
        "the class {class} is not as desired after it was applied: {path} is {live}, not {desired}; look for an admission webhook or policy that changes RuntimeClasses"
    )]
    Changed {
        /// The class.
        class: String,
        /// The field.
        path: String,
        /// Its value in the answer.
        live: String,
        /// The value that was sent.
        desired: String,
    },
}

/// Applies all classes that the plan changes, at once: they do not depend on one another.
///
/// # Errors
///
/// The first write that failed, or whose answer is not what was sent. Others may have been done by then; another run
/// completes them.
pub async fn execute(cluster: &Cluster, plan: &Plan, force: bool) -> Result<(), ExecuteError> {
    let changing = plan.steps.iter().filter(|step| step.action != Action::Unchanged);
    try_join_all(changing.map(async |step| {
        let answer = cluster.apply_class(&step.class, force).await?;
        match fields::first_unmet(&step.class, &answer) {
            None => Ok(()),
            Some(unmet) => Err(ExecuteError::Changed {
                class: step.class.metadata.name.clone().unwrap_or_default(),
                path: unmet.path,
                live: unmet.live.map_or_else(|| "absent".to_owned(), |value| format!("{value:?}")),
                desired: format!("{:?}", unmet.desired.unwrap_or_default()),
            }),
        }
    }))
    .await?;
    Ok(())
}
