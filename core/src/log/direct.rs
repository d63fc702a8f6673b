//! Batched direct gets: stored messages of any stream, in runs, without a consumer.

use std::time::Duration;

use async_nats::Message;
use futures::StreamExt;
use serde_json::Value;

use super::{Connection, Error};

/// How long an answer may stay silent.
const PROGRESS: Duration = Duration::from_secs(5);

/// One direct get; answers what was found, and whether there is more behind it.
pub(super) async fn get(
    connection: &Connection,
    stream: &str,
    request: &Value,
) -> Result<(Vec<Message>, bool), Error> {
    let unavailable = |what: &dyn std::fmt::Display| Error::Unavailable(what.to_string());
    let client = connection.client();
    let breaks = connection.breaks();
    let inbox = client.new_inbox();
    let mut answers = client
        .subscribe(inbox.clone())
        .await
        .map_err(|error| unavailable(&error))?;
    let subject = format!("$JS.API.DIRECT.GET.{stream}");
    client
        .publish_with_reply(subject, inbox, request.to_string().into())
        .await
        .map_err(|error| unavailable(&error))?;
    let mut found = Vec::new();
    loop {
        let message = tokio::select! {
            biased;
            message = tokio::time::timeout(PROGRESS, answers.next()) => {
                message.map_err(|_| unavailable(&"no answer to a read"))?
            }
            () = connection.broken_since(breaks) => None,
        };
        let message = message.ok_or_else(|| unavailable(&"the connection broke"))?;
        match message.status.map(|status| status.as_u16()) {
            // 204 ends a batch, 404 says that nothing is there.
            Some(204) => return Ok((found, number(&message, "Nats-Num-Pending") > 0)),
            Some(404) => return Ok((found, false)),
            Some(503) => return Err(unavailable(&"nobody answers for the stream")),
            Some(status) => {
                let reason = message.description.as_deref().unwrap_or("no reason given");
                return Err(Error::Unavailable(format!(
                    "a read answered {status}: {reason}"
                )));
            }
            None => found.push(message),
        }
    }
}

/// A header of an answer.
pub(super) fn header<'a>(message: &'a Message, name: &str) -> Option<&'a str> {
    let headers = message.headers.as_ref()?;
    headers.get(name).map(async_nats::HeaderValue::as_str)
}

/// A header that is a number; 0 where there is none.
pub(super) fn number(message: &Message, name: &str) -> u64 {
    header(message, name)
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
}
