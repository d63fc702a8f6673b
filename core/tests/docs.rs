//! `docs/events.md`, `docs/asyncapi.json` and `docs/schemas/` are made from the types: this test says when they are out of date.
//!
//! `EAI_UPDATE_DOCS=1 cargo test -p eai-core --test docs` writes them.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "docs/asyncapi.rs"]
mod asyncapi;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use eai_core::envelope::{Envelope, schema_urn};
use eai_core::{catalogue, subject};
use serde_json::{Map, Value};

const HOW: &str = "Write it with: EAI_UPDATE_DOCS=1 cargo test -p eai-core --test docs";

#[test]
fn the_documents_fit_the_types() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let mut files = BTreeMap::from([
        (docs.join("events.md"), events_page()),
        (docs.join("asyncapi.json"), pretty(&asyncapi::document())),
    ]);
    for (name, schema) in schemas() {
        files.insert(docs.join("schemas").join(name + ".json"), pretty(&schema));
    }
    if std::env::var_os("EAI_UPDATE_DOCS").is_some() {
        std::fs::create_dir_all(docs.join("schemas")).unwrap();
        for stale in present(&docs)
            .into_iter()
            .filter(|path| !files.contains_key(path))
        {
            std::fs::remove_file(stale).unwrap();
        }
        for (path, text) in &files {
            std::fs::write(path, text).unwrap();
        }
    }
    for (path, text) in &files {
        let found = std::fs::read_to_string(path).unwrap_or_default();
        assert!(found == *text, "{} is out of date\n{HOW}", path.display());
    }
    for path in present(&docs) {
        assert!(
            files.contains_key(&path),
            "{} describes no event there is\nRemove it, or: {HOW}",
            path.display()
        );
    }
}

fn present(docs: &Path) -> Vec<PathBuf> {
    let Ok(listing) = std::fs::read_dir(docs.join("schemas")) else {
        return Vec::new();
    };
    listing.map(|entry| entry.unwrap().path()).collect()
}

/// Every schema by the name of its file.
fn schemas() -> BTreeMap<String, Value> {
    let mut schemas = BTreeMap::from([(
        "envelope".to_owned(),
        with_id(
            "urn:eai:schema:envelope",
            schemars::schema_for!(Envelope<'static>).to_value(),
        ),
    )]);
    for (kind, entries) in catalogue::kinds() {
        for entry in entries {
            let name = format!("eai.{kind}.{}.v{}", entry.name, entry.version);
            schemas.insert(
                name.clone(),
                with_id(&schema_urn(&name), entry.schema.to_value()),
            );
        }
    }
    schemas
}

fn with_id(id: &str, mut schema: Value) -> Value {
    schema["$id"] = id.into();
    schema
}

/// Keys in order: how a JSON map is built depends on which crates take part in the build.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let in_order: BTreeMap<_, _> = map.iter().collect();
            let pairs = in_order
                .into_iter()
                .map(|(key, value)| (key.clone(), sorted(value)));
            Value::Object(pairs.collect())
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(&sorted(value)).unwrap() + "\n"
}

// === docs/events.md ===

