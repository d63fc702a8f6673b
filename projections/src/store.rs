//! The views of one platform: what the projector, the readers and a rebuild share.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use eai_core::log::{self, Log};
use sqlx::sqlite::{SqliteConnection, SqlitePool};
use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;

use super::database::{self, Generation};
use super::past::{self, Pasts};
use super::rebuild::Rebuilt;
use super::{Error, Projector, Views, checkpoint, rebuild, scrub, snapshots};

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
    pub(crate) pool: RwLock<SqlitePool>,
    pub(crate) progress: watch::Sender<Progress>,
    /// One rebuild at a time.
    pub(crate) rebuilding: Arc<Mutex<()>>,
    pub(crate) pasts: Pasts,
    /// How many events lie between two copies of the views at least.
    pub(crate) copy_every: AtomicU64,
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
        rebuilding: Arc::default(),
        pasts: Pasts::default(),
        copy_every: AtomicU64::new(snapshots::SPACING),
    };
    past::forget(directory);
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

    /// Keeps a copy of the views after so many events, for questions about the past, instead of after what is usual.
    pub fn copy_every(&self, events: u64) {
        self.shared.copy_every.store(events, Ordering::Relaxed);
    }

    /// The one that folds; run it once.
    pub fn projector(&self, log: Log) -> Projector {
        Projector {
            shared: Arc::clone(&self.shared),
            log,
        }
    }

    /// Whether the views can be those of this log; an error says why not, and where that is for good, they
    /// are halted from here on.
    pub async fn check(&self, log: &Log) -> Result<(), Error> {
        let mut writer = self.shared.writer.lock().await;
        let result = checkpoint::resume(&mut writer.connection, log).await;
        if let Err(error) = &result
            && error.is_final()
        {
            self.shared.halt(writer.generation, error);
        }
        result.map(|_| ())
    }

    /// Folds the whole log into new views and swaps them in, with no read failing meanwhile.
    pub async fn rebuild(&self, log: &Log) -> Result<Rebuilt, Error> {
        let rebuilt = rebuild::run(&self.shared, log).await;
        if let Err(error) = &rebuilt
            && error.is_damaged_log()
        {
            let generation = self.shared.progress.borrow().generation;
            self.shared.halt(generation, error);
        }
        rebuilt
    }

    /// Halts the views where a command found that the log is damaged; gives any other error back.
    pub fn halt_on_damage(&self, error: log::Error) -> Result<(), log::Error> {
        let generation = self.shared.progress.borrow().generation;
        match Error::Log(error) {
            damage if damage.is_damaged_log() => {
                self.shared.halt(generation, &damage);
                Ok(())
            }
            Error::Log(error) => Err(error),
            _ => Ok(()),
        }
    }

    /// Reads the whole log once and halts the views if it is not what they were folded from.
    pub async fn scrub(self, log: Log, stop: CancellationToken) {
        scrub::run(&self.shared, &log, &stop).await;
    }
}

impl Shared {
    /// Whether views that are this far are worth a copy.
    pub(crate) fn is_copy_due(&self, sequence: u64) -> bool {
        let every = self.copy_every.load(Ordering::Relaxed);
        snapshots::is_due(&self.directory, every, sequence)
    }

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

    /// Replaces the connection that writes. A statement that finds no room ends the transaction behind its
    /// connection's back, and the connection begins no other one.
    pub(crate) async fn renew_writer(&self) -> Result<(), Error> {
        let mut writer = self.writer.lock().await;
        let path = database::path(&self.directory, writer.generation);
        writer.connection = database::writer(&path).await?;
        Ok(())
    }

