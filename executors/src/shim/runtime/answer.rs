//! What a worker said, as an answer.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::backend::{Answer, Failure};

/// The most bytes of an error's words, and of where it was.
const WORDS_MAX: usize = 16 * 1024;

/// What the runtime clients of AWS say of an error.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Said {
    error_message: Option<String>,
    error_type: Option<String>,
    stack_trace: serde_json::Value,
}

/// The answer to a task.
pub(super) fn response(body: &[u8]) -> Answer {
    let parsed = str::from_utf8(body).ok().map(str::trim);
    match parsed.map(|text| RawValue::from_string(text.to_owned())) {
        Some(Ok(result)) => Answer::Response(result),
        _ => Answer::Error(Failure {
            kind: "Runtime.InvalidResponse".to_owned(),
            message: format!(
                "the worker answered {} bytes that are no JSON: let it answer a JSON document",
                body.len()
            ),
            traceback: String::new(),
        }),
    }
}

/// An answer that is larger than may be.
pub(super) fn too_large(most: usize) -> Failure {
    Failure {
        kind: "Function.ResponseSizeTooLarge".to_owned(),
        message: format!(
            "the worker answered more than {most} bytes: let it store the result, and answer where that is"
        ),
        traceback: String::new(),
    }
}

/// Why the worker failed. `kind` is what the header says of that.
pub(super) fn failure(body: &[u8], kind: Option<&str>) -> Failure {
    let Ok(said) = serde_json::from_slice::<Said>(body) else {
        return Failure {
            kind: bounded(kind.unwrap_or("Unknown")),
            message: bounded(&String::from_utf8_lossy(body)),
            traceback: String::new(),
        };
    };
    let traceback = match said.stack_trace {
        serde_json::Value::String(text) => text,
        serde_json::Value::Array(lines) => {
            let line = |line: serde_json::Value| match line {
                serde_json::Value::String(text) => text.trim_end_matches('\n').to_owned(),
                other => other.to_string(),
            };
            lines.into_iter().map(line).collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    };
    let told = said.error_type.filter(|kind| !kind.is_empty());
    Failure {
        kind: bounded(told.as_deref().or(kind).unwrap_or("Unknown")),
        message: bounded(&said.error_message.unwrap_or_default()),
        traceback: bounded(&traceback),
    }
}

fn bounded(text: &str) -> String {
    let end = text.floor_char_boundary(WORDS_MAX);
    text.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_a_result_and_nothing_else_is() {
        for body in ["null", " {\"a\": [1]}\n", "\"text\"", "1.50"] {
            let Answer::Response(result) = response(body.as_bytes()) else {
                panic!("{body}");
            };
            assert_eq!(result.get(), body.trim());
        }
        for body in [&b""[..], b"{", b"text", b"\xff", b"{} {}"] {
            let Answer::Error(failure) = response(body) else {
                panic!("{body:?}");
            };
            assert_eq!(failure.kind, "Runtime.InvalidResponse");
        }
    }

    #[test]
    fn errors_are_told_as_clients_tell_them() {
        let python = br#"{"errorMessage": "no", "errorType": "ValueError", "requestId": "x",
                          "stackTrace": ["  File \"a.py\", line 1\n", "    x()\n"]}"#;
        let failure = failure(python, Some("Unhandled"));
        assert_eq!((&*failure.kind, &*failure.message), ("ValueError", "no"));
        assert_eq!(failure.traceback, "  File \"a.py\", line 1\n    x()");
    }

    #[test]
    fn nonsense_is_an_error_too() {
        let long = "é".repeat(WORDS_MAX);
        for body in ["", "{", "[]", "null", "{\"stackTrace\": 7}", "text", &long] {
            let failure = failure(body.as_bytes(), None);
            assert_eq!(failure.kind, "Unknown", "{body}");
            assert!(failure.message.len() <= WORDS_MAX);
        }
        assert_eq!(failure(b"text", Some("Mine")).kind, "Mine");
        assert_eq!(failure(b"text", None).message, "text");
    }
}
