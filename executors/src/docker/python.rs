//! Which Python an image has: looked up in its files, with nothing of it run.

use std::path::Path;

use bollard::models::ContainerCreateBody;
use bollard::query_parameters::{CreateContainerOptions, DownloadFromContainerOptionsBuilder};
use futures::TryStreamExt as _;

use super::engine::{Engine, Error, QUICK, SLOW, call, if_there};
use super::label::Owner;
use super::running::remove;
use crate::data::pip::{PYTHONS, Python};

/// The Python of an image that is there; none where it has none that is known by its link.
pub(super) async fn find(
    engine: &Engine,
    owner: &Owner,
    image: &str,
) -> Result<Option<Python>, Error> {
    // Made and never started: files are read of containers only. Where
    // nobody is left to remove it, the next start does, for it is no run.
    let body = ContainerCreateBody {
        image: Some(image.to_owned()),
        cmd: Some(vec!["none".to_owned()]),
        network_disabled: Some(true),
        labels: Some(owner.labels()),
        ..ContainerCreateBody::default()
    };
    let made = engine
        .docker
        .create_container(None::<CreateContainerOptions>, body);
    let made = call("make a container", SLOW, made).await?;
    let found = of_container(engine, &made.id).await;
    remove(engine, &made.id).await?;
    found
}

async fn of_container(engine: &Engine, id: &str) -> Result<Option<Python>, Error> {
    for place in PYTHONS {
        let options = DownloadFromContainerOptionsBuilder::new()
            .path(place)
            .build();
        let read = async {
            let mut pieces = Box::pin(engine.docker.download_from_container(id, Some(options)));
            let mut head: Vec<u8> = Vec::new();
            while head.len() < 512
                && let Some(piece) = pieces.try_next().await?
            {
                head.extend_from_slice(&piece);
            }
            Ok(head)
        };
        let head = if_there(call("read a file of an image", QUICK, read).await)?;
        let link = head.as_deref().and_then(|head| head.first_chunk::<512>());
        let link = link.and_then(|head| {
            tar::Header::from_byte_slice(head)
                .link_name()
                .ok()?
                .map(std::borrow::Cow::into_owned)
        });
        if let Some(python) = link
            .as_deref()
            .and_then(|link: &Path| Python::of_link(link))
        {
            return Ok(Some(python));
        }
    }
    Ok(None)
}
