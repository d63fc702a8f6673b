//! The replicas of services: how many are asked for, and which runs take requests beside the one that serves.

use eai_core::ids::JobId;
use eai_core::service::{Event, Joined, Terms};

use super::{Fact, Writes, rollout};

/// What is folded after the run that serves is known.
pub(super) fn apply(writes: &mut Writes, fact: &Fact<'_>, event: &Event) {
    match event {
        Event::Resized(resized) => ask_for(writes, fact, Some(resized.replicas)),
        Event::Joined(joined) => {
            join(writes, fact, joined);
            take_place(writes, fact);
        }
        Event::Draining(left) => leave(writes, fact, left.job, left.run),
        Event::JobEnded(ended) => leave(writes, fact, ended.job, ended.run),
        Event::Switched(_) => forget(writes, fact),
        Event::Stopped(_) | Event::Deactivated(_) | Event::Deleted(_) => {
            forget(writes, fact);
            ask_for(writes, fact, None);
        }
        _ => {}
    }
}

/// How many replicas a service may have; nothing where that is one.
pub(super) fn json(terms: Terms) -> Option<String> {
    let many = Some(terms.replicas).filter(|replicas| !replicas.is_usual());
    many.and_then(|replicas| serde_json::to_string(&replicas).ok())
}

fn ask_for(writes: &mut Writes, fact: &Fact<'_>, replicas: Option<u32>) {
    writes
        .add("UPDATE services SET asked = ? WHERE id = ?")
        .bind(replicas)
        .bind(fact.aggregate);
}

fn join(writes: &mut Writes, fact: &Fact<'_>, joined: &Joined) {
    let text = "INSERT OR IGNORE INTO joined (service_id, job, run, revision, sequence) \
                VALUES (?, ?, ?, ?, ?)";
    writes
        .add(text)
        .bind(fact.aggregate)
        .bind(joined.job.to_string())
        .bind(joined.run)
        .bind(joined.revision)
        .bind(fact.sequence);
}

fn leave(writes: &mut Writes, fact: &Fact<'_>, job: JobId, run: u32) {
    writes
        .add("DELETE FROM joined WHERE service_id = ? AND job = ? AND run = ?")
        .bind(fact.aggregate)
        .bind(job.to_string())
        .bind(run);
    take_place(writes, fact);
}

fn forget(writes: &mut Writes, fact: &Fact<'_>) {
    writes
        .add("DELETE FROM joined WHERE service_id = ?")
        .bind(fact.aggregate);
}

/// Where none serves, the one does that joined first.
fn take_place(writes: &mut Writes, fact: &Fact<'_>) {
    let text = "UPDATE services SET (serving_job, serving_run, serving_revision) = \
                (SELECT job, run, revision FROM joined WHERE service_id = ?1 ORDER BY sequence LIMIT 1) \
                WHERE id = ?1 AND serving_job IS NULL \
                AND EXISTS (SELECT 1 FROM joined WHERE service_id = ?1)";
    writes.add(text).bind(fact.aggregate);
    let text = "DELETE FROM joined WHERE service_id = ?1 AND job = \
                (SELECT serving_job FROM services WHERE id = ?1)";
    writes.add(text).bind(fact.aggregate);
    rollout::count_as_newest(writes, fact);
}
