//! Setting up the stream of output: old output makes room for new.
//!
//! Its persistence is the server's: `async` loses what was acknowledged when nats-server is killed (measured on
//! 2.15.1), and who writes goes on behind what was acknowledged.

use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::stream::{
    Config, DiscardPolicy, Republish, RetentionPolicy, StorageType,
};

use super::write::MAX_MESSAGE;
use super::{ALL, ALL_ANNOUNCED, STREAM};
use crate::log::setup::{get_or_create, set_limits};
use crate::log::{Connection, SetupError};

/// How long output is kept.
const MAX_AGE: Duration = Duration::from_hours(7 * 24);
/// Beside a message: a subject and a few headers.
const HEADROOM: usize = 8 * 1024;

/// Makes the stream, or sets the limits of the one that is there. Safe to repeat. `setup` may create and update it.
pub async fn set_up(setup: &Connection, max_bytes: u64) -> Result<(), SetupError> {
    let context = jetstream::new(setup.client().clone());
    let wanted = wanted(max_bytes);
    let stream = get_or_create(&context, &wanted, "make the stream of job output").await?;
    let found = &stream.cached_info().config;
    let step = "set the limits of the stream of job output";
    set_limits(&context, found, wanted, step).await
}

fn wanted(max_bytes: u64) -> Config {
    Config {
        name: STREAM.into(),
        subjects: vec![ALL.into()],
        retention: RetentionPolicy::Limits,
        storage: StorageType::File,
        discard: DiscardPolicy::Old,
        max_bytes: i64::try_from(max_bytes).unwrap_or(i64::MAX),
        max_age: MAX_AGE,
        max_message_size: i32::try_from(MAX_MESSAGE + HEADROOM).unwrap_or(i32::MAX),
        max_messages: -1,
        max_messages_per_subject: -1,
        num_replicas: 1,
        allow_direct: true,
        republish: Some(Republish {
            source: ALL.into(),
            destination: ALL_ANNOUNCED.into(),
            headers_only: true,
        }),
        ..Config::default()
    }
}
