//! The images that jobs run with, as the API has them.

use std::sync::Arc;

use eai_executors::backend::Backend;
use eai_executors::docker::{self, Docker, Image, ImportError};
use eai_proxy::api::{Images, ImagesError, StoredImage, Tar};
use futures::future::{BoxFuture, FutureExt as _};

use super::backend::{Chosen, told};

/// The images of the backend that was chosen.
#[derive(Debug)]
pub(crate) struct BackendImages {
    backend: Option<Arc<Backend>>,
    name: &'static str,
}

// === impl BackendImages ===

impl BackendImages {
    pub(crate) fn new(chosen: &Chosen) -> Self {
        Self {
            backend: chosen.backend.clone(),
            name: chosen.name,
        }
    }

    fn docker(&self) -> Result<&Docker, ImagesError> {
        match self.backend.as_deref() {
            Some(Backend::Docker(docker)) => Ok(docker),
            Some(Backend::Process(_)) | None => Err(ImagesError::None(format!(
                "jobs run without images here (backend `{}`): start the platform with `--backend docker`",
                self.name
            ))),
        }
    }
}

impl Images for BackendImages {
    fn import(&self, name: String, tar: Tar) -> BoxFuture<'_, Result<StoredImage, ImagesError>> {
        async move {
            let imported = self.docker()?.import(&name, tar).await;
            imported.map(stored).map_err(|error| match error {
                ImportError::Engine(error) => engine(&error),
                error @ (ImportError::Bad(_) | ImportError::Broken(_)) => {
                    ImagesError::Bad(error.to_string())
                }
            })
        }
        .boxed()
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<StoredImage>, ImagesError>> {
        async move {
            let images = self.docker()?.images().await;
            let images = images.map_err(|error| engine(&error))?;
            Ok(images.into_iter().map(stored).collect())
        }
        .boxed()
    }
}

fn stored(image: Image) -> StoredImage {
    let Image {
        name,
        id,
        bytes,
        created,
    } = image;
    StoredImage {
        name,
        id,
        bytes,
        created,
    }
}

fn engine(error: &docker::Error) -> ImagesError {
    match error {
        docker::Error::Refused { .. } => ImagesError::Refused(error.to_string()),
        docker::Error::Away { .. } => ImagesError::Away(told(error)),
    }
}
