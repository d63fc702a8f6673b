//! The Python packages of a run, as a folder that it mounts.

use eai_core::executor::Run as RunId;
use eai_core::job::Submitted;
use eai_core::names::AccountName;

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
    let tree = shared.cache.made(key, install).await?;
    let bind = Bind {
        host: pip::packages(tree.path()),
        target: TARGET.to_owned(),
        writable: false,
    };
    Ok(Some((bind, tree)))
}

/// Lets Python find them, after what the spec names itself.
pub(super) fn add_path(variables: &mut Vec<(String, String)>) {
    match variables.iter_mut().find(|(name, _)| name == PYTHONPATH) {
        Some((_, path)) if !path.is_empty() => *path = format!("{path}:{TARGET}"),
        Some((_, path)) => TARGET.clone_into(path),
        None => variables.push((PYTHONPATH.to_owned(), TARGET.to_owned())),
    }
}
