//! A real cluster on this machine, without a container, an image or a network.
//!
//! ```no_run
//! let cluster = xtask::testbed::cluster();
//! let before = cluster.mark()?;
//! // ... run the program with --kubeconfig cluster.kubeconfig() ...
//! assert_eq!(cluster.requests_since(&before)?.len(), 2);
//! # anyhow::Ok(())
//! ```

pub mod assets;
pub mod audit;
mod cluster;
mod control_plane;
mod guard;
mod http_client;
mod process;
mod users;
mod wipe;

pub use audit::{Mark, Request};
pub use cluster::{ClusterGuard, cluster};
pub use control_plane::ControlPlane;
pub use users::PLAIN_USERS;
