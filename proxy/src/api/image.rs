//! Images of this machine: brought here as a tar, and listed. What keeps them is behind [`Images`].

use std::fmt::Debug;
use std::io;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use bytes::Bytes;
use eai_core::spec::Image as Named;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{self, Sender};
use tokio_stream::wrappers::ReceiverStream;

use super::extract::Params;
use super::list::{List, PageQuery};
use super::openapi::{Made, Sent, Tarred};
use super::service::shown;
use super::{ApiError, Shared};
use crate::auth::Caller;
use crate::content::Broken;
use crate::content::frames::{Fault, Frames};

/// Imports at a time: each keeps the disk busy.
const AT_ONCE: usize = 2;
/// Pieces that wait for what keeps images.
const AHEAD: usize = 4;

/// A tar on its way; an error where its sender broke off.
pub type Tar = BoxStream<'static, io::Result<Bytes>>;

/// An image that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredImage {
    /// `NAME:TAG`.
    pub name: String,
    /// Its digest.
    pub id: String,
    /// How much it takes.
    pub bytes: u64,
    /// When it was made, if that is known.
    pub created: Option<OffsetDateTime>,
}

/// Why images could not be had or brought, in words for users.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImagesError {
    /// Jobs run without images here.
    #[error("{0}")]
    None(String),
    /// The tar is none of an image.
    #[error("the tar is no image: {0}")]
    Bad(String),
    /// What keeps them refused.
    #[error("{0}")]
    Refused(String),
    /// What keeps them does not answer.
    #[error("{0}")]
    Away(String),
}

/// What keeps the images that jobs run with.
pub trait Images: Debug + Send + Sync {
    /// Makes an image of a tar: one that `docker save` wrote, or the files of a root. `name` has a tag.
    fn import(&self, name: String, tar: Tar) -> BoxFuture<'_, Result<StoredImage, ImagesError>>;

    /// Every image that has a name.
    fn list(&self) -> BoxFuture<'_, Result<Vec<StoredImage>, ImagesError>>;
}

/// The images of a platform, and how many are brought at a time.
#[derive(Debug)]
pub struct Imports {
    images: Arc<dyn Images>,
    slots: Semaphore,
}

/// What an image is to be called.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Called {
    /// `NAME:TAG`.
    name: String,
}

/// An image as clients see it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "StoredImage")]
#[serde(rename_all = "camelCase")]
pub(crate) struct Image {
    name: String,
    id: String,
    bytes: u64,
    created_on: Option<String>,
}

fn shape(image: StoredImage) -> Image {
    Image {
        name: image.name,
        id: image.id,
        bytes: image.bytes,
        created_on: image.created.map(shown),
    }
}

pub(crate) async fn list(
    State(state): State<Shared>,
    caller: Caller,
    Params(query): Params<PageQuery>,
) -> Result<Json<List<Image>>, ApiError> {
    caller.may_here(&state.account)?;
    let images = state.images.all().await?;
    let images = images.into_iter().map(shape).collect();
    query.of(images, |image: &Image| image.name.clone())
}

/// Takes an image in.
pub(crate) async fn import(
    State(state): State<Shared>,
    caller: Caller,
    Params(called): Params<Called>,
    Sent(request, ..): Sent<Tarred>,
) -> Result<Made<Image>, ApiError> {
    let mut frames = Frames::new(request.into_body());
    if let Err(refused) = caller.may_here(&state.account) {
        frames.drain().await;
        return Err(refused);
    }
    let imported = state.images.import(&called.name, &mut frames).await;
    if imported.is_err() {
        // A client that still sends when the connection is closed would never see the answer.
        frames.drain().await;
    }
    let image = imported?;
    tracing::info!(by = %caller.actor(), image = image.name, id = image.id, "image.imported");
    Ok(Made(shape(image)))
}

// === impl Imports ===

impl Imports {
    /// What keeps them.
    pub fn new(images: Arc<dyn Images>) -> Self {
        Self {
            images,
            slots: Semaphore::new(AT_ONCE),
        }
    }

