//! Answers of the engine itself, where nobody else could answer: what happened, to what, and what to do.

use std::io;
use std::time::Duration;

use axum::http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_TYPE, LOCATION, RETRY_AFTER, SET_COOKIE, WWW_AUTHENTICATE,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use bytes::Bytes;
use serde_json::json;

use super::body::ResponseBody;
use super::{BadRequest, Endpoint};

/// Says why a request that reached nobody, or broke on its way, did so.
pub const X_EAI_ERROR: HeaderName = HeaderName::from_static("x-eai-error");

/// The most of a job's output that an answer carries.
const MAX_LINES: usize = 100;

/// An answer that is a failure: `{"error":{"code","status","message"}}`, or a page for browsers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    status: StatusCode,
    code: &'static str,
    message: String,
    cause: Option<&'static str>,
    retry_after: Option<Duration>,
    lines: Vec<String>,
    /// Where a browser logs in, and the cookie that it takes along.
    login: Option<Box<(HeaderValue, HeaderValue)>>,
}

impl Failure {
    /// A failure with a status and a code, both of which `docs/errors.md` lists.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            cause: None,
            retry_after: None,
            lines: Vec::new(),
            login: None,
        }
    }

    /// There is no such service or job, or it is not the caller's.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", message)
    }

    /// The caller did not say who it is.
    pub fn unauthenticated(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", message)
    }

    /// The caller may not.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    /// The service was stopped or put away.
    pub fn off(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "service-off", message)
            .retry_after(Duration::from_secs(5))
    }

    /// The service starts, and the request could not wait for it any longer.
    pub fn starting(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "service-starting", message)
            .retry_after(Duration::from_secs(5))
    }

    /// More requests wait for the service than there is room for.
    pub fn overloaded(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message)
            .retry_after(Duration::from_secs(1))
    }

    /// The service's job could not be started.
    pub fn start_failed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_GATEWAY, "start-failed", message).cause("start-failed")
    }

    /// Nobody accepted the connection.
    pub fn connect(endpoint: &Endpoint, port: u16, error: &io::Error) -> Self {
        let message = match error.kind() {
            io::ErrorKind::ConnectionRefused => format!(
                "nothing listens on port {port} of the job: let it listen on 0.0.0.0:{port}, or name its port with `--port`"
            ),
            io::ErrorKind::TimedOut => {
                format!("port {port} of the job did not accept the connection in time: try again")
            }
            _ => format!("port {port} of the job could not be reached: {error}"),
        };
        tracing::debug!(%endpoint, port, %error, "ingress.connect");
        Self::new(StatusCode::BAD_GATEWAY, "upstream-connect", message).cause("connect")
    }

    /// The connection broke before there was an answer.
    pub(super) fn reset() -> Self {
        let message =
            "the job ended the connection, or sent no HTTP, before it answered: see its output";
        Self::new(StatusCode::BAD_GATEWAY, "upstream-reset", message).cause("reset")
    }

    /// The job ended while it was at the request.
    pub fn ended(why: &str) -> Self {
        let message = format!("the job ended while it was at the request: {why}");
        Self::new(StatusCode::BAD_GATEWAY, "upstream-ended", message).cause("reset")
    }

    /// Whether the connection broke before there was an answer.
    pub(super) fn is_reset(&self) -> bool {
        self.cause == Some("reset")
    }

    /// No answer in time.
    pub(super) fn timeout(after: Duration) -> Self {
        let seconds = after.as_secs();
        let message = format!("the job did not answer within {seconds} s: see its output");
        Self::new(StatusCode::GATEWAY_TIMEOUT, "upstream-timeout", message).cause("timeout")
    }

    /// The client stopped sending its body.
    pub(super) fn stalled(after: Duration) -> Self {
        let seconds = after.as_secs();
        let message = format!("no byte of the body arrived for {seconds} s: send it again");
        Self::new(StatusCode::REQUEST_TIMEOUT, "body-stalled", message)
    }

    /// The client's body broke off, or was no body.
    pub(super) fn broken_body() -> Self {
        let message = "the body broke off, or its framing is wrong: send it again";
        Self::new(StatusCode::BAD_REQUEST, "bad-request", message)
    }

    /// The client's body is coded in a way that is not offered.
    pub(super) fn bad_framing() -> Self {
        let message =
            "only `chunked` is offered as a transfer coding: send the body without another";
        Self::new(StatusCode::BAD_REQUEST, "bad-request", message)
    }

    /// With what `x-eai-error` says.
    #[must_use]
    pub fn cause(mut self, cause: &'static str) -> Self {
        self.cause = Some(cause);
        self
    }

    /// With when to ask again.
    #[must_use]
    pub fn retry_after(mut self, time: Duration) -> Self {
        self.retry_after = Some(time);
        self
    }

    /// With where a browser is sent to log in, and a cookie.
    #[must_use]
    pub(crate) fn login(mut self, at: Option<(HeaderValue, HeaderValue)>) -> Self {
        self.login = at.map(Box::new);
        self
    }

    /// With the job's last lines of output, for those who may see them.
    #[must_use]
    pub fn lines(mut self, lines: Vec<String>) -> Self {
        self.lines = lines;
        self.lines.truncate(MAX_LINES);
        self
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The code.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// What people are told.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The answer: a page where the client wants one, JSON otherwise.
    pub(super) fn answer(&self, request: &HeaderMap) -> Response<ResponseBody> {
        let (kind, body) = if wants_page(request) {
            ("text/html; charset=utf-8", self.page())
        } else {
            ("application/json", self.document())
        };
        let mut response = Response::new(ResponseBody::full(Bytes::from(body)));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(cause) = self.cause {
            headers.insert(X_EAI_ERROR, HeaderValue::from_static(cause));
        }
        if let Some(time) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(time.as_secs().max(1)));
        }
        if let Some(login) = &self.login {
            let (location, cookie) = (**login).clone();
            headers.insert(LOCATION, location);
            headers.insert(SET_COOKIE, cookie);
            *response.status_mut() = StatusCode::SEE_OTHER;
        } else if self.status == StatusCode::UNAUTHORIZED {
            let bearer = HeaderValue::from_static("Bearer");
            headers.insert(WWW_AUTHENTICATE, bearer);
        }
        response
    }

    fn document(&self) -> String {
        let status = self.status.as_u16();
        let mut error = json!({ "code": self.code, "status": status, "message": self.message });
        if !self.lines.is_empty() {
            error["output"] = json!(self.lines);
        }
        json!({ "error": error }).to_string()
    }

    fn page(&self) -> String {
        let title = self.status.canonical_reason().unwrap_or("Error");
        let mut page = format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width\"><title>{status} {title}</title>\
             <style>body{{font:16px/1.5 system-ui,sans-serif;max-width:40em;margin:10vh auto;padding:0 1em;\
             color-scheme:light dark}}pre{{overflow:auto;padding:1em;border:1px solid #8888}}\
             small{{opacity:.7}}</style><h1>{title}</h1><p>{message}</p>",
            status = self.status.as_u16(),
            message = escaped(&self.message),
        );
        if !self.lines.is_empty() {
            let lines = escaped(&self.lines.join("\n"));
            for part in ["<h2>Last output</h2><pre>", &lines, "</pre>"] {
                page.push_str(part);
            }
        }
        let (status, code) = (self.status.as_u16(), self.code);
        page + &format!("<p><small>{status} {code}</small></p></html>")
    }
}

