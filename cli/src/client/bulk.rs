//! Contents on their way: requests with large bodies or answers, several at a time, apart from the client.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use eai_core::data::{BadHead, Head};
use reqwest::header::AUTHORIZATION;
use reqwest::{Body, Method, Response, StatusCode, Url};

use super::retry::Policy;
use super::send::{is_passing, jitter, root};
use super::{Call, Client, Refusal};
use crate::error::Error;

/// How long nothing may be sent or received.
const STALL: Duration = Duration::from_mins(1);

/// A request that is ready to be sent, more than once if need be.
#[derive(Clone)]
pub(crate) struct Bulk {
    http: reqwest::Client,
    base: String,
    method: Method,
    url: Url,
    token: Option<String>,
    body: Option<serde_json::Value>,
    policy: Policy,
    stall: Duration,
}

/// How far a body was sent.
#[derive(Clone, Default)]
pub(crate) struct Sent(Arc<AtomicU64>);

/// An answer that is read in pieces.
pub(crate) struct Pieces {
    response: Response,
    buffer: BytesMut,
    base: String,
}

impl Client {
    /// A request with the caller's token, to be sent apart from the client.
    pub(crate) async fn bulk(&mut self, call: Call<'_>) -> Result<Bulk, Error> {
        Ok(Bulk {
            token: self.access_token().await?,
            http: self.http.clone(),
            base: self.url().to_owned(),
            url: call.url(&self.base),
            method: call.method,
            body: call.body,
            policy: self.policy,
            stall: STALL,
        })
    }
}

// === impl Sent ===

impl Sent {
    /// Notes that bytes were taken.
    pub(crate) fn add(&self, bytes: usize) {
        self.0.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Ends once nothing was taken for too long.
    async fn stalled(&self, stall: Duration) {
        let mut seen = None;
        loop {
            let now = self.0.load(Ordering::Relaxed);
            if seen == Some(now) {
                return;
            }
            seen = Some(now);
            tokio::time::sleep(stall).await;
        }
    }
}

// === impl Bulk ===

impl Bulk {
    /// The same, where the platform may take longer with what was sent.
    pub(crate) fn patient(mut self, stall: Duration) -> Self {
        self.stall = stall;
        self
    }

    /// Sends it, again while the platform is away. `body` is made anew for each try, and says in its
    /// argument how far it was taken.
    pub(crate) async fn send(&self, body: impl Fn(Sent) -> Option<Body>) -> Result<Pieces, Error> {
        let started = Instant::now();
        let mut failures = 0;
        loop {
            let error = match self.attempt(&body).await {
                Err(error @ Error::Unreachable { .. }) => error,
                Err(Error::Refused(refusal))
                    if StatusCode::from_u16(refusal.status).is_ok_and(is_passing) =>
                {
                    Error::Refused(refusal)
                }
                other => return other,
            };
            failures += 1;
            match self
                .policy
                .wait(failures, started.elapsed(), None, jitter())
            {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return Err(error),
            }
        }
    }

    async fn attempt(&self, body: &impl Fn(Sent) -> Option<Body>) -> Result<Pieces, Error> {
        let mut request = self.http.request(self.method.clone(), self.url.clone());
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let sent = Sent::default();
        match (&self.body, body(sent.clone())) {
            (_, Some(body)) => request = request.body(body),
            (Some(json), None) => request = request.json(json),
            (None, None) => {}
        }
        let answered = tokio::select! {
            answered = request.send() => answered.map_err(|error| self.lost(&error))?,
            () = sent.stalled(self.stall) => {
                let stall = humantime::format_duration(self.stall);
                return Err(self.unreachable(&format!("nothing went on for {stall}")));
            }
        };
        let status = answered.status();
        if status.is_success() {
            return Ok(Pieces {
                response: answered,
                buffer: BytesMut::new(),
                base: self.base.clone(),
            });
        }
        let body = answered.bytes().await.map_err(|error| self.lost(&error))?;
        Err(Error::Refused(Refusal::read(status, &body)))
    }

    /// A body that cannot be read on is the user's file, not the network.
    fn lost(&self, error: &reqwest::Error) -> Error {
        let mut cause: Option<&dyn std::error::Error> = Some(error);
        while let Some(error) = cause {
            if let Some(file) = error.downcast_ref::<crate::files::Error>() {
                return Error::Pushed(file.to_string());
            }
            cause = error.source();
        }
        self.unreachable(&root(error))
    }

    fn unreachable(&self, reason: &str) -> Error {
        Error::Unreachable {
            url: self.base.clone(),
            reason: reason.to_owned(),
            unknown_outcome: None,
        }
    }
}

// === impl Pieces ===

impl Pieces {
    /// The next bytes, at most `most`; nothing at the end.
    pub(crate) async fn next(&mut self, most: u64) -> Result<Option<Bytes>, Error> {
        if self.buffer.is_empty() && !self.fill().await? {
            return Ok(None);
        }
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let now = self.buffer.len().min(most);
        Ok(Some(self.buffer.split_to(now).freeze()))
    }

    /// All of it, as text.
    pub(crate) async fn text(mut self) -> Result<String, Error> {
        while self.fill().await? {}
        String::from_utf8(self.buffer.into()).map_err(|_| Error::Answer {
            url: self.base,
            reason: "it is no text".to_owned(),
        })
    }

    /// Which content comes next.
    pub(crate) async fn head(&mut self) -> Result<Head, Error> {
        loop {
            match Head::read(&self.buffer) {
                Ok(Some((head, length))) => {
                    self.buffer.advance(length);
                    return Ok(head);
                }
                Ok(None) if self.fill().await? => {}
                Ok(None) | Err(BadHead) => return Err(self.no_answer("no head of a content")),
            }
        }
    }

    async fn fill(&mut self) -> Result<bool, Error> {
        let unreachable = |reason: String| Error::Unreachable {
            url: self.base.clone(),
            reason,
            unknown_outcome: None,
        };
        let chunk = tokio::time::timeout(STALL, self.response.chunk())
            .await
            .map_err(|_| unreachable("nothing came for a minute".to_owned()))?
            .map_err(|error| unreachable(root(&error)))?;
        if let Some(chunk) = &chunk {
            self.buffer.extend_from_slice(chunk);
        }
        Ok(chunk.is_some())
    }

    fn no_answer(&self, reason: &str) -> Error {
        Error::Answer {
            url: self.base.clone(),
            reason: reason.to_owned(),
        }
    }
}
