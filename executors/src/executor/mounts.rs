//! What a run mounts, as folders of this machine.

use std::path::PathBuf;
use std::time::Duration;

use eai_core::digest::Digest;
use eai_core::job::{Configuration, ResolvedMount};
use eai_core::log::objects;
use eai_core::spec::RUNTIME_PATH;

use super::Shared;
use crate::backend::Bind;
use crate::data::{self, Tree};

/// The first pause before data is asked for again.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
/// The longest one.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The runtime and the mounts. They stay as long as the trees are held.
pub(super) async fn prepare(
    shared: &Shared,
    configuration: &Configuration,
) -> Result<(Vec<Bind>, Vec<Tree>), data::Error> {
    let runtime = tree(shared, configuration.runtime.manifest).await?;
    let mut binds = vec![bind(runtime.path().to_owned(), RUNTIME_PATH)];
    let mut trees = vec![runtime];
    for ResolvedMount {
        source,
        subpath,
        target,
    } in &configuration.mounts
    {
        let tree = tree(shared, source.manifest).await?;
        let host = match subpath {
            Some(subpath) => tree.path().join(subpath),
            None => tree.path().to_owned(),
        };
        binds.push(bind(host, target.as_str()));
        trees.push(tree);
    }
    Ok((binds, trees))
}

fn bind(host: PathBuf, target: &str) -> Bind {
    Bind {
        host,
        target: target.to_owned(),
        writable: false,
    }
}

/// The files of a version. That the store is away for a while is not the run's fault: it is asked again.
async fn tree(shared: &Shared, manifest: Digest) -> Result<Tree, data::Error> {
    let mut pause = SHORTEST_PAUSE;
    loop {
        match shared.cache.tree(manifest).await {
            Err(data::Error::Objects(objects::Error::Unavailable(reason))) => {
                tracing::warn!(%manifest, reason, "data.away");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            found => return found,
        }
    }
}
