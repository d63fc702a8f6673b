//! The texts of a spec: images, arguments, paths. What has one of these types was checked.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::BadValue;
use super::requirements::{self, requirements};
use crate::names::shown;

/// The longest image, path or URL path, in bytes.
const MAX_LENGTH: usize = 1024;
/// The longest argument, in bytes.
const MAX_ARGUMENT: usize = 16 * 1024;
/// The longest component of a path, in bytes: what file systems allow.
const MAX_COMPONENT: usize = 255;

macro_rules! texts {
    ($($(#[$doc:meta])* $type:ident, $check:path, $pattern:literal, $most:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(String);

        impl $type {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl TryFrom<String> for $type {
            type Error = BadValue;
            fn try_from(text: String) -> Result<Self, BadValue> {
                $check(&text).map(|text| Self(text.into()))
            }
        }
        impl FromStr for $type {
            type Err = BadValue;
            fn from_str(text: &str) -> Result<Self, BadValue> {
                text.to_owned().try_into()
            }
        }
        impl From<$type> for String {
            fn from(text: $type) -> Self {
                text.0
            }
        }
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "pattern": $pattern, "maxLength": $most })
            }
        }
    )*};
}

texts! {
    /// A container image, as a registry names it.
    Image, image, "^[A-Za-z0-9][A-Za-z0-9._:/@+-]*$", MAX_LENGTH;
    /// One argument of a command.
    Argument, argument, "^[^\\u0000]*$", MAX_ARGUMENT;
    /// An absolute path without `.`, `..` and doubled slashes.
    AbsolutePath, absolute, "^(/|(/[^/]+)+)$", MAX_LENGTH;
    /// What is asked for over HTTP: a path, perhaps with a query.
    UrlPath, url_path, "^/[!-\"$-~]*$", MAX_LENGTH;
    /// Something in a Python module: `module.function`, `package.module.Class`.
    Attribute, attribute, "^[A-Za-z_][A-Za-z0-9_]*(\\.[A-Za-z_][A-Za-z0-9_]*)+$", MAX_LENGTH;
    /// Python packages, one a line, as in a `requirements.txt`.
    Requirements, requirements, "^[^\\u0000]*$", requirements::MAX_LENGTH;
}

impl Default for Image {
    fn default() -> Self {
        Self("python:3.10".into())
    }
}

impl Argument {
    /// For arguments that are written in this crate.
    pub(super) fn literal(text: &'static str) -> Self {
        Self(text.into())
    }
}

