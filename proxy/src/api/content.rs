//! What is in data: lists of files, versions, and the files themselves.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::{
    CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE, ETAG, X_CONTENT_TYPE_OPTIONS,
};
use axum::response::IntoResponse as _;
use eai_core::data::{File, FilePath, Manifest, Status};
use eai_projections::DataRow;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::at::Seen as _;
use super::extract::{Input, Params, Ref};
use super::list::{List, ListQuery, limit};
use super::openapi::{Octets, Told};
use super::push::{Pushed, shape};
use super::{ApiError, Shared, resolve};
use crate::auth::Caller;
use crate::content::{Asked, send};

/// The most rows of one answer.
const MOST: u32 = 1000;

/// What of a version is listed.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ContentQuery {
    /// The newest where it is absent.
    version: Option<u64>,
    /// A directory; the root where it is absent.
    path: Option<String>,
    /// Everything below it, not only what is in it.
    #[serde(default)]
    recursive: bool,
    /// At most so many.
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<u32>,
    /// `next` of the page before: a version and how many rows came before.
    after: Option<String>,
}

/// Which file is read.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileQuery {
    /// The newest where it is absent.
    version: Option<u64>,
    path: String,
}

/// Which files are read.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Files {
    version: Option<u64>,
    paths: Vec<String>,
}

/// A file or directory as clients see it.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Entry {
    name: String,
    status: Status,
    path: String,
    r#type: &'static str,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    executable: bool,
}

/// Lists what is in a version.
pub(crate) async fn list(
    State(state): State<Shared>,
    caller: Caller,
    Ref(reference): Ref,
    Params(query): Params<ContentQuery>,
) -> Result<Json<List<Entry>>, ApiError> {
    let row = resolve::data(&state, &caller, &reference).await?;
    let (version, skip) = match &query.after {
        None => (query.version, 0),
        Some(cursor) => {
            let (version, skip) = cursor
                .split_once('.')
                .and_then(|(version, skip)| Some((version.parse().ok()?, skip.parse().ok()?)))
                .ok_or_else(|| {
                    ApiError::bad_request("`after` must be the `next` of an earlier answer")
                })?;
            (Some(version), skip)
        }
    };
    let most = limit("limit", query.limit, MOST)? as usize;
    let (version, files) = files(&state, &row, version).await?;
    let ran = match row.ran_manifest {
        Some(ran) => Some(state.contents.manifest(Some(ran)).await?),
        None => None,
    };
    let directory = query
        .path
        .as_deref()
        .unwrap_or_default()
        .trim_end_matches('/');
    let mut entries = entries(&files, ran.as_deref(), directory, query.recursive);
    if entries.is_empty() && !directory.is_empty() {
        return Err(missing(directory, version, &row));
    }
    let more = entries.len() > skip + most;
    let items = entries
        .drain(skip.min(entries.len())..)
        .take(most)
        .collect();
    let next = more.then(|| format!("{version}.{}", skip + most));
    Ok(Json(List { items, next }))
}

/// Lists the versions, oldest first.
pub(crate) async fn versions(
    State(state): State<Shared>,
    caller: Caller,
    Ref(reference): Ref,
    Params(query): Params<ListQuery>,
) -> Result<Json<List<Pushed>>, ApiError> {
    let sight = query.sight(&state).await?;
    let row = resolve::data(&sight, &caller, &reference).await?;
    let page = query.page()?;
    let rows = sight.views().versions(row.id, page).await?;
    Ok(ListQuery::answer(rows, &page, |row| row.version, shape))
}

