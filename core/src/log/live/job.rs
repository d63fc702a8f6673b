//! A job as it begins.

use std::sync::Arc;

use time::OffsetDateTime;
use tokio::sync::Notify;

use super::LiveJob;
use crate::ids::JobId;
use crate::job::{Phase, Submitted};
use crate::names::AccountName;

// === impl LiveJob ===

impl LiveJob {
    /// A job that nobody has claimed.
    pub fn queuing(id: JobId, account: AccountName, port: u16) -> Self {
        Self {
            id,
            account,
            service: None,
            revision: 0,
            key: None,
            worker: None,
            port,
            mem_mib: 0,
            run: 0,
            flights: Arc::default(),
            phase: Phase::Queuing,
            claim: None,
            ready: false,
            unready: None,
            frozen: false,
            still: None,
            endpoint: None,
            since: OffsetDateTime::UNIX_EPOCH,
            phases: None,
            ready_on: None,
            cancel_reason: None,
            drain_until: None,
            ended: None,
            version: 0,
            cause: None,
            changed: Arc::default(),
        }
    }

    /// A job as it was asked for.
    pub(super) fn submitted(account: AccountName, submitted: &Submitted) -> Self {
        let port = submitted.configuration.spec.port.get();
        let behind = submitted.service.as_ref();
        Self {
            service: behind.map(|behind| behind.service.id),
            revision: behind.map_or(0, |behind| behind.revision),
            key: behind.map(|behind| behind.key),
            worker: behind.and_then(|behind| behind.worker),
            mem_mib: submitted
                .configuration
                .spec
                .resources
                .mem
                .mebibytes()
                .into(),
            ..Self::queuing(submitted.id, account, port)
        }
    }

    /// Is told when there is a newer one: for [`until`](super::until).
    pub fn changed(&self) -> Arc<Notify> {
        Arc::clone(&self.changed)
    }
}