fn events_page() -> String {
    let envelope = schemars::schema_for!(Envelope<'static>).to_value();
    let mut page = vec![format!(
        "<!-- Made from the types. {HOW} -->

# Events

Every change of the platform is an event, and the events are the only record: all else is folded from them.
They are a public interface. A payload only grows, so ignore fields that you don't know; a breaking change is a
new version beside the old one, and what was written once stays readable. Skip event types that you don't know.

## The envelope

One event is one [CloudEvents 1.0](https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md)
JSON document in structured mode (`{media}`), of at most {most} KiB. It is the same bytes in the log, on a live
subject, in an export and in the API. Its schema is [`envelope.json`](schemas/envelope.json).

{table}
* **Order** is the sequence in the log, never `time`.
* **`id`** is unique for ever and made from the command's id: a command that is sent again has the same events.
* **`prevhash`** chains the events of one aggregate: it is the SHA-256 of the previous document's bytes. A document
  that was changed, lost or added shows as a broken chain.
* **`commandid`, `correlationid`, `causationid`** tell why: the command, the first command of the chain, and the
  event that a policy answered.

```sh
eai events tail -f                        # as they happen
eai events tail --type service.created    # one type
eai events get 4711                       # one document, as it was stored
```

## Subjects

An event is stored under `{event}.<organization>.<account>.<kind>.<id>.<event>` and told to listeners under
`{live}.<organization>.<account>.<kind>.<id>.<event>`. Each part is one token; an account within an account is
joined with `-`, which no name contains: `snow.team.sub` is `snow.team-sub`. Listen to `{live}`: what is published
to `{event}` may still lose against another command, and then it was never stored.

Tasks have a log of their own, so that many of them leave room for all else: their events are stored under
`{task}.<organization>.<account>.task.<id>.<event>`. They are not told to listeners, and those of tasks that
ended are removed after a while: [queues](queues.md#how-long-tasks-are-kept).

| to hear | subscribe to |
|---|---|
| all of an account | `{live}.snow.testacc.>` |
| one kind | `{live}.snow.testacc.service.>` |
| one service | `{live}.snow.testacc.service.<id>.*` |
| one event of all services | `{live}.snow.testacc.service.*.created` |",
        media = eai_core::envelope::MEDIA_TYPE,
        most = eai_core::envelope::MAX_BYTES / 1024,
        table = fields(&envelope, "attribute"),
        event = subject::EVENT,
        live = subject::LIVE,
        task = subject::TASK,
    )];
    for (kind, entries) in catalogue::kinds() {
        page.push(format!(
            "\n## {kind}\n\n| event | version | meaning |\n|---|---|---|"
        ));
        for entry in &entries {
            page.push(format!(
                "| [`{0}`](#{kind}-{0}-v{1}) | {1} | {2} |",
                entry.name, entry.version, entry.doc
            ));
        }
        for entry in &entries {
            let event_type = format!("eai.{kind}.{}.v{}", entry.name, entry.version);
            // The plain heading gives the anchor above: dots would be left out of it.
            page.push(format!("\n### {kind} {} v{}\n", entry.name, entry.version));
            page.push(format!("{}\n", entry.doc));
            page.push(format!(
                "Type `{event_type}`, schema [`{event_type}.json`](schemas/{event_type}.json), subject\n\
                 `{}.<organization>.<account>.{kind}.{}.{}`.\n",
                subject::prefix(kind),
                aggregate_id(kind),
                entry.name
            ));
            page.push(
                fields(entry.schema.as_value(), "field")
                    .trim_end()
                    .to_owned(),
            );
        }
    }
    page.join("\n") + "\n"
}

/// How the id of an aggregate looks in its subject.
fn aggregate_id(kind: &str) -> &'static str {
    if kind == "name" {
        "<kind>-<name>"
    } else {
        "<id>"
    }
}

/// A table of what an object has; nested objects with a dot.
fn fields(schema: &Value, heading: &str) -> String {
    let mut rows = Vec::new();
    collect(schema, schema, "", &mut rows);
    if rows.is_empty() {
        return "It has no fields.\n".into();
    }
    format!(
        "| {heading} | type | meaning |\n|---|---|---|\n{}\n",
        rows.join("\n")
    )
}

fn collect(root: &Value, object: &Value, prefix: &str, rows: &mut Vec<String>) {
    let empty = Map::new();
    let properties = object["properties"].as_object().unwrap_or(&empty);
    let required: Vec<&str> = object["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    // Declared order where the schema keeps it, then the rest by name.
    let place = |name: &str| {
        required
            .iter()
            .position(|known| *known == name)
            .unwrap_or(usize::MAX)
    };
    let mut names: Vec<&String> = properties.keys().collect();
    names.sort_by_key(|name| (place(name), name.as_str()));
    for name in names {
        let property = &properties[name];
        let target = resolve(root, property);
        let path = format!("{prefix}{name}");
        let optional = if required.contains(&name.as_str()) {
            ""
        } else {
            ", optional"
        };
        let meaning = property["description"]
            .as_str()
            .or(target["description"].as_str())
            .unwrap_or_default();
        rows.push(format!(
            "| `{path}` | {}{optional} | {} |",
            type_name(root, property),
            cell(meaning)
        ));
        if target["properties"].is_object() {
            collect(root, target, &format!("{path}."), rows);
        }
    }
}

/// Text in a table: one line, and no bar that would end the cell.
fn cell(text: &str) -> String {
    text.replace('\n', " ").replace('|', "\\|")
}

fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"]
        .as_str()
        .and_then(|link| link.strip_prefix('#'))
    {
        Some(link) => resolve(root, root.pointer(link).unwrap()),
        None => schema,
    }
}

fn type_name(root: &Value, schema: &Value) -> String {
    let target = resolve(root, schema);
    if let Some(choices) = target["oneOf"].as_array().or(target["enum"].as_array()) {
        let names = choices.iter().map(|choice| match &choice["const"] {
            Value::Null => choice.to_string(),
            constant => constant.to_string(),
        });
        return names
            .map(|name| format!("`{name}`"))
            .collect::<Vec<_>>()
            .join(" or ");
    }
    if let Some(constant) = target.get("const") {
        return format!("`{constant}`");
    }
    if target["type"] == "array" {
        return format!("list of {}", type_name(root, &target["items"]));
    }
    let format = target["format"].as_str();
    let mut text = format
        .or(target["type"].as_str())
        .unwrap_or("any")
        .to_owned();
    if let Some(pattern) = target["pattern"].as_str() {
        text = format!("{text} `{}`", cell(pattern));
    }
    text
}
