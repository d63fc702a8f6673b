//! The views of one platform: what the projector, the readers and a rebuild share.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use eai_core::log::Log;
use sqlx::sqlite::{SqliteConnection, SqlitePool};
use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;

use super::database::{self, Generation};
use super::rebuild::Rebuilt;
use super::{Error, Projector, Views, checkpoint, rebuild, scrub};

/// The read side of a platform. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) directory: PathBuf,
    /// Whoever folds holds it: the projector for a batch, a rebuild for its swap.
    pub(crate) writer: Mutex<Writer>,
    pool: RwLock<SqlitePool>,
    pub(crate) progress: watch::Sender<Progress>,
    /// One rebuild at a time.
    pub(crate) rebuilding: Mutex<()>,
}

#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) connection: SqliteConnection,
    pub(crate) generation: Generation,
}

/// How far the views are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) sequence: u64,
    /// Why they go no further.
    pub(crate) halted: Option<String>,
    /// Which views: a rebuild makes new ones.
    pub(crate) generation: Generation,
}

/// Opens the views in a directory; where there are none that can be used, empty ones.
pub async fn open(directory: &Path) -> Result<Store, Error> {
    let (generation, mut connection, pool) = database::newest(directory).await?;
    let sequence = checkpoint::read(&mut connection)
        .await?
        .map_or(0, |found| found.sequence);
    let (progress, _) = watch::channel(Progress {
        sequence,
        halted: None,
        generation,
    });
    let shared = Shared {
        directory: directory.to_owned(),
        writer: Mutex::new(Writer {
            connection,
            generation,
        }),
        pool: RwLock::new(pool),
        progress,
        rebuilding: Mutex::new(()),
    };
    Ok(Store {
        shared: Arc::new(shared),
    })
}

impl Store {
    /// For reading.
    pub fn views(&self) -> Views {
        Views {
            shared: Arc::clone(&self.shared),
        }
    }

    /// The one that folds; run it once.
    pub fn projector(&self, log: Log) -> Projector {
        Projector {
            shared: Arc::clone(&self.shared),
            log,
        }
    }

    /// Whether the views can be those of this log; an error says why not.
    pub async fn check(&self, log: &Log) -> Result<(), Error> {
        let mut writer = self.shared.writer.lock().await;
        checkpoint::resume(&mut writer.connection, log)
            .await
            .map(|_| ())
    }

    /// Folds the whole log into new views and swaps them in, with no read failing meanwhile.
    pub async fn rebuild(&self, log: &Log) -> Result<Rebuilt, Error> {
        rebuild::run(&self.shared, log).await
    }

    /// Reads the whole log once and halts the views if it is not what they were folded from.
    pub async fn scrub(self, log: Log, stop: CancellationToken) {
        scrub::run(&self.shared, &log, &stop).await;
    }
}

impl Shared {
    /// The readers of the newest views.
    pub(crate) fn pool(&self) -> SqlitePool {
        self.pool
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Readers that ask from now on get the new views; those that read finish on the old ones.
    pub(crate) fn swap_pool(&self, pool: SqlitePool) {
        *self.pool.write().unwrap_or_else(PoisonError::into_inner) = pool;
    }

    /// Stops serving. The reason is for whoever runs the platform.
    pub(crate) fn halt(&self, error: &Error) {
        let reason = match error {
            Error::Log(log) => format!(
                "{log}. Stop the platform and restore its data directory from a copy; \
                 nothing is served until then"
            ),
            other => other.to_string(),
        };
        tracing::error!(reason, "views.halted");
        self.progress
            .send_modify(|progress| progress.halted = Some(reason));
    }
}
