//! What a service runs that nobody told anything else.

use eai_core::data::Manifest;

use super::{Base, SPEC_FILE, spec_path, store};
use crate::api::{ApiError, Shared};

/// The spec of a service whose runtime has none.
const SPEC: &str = r#"runtime:
  image: python:3.10
  command:
    - "/bin/sh"
    - "-c"
    - "cp /service/* /tmp/ && python3 -m http.server 8080 --directory /tmp"
resources:
  cpu: 1
  mem: 1
"#;
/// What a service shows whose runtime has nothing at all.
const PAGE_FILE: &str = "index.html";
const PAGE: &str = r#"<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>Service is Running</title>
</head>
<body>
  <h1>Service is Running</h1>
</body>
</html>
"#;

/// These files, with a spec if they have none; and with a page to show if there was nothing else to show.
pub(crate) async fn with_defaults(
    state: &Shared,
    base: &Base,
    files: Manifest,
) -> Result<Manifest, ApiError> {
    if files.get(&spec_path()?).is_some() {
        return Ok(files);
    }
    let mut put = vec![store(state, SPEC_FILE, SPEC.into()).await?];
    put.extend(page(state, &files).await?);
    tracing::debug!(data = %base.id, "revise.defaults");
    Ok(files.changed(&[], put)?)
}

/// The page to show, where these files have nothing to show.
pub(crate) async fn page(
    state: &Shared,
    files: &Manifest,
) -> Result<Option<(eai_core::data::FilePath, eai_core::data::File)>, ApiError> {
    if !files.is_empty() {
        return Ok(None);
    }
    store(state, PAGE_FILE, PAGE.into()).await.map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use eai_core::spec::Spec;

    #[test]
    fn the_default_spec_is_the_default() {
        assert_eq!(Spec::parse(SPEC.as_bytes()), Ok(Spec::default()));
    }
}
