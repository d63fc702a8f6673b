//! The API described by itself: `/v1/openapi.json`, from the table of operations and the types of their handlers.
//!
//! What becomes of a request is told in `docs/api.md`; here is what it may be, and what may come back.

mod schemas;
mod tell;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use axum::Json;
use axum::handler::Handler;
use schemars::JsonSchema;
use serde_json::{Map, Value, json};

pub(super) use schemas::Schemas;
pub(super) use tell::{
    Lines, Made, Nothing, Octets, Sent, Stored, Tarred, Telling, Tells, Text, Told,
};

use super::error::Problem;
use super::operations::{self, From, Operation};
use super::{Shared, server, token};
use schemas::example;

/// Tells of an operation.
pub(super) type Tell = fn(&mut Telling<'_>);

/// What every operation may fail with: it is refused before it is looked at, or the platform is not in order.
const ALWAYS: [u16; 3] = [400, 500, 503];

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| described(&operations::all().rows));

/// The document itself.
#[derive(Debug, serde::Serialize, JsonSchema)]
#[schemars(rename = "OpenApi")]
pub(crate) struct Document(#[schemars(with = "Map<String, Value>")] &'static Value);

/// The document (OpenAPI 3.1).
pub(crate) async fn document() -> Json<Document> {
    Json(Document(&DOCUMENT))
}

/// How a handler tells of its operation.
pub(super) fn tell<H: Handler<T, Shared> + Tells<T>, T>(_: &H) -> Tell {
    H::tell
}

fn described(rows: &[Operation]) -> Value {
    let mut schemas = Schemas::new();
    let problem = schemas.answer::<Problem<'_>>();
    let mut paths = Map::new();
    for row in rows {
        let path = format!("/v1{}", row.path);
        let at = paths.entry(path).or_insert_with(|| json!({}));
        at[row.method.to_lowercase()] = operation(row, &mut schemas, &problem);
    }
    // These three ask for no permission, so they are in no row.
    let others = [
        (
            "post",
            "token",
            "Gives an access token for the refresh token that is sent as the token.",
            tell(&token::refresh),
            &[401][..],
        ),
        (
            "get",
            "version",
            "Tells the version of the platform.",
            tell(&server::version),
            &[],
        ),
        (
            "get",
            "openapi.json",
            "Tells this document.",
            tell(&document),
            &[],
        ),
    ];
    for (method, name, summary, tell, also) in others {
        let mut told = told(tell, also, &mut schemas, &problem);
        told["operationId"] = format!("{method}_{}", name.replace('.', "_")).into();
        told["tags"] = json!([name]);
        told["summary"] = summary.into();
        paths.insert(format!("/v1/{name}"), json!({ method: told }));
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "eai",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Services, jobs, data and queues. Every change is an event.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "security": [{ "bearer": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": { "bearer": {
                "type": "http", "scheme": "bearer",
                "description": "An access token, as `eai login token` prints it, or the key of a role.",
            } },
            "parameters": parameters(),
            "headers": headers(),
            "schemas": schemas.into_components(),
        },
    })
}

fn parameters() -> Value {
    json!({
        "reference": {
            "name": "reference", "in": "path", "required": true,
            "description": "An id, a full name such as snow.testacc.web, or a name in your account.",
            "schema": { "type": "string", "minLength": 1 }, "example": "snow.testacc.web",
        },
        "key": {
            "name": "idempotency-key", "in": "header",
            "description": "The id of the command: repeating it with the same one never does it twice.",
            "schema": { "type": "string", "format": "uuid" },
            "example": "6c5bf9ec-71f7-4d13-b5ec-24b37f0f8e9e",
        },
    })
}

fn headers() -> Value {
    json!({
        "position": {
            "description": "How far the log was: a request that brings the newest one along sees what this one saw.",
            "schema": { "type": "string" },
            "example": "6c5bf9ec-71f7-4d13-b5ec-24b37f0f8e9e:120",
        },
        "retryAfter": {
            "description": "After how many seconds it is worth a try.",
            "schema": { "type": "integer", "minimum": 0 }, "example": 1,
        },
    })
}

