//! Executors, and which of the runs they hold go on in their newest epoch.

use eai_core::executor::Event;

use super::{Fact, Writes};
use crate::checkpoint::number;

pub(super) fn apply(writes: &mut Writes, fact: &Fact<'_>, event: &Event) {
    match event {
        Event::Started(started) => {
            let text = "INSERT INTO executors (id, account, epoch, backend, cpu, mem, started, lost, draining, \
                        started_on, updated_on, sequence) VALUES (?, ?, ?, ?, ?, ?, 1, 0, 0, ?, ?, ?) \
                        ON CONFLICT (id) DO UPDATE SET epoch = excluded.epoch, backend = excluded.backend, \
                        cpu = excluded.cpu, mem = excluded.mem, started = 1, lost = 0, \
                        started_on = excluded.started_on, updated_on = excluded.updated_on";
            writes
                .add(text)
                .bind(started.id.to_string())
                .bind(fact.account)
                .bind(started.epoch)
                .bind(&started.backend)
                .bind(number(started.cpu_milli))
                .bind(number(started.mem_mib))
                .bind(&fact.time)
                .bind(&fact.time)
                .bind(fact.sequence);
            let text = "UPDATE jobs SET epoch = ?1 WHERE (id, run, claim) IN (SELECT value->>'job', \
                        value->>'run', value->>'claim' FROM json_each(?2))";
            writes
                .add(text)
                .bind(started.epoch)
                .bind_json(&started.adopted);
        }
        Event::Stopped(_) => set(writes, fact, "started = 0"),
        Event::Lost(_) => set(writes, fact, "started = 0, lost = 1"),
        Event::Draining(_) => set(writes, fact, "draining = 1"),
        Event::Undrained(_) => set(writes, fact, "draining = 0"),
    }
}

/// `columns` is a constant of this module.
fn set(writes: &mut Writes, fact: &Fact<'_>, columns: &str) {
    let text = format!("UPDATE executors SET {columns}, updated_on = ? WHERE id = ?");
    writes.add(text).bind(&fact.time).bind(fact.aggregate);
}
