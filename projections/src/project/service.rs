//! Services and their status.

use eai_core::service::{Created, Event, Status, Terms};
use time::format_description::well_known::Rfc3339;

use super::{Fact, Writes, replicas, rollout};

pub(super) fn apply(writes: &mut Writes, fact: &Fact<'_>, event: &Event) {
    rollout::apply(writes, fact, event);
    replicas::apply(writes, fact, event);
    let status = match event {
        Event::Created(created) => return create(writes, fact, created),
        Event::Started(_) => {
            stir(writes, fact);
            Status::On
        }
        Event::Stopped(_) => Status::Off,
        Event::Deactivated(_) => Status::Deactivated,
        Event::Deleted(_) => Status::Deleted,
        Event::Reactivated(reactivated) => reactivated.status,
        Event::Scaled(scaled) => {
            let text = "UPDATE services SET queue = json_set(queue, '$.workers', ?), updated_on = ? WHERE id = ?";
            writes
                .add(text)
                .bind(scaled.workers)
                .bind(&fact.time)
                .bind(fact.aggregate);
            return;
        }
        Event::Configured(configured) => {
            return configure(writes, fact, configured.terms);
        }
        Event::Quiet(quiet) => {
            let text = "UPDATE services SET traffic = 'quiet', quiet_since = ? WHERE id = ?";
            writes
                .add(text)
                .bind(quiet.since.format(&Rfc3339).unwrap_or_default())
                .bind(fact.aggregate);
            return;
        }
        Event::GaveUp(gave_up) => {
            writes
                .add("UPDATE services SET gave_up = ?, updated_on = ? WHERE id = ?")
                .bind(gave_up.told())
                .bind(&fact.time)
                .bind(fact.aggregate);
            return;
        }
        // Jobs and workers tell their own story.
        Event::Activated(_)
        | Event::Busy(_)
        | Event::Joined(_)
        | Event::Resized(_)
        | Event::Revised(_)
        | Event::Restarted(_)
        | Event::Switched(_)
        | Event::Draining(_)
        | Event::Drained(_)
        | Event::JobEnded(_)
        | Event::DeadLettered(_)
        | Event::HealthChanged(_) => {
            if event.stirs() {
                stir(writes, fact);
            }
            return;
        }
    };
    writes
        .add("UPDATE services SET status = ?, updated_on = ? WHERE id = ?")
        .bind(status.to_string())
        .bind(&fact.time)
        .bind(fact.aggregate);
}

fn create(writes: &mut Writes, fact: &Fact<'_>, created: &Created) {
    let text = "INSERT OR IGNORE INTO services (id, name, account, runtime_id, runtime, role_id, \
                role, status, public, queue, idle_timeout_ms, min_ready, replicas, traffic, stirred_on, \
                created_on, created_by, updated_on, sequence) \
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'never', ?, ?, ?, ?, ?)";
    writes
        .add(text)
        .bind(created.id.to_string())
        .bind(created.name.as_str())
        .bind(fact.account)
        .bind(created.runtime.id.to_string())
        .bind(created.runtime.full_name.to_string())
        .bind(created.role.id.to_string())
        .bind(created.role.full_name.to_string())
        .bind(created.status.to_string())
        .bind(created.public)
        .bind(
            created
                .queue
                .as_ref()
                .and_then(|queue| serde_json::to_string(queue).ok()),
        )
        .bind(milliseconds(created.terms))
        .bind(created.terms.min_ready)
        .bind(replicas::json(created.terms))
        .bind(&fact.time)
        .bind(&fact.time)
        .bind(fact.actor)
        .bind(&fact.time)
        .bind(fact.sequence);
}

/// On what terms the job of a service is kept, or a queue has workers.
fn configure(writes: &mut Writes, fact: &Fact<'_>, terms: Terms) {
    // What is absent says nothing, in a queue as elsewhere.
    let text = "UPDATE services SET updated_on = ?1, \
                queue = CASE WHEN ?2 IS NULL THEN json_remove(queue, '$.idleTimeoutMs') \
                        ELSE json_set(queue, '$.idleTimeoutMs', ?2) END, \
                idle_timeout_ms = CASE WHEN queue IS NULL THEN ?2 END, \
                min_ready = CASE WHEN queue IS NULL THEN ?3 ELSE 0 END, replicas = ?5, \
                traffic = CASE traffic WHEN 'never' THEN 'busy' ELSE traffic END WHERE id = ?4";
    writes
        .add(text)
        .bind(&fact.time)
        .bind(milliseconds(terms))
        .bind(terms.min_ready)
        .bind(fact.aggregate)
        .bind(replicas::json(terms));
}

/// Somebody asked for it.
fn stir(writes: &mut Writes, fact: &Fact<'_>) {
    let text =
        "UPDATE services SET traffic = 'busy', quiet_since = NULL, stirred_on = ? WHERE id = ?";
    writes.add(text).bind(&fact.time).bind(fact.aggregate);
}

fn milliseconds(terms: Terms) -> Option<i64> {
    terms
        .idle_timeout_ms
        .and_then(|time| i64::try_from(time).ok())
}
