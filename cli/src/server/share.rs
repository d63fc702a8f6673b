//! The folder that is shared with others: the health of queues is written there for those who read files.

use std::path::PathBuf;

use crate::env;

/// The folder, where one was named.
pub(crate) fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os(env::AGI_CLUSTER_SHARE)?;
    (!folder.is_empty()).then(|| folder.into())
}
