//! Sending a call until it is answered: retries, the renewed token, the position.

use std::time::{Duration, Instant};

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use uuid::Uuid;

use super::{Call, Client, Refusal};
use crate::error::Error;

/// How far its sender has seen; the platform answers no older view.
const POSITION: &str = "x-eai-position";
/// The command id.
const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// What the TLS library says of a platform that is not trusted.
const UNTRUSTED: &str = "invalid peer certificate";
/// A wait that needs no word of explanation.
const UNNOTICED: Duration = Duration::from_secs(1);

/// A whole answer.
pub(super) struct Answer {
    headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

/// What comes back from one try.
enum Outcome {
    /// An answer, and its body unless it is to be streamed.
    Answered(StatusCode, HeaderMap, Body),
    /// None, or half of one.
    Lost {
        reason: String,
        maybe_received: bool,
    },
}

enum Body {
    Whole(Vec<u8>),
    Stream(Box<Response>),
}

// === impl Answer ===

impl Answer {
    /// A header that is text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

// === impl Client ===

impl Client {
    /// Sends a call with the caller's token, and once more if the token has run out.
    pub(super) async fn send(&mut self, call: &Call<'_>) -> Result<Answer, Error> {
        match self.authorized(call, false).await? {
            (headers, Body::Whole(body)) => Ok(Answer { headers, body }),
            (_, Body::Stream(_)) => Err(self.no_answer("a stream where none was asked for")),
        }
    }

    /// Sends a call whose answer never ends.
    pub(super) async fn open(&mut self, call: &Call<'_>) -> Result<Response, Error> {
        match self.authorized(call, true).await? {
            (_, Body::Stream(response)) => Ok(*response),
            (_, Body::Whole(_)) => Err(self.no_answer("no stream where one was asked for")),
        }
    }

    /// Sends a call with this token, trying again while the platform is away.
    pub(super) async fn exchange(
        &mut self,
        call: &Call<'_>,
        token: Option<&str>,
    ) -> Result<Answer, Error> {
        match self.retried(call, token, false).await? {
            (headers, Body::Whole(body)) => Ok(Answer { headers, body }),
            (_, Body::Stream(_)) => Err(self.no_answer("a stream where none was asked for")),
        }
    }

    /// Asks once for the version, without a token.
    pub(super) async fn version_answer(&mut self, patience: Duration) -> Option<Answer> {
        let call = Call::get(&["version"]).patience(patience);
        match self.attempt(&call, None, false).await {
            Outcome::Answered(status, headers, Body::Whole(body)) if status.is_success() => {
                Some(Answer { headers, body })
            }
            Outcome::Answered(..) | Outcome::Lost { .. } => None,
        }
    }

    async fn authorized(
        &mut self,
        call: &Call<'_>,
        stream: bool,
    ) -> Result<(HeaderMap, Body), Error> {
        let token = self.access_token().await?;
        match self.retried(call, token.as_deref(), stream).await {
            Err(Error::Refused(refusal)) if refusal.token_refused() => {
                let Some(token) = self.renewed_token().await? else {
                    return Err(Error::Refused(refusal));
                };
                self.retried(call, Some(&token), stream).await
            }
            other => other,
        }
    }