impl AbsolutePath {
    /// Whether this is `other` or below it.
    pub fn is_within(&self, other: &str) -> bool {
        self.0
            .strip_prefix(other.trim_end_matches('/'))
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

fn image(text: &str) -> Result<&str, BadValue> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._:/@+-".contains(&byte);
    let starts = text.starts_with(|first: char| first.is_ascii_alphanumeric());
    if starts && text.len() <= MAX_LENGTH && text.bytes().all(allowed) {
        return Ok(text);
    }
    Err(BadValue(format!(
        "`{}` is not an image: write it as a registry names it, such as python:3.10",
        shown(text)
    )))
}

fn argument(text: &str) -> Result<&str, BadValue> {
    if text.contains('\0') {
        return Err(BadValue(format!(
            "the argument `{}` has a NUL character, which no program can be given: remove it",
            shown(text)
        )));
    }
    if text.len() > MAX_ARGUMENT {
        return Err(BadValue(format!(
            "the argument `{}` is too long ({} bytes of {MAX_ARGUMENT}): put it into a file of the runtime",
            shown(text),
            text.len()
        )));
    }
    Ok(text)
}

fn absolute(text: &str) -> Result<&str, BadValue> {
    // `/data/` is `/data` to everyone: only a form that could mean another place is refused.
    let path = match text.strip_suffix('/') {
        Some(path) if !path.is_empty() && !path.ends_with('/') => path,
        _ => text,
    };
    let normal = path
        .strip_prefix('/')
        .is_some_and(|rest| rest.is_empty() || is_normal(rest));
    if normal && path.len() <= MAX_LENGTH {
        return Ok(path);
    }
    Err(BadValue(format!(
        "`{}` is not an absolute path: start it with /, without `.`, `..`, `//` and control characters, \
         in at most {MAX_LENGTH} bytes",
        shown(text)
    )))
}

/// Whether a relative path has only components that are names.
pub(super) fn is_normal(path: &str) -> bool {
    path.split('/').all(|part| {
        (1..=MAX_COMPONENT).contains(&part.len())
            && !matches!(part, "." | "..")
            && !part.contains(char::is_control)
    })
}

fn attribute(text: &str) -> Result<&str, BadValue> {
    let part = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    if text.contains('.') && text.len() <= MAX_LENGTH && text.split('.').all(part) {
        return Ok(text);
    }
    Err(BadValue(format!(
        "`{}` is not something in a Python module: write module.function or module.Class",
        shown(text)
    )))
}

fn url_path(text: &str) -> Result<&str, BadValue> {
    let allowed = |byte: u8| byte.is_ascii_graphic() && byte != b'#';
    if text.starts_with('/') && text.len() <= MAX_LENGTH && text.bytes().all(allowed) {
        return Ok(text);
    }
    Err(BadValue(format!(
        "`{}` is not a path to ask for: start it with /, and percent-encode spaces and what isn't ASCII",
        shown(text)
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_look_like_images() {
        for good in [
            "python:3.10",
            "nginx",
            "localhost:5000/a/b:1-x",
            "a/b@sha256:00ff",
        ] {
            assert!(good.parse::<Image>().is_ok(), "{good}");
        }
        for bad in ["", "-v", "a b", "a\nb", "http://é", &"x".repeat(1025)] {
            assert!(bad.parse::<Image>().is_err(), "{bad}");
        }
    }

    #[test]
    fn paths_are_absolute_and_normal() {
        let path = |text: &str| text.parse::<AbsolutePath>().map(String::from);
        for (text, normal) in [
            ("/", "/"),
            ("/a", "/a"),
            ("/a/", "/a"),
            ("/a b/ü", "/a b/ü"),
            ("/...", "/..."),
        ] {
            assert_eq!(path(text).unwrap(), normal);
        }
        for bad in [
            "", "a", "//", "/a//b", "/a//", "/.", "/a/../b", "/a/./b", "/a\0", "/a\n",
        ] {
            assert!(path(bad).is_err(), "{bad:?}");
        }
        assert!(path(&format!("/{}", "x".repeat(256))).is_err());
        let within = |path: &str, other| path.parse::<AbsolutePath>().unwrap().is_within(other);
        assert!(within("/a/b", "/a") && within("/a", "/a") && within("/a", "/"));
        assert!(!within("/ab", "/a") && !within("/", "/a"));
    }

    #[test]
    fn url_paths_can_be_sent() {
        for good in ["/", "/healthz", "/a?b=c%20d"] {
            assert!(good.parse::<UrlPath>().is_ok(), "{good}");
        }
        for bad in ["", "healthz", "/a b", "/a\r\nHost: x", "/ü", "/#a"] {
            assert!(bad.parse::<UrlPath>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn attributes_have_a_module() {
        for good in ["app.handle", "a.b.C", "_a._b1"] {
            assert!(good.parse::<Attribute>().is_ok(), "{good}");
        }
        for bad in [
            "", "app", ".a", "a.", "a..b", "a.1b", "a-b.c", "a.b()", "a.b\n",
        ] {
            assert!(bad.parse::<Attribute>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn arguments_may_be_nearly_anything() {
        for good in ["", "a\nb", "ü", "\u{1b}"] {
            assert!(good.parse::<Argument>().is_ok());
        }
        assert!("a\0".parse::<Argument>().is_err());
        assert!("x".repeat(MAX_ARGUMENT + 1).parse::<Argument>().is_err());
    }
}
