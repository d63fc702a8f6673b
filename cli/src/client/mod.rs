//! The platform's REST API as the commands see it.
//!
//! Owns tokens, command ids, positions, retries and the reading of errors. It knows paths only
//! as its callers give them, and prints nothing but why the user waits.

mod bulk;
mod call;
mod follow;
mod http;
mod lines;
mod logs;
mod refusal;
mod retry;
mod send;
mod token;

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::Url;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use uuid::Uuid;

pub(crate) use bulk::Bulk;
pub(crate) use call::Call;
pub(crate) use follow::Follow;
pub(crate) use logs::{Logs, Stream, Wanted, Written};
pub(crate) use refusal::Refusal;
pub(crate) use send::root;

use crate::error::Error;
use crate::forward::{Host, Sites};
use crate::output::{Progress, Row};
use crate::profile::Cache;
use crate::settings::{Credentials, Settings};
use retry::Policy;
use send::Answer;

/// The most rows that one call asks for.
const PAGE: u64 = 1000;

/// A platform, and who speaks to it.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
    ca_cert: Option<PathBuf>,
    profile: String,
    account: Option<String>,
    credentials: Credentials,
    cache: Cache,
    position: Option<String>,
    command_id: Uuid,
    policy: Policy,
    progress: Progress,
    warnings: Vec<String>,
}

#[derive(Deserialize)]
struct Page {
    items: Vec<Box<RawValue>>,
    next: Option<Value>,
}

// === impl Client ===

impl Client {
    /// A client for the settings of this invocation.
    pub(crate) fn new(settings: Settings, progress: Progress) -> Result<Self, Error> {
        let base = http::base_url(&settings.url)?;
        let cache = Cache::new(&settings.config_dir, &settings.profile);
        Ok(Self {
            http: http::build(&base, settings.ca_cert.as_deref())?,
            base,
            ca_cert: settings.ca_cert,
            position: cache.position()?,
            cache,
            profile: settings.profile,
            account: settings.account,
            credentials: settings.credentials,
            command_id: settings.command_id,
            policy: Policy {
                budget: settings.retry_for,
            },
            progress,
            warnings: Vec::new(),
        })
    }

    /// The platform's URL.
    pub(crate) fn url(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// Whom it trusts instead of whom the machine trusts.
    pub(crate) fn ca_cert(&self) -> Option<&Path> {
        self.ca_cert.as_deref()
    }

    /// The account that plain names are in, if the user named one.
    pub(crate) fn account(&self) -> Option<&str> {
        self.account.as_deref()
    }

    /// What a port that speaks for this user leads to.
    pub(crate) fn sites(&self, only: Option<Host>) -> Sites {
        let (http, base) = (self.http.clone(), self.base.clone());
        Sites::new(http, base, self.account.clone(), only)
    }

    /// What went wrong beside the point, to be told at the end.
    pub(crate) fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    /// One row.
    pub(crate) async fn row(&mut self, call: Call<'_>) -> Result<Row, Error> {
        let answer = self.send(&call).await?;
        let text = self.text(&answer)?;
        Row::parse(text)
            .ok()
            .filter(|row| row.value().is_object())
            .ok_or_else(|| self.no_answer("no JSON object"))
    }

    /// An answer that is no row.
    pub(crate) async fn answer<T: serde::de::DeserializeOwned>(
        &mut self,
        call: Call<'_>,
    ) -> Result<T, Error> {
        let answer = self.send(&call).await?;
        serde_json::from_slice(&answer.body).map_err(|error| self.no_answer(&error.to_string()))
    }

    /// All rows of a list, page by page, at most `limit`.
    pub(crate) async fn rows(
        &mut self,
        path: &[&str],
        query: &[(&str, &str)],
        limit: Option<u64>,
    ) -> Result<Vec<Row>, Error> {
        let mut rows = Vec::new();
        self.pages(path, query, limit, |item| {
            rows.push(Row::new(item)?);
            Ok(())
        })
        .await?;
        Ok(rows)
    }

    /// A document as it is stored, with the sequence number that came with it.
    pub(crate) async fn document(
        &mut self,
        call: Call<'_>,
    ) -> Result<(String, Option<u64>), Error> {
        let answer = self.send(&call).await?;
        let sequence = answer
            .header("x-eai-sequence")
            .and_then(|text| text.parse().ok());
        Ok((self.text(&answer)?.to_owned(), sequence))
    }

    /// The platform's version, if it answers at once.
    pub(crate) async fn version(&mut self, patience: Duration) -> Option<String> {
        let answer = self.version_answer(patience).await?;
        let row = Row::parse(self.text(&answer).ok()?).ok()?;
        row.text("version").map(str::to_owned)
    }

    /// Hands over each item of a list, page by page.
    async fn pages(
        &mut self,
        path: &[&str],
        query: &[(&str, &str)],
        limit: Option<u64>,
        mut take: impl FnMut(Box<RawValue>) -> Result<(), serde_json::Error>,
    ) -> Result<(), Error> {
        let mut left = limit.unwrap_or(u64::MAX);
        let mut after: Option<String> = None;
        while left > 0 {
            let mut call = Call::get(path).query("limit", left.min(PAGE).to_string());
            for (name, value) in query {
                // A cursor goes on where the page ended; counted from the end it would start over.
                if *name != "tail" || after.is_none() {
                    call = call.query(name, (*value).to_owned());
                }
            }
            if let Some(cursor) = after {
                call = call.query("after", cursor);
            }
            let answer = self.send(&call).await?;
            let page: Page = serde_json::from_str(self.text(&answer)?)
                .map_err(|error| self.no_answer(&error.to_string()))?;
            for item in page.items {
                if left == 0 {
                    break;
                }
                left -= 1;
                take(item).map_err(|error| self.no_answer(&error.to_string()))?;
            }
            after = match page.next {
                None | Some(Value::Null) => return Ok(()),
                Some(Value::String(cursor)) => Some(cursor),
                Some(cursor) => Some(cursor.to_string()),
            };
        }
        Ok(())
    }

    fn text<'a>(&self, answer: &'a Answer) -> Result<&'a str, Error> {
        std::str::from_utf8(&answer.body).map_err(|error| self.no_answer(&error.to_string()))
    }

    /// What came is not what was asked for.
    pub(crate) fn no_answer(&self, reason: &str) -> Error {
        Error::Answer {
            url: self.url().to_owned(),
            reason: reason.to_owned(),
        }
    }
}
