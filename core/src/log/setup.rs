//! Setting up the stream, and refusing a server or stream that would not keep what it acknowledged.

use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::stream::{
    Compression, Config, DiscardPolicy, Republish, RetentionPolicy, StorageType, Stream,
};
use async_nats::jetstream::{self, Context};
use serde::Deserialize;

use super::{Connection, LogKind};
use crate::envelope::MAX_BYTES;
use crate::subject::{ALL_EVENTS, ALL_LIVE};

/// Older servers accept what the log relies on and ignore it.
const OLDEST: [u64; 3] = [2, 12, 7];
/// Beside the document: a subject and a few headers.
const HEADROOM: usize = 8 * 1024;

/// Whether each acknowledged event must be on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fsync {
    /// Refuse a server that acknowledges before it wrote.
    Required,
    /// A power loss may lose acknowledged commands, and the user said so.
    Unsafe,
}

/// What was found out about the server.
#[derive(Clone, Debug)]
pub struct ServerReport {
    /// Its version.
    pub version: String,
    /// Whether it writes each event before it acknowledges it.
    pub sync_always: bool,
}

/// Why the server or the stream cannot be used, and what to change.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The server is too old.
    #[error(
        "nats-server {version} is too old: eai needs {}.{}.{} or newer (2.15.1 is recommended). \
         Install a newer one, or name it with --nats-server",
        OLDEST[0], OLDEST[1], OLDEST[2]
    )]
    TooOld {
        /// What it says it is.
        version: String,
    },
    /// The server acknowledges before it wrote.
    #[error(
        "nats-server writes its files to the disk every {interval} only, so a power loss would lose \
         acknowledged commands. Set `sync_interval: always` in its `jetstream` block, \
         or accept the loss with --unsafe-fsync"
    )]
    NoFsync {
        /// How often it writes.
        interval: String,
    },
    /// The stream is there, and not as it must be.
    #[error(
        "the stream {stream} is not as eai needs it: {differences}. \
         Set it back as it was (`nats stream edit {stream}`), or start with another data directory"
    )]
    Differs {
        /// Its name.
        stream: &'static str,
        /// Each field, as it is and as it must be.
        differences: String,
    },
    /// The stream has more than it may have.
    #[error(
        "the {log} has {used} bytes, more than the {most} that it may have: start with a larger {}",
        .log.option()
    )]
    TooSmall {
        /// Which log.
        log: LogKind,
        /// Bytes stored.
        used: u64,
        /// Bytes asked for.
        most: u64,
    },
    /// The object store has more than it may have.
    #[error(
        "the object store has {used} bytes, more than the {most} that it may have: start with a larger --data-max-bytes"
    )]
    DataTooSmall {
        /// Bytes stored.
        used: u64,
        /// Bytes asked for.
        most: u64,
    },
    /// The server did not answer, or refused.
    #[error("failed to {step}: {reason}")]
    Server {
        /// What was tried.
        step: &'static str,
        /// What it said.
        reason: String,
    },
}

impl SetupError {
    fn server(step: &'static str, error: &dyn std::fmt::Display) -> Self {
        let reason = error.to_string();
        Self::Server { step, reason }
    }
}

