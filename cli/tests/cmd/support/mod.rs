//! A platform that answers as a test says, and a command that is run against it.

mod command;
mod platform;

pub(crate) use command::Eai;
pub(crate) use platform::{Platform, Reply, Request, Step};

use serde_json::{Value, json};

/// A service as the API answers it.
pub(crate) fn service(name: &str) -> Value {
    json!({
        "id": "6f0c1c1e-3f5e-5d5a-9d0f-0e7c5f3d2a11",
        "name": name,
        "fullName": format!("snow.testacc.{name}"),
        "account": "snow.testacc",
        "role": format!("snow.testacc.{name}_role"),
        "runtime": format!("snow.testacc.{name}_runtime"),
        "status": "on",
        "accessUrl": "http://x.service.localhost:8080",
    })
}

/// A page of a list.
pub(crate) fn page(items: &[Value]) -> Value {
    json!({"items": items, "next": null})
}

/// An error of the API.
pub(crate) fn error(status: u16, code: &str, message: &str) -> Reply {
    Reply::json(
        status,
        &json!({"error": {"code": code, "status": status, "message": message}}),
    )
}
