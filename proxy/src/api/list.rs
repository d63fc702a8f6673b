//! Lists: one envelope, one way of paging, one rule for what a caller may list.

use axum::Json;
use eai_core::names::{AccountName, Name};
use eai_projections::{Page, Scope};
use serde::{Deserialize, Serialize};

use super::ApiError;
use crate::auth::Caller;

/// The most rows of one answer, and how many there are where nothing is asked.
const MOST: u32 = 1000;

/// What a list may be asked.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListQuery {
    /// An account (`snow.testacc`, `testacc`) or an organization (`snow`); default the caller's account.
    account: Option<String>,
    limit: Option<u32>,
    /// `next` of the page before.
    after: Option<String>,
}

/// A page of rows.
#[derive(Debug, Serialize)]
pub(crate) struct List<T> {
    pub(crate) items: Vec<T>,
    /// What to send as `after` for the next page; null on the last one.
    pub(crate) next: Option<String>,
}

impl ListQuery {
    /// What every list may be asked, out of what one of them was asked.
    pub(crate) fn new(account: Option<String>, limit: Option<u32>, after: Option<String>) -> Self {
        Self {
            account,
            limit,
            after,
        }
    }

    /// The accounts that are meant, if the caller may see them.
    pub(crate) fn scope(&self, caller: &Caller) -> Result<Scope, ApiError> {
        let Some(text) = &self.account else {
            return Ok(Scope::Account(caller.account.clone()));
        };
        if text.contains('.') {
            let account: AccountName = text.parse()?;
            caller.may_use(&account)?;
            return Ok(Scope::Account(account));
        }
        let name: Name = text.parse()?;
        if name == caller.account.own() && name != caller.account.organization() {
            return Ok(Scope::Account(caller.account.clone()));
        }
        caller.may_list(&name)?;
        Ok(Scope::Every(vec![caller.account.clone()]))
    }

    /// The page that is meant, with one row more than the answer holds: it tells whether there is a next page.
    pub(crate) fn page(&self) -> Result<Page, ApiError> {
        let after = match &self.after {
            None => 0,
            Some(cursor) => cursor.parse().map_err(|_| {
                ApiError::bad_request("`after` must be the `next` of an earlier answer")
            })?,
        };
        Ok(Page {
            after,
            limit: limit("limit", self.limit, MOST)? + 1,
        })
    }

    /// The rows as an answer; `sequence` is a row's place in the list.
    pub(crate) fn answer<R, T>(
        rows: Vec<R>,
        page: &Page,
        sequence: impl Fn(&R) -> u64,
        shape: impl FnMut(R) -> T,
    ) -> Json<List<T>> {
        let most = page.limit as usize - 1;
        let more = rows.len() > most;
        let last = rows.get(most.wrapping_sub(1)).map(sequence);
        let next = last.filter(|_| more).map(|sequence| sequence.to_string());
        Json(List {
            items: rows.into_iter().take(most).map(shape).collect(),
            next,
        })
    }
}

/// A limit that was asked for as `name`, if it is one.
pub(crate) fn limit(name: &str, asked: Option<u32>, most: u32) -> Result<u32, ApiError> {
    match asked.unwrap_or(most) {
        limit if (1..=most).contains(&limit) => Ok(limit),
        _ => Err(ApiError::bad_request(format!(
            "`{name}` must be from 1 to {most}"
        ))),
    }
}
