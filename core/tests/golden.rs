//! Every event type and version ever written stays readable, byte for byte: one stored document of each.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use eai_core::account::AccountAggregate;
use eai_core::aggregate::{Aggregate, Event};
use eai_core::catalogue;
use eai_core::data::DataAggregate;
use eai_core::digest::Digest;
use eai_core::envelope::{Envelope, MAX_BYTES, schema_urn};
use eai_core::executor::ExecutorAggregate;
use eai_core::job::JobAggregate;
use eai_core::name::NameAggregate;
use eai_core::platform::PlatformAggregate;
use eai_core::role::RoleAggregate;
use eai_core::service::ServiceAggregate;
use eai_core::task::TaskAggregate;
use eai_core::worker::WorkerAggregate;
use serde_json::{Value, json};

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// The stored documents by their file's name without `.json`, which is the event's type.
fn golden() -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(directory()).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            files.insert(name, std::fs::read(&path).unwrap());
        }
    }
    files
}

/// Every type in the catalogue with the JSON Schema of its payload.
fn types() -> BTreeMap<String, Value> {
    let mut types = BTreeMap::new();
    for (kind, entries) in catalogue::kinds() {
        for entry in entries {
            let event_type = format!("eai.{kind}.{}.v{}", entry.name, entry.version);
            let before = types.insert(event_type.clone(), entry.schema.to_value());
            assert!(before.is_none(), "{event_type} is in the catalogue twice");
        }
    }
    types
}

fn validator(schema: &Value) -> jsonschema::Validator {
    jsonschema::options()
        .should_validate_formats(true)
        .build(schema)
        .unwrap()
}

#[test]
fn every_event_type_has_one_golden_file() {
    let (golden, types) = (golden(), types());
    let missing = types
        .keys()
        .find(|event_type| !golden.contains_key(*event_type));
    if let Some(event_type) = missing {
        panic!(
            "{event_type} has no golden file\n\
             Make one from a stored event, whole and on one line with no line end:\n\
             eai events tail -n 1 --type {event_type} --field id | xargs eai events get | tr -d '\\n' > {}",
            directory().join(format!("{event_type}.json")).display()
        );
    }
    for event_type in golden.keys() {
        assert!(
            types.contains_key(event_type),
            "{event_type} has a golden file and is not in the catalogue: \
             events that were written once must stay readable"
        );
    }
}

#[test]
fn golden_files_are_read_and_written_alike() {
    for (name, bytes) in golden() {
        let envelope = Envelope::parse(&bytes).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        let parts = envelope.type_parts().unwrap();
        assert_eq!(parts.to_string(), name);
        assert_eq!(envelope.dataschema, schema_urn(&name));
        catalogue::check(parts, envelope.data.get())
            .unwrap_or_else(|error| panic!("{name}: {error:?}"));
        let again = envelope.to_bytes().unwrap();
        assert_eq!(
            String::from_utf8_lossy(&again),
            String::from_utf8_lossy(&bytes),
            "{name}"
        );
        assert!(bytes.len() <= MAX_BYTES);
        if let Some(payload) = written_today(&envelope) {
            assert_eq!(payload, envelope.data.get(), "{name}");
        }
    }
}

