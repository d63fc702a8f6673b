//! Images that somebody brings, and those that are there.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bollard::models::{ImageInspect, ImageSummary};
use bollard::query_parameters::{CreateImageOptionsBuilder, ImportImageOptions, ListImagesOptions};
use bollard::{body_try_stream, errors::Error as Cause};
use futures::{Stream, StreamExt as _};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::archive::{Archive, BadArchive, ImageBytes, Kind, Unread};
use super::engine::{Engine, Error, QUICK, call};

/// How long an import may take in all.
const LONGEST: Duration = Duration::from_hours(6);
/// How long nothing may be taken of it, nor be answered.
const SILENCE: Duration = Duration::from_mins(10);

/// An image that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// `NAME:TAG`.
    pub name: String,
    /// Its digest.
    pub id: String,
    /// How much it takes.
    pub bytes: u64,
    /// When it was made; none where the engine does not say.
    pub created: Option<OffsetDateTime>,
}

/// Why an image could not be brought.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// What came is none.
    #[error(transparent)]
    Bad(#[from] BadArchive),
    /// Whoever sent it broke off.
    #[error("it broke off: {0}")]
    Broken(#[source] io::Error),
    /// The engine refused it, or is away.
    #[error(transparent)]
    Engine(#[from] Error),
}

/// Makes an image of a tar; `name` has a tag.
pub(super) async fn import(
    engine: &Engine,
    name: &str,
    bytes: ImageBytes,
) -> Result<Image, ImportError> {
    let action = "take an image in";
    let archive = Archive::open(bytes, name)
        .await
        .map_err(|unread| match unread {
            Unread::Bad(bad) => ImportError::Bad(bad),
            Unread::Broken(error) => ImportError::Broken(error),
        })?;
    let (kind, why) = (archive.kind(), Arc::new(OnceLock::new()));
    let taken = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&taken);
    let pieces = archive.pass(Arc::clone(&why)).inspect(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
    });
    let body = body_try_stream(pieces);
    let docker = engine.docker.clone().with_timeout(LONGEST);
    let answered = async {
        match kind {
            Kind::Root => {
                let options = CreateImageOptionsBuilder::new().from_src("-").repo(name);
                let options = Some(options.build());
                all(docker.create_image(options, Some(body), None)).await
            }
            Kind::Saved => {
                let options = ImportImageOptions::default();
                all(docker.import_image(options, body, None)).await
            }
        }
    };
    let answered = tokio::select! {
        answered = answered => answered.map_err(|cause| Error::of(action, cause)),
        () = stalled(&taken) => Err(Error::Away { action, source: None }),
    };
    // The engine only knows that what it was sent broke off.
    if let Some(bad) = why.get() {
        return Err(bad.clone().into());
    }
    answered?;
    let found = engine.docker.inspect_image(name);
    let found: ImageInspect = call("look at an image", QUICK, found).await?;
    Ok(Image {
        name: name.to_owned(),
        id: found.id.unwrap_or_default(),
        bytes: size(found.size),
        created: found
            .created
            .and_then(|text| OffsetDateTime::parse(&text, &Rfc3339).ok()),
    })
}

/// Every image that has a name.
pub(super) async fn list(engine: &Engine) -> Result<Vec<Image>, Error> {
    let listed = engine.docker.list_images(None::<ListImagesOptions>);
    let listed: Vec<ImageSummary> = call("list its images", QUICK, listed).await?;
    let named = listed.into_iter().flat_map(|image| {
        let names = image.repo_tags.into_iter();
        names.map(move |name| Image {
            name,
            id: image.id.clone(),
            bytes: size(Some(image.size)),
            created: OffsetDateTime::from_unix_timestamp(image.created).ok(),
        })
    });
    let mut named: Vec<Image> = named
        .filter(|image| !image.name.contains("<none>"))
        .collect();
    named.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(named)
}

fn size(bytes: Option<i64>) -> u64 {
    bytes.and_then(|bytes| bytes.try_into().ok()).unwrap_or(0)
}

/// Reads an answer to its end.
async fn all<T>(answer: impl Stream<Item = Result<T, Cause>>) -> Result<(), Cause> {
    let mut answer = std::pin::pin!(answer);
    while let Some(step) = answer.next().await {
        step?;
    }
    Ok(())
}

/// Ends once nothing was taken for too long.
async fn stalled(taken: &AtomicU64) {
    let mut seen = None;
    loop {
        let now = taken.load(Ordering::Relaxed);
        if seen == Some(now) {
            return;
        }
        seen = Some(now);
        tokio::time::sleep(SILENCE).await;
    }
}
