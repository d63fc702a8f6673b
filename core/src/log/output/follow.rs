//! Following a run's output: stored messages are announced, and then read; nothing is polled.

use async_nats::Subscriber;
use futures::{FutureExt, StreamExt};

use super::read::Cursor;
use super::{Chunk, Error, Output, Start};
use crate::ids::JobId;
use crate::names::AccountName;

/// A run's output, as stored and as it comes. Never ends by itself.
#[derive(Debug)]
pub struct Follower {
    output: Output,
    announced: String,
    cursor: Cursor,
    announcements: Option<Announcements>,
    /// Whether the connection broke since the cursor was placed.
    broken: bool,
}

/// That something was stored, and how often the connection had broken before.
#[derive(Debug)]
struct Announcements {
    subscriber: Subscriber,
    breaks: u64,
}

impl Output {
    /// Follows a run's output.
    pub async fn follow(
        &self,
        account: &AccountName,
        job: JobId,
        run: u32,
        start: Start,
    ) -> Result<Follower, Error> {
        Ok(Follower {
            output: self.clone(),
            announced: super::announced(account, job, run),
            cursor: self
                .cursor(super::subject(account, job, run), start)
                .await?,
            announcements: None,
            broken: false,
        })
    }
}

// === impl Follower ===

impl Follower {
    /// Waits for the next chunk. Cancel safe; after an error it may be called again.
    pub async fn next(&mut self) -> Result<Chunk, Error> {
        loop {
            if let Some(chunk) = self.cursor.ready() {
                return Ok(chunk);
            }
            let mut announcements = match self.announcements.take() {
                Some(announcements) => announcements,
                None => self.subscribe().await?,
            };
            // What these announced is read now.
            while let Some(Some(_)) = announcements.subscriber.next().now_or_never() {}
            let announcements = self.announcements.insert(announcements);
            if self.broken {
                self.cursor.find_again().await?;
                self.broken = false;
            }
            // Asked for behind the subscription on one connection: nothing is missed between the two.
            if self.cursor.fill().await? {
                continue;
            }
            let stands = tokio::select! {
                announcement = announcements.subscriber.next() => announcement.is_some(),
                () = self.output.inner.connection.broken_since(announcements.breaks) => false,
            };
            if !stands {
                self.announcements = None;
                self.broken = true;
            }
        }
    }

    async fn subscribe(&self) -> Result<Announcements, Error> {
        let connection = &self.output.inner.connection;
        connection.until_up().await;
        let breaks = connection.breaks();
        let subscriber = connection.client().subscribe(self.announced.clone()).await;
        let subscriber = subscriber.map_err(|error| Error::Unavailable(error.to_string()))?;
        Ok(Announcements { subscriber, breaks })
    }
}
