//! Which image a run has, and that it is there.

use eai_core::executor::Run as RunId;
use eai_core::job::Submitted;
use eai_core::names::AccountName;
use eai_core::spec::Image;
use tokio::sync::mpsc;

use super::{Shared, output};
use crate::docker::ImageError;

/// How many notes may wait to be stored.
const NOTES: usize = 16;

/// Why a run has no image, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{source}; {hint}")]
pub(super) struct Missing {
    source: ImageError,
    hint: String,
}

/// The image of a run, once it is there; empty where runs have none.
pub(super) async fn prepare(
    shared: &Shared,
    account: &AccountName,
    run: RunId,
    submitted: &Submitted,
) -> Result<String, Missing> {
    let Some(image) = of(shared, submitted) else {
        return Ok(String::new());
    };
    let backend = &shared.tools.backend;
    let default = shared.settings.default_image.as_deref();
    let (notes, mut said) = mpsc::channel(NOTES);
    let tell = async {
        while let Some(note) = said.recv().await {
            output::note(&shared.tools.output, account, run, note).await;
        }
    };
    // The notes end with what is noted.
    let (prepared, ()) = tokio::join!(backend.prepare(&image, notes), tell);
    prepared.map_err(|source| Missing {
        source,
        hint: hint(default),
    })?;
    Ok(image)
}

/// The name of the image that a run has; none where runs have none.
pub(super) fn of(shared: &Shared, submitted: &Submitted) -> Option<String> {
    let default = shared.settings.default_image.as_deref();
    let named = &submitted.configuration.spec.runtime.image;
    let has_one = shared.tools.backend.has_images();
    has_one.then(|| chosen(named, default).to_owned())
}

/// A spec that names no image has the platform's; one that is named is never replaced.
fn chosen<'a>(named: &'a Image, default: Option<&'a str>) -> &'a str {
    match default {
        Some(default) if *named == Image::default() => default,
        _ => named.as_str(),
    }
}

fn hint(default: Option<&str>) -> String {
    let name = match default {
        Some(default) => format!("the default image of this platform is `{default}`"),
        None => "this platform has no default image (`eai server --default-image`)".to_owned(),
    };
    format!("check its name, or bring it here with `eai image import`; {name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_image_that_nobody_named_is_the_platforms() {
        let named: Image = "nginx".parse().unwrap();
        let nobodys = Image::default();
        assert_eq!(chosen(&named, Some("mine")), "nginx");
        assert_eq!(chosen(&named, None), "nginx");
        assert_eq!(chosen(&nobodys, Some("mine")), "mine");
        assert_eq!(chosen(&nobodys, None), "python:3.10");
    }
}
