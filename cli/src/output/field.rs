//! Field paths: `name`, `runs.exitCode`, and how a value looks in a cell.

use serde_json::Value;

/// The value at a path, or `None` if no such field can be there.
///
/// Dots reach into objects and into each element of arrays. Below a null or an empty array there
/// is nothing, and that is no error: other rows have something there.
pub(super) fn lookup(value: &Value, path: &str) -> Option<Value> {
    let (key, rest) = match path.split_once('.') {
        Some((key, rest)) => (key, Some(rest)),
        None => (path, None),
    };
    match value {
        Value::Object(fields) => match (fields.get(key)?, rest) {
            (found, None) => Some(found.clone()),
            (found, Some(rest)) => lookup(found, rest),
        },
        Value::Array(items) if items.is_empty() => Some(Value::Null),
        Value::Array(items) => {
            let found: Vec<Value> = items.iter().filter_map(|item| lookup(item, path)).collect();
            (!found.is_empty()).then_some(Value::Array(found))
        }
        Value::Null => Some(Value::Null),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

/// A value as bare text: strings as they are, nothing for null; lists joined by commas where that tells their
/// elements apart, else as JSON.
pub(super) fn bare(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() || items.iter().any(is_no_word) => {
            value.to_string()
        }
        Value::Array(items) => items.iter().map(bare).collect::<Vec<_>>().join(","),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

fn is_no_word(value: &Value) -> bool {
    let breaks = |c: char| c.is_whitespace() || c.is_control() || matches!(c, ',' | '"');
    value
        .as_str()
        .is_some_and(|text| text.is_empty() || text.contains(breaks))
}

/// A value as the text of a cell: one line, and nothing that a terminal would obey.
pub(super) fn cell(value: &Value) -> String {
    let text = bare(value);
    if !text.contains(char::is_control) {
        return text;
    }
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            safe.extend(c.escape_default());
        } else {
            safe.push(c);
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_path_reaches_into_objects() {
        assert_eq!(lookup(&json!({"a": {"b": 1}}), "a.b"), Some(json!(1)));
    }

    #[test]
    fn a_path_reaches_into_each_element_of_an_array() {
        let row = json!({"runs": [{"exitCode": 1}, {"exitCode": 0}, {}]});
        assert_eq!(lookup(&row, "runs.exitCode"), Some(json!([1, 0])));
    }

    #[test]
    fn nothing_is_below_null_and_empty_arrays_but_a_field_could_be() {
        assert_eq!(
            lookup(&json!({"runs": []}), "runs.exitCode"),
            Some(Value::Null)
        );
        assert_eq!(
            lookup(&json!({"data": null}), "data.x.y"),
            Some(Value::Null)
        );
    }

    #[test]
    fn an_unknown_field_is_none() {
        let row = json!({"name": "x", "runs": [{"a": 1}]});
        assert_eq!(lookup(&row, "nome"), None);
        assert_eq!(lookup(&row, "name.length"), None);
        assert_eq!(lookup(&row, "runs.b"), None);
        assert_eq!(lookup(&row, ""), None);
    }

    #[test]
    fn values_are_bare() {
        assert_eq!(bare(&json!("a b")), "a b");
        assert_eq!(bare(&json!(["a", 2, null])), "a,2,");
        assert_eq!(bare(&json!({"a": [1]})), "{\"a\":[1]}");
        assert_eq!(bare(&json!([])), "[]");
        assert_eq!(bare(&json!(["sh", "-c", "a b"])), r#"["sh","-c","a b"]"#);
        assert_eq!(bare(&json!(true)), "true");
    }

    #[test]
    fn a_cell_is_one_line_without_escape_sequences() {
        assert_eq!(cell(&json!("a\nb\u{1b}[31m")), "a\\nb\\u{1b}[31m");
    }
}
