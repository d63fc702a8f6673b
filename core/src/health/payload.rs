//! The health of a queue service as monitors read it: `agi.service.health.v1`, and the answer to a question for its status.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::facts::{Cleanup, Facts, Place, Tasks, Worker, loop_state};
use super::{RunIs, Status};
use crate::names::Name;
use crate::service;

/// The schema of [`Health`].
pub const SCHEMA: &str = "agi.service.health.v1";
/// For how long a restart counts.
pub const WINDOW: Duration = Duration::minutes(10);

/// The health of a queue service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Health {
    /// `agi.service.health.v1`.
    pub schema: String,
    /// When it was so, in seconds since 1970.
    pub timestamp: f64,
    /// The service.
    pub app: String,
    /// The same without `_project`.
    pub target: String,
    /// `running`, `degraded`, `idle`, `stopped` or `error`.
    pub status: String,
    /// The workers that work.
    pub workers_running: Vec<String>,
    /// Those that are to work, and do not or not yet.
    pub workers_pending: Vec<String>,
    /// Those that were replaced in the last ten minutes.
    pub workers_restarted: Vec<String>,
    /// Those with which nothing is wrong.
    pub workers_healthy: Vec<String>,
    /// Those with which something is.
    pub workers_unhealthy: Vec<String>,
    /// How many work.
    pub workers_running_count: u64,
    /// How many are to work, and do not or not yet.
    pub workers_pending_count: u64,
    /// How many were replaced in the last ten minutes.
    pub workers_restarted_count: u64,
    /// With how many nothing is wrong.
    pub workers_healthy_count: u64,
    /// With how many something is.
    pub workers_unhealthy_count: u64,
    /// The tasks.
    pub queue: Tasks,
    /// Why each was replaced.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub restart_reasons: BTreeMap<String, String>,
    /// Whether the event log answers: `running`, `connecting`, or `closed` where it has been away for too long.
    pub client_status: String,
    /// How long a worker may be silent, in seconds.
    pub heartbeat_timeout_sec: f64,
    /// The folder that tasks are taken from, if one is attached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_dir: Option<String>,
    /// What was cleared away.
    pub cleanup: Cleanup,
    /// Each worker.
    pub worker_health: Vec<WorkerHealth>,
    /// Where this is written; never in the file itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// The health of a worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkerHealth {
    /// Its name.
    pub worker: String,
    /// Where its run is: `pending` while it lives, `finished`, `error`, `cancelled`, `lost`; `detached` where it has none.
    pub future_state: String,
    /// What it does: `running`, `processing`; `missing` where it gave no sign of life.
    pub heartbeat_state: String,
    /// How long ago its last sign of life was, in seconds.
    pub heartbeat_age_sec: Option<f64>,
    /// Whether nothing is wrong with it.
    pub healthy: bool,
    /// What is.
    pub reason: String,
}

/// The answer to a question for the status.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StatusReply {
    /// `running`, `degraded`, `idle`, `stopped` or `error`.
    pub status: String,
    /// The workers that work.
    pub workers: Vec<String>,
    /// Those that are to work, and do not or not yet.
    pub pending: Vec<String>,
    /// How many work.
    pub workers_running_count: u64,
    /// How many are to work, and do not or not yet.
    pub workers_pending_count: u64,
    /// How many were replaced in the last ten minutes.
    pub workers_restarted_count: u64,
    /// With how many nothing is wrong.
    pub workers_healthy_count: u64,
    /// With how many something is.
    pub workers_unhealthy_count: u64,
    /// Whether the event log answers.
    pub client_status: String,
    /// The tasks.
    pub queue: Tasks,
    /// The folder that tasks are taken from, if one is attached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_dir: Option<String>,
    /// What was cleared away.
    pub cleanup: Cleanup,
    /// How long a worker may be silent, in seconds.
    pub heartbeat_timeout_sec: f64,
    /// Each worker.
    pub worker_health: Vec<WorkerHealth>,
    /// The workers that were replaced in the last ten minutes.
    pub restarted_workers: Vec<String>,
    /// Why each was.
    pub restart_reasons: BTreeMap<String, String>,
    /// Why workers cannot be started, where the status is `error`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub launch_errors: BTreeMap<String, String>,
    /// What happened and what to do, where the status is `error`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The same as monitors read it.
    pub health: Health,
    /// Where that is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_path: Option<String>,
}

