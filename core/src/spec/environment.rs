//! A job's environment: written as a list of `NAME=value`, kept as a map.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::de::{Deserialize, Deserializer, Error as _};
use serde::{Serialize, Serializer};

use super::{BadValue, list};
use crate::names::shown;

/// The most variables, before those that are written twice are merged.
const MAX_VARIABLES: usize = 512;
/// The longest name, in bytes.
const MAX_NAME: usize = 255;
/// The longest value, in bytes.
const MAX_VALUE: usize = 16 * 1024;

/// Environment variables; of two with one name, the later is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// Sets a variable; an earlier value is replaced.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), BadValue> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if !(1..=MAX_NAME).contains(&name.len())
            || name.starts_with(|first: char| first.is_ascii_digit())
            || !name.bytes().all(allowed)
        {
            return Err(BadValue(format!(
                "`{}` does not name an environment variable: use letters, digits and _, not a digit first, \
                 in at most {MAX_NAME} characters",
                shown(name)
            )));
        }
        if value.contains('\0') || value.len() > MAX_VALUE {
            return Err(BadValue(format!(
                "the value of `{name}` cannot be given to a program: \
                 use at most {MAX_VALUE} bytes and no NUL character"
            )));
        }
        if self.0.len() == MAX_VARIABLES && !self.0.contains_key(name) {
            return Err(BadValue(format!(
                "there are too many environment variables: use at most {MAX_VARIABLES}"
            )));
        }
        self.0.insert(name.into(), value.into());
        Ok(())
    }

    /// Sets a variable that is written `NAME=value`.
    pub fn add(&mut self, variable: &str) -> Result<(), BadValue> {
        let Some((name, value)) = variable.split_once('=') else {
            return Err(BadValue(format!(
                "`{}` is not an environment variable: write NAME=value",
                shown(variable)
            )));
        };
        self.set(name, value)
    }

    /// The variables, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Environment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(|(name, value)| format!("{name}={value}")))
    }
}

impl<'de> Deserialize<'de> for Environment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// One variable, checked while the reader still knows where it stands.
        struct Variable(String);
        impl<'de> Deserialize<'de> for Variable {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Environment::default()
                    .add(&text)
                    .map_err(D::Error::custom)?;
                Ok(Self(text))
            }
        }
        let expected = "a list of texts, such as [MODE=fast, LEVEL=2]";
        let variables: Vec<Variable> = list::read(deserializer, expected, MAX_VARIABLES)?;
        let mut environment = Self::default();
        for variable in variables {
            environment.add(&variable.0).map_err(D::Error::custom)?;
        }
        Ok(environment)
    }
}

impl JsonSchema for Environment {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Environment".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "array",
            "items": { "type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*=[^\\u0000]*$" },
            "maxItems": MAX_VARIABLES
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_have_portable_names() {
        let add = |text: &str| Environment::default().add(text);
        for good in ["A=", "_a9=x=y", "PATH=/bin:/usr/bin", "A=\u{1b}\n"] {
            assert!(add(good).is_ok(), "{good:?}");
        }
        for bad in ["", "A", "=x", "1A=x", "A-B=x", "A B=x", "Ä=x", "A=\0"] {
            assert!(add(bad).is_err(), "{bad:?}");
        }
        assert!(add(&format!("A={}", "x".repeat(MAX_VALUE + 1))).is_err());
    }

    #[test]
    fn there_is_a_most() {
        let mut environment = Environment::default();
        for index in 0..MAX_VARIABLES {
            environment.set(&format!("A{index}"), "").unwrap();
        }
        assert!(environment.set("A0", "again").is_ok());
        assert!(environment.set("B", "").is_err());
    }
}
