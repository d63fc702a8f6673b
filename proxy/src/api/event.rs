//! The log itself: lists of events, and single ones byte for byte.

use axum::Json;
use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::response::IntoResponse as _;
use eai_core::envelope::{Envelope, MEDIA_TYPE};
use eai_core::ids::EventId;
use eai_core::log::chain::look;
use eai_core::log::{Log, Position, Recorded};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;

use super::event_filter::{EventFilter, EventQuery, sees};
use super::extract::{Params, Ref};
use super::follow::follow;
use super::list::{List, limit};
use super::openapi::{Lines, Stored, Told};
use super::{ApiError, Shared, resolve};
use crate::auth::Caller;

/// The most events of one answer.
pub(super) const MOST: u32 = 1000;
/// How many events one answer may look at for those that are asked for: a rare one takes several answers.
const MOST_READ: usize = 50_000;

/// An event with its place in the log.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Placed<'a> {
    sequence: u64,
    #[schemars(with = "Envelope<'static>")]
    event: &'a RawValue,
}

/// A page of events, or a stream of them.
type Events = (Json<List<Placed<'static>>>, Lines<Placed<'static>>);

pub(crate) async fn list(
    State(state): State<Shared>,
    caller: Caller,
    Params(query): Params<EventQuery>,
) -> Result<Told<Events>, ApiError> {
    let filter = filter(&state, &caller, &query).await?;
    let most = limit("limit", query.limit, MOST)? as usize;
    if query.follow {
        return follow(state, filter, query.tail).await.map(Told::from);
    }
    let (events, next) = match query.tail {
        Some(tail) => (
            newest(
                &state.log,
                &filter,
                limit("tail", Some(tail), MOST)? as usize,
            )
            .await?,
            None,
        ),
        None => page(&state.log, &filter, most).await?,
    };
    let items: Vec<Box<RawValue>> = events
        .iter()
        .map(line)
        .filter_map(Result::transpose)
        .collect::<Result<_, _>>()?;
    Ok(Json(List { items, next }).into_response().into())
}

/// What is asked for. An `id` may be that of an event, which only the views know.
async fn filter(
    state: &Shared,
    caller: &Caller,
    query: &EventQuery,
) -> Result<EventFilter, ApiError> {
    let account = match &query.account {
        Some(text) => resolve::account_name(caller, text)?,
        None => caller.account.clone(),
    };
    caller.may_use(&account)?;
    let filter = query.filter(&account)?;
    let named = match query.id() {
        Some(id) => state.views.event_sequence(id).await?,
        None => None,
    };
    let filter = match named {
        Some(sequence) => query.only(&account, sequence)?,
        None => filter,
    };
    Ok(filter.seen_by(caller, &account))
}

/// One page from the filter's start, and where the next one begins. It may be empty where there are more.
pub(super) async fn page(
    log: &Log,
    filter: &EventFilter,
    most: usize,
) -> Result<(Vec<Recorded>, Option<String>), ApiError> {
    let mut events: Vec<Recorded> = Vec::new();
    let mut from = filter.from;
    let mut looked_at = 0;
    loop {
        let (read, more) = log.page(&filter.subject, from, most).await?;
        looked_at += read.len();
        let last = read.last().map(|event| event.sequence);
        let over = read.iter().any(|event| filter.is_over(event));
        events.extend(
            read.into_iter()
                .filter(|event| filter.takes(event) && !filter.is_over(event)),
        );
        if events.len() > most {
            events.truncate(most);
            let next = events.last().map(|event| (event.sequence + 1).to_string());
            return Ok((events, next));
        }
        match last {
            Some(last) if more && !over => {
                from = Position::Sequence(last + 1);
                if events.len() == most || looked_at >= MOST_READ {
                    return Ok((events, Some((last + 1).to_string())));
                }
            }
            _ => return Ok((events, None)),
        }
    }
}

/// The last events that the filter takes, found by looking further and further back.
pub(super) async fn newest(
    log: &Log,
    filter: &EventFilter,
    count: usize,
) -> Result<Vec<Recorded>, ApiError> {
    let mut window = 512;
    let end = log.last_sequence().await?;
    loop {
        let start = end.saturating_sub(window).max(1);
        let from = match filter.from {
            Position::Sequence(sequence) => Position::Sequence(sequence.max(start)),
            Position::Time(time) => Position::Time(time),
        };
        let read = filter.from(from);
        let (mut events, mut next) = page(log, &read, MOST as usize).await?;
        while let Some(cursor) = next {
            let from = Position::Sequence(cursor.parse().unwrap_or(u64::MAX));
            let (more, after) = page(log, &filter.from(from), MOST as usize).await?;
            events.extend(more);
            // Only the last ones are wanted, so memory stays bounded however many there are.
            events.drain(..events.len().saturating_sub(count));
            next = after;
        }
        if events.len() >= count || start == 1 || from == filter.from {
            events.drain(..events.len().saturating_sub(count));
            return Ok(events);
        }
        window *= 8;
    }
}

pub(crate) async fn get(
    State(state): State<Shared>,
    caller: Caller,
    Ref(reference): Ref,
) -> Result<Told<Stored<Envelope<'static>>>, ApiError> {
    let missing = || {
        ApiError::not_found(format!(
            "there is no event `{}`: `eai events tail` lists the newest",
            reference.chars().take(80).collect::<String>()
        ))
    };
    let sequence = match (reference.parse::<u64>(), reference.parse::<EventId>()) {
        // The log counts from 1, and takes a question for 0 as a mistake.
        (Ok(0), _) => return Err(missing()),
        (Ok(sequence), _) => sequence,
        (_, Ok(id)) => state.views.event_sequence(id).await?.ok_or_else(missing)?,
        _ => {
            return Err(ApiError::bad_request(
                "an event is named by its id or its sequence",
            ));
        }
    };
    let event = state.log.get(sequence).await?.ok_or_else(missing)?;
    let envelope = event.envelope().map_err(|_| missing())?;
    let seen = sees(&caller, &envelope);
    if !seen {
        return Err(missing());
    }
    let mut response = event.payload.clone().into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    headers.insert("x-eai-sequence", HeaderValue::from(sequence));
    Ok(response.into())
}

/// The event as it is stored, with its place; none where no event stands there.
pub(super) fn line(event: &Recorded) -> Result<Option<Box<RawValue>>, ApiError> {
    match look(event)? {
        Ok(_) => placed(event.sequence, &event.payload).map(Some),
        Err(_) => Ok(None),
    }
}

/// JSON with its place.
pub(super) fn placed(sequence: u64, json: &[u8]) -> Result<Box<RawValue>, ApiError> {
    let damaged = |_| {
        let what = format!("event {sequence} is not JSON");
        ApiError::from(eai_core::log::Error::Damaged(what))
    };
    let event: &RawValue = serde_json::from_slice(json).map_err(damaged)?;
    serde_json::value::to_raw_value(&Placed { sequence, event }).map_err(damaged)
}
