//! Jobs and their runs.

use eai_core::envelope::Actor;
use eai_core::job::{Ended, Event, Phase, Submitted};

use super::{Fact, Writes};
use crate::checkpoint::number;

pub(super) fn apply(writes: &mut Writes, fact: &Fact<'_>, event: &Event) {
    match event {
        Event::Submitted(submitted) => {
            submit(writes, fact, submitted);
            begin_run(writes, fact, 0);
        }
        Event::Claimed(claimed) => {
            let text = "UPDATE jobs SET state = 'QUEUED', claim = ?, executor = ?, epoch = ?, updated_on = ? \
                        WHERE id = ?";
            writes
                .add(text)
                .bind(claimed.claim)
                .bind(claimed.executor.to_string())
                .bind(claimed.epoch)
                .bind(&fact.time)
                .bind(fact.aggregate);
            let set = "state = 'QUEUED', claimed_on = ?, executor = ?";
            run(
                writes,
                fact,
                claimed.run,
                set,
                &claimed.executor.to_string(),
            );
        }
        Event::Started(started) => {
            let text = "UPDATE jobs SET state = CASE state WHEN 'QUEUED' THEN 'RUNNING' ELSE state END, \
                        endpoint = ?, backend = ?, image_ignored = ?, updated_on = ? WHERE id = ?";
            writes
                .add(text)
                .bind(started.endpoint.to_string())
                .bind(&started.backend)
                .bind(started.image_ignored)
                .bind(&fact.time)
                .bind(fact.aggregate);
            // What a push is compared with: the newest version that something ran.
            let text = "UPDATE data SET ran_manifest = (SELECT runtime_manifest FROM jobs WHERE id = ?1) \
                        WHERE id = (SELECT runtime_id FROM jobs WHERE id = ?1)";
            writes.add(text).bind(fact.aggregate);
            let set = "state = CASE state WHEN 'QUEUED' THEN 'RUNNING' ELSE state END, started_on = ?, backend = ?";
            run(writes, fact, started.run, set, &started.backend);
            if let Some(image) = &started.image {
                let set = "started_on = ?, image = ?";
                run(writes, fact, started.run, set, image);
            }
        }
        Event::Ready(ready) => {
            set_flag(writes, fact, READY, (true, ""));
            let phases = serde_json::to_string(&ready.phases).unwrap_or_default();
            let set = "ready_on = coalesce(ready_on, ?), phases = coalesce(phases, ?)";
            run(writes, fact, ready.run, set, &phases);
        }
        Event::Unready(unready) => {
            set_flag(writes, fact, READY, (false, &unready.reason));
        }
        Event::Frozen(frozen) => set_flag(writes, fact, FROZEN, (true, &frozen.reason)),
        Event::Thawed(_) => set_flag(writes, fact, FROZEN, (false, "")),
        Event::Cancelling(cancelling) => {
            let text = "UPDATE jobs SET state = 'CANCELLING', frozen = 0, state_info = ?, drain_until = ?, \
                        updated_on = ? WHERE id = ?";
            writes
                .add(text)
                .bind(&cancelling.reason)
                .bind(cancelling.drain_ms.and_then(|drain| fact.later(drain)))
                .bind(&fact.time)
                .bind(fact.aggregate);
            let set = "state = 'CANCELLING', cancel_requested_on = ?, reason = ?";
            run(writes, fact, cancelling.run, set, &cancelling.reason);
        }
        Event::Ended(ended) => end(writes, fact, ended),
        Event::Retried(retried) => {
            let text = "UPDATE jobs SET state = 'QUEUING', state_info = '', run = ?, ready = 0, frozen = 0, endpoint = NULL, \
                        claim = NULL, executor = NULL, epoch = NULL, drain_until = NULL, updated_on = ? WHERE id = ?";
            writes
                .add(text)
                .bind(retried.run)
                .bind(&fact.time)
                .bind(fact.aggregate);
            begin_run(writes, fact, retried.run);
        }
    }
}

