//! A run's output from an offset on, as it comes.

use std::io;

use crate::backend::Chunk;
use crate::shim::{Conversation, Files, Request};
use crate::spool::Reader;

/// Reads output, whoever else reads it too.
#[derive(Debug)]
pub struct Output {
    reader: Reader,
    files: Files,
    /// The shim's word that there is more.
    news: Option<Conversation>,
    /// Whether no more will come.
    over: bool,
}

// === impl Output ===

impl Output {
    pub(super) fn new(files: &Files, offset: u64) -> Self {
        Self {
            reader: Reader::new(&files.output(), offset),
            files: files.clone(),
            news: None,
            over: false,
        }
    }

    /// The next piece; waits for it. None once the run is over and all was read.
    ///
    /// Dropping the future loses nothing. Fails where the offset is none, or the disk does.
    pub async fn next(&mut self) -> io::Result<Option<Chunk>> {
        loop {
            if let Some(chunk) = self.reader.next()? {
                return Ok(Some(chunk));
            }
            if self.over {
                return Ok(None);
            }
            self.over = !self.more().await?;
        }
    }

    /// The next piece that is there; none where it would have to be waited for.
    pub fn ready(&mut self) -> io::Result<Option<Chunk>> {
        self.reader.next()
    }

    /// Waits until there may be more; whether there may be.
    async fn more(&mut self) -> io::Result<bool> {
        if let Some(news) = &mut self.news {
            return Ok(news.line().await?.is_some());
        }
        match Conversation::begin(&self.files.socket(), Request::Follow).await {
            Ok(news) => {
                self.news = Some(news);
                Ok(true)
            }
            Err(error) if crate::shim::is_gone(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
