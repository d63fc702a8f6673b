//! What an operator takes home: `agilab.service.operator_snapshot.v1`.

use serde::{Deserialize, Serialize};

use super::{Health, Sla, WorkerHealth};

/// The schema of [`Snapshot`].
pub const SNAPSHOT_SCHEMA: &str = "agilab.service.operator_snapshot.v1";
/// How many reasons it tells.
const EXAMPLES: usize = 3;

/// The health of a service with what is good enough for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// `agilab.service.operator_snapshot.v1`.
    pub schema: String,
    /// When it was taken: local time, without zone.
    pub exported_at: String,
    /// The service.
    pub app: String,
    /// The same without `_project`.
    pub target: String,
    /// How the service is.
    pub status: String,
    /// What is good enough.
    pub health_gate: Gate,
    /// The workers in numbers.
    pub summary: Summary,
    /// Each worker.
    pub worker_health: Vec<WorkerHealth>,
}

/// What is good enough.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    /// A service with nothing to do passes.
    pub allow_idle: bool,
    /// With so many workers something may be wrong.
    pub max_unhealthy: u64,
    /// Such a share of the workers may have been replaced.
    pub max_restart_rate: f64,
    /// How long a worker may be silent, in seconds.
    pub heartbeat_timeout_sec: f64,
}

/// The workers in numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// How many there are.
    pub tracked_workers: u64,
    /// With how many something is wrong.
    pub unhealthy_workers: u64,
    /// How many were silent for too long.
    pub late_heartbeats: u64,
    /// How many gave no sign of life.
    pub missing_heartbeats: u64,
    /// The longest silence, in seconds.
    pub max_heartbeat_age_sec: Option<f64>,
    /// The first reasons, each once.
    pub reason_examples: Vec<String>,
}

impl Snapshot {
    /// Of a health, at a local time.
    pub fn new(health: &Health, sla: &Sla, exported_at: String) -> Self {
        let rows = &health.worker_health;
        let count = |what: &dyn Fn(&WorkerHealth) -> bool| {
            rows.iter().filter(|row| what(row)).count() as u64
        };
        let late = |row: &WorkerHealth| {
            let state = row.heartbeat_state.as_str();
            matches!(state, "late" | "stale" | "timeout" | "expired")
                || row.reason.starts_with("stale-heartbeat")
        };
        let missing = |row: &WorkerHealth| {
            matches!(row.heartbeat_state.as_str(), "missing" | "absent" | "none")
        };
        let mut reason_examples: Vec<String> = Vec::new();
        for row in rows {
            let is_new = !row.reason.is_empty() && !reason_examples.contains(&row.reason);
            if is_new && reason_examples.len() < EXAMPLES {
                reason_examples.push(row.reason.clone());
            }
        }
        let ages = rows.iter().filter_map(|row| row.heartbeat_age_sec);
        Self {
            schema: SNAPSHOT_SCHEMA.into(),
            exported_at,
            app: health.app.clone(),
            target: health.target.clone(),
            status: health.status.clone(),
            health_gate: Gate {
                allow_idle: sla.allow_idle,
                max_unhealthy: sla.max_unhealthy,
                max_restart_rate: sla.max_restart_rate,
                heartbeat_timeout_sec: health.heartbeat_timeout_sec,
            },
            summary: Summary {
                tracked_workers: rows.len() as u64,
                unhealthy_workers: count(&|row| !row.healthy),
                late_heartbeats: count(&late),
                missing_heartbeats: count(&missing),
                max_heartbeat_age_sec: ages.reduce(f64::max),
                reason_examples,
            },
            worker_health: rows.clone(),
        }
    }
}
