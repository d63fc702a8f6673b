//! The log, folded: what there is, who made it, and what cannot be.

use std::collections::{HashMap, HashSet};

use eai_core::digest::Digest;
use serde::Deserialize;
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use super::executors::Executors;
use super::timeline::Timeline;
use crate::chaos::record::Stored;

/// What a service is, as far as its changes go.
pub(super) type Status = Option<String>;

/// One event.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) sequence: u64,
    /// When the server stored it, in microseconds of Unix time.
    pub(super) stored: u64,
    /// When it was decided, by the platform's clock.
    pub(super) decided: u64,
    /// `<kind>/<id>` of its aggregate.
    pub(super) thing: String,
    /// Its name, such as `created`.
    pub(super) name: String,
    pub(super) command: Uuid,
    pub(super) by_platform: bool,
}

/// A service, data resource or role as it was made.
#[derive(Debug)]
pub(super) struct Thing {
    pub(super) kind: String,
    pub(super) id: String,
    /// As its `created` event has it.
    pub(super) created: Value,
}

/// Everything that the log adds up to.
#[derive(Debug, Default)]
pub(super) struct World {
    pub(super) events: Vec<Event>,
    /// Indexes of each command's events.
    pub(super) of_command: HashMap<Uuid, Vec<usize>>,
    /// In the order in which they were made.
    pub(super) things: Vec<Thing>,
    /// By `service/<id>`.
    pub(super) services: HashMap<String, Timeline<Status>>,
    /// Who holds a name, by `name/<kind>-<name>`.
    pub(super) names: HashMap<String, Timeline<Option<String>>>,
    /// By the id of what bears it.
    pub(super) full_names: HashMap<String, String>,
    pub(super) executors: Executors,
    pub(super) gaps: Vec<String>,
    pub(super) duplicate: Vec<String>,
    pub(super) wrong: Vec<String>,
    seen: HashSet<Uuid>,
    /// What can happen only once.
    once: HashSet<String>,
}

/// The attributes of a document that matter here.
#[derive(Deserialize)]
struct Document {
    id: Uuid,
    r#type: String,
    subject: String,
    #[serde(with = "time::serde::rfc3339")]
    time: OffsetDateTime,
    actor: String,
    commandid: Uuid,
    prevhash: String,
    data: Value,
}

// === impl World ===

impl World {
    pub(super) fn fold(log: &[Stored]) -> Self {
        let mut world = Self::default();
        let mut heads: HashMap<String, String> = HashMap::new();
        let mut last = 0;
        for stored in log {
            let Stored {
                sequence, subject, ..
            } = stored;
            if *sequence != last + 1 {
                let text = format!("event {sequence} comes after event {last}");
                world.gaps.push(text);
            }
            last = *sequence;
            let document: Document = match serde_json::from_str(&stored.payload) {
                Ok(document) => document,
                Err(error) => {
                    let text = format!("event {sequence} is no document: {error}");
                    world.gaps.push(text);
                    continue;
                }
            };
            let stem = subject.rsplit_once('.').map_or("", |(stem, _)| stem);
            let digest = Digest::of(stored.payload.as_bytes()).to_string();
            let head = heads.insert(stem.to_owned(), digest);
            if document.prevhash != head.unwrap_or_else(|| Digest::ZERO.to_string()) {
                let text =
                    format!("event {sequence} ({subject}) does not follow the one before it");
                world.gaps.push(text);
            }
            world.take(stored, document);
        }
        world
    }

