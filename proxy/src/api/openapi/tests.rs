use std::collections::HashSet;

use jsonschema::Validator;

use super::*;

fn document() -> Value {
    described(&operations::all().rows)
}

/// Every operation with its name, `get /v1/service`.
fn operations_of(document: &Value) -> Vec<(String, &Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    paths
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap().iter();
            methods.map(move |(method, told)| (format!("{method} {path}"), told))
        })
        .collect()
}

/// A schema of the document, which may speak of others.
fn validator(document: &Value, schema: &Value) -> Validator {
    let root = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "components": document["components"],
        "allOf": [schema],
    });
    jsonschema::validator_for(&root).unwrap()
}

/// Checks an example of what has a schema; JSON has to have one.
fn check(document: &Value, name: &str, told: &Value) {
    let schema = &told["schema"];
    assert!(schema.is_object(), "{name}: no schema");
    let example = told.get("example");
    let example = example.unwrap_or_else(|| panic!("{name}: no example of {schema}"));
    let errors: Vec<_> = validator(document, schema)
        .iter_errors(example)
        .map(|error| format!("{error} at {}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{name}: {errors:?} in {example}");
}

#[test]
fn every_operation_is_told_once_and_whole() {
    let rows = operations::all().rows;
    let document = document();
    let operations = operations_of(&document);
    let mut ids = HashSet::new();
    for (name, told) in &operations {
        let id = told["operationId"].as_str().unwrap().to_owned();
        assert!(ids.insert(id), "{name}");
        assert!(!told["summary"].as_str().unwrap().is_empty(), "{name}");
        let parameters = told["parameters"].to_string();
        let named = parameters.contains("parameters/reference");
        assert_eq!(named, name.contains('{'), "{name}");
        let responses = told["responses"].as_object().unwrap();
        assert!(
            responses.keys().any(|status| status.starts_with('2')),
            "{name}"
        );
        assert!(
            ALWAYS
                .iter()
                .all(|status| responses.contains_key(&status.to_string()))
        );
        // Who says who it is may be nobody.
        let asks = told.get("security").is_none();
        assert_eq!(asks, responses.contains_key("401"), "{name}");
    }
    assert_eq!(operations.len(), rows.len() + 3);
    // Whatever is referred to is there.
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1) {
        let (pointer, _) = reference.split_once('"').unwrap();
        assert!(document.pointer(pointer).is_some(), "{pointer}");
    }
    // Two types of one name would have been told apart by a number.
    for name in document["components"]["schemas"]
        .as_object()
        .unwrap()
        .keys()
    {
        assert!(
            !name.ends_with(|last: char| last.is_ascii_digit()),
            "{name}"
        );
    }
}

#[test]
fn every_change_takes_an_idempotency_key() {
    let document = document();
    for (name, told) in operations_of(&document) {
        let changes = !name.starts_with("get ") && !NO_COMMANDS.contains(&name.as_str());
        let takes = told["parameters"].to_string().contains("parameters/key");
        assert_eq!(takes, changes, "{name}");
    }
}

/// What can be repeated as it is: questions, what is stored by its digest or its name, what is removed and stays so,
/// and what is folded or signed anew.
const NO_COMMANDS: [&str; 9] = [
    "post /v1/token",
    "post /v1/data/{reference}/missing",
    "post /v1/data/{reference}/files",
    "post /v1/data/{reference}/objects",
    "delete /v1/service/{reference}/task",
    "post /v1/user/{reference}/token",
    "post /v1/server/rebuild",
    "post /v1/server/verify",
    "post /v1/image",
];

#[test]
fn every_example_is_what_its_schema_says() {
    let document = document();
    for (name, told) in operations_of(&document) {
        for parameter in told["parameters"].as_array().unwrap() {
            let parameter = match parameter["$ref"].as_str() {
                Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap(),
                None => parameter,
            };
            check(
                &document,
                &format!("{name}: {}", parameter["name"]),
                parameter,
            );
        }
        let answers = told["responses"].as_object().unwrap();
        let bodies = answers
            .iter()
            .map(|(status, answer)| (status.as_str(), answer));
        let bodies = bodies.chain(told.get("requestBody").map(|body| ("body", body)));
        for (what, body) in bodies {
            let kinds = body["content"].as_object().into_iter().flatten();
            let is_json = |kind: &str| kind.ends_with("/json") || kind.ends_with("+json");
            for (kind, content) in kinds.filter(|(kind, _)| is_json(kind)) {
                check(&document, &format!("{name}: {what} {kind}"), content);
            }
        }
    }
}

#[test]
fn every_list_is_paged() {
    // A timeline is a window, which `since` and `until` move.
    let windows = ["get /v1/timeline/{reference}"];
    let document = document();
    let mut lists = 0;
    for (name, told) in operations_of(&document) {
        let answer = &told["responses"]["200"]["content"]["application/json"]["schema"];
        let answer = answer["$ref"].as_str().unwrap_or_default();
        if !answer.ends_with("List") {
            continue;
        }
        lists += 1;
        let parameters = told["parameters"].as_array().unwrap();
        let takes = |wanted: &str| parameters.iter().any(|one| one["name"] == wanted);
        assert!(takes("limit"), "{name}");
        assert_eq!(takes("after"), !windows.contains(&name.as_str()), "{name}");
    }
    assert!(lists > 15, "{lists}");
}
