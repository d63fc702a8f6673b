//! The token that goes with each request: kept, renewed before it ends, and asked for anew where it is refused.

use std::sync::{Mutex as StdMutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::header::HeaderValue;
use tokio::sync::Mutex;

use crate::client::{Call, Client};
use crate::error::Error;
use crate::output::Row;

/// How long a token is used before it is looked at again: far less than what is left of a fresh one.
const KEPT: Duration = Duration::from_secs(30);

/// Who speaks, and what with.
pub(crate) struct Credential {
    client: Mutex<Client>,
    held: StdMutex<Option<(HeaderValue, Instant)>>,
}

// === impl Credential ===

impl Credential {
    /// The user of this invocation.
    pub(crate) fn new(client: Client) -> Self {
        Self {
            client: Mutex::new(client),
            held: StdMutex::new(None),
        }
    }

    /// The header that says who asks.
    pub(super) async fn header(&self) -> Result<HeaderValue, Error> {
        if let Some(held) = self.held(|since| since.elapsed() < KEPT) {
            return Ok(held);
        }
        let mut client = self.client.lock().await;
        // Whoever had the lock may have asked already.
        if let Some(held) = self.held(|since| since.elapsed() < KEPT) {
            return Ok(held);
        }
        let token = client.access_token().await?;
        self.hold(token, &client)
    }

    /// Another one, where this one was refused. None where there is no other.
    pub(super) async fn renewed(&self, refused: &HeaderValue) -> Option<HeaderValue> {
        let mut client = self.client.lock().await;
        if let Some(held) = self.held(|_| true).filter(|held| held != refused) {
            return Some(held);
        }
        let token = client.renewed_token().await.ok()??;
        self.hold(Some(token), &client).ok()
    }

    /// What the platform says about a thing.
    pub(super) async fn row(&self, path: &[&str]) -> Result<Row, Error> {
        self.client.lock().await.row(Call::get(path)).await
    }

    fn held(&self, good: impl FnOnce(Instant) -> bool) -> Option<HeaderValue> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let (header, since) = held.as_ref()?;
        good(*since).then(|| header.clone())
    }

    fn hold(&self, token: Option<String>, client: &Client) -> Result<HeaderValue, Error> {
        let missing = || Error::NoCredentials(client.profile().to_owned());
        let token = token.ok_or_else(missing)?;
        let mut header = HeaderValue::try_from(format!("Bearer {token}"))
            .map_err(|_| Error::Usage("the token has characters that no token has".to_owned()))?;
        header.set_sensitive(true);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        *held = Some((header.clone(), Instant::now()));
        Ok(header)
    }
}
