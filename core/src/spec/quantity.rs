//! Amounts: written as people do, kept as integers, so that `1` and `1.0` are the same amount.

use std::fmt;

use schemars::JsonSchema;
use serde::de::{Deserialize, Deserializer, Error as _, Visitor};
use serde::{Serialize, Serializer};

use super::BadValue;

/// Processor cores, in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cpu(u32);

/// Memory, in MiB. A GB has 1024 of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Memory(u32);

/// What a fractional amount may be.
struct Unit {
    /// How it is called in messages.
    name: &'static str,
    /// How many steps one whole has.
    steps: u16,
    /// The smallest and largest amount, in wholes.
    range: (f64, f64),
}

const CORES: Unit = Unit {
    name: "cpu (in cores)",
    steps: 1000,
    range: (0.01, 1024.0),
};

/// Below the least, a container engine refuses to start a container.
const GIGABYTES: Unit = Unit {
    name: "memory (in GB)",
    steps: 1024,
    range: (0.01, 16384.0),
};

impl Unit {
    fn read(&self, whole: f64) -> Result<u32, BadValue> {
        let (least, most) = self.range;
        if !(least..=most).contains(&whole) {
            return Err(BadValue(format!(
                "{} cannot be {whole}: use a number from {least} to {most}",
                self.name
            )));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "in range: it was checked above"
        )]
        let steps = (whole * f64::from(self.steps)).round() as u32;
        Ok(steps)
    }

    /// The number with the fewest digits that reads back as this amount.
    fn write(&self, steps: u32) -> f64 {
        let exact = f64::from(steps) / f64::from(self.steps);
        [1.0, 10.0, 100.0, 1000.0]
            .into_iter()
            .map(|scale| (exact * scale).round() / scale)
            .find(|short| self.read(*short) == Ok(steps))
            .unwrap_or(exact)
    }
}

/// A number however it was written; text and the rest are refused with what to write instead.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    struct Number;
    impl Visitor<'_> for Number {
        type Value = f64;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a number without a unit, such as 2 or 0.5")
        }
        fn visit_f64<E>(self, value: f64) -> Result<f64, E> {
            Ok(value)
        }
        #[expect(
            clippy::cast_precision_loss,
            reason = "a number that large is out of every range"
        )]
        fn visit_u64<E>(self, value: u64) -> Result<f64, E> {
            Ok(value as f64)
        }
        #[expect(
            clippy::cast_precision_loss,
            reason = "a number that large is out of every range"
        )]
        fn visit_i64<E>(self, value: i64) -> Result<f64, E> {
            Ok(value as f64)
        }
    }
    deserializer.deserialize_any(Number)
}

macro_rules! fractions {
    ($($type:ident, $unit:expr, $default:expr;)*) => {$(
        impl TryFrom<f64> for $type {
            type Error = BadValue;
            fn try_from(whole: f64) -> Result<Self, BadValue> {
                $unit.read(whole).map(Self)
            }
        }
        impl Default for $type {
            fn default() -> Self {
                Self($default)
            }
        }
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&$unit.write(self.0), f)
            }
        }
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if self.0 % u32::from($unit.steps) == 0 {
                    serializer.serialize_u32(self.0 / u32::from($unit.steps))
                } else {
                    serializer.serialize_f64($unit.write(self.0))
                }
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                number(deserializer)?.try_into().map_err(D::Error::custom)
            }
        }
        impl JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let (least, most) = $unit.range;
                schemars::json_schema!({ "type": "number", "minimum": least, "maximum": most })
            }
        }
    )*};
}

fractions! {
    Cpu, CORES, 1000;
    Memory, GIGABYTES, 1024;
}

impl Cpu {
    /// In thousandths of a core.
    pub fn milli(self) -> u32 {
        self.0
    }
}

impl Memory {
    /// In MiB.
    pub fn mebibytes(self) -> u32 {
        self.0
    }