impl From<BadRequest> for Failure {
    fn from(error: BadRequest) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", error.to_string())
    }
}

/// What a request is answered that is for nobody there can be.
pub(super) fn unknown(request: &Parts) -> Failure {
    let host = request.headers.get(axum::http::header::HOST);
    let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
    Failure::not_found(format!(
        "`{host}` names no service and no job: `eai service ls` and `eai job ls` show what there is"
    ))
}

fn wants_page(request: &HeaderMap) -> bool {
    let accepts = request.get_all(ACCEPT).iter();
    accepts
        .filter_map(|accept| accept.to_str().ok())
        .any(|accept| accept.contains("text/html"))
}

/// Text as HTML shows it. What steers a terminal does not go along when somebody copies it.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\n' | '\t' => escaped.push(character),
            other if other.is_control() => escaped.push(char::REPLACEMENT_CHARACTER),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_shows_text_as_text() {
        let lines = vec!["<script>alert(1)</script>\u{1b}[31m\r".to_owned()];
        let page = Failure::start_failed("it's <b>").lines(lines).page();
        assert!(page.contains("<p>it&#39;s &lt;b&gt;</p>"), "{page}");
        assert!(page.contains("<pre>&lt;script&gt;alert(1)"), "{page}");
        assert!(page.contains("\u{fffd}[31m\u{fffd}"), "{page}");
    }

    #[test]
    fn an_answer_says_when_to_ask_again_and_what_broke() {
        let answer = Failure::off("x").answer(&HeaderMap::new());
        assert_eq!(answer.status(), 503);
        assert_eq!(answer.headers()[RETRY_AFTER], "5");
        let answer = Failure::reset().answer(&HeaderMap::new());
        assert_eq!(answer.headers()[X_EAI_ERROR], "reset");
        assert_eq!(answer.headers()[CONTENT_TYPE], "application/json");
    }
}
