//! Bringing a service to a live job: one activation at a time for each service, however many requests wait.

use std::sync::Arc;

use eai_core::command::Context;
use eai_core::ids::{CommandId, ServiceId};
use eai_core::log::live::LiveService;
use eai_core::service::Activated;
use eai_core::turns::Turns;
use time::OffsetDateTime;
use tokio::time::Instant;
use uuid::Uuid;

use super::answer;
use crate::api::{ApiError, Shared, command};
use crate::ingress::Failure;
use crate::revise;

/// Activates services.
#[derive(Debug)]
pub(super) struct Activator {
    platform: Shared,
    turns: Turns<ServiceId>,
}

// === impl Activator ===

impl Activator {
    pub(super) fn new(platform: Shared) -> Self {
        Self {
            platform,
            turns: Turns::default(),
        }
    }

    /// The run that serves next: one that is alive, else one that this starts.
    ///
    /// Who waits for his turn finds the run of the one before him, and joins it without a word to the log.
    pub(super) async fn activate(
        &self,
        service: &LiveService,
        deadline: Instant,
    ) -> Result<Activated, Failure> {
        let activated = self.turns.take(service.id, async {
            // Not dropped with the request that came first: others wait for what it began.
            let (platform, service) = (Arc::clone(&self.platform), service.clone());
            let done = tokio::spawn(async move { activate(&platform, &service).await });
            done.await
        });
        match tokio::time::timeout_at(deadline, activated).await {
            Ok(Ok(activated)) => activated.map_err(|error| answer::not_activated(&error)),
            Ok(Err(error)) => {
                tracing::error!(%error, "activate.task");
                Err(Failure::starting(
                    "the service could not be started: try again",
                ))
            }
            Err(_) => Err(Failure::starting(
                "the event log did not answer in time: try again",
            )),
        }
    }
}

async fn activate(platform: &Shared, service: &LiveService) -> Result<Activated, ApiError> {
    command::admit(platform)?;
    if service.key.is_none() {
        let row = platform.views.service(service.id).await?;
        let row = row.ok_or_else(|| ApiError::not_found("there is no such service"))?;
        revise::ensure(platform, &row).await?;
    }
    let context = Context::platform(CommandId(Uuid::new_v4()), OffsetDateTime::now_utc());
    let account = &service.name.account;
    let activated = platform
        .log
        .activate(&platform.live, account, service.id, &context)
        .await?;
    Ok(activated)
}
