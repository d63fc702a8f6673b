//! The revisions of services: what there were, which one serves, and which runs are on their way out.

use eai_core::service::{Event, JobEnded, Restarted, Revised, Switched};

use super::{Fact, Writes};

pub(super) fn apply(writes: &mut Writes, fact: &Fact<'_>, event: &Event) {
    match event {
        Event::Revised(revised) => revise(writes, fact, revised),
        Event::Restarted(restarted) => restart(writes, fact, restarted),
        Event::Started(_) => try_again(writes, fact),
        Event::Switched(switched) => switch(writes, fact, switched),
        Event::Draining(draining) => {
            let run = (draining.job.to_string(), draining.run);
            serve_no_more(writes, fact, &run);
            let is_it = "id = ?4 AND run = ?5";
            leave(writes, fact, draining.drain_ms, run, is_it);
        }
        Event::Drained(drained) => {
            let text = "UPDATE leaving SET done = 1 WHERE service_id = ? AND job = ? AND run = ?";
            writes
                .add(text)
                .bind(fact.aggregate)
                .bind(drained.job.to_string())
                .bind(drained.run);
        }
        Event::JobEnded(ended) => end(writes, fact, ended),
        Event::Stopped(stopped) if stopped.keep_workers => {}
        Event::Stopped(_) | Event::Deactivated(_) | Event::Deleted(_) => {
            let text = "UPDATE services SET serving_job = NULL, serving_run = NULL, serving_revision = NULL \
                        WHERE id = ?";
            writes.add(text).bind(fact.aggregate);
            writes
                .add("DELETE FROM leaving WHERE service_id = ?")
                .bind(fact.aggregate);
        }
        // They are told apart by [`super::replicas`].
        Event::Created(_)
        | Event::Joined(_)
        | Event::Resized(_)
        | Event::Reactivated(_)
        | Event::Activated(_)
        | Event::Scaled(_)
        | Event::DeadLettered(_)
        | Event::HealthChanged(_)
        | Event::Configured(_)
        | Event::Quiet(_)
        | Event::Busy(_)
        | Event::GaveUp(_) => {}
    }
}

fn revise(writes: &mut Writes, fact: &Fact<'_>, revised: &Revised) {
    let key = revised.key.to_string();
    let text = "UPDATE services SET revision = ?, config_key = ?, desired_key = ?, failed_revision = NULL, \
                failed_job = NULL, gave_up = NULL, updated_on = ? WHERE id = ?";
    writes
        .add(text)
        .bind(revised.revision)
        .bind(&key)
        .bind(&key)
        .bind(&fact.time)
        .bind(fact.aggregate);
    count_as_newest(writes, fact);
    let text = "INSERT OR IGNORE INTO revisions (service_id, revision, config_key, configuration, created_on, \
                created_by, sequence) VALUES (?, ?, ?, ?, ?, ?, ?)";
    writes
        .add(text)
        .bind(fact.aggregate)
        .bind(revised.revision)
        .bind(key)
        .bind_json(&revised.configuration)
        .bind(&fact.time)
        .bind(fact.actor)
        .bind(fact.sequence);
}

/// A run that is the same as what is wanted serves it, whichever revision it was begun for.
pub(super) fn count_as_newest(writes: &mut Writes, fact: &Fact<'_>) {
    let text = "UPDATE services SET serving_revision = revision \
                WHERE id = ? AND failed_revision IS NULL AND serving_revision >= fresh \
                AND config_key = (SELECT config_key FROM jobs WHERE id = serving_job)";
    writes.add(text).bind(fact.aggregate);
}

/// The same again, under another number.
fn restart(writes: &mut Writes, fact: &Fact<'_>, restarted: &Restarted) {
    let text = "INSERT OR IGNORE INTO revisions (service_id, revision, config_key, configuration, created_on, \
                created_by, sequence) SELECT service_id, ?1, config_key, configuration, ?2, ?3, ?4 FROM revisions \
                WHERE service_id = ?5 AND revision = (SELECT revision FROM services WHERE id = ?5)";
    writes
        .add(text)
        .bind(restarted.revision)
        .bind(&fact.time)
        .bind(fact.actor)
        .bind(fact.sequence)
        .bind(fact.aggregate);
    writes
        .add("UPDATE services SET revision = ?1, fresh = ?1, updated_on = ?2 WHERE id = ?3")
        .bind(restarted.revision)
        .bind(&fact.time)
        .bind(fact.aggregate);
    try_again(writes, fact);
}

/// What failed is held against it no more.
fn try_again(writes: &mut Writes, fact: &Fact<'_>) {
    let text = "UPDATE services SET failed_revision = NULL, failed_job = NULL, gave_up = NULL, \
                config_key = COALESCE(desired_key, config_key) WHERE id = ?";
    writes.add(text).bind(fact.aggregate);
}

fn switch(writes: &mut Writes, fact: &Fact<'_>, switched: &Switched) {
    let text = "UPDATE services SET serving_job = ?1, serving_run = ?2, \
                serving_revision = COALESCE(?3, (SELECT revision FROM jobs WHERE id = ?1)), \
                served_key = CASE WHEN (SELECT config_key FROM jobs WHERE id = ?1) = config_key \
                THEN config_key ELSE served_key END WHERE id = ?4";
    writes
        .add(text)
        .bind(switched.job.to_string())
        .bind(switched.run)
        .bind(switched.revision)
        .bind(fact.aggregate);
    count_as_newest(writes, fact);
    let Some(drain_ms) = switched.drain_ms else {
        return;
    };
    let others = "service_id = ?1 AND NOT (id = ?4 AND run = ?5) \
                  AND state IN ('QUEUING', 'QUEUED', 'RUNNING', 'CANCELLING')";
    let run = (switched.job.to_string(), switched.run);
    leave(writes, fact, drain_ms, run, others);
}

/// If it was this run that requests go to, there is none now.
fn serve_no_more(writes: &mut Writes, fact: &Fact<'_>, (job, run): &(String, u32)) {
    let text = "UPDATE services SET serving_job = NULL, serving_run = NULL, serving_revision = NULL \
                WHERE id = ? AND serving_job = ? AND serving_run = ?";
    writes.add(text).bind(fact.aggregate).bind(job).bind(run);
}

/// Those of the jobs leave; the condition is a constant of this module.
fn leave(
    writes: &mut Writes,
    fact: &Fact<'_>,
    drain_ms: u64,
    (job, run): (String, u32),
    condition: &str,
) {
    let text = format!(
        "INSERT OR IGNORE INTO leaving (service_id, job, run, until, done) \
         SELECT ?1, id, run, COALESCE(?2, ?3), 0 FROM jobs WHERE {condition}"
    );
    writes
        .add(text)
        .bind(fact.aggregate)
        .bind(fact.later(drain_ms))
        .bind(&fact.time)
        .bind(job)
        .bind(run);
}

fn end(writes: &mut Writes, fact: &Fact<'_>, ended: &JobEnded) {
    let run = (ended.job.to_string(), ended.run);
    let text = "DELETE FROM leaving WHERE service_id = ? AND job = ? AND run = ?";
    writes
        .add(text)
        .bind(fact.aggregate)
        .bind(&run.0)
        .bind(run.1);
    serve_no_more(writes, fact, &run);
    if let Some(revision) = ended.failed_revision {
        let text = "UPDATE services SET failed_revision = ?, failed_job = ?, \
                    config_key = COALESCE(served_key, config_key) WHERE id = ?";
        writes
            .add(text)
            .bind(revision)
            .bind(run.0)
            .bind(fact.aggregate);
    }
}