/// A service without what its folder is called after.
pub fn target(app: &Name) -> &str {
    let app = app.as_str();
    app.strip_suffix("_project").unwrap_or(app)
}

// === impl Facts ===

impl Facts {
    /// How the service is.
    pub fn service_status(&self) -> Status {
        match self.status {
            service::Status::On => {}
            _ if self.places.iter().any(|place| place.worker.is_some()) => return Status::Stopped,
            _ => return Status::Idle,
        }
        if self.wanted() == 0 {
            return Status::Idle;
        }
        let (works, not): (Vec<_>, Vec<_>) =
            self.wanted_places().partition(|place| self.works(place));
        if not.is_empty() {
            Status::Running
        } else if works.is_empty() && not.iter().any(|place| is_unlaunched(place)) {
            Status::Error
        } else {
            Status::Degraded
        }
    }

    /// The same as it is shown: nothing is known of workers while the log is away for longer than one may be silent.
    fn shown_status(&self) -> Status {
        if self.is_closed() && self.wanted() > 0 {
            Status::Error
        } else {
            self.service_status()
        }
    }

    /// The health, as monitors read it.
    pub fn health(&self) -> Health {
        let names = |wanted: &dyn Fn(&Place) -> bool| -> Vec<String> {
            let places = self.wanted_places().filter(|place| wanted(place));
            places.map(|place| place.name.clone()).collect()
        };
        let rows: Vec<_> = self.wanted_places().map(|place| self.row(place)).collect();
        let healthy = |healthy: bool| -> Vec<String> {
            let rows = rows.iter().filter(|row| row.healthy == healthy);
            rows.map(|row| row.worker.clone()).collect()
        };
        let restart_reasons: BTreeMap<_, _> = self
            .wanted_places()
            .filter_map(|place| Some((place.name.clone(), self.restart_reason(place)?)))
            .collect();
        let running = names(&|place| self.works(place));
        // Those that are to end are waited for, too.
        let pending = match self.status {
            service::Status::On => names(&|place| !self.works(place)),
            _ => self.ending(),
        };
        let restarted = names(&|place| restart_reasons.contains_key(&place.name));
        let (healthy, unhealthy) = (healthy(true), healthy(false));
        let client_status = match self.away {
            None => "running",
            Some(_) if self.is_closed() => "closed",
            Some(_) => "connecting",
        };
        Health {
            schema: SCHEMA.into(),
            timestamp: seconds(self.now),
            app: self.name.to_string(),
            target: target(&self.name).into(),
            status: self.shown_status().to_string(),
            workers_running_count: running.len() as u64,
            workers_pending_count: pending.len() as u64,
            workers_restarted_count: restarted.len() as u64,
            workers_healthy_count: healthy.len() as u64,
            workers_unhealthy_count: unhealthy.len() as u64,
            workers_running: running,
            workers_pending: pending,
            workers_restarted: restarted,
            workers_healthy: healthy,
            workers_unhealthy: unhealthy,
            queue: self.tasks,
            restart_reasons,
            client_status: client_status.into(),
            heartbeat_timeout_sec: self.timeout().as_secs_f64(),
            queue_dir: self.queue_dir.clone(),
            cleanup: self.cleanup,
            worker_health: rows,
            path: None,
        }
    }

