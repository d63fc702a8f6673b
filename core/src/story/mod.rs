//! What happened, in plain words: one event as a clause, and which events say why something is as it is.
//!
//! Pure: it knows events, and neither where they are stored nor how they are shown.

mod words;

use schemars::JsonSchema;
use serde::Serialize;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::envelope::{Envelope, Error};
use crate::ids::{CommandId, EventId};

/// An event, as a line of a story.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Moment {
    /// Its place in the log.
    pub sequence: u64,
    /// Its id.
    pub id: EventId,
    /// When it was.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub time: OffsetDateTime,
    /// Its type: `eai.service.started.v1`.
    pub r#type: String,
    /// The kind of what it happened to.
    pub kind: String,
    /// The id of what it happened to.
    pub of: String,
    /// Who asked.
    pub actor: String,
    /// The command that caused it.
    pub command: CommandId,
    /// The first command of the chain of causes.
    pub correlation: Uuid,
    /// The event that the command answered.
    pub cause: Option<EventId>,
    /// What happened: `was started`.
    pub text: String,
    /// The job that it is about, if it is about one.
    pub job: Option<String>,
    /// What it says something about.
    #[serde(skip)]
    pub facet: Facet,
}

/// What an event says something about: the newest one of each says how that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Facet {
    /// That it is there.
    Made,
    /// Whether it works.
    Status,
    /// What it is to run, or what it holds.
    Content,
    /// The terms on which it is kept.
    Terms,
    /// How many run for it.
    Size,
    /// What runs for it.
    Work,
    /// Whether it is gone on with at all.
    Trust,
    /// How it is.
    Health,
    /// Whether it is asked for.
    Traffic,
    /// What this version cannot read.
    Unknown,
}

/// What the words of an event are, and what they leave nothing of.
#[derive(Debug)]
struct Told {
    text: String,
    facet: Facet,
    job: Option<String>,
}

// === impl Moment ===

impl Moment {
    /// Reads a stored event. One that this version does not know is told as such.
    pub fn read(sequence: u64, envelope: &Envelope<'_>) -> Result<Self, Error> {
        let parts = envelope.type_parts()?;
        let told = words::told(parts, envelope.data.get());
        Ok(Self {
            sequence,
            id: envelope.id,
            time: envelope.time,
            r#type: envelope.r#type.to_string(),
            kind: parts.kind.to_owned(),
            of: envelope.aggregate_id().to_owned(),
            actor: envelope.actor.to_string(),
            command: envelope.commandid,
            correlation: envelope.correlationid,
            cause: envelope.causationid,
            text: told.text,
            job: told.job,
            facet: told.facet,
        })
    }

    fn name(&self) -> &str {
        self.r#type.split('.').nth(2).unwrap_or_default()
    }

    /// The facets of which nothing holds any more once this happened.
    fn ends(&self) -> &'static [Facet] {
        match (self.kind.as_str(), self.name()) {
            ("service", "started" | "revised" | "restarted") => &[Facet::Trust],
            ("service", "stopped" | "deactivated" | "deleted") => {
                &[Facet::Trust, Facet::Traffic, Facet::Size]
            }
            ("service", "configured") => &[Facet::Size],
            ("job", "claimed" | "started" | "cancelling" | "ended" | "retried") => {
                &[Facet::Health, Facet::Traffic]
            }
            _ => &[],
        }
    }
}

/// The moments that say how things are now: the newest of each facet, in their order.
pub fn standing(moments: &[Moment]) -> Vec<&Moment> {
    let mut standing: Vec<&Moment> = Vec::new();
    for moment in moments {
        let ended = moment.ends();
        standing.retain(|other| other.facet != moment.facet && !ended.contains(&other.facet));
        standing.push(moment);
    }
    standing
}

/// What in a thing's own history led to one of its moments, where that is nearer than the event that was answered: a
/// job that was to end ended for that.
pub fn led_to<'a>(history: &'a [Moment], moment: &Moment) -> Option<&'a Moment> {
    if (moment.kind.as_str(), moment.name()) != ("job", "ended") {
        return None;
    }
    let mut before = history.iter().rev();
    let last = before.find(|other| {
        other.sequence < moment.sequence && matches!(other.name(), "cancelling" | "retried")
    });
    last.filter(|other| other.name() == "cancelling")
}

#[cfg(test)]
mod tests;