/// One file.
pub(crate) async fn file(
    State(state): State<Shared>,
    caller: Caller,
    Ref(reference): Ref,
    Params(query): Params<FileQuery>,
) -> Result<Told<Octets>, ApiError> {
    let row = resolve::data(&state, &caller, &reference).await?;
    let (version, files) = files(&state, &row, query.version).await?;
    let file = find(&files, &query.path, version, &row)?;
    let body = send(state.contents.objects(), Asked::Bare(file)).await?;
    let headers = [
        // Whatever it is, no browser runs it as a page of the platform.
        (CONTENT_TYPE, "application/octet-stream".to_owned()),
        (CONTENT_DISPOSITION, "attachment".to_owned()),
        (X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (CONTENT_LENGTH, file.size.to_string()),
        (ETAG, format!("\"{}\"", file.sha256)),
    ];
    Ok((headers, body).into_response().into())
}

/// Several files, one behind the other.
pub(crate) async fn read(
    State(state): State<Shared>,
    caller: Caller,
    Ref(reference): Ref,
    Input(asked): Input<Files>,
) -> Result<Told<Octets>, ApiError> {
    let row = resolve::data(&state, &caller, &reference).await?;
    let (version, files) = files(&state, &row, asked.version).await?;
    let found: Result<Vec<File>, ApiError> = asked
        .paths
        .iter()
        .map(|path| find(&files, path, version, &row))
        .collect();
    let body = send(state.contents.objects(), Asked::Framed(found?)).await?;
    let headers = [(CONTENT_TYPE, "application/octet-stream")];
    Ok((headers, body).into_response().into())
}

/// The files of a version, by default the newest one.
async fn files(
    state: &Shared,
    row: &DataRow,
    version: Option<u64>,
) -> Result<(u64, Arc<Manifest>), ApiError> {
    let (version, manifest) = match version {
        None => (row.version, row.manifest),
        Some(version) if version == row.version => (version, row.manifest),
        Some(version) => match state.views.version(row.id, version).await? {
            Some(found) => (version, Some(found.manifest)),
            None => {
                return Err(ApiError::not_found(format!(
                    "data `{}` has no version {version}: `eai data versions {}` lists them",
                    row.name, row.name
                )));
            }
        },
    };
    Ok((version, state.contents.manifest(manifest).await?))
}

fn find(files: &Manifest, path: &str, version: u64, row: &DataRow) -> Result<File, ApiError> {
    let path: FilePath = path.parse().map_err(ApiError::bad_path)?;
    files
        .get(&path)
        .copied()
        .ok_or_else(|| missing(path.as_str(), version, row))
}

fn missing(path: &str, version: u64, row: &DataRow) -> ApiError {
    let path: String = path.chars().take(200).collect();
    ApiError::not_found(format!(
        "there is no `{path}` in version {version} of `{}`: `eai data content tree {}` lists what there is",
        row.name, row.name
    ))
}

/// What is in a directory, or below it. A path that is a file lists itself.
fn entries(
    files: &Manifest,
    ran: Option<&Manifest>,
    directory: &str,
    recursive: bool,
) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for (path, file) in files.iter().filter(|(path, _)| path.is_within(directory)) {
        let status = files.status(path, ran);
        let below = path.below(directory).unwrap_or(path.as_str());
        match below.split_once('/') {
            Some((name, _)) if !recursive => {
                let name = format!("{name}/");
                match entries.last_mut() {
                    Some(last) if last.name == name => last.add(file, status),
                    _ => entries.push(Entry::directory(name, directory, file, status)),
                }
            }
            _ => entries.push(Entry::file(below, path, file, status)),
        }
    }
    entries
}

// === impl Entry ===

impl Entry {
    fn file(name: &str, path: &FilePath, file: &File, status: Status) -> Self {
        Self {
            name: name.to_owned(),
            status,
            path: path.to_string(),
            r#type: "file",
            size: file.size,
            sha256: Some(file.sha256.to_string()),
            executable: file.executable,
        }
    }

    fn directory(name: String, parent: &str, first: &File, status: Status) -> Self {
        let separator = if parent.is_empty() { "" } else { "/" };
        Self {
            status,
            path: format!("{parent}{separator}{}", name.trim_end_matches('/')),
            name,
            r#type: "directory",
            size: first.size,
            sha256: None,
            executable: false,
        }
    }

    /// One more file of a directory: what is not all the same is modified.
    fn add(&mut self, file: &File, status: Status) {
        self.size += file.size;
        if self.status != status {
            self.status = Status::Modified;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use eai_core::digest::Digest;

    fn manifest(files: &[(&str, &str)]) -> Manifest {
        let file = |content: &str| File {
            size: content.len() as u64,
            sha256: Digest::of(content.as_bytes()),
            executable: false,
        };
        let files = files
            .iter()
            .map(|(path, content)| (path.parse().unwrap(), file(content)));
        Manifest::new(files.collect()).unwrap()
    }

    #[test]
    fn directories_are_one_row_each() {
        let ran = manifest(&[("a/x", "1"), ("a/y", "2"), ("b/z", "3"), ("d", "4")]);
        let now = manifest(&[
            ("a/x", "1"),
            ("a/y", "2"),
            ("b/z", "5"),
            ("b/sub/w", "3"),
            ("c/n", "678"),
            ("d", "4"),
        ]);
        let rows = |directory: &str, recursive| -> Vec<(String, Status, String, u64)> {
            let entries = entries(&now, Some(&ran), directory, recursive);
            let row = |entry: Entry| (entry.name, entry.status, entry.path, entry.size);
            entries.into_iter().map(row).collect()
        };
        let row =
            |name: &str, status, path: &str, size| (name.to_owned(), status, path.to_owned(), size);
        assert_eq!(
            rows("", false),
            [
                row("a/", Status::Unchanged, "a", 2),
                row("b/", Status::Modified, "b", 2),
                row("c/", Status::New, "c", 3),
                row("d", Status::Unchanged, "d", 1),
            ]
        );
        assert_eq!(
            rows("b", false),
            [
                row("sub/", Status::New, "b/sub", 1),
                row("z", Status::Modified, "b/z", 1),
            ]
        );
        assert_eq!(
            rows("b", true),
            [
                row("sub/w", Status::New, "b/sub/w", 1),
                row("z", Status::Modified, "b/z", 1),
            ]
        );
        assert_eq!(rows("d", false), [row("d", Status::Unchanged, "d", 1)]);
        assert_eq!(rows("x", false), []);
        assert_eq!(rows("", true).len(), 6);
    }
}
