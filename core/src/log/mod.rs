//! The event log on NATS `JetStream`: append, load, read, subscribe. Nothing else in eai speaks `JetStream`.
//!
//! It knows envelopes and aggregates, but no aggregate in particular, and no view.

pub mod credentials;
pub mod live;
pub mod objects;
pub mod output;
pub mod tasks;

mod activate;
mod agenda;
mod append;
mod beats;
pub mod chain;
mod connect;
mod controller;
mod direct;
mod error;
pub mod export;
mod fold;
mod group;
mod history;
mod idle;
mod keeper;
mod kind;
mod letters;
mod meters;
pub mod monitors;
mod publish;
mod queues;
mod read;
mod replicator;
mod reserve;
mod restore;
mod roller;
mod settle;
mod setup;
mod snapshots;
mod subscribe;
mod upkeep;
mod watcher;
mod worker_beats;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;

pub use append::Outcome;
pub use beats::{Beat, Beats, Heard};
pub use chain::Chain;
pub use connect::{ConnectError, Connection, connect, connect_with};
pub use controller::{Controller, Policies};
pub use error::Error;
pub use kind::LogKind;
pub use meters::{Meters, PolicyName};
pub use queues::Queues;
pub use read::{Position, Recorded};
pub use setup::{Fsync, ServerReport, SetupError, check_server, set_up, set_up_tasks};
pub use subscribe::Subscription;
pub use upkeep::Usual;
pub use worker_beats::{WorkerBeat, WorkerBeats, WorkerHeard, WorkerState};

#[cfg(feature = "sabotage")]
use crate::command::Context;
#[cfg(feature = "sabotage")]
use crate::envelope::Actor;
use crate::ids::PlatformId;
use crate::subject::Address;
use group::Publisher;
use history::SharedHistory;
use reserve::Reserve;
use snapshots::Snapshots;

/// The name of the stream that is the system of record.
pub const STREAM: &str = "EAI_EVENTS";
/// The name of the stream of tasks.
pub const TASKS: &str = "EAI_TASKS";
/// How many aggregates' states are kept in the process.
const CACHED_AGGREGATES: u64 = 20_000;

/// A guard to break on purpose, so that a test can show that it would be noticed.
#[cfg(feature = "sabotage")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// Append without the expected last sequence.
    NoExpectation,
    /// Believe every error of a publish, and forget which commands were stored.
    NoReadback,
}

/// What the log needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whose log it is: the events' `source`.
    pub platform: PlatformId,
    /// How long a command may wait for the server before its outcome is reported as unknown.
    pub deadline: Duration,
    /// The folder for snapshots of long histories; without one, each is read whole.
    pub snapshots: Option<PathBuf>,
    /// A guard to break.
    #[cfg(feature = "sabotage")]
    pub sabotage: Option<Sabotage>,
}

impl Settings {
    /// No snapshots, and no guard broken.
    pub fn new(platform: PlatformId, deadline: Duration) -> Self {
        Self {
            platform,
            deadline,
            snapshots: None,
            #[cfg(feature = "sabotage")]
            sabotage: None,
        }
    }
}

/// The event log. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Log {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    kind: LogKind,
    connection: Connection,
    settings: Settings,
    source: String,
    histories: Cache<Address, SharedHistory>,
    reserve: Reserve,
    snapshots: Snapshots,
    publisher: Publisher,
    meters: Meters,
}

impl Log {
    /// Opens the log on a server that [`set_up`] found in order.
    pub async fn open(connection: Connection, settings: Settings) -> Result<Self, Error> {
        Self::open_kind(LogKind::Events, connection, settings).await
    }

    /// Opens the log of tasks on a server that [`set_up_tasks`] found in order.
    pub async fn open_tasks(connection: Connection, settings: Settings) -> Result<Self, Error> {
        Self::open_kind(LogKind::Tasks, connection, settings).await
    }

    async fn open_kind(
        kind: LogKind,
        connection: Connection,
        settings: Settings,
    ) -> Result<Self, Error> {
        let reserve = Reserve::new(kind, &connection).await?;
        let publisher = Publisher::new(kind, connection.clone());
        let source = crate::envelope::source_urn(settings.platform);
        let histories = Cache::new(CACHED_AGGREGATES);
        // Tasks are many, and each is short.
        let folder = settings.snapshots.clone().filter(|_| kind.is_whole());
        Ok(Self {
            inner: Arc::new(Inner {
                kind,
                connection,
                settings,
                source,
                histories,
                reserve,
                snapshots: Snapshots::new(folder),
                publisher,
                meters: Meters::default(),
            }),
        })
    }

    /// The connection, to see whether it stands.
    pub fn connection(&self) -> &Connection {
        &self.inner.connection
    }

    /// Which log it is.
    pub fn kind(&self) -> LogKind {
        self.inner.kind
    }

    /// What happened in this process, as numbers.
    pub fn meters(&self) -> &Meters {
        &self.inner.meters
    }

    /// Bytes stored and bytes allowed, as last seen.
    pub fn usage(&self) -> (u64, u64) {
        self.inner.reserve.usage()
    }

    /// Whether a guard is broken for this command. The platform's own commands keep their guards: it repeats
    /// them at every start, which has to succeed for a test to go on.
    #[cfg(feature = "sabotage")]
    fn sabotaged(&self, context: &Context, guard: Sabotage) -> bool {
        context.actor != Actor::Platform && self.inner.settings.sabotage == Some(guard)
    }
}
