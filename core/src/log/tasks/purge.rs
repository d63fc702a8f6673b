//! Tasks that ended long ago go from the log. One that is pending never does.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use time::OffsetDateTime;

use super::{Book, LiveTask, Tasks};
use crate::aggregate::Aggregate;
use crate::ids::ServiceId;
use crate::log::{Connection, Error, TASKS};
use crate::subject::Address;
use crate::task::{Phase, TaskAggregate};

/// How many tasks that ended are kept, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The age from which one goes.
    pub age: Duration,
    /// The newest so many stay.
    pub most: usize,
}

/// Removes tasks that ended.
#[derive(Clone, Debug)]
pub struct Purger {
    tasks: Tasks,
    /// May purge the stream, and do nothing else there.
    cleaner: Connection,
}

// === impl Kept ===

impl Kept {
    /// What is kept where nobody says otherwise; nothing is said of what is pending, which stays.
    pub fn of(phase: Phase) -> Option<Self> {
        const DAY: u64 = 24 * 60 * 60;
        let days = match phase {
            Phase::Pending => return None,
            Phase::Done | Phase::Cancelled => 7,
            Phase::Failed => 14,
        };
        Some(Self {
            age: Duration::from_secs(days * DAY),
            most: 2000,
        })
    }
}

impl Book {
    /// Tasks of a service that ended in a phase and are not kept any more.
    pub(super) fn outlived(
        &self,
        service: ServiceId,
        phase: Phase,
        kept: Kept,
        now: OffsetDateTime,
    ) -> Vec<Arc<LiveTask>> {
        let ended = self.ended(service, phase);
        let surplus = ended.len().saturating_sub(kept.most);
        let oldest = now - kept.age;
        let mut outlived = ended;
        let mut index = 0;
        outlived.retain(|task| {
            index += 1;
            index <= surplus || task.changed_at < oldest
        });
        outlived
    }
}

// === impl Purger ===

impl Purger {
    /// Removes tasks of `tasks` with a connection that may.
    pub fn new(tasks: Tasks, cleaner: Connection) -> Self {
        Self { tasks, cleaner }
    }

    /// Removes what is not kept any more, of every service; answers how many tasks went.
    pub async fn sweep(&self, now: OffsetDateTime) -> Result<usize, Error> {
        let mut swept = 0;
        for service in self.tasks.services() {
            for phase in [Phase::Done, Phase::Failed, Phase::Cancelled] {
                if let Some(kept) = Kept::of(phase) {
                    swept += self.purge(service.id, phase, kept, now).await?;
                }
            }
        }
        Ok(swept)
    }

    /// Removes tasks of a service that ended in a phase, but for those to keep; answers how many went.
    pub async fn purge(
        &self,
        service: ServiceId,
        phase: Phase,
        kept: Kept,
        now: OffsetDateTime,
    ) -> Result<usize, Error> {
        let outlived = self.tasks.book().outlived(service, phase, kept, now);
        let mut removed = 0;
        let mut failure = Ok(());
        for task in &outlived {
            match self.remove(task).await {
                Ok(gone) => removed += usize::from(gone),
                Err(error) => {
                    failure = Err(error);
                    break;
                }
            }
        }
        self.tasks.book().clear(service, phase, removed, now);
        failure.map(|()| removed)
    }

    /// Nobody brings it back meanwhile: the log is asked once more whether anybody did. Whether it went.
    async fn remove(&self, task: &LiveTask) -> Result<bool, Error> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(default)]
            success: bool,
        }
        let _alone = self.tasks.inner.removing.write().await;
        let address = Address::new(task.account().clone(), TaskAggregate::KIND, task.id);
        let newest = self.tasks.log().newest(&address.filter()).await?;
        if newest.is_some_and(|newest| newest.sequence != task.version) {
            return Ok(false);
        }
        let body = json!({ "filter": address.filter() });
        let answer = self
            .cleaner
            .api(&format!("STREAM.PURGE.{TASKS}"), &body)
            .await?;
        match serde_json::from_slice::<Answer>(&answer.payload) {
            Ok(Answer { success: true }) => {
                self.tasks.log().forget(&address);
                self.tasks.book().forget(task.id);
                Ok(true)
            }
            _ => Err(Error::Unavailable(format!(
                "task {} was not purged",
                task.id
            ))),
        }
    }
}
