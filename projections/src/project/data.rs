//! Data resources and their versions.

use eai_core::data::{Created, Event, Pushed};

use super::{Fact, Writes};
use crate::checkpoint::number;

pub(super) fn apply(writes: &mut Writes, fact: &Fact<'_>, event: &Event) {
    match event {
        Event::Created(created) => create(writes, fact, created),
        Event::Pushed(pushed) => push(writes, fact, pushed),
    }
}

fn create(writes: &mut Writes, fact: &Fact<'_>, created: &Created) {
    let text = "INSERT OR IGNORE INTO data (id, name, account, version, files, bytes, created_on, \
                created_by, updated_on, sequence) VALUES (?, ?, ?, 0, 0, 0, ?, ?, ?, ?)";
    writes
        .add(text)
        .bind(created.id.to_string())
        .bind(created.name.as_str())
        .bind(fact.account)
        .bind(&fact.time)
        .bind(fact.actor)
        .bind(&fact.time)
        .bind(fact.sequence);
}

fn push(writes: &mut Writes, fact: &Fact<'_>, pushed: &Pushed) {
    let text = "INSERT OR IGNORE INTO versions (data, version, manifest, files, bytes, created_on, \
                created_by, sequence) VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
    writes
        .add(text)
        .bind(fact.aggregate)
        .bind(number(pushed.version))
        .bind(pushed.manifest.to_string())
        .bind(number(pushed.files))
        .bind(number(pushed.bytes))
        .bind(&fact.time)
        .bind(fact.actor)
        .bind(fact.sequence);
    let text = "UPDATE data SET version = ?, manifest = ?, files = ?, bytes = ?, updated_on = ? WHERE id = ?";
    writes
        .add(text)
        .bind(number(pushed.version))
        .bind(pushed.manifest.to_string())
        .bind(number(pushed.files))
        .bind(number(pushed.bytes))
        .bind(&fact.time)
        .bind(fact.aggregate);
}
