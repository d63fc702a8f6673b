//! A row: one object of an answer, as it came and as a value.

use serde_json::Value;
use serde_json::value::RawValue;

use super::ordered::{self, Ordered};

/// One object of an answer.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    raw: Box<RawValue>,
    value: Value,
}

// === impl Row ===

impl Row {
    /// The row of a JSON text.
    pub(crate) fn parse(text: &str) -> Result<Self, serde_json::Error> {
        Self::new(serde_json::from_str(text)?)
    }

    /// The row of a JSON text that is known to be one.
    pub(crate) fn new(raw: Box<RawValue>) -> Result<Self, serde_json::Error> {
        let value = serde_json::from_str(raw.get())?;
        Ok(Self { raw, value })
    }

    /// The row of an event: its document with the sequence number in front.
    ///
    /// Spliced as text, so that the rest stays as it is stored.
    pub(crate) fn event(sequence: u64, document: &str) -> Result<Self, serde_json::Error> {
        let inside = document
            .trim()
            .strip_prefix('{')
            .unwrap_or_default()
            .trim_start();
        let comma = if inside.starts_with('}') { "" } else { "," };
        Self::parse(&format!("{{\"sequence\":{sequence}{comma}{inside}"))
    }

    /// What is in it.
    pub(crate) fn value(&self) -> &Value {
        &self.value
    }

    /// A field's text, if there is such a field and it is a text.
    pub(crate) fn text(&self, field: &str) -> Option<&str> {
        self.value.get(field)?.as_str()
    }

    /// The names of its fields, in their order.
    pub(crate) fn keys(&self) -> Vec<String> {
        let fields = ordered::fields(&self.raw).unwrap_or_default();
        fields.into_iter().map(|(key, _)| key).collect()
    }

    /// The whole row as one line of JSON.
    pub(super) fn json_line(&self) -> String {
        let text = self.raw.get();
        if text.contains(['\n', '\r'])
            && let Ok(line) = serde_json::to_string(&self.ordered())
        {
            return line;
        }
        text.to_owned()
    }

    /// The whole row for a serializer.
    pub(super) fn ordered(&self) -> Ordered<'_> {
        Ordered(&self.raw)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_one_line_whatever_it_came_as() {
        let row = Row::parse("{\n  \"b\": 1,\n  \"a\": 2\n}").unwrap();
        assert_eq!(row.json_line(), r#"{"b":1,"a":2}"#);
        assert_eq!(row.keys(), ["b", "a"]);
    }

    #[test]
    fn a_row_on_one_line_stays_byte_for_byte() {
        let row = Row::parse(r#"{"b": 1.50, "a":2}"#).unwrap();
        assert_eq!(row.json_line(), r#"{"b": 1.50, "a":2}"#);
    }

    #[test]
    fn an_event_has_its_sequence_in_front() {
        let row = Row::event(7, r#"{"specversion":"1.0","id":"x"}"#).unwrap();
        assert_eq!(
            row.json_line(),
            r#"{"sequence":7,"specversion":"1.0","id":"x"}"#
        );
        assert_eq!(
            Row::event(7, "{}").unwrap().json_line(),
            r#"{"sequence":7}"#
        );
        assert!(Row::event(7, "[]").is_err());
    }
}
