//! What the engine says of a container.

use std::net::Ipv4Addr;
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::models::{ContainerInspectResponse, ContainerState, ContainerStateStatusEnum};
use bollard::query_parameters::{InspectContainerOptions, LogsOptionsBuilder};
use futures::StreamExt as _;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::engine::{Engine, Error, QUICK, call, if_there, until_answered};
use super::label::{self, EXECUTOR, Label, PLATFORM};
use crate::backend::Exit;

/// How the first process begins to say that it could not run the command.
const NOT_RUN: &str = "[FATAL tini";
/// How long the last words of a container may take.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// A container at one moment.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) id: String,
    /// Which run it is; none where it is nobody's.
    pub(super) label: Option<Label>,
    pub(super) platform: Option<String>,
    /// Whose of the platform's executors it is; none where it is everybody's.
    pub(super) executor: Option<String>,
    pub(super) metadata: Value,
    pub(super) address: Option<Ipv4Addr>,
    /// Its first process on this machine.
    pub(super) pid: Option<i64>,
    pub(super) status: Status,
    /// Whether the engine holds it still.
    pub(super) paused: bool,
    /// When its command could begin, in Unix milliseconds; 0 if it never did.
    pub(super) started: u64,
    /// The program that it runs.
    pub(super) program: String,
    pub(super) mem_mib: i64,
    init: bool,
}

/// How far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// It never began.
    Made,
    Runs,
    Ended(Exit),
}

/// Looks at a container; none where there is no such.
pub(super) async fn look(engine: &Engine, container: &str) -> Result<Option<Seen>, Error> {
    let looked = || async {
        let inspected = engine
            .docker
            .inspect_container(container, None::<InspectContainerOptions>);
        if_there(call("look at a container", QUICK, inspected).await)
    };
    Ok(until_answered(looked).await?.map(Seen::of))
}

/// How it ended, with the reason where the first process could not run the command.
pub(super) async fn explained(engine: &Engine, seen: &Seen, exit: Exit) -> Result<Exit, Error> {
    if !(seen.init && matches!(exit.code, Some(126 | 127))) {
        return Ok(exit);
    }
    let said = last_words(engine, &seen.id).await?;
    let failure = said.trim().strip_prefix(NOT_RUN).map(|rest| {
        let reason = rest.split_once("] ").map_or(rest, |(_, reason)| reason);
        let Seen { program, .. } = seen;
        format!(
            "the image has no program {program:?} that can be run ({reason}): check its name, and that \
             what interprets it is in the image"
        )
    });
    Ok(Exit { failure, ..exit })
}

/// The last line that a container wrote to standard error.
async fn last_words(engine: &Engine, id: &str) -> Result<String, Error> {
    let read = || async {
        let options = LogsOptionsBuilder::new().stderr(true).tail("1").build();
        let mut logs = engine.docker.logs(id, Some(options));
        let mut said = Vec::new();
        let read = async {
            while let Some(frame) = logs.next().await {
                if let LogOutput::StdErr { message } = frame? {
                    said.extend_from_slice(&message);
                }
            }
            Ok(())
        };
        call("read a container's last words", LAST_WORDS, read).await?;
        Ok(String::from_utf8_lossy(&said).into_owned())
    };
    match until_answered(read).await {
        Err(Error::Refused { .. }) => Ok(String::new()),
        answered => answered,
    }
}

// === impl Seen ===

impl Seen {
    fn of(found: ContainerInspectResponse) -> Self {
        let config = found.config.unwrap_or_default();
        let labels = config.labels.unwrap_or_default();
        let host = found.host_config.unwrap_or_default();
        let state = found.state.unwrap_or_default();
        let networks = found
            .network_settings
            .and_then(|settings| settings.networks);
        let endpoint = networks.and_then(|networks| networks.into_values().next());
        let given = endpoint.and_then(|endpoint| endpoint.ipam_config);
        Self {
            id: found.id.unwrap_or_default(),
            label: Label::read(&labels),
            platform: labels.get(PLATFORM).cloned(),
            executor: labels.get(EXECUTOR).cloned(),
            metadata: label::metadata(&labels),
            // The one that was given, which it has before it starts and after it ended, too.
            address: given
                .and_then(|given| given.ipv4_address)
                .and_then(|address| address.parse().ok()),
            pid: state.pid.filter(|pid| *pid > 0),
            started: millis(state.started_at.as_deref()),
            status: Status::of(&state),
            paused: state.paused.unwrap_or_default(),
            program: found.path.unwrap_or_default(),
            mem_mib: host.memory.unwrap_or_default() >> 20,
            init: host.init.unwrap_or_default(),
        }
    }
}

// === impl Status ===

impl Status {
    fn of(state: &ContainerState) -> Self {
        let is_running = state.running.unwrap_or_default();
        match state.status {
            Some(ContainerStateStatusEnum::CREATED) => Self::Made,
            // It is on its way out: what it ended with is not said yet.
            _ if is_running => Self::Runs,
            // Nor did what is removed before it began.
            _ if millis(state.started_at.as_deref()) == 0 => Self::Made,
            _ => Self::Ended(exit(state)),
        }
    }
}

fn exit(state: &ContainerState) -> Exit {
    let code = state.exit_code.and_then(|code| i32::try_from(code).ok());
    Exit {
        code,
        signal: code
            .filter(|code| (129..=192).contains(code))
            .map(|code| code - 128),
        oom: state.oom_killed.unwrap_or_default() && code != Some(0),
        started: millis(state.started_at.as_deref()),
        ended: millis(state.finished_at.as_deref()),
        ..Exit::default()
    }
}

/// A time in Unix milliseconds; 0 where it is none.
fn millis(time: Option<&str>) -> u64 {
    let nanos = time.and_then(nanos).unwrap_or_default();
    nanos / 1_000_000
}

/// A time in Unix nanoseconds.
pub(super) fn nanos(time: &str) -> Option<u64> {
    let time = OffsetDateTime::parse(time, &Rfc3339).ok()?;
    u64::try_from(time.unix_timestamp_nanos()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(json: &str) -> Status {
        Status::of(&serde_json::from_str(json).unwrap())
    }

    #[test]
    fn only_what_began_can_have_ended() {
        assert_eq!(state(r#"{"Status":"created","ExitCode":0}"#), Status::Made);
        let removed = r#"{"Status":"removing","ExitCode":0,"StartedAt":"0001-01-01T00:00:00Z"}"#;
        assert_eq!(state(removed), Status::Made);
        assert_eq!(
            state(r#"{"Status":"running","Running":true}"#),
            Status::Runs
        );
        assert_eq!(state(r#"{"Status":"paused","Running":true}"#), Status::Runs);
        let ended = r#"{"Status":"exited","Running":false,"ExitCode":137,"OOMKilled":true,
            "StartedAt":"2026-11-22T06:56:12.5Z","FinishedAt":"2026-11-22T06:56:13.123456789Z"}"#;
        let Status::Ended(exit) = state(ended) else {
            panic!("it ended");
        };
        assert_eq!(
            (exit.code, exit.signal, exit.oom),
            (Some(137), Some(9), true)
        );
        assert_eq!(exit.ended - exit.started, 623);
    }

    #[test]
    fn no_time_is_none() {
        assert_eq!(millis(None), 0);
        assert_eq!(millis(Some("0001-01-01T00:00:00Z")), 0);
        assert_eq!(nanos("1970-01-01T00:00:01.000000002Z"), Some(1_000_000_002));
    }
}
