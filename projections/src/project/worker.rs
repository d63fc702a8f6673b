//! Workers of queues: which run each is in, how it is, and when it was last replaced.

use eai_core::worker::Event;

use super::{Fact, Writes};

pub(super) fn apply(writes: &mut Writes, fact: &Fact<'_>, event: &Event) {
    match event {
        Event::Started(started) => {
            // One that starts again keeps its place in lists, and when it was last replaced.
            let text = "INSERT INTO workers (id, service_id, worker, name, account, job, run, revision, \
                        condition, reason, message, unlaunched, failures, since, started_on, sequence) \
                        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'well', '', '', 0, 0, ?9, ?9, ?10) \
                        ON CONFLICT (id) DO UPDATE SET job = ?6, run = ?7, revision = ?8, condition = 'well', \
                        reason = '', message = '', unlaunched = 0, failures = 0, since = ?9, started_on = ?9";
            writes
                .add(text)
                .bind(fact.aggregate)
                .bind(started.service.to_string())
                .bind(started.index)
                .bind(&started.name)
                .bind(fact.account)
                .bind(started.job.to_string())
                .bind(started.run)
                .bind(started.revision)
                .bind(&fact.time)
                .bind(fact.sequence);
        }
        Event::Restarted(restarted) => {
            let text = "UPDATE workers SET job = ?2, run = ?3, revision = ?4, condition = 'well', reason = '', \
                        failures = ?5, since = ?6, started_on = ?6, \
                        restarted_on = ?6, restart_reason = ?7 WHERE id = ?1";
            writes
                .add(text)
                .bind(fact.aggregate)
                .bind(restarted.job.to_string())
                .bind(restarted.run)
                .bind(restarted.revision)
                .bind(restarted.failures)
                .bind(&fact.time)
                .bind(&restarted.reason);
        }
        Event::Unhealthy(unhealthy) => {
            let text = "UPDATE workers SET condition = 'unhealthy', reason = ?, message = ?, unlaunched = ?, \
                        since = ? WHERE id = ?";
            writes
                .add(text)
                .bind(&unhealthy.reason)
                .bind(&unhealthy.message)
                .bind(unhealthy.unlaunched)
                .bind(&fact.time)
                .bind(fact.aggregate);
        }
        Event::Recovered(_) => condition(writes, fact, "well"),
        Event::Stopped(_) => condition(writes, fact, "stopped"),
    }
}

fn condition(writes: &mut Writes, fact: &Fact<'_>, condition: &str) {
    writes
        .add("UPDATE workers SET condition = ?, since = ? WHERE id = ?")
        .bind(condition)
        .bind(&fact.time)
        .bind(fact.aggregate);
}