    fn take(&mut self, stored: &Stored, document: Document) {
        let sequence = stored.sequence;
        let Document {
            id,
            r#type: kind_of,
            subject,
            time,
            actor,
            commandid,
            data,
            ..
        } = document;
        let mut tokens = stored.subject.split('.').skip(4);
        let thing = [tokens.next(), tokens.next()].map(Option::unwrap_or_default);
        let name = tokens.next().unwrap_or_default();
        let [kind, aggregate] = thing;
        if subject != format!("{kind}/{aggregate}")
            || !kind_of.starts_with(&format!("eai.{kind}.{name}.v"))
        {
            let place = &stored.subject;
            let text = format!("event {sequence} ({subject}, {kind_of}) is stored as {place}");
            self.wrong.push(text);
        }
        if !self.seen.insert(id) {
            let text = format!("event {sequence} ({subject} {name}) has the id of an earlier one");
            self.duplicate.push(text);
        }
        if let Err(reason) = self.evolve(kind, aggregate, name, commandid, &data) {
            let text = format!("event {sequence} ({subject} {name}) {reason}");
            self.duplicate.push(text);
        }
        let index = self.events.len();
        self.of_command.entry(commandid).or_default().push(index);
        let decided = time.unix_timestamp_nanos() / 1000;
        self.events.push(Event {
            sequence,
            stored: stored.at,
            decided: u64::try_from(decided).unwrap_or(0),
            thing: subject,
            name: name.to_owned(),
            command: commandid,
            by_platform: actor == "platform",
        });
    }

    /// Folds an event; an error says why it cannot have been decided on what was there.
    fn evolve(
        &mut self,
        kind: &str,
        id: &str,
        name: &str,
        command: Uuid,
        data: &Value,
    ) -> Result<(), String> {
        let key = format!("{kind}/{id}");
        match (kind, name) {
            ("name", "reserved" | "released") => self.name(key, name, command, data),
            ("service", "started" | "stopped" | "deactivated" | "reactivated") => {
                self.change(&key, name, command, data)
            }
            ("executor", _) => self.executors.take(id, name, data),
            (_, "created") => self.create(kind, id, command, data),
            // Made at the platform's first start; whoever is in is not added again.
            (_, "user_added" | "member_added") if self.once.insert(format!("{key} {data}")) => {
                Ok(())
            }
            _ => Err("is not expected at all".to_owned()),
        }
    }

    fn name(&mut self, key: String, name: &str, command: Uuid, data: &Value) -> Result<(), String> {
        let holder = text(&data["holder"]);
        let names = self.names.entry(key).or_insert_with(|| Timeline::new(None));
        let before = names.last().clone();
        if name == "released" {
            names.push(command, None);
            return match before {
                Some(before) if before == holder => Ok(()),
                other => Err(format!("gives up the name of {other:?}")),
            };
        }
        self.full_names
            .insert(holder.clone(), text(&data["fullName"]));
        names.push(command, Some(holder));
        match before {
            None => Ok(()),
            Some(before) => Err(format!("takes a name that {before} has")),
        }
    }

    fn create(&mut self, kind: &str, id: &str, command: Uuid, data: &Value) -> Result<(), String> {
        if !self.once.insert(format!("{kind}/{id} created")) {
            return Err("makes what was made before".to_owned());
        }
        if kind == "service" {
            let key = format!("{kind}/{id}");
            let timeline = self
                .services
                .entry(key)
                .or_insert_with(|| Timeline::new(None));
            timeline.push(command, Some(text(&data["status"])));
        }
        self.things.push(Thing {
            kind: kind.to_owned(),
            id: id.to_owned(),
            created: data.clone(),
        });
        Ok(())
    }

    fn change(&mut self, key: &str, name: &str, command: Uuid, data: &Value) -> Result<(), String> {
        let Some(timeline) = self.services.get_mut(key) else {
            return Err("changes a service that was never made".to_owned());
        };
        let before = timeline.last().clone().unwrap_or_default();
        let mut past = timeline.values.iter().rev().flatten();
        // What it was when it was put away.
        let back = past.find(|status| *status != "deactivated").cloned();
        let (allowed, after) = match name {
            "started" => (before == "off", "on".to_owned()),
            "stopped" => (before == "on", "off".to_owned()),
            "deactivated" => (before != "deactivated", "deactivated".to_owned()),
            _ => {
                let status = text(&data["status"]);
                (
                    before == "deactivated" && back.as_ref() == Some(&status),
                    status,
                )
            }
        };
        timeline.push(command, Some(after));
        if allowed {
            Ok(())
        } else {
            Err(format!("happened to a service that was {before}"))
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
