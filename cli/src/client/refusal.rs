//! An answer that is an error: what the platform says, or whoever stands in front of it.

use std::fmt;

use serde::Deserialize;

use crate::env;
use crate::error::repeat_hint;
use crate::settings::Credentials;

/// A refused or failed call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    /// Empty if the answer has none: then it isn't the platform's own.
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

/// The body of an error, in answers and in the stream of events.
#[derive(Deserialize)]
pub(super) struct ErrorBody {
    code: String,
    #[serde(default)]
    status: u16,
    message: String,
}

#[derive(Deserialize)]
struct Envelope {
    error: ErrorBody,
}

// === impl Refusal ===

impl Refusal {
    /// Reads an answer.
    pub(super) fn read(status: reqwest::StatusCode, body: &[u8]) -> Self {
        match serde_json::from_slice::<Envelope>(body) {
            Ok(Envelope { error }) => Self::from_body(error, status.as_u16()),
            Err(_) => Self {
                status: status.as_u16(),
                code: String::new(),
                message: status
                    .canonical_reason()
                    .unwrap_or("unknown error")
                    .to_lowercase(),
                hint: None,
            },
        }
    }

    /// Whether what was asked for is not there.
    pub(crate) fn is_not_found(&self) -> bool {
        self.status == 404
    }

    /// From the body; `status` counts if it has none.
    pub(super) fn from_body(body: ErrorBody, status: u16) -> Self {
        Self {
            status: if status == 0 { body.status } else { status },
            code: body.code,
            message: body.message,
            hint: None,
        }
    }

    /// With what to do next, as far as that follows from the code.
    pub(super) fn with_hint(
        mut self,
        credentials: &Credentials,
        profile: &str,
        command_id: Option<&str>,
    ) -> Self {
        self.hint = match self.code.as_str() {
            "unauthenticated" | "token-expired" => Some(match credentials {
                Credentials::Token(_) => {
                    format!(
                        "`{0}` is set: renew it, or unset it to use a profile",
                        env::EAI_TOKEN
                    )
                }
                Credentials::Refresh(_) => format!(
                    "the refresh token of profile `{profile}` is not good there: \
                     check `--profile` and `--url`"
                ),
                Credentials::Missing => crate::error::credentials_hint(),
            }),
            "service-deactivated" => Some("reactivate it with `eai service reactivate`".to_owned()),
            "log-unavailable" => command_id.map(repeat_hint),
            _ => None,
        };
        self
    }

    /// Whether the access token was refused, so that a new one may help.
    pub(super) fn token_refused(&self) -> bool {
        self.status == 401
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (http: {}", self.message, self.status)?;
        if !self.code.is_empty() {
            write!(f, ", {}", self.code)?;
        }
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::StatusCode;

    #[test]
    fn an_error_shows_its_message_status_and_code() {
        let body =
            br#"{"error":{"code":"not-found","status":404,"message":"service `x` not found"}}"#;
        let refusal = Refusal::read(StatusCode::NOT_FOUND, body);
        assert_eq!(
            refusal.to_string(),
            "service `x` not found (http: 404, not-found)"
        );
    }

    #[test]
    fn an_error_of_someone_else_shows_its_status() {
        let refusal = Refusal::read(StatusCode::BAD_GATEWAY, b"<html>");
        assert_eq!(refusal.to_string(), "bad gateway (http: 502)");
    }
}