/// Checks version and durability. `system` is a connection to the system account.
pub async fn check_server(system: &Connection, fsync: Fsync) -> Result<ServerReport, SetupError> {
    #[derive(Deserialize)]
    struct Varz {
        data: Data,
    }
    #[derive(Deserialize)]
    struct Data {
        version: String,
        jetstream: JetStream,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct JetStream {
        config: JetStreamConfig,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct JetStreamConfig {
        sync_always: bool,
        sync_interval: u64,
    }
    let step = "ask the NATS server how it is set up";
    check_version(&system.client().server_info().version)?;
    let answer = system
        .request(
            "$SYS.REQ.SERVER.PING.VARZ".into(),
            HeaderMap::new(),
            "{}".into(),
        )
        .await
        .map_err(|error| SetupError::server(step, &error))?;
    let varz: Varz = serde_json::from_slice(&answer.payload)
        .map_err(|error| SetupError::server(step, &error))?;
    let JetStreamConfig {
        sync_always,
        sync_interval,
    } = varz.data.jetstream.config;
    if !sync_always && fsync == Fsync::Required {
        let interval = format!("{:?}", Duration::from_nanos(sync_interval));
        return Err(SetupError::NoFsync { interval });
    }
    Ok(ServerReport {
        version: varz.data.version,
        sync_always,
    })
}

fn check_version(version: &str) -> Result<(), SetupError> {
    let mut numbers = version
        .split(['.', '-'])
        .map(|part| part.parse::<u64>().unwrap_or(0));
    let found: [u64; 3] = std::array::from_fn(|_| numbers.next().unwrap_or(0));
    if found < OLDEST {
        Err(SetupError::TooOld {
            version: version.into(),
        })
    } else {
        Ok(())
    }
}

/// Makes the stream, or checks the one that is there. Safe to repeat. `setup` may create and update it.
pub async fn set_up(setup: &Connection, max_bytes: u64) -> Result<(), SetupError> {
    set_up_log(LogKind::Events, setup, max_bytes).await
}

/// Does the same for the stream of tasks.
pub async fn set_up_tasks(setup: &Connection, max_bytes: u64) -> Result<(), SetupError> {
    set_up_log(LogKind::Tasks, setup, max_bytes).await
}

async fn set_up_log(log: LogKind, setup: &Connection, max_bytes: u64) -> Result<(), SetupError> {
    let context = jetstream::new(setup.client().clone());
    let wanted = wanted(log, max_bytes);
    let stream = get_or_create(&context, &wanted, "make the stream of a log").await?;
    let found = stream.cached_info().config.clone();
    let differences = differences(&found, &wanted);
    if !differences.is_empty() {
        return Err(SetupError::Differs {
            stream: log.stream(),
            differences: differences.join("; "),
        });
    }
    let used = stream.cached_info().state.bytes;
    if used > max_bytes {
        return Err(SetupError::TooSmall {
            log,
            used,
            most: max_bytes,
        });
    }
    if found.max_bytes != wanted.max_bytes {
        let resized = Config {
            max_bytes: wanted.max_bytes,
            ..found
        };
        update(&context, resized, "resize the stream of a log").await?;
    }
    Ok(())
}

/// The stream that is there, or a new one. `step` says what fails if it does.
pub(super) async fn get_or_create(
    context: &Context,
    wanted: &Config,
    step: &'static str,
) -> Result<Stream, SetupError> {
    let stream = context.get_or_create_stream(wanted).await;
    stream.map_err(|error| SetupError::server(step, &error))
}

/// Sets the limits of a stream of which nothing else may ever differ, unless it has them.
pub(super) async fn set_limits(
    context: &Context,
    found: &Config,
    wanted: Config,
    step: &'static str,
) -> Result<(), SetupError> {
    let same = found.subjects == wanted.subjects
        && found.max_bytes == wanted.max_bytes
        && found.discard == wanted.discard
        && found.max_age == wanted.max_age
        && found.max_messages == wanted.max_messages
        && found.max_message_size == wanted.max_message_size
        && found.allow_direct == wanted.allow_direct
        && found.allow_atomic_publish == wanted.allow_atomic_publish
        && found.republish.is_some() == wanted.republish.is_some();
    if same {
        return Ok(());
    }
    update(context, wanted, step).await
}

async fn update(context: &Context, config: Config, step: &'static str) -> Result<(), SetupError> {
    let updated = context.update_stream(config).await;
    updated
        .map(drop)
        .map_err(|error| SetupError::server(step, &error))
}

fn wanted(log: LogKind, max_bytes: u64) -> Config {
    let republish = Republish {
        source: ALL_EVENTS.into(),
        destination: ALL_LIVE.into(),
        headers_only: false,
    };
    Config {
        name: log.stream().into(),
        subjects: vec![log.subjects().into()],
        retention: RetentionPolicy::Limits,
        storage: StorageType::File,
        discard: DiscardPolicy::New,
        max_bytes: i64::try_from(max_bytes).unwrap_or(i64::MAX),
        max_message_size: i32::try_from(MAX_BYTES + HEADROOM).unwrap_or(i32::MAX),
        max_messages: -1,
        max_messages_per_subject: -1,
        num_replicas: 1,
        duplicate_window: Duration::from_mins(2),
        republish: (log == LogKind::Events).then_some(republish),
        allow_direct: true,
        allow_atomic_publish: true,
        ..Config::default()
    }
}

/// Each field that the log relies on and that is not as it must be. The size may differ: it is set.
fn differences(found: &Config, wanted: &Config) -> Vec<String> {
    let mut differences = Vec::new();
    macro_rules! compare {
        ($($field:ident)+) => {$(
            if found.$field != wanted.$field {
                differences.push(format!(
                    "{} is {:?} and must be {:?}",
                    stringify!($field), found.$field, wanted.$field
                ));
            }
        )+};
    }
    compare! {
        subjects retention storage discard discard_new_per_subject max_messages
        max_messages_per_subject max_age max_message_size num_replicas no_ack duplicate_window
        sealed allow_rollup deny_delete deny_purge allow_direct allow_atomic_publish
        allow_message_ttl allow_message_counter allow_message_schedules
    }
    let republish = |config: &Config| {
        config.republish.as_ref().map(|republish| {
            (
                republish.source.clone(),
                republish.destination.clone(),
                republish.headers_only,
            )
        })
    };
    if republish(found) != republish(wanted) {
        differences.push(match &wanted.republish {
            Some(_) => format!("republish must be {ALL_EVENTS} to {ALL_LIVE}"),
            None => "it must not be republished".into(),
        });
    }
    if found.mirror.is_some() || found.sources.as_ref().is_some_and(|all| !all.is_empty()) {
        differences.push("it must not mirror or source another stream".into());
    }
    if !matches!(found.compression, None | Some(Compression::None)) {
        differences.push("compression must be none".into());
    }
    differences
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_servers_are_refused() {
        for (version, good) in [
            ("2.9.10", false),
            ("2.12.6", false),
            ("2.12.7", true),
            ("2.15.1", true),
            ("3.0.0-beta.1", true),
            ("nonsense", false),
        ] {
            assert_eq!(check_version(version).is_ok(), good, "{version}");
        }
    }

    #[test]
    fn a_stream_that_differs_is_named_by_field() {
        let mut found = wanted(LogKind::Events, 1);
        assert!(
            differences(&found, &wanted(LogKind::Events, 2)).is_empty(),
            "the size may differ"
        );
        found.max_age = Duration::from_secs(1);
        found.republish = None;
        let text = differences(&found, &wanted(LogKind::Events, 1)).join("; ");
        assert!(
            text.contains("max_age is 1s and must be 0ns") && text.contains("republish"),
            "{text}"
        );
    }
}
