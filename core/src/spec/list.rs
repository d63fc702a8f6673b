//! Lists of texts: reading one with a bound, and the command, which is one.

use std::fmt;
use std::marker::PhantomData;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error as _, SeqAccess, Visitor};

use super::{Argument, BadValue};

/// The longest command, in arguments.
const MAX_ARGUMENTS: usize = 512;

/// A command and its arguments.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct Command(Vec<Argument>);

/// Reads a list of at most `most`; `expected` says how to write one.
pub(super) fn read<'de, D, T>(
    deserializer: D,
    expected: &'static str,
    most: usize,
) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    struct List<T> {
        expected: &'static str,
        most: usize,
        of: PhantomData<T>,
    }
    impl<'de, T: DeserializeOwned> Visitor<'de> for List<T> {
        type Value = Vec<T>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.expected)
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
            let mut read = Vec::new();
            while let Some(next) = list.next_element()? {
                if read.len() == self.most {
                    return Err(A::Error::custom(format_args!(
                        "the list is too long: write at most {}",
                        self.most
                    )));
                }
                read.push(next);
            }
            Ok(read)
        }
    }
    deserializer.deserialize_any(List {
        expected,
        most,
        of: PhantomData,
    })
}

// === impl Command ===

impl Command {
    /// A command of these arguments; none: the image's own.
    pub fn new(arguments: Vec<Argument>) -> Result<Self, BadValue> {
        if arguments
            .first()
            .is_some_and(|program| program.as_str().is_empty())
        {
            return Err(BadValue(
                "the command starts with an empty text: write a program".into(),
            ));
        }
        if arguments.len() > MAX_ARGUMENTS {
            return Err(BadValue(format!(
                "the command is too long ({} arguments): write at most {MAX_ARGUMENTS}",
                arguments.len()
            )));
        }
        Ok(Self(arguments))
    }

    /// Serves the runtime's files: what runs where nothing else was asked for.
    pub(super) fn serve_files() -> Self {
        let script = "cp /service/* /tmp/ && python3 -m http.server 8080 --directory /tmp";
        Self(["/bin/sh", "-c", script].map(Argument::literal).into())
    }

    /// Whether it is the image's own.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The arguments, the program first.
    pub fn arguments(&self) -> &[Argument] {
        &self.0
    }
}

/// For people: arguments joined with spaces, and not quoted.
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, argument) in self.0.iter().enumerate() {
            let space = if index == 0 { "" } else { " " };
            write!(f, "{space}{argument}")?;
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Command {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = "a list of texts, such as [python3, -u, /service/server.py]";
        Self::new(read(deserializer, expected, MAX_ARGUMENTS)?).map_err(D::Error::custom)
    }
}

impl JsonSchema for Command {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Command".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let item = generator.subschema_for::<Argument>();
        schemars::json_schema!({ "type": "array", "items": item, "maxItems": MAX_ARGUMENTS })
    }
}
