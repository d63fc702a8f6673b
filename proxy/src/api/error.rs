//! Errors as clients see them: `{"error":{"code","status","message"}}`. The one place that maps to HTTP.
//!
//! `docs/errors.md` lists the codes.

use std::time::Duration;

use axum::Json;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use eai_core::aggregate::{Refusal, RefusalKind};
use eai_core::data::BadManifest;
use eai_core::log::tasks::ContentError;
use eai_core::log::{self, objects, output};
use eai_core::names;
use eai_projections as projections;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::image::ImagesError;
use crate::auth::Rejected;
use crate::content::Broken;
use crate::content::frames::Fault as Broke;

/// An answer that is an error. `message` is for people, `code` for programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
    /// After how many seconds it may be asked again, where that helps.
    retry: Option<u64>,
}

/// An error as clients see it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Error")]
pub(super) struct Problem<'a> {
    error: Fault<'a>,
}

/// What was wrong.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
struct Fault<'a> {
    /// For programs: `docs/errors.md` lists them.
    code: &'a str,
    /// The status of the answer.
    #[schemars(range(min = 400, max = 599))]
    status: u16,
    /// For people: what happened, and what to do.
    message: &'a str,
}

impl ApiError {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        let retry = (status == StatusCode::SERVICE_UNAVAILABLE).then_some(1);
        Self {
            status,
            code,
            message: message.into(),
            retry,
        }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", message)
    }

    pub(crate) fn bad_json(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-json", message)
    }

    pub(crate) fn too_large(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", message)
    }

    pub(crate) fn unauthenticated(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", message)
    }

    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    pub(crate) fn conflict(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", message)
    }

    pub(crate) fn method_not_allowed(message: impl Into<String>) -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method-not-allowed",
            message,
        )
    }

    pub(crate) fn command_id_reused(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "command-id-reused", message)
    }

    pub(crate) fn not_ready(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "not-ready", message)
    }

    pub(crate) fn busy(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message)
    }

    /// A caller that asked too often, and may ask again after `wait`.
    pub(crate) fn too_many(wait: Duration) -> Self {
        // A whole second, so that who asks again is not too early.
        let seconds = wait.as_secs() + 1;
        let message = format!(
            "you ask more often than this platform allows: ask again in {seconds} s, or raise `eai server --api-rate`"
        );
        Self {
            retry: Some(seconds),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", message)
        }
    }

    pub(crate) fn bad_spec(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-spec", message)
    }

    pub(crate) fn bad_path(error: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-path", error.to_string())
    }

    pub(crate) fn bad_image(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-image", message)
    }

    pub(crate) fn bad_task(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-task", message)
    }

    pub(crate) fn content_missing(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "content-missing", message)
    }

    /// The status.
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// The code, for programs.
    pub(crate) fn code(&self) -> &'static str {
        self.code
    }

    /// The message, for people.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// A fault of ours: the cause goes to our log, not to the client.
    pub(crate) fn internal(error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "api.internal");
        let message = "the platform failed at this; its log says why";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
    }

    /// The document itself, for answers that are streams.
    pub(crate) fn document(&self) -> serde_json::Value {
        json!(self.problem())
    }

    fn problem(&self) -> Problem<'_> {
        Problem {
            error: Fault {
                code: self.code,
                status: self.status.as_u16(),
                message: &self.message,
            },
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.problem())).into_response();
        if let Some(seconds) = self.retry {
            let headers = response.headers_mut();
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<Rejected> for ApiError {
    fn from(rejected: Rejected) -> Self {
        let code = match rejected {
            Rejected::Expired => "token-expired",
            Rejected::Revoked => "token-revoked",
            Rejected::Invalid | Rejected::WrongKind | Rejected::Over => "unauthenticated",
        };
        Self::new(StatusCode::UNAUTHORIZED, code, rejected.to_string())
    }
}

impl From<names::Error> for ApiError {
    fn from(error: names::Error) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-name", error.to_string())
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal.kind {
            RefusalKind::NotFound => StatusCode::NOT_FOUND,
            RefusalKind::Conflict => StatusCode::CONFLICT,
            RefusalKind::Invalid => StatusCode::BAD_REQUEST,
            RefusalKind::Internal => return Self::internal(&refusal),
        };
        Self::new(status, refusal.code, refusal.message)
    }
}