    /// Reads an amount of which 0 means: any.
    pub(super) fn any<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Self>, D::Error> {
        /// A number, which may be absent.
        struct Wanted(f64);
        impl<'de> Deserialize<'de> for Wanted {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let wanted = number(deserializer)?;
                if wanted != 0.0 {
                    GIGABYTES.read(wanted).map_err(D::Error::custom)?;
                }
                Ok(Self(wanted))
            }
        }
        let wanted = Option::<Wanted>::deserialize(deserializer)?;
        Ok(wanted.and_then(|wanted| wanted.0.try_into().ok()))
    }
}

macro_rules! integers {
    ($($(#[$doc:meta])* $type:ident($inner:ty), $what:literal, $least:literal to $most:literal, $default:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $type($inner);

        impl $type {
            /// The number.
            pub fn get(self) -> $inner {
                self.0
            }
        }
        impl TryFrom<i64> for $type {
            type Error = BadValue;
            fn try_from(number: i64) -> Result<Self, BadValue> {
                if ($least..=$most).contains(&number) && let Ok(number) = number.try_into() {
                    Ok(Self(number))
                } else {
                    Err(BadValue(format!(
                        concat!($what, " cannot be {}: use a whole number from ", $least, " to ", $most),
                        number
                    )))
                }
            }
        }
        impl Default for $type {
            fn default() -> Self {
                Self($default)
            }
        }
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.0.serialize(serializer)
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Whole;
                impl Visitor<'_> for Whole {
                    type Value = i64;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str(concat!("a whole number from ", $least, " to ", $most))
                    }
                    fn visit_u64<E>(self, value: u64) -> Result<i64, E> {
                        Ok(i64::try_from(value).unwrap_or(i64::MAX))
                    }
                    fn visit_i64<E>(self, value: i64) -> Result<i64, E> {
                        Ok(value)
                    }
                }
                deserializer.deserialize_any(Whole)?.try_into().map_err(D::Error::custom)
            }
        }
        impl JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "integer", "minimum": $least, "maximum": $most })
            }
        }
    )*};
}

integers! {
    /// A port of a job.
    Port(u16), "a port", 1 to 65_535, 8080;
    /// How many graphics processors.
    Gpus(u16), "gpu", 0 to 64, 0;
    /// A time in seconds, ten years at most.
    Seconds(u32), "a time in seconds", 0 to 315_360_000, 0;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_become_integers() {
        for (json, milli) in [
            ("1", 1000),
            ("1.0", 1000),
            ("0.1", 100),
            ("0.3333", 333),
            ("1024", 1_024_000),
        ] {
            let cpu: Cpu = serde_json::from_str(json).unwrap();
            assert_eq!(cpu.milli(), milli, "{json}");
        }
        for (json, mebibytes) in [
            ("1", 1024),
            ("0.5", 512),
            ("0.1", 102),
            ("16384", 16_777_216),
        ] {
            let memory: Memory = serde_json::from_str(json).unwrap();
            assert_eq!(memory.mebibytes(), mebibytes, "{json}");
        }
        for bad in [
            "0", "-1", "0.001", "1025", "1e300", "\"1\"", "true", "null", "[]",
        ] {
            assert!(serde_json::from_str::<Cpu>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn amounts_are_written_with_few_digits_and_read_back() {
        let memory: Memory = serde_json::from_str("0.1").unwrap();
        assert_eq!(serde_json::to_string(&memory).unwrap(), "0.1");
        assert_eq!(serde_json::to_string(&Cpu::default()).unwrap(), "1");
        for steps in (11..20_000).chain(16_770_000..16_777_216) {
            assert_eq!(GIGABYTES.read(GIGABYTES.write(steps)), Ok(steps));
        }
        for steps in (10..20_000).chain(1_020_000..1_024_000) {
            assert_eq!(CORES.read(CORES.write(steps)), Ok(steps));
        }
    }

    #[test]
    fn whole_numbers_have_a_range() {
        assert_eq!(serde_json::from_str::<Port>("65535").unwrap().get(), 65_535);
        for bad in ["0", "65536", "-1", "18446744073709551615", "80.5", "\"80\""] {
            assert!(serde_json::from_str::<Port>(bad).is_err(), "{bad}");
        }
        let error = Port::try_from(70_000).unwrap_err().to_string();
        assert_eq!(
            error,
            "a port cannot be 70000: use a whole number from 1 to 65535"
        );
    }
}
