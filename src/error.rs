//! The one place where errors become exit codes.

use std::fmt;

use crate::chart::ChartError;
use crate::cluster::ClusterError;
use crate::execute::ExecuteError;
use crate::plan::Refusal;
use crate::render::RenderError;
use crate::settings::SettingsError;
use crate::values::ValuesError;

/// How a run ends. 2, 3, 5 and 6 do not get better by trying again; 4 and 7 may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Usage, values or template are wrong.
    Usage = 2,
    /// A class exists and belongs to somebody else.
    Foreign = 3,
    /// The API server was not reached, or the deadline passed.
    Unreachable = 4,
    /// Forbidden or unauthorised.
    Denied = 5,
    /// Refused: pods use the class, or its handler may not be changed.
    Refused = 6,
    /// Any other failure.
    Failed = 7,
    /// Ended by SIGINT.
    Interrupted = 130,
    /// Ended by SIGTERM.
    Terminated = 143,
}

/// A run that failed: why, and how it is to end.
#[derive(Debug)]
pub struct Error {
    /// The exit code.
    pub exit: Exit,
    source: anyhow::Error,
}

impl Error {
    /// A failure with its exit code.
    #[must_use]
    pub fn new(exit: Exit, source: anyhow::Error) -> Self {
        Self { exit, source }
    }
}

impl Error {
    /// The same failure, with something in front that the user can act on.
    #[must_use]
    pub fn context(self, text: String) -> Self {
        Self { exit: self.exit, source: self.source.context(text) }
    }

    /// Whether the API server said 403: more permissions would help.
    #[must_use]
    pub fn is_forbidden(&self) -> bool {
        self.source.downcast_ref::<ClusterError>().and_then(ClusterError::code) == Some(403)
    }
}

impl fmt::Display for Error {
    /// The whole chain of causes: the first line is what the user can act on.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.source)?;
        self.source.chain().skip(1).try_for_each(|cause| write!(formatter, "\n  because: {cause}"))
    }
}

impl From<ClusterError> for Error {
    fn from(error: ClusterError) -> Self {
        let exit = match &error {
            ClusterError::Config { .. } => Exit::Usage,
            ClusterError::Unreachable { .. } | ClusterError::TooLate { .. } => Exit::Unreachable,
            ClusterError::Denied { .. } => Exit::Denied,
            ClusterError::Refused { .. } | ClusterError::Nonsense { .. } | ClusterError::Stopped => Exit::Failed,
        };
        Self::new(exit, error.into())
    }
}

impl From<ExecuteError> for Error {
    fn from(error: ExecuteError) -> Self {
        match error {
            ExecuteError::Cluster(error) => error.into(),
            error => Self::new(Exit::Failed, error.into()),
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let exit = match &refusal {
            Refusal::Foreign { .. } | Refusal::NotAStub { .. } => Exit::Foreign,
            Refusal::HandlerChange { .. } | Refusal::InUse { .. } => Exit::Refused,
        };
        Self::new(exit, refusal.into())
    }
}

macro_rules! usage {
    ($($type:ty),*) => {$(
        impl From<$type> for Error {
            fn from(error: $type) -> Self {
                Self::new(Exit::Usage, error.into())
            }
        }
    )*};
}
usage!(ChartError, ValuesError, RenderError, SettingsError);
