//! Tables of requests that must be refused, each with the exact answer, and nothing appended by it.

use serde_json::{Value, json};

use crate::{Api, Platform, Raw, Stored};

/// What a row asks, and what it must be answered.
#[derive(Clone, Debug)]
pub struct Refused {
    what: String,
    request: Raw,
    status: u16,
    code: &'static str,
    message: String,
}

/// A row of such a table.
pub fn refused(
    request: Raw,
    status: u16,
    code: &'static str,
    message: impl Into<String>,
) -> Refused {
    Refused {
        what: format!("{request:?}").chars().take(200).collect(),
        request,
        status,
        code,
        message: message.into(),
    }
}

/// A reading request.
pub fn get(path: &str) -> Raw {
    Raw::new("GET", path)
}

/// A request with a body.
pub fn post(path: &str, body: impl Into<Vec<u8>>) -> Raw {
    Raw::new("POST", path).body(body)
}

/// Sends each row, and looks at the log after each.
pub async fn check_refused(platform: &Platform, rows: Vec<Refused>, authorization: Option<&str>) {
    let stored = Stored::of(platform).await;
    let api = Api::of(platform);
    let before = stored.last().await;
    for row in rows {
        let request = match authorization {
            Some(value) => row.request.header("authorization", value),
            None => row.request,
        };
        let answer = request.send(platform.address());
        let what = &row.what;
        let (status, message) = (row.status, &row.message);
        assert_eq!(answer.status, status, "{what}: {}", answer.body);
        let json = answer.head.contains("content-type: application/json");
        assert!(json, "{what}: {}", answer.head);
        let body: Value = serde_json::from_str(&answer.body).expect("JSON");
        let expected = json!({"error": {"code": row.code, "status": status, "message": message}});
        assert_eq!(body, expected, "{what}");
        assert_eq!(stored.last().await, before, "appended by {what}");
    }
    let info = api.get("/v1/server").await.ok();
    assert_eq!(info["lastSequence"], before);
}

/// The header's value for a fresh token.
pub fn bearer(platform: &Platform) -> String {
    format!("Bearer {}", platform.token())
}