    /// Every image that has a name.
    pub(crate) async fn all(&self) -> Result<Vec<StoredImage>, ImagesError> {
        self.images.list().await
    }

    async fn import(&self, name: &str, frames: &mut Frames) -> Result<StoredImage, ApiError> {
        let name = tagged(name).map_err(ApiError::bad_image)?;
        let _slot = self
            .slots
            .try_acquire()
            .map_err(|_| ApiError::busy("other images are on their way: send it again later"))?;
        let (sender, pieces) = mpsc::channel(AHEAD);
        let import = self
            .images
            .import(name, ReceiverStream::new(pieces).boxed());
        let (imported, pumped) = tokio::join!(import, pump(frames, sender));
        pumped.map_err(|fault| ApiError::from(Broken::Body(fault)))?;
        Ok(imported?)
    }
}

/// Hands a body on, as fast as it is taken.
async fn pump(frames: &mut Frames, sender: Sender<io::Result<Bytes>>) -> Result<(), Fault> {
    loop {
        match frames.read().await {
            Ok(Some(bytes)) => {
                if sender.send(Ok(bytes)).await.is_err() {
                    // Who takes no more has its reason.
                    return Ok(());
                }
            }
            Ok(None) => return Ok(()),
            Err(fault) => {
                let broken = io::ErrorKind::UnexpectedEof.into();
                sender.send(Err(broken)).await.ok();
                return Err(fault);
            }
        }
    }
}

/// A name that an image can be given, with its tag.
fn tagged(name: &str) -> Result<String, String> {
    let refused = |why: &str| {
        let shown: String = name.chars().take(100).collect();
        format!("`{shown}` is no name for an image: {why}, such as team/web:1")
    };
    let named: Named = name.parse().map_err(|_| refused("write NAME:TAG"))?;
    let name = named.as_str();
    if name.contains('@') {
        return Err(refused(
            "a digest comes of the image itself; write NAME:TAG",
        ));
    }
    let (path, tag) = match name.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') => (path, tag),
        _ => (name, "latest"),
    };
    let in_tag = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    let starts = tag.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_');
    if !starts || tag.len() > 128 || !tag.bytes().all(in_tag) {
        return Err(refused(
            "a tag is up to 128 letters, digits, `_`, `.` and `-`",
        ));
    }
    let is_end = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let is_part = |part: &str| {
        let bytes = part.as_bytes();
        is_end(bytes.first()) && is_end(bytes.last()) && !part.contains(['+', ':'])
    };
    let (host, rest) = match path.split_once('/') {
        Some((host, rest)) if host.contains(['.', ':']) || host == "localhost" => (host, rest),
        _ => ("", path),
    };
    let is_lower = !rest.bytes().any(|byte| byte.is_ascii_uppercase());
    let host_is_one = host.is_empty() || is_end(host.as_bytes().last());
    if path.len() > 255 || !is_lower || !host_is_one || !rest.split('/').all(is_part) {
        return Err(refused(
            "write it in lower case letters, digits, `_`, `.` and `-`, with `/` between parts",
        ));
    }
    Ok(format!("{path}:{tag}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_has_a_name_and_a_tag() {
        for (name, whole) in [
            ("web", "web:latest"),
            ("team/web:1", "team/web:1"),
            ("localhost:5000/Web", ""),
            ("localhost:5000/a/web", "localhost:5000/a/web:latest"),
            (
                "my-host.example:5000/a_b/web:V1.0-x",
                "my-host.example:5000/a_b/web:V1.0-x",
            ),
            ("Web", ""),
            ("web@sha256:00ff", ""),
            ("web:", ""),
            ("web:-x", ""),
            ("a//b", ""),
            ("a/-b", ""),
            ("a+b", ""),
            ("", ""),
            ("../x", ""),
            ("a b", ""),
        ] {
            match tagged(name) {
                Ok(tagged) => assert_eq!(tagged, whole, "{name}"),
                Err(why) => assert!(whole.is_empty() && why.contains("no name"), "{name}: {why}"),
            }
        }
    }
}