fn submit(writes: &mut Writes, fact: &Fact<'_>, submitted: &Submitted) {
    let configuration = &submitted.configuration;
    let spec = &configuration.spec;
    let behind = submitted.service.as_ref();
    // Whom it runs for, where the platform itself asked.
    let creator = match submitted.user {
        Some(user) => Actor::User(user).to_string(),
        None => fact.actor.to_owned(),
    };
    let text = "INSERT OR IGNORE INTO jobs (id, name, account, service_id, service, revision, config_key, worker, \
                runtime_id, runtime_version, runtime_manifest, spec, port, state, state_info, run, ready, \
                created_on, created_by, updated_on, sequence) \
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'QUEUING', '', 0, 0, ?, ?, ?, ?)";
    writes
        .add(text)
        .bind(fact.aggregate)
        .bind(submitted.name.as_ref().map(ToString::to_string))
        .bind(fact.account)
        .bind(behind.map(|behind| behind.service.id.to_string()))
        .bind(behind.map(|behind| behind.service.full_name.to_string()))
        .bind(behind.map(|behind| behind.revision))
        .bind(behind.map(|behind| behind.key.to_string()))
        .bind(behind.and_then(|behind| behind.worker))
        .bind(configuration.runtime.data.to_string())
        .bind(number(configuration.runtime.version))
        .bind(configuration.runtime.manifest.to_string())
        .bind(serde_json::to_string(spec).unwrap_or_default())
        .bind(spec.port.get())
        .bind(&fact.time)
        .bind(creator)
        .bind(&fact.time)
        .bind(fact.sequence);
}

fn end(writes: &mut Writes, fact: &Fact<'_>, ended: &Ended) {
    let state = Phase::from(ended.state).to_string();
    let info = match ended.message.as_str() {
        "" => &ended.reason,
        message => message,
    };
    let text = "UPDATE jobs SET state = ?, state_info = ?, ready = 0, frozen = 0, endpoint = NULL, updated_on = ? \
                WHERE id = ?";
    writes
        .add(text)
        .bind(&state)
        .bind(info)
        .bind(&fact.time)
        .bind(fact.aggregate);
    let text = "UPDATE runs SET state = ?, ended_on = ?, reason = ?, message = ?, exit_code = ?, \
                signal = ? WHERE job = ? AND run = ?";
    writes
        .add(text)
        .bind(&state)
        .bind(&fact.time)
        .bind(&ended.reason)
        .bind(&ended.message)
        .bind(ended.exit_code)
        .bind(ended.signal)
        .bind(fact.aggregate)
        .bind(ended.run);
}

fn begin_run(writes: &mut Writes, fact: &Fact<'_>, run: u32) {
    let text =
        "INSERT OR IGNORE INTO runs (job, run, state, created_on) VALUES (?, ?, 'QUEUING', ?)";
    writes
        .add(text)
        .bind(fact.aggregate)
        .bind(run)
        .bind(&fact.time);
}

/// Whether a job answers.
const READY: &str = "UPDATE jobs SET ready = ?, state_info = ?, updated_on = ? WHERE id = ?";
/// Whether it is held still.
const FROZEN: &str = "UPDATE jobs SET frozen = ?, state_info = ?, updated_on = ? WHERE id = ?";

/// `set` is a constant of this module with two parameters: the time, and a value.
fn run(writes: &mut Writes, fact: &Fact<'_>, run: u32, set: &str, value: &str) {
    let text = format!("UPDATE runs SET {set} WHERE job = ? AND run = ?");
    writes
        .add(text)
        .bind(&fact.time)
        .bind(value)
        .bind(fact.aggregate)
        .bind(run);
}

/// Sets what `text` names first, and why it is so.
fn set_flag(writes: &mut Writes, fact: &Fact<'_>, text: &'static str, (is_so, info): (bool, &str)) {
    writes
        .add(text)
        .bind(is_so)
        .bind(info)
        .bind(&fact.time)
        .bind(fact.aggregate);
}