    /// The answer to a question for the status.
    pub fn status_reply(&self) -> StatusReply {
        let health = self.health();
        let launch_errors: BTreeMap<_, _> = self
            .wanted_places()
            .filter(|place| is_unlaunched(place))
            .map(|place| (place.name.clone(), message(place)))
            .collect();
        let is_error = self.service_status() == Status::Error;
        let message = match self.away {
            Some(away) if self.shown_status() == Status::Error && self.is_closed() => {
                let away = away.as_secs_f64();
                let see = "see what the platform says of NATS in its own log";
                Some(format!(
                    "the event log has not answered for {away:.1} s: {see}"
                ))
            }
            _ => is_error.then(|| {
                let first = launch_errors.values().next().map_or("", String::as_str);
                format!("no worker can be started: {first}")
            }),
        };
        StatusReply {
            status: health.status.clone(),
            workers: health.workers_running.clone(),
            pending: health.workers_pending.clone(),
            workers_running_count: health.workers_running_count,
            workers_pending_count: health.workers_pending_count,
            workers_restarted_count: health.workers_restarted_count,
            workers_healthy_count: health.workers_healthy_count,
            workers_unhealthy_count: health.workers_unhealthy_count,
            client_status: health.client_status.clone(),
            queue: health.queue,
            queue_dir: health.queue_dir.clone(),
            cleanup: health.cleanup,
            heartbeat_timeout_sec: health.heartbeat_timeout_sec,
            worker_health: health.worker_health.clone(),
            restarted_workers: health.workers_restarted.clone(),
            restart_reasons: health.restart_reasons.clone(),
            launch_errors: if is_error {
                launch_errors
            } else {
                BTreeMap::new()
            },
            message,
            health,
            health_path: None,
        }
    }

    /// What has the log know that it changed.
    pub fn summary(&self) -> service::HealthChanged {
        let health = self.health();
        let count = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        service::HealthChanged {
            status: self.service_status(),
            workers: self.queue.workers,
            running: count(health.workers_running_count),
            pending: count(health.workers_pending_count),
            unhealthy: count(health.workers_unhealthy_count),
        }
    }

    fn row(&self, place: &Place) -> WorkerHealth {
        let complaint = self.complaint(place);
        let run = place.worker.as_ref().map(|worker| &worker.run_is);
        let future_state = match (complaint.as_deref().and_then(loop_state), run) {
            (Some(state), _) => state,
            (None, None | Some(RunIs::Unknown)) => "detached",
            (None, Some(RunIs::Over(_))) => "cancelled",
            (None, Some(RunIs::Starting | RunIs::Ready(_) | RunIs::Ending)) => "pending",
        };
        let heartbeat = place.heartbeat;
        let age = heartbeat.map(|heartbeat| heartbeat.age.as_secs_f64());
        WorkerHealth {
            worker: place.name.clone(),
            future_state: future_state.into(),
            heartbeat_state: heartbeat
                .map_or("missing", |heartbeat| heartbeat.state)
                .into(),
            heartbeat_age_sec: age.map(|age| (age * 1000.0).round() / 1000.0),
            healthy: complaint.is_none(),
            reason: complaint.unwrap_or_default(),
        }
    }

    fn restart_reason(&self, place: &Place) -> Option<String> {
        let (at, reason) = place.worker.as_ref()?.restarted.clone()?;
        (self.now - at <= WINDOW).then_some(reason)
    }

    fn ending(&self) -> Vec<String> {
        let ends = |worker: &Worker| worker.run_is == RunIs::Ending;
        let places = self.places.iter();
        places
            .filter(|place| place.worker.as_ref().is_some_and(ends))
            .map(|place| place.name.clone())
            .collect()
    }
}

/// Whether a worker cannot be started: its last run ended before it was ready, and this one is not either.
fn is_unlaunched(place: &Place) -> bool {
    let worker = place.worker.as_ref();
    worker.is_some_and(|worker| worker.unlaunched && !matches!(worker.run_is, RunIs::Ready(_)))
}

fn message(place: &Place) -> String {
    let worker = place.worker.as_ref();
    worker
        .map(|worker| worker.message.clone())
        .unwrap_or_default()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "to the microsecond, which is more than anyone reads"
)]
fn seconds(time: OffsetDateTime) -> f64 {
    (time.unix_timestamp_nanos() / 1000) as f64 / 1e6
}
