//! What is too long for an event goes to the object store, and comes from there.

use bytes::Bytes;

use crate::digest::Digest;
use crate::log::objects::{self, Objects};
use crate::task::{Content, Json, Object};

/// The longest payload, result or log of a task, in bytes of JSON.
pub const MOST_CONTENT: u64 = 64 << 20;

/// Why a content cannot be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// It is longer than a task may carry.
    #[error(
        "{bytes} bytes are more than a task may carry ({MOST_CONTENT}): put them into data and send a reference"
    )]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// The object store has it not, or does not answer.
    #[error(transparent)]
    Objects(#[from] objects::Error),
    /// What is stored is no JSON.
    #[error("a stored content is not JSON")]
    Json(#[from] serde_json::Error),
}

/// JSON as it stands in an event: itself up to `inline` bytes, else an object that is stored first. Who calls holds
/// the objects ([`Objects::hold`]) until the event is in the log.
pub async fn store(objects: &Objects, json: Json, inline: usize) -> Result<Content, ContentError> {
    let bytes = json.get().len();
    if bytes <= inline {
        return Ok(Content::Inline(json));
    }
    if bytes as u64 > MOST_CONTENT {
        return Err(ContentError::TooLarge { bytes });
    }
    let content = Bytes::copy_from_slice(json.get().as_bytes());
    let digest = Digest::of(&content);
    objects.put(digest, content).await?;
    Ok(Content::Object(Object {
        digest,
        bytes: bytes as u64,
    }))
}

/// The JSON, wherever it is.
pub async fn load(objects: &Objects, content: &Content) -> Result<Json, ContentError> {
    match content {
        Content::Inline(json) => Ok(json.clone()),
        Content::Object(object) => {
            let bytes = objects.read(object.digest, MOST_CONTENT).await?;
            let text = String::from_utf8_lossy(&bytes);
            Ok(Json::parse(&text)?)
        }
    }
}

/// A text that is stored as a JSON string, such as logs.
pub async fn load_text(objects: &Objects, content: &Content) -> Result<String, ContentError> {
    let json = load(objects, content).await?;
    Ok(serde_json::from_str(json.get())?)
}
