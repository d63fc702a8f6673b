//! What monitors read the log through: a consumer for each of their credentials, and who is cut off.
//!
//! It owns the names of consumers and the calls that a monitor makes. It must not know what a monitor is given, nor
//! who gave it.

use std::collections::HashSet;

use async_nats::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Connection, Error, STREAM};
use crate::ids::MonitorId;
use crate::names::AccountName;
use crate::subject::account_filter;

/// What stands before the calls of a monitor, in place of `$JS.API`: below that, the server answers for the monitor's
/// own account, which has no streams.
pub const API: &str = "eai.history";
/// What the names of consumers of monitors begin with.
const PREFIX: &str = "monitor-";
/// How long a monitor may take over an event until it is sent it again, in nanoseconds.
const ACK_WAIT: u64 = 10_000_000_000;
/// Requests of one monitor that wait for events.
const MOST_WAITING: u32 = 16;

/// The consumer that some credentials read through.
pub fn consumer(id: MonitorId) -> String {
    format!("{PREFIX}{id}")
}

/// A call that a monitor may make of a consumer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// What it is called where it is exported and imported.
    pub name: &'static str,
    /// What a monitor publishes to.
    pub asked: String,
    /// What the server knows it by.
    pub meant: String,
    /// Whether it is answered with more than one message.
    pub streams: bool,
}

/// What may be asked of a consumer, by name; `*` means any.
pub fn calls(consumer: &str) -> [Call; 3] {
    let api = |name, call: &str, streams| Call {
        name,
        asked: format!("{API}.{call}.{STREAM}.{consumer}"),
        meant: format!("$JS.API.{call}.{STREAM}.{consumer}"),
        streams,
    };
    let ack = format!("$JS.ACK.{STREAM}.{consumer}.>");
    [
        api("next", "CONSUMER.MSG.NEXT", true),
        api("info", "CONSUMER.INFO", false),
        Call {
            name: "ack",
            asked: ack.clone(),
            meant: ack,
            streams: false,
        },
    ]
}

/// Sees to it that those of an account who are good have a consumer, and that nobody else has one. Safe to repeat.
pub async fn keep(
    connection: &Connection,
    account: &AccountName,
    good: &[MonitorId],
) -> Result<(), Error> {
    let wanted: HashSet<String> = good.iter().copied().map(consumer).collect();
    let there = consumers(connection).await?;
    for name in there.iter().filter(|name| !wanted.contains(*name)) {
        let call = format!("CONSUMER.DELETE.{STREAM}.{name}");
        answer(connection, &call, &Value::Null).await?;
    }
    let filter = account_filter(account, None, None, None);
    for name in wanted.iter().filter(|name| !there.contains(*name)) {
        let call = format!("CONSUMER.CREATE.{STREAM}.{name}.{filter}");
        // One event at a time: they come in order, also after a break, whatever the monitor is like.
        let config = json!({
            "name": name, "durable_name": name, "filter_subject": filter,
            "deliver_policy": "all", "replay_policy": "instant",
            "ack_policy": "explicit", "ack_wait": ACK_WAIT, "max_ack_pending": 1,
            "max_waiting": MOST_WAITING,
        });
        let body = json!({ "stream_name": STREAM, "config": config, "action": "create" });
        answer(connection, &call, &body).await?;
    }
    Ok(())
}

/// Tells the server what an account is from now on: whoever it revokes is cut off at once. `system` is a connection
/// to the system account.
pub async fn tell_account(system: &Connection, token: String) -> Result<(), Error> {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(default)]
        error: Value,
    }
    let subject = "$SYS.REQ.CLAIMS.UPDATE".to_owned();
    let message = system.request(subject, HeaderMap::new(), token.into());
    let message = message.await?;
    let told: Answer = serde_json::from_slice(&message.payload)
        .map_err(|error| Error::Unavailable(format!("the NATS server's answer: {error}")))?;
    if told.error.is_null() {
        return Ok(());
    }
    let reason = format!("the NATS server does not take the account: {}", told.error);
    Err(Error::Unavailable(reason))
}

/// The consumers of monitors that are there.
async fn consumers(connection: &Connection) -> Result<HashSet<String>, Error> {
    let call = format!("CONSUMER.NAMES.{STREAM}");
    let mut names = HashSet::new();
    let mut offset = 0;
    loop {
        let page = answer(connection, &call, &json!({ "offset": offset })).await?;
        let listed = page["consumers"].as_array().map_or(0, Vec::len);
        offset += listed;
        let all = page["consumers"].as_array().into_iter().flatten();
        let ours = all
            .filter_map(Value::as_str)
            .filter(|name| name.starts_with(PREFIX));
        names.extend(ours.map(str::to_owned));
        if listed == 0 || Some(offset as u64) >= page["total"].as_u64() {
            return Ok(names);
        }
    }
}

async fn answer(connection: &Connection, call: &str, body: &Value) -> Result<Value, Error> {
    let message = match body {
        Value::Null => {
            let subject = format!("$JS.API.{call}");
            connection
                .request(subject, HeaderMap::new(), "".into())
                .await?
        }
        body => connection.api(call, body).await?,
    };
    let answer: Value = serde_json::from_slice(&message.payload)
        .map_err(|error| Error::Unavailable(format!("the answer to {call}: {error}")))?;
    let gone = answer["error"]["err_code"] == CONSUMER_NOT_FOUND;
    if answer["error"].is_null() || gone {
        Ok(answer)
    } else {
        let said = answer["error"]["description"].as_str().unwrap_or_default();
        Err(Error::Unavailable(format!("{call}: {said}")))
    }
}

/// What is to be deleted, and is gone.
const CONSUMER_NOT_FOUND: u64 = 10014;
