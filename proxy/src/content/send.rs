//! Contents on their way out: one behind the other in one body, the small ones read ahead.

use axum::body::Body;
use bytes::Bytes;
use eai_core::data::File;
use eai_core::log::objects::{CHUNK, Error, Objects};
use futures::stream::{self, BoxStream, StreamExt};

/// Contents that are read ahead.
const AHEAD: usize = 8;

/// What is asked for.
#[derive(Debug)]
pub(crate) enum Asked {
    /// One file, bare.
    Bare(File),
    /// Several, each behind its head.
    Framed(Vec<File>),
}

/// A body with what is asked for. If something cannot be read, it breaks off.
pub(crate) async fn send(objects: &Objects, asked: Asked) -> Result<Body, Error> {
    let objects = objects.clone();
    let pieces: BoxStream<'static, Result<Bytes, Error>> = match asked {
        Asked::Bare(file) => objects.stream(file.sha256).await?.boxed(),
        Asked::Framed(files) => stream::iter(files)
            .map(move |file| framed(objects.clone(), file))
            .buffered(AHEAD)
            .flatten()
            .boxed(),
    };
    Ok(Body::from_stream(pieces))
}

async fn framed(objects: Objects, file: File) -> BoxStream<'static, Result<Bytes, Error>> {
    let head = Bytes::from(file.head().to_string());
    let head = stream::iter([Ok(head)]);
    if file.size <= CHUNK as u64 {
        let content = objects.read(file.sha256, file.size).await;
        return head.chain(stream::iter([content])).boxed();
    }
    match objects.stream(file.sha256).await {
        Ok(pieces) => head.chain(pieces).boxed(),
        Err(error) => stream::iter([Err(error)]).boxed(),
    }
}
