//! The history of a run: every call with what it asked for and what came back, and every fault.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Microseconds since the run began.
pub type Micros = u64;

/// One line of the history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Line {
    /// How the run was made; the first line.
    Run(Run),
    /// A call and its outcome.
    Call(Call),
    /// Something was done to a process.
    Fault(Fault),
    /// What the platform's own log lines told, counted; the last line.
    Seen(Seen),
}

/// How a run was made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// What the schedule and the writers' choices come from.
    pub seed: u64,
    /// How many faults.
    pub kills: u32,
    /// How many writers.
    pub writers: u32,
    /// When it began, in microseconds of Unix time.
    pub began: u64,
}

/// What a command asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// Make a data resource.
    NewData(String),
    /// Make a service, with its data and role.
    NewService(String),
    /// Change a service.
    Change(Uuid, Verb),
}

/// A change of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// Let it take traffic.
    Start,
    /// End its jobs.
    Stop,
    /// Put it away.
    Deactivate,
    /// Bring it back.
    Reactivate,
}

/// One call of a command: the first, or a retry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    /// Who called.
    pub writer: u32,
    /// The command's id: the same on every retry.
    pub command: Uuid,
    /// What it asks for.
    pub action: Action,
    /// It was answered before and is sent once more.
    #[serde(default)]
    pub late: bool,
    /// When it was sent.
    pub start: Micros,
    /// When it was answered or given up.
    pub end: Micros,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// A 2xx answer.
    #[serde(rename_all = "camelCase")]
    Ok {
        /// The id of the thing it is about.
        id: Uuid,
        /// The thing's full name.
        full_name: String,
        /// A service's status.
        state: Option<String>,
    },
    /// A definite no: nothing is done, now or later.
    Refused {
        /// The error's code.
        code: String,
        /// Its message.
        message: String,
    },
    /// Anything may have happened, or happen yet.
    Unknown(String),
}

/// Something that was done to a process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fault {
    /// When it began.
    pub at: Micros,
    /// What was done.
    pub kind: FaultKind,
    /// How long it lasted, in milliseconds.
    pub millis: u64,
}

/// What can be done to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// `kill -9` of the platform, and a new start.
    KillPlatform,
    /// `kill -9` of nats-server; its platform starts it again.
    KillNats,
    /// `kill -9` of both at once, and a new start.
    KillBoth,
    /// The platform is stopped for a while.
    FreezePlatform,
    /// nats-server is stopped for a while.
    FreezeNats,
    /// The platform ended by itself and was started again: not one of the schedule's.
    Ended,
}

/// What the platform's own log lines told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Seen {
    /// Appends that lost against a newer event.
    pub conflicts: u64,
    /// Appends without an answer.
    pub unanswered: u64,
    /// Living nats-servers that a new platform took over.
    pub adopted: u64,
}

/// Writes a history as it happens. Shared by all who have something to tell.
#[derive(Debug)]
pub struct Recorder {
    file: Mutex<BufWriter<File>>,
    began: Instant,
    began_at: u64,
}

// === impl Verb ===

impl Verb {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Start, Self::Stop, Self::Deactivate, Self::Reactivate];

    /// The last part of the call's path.
    pub fn path(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Deactivate => "deactivate",
            Self::Reactivate => "reactivate",
        }
    }

    /// The event it leads to.
    pub fn event(self) -> &'static str {
        match self {
            Self::Start => "started",
            Self::Stop => "stopped",
            Self::Deactivate => "deactivated",
            Self::Reactivate => "reactivated",
        }
    }
}

// === impl Recorder ===

impl Recorder {
    /// Begins a history in a new file.
    pub fn begin(path: &Path, run: &Run) -> std::io::Result<Self> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let began_at = since.map_or(0, |since| {
            u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
        });
        let recorder = Self {
            file: Mutex::new(BufWriter::new(File::create(path)?)),
            began: Instant::now(),
            began_at,
        };
        recorder.write(&Line::Run(Run {
            began: began_at,
            ..run.clone()
        }))?;
        Ok(recorder)
    }

    /// The time of the run.
    pub fn now(&self) -> Micros {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// When the run began, in microseconds of Unix time.
    pub fn began(&self) -> u64 {
        self.began_at
    }

    /// Adds a line.
    pub fn write(&self, line: &Line) -> std::io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(&text)
    }

    /// Everything is in the file.
    pub fn flush(&self) -> std::io::Result<()> {
        self.file
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .flush()
    }
}