    /// Stops serving, unless other views were put in place meanwhile. The reason is for whoever runs the
    /// platform. Damage of the log is worse than any fault of the views, and stays the reason.
    pub(crate) fn halt(&self, generation: Generation, error: &Error) {
        let damaged_log = error.is_damaged_log();
        let reason = match error {
            Error::Log(log) => format!(
                "{log}. Stop the platform and restore its data directory from a copy; \
                 nothing is served until then"
            ),
            Error::Database(_) | Error::Row(_) => {
                format!("{error}. Run `eai server rebuild` to fold the views from the log anew")
            }
            other => other.to_string(),
        };
        let halted = self.progress.send_if_modified(|progress| {
            let this = progress.generation == generation || damaged_log;
            let worse = progress.halted.is_none() || damaged_log;
            let news = this && worse && progress.halted.as_ref() != Some(&reason);
            if news {
                progress.halted = Some(reason.clone());
            }
            news
        });
        if halted {
            tracing::error!(reason, "views.halted");
        }
    }
}

#[cfg(test)]
mod tests {
    use eai_core::digest::Digest;
    use eai_core::log::Recorded;
    use serde_json::json;
    use sqlx::{AssertSqlSafe, Executor, Row};
    use uuid::Uuid;

    use super::*;
    use crate::fold::{Places, fold};

    fn event(sequence: u64) -> Recorded {
        let (id, event_type) = (Uuid::from_u128(sequence.into()), "eai.thing.made.v1");
        let payload = json!({
            "specversion": "1.0", "id": id, "source": "urn:eai:platform:x", "type": event_type,
            "subject": format!("thing/{id}"), "time": "2026-01-02T03:04:05.006Z",
            "datacontenttype": "application/json", "dataschema": format!("urn:eai:schema:{event_type}"),
            "account": "snow.testacc", "actor": "platform", "commandid": id, "correlationid": id,
            "prevhash": Digest::ZERO.to_string(), "data": {},
        });
        Recorded {
            sequence,
            subject: format!("eai.event.snow.testacc.thing.{id}.made"),
            payload: payload.to_string().into(),
        }
    }

    #[tokio::test]
    async fn a_full_disk_passes() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path()).await.unwrap();
        let shared = &store.shared;
        let events: Vec<_> = (1..=500).map(event).collect();
        let (first, rest) = events.split_at(10);
        {
            let mut writer = shared.writer.lock().await;
            let folded = fold(&mut writer.connection, first, Places::Noted)
                .await
                .unwrap();
            assert_eq!(folded.sequence, 10);
            let row = writer.connection.fetch_one("PRAGMA page_count").await;
            let pages: i64 = row.unwrap().get(0);
            let limit = AssertSqlSafe(format!("PRAGMA max_page_count = {}", pages + 2));
            writer.connection.execute(limit).await.unwrap();
            for _ in 0..3 {
                let error = fold(&mut writer.connection, rest, Places::Noted)
                    .await
                    .unwrap_err();
                assert!(!error.is_final(), "{error:?}");
            }
        }
        // There is room again: a new connection has no limit.
        shared.renew_writer().await.unwrap();
        let mut writer = shared.writer.lock().await;
        let at = checkpoint::read(&mut writer.connection).await.unwrap();
        assert_eq!(at.unwrap().sequence, 10, "nothing was half done");
        let folded = fold(&mut writer.connection, rest, Places::Noted)
            .await
            .unwrap();
        assert_eq!(folded.sequence, 500);
    }

    #[tokio::test]
    async fn the_worst_reason_stays() {
        let folder = tempfile::tempdir().unwrap();
        let shared = open(folder.path()).await.unwrap().shared;
        let reason = || shared.progress.borrow().halted.clone();
        let generation = shared.progress.borrow().generation;
        shared.halt(generation + 1, &Error::Mismatch("of other views".into()));
        assert_eq!(reason(), None);
        shared.halt(generation, &Error::Mismatch("first".into()));
        shared.halt(generation, &Error::Row("second".into()));
        assert_eq!(reason().as_deref(), Some("first"));
        let damaged = || log::Error::Damaged("event 3".into()).into();
        shared.halt(generation + 1, &damaged());
        assert!(reason().unwrap().contains("event 3"));
        shared.halt(generation, &Error::Row("later".into()));
        assert!(reason().unwrap().contains("event 3"));
    }
}
