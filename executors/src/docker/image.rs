//! Images: used where they are there, else pulled once by whoever is first.

use std::time::{Duration, Instant};

use bollard::models::{CreateImageInfo, ImageInspect};
use bollard::query_parameters::{CreateImageOptions, CreateImageOptionsBuilder};
use futures::StreamExt as _;
use tokio::sync::mpsc;

use super::engine::{Engine, Error, QUICK, call, if_there, until_answered};
use super::error::ImageError;
use super::start::Docker;

/// Where it is told what takes time: a line each, for people.
pub type Notes = mpsc::Sender<String>;

/// How long a pull may go without a word from the engine.
const SILENCE: Duration = Duration::from_mins(2);
/// How often it is told how far it is.
const EVERY: Duration = Duration::from_secs(10);
/// How long a registry may take to say whether it has an image.
const REGISTRY: Duration = Duration::from_secs(10);

// === impl Docker ===

impl Docker {
    /// Whether an image is on the engine.
    pub async fn has_image(&self, image: &str) -> Result<bool, Error> {
        is_there(&self.engine, image).await
    }

    /// Why an image is neither here nor to be had; none where it is.
    pub async fn lacks(&self, image: &str) -> Option<String> {
        match is_there(&self.engine, image).await {
            Ok(true) => None,
            Ok(false) => unreachable(&self.engine, image).await,
            Err(error) => Some(error.to_string()),
        }
    }

    /// Sees to it that an image is there; says in notes what takes time.
    pub async fn prepare(&self, image: &str, notes: Notes) -> Result<(), ImageError> {
        if is_there(&self.engine, image).await? {
            return Ok(());
        }
        let pull = async {
            // Somebody else may have pulled it meanwhile.
            if is_there(&self.engine, image).await? {
                return Ok(());
            }
            pull(&self.engine, image, &notes).await
        };
        self.pulling.take(image.to_owned(), pull).await
    }
}

/// Whether an image is there.
async fn is_there(engine: &Engine, image: &str) -> Result<bool, Error> {
    let inspected = || async {
        let inspected = engine.docker.inspect_image(image);
        let found: Option<ImageInspect> =
            if_there(call("look at an image", QUICK, inspected).await)?;
        Ok(found.is_some())
    };
    until_answered(inspected).await
}

/// Why an image can't be had from its registry; none where it can.
async fn unreachable(engine: &Engine, image: &str) -> Option<String> {
    let asked = engine.docker.inspect_registry_image(image, None);
    let asked = call("ask a registry", REGISTRY, asked).await;
    asked.err().map(|error| match error {
        Error::Away { source: None, .. } => "its registry does not answer".to_owned(),
        Error::Away { .. } => error.to_string(),
        Error::Refused { message, .. } => message,
    })
}

/// Pulls an image that isn't there.
async fn pull(engine: &Engine, image: &str, notes: &Notes) -> Result<(), ImageError> {
    let clock = Instant::now();
    tell(notes, format!("[pulling the image {image}]\n"));
    let missing = |reason: String| ImageError::Missing {
        image: image.to_owned(),
        reason,
    };
    let mut steps = engine.docker.create_image(Some(options(image)), None, None);
    let mut layers = Layers::default();
    let mut told = Instant::now();
    loop {
        match tokio::time::timeout(SILENCE, steps.next()).await {
            Err(_) => {
                let seconds = SILENCE.as_secs();
                return Err(missing(format!("nothing came for {seconds} s")));
            }
            Ok(None) => break,
            Ok(Some(Err(cause))) => {
                let reason = match Error::of("pull an image", cause) {
                    Error::Refused { message, .. } => message,
                    away @ Error::Away { .. } => away.to_string(),
                };
                return Err(missing(reason));
            }
            Ok(Some(Ok(step))) => {
                if let Some(message) = step.error_detail.as_ref().and_then(|e| e.message.clone()) {
                    return Err(missing(message));
                }
                layers.take(&step);
                if told.elapsed() > EVERY {
                    told = Instant::now();
                    tell(notes, format!("[pulling the image {image}: {layers}]\n"));
                }
            }
        }
    }
    let seconds = clock.elapsed().as_secs();
    tell(
        notes,
        format!("[the image {image} is there after {seconds} s]\n"),
    );
    Ok(())
}

/// A name without a tag would be all of its tags.
fn options(image: &str) -> CreateImageOptions {
    let name = image.rsplit_once('/').map_or(image, |(_, name)| name);
    let has_tag = name.contains([':', '@']);
    let image = if has_tag {
        image.to_owned()
    } else {
        format!("{image}:latest")
    };
    CreateImageOptionsBuilder::new().from_image(&image).build()
}

fn tell(notes: &Notes, note: String) {
    // Who is slow to listen misses how far it was.
    notes.try_send(note).ok();
}

/// How far each layer is.
#[derive(Debug, Default)]
struct Layers {
    bytes: std::collections::HashMap<String, (i64, i64)>,
}

// === impl Layers ===

impl Layers {
    fn take(&mut self, step: &CreateImageInfo) {
        let is_download = step.status.as_deref() == Some("Downloading");
        if let (true, Some(id), Some(detail)) = (is_download, &step.id, &step.progress_detail)
            && let (Some(current), Some(total)) = (detail.current, detail.total)
        {
            self.bytes.insert(id.clone(), (current, total));
        }
    }
}

impl std::fmt::Display for Layers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let current: i64 = self.bytes.values().map(|(current, _)| current).sum();
        let total: i64 = self.bytes.values().map(|(_, total)| total).sum();
        write!(
            f,
            "{} of {} MB so far",
            current / 1_000_000,
            total / 1_000_000
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_tag_is_pulled_and_not_all() {
        for (image, expected) in [
            ("python", "python:latest"),
            ("python:3.10", "python:3.10"),
            (
                "registry.local:5000/team/web",
                "registry.local:5000/team/web:latest",
            ),
            ("web@sha256:00ff", "web@sha256:00ff"),
        ] {
            let asked = options(image).from_image;
            assert_eq!(asked.as_deref(), Some(expected), "{image}");
        }
    }
}
