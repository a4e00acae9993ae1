//! What can go wrong between this program and the API server, in words for the person who has to mend it.

use std::time::Duration;

use kube::core::Status;

use crate::fields::HANDLER;

/// A request that did not end as it should, or that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// There is no usable way to the API server in the configuration.
    #[error("no way to the API server: {hint}")]
    Config {
        /// What the user can do.
        hint: String,
        /// What is wrong.
        source: anyhow::Error,
    },
    /// The API server did not give a useful answer before the deadline.
    #[error("cannot {operation}: no answer from the API server at {server} within {}", seconds(*waited))]
    Unreachable {
        /// What was tried, as in "list RuntimeClasses".
        operation: String,
        /// URL of the API server.
        server: String,
        /// How long was waited in all.
        waited: Duration,
        /// The last thing that went wrong.
        source: anyhow::Error,
    },
    /// 401 or 403.
    #[error("cannot {operation}: {}", said(status))]
    Denied {
        /// What was tried.
        operation: String,
        /// The API server's answer.
        status: Box<Status>,
    },
    /// Any other refusal.
    #[error("cannot {operation}: {}", said(status))]
    Refused {
        /// What was tried.
        operation: String,
        /// The API server's answer.
        status: Box<Status>,
    },
    /// The deadline passed with something else than a missing answer.
    #[error("not done within {}: {reason}", seconds(*waited))]
    TooLate {
        /// How long was waited in all.
        waited: Duration,
        /// For what.
        reason: String,
    },
    /// The user wished the run to end.
    #[error("ended before all was done")]
    Stopped,
    /// An answer that is not what Kubernetes documents.
    #[error("cannot {operation}: the API server's answer makes no sense")]
    Nonsense {
        /// What was tried.
        operation: String,
        /// What is wrong with it.
        source: anyhow::Error,
    },
}

impl ClusterError {
    /// The HTTP code with which the API server refused, if it did.
    #[must_use]
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Denied { status, .. } | Self::Refused { status, .. } => Some(status.code),
            _ => None,
        }
    }

    /// Whether somebody else was faster: an object exists already, or is not the version that was read.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.code() == Some(409)
    }

    /// Whether fields are in the way that another manager owns: a conflict of its own kind, that no second look mends.
    #[must_use]
    pub fn is_field_conflict(&self) -> bool {
        let Self::Refused { status, .. } = self else { return false };
        let causes = status.details.iter().flat_map(|details| &details.causes);
        causes.into_iter().any(|cause| cause.reason == "FieldManagerConflict")
    }

    /// Whether a class was to get another handler than it has, which the API server never allows.
    #[must_use]
    pub fn is_immutable_handler(&self) -> bool {
        let Self::Refused { status, .. } = self else { return false };
        let causes = status.details.iter().flat_map(|details| &details.causes);
        self.code() == Some(422)
            && causes.into_iter().any(|cause| cause.field == HANDLER && cause.message.contains("immutable"))
    }

    /// Whether there is no such object.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.code() == Some(404)
    }
}

/// "not allowed (403 Forbidden): message of the API server".
fn said(status: &Status) -> String {
    let what = match status.code {
        401 => "the API server does not accept the credentials",
        403 => "not allowed",
        _ => "refused by the API server",
    };
    let reason = if status.reason.is_empty() { String::new() } else { format!(" {}", status.reason) };
    format!("{what} ({}{reason}): {}", status.code, status.message)
}

/// A duration for people: `0.5s`, `12s`, `4m58s`.
pub(super) fn seconds(duration: Duration) -> String {
    match duration.as_secs() {
        0..10 => format!("{:.1}s", duration.as_secs_f64()),
        whole @ 10..60 => format!("{whole}s"),
        whole => format!("{}m{}s", whole / 60, whole % 60),
    }
}
