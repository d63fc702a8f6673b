//! Lists: one envelope, one way of paging, one rule for what a caller may list.

use axum::Json;
use eai_core::names::{AccountName, Name};
use eai_projections::{Page, Scope};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::at::Sight;
use super::things::IsThing;
use super::{ApiError, Shared};
use crate::auth::Caller;

/// The most rows of one answer, and how many there are where nothing is asked.
const MOST: u32 = 1000;

/// What a list may be asked.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListQuery {
    /// An account (`snow.testacc`, `testacc`) or an organization (`snow`); default yours.
    account: Option<String>,
    /// At most so many.
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<u32>,
    /// `next` of the page before.
    after: Option<String>,
    /// A sequence or a time, for what was there then.
    at: Option<String>,
}

/// What a list of what belongs to one thing may be asked.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PageQuery {
    /// At most so many.
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<u32>,
    /// `next` of the page before.
    after: Option<String>,
}

/// A page of rows.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "{T}List")]
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
            at: None,
        }
    }

    /// The views that are meant.
    pub(crate) async fn sight(&self, state: &Shared) -> Result<Sight, ApiError> {
        Sight::of(state, self.at.as_deref()).await
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
        page(self.limit, self.after.as_deref())
    }

    /// Those rows as an answer that the caller may see; `sequence` is a row's place in the list.
    pub(crate) fn seen<R: IsThing, T>(
        caller: &Caller,
        rows: Vec<R>,
        page: &Page,
        sequence: impl Fn(&R) -> u64,
        mut shape: impl FnMut(R) -> T,
    ) -> Json<List<T>> {
        // Where a page ends does not depend on who reads it, so that pages are found again.
        let shape = |row: R| caller.sees(&row.thing()).then(|| shape(row));
        let Json(List { items, next }) = Self::answer(rows, page, sequence, shape);
        Json(List {
            items: items.into_iter().flatten().collect(),
            next,
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

// === impl PageQuery ===

impl PageQuery {
    /// The page that is meant, with one row more, as of [`ListQuery::page`].
    pub(crate) fn page(&self) -> Result<Page, ApiError> {
        page(self.limit, self.after.as_deref())
    }

    /// The page that is meant of rows that are all there, in the order of their keys. No two have the same.
    pub(crate) fn of<T>(
        &self,
        mut rows: Vec<T>,
        key: impl Fn(&T) -> String,
    ) -> Result<Json<List<T>>, ApiError> {
        let most = limit("limit", self.limit, MOST)? as usize;
        if let Some(after) = &self.after {
            rows.retain(|row| key(row) > *after);
        }
        rows.sort_by_cached_key(&key);
        let more = rows.len() > most;
        rows.truncate(most);
        let next = rows.last().filter(|_| more).map(&key);
        Ok(Json(List { items: rows, next }))
    }
}

fn page(asked: Option<u32>, after: Option<&str>) -> Result<Page, ApiError> {
    let after = match after {
        None => 0,
        Some(cursor) => cursor.parse().map_err(|_| {
            ApiError::bad_request("`after` must be the `next` of an earlier answer")
        })?,
    };
    Ok(Page {
        after,
        limit: limit("limit", asked, MOST)? + 1,
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_what_is_all_there_have_every_row_once() {
        let rows = || vec!["d", "a", "c", "b", "e"];
        let mut after = None;
        let mut seen = Vec::new();
        loop {
            let query = PageQuery {
                limit: Some(2),
                after,
            };
            let Json(page) = query.of(rows(), |row| (*row).to_owned()).unwrap();
            assert!(page.items.len() <= 2);
            seen.extend(page.items);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(seen, ["a", "b", "c", "d", "e"]);
        for limit in [0, 1001] {
            let query = PageQuery {
                limit: Some(limit),
                after: None,
            };
            assert!(query.of(rows(), |row| (*row).to_owned()).is_err());
        }
    }
}
