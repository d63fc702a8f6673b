//! On what terms a service is to keep its jobs, as a file says it and as a service has it.

use std::fmt;

use eai_core::service::{Replicas, Terms as Checked};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, Visitor};
use serde_json::{Map, Value, json};

use super::difference::Change;
use crate::args::replicas;

/// What a file says; what is absent stays as it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    /// In seconds; 0 is as usual.
    pub(super) idle_timeout: Option<f64>,
    pub(super) min_ready: Option<u32>,
    pub(super) replicas: Option<Range>,
    pub(super) concurrency: Option<u32>,
}

/// `COUNT` or `MIN:MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    min: u32,
    max: u32,
}

// === impl Terms ===

impl Terms {
    /// What is wrong with them, whatever the service has now.
    pub(super) fn check(self) -> Result<Self, String> {
        let usual = Replicas::default();
        let range = self.replicas.unwrap_or(Range {
            min: usual.min,
            max: usual.max,
        });
        let milliseconds = self.milliseconds()?;
        let terms = Checked {
            idle_timeout_ms: milliseconds.filter(|time| *time > 0),
            min_ready: self.min_ready.unwrap_or_default(),
            replicas: Replicas {
                min: range.min,
                max: range.max,
                concurrency: self.concurrency.unwrap_or(usual.concurrency),
            },
        };
        terms.check().map_err(|refusal| refusal.message)?;
        Ok(self)
    }

    fn milliseconds(self) -> Result<Option<u64>, String> {
        let Some(seconds) = self.idle_timeout else {
            return Ok(None);
        };
        let time = std::time::Duration::try_from_secs_f64(seconds)
            .ok()
            .and_then(|time| u64::try_from(time.as_millis()).ok());
        time.map(Some)
            .ok_or_else(|| format!("`idleTimeout` is a number of seconds, not {seconds}"))
    }

    /// As the API takes them.
    pub(super) fn body(self) -> Value {
        let milliseconds = self.milliseconds().unwrap_or_default();
        let range = self
            .replicas
            .map(|Range { min, max }| json!({"min": min, "max": max}));
        let fields = [
            ("idleTimeoutMs", milliseconds.map(Value::from)),
            ("minReady", self.min_ready.map(Value::from)),
            ("replicas", range),
            ("concurrency", self.concurrency.map(Value::from)),
        ];
        let said = fields
            .into_iter()
            .filter_map(|(field, value)| Some((field.to_owned(), value?)));
        Value::Object(said.collect::<Map<_, _>>())
    }

    /// What of them a service does not have; one that is not there has what is usual.
    pub(super) fn compare(self, row: Option<&Value>, changes: &mut Vec<Change>) {
        let usual = Replicas::default();
        let number = |pointer: &str| {
            let found = row.and_then(|row| row.pointer(pointer));
            found.and_then(Value::as_u64)
        };
        let milliseconds = self.milliseconds().unwrap_or_default();
        let now = number("/idleTimeoutMs").or_else(|| number("/queue/idleTimeoutMs"));
        let range = Range {
            min: small(number("/replicas/min"), usual.min),
            max: small(number("/replicas/max"), usual.max),
        };
        let fields = [
            (
                "idleTimeout",
                milliseconds
                    .filter(|wanted| *wanted != now.unwrap_or_default())
                    .map(|wanted| (seconds(now.unwrap_or_default()), seconds(wanted))),
            ),
            (
                "minReady",
                differs(&small(number("/minReady"), 0), self.min_ready),
            ),
            ("replicas", differs(&range, self.replicas)),
            (
                "concurrency",
                differs(
                    &small(number("/concurrency"), usual.concurrency),
                    self.concurrency,
                ),
            ),
        ];
        changes.extend(
            fields
                .into_iter()
                .filter_map(|(field, both)| both.map(|(now, wanted)| (field, now, wanted)))
                .map(|(field, now, wanted)| Change::Terms(field, now, wanted)),
        );
    }
}

fn small(found: Option<u64>, usual: u32) -> u32 {
    found
        .and_then(|number| u32::try_from(number).ok())
        .unwrap_or(usual)
}

fn differs<T: PartialEq + fmt::Display>(now: &T, wanted: Option<T>) -> Option<(String, String)> {
    let wanted = wanted.filter(|wanted| wanted != now)?;
    Some((now.to_string(), wanted.to_string()))
}

fn seconds(milliseconds: u64) -> String {
    if milliseconds == 0 {
        return "usual".to_owned();
    }
    format!(
        "{}s",
        std::time::Duration::from_millis(milliseconds).as_secs_f64()
    )
}

// === impl Range ===

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.min, self.max)
    }
}

impl<'de> Deserialize<'de> for Range {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Range;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("COUNT or MIN:MAX, such as 3 or 1:4")
            }
            fn visit_u64<E: serde::de::Error>(self, count: u64) -> Result<Range, E> {
                self.visit_str(&count.to_string())
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Range, E> {
                let (min, max) = replicas(text).map_err(E::custom)?;
                Ok(Range { min, max })
            }
        }
        let read = deserializer.deserialize_any(Text);
        read.map_err(|error| D::Error::custom(format!("`replicas`: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::file::parse;
    use super::*;

    fn terms(text: &str) -> Terms {
        let file = format!("services: {{web: {text}}}");
        parse(&file, Path::new(".")).unwrap()[0].terms
    }

    fn changes(text: &str, row: Option<&Value>) -> Vec<Change> {
        let mut changes = Vec::new();
        terms(text).compare(row, &mut changes);
        changes
    }

    #[test]
    fn they_are_read_and_sent() {
        let read = terms("{idleTimeout: 1.5, minReady: 1, replicas: '1:4', concurrency: 10}");
        assert_eq!(
            read.body(),
            json!({"idleTimeoutMs": 1500, "minReady": 1, "replicas": {"min": 1, "max": 4}, "concurrency": 10})
        );
        for (text, min) in [("{replicas: 3}", 3), ("{replicas: 1:3}", 1)] {
            let body = terms(text).body();
            assert_eq!(body, json!({"replicas": {"min": min, "max": 3}}), "{text}");
        }
        assert_eq!(terms("{}").body(), json!({}));
    }

    #[test]
    fn only_what_is_said_and_otherwise_differs() {
        let said = "{idleTimeout: 60, minReady: 0, replicas: 1:4, concurrency: 80}";
        let change =
            |field, now: &str, wanted: &str| Change::Terms(field, now.into(), wanted.into());
        let of_new = [
            change("idleTimeout", "usual", "60s"),
            change("replicas", "1:1", "1:4"),
        ];
        assert_eq!(changes(said, None), of_new);
        let row = json!({"idleTimeoutMs": 60000, "minReady": 1, "replicas": {"min": 1, "max": 4}, "concurrency": 5});
        let of_other = [
            change("minReady", "1", "0"),
            change("concurrency", "5", "80"),
        ];
        assert_eq!(changes(said, Some(&row)), of_other);
        assert_eq!(changes("{}", Some(&row)), []);
        assert_eq!(
            changes("{idleTimeout: 0}", Some(&row)),
            [change("idleTimeout", "60s", "usual")]
        );
    }
}
