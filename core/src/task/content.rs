//! What a task carries and what comes of it: JSON in the event itself, or in an object that the event names.
//!
//! What users send is kept as they wrote it, number for number: it is never read further than it has to be.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::digest::Digest;

/// The longest payload that stands in an event, in bytes of JSON; a longer one is an object.
pub const INLINE_PAYLOAD: usize = 48 * 1024;
/// The longest result that does.
pub const INLINE_RESULT: usize = 32 * 1024;
/// The longest logs that do.
pub const INLINE_LOGS: usize = 16 * 1024;

/// Any JSON, as it was written, without the white space.
#[derive(Clone)]
pub struct Json(Arc<RawValue>);

/// JSON in the event, or in an object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Wire", into = "Wire")]
#[schemars(with = "Wire")]
pub enum Content {
    /// In the event.
    Inline(Json),
    /// In the object store.
    Object(Object),
}

/// A content of the object store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Object {
    /// Its SHA-256.
    pub digest: Digest,
    /// Its length.
    pub bytes: u64,
}

/// JSON, here or elsewhere: one of the two is there.
#[derive(Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Content")]
struct Wire {
    /// The JSON itself.
    #[serde(
        default,
        deserialize_with = "some",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "serde_json::Value")]
    inline: Option<Json>,
    /// The object that holds it, where it is too long for an event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Object")]
    object: Option<Object>,
}

/// A content that is neither here nor elsewhere.
#[derive(Debug, thiserror::Error)]
#[error("a content has either `inline` or `object`")]
struct BadContent;

// === impl Json ===

impl Json {
    /// Reads one JSON value, and nothing after it.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        let raw: &RawValue = serde_json::from_str(text)?;
        RawValue::from_string(compact(raw.get())).map(|raw| Self(raw.into()))
    }

    /// Any value, written as JSON.
    pub fn of(value: &impl Serialize) -> Result<Self, serde_json::Error> {
        serde_json::value::to_raw_value(value).map(|raw| Self(raw.into()))
    }

    /// The text.
    pub fn get(&self) -> &str {
        self.0.get()
    }
}

/// White space outside of strings says nothing.
fn compact(json: &str) -> String {
    let (mut within, mut escaped) = (false, false);
    let keep = |letter: &char| {
        let kept = within || !letter.is_ascii_whitespace();
        match letter {
            '"' if !escaped => within = !within,
            _ => {}
        }
        escaped = within && !escaped && *letter == '\\';
        kept
    };
    json.chars().filter(keep).collect()
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.get())
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Ok(Self(raw.into()))
    }
}

impl JsonSchema for Json {
    fn schema_name() -> Cow<'static, str> {
        "Json".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::Schema::default()
    }
}

// === impl Content ===

impl Content {
    /// The digest of its JSON.
    pub fn digest(&self) -> Digest {
        match self {
            Self::Inline(json) => Digest::of(json.get().as_bytes()),
            Self::Object(object) => object.digest,
        }
    }

    /// The object that holds it, if one does.
    pub fn object(&self) -> Option<Object> {
        match self {
            Self::Inline(_) => None,
            Self::Object(object) => Some(*object),
        }
    }
}

/// A field that is there is read, also where it says `null`.
fn some<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Json>, D::Error> {
    Json::deserialize(deserializer).map(Some)
}

impl TryFrom<Wire> for Content {
    type Error = BadContent;

    fn try_from(wire: Wire) -> Result<Self, BadContent> {
        match wire {
            Wire {
                inline: Some(json),
                object: None,
            } => Ok(Self::Inline(json)),
            Wire {
                inline: None,
                object: Some(object),
            } => Ok(Self::Object(object)),
            Wire { .. } => Err(BadContent),
        }
    }
}

impl From<Content> for Wire {
    fn from(content: Content) -> Self {
        match content {
            Content::Inline(json) => Self {
                inline: Some(json),
                object: None,
            },
            Content::Object(object) => Self {
                inline: None,
                object: Some(object),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_users_write_is_kept() {
        let text = "{ \"a\\\" b\" : [1.50e+3, 123456789012345678901234567890],\n\t\"c\": \"\\\\\" , \"d\":\" x \"}";
        let json = Json::parse(text).unwrap();
        let short = r#"{"a\" b":[1.50e+3,123456789012345678901234567890],"c":"\\","d":" x "}"#;
        assert_eq!(json.get(), short);
        for bad in ["", "{", "1 2", "nul", "{\"a\":}"] {
            assert!(Json::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn contents_are_here_or_elsewhere() {
        let digest = Digest::of(b"x");
        let object = format!(r#"{{"object":{{"digest":"{digest}","bytes":7}}}}"#);
        for text in [r#"{"inline":null}"#, r#"{"inline":{"a":1.0}}"#, &object] {
            let content: Content = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&content).unwrap(), text);
        }
        let both = object.replace("{\"object", "{\"inline\":1,\"object");
        for bad in ["{}", "7", &both] {
            assert!(serde_json::from_str::<Content>(bad).is_err(), "{bad}");
        }
    }
}
