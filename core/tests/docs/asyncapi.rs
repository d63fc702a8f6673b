//! The live events as an `AsyncAPI` 3 document: a channel for each event, and its message by the schemas beside it.

use std::collections::BTreeSet;
use std::path::Path;

use eai_core::envelope::MEDIA_TYPE;
use eai_core::{catalogue, subject};
use serde_json::{Map, Value, json};

/// The document.
pub(super) fn document() -> Value {
    let (mut channels, mut operations, mut messages) = (Map::new(), Map::new(), Map::new());
    // Tasks have a log of their own, which listeners are not told of.
    let heard = |kind: &str| subject::prefix(kind) == subject::EVENT;
    for (kind, entries) in catalogue::kinds() {
        for entry in entries.iter().filter(|_| heard(kind)) {
            let event = format!("{kind}.{}", entry.name);
            let event_type = format!("eai.{event}.v{}", entry.version);
            let reference = json!({ "$ref": format!("#/components/messages/{event_type}") });
            let channel = channels.entry(event.clone()).or_insert_with(|| {
                json!({
                    "address": format!(
                        "{}.{{organization}}.{{account}}.{kind}.{{id}}.{}", subject::LIVE, entry.name
                    ),
                    "summary": entry.doc,
                    "parameters": {
                        "organization": { "$ref": "#/components/parameters/organization" },
                        "account": { "$ref": "#/components/parameters/account" },
                        "id": { "$ref": "#/components/parameters/id" },
                    },
                    "messages": {},
                })
            });
            channel["messages"][&event_type] = reference;
            operations.insert(
                event.clone(),
                json!({ "action": "send", "channel": { "$ref": format!("#/channels/{event}") } }),
            );
            messages.insert(event_type.clone(), message(&event_type, entry.doc));
        }
    }
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "eai",
            "version": "1.0.0",
            "description": "What a platform tells monitors: every event of an account, once it is stored.",
            "license": { "name": "Apache-2.0" },
        },
        "defaultContentType": MEDIA_TYPE,
        "servers": { "platform": {
            "host": "127.0.0.1:4222",
            "protocol": "nats",
            "description": "`eai server info --field natsUrl` tells where it is.",
            "security": [{ "$ref": "#/components/securitySchemes/credentials" }],
        } },
        "channels": channels,
        "operations": operations,
        "components": {
            "securitySchemes": { "credentials": {
                "type": "userPassword",
                "description": "The file that `eai monitor credentials new NAME` makes.",
            } },
            "parameters": {
                "organization": { "description": "The organization, such as `snow`." },
                "account": { "description": "The account, such as `testacc`; one within an account is joined with `-`." },
                "id": { "description": "The id of what it happened to; of a name, `<kind>-<name>`." },
            },
            "messages": messages,
        },
    })
}

fn message(event_type: &str, doc: &str) -> Value {
    json!({
        "name": event_type,
        "summary": doc,
        "contentType": MEDIA_TYPE,
        "headers": {
            "type": "object",
            "required": ["Nats-Sequence"],
            "properties": { "Nats-Sequence": {
                "type": "string", "pattern": "^[0-9]+$", "description": "Its place in the log.",
            } },
        },
        "payload": { "allOf": [
            { "$ref": "schemas/envelope.json" },
            {
                "type": "object",
                "properties": {
                    "type": { "const": event_type },
                    "data": { "$ref": format!("schemas/{event_type}.json") },
                },
            },
        ] },
    })
}

#[test]
fn whatever_it_refers_to_is_there() {
    let document = document();
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let mut references = BTreeSet::new();
    collect(&document, &mut references);
    assert!(references.len() > 50, "{}", references.len());
    for reference in &references {
        let found = match reference.strip_prefix('#') {
            Some(pointer) => document.pointer(pointer).is_some(),
            None => docs.join(reference).is_file(),
        };
        assert!(found, "{reference}");
    }
    // Each message is in a channel of the subject that its events have.
    for (name, channel) in document["channels"].as_object().unwrap() {
        let address = channel["address"].as_str().unwrap();
        let parts: Vec<&str> = address.split('.').collect();
        assert_eq!(name, &format!("{}.{}", parts[4], parts[6]));
        for event_type in channel["messages"].as_object().unwrap().keys() {
            assert!(
                event_type.starts_with(&format!("eai.{name}.v")),
                "{event_type}"
            );
        }
    }
}

fn collect(value: &Value, references: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            if let Some(Value::String(reference)) = map.get("$ref") {
                references.insert(reference.clone());
            }
            map.values().for_each(|value| collect(value, references));
        }
        Value::Array(items) => items.iter().for_each(|value| collect(value, references)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
