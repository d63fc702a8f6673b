//! Pushing: which contents are missing, the contents themselves, and the version made of them.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::IntoResponse as _;
use eai_core::data::{File, FilePath, Glob, MAX_MANIFEST, Manifest};
use eai_core::digest::Digest;
use eai_core::ids::CommandId;
use eai_core::log::Outcome;
use eai_projections::{DataRow, VersionRow};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::extract::{self, Input, Key, Ref};
use super::openapi::{Made, Octets, Sent, Told};
use super::service::shown;
use super::{ApiError, Shared, command, resolve};
use crate::auth::Caller;
use crate::content;
use crate::revise::{self, Base, Edit, Place};

/// The most digests of one question.
const MOST_ASKED: usize = 800;

/// Which contents a pusher asks about.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ask {
    #[schemars(length(max = 800))]
    digests: Vec<Digest>,
}

/// Which of them it has to send.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Missing {
    missing: Vec<Digest>,
}

/// How many contents were stored.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Stored {
    stored: u64,
}

/// A change of the newest version.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Change {
    /// Files that are added, or take the place of others.
    #[serde(default)]
    put: Vec<Put>,
    /// Patterns of files that go first.
    #[serde(default)]
    remove: Vec<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Put {
    path: String,
    size: u64,
    sha256: Digest,
    #[serde(default)]
    executable: bool,
}

/// A change that is in order by itself.
struct Files {
    put: Vec<(FilePath, File)>,
    remove: Vec<Glob>,
}

/// A version as clients see it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Pushed {
    version: u64,
    files: u64,
    bytes: u64,
    manifest: Digest,
    created_on: String,
    created_by: String,
}

pub(super) fn shape(row: VersionRow) -> Pushed {
    Pushed {
        version: row.version,
        files: row.files,
        bytes: row.bytes,
        manifest: row.manifest,
        created_on: shown(row.created_on),
        created_by: row.created_by,
    }
}

/// Which contents are not there yet, for this caller.
pub(crate) async fn missing(
    State(state): State<Shared>,
    caller: Caller,
    Ref(reference): Ref,
    Input(ask): Input<Ask>,
) -> Result<Json<Missing>, ApiError> {
    let row = resolve::data(&state, &caller, &reference).await?;
    if ask.digests.len() > MOST_ASKED {
        return Err(ApiError::bad_request(format!(
            "`digests` may have {MOST_ASKED} elements: ask in several requests"
        )));
    }
    let base = state.contents.base(row.manifest).await?;
    let missing = state.contents.unknown(row.id, &base, &ask.digests);
    Ok(Json(Missing { missing }))
}

/// Takes contents in.
pub(crate) async fn send(
    State(state): State<Shared>,
    caller: Caller,
    Ref(reference): Ref,
    Sent(request, ..): Sent<Octets>,
) -> Result<Json<Stored>, ApiError> {
    let row = resolve::data(&state, &caller, &reference).await?;
    let received = content::receive(&state.contents, row.id, request.into_body()).await;
    let stored = received.map_err(ApiError::from)?;
    Ok(Json(Stored { stored }))
}

/// Makes a version.
pub(crate) async fn commit(
    State(state): State<Shared>,
    caller: Caller,
    Key(id): Key,
    headers: HeaderMap,
    Ref(reference): Ref,
    Sent(request, ..): Sent<Json<Change>>,
) -> Result<Told<(Json<Pushed>, Made<Pushed>)>, ApiError> {
    let row = resolve::data(&state, &caller, &reference).await?;
    let change: Change = extract::json(request, MAX_MANIFEST).await?;
    let edit = Files::read(change)?;
    let context = command::context(&caller, id, &headers);
    let outcome =
        revise::change(&state, &context, Some(&caller), &Place::from(&row), &edit).await?;
    if outcome.events == 0 && edit.put.is_empty() {
        let patterns: Vec<_> = edit.remove.iter().map(ToString::to_string).collect();
        return Err(ApiError::not_found(format!(
            "no file of `{}` matches `{}`: `eai data content tree` lists what there is",
            row.name,
            patterns.join("`, `")
        )));
    }
    answer(&state, id, &row, outcome).await
}

async fn answer(
    state: &Shared,
    id: CommandId,
    row: &DataRow,
    outcome: Outcome,
) -> Result<Told<(Json<Pushed>, Made<Pushed>)>, ApiError> {
    let at = if outcome.events == 0 {
        u64::MAX
    } else {
        outcome.sequence
    };
    let version = state.views.version_at(row.id, at).await?;
    let version = version.ok_or_else(|| command::made_nothing(&outcome, id))?;
    let version = shape(version);
    Ok(if outcome.events == 0 {
        Json(version).into_response().into()
    } else {
        Made(version).into_response().into()
    })
}

// === impl Files ===

impl Files {
    /// Checks a change by itself.
    fn read(change: Change) -> Result<Self, ApiError> {
        if change.put.is_empty() && change.remove.is_empty() {
            return Err(ApiError::bad_request(
                "the change is empty: name files in `put`, or patterns in `remove`",
            ));
        }
        let mut put = Vec::with_capacity(change.put.len());
        for file in change.put {
            let path: FilePath = file.path.try_into().map_err(ApiError::bad_path)?;
            let file = File {
                size: file.size,
                sha256: file.sha256,
                executable: file.executable,
            };
            put.push((path, file));
        }
        let remove = change.remove.iter().map(|text| text.parse());
        let remove = remove
            .collect::<Result<_, _>>()
            .map_err(ApiError::bad_path)?;
        Ok(Self { put, remove })
    }
}

impl Edit for Files {
    async fn edit(&self, state: &Shared, base: &Base) -> Result<Manifest, ApiError> {
        let Self { put, remove } = self;
        let files = put.iter().map(|(_, file)| file);
        let absent = state.contents.absent(base.id, &base.files, files).await?;
        if let Some(first) = absent.first() {
            return Err(ApiError::content_missing(format!(
                "{} contents of the change were not sent, such as {first}: \
             ask which are missing, send those, and send the command again",
                absent.len()
            )));
        }
        let files = base.files.changed(remove, put.iter().cloned())?;
        if base.version == 0 && !base.services.is_empty() && !files.is_empty() {
            return revise::with_defaults(state, base, files).await;
        }
        Ok(files)
    }
}