fn operation(row: &Operation, schemas: &mut Schemas, problem: &Value) -> Value {
    let permission = format!("{}:{}", row.needs.kind, row.needs.verb);
    let mut told = told(row.tell, row.also, schemas, problem);
    told["operationId"] = id(row).into();
    told["tags"] = json!([row.needs.on]);
    told["summary"] = row.summary.trim().into();
    told["description"] = format!("Needs `{permission}`.").into();
    told["x-eai-permission"] = permission.into();
    if row.from == From::Views {
        let responses = told["responses"].as_object_mut().into_iter().flatten();
        let done = responses.filter(|(status, _)| status.starts_with('2'));
        for (_, response) in done {
            response["headers"] =
                json!({ "x-eai-position": { "$ref": "#/components/headers/position" } });
        }
    }
    told
}

fn id(row: &Operation) -> String {
    let path = row.path.replace("/{reference}", "_of").replace('/', "_");
    format!("{}{path}", row.method.to_lowercase())
}

/// What the types of a handler tell.
fn told(tell: Tell, also: &[u16], schemas: &mut Schemas, problem: &Value) -> Value {
    let mut telling = Telling {
        schemas,
        parameters: Vec::new(),
        body: BTreeMap::new(),
        may_be_empty: false,
        answers: BTreeMap::new(),
        errors: BTreeSet::from(ALWAYS),
    };
    tell(&mut telling);
    telling.errors.extend(also);
    let asks_who = telling.errors.contains(&401);
    let mut responses = Map::new();
    for (status, content) in telling.answers {
        let content = content.into_iter().map(|(kind, any)| (kind, one_of(any)));
        responses.insert(status.to_string(), answer(status, content));
    }
    for status in telling.errors {
        let content = [("application/json", problem.clone())];
        let mut answer = answer(status, content.into_iter());
        if matches!(status, 429 | 503) {
            answer["headers"] =
                json!({ "Retry-After": { "$ref": "#/components/headers/retryAfter" } });
        }
        responses.insert(status.to_string(), answer);
    }
    let mut told = json!({ "parameters": telling.parameters, "responses": responses });
    if !telling.body.is_empty() {
        let content = content(telling.body.into_iter());
        told["requestBody"] = json!({ "required": !telling.may_be_empty, "content": content });
    }
    if !asks_who {
        told["security"] = json!([]);
    }
    told
}

/// What is one of several things.
fn one_of(mut schemas: Vec<Value>) -> Value {
    match schemas.len() {
        1 => schemas.remove(0),
        _ => json!({ "anyOf": schemas }),
    }
}

fn answer(status: u16, kinds: impl Iterator<Item = (&'static str, Value)>) -> Value {
    let mut answer = json!({ "description": meaning(status) });
    let content = content(kinds);
    if !content.is_empty() {
        answer["content"] = content.into();
    }
    answer
}

fn content(kinds: impl Iterator<Item = (&'static str, Value)>) -> Map<String, Value> {
    let with_example = |(kind, schema): (&'static str, Value)| {
        let first = schema["anyOf"].get(0).unwrap_or(&schema);
        let example = example(first);
        let mut content = json!({ "schema": schema });
        if let Some(example) = example {
            content["example"] = example;
        }
        (kind.to_owned(), content)
    };
    kinds.map(with_example).collect()
}

fn meaning(status: u16) -> &'static str {
    match status {
        200 => "What there is, or that it was done.",
        201 => "It was made.",
        204 => "There is nothing.",
        400 => "Something in the request is not as it has to be: the message says what.",
        401 => "The token is missing, over or revoked.",
        403 => "No role allows it: the message names the policy that is missing.",
        404 => "There is no such thing, or none that you may see.",
        409 => "It does not fit how things are: the code says what is in the way.",
        413 => "The body is too large.",
        422 => "What keeps images refused this one.",
        429 => "You ask too often: ask again after the seconds in `Retry-After`.",
        500 => "The platform failed at this: its log says why.",
        503 => "The platform is not ready, or has too much to do: try again.",
        507 => "There is no room for it.",
        _ => "It was refused: the code says why.",
    }
}
