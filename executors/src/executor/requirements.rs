//! The Python packages of a run, as a folder that it mounts.

use eai_core::executor::Run as RunId;
use eai_core::job::Submitted;
use eai_core::names::AccountName;
use eai_core::spec::Requirements;

use super::{Shared, output};
use crate::backend::Bind;
use crate::data::pip::{self, TARGET};
use crate::data::{self, Tree};

/// Why a run has no packages.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    #[error(transparent)]
    Pip(#[from] pip::Error),
    #[error(transparent)]
    Cache(#[from] data::Error),
    #[error(
        "the client of workers has no version that can be asked for: this is a fault of the platform's build"
    )]
    Client,
}

/// Where Python looks for packages.
const PYTHONPATH: &str = "PYTHONPATH";

/// The packages that a run asks for, once they are there; what pip said where they can't be had is in its output.
pub(super) async fn prepare(
    shared: &Shared,
    account: &AccountName,
    run: RunId,
    submitted: &Submitted,
    image: &str,
) -> Result<Option<(Bind, Tree)>, Failed> {
    let Some(requirements) = &submitted.configuration.spec.requirements else {
        return Ok(None);
    };
    let tree = packages(shared, account, run, requirements, image).await?;
    let bind = Bind {
        host: pip::packages(tree.path()),
        target: TARGET.to_owned(),
        writable: false,
    };
    Ok(Some((bind, tree)))
}

/// Packages as a folder, once they are there.
pub(super) async fn packages(
    shared: &Shared,
    account: &AccountName,
    run: RunId,
    requirements: &Requirements,
    image: &str,
) -> Result<Tree, Failed> {
    let python = shared.tools.backend.python(image).await?;
    let key = pip::key(requirements, &python);
    let install = async |folder: &std::path::Path| {
        let installed = pip::install(requirements, &python, folder).await;
        if let Err(pip::Error::Failed { lines }) = &installed {
            let said = lines.join("\n") + "\n";
            output::note(&shared.tools.output, account, run, said).await;
        }
        installed.map_err(Failed::from)
    };
    shared.cache.made(key, install).await
}

/// Lets Python find what is in a folder, after what the spec names itself.
pub(super) fn add_path(variables: &mut Vec<(String, String)>, folder: &str) {
    match variables.iter_mut().find(|(name, _)| name == PYTHONPATH) {
        Some((_, path)) if !path.is_empty() => *path = format!("{path}:{folder}"),
        Some((_, path)) => folder.clone_into(path),
        None => variables.push((PYTHONPATH.to_owned(), folder.to_owned())),
    }
}
