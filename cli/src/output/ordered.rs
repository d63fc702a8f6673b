//! JSON written out again with the keys in the order they came in.
//!
//! `serde_json::Value` sorts keys, and a person who reads YAML wants `id` first.

use std::fmt;

use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde::ser::{Error as _, Serialize, SerializeMap as _, Serializer};
use serde_json::value::RawValue;

/// A JSON text that serializes as what it says.
pub(super) struct Ordered<'a>(pub(super) &'a RawValue);

/// The fields of an object in their order; nothing if it is no object.
pub(super) fn fields(raw: &RawValue) -> Option<Vec<(String, Box<RawValue>)>> {
    serde_json::Deserializer::from_str(raw.get())
        .deserialize_map(Fields)
        .ok()
}

struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = Vec<(String, Box<RawValue>)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::new();
        while let Some(entry) = map.next_entry()? {
            fields.push(entry);
        }
        Ok(fields)
    }
}

// === impl Ordered ===

impl Serialize for Ordered<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.0.get().trim_start();
        if text.starts_with('{') {
            let fields = fields(self.0).ok_or_else(|| S::Error::custom("not an object"))?;
            let mut map = serializer.serialize_map(Some(fields.len()))?;
            for (key, value) in &fields {
                map.serialize_entry(key, &Ordered(value))?;
            }
            map.end()
        } else if text.starts_with('[') {
            let items: Vec<Box<RawValue>> = serde_json::from_str(text).map_err(S::Error::custom)?;
            serializer.collect_seq(items.iter().map(|item| Ordered(item)))
        } else {
            let value: serde_json::Value = serde_json::from_str(text).map_err(S::Error::custom)?;
            value.serialize(serializer)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn keys_keep_their_order_at_every_depth() {
        let raw = raw(r#"{ "z": 1, "a": [ {"y": null, "b": "x"} ] }"#);
        let text = serde_json::to_string(&Ordered(&raw)).unwrap();
        assert_eq!(text, r#"{"z":1,"a":[{"y":null,"b":"x"}]}"#);
    }

    #[test]
    fn yaml_keeps_the_order_too() {
        let raw = raw(r#"{"id":"x","account":"snow.a","policies":["a","b"],"version":"1.0"}"#);
        let text = serde_saphyr::to_string(&Ordered(&raw)).unwrap();
        let keys: Vec<&str> = text
            .lines()
            .filter_map(|line| line.split_once(':'))
            .map(|(key, _)| key)
            .collect();
        assert_eq!(keys, ["id", "account", "policies", "version"], "{text}");
    }
}
