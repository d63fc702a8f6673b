//! Answers of the port itself: what happened, to what, and what to do.

use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::json;

use crate::error::Error;

/// Why a request was not passed on.
#[derive(Debug)]
pub(super) struct Refused {
    status: StatusCode,
    code: &'static str,
    message: String,
}

// === impl Refused ===

impl Refused {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            status,
            code,
            message,
        }
    }

    /// The same envelope as the platform's.
    pub(super) fn answer(self) -> Response<reqwest::Body> {
        let status = self.status.as_u16();
        let error = json!({ "code": self.code, "status": status, "message": self.message });
        let body = json!({ "error": error }).to_string();
        let mut response = Response::new(reqwest::Body::from(body));
        *response.status_mut() = self.status;
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(CONTENT_TYPE, json);
        response
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        let (status, code) = match &error {
            Error::Refused(refusal) => (
                StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_GATEWAY),
                "platform-refused",
            ),
            Error::Unreachable { .. } => (StatusCode::BAD_GATEWAY, "platform-unreachable"),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "eai-proxy"),
        };
        let hint = error.hint().map(|hint| format!(": {hint}"));
        Self::new(status, code, format!("{error}{}", hint.unwrap_or_default()))
    }
}
