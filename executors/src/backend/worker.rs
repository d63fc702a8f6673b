//! What is said between a platform and a worker's shim. Both may be older than the other: forms only grow.

use std::io;
use std::net::Ipv4Addr;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use crate::shim::{self, Frames};

/// The most bytes of an event and of an answer, as AWS has it.
pub const PAYLOAD_MAX: usize = 6 * 1024 * 1024 + 100;

/// That a run is a worker: its command speaks the AWS Lambda Runtime API to its shim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Runtime {
    /// What the worker is told that it is, `arn:aws:lambda:…`.
    pub function_arn: String,
    /// How often it gives a sign of life, in milliseconds.
    pub beat_ms: u64,
}

/// What a platform says to a worker.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToWorker {
    /// The first process of its container, where the shim cannot know that by itself.
    Process {
        /// On this machine; none once it is gone.
        pid: Option<i32>,
    },
    /// A task to do next.
    Invoke(Invocation),
    /// The outcome of this attempt is stored, or of no more use.
    Ack {
        /// The task.
        id: String,
        /// Which hand-over of it.
        attempt: u32,
    },
}

/// What a worker says to a platform.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromWorker {
    /// First of all, before any outcome that is kept.
    Hello {
        /// 32 hexadecimal digits, others for every shim.
        incarnation: String,
        /// How many outcomes it keeps until they are acknowledged.
        #[serde(default = "first_room")]
        room: usize,
        /// How it is.
        #[serde(flatten)]
        beat: Beat,
    },
    /// With every change that lasts for some milliseconds, and every now and then.
    Beat(Beat),
    /// How an attempt went. Said again to every platform until it is acknowledged.
    Outcome(Outcome),
    /// It holds another task, or too many outcomes.
    Busy {
        /// The task that it did not take.
        id: String,
        /// Which hand-over of it.
        attempt: u32,
    },
}

/// One hand-over of a task.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Invocation {
    /// The task.
    pub id: String,
    /// Which hand-over of it, from 1.
    pub attempt: u32,
    /// When it has to be done, in Unix milliseconds.
    pub deadline: u64,
    /// What the worker is given, JSON.
    pub event: Box<RawValue>,
    /// AWS's headers of these names, where there is something to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// As JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_context: Option<String>,
    /// As JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cognito_identity: Option<String>,
}

/// How an attempt went.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// The task.
    pub id: String,
    /// Which hand-over of it.
    pub attempt: u32,
    /// What the worker said.
    pub answer: Answer,
    /// What it wrote meanwhile, as far as its shim knows. The start of too much is left out.
    #[serde(default)]
    pub logs: String,
    /// When it was handed over, in Unix microseconds.
    pub begun: u64,
    /// When it answered, in Unix microseconds.
    pub ended: u64,
}

/// What is left of a worker whose run is over.
#[derive(Clone, Debug, Default)]
pub struct Left {
    /// Its life, as it said itself; empty where it never had anything to do.
    pub incarnation: String,
    /// What it had answered, and nobody had acknowledged; and what it had not answered.
    pub outcomes: Vec<Outcome>,
}

/// What a worker said of a task.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Its result, JSON.
    Response(Box<RawValue>),
    /// It failed.
    Error(Failure),
    /// Nothing: it ended first.
    Gone,
}

/// Why a worker failed, in its own words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Such as `ValueError` or `Runtime.InvalidResponse`.
    pub kind: String,
    /// For people.
    pub message: String,
    /// Where, line by line.
    #[serde(default)]
    pub traceback: String,
}

/// How a worker is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beat {
    /// What it does.
    pub state: WorkerState,
    /// In Unix milliseconds.
    pub timestamp: u64,
    /// Its process on this machine, once there is one.
    #[serde(default)]
    pub pid: Option<i32>,
    /// The attempt that it was given, also before it fetched it.
    #[serde(default)]
    pub held: Option<Held>,
    /// Why it can do nothing, though it lives.
    #[serde(default)]
    pub still: Option<Still>,
    /// What it said where it could not begin.
    #[serde(default)]
    pub failure: Option<Failure>,
}

/// An attempt that a worker has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The task.
    pub id: String,
    /// Which hand-over of it.
    pub attempt: u32,
    /// When the worker fetched it, in Unix microseconds; none before that.
    #[serde(default)]
    pub begun: Option<u64>,
    /// When it has to be done, in Unix milliseconds.
    #[serde(default)]
    pub deadline: u64,
}

/// What a worker does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkerState {
    /// It boots: it has asked for no task yet.
    Starting,
    /// It can have a task.
    Running,
    /// It works on one.
    Processing,
    /// It ended.
    Stopped,
}

/// Why a worker can do nothing, though it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Still {
    /// A process of it was stopped by a signal.
    Stopped,
    /// Its whole group is frozen.
    Frozen,
}

/// A conversation with a worker. Beginning another one ends it.
#[derive(Debug)]
pub struct Conversation {
    frames: Frames<OwnedReadHalf, FromWorker>,
    write: OwnedWriteHalf,
}

/// What the first workers had, who did not say it.
fn first_room() -> usize {
    4
}

/// What tells a command where its shim serves it.
pub(crate) fn variable(address: Ipv4Addr, port: u16) -> (String, String) {
    (
        "AWS_LAMBDA_RUNTIME_API".to_owned(),
        format!("{address}:{port}"),
    )
}

// === impl Conversation ===

impl Conversation {
    /// Begins one with the worker whose shim listens at `socket`. Fails with `ConnectionRefused` or `NotFound` where
    /// no shim lives.
    pub(crate) async fn begin(socket: &Path) -> io::Result<Self> {
        let (read, write) = shim::worker(socket).await?.into_split();
        Ok(Self {
            frames: Frames::new(read),
            write,
        })
    }

    /// What it says next; none once its run is over, or another conversation has begun. Dropping the future loses
    /// nothing.
    pub async fn hear(&mut self) -> io::Result<Option<FromWorker>> {
        self.frames.next().await
    }

    /// Says something. After a failure, or when the future is dropped, nothing more can be said.
    pub async fn say(&mut self, words: &ToWorker) -> io::Result<()> {
        shim::say(&mut self.write, [words]).await
    }

    /// Says some things in one go. As [`Conversation::say`].
    pub async fn say_all(&mut self, words: &[ToWorker]) -> io::Result<()> {
        shim::say(&mut self.write, words).await
    }
}
