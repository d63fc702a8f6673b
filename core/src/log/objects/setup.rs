//! Setting up the bucket, with a reservation of its own.

use async_nats::jetstream;
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};

use super::{BUCKET, CHUNK, STREAM};
use crate::log::setup::{get_or_create, set_limits};
use crate::log::{Connection, SetupError};

/// Beside a chunk: a subject and a few headers.
const HEADROOM: usize = 8 * 1024;

/// Makes the bucket, or checks the one that is there. Safe to repeat. `setup` may create and update it.
pub async fn set_up(setup: &Connection, max_bytes: u64) -> Result<(), SetupError> {
    let context = jetstream::new(setup.client().clone());
    let wanted = wanted(max_bytes);
    let stream = get_or_create(&context, &wanted, "make the object store").await?;
    let info = stream.cached_info();
    if info.state.bytes > max_bytes {
        return Err(SetupError::DataTooSmall {
            used: info.state.bytes,
            most: max_bytes,
        });
    }
    let step = "set the limits of the object store";
    set_limits(&context, &info.config, wanted, step).await
}

fn wanted(max_bytes: u64) -> Config {
    Config {
        name: STREAM.into(),
        subjects: vec![format!("$O.{BUCKET}.C.>"), format!("$O.{BUCKET}.M.>")],
        retention: RetentionPolicy::Limits,
        storage: StorageType::File,
        discard: DiscardPolicy::New,
        max_bytes: i64::try_from(max_bytes).unwrap_or(i64::MAX),
        max_message_size: i32::try_from(CHUNK + HEADROOM).unwrap_or(i32::MAX),
        max_messages: -1,
        max_messages_per_subject: -1,
        num_replicas: 1,
        allow_direct: true,
        allow_atomic_publish: true,
        ..Config::default()
    }
}