#[test]
fn golden_files_fit_their_schemas() {
    let types = types();
    let envelopes = validator(&schemars::schema_for!(Envelope<'static>).to_value());
    for (name, bytes) in golden() {
        let document: Value = serde_json::from_slice(&bytes).unwrap();
        if let Err(error) = envelopes.validate(&document) {
            panic!("{name}: {error} at {}", error.instance_path());
        }
        if let Err(error) = validator(&types[&name]).validate(&document["data"]) {
            panic!("{name}: {error} at data{}", error.instance_path());
        }
    }
}

/// Schemas that accept anything would make the test above worthless.
#[test]
fn schemas_refuse_what_is_missing() {
    let types = types();
    for (name, bytes) in golden() {
        let document: Value = serde_json::from_slice(&bytes).unwrap();
        let schema = validator(&types[&name]);
        for field in types[&name]["required"].as_array().into_iter().flatten() {
            let mut data = document["data"].clone();
            data.as_object_mut()
                .unwrap()
                .remove(field.as_str().unwrap());
            assert!(!schema.is_valid(&data), "{name} without {field}");
        }
        assert!(!schema.is_valid(&json!("text")), "{name}");
    }
}

#[test]
fn golden_files_are_cloudevents() {
    for (name, bytes) in golden() {
        let document: Value = serde_json::from_slice(&bytes).unwrap();
        for (attribute, value) in document.as_object().unwrap() {
            // CloudEvents 1.0.2 §3: names of lower-case letters and digits, 20 at most; values are scalars.
            let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
            assert!(
                attribute.len() <= 20 && attribute.bytes().all(plain),
                "{name}: {attribute}"
            );
            assert!(
                attribute == "data" || value.is_string(),
                "{name}: {attribute}"
            );
            assert!(value != "", "{name}: {attribute} is empty");
        }
        assert_eq!(document["specversion"], "1.0");
        for required in ["id", "source", "type"] {
            assert!(document[required].is_string(), "{name}: {required}");
        }
        for formatted in [
            json!({ "properties": { "time": { "format": "date-time" }, "source": { "format": "uri-reference" } } }),
            json!({ "properties": { "dataschema": { "format": "uri" } } }),
        ] {
            assert!(
                validator(&formatted).is_valid(&document),
                "{name}: {formatted}"
            );
        }
    }
}

/// Payloads only grow, so a reader of today meets fields of tomorrow.
#[test]
fn unknown_fields_are_ignored() {
    for (name, bytes) in golden() {
        let mut document: Value = serde_json::from_slice(&bytes).unwrap();
        document["extension"] = json!("of tomorrow");
        grow(&mut document["data"]);
        let grown = serde_json::to_vec(&document).unwrap();
        let envelope = Envelope::parse(&grown).unwrap();
        catalogue::check(envelope.type_parts().unwrap(), envelope.data.get())
            .unwrap_or_else(|error| panic!("{name}: {error:?}"));
        if let Some(payload) = written_today(&envelope) {
            let stored = Envelope::parse(&bytes).unwrap();
            assert_eq!(
                payload,
                stored.data.get(),
                "{name}: what is known is read as before"
            );
        }
        assert!(
            validator(&types()[&name]).is_valid(&document["data"]),
            "{name}: by its schema too"
        );
    }
}

/// A field more in every object of ours: what a user sent is kept as it is.
fn grow(value: &mut Value) {
    match value {
        Value::Object(map) => {
            let ours = map.iter_mut().filter(|(name, _)| *name != "inline");
            ours.for_each(|(_, value)| grow(value));
            map.insert("ofTomorrow".into(), json!({ "deep": [1, null] }));
        }
        Value::Array(items) => items.iter_mut().for_each(grow),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The chain is taken over stored bytes, and what is optional is shown somewhere.
#[test]
fn golden_files_are_chained_and_show_every_attribute() {
    let golden = golden();
    let digests: Vec<_> = golden.values().map(|bytes| Digest::of(bytes)).collect();
    let envelopes: Vec<_> = golden
        .values()
        .map(|bytes| Envelope::parse(bytes).unwrap())
        .collect();
    let chained = envelopes
        .iter()
        .filter(|envelope| digests.contains(&envelope.prevhash))
        .count();
    assert!(
        chained >= 7,
        "only {chained} documents follow another: was one edited?"
    );
    assert!(
        envelopes
            .iter()
            .any(|envelope| envelope.prevhash == Digest::ZERO)
    );
    assert!(
        envelopes
            .iter()
            .any(|envelope| envelope.causationid.is_some())
    );
    assert!(
        envelopes
            .iter()
            .any(|envelope| envelope.traceparent.is_some())
    );
}

/// The payload as this version would write it, where it still writes this version of it.
fn written_today(envelope: &Envelope<'_>) -> Option<String> {
    fn by<A: Aggregate>(envelope: &Envelope<'_>) -> Option<String> {
        let parts = envelope.type_parts().unwrap();
        let event = A::Event::decode(parts.name, parts.version, envelope.data.get()).unwrap();
        assert_eq!(event.name(), parts.name);
        (event.version() == parts.version).then(|| event.data().unwrap().get().to_owned())
    }
    match envelope.type_parts().unwrap().kind {
        AccountAggregate::KIND => by::<AccountAggregate>(envelope),
        DataAggregate::KIND => by::<DataAggregate>(envelope),
        ExecutorAggregate::KIND => by::<ExecutorAggregate>(envelope),
        JobAggregate::KIND => by::<JobAggregate>(envelope),
        NameAggregate::KIND => by::<NameAggregate>(envelope),
        PlatformAggregate::KIND => by::<PlatformAggregate>(envelope),
        RoleAggregate::KIND => by::<RoleAggregate>(envelope),
        ServiceAggregate::KIND => by::<ServiceAggregate>(envelope),
        TaskAggregate::KIND => by::<TaskAggregate>(envelope),
        WorkerAggregate::KIND => by::<WorkerAggregate>(envelope),
        other => panic!("add the aggregate `{other}` to this test"),
    }
}
