//! What executors may say: each start is the next epoch, and only the epoch that runs can end.

use std::collections::HashMap;

use serde_json::Value;

use crate::chaos::history::{Fault, FaultKind};

/// Where an executor is.
#[derive(Debug, Default)]
struct Epoch {
    number: u64,
    runs: bool,
}

/// All executors of a log.
#[derive(Debug, Default)]
pub(super) struct Executors {
    by_id: HashMap<String, Epoch>,
}

// === impl Executors ===

impl Executors {
    /// Folds an event; an error says why it cannot be.
    pub(super) fn take(&mut self, id: &str, name: &str, data: &Value) -> Result<(), String> {
        let epoch = self.by_id.entry(id.to_owned()).or_default();
        let Some(number) = data["epoch"].as_u64() else {
            return Err("has no epoch".to_owned());
        };
        let before = epoch.number;
        match name {
            "started" => {
                *epoch = Epoch { number, runs: true };
                if data["id"].as_str() != Some(id) {
                    return Err(format!("is about {}", data["id"]));
                }
                if number != before + 1 {
                    return Err(format!("begins epoch {number} after epoch {before}"));
                }
            }
            "stopped" => {
                if !epoch.runs || number != before {
                    let now = if epoch.runs { "runs" } else { "is over" };
                    return Err(format!("ends epoch {number} where epoch {before} {now}"));
                }
                epoch.runs = false;
            }
            _ => return Err("is not expected at all".to_owned()),
        }
        Ok(())
    }

    /// The executors that started more often than the platform did; where it failed to come up, less often.
    pub(super) fn beyond(&self, faults: &[Fault]) -> Vec<String> {
        let ends = faults.iter().filter(|fault| ends_platform(fault.kind));
        let starts = 1 + ends.count() as u64;
        let beyond = |(id, epoch): (&String, &Epoch)| {
            let number = epoch.number;
            let text = format!("executor {id} has {number} epochs of {starts} start(s)");
            (number > starts).then_some(text)
        };
        self.by_id.iter().filter_map(beyond).collect()
    }
}

/// Whether the platform is started again after it.
fn ends_platform(kind: FaultKind) -> bool {
    match kind {
        FaultKind::KillPlatform | FaultKind::KillBoth | FaultKind::Ended => true,
        FaultKind::KillNats | FaultKind::FreezePlatform | FaultKind::FreezeNats => false,
    }
}