    async fn retried(
        &mut self,
        call: &Call<'_>,
        token: Option<&str>,
        stream: bool,
    ) -> Result<(HeaderMap, Body), Error> {
        let started = Instant::now();
        let key = call.key(self.command_id).map(|key| key.to_string());
        let mut failures = 0;
        let mut maybe_happened = false;
        let mut told = false;
        loop {
            let (error, asked) = match self.attempt(call, token, stream).await {
                Outcome::Answered(status, headers, body) if status.is_success() => {
                    self.note_position(&headers);
                    return Ok((headers, body));
                }
                Outcome::Answered(status, headers, body) => {
                    let body = match body {
                        Body::Whole(body) => body,
                        Body::Stream(_) => Vec::new(),
                    };
                    // The user repeats an invocation, not one of its commands.
                    let id = key.is_some().then(|| self.command_id.to_string());
                    let refusal = Refusal::read(status, &body).with_hint(
                        &self.credentials,
                        &self.profile,
                        id.as_deref(),
                    );
                    if !is_passing(status) {
                        return Err(Error::Refused(refusal));
                    }
                    (Error::Refused(refusal), retry_after(&headers))
                }
                Outcome::Lost {
                    reason,
                    maybe_received,
                } => {
                    maybe_happened |= maybe_received && key.is_some();
                    let unknown_outcome = maybe_happened.then(|| self.command_id.to_string());
                    let url = self.url().to_owned();
                    // Nothing is sent to who is not trusted, and nobody is trusted for asking again.
                    if reason.contains(UNTRUSTED) {
                        return Err(Error::Untrusted { url, reason });
                    }
                    (
                        Error::Unreachable {
                            url,
                            reason,
                            unknown_outcome,
                        },
                        None,
                    )
                }
            };
            failures += 1;
            let elapsed = started.elapsed();
            let Some(wait) = self.policy.wait(failures, elapsed, asked, jitter()) else {
                return Err(error);
            };
            if !told && elapsed + wait > UNNOTICED {
                told = true;
                let budget = humantime::format_duration(self.policy.budget);
                self.progress
                    .note(&format!("{error}: trying for up to {budget}"));
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// One try.
    async fn attempt(&self, call: &Call<'_>, token: Option<&str>, stream: bool) -> Outcome {
        let mut request = self.http.request(call.method.clone(), call.url(&self.base));
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        if let Some(key) = call.key(self.command_id) {
            request = request.header(IDEMPOTENCY_KEY, key.to_string());
        }
        if let Some(media_type) = call.accept {
            request = request.header(ACCEPT, media_type);
        }
        if let Some(position) = &self.position {
            request = request.header(POSITION, position);
        }
        if let Some(body) = &call.body {
            request = request.json(body);
        }
        if let Some((media_type, text)) = &call.text {
            request = request.header(CONTENT_TYPE, *media_type).body(text.clone());
        }
        let answered = async {
            let response = request.send().await?;
            let (status, headers) = (response.status(), response.headers().clone());
            let body = if stream && status.is_success() {
                Body::Stream(Box::new(response))
            } else {
                Body::Whole(response.bytes().await?.to_vec())
            };
            Ok::<_, reqwest::Error>(Outcome::Answered(status, headers, body))
        };
        match tokio::time::timeout(call.patience, answered).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(error)) => Outcome::Lost {
                reason: root(&error),
                maybe_received: !error.is_connect(),
            },
            Err(_) => Outcome::Lost {
                reason: format!("no answer in {}", humantime::format_duration(call.patience)),
                maybe_received: true,
            },
        }
    }

    /// Asks only for answers that have an event which was seen.
    pub(crate) fn seen(&mut self, sequence: u64) {
        let Some((platform, known)) = self.position.as_deref().and_then(|at| at.split_once(':'))
        else {
            return;
        };
        if known.parse().is_ok_and(|known: u64| known < sequence) {
            self.position = Some(format!("{platform}:{sequence}"));
        }
    }

    /// Remembers how far the platform has come, for this invocation and the next ones.
    fn note_position(&mut self, headers: &HeaderMap) {
        let Some(position) = headers.get(POSITION).and_then(|value| value.to_str().ok()) else {
            return;
        };
        let newer = self
            .position
            .as_deref()
            .is_none_or(|known| crate::profile::replaces(position, known));
        if !newer {
            return;
        }
        self.position = Some(position.to_owned());
        if let Err(error) = self.cache.save_position(position) {
            // The command has happened: only the next invocation may see an older view.
            self.warn(error.to_string());
        }
    }

    /// Keeps a warning for the end; each once.
    pub(super) fn warn(&mut self, warning: String) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    /// The wait after this many failures, or `None` to give up.
    pub(super) fn wait(&self, failures: u32, elapsed: Duration) -> Option<Duration> {
        self.policy.wait(failures, elapsed, None, jitter())
    }
}

/// Whether the same call may be answered differently in a moment.
pub(super) fn is_passing(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    )
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// A random number from 0 to 1; ids are the only random source here, and good enough for this.
pub(super) fn jitter() -> f64 {
    f64::from(Uuid::new_v4().as_fields().0) / f64::from(u32::MAX)
}

/// The innermost reason: the outer ones only repeat the URL.
pub(crate) fn root(error: &reqwest::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    let text = innermost.to_string();
    // The standard library appends the number that nobody needs.
    text.split(" (os error")
        .next()
        .unwrap_or_default()
        .to_lowercase()
}
