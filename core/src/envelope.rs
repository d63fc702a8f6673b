//! The event envelope: one CloudEvents 1.0 JSON document, the same bytes in the log, in an export and in the API.
//!
//! Source: `CloudEvents` 1.0.2 and its JSON format; extension attributes are lower case, letters and digits only.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::digest::Digest;
use crate::ids::{CommandId, EventId, JobId, KeyId, PlatformId, UserId};
use crate::names::AccountName;

/// The largest stored event, in bytes. What is larger lives in an object that the event names by digest.
pub const MAX_BYTES: usize = 64 * 1024;
/// The media type of one event.
pub const MEDIA_TYPE: &str = "application/cloudevents+json";

/// One event, borrowed from its stored bytes where that is possible.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(description = "One event: a CloudEvents 1.0 JSON document in structured mode.")]
pub struct Envelope<'a> {
    /// Always `1.0`.
    #[serde(borrow)]
    #[schemars(extend("const" = "1.0"))]
    pub specversion: Cow<'a, str>,
    /// Unique for ever: UUIDv5 of command, aggregate and index.
    pub id: EventId,
    /// The platform that wrote it: `urn:eai:platform:<uuid>`.
    #[serde(borrow)]
    #[schemars(regex(pattern = r"^urn:eai:platform:[0-9a-f-]{36}$"))]
    pub source: Cow<'a, str>,
    /// `eai.<kind>.<event>.v<version>`.
    #[serde(borrow)]
    #[schemars(regex(pattern = r"^eai\.[a-z]+\.[a-z_]+\.v[1-9][0-9]*$"))]
    pub r#type: Cow<'a, str>,
    /// `<kind>/<id>` of the aggregate.
    #[serde(borrow)]
    #[schemars(regex(pattern = r"^[a-z]+/[a-z0-9_-]+$"))]
    pub subject: Cow<'a, str>,
    /// When the command was decided, by the platform's clock. Order is the sequence's, never this one's.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub time: OffsetDateTime,
    /// Always `application/json`.
    #[serde(borrow)]
    #[schemars(extend("const" = "application/json"))]
    pub datacontenttype: Cow<'a, str>,
    /// Names the payload's JSON Schema: `urn:eai:schema:<type>`.
    #[serde(borrow)]
    #[schemars(regex(pattern = r"^urn:eai:schema:"))]
    pub dataschema: Cow<'a, str>,
    /// The account's full name.
    #[serde(borrow)]
    #[schemars(with = "AccountName")]
    pub account: Cow<'a, str>,
    /// Who asked for it.
    #[serde(borrow)]
    #[schemars(regex(pattern = r"^(platform|(user|key|job):[0-9a-f-]{36})$"))]
    pub actor: Cow<'a, str>,
    /// The command that caused it.
    pub commandid: CommandId,
    /// The first command of the chain of causes.
    pub correlationid: Uuid,
    /// The event that a policy answered with this command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "EventId")]
    pub causationid: Option<EventId>,
    /// W3C trace context of the request that began it all, where that had one.
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub traceparent: Option<Cow<'a, str>>,
    /// SHA-256 of the stored bytes of the aggregate's previous event; 64 zeros before the first.
    pub prevhash: Digest,
    /// The payload.
    #[serde(borrow)]
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub data: &'a RawValue,
}

/// An event's type, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TypeParts<'a> {
    /// The aggregate's kind.
    pub kind: &'a str,
    /// The event's name.
    pub name: &'a str,
    /// The payload's version.
    pub version: u16,
}

/// Who asked for a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A user, by id.
    User(UserId),
    /// A key of a role, by id.
    Key(KeyId),
    /// A job, by id.
    Job(JobId),
    /// The platform itself, at its first start or in a policy.
    Platform,
}

/// Why stored bytes are not an event of this platform.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not the JSON document that is expected.
    #[error("not a CloudEvents document")]
    Json(#[source] serde_json::Error),
    /// A type that does not read `eai.<kind>.<event>.v<version>`.
    #[error("`{0}` is not an event type")]
    Type(String),
}

// === impl Envelope ===

impl<'a> Envelope<'a> {
    /// Reads stored bytes.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        serde_json::from_slice(bytes).map_err(Error::Json)
    }

    /// The bytes to store.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }

    /// The type, taken apart.
    pub fn type_parts(&self) -> Result<TypeParts<'_>, Error> {
        TypeParts::read(&self.r#type).ok_or_else(|| Error::Type(self.r#type.to_string()))
    }

    /// The aggregate's id.
    pub fn aggregate_id(&self) -> &str {
        self.subject.split_once('/').map_or("", |(_, id)| id)
    }

    /// The account it belongs to.
    pub fn account_name(&self) -> Result<AccountName, crate::names::Error> {
        self.account.parse()
    }
}

// === impl TypeParts ===

impl<'a> TypeParts<'a> {
    /// Reads `eai.<kind>.<event>.v<version>`.
    pub fn read(text: &'a str) -> Option<Self> {
        let (rest, version) = text.strip_prefix("eai.")?.rsplit_once(".v")?;
        let (kind, name) = rest.split_once('.')?;
        let word = |text: &str| {
            !text.is_empty()
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        };
        // Read as it is written: no sign, no leading zero.
        let number: u16 = version.parse().ok()?;
        (word(kind) && word(name) && number.to_string() == version).then_some(Self {
            kind,
            name,
            version: number,
        })
    }
}

impl fmt::Display for TypeParts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "eai.{}.{}.v{}", self.kind, self.name, self.version)
    }
}

/// The name of a payload's schema.
pub fn schema_urn(event_type: &str) -> String {
    format!("urn:eai:schema:{event_type}")
}

/// The name of a platform as a source of events.
pub fn source_urn(platform: PlatformId) -> String {
    format!("urn:eai:platform:{platform}")
}

// === impl Actor ===

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => write!(f, "user:{id}"),
            Self::Key(id) => write!(f, "key:{id}"),
            Self::Job(id) => write!(f, "job:{id}"),
            Self::Platform => f.write_str("platform"),
        }
    }
}

impl FromStr for Actor {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        if text == "platform" {
            return Ok(Self::Platform);
        }
        let (kind, id) = text.split_once(':').unwrap_or_default();
        match kind {
            "key" => id.parse().map(Self::Key),
            "job" => id.parse().map(Self::Job),
            "user" => id.parse().map(Self::User),
            _ => "".parse().map(Self::User),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_taken_apart() {
        let parts = TypeParts::read("eai.service.created.v12").unwrap();
        assert_eq!(
            (parts.kind, parts.name, parts.version),
            ("service", "created", 12)
        );
        assert_eq!(parts.to_string(), "eai.service.created.v12");
        for other in [
            "",
            "eai.service.created",
            "eai.service.v1",
            "x.service.created.v1",
            "eai.a.b.c.v1",
            "eai.a.b.vx",
            "eai.a.b.v+1",
            "eai.a.b.v01",
            "eai.*.>.v1",
        ] {
            assert_eq!(TypeParts::read(other), None, "{other}");
        }
    }

    #[test]
    fn actors_round_trip() {
        for actor in [
            Actor::Platform,
            Actor::User(UserId(Uuid::from_u128(1))),
            Actor::Key(KeyId(Uuid::from_u128(1))),
            Actor::Job(JobId(Uuid::from_u128(1))),
        ] {
            assert_eq!(actor.to_string().parse(), Ok(actor));
        }
    }
}