impl From<log::Error> for ApiError {
    fn from(error: log::Error) -> Self {
        let message = error.to_string();
        match error {
            log::Error::Refused(refusal) => refusal.into(),
            log::Error::CommandIdReused(_) => Self::command_id_reused(message),
            log::Error::TooLarge { .. } => Self::too_large(message),
            log::Error::Reserved { .. } | log::Error::Full(_) => {
                Self::new(StatusCode::INSUFFICIENT_STORAGE, "log-reserve", message)
            }
            log::Error::Contended { .. } => Self::new(StatusCode::CONFLICT, "conflict", message),
            log::Error::Unknown { .. } | log::Error::Unavailable(_) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "log-unavailable", message)
            }
            log::Error::Damaged(_) | log::Error::Unreadable { .. } => {
                tracing::error!(error = message, "log.damaged");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "log-damaged", message)
            }
        }
    }
}

impl From<BadManifest> for ApiError {
    fn from(error: BadManifest) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-files", error.to_string())
    }
}

impl From<objects::Error> for ApiError {
    fn from(error: objects::Error) -> Self {
        let message = error.to_string();
        match error {
            objects::Error::Mismatch { .. } => {
                Self::new(StatusCode::BAD_REQUEST, "content-mismatch", message)
            }
            objects::Error::Full { .. } => {
                Self::new(StatusCode::INSUFFICIENT_STORAGE, "data-full", message)
            }
            objects::Error::Unavailable(_) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "data-unavailable", message)
            }
            objects::Error::Damaged { .. } | objects::Error::Missing(_) => {
                tracing::error!(error = message, "objects.damaged");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "data-damaged", message)
            }
            objects::Error::File { .. } => Self::internal(&message),
        }
    }
}

impl From<ContentError> for ApiError {
    fn from(error: ContentError) -> Self {
        match error {
            ContentError::TooLarge { .. } => Self::too_large(error.to_string()),
            ContentError::Objects(error) => error.into(),
            ContentError::Json(_) => Self::internal(&error),
        }
    }
}

impl From<Broken> for ApiError {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Store(error) => error.into(),
            Broken::Disk(error) => Self::new(
                StatusCode::INSUFFICIENT_STORAGE,
                "disk-full",
                error.to_string(),
            ),
            Broken::Body(Broke::Broken) => Self::bad_request("the body broke off: send it again"),
            Broken::Body(Broke::Stalled) => {
                Self::bad_request("nothing came for a minute: send it again")
            }
            Broken::Body(Broke::Head) => Self::bad_request(
                "the body is not a row of contents: write `SHA256 SIZE`, a line feed, the bytes, and so on",
            ),
        }
    }
}

impl From<ImagesError> for ApiError {
    fn from(error: ImagesError) -> Self {
        let message = error.to_string();
        match error {
            ImagesError::None(_) => Self::new(StatusCode::CONFLICT, "no-images", message),
            ImagesError::Bad(_) => Self::bad_image(message),
            ImagesError::Refused(_) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "image-refused", message)
            }
            ImagesError::Away(_) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "images-unavailable",
                message,
            ),
        }
    }
}

impl From<output::Error> for ApiError {
    fn from(error: output::Error) -> Self {
        let message = error.to_string();
        match error {
            output::Error::TooLarge(_) => Self::too_large(message),
            output::Error::Unavailable(_) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "output-unavailable",
                message,
            ),
            output::Error::Damaged { .. } => {
                tracing::error!(error = message, "output.damaged");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "output-damaged", message)
            }
        }
    }
}

impl From<projections::Error> for ApiError {
    fn from(error: projections::Error) -> Self {
        let message = error.to_string();
        match error {
            projections::Error::Halted { .. } => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "views-halted", message)
            }
            projections::Error::Behind { .. } => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "views-behind", message)
            }
            projections::Error::Future { .. } => Self::bad_request(message),
            projections::Error::Log(error) => error.into(),
            other => Self::internal(&other),
        }
    }
}
