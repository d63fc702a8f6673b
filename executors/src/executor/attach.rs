//! A run that is a worker: attached to while it lives, given time to be done, and settled when it is over.

use std::time::Duration;

use time::OffsetDateTime;

use super::life::Life;
use crate::backend::Running;
use crate::queue::{Attached, Expected, Identity};

impl Life {
    /// Attaches to the run, if it is a worker.
    pub(super) fn attach(&self, running: &Running, expected: Option<Expected>) -> Option<Attached> {
        let place = self.place.as_ref()?;
        let queues = self.shared.queues.as_ref()?;
        let identity = Identity {
            service: place.service,
            index: place.index,
            name: place.name.clone(),
            job: self.run.job,
            run: self.run.run,
        };
        Some(Attached::to(queues, identity, running, expected))
    }

    /// Lets a worker be done with its task, for as long as the log gives it.
    pub(super) async fn drain(&self, worker: Option<&Attached>) {
        let Some(worker) = worker else {
            return;
        };
        let live = &self.shared.tools.live;
        while let Some(job) = live.job(self.run.job)
            && let Some(until) = job.drain_until
        {
            let changed = job.changed();
            let news = changed.notified();
            // Whoever waits for it may lose patience.
            let is_same = live
                .job(self.run.job)
                .is_some_and(|now| now.version == job.version);
            if !is_same {
                continue;
            }
            let most = (until - OffsetDateTime::now_utc())
                .try_into()
                .unwrap_or(Duration::ZERO);
            tokio::select! {
                () = worker.drain(most) => return,
                () = news => {}
            }
        }
    }

    /// Removes a run that is another's by now, and gives back what it had.
    pub(super) async fn remove_worker(&self, running: &Running, worker: Option<Attached>) {
        if let Some(mut worker) = worker {
            self.end(running).await.ok();
            worker.end("another run has its place".to_owned()).await;
        }
        self.remove(running).await;
    }
}
