//! What the platform tells a shim to run, and how. Kept in the run's folder for adoption.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::backend::Run;
use crate::limits::{Caps, Limits};

/// All that a shim has to know.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) run: Run,
    pub(crate) bwrap: PathBuf,
    /// What connects the sandbox with the world, where it can.
    #[serde(default)]
    pub(crate) way_out: Option<WayOut>,
    /// Whether the shim runs as root, and bubblewrap therefore as the sandbox's own user.
    pub(crate) root: bool,
    pub(crate) limits: Limits,
    pub(crate) caps: Caps,
    /// The most that the output takes on disk.
    pub(crate) output_bytes: u64,
}

/// The programs that connect a sandbox with the world.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct WayOut {
    pub(crate) pasta: PathBuf,
    /// These put up the fence.
    pub(crate) nsenter: PathBuf,
    pub(crate) ip: PathBuf,
}
