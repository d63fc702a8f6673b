//! Whether the health of a service is good enough, by what its operators agreed on.

use serde::{Deserialize, Serialize};

use super::Health;

/// What is good enough.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sla {
    /// A service with nothing to do and no workers passes.
    pub allow_idle: bool,
    /// A service that was stopped passes.
    pub allow_stopped: bool,
    /// With so many workers something may be wrong.
    pub max_unhealthy: u64,
    /// Such a share of the workers may have been replaced in the last ten minutes.
    pub max_restart_rate: f64,
}

/// What a gate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// 0 where it passes; else what was looked at first and failed: 2 unhealthy workers, 3 status, 4 idle, 5 restarts.
    pub code: u8,
    /// Why, for people; `ok` where it passes.
    pub reason: String,
}

impl Default for Sla {
    fn default() -> Self {
        Self {
            allow_idle: false,
            allow_stopped: false,
            max_unhealthy: 0,
            max_restart_rate: 0.25,
        }
    }
}

impl Sla {
    /// The share of workers that may have been replaced, from what was written: 0 to 1, as usual where it is no number.
    pub fn restart_rate(written: f64) -> f64 {
        if written.is_nan() {
            return Self::default().max_restart_rate;
        }
        written.clamp(0.0, 1.0)
    }
}

// === impl Health ===

impl Health {
    /// The share of the wanted workers that were replaced in the last ten minutes.
    #[expect(
        clippy::cast_precision_loss,
        reason = "there are a few hundred workers at most"
    )]
    pub fn restart_rate(&self) -> f64 {
        match self.workers_running_count + self.workers_pending_count {
            0 => 0.0,
            wanted => self.workers_restarted_count as f64 / wanted as f64,
        }
    }

    /// Whether it is good enough; what fails first is told.
    pub fn gate(&self, sla: &Sla) -> Verdict {
        let failed = |code, reason| Verdict { code, reason };
        let (unhealthy, limit) = (self.workers_unhealthy_count, sla.max_unhealthy);
        if unhealthy > limit {
            return failed(
                2,
                format!("unhealthy workers {unhealthy} exceeds limit {limit}"),
            );
        }
        match self.status.as_str() {
            "running" if self.workers_running_count == 0 => {
                return failed(3, "service status is running without workers".into());
            }
            "running" => {}
            "idle" if sla.allow_idle => {}
            "idle" => {
                let reason = "service status is idle (use --allow-idle to accept)";
                return failed(4, reason.into());
            }
            "stopped" if sla.allow_stopped => {}
            "" => return failed(3, "service status is unknown".into()),
            other => return failed(3, format!("service status is {other}")),
        }
        let (rate, limit) = (self.restart_rate(), sla.max_restart_rate);
        if rate > limit {
            return failed(
                5,
                format!("restart rate {rate:.3} exceeds limit {limit:.3}"),
            );
        }
        Verdict {
            code: 0,
            reason: "ok".into(),
        }
    }
}

impl Verdict {
    /// Whether it is good enough.
    pub fn passes(&self) -> bool {
        self.code == 0
    }
}
